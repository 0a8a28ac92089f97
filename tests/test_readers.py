from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag.errors import ReadError
from rag.readers import READERS, SUFFIXES, Reader, open_source, read
from rag.readers.mail import MAX_MESSAGE
from rag.records import Document, Failure, SourceFile

MBOX = b"".join(
    b"From a@b Mon Jan  1 00:00:00 2024\n" + message + b"\n\n"
    for message in (b"Subject: 1\n\none", b"Subject: 2\n\n", b"Subject: 3\n\nthree")
)


def items(root: Path, path: str) -> list[Document | Failure]:
    return list(read(root, SourceFile(path, "0" * 64, 1, 0)))


def reason(root: Path, path: str) -> str:
    (item,) = items(root, path)
    assert isinstance(item, Failure)
    assert item.path == path
    return item.reason


def test_every_suffix_has_a_reader() -> None:
    assert SUFFIXES == set(READERS) == {".eml", ".mbox", ".md", ".markdown", ".txt", ".html", ".htm"}


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_every_kind_of_file_gives_a_document(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"a{suffix.upper()}").write_bytes(b"Subject: a\n\nwords")
    (document,) = items(tmp_path, f"a{suffix.upper()}")
    assert isinstance(document, Document)
    assert (document.path, "words" in document.text) == (f"a{suffix.upper()}", True)


def test_one_broken_message_is_a_row_and_the_rest_goes_on(tmp_path: Path) -> None:
    (tmp_path / "box.mbox").write_bytes(MBOX)
    found = items(tmp_path, "box.mbox")
    assert [item.text if isinstance(item, Document) else item for item in found] == [
        "one",
        Failure("box.mbox#2", "no text"),
        "three",
    ]


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_an_empty_file_has_no_text(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"a{suffix}").touch()
    assert reason(tmp_path, f"a{suffix}") == "no text"


def test_a_renamed_file_is_the_same_document(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("same")
    (first,), (second,) = items(tmp_path, "a.txt"), items(tmp_path, "b.txt")
    assert isinstance(first, Document)
    assert isinstance(second, Document)
    assert (first.id, first.title) == (second.id, second.title)


def test_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "b.txt").symlink_to("a.txt")
    assert reason(tmp_path, "b.txt") == "it is a symbolic link"


def test_a_file_outside_the_corpus_is_refused(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "corpus" / "up").symlink_to(tmp_path, target_is_directory=True)
    assert {reason(tmp_path / "corpus", path) for path in ("../a.txt", "up/a.txt")} == {"it lies outside the corpus"}


def test_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    assert "regular file" in reason(tmp_path, "a.txt")


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes in folders")
def test_a_named_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.txt")
    assert reason(tmp_path, "a.txt") == "it is not a regular file"


@pytest.mark.skipif(sys.platform == "win32", reason="no sockets in folders")
def test_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket may have 100 characters only
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("a.txt")
        assert reason(tmp_path, "a.txt")


def test_a_vanished_file_is_a_row(tmp_path: Path) -> None:
    assert reason(tmp_path, "a.txt") == "it has vanished"


def test_a_name_that_no_file_can_have_is_a_row(tmp_path: Path) -> None:
    assert reason(tmp_path, "a\0/b.txt")


def test_an_unknown_kind_is_a_row(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").touch()
    assert ".pdf" in reason(tmp_path, "a.pdf")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_a_row(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch(mode=0)
    assert reason(tmp_path, "a.txt") == "no permission to read it"


@pytest.mark.parametrize(("path", "size"), [("a.eml", MAX_MESSAGE + 1), ("a.mbox", 3_000_000_000)])
def test_a_huge_file_is_refused_unread(tmp_path: Path, path: str, size: int) -> None:
    with (tmp_path / path).open("wb") as file:
        file.truncate(size)
    assert "too large" in reason(tmp_path, path)


def test_the_file_that_is_hashed_can_be_opened_alone(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    with open_source(tmp_path, "a.txt") as file:
        assert file.read() == b"a"
    with pytest.raises(ReadError, match="vanished"):
        open_source(tmp_path, "b.txt")


def refused(error: Exception) -> Document | Failure:
    def parse(source: SourceFile, raw: bytes) -> Document:
        raise error

    return Reader(parse).document(SourceFile("a.eml", "", 1, 0), b"x", "a.eml#1")


@pytest.mark.parametrize("error", [RecursionError("a secret"), MemoryError(), IndexError("a secret")])
def test_whatever_a_parser_raises_is_a_row_without_the_text_of_the_mail(error: Exception) -> None:
    assert refused(error) == Failure("a.eml#1", f"it cannot be parsed ({type(error).__name__})")


def test_what_a_reader_refuses_is_a_row_that_says_why() -> None:
    assert refused(ReadError("why")) == Failure("a.eml#1", "why")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=400), st.sampled_from(sorted(SUFFIXES)))
def test_only_documents_and_failures_come_out(tmp_path: Path, data: bytes, suffix: str) -> None:
    (tmp_path / f"a{suffix}").write_bytes(data)
    assert all(isinstance(item, Document | Failure) for item in items(tmp_path, f"a{suffix}"))
