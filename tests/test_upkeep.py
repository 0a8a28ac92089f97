"""One sync at a time, seen by all, that can be stopped; a follower that can be switched."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from rag import Assistant, Settings
from rag.embedding import Vectors
from rag.errors import CorpusMissing, RagError
from rag.indexing import Stopped
from rag.records import Progress, SyncReport
from rag.upkeep import Upkeep
from tests.fakes import WordEmbedder

WAIT = 20.0


def until(seen: Callable[[], object]) -> None:
    end = time.monotonic() + WAIT
    while not seen():
        assert time.monotonic() < end
        time.sleep(0.02)


class Held:
    """A sync that goes on until it is let go or stopped."""

    def __init__(self, corpus: Path) -> None:
        self.upkeep = Upkeep(corpus, self.sync)
        self.let_go = threading.Event()
        self.begun = 0
        self.raises: Exception | None = None

    def sync(self, *, settle: float = 0.0, stop: threading.Event | None = None) -> SyncReport:
        return self.upkeep.run(self.work, stop)

    def work(self, stop: threading.Event, progress: Progress) -> SyncReport:
        self.begun += 1
        progress(30, 120, "indexing")
        while not self.let_go.wait(0.01):
            if stop.is_set():
                raise Stopped
        if self.raises:
            raise self.raises
        return SyncReport(added=("x.eml",))


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Held]:
    held = Held(tmp_path)
    yield held
    held.let_go.set()
    held.upkeep.close()


def test_a_sync_in_the_background_shows_how_far_it_is_and_what_it_did(held: Held) -> None:
    held.upkeep.begin()
    until(lambda: held.upkeep.state.done)
    state = held.upkeep.state
    assert (state.syncing, state.done, state.total, state.doing) == (True, 30, 120, "indexing")
    held.let_go.set()
    until(lambda: not held.upkeep.state.syncing)
    assert held.upkeep.state.outcome == SyncReport(added=("x.eml",))


def test_who_comes_second_finds_the_same_sync(held: Held) -> None:
    for _ in range(5):
        held.upkeep.begin()
    until(lambda: held.begun)
    held.let_go.set()
    until(lambda: not held.upkeep.state.syncing)
    assert held.begun == 1


@pytest.mark.parametrize("wait", [True, False])
def test_stop_stops_a_sync_however_early_it_comes(held: Held, wait: bool) -> None:
    held.upkeep.begin()
    if wait:
        until(lambda: held.begun)
    held.upkeep.stop()
    until(lambda: not held.upkeep.state.syncing)
    assert isinstance(held.upkeep.state.outcome, Stopped)


def test_what_keeps_a_sync_from_being_done_is_its_outcome(held: Held) -> None:
    held.raises = CorpusMissing("gone")
    held.let_go.set()
    held.upkeep.begin()
    until(lambda: not held.upkeep.state.syncing)
    assert held.upkeep.state.outcome is held.raises


def test_syncs_take_turns(held: Held) -> None:
    first = threading.Thread(target=held.sync)
    second = threading.Thread(target=held.sync)
    first.start()
    until(lambda: held.begun)
    second.start()
    time.sleep(0.1)
    assert held.begun == 1
    held.let_go.set()
    first.join(WAIT)
    second.join(WAIT)
    assert held.begun == 2


def test_the_follower_is_switched_on_and_off_and_on(held: Held, tmp_path: Path) -> None:
    held.let_go.set()
    told: list[SyncReport] = []
    held.upkeep.on_change = told.append
    for turn in range(1, 3):
        held.upkeep.follow(True)
        assert held.upkeep.state.following
        until(lambda wanted=turn: len(told) >= wanted)  # type: ignore[misc]
        held.upkeep.follow(False)
        assert not held.upkeep.state.following


def test_a_stop_in_the_middle_of_a_follower_s_sync_switches_it_off(held: Held) -> None:
    held.upkeep.follow(True)
    until(lambda: held.begun)
    held.upkeep.stop()
    until(lambda: not held.upkeep.state.following)
    assert held.begun == 1


def test_what_keeps_a_follower_s_sync_from_being_done_is_told_and_it_goes_on(held: Held) -> None:
    troubles: list[RagError] = []
    held.upkeep.on_trouble = troubles.append
    held.raises = CorpusMissing("gone")
    held.let_go.set()
    held.upkeep.follow(True)
    until(lambda: troubles == [held.raises])
    assert held.upkeep.state.following


def test_a_stop_reaches_a_sync_that_waits_for_its_turn(held: Held) -> None:
    held.upkeep.begin()
    until(lambda: held.begun)
    ended: list[Exception] = []

    def second() -> None:
        try:
            held.sync()
        except Stopped as error:
            ended.append(error)

    waiting = threading.Thread(target=second)
    waiting.start()
    until(lambda: len(held.upkeep._stops) == 2)
    held.upkeep.stop()
    waiting.join(WAIT)
    assert len(ended) == 1
    assert held.begun == 1


def test_nothing_begins_after_the_end(held: Held) -> None:
    held.upkeep.close()
    held.upkeep.begin()
    held.upkeep.follow(True)
    with pytest.raises(Stopped):
        held.sync()
    assert (held.begun, held.upkeep.state.syncing, held.upkeep.state.following) == (0, False, False)


class SlowEmbedder(WordEmbedder):
    """Begins, and waits to be let go."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.let_go = threading.Event(), threading.Event()

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.begun.set()
        self.let_go.wait(WAIT)
        return super().embed(texts)


def test_a_sync_that_is_stopped_in_the_middle_loses_nothing(settings: Settings, corpus: Path) -> None:
    with Assistant.open(settings, embedder=WordEmbedder(), own=True) as desk:
        desk.sync()
    for number in range(60):  # more than the embedder takes at once
        (corpus / f"{number}.md").write_text(f"Copper number {number} is scarce in Zambia.")
    embedder = SlowEmbedder()
    with Assistant.open(settings, embedder=embedder, own=True) as desk:
        desk.upkeep.begin()
        assert embedder.begun.wait(WAIT)
        desk.upkeep.stop()
        embedder.let_go.set()
        until(lambda: not desk.upkeep.state.syncing)
        assert isinstance(desk.upkeep.state.outcome, Stopped)
        assert desk.search("rented GPUs", k=1)[0].document.path == "bernstein.eml"
        desk.sync()
        assert desk.status().documents == 63
