"""Figures in text: money, percentages, multiples, counts, dates and model names, in one canonical form.

In: any text. Out: `Figure`s with their offsets, each of which is one word for the word index. It does not know how
figures are compared, nor what anybody asks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import groupby, pairwise
from operator import itemgetter

_SCALES = {
    "hundred": 2, "k": 3, "thousand": 3, "lakh": 5,
    "m": 6, "mm": 6, "mn": 6, "mln": 6, "mio": 6, "mil": 6, "million": 6, "millions": 6, "crore": 7,
    "b": 9, "bn": 9, "bln": 9, "bio": 9, "bil": 9, "mrd": 9, "billion": 9, "billions": 9,
    "t": 12, "tn": 12, "trn": 12, "trillion": 12, "trillions": 12,
}  # fmt: skip
_CODES = "usd eur gbp jpy cny cnh hkd aud cad chf inr krw twd ntd sgd nzd brl sek nok dkk".split()
_MONEY = {code: code for code in _CODES} | {
    "$": "usd", "us$": "usd", "hk$": "hkd", "a$": "aud", "au$": "aud", "c$": "cad", "ca$": "cad", "nt$": "twd",
    "s$": "sgd", "nz$": "nzd", "r$": "brl", "€": "eur", "£": "gbp", "¥": "jpy", "cn¥": "cny", "rmb¥": "cny",
    "₹": "inr", "₩": "krw", "rs": "inr", "sfr": "chf", "rmb": "cny", "cnh": "cny", "ntd": "twd",
    "dollar": "usd", "cent": "usd", "euro": "eur", "pound": "gbp", "sterling": "gbp", "pence": "gbp", "yen": "jpy",
    "yuan": "cny", "renminbi": "cny", "franc": "chf", "rupee": "inr", "won": "krw", "kong dollar": "hkd",
    "australian dollar": "aud", "canadian dollar": "cad", "singapore dollar": "sgd", "taiwan dollar": "twd",
    "zealand dollar": "nzd", "swedish krona": "sek", "swedish kronor": "sek", "norwegian krone": "nok",
    "norwegian kroner": "nok", "danish krone": "dkk", "danish kroner": "dkk", "swiss franc": "chf",
}  # fmt: skip
_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
    " seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_WORDS = {word: i for i, word in enumerate(_UNITS)} | {word: 10 * i for i, word in enumerate(_TENS, 2)}
_PARTS = "half third quarter fifth sixth seventh eighth ninth tenth".split()
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()

# No figure of 18 digits means anything in a note; a file of a million digits is somebody's joke.
_DIGITS = r"(?:\d{1,3}(?:,\d{3}){1,5}(?:\.\d{1,12})?|\d{1,18}(?:\.\d{1,12})?|\.\d{1,12})(?!\d|[.,]\d)"
_LONG_SCALE = r"(?:hundred|thousand|millions?|billions?|trillions?|lakh|crore)"
_NINE = "|".join(_UNITS[1:10])
_BELOW_HUNDRED = rf"(?:(?:{'|'.join(_TENS)})(?:[\s-](?:{_NINE})\b)?|{'|'.join(_UNITS)})"
_SPELT = (
    rf"\b(?:(?:{_NINE}|a)\shundred(?:\sand\s{_BELOW_HUNDRED})?|{_BELOW_HUNDRED}(?:\sand\sa\shalf)?"
    rf"|(?:half\s)?an?(?=\s{_LONG_SCALE}\b))(?=fold\b|\b)"
)
_SCALE = rf"(?:{_LONG_SCALE}|k|mm|mn|mln|mio|mil|m|bn|bln|bio|bil|b|mrd|trn|tn|t)(?!\w)"
_AFTER = (
    r"(?P<unit>\s?%(?!ile)|[\s-]?(?:per\s?cent|percent|percentage[\s-]points?|pct|ppts?|pps?)\b"
    r"|[\s-]?(?:bps?|basis[\s-]points?)\b|[\s-]?(?:times|fold)\b|[x×](?!\w)|\s[x×](?!\w|\s\d))"
)
_SYMBOL = r"(?:US|HK|AU?|CA?|NT|S|NZ|R)?\$|(?:CN|RMB)?¥|[€£₹₩]"
_BEFORE = rf"(?:{_SYMBOL}|(?:Rs\.?|SFr|RMB|{'|'.join(_CODES)})(?=\s?\.?\d))\s?"
_BEHIND = (
    r"\.?\s?[€£¥]|\$(?!\s?\d)|\.?[\s-]?(?:(?:US|U\.S\.|British|Swiss|Japanese|Chinese|Indian|Korean|Hong\sKong"
    r"|Australian|Canadian|Singapore|Taiwan|New\sZealand|Swedish|Norwegian|Danish)\s)?(?:dollars?|euros?|pounds?(?:\ssterling)?|yen|yuan"
    r"|(?<=Swedish\s)kron(?:a|or)|(?<=Norwegian\s)kroner?|(?<=Danish\s)kroner?"
    rf"|renminbi|RMB|francs?|rupees?|won|pence|(?<=US\s)cents?|{'|'.join(_CODES)})\b"
)
_NUMBER = (
    rf"(?P<sign>[-−–](?={_SYMBOL}|\.?\d)|(?:minus|negative)\s)?(?P<before>{_BEFORE}(?P<sign2>[-−](?=\d))?)?"
    rf"(?P<number>{_DIGITS}|{_SPELT})(?:[\s-]?(?P<scale>{_SCALE})(?!-{_LONG_SCALE}))?(?:{_AFTER})?"
    rf"(?P<after>{_BEHIND})?(?![^\W\d_]|-{_LONG_SCALE})"
)

# "May" and "March" are verbs without their capitals.
_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|(?-i:M(?:ar(?:ch)?|AR(?:CH)?|ay|AY))|Apr(?:il)?|June?|July?|Aug(?:ust)?"
    r"|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\.?"
)
_YEAR = r"(?:19|20)\d\d"
_DATE = (
    rf"{_YEAR}(?:-\d\d-|/\d\d/)\d\d(?:T[\d:.]{{5,15}}(?:Z|[+-]\d\d:?\d\d)?)?(?!\w|/\d)"
    rf"|\d{{1,2}}(?:/\d{{1,2}}/(?:{_YEAR}|\d\d)|([-.])\d{{1,2}}\2{_YEAR})(?!\w|/\d)"
    rf"|\d{{1,2}}(?:(?:st|nd|rd|th)?\s(?:of\s)?|-){_MONTH}(?:,?\s{_YEAR}|-(?:{_YEAR}|\d\d)|\s?['’]\d\d)?(?!\w)"
    rf"|{_MONTH}\s\d{{1,2}}(?:st|nd|rd|th)?(?:,?\s{_YEAR})?(?![\w%.]\w|\w|%)"
    rf"|{_MONTH}(?:,?\s(?:of\s)?{_YEAR}|-(?:{_YEAR}|\d\d)|\s?['’]\d\d)(?!\w)"
)
_OF_YEAR = (
    rf"(?:[\s-]?(?:of\s)?(?:FY|CY|fiscal\s(?:year\s)?)\s?['’]?(?:20)?\d\d|[\s-]?(?:of\s)?{_YEAR}|\s?['’]\d\d|[-/]\d\d"
    r"|(?<=[QH])\d\d)[EAF]?"
)
_PERIOD = (
    rf"(?:Q[1-4]|[1-4]Q|H[12]|[12]H|(?:first|second|third|fourth|1st|2nd|3rd|4th)[\s-](?:quarter|half))(?:{_OF_YEAR})?(?!\w)"
    rf"|(?:[FC]Y\s?['’]?(?:20)?\d\d[EAF]?|fiscal\s(?:year\s)?{_YEAR}|{_YEAR}[EAF])(?!\w)"
)
_PART = (
    r"1/\d{1,3}(?:st|nd|rd|th)?(?![\w/]|[.,]\d)|\d{1,2}/\d{1,3}(?:rds|ths)\b"
    rf"|(?:{_NINE})(?:[\s-](?:{'|'.join(part for part in _PARTS if part != 'quarter')})s?(?!\w|-\w)"
    rf"|-quarters?\b|\squarters?(?=\sof\b))|an?\s(?:{'|'.join(_PARTS[1:])})(?=\sof\b)"
    rf"|an?\s(?:{'|'.join(part for part in _PARTS[1:] if part != 'quarter')})"
    r"(?=\s(?:less|more|lower|higher|cheaper|fewer)\b)"
    r"|half(?=\s(?:of|the|its|their)\b)"
)
_FAMILY = r"GPT|Llama|Claude|Gemini|Gemma|Qwen|Grok|Phi|Mixtral|Mistral|Kimi|GLM|Ernie|iPhone"
_VARIANT = r"(?:[\s-]mini|-(?:nano|pro|zero|turbo|preview|lite|flash|coder|base))"
_NAME = (
    rf"(?:(?:{_FAMILY})[\s-]?v?\d+(?:\.\d+)?[ob]?(?!\w|\.\d|%)|(?-i:[A-Z]+-(?=\d)|[A-Za-z]+)\d\w*)(?:{_VARIANT}(?!\w))?"
    r"|(?:S&P\s?[1456]00|(?:Nasdaq|FTSE)[\s-]?100|Russell\s[123]000|Stoxx\s(?:50|600)|Nikkei\s225|CSI\s300)(?!\w)"
)

# Words that a figure may begin with though they hold no digit. They are asked for before the grammar is tried:
# without that, a chunk of 80 words takes twice the time.
_OPENERS = sorted(
    {
        *_WORDS, *_CODES, *_MONTHS,
        *"half a an first second third fourth minus negative fiscal fy cy rs sfr rmb nasdaq ftse russell stoxx".split(),
        *"nikkei csi january february march april june july august sept september october november december".split(),
        *_FAMILY.lower().split("|"),
    }
)  # fmt: skip
_OPENER = "|".join(
    f"{letter}(?:{'|'.join(re.escape(word[1:]) for word in words)})"
    for letter, words in groupby(_OPENERS, itemgetter(0))
)
# The kinds in this order: a date is no count, "H800" is no number, "$2e9" is not $2. A full stop stands before a
# figure only in "c.$5m".
_FIGURE = re.compile(
    rf"(?<!\w)(?:(?<!\.)|(?<=\bc\.)|(?<=\bca\.))"
    rf"(?=[-−–.$€£¥₹₩]|[^\W\d]*+(?:-?\d|[$¥])|(?:{_OPENER})(?:fold)?(?!\w)|S&P)"
    rf"(?:(?P<date>{_DATE})|(?P<period>{_PERIOD})|(?P<part>{_PART})|(?P<clock>\d{{1,2}}(?::\d\d?){{1,2}}(?![\w:]))"
    rf"|{_NUMBER}|(?P<name>{_NAME})|(?P<odd>(?:{_SYMBOL})?\d[\w.,-]*\w))",
    re.IGNORECASE,
)
# Years that notes speak of; 2048 is a count.
YEAR = re.compile(r"(?:19[5-9]|20[0-3])\d")
# Letters that pass for i, s and k where case is ignored, and for nothing in a table.
_LOOKALIKES = {0x130: "I", 0x131: "i", 0x17F: "s", 0x212A: "K"}
_DAY_ALONE = re.compile(r"0?[1-9]|[12]\d|3[01]")
_DAY_FIRST = re.compile(r"(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?[\s-][A-Z]", re.IGNORECASE)
_RANGE = re.compile(r"[-–—]|\s[-–—]\s|\sto\s", re.IGNORECASE)
_BETWEEN = re.compile(r"\bbetween\s\Z", re.IGNORECASE)
_MONTH_NAME = re.compile(_MONTH, re.IGNORECASE)
_ENDING_YEAR = re.compile(r"(?<!\d)(?:20|19)?\d\d(?=[eaf]?$)")

# A bracketed figure is negative where it fills a cell or a line; in prose brackets say nothing.
_CELL_OPENS = re.compile(r"(?:\A|[|\t\n]|\s\s)\s?\(\Z")
_CELL_CLOSES = re.compile(r"\)(?:\s?(?:[|\t\n]|\Z)|\s\s)")


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure in ``text[start:end]``.

    ``unit`` is a currency code, ``%``, ``bp``, ``x``, ``part`` (value ``1/7``), ``date`` (value ``2025-01-27``,
    ``01-27``, ``2025-01``, ``2025-q1``, ``q1`` or ``2025-fy``), ``name`` (H800, GPT-4o, 16:00: compared as
    written) or empty for a bare count; elsewhere ``value`` is a plain decimal in that unit, scale applied.
    """

    start: int
    end: int
    unit: str
    value: str

    @property
    def canonical(self) -> str:
        """One word for the word index: ``usd5000000``, ``pct4p53``, ``num2048``."""
        return term(self.unit, self.value)


