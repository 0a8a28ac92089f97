from __future__ import annotations

import json
import re
from typing import Any

import pytest

from rag.errors import SettingsError
from rag.evaluation import Outcome, Passage
from rag.judging import Opinion, Opinions
from rag.metrics import Estimate
from rag.questionsets import GoldQuestion
from rag.records import Sentence, Usage
from rag.scorecard import (
    METRICS,
    bound,
    breaches,
    faults,
    measure,
    misses_text,
    picture,
    report_json,
    report_text,
    risk_coverage,
    table_text,
)

ANSWERABLE = GoldQuestion("a", "who doubts it?", ("notes",), ("we doubt",), (re.compile("doubt"), re.compile("5M")))
PASSED, WITHHELD = Sentence("They doubt it.", (1,), "checked"), Sentence("It is $9M.", (), "withheld", "no source")
UNANSWERABLE = GoldQuestion("u", "who sings?", unanswerable=True)


def outcome(gold: GoldQuestion = ANSWERABLE, **changes: Any) -> Outcome:  # noqa: ANN401 - values of any field
    """A right outcome of a question, but for ``changes``."""
    right = gold is ANSWERABLE
    values: dict[str, Any] = {
        "passages": (right, False), "documents": (right, False), "distinct": (right, False), "total": int(right),
        "house": "Citi" if right else None, "first": Passage("Citi", "notes.md", "We doubt the $5M."),
        "refused": not right, "score": float(right), "measures": (),
        "prose": "", "quoted": "We doubt the $5M." if right else "",
        "gold_quoted": right, "seconds": {"search": 0.1},
    }  # fmt: skip
    return Outcome(gold, **{**values, **changes})


def value(name: str, *outcomes: Outcome) -> float:
    return measure(outcomes)[name].value


LATE = outcome(passages=(False, True), documents=(False, True), distinct=(False, True))


def test_rankings_are_measured_by_passage_and_by_document() -> None:
    found = measure([outcome(), LATE])
    for prefix in ("", "document-"):
        names = ("hits@1", "hits@4", "MAP@10", "MRR@10")
        assert [found[prefix + name].value for name in names] == [0.5, 1.0, 0.75, 0.75]


def test_refusals_are_measured_of_those_to_be_refused_and_of_the_others() -> None:
    outcomes = (outcome(), outcome(refused=True), outcome(UNANSWERABLE), outcome(UNANSWERABLE, refused=False))
    assert (value("refusals", *outcomes), value("false-refusals", *outcomes)) == (0.5, 0.5)


def test_the_gate_is_measured_by_its_score() -> None:
    assert value("gate-AUROC", outcome(score=0.9), outcome(score=0.4), outcome(UNANSWERABLE, score=0.5)) == 0.5


def test_another_house_first_is_wrong_and_so_is_nobody() -> None:
    outcomes = [outcome(first=Passage(house, "p", "t")) for house in ("Citi", "UBS", None)]
    assert value("wrong-house@1", *outcomes, outcome(first=None)) == pytest.approx(2 / 3)


def test_facts_must_all_match_and_the_quotes_stand_in_for_prose() -> None:
    right = outcome(written=True, prose="They doubt the $5M.", told="They doubt the $5M.", model="m")
    wrong = outcome(written=True, prose="They doubt it.", told="They doubt it.", model="m")
    without = outcome(written=True, model="m")
    found = measure([right, wrong, without])
    assert found["facts-in-prose"].value == 0.5
    assert found["facts-in-answer"].value == pytest.approx(2 / 3)
    assert found["facts-in-quotes"].value == 1


def test_citations_are_measured_by_answer() -> None:
    half = outcome(written=True, model="m", cited=(True, False), supported=True)
    none = outcome(written=True, model="m")
    found = measure([half, none])
    assert (found["citation-precision"].value, found["citation-precision"].n) == (0.5, 1)
    assert (found["citation-recall"].value, found["citation-recall"].n) == (0.5, 2)


def test_cost_is_measured_where_a_model_wrote() -> None:
    usage = Usage(prompt_tokens=100, thinking_tokens=5, answer_tokens=20)
    wrote = outcome(model="m", written=True, usage=usage, sentences=(PASSED, PASSED, WITHHELD),
                    seconds={"search": 0.1, "first-token": 1.0, "total": 2.0})  # fmt: skip
    found = measure([wrote, outcome()])
    assert (found["tokens-read"].value, found["tokens-written"].value) == (100, 25)
    assert (found["sentences-written"].value, found["sentences-withheld"].value) == (3, 1)
    assert (found["total-seconds-p50"].value, found["total-seconds-p50"].n, found["search-seconds-p95"].n) == (2, 1, 2)


def test_a_metric_that_no_question_counts_for_is_left_out() -> None:
    assert list(measure([outcome(UNANSWERABLE, seconds={})])) == ["refusals"]


def test_a_wrong_first_hit_and_what_cannot_be_answered_are_risks() -> None:
    sure, unsure = outcome(score=0.9), outcome(UNANSWERABLE, score=0.2)
    unknown = outcome(GoldQuestion("x", "q"), score=0.99)
    assert risk_coverage([sure, LATE, unsure, unknown]) == [
        (pytest.approx(1 / 3), 1.0),
        (pytest.approx(2 / 3), 0.5),
        (1.0, pytest.approx(2 / 3)),
    ]


