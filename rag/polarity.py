"""Which way a text points: what it denies, what it only supposes, and what goes up, down, well or badly.

In: a text. Out: a `Bearing`, its words as stems and figures as canonical terms. Two texts can then be asked whether one
turns the other round. It knows neither quotes nor labels; it reads words, not grammar, so what it misses is left to a
reader, and `rag.citations` says so.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from rag.copies import FUNCTION_WORDS
from rag.cuewords import TELLING
from rag.figures import figures
from rag.sentences import split_sentences
from rag.stems import stem, tokens

CALENDAR = frozenset(
    """
    january february march april may june july august september october november december monday tuesday wednesday
    thursday friday saturday sunday
    """.split()
)
_NEGATORS = frozenset(
    """
    not no never none nobody nothing neither nor without cannot can't won't hardly barely scarcely fail fails failed
    failing lack lacks lacked lacking deny denies denied denying doubt doubts doubted doubting reject rejects rejected
    dispute disputes disputed refuse refuses refused unlikely improbable
    """.split()
)
# "No doubt", "not only … but also" and "nothing but" deny nothing; "rather than" and "far from" do.
_AFFIRMS = re.compile(
    r"\b(?:no doubt|not (?:only|just|merely|least)|nothing but|no (?:less|more) than)\b", re.IGNORECASE
)
_DENIES = re.compile(r"\b(?:rather than|instead of|far from|as opposed to|contrary to|no longer)\b", re.IGNORECASE)
_SUPPOSES = re.compile(
    r"\b(?:is|are|was|were)\s(?:said|thought|believed|understood|likely|rumou?red)\sto\b|\btalk\sof\b", re.IGNORECASE
)
_HEDGES = frozenset(
    """
    may might could possibly perhaps maybe probably likely unlikely potentially potential possible appears appear seems
    seem apparently reportedly allegedly supposedly unconfirmed rumour rumoured rumor rumored if unless whether
    """.split()
)
# What a negation reaches ends here; so does what a hedge reaches.
_STOPS = frozenset([*".,;:!?()—–", "but", "while", "whereas", "although", "though", "because", "which", "who", "and"])
_REACH = 4
_FARTHEST = 16

# Words of two poles. A sentence that has one where its source has only the other turns it round.
_POLES = """
rise rises rising rose risen grow grows growing grew grown growth increase climb raise expand expansion boost
accelerate acceleration improve improvement jump surge soar gain rally advance strengthen hike lift double triple up
higher above upside widen add added adding upgrade
| fall falls falling fell fallen drop slump tumble plunge slide slid sink sank decline decrease reduce reduction lower
trim shrink shrank contract contraction lose loses losing lost shed retreat crash dip ease soften weaken
deteriorate deterioration decelerate deceleration worsen down below downside narrow cut cuts cutting slash halve
downgrade
/ cheap cheaper cheapest undervalued inexpensive affordable | expensive dear pricey overvalued costly costlier
/ bullish positive constructive optimistic upbeat confident | bearish negative cautious pessimistic sceptical skeptical
worried
/ right correct true accurate justified confirmed | wrong false untrue incorrect misleading inaccurate mistaken
exaggerated overblown overdone misunderstanding myth
/ strong stronger strongest robust | weak weaker weakest soft softer
/ good better best | bad worse worst
/ beat beats beating | miss misses missed
/ overweight outperform buy | underweight underperform sell
/ agree agrees agreed | disagree disagrees disagreed
/ support supports supported | oppose opposes opposed
/ profit profitable | loss losses unprofitable
/ surplus | deficit
/ inflow inflows | outflow outflows
/ tailwind tailwinds | headwind headwinds
/ hawkish tighten tightening | dovish loosen loosening
/ ahead | behind
/ before | after
/ buyer buyers buying bought | seller sellers selling sold
/ import imports | export exports
/ early earlier | late later
/ first | last
/ maximum | minimum
/ majority most | minority
/ easy easier | hard harder difficult
/ fast faster quick quicker | slow slower
/ high | low
/ large larger largest big bigger biggest | small smaller smallest
/ win wins winner winners won | loser losers
/ benefit benefits benefited help helps helped | hurt hurts harm harms harmed suffer suffers suffered
/ approve approves approved | block blocks blocked
/ open opens opened | close closes closed
/ long | short
/ shortage undersupply undersupplied tight | glut oversupply oversupplied
/ more | less fewer
/ likely probable | unlikely improbable
"""


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text: ``key`` is its stem, or a figure's canonical term; ``content`` tells it from filler.

    ``clause`` counts the stretches between commas, dashes and conjunctions.
    """

    start: int
    end: int
    text: str
    key: str
    content: bool
    figure: bool = False
    clause: int = 0


