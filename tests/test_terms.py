from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.terms import Figure, closeness, figures, index_terms, question_terms, same_figure

FORMS = ["$5M", "$5mn", "$5 million", "five million dollars", "US$5mm", "5m USD", "USD5mn"]
NOTE = (
    "Nvidia (NVDA) fell -17% on 27 January 2025; $5.576M at $2/GPU hour, 1/7 of GPT-4o or o3-mini, 3x, 25bps, £4m,"
    " 2,788,000 hours, 37B of 671B, 1Q25, FY25, 10s, H800s, 95%ile, MU US, Amazon's, 2 ways, 2025"
)


def one(text: str) -> Figure:
    (found,) = figures(text)
    return found


def near(text: str) -> Sequence[str]:
    return [word for word in index_terms(text) if word.startswith("near")]


def meets(question: str, note: str) -> str:
    """How the question's words find the note: exact, loose or not at all."""
    terms, known = question_terms(question), set(index_terms(note))
    return "exact" if known & set(terms.exact) else "loose" if known & set(terms.loose) else ""


@pytest.mark.parametrize(
    ("claimed", "source"),
    [("$5M", "$5bn"), ("5%", "$5"), ("5%", "5x"), ("R1", "R2"), ("-5%", "5%"), ("HK$5", "$5"), ("a third of", "33%")],
)
def test_another_scale_unit_name_or_sign_is_another_figure(claimed: str, source: str) -> None:
    assert not same_figure(one(claimed), one(source))


@pytest.mark.parametrize(
    ("claimed", "source"), [("3x", "threefold"), ("three times", "3x"), ("one-third", "1/3"), ("17%", "-17%")]
)
def test_another_way_of_writing_is_the_same_figure_and_a_fall_may_lack_its_sign(claimed: str, source: str) -> None:
    assert same_figure(one(claimed), one(source))


@pytest.mark.parametrize(
    ("claimed", "source", "same"),
    [
        ("27 January", "27 January 2025", True),
        ("January 2025", "27 January 2025", True),
        ("2025", "27 January 2025", True),
        ("2025", "1Q25", True),
        ("2025", "FY25", True),
        ("Q1", "1Q25", True),
        ("27", "27 January 2025", False),
        ("28 January", "27 January 2025", False),
        ("27 January 2025", "27 January", False),
        ("Q1 2025", "FY25", False),
    ],
)
def test_a_date_may_be_told_without_its_year_or_day_but_not_with_more(claimed: str, source: str, same: bool) -> None:
    assert same_figure(one(claimed), one(source)) is same


@pytest.mark.parametrize(
    ("asked", "source", "expected"),
    [
        ("$5M", "5 million dollars", 1.0),
        ("17%", "-17%", 0.9),
        ("27 January", "2025-01-27", 0.9),
        ("$5M", "$5.576M", 0.8),
        ("$6M", "$5.576M", 0.8),
        ("2,000", "2,048", 0.8),
        ("$5.3M", "$5.576M", 0.4),
        ("$1M", "$1.4M", 0.0),
        ("$5M", "$5bn", 0.0),
        ("$5M", "€5M", 0.0),
        ("$5M", "5M", 0.0),
        ("2024", "2025", 0.0),
        ("7", "8", 0.0),
        ("R1", "R2", 0.0),
        ("1/7", "1/8", 0.0),
    ],
)
def test_a_question_matches_what_it_rounds_or_truncates(asked: str, source: str, expected: float) -> None:
    assert closeness(one(asked), one(source)) == expected


QUANTITY = st.builds(
    lambda number, unit: Figure(0, 1, unit, str(number)),
    st.integers(-(10**6), 10**6),
    st.sampled_from(["", "usd", "%"]),
)


@given(QUANTITY, QUANTITY)
def test_closeness_is_symmetric(one: Figure, other: Figure) -> None:
    assert closeness(one, other) == closeness(other, one)


def test_all_forms_of_five_million_dollars_have_the_same_words() -> None:
    assert {index_terms(form) for form in FORMS} == {("usd5000000",)}
    assert {question_terms(form).exact for form in FORMS} == {("usd5000000",)}


@pytest.mark.parametrize(
    ("question", "note", "expected"),
    [
        ("the $5M number", "5 million dollars", "exact"),
        ("the $5M number", "$5.576M", "loose"),
        ("the $5.576M number", "$5M", "loose"),
        ("the $5.576M number", "$5.6M", "loose"),
        ("2,000 GPUs", "2,048 GPUs", "loose"),
        ("down 17%", "-17%", "exact"),
        ("-17%", "down 17%", "loose"),
        ("on 27 January", "27 Jan 2025", "exact"),
        ("on 27 January 2025", "27 Jan", "loose"),
        ("in January 2025", "27 Jan 2025", "exact"),
        ("in 2025", "FY25", "exact"),
        ("in q1 2025", "1Q25", "exact"),
        ("gpt 4o", "GPT-4o", "exact"),
        ("what about nvidia", "NVDA US", "exact"),
        ("the $5M number", "$5bn", ""),
        ("the $5M number", "5%", ""),
        ("the $1M number", "$1.4M", ""),
        ("in 2025", "2,024 GPUs", ""),
    ],
)
def test_a_question_finds_a_note_by_exact_or_loose_words(question: str, note: str, expected: str) -> None:
    assert meets(question, note) == expected


def test_only_figures_with_a_unit_and_counts_from_a_hundred_have_loose_words() -> None:
    assert near("37 of 1/7 GPT-4o in 2025 on 27 January") == []
    assert near("$5.576M") == ["nearusd6000000", "nearusd5600000", "nearusd5500000", "nearusd5000000"]
    assert near("2,048") == ["nearnum2000"]


def test_a_note_with_twenty_figures_and_names_has_few_words() -> None:
    assert len(index_terms(NOTE)) < 50


def test_message_numbers_and_hashes_are_not_indexed() -> None:
    assert index_terms("b1x6d0c47aa8e2f4c19b1x6d0c47aa8e2f4c19") == ()


def test_the_word_index_keeps_every_word_as_it_is() -> None:
    words = index_terms(NOTE)
    index = sqlite3.connect(":memory:")
    index.execute('CREATE VIRTUAL TABLE words USING fts5 (terms, tokenize = "porter unicode61 remove_diacritics 2")')
    index.execute("CREATE VIRTUAL TABLE vocabulary USING fts5vocab (words, row)")
    index.execute("INSERT INTO words VALUES (?)", (" ".join(words),))
    assert {term for (term,) in index.execute("SELECT term FROM vocabulary")} == set(words)


@given(st.text() | st.lists(st.sampled_from([*"0123456789.,-$%é² ", "Nvidia", "bn", "Jan "]), max_size=30).map("".join))
def test_words_are_letters_and_digits_and_end_in_a_digit(text: str) -> None:
    terms = question_terms(text)
    for word in (*index_terms(text), *terms.exact, *terms.loose):
        assert re.fullmatch(r"[a-z][a-z0-9]*[0-9]", word)


def test_a_hostile_text_is_indexed_in_linear_time() -> None:
    started = time.process_time()
    index_terms("$5.576M " * 10_000)
    assert time.process_time() - started < 30
