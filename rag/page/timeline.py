"""Pictures of time, as HTML: mail per day as bars, and what houses said as dots.

In: counts by day; what was said, by whom and when. Out: markup of percentages, as wide as its place. It does not know
where the counts come from, nor what becomes of a range that is dragged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from rag.page.markup import QUIET, escaped

MOST = 60
"""Bars that a phone has room for, 5 px each; days become weeks, months or years rather than be more."""

# A broken clock dates a mail 1970 or 2099: one in so many at either end does not set the scale, if others can.
_STRAYS = 200

# Dots nearer than this, in hundredths of the width, stand below each other: a dot on a phone has 14 of 230 px.
_APART = 7.0

STYLE = f"""
.rag-timeline {{ margin: 0; }}
.rag-bars {{ display: flex; align-items: flex-end; height: 4rem; cursor: pointer; touch-action: pan-y;
  user-select: none; border-bottom: 1px solid var(--border-color-primary); }}
.rag-bar {{ flex: 1 1 0; min-width: 0; height: 100%; display: flex; align-items: flex-end; padding: 0 .5px; }}
.rag-bar > span {{ display: block; width: 100%; min-height: 0; border-radius: 1px 1px 0 0;
  background: color-mix(in srgb, var(--body-text-color) 35%, transparent); }}
.rag-bar.rag-chosen > span {{ background: var(--color-accent); }}
.rag-bar:hover, .rag-bar.rag-dragged {{ background: color-mix(in srgb, var(--color-accent) 22%, transparent); }}
.rag-ends {{ display: flex; justify-content: space-between; font-size: .75rem; color: {QUIET}; }}
.rag-overtime {{ margin: 1rem 0; max-width: 48rem; color: var(--body-text-color); }}
.rag-overtime p {{ font-size: .85rem; margin: 0 0 .25rem; color: {QUIET}; }}
.rag-overtime ul {{ list-style: none; margin: 0; padding: 0; }}
.rag-overtime li {{ display: flex; align-items: center; margin: 0;
  border-top: 1px solid color-mix(in srgb, var(--body-text-color) 18%, transparent); }}
.rag-lane-name, .rag-overtime .rag-ends > span:first-child {{ flex: 0 0 30%; }}
.rag-overtime .rag-ends > span:nth-child(2) {{ margin-right: auto; }}
.rag-overtime .rag-ends > span:nth-child(2):last-child {{ margin-left: auto; }}
.rag-lane-name {{ font-size: .85rem; padding: .25rem .5rem .25rem 0; overflow-wrap: anywhere; }}
.rag-lane {{ position: relative; flex: 1 1 0; margin: 0 .9rem; }}
.rag-dot {{ position: absolute; width: 24px; height: 24px; transform: translateX(-50%); padding: 0; border: 0;
  background: none; cursor: pointer; }}
.rag-dot::before {{ content: ""; display: block; width: 14px; height: 14px; margin: 5px; box-sizing: border-box;
  border: 3px solid var(--color-accent); border-radius: 50%; background: var(--color-accent); }}
