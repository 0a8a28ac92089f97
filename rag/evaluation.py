"""Question sets asked of an assistant: what came, and whether it was right.

In: `GoldQuestion`s and an open assistant. Out: an `Outcome` for each. It does not count, draw or print.

A hit is right by passage if it holds one of the gold quotes, by document if it comes from a gold document or is what a
gold document says too. A citation is right if the cited quote is, by passage or by document. ALCE (Gao et al., EMNLP
2023) asks a model whether a citation supports its sentence; the check of `rag.citations` has done that with rules
before a sentence is shown, so here gold decides: precision is the share of right citations in an answer, recall
whether any sentence cites the gold passage.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from rag.errors import SettingsError
from rag.fitting import fit
from rag.gate import Gate, Judgement
from rag.present import place
from rag.prompts import speaker
from rag.questions import understand
from rag.questionsets import DocumentNames, GoldQuestion, holds
from rag.records import Answer, Hit, Progress, Quote, Sentence, Usage
from rag.schema import FILE, connect, translated
from rag.sentences import one_line

if TYPE_CHECKING:
    from rag.assistant import Assistant

DEPTH = 10
"""How many hits are judged."""

FEWEST = 20
"""Questions of each kind without which no gate is fitted."""


@dataclass(frozen=True, slots=True)
class Passage:
    """What a hit or a quote says, who says it and where."""

    house: str | None
    place: str
    text: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one question brought; each sequence is in the order of the hits, or of the citations.

    ``distinct`` is ``documents`` with each document at its first hit only, and ``total`` the number of gold documents.
    ``house`` is who was asked; ``score`` and ``measures`` are the gate's. ``prose`` is the checked text of a model,
    ``told`` the whole answer, ``quoted`` the quotes' text; ``written`` is whether prose was wanted at all.
    ``sentences`` are those that a model wrote, checked and withheld, from ``quotes``.
    ``cited`` tells of each citation whether it is right, ``supported`` whether one cites the gold passage.
    """

    gold: GoldQuestion
    passages: tuple[bool, ...]
    documents: tuple[bool, ...]
    distinct: tuple[bool, ...]
    total: int
    house: str | None
    first: Passage | None
    refused: bool
    score: float
    measures: tuple[float, ...]
    prose: str
    quoted: str
    gold_quoted: bool
    told: str = ""
    written: bool = False
    cited: tuple[bool, ...] = ()
    supported: bool = False
    sentences: tuple[Sentence, ...] = ()
    quotes: tuple[Quote, ...] = ()
    note: str = ""
    model: str | None = None
    usage: Usage = field(default_factory=Usage)
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """What stands as the answer: the prose, or without any the quotes."""
        return self.told or self.quoted

    @property
    def withheld(self) -> int:
        """How many sentences did not pass the check."""
        return sum(sentence.verdict == "withheld" for sentence in self.sentences)


def gold_documents(questions: Sequence[GoldQuestion], index: Path) -> dict[str, frozenset[str]]:
    """The ids of the documents in ``index`` that each name stands for; none for a stranger. Raises SettingsError."""
    with translated(index), contextlib.closing(connect(index / FILE)) as connection:
        names = DocumentNames(connection.execute("SELECT path, document_id FROM held"))
    known: dict[str, frozenset[str]] = {}
    for question in questions:
        with _at(question):
            known |= {name: names.resolve(name) for name in question.documents}
    return known


def run(
    desk: Assistant,
    questions: Sequence[GoldQuestion],
    documents: Mapping[str, frozenset[str]],
    *,
    answers: bool = False,
    as_of: date | None = None,
    progress: Progress | None = None,
) -> list[Outcome]:
    """Ask each question, as of that day if it names none; ``answers`` lets the model write.

    ``documents`` is what `gold_documents` returned.
    """
    outcomes: list[Outcome] = []
    desk.search(questions[0].text, 1)  # the embedding model loads at first use, which is no question's time
    for done, question in enumerate(questions):
        if progress:
            progress(done, len(questions), question.id)
        with _at(question):
            gold = [documents[name] for name in question.documents]
            outcomes.append(_ask(desk, question, gold, answers=answers, as_of=question.as_of or as_of))
    return outcomes


def settings_facts(
    desk: Assistant, name: str, outcomes: Sequence[Outcome], *, as_of: date | None = None
) -> dict[str, object]:
    """What the outcomes depend on: the question set, the index and how it was made, the model that wrote."""
    status = desk.status()
    return {
        "questions": name,
        "asked": len(outcomes),
        "documents": status.documents,
        "chunks": status.chunks,
        "fingerprint": status.fingerprint,
        "chunk_words": desk.settings.chunk_words,
        "model": next((one.model for one in outcomes if one.model), None),
        "think": desk.settings.think,
        "as_of": as_of,
    }


