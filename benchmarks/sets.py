"""Measure retrieval on public sets: one row of figures for each metric, one column for each ablation.

    python -m benchmarks.sets DATA                                # every set in the folder, every row
    python -m benchmarks.sets DATA --set locomo enron --rows fused vectors "words=0.5 sentence=0"
    python -m benchmarks.sets DATA --without-gold --json > ungold.json

DATA has a folder for each set (`benchmarks.loaders` says how they are read). Each set is indexed as `rag index` would,
each question asked through `rag.retrieval.Retriever`. The first run embeds some 60,000 passages, up to an hour on
two cores; their vectors are kept in ``--cache``. A row is a name of `ROWS`, or weights that differ from the product's.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from benchmarks.loaders import SETS, Corpus, PublicSet, Question, Unit, load
from rag.chunking import chunk_document, header, searchable
from rag.embedding import Embedder, SentenceTransformerEmbedder, Vectors
from rag.gate import Judgement, Notes, gate_for, judge, measures
from rag.metrics import Estimate, auroc, hits_at, mean, reciprocal_rank
from rag.records import Chunk, Document, SourceFile
from rag.retrieval import Ranking, Retriever, Search
from rag.schema import Batch, Entry, KnownFile
from rag.settings import Settings
from rag.store import Catalogue
from rag.terms import index_terms
from rag.vectors import ExactVectors

# Three hits for each unit that is scored: several may be of one document.
_SPARE = 3
_DEEPEST = 50

# sentence-transformers sorts what it is given by length, so large calls waste less on padding.
_EMBEDDED = 2048


@dataclass(frozen=True, slots=True)
class Row:
    """One column of the table: a ranking, and whether headers and canonical figures are indexed at all."""

    ranking: Ranking = field(default_factory=Ranking)
    header: bool = True
    figures: bool = True


_ALONE = Ranking(vectors=0, words=0, passage=0, sentence=0, voice=0)
ROWS: Mapping[str, Row] = {
    "words": Row(replace(_ALONE, words=1.0)),
    "vectors": Row(replace(_ALONE, vectors=1.0)),
    "fused": Row(),
    "no coverage": Row(Ranking(passage=0, sentence=0)),
    "no header": Row(header=False),
    "no figures": Row(figures=False),
    "no voices": Row(Ranking(voice=0, strict=False)),
}


def row_for(text: str) -> Row:
    """The row of that name, or the product's ranking with the weights given as ``words=0.5 sentence=0``."""
    if text in ROWS:
        return ROWS[text]
    try:
        weights = {name: float(value) for name, value in (pair.split("=") for pair in text.split())}
        return Row(replace(Ranking(), **weights))  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is neither one of {', '.join(ROWS)} nor weights") from error


class CachedEmbedder:
    """Keeps every vector on disk, by the digest of its text."""

    def __init__(self, inner: Embedder, folder: Path) -> None:
        self._inner = inner
        self.fingerprint = inner.fingerprint  # the inner one hashes its weights each time
        self._folder = folder / self.fingerprint
        self._folder.mkdir(parents=True, exist_ok=True)
        self._rows: dict[str, Vectors] = {}
        for path in sorted(self._folder.glob("*.npz")):
            with np.load(path) as kept:
                self._rows |= zip(kept["digests"].tolist(), kept["rows"], strict=True)

    def embed(self, texts: Sequence[str]) -> Vectors:
        named = {digest(text): text for text in texts}
        new = [name for name in named if name not in self._rows]
        for start in range(0, len(new), _EMBEDDED):
            some = new[start : start + _EMBEDDED]
            rows = self._inner.embed([named[name] for name in some])
            np.savez(self._folder / f"{digest(''.join(some))[:16]}.npz", digests=np.array(some), rows=rows)
            self._rows |= zip(some, rows, strict=True)
            if len(new) > _EMBEDDED:
                _say(f"{start + len(some):,} of {len(new):,} passages embedded")
        return np.stack([self._rows[digest(text)] for text in texts])


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class Shelf(Catalogue):
    """A catalogue of which some chunks can be hidden, as if they had never been indexed."""

    hidden: frozenset[int] = frozenset()

    def matching(
        self, words: Sequence[str], k: int, allowed: Collection[int] | None = None, *, header: float = 0.3
    ) -> list[tuple[int, float]]:
        found = super().matching(words, k + len(self.hidden), allowed, header=header)
        return [pair for pair in found if pair[0] not in self.hidden][:k]

    def frequencies(self, words: Collection[str]) -> dict[str, int]:
        found = super().frequencies(words)
        if self.hidden:
            for word in found:
                found[word] -= len(super().matching([word], len(self.hidden), self.hidden))
        return found


