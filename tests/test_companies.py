from __future__ import annotations

import time
import tomllib
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.companies import companies_named
from rag.houses import canonical

ROWS = tomllib.loads(files("rag").joinpath("companies.toml").read_text(encoding="utf-8"))["company"]
NAMES = [(name, row["ticker"]) for row in ROWS for name in (row["name"], *row["aliases"])]


def named(text: str, ignore_case: bool = False) -> list[str]:
    return [ticker for _, _, ticker in companies_named(text, ignore_case)]


def test_no_name_and_no_ticker_belongs_to_two_companies() -> None:
    owners = {*NAMES, *((row["ticker"], row["ticker"]) for row in ROWS)}
    assert len({name for name, _ in owners}) == len(owners)


def test_no_name_is_a_house() -> None:
    assert [name for name, _ in NAMES if canonical(name)] == []


@given(st.sampled_from(NAMES), st.sampled_from(["", "'s", "’s", ",", ":", ")"]))
def test_every_name_is_found_with_its_possessive_outside_the_span(row: tuple[str, str], tail: str) -> None:
    name, ticker = row
    assert companies_named(f"As for {name}{tail} and others") == ((7, 7 + len(name), ticker),)


@pytest.mark.parametrize(
    "text",
    ["Nvidia", "NVIDIA", "NVDA", "$NVDA", "NVDA.O", "NVDA US", "NVDA US Equity", "(NVDA)", "(NASDAQ: NVDA)", "$nvda"],
)
def test_every_way_of_naming_a_listing_is_one_company(text: str) -> None:
    assert named(text, ignore_case=text.islower()) == ["NVDA"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$MU, (MU), MU.O and MU US", ["MU"] * 4),
        ("NOW is the time; Target price up; a Block trade; MU meson; the SMR design", []),
        ("(NOW) and $SMR", ["NOW", "SMR"]),
        ("BUILT ON US SOIL", []),
        ("700 HK and 0700.HK, not 700 HK dollars", ["0700.HK", "0700.HK"]),
        ("Tencent Music, not Tencent", ["TME", "0700.HK"]),
        ("see www.nvidia.com or ir@NVDA.com, NVDAX", []),
        ("Taiwan\nSemiconductor", ["TSM"]),
        ("Jabil's and AT&T's", ["JBL", "T"]),
    ],
)
def test_the_longest_name_counts_and_short_or_wordlike_tickers_need_a_mark(text: str, expected: list[str]) -> None:
    assert named(text) == expected


def test_a_question_in_lower_case_finds_companies_but_no_everyday_words() -> None:
    text = "did nvda, broadcom or sk hynix meet the apple or meta arm target by 5 bp? oracle block visa gap, $f now"
    assert named(text, ignore_case=True) == ["NVDA", "AVGO", "000660.KS"]


def test_an_everyday_word_with_its_capital_is_a_company() -> None:
    assert named("Did Meta, ARM and Apple beat Oracle?", ignore_case=True) == ["META", "ARM", "AAPL", "ORCL"]


@given(st.text(max_size=30), st.sampled_from(NAMES), st.text(max_size=30), st.booleans())
def test_spans_are_ordered_and_disjoint(before: str, row: tuple[str, str], after: str, ignore_case: bool) -> None:
    text = f"{before} {row[0]} {after}"
    edge = 0
    for start, end, _ in companies_named(text, ignore_case):
        assert edge <= start < end <= len(text)
        edge = end


@pytest.mark.parametrize("unit", ["Taiwan ", "T ", "(NVDA", "$", "Taiwan" + " " * 5000, "E.", "a" * 5000, "MU US "])
def test_a_hostile_text_is_read_in_linear_time(unit: str) -> None:
    text = unit * (250_000 // len(unit))
    started = time.process_time()
    companies_named(text, ignore_case=True)
    assert time.process_time() - started < 20
