"""How long a search takes, how much memory, and how near Chroma comes to the exact scan, at sizes of your choice.

In: an index, whose words, vectors and houses are the pattern, and sizes. Out: a `Row` for each size and engine,
measured with the real `Retriever` and the real embedding model on throwaway indexes of generated chunks; nothing
that is generated is embedded. It does not know how searching works: what `Retriever` calls is what is timed.
"""

from __future__ import annotations

import re
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from rag.costs import memory
from rag.embedding import Embedder, SentenceTransformerEmbedder, Vectors
from rag.errors import RagError, SettingsError
from rag.records import Chunk, Document, Progress, SourceFile, Voice
from rag.retrieval import Retriever
from rag.schema import Batch, Entry, Filters, KnownFile
from rag.settings import Settings
from rag.store import Catalogue
from rag.vectors import ChromaVectors, ExactVectors, NearestVectors

Engine = Literal["exact", "chroma"]
Result = TypeVar("Result")

_K = 10
_QUESTIONS = 60
_LEAST = 20

# Chunks of a batch and of a document; one document of so many repeats the one before it.
_BATCH, _CHUNKS, _COPIED = 1000, 8, 10
_SHORTEST, _LONGEST = 30, 80
_SHORT = 4
_TODAY = date(2026, 1, 1)

# English has about an eighth of its words from beyond the commonest 3,000; without them the word index is too small.
_TAIL, _TAIL_SHARE = 50_000, 0.12

# A generated vector is a mixture of three real ones and a random step of this length: clustered, as texts are.
_NOISE = 0.2

_STAGES = {
    "embed": "embed",
    "nearest": "vectors",
    "matching": "words",
    "frequencies": "words",
    "size": "words",
    "numbers": "filter",
}
"""What the time in a member of embedder, vectors or catalogue counts as; that in any other is ``load``."""

_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds of some warm searches: median, 95th percentile, and the mean of each stage.

    ``cpu`` is the median of the processor's time, which other work on the machine hardly changes.
    """

    median: float
    p95: float
    cpu: float
    stages: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured at one size with one engine.

    ``filled`` is the seconds that it took to fill Chroma, or the catalogue, ``first`` those from opening the index to
    the end of the first search, the embedding model being loaded. ``searches`` has the kinds ``question``, ``house``
    (it names one) and ``filter`` (it is asked within one). ``memory`` is the peak of the process in MB, before it
    compared the engines; ``recall`` the share of the exact first ten that the engine found.
    """

    chunks: int
    engine: Engine
    filled: float
    first: float
    searches: Mapping[str, Times]
    memory: float
    recall: float


@dataclass(frozen=True, slots=True)
class Pattern:
    """What generated chunks are made of: real passages with house and vector, words, and how frequent they are.

    ``chances`` are cumulative.
    """

    texts: Sequence[str]
    houses: Sequence[str | None]
    vectors: Vectors
    words: Sequence[str]
    chances: NDArray[np.float64]

    def chunk(self, chance: np.random.Generator) -> str:
        """A text of words as frequent as they are."""
        count = chance.integers(_SHORTEST, _LONGEST, endpoint=True)
        return " ".join(self.words[at] for at in np.searchsorted(self.chances, chance.random(count)))


def run(settings: Settings, sizes: Sequence[int], progress: Progress | None = None) -> Iterator[Row]:
    """Measure each of ``sizes``, in chunks, with both engines, each in a process of its own.

    Raises IndexMissing, and SettingsError where the index holds too little to be a pattern.
    """
    pattern = read_pattern(settings.index)
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="rag-bench-") as folder:
            index = Path(folder, "index")
            built = build(index, pattern, size, progress)
            yield alone(_measured, index, pattern, settings, "exact", built)
            if progress:
                progress(size, size, f"{size:,} chunks: Chroma")
            filled = alone(_fill, index)
            yield alone(_measured, index, pattern, settings, "chroma", filled)


