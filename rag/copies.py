"""Texts that say the same: a forwarded copy, a second version, a bag of words made of an article.

In: a `Document` with its voices, or bare texts. Out: the messages in it, their band hashes for a catalogue to
look up, whether two messages are versions of one, which version to quote, and which passages the other one says
as well. It knows neither catalogue nor search.

Shingles do not see a lemmatised copy without stop words, so messages are compared as sets of stems: on an article
and such a copy of it Jaccard is 0.00 for 5-grams, 0.54 for whole words and 0.94 for `stems`; two articles about the
same event reach 0.24. Whether a *passage* says the same is asked more strictly, because mails of one series differ
in little but what matters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from hashlib import blake2b
from itertools import pairwise
from unicodedata import normalize

import numpy as np
import numpy.typing as npt

from rag.records import Document, Role, Voice
from rag.sentences import one_line
from rag.terms import figures

FEWEST_STEMS = 30
"""Shorter messages ("Thanks, will do") are alike without being copies; they have no signature."""

# 24 bands of 5 rows: of the pairs with Jaccard 0.9, as forwards and bags of words have, all share a band, 98.8 % of
# those with 0.7, 86 % with 0.6, 5.7 % with 0.3 and 0.02 % with 0.1. For 99 % at 0.6 it takes 176 bands of 7 rows, and
# 50,000 mails fill 9 million rows with them instead of 1.2 million.
_BANDS, _ROWS = 24, 5
_SEED = 20250127
# Sets are hashed in blocks of this many stems, 9 MB, so that a book costs no more memory than a mail.
_BLOCK = 1024

_JACCARD, _CONTAINED, _SAID = 0.6, 0.8, 0.9
_QUOTABLE = 0.4

_STEM = 6
# Base64 and hashes; the longest words of prose have some 30 letters.
_LONGEST_WORD = 40

FUNCTION_WORDS = frozenset(
    """
a about after again against all also am among an and any are as at be because been before being between both but by
can could did do does doing each either else etc even every few for from further get gets getting go goes going got
had has have having he her here hers herself him himself his how however i if in into is it its itself just let like
made make makes making many may me might more most much must my myself of off on once only onto or other our ours
ourselves out own per quite rather really same say saying says said see seem seems shall she should since so some
still such take than that the their theirs them themselves then there these they this those though through thus to
too until upon us very via was way we well were what when where whether which while who whom whose why will with
within would yet you your yours yourself
    """.split()
)
_NEGATIONS = frozenset("no not never nor none nobody nothing neither cannot without unlikely hardly barely".split())
_DIRECTIONS = frozenset(
    """
