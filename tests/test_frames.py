from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.frames import Frame, agreeing, bare, dates_in, only_names, sentence_around
from rag.records import Exchange

CITI_ON_CAPEX = "What did Citi say about capex since Monday?"


def frame(question: str, *, houses: tuple[str, ...] = (), figures: tuple[str, ...] = ()) -> Frame:
    return Frame(Exchange(question, figures, houses), ())


def test_a_frame_knows_who_was_asked_about_what_and_when() -> None:
    found = frame(CITI_ON_CAPEX)
    assert (found.names, found.topic, found.source) == ("Citi", "capex", ", as Citi said since Monday")


@pytest.mark.parametrize(
    ("question", "names", "asked"),
    [
        (CITI_ON_CAPEX, "UBS", "What did UBS say about capex since Monday"),
        ("Is Citi's target too high?", "Goldman Sachs", "Is Goldman Sachs' target too high"),
        ("Who thinks margins fall?", "Citi and UBS", "Do Citi and UBS think margins fall"),
    ],
)
def test_other_names_take_the_place_of_whoever_was_asked(question: str, names: str, asked: str) -> None:
    assert frame(question).asking(names, asks=False) == asked


def test_another_topic_takes_the_place_of_the_old_one() -> None:
    assert frame(CITI_ON_CAPEX).about("tin", "on") == "What did Citi say about tin since Monday"


def test_another_date_takes_the_place_of_the_old_one() -> None:
    found = frame(CITI_ON_CAPEX)
    (new,) = dates_in("before 3 March")
    assert found.dated(found.stem, new) == "What did Citi say about capex before 3 March"


def test_half_of_a_range_is_not_replaced() -> None:
    found = frame("What did Citi say between 3 March and 5 March?")
    (new,) = dates_in("last week")
    assert found.dated(found.stem, new) is None


@pytest.mark.parametrize(
    ("question", "figures", "number"),
    [
        ("What does Citi say about the $5M?", (), "the $5M"),
        ("What does Citi say about capex?", ("$7bn",), "the $7bn (capex)"),
        ("What does Citi say about capex?", (), ""),
    ],
)
def test_that_number_is_the_one_asked_about_or_the_first_one_shown(
    question: str, figures: tuple[str, ...], number: str
) -> None:
    assert frame(question, figures=figures).number == number


def test_they_are_the_house_shown_where_only_one_was() -> None:
    assert frame("Is tin cheap?", houses=("UBS",)).speaker("they") == "UBS"
    assert frame("Is tin cheap?", houses=("UBS", "Citi")).speaker("they") == ""


def test_a_month_alone_is_no_date() -> None:
    assert [one[0] for one in dates_in("may I ask what was said in May")] == ["in May"]


def test_names_with_something_else_beside_them_are_not_only_names() -> None:
    assert (only_names("Citi and UBS", ()), only_names("Citi capex", ())) == ("Citi and UBS", "")


def test_an_auxiliary_agrees_with_its_new_names() -> None:
    assert sentence_around("Do ", "Citi", " like tin") == "Does Citi like tin"
    assert agreeing("Citi and UBS", "is", "are") == "are"


@given(st.text(max_size=80))
def test_any_question_has_a_frame_that_can_be_asked_again(question: str) -> None:
    found = frame(question)
    assert found.topic in found.stem
    assert len(found.masked) == len(found.stem)
    assert "\n" not in found.ask()


@given(st.text(max_size=30))
def test_a_bare_text_is_one_line(text: str) -> None:
    assert len(bare(text).splitlines()) <= 1
