"""A read-only mirror of an IMAP mailbox in a Maildir, made once or kept up.

In: a mailbox, its password, a folder. Out: files in the folder's ``cur``, one a message, named
``<uidvalidity>.<uid>.rag:2,S``; these names are all the state there is, so a killed mirror goes on where it was.
It does not know what is read from the files. One process at a time may mirror into a folder.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rag.errors import MailboxUnavailable, RagError
from rag.imap import MESSAGE_BYTES, Connection, Mailbox, Refused, Stopped, connected
from rag.records import Failure, Progress

_NAMED = 400  # messages named in one command, which servers may cut at 8,000 bytes
_BATCH = 20
_BATCH_BYTES = 8_000_000
_LONGEST_PAUSE = 300.0
_INFO = ";2,S" if os.name == "nt" else ":2,S"
_NAME = re.compile(r"([0-9]{1,10})\.([0-9]{1,10})\.rag[:;]2,[A-Za-z]*")


@dataclass(frozen=True, slots=True)
class MirrorReport:
    """What one pass did; ``added`` and ``removed`` are paths in the mirror's folder, ``messages`` how many it holds.

    ``left_out`` names messages of the mailbox that the mirror lacks, and why.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    left_out: tuple[Failure, ...] = ()
    messages: int = 0


def mirror(mailbox: Mailbox, folder: Path, *, password: str, progress: Progress | None = None) -> MirrorReport:
    """Make the Maildir at ``folder`` equal the mailbox, newest messages first; the mailbox stays as it is.

    Raises MailboxUnavailable where the server cannot be reached or does not let us in, RagError where the
    folder cannot be written. What has been fetched by then is kept.
    """
    with connected(mailbox, password, threading.Event()) as server:
        return _make_equal(server, folder, progress)


def follow(
    mailbox: Mailbox,
    folder: Path,
    *,
    password: str,
    stop: threading.Event,
    on_change: Callable[[MirrorReport], None],
    on_trouble: Callable[[MailboxUnavailable, float], None],
    poll_seconds: float = 60.0,
) -> None:
    """Mirror, and again whenever the mailbox changes (IDLE, or every ``poll_seconds``), until ``stop`` is set.

    ``on_change`` is told of the first pass of each connection, and of each that changed something. When a
    connection is lost, ``on_trouble`` is told why and after how many seconds it is tried again. Raises what
    `mirror` raises where waiting does not help: the first connection fails, the login is refused, the folder
    cannot be written.
    """
    pause = 0.0
    while not stop.is_set():
        try:
            with connected(mailbox, password, stop) as server:
                pause, told = pause or 1.0, False  # a lost connection has kept a part of a pass to itself
                while True:
                    report = _make_equal(server, folder, None)
                    pause = 1.0
                    if report.added or report.removed or not told:
                        told = True
                        on_change(report)
                    server.wait(poll_seconds)
        except Stopped:
            return
        except Refused:
            raise
        except MailboxUnavailable as error:
            if not pause:
                raise
            on_trouble(error, pause)
            stop.wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)


def _make_equal(server: Connection, folder: Path, progress: Progress | None) -> MirrorReport:
    validity, count = server.examine()
    listed = server.uids(count)
    present = _open_maildir(folder)
    wanted = sorted((uid for uid in listed if (validity, uid) not in present), reverse=True)
    added: dict[int, str] = {}
    left_out: dict[int, str] = {}
    for named in _slices(wanted, _NAMED):
        sizes = server.sizes(named)
        left_out |= {uid: f"{size / 1e6:.0f} MB" for uid, size in sizes.items() if size > MESSAGE_BYTES}
        for batch in _batches([(uid, sizes[uid]) for uid in named if uid in sizes and uid not in left_out]):
            for uid, (content, received) in _messages(server, batch):
                name = f"{validity}.{uid}.rag{_INFO}"
                _keep(folder, name, content, received)
                added[uid] = f"cur/{name}"
            if progress is not None:
                progress(len(added), len(wanted), "mirroring mail")
    # A listing may have been cut short: only what the server denies by number is gone.
    gone = [uid for number, uid in present if number == validity and uid not in listed]
    denied = set(gone).difference(*(server.existing(named) for named in _slices(gone, _NAMED)))
    # When the server has numbered its messages anew, the old files go once the new ones are all here.
    whole = len(listed) >= count and len(added) + len(left_out) == len(wanted)
    names = [name for (number, uid), name in present.items() if (uid in denied if number == validity else whole)]
    _remove(folder, names)
    return MirrorReport(
        added=tuple(added.values()),
        removed=tuple(f"cur/{name}" for name in names),
        left_out=tuple(
            Failure(f"{server.mailbox.name} UID {uid}", left_out.get(uid, "the server did not send it"))
            for uid in wanted
            if uid not in added
        ),
        messages=len(present) + len(added) - len(names),
    )


def _messages(server: Connection, batch: Sequence[int]) -> Iterator[tuple[int, tuple[bytes, float | None]]]:
    """Fetch a batch, and one by one what of it did not come."""
    together = server.messages(batch)
    yield from together.items()
    if len(batch) > 1:
        for uid in batch:
            if uid not in together:
                yield from server.messages([uid]).items()


def _slices(uids: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (uids[start : start + size] for start in range(0, len(uids), size))


def _batches(sizes: Iterable[tuple[int, int]]) -> Iterator[list[int]]:
    """Group (UID, bytes) so that a group is few messages and few bytes, or one large message."""
    batch: list[int] = []
    weight = 0
    for uid, size in sizes:
        if batch and (len(batch) == _BATCH or weight + size > _BATCH_BYTES):
            yield batch
            batch, weight = [], 0
        batch.append(uid)
        weight += size
    if batch:
        yield batch


def _open_maildir(folder: Path) -> dict[tuple[int, int], str]:
    """Make the folders where they are not, clear what a killed mirror left, and list our files by number."""
    with _writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        for part in (folder, folder / "cur", folder / "new", folder / "tmp"):
            part.mkdir(mode=0o700, exist_ok=True)
        for partial in (folder / "tmp").iterdir():
            if _NAME.fullmatch(partial.name):
                partial.unlink()
        found = (_NAME.fullmatch(entry.name) for entry in os.scandir(folder / "cur"))
        return {(int(match[1]), int(match[2])): match[0] for match in found if match}


def _keep(folder: Path, name: str, content: bytes, received: float | None) -> None:
    """Write a file that is either all there or not; the folder's own entry may be lost, and is fetched again."""
    partial = folder / "tmp" / name
    with _writing(folder):
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if received is not None:
            os.utime(partial, (received, received))
        os.replace(partial, folder / "cur" / name)


def _remove(folder: Path, names: Iterable[str]) -> None:
    with _writing(folder):
        for name in names:
            (folder / "cur" / name).unlink(missing_ok=True)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise RagError(
            f"The mirror in {folder} cannot be written: {reason}.", remedy="Make room, or make it writable."
        ) from error
