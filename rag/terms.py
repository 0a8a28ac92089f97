"""Figures in text: money, percentages, multiples, counts, dates and model names, in one canonical form.

In: any text. Out: `Figure`s with their offsets. Search indexes `canonical` beside the words, so that
"$5M" finds "$5mn"; the check of an answer compares figures with `same_figure`. It knows neither
documents nor questions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

_SCALES = {
    "hundred": 2, "k": 3, "thousand": 3,
    "m": 6, "mm": 6, "mn": 6, "mln": 6, "mio": 6, "mil": 6, "million": 6, "millions": 6,
    "b": 9, "bn": 9, "bln": 9, "bio": 9, "bil": 9, "billion": 9, "billions": 9,
    "t": 12, "tn": 12, "trn": 12, "trillion": 12, "trillions": 12,
}  # fmt: skip
_CURRENCIES = {
    "$": "usd", "us$": "usd", "usd": "usd", "dollar": "usd", "dollars": "usd",
    "€": "eur", "eur": "eur", "euro": "eur", "euros": "eur",
    "£": "gbp", "gbp": "gbp", "pound": "gbp", "pounds": "gbp",
    "¥": "jpy", "jpy": "jpy", "yen": "jpy",
    "rmb": "cny", "cny": "cny", "yuan": "cny", "renminbi": "cny",
}  # fmt: skip
_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
    " seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_WORDS = {word: i for i, word in enumerate(_UNITS)} | {word: 10 * i for i, word in enumerate(_TENS, 2)}

# No figure of 18 digits means anything in a note; a file of a million digits is somebody's joke.
_DIGITS = r"\d{1,3}(?:,\d{3}){1,5}(?:\.\d{1,12})?(?![\d])|\d{1,18}(?:\.\d{1,12})?(?![\d])|\.\d{1,12}(?![\d])"
_SPELT = rf"(?:{'|'.join(_TENS)})(?:[\s-](?:{'|'.join(_UNITS[1:10])}))?|(?:{'|'.join(_UNITS)})"
_LONG_SCALE = r"(?:hundred|thousand|millions?|billions?|trillions?)"
_SCALE = rf"(?:{_LONG_SCALE}|k|mm|mn|mln|mio|mil|m|bn|bln|bio|bil|b|trn|tn|t)(?!\w)"
_AFTER = (
    r"(?P<unit>\s?%|[\s-]?(?:per\s?cent|percent|percentage points?|pct|ppts?)\b"
    r"|[\s-]?(?:bps?|basis points?)\b|[\s-]?(?:times|fold)\b|\s?[x×](?!\w))"
)
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?"
    r"|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\.?"
)
_YEAR = r"(?:19|20)\d\d"

# In this order: a date is no count, "H800" and "2028E" are no numbers, "$2e9" is not $2.
_FIGURE = re.compile(
    rf"(?<![\w.])(?:(?P<iso>{_YEAR}-\d\d-\d\d)(?!\w)"
    rf"|(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\s(?P<month>{_MONTH})(?:,?\s(?P<year>{_YEAR}))?(?!\w)"
    rf"|(?P<month2>{_MONTH})\s(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?(?:,?\s(?P<year2>{_YEAR}))?(?![\w%.]\w|\w|%)"
    rf"|(?P<name>(?-i:[A-Z]+-(?=\d)|[A-Za-z]+)\d\w*)"
    rf"|(?P<sign>[-−–](?=[$€£¥]|US\$|\d))?(?P<before>US\$|[$€£¥]|(?:USD|EUR|GBP|JPY|CNY|RMB)\s?)?"
    rf"(?P<number>{_DIGITS}|\b(?:{_SPELT})\b)"
    rf"(?:[\s-]?(?P<hundred>hundred)(?=\s(?:thousand|million|billion|trillion)))?"
    rf"(?:[\s-]?(?P<scale>{_SCALE})(?!-{_LONG_SCALE}))?(?:{_AFTER})?"
    rf"(?:[\s-](?P<after>dollars?|euros?|pounds?|yen|yuan|renminbi|RMB|CNY|USD|EUR|GBP)\b)?(?![A-Za-z]|-{_LONG_SCALE})"
    rf"|(?P<odd>(?:US\$|[$€£¥])?\d[\w.,-]*\w))",
    re.IGNORECASE,
)
_RANGE = re.compile(r"[-–—]|\s[-–—]\s|\sto\s", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure in ``text[start:end]``.

    ``unit`` is a currency code, ``%``, ``bp``, ``x``, ``date`` (value ``2025-01-27`` or ``01-27``), ``name``
    (H800, GPT-4o, 2028E: compared as written) or empty for a bare count; ``value`` is in that unit, scale
    applied, as a plain decimal.
    """

    start: int
    end: int
    unit: str
    value: str

    @property
    def canonical(self) -> str:
        """One word for the word index: ``usd5000000``, ``pct4p53``, ``num2048``."""
        prefix = {"": "num", "%": "pct", "x": "mult"}.get(self.unit, self.unit)
        return prefix + re.sub(r"\W", "", self.value.replace(".", "p").replace("-", "minus"))


