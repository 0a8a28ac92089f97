"""How fast a model is here, and what memory it takes."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Generator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag.errors import ModelFailed
from rag.llama import LlamaModel
from rag.llm import Piece, Stream
from rag.modelfiles import CATALOGUE
from rag.records import Turn
from rag.speeds import build, measure, memory_free, memory_needed, memory_total, remembered
from rag.tuning import Threads, remember
from tests.fakes import ScriptedModel

WORDS = "one two three four five six seven eight nine ten"


def kept(tmp_path: Path) -> Path:
    return tmp_path / "data/rag/speeds.json"


class Watched(LlamaModel):
    """Keeps what each of its streams cost."""

    def stream(
        self, turns: Sequence[Turn], *, thinking_tokens: int, answer_tokens: int, temperature: float = 0.0
    ) -> Stream:
        pieces = super().stream(turns, thinking_tokens=thinking_tokens, answer_tokens=answer_tokens)

        def kept() -> Generator[Piece, None, None]:
            for piece in pieces:
                self.costs = [*getattr(self, "costs", []), *([piece.usage] if piece.usage else [])]
                yield piece

        return Stream(kept(), pieces.close)


def test_a_real_model_reads_the_whole_prompt_and_writes_48_tokens_each_time(smol: Path) -> None:
    with contextlib.closing(Watched(smol, name="smol", context_tokens=1024, threads=2)) as model:
        assert all(measure(model, "a", threads=2).written > 0 for _ in range(2))
    measured = [cost for cost in model.costs if cost.prompt_tokens > 200]
    assert [(cost.cached_tokens, cost.answer_tokens) for cost in measured] == [(0, 48)] * 2


def test_the_prompt_of_the_measurement_has_about_240_tokens(smol: Path) -> None:
    from rag.speeds import _PROMPT

    with contextlib.closing(LlamaModel(smol, name="smol", context_tokens=1024)) as model:
        assert model.fits(_PROMPT, thinking_tokens=0, answer_tokens=1024 - 290)
        assert not model.fits(_PROMPT, thinking_tokens=0, answer_tokens=1024 - 240)


def test_a_speed_is_remembered_by_the_hash_of_the_file() -> None:
    speed = measure(ScriptedModel(WORDS), "a", threads=3)
    assert (speed.read, speed.written, speed.threads) == (70.0, 50.0, Threads(3, 3))
    assert remembered(3) == {"a": speed}


def test_the_last_measurement_counts() -> None:
    measure(ScriptedModel(WORDS), "a", threads=1)
    last = measure(ScriptedModel(f"{WORDS} {WORDS}"), "a", threads=1)
    assert remembered(1) == {"a": last}


def test_a_speed_of_another_build_is_not_shown(tmp_path: Path) -> None:
    measure(ScriptedModel(WORDS), "a", threads=1)
    kept(tmp_path).write_text(kept(tmp_path).read_text().replace(build(), "llama-cpp-python 0.1"))
    assert remembered(1) == {}


def test_a_speed_with_other_threads_is_not_shown() -> None:
    measure(ScriptedModel(WORDS), "a", threads=1)
    assert remembered(2) == {}


def test_a_speed_from_before_other_threads_were_found_faster_is_not_shown() -> None:
    measure(ScriptedModel(WORDS), "a")
    remember(Threads(1, 1) if remembered()["a"].threads != Threads(1, 1) else Threads(2, 1))
    assert remembered() == {}


def test_a_model_that_writes_next_to_nothing_is_not_measured() -> None:
    with pytest.raises(ModelFailed, match="too little"):
        measure(ScriptedModel("one"), "a")
    assert remembered() == {}


def test_a_measurement_that_is_stopped_is_not_remembered() -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(ModelFailed):
        measure(ScriptedModel(WORDS), "a", stop=stop)
    assert remembered() == {}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(
    st.recursive(
        st.none() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["a", "read", "written", "threads", "build", "day"]), inner)
        ),
    )
)
def test_a_damaged_file_of_speeds_is_no_speeds(tmp_path: Path, content: object) -> None:  # fmt: skip
    kept(tmp_path).parent.mkdir(parents=True, exist_ok=True)
    kept(tmp_path).write_text(json.dumps({"a": content}))
    assert remembered() == {}


def test_a_place_where_nothing_can_be_kept_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(ModelFailed, match="cannot be kept"):
        measure(ScriptedModel(WORDS), "a")


def test_a_larger_context_takes_more_memory() -> None:
    model = CATALOGUE["r1-7b"]
    assert memory_needed(model, 4096) > memory_needed(model, 2048) > model.size


def test_the_memory_that_is_free_is_what_the_system_says(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:   5 kB\n")
    assert memory_free(tmp_path / "meminfo", tmp_path) == 5 * 1024


@pytest.mark.parametrize("text", [None, "", "MemTotal: 9 kB\n", "MemAvailable:\n", "MemAvailable: many kB\n"])
def test_memory_of_which_the_system_does_not_tell_is_unknown(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "meminfo").write_text(text)
    assert memory_free(tmp_path / "meminfo", tmp_path) is None


def container(folder: Path, version: int, *, limit: int | str, used: int, cached: int) -> Path:
    """A folder in which Linux tells of a container, and of a machine around it that has 8 GB free."""
    (folder / "meminfo").write_text("MemAvailable: 8000000 kB\n")
    (folder / "memory").mkdir()
    names = {1: ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "total_"),
             2: ("memory.max", "memory.current", "memory.stat", "")}[version]  # fmt: skip
    for name, text in zip(names, (limit, used, f"anon 5\n{names[3]}inactive_file {cached}"), strict=False):
        (folder / name).write_text(f"{text}\n")
    return folder


@pytest.mark.parametrize("version", [1, 2])
def test_a_container_has_what_is_left_of_its_share(tmp_path: Path, version: int) -> None:
    folder = container(tmp_path, version, limit=2_000_000_000, used=1_500_000_000, cached=700_000_000)
    assert memory_free(folder / "meminfo", folder) == 1_200_000_000
    assert memory_total(folder) == 2_000_000_000


@pytest.mark.parametrize("version", [1, 2])
def test_a_container_that_uses_all_of_its_share_has_nothing(tmp_path: Path, version: int) -> None:
    folder = container(tmp_path, version, limit=1000, used=2000, cached=0)
    assert memory_free(folder / "meminfo", folder) == 0


@pytest.mark.parametrize(("version", "limit"), [(1, 9223372036854771712), (2, "max")])
def test_a_container_without_a_limit_has_what_the_machine_has(tmp_path: Path, version: int, limit: int | str) -> None:
    folder = container(tmp_path, version, limit=limit, used=1000, cached=0)
    assert memory_free(folder / "meminfo", folder) == 8_000_000 * 1024
