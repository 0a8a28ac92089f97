from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag.errors import ReadError
from rag.readers.files import READERS, Reader, Reading, open_source, read
from rag.readers.mail import MAX_MESSAGE
from rag.readers.names import SUFFIXES
from rag.readers.parsed import Parsed
from rag.records import Document, Failure, SourceFile

MBOX = b"".join(
    b"From a@b Mon Jan  1 00:00:00 2024\n" + message + b"\n\n"
    for message in (b"Subject: 1\n\none", b"X-Mailer: 2\n\n", b"Subject: 3\n\nthree")
)


def readings(root: Path, path: str, known: Callable[[str], bool] = lambda _: False) -> list[Reading]:
    return list(read(root, SourceFile(path, "0" * 64, 1, 0), known))


def items(root: Path, path: str) -> list[Document | Failure]:
    found: list[Document | Failure] = []
    for reading in readings(root, path):
        found += [*reading.documents, *reading.failures]
    return found


def reason(root: Path, path: str) -> str:
    (item,) = items(root, path)
    assert isinstance(item, Failure)
    assert item.path == path
    return item.reason


def carrying(*parts: bytes) -> bytes:
    body = b"".join(b"--b\n" + part + b"\n" for part in (b"Content-Type: text/plain\n\nSee the file.", *parts))
    head = b"From: Ana <ana@gs.com>\nDate: Mon, 27 Jan 2025 08:00:00 +0000\nSubject: Capex\n"
    return head + b"Content-Type: multipart/mixed; boundary=b\n\n" + body + b"--b--\n"


def attached(kind: str, name: str, content: bytes) -> bytes:
    head = f"Content-Type: {kind}\nContent-Disposition: attachment; filename={name}\n\n"
    return head.encode() + content


def opened(tmp_path: Path, *parts: bytes) -> Reading:
    (tmp_path / "a.eml").write_bytes(carrying(*parts))
    (reading,) = readings(tmp_path, "a.eml")
    return reading


TEXTS = [".eml", ".htm", ".html", ".markdown", ".md", ".txt"]


@pytest.mark.parametrize("suffix", TEXTS)
def test_every_kind_of_text_gives_a_document(tmp_path: Path, suffix: str) -> None:
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


def test_what_is_known_is_not_parsed_again(tmp_path: Path) -> None:
    (tmp_path / "box.mbox").write_bytes(MBOX)
    first, _, _ = readings(tmp_path, "box.mbox")
    again = readings(tmp_path, "box.mbox", {first.id}.__contains__)
    assert [(reading.known, len(reading.documents)) for reading in again] == [(True, 0), (False, 0), (False, 1)]


def test_reading_goes_on_behind_the_messages_that_are_skipped(tmp_path: Path) -> None:
    (tmp_path / "box.mbox").write_bytes(MBOX)
    (reading,) = read(tmp_path, SourceFile("box.mbox", "", 1, 0), skip=2)
    assert [document.text for document in reading.documents] == ["three"]


def test_a_mailbox_without_a_suffix_is_known_by_its_start(tmp_path: Path) -> None:
    (tmp_path / "INBOX").write_bytes(MBOX)
    assert [item.text for item in items(tmp_path, "INBOX") if isinstance(item, Document)] == ["one", "three"]


def test_a_message_of_a_maildir_is_a_mail_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "cur").mkdir()
    (tmp_path / "cur" / "17.M1.host:2,RS").write_bytes(b"Subject: a\n\nwords")
    (document,) = items(tmp_path, "cur/17.M1.host:2,RS")
    assert isinstance(document, Document)
    assert (document.title, document.kind) == ("a", "email")


def test_a_mail_saved_as_text_is_a_mail(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"From: Ana <ana@gs.com>\nSubject: Capex\n\nIt holds.")
    (document,) = items(tmp_path, "a.txt")
    assert isinstance(document, Document)
    assert (document.kind, document.text) == ("email", "It holds.")


def test_an_attachment_is_a_document_of_its_own_that_knows_its_mail(tmp_path: Path) -> None:
    mail, note = opened(tmp_path, attached("text/markdown", "note.md", b"# Margins\n\nThey fall.")).documents
    assert (mail.text, note.text, note.parent) == ("See the file.", "# Margins\n\nThey fall.", mail.id)
    assert (note.path, note.title, note.date) == ("a.eml", "Margins", mail.date)
    assert note.meta == {"attachment": "note.md", "sender_domain": "gs.com", "date_source": "mail"}


def test_an_attached_mail_is_opened_with_what_is_attached_to_it(tmp_path: Path) -> None:
    inner = (
        carrying(attached("text/plain", "deep.txt", b"Deep words.")).replace(b"=b\n", b"=c\n").replace(b"--b", b"--c")
    )
    found = opened(tmp_path, b"Content-Type: message/rfc822\n\n" + inner).documents
    assert [document.text for document in found] == ["See the file.", "See the file.", "Deep words."]
    assert [document.parent for document in found[1:]] == [found[0].id, found[1].id]


