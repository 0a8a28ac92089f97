"""A sentence taken apart: what it speaks of, in which direction, of when, with which figures.

In: one sentence, or a claim. Out: a `Statement`, or None where the sentence hedges, asks, quotes or turns in a way that
is not understood. Every word that is not known to be harmless is content, so that a sentence which says more than
another is never taken for it. It knows no claim and no speaker.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from rag.amounts import Amount, amounts
from rag.copies import FUNCTION_WORDS
from rag.sentences import one_line
from rag.stems import stem
from rag.terms import Figure

# Words that are known to say nothing of the matter; all others are content.
_FUNCTION = frozenset("a an the of in on at for by from with to its their our his her this these those we i".split())
_COPULAS = frozenset(
    "is are was were be been being am will shall do does did has have had remain remains stay stays look looks".split()
)
_DEGREES = frozenset(
    """
sharply significantly materially meaningfully substantially further again modestly slightly strongly considerably
markedly dramatically firmly very quite also still now indeed really clearly about roughly around approximately just
some circa c ca
    """.split()
)
_NEGATIONS = frozenset({"not", "never", "no"})
_HARMLESS = _FUNCTION | _COPULAS | _DEGREES | _NEGATIONS
_RATINGS = frozenset("buy sell hold neutral overweight underweight outperform underperform rating rated".split())
_PAST = frozenset("was were did had has have been longer".split())
# The same in the past and in the present.
_EITHER = frozenset("cut cost hit put set let beat spread".split())

# Verbs by their forms, the past ones after a bar; those that are regular by their base.
_VERBS = {
    1: "rise rises rising | rose risen, grow grows growing | grew grown",
    -1: "fall falls falling | fell fallen, shrink shrinks shrinking | shrank shrunk, cut cuts cutting |,"
    " drop drops dropping | dropped, trim trims trimming | trimmed",
}
_REGULAR = {
    1: "increase climb raise expand boost accelerate improve",
    -1: "decline decrease reduce lower decelerate deteriorate",
}
_ADJECTIVES = {
    ("level", 1): "higher up",
    ("level", -1): "lower down",
    ("value", 1): "cheap undervalued inexpensive",
    ("value", -1): "expensive dear pricey overvalued",
    ("price", 1): "cheaper",
    ("price", -1): "dearer costlier",
    ("outlook", 1): "bullish positive constructive optimistic",
    ("outlook", -1): "bearish negative cautious pessimistic",
    ("weight", 1): "overweight",
    ("weight", -1): "underweight",
}


def _directions() -> Iterator[tuple[str, tuple[str, int, bool]]]:
    """Each word that tells a direction: its axis, its sign, and whether it is a past form."""
    for sign, verbs in _VERBS.items():
        for verb in verbs.split(","):
            for past, forms in enumerate(verb.split("|")):
                yield from ((form, ("level", sign, bool(past))) for form in forms.split())
    for sign, verbs in _REGULAR.items():
        for verb in verbs.split():
            root = verb.removesuffix("e")
            yield from ((form, ("level", sign, False)) for form in (verb, f"{verb}s", f"{root}ing"))
            yield f"{root}ed", ("level", sign, True)
    for (axis, sign), words in _ADJECTIVES.items():
        yield from ((word, (axis, sign, False)) for word in words.split())


_DIRECTIONS = dict(_directions())

# Whatever may be, was asked, or holds only under a condition is no view.
HEDGE = re.compile(
    r"\?|\b(?:if|unless|whether|may|might|could|would|should|ought|can|perhaps|possibl[ey]|probabl[ey]|potential(?:ly)?"
    r"|maybe|likely|unlikely|unclear|uncertain|until|once|when|whenever|before|after|assum\w+|suppos\w+|provided|seems?"
    r"|appears?|arguably|risks?|scenario|hypothe\w+|imagine|hardly|barely|scarcely|rarely|seldom|sometimes|partly"
    r"|partially|half|almost|nearly|neither|nor|but|although|though|except|despite|unlike|instead|were to|used to)\b",
    re.IGNORECASE,
)
# Words of somebody else, and beliefs held up for inspection: the speaker does not assert them.
OTHERS = re.compile(
    r"\b(?:bears?|bulls?|consensus|critics?|s[ck]eptics?|commentators?|pundits?|narrative|notion|idea|views?|thesis"
    r"|claim(?:s|ed|ing)?|rumou?r\w*|reports? (?:of|that)|report(?:ed|edly)|alleged(?:ly)?|apparently|supposedly"
    r"|argu(?:es?|ed|ing)|arguments?|say|says|said|saying|tells?|told|believ\w+|thinks?|thought|expects|expected"
    r"|assum\w+|contrary|fear\w*|worr\w+|hop(?:es?|ed|ing)|suggest\w*|impl(?:y|ies|ied)|pretend\w*|headlines?"
    r"|investors|street|according|debates?|questions?|asks?|asked|previously|formerly|earlier)\b",
    re.IGNORECASE,
)
_HOLD = (
    r"(?:think|believe|expect|forecast|anticipate|project|estimate|see|say|argue|maintain|reiterate|are convinced"
    r"|are confident|agree|concur)"
)
_FRAME = re.compile(
    r"(?:(?:in our (?:view|opinion)|overall|in short|to be clear|frankly|however|indeed|so|and|thus|therefore),? )*"
    r"(?:(?:we|i) (?:(?:still|also|now|continue to|firmly|strongly) )*(?:(?P<neg>do not|no longer|never) )?(?:still )?"
    rf"(?:(?P<verb>{_HOLD}|(?P<doubt>doubt))) (?:that )?"
    r"|our (?:base case|view|forecast|expectation|call) (?:is|remains) (?:that |for )?)?",
    re.IGNORECASE,
)
_AHEAD = re.compile("expect|forecast|anticipate|project|see", re.IGNORECASE)
OWN_VIEW = re.compile(
    r"\b(?:(?:we|i) (?:(?:still|also|now|do|not|no longer|continue to|firmly) )*|(?:in )?our (?:base case |own )?)"
    rf"(?:{_HOLD}|views?|opinion|estimates?|forecasts?|expectations?)\b(?: that\b)?",
    re.IGNORECASE,
)
_PERIOD = re.compile(
    r"(?:\b(?:in|for|during|by|over|through)\s)?(?:the\s)?(?P<period>\b(?:FY|CY)[ '-]?\d{2,4}E?\b"
    r"|\b[1-4]Q(?:\s?\d{2,4}E?)?\b|\bQ[1-4](?:\s?(?:20)?\d\d)?\b|\b[12]H(?:\s?\d{2,4}E?)?\b|\bH[12](?:\s?\d{2,4})?\b"
    r"|\b20\d\dE?\b|\b19\d\d\b|\b(?:this|next|last|coming|current)\s(?:year|quarter|month|week|half|decade)s?\b"
    r"|\btoday\b|\byesterday\b|\btomorrow\b)",
    re.IGNORECASE,
)
# "S&P 500" and "Llama 3" are names.
_NAMED = re.compile(r"[A-Z][\w&]* $")
_NAME_LENGTH = 30
_WORD = re.compile(r"[^\W_]+(?:[-&.][^\W_]+)*|[,:()]")


@dataclass(frozen=True, slots=True)
class Statement:
    """The content of a sentence: its words in order, as stems, a direction as its axis.

    ``sign`` is that of the direction, or 0, and ``direction`` its word; ``times`` are past, present and future, those
    that its verb may stand in.
    """

    words: tuple[str, ...]
    names: frozenset[str]
    sign: int
    direction: str
    negated: bool
    times: frozenset[str]
    amounts: tuple[Amount, ...]
    periods: frozenset[str]

    @property
    def others(self) -> list[str]:
        """The words without the direction."""
        return [word for word in self.words if not word.startswith("~")]


def plain(text: str) -> str:
    """One line, straight quotation marks, no contractions."""
    text = one_line(text).translate(str.maketrans("’‘“”", "''\"\""))
    text = re.sub(r"\b(?:U\.S\.|US|U\.S\.A\.|USA)(?![\w$])", "Usa", text)
    for short, full in _CONTRACTIONS:
        text = short.sub(full, text)
    return text


_CONTRACTIONS = tuple(
    (re.compile(short, re.IGNORECASE), full)
    for short, full in (
        (r"\bcan't\b|\bcannot\b", "can not"), (r"\bwon't\b", "will not"), (r"n't\b", " not"), (r"'ll\b", " will"),
        (r"'re\b", " are"), (r"'ve\b", " have"), (r"'d\b", " would"), (r"\bI'm\b", "I am"),
        (r"\b(it|that|there|what)'s\b", r"\1 is"), (r"'s\b|(?<=s)'(?=\s)", ""),
        (r"\b(?:is|are) (?:going|set|poised|due|bound) to\b", "will"),
        (r"\b(?:is|are) not (?:going|set|poised|due|bound) to\b", "will not"),
    )
)  # fmt: skip


def own(sentence: str, speakers: Collection[str]) -> str:
    """The sentence without "Acme says", where Acme is the speaker."""
    for name in filter(None, speakers):
        who = rf"(?:the )?{re.escape(name)}(?: team| analysts)?"
        verb = r"(?:says?|said|argues?|thinks?|believes?|notes?|writes?|adds?)"
        sentence = re.sub(rf"^{who} {verb} (?:that )?|,?\"? {who} {verb}(?=[.:,;]?$)", "", sentence, flags=re.I)
    return sentence


def statement(text: str, *, framed: bool = True) -> Statement | None:
    """Take a sentence apart; None if it hedges, asks, quotes, or turns in a way that is not understood."""
    text = text.strip().rstrip(".!")
    if text.count('"') in (1, 2):  # about all of it; one alone is left where the passage was cut
        text = text.removeprefix('"').removesuffix('"')
    if HEDGE.search(text) or '"' in text or re.search(r"(?<!\w)'", text) or ";" in text:
        return None
    frame = _FRAME.match(text) if framed else None
    negated = bool(frame and (frame["neg"] or frame["doubt"]))
    ahead = bool(frame and frame["verb"] and _AHEAD.match(frame["verb"]))
    text = text[frame.end() :] if frame else text
    periods = frozenset(found["period"].lower() for found in _PERIOD.finditer(text))
    amounts = amounts_in(text)
    return _parsed(_rest(text, amounts), negated=negated, ahead=ahead, amounts=amounts, periods=periods)


def _rest(text: str, amounts: Sequence[Amount]) -> str:
    """The text without its amounts and periods."""
    for amount in reversed(amounts):
        text = f"{text[: amount.figure.start]} {text[amount.figure.end :]}"
    return _PERIOD.sub(" ", text)


def _parsed(
    text: str, *, negated: bool, ahead: bool, amounts: tuple[Amount, ...], periods: frozenset[str]
) -> Statement | None:
    tokens = _WORD.findall(text)
    folded = [token.lower() for token in tokens]
    directions = [word for word in folded if word in _DIRECTIONS]
    turns = negated + sum(word in _NEGATIONS for word in folded)
    if len(directions) > 1 or turns > 1:
        return None
    direction = directions[0] if directions else ""
    axis, sign, past = _DIRECTIONS.get(direction, ("", 0, False))
    words: list[str] = []
    names: set[str] = set()
    for token, word in zip(tokens, folded, strict=True):
        if word == direction:
            words.append(f"~{axis}")
        elif word not in _HARMLESS:
            words.append(stem(word))
            past = past or (len(word) > 4 and word.endswith("ed"))
            if token[0].isupper():
                names.add(words[-1])
    past = past or not _PAST.isdisjoint(folded)
    ahead = ahead or "will" in folded or "shall" in folded or f" to {direction}" in " ".join(folded)
    either = not _EITHER.isdisjoint(folded)
    times = {"future"} if ahead else {"past"} if past else {"past", "present"} if either else {"present"}
    return Statement(tuple(words), frozenset(names), sign, direction, bool(turns), frozenset(times), amounts, periods)


def amounts_in(text: str) -> tuple[Amount, ...]:
    """The amounts of ``text``; years, dates and names are none."""
    return tuple(one for one in amounts(text) if not _is_label(text, one.figure))


def _is_label(text: str, figure: Figure) -> bool:
    if figure.unit in ("name", "date") or _PERIOD.fullmatch(text, figure.start, figure.end):
        return True
    return not figure.unit and bool(_NAMED.search(text, max(0, figure.start - _NAME_LENGTH), figure.start))


def topics(text: str) -> frozenset[str]:
    """What a plain text is about: the stems of its words that are no figure, no direction, no rating and no filler."""
    rest = _rest(text, amounts_in(text))
    words = {word for token in _WORD.findall(rest) if (word := token.lower())[0].isalnum()}
    fillers = _HARMLESS | FUNCTION_WORDS | _DIRECTIONS.keys() | _RATINGS
    return frozenset(stem(word) for word in words - fillers) or frozenset(stem(word) for word in words)
