from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.turns import quotations, turns


def heard(text: str, home: str | None = None) -> list[tuple[str | None, str]]:
    found = turns(text, 0, len(text), home=home)
    ends = [turn.start for turn in found[1:]] + [len(text)]
    merged: list[tuple[str | None, str]] = []
    for turn, end in zip(found, ends, strict=True):
        house = turn.speaker.house if turn.speaker else "?" if turn.stranger else None
        if merged and merged[-1][0] == house:
            merged[-1] = (house, merged[-1][1] + text[turn.start : end])
        else:
            merged.append((house, text[turn.start : end]))
    return [(house, piece.strip()) for house, piece in merged]


def test_a_turn_begins_behind_the_colon() -> None:
    assert heard("Here’s UBS: Rates will fall a lot.") == [(None, "Here’s UBS:"), ("UBS", "Rates will fall a lot.")]


def test_the_sentence_before_a_hand_over_is_the_writer_s() -> None:
    text = (
        "Here’s UBS: Rates fall. Stocks then rise in every case. So far so good. Over to Citi: Rates will rise a lot."
    )
    assert (None, "So far so good. Over to Citi:") in heard(text)


def test_a_sentence_in_the_first_person_before_a_hand_over_is_the_house_s() -> None:
    text = "Here’s UBS: Rates fall. Stocks rise too. We stay long. Over to Citi: Rates will rise a lot."
    assert ("UBS", "Rates fall. Stocks rise too. We stay long.") in heard(text)


def test_an_aside_about_the_speaker_is_the_writer_s() -> None:
    text = "Here’s Peel Hunt: Rates fall a lot (PH means short rates). Nobody else thinks so."
    assert heard(text)[-1] == (None, "(PH means short rates). Nobody else thinks so.")


def test_a_quotation_spoken_before_its_tag_is_the_speaker_s() -> None:
    text = "Well. “Rates fall. Stocks rise,” says UBS. Well."
    assert heard(text) == [(None, "Well."), ("UBS", "“Rates fall. Stocks rise,” says UBS."), (None, "Well.")]


def test_a_quotation_before_a_hand_over_is_the_speaker_s_too() -> None:
    text = "Well. “Rates fall. Stocks will rise a lot from here,” UBS says: Our survey shows it."
    assert heard(text) == [(None, "Well."), ("UBS", text.removeprefix("Well. "))]


def test_a_quoted_turn_ends_with_the_quotation() -> None:
    text = "UBS says: “Rates fall a lot. Stocks rise.” Nobody agrees."
    assert heard(text)[1:] == [("UBS", "“Rates fall a lot. Stocks rise.”"), (None, "Nobody agrees.")]


def test_a_block_quote_ends_where_its_marks_end() -> None:
    text = "UBS writes:\n\n> Rates fall.\n>\n> A lot.\n\nNobody agrees."
    assert heard(text)[1:] == [("UBS", "> Rates fall.\n>\n> A lot."), (None, "Nobody agrees.")]


def test_a_block_quote_of_nobody_named_is_a_stranger_s() -> None:
    assert heard("Look.\n\n> Rates fall.") == [(None, "Look."), ("?", "> Rates fall.")]


def test_a_colon_inside_a_paragraph_reaches_to_its_end() -> None:
    text = "Good morning.\n\nUBS notes: rates will fall a lot. Stocks rise.\n\nNobody agrees."
    assert heard(text)[1:] == [("UBS", "rates will fall a lot. Stocks rise."), (None, "Nobody agrees.")]


def test_a_paragraph_that_reports_somebody_else_is_the_writer_s_from_its_start() -> None:
    text = "Here’s UBS:\n\nRates fall.\n\nSome differ. Per Citi, rates rise.\n"
    assert (None, "Some differ.") in heard(text)


def test_a_house_is_not_interrupted_by_the_data_that_it_cites() -> None:
    text = "Here’s UBS: Rates fall. According to Gartner, demand doubles. We stay long."
    assert heard(text)[-1][0] == "UBS"


def test_a_house_at_home_hands_over_to_quotations_only() -> None:
    text = "Citi says rates fall. Citi says: “They fall a lot.” We differ."
    assert [house for house, _ in heard(text, home="UBS")] == [None, "Citi", None]


def test_a_quotation_may_run_over_paragraphs_that_open_it_again() -> None:
    text = "“One.\n\n“Two.” Then “three” and “lost\n\nnext “four”."
    assert [text[a:b] for a, b in quotations(text, 0, len(text))] == ["“One.\n\n“Two.”", "“three”", "“four”"]


@given(st.text(alphabet='“”"\n a.>', max_size=60))
def test_quotations_are_ordered_and_disjoint(text: str) -> None:
    edge = 0
    for start, end in quotations(text, 0, len(text)):
        assert edge <= start < end <= len(text)
        edge = end


@given(
    st.lists(st.sampled_from(["Here’s UBS: ", "Rates. ", "“A.” ", "\n\n", "> ", "© UBS ", "(UBS is) "])).map("".join)
)
def test_turns_begin_in_order(text: str) -> None:
    starts = [turn.start for turn in turns(text, 0, len(text))]
    assert starts == sorted(starts)


PEOPLE = [f"{first}{vowel}{last}" for first in "BDFGKLMNPRST" for vowel in "aeiou" for last in "bdfgklmnprst"]
LONG = {
    "people": "\n\n".join(f"UBS’s {name} {name}son says that rates fall." for name in PEOPLE * 2),
    "quotations": 'He said "x." ' * 8_000,
    "spoken": "“a.” says UBS. " * 6_000,
    "hand-overs": "UBS says: rates fall. " * 6_000,
    "one turn": "Here’s UBS:\n\n" + "Rates fall.\n\n" * 10_000,
    "titles": "UBS\n\nRates fall.\n\n" * 5_000,
    "block quotes": "UBS:\n\n> a\n\n" * 5_000,
    "one line": "Rates fall a lot. " * 20_000,
    "marks": "a.“ " * 40_000,
}


@pytest.mark.parametrize("text", LONG.values(), ids=list(LONG))
def test_long_notes_are_followed_in_linear_time(text: str) -> None:
    def seconds(part: str) -> float:
        began = time.process_time()
        turns(part, 0, len(part))
        return time.process_time() - began

    # Quadratic work takes 16 times as long for four times the text.
    assert seconds(text) < 8 * seconds(text[: len(text) // 4]) + 0.2