def test_what_no_reader_knows_is_counted_by_its_suffix(tmp_path: Path) -> None:
    reading = opened(tmp_path, attached("image/png", "logo.png", b"x"), attached("application/zip", "a.zip", b"x"))
    assert (reading.left_out, reading.failures, len(reading.documents)) == (("png", "zip"), (), 1)


def test_an_attachment_that_cannot_be_read_is_a_row_and_the_mail_is_read(tmp_path: Path) -> None:
    reading = opened(tmp_path, attached("text/plain", "a.txt", b"a\0b"))
    assert reading.failures == (Failure("a.eml", "attachment a.txt: it is binary, not text"),)
    assert [document.text for document in reading.documents] == ["See the file."]


def test_a_message_read_bare_leaves_its_attachments_shut(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(carrying(attached("text/plain", "a.txt", b"words")))
    (reading,) = read(tmp_path, SourceFile("a.eml", "", 1, 0), bare=1)
    assert len(reading.documents) == 1
    assert "attachments" in reading.failures[0].reason


def test_mails_nested_without_end_are_opened_five_deep(tmp_path: Path) -> None:
    raw = b"Subject: core\n\ncore"
    for depth in range(8):
        raw = b"Subject: %d\nContent-Type: message/rfc822\n\n" % depth + raw
    (tmp_path / "a.eml").write_bytes(raw)
    *found, last = items(tmp_path, "a.eml")
    assert isinstance(last, Failure)
    assert (len(found), "nested too deeply" in last.reason) == (6, True)


def test_a_mail_without_a_body_says_what_its_subject_says(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(b"From: ana@gs.com\nSubject: Cut to neutral EOM\n\n")
    (document,) = items(tmp_path, "a.eml")
    assert isinstance(document, Document)
    assert document.text == "Cut to neutral EOM"


def test_a_picture_without_words_says_what_it_was(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(b"Content-Type: image/png; name=a.png\n\nx")
    assert reason(tmp_path, "a.eml") == "no text, only png"


@pytest.mark.parametrize("suffix", TEXTS)
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


def test_a_vanished_file_gives_nothing(tmp_path: Path) -> None:
    assert items(tmp_path, "a.txt") == []


def test_a_name_that_no_file_can_have_is_a_row(tmp_path: Path) -> None:
    assert reason(tmp_path, "a\0/b.txt")


def test_an_unknown_kind_is_a_row(tmp_path: Path) -> None:
    (tmp_path / "a.pptx").touch()
    assert ".pptx" in reason(tmp_path, "a.pptx")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_a_row(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch(mode=0)
    assert reason(tmp_path, "a.txt") == "no permission to read it"


@pytest.mark.parametrize(("path", "size"), [("a.eml", MAX_MESSAGE + 1), ("a.mbox", 30_000_000_000)])
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


def refused(error: Exception) -> Parsed | Failure:
    def parse(source: SourceFile, raw: bytes) -> Parsed:
        raise error

    return Reader(parse).read(SourceFile("a.eml", "", 1, 0), b"x", "a.eml#1")


@pytest.mark.parametrize("error", [RecursionError("a secret"), MemoryError(), IndexError("a secret")])
def test_whatever_a_parser_raises_is_a_row_without_the_text_of_the_mail(error: Exception) -> None:
    assert refused(error) == Failure("a.eml#1", f"it cannot be parsed ({type(error).__name__})")


def test_what_a_reader_refuses_is_a_row_that_says_why() -> None:
    assert refused(ReadError("why")) == Failure("a.eml#1", "why")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=400), st.sampled_from(sorted(READERS)))
def test_only_documents_and_failures_come_out(tmp_path: Path, data: bytes, suffix: str) -> None:
    (tmp_path / f"a{suffix}").write_bytes(data)
    assert all(isinstance(item, Document | Failure) for item in items(tmp_path, f"a{suffix}"))


@pytest.mark.parametrize("name", ["17", "saved"])
def test_a_mail_without_a_suffix_is_known_by_its_start(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"From: a@b\nSubject: Capex\n\nWords.")
    assert [item.title for item in items(tmp_path, name) if isinstance(item, Document)] == ["Capex"]


def test_an_outlook_message_without_a_suffix_is_known_by_its_start(tmp_path: Path) -> None:
    (tmp_path / "saved").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600)
    assert reason(tmp_path, "saved") == "the Outlook message is damaged"


def test_what_is_left_out_is_called_by_a_suffix_or_its_kind(tmp_path: Path) -> None:
    reading = opened(tmp_path, attached("image/png", '"No. 1. all of it"', b"x"), attached("image/png", "a.PNG", b"x"))
    assert reading.left_out == ("image/png", "png")


def test_there_is_a_reader_for_every_suffix_that_is_readable() -> None:
    assert set(READERS) == set(SUFFIXES)
