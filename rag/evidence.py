"""A sentence of a model's prose and the quotes that it may cite, taken apart for the checks.

In: a sentence, a `Quote`. Out: a `Claim` and a `Source`: their figures, names, quotations, and who is said to speak. It
does not compare them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rag.amounts import Amount, amounts
from rag.companies import companies_named
from rag.copies import FUNCTION_WORDS
from rag.cuewords import FINITE, SAYING
from rag.houses import houses_named
from rag.polarity import Bearing, bearing, bearings
from rag.prompts import speaker
from rag.records import Quote
from rag.sentences import one_line
from rag.stems import stems, tokens


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence of a model's prose, taken apart."""

    text: str
    bearing: Bearing
    amounts: tuple[Amount, ...]
    quotations: tuple[str, ...]
    names: tuple[tuple[int, str], ...]
    houses: frozenset[str]
    speakers: frozenset[str]

    @classmethod
    def of(cls, text: str) -> Claim:
        """Take ``text``, without its labels, apart."""
        stated = amounts(text)
        return cls(
            text,
            bearing(text),
            stated,
            tuple(_quotations(text)),
            tuple(_names(text, stated)),
            frozenset(name for _, _, name in houses_named(text)),
            frozenset(_speaking(text)),
        )


@dataclass(frozen=True, slots=True)
class Source:
    """A quote made ready to be asked: what it says, who says it, and which names stand around it."""

    label: int
    text: str
    date: Amount
    amounts: tuple[Amount, ...]
    sentences: tuple[Bearing, ...]
    content: frozenset[str]
    tokens: frozenset[str]
    names: frozenset[str]
    houses: frozenset[str]
    voices: frozenset[str]
    own: str | None

    @classmethod
    def of(cls, quote: Quote) -> Source:
        """Read ``quote`` with what stands on its card (who said it, and when) and the names around it."""
        hit = quote.hit
        text = one_line(quote.text)
        card = speaker(hit)
        around = f"{text}\n{card}\n{hit.document.title}\n{_around(text, one_line(hit.chunk.text))}"
        own = hit.chunk.voice.house or (hit.document.house if hit.chunk.voice.role == "author" else None)
        named = {name for _, _, name in houses_named(text)}
        voices = {own} if own else set()
        said = bearings(text)
        return cls(
            quote.label,
            text,
            amounts(f"{hit.date:%d %B %Y}")[0],
            amounts(text),
            said,
            frozenset(word.key for one in said for word in one.words) | frozenset(stems(f"{hit.document.title}")),
            frozenset(tokens(card)) | frozenset(tokens(text)),
            frozenset(tokens(around)) | frozenset(ticker for _, _, ticker in companies_named(around, True)),
            frozenset({*named, *voices, hit.document.house or ""} - {""}),
            frozenset({*voices, *_speaking(text)}),
            own,
        )

    def heard(self, house: str) -> Source:
        """What of it ``house`` says: the stretches that give the word to it, or to nobody where the card is its own."""
        stretches = [(part, frozenset(_speaking(part))) for part in _STRETCH.split(self.text)]
        kept = [part for part, speaking in stretches if house in speaking or (not speaking and house == self.own)]
        if not kept or len(kept) == len(stretches):
            return self
        text = " ".join(kept)
        said = bearings(text)
        content = frozenset(word.key for one in said for word in one.words)
        return replace(self, text=text, amounts=amounts(text), sentences=said, content=content)


def _around(text: str, passage: str) -> str:
    """The passage around a quote, which says whose "our top pick" is; a quote that names a firm speaks of no other."""
    if companies_named(text, True):
        for start, end, _ in reversed(companies_named(passage, True)):
            passage = passage[:start] + passage[end:]
    return passage


# "Goldman expects $90; we think this is too high".
_STRETCH = re.compile(r"(?<=[.!?;])\s+|,\s(?=(?:but|which|while|whereas|though|although|we)\b)")


# Names

_WORD = r"[A-Z][\w&]*(?:[.'’-][A-Za-z]\w*)*"
_NAME = re.compile(rf"(?<!\w){_WORD}(?:\s(?:of\s|de\s|van\s)?{_WORD})*")


def _names(text: str, stated: Sequence[Amount]) -> Iterator[tuple[int, str]]:
    """The capitalised names in ``text``, each with its place, but for houses and figures.

    The first word counts only if it is surely a name.
    """
    spans = [(start, end) for start, end, _ in houses_named(text)]
    spans += [(one.figure.start, one.figure.end) for one in stated]
    for start, end in spans:
        text = text[:start] + "-" * (end - start) + text[end:]
    for match in _NAME.finditer(text):
        start, name = match.start(), match[0]
        if start == 0 and " " not in name and not companies_named(name) and not _NATION.search(name):
            continue
        first = name.split()[0]
        if start == 0 and first.lower() in FUNCTION_WORDS | _OPENERS:
            start, name = start + len(first) + 1, name[len(first) + 1 :]
        if tokens(name):
            yield start, re.sub(r"['’]s$", "", name)


_OPENERS = frozenset("according analysts analyst however while although meanwhile overall additionally both".split())


_NATION = re.compile(r"(?:ese|ish|[aeiou]ns|ians?|icans?)$")


# Who speaks

_SAYS = "|".join(sorted((SAYING | FINITE) - {"cut", "has", "have"}, key=len, reverse=True))
SAYS_BEHIND = re.compile(
    r"['’]s?\s(?:latest\s|own\s|price\s|base\s)?(?:views?|opinion|target|estimates?|forecasts?|rating|case|words|eyes|reading)\b"
    rf"|(?:['’]s?)?(?:\s(?:analysts?|team|economists?|strategists?|research|and\scolleagues))*(?:\s?\([^)]{{1,60}}\))?,?"
    rf"(?:\s(?:also|still|now|further))?\s(?:{_SAYS})\b",
    re.IGNORECASE,
)
_AHEAD = re.compile(
    r"(?:\baccording\sto|\bper|\bin\sthe\s(?:view|opinion)\sof|[,”\"’]\s(?:says?|said|writes|wrote|notes|argues|adds))"
    r"(?:\s(?:the|analysts?|at|of|from|[A-Z]\w+))*\s*$",
    re.IGNORECASE,
)


def _speaking(text: str) -> Iterator[str]:
    """The houses that are said to say something in ``text``."""
    spans = houses_named(text)
    speaks = False
    for (start, end, house), following in zip(reversed(spans), [None, *reversed(spans)], strict=False):
        # "UBS and Citi think".
        joined = following is not None and _JOINT.fullmatch(text, end, following[0])
        ahead = _AHEAD.search(text[max(0, start - 60) : start])
        speaks = bool(SAYS_BEHIND.match(text, end) or ahead or (speaks and joined))
        if speaks:
            yield house


_JOINT = re.compile(r"\s?(?:,|and|&|or)\s?(?:and\s)?")


# Quotations

_QUOTED = re.compile(
    r"“([^“”]{2,400})”|\"([^\"]{2,400})\"|(?<!\w)[‘']([^‘’'\"]+(?:['’]\w[^‘’'\"]*)*\s[^‘’'\"]+)[’'](?!\w)"
)


def _quotations(text: str) -> Iterator[str]:
    for match in _QUOTED.finditer(text):
        said = next(group for group in match.groups() if group is not None).strip()
        if any(letter.isalnum() for letter in said):
            yield said
