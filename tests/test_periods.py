from __future__ import annotations

from datetime import UTC, date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.periods import said_when

THURSDAY = date(2025, 1, 30)


def days(question: str, today: date = THURSDAY) -> tuple[str, str]:
    """The condition as two days, "" for none."""
    period = said_when(question, today=today)
    return tuple(f"{day:%Y-%m-%d}" if day else "" for day in (period.since, period.until))  # type: ignore[return-value]


CONDITIONS = {
    "What did Citi say last week?": ("2025-01-20", "2025-01-27"),
    "what did citi say about tin this week": ("2025-01-27", "2025-02-03"),
    "Who upgraded Ford yesterday?": ("2025-01-29", "2025-01-30"),
    "What did Citi say today about tin?": ("2025-01-30", "2025-01-31"),
    "What did Citi say in the last 3 days?": ("2025-01-27", "2025-01-31"),
    "What has Citi written on tin over the past two weeks?": ("2025-01-16", "2025-01-31"),
    "What has Citi written in the past month?": ("2024-12-30", "2025-01-31"),
    "Citi on tin last month": ("2024-12-01", "2025-01-01"),
    "What has Citi said since Monday?": ("2025-01-27", ""),
    "What has Citi said since Friday?": ("2025-01-24", ""),
    "What did Citi say on Thursday?": ("2025-01-30", "2025-01-31"),
    "What did Citi say last Thursday?": ("2025-01-23", "2025-01-24"),
    "What did Citi say before 30 Jan?": ("", "2025-01-30"),
    "What did Citi say until 29 Jan?": ("", "2025-01-30"),
    "What did Citi say about tin after January 27th 2025?": ("2025-01-28", ""),
    "views on tin since 2025-01-20": ("2025-01-20", ""),
    "What did Citi say between 20 and 27 January about tin?": ("2025-01-20", "2025-01-28"),
    "What did Citi say from January 20 to 27?": ("2025-01-20", "2025-01-28"),
    "What did Citi say between 28 December and 3 January?": ("2024-12-28", "2025-01-04"),
    "notes between 20 January and 3 February 2024 on tin": ("2024-01-20", "2024-02-04"),
    "What did Citi say on the 27th of January?": ("2025-01-27", "2025-01-28"),
    "On 27 January, what did Citi say?": ("2025-01-27", "2025-01-28"),
    "What did Citi say about tin on 31 Dec?": ("2024-12-31", "2025-01-01"),
    "What did Citi say in January 2025 about tin?": ("2025-01-01", "2025-02-01"),
    "notes from January 2025 on tin": ("2025-01-01", "2025-02-01"),
    "What did Citi write in Q4 2024 about tin": ("2024-10-01", "2025-01-01"),
    "research published in 2024 on tin": ("2024-01-01", "2025-01-01"),
    "What has Citi said about tin since December 2024?": ("2024-12-01", ""),
    "Who cut their target for Ford this week?": ("2025-01-27", "2025-02-03"),
    "anything from Citi, notes or emails, yesterday?": ("2025-01-29", "2025-01-30"),
    "What did Citi say after 20 Jan and before 27 Jan?": ("2025-01-21", "2025-01-27"),
}


@pytest.mark.parametrize(("question", "expected"), CONDITIONS.items())
def test_a_date_of_saying_is_a_condition(question: str, expected: tuple[str, str]) -> None:
    assert days(question) == expected


@pytest.mark.parametrize(
    "question",
    [
        "What is the revenue for 2024?",
        "What are Citi's 2025 estimates?",
        "What was net income in 2019?",
        "What was the change between 2018 and 2019?",
        "What does Citi say about revenue in 2024?",
        "How did tin trade before the January 27 sell-off?",
        "What did Citi say before the January 27 sell-off?",
        "What did Citi say about the 30 Jan results?",
        "What does Citi expect after 26 February?",
        "What does Citi expect this week?",
        "What does Citi expect in January?",
        "What did analysts say about yesterday's sell-off?",
        "What did analysts say about the sell-off last week?",
        "How much did tin fall yesterday?",
        "How far did yields fall on 27 January?",
        "Why does Citi say tin fell on 27 January?",
        "What did Ana do last weekend?",
        "What did Citi say about sales last year?",
        "Will Citi cut FY25 numbers by 30 January?",
        "What did Citi say in Q4 2024 results?",
        "notes outstanding in 2019",
        "write-offs between 2018 and 2019",
        "What did Citi say since 30 February?",
        "What did Citi say after 20 Jan and before 10 Jan?",
        "What did Citi say before 1 March?",  # next month, not eleven months ago
        "May rates fall? March on!",
        "",
    ],
)
def test_any_other_date_is_a_topic(question: str) -> None:
    assert said_when(question, today=THURSDAY) == said_when("", today=THURSDAY)


@pytest.mark.parametrize(
    ("question", "today", "expected"),
    [
        ("said on 29 February", date(2025, 3, 1), ("2024-02-29", "2024-03-01")),
        ("said on 29 February", date(2024, 2, 29), ("2024-02-29", "2024-03-01")),
        ("said on 29 February", date(1903, 3, 1), ("1896-02-29", "1896-03-01")),
        ("said in the past month", date(2025, 3, 31), ("2025-02-28", "2025-04-01")),
        ("said in the past month", date(2024, 3, 31), ("2024-02-29", "2024-04-01")),
        ("said last month", date(2025, 1, 31), ("2024-12-01", "2025-01-01")),
        ("said last week", date(2025, 1, 1), ("2024-12-23", "2024-12-30")),
        ("said this week", date(2024, 12, 31), ("2024-12-30", "2025-01-06")),
        ("said yesterday", date(2025, 1, 1), ("2024-12-31", "2025-01-01")),
        ("said since Monday", date(2025, 1, 27), ("2025-01-27", "")),
        ("said in December", date(2025, 1, 1), ("2024-12-01", "2025-01-01")),
        ("said last quarter", date(2025, 2, 10), ("2024-10-01", "2025-01-01")),
        ("said last year", date(2025, 2, 10), ("2024-01-01", "2025-01-01")),
    ],
)
def test_the_calendar_is_kept(question: str, today: date, expected: tuple[str, str]) -> None:
    assert days(question, today) == expected


def test_the_words_of_a_condition_are_known() -> None:
    question = "What did Citi say about tin in the last 3 days?"
    ((start, end),) = said_when(question, today=THURSDAY).spans
    assert question[start:end] == "in the last 3 days"


PIECES = st.sampled_from(
    "said say notes from in on since before after between and to 20 27 30 31 29 Jan February Q4 2024 2025-01-27 last "
    "this past week month 3 days Monday yesterday today ,".split()
)


@given(st.text() | st.lists(PIECES, max_size=15).map(" ".join), st.dates())
def test_a_period_begins_before_it_ends(text: str, today: date) -> None:
    period = said_when(text, today=today)
    assert period.since is None or period.since.tzinfo is UTC
    assert period.since is None or period.until is None or period.since < period.until
    assert all(0 <= start < end <= len(text) for start, end in period.spans)
