from __future__ import annotations

import os
from pathlib import Path

import pytest

from rag.tuning import Threads, logical_cores, physical_cores, remember, threads_for


def test_hyper_threads_are_not_counted(tmp_path: Path) -> None:
    for cpu in range(2):
        folder = tmp_path / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "physical_package_id").write_text("0\n")
        (folder / "core_id").write_text("7\n")
    assert physical_cores(tmp_path) == 1


def test_without_a_topology_there_is_at_least_one_core(tmp_path: Path) -> None:
    assert physical_cores(tmp_path) >= 1


def test_until_it_was_tried_each_physical_core_has_a_thread() -> None:
    assert threads_for(0) == Threads(physical_cores(), physical_cores())


def test_what_a_trial_found_is_used_from_then_on() -> None:
    assert remember(Threads(1, 1))
    assert threads_for(0) == Threads(1, 1)


def test_threads_that_are_wanted_are_used_whatever_a_trial_found() -> None:
    remember(Threads(1, 1))
    assert threads_for(3) == Threads(3, 3)


@pytest.mark.parametrize(
    "text", ["", "[]", "null", '{"read": 0, "write": 1}', '{"read": 9999, "write": 1, "machine": []}', '{"read": []}']
)
def test_a_file_that_says_nothing_of_this_machine_is_as_none(text: str) -> None:
    remember(Threads(1, 1))
    (place,) = Path(os.environ["XDG_DATA_HOME"]).rglob("threads.json")
    place.write_text(text)
    assert threads_for(0) == Threads(physical_cores(), physical_cores())


def test_a_folder_that_cannot_be_made_keeps_nothing() -> None:
    Path(os.environ["XDG_DATA_HOME"]).write_text("")
    assert not remember(Threads(1, 1))
    assert threads_for(0) == Threads(physical_cores(), physical_cores())


@pytest.mark.parametrize(
    "files",
    [
        {"cpu.max": "50000 100000"},
        {"cpu.max": "100000 100000\n"},
        {"cpu/cpu.cfs_quota_us": "90000", "cpu/cpu.cfs_period_us": "100000"},
    ],
)
def test_a_container_has_the_cores_of_its_quota(tmp_path: Path, files: dict[str, str]) -> None:
    put(tmp_path, files)
    assert logical_cores(tmp_path) == 1


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"cpu.max": "max 100000"},
        {"cpu.max": ""},
        {"cpu.max": "1000000000000 100000"},
        {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"},
        {"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "0"},
    ],
)
def test_without_a_quota_the_cores_are_those_of_the_process(tmp_path: Path, files: dict[str, str]) -> None:
    put(tmp_path, files)
    assert logical_cores(tmp_path) == logical_cores(tmp_path / "no groups")


def put(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