def read_pattern(index: Path) -> Pattern:
    """Take the passages of an index as a pattern. Raises IndexMissing and SettingsError."""
    catalogue = Catalogue.open(index)
    try:
        numbers, vectors = catalogue.vectors()
        passages = catalogue.passages(numbers)
    finally:
        catalogue.close()
    if len(numbers) < _LEAST:
        raise SettingsError(
            f"The index in {index} has {len(numbers)} passages; a pattern needs {_LEAST}.",
            remedy="Name a larger corpus with --corpus.",
        )
    texts = [passages[number].text for number in numbers]
    counts = Counter(word.lower() for text in texts for word in _WORD.findall(text))
    common, rare = np.array(list(counts.values()), dtype=float), 1 / np.arange(len(counts), len(counts) + _TAIL)
    return Pattern(
        texts,
        [passages[number].house for number in numbers],
        vectors,
        [*counts, *map(_spelt, range(_TAIL))],
        np.cumsum([*common / common.sum() * (1 - _TAIL_SHARE), *rare / rare.sum() * _TAIL_SHARE]),
    )


def build(index: Path, pattern: Pattern, size: int, progress: Progress | None = None) -> float:
    """Make an index of ``size`` generated chunks, the same for the same pattern; returns the seconds it took."""
    started = time.perf_counter()
    chance = np.random.default_rng(size)
    catalogue = Catalogue.create(index, fingerprint="bench")
    try:
        for start in range(0, size, _BATCH):
            catalogue.add(_batch(chance, pattern, start, min(_BATCH, size - start)))
            if progress:
                progress(min(start + _BATCH, size), size, f"{size:,} chunks: building")
    finally:
        catalogue.close()
    return time.perf_counter() - started


def _batch(chance: np.random.Generator, pattern: Pattern, start: int, count: int) -> Batch:
    mixed = chance.integers(len(pattern.texts), size=(count, 3))
    shares = chance.dirichlet((1.0, 1.0, 1.0), count)
    rows = np.einsum("ij,ijk->ik", shares, pattern.vectors[mixed])
    rows += chance.standard_normal(rows.shape) * (_NOISE / np.sqrt(rows.shape[1]))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    likest = mixed[np.arange(count), shares.argmax(axis=1)]
    texts = [pattern.chunk(chance) for _ in range(count)]
    documents: list[tuple[Document, list[Entry]]] = []
    copies: dict[str, str] = {}
    for at in range(0, count, _CHUNKS):
        some = range(at, min(at + _CHUNKS, count))
        repeats = len(documents) % _COPIED == _COPIED - 1
        said = [texts[i - _CHUNKS if repeats else i] for i in some]
        document, entries = _document(start + at, said, [pattern.houses[likest[i]] for i in some])
        if repeats:
            copies |= {entry.chunk.id: documents[-1][0].id for entry in entries}
        documents.append((document, entries))
    files = [(KnownFile(SourceFile(doc.path, doc.id, 0, 0), ()), [doc.id]) for doc, _ in documents]
    digests = [entry.digest for _, entries in documents for entry in entries]
    return Batch(documents, dict(zip(digests, rows.astype(np.float32), strict=True)), files, copies=copies)


def _document(number: int, texts: Sequence[str], houses: Sequence[str | None]) -> tuple[Document, list[Entry]]:
    """A mail of so many passages, each in a voice of its own."""
    name = f"d{number}"
    date = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=5 * number)
    title = " ".join(texts[0].split()[:5])
    voices, entries, end = [], list[Entry](), 0
    for text, house in zip(texts, houses, strict=True):
        start, end = end, end + len(text) + 1
        voice = Voice(start, end, house, f"Analyst {number % 97}", "quoted")
        voices.append(voice)
        chunk = Chunk(f"{name}:{start}", name, start, end - 1, text, voice)
        header = f"{house or ''} ({voice.person}) | {title} | {date:%d %B %Y}"
        entries.append(Entry(chunk, header, "", chunk.id))
    whole = "\n".join(texts) + "\n"
    return Document(name, f"{name}.eml", "email", title, whole, date, None, None, voices=tuple(voices)), entries


def questions(pattern: Pattern, count: int) -> list[tuple[str, str]]:
    """Questions of four words of a passage, each with a house that speaks in the pattern."""
    chance = np.random.default_rng(0)
    houses = sorted({house for house in pattern.houses if house}) or ["nobody"]
    found = []
    for number in range(count):
        words = [word for word in _WORD.findall(chance.choice(pattern.texts)) if len(word) > _SHORT]
        asked = " ".join(chance.choice(words or ["notes"], 4))
        found.append((f"What do they say about {asked}?", houses[number % len(houses)]))
    return found


