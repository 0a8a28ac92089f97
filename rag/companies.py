"""The gazetteer of companies: which ones notes speak of, and what they are called.

In: a text. Out: where it names companies, by name or by ticker, and which. It reads nothing but its own table. It
does not know the houses, who are named as speakers and have a gazetteer of their own.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

# Everyday words and units once their capitals are gone.
_AMBIGUOUS = frozenset(
    "alphabet apple arm bp cadence caterpillar coin credo dis ford intel jd meta micron oracle pins quanta snowflake"
    " uber visa vow wolf workday".split()
)
# Tickers that are words or other abbreviations even in capitals: "CRM" is software of a kind, "SMR" a reactor.
_WORDLIKE = frozenset(
    "ALLY ASM ASX BE CAT COST CRM DASH EMR FLEX GAP GRAB HON HOOD HUBS IQ LI LITE LNG NET NEX NOW ON PEG PWR RACE SE"
    " SHOP SMR SNAP SNOW SO SPOT SU TEAM TT USB XYZ".split()
)
# Reuters' codes of exchanges, and Bloomberg's.
_REUTERS = r"\.(?-i:OQ?|N|K|AS|DE|PA|L|SW|MI|MC|ST|HE)(?!\w)"
_BLOOMBERG = r"\s(?-i:US|UN|UW|UQ|GY|GR|FP|NA|LN|SW|IM|SM)(?:\sEquity)?(?!\w)"
# "700 HK" is Tencent, "700 HK dollars" is money.
_END = r"(?!\w|\.\w|@|\$|\sdollar)"

_WORD = re.compile(r"(?<![\w@/])\w+")
_BRACKET = re.compile(r"\((?:[A-Za-z]{4,6}:\s?)?\Z")


@dataclass(frozen=True, slots=True)
class _Alias:
    """``marked``: no name unless a dollar sign, brackets or an exchange say so ("$MU", "(MU)", "MU.O")."""

    text: str
    ticker: str
    marked: bool


def companies_named(text: str, ignore_case: bool = False) -> tuple[tuple[int, int, str], ...]:
    """Find the companies that a text names, as (start, end, ticker), longest name first.

    A possessive ending stays outside the span, an exchange inside; web and mail addresses name nobody.
    ``ignore_case`` is for questions typed in lower case; names that are everyday words need their capital there too.
    """
    found: list[tuple[int, int, str]] = []
    edge = 0
    by_word = _aliases(ignore_case)
    for word in _WORD.finditer(text):
        aliases = by_word.get(word[0].lower() if ignore_case else word[0])
        if not aliases or word.start() < edge:
            continue
        for alias in aliases:
            match = _pattern(alias.text, ignore_case).match(text, word.start())
            if match and (_is_marked(alias, match) if alias.marked else _is_name(alias, match)):
                found.append((match.start(), match.end(), alias.ticker))
                edge = match.end()
                break
    return tuple(found)


def _is_name(alias: _Alias, match: re.Match[str]) -> bool:
    return match[0][0].isupper() or alias.text.lower() not in _AMBIGUOUS or _follows_dollar(match)


def _is_marked(alias: _Alias, match: re.Match[str]) -> bool:
    # In lower case a single letter behind a dollar sign is a formula.
    if _follows_dollar(match) and (len(alias.text) > 1 or match["code"] == alias.text):
        return True
    if match["code"] != alias.text:
        return False
    text, start, end = match.string, match.start(), match.end()
    before = text[max(0, start - 9) : start]
    in_brackets = len(alias.text) > 1 and text[end : end + 1] == ")" and _BRACKET.search(before)
    return bool(in_brackets) or match["code"] != match[0]


def _follows_dollar(match: re.Match[str]) -> bool:
    return match.string[max(0, match.start() - 1) : match.start()] == "$"


@cache
def _aliases(ignore_case: bool) -> Mapping[str, tuple[_Alias, ...]]:
    """The names and tickers by their first word, longest first."""
    by_word: dict[str, dict[str, _Alias]] = {}
    for row in tomllib.loads(files("rag").joinpath("companies.toml").read_text(encoding="utf-8"))["company"]:
        for text in (row["name"], *row["aliases"], row["ticker"]):
            is_code = text == row["ticker"] and text not in (row["name"], *row["aliases"])
            alias = _Alias(text, row["ticker"], marked=is_code and (text in _WORDLIKE or len(text) < 3))
            first = re.split(r"\W", text)[0]
            by_word.setdefault(first.lower() if ignore_case else first, {})[text] = alias
    return {word: tuple(sorted(named.values(), key=lambda alias: -len(alias.text))) for word, named in by_word.items()}


# At first use, for all the patterns together take a quarter of a second.
@cache
def _pattern(name: str, ignore_case: bool) -> re.Pattern[str]:
    body = re.escape(name).replace(r"\ ", r"\s+")
    exchange = _REUTERS if name in _WORDLIKE else f"(?:{_REUTERS}|{_BLOOMBERG})"
    return re.compile(rf"(?P<code>{body})(?:{exchange}|{_END})", re.IGNORECASE if ignore_case else re.NOFLAG)
