from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.terms import Figure, figures, same_figure


def read(text: str) -> list[tuple[str, str]]:
    return [(figure.unit, figure.value) for figure in figures(text)]


@pytest.mark.parametrize(
    "text", ["$5M", "$5m", "$5mn", "$5mm", "US$5m", "USD 5 million", "5 million dollars", "$5,000,000", "$5.0M"]
)
def test_every_way_of_writing_five_million_dollars_is_one_figure(text: str) -> None:
    assert read(text) == [("usd", "5000000")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$5bn", [("usd", "5000000000")]),
        ("5%", [("%", "5")]),
        ("4.53 per cent", [("%", "4.53")]),
        ("25bps", [("bp", "25")]),
        ("£4m", [("gbp", "4000000")]),
        ("¥150", [("jpy", "150")]),
        ("a trillion yuan, 1 trillion yuan", [("cny", "1000000000000")]),
        ("2,048 GPUs", [("", "2048")]),
        ("37B out of 671B", [("", "37000000000"), ("", "671000000000")]),
        ("-$22B", [("usd", "-22000000000")]),
        ("$0.55/M and $2.19/M", [("usd", "0.55"), ("usd", "2.19")]),
    ],
)
def test_scale_unit_and_sign_are_read(text: str, expected: list[tuple[str, str]]) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20-40x", [("x", "20"), ("x", "40")]),
        ("$60-65B", [("usd", "60000000000"), ("usd", "65000000000")]),
        ("$60-$65B", [("usd", "60000000000"), ("usd", "65000000000")]),
        ("3 to 5 billion dollars", [("usd", "3000000000"), ("usd", "5000000000")]),
        ("5% to 7%", [("%", "5"), ("%", "7")]),
    ],
)
def test_the_ends_of_a_range_share_scale_unit_and_currency(text: str, expected: list[tuple[str, str]]) -> None:
    assert read(text) == expected


def test_model_names_are_figures_of_their_own_and_not_numbers() -> None:
    assert read("DeepSeek-V3, R1, GPT-4o and H-800") == [("name", n) for n in ("v3", "r1", "gpt4o", "h800")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seven months", [("", "7")]),
        ("five billion dollars", [("usd", "5000000000")]),
        ("twenty-five per cent", [("%", "25")]),
        ("three to five billion dollars", [("usd", "3000000000"), ("usd", "5000000000")]),
        ("no one of them", []),
    ],
)
def test_numbers_in_words_are_read_like_digits(text: str, expected: list[tuple[str, str]]) -> None:
    assert read(text) == expected


@pytest.mark.parametrize("text", ["$2-billion", "$2 bil", "$2bio", "$2 billion"])
def test_a_scale_is_never_lost(text: str) -> None:
    assert read(text) == [("usd", "2000000000")]


@pytest.mark.parametrize(
    ("text", "expected"), [("$2e9", "$2e9"), ("2028E", "2028e"), ("10s", "10s"), ("$5M-billion", "$5mbillion")]
)
def test_what_cannot_be_read_is_compared_as_written(text: str, expected: str) -> None:
    assert read(text) == [("name", expected)]


@pytest.mark.parametrize("text", ["27 January 2025", "January 27, 2025", "27 Jan 2025", "2025-01-27", "27th Jan. 2025"])
def test_a_date_is_no_count(text: str) -> None:
    assert read(text) == [("date", "2025-01-27")]


@pytest.mark.parametrize(
    ("claimed", "same"), [("27 January", True), ("2025", True), ("27", False), ("28 January", False)]
)
def test_a_day_may_be_told_without_its_year_and_a_year_without_its_day(claimed: str, same: bool) -> None:
    assert same_figure(figures(claimed)[0], figures("27 January 2025")[0]) is same


@pytest.mark.parametrize("text", ["R1,5," * 8000, "5 " * 20_000, "1" * 1_000_000, "1," * 50_000, "twenty " * 20_000])
def test_a_hostile_text_is_read_in_linear_time(text: str) -> None:
    started = time.process_time()
    figures(text)
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("claimed", "source"), [("$5M", "$5bn"), ("5%", "$5"), ("5%", "5x"), ("R1", "R2"), ("-5%", "5%")]
)
def test_another_scale_unit_name_or_sign_is_another_figure(claimed: str, source: str) -> None:
    assert not same_figure(figures(claimed)[0], figures(source)[0])


def test_a_fall_may_be_told_without_its_sign() -> None:
    assert same_figure(figures("17%")[0], figures("-17%")[0])


def test_the_canonical_term_is_one_word_of_letters_and_digits() -> None:
    assert [figure.canonical for figure in figures("$5.5M 4.53% 20x 2,048 -3%")] == [
        "usd5500000", "pct4p53", "mult20", "num2048", "pctminus3",
    ]  # fmt: skip


@given(st.text())
def test_figures_lie_inside_the_text_in_order(text: str) -> None:
    found = figures(text)
    assert found == sorted(found, key=lambda figure: figure.start)
    assert all(0 <= figure.start < figure.end <= len(text) for figure in found)


@given(st.integers(0, 10**9), st.sampled_from(["usd", "", "%", "x"]))
def test_a_figure_is_the_same_as_itself(number: int, unit: str) -> None:
    text = {"usd": f"${number:,}", "": f"{number:,}", "%": f"{number}%", "x": f"{number}x"}[unit]
    assert figures(text) == [Figure(0, len(text), unit, str(number))]
