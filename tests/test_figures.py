from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.figures import Figure, figures


def read(text: str) -> list[tuple[str, str]]:
    return [(figure.unit, figure.value) for figure in figures(text)]


@pytest.mark.parametrize(
    "text",
    [
        "$5M", "$5m", "$5mn", "$5mm", "US$5m", "US$5mm", "USD 5 million", "USD5mn", "5m USD", "5 million dollars",
        "5 million US dollars", "five million dollars", "$5,000,000", "$5.0M", "$5 mio", "$ 5m", "5m$", "$5-million",
    ],
)  # fmt: skip
def test_every_way_of_writing_five_million_dollars_is_one_figure(text: str) -> None:
    assert read(text) == [("usd", "5000000")]


@pytest.mark.parametrize(
    "hedge", ["c.", "c. ", "ca.", "circa ", "~", "≈", ">", "just over ", "about ", "nearly ", "(", "“"]
)
def test_what_hedges_a_figure_does_not_change_it(hedge: str) -> None:
    assert read(f"{hedge}$5m") == [("usd", "5000000")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$5bn", ("usd", "5000000000")),
        ("€5m", ("eur", "5000000")),
        ("5 mn euros", ("eur", "5000000")),
        ("5 Mio. €", ("eur", "5000000")),
        ("£4m", ("gbp", "4000000")),
        ("350 pence", ("gbp", "3.5")),
        ("50 US cents", ("usd", "0.5")),
        ("¥30tn", ("jpy", "30000000000000")),
        ("5 trillion yen", ("jpy", "5000000000000")),
        ("RMB1.2bn", ("cny", "1200000000")),
        ("CNH 5bn", ("cny", "5000000000")),
        ("5 billion yuan", ("cny", "5000000000")),
        ("HK$5bn", ("hkd", "5000000000")),
        ("5 million Hong Kong dollars", ("hkd", "5000000")),
        ("A$3m", ("aud", "3000000")),
        ("C$4m", ("cad", "4000000")),
        ("4 million Canadian dollars", ("cad", "4000000")),
        ("CHF 5m", ("chf", "5000000")),
        ("Rs 500 crore", ("inr", "5000000000")),
        ("INR 5 lakh", ("inr", "500000")),
        ("KRW 1.2tn", ("krw", "1200000000000")),
        ("1.2 trillion won", ("krw", "1200000000000")),
        ("NT$900bn", ("twd", "900000000000")),
    ],
)
def test_money_keeps_its_currency(text: str, expected: tuple[str, str]) -> None:
    assert read(text) == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5%", ("%", "5")),
        ("4.53 per cent", ("%", "4.53")),
        (".5 pct", ("%", "0.5")),
        ("4 percentage points", ("%", "4")),
        ("25bps", ("bp", "25")),
        ("50 bp", ("bp", "50")),
        ("a 25 basis-point cut", ("bp", "25")),
        ("threefold", ("x", "3")),
        ("three times", ("x", "3")),
        ("10-fold", ("x", "10")),
        ("3x", ("x", "3")),
        ("2,048 GPUs", ("", "2048")),
        ("they won 5 of them", ("", "5")),
        ("7 won", ("", "7")),
        ("95%ile", ("", "95")),
    ],
)
def test_the_unit_is_read(text: str, expected: tuple[str, str]) -> None:
    assert read(text) == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$0.55/M input and $2.19/M", [("usd", "0.55"), ("usd", "2.19")]),
        ("$2/GPU hour", [("usd", "2")]),
        ("$2.19 per million tokens", [("usd", "2.19")]),
    ],
)
def test_what_a_price_is_per_is_no_scale(text: str, expected: list[tuple[str, str]]) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20-40x", [("x", "20"), ("x", "40")]),
        ("20 to 40 times", [("x", "20"), ("x", "40")]),
        ("$60-65B", [("usd", "60000000000"), ("usd", "65000000000")]),
        ("$60-$65B", [("usd", "60000000000"), ("usd", "65000000000")]),
        ("$900m–1.2bn", [("usd", "900000000"), ("usd", "1200000000")]),
        ("3 to 5 billion dollars", [("usd", "3000000000"), ("usd", "5000000000")]),
        ("between $5m and $6m", [("usd", "5000000"), ("usd", "6000000")]),
        ("between 5 and 6 million euros", [("eur", "5000000"), ("eur", "6000000")]),
        ("5% to 7%", [("%", "5"), ("%", "7")]),
        ("-5% to -7%", [("%", "-5"), ("%", "-7")]),
        ("27-28 January 2025", [("date", "2025-01-27"), ("date", "2025-01-28")]),
        ("from 2023 to $5bn", [("", "2023"), ("usd", "5000000000")]),
        ("3 to 6%, 5 and 6%", [("%", "3"), ("%", "6"), ("", "5"), ("%", "6")]),
    ],
)
def test_the_ends_of_a_range_share_scale_unit_and_currency(text: str, expected: list[tuple[str, str]]) -> None:
    assert read(text) == expected