def alone(work: Callable[..., Result], *values: object) -> Result:
    """Do it in a process of its own, so that its memory is its own, too. Raises RagError if that process dies of it."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        try:
            return process.submit(work, *values).result()
        except BrokenProcessPool as error:
            raise RagError(
                "A process that measured has been ended from outside, or by llama.cpp.",
                remedy="Mostly memory was short: close other programs, name a smaller model, or fewer --chunks.",
            ) from error


def _fill(index: Path) -> float:
    """Fill Chroma from the catalogue; returns the seconds it took."""
    started = time.perf_counter()
    catalogue = Catalogue.open(index)
    ChromaVectors(catalogue).close()
    catalogue.close()
    return time.perf_counter() - started


def _measured(index: Path, pattern: Pattern, settings: Settings, engine: Engine, filled: float) -> Row:
    embedder = SentenceTransformerEmbedder(settings.embedding_model)
    embedder.embed(["warm"])
    return measure(index, pattern, embedder, engine, candidates=settings.candidates, filled=filled)


def measure(
    index: Path,
    pattern: Pattern,
    embedder: Embedder,
    engine: Engine,
    *,
    candidates: int,
    filled: float = 0.0,
    count: int = _QUESTIONS,
) -> Row:
    """Search an index that `build` made, with ``count`` questions of each kind."""
    asked = questions(pattern, count)
    started = time.perf_counter()
    catalogue = Catalogue.open(index)
    vectors = ChromaVectors(catalogue) if engine == "chroma" else ExactVectors(catalogue)
    try:
        spent: dict[str, float] = {}
        retriever = Retriever(
            cast("Catalogue", _Timed(catalogue, spent)),
            cast("NearestVectors", _Timed(vectors, spent)),
            cast("Embedder", _Timed(embedder, spent)),
            candidates=candidates,
        )
        retriever.search(retriever.understand(asked[0][0], _TODAY), k=_K)
        first = time.perf_counter() - started
        kinds: Mapping[str, list[tuple[str, Filters | None]]] = {
            "question": [(question, None) for question, _ in asked],
            "house": [(question.replace("they", house, 1), None) for question, house in asked],
            "filter": [(question, Filters(houses=(house,))) for question, house in asked],
        }
        searches = {kind: _times(retriever, spent, some) for kind, some in kinds.items()}
        most = (memory().peak or 0) / 1e6
        recall = _recall(catalogue, vectors, embedder.embed([question for question, _ in asked]), candidates)
        return Row(catalogue.counts()["chunks"], engine, filled, first, searches, most, recall)
    finally:
        vectors.close()
        catalogue.close()


class _Timed:
    """Stands before an object and adds the seconds that its members take to a count by stage."""

    def __init__(self, behind: object, spent: dict[str, float]) -> None:
        self._behind = behind
        self._spent = spent

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the object behind has
        started = time.perf_counter()
        member = getattr(self._behind, name)
        self._note(name, started)
        if not callable(member):
            return member

        def called(*values: object, **named: object) -> object:
            started = time.perf_counter()
            try:
                return member(*values, **named)
            finally:
                self._note(name, started)

        return called

    def _note(self, name: str, started: float) -> None:
        stage = _STAGES.get(name, "load")
        self._spent[stage] = self._spent.get(stage, 0.0) + time.perf_counter() - started


def _times(retriever: Retriever, spent: dict[str, float], asked: Iterable[tuple[str, Filters | None]]) -> Times:
    spent.clear()
    taken, worked = [], []
    for question, filters in asked:
        started, idle = time.perf_counter(), time.process_time()
        retriever.search(retriever.understand(question, _TODAY), k=_K, filters=filters)
        taken.append(1e3 * (time.perf_counter() - started))
        worked.append(1e3 * (time.process_time() - idle))
    stages = {name: 1e3 * seconds / len(taken) for name, seconds in spent.items()}
    stages["rank"] = statistics.fmean(taken) - sum(stages.values())
    return Times(statistics.median(taken), statistics.quantiles(taken, n=20)[-1], statistics.median(worked), stages)


def _recall(catalogue: Catalogue, vectors: NearestVectors, rows: Vectors, candidates: int) -> float:
    """The share of the exact first ten that are among the first ten of ``candidates``, over questions ``rows``."""
    exact = ExactVectors(catalogue)
    found = wanted = 0
    for row in rows:
        right = {number for number, _ in exact.nearest(row, _K)}
        found += len(right & {number for number, _ in vectors.nearest(row, candidates)[:_K]})
        wanted += len(right)
    return found / wanted if wanted else 1.0


def _spelt(number: int) -> str:
    """A word that no language has."""
    return "q" + "".join(chr(ord("a") + int(digit)) for digit in str(number)) + "x"