def figures(text: str) -> list[Figure]:
    """Find the figures of ``text`` in order, written in digits or in words up to ninety-nine."""
    matches = [match for match in _FIGURE.finditer(text) if not _is_pronoun(match)]
    ranges = {lower.start(): upper for lower, upper in pairwise(matches) if _is_range(lower, upper)}
    lowers = {upper.start(): lower for lower, upper in pairwise(matches) if ranges.get(lower.start()) is upper}
    return [_figure(match, lowers.get(match.start()), ranges.get(match.start())) for match in matches]


def same_figure(claimed: Figure, source: Figure) -> bool:
    """Whether ``source`` bears out ``claimed``: same unit and same value.

    A claimed minus sign must be in the source; a source's may be told in words ("fell 17 %"). A day may be
    told without its year, and a year without its day.
    """
    if claimed.unit == source.unit == "date":
        return source.value.endswith(claimed.value)
    if source.unit == "date" and claimed.unit == "":
        return len(claimed.value) == 4 and source.value.startswith(f"{claimed.value}-")
    return claimed.unit == source.unit and source.value in (claimed.value, f"-{claimed.value}")


def _is_pronoun(match: re.Match[str]) -> bool:
    """A lone "one" ("no one", "one of them") counts nothing."""
    return (match["number"] or "").lower() == "one" and not (match["scale"] or match["unit"] or match["after"])


def _is_range(lower: re.Match[str], upper: re.Match[str]) -> bool:
    """Whether only a dash or "to" stands between two figures; the dash may have been read as a sign."""
    if not (lower["number"] and upper["number"]) or lower["scale"] or lower["unit"] or lower["after"]:
        return False
    return bool(_RANGE.fullmatch(lower.string, lower.end("number"), upper.start() + len(upper["sign"] or "")))


def _figure(match: re.Match[str], lower: re.Match[str] | None, upper: re.Match[str] | None) -> Figure:
    """Read one figure; in a range the upper end lends scale and unit, either end its currency: "$60-65B"."""
    if match["number"] is None:
        return Figure(match.start(), match.end(), *_label(match))
    scale = match["scale"] or (upper and upper["scale"])
    unit = match["unit"] or (upper and upper["unit"])
    currency = match["before"] or match["after"]
    for other in (upper, lower):
        currency = currency or (other and (other["before"] or other["after"]))
    zeros = (_SCALES[scale.lower()] if scale else 0) + (2 if match["hundred"] else 0)
    value = _plain(_value(match["number"]).scaleb(zeros))
    negative = match["sign"] in ("-", "−") and lower is None
    return Figure(match.start(), match.end(), _unit(unit, currency), f"{'-' if negative else ''}{value}")


def _label(match: re.Match[str]) -> tuple[str, str]:
    """The unit and value of what is no number: a date, a name, a token that cannot be read."""
    if match["iso"]:
        return "date", match["iso"]
    if month := match["month"] or match["month2"]:
        day, year = match["day"] or match["day2"], match["year"] or match["year2"]
        short = f"{_MONTHS.index(month[:3].lower()) + 1:02}-{int(day):02}"
        return "date", f"{year}-{short}" if year else short
    return "name", (match["name"] or match["odd"]).casefold().replace("-", "")


def _value(number: str) -> Decimal:
    words = re.split(r"[\s-]", number.lower())
    if words[0] in _WORDS:
        return Decimal(sum(_WORDS[word] for word in words))
    return Decimal(number.replace(",", ""))


def _unit(unit: str | None, currency: str | None) -> str:
    if currency:
        return _CURRENCIES[currency.strip().lower()]
    word = (unit or "").strip(" -\n\t").lower()
    if not word:
        return ""
    if word[0] in "x×tf":
        return "x"
    return "bp" if word.startswith("b") else "%"


def _plain(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
