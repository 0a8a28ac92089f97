"""How much of a question a passage speaks of.

In: a `Query`, how many chunks hold each of its words, and texts with their canonical terms. Out: what the question
wants, each word and figure with its weight, and the share of it that a text covers, from 0 to 1. It knows neither
index nor ranking.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from rag.questions import Query
from rag.stems import stem, tokens
from rag.terms import figures, question_terms

# A figure that was asked about is worth two rare words of an index of 160 chunks; it has no frequency of its own,
# for its surface forms ("$5M", "5 million dollars") share no word.
_FIGURE_WEIGHT = 8.0

# In an index of one mail every word of it is in all chunks, and so would weigh nothing beside one that is in none.
_FEWEST_CHUNKS = 100

# A figure that only rounds to the one that was asked about ("$5.576M" for "$5M").
_LOOSE = 0.7

_CAPITAL = re.compile(r"(?<![^\W_])[A-Z][^\W_]*")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A word or figure of a question: covered by its stem, by a term of ``exact``, or in part by one of ``loose``.

    ``surface`` is how the question writes it; ``weight`` its inverse document frequency; ``name`` tells names and
    figures from plain words.
    """

    surface: str
    stem: str
    weight: float
    exact: frozenset[str] = frozenset()
    loose: frozenset[str] = frozenset()
    name: bool = False


def wanted(query: Query, frequencies: Mapping[str, int], size: int) -> tuple[Wanted, ...]:
    """What ``query`` wants of an index of ``size`` chunks; ``frequencies`` says how many hold each of `words_of`."""
    capitalised = _capitalised(query.text)
    wants: list[Wanted] = []
    for word in words_of(query):
        exact = frozenset(question_terms(word).exact)
        name = bool(exact) or word in capitalised or any(letter.isdigit() for letter in word)
        wants.append(Wanted(word, stem(word), rarity(frequencies.get(word, 0), size), exact, name=name))
    for amount in _amounts(query):
        terms = question_terms(amount)
        wants.append(Wanted(amount, "", _FIGURE_WEIGHT, frozenset(terms.exact), frozenset(terms.loose), name=True))
    return tuple(wants)


def _capitalised(text: str) -> frozenset[str]:
    """The words that begin with a capital, but for the first, which always does."""
    return frozenset(token for match in _CAPITAL.finditer(text) if match.start() for token in tokens(match[0]))


def words_of(query: Query) -> tuple[str, ...]:
    """The words of ``query`` as the word index has them, without those that spell its amounts."""
    spelt = frozenset(token for amount in _amounts(query) for token in tokens(amount))
    split = (token for word in query.words for token in tokens(word))
    return tuple(dict.fromkeys(token for token in split if token not in spelt))


def _amounts(query: Query) -> list[str]:
    """The figures with a unit as the question writes them; bare counts and names are words like others."""
    return [query.text[one.start : one.end] for one in figures(query.text) if one.unit not in ("", "name", "date")]


def rarity(frequency: int, size: int) -> float:
    """The inverse document frequency of BM25 (Robertson and Sparck Jones), never negative."""
    whole = max(size, frequency, _FEWEST_CHUNKS)
    return math.log(1 + (whole - frequency + 0.5) / (frequency + 0.5))


def covers(want: Wanted, stems: Set[str], terms: Set[str]) -> float:
    """How far a text with these stems and terms covers ``want``: 1, in part for a rounded figure, or 0."""
    if want.stem in stems or not want.exact.isdisjoint(terms):
        return 1.0
    return 0.0 if want.loose.isdisjoint(terms) else _LOOSE


def coverage(wants: Sequence[Wanted], stems: Set[str], terms: Set[str]) -> float:
    """The share of ``wants``, by weight, that a text covers; 1 where nothing is wanted."""
    whole = sum(want.weight for want in wants)
    return sum(want.weight * covers(want, stems, terms) for want in wants) / whole if whole else 1.0