class ShelfVectors(ExactVectors):
    """The vectors of what a `Shelf` shows."""

    def __init__(self, shelf: Shelf) -> None:
        super().__init__(shelf)
        self._shelf = shelf

    def nearest(self, vector: Vectors, k: int, allowed: Collection[int] | None = None) -> list[tuple[int, float]]:
        found = super().nearest(vector, k + len(self._shelf.hidden), allowed)
        return [pair for pair in found if pair[0] not in self._shelf.hidden][:k]


@dataclass(frozen=True, slots=True)
class Index:
    """One corpus, indexed: the chunks that hold each unit, by number, and the day after its last document."""

    shelf: Shelf
    vectors: ShelfVectors
    units: Mapping[str, tuple[Unit, ...]]
    holding: Mapping[str, frozenset[int]]
    today: date


def build(folder: Path, corpus: Corpus, embedder: Embedder, row: Row, words: int) -> Index:
    """Index ``corpus`` in ``folder``, as `rag.indexing` does."""
    shelf = Shelf.create(folder, fingerprint="")
    assert isinstance(shelf, Shelf)
    documents = [(document, _entries(document, row, words)) for document in corpus.documents]
    texts = {entry.digest: embedded(document, entry.chunk, row) for document, some in documents for entry in some}
    vectors = dict(zip(texts, embedder.embed(list(texts.values())), strict=True))
    files = [(KnownFile(SourceFile(one.path, one.id, 1, 0), ()), [one.id]) for one in corpus.documents]
    shelf.add(Batch(documents, vectors, files))
    holding: dict[str, set[int]] = defaultdict(set)
    for number, (chunk, _) in shelf.load(sorted(shelf.all_numbers())).items():
        for name in _names(corpus.units, chunk):
            holding[name].add(number)
    last = max(document.date for document in corpus.documents)
    held = {name: frozenset(numbers) for name, numbers in holding.items()}
    return Index(shelf, ShelfVectors(shelf), corpus.units, held, (last + timedelta(days=1)).date())


def _entries(document: Document, row: Row, words: int) -> list[Entry]:
    return [
        Entry(
            chunk,
            header(document, chunk.voice) if row.header else "",
            " ".join(index_terms(chunk.text)) if row.figures else "",
            digest(embedded(document, chunk, row)),
        )
        for chunk in chunk_document(document, words=words)
    ]


def embedded(document: Document, chunk: Chunk, row: Row) -> str:
    """The text that is embedded for ``chunk``."""
    return searchable(document, chunk) if row.header else chunk.text


def _names(units: Mapping[str, Sequence[Unit]], chunk: Chunk) -> list[str]:
    return [unit.name for unit in units[chunk.document_id] if unit.start < chunk.end and chunk.start < unit.end]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one question found: the units in the order in which the hits first hold them, and the evidence."""

    question: Question
    units: tuple[str, ...]
    judgement: Judgement
    measures: tuple[float, ...]


class Desk:
    """Asks questions of one index by one row's ranking."""

    def __init__(self, index: Index, embedder: Embedder, row: Row, *, candidates: int) -> None:
        self._index = index
        self._retriever = Retriever(index.shelf, index.vectors, embedder, candidates=candidates, ranking=row.ranking)
        self._gate = gate_for(embedder.fingerprint)

    def ask(self, question: Question, *, depth: int, hide: bool) -> Outcome:
        """Search for ``question``, ``depth`` hits deep; ``hide`` leaves out the chunks that hold its gold."""
        index, gold = self._index, frozenset[str]().union(*question.gold)
        hidden = (index.holding.get(name, frozenset()) for name in gold) if hide else ()
        index.shelf.hidden = frozenset[int]().union(*hidden)
        found = self._retriever.search(self._retriever.understand(question.text, index.today), k=depth)
        named = (name for hit in found.hits for name in _names(index.units, hit.chunk))
        return Outcome(question, tuple(dict.fromkeys(named)), self._judged(found), measures(found))

    def _judged(self, found: Search) -> Judgement:
        """What the product's gate says to the evidence."""
        shelf = self._index.shelf
        notes = Notes(shelf.houses(), shelf.dates(), lambda word: shelf.frequencies([word])[word] > 0)
        return judge(found, self._gate, notes)


