"""When something was said, as far as a question makes that a condition.

In: a question and the day on which it is asked. Out: a `Period` and where the question speaks of it. It knows neither
houses nor documents.

A date is a condition only if it says when a note was written ("what did Citi say last week", "notes from January
2025", "views on chips since Monday"). Whatever may be the date of an event, or the year of an estimate, is left to be
searched for: a wrong condition hides the answer, a missing one costs a rank.
"""

from __future__ import annotations

import calendar
import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal


@dataclass(frozen=True, slots=True)
class Period:
    """From ``since`` up to, not including, ``until``, both in UTC; ``spans`` are the offsets of the words for it."""

    since: datetime | None = None
    until: datetime | None = None
    spans: tuple[tuple[int, int], ...] = ()


def said_when(question: str, *, today: date) -> Period:
    """The period in which ``question`` wants something to be said; weeks begin on Monday.

    A day or month without a year is the latest one that is not after ``today``. A contradiction is no condition.
    """
    context = _Context(question, today)
    conditions = [one for one in map(context.condition, _expressions(question, today)) if one]
    since = max((first for first, _, _ in conditions if first), default=None)
    until = min((end for _, end, _ in conditions if end), default=None)
    if since and until and since >= until:
        return Period()
    return Period(_midnight(since), _midnight(until), tuple(span for _, _, span in conditions))


def _midnight(day: date | None) -> datetime | None:
    return datetime.combine(day, time(), UTC) if day else None


_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_WEEKDAYS = "mon tue wed thu fri sat sun".split()
_COUNTS = {"couple of": 2, "two": 2, "three": 3, "few": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "ten": 10}
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_YEAR = r"(?:19|20)\d\d"
_NTH = r"\d{1,2}(?:st|nd|rd|th)?"
_EXPRESSION = re.compile(
    rf"(?<![\w.,/&'’-])(?:(?P<iso>{_YEAR}-\d\d-\d\d)"
    rf"|(?:the\s)?(?P<day>{_NTH})\s(?:of\s)?(?P<month>{_MONTH})(?:,?\s(?P<year>{_YEAR}))?"
    rf"|(?P<month2>{_MONTH})\s(?:the\s)?(?P<day2>{_NTH})(?:,?\s(?P<year2>{_YEAR}))?"
    rf"|(?P<month3>{_MONTH})(?:,?\s(?:of\s)?(?P<year3>{_YEAR}))?(?!,?\s\d)"
    rf"|(?:Q(?P<quarter>[1-4])\s?|(?P<quarter2>[1-4])Q\s?)(?P<year4>{_YEAR}|\d\d)"
    rf"|(?P<year5>{_YEAR})"
    rf"|(?:the\s)?(?:last|past|previous)\s(?P<count>\d{{1,3}}|{'|'.join(_COUNTS)})\s(?P<unit>day|week|month)s"
    r"|(?:the\s)?past\s(?P<unit2>week|month)"
    r"|(?P<which>this|last|previous)\s(?P<unit3>week|weekend|month|quarter|year)"
    r"|(?P<near>today|this\s(?:morning|afternoon)|yesterday)"
    r"|(?P<last>last\s)?(?P<weekday>(?:mon|tues|wednes|thurs|fri|satur|sun)day)"
    r")(?![\w/&'’]|[.,-]\w)",
    re.IGNORECASE,
)
_FROM = re.compile(r"\b(?:between|from)\s(?:the\s)?$", re.IGNORECASE)
# "Between 20 and 27 January", "from January 20 to 27": one of the days has no month.
_FROM_DAY = re.compile(rf"\b(?:between|from)\s(?:the\s)?({_NTH})\s?(?:and|to|until|till|-|–)\s?$", re.IGNORECASE)
_TO_DAY = re.compile(rf"\s?(?:and|to|until|till|-|–)\s?(?:the\s)?({_NTH})(?!\w|\s(?:of\s)?{_MONTH})", re.IGNORECASE)
_TO = re.compile(r"\s(?:and|to|until|till|-|–)\s(?:the\s)?", re.IGNORECASE)
_BOUND = re.compile(r"\b(?P<bound>since|after|before|prior\sto|until|till|up\sto)\s$", re.IGNORECASE)
_WITHIN = re.compile(r"\b(?P<bound>on|in|during|over|within|from|dated)\s(?:the\s)?$", re.IGNORECASE)

