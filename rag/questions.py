"""A question, taken apart without a model: who is asked, what about, since when, and what kind of answer it wants.

In: a question, the day on which it is asked, the people who speak in the notes. Out: a `Query`. It does not know what
the notes hold.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from rag.addressees import Addressees, addressees
from rag.cuewords import FINITE
from rag.mentions import Token
from rag.periods import Period, said_when
from rag.terms import question_terms

Kind = Literal["said", "who", "number", "compare", "list", "other"]


@dataclass(frozen=True, slots=True)
class Query:
    """What a question asks.

    ``words`` are its content words, each a word or a figure as FTS5 takes it ("o'neil", "4.5" and "s&p" are phrases);
    ``terms`` its figures and companies as canonical terms. ``houses`` and
    ``people`` are canonical: with ``strict`` those who are asked what they said, without it all that are named, as
    subjects; subjects stay among the words. ``speakers`` stand where a speaker stands and are neither known houses nor
    known people. ``since`` and ``until``, exclusive, are when it was said, in UTC. ``own`` says that the
    author of a document is asked, who has no name here ("the writer", "the newsletter").
    """

    text: str
    kind: Kind
    words: tuple[str, ...]
    terms: tuple[str, ...]
    houses: tuple[str, ...]
    people: tuple[str, ...]
    speakers: tuple[str, ...]
    strict: bool
    since: datetime | None
    until: datetime | None
    own: bool = False


def understand(question: str, *, today: date, people: Collection[str] = ()) -> Query:
    """Take ``question`` apart; dates are relative to ``today``, and ``people`` are all who speak in the notes.

    ``strict`` is for houses and people who are asked: "what did X say", "X's view", "according to X", "X on copper",
    "what about X", "compare X and Y", and the bare "X copper", for in an inbox of research a house is who wrote. Not so
    where somebody else is asked ("who agrees with X", "what did analysts say about X") or the name is followed by
    what a company has ("X results", "X's capex").
    """
    own = bool(_AUTHOR.search(question))
    named = addressees(question, people, spoken=own)
    # Whoever speaks in no note of his own spoke on that day; the notes that tell of it may be later.
    reported = bool(named.strangers) and not named.asked
    period = Period() if reported else said_when(question, today=today)
    shown = named.asked or named.others
    gone = [*period.spans, *((token.start, token.end) for token in named.asked)]
    rest = _without(question, gone)
    stated = question_terms(rest)
    return Query(
        text=question,
        kind=_kind(question, named),
        words=_words(_without(rest, named.verbs)),
        terms=stated.exact,
        houses=_names(shown, "house"),
        people=_names(shown, "person"),
        speakers=named.strangers,
        strict=bool(named.asked),
        since=period.since,
        until=period.until,
        own=own,
    )


def subject(question: str, people: Collection[str] = ()) -> str:
    """What ``question`` is about, without who is asked; as it stands where nothing is left."""
    named = addressees(question, people)
    gone = [*((token.start, token.end) for token in named.asked), *named.verbs]
    words = _SCENERY.sub(_blank, _without(question, gone)).strip(" ?!.").split()
    told = [place for place, word in enumerate(words) if word.strip("'’,;:").lower() not in _INTRODUCING]
    return " ".join(words[told[0] : told[-1] + 1]) if told else question


def _names(tokens: Collection[Token], kind: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for token in tokens if token.kind == kind for name in token.names))


def _without(text: str, spans: Collection[tuple[int, int]]) -> str:
    """The text with blanks for ``spans``, so that offsets stay true."""
    left = list(text)
    for start, end in spans:
        left[start:end] = " " * (end - start)
    return "".join(left)


_FURNITURE = frozenset(
    """