.rag-dot-disagree::before {{ background: none; border-radius: 2px; transform: rotate(45deg) scale(.85); }}
.rag-dot-other::before {{ border-radius: 2px; }}
.rag-dot-unjudged::before {{ background: none; border-color: {QUIET}; }}
.rag-dot:hover::before, .rag-dot:focus-visible::before {{ outline: 2px solid var(--body-text-color); }}
.rag-key {{ display: inline-block; position: static; transform: none; vertical-align: middle; cursor: default; }}
"""


@dataclass(frozen=True, slots=True)
class Point:
    """One quote on the picture of houses; ``verdict`` is ``agree``, ``disagree`` or anything that is neither."""

    house: str
    day: date
    label: str
    data_passage: str
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """The days from ``first`` to ``last``, both included, and how much there is of them."""

    first: date
    last: date
    count: int


def timeline(counts: Mapping[date, int], since: date | None = None, until: date | None = None) -> str:
    """Mail per day, week, month or year; the bars that reach into ``since`` to ``until``, a day included, are accented.

    A bar has its days as ``data-first`` and ``data-last``, for whoever listens to the pointer.
    """
    drawn = bars(counts)
    if not drawn:
        return '<p class="rag-note">There is no mail to draw yet.</p>'
    highest = max(bar.count for bar in drawn)
    chosen = bool(since or until)
    columns = "".join(
        _column(bar, highest, chosen and (since or date.min) <= bar.last and bar.first <= (until or date.max))
        for bar in drawn
    )
    first, last = drawn[0].first, drawn[-1].last
    beyond = sum(count for day, count in counts.items() if not first <= day <= last)
    more = f"{beyond:,} of other years" if beyond else ""
    told = f"Mail over time, from {first:%d %b %Y} to {last:%d %b %Y}; the date fields choose days"
    ends = "".join(f"<span>{escaped(one)}</span>" for one in (f"{first:%d %b %Y}", more, f"{last:%d %b %Y}"))
    return (
        f'<div class="rag-timeline"><div class="rag-bars" role="img" aria-label="{escaped(told)}">{columns}</div>'
        f'<div class="rag-ends">{ends}</div></div>'
    )


def _column(bar: Bar, highest: int, chosen: bool) -> str:
    days = f"{bar.first:%d %b %Y}" + ("" if bar.first == bar.last else f" to {bar.last:%d %b %Y}")
    # One mail beside a thousand is still a bar that can be seen.
    height = max(100 * bar.count / highest, 4) if bar.count else 0
    return (
        f'<div class="rag-bar{" rag-chosen" if chosen else ""}" title="{escaped(f"{days}: {bar.count:,}")}"'
        f' data-first="{bar.first}" data-last="{bar.last}"><span style="height: {height:.1f}%"></span></div>'
    )


def bars(counts: Mapping[date, int], most: int = MOST) -> list[Bar]:
    """The counts by day, or by the shortest longer period of which there are no more than ``most``, gaps included."""
    counts = _without_strays({day: count for day, count in counts.items() if count > 0})
    if not counts:
        return []
    for number in _PERIODS:
        totals = Counter[int]()
        for day, count in counts.items():
            totals[number(day)] += count
        first, last = min(totals), max(totals)
        if last - first < most:
            return [_bar(number, one, totals[one]) for one in range(first, last + 1)]
    return []  # Never: the calendar has a hundred centuries, and the last period is four of them.


def _without_strays(counts: Mapping[date, int]) -> Mapping[date, int]:
    """The counts without the few at either end that would make most of the picture empty."""
    days = sorted(counts)
    if not days:
        return counts
    spared = sum(counts.values()) // _STRAYS
    first, last = _past(days, counts, spared), _past(days[::-1], counts, spared)
    if 4 * ((last - first).days + 1) > (days[-1] - days[0]).days:
        return counts
    return {day: count for day, count in counts.items() if first <= day <= last}


def _past(days: Sequence[date], counts: Mapping[date, int], spared: int) -> date:
    """The first of ``days`` that has more than ``spared`` up to it."""
    for day in days:
        spared -= counts[day]
        if spared < 0:
            return day
    return days[-1]


_PERIODS: tuple[Callable[[date], int], ...] = (
    date.toordinal,
    lambda day: (day.toordinal() - 1) // 7,  # 1 January of the year 1 was a Monday
    lambda day: day.year * 12 + day.month - 1,
    lambda day: day.year,
    lambda day: day.year // 10,
    lambda day: day.year // 400,
)
"""From a day to the number of its period: days, weeks, months, years, decades, and what a calendar repeats after."""


def _bar(number: Callable[[date], int], one: int, count: int) -> Bar:
    """The bar of period ``one``, whose first and last days are found by halving: the calendar is their only rule."""
    return Bar(_first(number, one), _last(number, one), count)


def _first(number: Callable[[date], int], one: int) -> date:
    low, high = 1, date.max.toordinal()
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if number(date.fromordinal(middle)) >= one else (middle + 1, high)
    return date.fromordinal(low)


def _last(number: Callable[[date], int], one: int) -> date:
    low, high = 1, date.max.toordinal()
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if number(date.fromordinal(middle)) <= one else (low, middle - 1)
    return date.fromordinal(low)


def houses_over_time(points: Sequence[Point]) -> str:
    """A lane for each house, in their order, with a dot for each quote that opens its passage; empty without a point.

    Dots are buttons placed by date: filled where the house agrees, a diamond where it disagrees, a ring otherwise.
    """
    if not points:
        return ""
    first, last = min(point.day for point in points), max(point.day for point in points)
    lanes: dict[str, list[Point]] = {}
    for point in points:
        lanes.setdefault(point.house, []).append(point)
    rows = "".join(_lane(house, lane, first, last) for house, lane in lanes.items())
    ends = [f"{first:%d %b %Y}", f"{last:%d %b %Y}"] if first != last else [f"{first:%d %b %Y}"]
    axis = "".join(f"<span>{escaped(one)}</span>" for one in ("", *ends))
    return (
        f'<section class="rag-overtime" aria-label="Houses over time"><p>{_key(points)}</p><ul>{rows}</ul>'
        f'<div class="rag-ends">{axis}</div></section>'
    )


_SHAPES = {"agree": "agrees", "disagree": "disagrees", "other": "another figure"}


def _shape(point: Point) -> str:
    return point.verdict if point.verdict in _SHAPES else "unjudged"


def _key(points: Sequence[Point]) -> str:
    named = {**_SHAPES, "unjudged": "no rule can tell"}
    shapes = [shape for shape in named if any(_shape(point) == shape for point in points)]
    return "A quote a dot. " + " ".join(
        f'<span class="rag-dot rag-key rag-dot-{shape}"></span>{named[shape]}' for shape in shapes
    )


def _lane(house: str, lane: Sequence[Point], first: date, last: date) -> str:
    dots, levels = "", 0
    for level, left, point in _placed(sorted(lane, key=lambda point: point.day), first, last):
        levels = max(levels, level + 1)
        place = f"left: {left:.1f}%; top: {24 * level}px"
        dots += (
            f'<button type="button" class="rag-dot rag-dot-{_shape(point)}" style="{place}"'
            f' data-passage="{escaped(point.data_passage)}" aria-label="{escaped(point.label)}"'
            f' title="{escaped(point.label)}"></button>'
        )
    return (
        f'<li><span class="rag-lane-name">{escaped(house)}</span>'
        f'<div class="rag-lane" style="height: {24 * levels}px">{dots}</div></li>'
    )


def _placed(lane: Sequence[Point], first: date, last: date) -> Iterator[tuple[int, float, Point]]:
    """Level, place from 0 to 100, and point: in the topmost level where it covers no other."""
    days = (last - first).days
    ends: list[float] = []
    for point in lane:
        left = 100 * (point.day - first).days / days if days else 50.0
        level = next((i for i, end in enumerate(ends) if left - end >= _APART), len(ends))
        ends[level : level + 1] = [left]
        yield level, left, point