def test_a_bound_names_a_metric_whatever_its_case() -> None:
    assert (bound("hits@1=0.9"), bound("map@10 = .5")) == (("hits@1", 0.9), ("MAP@10", 0.5))


def test_an_unknown_metric_is_an_error_that_lists_the_known() -> None:
    with pytest.raises(SettingsError) as error:
        bound("precision=0.9")
    assert all(name in error.value.remedy for name in METRICS)


@pytest.mark.parametrize("text", ["hits@1", "hits@1=", "hits@1=high", "hits@1=nan"])
def test_a_bound_needs_a_number(text: str) -> None:
    with pytest.raises(SettingsError):
        bound(text)


def test_a_bound_is_the_least_or_where_less_is_better_the_most() -> None:
    measured = {name: Estimate(0.5, 0.4, 0.6, 9) for name in ("hits@1", "wrong-house@1")}
    assert breaches(measured, [("hits@1", 0.5), ("wrong-house@1", 0.5)]) == []
    assert len(breaches(measured, [("hits@1", 0.51), ("wrong-house@1", 0.49)])) == 2


def test_a_metric_that_was_not_measured_keeps_no_bound() -> None:
    assert breaches({}, [("false-refusals", 1.0)]) == [
        "false-refusals was not measured: no question of the set counts for it."
    ]


def test_every_line_of_the_table_is_aligned() -> None:
    lines = [line for line in table_text(measure([outcome(), outcome(UNANSWERABLE)])).splitlines() if line]
    assert len({len(line) for line in lines}) == 1
    assert any(re.fullmatch(r"hits@1 +1\.000  1\.000 – 1\.000  1", line) for line in lines)


def test_nothing_is_wrong_with_a_right_outcome() -> None:
    assert [faults(outcome()), faults(outcome(UNANSWERABLE))] == [[], []]


@pytest.mark.parametrize(
    ("one", "fault"),
    [
        (outcome(UNANSWERABLE, refused=False), "it was not refused"),
        (outcome(refused=True, note="Nobody says that."), "it was refused: Nobody says that."),
        (LATE, "the gold passage is hit 2"),
        (outcome(passages=(False, False)), "no hit is the gold passage"),
        (outcome(first=Passage("UBS", "p", "t")), "UBS speaks first, not Citi"),
        (outcome(quoted="We doubt it."), "the answer lacks 5M"),
    ],
)
def test_what_went_wrong_is_said(one: Outcome, fault: str) -> None:
    assert faults(one) == [fault]


def test_the_misses_say_what_was_expected_and_what_came() -> None:
    one = outcome(passages=(False, True), first=Passage("Citi", "n\x1b[2J.md", "Not\nthis."))
    assert misses_text([outcome(), one]) == (
        "a: who doubts it?\n"
        "    wrong     the gold passage is hit 2\n"
        "    expected  Citi: “we doubt” or in notes\n"
        "    came      Citi, n[2J.md: Not this."
    )


def test_the_report_counts_what_went_wrong_and_lists_it_when_told() -> None:
    outcomes = [outcome(), LATE]
    assert "1 of 2 questions went wrong; --misses lists them." in report_text(outcomes, {}, misses=False)
    assert "the gold passage is hit 2" in report_text(outcomes, {}, misses=True)


def test_json_holds_settings_metrics_and_a_row_for_each_question() -> None:
    outcomes = [outcome(), outcome(UNANSWERABLE)]
    found = json.loads(json.dumps(report_json({"model": None}, outcomes, measure(outcomes))))
    assert found["settings"] == {"model": None}
    assert found["metrics"]["hits@1"] == {"value": 1.0, "low": 1.0, "high": 1.0, "n": 1}
    assert [(row["id"], row["rank"], row["refused"]) for row in found["rows"]] == [("a", 1, False), ("u", None, True)]


def test_json_holds_what_a_judge_said_of_the_whole_and_of_each_question() -> None:
    outcomes = [outcome(sentences=(PASSED, WITHHELD)), outcome(UNANSWERABLE)]
    opinions = Opinions("m", ((Opinion(PASSED, "no"), Opinion(WITHHELD, "no")), ()))
    found = report_json({}, outcomes, {}, opinions)
    assert (found["judge"]["judge_rejects"], found["judge"]["both_reject"]) == (1, 1)
    assert [[one["judge"] for one in row["judge"]] for row in found["rows"]] == [["no", "no"], []]


def test_json_without_a_judge_does_not_speak_of_one() -> None:
    found = report_json({}, [outcome()], {})
    assert ("judge" in found, "judge" in found["rows"][0]) == (False, False)


def test_the_picture_has_shares_only_and_seconds_by_stage() -> None:
    outcomes = [outcome(), LATE, outcome(UNANSWERABLE)]
    found = picture({"questions": "/x/set.jsonl", "asked": 3, "documents": 1, "chunks": 2}, outcomes, measure(outcomes))
    assert found["title"] == "set.jsonl: 3 questions, 1 documents, 2 chunks"
    assert {name for name, _, _ in found["bars"]} >= {"hits@1", "false-refusals ↓"}
    assert not [name for name, _, _ in found["bars"] if "seconds" in name]
    assert (found["seconds"], found["judged"]) == ({"search": [0.1, 0.1, 0.1]}, 3)
