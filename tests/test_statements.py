"""How a sentence is taken apart, and which sentences are not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.statements import amounts_in, own, plain, statement, topics


def test_a_sentence_is_its_content_its_direction_its_time_and_its_figures() -> None:
    found = statement(plain("We expect Tesco’s prices to rise sharply by 5% in 2026."))
    assert found is not None
    assert (found.words, found.sign, found.direction) == (("tesco", "price", "~level"), 1, "rise")
    assert (found.times, found.names) == (frozenset({"future"}), frozenset({"tesco"}))
    assert ([amount.text for amount in found.amounts], found.periods) == (["5%"], frozenset({"2026"}))


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("Prices rise.", {"present"}),
        ("Prices rose.", {"past"}),
        ("Prices have risen.", {"past"}),
        ("Prices will rise.", {"future"}),
        ("Prices are going to rise.", {"future"}),
        ("We see prices rising.", {"future"}),
        ("Tesco cut prices.", {"past", "present"}),
    ],
)
def test_the_verb_tells_the_time(text: str, times: set[str]) -> None:
    found = statement(plain(text))
    assert found is not None
    assert found.times == times


@pytest.mark.parametrize("text", ["Prices won’t rise", "We don't expect prices to rise", "We doubt that prices rise"])
def test_a_negation_is_seen_wherever_it_stands(text: str) -> None:
    found = statement(plain(text))
    assert found is not None
    assert found.negated


@pytest.mark.parametrize(
    "text",
    [
        "Prices may rise.",
        "Prices rise?",
        "Prices will rise if wages do.",
        "Prices rise and wages fall.",
        "We do not think that prices will not rise.",
        "Some call prices “sticky” here.",
    ],
)
def test_what_hedges_asks_turns_or_quotes_is_no_statement(text: str) -> None:
    assert statement(plain(text)) is None


@pytest.mark.parametrize(
    ("text", "unit", "bound"),
    [
        ("it cost $5M", "usd/", ""),
        ("it cost less than $5M", "usd/", "less than"),
        ("it cost just over $5M", "usd/", ""),
        ("it cost $5M or more", "usd/", "or more"),
        ("it costs $2/hour", "usd/hour", ""),
        ("it costs $2 an hour", "usd/hour", ""),
        ("it costs $2 per tonne", "usd/tonne", ""),
        ("not 7%", "%/", "not"),
    ],
)
def test_a_figure_has_a_unit_and_a_bound(text: str, unit: str, bound: str) -> None:
    assert [(amount.unit, amount.bound) for amount in amounts_in(text)] == [(unit, bound)]


@pytest.mark.parametrize("text", ["in 2025", "Q3 2025", "on 5 May 2025", "the S&P 500", "Llama 3", "the H800"])
def test_years_dates_and_names_are_no_amounts(text: str) -> None:
    assert amounts_in(text) == ()


def test_the_country_is_not_the_pronoun() -> None:
    assert topics(plain("US tariffs")) == topics(plain("U.S. tariffs")) != topics(plain("us tariffs"))


def test_topics_leave_out_directions_ratings_and_figures() -> None:
    assert topics("Steel output will fall 5% and we rate it Buy") == {"steel", "output", "rate"}


def test_only_the_speaker_s_own_name_is_taken_from_what_he_is_reported_to_say() -> None:
    assert own("Acme says that milk is cheap.", ["Acme", ""]) == "milk is cheap."
    assert own("Beta says that milk is cheap.", ["Acme"]) == "Beta says that milk is cheap."


@given(st.text())
def test_any_text_can_be_taken_apart(text: str) -> None:
    line = plain(text)
    statement(line)
    assert "\n" not in line
    assert all(topics(line))
