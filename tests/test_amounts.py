from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.amounts import Amount, amounts, bears_out


def one(text: str) -> Amount:
    (found,) = amounts(text)
    return found


def borne_out(claimed: str, source: str) -> bool:
    """Whether every figure of ``claimed`` has one in ``source`` that bears it out."""
    return all(any(bears_out(ours, theirs) for theirs in amounts(source)) for ours in amounts(claimed))


# What an amount is


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("$2 an hour", "usd/hour"),
        ("$28,500 a tonne", "usd/tonne"),
        ("€3/share", "eur/share"),
        ("$12 per unit", "usd/unit"),
        ("$5M", "usd/"),
        ("a 5% rise a year later", "%/"),
        ("40x", "x/"),
    ],
)
def test_an_amount_knows_what_it_is_counted_per(text: str, unit: str) -> None:
    assert one(text).unit == unit


@pytest.mark.parametrize(
    ("text", "side"),
    [
        ("more than $5M", "least"),
        ("at least 40x", "least"),
        ("> $5M", "least"),
        ("£4M+", "least"),
        ("$5M or more", "least"),
        ("no less than $5M", "least"),
        ("exceeding 5%", "least"),
        ("less than $2 an hour", "most"),
        ("up to 40x", "most"),
        ("no more than an 8% fall", "most"),
        ("under c. $5M", "most"),
        ("5% or lower", "most"),
        ("$5M", ""),
        ("just over $5M", ""),
        ("slightly below $5M", ""),
        ("about $5M", ""),
        ("overall, $5M", ""),
    ],
)
def test_an_amount_knows_which_side_bounds_it(text: str, side: str) -> None:
    assert one(text).side == side


@pytest.mark.parametrize("text", ["20-40x", "20x to 40x", "20–40x", "between 20x and 40x", "ranging from 20x to 40x"])
def test_the_ends_of_a_range_know_that_they_are(text: str) -> None:
    assert [amount.ends for amount in amounts(text)] == ["lower", "upper"]


@pytest.mark.parametrize(
    "text", ["from 3% to 5%", "3% and 5%", "$3M to 5%", "3%, then 5%", "9 March to 4 April", "3% to nearly 5%"]
)
def test_a_step_a_pair_or_two_dates_are_no_range(text: str) -> None:
    assert [amount.ends for amount in amounts(text)] == ["", ""]


@pytest.mark.parametrize(
    ("text", "past"),
    [
        ("from 14%", "old"),
        ("previously 14%", "old"),
        ("was 14%", "was"),
        ("compared with 14%", "old"),
        ("versus a 14%", "old"),
        ("ranging from 14%", ""),
        ("is 14%", ""),
    ],
)
def test_an_amount_knows_that_it_is_over(text: str, past: str) -> None:
    assert one(text).past == past


@pytest.mark.parametrize("text", ["about 17%", "c. 17%", "~17%", "roughly 17%", "close to 17%"])
def test_an_amount_knows_that_it_is_rounded(text: str) -> None:
    assert one(text).about


@pytest.mark.parametrize("text", ["0.3 percentage points", "4pp", "2.1 points"])
def test_points_are_told_from_per_cent(text: str) -> None:
    assert one(text).points


@pytest.mark.parametrize("text", ["0.3%", "35bp", "three pointed remarks"])
def test_per_cent_basis_points_and_plain_words_are_no_points(text: str) -> None:
    assert not any(amount.points for amount in amounts(text))


def test_amounts_stand_in_the_order_of_the_text_with_the_words_that_were_written() -> None:
    assert [amount.text for amount in amounts("2,048 tonnes at $28,500, up 5%")] == ["2,048", "$28,500", "5%"]


# Whether one bears out the other


@pytest.mark.parametrize(
    "written", ["$5M", "$5 million", "5 mn dollars", "US$5mn", "$5,000,000", "five million dollars", "$5.0M", "USD 5mm"]
)
def test_five_million_is_itself_however_it_is_written(written: str) -> None:
    assert borne_out(written, "The smelter cost $5M.")
    assert borne_out("The smelter cost $5M.", written)


@pytest.mark.parametrize(
    "other", ["$5bn", "5%", "$5.6M", "$6M", "$5", "€5M", "5M", "$50M", "5x", "5bp", "$5k", "$4.9M"]
)
def test_five_million_dollars_is_nothing_else(other: str) -> None:
    assert not borne_out(other, "The smelter cost $5M.")


def test_five_mn_without_a_currency_is_no_money() -> None:
    assert borne_out("5 mn", "5 million tonnes")
    assert not borne_out("5 mn", "$5M")


def test_a_count_with_a_comma_is_one_number() -> None:
    assert borne_out("2048 tonnes", "2,048 tonnes")
    assert not any(borne_out(part, "2,048 tonnes") for part in ("2", "48", "2.048"))


@pytest.mark.parametrize(
    ("shown", "exact"), [("17%", "16.97%"), ("$5.6M", "$5.576M"), ("2,050", "2,048"), ("4.3%", "4.25%")]
)
def test_a_figure_may_be_rounded_to_the_digits_that_it_shows(shown: str, exact: str) -> None:
    assert borne_out(shown, exact)


@pytest.mark.parametrize(
    ("shown", "exact"),
    [
        ("20%", "16.97%"),
        ("$6M", "$5.576M"),
        ("$5.5M", "$5.576M"),
        ("$5.58M", "$5.6M"),
        ("17.0%", "17.4%"),
        ("12", "12.2"),
        ("1/3", "1/4"),
    ],
)
def test_a_figure_may_be_neither_rounded_far_nor_made_more_exact(shown: str, exact: str) -> None:
    assert not borne_out(shown, exact)


