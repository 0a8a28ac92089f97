from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from rag import Assistant, Settings, bench, plots
from rag.bench import Asked, Figures, Indexing, Pace, Session
from rag.costs import Cost, Rates, electricity
from rag.errors import SettingsError
from rag.records import Usage
from rag.scaling import Row, Times
from rag.tuning import Threads

QUESTION = "What does Alpha Desk say about copper?"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for name in ("copper", "wheat", "freight"):
        text = f"# {name}\n\nAlpha Desk says that {name} rose by 5% in January and that demand will hold.\n"
        (corpus / f"{name}.md").write_text(text, encoding="utf-8")
    return Settings.load(folder=tmp_path, corpus=corpus, index=tmp_path / "index")


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
        Pace(90.0, 19.0, 100.0, 20.0, 3e10, 10**9, Threads(2, 2)),
        Indexing(10, 80, 2.0, 3 * 10**8),
        rows,
    )


def test_without_a_model_search_and_indexing_are_measured_and_the_rest_is_told(settings: Settings) -> None:
    with Assistant.open(settings) as desk:
        desk.sync()
    steps: list[str] = []
    found = bench.run(settings, [QUESTION], (), lambda done, total, what: steps.append(what))
    assert found.note == "No model is here: rag models pull r1-1.5b"
    assert found.pace is None
    assert all(one.word is None and 0 < one.quote <= one.whole for one in [*found.cold, *found.warm.asked])
    assert (found.indexing.files, found.indexing.passages) == (3, 3)
    assert steps[-1] == "done"
    assert "rag models pull r1-1.5b" in bench.report_text(found, settings)


def test_an_index_too_small_for_a_pattern_loses_nothing_else(settings: Settings) -> None:
    with Assistant.open(settings) as desk:
        desk.sync()
    found = bench.run(settings, [QUESTION], (100,), lambda done, total, what: None)
    assert found.searches == []
    assert found.indexing.files == 3
    assert "has 3 passages; a pattern needs 20" in bench.report_text(found, settings)


def test_threads_that_were_set_are_not_called_the_fastest(figures: Figures, settings: Settings) -> None:
    assert "the fastest of those tried" in bench.report_text(figures, settings)
    assert "the fastest of those tried" not in bench.report_text(figures, replace(settings, threads=2))


def test_our_pace_stands_beside_that_of_llama_cpp_alone(smol: Path, settings: Settings) -> None:
    pace = bench._pace(smol, replace(settings, threads=1))
    assert min(pace.read, pace.written, pace.raw_read, pace.raw_written) > 0
    assert pace.most == pytest.approx(pace.bandwidth / smol.stat().st_size)


def test_an_index_that_suggests_no_question_wants_a_set(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="no question"):
        bench.run(settings, [], (), lambda done, total, what: None)


def test_the_table_sets_what_was_measured_beside_what_is_possible(figures: Figures, settings: Settings) -> None:
    text = bench.report_text(figures, settings)
    lines = {line[:44].strip(): line[44:].split() for line in text.splitlines()[2:]}
    assert lines["first quote, a new process"][:2] == ["0.60", "s"]
    assert lines["tokens written a second"][:5] == ["19.0", "llama.cpp", "alone", "20.0:", "95%;"]
    assert lines["search, 10,000 passages, Chroma"][:2] == ["20", "ms"]
    assert lines["indexing"][:4] == ["40", "passages", "a", "second"]


def test_a_thousand_questions_cost_a_thousand_times_one(figures: Figures, settings: Settings) -> None:
    found = bench.report_json(figures, settings)["per_1000_questions"]
    assert found["electricity_usd"] == pytest.approx(250 * electricity(figures.warm.cost, Rates.of(settings)))
    assert found["measured"] is False


def test_the_figures_are_json(figures: Figures, settings: Settings) -> None:
    assert json.loads(json.dumps(bench.report_json(figures, settings)))["pace"]["raw_written"] == 20.0


def test_the_figures_can_be_drawn(figures: Figures, tmp_path: Path) -> None:
    plots.draw_speed(tmp_path / "bench.png", **bench.picture(figures))
    assert (tmp_path / "bench.png").read_bytes().startswith(b"\x89PNG")


def test_figures_without_a_model_can_be_drawn(figures: Figures, tmp_path: Path) -> None:
    bare = replace(figures, note="no model", pace=None, searches=(), cold=[Asked(0.5, None, 0.6)])
    plots.draw_speed(tmp_path / "bench.png", **bench.picture(bare))
    assert (tmp_path / "bench.png").stat().st_size > 1000


@pytest.mark.parametrize(("share", "found"), [(0.5, 2), (0.95, 4), (0.25, 1), (1.0, 4)])
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(share: float, found: int) -> None:
    assert bench.percentile([4, 1, 3, 2], share) == found
