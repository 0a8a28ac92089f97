from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from rag import Settings, plots, speedcard
from rag.bench import Asked, Figures, Indexing, Pace, Session
from rag.costs import Cost, Rates, electricity
from rag.records import Usage
from rag.scaling import Row, Times
from rag.tuning import Threads


@pytest.fixture
def figures() -> Figures:
    usage = Usage(prompt_tokens=200, cached_tokens=100, answer_tokens=50)
    times = Times(20.0, 30.0, 15.0, {"embed": 2.0})
    rows = [Row(size, engine, 1.0, 0.5, {"question": times}, 200.0, 1.0) for size in (1000, 10_000)
            for engine in ("exact", "chroma")]  # fmt: skip
    return Figures(
        "m",
        "",
        [Asked(0.5, 2.0, 4.0), Asked(0.7, 3.0, 5.0)],
        Session(
            [Asked(0.02, 1.0, 2.0)] * 4, Cost(usage=usage, cpu_seconds=8.0), {"quotes": 2 * 10**8, "answers": 10**9}
        ),
        Pace(90.0, 19.0, 100.0, 20.0, 3e10, 10**9, Threads(2, 2), True),
        Indexing(10, 80, 2.0, 3 * 10**8),
        rows,
    )


def test_threads_that_were_set_are_not_called_the_fastest(figures: Figures, settings: Settings) -> None:
    assert "the fastest of those tried" in speedcard.report_text(figures, settings)
    assert figures.pace
    bare = replace(figures, pace=replace(figures.pace, tried=False))
    assert "the fastest of those tried" not in speedcard.report_text(bare, settings)
    assert "as set" in speedcard.report_text(bare, replace(settings, threads=2))


def test_the_table_sets_what_was_measured_beside_what_is_possible(figures: Figures, settings: Settings) -> None:
    text = speedcard.report_text(figures, settings)
    lines = {line[:44].strip(): line[44:].split() for line in text.splitlines()[2:]}
    assert lines["first quote, a new process"][:2] == ["0.60", "s"]
    assert lines["tokens written a second"][:5] == ["19.0", "llama.cpp", "alone", "20.0:", "95%;"]
    assert lines["search, 10,000 passages, Chroma"][:2] == ["20", "ms"]
    assert lines["indexing"][:4] == ["40", "passages", "a", "second"]


def test_without_a_model_there_are_quotes_and_no_answers(figures: Figures, settings: Settings) -> None:
    bare = replace(figures, note="No model is here", pace=None)
    text = speedcard.report_text(bare, settings)
    assert "first quote, a new process" in text
    assert not [line for line in text.splitlines() if "answer" in line or "price" in line]
    assert all(set(waits) == {"first quote"} for waits in speedcard.picture(bare)["waits"].values())


def test_why_not_every_size_was_searched_stands_beside_those_that_were(figures: Figures, settings: Settings) -> None:
    text = speedcard.report_text(replace(figures, unsearched="Memory was short."), settings)
    assert "Memory was short." in text
    assert "search, 10,000 passages, Chroma" in text


def test_a_thousand_questions_cost_a_thousand_times_one(figures: Figures, settings: Settings) -> None:
    found = speedcard.report_json(figures, settings)["per_1000_questions"]
    assert found["electricity_usd"] == pytest.approx(250 * electricity(figures.warm.cost, Rates.of(settings)))
    assert found["measured"] is False


def test_the_figures_are_json(figures: Figures, settings: Settings) -> None:
    assert json.loads(json.dumps(speedcard.report_json(figures, settings)))["pace"]["raw_written"] == 20.0


def test_the_figures_can_be_drawn(figures: Figures, tmp_path: Path) -> None:
    plots.draw_speed(tmp_path / "bench.png", **speedcard.picture(figures))
    assert (tmp_path / "bench.png").read_bytes().startswith(b"\x89PNG")


def test_figures_without_a_model_can_be_drawn(figures: Figures, tmp_path: Path) -> None:
    bare = replace(figures, note="no model", pace=None, searches=(), cold=[Asked(0.5, None, 0.6)])
    plots.draw_speed(tmp_path / "bench.png", **speedcard.picture(bare))
    assert (tmp_path / "bench.png").stat().st_size > 1000


@pytest.mark.parametrize(("share", "found"), [(0.5, 2), (0.95, 4), (0.25, 1), (1.0, 4)])
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(share: float, found: int) -> None:
    assert speedcard.percentile([4, 1, 3, 2], share) == found