def test_about_lets_a_figure_be_rounded_further_than_none() -> None:
    assert not borne_out("$29,000", "$28,200")
    assert borne_out("about $28,000", "$28,400")
    assert not borne_out("about $20,000", "$28,400")


@pytest.mark.parametrize(("shown", "source"), [("-4%", "4%"), ("minus $3M", "$3M"), ("-35bp", "35bp")])
def test_a_minus_sign_is_not_added(shown: str, source: str) -> None:
    assert not borne_out(shown, source)


def test_a_minus_sign_stands_however_it_is_written() -> None:
    assert borne_out("minus 4%", "-4%")
    assert borne_out("−4%", "-4%")


@pytest.mark.parametrize(
    ("claimed", "source"),
    [
        ("$5M", "more than $5M"),
        ("$5M", "up to $5M"),
        ("more than $5M", "$5M"),
        ("at least $5M", "$5M"),
        ("less than $5M", "more than $5M"),
        ("as much as $5M", "at least $5M"),
    ],
)
def test_a_bound_is_neither_dropped_added_nor_turned(claimed: str, source: str) -> None:
    assert not borne_out(claimed, source)


@pytest.mark.parametrize(
    ("claimed", "source"),
    [("over $5M", "more than $5M"), ("$5M or more", "at least $5M"), ("below 5%", "less than 5%"), ("$5M+", "> $5M")],
)
def test_a_bound_may_be_told_in_other_words(claimed: str, source: str) -> None:
    assert borne_out(claimed, source)


@pytest.mark.parametrize("claimed", ["20x to 40x", "20–40x", "between 20x and 40x", "up to 40x", "at least 20x"])
def test_a_range_bears_out_itself_and_its_ends_as_bounds(claimed: str) -> None:
    assert borne_out(claimed, "20-40x cheaper")


@pytest.mark.parametrize("claimed", ["20x", "40x", "at least 40x", "up to 20x", "30x", "20x to 30x"])
def test_one_end_of_a_range_is_not_the_range(claimed: str) -> None:
    assert not borne_out(claimed, "20-40x cheaper")


def test_what_it_was_before_is_not_what_it_is() -> None:
    source = "slowed from 2.6% to 2.1%"
    assert borne_out("it is 2.1%", source)
    assert not borne_out("it is 2.6%", source)
    assert borne_out("it was 2.6%", source)
    assert borne_out("it slowed from 2.6%", source)


@pytest.mark.parametrize(
    ("claimed", "source"), [("0.35 percentage points", "35bp"), ("35 basis points", "0.35 percentage points")]
)
def test_points_may_be_told_in_basis_points(claimed: str, source: str) -> None:
    assert borne_out(claimed, source)


@pytest.mark.parametrize(
    ("claimed", "source"),
    [
        ("4%", "4 percentage points"),
        ("4 percentage points", "4%"),
        ("35%", "35bp"),
        ("3.5bp", "35bp"),
        ("35bp", "3.5%"),
    ],
)
def test_points_per_cent_and_basis_points_are_three_things(claimed: str, source: str) -> None:
    assert not borne_out(claimed, source)


@pytest.mark.parametrize(
    ("claimed", "source"), [("March 2025", "11 March 2025"), ("2025", "11 March 2025"), ("11 March", "2025-03-11")]
)
def test_a_date_may_lose_its_day_or_its_year(claimed: str, source: str) -> None:
    assert borne_out(claimed, source)


@pytest.mark.parametrize(
    ("claimed", "source"),
    [
        ("12 March 2025", "11 March 2025"),
        ("11 March 2024", "11 March"),
        ("2024", "11 March 2025"),
        ("2026", "FY2026"),
        ("Q2", "Q1 2025"),
    ],
)
def test_another_day_year_or_quarter_is_another_date(claimed: str, source: str) -> None:
    assert not borne_out(claimed, source)


TEXTS = st.text(alphabet="0125 .,-–%$€MbnxtoQFYA(c~<>+/pa¼½²", max_size=60) | st.text(max_size=60)


@given(TEXTS, TEXTS)
def test_any_two_texts_can_be_compared(claimed: str, source: str) -> None:
    assert borne_out(claimed, source) in (True, False)


@given(TEXTS)
def test_every_amount_is_a_slice_of_its_text(text: str) -> None:
    assert all(text[one.figure.start : one.figure.end] == one.text for one in amounts(text))


@given(st.sampled_from(["$5M", "17%", "2,048", "35bp", "40x", "H20", "11 March 2025", "-4%", "at least €3/share"]))
def test_an_amount_bears_itself_out(text: str) -> None:
    assert bears_out(one(text), one(text))


@pytest.mark.parametrize("unit", ["$5M ", "20-40x ", "more than ", "from 5 to ", "about ", "~", "5", "between 1% and "])
def test_twenty_kilobytes_of_one_word_take_no_time(unit: str) -> None:
    started = time.perf_counter()
    amounts(unit * (20_000 // len(unit)))
    assert time.perf_counter() - started < 30


@pytest.mark.parametrize(
    ("claimed", "source", "held"),
    [
        ("two months", "for ~2 months", True),
        ("two years", "two months", False),
        ("two GPUs", "two months", False),
        ("rose by 40%", "rose 40%", True),
        ("rose by 40%", "rose to 40%", False),
        ("the 10-year yield", "10s", True),
    ],
)
def test_a_time_keeps_its_unit_and_a_step_its_kind(claimed: str, source: str, held: bool) -> None:
    assert bears_out(amounts(claimed)[0], amounts(source)[0]) is held