@dataclass(frozen=True, slots=True)
class Clause:
    """The content words of a clause, and its names but for months and days."""

    content: frozenset[str]
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Scope:
    """The content that a negation or hedge reaches, nearest first."""

    cue: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bearing:
    """One sentence: its words in order, what it denies, what it only supposes, and the poles that it names.

    A pole is an axis with a sign, turned where it is denied.
    """

    text: str
    words: tuple[Word, ...]
    denied: tuple[Scope, ...]
    supposed: tuple[Scope, ...]
    poles: tuple[tuple[Word, str, int], ...]
    clauses: Mapping[int, Clause]

    @property
    def content(self) -> frozenset[str]:
        """The keys of the words that say something."""
        return frozenset(word.key for word in self.words if word.content)

    @property
    def asserted(self) -> frozenset[str]:
        """Its content outside of what it denies."""
        return self.content - {key for scope in self.denied for key in scope.keys}


def bearings(text: str) -> tuple[Bearing, ...]:
    """Read each sentence of ``text``."""
    return tuple(bearing(text[start:end]) for start, end in split_sentences(text))


def bearing(sentence: str) -> Bearing:
    """Read one sentence."""
    text = sentence.replace("’", "'")
    breaks = [match.start() for match in _CLAUSE.finditer(text)]
    words = tuple(replace(word, clause=bisect_left(breaks, word.end)) for word in _words(text))
    denied = (*_scopes(sentence, words, _NEGATORS, _DENIES), *_judged(sentence, words))
    supposed = tuple(_scopes(sentence, words, _HEDGES, _SUPPOSES))
    reversed_ = {key for scope in denied for key in scope.keys[:2]}
    poles = [
        (word, axis, -sign if word.key in reversed_ else sign)
        for at, word in enumerate(words)
        if (found := _pole(words, at))
        for axis, sign in (found,)
    ]
    return Bearing(sentence, words, denied, supposed, tuple(poles), _clauses(text, words))


def _clauses(text: str, words: Sequence[Word]) -> dict[int, Clause]:
    clauses: dict[int, list[Word]] = {word.clause: [] for word in words}
    for word in words:
        if word.content and not word.figure:
            clauses[word.clause].append(word)
    return {
        at: Clause(
            frozenset(word.key for word in own),
            frozenset(word.text for word in own if text[word.start].isupper() and word.text not in CALENDAR),
        )
        for at, own in clauses.items()
    }


def pole(word: str) -> tuple[str, int] | None:
    """The axis and the sign of a word, if it has any."""
    return _poles().get(word)


def _pole(words: Sequence[Word], at: int) -> tuple[str, int] | None:
    """As `pole`, but "up" and "down" count only beside a figure or at an end, "more than" not before a figure."""
    word, following = words[at].text, _next(words, at)
    if following == "than" and word in ("more", "less", "fewer") and any(one.figure for one in words[at + 2 : at + 4]):
        return None
    if word in ("up", "down"):
        near = words[at + 1 : at + 3]
        if following == "to":
            return None
        if near and not any(one.figure for one in near) and near[0].text not in _STOPS:
            return None
    return _poles().get(word)


@cache
def _poles() -> dict[str, tuple[str, int]]:
    """Each word of `_POLES`, verbs also in their regular forms."""
    found: dict[str, tuple[str, int]] = {}
    for number, line in enumerate(_POLES.split("/")):
        for sign, side in zip((1, -1), line.split("|"), strict=True):
            for word in side.split():
                found.setdefault(word, (str(number), sign))
    for word, where in list(found.items()):
        if where[0] == "0" and len(word) > 3:
            root = word.removesuffix("e")
            for form in (
                f"{word}s",
                f"{root}ed",
                f"{root}es",
                f"{root}ing",
                f"{word}{word[-1]}ed",
                f"{word}{word[-1]}ing",
            ):
                found.setdefault(form, where)
    return found


