from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rag.errors import RagError
from rag.reading import Item, Limits, Task, readings
from rag.records import Failure, SourceFile

# Who says what in so many lines takes some eight seconds to find out.
SLOW = b"word one\n" * 150_000
SEPARATOR = b"From a@b Mon Jan 27 08:00:00 2025\n"


def mail(number: int, body: bytes = b"Words.", kind: bytes = b"text/plain") -> bytes:
    return b"From: Ana <ana@gs.com>\nSubject: %d\nContent-Type: %s\n\n%s\n\n" % (number, kind, body)


def source(path: str) -> SourceFile:
    return SourceFile(path, "0" * 64, 1, 0)


def stranger(_: str) -> bool:
    return False


def items(
    root: Path, *paths: str, limits: Limits | None = None, known: Callable[[str], bool] = stranger
) -> list[Item | None]:
    task = Task(root, 80, limits=limits or Limits())
    return [item for _, item in readings(task, (source(path) for path in paths), known)]


def titles(found: list[Item | None]) -> list[str]:
    return [item.cuts[0].document.title for item in found if item and item.cuts and item.cuts[0].document.text]


def failures(found: list[Item | None]) -> list[Failure]:
    return [failure for item in found if item for failure in item.failures]


def test_each_message_comes_attributed_and_cut_and_each_file_ends(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(mail(1, b"Margins fall. Capex holds."))
    (tmp_path / "b.mbox").write_bytes(SEPARATOR + mail(2) + SEPARATOR + mail(3))
    first, end, *rest = items(tmp_path, "a.eml", "b.mbox")
    assert first is not None
    (cut,) = first.cuts
    assert cut.document.house == "Goldman Sachs"
    assert [cut.document.text[c.start : c.end] for c in cut.chunks] == [c.text for c in cut.chunks]
    assert {chunk.voice for chunk in cut.chunks} <= set(cut.document.voices)
    assert (end, titles(rest), rest[-1]) == (None, ["2", "3"], None)


def test_what_is_known_is_asked_for_before_it_is_parsed(tmp_path: Path) -> None:
    (tmp_path / "a.mbox").write_bytes(SEPARATOR + mail(1) + SEPARATOR + mail(2))
    first, _, _ = items(tmp_path, "a.mbox")
    assert first is not None
    again = items(tmp_path, "a.mbox", known={first.id}.__contains__)
    assert [item.known for item in again if item] == [True, False]


def test_a_message_that_takes_too_long_is_a_row_and_the_rest_goes_on(tmp_path: Path) -> None:
    (tmp_path / "a.mbox").write_bytes(SEPARATOR + mail(1) + SEPARATOR + mail(2, SLOW) + SEPARATOR + mail(3))
    found = items(tmp_path, "a.mbox", limits=Limits(wall=1.5))
    assert titles(found) == ["1", "3"]
    assert failures(found) == [Failure("a.mbox#2", "reading it took longer than 2 s")]
    known = {item.id for item in found if item}
    assert failures(items(tmp_path, "a.mbox", known=known.__contains__)) == []


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of processor time there")
def test_the_kernel_ends_what_uses_too_much_of_the_processor(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(mail(1, SLOW))
    found = items(tmp_path, "a.eml", limits=Limits(processor=1))
    assert failures(found) == [Failure("a.eml", "reading it took longer than 1 s")]


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of memory is kept by Linux")
def test_a_message_that_wants_too_much_memory_is_a_row(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(mail(1, b"x" * 40_000_000))
    found = items(tmp_path, "a.eml", limits=Limits(memory=150_000_000))
    assert titles(found) == []
    assert [failure.path for failure in failures(found)] == ["a.eml"]


def test_a_mail_whose_attachment_ends_the_reader_is_read_without_it(tmp_path: Path) -> None:
    head = b"Subject: 1\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nSee the page.\n"
    page = b"--b\nContent-Type: text/plain; name=page.txt\nContent-Disposition: attachment\n\n" + SLOW + b"\n--b--\n"
    (tmp_path / "a.eml").write_bytes(head + page)
    found = items(tmp_path, "a.eml", limits=Limits(wall=1.5))
    assert titles(found) == ["1"]
    assert [failure.reason for failure in failures(found)] == ["its attachments ended the reader and are left out"]


def test_a_file_that_ends_the_reader_again_and_again_is_given_up(tmp_path: Path) -> None:
    bombs = b"".join(SEPARATOR + mail(n, SLOW) for n in range(4))
    (tmp_path / "a.mbox").write_bytes(bombs)
    (tmp_path / "b.eml").write_bytes(mail(9))
    found = items(tmp_path, "a.mbox", "b.eml", limits=Limits(wall=2.0))
    assert "the rest is left out" in failures(found)[-1].reason
    assert titles(found) == ["9"]


def test_bombs_between_good_mails_cost_only_themselves(tmp_path: Path) -> None:
    mails = [mail(n, SLOW if n % 2 else b"Words.") for n in range(7)]
    (tmp_path / "a.mbox").write_bytes(b"".join(SEPARATOR + one for one in mails))
    found = items(tmp_path, "a.mbox", limits=Limits(wall=1.5))
    assert titles(found) == ["0", "2", "4", "6"]
    assert [failure.path for failure in failures(found)] == ["a.mbox#2", "a.mbox#4", "a.mbox#6"]


def readers() -> set[str]:
    """The processes that read files for this one."""
    mine = f"PPid:\t{os.getpid()}\n"
    return {
        status.parent.name
        for status in Path("/proc").glob("[0-9]*/status")
        if mine in status.read_text() and b"rag.reading" in (status.parent / "cmdline").read_bytes()
    }


@pytest.mark.skipif(sys.platform != "linux", reason="processes are listed so on Linux")
def test_a_child_that_is_killed_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.mbox").write_bytes(b"".join(SEPARATOR + mail(n) for n in range(300)))
    with contextlib.closing(readings(Task(tmp_path, 80), iter([source("a.mbox")]), stranger)) as found:
        next(found)
        (child,) = readers()
        os.kill(int(child), signal.SIGKILL)
        rest = [item for _, item in found]
    assert len(titles(rest)) + len(failures(rest)) == 299
    assert len(failures(rest)) <= 1


def test_closing_ends_the_child_and_the_thread_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(mail(1))
    (tmp_path / "b.eml").write_bytes(mail(2, SLOW))
    found = readings(Task(tmp_path, 80), iter([source("a.eml"), source("b.eml")]), stranger)
    next(found)
    started = time.monotonic()
    found.close()
    assert time.monotonic() - started < 6
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("reading")] == []


def test_a_reader_that_cannot_start_is_no_file_s_fault(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(mail(1))
    (tmp_path / "houses.toml").write_text("no houses")
    task = Task(tmp_path, 80, houses=tmp_path / "houses.toml")
    with pytest.raises(RagError, match="did not start"):
        list(readings(task, iter([source("a.eml")]), stranger))


def test_an_error_of_whoever_lists_the_files_is_raised_where_they_are_taken(tmp_path: Path) -> None:
    def broken() -> SourceFile:
        raise ValueError("no list")

    with pytest.raises(ValueError, match="no list"):
        list(readings(Task(tmp_path, 80), (broken() for _ in range(1)), stranger))
