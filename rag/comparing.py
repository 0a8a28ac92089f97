"""What each house says of a claim, side by side.

In: a claim, and each house's best quotes for it. Out: one `Row` a house, and the houses that say nothing near the
claim. It does not know how the quotes were found, nor how rows are shown.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime

from rag.copies import says_the_same, wording
from rag.records import Quote
from rag.stances import Stance, stance
from rag.statements import plain, topics
from rag.terms import Figure, closeness, figures

# The share of the claim's words, by rarity, below which a quote that states none of its figures is about something
# else: of "US export controls failed" it is not enough to say "US".
_NEAR = 0.5

# A figure is worth two rare words.
_FIGURE_WORDS = 2.0

# Of a house's quotes, those that say nearly as much of the claim as its best one are asked for a verdict.
_NEARLY = 0.75

# The share of the topics of the shorter of two quotes that both have; only then they are read word by word.
_ALIKE = 0.6


@dataclass(frozen=True, slots=True)
class Row:
    """What one house says of the claim; the quote's label is its place in the table."""

    quote: Quote
    stance: Stance


@dataclass(frozen=True, slots=True)
class Comparison:
    """``rows`` by relevance; ``silent`` are the houses that say nothing near the claim, by name."""

    claim: str
    rows: tuple[Row, ...]
    silent: tuple[str, ...]


def compare(claim: str, quotes: Mapping[str, Sequence[Quote]], *, limit: int | None = None) -> Comparison:
    """Set the houses side by side: ``quotes`` holds the best ones of each house, ``limit`` is the most rows.

    Of quotes that say about the same of the claim the newest that a rule can judge is shown. What a house repeats of
    another is not its own view.
    """
    texts = [quote.text for row in quotes.values() for quote in row]
    asked = _Asked.of(claim, texts)
    near = {
        house: [(share, quote) for quote in row if (share := asked.share(quote.text))] for house, row in quotes.items()
    }
    own = dict(_without_borrowed(near))
    found = [(house, *_row(claim, row)) for house, row in own.items() if row]
    found.sort(key=lambda one: (-one[1], one[0]))
    rows = (replace(row, quote=replace(row.quote, label=i)) for i, (_, _, row) in enumerate(found[:limit], start=1))
    return Comparison(claim, tuple(rows), tuple(sorted(house for house, row in own.items() if not row)))


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a claim is about: its words, each with its rarity, and its figures."""

    words: Mapping[str, float]
    amounts: Sequence[Figure]
    amount: float

    @classmethod
    def of(cls, claim: str, texts: Sequence[str]) -> _Asked:
        said = [topics(plain(text)) for text in texts]
        holding = {word: sum(word in one for one in said) for word in topics(plain(claim))}
        words = {word: math.log(1 + (len(said) + 1) / (1 + count)) for word, count in holding.items()}
        return cls(words, _measured(claim), _FIGURE_WORDS * math.log(2 + len(said)))

    def share(self, text: str) -> float:
        """How much of the claim ``text`` speaks of, from 0 to 1; 0 if it is about something else."""
        said, stated = topics(plain(text)), _measured(text)
        words = sum(weight for word, weight in self.words.items() if word in said)
        amounts = sum(max((closeness(asked, one) for one in stated), default=0.0) for asked in self.amounts)
        if not amounts and (not words or words < _NEAR * sum(self.words.values())):
            return 0.0
        return (words + self.amount * amounts) / (sum(self.words.values()) + self.amount * len(self.amounts))


def _measured(text: str) -> list[Figure]:
    return [figure for figure in figures(text) if figure.unit not in ("", "name", "date")]


def _row(claim: str, quotes: Sequence[tuple[float, Quote]]) -> tuple[float, Row]:
    """The best of one house's quotes, by how much of the claim they speak of, with that share."""
    best = max(share for share, _ in quotes)
    close = [(share, quote) for share, quote in quotes if share >= _NEARLY * best]
    close.sort(key=lambda one: one[1].hit.date)
    judged = [(share, Row(quote, stance(claim, quote.text, speakers=_speakers(quote)))) for share, quote in close]
    telling = [one for one in judged if one[1].stance.verdict]
    # The last of equals is the newest.
    return telling[-1] if telling else max(reversed(judged), key=lambda one: one[0])


def _speakers(quote: Quote) -> tuple[str, ...]:
    voice = quote.hit.chunk.voice
    return tuple(name for name in (voice.house, voice.person) if name)


def _without_borrowed(
    quotes: Mapping[str, Sequence[tuple[float, Quote]]],
) -> Iterator[tuple[str, list[tuple[float, Quote]]]]:
    """Each house's quotes without those that it repeats of another house."""
    every = [(house, quote, topics(plain(quote.text))) for house, row in quotes.items() for _, quote in row]
    for house, row in quotes.items():
        yield house, [one for one in row if not any(_borrowed(house, one[1], other) for other in every)]


def _borrowed(house: str, quote: Quote, other: tuple[str, Quote, Set[str]]) -> bool:
    """Whether ``quote`` says what another house said before, or says in its own mail."""
    name, original, words = other
    if name == house or _precedence(house, quote) < _precedence(name, original):
        return False
    said = topics(plain(quote.text))
    if len(said & words) < _ALIKE * max(1, min(len(said), len(words))):
        return False
    return says_the_same(quote.text, wording(original.text)) or says_the_same(original.text, wording(quote.text))


def _precedence(house: str, quote: Quote) -> tuple[bool, datetime, str]:
    return quote.hit.chunk.voice.role != "author", quote.hit.date, house