a about according after again against agree agreed agrees all also although always am among an analysts and another
any anybody anyone anything apart are aren't argue argued argues around as ask at be because been before being believe
believed believes besides between both but by can can't cannot compare compared comparison could couldn't did didn't
differ difference differences different disagree disagreed disagrees do does doesn't doing don't during each either
else etc ever every everybody everyone everything except explain find for from further get give given had has hasn't
have haven't having he hence her here hers him his how however i i'd i'll i'm i've if in instead into is isn't it its
itself just kindly know let like list many may me mention mentioned might mine more most much must my name neither
nobody none nor now of off ok okay on once one only onto or other others our ours out over own per perhaps please
quote quoted quotes rather really regarding said same say saying says see seem seems shall she should shouldn't show
since so some somebody someone something still such summarise summarize summary tell tells than thanks that that's the
their theirs them then there these they thing things think thinks this those though thought thoughts through to
together too toward towards under until up upon us various versus very via view viewpoint views vs want was wasn't we
were weren't what what's whatever when where whether which while who who's whom whose why will with within without
won't would wouldn't write writes written wrote yes yet you your yours
    """.split()
)
_INTRODUCING = _FURNITURE | FINITE | {"s", ""}
# "Which bank", "these notes", "any analyst": the corpus and whoever speaks there, not the matter.
_SCENERY = re.compile(
    # What is left of "Citi's note".
    r"(?<=\s)['’]s?\s(?:(?:latest|recent|last)\s)?(?:notes?|articles?|emails?|e-mails?|pieces?)(?!\w)"
    r"|\bhow\s(?:much|many|far|long|big|large|high|low|often)(?!\w)"
    r"|\b(?:(?:which|what|any|the|these|those|this|my|our|your|in|all)\s(?:of\sthe\s)?)(?:banks?|brokers?|houses?|analysts?"
    r"|strategists?|economists?|brokerages?|notes?|articles?|emails?|e-mails?|inbox|documents?|sources?)(?:['’]s?)?(?!\w)",
    re.IGNORECASE,
)
_AUTHOR = re.compile(
    r"\b(?:the|this|its)\s(?:[\w-]+['’]s\s|[\w-]+\s){0,2}?(?:authors?|writers?|bloggers?|columnists?|newsletters?|compilers?)"
    r"(?:['’]s?)?(?:\sof\sthe\s(?:blog|article|post|note|piece|newsletter)(?:\spost)?)?(?!\w)",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"[^\W_]+(?:(?:['’&]|(?<=\d)[.,](?=\d)|(?<=\b[^\W\d_])[./](?=[^\W\d_]\b))[^\W_]+)*")


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _words(text: str) -> tuple[str, ...]:
    blank = _SCENERY.sub(_blank, _AUTHOR.sub(_blank, text))
    words = (token.replace("’", "'").lower().removesuffix("'s") for token in _TOKEN.findall(blank))
    return tuple(dict.fromkeys(word for word in words if word not in _FURNITURE and word != "s"))


_WHO = re.compile(
    r"\b(?:(?:which|what)\s(?:\w+\s)?(?:banks?|brokers?|houses?|analysts?|firms?|strategists?|economists?|brokerages?)\b"
    r"|who(?:m|se|\selse)?\s(?!(?:is|are|was|were)\s(?:the|a|an)\b)(?:\w+\s){0,2}?(?:says?|said|thinks?|believes?|expects?|argues?"
    r"|covers?|rates?|recommends?|likes?|prefers?|agrees?|disagrees?|sees?|forecasts?|predicts?|estimates?|warns?|claims?"
    r"|mentions?|questions?|doubts?|upgraded?|downgraded?|cut|raised|lowered|bullish|bearish|positive|negative|cautious"
    r"|overweight|underweight|neutral|right|wrong|wrote|writes|calls?|suggests?|reckons?|notes?|described?|attributed?|compared?"
    r"|has|have)\b)",
    re.IGNORECASE,
)
# "Who finds it exaggerated?" asks for a voice, "Who is the founder?" and "Who founded it?" for a fact.
_WHO_DOES = re.compile(r"\s*who\s(?!is\b|was\b|has\b|owns\b|runs\b|leads\b|makes\b)[a-z]+s\s", re.IGNORECASE)
_NUMBER = re.compile(
    r"\b(?:how\s(?:much|many|far|big|large|high|low|long|fast|quickly|cheap|cheaper|expensive|often|deep|old|wide|small|near"
    r"|close|soon)|when|what\s(?:year|date|day|month|quarter)|(?:by|at)\swhat|what(?:\s(?:is|are|was|were|['’]s))?"
    r"(?:\s(?!(?:do|does|did|has|have|had|will|would|can|could|say|about|on)\b)[\w$%&'’.-]+){0,6}?"
    r"\s(?:price|prices|targets?|multiples?|percentage|percent|share|cost|costs|rates?|figures?|numbers?|amount|level|yield|eps|revenue"
    r"|revenues|sales|capex|margin|margins|growth|probability|odds|ratio|valuation|estimates?|forecasts?|total|size|value"
    r"|upside|downside|budget|p/e|ebitda|earnings|profit|dividend))\b",
    re.IGNORECASE,
)
_COMPARE = re.compile(
    r"\b(?:compar(?:e|es|ed|ing|ison)|versus|vs|v\.?s\.?|differ(?:s|ences?|ent)?|disagree[sd]?|agree[sd]?|contrast(?:s|ed)?)\b",
    re.IGNORECASE,
)
_LIST = re.compile(
    r"\b(?:list|enumerate|name\s(?:all|the|some|three|five)|which\s(?:\w+\s){0,2}?(?:companies|stocks|names|sectors|countries|shares"
    r"|firms|banks|risks|products|models|funds)|what\s(?:are|were)\s(?:the|some|all)|what\s(?:\w+\s)?(?:risks|reasons"
    r"|drivers|catalysts|companies|stocks|factors|arguments|concerns|examples))\b",
    re.IGNORECASE,
)
_SAID = re.compile(
    r"\b(?:say|says|said|saying|think|thinks|thought|view|views|argues?|argued|anything|opinions?)\b", re.IGNORECASE
)


def _kind(question: str, named: Addressees) -> Kind:
    """The kind of answer; of several the first that holds, in this order. "When" asks for a figure: a date."""
    if _WHO.search(question) or _WHO_DOES.match(question):
        return "who"
    if _COMPARE.search(question):
        return "compare"
    if _LIST.search(question):
        return "list"
    if _NUMBER.search(question):
        return "number"
    if named.asked or named.strangers or _SAID.search(question):
        return "said"
    return "other"
