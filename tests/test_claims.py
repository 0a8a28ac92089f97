from __future__ import annotations

import json
import re
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from benchmarks.claims import Claim, Outcome, Score, claim, misses, read, score, table
from rag.records import Sentence, Verdict

FILE = Path(__file__).parent.parent / "benchmarks" / "claims.jsonl"
ROWS: list[dict[str, Any]] = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
CLAIMS = read(FILE)
PARTS = ("dev", "test", "blind")
HALVES = [one for one in CLAIMS if one.split != "blind"]
TRUE_KINDS = {"faithful", "paraphrase", "quotation-form", "house-inside"}
SOURCE = {"house": "UBS", "person": None, "date": "2025-03-11", "text": "Tin is up."}


def made(show: bool, verdict: Verdict, cited: int = 1, kind: str = "money", labels: tuple[int, ...] = ()) -> Outcome:
    row = {
        "id": "x",
        "split": "dev",
        "kind": kind,
        "sources": [SOURCE],
        "sentence": "Tin [1].",
        "show": show,
        "why": "odd",
    }
    return Outcome(claim(row | {"labels": labels}), (Sentence("Tin.", (cited,), verdict, ""),))


def test_no_two_claims_have_an_id_or_a_sentence_with_its_sources_in_common() -> None:
    assert len({one.id for one in CLAIMS}) == len(CLAIMS)
    assert len({(one.sentence, *(quote.text for quote in one.quotes)) for one in CLAIMS}) == len(CLAIMS)


def test_the_set_is_large_and_its_halves_are_about_equal() -> None:
    parts = Counter(one.split for one in CLAIMS)
    assert len(CLAIMS) >= 260
    assert set(parts) == {"dev", "test", "blind"}
    assert abs(parts["dev"] - parts["test"]) <= 0.05 * len(CLAIMS)


@pytest.mark.parametrize("split", ["dev", "test"])
def test_every_kind_has_both_verdicts_in_each_half_but_those_that_hold_no_errors(split: str) -> None:
    verdicts: dict[str, set[bool]] = {one.kind: set() for one in HALVES}
    for one in HALVES:
        if one.split == split:
            verdicts[one.kind].add(one.show)
    assert verdicts == {kind: {True} if kind in TRUE_KINDS else {True, False} for kind in verdicts}


def test_every_kind_has_at_least_twelve_claims() -> None:
    assert {kind: n for kind, n in Counter(one.kind for one in HALVES).items() if n < 12} == {}


def test_the_parts_have_no_source_in_common() -> None:
    parts = ({quote.text for one in CLAIMS if one.split == part for quote in one.quotes} for part in PARTS)
    assert all(one.isdisjoint(other) for one, other in combinations(parts, 2))


def test_every_row_has_its_fields_and_its_right_labels_exist() -> None:
    def whole(row: dict[str, Any]) -> bool:
        fields = {"id", "split", "kind", "sources", "sentence", "show", "why"}
        told = all(set(source) - {"bearer"} == {"house", "person", "date", "text"} for source in row["sources"])
        labels = set(row.get("labels", ())) <= set(range(1, len(row["sources"]) + 1))
        one_to_four, right = 1 <= len(row["sources"]) <= 4, row["show"] or "labels" not in row
        return set(row) - {"labels"} == fields and told and labels and one_to_four and right

    assert [row["id"] for row in ROWS if not whole(row)] == []


def test_only_a_sentence_of_the_kinds_about_labels_cites_what_it_should_not() -> None:
    def badly_cited(one: Claim) -> bool:
        cited = {int(label) for label in re.findall(r"\[(\d+)\]", one.sentence)}
        return not cited or not cited <= set(range(1, len(one.quotes) + 1))

    assert {one.kind for one in CLAIMS if badly_cited(one)} == {"missing-label", "unknown-label"}


def test_a_bearer_owns_the_mail_and_the_quoted_house_the_voice() -> None:
    (quote,) = claim({**ROWS[0], "sources": [{**SOURCE, "bearer": "Citi"}]}).quotes
    voice, document = quote.hit.chunk.voice, quote.hit.document
    assert (voice.house, voice.role, document.house, document.author) == ("UBS", "quoted", "Citi", None)


def test_the_scorer_counts_wrong_ones_withheld_and_right_ones_shown() -> None:
    outcomes = [made(False, "withheld"), made(False, "checked"), made(True, "checked"), made(True, "withheld")]
    assert score([*outcomes, made(True, "checked")]) == Score(wrong=2, withheld=1, right=3, shown=2)


@pytest.mark.parametrize(("cited", "shown"), [(1, True), (2, False)])
def test_a_right_sentence_counts_as_shown_only_under_one_of_its_right_labels(cited: int, shown: bool) -> None:
    assert made(True, "checked", cited, labels=(1,)).shown is shown
    assert made(True, "checked", cited).shown is shown


def test_a_wrong_sentence_counts_as_shown_under_any_label() -> None:
    assert made(False, "checked", 2).shown


def test_nothing_is_shown_of_a_sentence_that_the_check_did_not_see() -> None:
    assert not Outcome(made(True, "checked").claim, ()).shown


def test_the_table_has_a_line_for_each_kind_and_the_totals() -> None:
    told = table([made(False, "withheld"), made(True, "withheld"), made(True, "checked", kind="faithful")]).splitlines()
    assert [line.split() for line in told[1:4]] == [
        ["money", "2", "1/1", "1.00", "0/1", "0.00"],
        ["faithful", "1", "-", "1/1", "1.00"],
        ["all", "3", "1/1", "1.00", "1/2", "0.50"],
    ]
    assert told[4:] == ["withholding: precision 1/2 0.50, recall 1/1 1.00", "right among the shown: 1/1 1.00"]


def test_a_miss_is_told_with_both_reasons() -> None:
    assert misses([made(True, "checked"), made(False, "checked")]) == "x shown: Tin [1].\n    checked (1,) | odd"
