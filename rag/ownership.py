"""One process at a time owns an index.

In: the folder of an index. Out: a context in which this process is its owner. It does not know what is in
the folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from rag.errors import IndexBusy, IndexLocked


def make_folder(folder: Path) -> None:
    """Make the folder of an index, for its owner's eyes only."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)


@contextmanager
def ownership(folder: Path) -> Iterator[None]:
    """Be the one process that writes the index in ``folder`` and has its Chroma folder open.

    The kernel lets go of the lock when its holder dies, however it dies. Raises IndexBusy at once when
    another process holds it: two processes on one Chroma folder corrupt it.
    """
    holder = folder / "owner.pid"
    lock = FileLock(folder / "owner.lock", timeout=0)
    try:
        make_folder(folder)
        lock.acquire()
    except Timeout as error:
        try:
            pid = holder.read_text(encoding="utf-8").strip()
        except OSError:
            pid = "unknown"
        raise IndexBusy(
            f"Another process (pid {pid}) owns the index in {folder}.",
            remedy="Wait for it, or stop it: the app and `rag index` take turns.",
        ) from error
    except OSError as error:
        raise IndexLocked(
            f"The folder {folder} cannot be written: {error.strerror}.", remedy="Choose another with --index."
        ) from error
    try:
        holder.write_text(f"{os.getpid()}\n", encoding="utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()
