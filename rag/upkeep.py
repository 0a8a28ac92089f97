"""Keep an index up to date beside other work: one sync at a time, and a follower that can be switched on and off.

In: a way to sync, the wish of whoever asks. Out: a `State` that all may look at: how far a sync is, what the last one
did, whether new mail is followed. It does not know what a sync does, nor who looks.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from rag.errors import RagError
from rag.indexing import Stopped
from rag.records import Progress, SyncReport
from rag.watching import follow

Work = Callable[[threading.Event, Progress], SyncReport]
"""A sync that tells how far it is, and ends soon after the event is set by raising Stopped."""

_JOIN_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class State:
    """``done`` of ``total`` bytes are read by the sync under way; ``doing`` says what it reads.

    ``outcome`` is what the last sync did, or what it raised. ``number`` grows when a sync begins or ends, and when the
    follower is switched.
    """

    syncing: bool = False
    following: bool = False
    done: int = 0
    total: int = 0
    doing: str = ""
    outcome: SyncReport | Exception | None = None
    number: int = 0


class Upkeep:
    """Runs the syncs of one index, one after the other; its methods may be called from any thread.

    ``on_change`` hears what a follower's sync did, ``on_trouble`` what keeps it from being done.
    """

    def __init__(self, corpus: Path, sync: Callable[..., SyncReport]) -> None:
        """``sync`` is to end in `run`."""
        self.on_change: Callable[[SyncReport], None] = lambda _: None
        self.on_trouble: Callable[[RagError], None] = lambda _: None
        self._corpus = corpus
        self._sync = sync
        self._state = State()
        self._turn = threading.Lock()
        self._lock = threading.Lock()
        self._stops: set[threading.Event] = set()  # of the sync under way, and of those that wait for their turn
        self._closed = False
        self._unfollow = threading.Event()
        self._threads: list[threading.Thread] = []

    @property
    def state(self) -> State:
        """How things stand at this moment."""
        return self._state

    def run(self, work: Work, stop: threading.Event | None = None, progress: Progress | None = None) -> SyncReport:
        """Do ``work`` when it is its turn, and let all see how far it is.

        Raises what ``work`` raises, and Stopped where it was stopped before its turn came.
        """
        stop = stop or threading.Event()
        with self._lock:
            if self._closed:
                raise Stopped
            self._stops.add(stop)
        try:
            return self._run(work, stop, progress)
        finally:
            with self._lock:
                self._stops.discard(stop)

    def _run(self, work: Work, stop: threading.Event, progress: Progress | None) -> SyncReport:
        with self._turn:
            if stop.is_set():
                self._note(syncing=False, outcome=Stopped())
                raise Stopped
            self._note(syncing=True)

            def tell(done: int, total: int | None, doing: str) -> None:
                with self._lock:
                    self._state = replace(self._state, done=done, total=total or 0, doing=doing)
                if progress:
                    progress(done, total, doing)

            outcome: SyncReport | Exception | None = None
            try:
                outcome = work(stop, tell)
            except Exception as error:
                outcome = error
                raise
            finally:
                self._note(syncing=False, outcome=outcome)
            return outcome

    def begin(self) -> None:
        """Sync in the background, unless a sync is under way."""
        with self._lock:
            if self._closed or self._state.syncing:
                return
            self._state = replace(self._state, syncing=True)  # the second of two visitors finds it begun
            self._stops.add(stop := threading.Event())
        self._start(lambda: self._once(stop), "sync")

    def stop(self) -> None:
        """Stop the sync under way and those that wait; what is committed is kept. A follower ends with its sync."""
        with self._lock:
            for stop in self._stops:
                stop.set()

    def follow(self, wanted: bool) -> None:
        """Keep the index equal to the corpus in the background from now on, or no longer."""
        with self._lock:
            if self._closed or wanted == self._state.following:
                return
            self._unfollow.set()
            if wanted:
                self._unfollow = threading.Event()
            self._state = replace(self._state, following=wanted, number=self._state.number + 1)
            stop = self._unfollow
        if wanted:
            self._start(lambda: self._follow(stop), "follower")

    def follow_until(
        self, stop: threading.Event, tell: Callable[[SyncReport], None], complain: Callable[[RagError], None]
    ) -> None:
        """Keep the index equal to the corpus, in this thread, until ``stop`` is set; see `rag.watching.follow`."""
        follow(self._corpus, lambda settle: self._sync(settle=settle, stop=stop), stop, tell, complain)

    def close(self) -> None:
        """Stop everything, and wait until it has."""
        with self._lock:
            self._closed = True
            self._unfollow.set()
            threads = list(self._threads)
        self.stop()
        for thread in threads:
            thread.join(timeout=_JOIN_SECONDS)

    def _start(self, target: Callable[[], None], name: str) -> None:
        with self._lock:
            if self._closed:
                return
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            self._threads.append(threading.Thread(target=target, name=name, daemon=True))
            self._threads[-1].start()

    def _once(self, stop: threading.Event) -> None:
        with contextlib.suppress(RagError, Stopped):  # the state tells of them
            self._sync(stop=stop)

    def _follow(self, stop: threading.Event) -> None:
        try:
            self.follow_until(stop, lambda report: self.on_change(report), lambda error: self.on_trouble(error))
        except RagError as error:
            with self._lock:
                self._state = replace(self._state, outcome=error, number=self._state.number + 1)
            self.on_trouble(error)
        finally:
            with self._lock:
                if self._unfollow is stop:  # nobody has switched it on again meanwhile
                    self._state = replace(self._state, following=False, number=self._state.number + 1)

    def _note(self, *, syncing: bool, outcome: SyncReport | Exception | None = None) -> None:
        with self._lock:
            self._state = State(syncing, self._state.following, outcome=outcome, number=self._state.number + 1)
