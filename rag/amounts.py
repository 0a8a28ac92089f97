"""Figures as a sentence uses them: what they are counted per, what bounds them, which are the ends of a range.

In: a text, or two figures. Out: `Amount`s, and whether one bears out the other at the precision shown. It does not
know what is counted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from typing import Literal

from rag.figures import YEAR, Figure, figures
from rag.terms import same_figure

Side = Literal["", "least", "most"]

# Figures look back no further than this.
_BEFORE = 30
_APPROXIMATELY = re.compile(
    r"\b(?:just|slightly|a little|a bit) (?:over|under|above|below|more than|less than)\s*$", re.IGNORECASE
)
_BOUND = re.compile(
    r"(?:\b(?:less than|more than|fewer than|greater than|under|over|above|below|beyond|at least|at most|up to|north of"
    r"|south of|exceed(?:s|ed|ing)?|in excess of|no more than|no less than|as much as|as many as|as little as|not"
    r"|rather than|instead of)|[<>≤≥])\s*(?:c\.|an?\s)?\s*$",
    re.IGNORECASE,
)
_OPEN_END = re.compile(
    r"\s?(?P<mark>\+|plus\b)|(?:\s[a-z]{3,12})?\s(?P<words>or (?:more|above|higher|less|below|lower|fewer))\b",
    re.IGNORECASE,
)
_LEAST = (
    "more than,greater than,over,above,beyond,at least,north of,exceed,exceeds,exceeded,exceeding,in excess of,"
    "no less than,>,≥,+,or more,or above,or higher,plus"
).split(",")
_MOST = (
    "less than,fewer than,under,below,at most,up to,south of,no more than,as much as,as many as,<,≤,or less,or below,"
    "or lower,or fewer"
).split(",")
_PER = re.compile(
    r"\s?(?:/\s?|per\s|an?\s(?=(?:hour|share|tonne|ton|barrel|month|year|day|unit|week|user|seat)\b))(\w+)"
)
_POINTS = re.compile(r"point|pp", re.IGNORECASE)
_POINTS_BEHIND = re.compile(r"[\s-]points?\b", re.IGNORECASE)
# What it was before; "ranging from 20 to 40" is a range.
_PAST = re.compile(
    r"\b(?P<range>(?:rang\w+|anywhere|vary\w*)\s)?(?:(?P<old>from|previously|formerly|instead\sof|versus|vs\.?|against"
    r"|compared\s(?:to|with))|(?:was|were)(?:\sat)?|stood\sat|started\sat)\s(?:an?\s|about\s|c\.\s?)?$",
    re.IGNORECASE,
)
_ABOUT = re.compile(
    r"(?:\b(?:about|around|roughly|approximately|nearly|almost|some|close\sto|c\.|ca\.)|~)\s?$", re.IGNORECASE
)
_STEP = re.compile(r"\b(by|to)\s(?:about\s|an?\s|c\.\s?)?$", re.IGNORECASE)
_TIME = re.compile(r"[\s-](year|quarter|month|week|day|hour|minute)s?\b", re.IGNORECASE)
_JOINED = re.compile(r"\s?[-–—]\s?|\s(?:to|and)\s", re.IGNORECASE)
_BETWEEN = re.compile(r"\bbetween\s*$", re.IGNORECASE)

# What a figure may be rounded by: "17 %" of 16.97, not "20 %"; further where it says "about".
_ROUNDED, _ROUNDED_ABOUT = Decimal("0.02"), Decimal("0.05")


@dataclass(frozen=True, slots=True)
class Amount:
    """A figure with its unit and what it is counted per ("usd/hour"), and what bounds it ("less than").

    ``points`` tells percentage points from per cent, ``past`` tells what something was, and what it was before,
    ``about`` that it is rounded, ``step`` whether something moved by it or to it, ``time`` the unit of a time that it
    counts ("month"), ``ends`` which end of a range it is.
    """

    figure: Figure
    text: str
    unit: str
    bound: str
    points: bool = False
    past: Literal["", "was", "old"] = ""
    about: bool = False
    step: str = ""
    time: str = ""
    ends: Literal["", "lower", "upper"] = ""

    @property
    def side(self) -> Side:
        """Whether the value is the least or the most that is meant."""
        words = self.bound.removesuffix(" c.").removesuffix(" an").removesuffix(" a")
        return "least" if words in _LEAST else "most" if words in _MOST else ""


def amounts(text: str) -> tuple[Amount, ...]:
    """Every figure of ``text``, in order."""
    found = figures(text)
    ends = _ends(text, found)
    return tuple(_amount(text, figure, ends.get(at, "")) for at, figure in enumerate(found))


def _amount(text: str, figure: Figure, end: Literal["", "lower", "upper"]) -> Amount:
    before = _APPROXIMATELY.sub("", text[max(0, figure.start - _BEFORE) : figure.start])
    bound = _BOUND.search(before)
    per = _PER.match(text, figure.end)
    open_end = _OPEN_END.match(text, figure.end)
    limits = " ".join(
        [*([bound[0].strip()] if bound else []), *([open_end["mark"] or open_end["words"]] if open_end else [])]
    ).lower()
    unit = f"{figure.unit}/{per[1].lower() if per else ''}"
    written = text[figure.start : figure.end]
    points = bool(_POINTS.search(written)) if figure.unit == "%" else bool(_POINTS_BEHIND.match(text, figure.end))
    about = bool(_ABOUT.search(text, max(0, figure.start - _BEFORE), figure.start))
    return Amount(figure, written, unit, limits, points, _past(text, figure), about, *_step_and_time(text, figure), end)


def _step_and_time(text: str, figure: Figure) -> tuple[str, str]:
    step = _STEP.search(text, max(0, figure.start - _BEFORE), figure.start)
    time = _TIME.match(text, figure.end)
    return step[1].lower() if step else "", time[1].lower() if time and not figure.unit else ""


def _past(text: str, figure: Figure) -> Literal["", "was", "old"]:
    match = _PAST.search(text, max(0, figure.start - _BEFORE), figure.start)
    return "" if not match or match["range"] else "old" if match["old"] else "was"


def _ends(text: str, found: Sequence[Figure]) -> dict[int, Literal["", "lower", "upper"]]:
    """The figures that a dash, "to", or "and" after "between" makes the ends of a range, by place."""
    ends: dict[int, Literal["", "lower", "upper"]] = {}
    for at, (lower, upper) in enumerate(pairwise(found)):
        joint = text[lower.end : upper.start]
        dashed = not joint and text[upper.start] in "-–—"  # "3.25%-3.5%"
        if lower.unit != upper.unit or lower.unit in ("date", "name") or not (dashed or _JOINED.fullmatch(joint)):
            continue
        if joint.strip().lower() == "and" and not _BETWEEN.search(text[max(0, lower.start - 12) : lower.start]):
            continue
        if _past(text, lower) == "old":
            continue
        ends[at], ends[at + 1] = "lower", "upper"
    return ends


def bears_out(claimed: Amount, source: Amount) -> bool:
    """Whether ``source`` bears out ``claimed``: same unit and value, or the value rounded as it is shown.

    Percentage points are no per cent, a fiscal year is no calendar year, one end of a range is not the range unless it
    is told as its bound ("up to 40x"), and a bound may be neither dropped, added nor turned.
    """
    ours, theirs = claimed.figure, source.figure
    if {ours.unit, theirs.unit} == {"%", "bp"} or (claimed.points and source.points and ours.unit != theirs.unit):
        return _same_points(ours, theirs)
    if ours.unit == "" and theirs.unit == "name":
        return theirs.value == f"{ours.value}s"  # "10s" are ten-year bonds
    if claimed.time != source.time or (claimed.step and source.step and claimed.step != source.step):
        return False
    if claimed.points != source.points or (ours.unit == "" and theirs.value.endswith("-fy")):
        return False
    if theirs.unit == "date" and ours.unit == "" and not YEAR.fullmatch(claimed.text):
        return False  # "2,025 GPUs" is no year
    rounded = not YEAR.fullmatch(source.text) and _rounds_to(claimed, theirs)
    if not (same_figure(ours, theirs) or rounded) or (source.past == "old" and not claimed.past):
        return False
    if source.ends and not claimed.ends:
        return claimed.side == ("least" if source.ends == "lower" else "most")
    return claimed.side == source.side or ours.unit in ("date", "name")


def _same_points(ours: Figure, theirs: Figure) -> bool:
    """Whether 0.35 per cent or 2.1 points are told in basis points, or points without their "percentage"."""
    hundredths = {"bp": Decimal(1), "%": Decimal(100), "": Decimal(100)}
    if not hundredths.keys() >= {ours.unit, theirs.unit}:
        return False
    return abs(Decimal(ours.value)) * hundredths[ours.unit] == abs(Decimal(theirs.value)) * hundredths[theirs.unit]


def _rounds_to(claimed: Amount, source: Figure) -> bool:
    """Whether the claimed figure is the source's, rounded half up at its own last digit."""
    unit = claimed.figure.unit
    if unit != source.unit or unit in ("date", "name", "part"):
        return False
    shown, exact = Decimal(claimed.figure.value), Decimal(source.value)
    if not shown or not exact or (unit == "" and abs(exact) < 100 and not claimed.about):
        return False
    if shown < 0 < exact or abs(shown - abs(exact)) > abs(exact) * (_ROUNDED_ABOUT if claimed.about else _ROUNDED):
        return False
    size = abs(exact)
    place = Decimal(1).scaleb(abs(shown).normalize().as_tuple().exponent)  # type: ignore[arg-type]
    return size.quantize(place, ROUND_HALF_UP) == abs(shown)