# "By 30 January", "as of yesterday", "next to last week": no note is dated so.
_OTHER = re.compile(r"\b(?:by|at|as\sof|for|than|vs|versus|ended|ending|the|a|of|and|or|to)\s$", re.IGNORECASE)

# What may follow a date that stands on its own; "30 Jan results" and "January 27 sell-off" name an event.
_FOLLOWS = re.compile(
    r"\s*(?:$|[?!.,;:)\"”–—-]|(?:and|or|about|on|regarding|concerning|of|for|to|from|by|at|as|that|did|does|do|has|have|is"
    r"|are|was|were|what|who|which|how|why|where|say|said|says|think|in|with|vs|versus|please|only)\b)",
    re.IGNORECASE,
)
_SAYS = re.compile(
    r"\b(?:(?<!to\s)say|says|said|saying|think|thinks|thought|argue[sd]?|believe[sd]?|write|writes|wrote|written|comment(?:s|ed)?"
    r"|mention(?:s|ed)?|warn(?:s|ed)?|claim(?:s|ed)|publish(?:es|ed)?|tells?|told|recommend(?:s|ed)?|upgrade[sd]?"
    r"|downgrade[sd]?|initiate[sd]?|reiterate[sd]?|sent|quoted?|dated|(?:cut|raise|lift|lower|change|trim)(?:s|d|ed)?"
    r"\s(?:\S{1,20}\s){0,4}?(?:targets?|ratings?|forecasts?|estimates?|views?|minds?))\b(?!-)",
    re.IGNORECASE,
)
_NOTES = re.compile(
    r"\b(?:notes?|e-?mails?|mails?|messages?|views?|commentary|targets?|inbox|what['’]s new)\b", re.IGNORECASE
)
_FORECAST = re.compile(
    r"\b(?:expect|forecast|predict|project|anticipat|estimat|assum|sees?\b|seen\b|plan|guid|outlook)", re.IGNORECASE
)
_EVENT = re.compile(
    r"\b(?:f[ae]ll|falls|fallen|drop\w*|decline\w*|rose|rises?|risen|rall(?:y|ied|ies)|sell-?off|sold|crash\w*|slump\w*"
    r"|surge\w*|plunge\w*|rout|lost|lose|gain\w*|happen\w*|react\w*|traded?|trading|close[sd]?|open(?:s|ed)?|launch\w*"
    r"|release[sd]?|announce\w*|meetings?|events?|results?|earnings|print|calls?|decisions?|auction|expir\w*|matur\w*|due"
    r"|deliver\w*|ship\w*|ipos?|deadline|election|votes?|effective|start\w*|beg[aiu]n\w*|end(?:s|ed)?|moved?|hikes?"
    r"|conference|summit|attack|he|she|it|they|we|would|will|could|had|was|were|going|went|visit\w*|did|do|done|made|"
    r"bought|spent|issue[sd]?|paid|pay|reported|when"
    # "After the call" is an event, "after 20 January" the other half of a condition.
    rf"|(?:during|after|before)(?!\s(?:the\s)?(?:\d|{_MONTH}|\w{{3,6}}day)))\b",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"\b(?:what|who|whom|which|how|why|when|where|do|does|did|is|are|was|were|has|have|had|can|will|would|should)\b",
    re.IGNORECASE,
)
# A month, a quarter or a year must stand right behind one of these.
_BESIDE = re.compile(
    r"\b(?:say|said|says|saying|write|wrote|written|publish|published|sent)\s?$"
    r"|\b(?:notes?|e-?mails?|mails?|messages?)\s(?:from|dated)\s$",
    re.IGNORECASE,
)
_HALF_A_YEAR = timedelta(183)


@dataclass(frozen=True, slots=True)
class _Days:
    """The days that ``question[start:end]`` names, ``until`` exclusive; ``grain`` tells how sure its place must be."""

    start: int
    end: int
    first: date
    until: date
    grain: Literal["day", "now", "past", "month", "year", "range"]


