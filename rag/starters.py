"""Questions and claims to begin with, taken from what an index holds; no model is asked.

In: some passages of the newest documents, and ways to ask and to compare. Out: questions whose first quote was found to
answer them, and claims of which more than one house says something. It does not know how they are shown.
"""

from __future__ import annotations

import calendar
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import chain, combinations, zip_longest
from threading import Lock
from typing import Any, Protocol

from rag.attribution import legal_marks
from rag.comparing import Comparison
from rag.cuewords import LOWER_SAYING
from rag.figures import figures
from rag.houses import houses_named
from rag.questions import FURNITURE
from rag.records import Quote
from rag.sentences import one_line, split_sentences
from rag.stems import stems
from rag.terms import index_terms

QUESTIONS, CLAIMS = 4, 3

LONGEST = 90
"""Characters of a question: two lines of a button on a phone."""

_TRIED = 12
_COMPARED = 4

# Passages that are looked at: 400 take 30 ms. The first of each of the newest documents come first.
_DOCUMENTS, _PASSAGES = 200, 400
_NEWEST = """
WITH newest AS (SELECT id, date AS sent FROM documents ORDER BY date DESC, id LIMIT ?),
said AS (
    SELECT number, sent, row_number() OVER (PARTITION BY document_id ORDER BY number) AS place
    FROM newest JOIN chunks ON document_id = newest.id WHERE copy_of IS NULL
)
SELECT document_id, house, person, role, terms, text FROM said JOIN chunks USING (number)
ORDER BY place, sent DESC, number LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class Said:
    """A passage, and who speaks in it."""

    document: str
    house: str | None
    person: str | None
    role: str
    terms: str
    text: str


def newest(read: Callable[..., Iterator[Any]]) -> list[Said]:
    """The first passages of the newest documents, without copies; ``read`` runs SQL."""
    return [Said(*row[:5], one_line(row[5])) for row in read(_NEWEST, (_DOCUMENTS, _PASSAGES))]


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A question, the house and the person who should have the first quote of it, and what that should speak of."""

    question: str
    topic: str
    house: str | None = None
    person: str | None = None


class _Index(Protocol):
    @property
    def generation(self) -> int: ...
    def newest(self) -> list[Said]: ...


class Starters:
    """What to begin with, found once for each state of an index; may be asked from any thread."""

    def __init__(
        self, first: Callable[[str], Quote | None], compare: Callable[[str, Sequence[str]], Comparison]
    ) -> None:
        """Try questions with ``first``, their best quote if they can be answered, and claims of houses with ``compare``."""
        self._first = first
        self._compare = compare
        self._lock = Lock()
        self._notes = lru_cache(1)(lambda index, _generation: _Notes.of(index.newest()))
        self._questions = lru_cache(1)(self._answered)
        self._claims = lru_cache(1)(self._disputed)

    def questions(self, index: _Index) -> tuple[str, ...]:
        """Up to `QUESTIONS` questions of different kinds."""
        with self._lock:
            return self._questions(index, index.generation)

    def claims(self, index: _Index) -> tuple[str, ...]:
        """Up to `CLAIMS` claims."""
        with self._lock:
            return self._claims(index, index.generation)

    def _answered(self, index: _Index, generation: int) -> tuple[str, ...]:
        found: dict[str, str] = {}
        tried = 0
        for one in _interleaved(self._notes(index, generation)):
            if len(found) == QUESTIONS or tried == _TRIED:
                break
            if one.topic in found.values() or len(one.question) > LONGEST or not one.question.isprintable():
                continue
            tried += 1
            quote = self._first(one.question)
            if quote and _answers(quote, one):
                found[one.question] = one.topic
        return tuple(found)

    def _disputed(self, index: _Index, generation: int) -> tuple[str, ...]:
        found: list[str] = []
        for claim, houses in _claims(self._notes(index, generation))[:_TRIED]:
            if len(found) < CLAIMS and len(self._compare(claim, houses).rows) > 1:
                found.append(claim)
        return tuple(found)
