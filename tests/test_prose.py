from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.cues import Speaker
from rag.prose import Prose


def prose(text: str, home: str | None = None) -> Prose:
    return Prose(text, 0, len(text), home=home)


def test_units_know_their_paragraph_and_their_depth() -> None:
    units = prose("One. Two.\n\nThree.\n\n> Four.").units
    assert [(unit.paragraph, unit.depth) for unit in units] == [(0, 0), (0, 0), (1, 0), (2, 1)]


def test_a_person_introduced_before_is_known_by_his_surname() -> None:
    units = prose("UBS’s Ann Lee says that rates fall. Lee adds that stocks rise.").units
    assert [unit.cue and unit.cue.speaker for unit in units] == [Speaker("UBS", "Ann Lee")] * 2


def test_a_person_introduced_through_the_bank_is_known_by_his_surname() -> None:
    units = prose("UBS is calm. “Rates fall,” says the bank’s Ann Lee. Lee adds that stocks rise.").units
    assert units[-1].cue is not None
    assert units[-1].cue.speaker == Speaker("UBS", "Ann Lee")


def test_a_name_on_a_line_of_its_own_hands_over() -> None:
    text = "Hello.\n\n2. UBS\n\nRates fall."
    cue = prose(text).units[1].cue
    assert cue is not None
    assert (cue.kind, cue.speaker.house) == ("hand", "UBS")


@pytest.mark.parametrize("home", ["UBS", "Citi"])
def test_in_research_a_name_on_a_line_of_its_own_does_not(home: str) -> None:
    cue = prose("Hello.\n\nUBS\n\nRates fall.", home=home).units[1].cue
    assert cue is None or cue.kind == "topic"


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("**Here’s UBS:** ", "Here’s UBS:"),
        ("“Rates will fall a lot,” says UBS.", "says UBS."),
        ("Per UBS, “rates will fall a lot”.", "Per UBS,"),
        ("UBS says that rates fall.", "UBS says that rates fall."),
    ],
)
def test_the_words_of_a_cue_are_those_outside_its_quotations(sentence: str, expected: str) -> None:
    start, end = prose(sentence).words_of(0, len(sentence))
    assert sentence[start:end] == expected


def test_a_quotation_runs_over_sentences_and_paragraphs() -> None:
    text = "“One. Two.\n\n“Three.” Four."
    assert prose(text).quotation_at(0) == text.index(" Four")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("“Rates fall.” Well.", True), ("“Rates fall,” said Bo.", False), ("“Do they?” asked Bo.", False), ("No.", False)],
)
def test_a_quotation_goes_on_only_without_another_tag(text: str, expected: bool) -> None:
    page = prose(text)
    assert page.quotes_on(page.units[0]) is expected


def test_a_list_item_ends_where_the_next_begins() -> None:
    text = "- UBS: one. Two.\n- Three."
    assert prose(text).item_end(0) == text.index("- Three")


@given(st.text(alphabet="“”'‘’ \n.>:-aU", max_size=60))
def test_units_are_in_order_and_their_cues_have_words(text: str) -> None:
    page, edge = prose(text), 0
    for unit in page.units:
        assert edge <= unit.start < unit.end
        first, last = page.words_of(unit.start, unit.end)
        assert unit.start <= first <= last <= unit.end
        edge = unit.end
