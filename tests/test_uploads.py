from __future__ import annotations

import os
import threading
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import CorpusMissing, RagError, ReadError
from rag.readers.names import SUFFIXES
from rag.uploads import MAX_BYTES, keep, safe_name


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../x.eml", "x.eml"),
        ("..\\..\\x.eml", "x.eml"),
        ("C:\\mail\\x.EML", "x.EML"),
        ("/etc/passwd.txt", "passwd.txt"),
        (".eml", "message.eml"),
        ("...hidden.md", "hidden.md"),
        ("CON.eml", "_CON.eml"),
        ("con.tar.eml", "_con.tar.eml"),
        ("a\0b\n.eml", "ab.eml"),
        ("\u202efdp.txt", "fdp.txt"),
        ('a<b>:"|?*.eml', "a_b_.eml"),
        ("Über, 5% & more (1).eml", "Über, 5% & more (1).eml"),
        ("x.eml. ", "x.eml"),
        ("\ud800.eml", "?.eml".replace("?", "_")),
    ],
)
def test_a_name_is_its_base_without_what_means_something_else(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@pytest.mark.parametrize("name", ["", "a/b", "CON", "x.eml/", "picture.png", "x", "\0", "..", "/"])
def test_a_name_of_no_known_kind_is_refused_with_those_that_are(name: str) -> None:
    with pytest.raises(ReadError) as told:
        safe_name(name)
    assert ".eml" in told.value.remedy


@given(st.text(), st.sampled_from(SUFFIXES))
def test_no_name_leaves_the_folder_or_hides(text: str, suffix: str) -> None:
    try:
        name = safe_name(text + suffix)
    except ReadError:
        return
    assert not set(name) & set('/\\<>:"|?*')
    assert not name.startswith((".", " "))
    assert len(name.encode()) < 240
    assert all(unicodedata.category(char)[0] != "C" for char in name)
    assert safe_name(name) == name


@pytest.mark.parametrize("name", ["x" * 1_000_000 + ".eml", "e" + "\u0301\u0323" * 500_000 + ".eml"])
def test_a_name_of_a_megabyte_is_cut(name: str) -> None:
    assert len(safe_name(name).encode()) < 240


@pytest.fixture
def dropped(tmp_path: Path) -> Path:
    file = tmp_path / "dropped"
    file.write_bytes(b"Copper is scarce.")
    return file


def test_a_file_is_kept_under_its_name(dropped: Path, corpus: Path) -> None:
    assert keep(dropped, "copper.txt", corpus) == "copper.txt"
    assert (corpus / "copper.txt").read_bytes() == b"Copper is scarce."


@pytest.mark.parametrize("links", [True, False])
def test_the_same_file_dropped_many_times_at_once_is_one(
    dropped: Path, corpus: Path, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not links:

        def refuse(*_: object) -> None:
            raise PermissionError(1, "no links here")

        monkeypatch.setattr(os, "link", refuse)
    together = threading.Barrier(8)

    def drop(_: int) -> str:
        together.wait()
        return keep(dropped, "copper.txt", corpus)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(drop, range(8))) == {"copper.txt"}
    assert (corpus / "copper.txt").read_bytes() == b"Copper is scarce."


def test_another_content_of_the_same_name_gets_a_number(dropped: Path, corpus: Path) -> None:
    before = (corpus / "citi.eml").read_bytes()
    assert keep(dropped, "citi.eml", corpus) == "citi 2.eml"
    assert (corpus / "citi.eml").read_bytes() == before


def test_the_same_content_of_the_same_name_is_left_as_it_is(dropped: Path, corpus: Path) -> None:
    assert [keep(dropped, "copper.txt", corpus) for _ in range(2)] == ["copper.txt"] * 2


def test_neither_a_link_nor_a_folder_of_the_name_is_written_through(
    dropped: Path, corpus: Path, tmp_path: Path
) -> None:
    (corpus / "copper.txt").symlink_to(tmp_path / "outside")
    (corpus / "copper 2.txt").mkdir()
    assert keep(dropped, "copper.txt", corpus) == "copper 3.txt"
    assert not (tmp_path / "outside").exists()


def test_nothing_else_is_left_in_the_folder(dropped: Path, corpus: Path) -> None:
    before = set(os.listdir(corpus))
    keep(dropped, "copper.txt", corpus)
    assert set(os.listdir(corpus)) - before == {"copper.txt"}


def test_a_file_that_is_too_large_or_empty_is_refused(dropped: Path, corpus: Path) -> None:
    os.truncate(dropped, MAX_BYTES + 1)
    with pytest.raises(ReadError, match="larger than 25 MB"):
        keep(dropped, "copper.txt", corpus)
    os.truncate(dropped, 0)
    with pytest.raises(ReadError, match="empty"):
        keep(dropped, "copper.txt", corpus)


def test_a_missing_folder_is_told(dropped: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusMissing):
        keep(dropped, "copper.txt", tmp_path / "nowhere")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_may_not_be_written_is_told_with_a_remedy(dropped: Path, corpus: Path) -> None:
    corpus.chmod(0o500)
    try:
        with pytest.raises(RagError, match="cannot be written") as told:
            keep(dropped, "copper.txt", corpus)
        assert "yourself" in told.value.remedy
    finally:
        corpus.chmod(0o700)