_CLAUSE = re.compile(r"[;:—–()]|,\s|\b(?:while|whereas|but|and|although|though)\b")
_TOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+)*|[.,;:!?()—–]")


def _words(text: str) -> Iterator[Word]:
    """The words of ``text``; a figure is one."""
    at = 0
    for figure in figures(text):
        yield from _plain(text, at, figure.start)
        said = text[figure.start : figure.end].lower()
        yield Word(figure.start, figure.end, said, figure.canonical, True, figure.unit != "name")
        at = figure.end
    yield from _plain(text, at, len(text))


def _plain(text: str, start: int, end: int) -> Iterator[Word]:
    for match in _TOKEN.finditer(text, start, end):
        word = match[0].lower().removesuffix("'s")
        folded = tokens(word)
        content = bool(folded) and word not in _FILLERS and word not in _NEGATORS and word not in _HEDGES
        key = stem(_FORMS.get(folded[0], folded[0])) if folded else word
        yield Word(match.start(), match.end(), word, key, content)


# Verbs whose past no stemmer knows.
_FORMS = {
    past: verb
    for verb, pasts in (
        ("fall", "fell fallen"), ("rise", "rose risen"), ("grow", "grew grown"), ("lose", "lost"),
        ("sink", "sank sunk"), ("shrink", "shrank shrunk"), ("slide", "slid"), ("buy", "bought"), ("sell", "sold"),
        ("spend", "spent"), ("keep", "kept"), ("hold", "held"), ("take", "took taken"),
    )
    for past in pasts.split()
}  # fmt: skip


_FILLERS = FUNCTION_WORDS | TELLING | frozenset("according view views opinion its own too one two".split())


def _scopes(sentence: str, words: Sequence[Word], cues: frozenset[str], phrases: re.Pattern[str]) -> Iterator[Scope]:
    spared = [match.span() for match in _AFFIRMS.finditer(sentence)]
    ends = [(match.end(), match[0].lower()) for match in phrases.finditer(sentence)]
    for at, word in enumerate(words):
        if word.text in cues or word.text.endswith("n't"):
            if phrases is _SUPPOSES and (word.text.endswith("n't") or _is_month(sentence, word)):
                continue
            if any(a <= word.start < b for a, b in spared):
                continue
            last = at + 1 == len(words) or words[at + 1].text in _STOPS
            trails = last and word.text in _TRAILING
            yield Scope(
                word.text, _led_to(words[max(0, at - _FARTHEST) : at]) if trails else _reached(sentence, words, at + 1)
            )
    starts = [word.start for word in words]
    for end, phrase in ends:
        yield Scope(phrase, _reached(sentence, words, bisect_left(starts, end)))


def _is_month(sentence: str, word: Word) -> bool:
    return word.start > 0 and sentence[word.start : word.end] == "May"


def _judged(sentence: str, words: Sequence[Word]) -> Iterator[Scope]:
    """What is called false: "the story that it cost $5M is untrue"; nearest first."""
    before: list[str] = []
    for word in words:
        if word.text in _FALSE and before:
            yield Scope(word.text, tuple(reversed(before[-_FAR:])))
        if word.content and not sentence[word.start].isupper() and not word.text.endswith("ly"):
            before.append(word.key)


_FALSE = frozenset("false untrue wrong incorrect mistaken myth nonsense fiction".split())
_FAR = 6


def _next(words: Sequence[Word], at: int) -> str:
    return words[at + 1].text if at + 1 < len(words) else ""


# "A buyback looks likely": what they speak of stands before them.
_TRAILING = frozenset("likely unlikely improbable possible".split())


def _led_to(words: Sequence[Word]) -> tuple[str, ...]:
    clause: list[Word] = []
    for word in reversed(words):
        if word.text in _STOPS:
            break
        clause.insert(0, word)
    return tuple(word.key for word in clause if word.content)[-_REACH:]


def _reached(sentence: str, words: Sequence[Word], first: int) -> tuple[str, ...]:
    """The content behind a cue; a name is what is spoken of, and not what is denied of it."""
    keys: list[str] = []
    for word in words[first : first + _FARTHEST]:
        if len(keys) == _REACH or (word.text in _STOPS and (keys or word.text in ".;:!?")):
            break
        if word.content and not sentence[word.start].isupper():
            keys.append(word.key)
    return tuple(keys)
