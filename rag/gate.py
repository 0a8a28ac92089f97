"""Whether the evidence can bear an answer: answer, show quotes only, or refuse.

In: a `Search`, who speaks in the index and from when to when, a `Gate`. Out: a `Judgement` with its reason in words.
A logistic model of a few measures of the evidence, fitted on labelled questions; no language model is asked, for
small ones answer from insufficient evidence rather than abstain (Joren et al., arXiv 2411.06037).
It does not know what an answer would say.

The measures depend on the embedding model, so the thresholds are stored with the index (`Gate.dumps`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

import numpy as np

from rag.chunking import header
from rag.coverage import Wanted, coverage, covers
from rag.cuewords import FIRM
from rag.embedding import DEFAULT_SHA256
from rag.records import Hit
from rag.retrieval import Search
from rag.sentences import split_sentences
from rag.sought import sought, states
from rag.stems import stems, tokens
from rag.terms import index_terms

Verdict = Literal["answer", "quotes", "refuse"]

GATE = "gate"
"""The name under which an index keeps its gate."""

MEASURES = ("together", "named", "sentence", "cosine")
_TOGETHER = 3

# A sentence that speaks of nearly as much of the question as the best one may be the one that answers it.
_NEARLY = 0.7

_NAMED = 12
_VAGUE = "The question names nothing to look for, so no model is asked: these are the nearest lines."
_THIN = "The evidence is thin, so no model is asked: the quotes are the answer."


@dataclass(frozen=True, slots=True)
class Gate:
    """A logistic model over `MEASURES`, and its two thresholds: below ``refuse`` no, from ``answer`` on yes."""

    weights: tuple[float, ...]
    bias: float
    refuse: float
    answer: float

    def score(self, measures: Sequence[float]) -> float:
        """How probably the question can be answered from this evidence."""
        return float(1 / (1 + np.exp(-(np.dot(self.weights, measures) + self.bias))))

    def verdict(self, score: float) -> Verdict:
        """What to do at that score."""
        return "refuse" if score < self.refuse else "quotes" if score < self.answer else "answer"

    def dumps(self) -> str:
        """The gate as JSON, to be stored with an index."""
        return json.dumps({"measures": MEASURES, **asdict(self)})

    @classmethod
    def loads(cls, text: str) -> Gate | None:
        """Read what `dumps` wrote; None if it is damaged, or the gate is of other measures than today's."""
        try:
            facts = json.loads(text)
            if facts["measures"] != list(MEASURES):
                return None
            weights = tuple(float(weight) for weight in facts["weights"])
            bias, refuse, answer = (float(facts[name]) for name in ("bias", "refuse", "answer"))
        except (ValueError, TypeError, KeyError):
            return None
        return cls(weights, bias, refuse, answer) if len(weights) == len(MEASURES) else None


# Fitted by `benchmarks/gate.py`, which says on what; the first is for the built-in embedding model, the other for any,
# whose cosines mean something else.
_BUILT_IN = Gate((1.87, 0.51, 1.97, 1.6), -2.95, refuse=0.218, answer=0.428)
_ANY = Gate((1.91, 0.63, 2.04, 0.0), -2.344, refuse=0.223, answer=0.447)