up down over under above below higher lower high low rise rises rising rose risen fall falls falling fell fallen
gain gains gained lose loses lost loss profit increase increases increased decrease decreases decreased raise raises
raised cut cuts cutting hike hikes hiked buy sell hold long short bull bullish bear bearish beat beats miss misses
missed upgrade upgrades upgraded downgrade downgrades downgraded overweight underweight neutral outperform
underperform positive negative better worse best worst strong stronger weak weaker first last less
    """.split()
)

_TOKEN = re.compile(r"[^\W_]+(?:[-.'’&/][^\W_]+)*")
_LETTERS = re.compile(r"[^\W\d_]+")
_DIGITS = re.compile(r"\d+")
_GROUPING = re.compile(r"(?<=\d)[.,'’](?=\d)")
_MARKS = re.compile(r"[.,;:!?()\"“”„«»。、，！？：；|%$€£¥]")
_QUOTE_PREFIX = re.compile(r"[ \t]*(?:>[ \t]?)*")
_ENDINGS = ("ingly", "ation", "ing", "ed", "ies", "es", "s", "ly", "e", "y")


@dataclass(frozen=True, slots=True)
class Message:
    """What one writer wrote: the prose in ``spans`` of the document, joined in ``text`` without ``>`` marks.

    ``date`` is that of the quoted message where it is given, else that of the document.
    """

    spans: tuple[tuple[int, int], ...]
    text: str
    role: Role
    date: datetime


@dataclass(frozen=True, slots=True)
class Version:
    """What decides which of several versions of a message is quoted; ``known`` is whether its house is."""

    document_id: str
    readability: float
    known: bool
    role: Role
    date: datetime


@dataclass(frozen=True, slots=True)
class Wording:
    """The words of a text in the forms in which passages are looked for in it; see `wording`.

    ``bag`` holds stems, of compounds and of their parts; ``tokens`` and ``pairs`` what stands in it and next to each
    other; ``openings`` the pairs without a negation before them; ``turning`` negations and directions.
    """

    bag: frozenset[str]
    tokens: frozenset[str]
    pairs: frozenset[tuple[str, str]]
    openings: frozenset[tuple[str, str]]
    turning: frozenset[str]
    digits: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Token:
    """A stem or canonical figure; ``firm`` ones (figures, names, negations, directions) may not differ in a copy."""

    stem: str
    firm: bool
    turning: bool


def messages(document: Document) -> list[Message]:
    """The messages of ``document`` in order of their first words: its author's own, then each that it repeats.

    A header or attribution line begins a new message; comments between quoted lines belong together, and so do the
    lines that they interrupt. Houses that are quoted in running prose stay in the message that quotes them.
    """
    drafts: list[tuple[Role, datetime, list[tuple[int, int]]]] = []
    at_depth: dict[int, int] = {}
    own: int | None = None
    announced = False
    for voice in document.voices:
        if not document.text[voice.start : voice.end].strip():
            continue
        if voice.stretch == "header":
            announced = True
            continue
        depth = _depth(document.text, voice.start)
        index = None if announced else _continued(voice, depth, at_depth, own, drafts)
        if index is None:
            index = len(drafts)
            # What no line announces is the document's own, even if it opens with somebody's words.
            own = own if announced else index
            kept = {level: known for level, known in at_depth.items() if level < depth or not announced}
            at_depth = kept | {depth: index}
            drafts.append((voice.role if announced else "author", voice.date or document.date, []))
        if voice.prose:
            drafts[index][2].append((voice.start, voice.end))
        announced = False
    return [
        Message(tuple(spans), one_line("\n".join(document.text[slice(*span)] for span in spans)), role, date)
        for role, date, spans in drafts
        if spans
    ]


def stems(text: str) -> frozenset[str]:
    """The stems of the content words of ``text``, without digits, as they survive lemmatising and lost punctuation.

    Words joined by hyphens are one ("one-stop" is "onestop"); links and addresses are left out. On the article and
    its copy, endings taken off and six letters kept gave Jaccard 0.94, against 0.24 for the nearest other pair;
    the first five letters alone 0.85 and 0.24.
    """
    return frozenset(stem for token in _tokens(text) if (stem := _content(token)))


def signature(text: str) -> tuple[int, ...]:
    """The band hashes of ``text``, equal on every machine; empty if it has fewer than `FEWEST_STEMS` stems.

    Two texts that share any of them are candidates for `versions`. MinHash with banding (Broder 1997; Leskovec et
    al., Mining of Massive Datasets, 3.4): 24 numbers of 47 bits.
    """
    return _bands(stems(text))


def versions(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether two messages with these stems are versions of one: Jaccard 0.6, or 0.8 of the smaller in the larger."""
    fewer = min(len(one), len(other))
    shared = len(one & other)
    return fewer >= FEWEST_STEMS and (
        shared >= _JACCARD * (len(one) + len(other) - shared) or shared >= _CONTAINED * fewer
    )


def readability(text: str) -> float:
    """How much ``text`` looks written to be read, from 0 (a bag of words) to 1.

    The better two of three signs count: function words (English prose has 0.3 and more, a bag of words less than
    0.1), marks or many figures, and capitals. So German prose, tables and Chinese are readable, and a chat without
    capitals is half so. Below a dozen words there is little to go by, and the text has the benefit.
    """
    words = [word for word in one_line(text).split() if not _is_link(word)]
    spelt = [token for word in words for token in _LETTERS.findall(word)]
    if not spelt:
        return 1.0
    function = sum(word.casefold() in FUNCTION_WORDS or word.casefold() in _NEGATIONS for word in spelt)
    numeric = [_DIGITS.search(word) is not None for word in words]
    marked = sum(_MARKS.search(word) is not None for word, number in zip(words, numeric, strict=True) if not number)
    capital = sum(word[0].isupper() and not word.isupper() for word in spelt)
    uncased = not any(word[0].islower() or word[0].isupper() for word in spelt)
    signs = sorted(
        (
            min(1.0, function / (0.3 * len(spelt))),
            min(1.0, marked / (0.06 * len(words)) + sum(numeric) / (0.3 * len(words))),
            1.0 if uncased else min(1.0, capital / (0.04 * len(spelt))),
        )
    )
    return 1 - min(1.0, len(spelt) / 12) * (1 - (signs[1] + signs[2]) / 2)


