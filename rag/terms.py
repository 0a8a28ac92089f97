"""Figures in text: money, percentages, multiples, counts and model names, in one canonical form.

In: any text. Out: `Figure`s with their offsets. Search indexes `canonical` beside the words, so that
"$5M" finds "$5mn"; the check of an answer compares figures with `same_figure`. It knows neither
documents nor questions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

_SCALES = {
    "k": 3, "thousand": 3,
    "m": 6, "mm": 6, "mn": 6, "mln": 6, "mio": 6, "million": 6, "millions": 6,
    "b": 9, "bn": 9, "bln": 9, "billion": 9, "billions": 9,
    "t": 12, "tn": 12, "trn": 12, "trillion": 12, "trillions": 12,
}  # fmt: skip
_CURRENCIES = {
    "$": "usd", "us$": "usd", "usd": "usd", "dollar": "usd", "dollars": "usd",
    "€": "eur", "eur": "eur", "euro": "eur", "euros": "eur",
    "£": "gbp", "gbp": "gbp", "pound": "gbp", "pounds": "gbp",
    "¥": "jpy", "jpy": "jpy", "yen": "jpy",
    "rmb": "cny", "cny": "cny", "yuan": "cny", "renminbi": "cny",
}  # fmt: skip
_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")

_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+"
_AFTER = (
    r"(?P<unit>\s?%|\s?(?:per\s?cent|percent|percentage points?|pct|ppts?)\b"
    r"|\s?(?:bps?|basis points?)\b|\s?[x×](?![a-z]))"
)
_FIGURE = re.compile(
    rf"(?<![\w.])(?P<sign>[-−–](?=[$€£¥]|US\$|\d))?(?P<before>US\$|[$€£¥]|(?:USD|EUR|GBP|JPY|CNY|RMB)\s?)?"
    rf"(?P<number>{_NUMBER})"
    rf"(?:\s?(?P<scale>k|mm|mn|mln|mio|m|bn|bln|b|trn|tn|t|thousand|millions?|billions?|trillions?)(?![\w]))?"
    rf"(?:{_AFTER})?(?:[\s-](?P<after>dollars?|euros?|pounds?|yen|yuan|renminbi|RMB|CNY|USD|EUR|GBP)\b)?",
    re.IGNORECASE,
)
# "H800", "o1", "GPT-4o"; of "DeepSeek-V3" only the "V3", which is how others write it.
_NAME = re.compile(r"(?<![\w$€£¥.])(?:[A-Z]+-(?=\d)|[A-Za-z]+)\d\w*")
_NUMBER_WORD = re.compile(rf"\b({'|'.join(_WORDS)})\b", re.IGNORECASE)
_RANGE = re.compile(r"[-–—]|\s[-–—]\s|\sto\s", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure in ``text[start:end]``.

    ``unit`` is a currency code, ``%``, ``bp``, ``x``, ``name`` (H800, GPT-4o, Q1: compared as written) or
    empty for a bare count; ``value`` is in that unit, scale applied, as a plain decimal or the folded name.
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


def figures(text: str, *, words: bool = False) -> list[Figure]:
    """Find the figures of ``text`` in order; ``words`` adds "one" to "twelve" as counts."""
    names = [Figure(m.start(), m.end(), "name", m[0].casefold().replace("-", "")) for m in _NAME.finditer(text)]
    taken = [(figure.start, figure.end) for figure in names]
    matches = [
        match
        for match in _FIGURE.finditer(text)
        if not any(start < match.end() and match.start() < end for start, end in taken)
    ]
    found = [*names]
    for before, match, after in zip([None, *matches], matches, [*matches[1:], None], strict=False):
        lower = before if before and _is_range(before, match) else None
        upper = after if after and _is_range(match, after) else None
        found.append(_figure(match, lower, upper))
    if words:
        found += [
            Figure(m.start(), m.end(), "", str(_WORDS.index(m[0].lower()) + 1)) for m in _NUMBER_WORD.finditer(text)
        ]
    return sorted(found, key=lambda figure: figure.start)


def same_figure(claimed: Figure, source: Figure) -> bool:
    """Whether ``source`` bears out ``claimed``: same unit and same value.

    A claimed minus sign must be in the source; a source's may be told in words ("fell 17 %").
    """
    return claimed.unit == source.unit and source.value in (claimed.value, f"-{claimed.value}")


def _is_range(lower: re.Match[str], upper: re.Match[str]) -> bool:
    """Whether only a dash or "to" stands between two figures; the dash may have been read as a sign."""
    if lower["scale"] or lower["unit"] or lower["after"]:
        return False
    return bool(_RANGE.fullmatch(lower.string, lower.end("number"), upper.start() + len(upper["sign"] or "")))


def _figure(match: re.Match[str], lower: re.Match[str] | None, upper: re.Match[str] | None) -> Figure:
    """Read one figure; in a range the upper end lends scale and unit, either end its currency: "$60-65B"."""
    scale = match["scale"] or (upper and upper["scale"])
    unit = match["unit"] or (upper and upper["unit"])
    currency = match["before"] or match["after"]
    for other in (upper, lower):
        currency = currency or (other and (other["before"] or other["after"]))
    value = Decimal(match["number"].replace(",", "")).scaleb(_SCALES[scale.lower()] if scale else 0)
    negative = match["sign"] in ("-", "−") and lower is None
    return Figure(match.start(), match.end(), _unit(unit, currency), f"{'-' if negative else ''}{_plain(value)}")


def _unit(unit: str | None, currency: str | None) -> str:
    if currency:
        return _CURRENCIES[currency.strip().lower()]
    word = (unit or "").strip().lower()
    if not word:
        return ""
    if word[0] in "x×":
        return "x"
    return "bp" if word.startswith("b") else "%"


def _plain(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
