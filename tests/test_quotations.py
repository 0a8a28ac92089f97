from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.quotations import quotations


def quoted(text: str) -> list[str]:
    return [text[start:end] for start, end in quotations(text, 0, len(text))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('He said "rates fall" and left.', ['"rates fall"']),
        ("He said “rates fall” and left.", ["“rates fall”"]),
        ("Sie sagt: „Die Zinsen fallen.“ Dann nichts.", ["„Die Zinsen fallen.“"]),
        ("»Die Zinsen fallen«, sagt sie.", ["»Die Zinsen fallen«"]),
        ("« Les taux baissent », dit-elle.", ["« Les taux baissent »"]),
        ("‘Rates fall,’ says UBS. ‘And they stay low.’ Well.", ["‘Rates fall,’", "‘And they stay low.’"]),
        ("He said 'they fall', which is vague.", ["'they fall'"]),
    ],
)
def test_the_marks_of_several_languages_open_and_close(text: str, expected: list[str]) -> None:
    assert quoted(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Jefferies’ Graham Hunt isn’t sure, and the analysts’ view hasn’t moved.",
        "The '90s were kinder, and the banks' profits weren't.",
        "A ‘commodity technology’ and a ‘safe’ one.",
        "It is 5” wide and closes with a lost » mark.",
    ],
)
def test_apostrophes_and_scare_quotes_open_no_quotation(text: str) -> None:
    assert quoted(text) == []


def test_the_outer_marks_count() -> None:
    assert quoted("“They say ‘no,’ and mean it.” ‘A “firm” no,’ he adds.") == [
        "“They say ‘no,’ and mean it.”",
        "‘A “firm” no,’",
    ]


def test_a_single_mark_reaches_no_further_than_its_paragraph() -> None:
    assert quoted("‘Lost one\n\nand the next,’ he says.") == []


def test_a_quotation_may_run_over_paragraphs_that_open_it_again() -> None:
    text = "“One.\n\n“Two.” Then “three” and “lost\n\nnext “four”."
    assert quoted(text) == ["“One.\n\n“Two.”", "“three”", "“four”"]


@given(st.text(alphabet="“”„«»‘’'\"\n a.,>", max_size=60))
def test_quotations_are_ordered_and_disjoint(text: str) -> None:
    edge = 0
    for start, end in quotations(text, 0, len(text)):
        assert edge <= start < end <= len(text)
        edge = end


@pytest.mark.parametrize("text", ["“" * 300_000, " ‘a" * 100_000, "a,’ " * 75_000, " ‘a,’" * 60_000, '"' * 300_000])
def test_marks_without_end_take_linear_time(text: str) -> None:
    began = time.process_time()
    quotations(text, 0, len(text))
    assert time.process_time() - began < 20
