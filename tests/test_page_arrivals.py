"""Files that are dropped: what is believed of them, and what comes of each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rag import Assistant, Settings
from rag.page.arrivals import MOST_FILES, Dropped, add, dropped
from tests.conftest import CITI
from tests.fakes import WordEmbedder
from tests.test_page_listing import Drawn


@pytest.fixture
def desk(settings: Settings) -> Iterator[Assistant]:
    with Assistant.open(settings, embedder=WordEmbedder(), own=True) as desk:
        desk.sync()
        yield desk


@pytest.fixture
def sent(tmp_path: Path) -> Path:
    """Where Gradio puts what it is sent."""
    folder = tmp_path / "sent"
    folder.mkdir()
    return folder


def put(folder: Path, name: str, text: str) -> Dropped:
    place = folder / f"{abs(hash(text)):x}"
    place.mkdir(exist_ok=True)
    (place / "file").write_text(text, encoding="utf-8")
    return Dropped(name, place / "file")


def told(desk: Assistant, *files: Dropped) -> str:
    *_, last = add(desk, files)
    return Drawn(last).words


def test_what_is_dropped_is_added_and_found(desk: Assistant, sent: Path) -> None:
    assert "added as copper.md: 1 document, 1 passage" in told(desk, put(sent, "copper.md", "Copper is scarce."))
    assert desk.search("copper", k=1)[0].document.path == "copper.md"


def test_no_copy_is_left_behind(desk: Assistant, sent: Path) -> None:
    told(desk, put(sent, "copper.md", "Copper is scarce."), put(sent, "x.png", "picture"), put(sent, "y.pdf", "bad"))
    assert list(sent.iterdir()) == []


def test_what_is_there_already_is_told_and_not_kept(desk: Assistant, sent: Path, corpus: Path) -> None:
    assert "already there, as citi.eml" in told(desk, put(sent, "other name.eml", CITI))
    assert not (corpus / "other name.eml").exists()


def test_the_same_content_twice_at_once_is_kept_once(desk: Assistant, sent: Path, corpus: Path) -> None:
    words = told(desk, put(sent, "a.md", "Copper is scarce."), put(sent, "b.md", "Copper is scarce."))
    assert "already there, as a.md" in words
    assert not (corpus / "b.md").exists()


def test_another_content_of_the_same_name_is_added_under_a_number(desk: Assistant, sent: Path) -> None:
    words = told(desk, put(sent, "a.md", "Copper is scarce."), put(sent, "a.md", "Zinc is dear."))
    assert "added as a.md" in words
    assert "added as a 2.md" in words


def test_a_file_that_cannot_be_read_is_told_with_its_reason_and_what_to_do(desk: Assistant, sent: Path) -> None:
    words = told(desk, put(sent, "broken.pdf", "no pdf"))
    assert "could not be read: it is not a PDF" in words
    assert "save it again" in words


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (Dropped("x.eml", None, large=True), "larger than 25 MB"),
        (Dropped("x.eml", None), "did not arrive"),
        (Dropped("x.eml", Path("/nowhere/x/file")), "did not arrive"),
        (Dropped("x.png", Path("/nowhere/x/file")), "cannot be read"),
        (Dropped("<img src=x>.eml", None), "did not arrive"),
    ],
)
def test_what_is_not_taken_is_told_in_words(desk: Assistant, file: Dropped, words: str) -> None:
    assert words in told(desk, file)


def test_without_a_corpus_folder_it_is_told_where_to_make_one(sent: Path, tmp_path: Path) -> None:
    nowhere = Settings.load(folder=tmp_path, corpus=tmp_path / "nowhere", index=tmp_path / "ix")
    with Assistant.open(nowhere, embedder=WordEmbedder(), own=True) as desk:
        assert "is not there" in told(desk, put(sent, "a.md", "Copper."))


def test_only_what_lies_where_gradio_puts_it_is_believed(sent: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (sent / "deep" / "er").mkdir(parents=True)
    (sent / "deep" / "er" / "file").write_text("x")
    (sent / "loose").write_text("x")
    (sent / "hash").mkdir()
    (sent / "hash" / "link").symlink_to(tmp_path / "secret")
    fine = put(sent, "x", "x").file
    paths: list[object] = [
        str(fine), str(tmp_path / "secret"), f"{sent}/../secret", f"{sent}/hash/../../secret", f"{sent}/hash/link",
        f"{sent}/loose", f"{sent}/deep/er/file", "http://127.0.0.1:9/x", "", "\0", "\ud800", "x" * 100_000, None, 7, [],
    ]  # fmt: skip
    believed = [one.file for one in dropped([{"name": "x", "path": path} for path in paths], sent)]
    assert believed == [fine] + [None] * (len(paths) - 1)


@pytest.mark.parametrize("said", [None, "x", 7, {}, [], ["x", None, [{}]]])
def test_what_is_no_list_of_files_is_nothing(said: object, sent: Path) -> None:
    assert dropped(said, sent) == []


def test_of_very_many_files_the_first_are_taken(sent: Path) -> None:
    assert len(dropped([{"name": "x"}] * 100_000, sent)) == MOST_FILES
