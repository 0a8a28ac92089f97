from __future__ import annotations

import pytest

from rag.asides import (
    addresses_the_reader,
    bracket_about,
    editor_s_brackets,
    is_about_the_article,
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
    ],
)
def test_a_sentence_about_the_article_is_known(sentence: str) -> None:
    assert is_about_the_article(sentence)


@pytest.mark.parametrize(
    "sentence",
    ["We add to our long position here.", "Rates fall from here.", "The company told investors to wait.", "We cut it."],
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
