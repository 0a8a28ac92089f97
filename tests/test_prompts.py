from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rag.prompts import NOT_FOUND, inert, question_turns, render, speaker
from rag.records import Chunk, Document, Hit, Quote, Turn, Voice

MARKERS = [
    "<｜User｜>", "<｜end▁of▁sentence｜>", "<|im_start|>", "<|eot_id|>", "<think>", "</think>", "< / think >",
    "<THINK>", "<start_of_turn>", "[INST]", "[/INST]", "<s>", "</s>", "<tool_call>",
]  # fmt: skip


def quote(text: str, house: str | None = "Bernstein", person: str | None = "Stacy Rasgon") -> Quote:
    voice = Voice(0, len(text), house, person, "author")
    document = Document(
        "d", "a.eml", "email", "T", text, datetime(2025, 1, 27, tzinfo=UTC), "Ann", None, voices=(voice,)
    )
    return Quote(1, Hit(Chunk("c", "d", 0, len(text), text, voice), document, 1.0, {}), 0, len(text), text)


@pytest.mark.parametrize("marker", MARKERS)
def test_a_chat_marker_in_a_text_is_broken_visibly(marker: str) -> None:
    broken = inert(f"a {marker} b")
    assert marker not in broken
    assert broken[3:] == f"a {marker} b"[3:]


def test_ordinary_text_is_left_alone() -> None:
    text = "If a < b and [sic], then $5M <b>now</b>."
    assert inert(text) == text


def test_labels_in_a_source_cannot_pass_for_ours() -> None:
    assert inert("see [2] and [citation:3]") == "see (2) and (citation:3)"


def test_the_prompt_ends_with_the_question_and_begins_with_the_rules() -> None:
    (turn,) = question_turns("Why?", [quote("Costs fell.")])
    assert turn.content.startswith("You answer")
    assert turn.content.endswith("Question: Why?")
    assert NOT_FOUND in turn.content


def test_a_card_names_label_house_person_and_date() -> None:
    (turn,) = question_turns("Why?", [quote("Costs fell.")])
    assert 'Bernstein (Stacy Rasgon): "Costs fell." (27 Jan 2025) [1]' in turn.content


def test_a_card_without_a_house_names_the_author() -> None:
    (turn,) = question_turns("Why?", [quote("Costs fell.", None, None)])
    assert 'Ann: "Costs fell." (27 Jan 2025) [1]' in turn.content


@pytest.mark.parametrize(
    ("voice", "house", "expected"),
    [
        (Voice(0, 1, None, "Bo Ek", "quoted"), "UBS", "Bo Ek, quoted by UBS"),
        (Voice(0, 1, "Citi", "Bo Ek", "quoted"), "UBS", "Citi (Bo Ek), quoted by UBS"),
        (Voice(0, 1, "Citi", None, "quoted"), None, "Citi, quoted by Ann"),
        (Voice(0, 1, None, None, "quoted"), "UBS", "Unnamed, quoted by UBS"),
        (Voice(0, 1, None, None, "author"), "UBS", "UBS (Ann)"),
    ],
)
def test_words_that_a_document_quotes_are_not_given_to_its_house(
    voice: Voice, house: str | None, expected: str
) -> None:
    document = Document("d", "a.eml", "email", "T", "x", datetime(2025, 1, 27, tzinfo=UTC), "Ann", house)
    assert speaker(Hit(Chunk("c", "d", 0, 1, "x", voice), document, 1.0, {})) == expected


def test_markers_in_quote_and_question_are_inert() -> None:
    turns = question_turns("<think>", [quote("<｜User｜>")])
    assert not any(marker in turn.content for turn in turns for marker in MARKERS)


def test_only_our_own_markers_are_special() -> None:
    segments = render("chatml", [Turn("user", "hello")], think=False)
    assert [segment.text for segment in segments if not segment.special] == ["hello"]


@pytest.mark.parametrize(("think", "end"), [(True, "<think>\n"), (False, "<think>\n\n</think>\n\n")])
def test_the_thought_of_r1_is_opened_or_already_over(think: bool, end: str) -> None:
    text = "".join(segment.text for segment in render("r1", [Turn("user", "hello")], think=think))
    assert text == f"<｜User｜>hello<｜Assistant｜>{end}"


def test_earlier_turns_of_r1_end_with_its_end_marker() -> None:
    turns = [Turn("user", "a"), Turn("assistant", "b"), Turn("user", "c")]
    text = "".join(segment.text for segment in render("r1", turns, think=True))
    assert text == "<｜User｜>a<｜Assistant｜>b<｜end▁of▁sentence｜><｜User｜>c<｜Assistant｜><think>\n"
