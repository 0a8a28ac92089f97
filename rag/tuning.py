"""How many threads a model reads and writes with on this machine, once that has been tried.

In: what a trial found. Out: that, in every process from then on. It does not know how it is tried; until it was, the
answer is a thread for each physical core.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from rag.atomic import write_atomically


@dataclass(frozen=True, slots=True)
class Threads:
    """Those that read a prompt, and those that write: the first is bound by the cores, the second by memory."""

    read: int
    write: int


def physical_cores(topology: Path = Path("/sys/devices/system/cpu")) -> int:
    """Count the cores that this process may use, without hyper-threads where Linux tells them apart.

    Decoding is bound by memory: 16 threads on 8 cores were 2.5 tokens/s, 8 were 9 (llama.cpp PR 20020).
    """
    cores = {
        ((folder / "physical_package_id").read_text(), (folder / "core_id").read_text())
        for folder in topology.glob("cpu[0-9]*/topology")
        if (folder / "core_id").is_file() and (folder / "physical_package_id").is_file()
    }
    return min(len(cores) or logical_cores(), logical_cores())


def logical_cores(groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Count the cores that this process may use, as the system counts them, or a container's quota of them.

    Threads beyond a quota are stopped in turns, while the others wait for them at the end of each matrix.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, _quota(groups)))


def _quota(groups: Path) -> int:
    """The cores that the time allowed to this container fills, by either version of Linux's control groups."""
    for paths in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            allowed, period = (int(word) for path in paths for word in (groups / path).read_text().split())
        except (OSError, ValueError):  # not this version; or "max", which is no quota
            continue
        if allowed > 0 and period > 0:
            return -(-allowed // period)
    return sys.maxsize


def threads_for(wanted: int) -> Threads:
    """So many as are ``wanted``; for 0 what was found best with this build and as many cores.

    Where nothing was found, a thread for each physical core.
    """
    return Threads(wanted, wanted) if wanted else _kept() or Threads(physical_cores(), physical_cores())


def remember(found: Threads) -> bool:
    """Keep what a trial found; false where the folder cannot be written."""
    try:
        write_atomically(_place(), json.dumps({**asdict(found), "machine": _machine()}))
    except OSError:
        return False
    return True


def _kept() -> Threads | None:
    """What was kept for this machine; None where nothing was, or the file is damaged."""
    try:
        kept = json.loads(_place().read_bytes())
        found = Threads(int(kept["read"]), int(kept["write"]))
        fits = kept["machine"] == _machine() and all(
            0 < count <= logical_cores() for count in (found.read, found.write)
        )
        return found if fits else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _machine() -> list[int | str]:
    from importlib.metadata import version  # 9 ms, for the one who loads a model

    return [version("llama_cpp_python"), physical_cores(), logical_cores()]


def _place() -> Path:
    from platformdirs import user_data_path

    return user_data_path("rag", appauthor=False) / "threads.json"