def recall(units: Sequence[str], gold: Sequence[frozenset[str]], k: int) -> float:
    """The share of the groups of ``gold`` of which a unit is among the first ``k``."""
    first = frozenset(units[:k])
    return sum(not group.isdisjoint(first) for group in gold) / len(gold)


def precision(units: Sequence[str], gold: Sequence[frozenset[str]], k: int) -> float:
    """The share of the first ``k`` units that are gold."""
    return sum(_relevant(units[:k], gold)) / k


def ndcg(units: Sequence[str], gold: Sequence[frozenset[str]], k: int) -> float:
    """The discounted cumulative gain of the first ``k`` units, over the best there could be."""
    gain = sum(right / math.log2(rank + 1) for rank, right in enumerate(_relevant(units[:k], gold), start=1))
    return gain / sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(gold)) + 1))


def _relevant(units: Sequence[str], gold: Sequence[frozenset[str]]) -> list[bool]:
    return [any(unit in group for group in gold) for unit in units]


_METRICS: Mapping[str, Callable[[Sequence[str], Sequence[frozenset[str]], int], float]] = {
    "recall": recall,
    "precision": precision,
    "ndcg": ndcg,
    "hits": lambda units, gold, k: hits_at(_relevant(units, gold), k),
    "mrr": lambda units, gold, k: reciprocal_rank(_relevant(units, gold), k),
}


def scored(metric: str, outcomes: Sequence[Outcome]) -> Estimate:
    """The mean of ``metric`` ("recall@5") over the outcomes whose questions have gold."""
    name, _, k = metric.partition("@")
    return mean([_METRICS[name](one.units, one.question.gold, int(k)) for one in outcomes if one.question.gold])


def refusals(outcomes: Sequence[Outcome], *, hide: bool) -> dict[str, Estimate]:
    """How the gate does: refused of what has no answer, answered of what has one, and how well it tells them apart."""
    answerable = [one.question.answerable and not hide for one in outcomes]
    refused = [float(one.judgement.verdict == "refuse") for one in outcomes]
    sides = {"refused, unanswerable": False, "refused, answerable": True}
    rates = {
        name: [share for share, side in zip(refused, answerable, strict=True) if side is wanted]
        for name, wanted in sides.items()
    }
    found = {name: mean(some) for name, some in rates.items() if some}
    if len(found) == len(sides):
        found["gate AUROC"] = auroc([one.judgement.score for one in outcomes], answerable)
    return found


def run(data: PublicSet, row: Row, embedder: Embedder, candidates: int, words: int, *, hide: bool) -> list[Outcome]:
    """Index every corpus of a set and ask every question."""
    asked: dict[str, list[Question]] = defaultdict(list)
    for question in data.questions:
        asked[question.corpus].append(question)
    embedder.embed([question.text for question in data.questions])
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as folder:
        for i, (name, questions) in enumerate(asked.items()):
            index = build(Path(folder, str(i)), data.corpora[name], embedder, row, words)
            desk = Desk(index, embedder, row, candidates=candidates)
            depth = min(_DEEPEST, _SPARE * max(int(metric.partition("@")[2]) for metric in data.metrics))
            outcomes += [desk.ask(one, depth=depth, hide=hide and bool(one.gold)) for one in questions]
            index.shelf.close()
    return outcomes


@dataclass(frozen=True, slots=True)
class Result:
    """One cell of the table."""

    set: str
    metric: str
    row: str
    estimate: Estimate
    published: str = ""


