"""Questions and claims to begin with, taken from what an index holds; no model is asked.

In: some passages of the newest documents, and ways to ask and to compare. Out: questions whose first quote was found to
answer them, and claims of which more than one house says something. It does not know how they are shown.
"""

from __future__ import annotations

import calendar
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from itertools import chain, islice, zip_longest
from threading import Lock
from typing import Protocol

from rag.attribution import legal_marks
from rag.comparing import Comparison
from rag.contents import Said
from rag.copies import FUNCTION_WORDS
from rag.figures import figures
from rag.houses import houses_named
from rag.records import Quote
from rag.sentences import one_line, split_sentences
from rag.stems import stems
from rag.terms import index_terms

QUESTIONS, CLAIMS = 4, 3

LONGEST = 90
"""Characters of a question or claim: three lines of a button on a phone."""

# Claims and questions of each kind that are tried: a search each, and one for each house that is compared.
_TRIED, _EACH, _COMPARED = 8, 3, 4


class Index(Protocol):
    """What is asked of a `rag.contents.Contents`."""

    def __hash__(self) -> int:
        """As of any object: one index is not another."""

    def generation(self) -> int:
        """A number that grows with every change."""

    def newest(self) -> list[Said]:
        """As there."""


class Starters:
    """What to begin with, found once for each state of an index; may be asked from any thread."""

    def __init__(
        self, first: Callable[[str], Quote | None], compare: Callable[[str, Sequence[str]], Comparison]
    ) -> None:
        """``first`` finds the best quote for a question, if it has an answer; ``compare`` sets houses side by side."""
        self._first = first
        self._compare = compare
        self._lock = Lock()
        self._questions = lru_cache(1)(self._answered)
        self._claims = lru_cache(1)(self._shared)

    def questions(self, index: Index) -> tuple[str, ...]:
        """Up to `QUESTIONS` questions, of several kinds where the index has what they ask for."""
        with self._lock:
            return self._questions(index, index.generation())

    def claims(self, index: Index) -> tuple[str, ...]:
        """Up to `CLAIMS` claims, each a sentence of a house of whose matter another one speaks, too."""
        with self._lock:
            return self._claims(index, index.generation())

    def _answered(self, index: Index, _generation: int) -> tuple[str, ...]:
        found: list[Candidate] = []
        spare: list[Candidate] = []
        for one in candidates(index.newest()):
            if any(one.kind == other.kind for other in found):
                spare.append(one)
            elif self._is_answered(one, found):
                found.append(one)
        for one in spare:
            if len(found) < QUESTIONS and self._is_answered(one, found):
                found.append(one)
        return tuple(one.question for one in found)

    def _is_answered(self, one: Candidate, found: Sequence[Candidate]) -> bool:
        if any(one.topic == other.topic for other in found):
            return False
        quote = self._first(one.question)
        return quote is not None and _answers(quote, one)

    def _shared(self, index: Index, _generation: int) -> tuple[str, ...]:
        found: list[str] = []
        for claim, houses in islice(claims(index.newest()), _TRIED):
            if len(found) < CLAIMS and len(self._compare(claim, houses).rows) > 1:
                found.append(claim)
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A question; its first quote should be by one of ``houses``, or ``person``, and on ``topic``."""

    kind: str
    question: str
    topic: str
    houses: tuple[str, ...] = ()
    person: str | None = None


def _answers(quote: Quote, one: Candidate) -> bool:
    voice = quote.hit.chunk.voice
    person = voice.person or (quote.hit.document.author if voice.role == "author" else None)
    if (one.houses and voice.house not in one.houses) or one.person not in (None, person):
        return False
    spoken = set(stems(one.topic)) <= set(stems(quote.text))
    stated = not set(index_terms(quote.text)).isdisjoint(index_terms(one.topic))
    return (spoken or stated) and "?" not in quote.text and not legal_marks(quote.text)


# A topic stands where a noun stands: behind a determiner or a preposition, and before a verb, a preposition or a stop.
_BEFORE = r"(?:the|an?|its|their|our|of|in|on|for|about|from|by|to|and|with|against|at|that|says?|said)"
_AFTER = (
    r"(?=['’]s\b|\s(?:is|are|was|were|has|have|had|will|would|can|could|may|might|must|of|in|on|for|and|or|to|at|by|from"
    r"|as|that|which|with|remains?|stays?|does|do|did|but|than|should|not)\b|[.,;:?!)]\s|[.?!]\Z)"
)
_PHRASE = re.compile(rf"\b{_BEFORE}\s((?:[a-z][a-z-]{{3,}}\s){{1,2}}[a-z][a-z-]{{3,}}){_AFTER}")
_NAME = re.compile(rf"(?<=[a-z,;]\s)(?:[A-Z][\w&-]*\w)(?:\s[A-Z][\w&-]*\w)?{_AFTER}")
_THING = re.compile(rf"\b(?:[Tt]he)\s([a-z]{{4,}}){_AFTER}")
# Below it an amount says nothing by itself: "Who mentions $2?" asks for whatever costs that.
_LEAST_AMOUNT = 100
_MEASURED = re.compile(r"(?:usd|eur|gbp|jpy|cny|chf|hkd)\d")
_DAYS = frozenset(
    one.casefold() for names in (calendar.day_name, calendar.day_abbr, calendar.month_name, calendar.month_abbr)
    for one in names
)  # fmt: skip
_PERSON = re.compile(r"[^\W\d_][\w.'’-]*(?: [^\W\d_][\w.'’-]*){1,3}")

# Beyond four voices a topic is none the better; what a sixth of all passages speak of, and more than twelve, is the
# scene of them all.
_MOST, _COMMON, _FEW = 4, 6, 12

Finder = Callable[[Said], Iterable[tuple[str, str]]]
"""Finds what a passage speaks of: a key to know a thing by, and how it is written."""

Subjects = Mapping[str, Sequence[Said]]
"""What is spoken of, best first, each with the passages that speak of it."""


def subjects(said: Sequence[Said], found: Finder, *, least: int = 2) -> Subjects:
    """What ``found`` finds in so many documents or voices: what is rare and yet said by several houses comes first.

    What nearly everybody speaks of is left out. A thing is named by its commonest writing; one of capitals
    alone ("ETF") or of digits alone ("$430") is last, for who is new to the matter makes nothing of it.
    """
    passages: dict[str, list[Said]] = {}
    written: dict[str, Counter[str]] = {}
    for one in said:
        for key, text in dict(found(one)).items():
            passages.setdefault(key, []).append(one)
            written.setdefault(key, Counter())[text] += 1
    speaking = {name for one in said for name in (one.house, one.person) if name}
    names = {word for name in speaking for word in name.split()}

    called = {key: texts.most_common(1)[0][0] for key, texts in written.items()}

    def worth(key: str) -> tuple[bool, float, str]:
        row = passages[key]
        speakers = len({one.house for one in row if one.house}) or len(_voices(row))
        text = called[key]
        bare = text.isupper() if text[0].isalpha() else not any(map(str.isalpha, text))
        return bare, -(1 + min(speakers, _MOST)) * math.log(1 + len(said) / len(row)), key

    rare = max(_FEW, len(said) // _COMMON)
    ranked = sorted(
        (key for key, row in passages.items() if len(_voices(row)) >= least and len(row) <= rare), key=worth
    )
    best = ((called[key], passages[key]) for key in ranked)
    return {text: row for text, row in best if names.isdisjoint(text.split()) and not houses_named(text)}


def _voices(row: Sequence[Said]) -> set[tuple[str | None, str]]:
    return {(one.house, one.document) for one in row}


def _named(one: Said) -> Iterator[tuple[str, str]]:
    line = one_line(one.text)
    for match in _NAME.finditer(line):
        if not any(word.casefold() in _DAYS for word in match[0].split()):
            yield " ".join(stems(match[0])), match[0]
    for match in _PHRASE.finditer(line):
        if FUNCTION_WORDS.isdisjoint(match[1].split()):
            yield " ".join(stems(match[1])), match[1]


def _things(one: Said) -> Iterator[tuple[str, str]]:
    yield from _named(one)
    yield from ((match[1], f"the {match[1]}") for match in _THING.finditer(one_line(one.text)))


def _amounts(one: Said) -> Iterator[tuple[str, str]]:
    for figure in figures(one.text) if _MEASURED.search(one.terms) else ():
        if _MEASURED.match(figure.canonical) and Decimal(figure.value) >= _LEAST_AMOUNT:
            yield figure.canonical, one_line(one.text[figure.start : figure.end])


def candidates(said: Sequence[Said]) -> Iterator[Candidate]:
    """Questions that the passages suggest, one of each kind in turn, the best of each kind first."""
    named, things = subjects(said, _named), subjects(said, _things, least=1)
    amounts = subjects(said, _amounts) or subjects(said, _amounts, least=1)
    if any(one.house for one in said):
        named = named or things
        kinds = [_of_house(said, named), _of_amount(amounts), _of_pair(named), _of_person(named)]
    else:
        kinds = [_of_anybody("name", named), _of_anybody("thing", things), _of_anybody("amount", amounts)]
    for one in filter(None, chain.from_iterable(zip_longest(*(islice(kind, _EACH) for kind in kinds)))):
        if len(one.question) <= LONGEST and one.question.isprintable():
            yield one


def _of_anybody(kind: str, named: Subjects) -> Iterator[Candidate]:
    for topic in named:
        yield Candidate(kind, f"What is said about {topic}?", topic)


def _of_house(said: Sequence[Said], named: Subjects) -> Iterator[Candidate]:
    """A topic for each house, of whom there are most documents first."""
    documents = Counter(house for house, _ in _voices(said) if house)
    passages = Counter(one.house for one in said if one.house)
    for house in sorted(documents, key=lambda house: (-documents[house], -passages[house], house)):
        if topic := _theirs(named, lambda one: one.house == house):  # noqa: B023 - called at once
            yield Candidate("house", f"What did {house} say about {topic}?", topic, (house,))


def _theirs(named: Subjects, speaks: Callable[[Said], bool]) -> str:
    """The best topic of which somebody speaks twice, or once."""
    counts = {topic: sum(map(speaks, row)) for topic, row in named.items()}
    return next((topic for least in (2, 1) for topic, count in counts.items() if count >= least), "")


def _of_amount(amounts: Subjects) -> Iterator[Candidate]:
    named = {amount: tuple(dict.fromkeys(one.house for one in row if one.house)) for amount, row in amounts.items()}
    for amount, houses in sorted(named.items(), key=lambda pair: -len(pair[1])):
        if houses:
            yield Candidate("amount", f"Who mentions {amount}?", amount, houses)


def _of_pair(named: Subjects) -> Iterator[Candidate]:
    for topic, row in named.items():
        houses = Counter(one.house for one in row if one.house)
        pair = tuple(sorted(houses, key=lambda house: (-houses[house], house))[:2])
        if len(pair) == 2:
            yield Candidate("pair", f"What do {pair[0]} and {pair[1]} say about {topic}?", topic, pair)


def _of_person(named: Subjects) -> Iterator[Candidate]:
    speaking = Counter(one.person for row in named.values() for one in row if one.person and one.house)
    for person in sorted(speaking, key=lambda person: (-speaking[person], person)):
        if _PERSON.fullmatch(person) and not houses_named(person):
            topic = _theirs(named, lambda one: one.person == person)  # noqa: B023 - called at once
            yield Candidate("person", f"What is {person}'s view on {topic}?", topic, (), person)


# What leans on other sentences, is somebody's "we", or quotes, is no claim.
_LEANING = re.compile(
    r"\b(?:it|its|this|that|these|those|they|them|their|he|she|his|her|we|us|our|i|my|you|your|such|here|there|one|ones"
    r"|today|yesterday|tomorrow|later|above|below|but|and so|yet|also|however|still|though|what|why|how|who)\b",
    re.IGNORECASE,
)
_CLAIM = re.compile(r"[A-Z](?:[^\"“”?!:;()\[\]|*_#<>\n.…]|\.(?=\S)){24,}\.")


def claims(said: Sequence[Said]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Sentences on what several houses speak of, then those subjects alone, each with the houses; the best first."""
    amounts, names = _said_by_several(said, _amounts), _said_by_several(said, _named)
    several = {**amounts, **names}
    held = {pair: [subject for subject in several if subject in pair[0]] for pair in _sentences(said)}
    for (sentence, house), named in sorted(held.items(), key=lambda pair: (-len(pair[1]), pair[0])):
        others = [name for subject in named for name in several[subject] if name != house]
        if others:
            yield sentence, (house, *dict.fromkeys(others))[:_COMPARED]
    for subject in filter(None, chain.from_iterable(zip_longest(amounts, names))):
        yield subject, several[subject][:_COMPARED]


def _said_by_several(said: Sequence[Said], found: Finder) -> dict[str, tuple[str, ...]]:
    """The subjects of which more than one house speaks, with the houses."""
    named = {
        subject: tuple(dict.fromkeys(one.house for one in row if one.house))
        for subject, row in subjects(said, found).items()
    }
    return {subject: houses for subject, houses in named.items() if len(houses) > 1}


def _sentences(said: Sequence[Said]) -> Iterator[tuple[str, str]]:
    """The sentences that can be read on their own, each with the house whose words they are."""
    for one in said:
        for start, end in split_sentences(one.text) if one.house and one.role == "author" else ():
            line = one_line(one.text[start:end])
            if (
                len(line) <= LONGEST
                and line.isprintable()
                and _CLAIM.fullmatch(line)
                and not (_LEANING.search(line) or legal_marks(line))
            ):
                yield line, one.house or ""
