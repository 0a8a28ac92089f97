"""What lies in the corpus folder, and how it differs from what is known of it.

In: a folder, and what is known of its files, asked for some hundred paths at a time. Out: one `Sighting` after
the other; no list of all files is ever held, for a mailbox may have a million. It does not know how files are
read, and changes nothing.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Literal

from rag.errors import CorpusMissing, FileVanished, ReadError
from rag.readers.names import in_maildir, is_readable
from rag.records import SourceFile

Known = Callable[[Sequence[str]], Mapping[str, SourceFile]]
"""What is known of some paths."""

State = Literal["added", "changed", "touched", "unchanged", "waiting", "skipped", "failed"]

_BATCH = 500
_MAILDIR = {"cur", "new", "tmp"}


@dataclass(frozen=True, slots=True)
class Sighting:
    """A file of the corpus: ``touched`` has a new time and the same bytes, ``skipped`` is of no readable format.

    What is ``waiting`` was written to a moment ago, and may not be whole yet. What ``failed`` could not be opened,
    for the ``reason``; it may be a folder. Until `identified`, the hash of a ``source`` that is not ``unchanged`` is
    empty.
    """

    source: SourceFile
    state: State
    reason: str = ""

    @property
    def path(self) -> str:
        """The path below the corpus."""
        return self.source.path


def require_corpus(root: Path) -> None:
    """Raise CorpusMissing if ``root`` is no folder."""
    if not root.is_dir():
        raise CorpusMissing(
            f"The corpus folder {root} is not there.",
            remedy="Put mail and notes (.eml, .mbox, .md, .pdf …) into it, or name another with --corpus.",
        )


def sightings(root: Path, known: Known, *, settle: float = 0.0) -> Iterator[Sighting]:
    """Everything in ``root``, by size and time alone: what differs in one of them is ``changed`` for now.

    Files that were written to in the last ``settle`` seconds are to wait, unless they lie in a Maildir.
    Hidden files and folders are left alone (the folders of a Maildir are not hidden), links are not followed.
    Raises CorpusMissing.
    """
    require_corpus(root)
    listed = _listed(root)
    while some := list(islice(listed, _BATCH)):
        before = known([sighting.path for sighting in some])
        for sighting in some:
            compared = _compared(sighting, before.get(sighting.path))
            yield replace(compared, state="waiting") if _is_fresh(compared, settle) else compared


def identified(root: Path, seen: Iterable[Sighting], known: Known) -> Iterator[Sighting]:
    """``seen``, with the hash of every file that is new or may have changed, and what it says of it."""
    for sighting in seen:
        if sighting.state not in ("added", "changed"):
            yield sighting
            continue
        try:
            source = _hashed(root, sighting.path)
        except FileVanished:
            continue  # a mail program has moved it meanwhile; it is met under its new name, or next time
        except ReadError as error:
            yield replace(sighting, state="failed", reason=str(error))
            continue
        before = known([source.path]).get(source.path)
        same = before is not None and before.sha256 == source.sha256
        yield replace(sighting, source=source, state="touched" if same else sighting.state)


def _compared(sighting: Sighting, before: SourceFile | None) -> Sighting:
    if sighting.state != "added" or before is None:
        return sighting
    source = sighting.source
    if (before.size, before.mtime_ns) == (source.size, source.mtime_ns):
        return Sighting(before, "unchanged")
    return Sighting(source, "changed")


def _is_fresh(sighting: Sighting, settle: float) -> bool:
    """Whether a file may be half written; in a Maildir none is, for it is moved there when it is whole."""
    if sighting.state not in ("added", "changed") or in_maildir(sighting.path):
        return False
    return 0 <= time.time() - sighting.source.mtime_ns / 1e9 < settle


def _listed(root: Path) -> Iterator[Sighting]:
    """The files below ``root``, folder by folder, each folder's in the order of their names."""
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            place = os.path.join(root, folder)  # pathlib takes a third of the time of a scan
            names = sorted(os.listdir(place))
        except FileNotFoundError:
            continue
        except OSError as error:
            yield Sighting(_stub(_text(folder)), "failed", f"it cannot be opened: {error.strerror}")
            continue
        half_written = "tmp" if {"cur", "new"} <= set(names) else ""
        inner = []
        for name in names:
            path = f"{folder}/{name}" if folder else name
            try:
                status = os.lstat(os.path.join(place, name))
            except FileNotFoundError:
                continue
            except OSError as error:
                yield Sighting(_stub(_text(path)), "failed", f"it cannot be read: {error.strerror}")
                continue
            if not stat.S_ISDIR(status.st_mode):
                if not name.startswith("."):
                    yield _file(path, status)
            elif name != half_written and _is_open(root / path):
                inner.append(path)
        waiting += reversed(inner)


def _is_open(folder: Path) -> bool:
    """Hidden folders stay shut, but for those of a Maildir++ (``.Sent/cur``)."""
    return not folder.name.startswith(".") or (folder / "cur").is_dir()


def _file(path: str, status: os.stat_result) -> Sighting:
    if (shown := _text(path)) != path:
        return Sighting(_stub(shown), "failed", "its name is not UTF-8")
    source = SourceFile(path, "", status.st_size, status.st_mtime_ns)
    if not is_readable(path):
        return Sighting(source, "skipped")
    if stat.S_ISLNK(status.st_mode):
        return Sighting(source, "failed", "it is a symbolic link")
    if not stat.S_ISREG(status.st_mode):
        return Sighting(source, "failed", "it is not a regular file")
    return Sighting(source, "added")


def _hashed(root: Path, path: str) -> SourceFile:
    """The file as it is now. Raises ReadError."""
    from rag.readers.files import open_source  # the readers take 40 ms, and most looks find nothing new

    try:
        with open_source(root, path) as file:
            status = os.fstat(file.fileno())
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ReadError(f"it cannot be read: {error.strerror}") from error
    return SourceFile(path, digest, status.st_size, status.st_mtime_ns)


def _stub(path: str) -> SourceFile:
    return SourceFile(path, "", 0, 0)


def _text(path: str) -> str:
    """The path, or its escaped form where it is not UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return ascii(path)
    return path
