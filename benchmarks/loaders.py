"""Read public evaluation sets as corpora of documents and questions with gold units.

In: a folder with the sets' JSON lines. Out: `PublicSet`s. A unit is what a set's gold names: an abstract, a mail, a
turn of a talk, a row of a table, an amount; it lies somewhere in a document. It does not know how anything is found.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rag.records import Document, Voice
from rag.terms import figures

# Most sets have no dates; a header must have one, and the same for all tells nothing.
_UNDATED = datetime(2020, 1, 1, tzinfo=UTC)

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Unit:
    """What gold names, in ``text[start:end]`` of its document."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Corpus:
    """The documents of one index, with the units of each by its id."""

    documents: tuple[Document, ...]
    units: Mapping[str, tuple[Unit, ...]]


@dataclass(frozen=True, slots=True)
class Question:
    """A question to one corpus; each group of ``gold`` is found if any of its units is.

    Without gold nothing is measured but the refusal, and only the ``answerable`` should be answered.
    """

    id: str
    text: str
    corpus: str
    gold: tuple[frozenset[str], ...]
    answerable: bool = True


@dataclass(frozen=True, slots=True)
class PublicSet:
    """A set with its metrics and, by metric, what others have published."""

    name: str
    corpora: Mapping[str, Corpus]
    questions: tuple[Question, ...]
    metrics: tuple[str, ...]
    published: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a document: a unit by ``name``, spoken by ``person``."""

    name: str
    text: str
    person: str | None = None
    date: datetime | None = None


def compose(
    name: str, title: str, parts: Sequence[Part], *, date: datetime = _UNDATED, between: str = "\n\n"
) -> tuple[Document, tuple[Unit, ...]]:
    """Join ``parts`` to a document in which each is a voice and a unit of its own."""
    text, units, voices = "", list[Unit](), list[Voice]()
    for part in parts:
        start = len(text)
        text += part.text + (between if part is not parts[-1] else "")
        units.append(Unit(part.name, start, start + len(part.text)))
        voices.append(Voice(start, len(text), None, part.person, "quoted" if part.person else "author", date=part.date))
    return Document(name, name, "note", title, text, date, None, None, voices=tuple(voices)), tuple(units)


def one_voice(document: Document) -> Document:
    """The document as a compilation that nobody has taken apart: chunks may cross from one part to the next."""
    return replace(document, voices=(Voice(0, len(document.text), None, None, "author"),))


def scifact(folder: Path) -> PublicSet:
    """Claims against 5,183 abstracts."""
    found = [
        compose(row["_id"], row["title"], [Part(row["_id"], row["text"])]) for row in _rows(folder / "corpus.jsonl")
    ]
    gold: dict[str, list[frozenset[str]]] = defaultdict(list)
    with (folder / "qrels.dev.tsv").open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file, delimiter="\t"):
            if int(line["score"]) > 0:
                gold[line["query-id"]].append(frozenset({line["corpus-id"]}))
    claims = [row for row in _rows(folder / "claims.dev.jsonl") if row["_id"] in gold]
    questions = (Question(row["_id"], row["text"], "all", tuple(gold[row["_id"]])) for row in claims)
    published = {"ndcg@10": "BM25 0.687, MiniLM 0.645, bge-small 0.713"}
    return PublicSet("scifact", {"all": _corpus(found)}, tuple(questions), ("ndcg@10", "recall@10"), published)


def qmsum(folder: Path) -> Iterator[PublicSet]:
    """Questions about meetings: every turn a voice of its own, and the transcript cut without regard to turns."""
    turned = {row["meeting_id"]: _meeting(row) for row in _rows(folder / "val.meetings.jsonl")}
    questions = tuple(
        Question(
            row["qid"], row["question"], row["meeting_id"],
            tuple(frozenset(str(i) for i in range(first, last + 1)) for first, last in row["relevant_turn_spans"]),
        )
        for row in _rows(folder / "val.questions.jsonl")
        if row["kind"] == "specific"
    )  # fmt: skip
    metrics = ("hits@1", "hits@5", "hits@10", "recall@5", "precision@5")
    yield PublicSet("qmsum", {name: _corpus([turns]) for name, turns in turned.items()}, questions, metrics, {})
    joined = {name: _corpus([_transcript(*turns)]) for name, turns in turned.items()}
    yield PublicSet("qmsum-windows", joined, questions, metrics, {})


def _meeting(row: Row) -> tuple[Document, tuple[Unit, ...]]:
    parts = [Part(str(turn["i"]), turn["text"], turn["speaker"]) for turn in row["turns"] if turn["text"].strip()]
    return compose(row["meeting_id"], row["meeting_id"], parts)


def _transcript(document: Document, units: Sequence[Unit]) -> tuple[Document, tuple[Unit, ...]]:
    """The same turns as lines that begin with the speaker, in one voice."""
    spoken = zip(units, document.voices, strict=True)
    lines = [Part(unit.name, f"{voice.person}: {document.text[unit.start : unit.end]}") for unit, voice in spoken]
    joined, lined = compose(document.id, document.title, lines, date=document.date, between="\n")
    return one_voice(joined), lined


def tatqa(folder: Path) -> Iterator[PublicSet]:
    """Questions about a table and the text around it: within it, and which of 278 it is."""
    contexts = {row["ctx_id"]: row for row in _rows(folder / "dev.contexts.jsonl")}
    asked = list(_rows(folder / "dev.questions.jsonl"))
    apart = {
        name: _corpus(compose(f"{name}/{part.name}", "", [part]) for part in _parts(row))
        for name, row in contexts.items()
    }
    at = ("recall@1", "recall@3", "recall@5")
    from_text = (
        Question(
            row["qid"],
            row["question"],
            row["ctx_id"],
            tuple(frozenset({f"p{order}"}) for order in row["rel_paragraphs"]),
        )
        for row in asked
        if row["answer_from"] == "text"
    )
    yield PublicSet("tatqa-text", apart, tuple(question for question in from_text if question.gold), at, {})
    from_table = (
        Question(row["qid"], row["question"], row["ctx_id"], _answering_row(row, contexts[row["ctx_id"]]))
        for row in asked
        if row["answer_from"] == "table" and row["answer_type"] == "span"
    )
    yield PublicSet("tatqa-table", apart, tuple(question for question in from_table if question.gold), at, {})
    whole = _corpus(_whole(name, row) for name, row in contexts.items())
    which = (Question(row["qid"], row["question"], "all", (frozenset({row["ctx_id"]}),)) for row in asked)
    yield PublicSet("tatqa-all", {"all": whole}, tuple(which), ("hits@1", "hits@5", "hits@10"), {})


def _parts(context: Row) -> list[Part]:
    """The paragraphs, by their order, and the rows of the table, by theirs."""
    paragraphs = [Part(f"p{one['order']}", one["text"]) for one in context["paragraphs"]]
    lines = (" | ".join(cell.strip() for cell in cells if cell.strip()) for cells in context["table"])
    return paragraphs + [Part(f"r{i}", line) for i, line in enumerate(lines) if line]


def _whole(name: str, context: Row) -> tuple[Document, tuple[Unit, ...]]:
    document, _ = compose(name, "", _parts(context), between="\n")
    return one_voice(document), (Unit(name, 0, len(document.text)),)


def _answering_row(question: Row, context: Row) -> tuple[frozenset[str], ...]:
    """The one row that has the answer for a cell; none if several have it."""
    answer = question["answer"][0].strip().lower()
    rows = [i for i, cells in enumerate(context["table"]) if answer in (cell.strip().lower() for cell in cells)]
    return (frozenset({f"r{rows[0]}"}),) if len(rows) == 1 else ()


def bipia(folder: Path) -> PublicSet:
    """One mail and one question each, of which two in three have no answer in it."""
    corpora, questions = {}, list[Question]()
    for row in _rows(folder / "email.train.jsonl"):
        document = _mail(row["qid"], row["context"])
        ideal = {figure.value for figure in figures(row["ideal"].replace(" ", ""))}
        answers = (figure for figure in figures(document.text) if figure.value in ideal)
        units = tuple(Unit(figure.value, figure.start, figure.end) for figure in answers)
        corpora[row["qid"]] = Corpus((document,), {document.id: units})
        gold = tuple(frozenset({value}) for value in sorted({unit.name for unit in units}))
        asked = row["question"].removeprefix("Q: ").removesuffix(" If multiple, record all $ values paid.")
        questions.append(Question(row["qid"], asked, row["qid"], gold, row["ideal"] != "unknown"))
    return PublicSet("bipia", corpora, tuple(questions), ("recall@1", "recall@3"), {})


def _mail(name: str, context: str) -> Document:
    fields = {"SUBJECT": "", "CONTENT": context}
    if context.startswith("SUBJECT:") and "|CONTENT:" in context:
        head, _, fields["CONTENT"] = context.partition("|CONTENT:")
        fields["SUBJECT"] = head.partition("|")[0].removeprefix("SUBJECT:").strip()
    return compose(name, fields["SUBJECT"], [Part(name, fields["CONTENT"].strip())])[0]


def locomo(folder: Path) -> Iterator[PublicSet]:
    """Questions about long chats: every turn a voice of its own, and sessions cut without regard to turns."""
    sessions: dict[str, dict[int, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in _rows(folder / "turns.jsonl"):
        sessions[row["conv_id"]][row["session"]].append(row)
    turned = {name: [_session(name, number, rows) for number, rows in some.items()] for name, some in sessions.items()}
    questions = tuple(
        Question(
            row["qid"], row["question"], row["conv_id"],
            tuple(frozenset({one}) for some in row["evidence"] for one in some.split("; ")), row["category"] != 5,
        )
        for row in _rows(folder / "questions.jsonl")
    )  # fmt: skip
    metrics = ("recall@5", "recall@10", "recall@25", "recall@50")
    dragon = dict(zip(metrics, ("DRAGON 0.567", "DRAGON 0.662", "DRAGON 0.767", "DRAGON 0.827"), strict=True))
    yield PublicSet("locomo", {name: _corpus(some) for name, some in turned.items()}, questions, metrics, dragon)
    joined = {name: _corpus(_transcript(*one) for one in some) for name, some in turned.items()}
    yield PublicSet("locomo-windows", joined, questions, metrics, dragon)


def _session(conversation: str, number: int, rows: Sequence[Row]) -> tuple[Document, tuple[Unit, ...]]:
    date = datetime.strptime(rows[0]["session_time"], "%I:%M %p on %d %B, %Y").replace(tzinfo=UTC)
    parts = [Part(row["dia_id"], f"{row['text']}{_photo(row)}", row["speaker"], date) for row in rows]
    return compose(f"{conversation}/{number}", "", parts, date=date)


def _photo(row: Row) -> str:
    return f" (Shares {row['blip_caption']}.)" if row["blip_caption"] else ""


def enron(folder: Path) -> PublicSet:
    """Mails without their subjects; the subject line that somebody else wrote for one must find it."""
    rows = list(_rows(folder / "dev.jsonl"))
    same: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        same[" ".join(row["body"].split())].add(row["id"])
    found = _corpus(compose(row["id"], "", [Part(row["id"], row["body"])]) for row in rows)
    questions = (
        Question(row["id"], row["ann0"], "all", (frozenset(same[" ".join(row["body"].split())]),)) for row in rows
    )
    return PublicSet("enron", {"all": found}, tuple(questions), ("mrr@10", "hits@1", "hits@10"), {})


SETS: Mapping[str, Callable[[Path], PublicSet | Iterator[PublicSet]]] = {
    "locomo": locomo, "tatqa": tatqa, "bipia": bipia, "enron": enron, "qmsum": qmsum, "scifact": scifact,
}  # fmt: skip


def load(data: Path, name: str) -> list[PublicSet]:
    """The set in the folder ``name`` of ``data``; some are measured in more ways than one."""
    loaded = SETS[name](data / name)
    return [loaded] if isinstance(loaded, PublicSet) else list(loaded)


def _corpus(found: Iterable[tuple[Document, tuple[Unit, ...]]]) -> Corpus:
    pairs = [(document, units) for document, units in found if document.text.strip()]
    return Corpus(tuple(document for document, _ in pairs), {document.id: units for document, units in pairs})


def _rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8") as file:
        yield from (json.loads(line) for line in file if line.strip())
