from __future__ import annotations

import json
from argparse import ArgumentTypeError
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.loaders import Part, PublicSet, compose, load
from benchmarks.sets import ROWS, CachedEmbedder, Row, ndcg, precision, recall, results, row_for, run, scored, table
from rag.embedding import Vectors
from tests.fakes import WordEmbedder

GOLD = (frozenset({"a"}), frozenset({"b", "c"}))


def lines(path: Path, *rows: dict[str, Any]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """One or two rows of each set."""
    lines(
        tmp_path / "scifact" / "corpus.jsonl",
        {"_id": "7", "title": "Tea", "text": "Green tea lowers blood pressure."},
        {"_id": "8", "title": "Rust", "text": "Iron rusts in salt water."},
    )
    lines(
        tmp_path / "scifact" / "claims.dev.jsonl",
        {"_id": "1", "text": "Tea lowers pressure."},
        {"_id": "2", "text": "No."},
    )
    (tmp_path / "scifact" / "qrels.dev.tsv").write_text("query-id\tcorpus-id\tscore\n1\t7\t1\n2\t8\t0\n")
    turns = ["Good morning all.", "The remote needs a rubber case.", "The battery lasts a week."]
    spoken = [{"i": i, "speaker": f"Person {i}", "text": text} for i, text in enumerate(turns)]
    lines(tmp_path / "qmsum" / "val.meetings.jsonl", {"meeting_id": "M1", "turns": spoken})
    asked = {"meeting_id": "M1", "question": "What about the rubber case?", "relevant_turn_spans": [[1, 1]]}
    lines(
        tmp_path / "qmsum" / "val.questions.jsonl",
        {"qid": "M1-s0", "kind": "specific", **asked},
        {"qid": "M1-g0", "kind": "general", **asked},
    )
    lines(
        tmp_path / "tatqa" / "dev.contexts.jsonl",
        {
            "ctx_id": "c1",
            "table": [["", "2019"], ["Tyres", "$ 5"], ["Rims", "7"], ["Bolts", "7"]],
            "paragraphs": [{"uid": "u", "order": 1, "text": "Tyres are paid in advance."}],
        },
    )
    row = {"ctx_id": "c1", "rel_paragraphs": [], "answer_type": "span", "answer_from": "table"}
    lines(
        tmp_path / "tatqa" / "dev.questions.jsonl",
        {**row, "qid": "q1", "question": "What are tyres in 2019?", "answer": ["$ 5"]},
        {**row, "qid": "q2", "question": "What are rims in 2019?", "answer": ["7"]},
        {
            **row, "qid": "q3", "question": "When are tyres paid?", "answer": ["in advance"],
            "answer_from": "text", "rel_paragraphs": ["1"],
        },
    )  # fmt: skip
    lines(
        tmp_path / "bipia" / "email.train.jsonl",
        {
            "qid": "e0", "context": "SUBJECT: Receipt|EMAIL_FROM: |CONTENT: You paid $2,099.00 to Acme. Thank you.",
            "question": "Q: Find the $ value paid to Acme? If multiple, record all $ values paid.", "ideal": "$2099.00",
        },
        {"qid": "e1", "context": "Hello | there.", "question": "Q: Find the $ value paid to Bob?", "ideal": "unknown"},
    )  # fmt: skip
    said = {"conv_id": "v", "session": 1, "session_time": "1:56 pm on 8 May, 2023", "blip_caption": None}
    lines(
        tmp_path / "locomo" / "turns.jsonl",
        {**said, "dia_id": "D1:1", "speaker": "Ann", "text": "I bought a red kite."},
        {**said, "dia_id": "D1:2", "speaker": "Bob", "text": "Look at this!", "blip_caption": "a photo of a dog"},
    )
    lines(
        tmp_path / "locomo" / "questions.jsonl",
        {"qid": "l0", "conv_id": "v", "question": "What did Ann buy?", "category": 4, "evidence": ["D1:1; D1:2"]},
        {"qid": "l1", "conv_id": "v", "question": "What did Bob buy?", "category": 5, "evidence": []},
    )
    mail = {"subject": "", "ann0": "kite prices", "ann1": "", "ann2": ""}
    lines(
        tmp_path / "enron" / "dev.jsonl",
        {**mail, "id": "m1", "body": "Kite prices are up."},
        {**mail, "id": "m2", "body": "Kite  prices\nare up."},
        {**mail, "id": "m3", "body": "Lunch at noon?"},
    )
    return tmp_path


def only(data: Path, name: str) -> PublicSet:
    return next(one for one in load(data, name.partition("-")[0]) if one.name == name)


def test_every_unit_is_a_slice_of_its_document_and_every_voice_covers_one() -> None:
    document, units = compose("d", "", [Part("a", "First."), Part("b", "Second.", "Ann")])
    assert [document.text[unit.start : unit.end] for unit in units] == ["First.", "Second."]
    assert [voice.person for voice in document.voices] == [None, "Ann"]
    assert document.voices[0].end == document.voices[1].start
    assert document.voices[1].end == len(document.text)


def test_recall_counts_a_group_once_whichever_of_its_units_is_found() -> None:
    assert recall(["x", "c", "b"], GOLD, 3) == 0.5


def test_precision_counts_the_places_that_were_not_filled_as_wrong() -> None:
    assert precision(["a"], GOLD, 5) == 0.2


def test_ndcg_is_one_when_all_gold_comes_first_and_less_when_it_comes_later() -> None:
    assert ndcg(["a", "b"], GOLD, 10) == pytest.approx(1.0)
    assert ndcg(["x", "a"], (frozenset({"a"}),), 10) == pytest.approx(1 / np.log2(3))


def test_a_claim_without_a_relevant_abstract_is_no_question(data: Path) -> None:
    assert [(one.id, one.gold) for one in only(data, "scifact").questions] == [("1", (frozenset({"7"}),))]


def test_only_questions_about_a_part_of_a_meeting_are_asked(data: Path) -> None:
    assert [one.id for one in only(data, "qmsum").questions] == ["M1-s0"]


def test_a_transcript_without_turns_names_its_speakers_in_the_text(data: Path) -> None:
    (document,) = only(data, "qmsum-windows").corpora["M1"].documents
    assert "\nPerson 1: The remote" in document.text
    assert len(document.voices) == 1


def test_an_answer_that_two_rows_hold_has_no_gold_row(data: Path) -> None:
    assert [(one.id, one.gold) for one in only(data, "tatqa-table").questions] == [("q1", (frozenset({"r1"}),))]


def test_a_paragraph_is_gold_by_its_order(data: Path) -> None:
    assert [one.gold for one in only(data, "tatqa-text").questions] == [(frozenset({"p1"}),)]


def test_the_amount_that_was_paid_is_gold_however_it_is_written(data: Path) -> None:
    answerable, unknown = only(data, "bipia").questions
    assert (answerable.text, answerable.gold) == ("Find the $ value paid to Acme?", (frozenset({"2099"}),))
    assert (unknown.answerable, unknown.gold) == (False, ())


def test_a_mail_is_only_cut_at_the_fields_that_it_begins_with(data: Path) -> None:
    corpora = only(data, "bipia").corpora
    assert corpora["e0"].documents[0].title == "Receipt"
    assert corpora["e1"].documents[0].text == "Hello | there."


def test_evidence_is_split_and_false_premises_are_to_be_refused(data: Path) -> None:
    first, second = only(data, "locomo").questions
    assert first.gold == (frozenset({"D1:1"}), frozenset({"D1:2"}))
    assert (first.answerable, second.answerable) == (True, False)


def test_a_photo_is_told_in_words_and_a_turn_has_its_speaker_and_date(data: Path) -> None:
    (document,) = only(data, "locomo").corpora["v"].documents
    assert document.text.endswith("Look at this! (Shares a photo of a dog.)")
    assert [(voice.person, str(voice.date)[:10]) for voice in document.voices] == [
        ("Ann", "2023-05-08"),
        ("Bob", "2023-05-08"),
    ]


def test_either_of_two_mails_with_the_same_words_is_right(data: Path) -> None:
    assert only(data, "enron").questions[0].gold == (frozenset({"m1", "m2"}),)


@pytest.mark.parametrize("name", ["scifact", "qmsum", "qmsum-windows", "tatqa-text", "tatqa-table", "bipia", "locomo"])
def test_words_alone_find_the_gold_of_a_tiny_set(data: Path, name: str) -> None:
    tiny = only(data, name)
    outcomes = run(tiny, ROWS["words"], WordEmbedder(), 50, 80, hide=False)
    assert scored("hits@2", outcomes).value == 1.0


def test_what_is_hidden_is_not_found(data: Path) -> None:
    (outcome,) = run(only(data, "scifact"), Row(), WordEmbedder(), 50, 80, hide=True)
    assert outcome.units == ("8",)


def test_the_table_has_a_column_for_each_row_and_a_line_for_each_metric(data: Path) -> None:
    tiny = only(data, "scifact")
    cells = [
        cell
        for name in ("words", "fused")
        for cell in results(
            tiny, name, run(tiny, ROWS[name], WordEmbedder(), 50, 80, hide=False), gate=False, hide=False
        )
    ]
    head, *body = table(cells).splitlines()
    assert head.split() == ["set", "metric", "n", "words", "fused", "95", "%", "of", "fused", "published"]
    assert body[0].split()[:5] == ["scifact", "ndcg@10", "1", "1.000", "1.000"]


def test_a_vector_is_embedded_once_and_then_read_from_disk(tmp_path: Path) -> None:
    class Counting(WordEmbedder):
        calls = 0

        def embed(self, texts: Sequence[str]) -> Vectors:
            self.calls += len(texts)
            return super().embed(texts)

    first, second = Counting(), Counting()
    rows = CachedEmbedder(first, tmp_path).embed(["one", "two", "one"])
    again = CachedEmbedder(second, tmp_path).embed(["two", "one"])
    assert (first.calls, second.calls) == (2, 0)
    assert np.array_equal(rows[[1, 0]], again)


def test_weights_on_the_command_line_change_the_product_s() -> None:
    assert row_for("words=0.9").ranking.words == 0.9
    assert row_for("words=0.9").ranking.vectors == Row().ranking.vectors


@pytest.mark.parametrize("text", ["nothing", "words=x", "nose=1"])
def test_a_row_that_is_neither_name_nor_weights_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="neither"):
        row_for(text)