def fitted(outcomes: Sequence[Outcome]) -> Gate:
    """The gate that tells the answerable questions from the others by their evidence.

    Questions that a rule decides (a house that is not quoted) are left out. Raises SettingsError where too few of
    either kind are left.
    """
    judged = [one for one in outcomes if one.measures]
    answerable = np.array([not one.gold.unanswerable for one in judged])
    if min(answerable.sum(), (~answerable).sum()) < FEWEST:
        raise SettingsError(
            f"The gate cannot be fitted: {answerable.sum()} answerable and {(~answerable).sum()} unanswerable questions"
            " are left to its measures.",
            remedy=f"Give {FEWEST} or more of each kind; the unanswerable ones need houses and words that occur.",
        )
    return fit(np.array([one.measures for one in judged]), answerable)


@contextlib.contextmanager
def _at(question: GoldQuestion) -> Iterator[None]:
    """Say of which question it is that something cannot be used."""
    try:
        yield
    except SettingsError as error:
        raise SettingsError(f"{question.place}: {error}", remedy=error.remedy) from error


def _ask(
    desk: Assistant, question: GoldQuestion, gold: Sequence[frozenset[str]], *, answers: bool, as_of: date | None
) -> Outcome:
    narrowed: dict[str, Any] = {"house": question.only_houses, "since": question.since, "until": question.until}
    if as_of:
        narrowed["as_of"] = as_of
    started = perf_counter()
    hits = desk.search(question.text, DEPTH, **narrowed)
    searched = perf_counter() - started
    reply = desk.ask(question.text, quotes_only=not answers, **narrowed)
    try:
        answer = reply.answer
    finally:
        reply.close()
    return judged(question, gold, hits, answer, written=answers, gate=reply.gate, searched=searched)


def judged(
    question: GoldQuestion,
    gold: Sequence[frozenset[str]],
    hits: Sequence[Hit],
    answer: Answer,
    *,
    written: bool,
    gate: Judgement,
    searched: float,
) -> Outcome:
    """What ``hits``, found in ``searched`` seconds, and ``answer`` are worth; ``gold`` are the ids of each document."""
    ids = frozenset[str]().union(*gold)
    right = {quote.label: _is_right(quote, question, ids) for quote in answer.quotes}
    cited = [one for sentence in answer.sentences if sentence.verdict != "withheld" for one in sentence.labels]
    own = tuple(one for one in answer.sentences if one.verdict != "quoted")
    return Outcome(
        gold=question,
        passages=tuple(holds(hit.chunk.text, question.quotes) for hit in hits),
        documents=tuple(_comes_from(hit, ids) for hit in hits),
        distinct=_distinct(hits, gold),
        total=len(gold),
        house=question.house or _asked_house(question),
        first=_passage(hits[0], hits[0].chunk.text) if hits else None,
        refused=answer.refused,
        score=gate.score,
        measures=gate.measures,
        prose=" ".join(one.text for one in own if one.verdict == "checked"),
        told="" if answer.refused else answer.text,
        quoted=""
        if answer.refused
        else "\n".join(f"{speaker(quote.hit)}: {one_line(quote.text)}" for quote in answer.quotes),
        gold_quoted=not answer.refused and any(holds(quote.text, question.quotes) for quote in answer.quotes),
        written=written,
        cited=tuple(any(right[one]) for one in cited),
        supported=any(right[one][0 if question.quotes else 1] for one in cited),
        sentences=own,
        quotes=answer.quotes,
        note=answer.text if answer.refused else answer.note,
        model=answer.model,
        usage=answer.usage,
        seconds=_seconds(answer.usage, searched),
    )


def _is_right(quote: Quote, question: GoldQuestion, ids: frozenset[str]) -> tuple[bool, bool]:
    return holds(quote.text, question.quotes), _comes_from(quote.hit, ids)


def _comes_from(hit: Hit, ids: frozenset[str]) -> bool:
    return not ids.isdisjoint((hit.document.id, *(copy.id for copy in hit.copies)))


def _distinct(hits: Sequence[Hit], gold: Sequence[frozenset[str]]) -> tuple[bool, ...]:
    """Whether each document is gold, at its first hit; a gold name that stands for several documents counts once."""
    seen: set[str] = set()
    found: list[bool] = []
    for hit in hits:
        names = {f"gold {number}" for number, ids in enumerate(gold) if _comes_from(hit, ids)}
        if new := (names or {hit.document.id}) - seen:
            seen |= new
            found.append(bool(names))
    return tuple(found)


def _passage(hit: Hit, text: str) -> Passage:
    return Passage(hit.chunk.voice.house, place(hit), one_line(text))


def _asked_house(question: GoldQuestion) -> str | None:
    """The house that an answerable question names as its speaker, if it names one."""
    query = understand(question.text, today=question.as_of or date.today())
    return query.houses[0] if query.strict and len(query.houses) == 1 and not question.unanswerable else None


def _seconds(usage: Usage, searched: float) -> dict[str, float]:
    """Seconds by stage as a user waits for them, but for loading the model, which only the first question does."""
    stages = usage.seconds
    if "first_token" not in stages:
        return {"search": searched}
    first = stages["search"] + stages["first_token"]
    return {"search": searched, "first-token": first, "total": stages["total"] - stages.get("load", 0.0)}