@pytest.mark.parametrize("text", ["-$22B", "−$22B", "$-22B", "minus $22B", "| ($22B) |", "loss\n($22B)\n"])
def test_a_negative_figure_has_its_sign(text: str) -> None:
    assert read(text) == [("usd", "-22000000000")]


@pytest.mark.parametrize("text", ["the deal ($22B) closed", "R1-$22B", "the deal\n($22B) closed"])
def test_brackets_in_prose_and_hyphens_are_no_sign(text: str) -> None:
    assert read(text)[-1] == ("usd", "22000000000")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1/7 that of", "1/7"),
        ("1/5th the compute", "1/5"),
        ("one-seventh", "1/7"),
        ("a third of it", "1/3"),
        ("a fifth cheaper", "1/5"),
        ("two-thirds", "2/3"),
        ("three quarters of it", "3/4"),
        ("half of it", "1/2"),
    ],
)
def test_a_fraction_is_one_figure(text: str, expected: str) -> None:
    assert read(text) == [("part", expected)]


@pytest.mark.parametrize("text", ["a third party", "a quarter", "the third reason", "no one of them", "half asleep"])
def test_words_that_count_nothing_are_no_figures(text: str) -> None:
    assert read(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("DeepSeek-V3, R1, GPT-4o and H-800", ["v3", "r1", "gpt4o", "h800"]),
        ("GPT 4o, gpt4o, GPT-4o", ["gpt4o", "gpt4o", "gpt4o"]),
        ("o1, o3-mini, o3 mini", ["o1", "o3mini", "o3mini"]),
        ("Llama 3.1, Llama-3.1, llama3.1", ["llama3.1"] * 3),
        ("H800s, B200 and GB200", ["h800", "b200", "gb200"]),
        ("R1-Zero is not R1", ["r1zero", "r1"]),
        ("S&P 500, S&P500, Nasdaq 100", ["sp500", "sp500", "nasdaq100"]),
        ("the H20", ["h20"]),
    ],
)
def test_names_with_digits_are_figures_of_their_own_however_they_are_joined(text: str, expected: list[str]) -> None:
    assert read(text) == [("name", name) for name in expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seven months", [("", "7")]),
        ("five billion dollars", [("usd", "5000000000")]),
        ("twenty-five per cent", [("%", "25")]),
        ("three to five billion dollars", [("usd", "3000000000"), ("usd", "5000000000")]),
        ("a trillion yuan", [("cny", "1000000000000")]),
        ("half a billion dollars", [("usd", "500000000")]),
        ("two and a half billion euros", [("eur", "2500000000")]),
        ("one hundred and fifty million", [("", "150000000")]),
        ("five hundred million", [("", "500000000")]),
        ("fifteen hundred", [("", "1500")]),
    ],
)
def test_numbers_in_words_are_read_like_digits(text: str, expected: list[tuple[str, str]]) -> None:
    assert read(text) == expected


