from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rag import Assistant, RagError, Settings, SyncReport
from rag.indexing import Stopped
from rag.watching import SETTLE_SECONDS, follow
from tests.fakes import WordEmbedder

MAIL = "From: Ana Ruiz <ana@citi.com>\nSubject: {}\n\n{}\n"


class Follower:
    """An assistant that follows a corpus in a thread, and what it tells."""

    def __init__(self, desk: Assistant) -> None:
        self.desk = desk
        self.reports: queue.Queue[SyncReport] = queue.Queue()
        self.troubles: queue.Queue[RagError] = queue.Queue()
        self.stop = threading.Event()
        self.thread = threading.Thread(target=desk.follow, args=(self.stop, self.reports.put, self.troubles.put))
        self.thread.start()

    def until(self, seen: Callable[[SyncReport], bool]) -> SyncReport:
        """The first report that ``seen`` accepts; a burst of changes may be told in several."""
        end = time.monotonic() + 20
        while True:
            report = self.reports.get(timeout=max(0.1, end - time.monotonic()))
            if seen(report):
                return report


@pytest.fixture
def follower(settings: Settings) -> Iterator[Follower]:
    with Assistant.open(settings, embedder=WordEmbedder(), own=True) as desk:
        found = Follower(desk)
        found.until(lambda report: len(report.added) == 3)
        yield found
        found.stop.set()
        found.thread.join(timeout=10)
        assert not found.thread.is_alive()


def paths(desk: Assistant, question: str) -> list[str]:
    return [hit.document.path for hit in desk.search(question, k=1)]


def test_what_lands_is_found_and_told(follower: Follower, corpus: Path) -> None:
    (corpus / "new.eml").write_text(MAIL.format("Copper", "Copper is scarce."))
    report = follower.until(lambda report: bool(report.added))
    assert [(arrival.house, arrival.title) for arrival in report.arrived] == [("Citi", "Copper")]
    assert paths(follower.desk, "copper") == ["new.eml"]


def test_what_changes_moves_and_goes_is_followed(follower: Follower, corpus: Path) -> None:
    (corpus / "prices.md").write_text("Copper is scarce.")
    follower.until(lambda report: "prices.md" in report.changed)
    (corpus / "deep" / "er").mkdir(parents=True)
    (corpus / "prices.md").rename(corpus / "deep" / "er" / "moved.md")
    report = follower.until(lambda report: "deep/er/moved.md" in report.added)
    assert (report.removed, report.embedded, paths(follower.desk, "copper")) == (
        ("prices.md",),
        0,
        ["deep/er/moved.md"],
    )
    (corpus / "citi.eml").unlink()
    assert follower.until(lambda report: bool(report.removed)).removed == ("citi.eml",)


def test_a_file_that_is_being_written_waits_until_it_rests(follower: Follower, corpus: Path) -> None:
    with (corpus / "slow.md").open("w") as file:
        for _ in range(8):
            file.write("Copper is scarce. ")
            file.flush()
            time.sleep(SETTLE_SECONDS / 3)
        file.write("The end.")
    follower.until(lambda report: "slow.md" in report.added)
    with pytest.raises(queue.Empty):
        follower.reports.get(timeout=1)
    assert follower.desk.search("copper", k=1)[0].chunk.text.endswith("The end.")


def test_a_sync_that_was_stopped_ends_the_following(tmp_path: Path) -> None:
    def sync(settle: float) -> SyncReport:
        raise Stopped

    told: list[object] = []
    follow(tmp_path, sync, threading.Event(), told.append, told.append)
    assert told == []


def test_only_the_owner_of_an_index_may_follow_its_corpus(desk: Assistant) -> None:
    with pytest.raises(ValueError, match="own=True"):
        desk.follow(threading.Event(), lambda _: None, lambda _: None)


def test_what_keeps_a_sync_from_being_done_is_told_once(tmp_path: Path) -> None:
    told: list[RagError] = []
    stop = threading.Event()
    tries: list[float] = []

    def sync(settle: float) -> SyncReport:
        tries.append(settle)
        if len(tries) == 3:
            stop.set()
        (tmp_path / f"{len(tries)}.md").write_text("again")
        raise RagError("the disk is full")

    follow(tmp_path, sync, stop, lambda report: None, told.append)
    assert ([str(error) for error in told], len(tries)) == (["the disk is full"], 3)


def test_a_mail_that_a_program_marks_as_read_is_not_embedded_again(settings: Settings, corpus: Path) -> None:
    for folder in ("cur", "new", "tmp"):
        (corpus / "Mail" / folder).mkdir(parents=True)
    (corpus / "Mail" / "new" / "1.host").write_text(MAIL.format("Copper", "Copper is scarce."))
    embedder = WordEmbedder()
    with Assistant.open(settings, embedder=embedder) as desk:
        desk.sync()
        embedder.embedded.clear()
        os.rename(corpus / "Mail" / "new" / "1.host", corpus / "Mail" / "cur" / "1.host:2,S")
        report = desk.sync()
    assert (report.added, report.removed, embedder.embedded) == (("Mail/cur/1.host:2,S",), ("Mail/new/1.host",), [])