def _expressions(question: str, today: date) -> list[_Days]:
    """Every expression of time, ranges joined: "between 20 and 27 January" is one; without those that make no sense."""
    found: list[_Days] = []
    for match in _EXPRESSION.finditer(question):
        try:
            days = _ranged(question, _days(match, today))
            if found and _joins(question, found[-1], days):
                first = found.pop()
                grain = "range" if days.grain == "day" else days.grain
                days = replace(days, start=first.start, first=_earlier(first, days), grain=grain)
        except (ValueError, OverflowError):  # 30 February; a week before the first year
            continue
        if days.first < days.until:
            found.append(days)
    return found


def _ranged(question: str, days: _Days) -> _Days:
    """The days with a bare number before or after them that makes them a range."""
    if days.grain != "day":
        return days
    offset = max(0, days.start - 30)
    if before := _FROM_DAY.search(question[offset : days.start]):
        first = days.first.replace(day=_number(before[1]))
        return replace(days, start=offset + before.start(1), first=first, grain="range")
    after = _TO_DAY.match(question, days.end)
    if after and _FROM.search(question[offset : days.start]):
        last = days.first.replace(day=_number(after[1]))
        return replace(days, end=after.end(), until=last + _DAY, grain="range")
    return days


def _joins(question: str, first: _Days, last: _Days) -> bool:
    """Whether "between A and B" or "from A to B" holds two expressions together."""
    between = question[first.end : last.start]
    opened = _FROM.search(question[max(0, first.start - 12) : first.start])
    return len(between) < 12 and bool(opened and _TO.fullmatch(between)) and first.grain == last.grain


def _earlier(first: _Days, last: _Days) -> date:
    """The first day of a range; without a year it is the latest before the last one: 28 December to 3 January."""
    return first.first if first.first < last.until else first.first.replace(year=last.first.year)


def _days(match: re.Match[str], today: date) -> _Days:
    """What an expression means on ``today``; raises ValueError for 30 February."""
    group = match.groupdict()
    span = match.span()
    if group["iso"]:
        return _Days(*span, (day := date.fromisoformat(group["iso"])), day + _DAY, "day")
    if month := group["month"] or group["month2"]:
        year = group["year"] or group["year2"]
        day = _latest(_month(month), _number(group["day"] or group["day2"]), int(year) if year else None, today)
        return _Days(*span, day, day + _DAY, "day")
    if group["month3"]:
        first = _latest(_month(group["month3"]), 1, int(group["year3"]) if group["year3"] else None, today)
        return _Days(*span, first, _later(first, 1), "month")
    if quarter := group["quarter"] or group["quarter2"]:
        first = date(int(f"20{group['year4'][-2:]}"), 3 * int(quarter) - 2, 1)
        return _Days(*span, first, _later(first, 3), "month")
    if group["year5"]:
        return _Days(*span, (first := date(int(group["year5"]), 1, 1)), _later(first, 12), "year")
    return _relative(match, today)


def _relative(match: re.Match[str], today: date) -> _Days:
    """The days of "yesterday", "last week", "Monday", "the past three days"."""
    group = match.groupdict()
    span = match.span()
    if weekday := group["weekday"]:
        back = (today.weekday() - _WEEKDAYS.index(weekday[:3].lower())) % 7
        day = today - timedelta(back or (7 if group["last"] else 0))
        return _Days(*span, day, day + _DAY, "day")
    if group["near"]:
        if group["near"].lower() == "yesterday":
            return _Days(*span, today - _DAY, today, "past")
        return _Days(*span, today, today + _DAY, "now")
    if unit := group["unit"] or group["unit2"]:
        count = (group["count"] or "1").lower()
        number = _COUNTS.get(count) or int(count)
        months = unit.lower() == "month"
        first = _later(today, -number) if months else today - timedelta(number * (7 if unit.lower() == "week" else 1))
        return _Days(*span, first, today + _DAY, "past")
    back = 0 if group["which"].lower() == "this" else 1
    grain: Literal["now", "past"] = "past" if back else "now"
    monday = today - timedelta(today.weekday() + 7 * back)
    match group["unit3"].lower():
        case "week":
            return _Days(*span, monday, monday + timedelta(7), grain)
        case "weekend":
            return _Days(*span, monday + timedelta(5), monday + timedelta(7), grain)
        case "month":
            first = _later(today.replace(day=1), -back)
            return _Days(*span, first, _later(first, 1), grain)
        case "quarter":
            first = _later(today.replace(day=1), -((today.month - 1) % 3) - 3 * back)
            return _Days(*span, first, _later(first, 3), "year")
    first = date(today.year - back, 1, 1)
    return _Days(*span, first, _later(first, 12), "year")


