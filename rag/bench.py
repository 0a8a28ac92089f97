"""How fast all of it is on this machine, beside what the machine allows.

In: settings, questions, sizes of synthetic indexes. Out: `Figures`. Each part runs in a process of its own, so that its
memory is its own, too. It fetches nothing: without a model in the cache folder the parts that need one are left out. It
does not know how searching and answering work, nor how figures are shown (`rag.speedcard`).
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rag import limits, models, scaling, tuning
from rag.costs import Cost, Meter, memory, read_per_second, session, written_per_second
from rag.errors import CorpusMissing, ModelFailed, RagError, SettingsError
from rag.modelfiles import CATALOGUE, DEFAULT, STAND_IN
from rag.records import Progress, Turn
from rag.scanning import sightings
from rag.server import without_secrets
from rag.settings import Settings

SIZES = (1_000, 10_000, 200_000)
"""Passages of the synthetic indexes."""

_REPEATS = 5
_STEPS = 5  # before the searches, which tell of themselves
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
    """Questions in one process that had answered one already; its memory in bytes, by what it had done so far.

    ``silence`` is why there was no prose, where there was none.
    """

    asked: Sequence[Asked]
    cost: Cost
    memory: Mapping[str, int | None]
    silence: str = ""


@dataclass(frozen=True, slots=True)
class Pace:
    """Tokens a second, ours and llama.cpp's without us; what memory lets be written at most, for ``size`` bytes.

    ``tried`` says that ``threads`` are the fastest of those that were tried, and are used from now on.
    """

    read: float
    written: float
    raw_read: float
    raw_written: float
    bandwidth: float
    size: int
    threads: tuning.Threads
    tried: bool

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

    ``unsearched`` says why no search is measured, or not at every size.
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

    Each of ``questions`` is asked in a new process and in a running one. Raises SettingsError without questions,
    IndexMissing and ModelFailed.
    """
    if not questions:
        raise SettingsError(
            "This index suggests no question to measure with.", remedy="Give a question set: --questions FILE.jsonl"
        )
    settings, gguf, note = _model(settings)
    steps = iter(range(_STEPS))

    def step(what: str) -> None:
        progress(next(steps), _STEPS, what)

    asked = [questions[number % len(questions)] for number in range(max(_REPEATS, len(questions)))]
    step("how many threads are fastest")
    tried = bool(gguf and not settings.threads and tuning.remember(scaling.alone(limits.try_threads, gguf)))
    step("questions in one process")
    warm = scaling.alone(_session, settings, asked, bool(note))
    if not note and not any(one.word for one in warm.asked):
        note = f"{without_secrets(settings.model)} wrote nothing. {warm.silence}".strip()
    step("questions in new processes")
    cold = []
    for number, question in enumerate(asked):
        progress(number, len(asked), "questions in new processes")
        cold.append(_cold(settings, question, quotes_only=bool(note)))
    step("the model, and llama.cpp alone")
    pace = scaling.alone(_pace, gguf, settings, tried) if gguf else None
    step("indexing")
    indexing = scaling.alone(_indexing, settings)
    rows: list[scaling.Row] = []
    unsearched = ""
    try:
        rows.extend(scaling.run(settings, sizes, progress) if sizes else ())
    except (RagError, OSError) as error:  # what took minutes before this is told all the same
        unsearched = f"{error} {getattr(error, 'remedy', '')}".strip()
    return Figures(without_secrets(settings.model), note, cold, warm, pace, indexing, rows, unsearched)


def _model(settings: Settings) -> tuple[Settings, Path | None, str]:
    """Settings that name a model which is here; its file, if it has one; and a note where none is here."""
    spec = settings.model
    if "://" in spec:
        return settings, None, ""
    if spec and spec not in CATALOGUE:
        return settings, Path(spec).expanduser(), ""
    for name in [spec] if spec else [DEFAULT, STAND_IN]:
        if path := models.find(name):
            return replace(settings, model=name), path, ""
    name = spec or DEFAULT
    return replace(settings, model=name), None, f"No model is here: rag models pull {name}"


def _cold(settings: Settings, question: str, *, quotes_only: bool) -> Asked:
    """A question as somebody types it: `rag "question"`."""
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "rag", "ask", *["--quotes"] * quotes_only, "--", question],
        # By its environment and not by its arguments, which every user of the machine can read.
        env={**os.environ, **settings.environment()},
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


def _session(settings: Settings, questions: Sequence[str], quotes_only: bool) -> Session:
    from rag.assistant import Assistant

    used = {"start": memory().resident}
    asked, costs, silence = [], [], ""
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
            silence = silence if word else answer.note
        if not quotes_only:
            used["answers"] = memory().peak
    return Session(asked, session(costs), used, silence)


def _pace(gguf: Path, settings: Settings, tried: bool) -> Pace:
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
    used = tuning.threads_for(settings.threads)
    (read, written), (raw_read, raw_written) = (map(max, zip(*pairs, strict=True)) for pairs in (ours, raw))
    return Pace(
        read, written, raw_read, raw_written, limits.bandwidth(settings.threads), gguf.stat().st_size, used, tried
    )


# A task that no model ends within 48 tokens, behind some 250 to read.
_TEXT = " ".join(
    f"Note {number} says that the price of item {number} rose by {number} per cent." for number in range(18)
)
_TEXT += " Write the numbers from one to one hundred as English words."


def _indexing(settings: Settings) -> Indexing:
    from rag.assistant import Assistant

    with tempfile.TemporaryDirectory(prefix="rag-bench-") as folder:
        copied = 0
        for path in _small_files(settings.corpus):
            target = Path(folder, "corpus", path)
            target.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(OSError):  # not to be read, or moved meanwhile: the index would list it as failed
                shutil.copyfile(settings.corpus / path, target)
                copied += 1
            if copied == _FILES:
                break
        anew = replace(settings, corpus=Path(folder, "corpus"), index=Path(folder, "index"))
        anew.corpus.mkdir(exist_ok=True)
        began = time.perf_counter()
        with Assistant.open(anew, own=True) as desk:
            report = desk.sync()
        seconds = time.perf_counter() - began
    return Indexing(copied, report.embedded, seconds, memory().peak)


def _small_files(corpus: Path) -> Iterator[str]:
    with contextlib.suppress(CorpusMissing):
        for one in sightings(corpus, lambda paths: {}):
            if one.state == "added" and one.source.size <= _FILE_BYTES:
                yield one.path