def gate_for(fingerprint: str) -> Gate:
    """The gate for an index whose embedding model has this fingerprint; ``rag eval --fit`` makes a better one."""
    return _BUILT_IN if DEFAULT_SHA256.startswith(fingerprint.partition("-")[0] or "-") else _ANY


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the gate decided; ``reason`` is empty where all is well.

    ``measures`` are empty where a rule decided and not the model; its ``score`` is then 0 or 1.
    """

    verdict: Verdict
    score: float
    reason: str = ""
    measures: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Notes:
    """What is known of an index as a whole: who speaks, from when to when, and whether a word occurs."""

    houses: tuple[str, ...]
    dates: tuple[datetime, datetime] | None
    occurs: Callable[[str], bool]


def measures(search: Search) -> tuple[float, ...]:
    """The evidence in numbers from 0 to 1, in the order of `MEASURES`.

    The share of the question, by weight, that the first three passages speak of together, headers included; the same
    of its names and figures alone; the most that one sentence of them speaks of; and the best cosine. The first and
    third are nothing where a figure is asked for and no sentence that speaks of most states one of its kind.
    """
    wants, hits = search.wants, search.hits
    cosine = max((hit.evidence["vectors"] for hit in hits), default=0.0)
    if not hits or not wants:
        return (0.0, 0.0, 0.0, cosine)
    joined = [max(column) for column in zip(*(_covered(hit, wants) for hit in hits[:_TOGETHER]), strict=True)]
    names = [want if want.name else replace(want, weight=0.0) for want in wants]
    together = _share(wants, joined)
    named = _share(names, joined) if any(want.weight for want in names) else together
    sentences = [one for hit in hits[:_TOGETHER] for one in _sentences(hit, wants)]
    best = max((share for share, _ in sentences), default=0.0)
    kind = sought(search.query)
    if kind and not any(states(text, kind) for share, text in sentences if share >= _NEARLY * best):
        return (0.0, named, 0.0, cosine)
    return (together, named, best, cosine)


def _sentences(hit: Hit, wants: Sequence[Wanted]) -> list[tuple[float, str]]:
    """The sentences of a hit, each with the share of the question that it speaks of."""
    spans = split_sentences(hit.document.text, hit.chunk.start, hit.chunk.end)
    texts = [hit.document.text[start:end] for start, end in spans]
    return [(coverage(wants, frozenset(stems(text)), frozenset(index_terms(text))), text) for text in texts]


def _covered(hit: Hit, wants: Sequence[Wanted]) -> list[float]:
    """How far a hit covers each want; what its header says is said."""
    said, terms = (
        frozenset(stems(f"{header(hit.document, hit.chunk.voice)}\n{hit.chunk.text}")),
        frozenset(index_terms(hit.chunk.text)),
    )
    return [covers(want, said, terms) for want in wants]


def _share(wants: Sequence[Wanted], covered: Sequence[float]) -> float:
    whole = sum(want.weight for want in wants)
    return sum(want.weight * share for want, share in zip(wants, covered, strict=True)) / whole


def judge(search: Search, gate: Gate, notes: Notes) -> Judgement:
    """Whether ``search`` found enough to answer from, and if not, why not.

    The reason for an answer, if there is one, is what it will lack.
    """
    if reason := _strangers(search, notes) or _elsewhere(search) or _nothing(search, notes):
        return Judgement("refuse", 0.0, reason)
    lacking = _lacking(search, notes)
    if not search.wants:  # "What did X say?" asks for nothing but a voice.
        named = bool(_asked(search))
        return Judgement("answer", 1.0, lacking) if named else Judgement("quotes", 0.5, _VAGUE)
    measured = measures(search)
    score = gate.score(measured)
    verdict = gate.verdict(score)
    if verdict == "answer" and any(not notes.occurs(name) for name in search.query.speakers):
        verdict = "quotes"  # a name of which only the last word occurs may be no name here
    reason = {"refuse": _silence(search, notes), "quotes": _THIN, "answer": lacking}[verdict]
    return Judgement(verdict, score, reason, measured)


def _asked(search: Search) -> tuple[str, ...]:
    """Who is asked by name, or is the only one allowed by a filter."""
    query = search.query
    return (*query.houses, *query.people) if query.strict else search.scope.houses


def _strangers(search: Search, notes: Notes) -> str:
    """Why nobody who is asked can speak here: none of them does, nor is named where a name is a mere subject."""
    query = search.query
    asked = query.houses or search.scope.houses
    if query.people or any(house in notes.houses or (not query.strict and notes.occurs(house)) for house in asked):
        return ""
    unknown = [name for name in query.speakers if not _occurs(name, notes)]
    missing = (*asked, *unknown)
    return f"{_absent(missing)} {_speaking(notes.houses)}".strip() if missing else ""


def _lacking(search: Search, notes: Notes) -> str:
    """Who of several that are asked does not speak here."""
    asked = search.query.houses if search.query.strict else ()
    unknown = [name for name in search.query.speakers if not _occurs(name, notes)]
    missing = [*(house for house in asked if house not in notes.houses), *unknown]
    return _absent(missing) if missing else ""


def _absent(names: Sequence[str]) -> str:
    return f"{_listed(names)} {'is' if len(names) == 1 else 'are'} not quoted in these notes."


def _elsewhere(search: Search) -> str:
    """Why those who are asked, and do speak here, have nothing among what may be found."""
    query, scope = search.query, search.scope
    if not query.strict or not _asked(search) or (search.speaking and search.dated):
        return ""
    names, verb = _listed(_asked(search)), "is" if len(_asked(search)) == 1 else "are"
    if scope.houses and not set(query.houses) & set(scope.houses):
        return f"The question asks {names}, and the filter allows only {_listed(scope.houses)}."
    if query.since or query.until:
        return f"{names} {verb} quoted, but with nothing dated {_period(query.since, query.until)}."
    return f"{names} {verb} quoted, but with nothing that meets the filters."


def _occurs(name: str, notes: Notes) -> bool:
    """Whether the last word that is a name ("Altman", "Acme" of "Acme Securities") stands anywhere in the notes."""
    own = [token for token in tokens(name) if token not in FIRM] or tokens(name)
    return notes.occurs(own[-1]) if own else False


def _speaking(houses: Sequence[str]) -> str:
    if not houses:
        return ""
    more = f" and {len(houses) - _NAMED} more" if len(houses) > _NAMED else ""
    return f"Quoted are {_listed(houses[:_NAMED]) if not more else ', '.join(houses[:_NAMED]) + more}."


def _nothing(search: Search, notes: Notes) -> str:
    """No passage at all, none at that time, or none with any word of the question."""
    query = search.query
    if not search.dated and notes.dates:
        first, last = notes.dates
        period = _period(query.since, query.until)
        if search.scope:
            return f"Nothing that meets the filters is dated {period}."
        return f"Nothing in them is dated {period}; they run from {first:%d %b %Y} to {last:%d %b %Y}."
    if not search.hits:
        return "Nothing in them meets the filters." if search.scope else "They hold nothing yet."
    if search.wants and not any(notes.occurs(want.surface) or want.exact for want in search.wants):
        if _asked(search):
            return _silence(search, notes)
        return f"None of these words occurs in what is indexed: {', '.join(want.surface for want in search.wants)}."
    return ""


def _period(since: datetime | None, until: datetime | None) -> str:
    last = until - timedelta(days=1) if until else None
    if since and last:
        return f"{since:%d %b %Y}" if since.date() == last.date() else f"{since:%d %b} to {last:%d %b %Y}"
    return f"since {since:%d %b %Y}" if since else f"before {until:%d %b %Y}"


def _silence(search: Search, notes: Notes) -> str:
    """Who does speak, and what of the question nobody says."""
    open_ = _open(search)
    what = _topic(search.query.text) or ", ".join(open_)
    people = search.query.people
    if names := [name for name in _asked(search) if name in notes.houses or name in people]:
        says = "is quoted, but says" if len(names) == 1 else "are quoted, but say"
        return f"{_listed(names)} {says} nothing on {what}. {_lacking(search, notes)}".strip()
    return f"No passage speaks of {', '.join(open_) or what}."


def _open(search: Search) -> list[str]:
    """The words and figures of the question that none of the first hits has, as the question writes them."""
    rows = [_covered(hit, search.wants) for hit in search.hits[:_TOGETHER]]
    return [want.surface for want, *shares in zip(search.wants, *rows, strict=True) if not any(shares)]


_TOPIC = re.compile(r"\b(?:about|on|regarding|of|for)\s+(.{2,80}?)\s*[?.!]*$", re.IGNORECASE)


def _topic(question: str) -> str:
    match = _TOPIC.search(question)
    return match[1] if match else ""


def _listed(names: Sequence[str]) -> str:
    return " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else "".join(names)
