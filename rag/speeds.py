"""How fast a model reads and writes on this machine, and what memory it takes.

In: a loaded model. Out: a `Speed`, measured in some seconds and kept in the user's data folder. It does not know how
models are had, and measures alone: whoever calls it sees to it that nobody else has the model write.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from rag.atomic import write_atomically
from rag.costs import read_per_second, written_per_second
from rag.errors import ModelFailed
from rag.llm import ChatModel
from rag.modelfiles import ModelFile
from rag.records import Turn, Usage
from rag.tuning import Threads, threads_for

_WRITTEN_TOKENS = 48
_LEAST_WRITTEN = 8
_WARM = (Turn("user", "Good morning."),)
# About 240 tokens with the markers of either chat format, and a task that no model ends within 48.
_PROMPT = (
    Turn(
        "user",
        "A desk receives notes from many houses every day. Some write about the price of memory, some about how much"
        " power a data centre draws, others about freight, wheat, copper or the yield of ten-year bonds. A note usually"
        " names its author, gives a date, makes one claim and supports it with two or three figures; now and then it"
        " quotes a second house in order to disagree with it. A careful reader first asks who is speaking, then whether"
        " the figure was measured or guessed, then how old it is. Two notes that look alike may come from the same"
        " source, and ten that agree may all repeat the first. When a figure changes, the earlier one should not be"
        " thrown away: the change is often the news. What was said in passing on a call is weaker than what was"
        " printed, and what was printed is weaker than what was filed. None of this is difficult, but it takes"
        " patience, because the mail does not stop while one is reading it, and the loudest subject line is rarely the"
        " most useful one."
        " Now write the numbers from one to one hundred as English words, one after the other, separated by commas.",
    ),
)


@dataclass(frozen=True, slots=True)
class Speed:
    """Tokens per second, reading a prompt and writing; with how many ``threads``, ``build`` of what, and when."""

    read: float
    written: float
    threads: Threads
    build: str
    day: date


def build() -> str:
    """What runs the models of this machine: another version is another speed."""
    from importlib.metadata import version

    return f"llama-cpp-python {version('llama_cpp_python')}"


def measure(model: ChatModel, sha256: str, *, threads: int = 0, stop: threading.Event | None = None) -> Speed:
    """Have ``model`` read some 240 tokens and write 48, and remember how fast that went, by the ``sha256`` of its file.

    ``threads`` 0 are those of `rag.tuning`. Raises ModelFailed where it wrote too little to be measured, as one does
    that was told to ``stop``.
    """
    # What a cold disk and a cached prompt would do to the figures; so many other tokens push the prompt out.
    _run(model, _WARM, 1, stop)
    usage = _run(model, _PROMPT, _WRITTEN_TOKENS, stop)
    read, written = read_per_second(usage), written_per_second(usage)
    if read is None or written is None or usage.answer_tokens < _LEAST_WRITTEN:
        raise ModelFailed(f"{model.name} wrote too little to be measured.", remedy="Measure again.")
    speed = Speed(round(read, 1), round(written, 1), threads_for(threads), build(), date.today())
    _remember(sha256, speed)
    return speed


def _run(model: ChatModel, turns: tuple[Turn, ...], tokens: int, stop: threading.Event | None) -> Usage:
    usage = Usage()
    with closing(model.stream(turns, thinking_tokens=0, answer_tokens=tokens)) as pieces:
        for piece in pieces:
            if stop and stop.is_set():
                return Usage()
            usage = piece.usage or usage
    return usage


def remembered(threads: int = 0) -> Mapping[str, Speed]:
    """The last speed of each file, by its sha256, measured with the build that is installed and as many ``threads``."""
    now, used = build(), threads_for(threads)
    return {sha256: one for sha256, one in _kept().items() if (one.build, one.threads) == (now, used)}


def _remember(sha256: str, speed: Speed) -> None:
    path = _place()
    try:
        kept = {name: asdict(one) for name, one in {**_kept(), sha256: speed}.items()}
        write_atomically(path, json.dumps(kept, default=str, indent=1))
    except OSError as error:
        raise ModelFailed(
            f"The speed cannot be kept in {path}: {error}.", remedy="Make room there, or mend its permissions."
        ) from error


def _kept() -> dict[str, Speed]:
    """What the file holds; nothing where it is damaged, for it can be measured again."""
    try:
        rows = json.loads(_place().read_bytes())
        return {
            str(name): Speed(
                float(row["read"]),
                float(row["written"]),
                Threads(int(row["threads"]["read"]), int(row["threads"]["write"])),
                str(row["build"]),
                date.fromisoformat(row["day"]),
            )
            for name, row in rows.items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def _place() -> Path:
    from platformdirs import user_data_path

    return user_data_path("rag", appauthor=False) / "speeds.json"


# ------------------------------------------------------------------------------------------------ memory

# Beside weights and cache: the buffers that llama.cpp computes in, of which the logits of a slice are the largest.
_BUFFERS = 200_000_000

# Where Linux tells of containers: limit, use, and which part of the use are files that it drops when memory is wanted
# (the weights of a model that was closed are such); first as cgroup v2 names them, then as v1.
_GROUPS = Path("/sys/fs/cgroup")
_ACCOUNTS = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
)


def memory_needed(model: ModelFile, context_tokens: int) -> int:
    """About how many bytes of memory the model takes: its weights, the cache of a full context, buffers."""
    return model.size + model.cache * context_tokens + _BUFFERS


def memory_total(groups: Path = _GROUPS) -> int | None:
    """The bytes of memory that this process may use; None where the system does not tell."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return None
    return min([total, *(limit for limit, _ in _shares(groups))])


def memory_free(meminfo: Path = Path("/proc/meminfo"), groups: Path = _GROUPS) -> int | None:
    """The bytes of memory that can be had without swapping; None where the system does not tell."""
    try:
        lines = meminfo.read_text(encoding="ascii").splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, IndexError, StopIteration):
        return None
    return min([free, *(max(0, limit - used) for limit, used in _shares(groups))])


def _shares(groups: Path) -> list[tuple[int, int]]:
    """A container's share of the memory and what it uses of it, as far as there is one (none is told as "max")."""
    shares: list[tuple[int, int]] = []
    for limit, used, droppable in _ACCOUNTS:
        with contextlib.suppress(OSError, ValueError, KeyError):
            rows = (groups / limit).with_name("memory.stat").read_text(encoding="ascii").splitlines()
            cached = int(dict(row.split(" ", 1) for row in rows)[droppable])
            shares.append((int((groups / limit).read_text()), int((groups / used).read_text()) - cached))
    return shares
