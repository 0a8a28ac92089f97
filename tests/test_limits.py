from __future__ import annotations

from pathlib import Path

import pytest

from rag import limits, tuning
from rag.errors import ModelFailed, RagError
from rag.scaling import alone
from tests import tiny_gguf


def test_memory_is_read_faster_than_a_disk() -> None:
    assert limits.bandwidth(threads=1, size=1 << 24) > 1e8


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"GGUF")
    with pytest.raises(ModelFailed, match=r"x\.gguf"):
        limits.raw_speed(tmp_path / "x.gguf")


def test_a_model_that_breaks_while_it_is_measured_ends_no_process(tmp_path: Path) -> None:
    path = tiny_gguf.write_r1(tmp_path / "few-words.gguf")
    with pytest.raises(RagError, match=r"few-words\.gguf broke"):
        alone(limits.raw_speed, path)


@pytest.mark.parametrize(
    ("speeds", "best"),
    [
        ({2: 10.0, 1: 10.5, 4: 10.9}, 2),
        ({2: 10.0, 4: 12.0}, 4),
        ({2: 10.0, 1: 20.0, 4: 15.0}, 1),
        ({1: 3.0, 2: 3.0}, 2),
    ],
)
def test_another_number_of_threads_has_to_be_clearly_faster(speeds: dict[int, float], best: int) -> None:
    assert limits._best(speeds, 2) == best


def test_a_trial_finds_threads_that_this_machine_has(smol: Path) -> None:
    found = limits.try_threads(smol)
    assert all(1 <= count <= tuning.logical_cores() for count in (found.read, found.write))