def figures(text: str) -> list[Figure]:
    """Find the figures of ``text`` in order, written in digits or in words up to a few hundred."""
    plain = text if text.isascii() else text.translate(_LOOKALIKES)
    matches = [match for match in _FIGURE.finditer(plain) if not _is_pronoun(match)]
    ranges = {lower.start(): upper for lower, upper in pairwise(matches) if _is_range(lower, upper)}
    lowers = {upper.start(): lower for lower, upper in pairwise(matches) if ranges.get(lower.start()) is upper}
    return [_figure(match, lowers.get(match.start()), ranges.get(match.start())) for match in matches]


def term(unit: str, value: str) -> str:
    """One word of letters and digits for the word index; no stemmer cuts what ends in a digit ("10s" is not 10)."""
    if unit in ("date", "name"):
        return _joined(unit, value)
    prefix = {"": "num", "%": "pct", "x": "mult"}.get(unit, unit)
    return _joined(prefix, value.replace(".", "p").replace("-", "minus").replace("/", "of"))


def _joined(prefix: str, value: str) -> str:
    letters = prefix + re.sub(r"[^a-z0-9]", "", value.lower().replace(".", "p"))
    return letters if letters[-1].isdigit() else f"{letters}0"


def _is_pronoun(match: re.Match[str]) -> bool:
    """A lone "one" ("no one", "one of them") counts nothing."""
    return (match["number"] or "").lower() == "one" and not (match["scale"] or match["unit"] or match["after"])


