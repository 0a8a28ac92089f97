"""What `rag bench` measured, for a person, for a program and as a picture.

In: `Figures`. Out: one table, JSON, the values of a drawing. It measures nothing.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rag.bench import Asked, Figures
from rag.costs import Rates, api_price, electricity, usd, watt_hours
from rag.present import printable
from rag.settings import Settings


def report_json(figures: Figures, settings: Settings) -> dict[str, Any]:
    """Everything, with what 1,000 questions take and cost."""
    return {**asdict(figures), "per_1000_questions": _per_thousand(figures, settings)}


def _per_thousand(figures: Figures, settings: Settings) -> dict[str, Any]:
    cost, rates, count = figures.warm.cost, Rates.of(settings), len(figures.warm.asked) / 1000
    return {
        "watt_hours": watt_hours(cost, rates.watts_per_core) / count,
        "measured": cost.joules is not None,
        "electricity_usd": electricity(cost, rates) / count,
        "api_usd": {
            f"{price.name} ({price.date:%b %Y})": api_price(cost.usage, price) / count for price in rates.prices
        },
    }


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that at least ``share`` of them do not exceed."""
    ordered = sorted(values)
    return ordered[math.ceil(share * len(ordered)) - 1]


# ------------------------------------------------------------------------------------------------ the table

_WIDTHS = (44, 24)


def report_text(figures: Figures, settings: Settings) -> str:
    """One table: what was measured, and what stands beside it."""
    rows = [*_waits(figures), *_speeds(figures, settings), *_searches(figures), *_resources(figures)]
    rows += _money(figures, settings)
    head = ("", "here", "beside it")
    lines = [f"{what:<{_WIDTHS[0]}}{here:<{_WIDTHS[1]}}{beside}".rstrip() for what, here, beside in (head, *rows)]
    return "\n".join([f"Model: {figures.note or figures.model}", "", *lines])


Line = tuple[str, str, str]


def _waits(figures: Figures) -> Iterator[Line]:
    kinds = (("a new process", figures.cold), ("a running one", figures.warm.asked))
    for name, part in (("first quote", "quote"), ("first word of the answer", "word"), ("whole answer", "whole")):
        for where, asked in kinds:
            if values := _seconds(figures, asked, part):
                yield (
                    f"{name}, {where}",
                    f"{statistics.median(values):.2f} s",
                    f"95 % within {percentile(values, 0.95):.2f} s, {len(values)} questions",
                )


def _seconds(figures: Figures, asked: Sequence[Asked], part: str) -> list[float]:
    """How long each question waited for that part of its answer; where no model wrote there are quotes alone."""
    if figures.note and part != "quote":
        return []
    return [value for one in asked if (value := getattr(one, part)) is not None]


def _speeds(figures: Figures, settings: Settings) -> Iterator[Line]:
    pace = figures.pace
    if pace is None:
        return
    raw = f"llama.cpp alone {pace.raw_read:.0f}: {pace.read / pace.raw_read:.0%}"
    yield "tokens read a second", f"{pace.read:.0f}", raw
    raw = f"llama.cpp alone {pace.raw_written:.1f}: {pace.written / pace.raw_written:.0%}"
    most = f"memory ({pace.bandwidth / 1e9:.0f} GB/s) allows {pace.most:.0f}"
    yield "tokens written a second", f"{pace.written:.1f}", f"{raw}; {most}"
    yield (
        "threads",
        f"{pace.threads.read} read, {pace.threads.write} write",
        "the fastest of those tried, and used from now on" if pace.tried else "as set" if settings.threads else "",
    )


def _searches(figures: Figures) -> Iterator[Line]:
    if figures.unsearched:
        yield "search", "not measured", printable(figures.unsearched)
    for row in figures.searches:
        times = row.searches["question"]
        name = f"search, {row.chunks:,} passages, {'Chroma' if row.engine == 'chroma' else 'exact scan'}"
        beside = f"95 % within {times.p95:.0f} ms, first after {row.first:.1f} s, recall@10 {row.recall:.0%}"
        yield name, f"{times.median:.0f} ms", beside
    one = figures.indexing
    pace = f"{one.passages / one.seconds:.0f} passages a second" if one.passages else "nothing to index"
    yield "indexing", pace, f"{one.passages:,} passages of {one.files:,} files in {one.seconds:.1f} s"


def _resources(figures: Figures) -> Iterator[Line]:
    used = figures.warm.memory
    size = f"of which the model's file {figures.pace.size / 1e6:,.0f} MB" if figures.pace else ""
    for name, key, beside in (("quotes", "quotes", ""), ("answers", "answers", size)):
        if (peak := used.get(key)) and not (figures.note and key == "answers"):
            yield f"memory at most, {name}", f"{peak / 1e6:,.0f} MB", beside
    if peak := figures.indexing.peak:
        yield "memory at most, indexing", f"{peak / 1e6:,.0f} MB", ""


def _money(figures: Figures, settings: Settings) -> Iterator[Line]:
    if figures.note:
        return
    found = _per_thousand(figures, settings)
    how = "measured" if found["measured"] else f"estimate: {settings.watts_per_core:g} W a core"
    yield "energy of 1,000 questions", f"{found['watt_hours']:.1f} Wh", how
    rate = f"at {settings.electricity:g} USD a kWh; no hardware, no idle time"
    yield "price of 1,000 questions", usd(found["electricity_usd"]), rate
    for name, price in found["api_usd"].items():
        yield "  as many tokens of an API", usd(price), name


# ------------------------------------------------------------------------------------------------ the picture


def picture(figures: Figures) -> dict[str, Any]:
    """What `rag.plots.draw_speed` takes."""
    waits = {
        where: {
            name: statistics.median(values)
            for name, part in (("first quote", "quote"), ("first word", "word"), ("whole answer", "whole"))
            if (values := _seconds(figures, asked, part))
        }
        for where, asked in (("new process", figures.cold), ("running", figures.warm.asked))
    }
    pace = figures.pace
    speeds = {}
    if pace:
        speeds = {
            "read": {"rag": pace.read, "llama.cpp alone": pace.raw_read},
            "written": {"rag": pace.written, "llama.cpp alone": pace.raw_written, "memory allows": pace.most},
        }
    searches: dict[str, list[tuple[int, float]]] = {}
    for row in figures.searches:
        engine = "Chroma" if row.engine == "chroma" else "exact scan"
        searches.setdefault(engine, []).append((row.chunks, row.searches["question"].median))
    return {
        "title": f"rag bench: {figures.note or figures.model}",
        "waits": waits,
        "speeds": speeds,
        "searches": searches,
    }
