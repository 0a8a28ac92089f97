"""How fast all of it is on this machine, beside what the machine allows and what an API would cost.

In: settings, questions, sizes of synthetic indexes. Out: `Figures`, as lines for a person, as JSON, as a picture. Each
part runs in a process of its own, so that its memory is its own, too. It fetches nothing: without a model in the cache
folder the parts that need one are left out. It does not know how searching and answering work.
"""

from __future__ import annotations

import math
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from rag import limits, models, scaling, tuning
from rag.costs import (
    Cost,
    Meter,
    Rates,
    api_price,
    electricity,
    memory,
    read_per_second,
    session,
    usd,
    watt_hours,
    written_per_second,
)
from rag.errors import ModelFailed, SettingsError
from rag.modelfiles import CATALOGUE, DEFAULT
from rag.present import printable
from rag.records import Progress, Turn
from rag.settings import Settings

SIZES = (1_000, 10_000, 200_000)
"""Passages of the synthetic indexes."""

_REPEATS = 5
# A copy of this much of the corpus is indexed: enough for a steady pace, a minute at most.
_FILES, _FILE_BYTES = 200, 2_000_000
# What the command line prints at the end; the prose streams to a terminal alone.
_TOLD = re.compile(r"first word after ([\d.]+) s, ([\d.]+) s in all")


@dataclass(frozen=True, slots=True)
class Asked:
    """Seconds from a question, or from the start of a process, to the first quote, the first word, the whole answer.

    ``word`` is None where no model wrote.
    """

    quote: float
    word: float | None
    whole: float


@dataclass(frozen=True, slots=True)
class Session:
    """Questions in one process that had answered one already; its memory in bytes, by what it had done so far."""

    asked: Sequence[Asked]
    cost: Cost
    memory: Mapping[str, int | None]


@dataclass(frozen=True, slots=True)
class Pace:
    """Tokens a second, ours and llama.cpp's without us; what memory lets be written at most, for ``size`` bytes."""

    read: float
    written: float
    raw_read: float
    raw_written: float
    bandwidth: float
    size: int
    threads: tuning.Threads

    @property
    def most(self) -> float:
        """Tokens a second, if each token reads all weights once and nothing else takes time."""
        return self.bandwidth / self.size


@dataclass(frozen=True, slots=True)
class Indexing:
    """An index made anew of a copy of some files: how many, in how many seconds, with how many bytes of memory."""

    files: int
    passages: int
    seconds: float
    peak: int | None


@dataclass(frozen=True, slots=True)
class Figures:
    """All that was measured; a part that needs a model is None or empty without one, and ``note`` says so.

    ``unsearched`` says why no search is measured, where the index is too small to be a pattern.
    """

    model: str
    note: str
    cold: Sequence[Asked]
    warm: Session
    pace: Pace | None
    indexing: Indexing
    searches: Sequence[scaling.Row] = field(default_factory=tuple)
    unsearched: str = ""


def run(settings: Settings, questions: Sequence[str], sizes: Sequence[int], progress: Progress) -> Figures:
    """Measure it all, which takes some minutes, most of it for the largest of ``sizes``.

    Raises SettingsError without questions, IndexMissing and ModelFailed.
    """
    if not questions:
        raise SettingsError(
            "This index suggests no question to measure with.", remedy="Give a question set: --questions FILE.jsonl"
        )
    gguf = _gguf(settings.model)
    note = "" if gguf or "://" in settings.model else f"No model is here: rag models pull {settings.model or DEFAULT}"
    steps = len(sizes) + 4

    def step(number: int, what: str) -> None:
        progress(number, steps, what)

    step(0, "questions in new processes")
    cold = [_cold(settings, one, quotes_only=bool(note)) for one in _cycled(questions, _REPEATS)]
    step(1, "questions in one process")
    warm = scaling.alone(_session, settings, list(_cycled(questions, _REPEATS)), bool(note))
    step(2, "the model, and llama.cpp alone")
    if gguf and not settings.threads:
        scaling.alone(limits.try_threads, gguf)
    pace = scaling.alone(_pace, gguf, settings) if gguf else None
    step(3, "indexing")
    indexing = scaling.alone(_indexing, settings)
    rows: list[scaling.Row] = []
    unsearched = ""
    for number, size in enumerate(sizes, start=4):
        step(number, f"search among {size:,} passages")
        try:
            rows += scaling.run(settings, [size], progress)
        except SettingsError as error:  # what took minutes before this is told all the same
            unsearched = f"{error} {error.remedy}"
            break
    step(steps, "done")
    return Figures(settings.model or DEFAULT, note, cold, warm, pace, indexing, rows, unsearched)


def _cycled(questions: Sequence[str], least: int) -> Iterator[str]:
    for number in range(max(least, len(questions))):
        yield questions[number % len(questions)]


def _gguf(spec: str) -> Path | None:
    """The model's file, where it is one that is here."""
    name = spec or DEFAULT
    if name in CATALOGUE:
        return models.find(name)
    return Path(name) if Path(name).is_file() else None