def results(data: PublicSet, name: str, outcomes: Sequence[Outcome], *, gate: bool, hide: bool) -> Iterator[Result]:
    """The cells of one set and one row, with those of the ``gate``; what is hidden cannot be found, only refused."""
    if not hide:
        for metric in data.metrics:
            yield Result(data.name, metric, name, scored(metric, outcomes), data.published.get(metric, ""))
    for metric, estimate in refusals(outcomes, hide=hide).items() if gate else ():
        yield Result(data.name, metric, name, estimate)


def whole_abstracts(data: PublicSet, embedder: Embedder) -> Result:
    """The embedder alone, as its authors measure it: title and text of each abstract as one passage."""
    documents = data.corpora["all"].documents
    rows = embedder.embed([f"{document.title} {document.text}" for document in documents])
    outcomes: list[float] = []
    for question, vector in zip(data.questions, embedder.embed([one.text for one in data.questions]), strict=True):
        best = np.argsort(-(rows @ vector), kind="stable")[:10]
        outcomes.append(ndcg([documents[i].id for i in best], question.gold, 10))
    return Result(data.name, "ndcg@10, whole abstracts", "vectors", mean(outcomes), "MiniLM 0.645")


def table(cells: Sequence[Result]) -> str:
    """A line for each set and metric, a column for each row; the interval is that of the last column but two."""
    names = list(dict.fromkeys(cell.row for cell in cells))
    shown = "fused" if "fused" in names else names[0]
    lines = [["set", "metric", "n", *names, f"95 % of {shown}", "published"]]
    grouped: dict[tuple[str, str], dict[str, Result]] = defaultdict(dict)
    for cell in cells:
        grouped[cell.set, cell.metric][cell.row] = cell
    for (name, metric), found in grouped.items():
        first = next(iter(found.values()))
        values = [f"{found[row].estimate.value:.3f}" if row in found else "" for row in names]
        estimate = found.get(shown, first).estimate
        interval = f"{estimate.low:.3f}-{estimate.high:.3f}"
        lines.append([name, metric, str(first.estimate.n), *values, interval, first.published])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def main(arguments: Sequence[str] | None = None) -> None:
    settings = Settings(corpus=Path(), index=Path())
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--set", nargs="+", choices=list(SETS), default=[])
    parser.add_argument("--rows", nargs="+", default=list(ROWS), metavar="ROW", help=f"{', '.join(ROWS)}, or weights")
    parser.add_argument("--candidates", type=int, default=settings.candidates)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir(), "rag-vectors"))
    parser.add_argument("--without-gold", action="store_true", help="hide what answers each question: refusals only")
    parser.add_argument("--outcomes", type=Path, help="write what each question found to this file, a line each")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    rows = {text: row_for(text) for text in options.rows}
    embedder = CachedEmbedder(SentenceTransformerEmbedder(), options.cache)
    cells: list[Result] = []
    for name in options.set or [name for name in SETS if (options.data / name).is_dir()]:
        for data in load(options.data, name):
            if name == "scifact" and not options.without_gold:
                cells.append(whole_abstracts(data, embedder))
            for text, row in rows.items():
                hide = options.without_gold
                outcomes = run(data, row, embedder, options.candidates, settings.chunk_words, hide=hide)
                # The gate's measures include the cosine, which is not known where only words count.
                cells += results(data, text, outcomes, gate=bool(row.ranking.vectors), hide=hide)
                if options.outcomes:
                    _keep(options.outcomes, data.name, text, outcomes)
                _say(f"{data.name}: {text} done")
    print(json.dumps([asdict(cell) for cell in cells], indent=1) if options.json else table(cells))


def _keep(path: Path, name: str, row: str, outcomes: Sequence[Outcome]) -> None:
    with path.open("a", encoding="utf-8") as file:
        for one in outcomes:
            facts = {
                "set": name, "row": row, "id": one.question.id, "answerable": one.question.answerable,
                "verdict": one.judgement.verdict, "score": one.judgement.score, "measures": one.measures,
                "units": one.units[:10],
            }  # fmt: skip
            file.write(json.dumps(facts) + "\n")


def _say(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    main()
