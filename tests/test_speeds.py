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
    assert (speed.read, speed.written, speed.threads) == (70.0, 50.0, 3)
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
    remembered()


def test_a_place_where_nothing_can_be_kept_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(ModelFailed, match="cannot be kept"):
        measure(ScriptedModel(WORDS), "a")


def test_a_larger_context_takes_more_memory() -> None:
    model = CATALOGUE["r1-7b"]
    assert memory_needed(model, 4096) > memory_needed(model, 2048) > model.size


def test_the_memory_of_the_machine_is_told_or_unknown(tmp_path: Path) -> None:
    total, free = memory_total(), memory_free()
    assert total is None or total > 1e8
    assert free is None or free > 0
    assert memory_free(tmp_path / "nothing") is None