def _cold(settings: Settings, question: str, *, quotes_only: bool) -> Asked:
    """A question as somebody types it: `rag "question"`."""
    command = [sys.executable, "-P", "-m", "rag", "ask", question, *_places(settings)]
    began = time.perf_counter()
    with subprocess.Popen(
        [*command, "--quotes"] if quotes_only else command,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout
        for line in process.stdout:
            if line.strip():
                break
        quote = time.perf_counter() - began
        _, said = process.communicate()
    whole = time.perf_counter() - began
    if process.returncode not in (0, 3):
        raise ModelFailed(f"A question in a new process failed: {said.strip()[-300:]}")
    told = _TOLD.search(said)
    return Asked(quote, whole - float(told[2]) + float(told[1]) if told else None, whole)


def _places(settings: Settings) -> list[str]:
    model = ["--model", settings.model] if settings.model else []
    return ["--corpus", str(settings.corpus), "--index", str(settings.index), *model]


def _session(settings: Settings, questions: Sequence[str], quotes_only: bool) -> Session:
    from rag.assistant import Assistant

    used = {"start": memory().resident}
    asked, costs = [], []
    with Assistant.open(settings) as desk:
        list(desk.ask(questions[0], quotes_only=True))
        used["quotes"] = memory().peak
        if not quotes_only:
            list(desk.ask(questions[0]))
        for question in questions:
            began, word, meter = time.perf_counter(), None, Meter()
            reply = desk.ask(question, quotes_only=quotes_only)
            quote = time.perf_counter() - began
            for piece in reply:
                word = word or (time.perf_counter() - began if piece else None)
            answer = reply.answer
            asked.append(Asked(quote, word, time.perf_counter() - began))
            costs.append(meter.cost(answer))
        if not quotes_only:
            used["answers"] = memory().peak
    return Session(asked, session(costs), used)


def _pace(gguf: Path, settings: Settings) -> Pace:
    """Ours, then llama.cpp alone, in turns, the better of two each: other work on the machine slows either."""
    from rag.llama import LlamaModel

    ours: list[tuple[float, float]] = []
    raw: list[tuple[float, float]] = []
    for _ in range(2):
        model = LlamaModel(gguf, name=gguf.name, context_tokens=1024, threads=settings.threads)
        try:
            list(model.stream([Turn("user", "Good morning.")], thinking_tokens=0, answer_tokens=1))
            *_, last = model.stream([Turn("user", _TEXT)], thinking_tokens=0, answer_tokens=limits.WRITTEN)
        finally:
            model.close()
        assert last.usage
        ours.append((read_per_second(last.usage) or 0.0, written_per_second(last.usage) or 0.0))
        raw.append(limits.raw_speed(gguf, threads=settings.threads))
    used = tuning.Threads(settings.threads, settings.threads) if settings.threads else tuning.threads()
    (read, written), (raw_read, raw_written) = (map(max, zip(*pairs, strict=True)) for pairs in (ours, raw))
    return Pace(read, written, raw_read, raw_written, limits.bandwidth(settings.threads), gguf.stat().st_size, used)


# A task that no model ends within 48 tokens, behind some 250 to read.
_TEXT = " ".join(
    f"Note {number} says that the price of item {number} rose by {number} per cent." for number in range(18)
)
_TEXT += " Write the numbers from one to one hundred as English words."


def _indexing(settings: Settings) -> Indexing:
    from rag.assistant import Assistant
    from rag.readers.names import is_readable

    with tempfile.TemporaryDirectory(prefix="rag-bench-") as folder:
        copied = 0
        for path in sorted(settings.corpus.rglob("*")):
            name = path.relative_to(settings.corpus)
            if copied < _FILES and is_readable(name.as_posix()) and _small_file(path):
                target = Path(folder, "corpus", name)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
                copied += 1
        anew = replace(settings, corpus=Path(folder, "corpus"), index=Path(folder, "index"))
        anew.corpus.mkdir(exist_ok=True)
        began = time.perf_counter()
        with Assistant.open(anew, own=True) as desk:
            report = desk.sync()
        seconds = time.perf_counter() - began
    return Indexing(copied, report.embedded, seconds, memory().peak)


def _small_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and path.stat().st_size <= _FILE_BYTES


def report_json(figures: Figures, settings: Settings) -> dict[str, Any]:
    """Everything, with what 1,000 questions take and cost."""
    return {**asdict(figures), "per_1000_questions": _per_thousand(figures, settings)}


def _per_thousand(figures: Figures, settings: Settings) -> dict[str, Any]:
    cost, rates, count = figures.warm.cost, Rates.of(settings), len(figures.warm.asked) / 1000
    return {
        "watt_hours": watt_hours(cost, rates.watts_per_core) / count,
        "measured": cost.joules is not None,
        "electricity_usd": electricity(cost, rates) / count,
        "api_usd": {
            f"{price.name} ({price.date:%b %Y})": api_price(cost.usage, price) / count for price in rates.prices
        },
    }


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that at least ``share`` of them do not exceed."""
    ordered = sorted(values)
    return ordered[math.ceil(share * len(ordered)) - 1]


# ------------------------------------------------------------------------------------------------ the table

_WIDTHS = (44, 24)


def report_text(figures: Figures, settings: Settings) -> str:
    """One table: what was measured, and what stands beside it."""
    rows = [*_waits(figures), *_speeds(figures, settings), *_searches(figures), *_resources(figures)]
    rows += _money(figures, settings)
    head = ("", "here", "beside it")
    lines = [f"{what:<{_WIDTHS[0]}}{here:<{_WIDTHS[1]}}{beside}".rstrip() for what, here, beside in (head, *rows)]
    return "\n".join([f"Model: {figures.note or figures.model}", "", *lines])


Line = tuple[str, str, str]


def _waits(figures: Figures) -> Iterator[Line]:
    kinds = (("a new process", figures.cold), ("a running one", figures.warm.asked))
    for name, part in (("first quote", "quote"), ("first word of the answer", "word"), ("whole answer", "whole")):
        for where, asked in kinds:
            values = [value for one in asked if (value := getattr(one, part)) is not None]
            if values and (part == "quote" or not figures.note):
                yield (
                    f"{name}, {where}",
                    f"{statistics.median(values):.2f} s",
                    f"95 % within {percentile(values, 0.95):.2f} s, {len(values)} questions",
                )


def _speeds(figures: Figures, settings: Settings) -> Iterator[Line]:
    pace = figures.pace
    if pace is None:
        return
    raw = f"llama.cpp alone {pace.raw_read:.0f}: {pace.read / pace.raw_read:.0%}"
    yield "tokens read a second", f"{pace.read:.0f}", raw
    raw = f"llama.cpp alone {pace.raw_written:.1f}: {pace.written / pace.raw_written:.0%}"
    most = f"memory ({pace.bandwidth / 1e9:.0f} GB/s) allows {pace.most:.0f}"
    yield "tokens written a second", f"{pace.written:.1f}", f"{raw}; {most}"
    yield (
        "threads",
        f"{pace.threads.read} read, {pace.threads.write} write",
        "as set" if settings.threads else "the fastest of those tried, and used from now on",
    )


def _searches(figures: Figures) -> Iterator[Line]:
    if figures.unsearched:
        yield "search", "not measured", printable(figures.unsearched)
    for row in figures.searches:
        times = row.searches["question"]
        name = f"search, {row.chunks:,} passages, {'Chroma' if row.engine == 'chroma' else 'exact scan'}"
        beside = f"95 % within {times.p95:.0f} ms, first after {row.first:.1f} s, recall@10 {row.recall:.0%}"
        yield name, f"{times.median:.0f} ms", beside
    one = figures.indexing
    pace = f"{one.passages / one.seconds:.0f} passages a second" if one.passages else "nothing to index"
    yield "indexing", pace, f"{one.passages:,} passages of {one.files:,} files in {one.seconds:.1f} s"


def _resources(figures: Figures) -> Iterator[Line]:
    used = figures.warm.memory
    size = f"of which the model's file {figures.pace.size / 1e6:,.0f} MB" if figures.pace else ""
    for name, key, beside in (("quotes", "quotes", ""), ("answers", "answers", size)):
        if peak := used.get(key):
            yield f"memory at most, {name}", f"{peak / 1e6:,.0f} MB", beside
    if peak := figures.indexing.peak:
        yield "memory at most, indexing", f"{peak / 1e6:,.0f} MB", ""


def _money(figures: Figures, settings: Settings) -> Iterator[Line]:
    if figures.note:
        return
    found = _per_thousand(figures, settings)
    how = "measured" if found["measured"] else f"estimate: {settings.watts_per_core:g} W a core"
    yield "energy of 1,000 questions", f"{found['watt_hours']:.1f} Wh", how
    rate = f"at {settings.electricity:g} USD a kWh; no hardware, no idle time"
    yield "price of 1,000 questions", usd(found["electricity_usd"]), rate
    for name, price in found["api_usd"].items():
        yield "  as many tokens of an API", usd(price), name


# ------------------------------------------------------------------------------------------------ the picture


def picture(figures: Figures) -> dict[str, Any]:
    """What `rag.plots.draw_speed` takes."""
    waits = {
        where: {
            name: statistics.median(values)
            for name, part in (("first quote", "quote"), ("first word", "word"), ("whole answer", "whole"))
            if (values := [value for one in asked if (value := getattr(one, part)) is not None])
        }
        for where, asked in (("new process", figures.cold), ("running", figures.warm.asked))
    }
    pace = figures.pace
    speeds = {}
    if pace:
        speeds = {
            "read": {"rag": pace.read, "llama.cpp alone": pace.raw_read},
            "written": {"rag": pace.written, "llama.cpp alone": pace.raw_written, "memory allows": pace.most},
        }
    searches: dict[str, list[tuple[int, float]]] = {}
    for row in figures.searches:
        engine = "Chroma" if row.engine == "chroma" else "exact scan"
        searches.setdefault(engine, []).append((row.chunks, row.searches["question"].median))
    return {
        "title": f"rag bench: {figures.note or figures.model}",
        "waits": waits,
        "speeds": speeds,
        "searches": searches,
    }
