"""Follow the corpus folder: a sync soon after each change, and now and then without one.

In: a folder, and a way to sync it. Out: a `SyncReport` whenever the index has changed. What the system says of
changes is a hint only: events are dropped when many files land at once, and network disks send none, so the whole
folder is compared again every minute. It does not know what has changed, nor what an index is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rag.errors import RagError
from rag.indexing import Stopped
from rag.records import SyncReport

SETTLE_SECONDS = 0.5
"""A file that was written to in this time may be half there; it waits for the next look."""

RESCAN_SECONDS = 60.0

# The look at what waits to settle, in milliseconds; and how long a burst of changes is gathered.
_LOOK, _PAUSE, _BURST = 250, 100, 500


def follow(
    root: Path,
    sync: Callable[[float], SyncReport],
    stop: threading.Event,
    tell: Callable[[SyncReport], None],
    complain: Callable[[RagError], None],
) -> None:
    """Sync now, and after every change below ``root`` until ``stop`` is set.

    ``sync`` is given the seconds for which a file must have rested. ``complain`` hears what keeps a sync from
    being done, once; the next change or minute tries again. Raises RagError if ``root`` cannot be watched.
    """
    due, trouble = 0.0, ""
    for changed in _looks(root, stop):
        if not changed and time.monotonic() < due:
            continue
        due = time.monotonic() + RESCAN_SECONDS
        try:
            report = sync(SETTLE_SECONDS)
            trouble = ""
        except Stopped:
            return
        except RagError as error:
            if str(error) != trouble:
                trouble = str(error)
                complain(error)
            continue
        if report.waiting:
            due = 0.0
        if report:
            tell(report)


def _looks(root: Path, stop: threading.Event) -> Iterator[bool]:
    """Whether anything has changed below ``root``, some times a second, until ``stop`` is set."""
    from watchfiles import watch

    looks = watch(
        root,
        watch_filter=None,
        debounce=_BURST,
        step=_PAUSE,
        rust_timeout=_LOOK,
        yield_on_timeout=True,
        stop_event=stop,
        ignore_permission_denied=True,
    )
    while True:
        try:
            changes = next(looks, None)
        except OSError as error:  # the system's limit of watched folders
            raise RagError(
                f"{root} cannot be watched: {error.strerror or error}.",
                remedy="Without --watch, `rag index` and every question still bring the index up to date.",
            ) from error
        if changes is None:
            return
        yield bool(changes)