def _is_range(lower: re.Match[str], upper: re.Match[str]) -> bool:
    """Whether only a dash, "to", or "and" after "between" joins two figures; the dash may have been read as a sign."""
    if not lower["number"] or not (upper["number"] or upper["date"]):
        return False
    if upper["date"] and not (_DAY_ALONE.fullmatch(lower[0]) and _DAY_FIRST.match(upper[0])):
        return False
    start, end = lower.end(), upper.start() + len(upper["sign"] or "")
    if end - start > 5 or (_is_year(lower) and not _is_year(upper)):
        return False
    text = lower.string
    return bool(
        _RANGE.fullmatch(text, start, end)
        or (text[start:end].lower() == " and " and _BETWEEN.search(text, max(0, lower.start() - 12), lower.start()))
    )


def _is_year(match: re.Match[str]) -> bool:
    return YEAR.fullmatch(match[0]) is not None


def _figure(match: re.Match[str], lower: re.Match[str] | None, upper: re.Match[str] | None) -> Figure:
    """Read one figure; in a range the upper end lends scale and unit, either end its currency: "$60-65B"."""
    if match["number"] is None:
        return Figure(match.start(), match.end(), *_label(match))
    if upper and upper["date"]:
        return Figure(match.start(), match.end(), "date", f"{_label(upper)[1][:-2]}{int(match[0]):02}")
    scale, unit = match["scale"], match["unit"]
    currency = _currency(match)
    if upper and not (scale or unit or match["after"]):
        scale, unit = upper["scale"], None if currency else upper["unit"]
    if not unit:
        for other in (upper, lower):
            currency = currency or (_currency(other) if other and not other["unit"] else None)
    code, hundredths = _money(currency) if currency else (_unit(unit), 0)
    size = _value(match["number"]).scaleb((_SCALES[scale.lower()] if scale else 0) - hundredths)
    sign = "-" if size and _is_negative(match, lower) else ""
    return Figure(match.start(), match.end(), code, f"{sign}{_plain(size)}")