_DAY = timedelta(1)


def _latest(month: int, day: int, year: int | None, today: date) -> date:
    """That day of ``year``, else of the latest year in which it exists and is not after ``today``."""
    if year:
        return date(year, month, day)
    for back in range(9):  # from 29 February 1904 back to 1896
        if day <= calendar.monthrange(today.year - back, month)[1]:
            found = date(today.year - back, month, day)
            if found <= today:
                return found
    raise ValueError(f"no month {month} has a day {day}")


def _later(day: date, months: int) -> date:
    """The same day some months on, or the last of a shorter month."""
    year, month = divmod(12 * day.year + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _month(name: str) -> int:
    return _MONTHS.index(name[:3].lower()) + 1


def _number(nth: str) -> int:
    return int(nth.rstrip("stndrhSTNDRH"))


class _Context:
    """What the words around a date say of it; each pattern reads the question once."""

    def __init__(self, question: str, today: date) -> None:
        self._question = question
        self._today = today
        self._says = [match.end() for match in _SAYS.finditer(question)]
        self._events = [match.start() for match in _EVENT.finditer(question)]
        self._forecast = bool(_FORECAST.search(question))
        self._speaks = bool(self._says or _NOTES.search(question)) or not _ASKS.search(question)

    def condition(self, days: _Days) -> tuple[date | None, date | None, tuple[int, int]] | None:
        """First day, day after the last, and offsets of the condition that an expression makes, if it is one."""
        text = self._question
        if not _FOLLOWS.match(text, days.end):
            return None
        offset = max(0, days.start - 12)
        before = text[offset : days.start]
        word = _BOUND.search(before) or _WITHIN.search(before) or _FROM.search(before)
        start = offset + word.start() if word else days.start
        bound = word[0].split()[0].lower() if word else ""
        if (not word and _OTHER.search(before)) or not self._is_said(days, bound, start):
            return None
        match bound:
            case "since":
                return days.first, None, (start, days.end)
            case "after":
                return days.until, None, (start, days.end)
            case "before" | "prior" | "until" | "till" | "up":
                return None, days.first if bound in ("before", "prior") else days.until, (start, days.end)
        return days.first, days.until, (start, days.end)

    def _is_said(self, days: _Days, bound: str, start: int) -> bool:
        """Whether the date is that of a note; what may be an event's, or a forecast's, is not."""
        upper = bound in ("before", "prior", "until", "till", "up")
        # "Before 1 March", asked on 30 January, is hardly the March of last year.
        if (
            upper
            and self._today - days.first > _HALF_A_YEAR
            and not re.search(r"\d{4}", self._question[start : days.end])
        ):
            return False
        if _BESIDE.search(self._question[max(0, start - 20) : days.start if bound in ("from", "dated") else start]):
            return True
        limits = upper or bound in ("since", "after")
        if days.grain == "year" or not self._speaks or self._event(start):
            return False
        if days.grain == "past":
            return True
        if days.grain == "now":
            return not self._forecast
        if self._forecast or (days.grain == "month" and not limits):
            return False
        return limits or days.grain == "range" or (bound == "on" and bool(self._says))

    def _event(self, start: int) -> bool:
        """Whether an event stands between the last word of saying and a date that begins at ``start``."""
        said = bisect_right(self._says, start)
        next_event = bisect_left(self._events, self._says[said - 1] if said else 0)
        return next_event < len(self._events) and self._events[next_event] < start
