from __future__ import annotations

import itertools
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from rag.errors import MailboxUnavailable, RagError
from rag.imap import Mailbox
from rag.mirror import MirrorReport, _batches, follow, mirror
from tests.imap_server import PASSWORD, Play, Server, dovecot, dovecot_server, message, pymap_server, scripted

NAMES = (f"Box{number}" for number in itertools.count())


@pytest.fixture(scope="module", params=["pymap", "dovecot"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if request.param == "dovecot" and dovecot() is None:
        pytest.skip("dovecot-imapd is not installed")
    start = pymap_server if request.param == "pymap" else dovecot_server
    with start(tmp_path_factory.mktemp(request.param)) as running:
        yield running


@pytest.fixture
def box(server: Server, monkeypatch: pytest.MonkeyPatch) -> Mailbox:
    monkeypatch.setenv("SSL_CERT_FILE", str(server.trust))
    name = next(NAMES)
    server.create(name)
    return server.mailbox(name)


def contents(folder: Path) -> list[bytes]:
    return sorted(path.read_bytes() for path in (folder / "cur").iterdir())


def test_a_mirror_holds_the_bytes_of_every_message(server: Server, box: Mailbox, tmp_path: Path) -> None:
    messages = [message(number) for number in range(25)]
    server.deliver(box.name, *messages)
    report = mirror(box, tmp_path / "m", password=PASSWORD)
    assert contents(tmp_path / "m") == sorted(messages)
    assert len(report.added) == report.messages == 25
    assert all((tmp_path / "m" / path).is_file() for path in report.added)


def test_a_second_pass_changes_nothing(server: Server, box: Mailbox, tmp_path: Path) -> None:
    server.deliver(box.name, message(1))
    mirror(box, tmp_path, password=PASSWORD)
    assert mirror(box, tmp_path, password=PASSWORD) == MirrorReport(messages=1)


def test_an_empty_mailbox_is_an_empty_mirror(box: Mailbox, tmp_path: Path) -> None:
    assert mirror(box, tmp_path, password=PASSWORD) == MirrorReport()


def test_flags_are_as_they_were(server: Server, box: Mailbox, tmp_path: Path) -> None:
    server.deliver(box.name, message(1), message(2))
    server.deliver(box.name, message(3), flags="\\Seen \\Flagged")
    before = server.flags(box.name)
    mirror(box, tmp_path, password=PASSWORD)
    assert server.flags(box.name) == before
    assert sum(b"\\Seen" in flags for flags in before) == 1


def test_only_the_user_can_read_the_mirror(server: Server, box: Mailbox, tmp_path: Path) -> None:
    server.deliver(box.name, message(1))
    report = mirror(box, tmp_path / "m", password=PASSWORD)
    modes = [stat.S_IMODE((tmp_path / "m" / part).stat().st_mode) for part in (".", "cur", "tmp", *report.added)]
    assert modes == [0o700, 0o700, 0o700, 0o600]


def test_a_file_is_as_old_as_its_message(server: Server, box: Mailbox, tmp_path: Path) -> None:
    server.deliver(box.name, message(1))
    (path,) = mirror(box, tmp_path, password=PASSWORD).added
    assert (tmp_path / path).stat().st_mtime == 1_737_078_265  # 2025-01-17 01:44:25 UTC


def test_an_expunged_message_leaves_the_mirror(server: Server, box: Mailbox, tmp_path: Path) -> None:
    server.deliver(box.name, message(1), message(2), message(3))
    mirror(box, tmp_path, password=PASSWORD)
    server.expunge(box.name, 2)
    report = mirror(box, tmp_path, password=PASSWORD)
    assert contents(tmp_path) == [message(1), message(3)]
    assert (len(report.removed), report.added, report.messages) == (1, (), 2)


def test_files_of_others_are_left_alone(server: Server, box: Mailbox, tmp_path: Path) -> None:
    mirror(box, tmp_path, password=PASSWORD)
    (tmp_path / "cur" / "1700000000.M1P1.host:2,S").write_bytes(b"mine")
    mirror(box, tmp_path, password=PASSWORD)
    assert contents(tmp_path) == [b"mine"]


def test_a_mailbox_numbered_anew_is_fetched_anew_and_the_old_files_go(
    server: Server, box: Mailbox, tmp_path: Path
) -> None:
    server.deliver(box.name, message(1), message(2))
    first = mirror(box, tmp_path, password=PASSWORD)
    server.recreate(box.name)
    server.deliver(box.name, message(2), message(3))
    report = mirror(box, tmp_path, password=PASSWORD)
    assert contents(tmp_path) == [message(2), message(3)]
    assert sorted(report.removed) == sorted(first.added)


def test_a_mailbox_with_a_foreign_name_is_found(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(server.trust))
    server.create('"Entw&APw-rfe &- mehr"')
    server.deliver('"Entw&APw-rfe &- mehr"', message(1))
    assert mirror(server.mailbox("Entwürfe & mehr"), tmp_path, password=PASSWORD).messages == 1


def test_a_mailbox_that_is_not_there_is_an_error(box: Mailbox, server: Server, tmp_path: Path) -> None:
    with pytest.raises(MailboxUnavailable, match="does not open Nowhere"):
        mirror(server.mailbox("Nowhere"), tmp_path, password=PASSWORD)


def test_a_wrong_password_ends_following_at_once(box: Mailbox, tmp_path: Path) -> None:
    troubles: list[float] = []
    with pytest.raises(MailboxUnavailable, match="does not let") as caught:
        follow(
            box,
            tmp_path,
            password="wr0ng-Word",
            stop=threading.Event(),
            on_change=lambda _: None,
            on_trouble=lambda _, pause: troubles.append(pause),
        )
    assert not troubles
    assert "wr0ng-Word" not in str(caught.value)


def test_a_certificate_of_nobody_is_refused(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with pytest.raises(MailboxUnavailable, match="cannot prove"):
        mirror(server.mailbox("INBOX"), tmp_path, password=PASSWORD)


def test_a_folder_that_cannot_be_made_is_an_error(box: Mailbox, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RagError, match="cannot be written"):
        mirror(box, tmp_path / "file", password=PASSWORD)


class Following:
    """Somebody who follows a mailbox in a thread, and what they were told."""

    def __init__(
        self,
        box: Mailbox,
        folder: Path,
        password: str = PASSWORD,
        poll_seconds: float = 60.0,
        first: Callable[[], object] = lambda: None,
    ) -> None:
        self.reports: list[MirrorReport] = []
        self.troubles: list[float] = []
        self.stop, self.news = threading.Event(), threading.Condition()
        self.first = first
        self.thread = threading.Thread(
            target=lambda: follow(
                box,
                folder,
                password=password,
                stop=self.stop,
                on_change=lambda report: self._tell(self.reports, report),
                on_trouble=lambda _, pause: self._tell(self.troubles, pause),
                poll_seconds=poll_seconds,
            )
        )

    def _tell(self, heap: list, thing: object) -> None:  # type: ignore[type-arg]
        if not heap:
            self.first()
        with self.news:
            heap.append(thing)
            self.news.notify_all()

    def until(self, true: Callable[[], bool]) -> bool:
        with self.news:
            return self.news.wait_for(true, timeout=10)

    def __enter__(self) -> Following:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join(10)
        assert not self.thread.is_alive()


def test_new_mail_is_mirrored_as_it_arrives(server: Server, box: Mailbox, tmp_path: Path) -> None:
    with Following(box, tmp_path) as following:
        assert following.until(lambda: len(following.reports) == 1)
        server.deliver(box.name, message(1))
        assert following.until(lambda: len(following.reports) == 2)
    assert contents(tmp_path) == [message(1)]


def test_mail_that_comes_before_idle_begins_is_not_missed(server: Server, box: Mailbox, tmp_path: Path) -> None:
    late = Following(box, tmp_path, first=lambda: server.deliver(box.name, message(1)))
    with late as following:
        assert following.until(lambda: len(following.reports) == 2)
    assert contents(tmp_path) == [message(1)]


def test_an_expunge_is_mirrored_with_the_next_news(server: Server, box: Mailbox, tmp_path: Path) -> None:
    server.deliver(box.name, message(1), message(2))
    with Following(box, tmp_path) as following:
        assert following.until(lambda: len(following.reports) == 1)
        server.expunge(box.name, 1)
        server.deliver(box.name, message(3))
        assert following.until(lambda: contents(tmp_path) == [message(2), message(3)])


def test_following_ends_soon_after_it_is_stopped(box: Mailbox, tmp_path: Path) -> None:
    with Following(box, tmp_path) as following:
        assert following.until(lambda: len(following.reports) == 1)
        asked = time.monotonic()
    assert time.monotonic() - asked < 6


def sizes(*known: tuple[int, int]) -> list[bytes]:
    return [b"* %d FETCH (UID %d RFC822.SIZE %d)" % (uid, uid, size) for uid, size in known]


def body(uid: int, text: bytes) -> bytes:
    return b'* %d FETCH (UID %d INTERNALDATE "17-Jan-2025 02:44:25 +0100" BODY[] {%d}\r\n%s)' % (
        uid,
        uid,
        len(text),
        text,
    )


def listing(*uids: int) -> list[bytes]:
    return [b"* %d FETCH (UID %d)" % (place, uid) for place, uid in enumerate(uids, 1)]


def test_a_dropped_connection_loses_no_more_than_a_batch(tmp_path: Path) -> None:
    uids = list(range(1, 31))

    def drop(stream: BinaryIO) -> None:
        play = Play(stream)
        play.greet()
        play.open(30)
        play.answer(*listing(*uids))
        play.answer(*sizes(*((uid, 100) for uid in uids)))
        play.answer(*(body(uid, b"mail %d" % uid) for uid in reversed(uids[10:])))
        play.stream.readline()
        play.stream.write(body(10, b"x" * 100)[:-50])

    with scripted(drop) as box, pytest.raises(MailboxUnavailable, match="closed the connection"):
        mirror(box, tmp_path, password="p")
    assert contents(tmp_path) == sorted(b"mail %d" % uid for uid in uids[10:])


def test_a_resumed_mirror_asks_only_for_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "cur").mkdir()
    (tmp_path / "tmp").mkdir()
    (tmp_path / "cur" / "7.2.rag:2,S").write_bytes(b"two")
    (tmp_path / "tmp" / "7.1.rag:2,S").write_bytes(b"half of o")
    asked: list[bytes] = []

    def serve(stream: BinaryIO) -> None:
        play = Play(stream)
        play.greet()
        play.open(2)
        play.answer(*listing(1, 2))
        asked.append(play.answer(*sizes((1, 3))))
        asked.append(play.answer(body(1, b"one")))
        play.answer(b"* BYE")

    with scripted(serve) as box:
        mirror(box, tmp_path, password="p")
    assert asked == [b"UID FETCH 1 (UID RFC822.SIZE)", b"UID FETCH 1 (UID INTERNALDATE BODY.PEEK[])"]
    assert contents(tmp_path) == [b"one", b"two"]
    assert not list((tmp_path / "tmp").iterdir())


def test_a_huge_message_is_left_out_and_listed(tmp_path: Path) -> None:
    def serve(stream: BinaryIO) -> None:
        play = Play(stream)
        play.greet()
        play.open(2)
        play.answer(*listing(1, 2))
        play.answer(*sizes((1, 60_000_000), (2, 3)))
        play.answer(body(2, b"two"))
        play.answer(b"* BYE")

    with scripted(serve) as box:
        report = mirror(box, tmp_path, password="p")
    assert [(one.path, one.reason) for one in report.left_out] == [("INBOX UID 1", "60 MB")]
    assert contents(tmp_path) == [b"two"]


def test_one_message_that_the_server_will_not_give_keeps_no_other_back(tmp_path: Path) -> None:
    def serve(stream: BinaryIO) -> None:
        play = Play(stream)
        play.greet()
        play.open(2)
        play.answer(*listing(1, 2))
        play.answer(*sizes((1, 3), (2, 3)))
        play.answer(verdict=b"NO internal error")
        play.answer(verdict=b"NO internal error")
        play.answer(body(1, b"one"))
        play.answer(b"* BYE")

    with scripted(serve) as box:
        report = mirror(box, tmp_path, password="p")
    assert contents(tmp_path) == [b"one"]
    assert [one.path for one in report.left_out] == ["INBOX UID 2"]


def test_old_files_stay_until_the_newly_numbered_ones_are_all_here(tmp_path: Path) -> None:
    (tmp_path / "cur").mkdir()
    (tmp_path / "cur" / "6.1.rag:2,S").write_bytes(b"old")

    def serve(stream: BinaryIO) -> None:
        play = Play(stream)
        play.greet()
        play.open(2)
        play.answer(*listing(1, 2))
        play.answer(*sizes((1, 3), (2, 3)))
        play.answer(body(2, b"two"))
        play.answer(verdict=b"NO later")
        play.answer(b"* BYE")

    with scripted(serve) as box:
        assert mirror(box, tmp_path, password="p").removed == ()
    assert contents(tmp_path) == [b"old", b"two"]


def test_a_short_listing_deletes_nothing_that_the_server_still_has(tmp_path: Path) -> None:
    (tmp_path / "cur").mkdir()
    for uid in (1, 2, 3):
        (tmp_path / "cur" / f"7.{uid}.rag:2,S").write_bytes(b"%d" % uid)

    def serve(stream: BinaryIO) -> None:
        play = Play(stream)
        play.greet()
        play.open(2)
        play.answer(*listing(1))
        play.answer(*listing(3))
        play.answer(b"* BYE")

    with scripted(serve) as box:
        mirror(box, tmp_path, password="p")
    assert contents(tmp_path) == [b"1", b"3"]


def test_a_lost_connection_is_tried_again(tmp_path: Path) -> None:
    def serve(stream: BinaryIO) -> None:
        play = Play(stream)
        play.greet()
        play.open(0)

    with scripted(serve, connections=2) as box, Following(box, tmp_path, "p", poll_seconds=0.01) as following:
        assert following.until(lambda: len(following.troubles) >= 2)
    assert following.troubles[0] == 1.0


def test_without_idle_the_mailbox_is_polled(tmp_path: Path) -> None:
    def serve(stream: BinaryIO) -> None:
        play = Play(stream)
        play.greet()
        play.open(0)
        play.open(1)
        play.answer(*listing(1))
        play.answer(*sizes((1, 3)))
        play.answer(body(1, b"one"))
        while play.answer(b"* 1 EXISTS", b"* OK [UIDVALIDITY 7]", *listing(1)):
            pass

    with scripted(serve) as box, Following(box, tmp_path, "p", poll_seconds=0.05) as following:
        assert following.until(lambda: len(following.reports) == 2)
    assert contents(tmp_path) == [b"one"]


def test_news_in_the_same_packet_as_the_go_ahead_is_not_missed(tmp_path: Path) -> None:
    def serve(stream: BinaryIO) -> None:
        play = Play(stream)
        play.greet(b"IMAP4rev1 IDLE")
        play.open(0)
        assert play.answer() == b"NOOP"
        assert stream.readline() == b"idle IDLE\r\n"
        play.say(b"+ idling\r\n* 1 EXISTS")
        assert stream.readline() == b"DONE\r\n"
        play.say(b"idle OK done")
        play.open(1)
        play.answer(*listing(1))
        play.answer(*sizes((1, 3)))
        play.answer(body(1, b"one"))
        stream.readline()

    with scripted(serve) as box, Following(box, tmp_path, "p") as following:
        assert following.until(lambda: len(following.reports) == 2)
    assert contents(tmp_path) == [b"one"]


def test_a_server_that_falls_silent_does_not_outlive_the_wish_to_stop(tmp_path: Path) -> None:
    reached = threading.Event()

    def serve(stream: BinaryIO) -> None:
        Play(stream).greet()
        stream.readline()
        reached.set()
        stream.readline()

    with scripted(serve) as box, Following(box, tmp_path, "p"):
        assert reached.wait(10)
        asked = time.monotonic()
    assert time.monotonic() - asked < 6


def test_a_batch_is_few_messages_and_few_bytes() -> None:
    assert [len(batch) for batch in _batches((uid, 1) for uid in range(50))] == [20, 20, 10]
    assert list(_batches([(1, 9_000_000), (2, 5_000_000), (3, 3_000_001), (4, 1)])) == [[1], [2], [3, 4]]


@pytest.mark.skipif(os.name == "nt", reason="the name has a colon here")
def test_progress_counts_what_was_fetched(tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []

    def serve(stream: BinaryIO) -> None:
        play = Play(stream)
        play.greet()
        play.open(1)
        play.answer(*listing(1))
        play.answer(*sizes((1, 3)))
        play.answer(body(1, b"one"))
        play.answer(b"* BYE")

    with scripted(serve) as box:
        mirror(box, tmp_path, password="p", progress=lambda done, total, _: seen.append((done, total)))
    assert seen == [(1, 1)]