def _currency(match: re.Match[str]) -> str | None:
    """The currency as written; "won" is a verb where no scale stands before it."""
    behind: str | None = match["after"]
    if behind and behind.strip().lower() == "won" and not match["scale"]:
        behind = None
    return match["before"] or behind


def _is_negative(match: re.Match[str], lower: re.Match[str] | None) -> bool:
    sign = (match["sign"] or match["sign2"] or "").strip().lower()
    if sign in ("-", "−"):
        return lower is None
    if sign in ("minus", "negative"):
        return True
    if not (match["before"] or match["unit"] or match["scale"] or match["after"]):
        return False
    text, start, end = match.string, match.start(), match.end()
    return text[start - 1 : start] == "(" and bool(
        _CELL_CLOSES.match(text, end) and _CELL_OPENS.search(text[max(0, start - 4) : start])
    )


def _label(match: re.Match[str]) -> tuple[str, str]:
    """The unit and value of what is no number: a date, a period, a fraction, a name, a token that cannot be read."""
    text = match[0]
    if match["date"] and (date := _date(text)):
        return "date", date
    if match["period"]:
        return _period(text.casefold())
    if match["part"]:
        return "part", _part(text.casefold())
    value = re.sub(r"[\s&-]", "", text.casefold())
    # "H800s" are H800; "10s" are a bond.
    return "name", value[:-1] if re.fullmatch(r"[a-z]+\d+s", value) else value