def better(one: Version, other: Version) -> Version:
    """The version to quote: readable before degraded, a known house before none (for anybody can send words, with any
    date, that are not his), own mail before a quotation, then the earlier one.
    """
    return min(one, other, key=_precedence)


def wording(text: str) -> Wording:
    """Take a message apart once, for `says_the_same` to look many passages up in it."""
    tokens = list(_sequence(text))
    order = [token.stem for token in tokens]
    flat = _flat(text).casefold()
    parts = (_content(part) for part in _LETTERS.findall(flat))
    return Wording(
        stems(text) | {part for part in parts if part},
        frozenset(order),
        frozenset(pairwise(order)),
        frozenset(pair for before, pair in zip(["", *order], pairwise(order), strict=False) if before != "not"),
        frozenset(token.stem for token in tokens if token.turning),
        frozenset(_DIGITS.findall(flat)) | frozenset(_DIGITS.findall(_GROUPING.sub("", flat))),
    )


def says_the_same(passage: str, other: Wording) -> bool:
    """Whether all that ``passage`` says is said in ``other``.

    Prose must be there word by word: one plain word in ten may differ, never two in a row and never a figure, a
    name, a negation or a direction ("up", "downgrade"), nor may the other put a negation in between. Of a degraded
    passage, which has lost its order, its figures and its "not", nine stems in ten must be there, and such digits
    as it kept.
    """
    if readability(passage) < _QUOTABLE:
        return _bag_in(passage, other)
    tokens = list(_sequence(passage))
    return bool(tokens) and tokens[0].stem in other.tokens and _in_order(tokens, other)


def _continued(
    voice: Voice,
    depth: int,
    at_depth: Mapping[int, int],
    own: int | None,
    drafts: Sequence[tuple[Role, object, object]],
) -> int | None:
    """The message that a voice which nothing announces belongs to; None if it begins its document's own."""
    level = max((known for known in at_depth if known <= depth), default=None)
    if level is None:
        return own
    strange = voice.role == "author" and drafts[at_depth[level]][0] == "quoted"
    return own if strange else at_depth[level]


def _in_order(tokens: list[_Token], other: Wording) -> bool:
    # "No growth in sight" holds every pair of "Growth in sight".
    first = tokens[0].stem
    if ("not", first) in other.pairs and (first, tokens[1].stem if tokens[1:] else "") not in other.openings:
        return False
    missing = row = 0
    for left, right in pairwise(tokens):
        if (left.stem, right.stem) in other.pairs:
            row = 0
            continue
        missing, row = missing + 1, row + 1
        # A changed word breaks the pairs on both of its sides.
        if row > 2 or left.firm or right.firm or _turned(left, right, other):
            return False
    return missing <= 2 * (1 - _SAID) * len(tokens)


def _turned(left: _Token, right: _Token, other: Wording) -> bool:
    """Whether the other has a negation or a direction next to one of two words that are neighbours only here."""
    return any((left.stem, turn) in other.pairs or (turn, right.stem) in other.pairs for turn in other.turning)


def _bag_in(passage: str, other: Wording) -> bool:
    said = stems(passage)
    negations = {token.stem for token in _sequence(passage) if token.stem == "not"}
    return (
        bool(said)
        and len(said & other.bag) >= _SAID * len(said)
        and other.digits.issuperset(_DIGITS.findall(_flat(passage)))
        and negations <= other.turning
    )


def _precedence(version: Version) -> tuple[bool, bool, bool, datetime, str]:
    """Degraded or not, rather than the number: a pair of quotation marks must not outrank the house's own mail."""
    degraded = version.readability < _QUOTABLE
    return degraded, not version.known, version.role != "author", version.date, version.document_id


