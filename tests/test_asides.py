from __future__ import annotations

import pytest

from rag.asides import (
    addresses_the_reader,
    bracket_about,
    echoes,
    editor_s_brackets,
    is_about_the_article,
    remarks,
    says_i,
    speaks_for_a_house,
)


@pytest.mark.parametrize(
    "sentence",
    [
        "We’ll keep adding to this post.",
        "We’d only add that nobody asked.",
        "The ministry declined to comment.",
        "One trader told us that there is no bid.",
        "The model is free to play with here, and it rhymes.",
        "More to come after lunch.",
        "If you know better, email us.",
        "That is a polite way to say no.",
        "We had to read that number twice.",
        "Disclosure: there is a dentist in the family.",
    ],
)
def test_a_sentence_about_the_article_is_known(sentence: str) -> None:
    assert is_about_the_article(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "We add to our long position here.",
        "Rates fall from here.",
        "The company told investors to wait.",
        "We cut it.",
        "We would add to longs.",
    ],
)
def test_a_sentence_of_research_is_not_about_the_article(sentence: str) -> None:
    assert not is_about_the_article(sentence)


def test_i_is_not_we() -> None:
    assert says_i("My model says so.")
    assert not says_i("We think so.")
    assert speaks_for_a_house("We think so.")
    assert not speaks_for_a_house("They think so.")


def test_the_reader_is_addressed_as_you() -> None:
    assert addresses_the_reader("See you on Monday.")
    assert not addresses_the_reader("See the chart.")


@pytest.mark.parametrize(
    "bracket", ["[they would say that - Ed.]", "(not by much – Ed)", "[our emphasis]", "[no - FTAV]"]
)
def test_a_signed_bracket_is_the_editor_s(bracket: str) -> None:
    text = f"Rates fall {bracket} a lot."
    assert [text[a:b] for a, b in editor_s_brackets(text, 0, len(text))] == [bracket]


@pytest.mark.parametrize("text", ["We use DREAMS [Data, Robots - and Energy].", "Up (10-15%) [ . . . ] again"])
def test_other_brackets_are_the_speaker_s(text: str) -> None:
    assert editor_s_brackets(text, 0, len(text)) == []


@pytest.mark.parametrize("bracket", ["(PH means shorts.)", "(Peel Hunt has said so before.)", "(Though PH is long.)"])
def test_a_bracket_about_the_house_is_found(bracket: str) -> None:
    text = f"Rates fall {bracket}"
    assert bracket_about("Peel Hunt", text, 0, len(text)) == text.index("(")


def test_a_bracket_about_something_else_is_not() -> None:
    text = "Rates fall (the pH value does not)."
    assert bracket_about("Peel Hunt", text, 0, len(text)) is None


@pytest.mark.parametrize(
    "sentence",
    [
        "And the shareholders?",
        "Three hikes, in this weather!",
        "Small beer, by the standards of the ministry.",
        "Nobody asked the dentists.",
        "The dentists knew it all along, then.",
        "The dentists would no doubt agree.",
        "“Orderly” is one word for a fall of nine per cent.",
    ],
)
def test_a_remark_on_somebody_s_words_is_known(sentence: str) -> None:
    assert remarks(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "Margins fall to 12 per cent.",
        "Should we worry?",
        "[W]ould that be a surprise?",
        "Sure-footed lenders gain share.",
        "“Orderly” markets help lenders.",
    ],
)
def test_a_sentence_of_research_is_no_remark(sentence: str) -> None:
    assert not remarks(sentence)


def test_a_sentence_that_takes_up_the_words_before_it_echoes_them() -> None:
    assert echoes("The milk price can only rise, they say.", "We think the milk price will rise.")
    assert not echoes("The milk is sour.", "We think the milk price will rise.")