@pytest.mark.parametrize("text", ["$2-billion", "$2 bil", "$2bio", "$2 billion"])
def test_a_scale_is_never_lost(text: str) -> None:
    assert read(text) == [("usd", "2000000000")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$2e9", "$2e9"), ("10s", "10s"), ("$5M-billion", "$5mbillion"), ("5,5 million", "5,5"), ("16:00", "16:00"),
        ("5万", "5万"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_compared_as_written(text: str, expected: str) -> None:
    assert read(text) == [("name", expected)]


@pytest.mark.parametrize(
    "text",
    [
        "27 January 2025", "January 27, 2025", "27 Jan 2025", "2025-01-27", "2025/01/27", "27th Jan. 2025", "27-Jan-25",
        "27/01/2025", "01/27/2025", "27/01/25", "27.01.2025", "27-01-2025", "2025-01-27T08:28:16-05:00",
        "27th of January 2025", "spending-2025-01-27/",
    ],
)  # fmt: skip
def test_a_date_is_one_figure(text: str) -> None:
    assert read(text) == [("date", "2025-01-27")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("27 Jan", "01-27"),
        ("January 27th", "01-27"),
        ("January 2025", "2025-01"),
        ("Jan '25", "2025-01"),
        ("Jan-25", "2025-01"),
    ],
)
def test_a_date_may_lack_its_year_or_its_day(text: str, expected: str) -> None:
    assert read(text) == [("date", expected)]


@pytest.mark.parametrize("text", ["03/04/2025", "3/4/25"])
def test_a_date_that_is_another_day_elsewhere_is_compared_as_written(text: str) -> None:
    assert read(text) == [("name", text)]


def test_may_and_march_are_months_only_with_their_capitals() -> None:
    assert read("the top 5 may march 10 miles on 5 May") == [("", "5"), ("", "10"), ("date", "05-05")]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ("1Q25|Q1 2025|Q1'25|1Q 2025|1Q2025|Q1-25|first quarter of 2025|Q1 FY25|1QFY25|1Q25E", "2025-q1"),
        ("1H25|H1 2025|first half of 2025|first-half 2025", "2025-h1"),
        ("FY25|FY2025|FY 25E|2025E|fiscal 2025|fiscal year 2025", "2025-fy"),
        ("Q4|4Q|fourth quarter", "q4"),
    ],
)
def test_a_period_is_one_figure_however_it_is_written(texts: str, expected: str) -> None:
    assert {text: read(text) for text in texts.split("|")} == {text: [("date", expected)] for text in texts.split("|")}


@pytest.mark.parametrize(
    "text",
    [
        "R1,5,", "5 ", "1", "1,", "twenty ", "one hundred and ", "half a ", "1/", "1:", "-", "$", "A-", "a",
        "Q1 ", "Jan ", "5 Jan ", "27/01/", "2025-", "2025-01-27T", "GPT-", "5 US ", "5 per ", "1  (", "($5)", "5 - ",
        "between 5 and ", " ",
    ],
)  # fmt: skip
def test_a_hostile_text_is_read_in_linear_time(text: str) -> None:
    hostile = text * (50_000 // len(text))
    started = time.process_time()
    figures(hostile)
    assert time.process_time() - started < 30


def test_the_canonical_term_is_one_word_of_letters_and_digits_that_ends_in_a_digit() -> None:
    assert [figure.canonical for figure in figures("$5.5M 4.53% 20x 2,048 -3% 1/7 GPT-4o 2025-01-27 FY25 10s")] == [
        "usd5500000", "pct4p53", "mult20", "num2048", "pctminus3", "part1of7", "namegpt4o0", "date20250127",
        "date2025fy0", "name10s0",
    ]  # fmt: skip


ALPHABET = st.sampled_from(
    [*"0123456789 .,-/:'()$€£%xXmMkKbBqQhHeEſıİK\n", "Jan ", "May", "million", "US", "one", "half", "won"]
)


@given(st.lists(ALPHABET, max_size=30).map("".join) | st.text())
def test_figures_lie_inside_the_text_in_order(text: str) -> None:
    found = figures(text)
    edge = 0
    for figure in found:
        assert edge <= figure.start < figure.end <= len(text)
        edge = figure.end


@given(st.integers(0, 10**9), st.sampled_from(["usd", "", "%", "x"]))
def test_a_figure_is_read_as_it_was_written(number: int, unit: str) -> None:
    text = {"usd": f"${number:,}", "": f"{number:,}", "%": f"{number}%", "x": f"{number}x"}[unit]
    assert figures(text) == [Figure(0, len(text), unit, str(number))]