def _depth(text: str, start: int) -> int:
    """The number of ``>`` before the first line with words from ``start`` on."""
    while text[start].isspace():
        start += 1
    prefix = _QUOTE_PREFIX.match(text, text.rfind("\n", 0, start) + 1)
    return prefix[0].count(">") if prefix else 0


def _flat(text: str) -> str:
    """One line without links and addresses, in compatible characters (ligatures, full-width letters)."""
    return " ".join(word for word in normalize("NFKC", one_line(text)).split() if not _is_link(word))


def _is_link(word: str) -> bool:
    return "@" in word or "://" in word or word.startswith("www.")


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(_flat(text).casefold())


def _sequence(text: str) -> Iterator[_Token]:
    """Content words, figures, negations and directions, in order."""
    flat, edge = _flat(text), 0
    for figure in figures(flat):
        yield from _worded(flat[edge : figure.start])
        yield _Token(figure.canonical, firm=True, turning=False)
        edge = figure.end
    yield from _worded(flat[edge:])


def _worded(text: str) -> Iterator[_Token]:
    for word in _TOKEN.findall(text):
        folded = word.casefold().replace("’", "'")
        if folded in _NEGATIONS or folded.endswith("n't"):
            yield _Token("not", firm=True, turning=True)
        elif folded in _DIRECTIONS:
            yield _Token(folded, firm=True, turning=True)
        elif stem := _content(folded):
            yield _Token(stem, firm=word[0].isupper(), turning=False)


def _content(word: str) -> str:
    """The stem of a content word in lower case; empty for a function word, a single letter, or what is no word."""
    # Before the cache, which would keep 65,536 words of any length.
    return "" if len(word) > _LONGEST_WORD else _content_stem(word)


@lru_cache(maxsize=65536)
def _content_stem(word: str) -> str:
    word = word.replace("’", "'").removesuffix("'s")
    if word in FUNCTION_WORDS or word in _NEGATIONS or word.endswith("n't"):
        return ""
    letters = "".join(_LETTERS.findall(word))
    return "" if len(letters) < 2 or letters in FUNCTION_WORDS else _stem(letters)


def _stem(word: str) -> str:
    """Take off one common English ending and what it doubles or leaves behind, then keep six letters."""
    ending = next((ending for ending in _ENDINGS if word.endswith(ending) and len(word) >= len(ending) + 3), "")
    if ending and not word.endswith("ss"):
        word = word[: -len(ending)]
    if len(word) > 3 and (word[-1] == word[-2] or word[-1] in "eiy"):
        word = word[:-1]
    return word[:_STEM]


def _bands(words: frozenset[str]) -> tuple[int, ...]:
    if len(words) < FEWEST_STEMS:
        return ()
    multipliers, mixers = _permutations()
    hashes = np.fromiter(map(_hashed, words), dtype=np.uint64, count=len(words))
    least = np.full(_BANDS * _ROWS, np.iinfo(np.uint64).max, dtype=np.uint64)
    for first in range(0, len(hashes), _BLOCK):
        permuted = np.multiply.outer(multipliers, hashes[first : first + _BLOCK])
        np.minimum(least, permuted.min(axis=1), out=least)
    mixed = (least * mixers).reshape(_BANDS, _ROWS).sum(axis=1, dtype=np.uint64)
    # SQLite keeps 47 bits in six bytes; in a million rows two of them meet by chance once in 100 million look-ups.
    return tuple((mixed >> np.uint64(17)).tolist())


@cache
def _permutations() -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Odd multipliers, one per row and one to mix it into its band; from blake2b, which no release changes."""
    return _odd("permute", _BANDS * _ROWS), _odd("mix", _BANDS * _ROWS)


def _odd(purpose: str, count: int) -> npt.NDArray[np.uint64]:
    values: Iterable[int] = (_hashed(f"{_SEED}:{purpose}:{index}") | 1 for index in range(count))
    return np.fromiter(values, dtype=np.uint64, count=count)


@lru_cache(maxsize=65536)
def _hashed(word: str) -> int:
    return int.from_bytes(blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