def _date(text: str) -> str | None:
    """``2025-01-27``, ``01-27`` or ``2025-01``; None for 03/04/2025, which is another day on the other shore."""
    month = _MONTH_NAME.search(text)
    numbers = [int(number) for number in re.findall(r"\d+", text.partition("T")[0] if month is None else text)]
    if month is None:
        first, second, last = numbers
        year, one, other = (first, second, last) if first > 99 else (last, second, first)
        if first <= 99 and one > 12:
            one, other = other, one
        elif first <= 99 and "." not in text and other <= 12 and one != other:
            return None
        return f"{_full_year(year)}-{one:02}-{other:02}" if 0 < one <= 12 and 0 < other <= 31 else None
    number = f"{_MONTHS.index(month[0][:3].lower()) + 1:02}"
    marked = re.match(r"(?:-|\s?['’])\d\d\Z", text[month.end() :])
    if month.start() == 0 and (marked or numbers[0] > 99):
        return f"{_full_year(numbers[0])}-{number}"
    day, *years = numbers
    short = f"{number}-{day:02}"
    if not 0 < day <= 31:
        return None
    return f"{_full_year(years[0])}-{short}" if years else short


def _period(text: str) -> tuple[str, str]:
    """``2025-q1``, ``q1``, ``2025-h1`` or ``2025-fy``; a calendar year is a year."""
    ending = _ENDING_YEAR.search(text)
    year = str(_full_year(int(ending[0]))) if ending else ""
    kind = "q" if "q" in text else "h" if "h" in text else "fy"
    if kind == "fy":
        return ("", year) if text.startswith("cy") else ("date", f"{year}-fy")
    digit = re.match(r"[a-z]?([1-4])", text)
    part = digit[1] if digit else str(("first", "second", "third", "fourth").index(re.split(r"[\s-]", text)[0]) + 1)
    return "date", f"{year}-{kind}{part}" if year else f"{kind}{part}"


def _full_year(year: int) -> int:
    return year if year > 99 else year + (2000 if year < 70 else 1900)


def _part(text: str) -> str:
    """``1/7`` of "1/7th", "one-seventh" and "a seventh"."""
    if text[0].isdigit():
        above, below = (int(number) for number in re.findall(r"\d+", text))
    else:
        *count, name = re.split(r"[\s-]", text)
        name = name if name in _PARTS else name.removesuffix("s")
        above = _WORDS.get(count[0], 1) if count else 1
        below = _PARTS.index(name) + 2
    return "/".join(map(str, Fraction(above, below).as_integer_ratio())) if below else text


def _value(number: str) -> Decimal:
    if number[0].isdigit() or number[0] == ".":
        return Decimal(number.replace(",", ""))
    number = number.lower()
    if number.startswith("half"):
        return Decimal("0.5")
    whole, half, _ = number.partition(" and a half")
    value = 0
    for word in re.split(r"[\s-]", whole):
        value = value * 100 if word == "hundred" else value + (1 if word in ("a", "an") else _WORDS.get(word, 0))
    return value + (Decimal("0.5") if half else Decimal(0))


def _money(currency: str) -> tuple[str, int]:
    """The currency's code, and 2 where its hundredths are counted."""
    words = currency.strip(" -−\n\t").removeprefix(".").strip().lower().split()
    words[-1] = words[-1].rstrip(".")
    noun = words[-1] if words[-1] in _MONEY else words[-1].removesuffix("s")
    code = _MONEY.get(" ".join([*words[-2:-1], noun])) or _MONEY[noun]
    return code, 2 if noun in ("pence", "cent") else 0


def _unit(unit: str | None) -> str:
    word = (unit or "").strip(" -\n\t").lower()
    if not word:
        return ""
    if word[0] in "x×tf":
        return "x"
    return "bp" if word.startswith("b") else "%"


def _plain(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
