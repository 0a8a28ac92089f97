"""The pictures of time: every mail is in a bar, every quote is a dot, and no text becomes markup."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.page.timeline import MOST, Point, bars, houses_over_time, timeline
from tests.pages import OURS, Reader

MONDAY = date(2025, 1, 20)

COUNTS = st.dictionaries(st.dates(), st.integers(0, 300), max_size=30)


def on(day: int = 0, house: str = "Citi", verdict: str = "agree") -> Point:
    return Point(house, MONDAY + timedelta(day), f"{house} on day {day}", f"d{day} 0 5", verdict)


@given(COUNTS)
def test_bars_are_few_touch_each_other_and_are_in_order(counts: dict[date, int]) -> None:
    drawn = bars(counts)
    assert len(drawn) <= MOST
    assert all(bar.first <= bar.last for bar in drawn)
    assert all(one.last + timedelta(1) == two.first for one, two in pairwise(drawn))


@given(COUNTS)
def test_a_bar_counts_what_is_of_its_days(counts: dict[date, int]) -> None:
    for bar in bars(counts):
        within = sum(count for day, count in counts.items() if bar.first <= day <= bar.last)
        assert bar.count <= within
        assert bar.count == within or bar.first.year != bar.last.year


@pytest.mark.parametrize(
    ("days", "first", "last"),
    [
        (60, MONDAY, MONDAY),
        (61, MONDAY, date(2025, 1, 26)),
        (500, date(2025, 1, 1), date(2025, 1, 31)),
        (4000, date(2025, 1, 1), date(2025, 12, 31)),
    ],
)
def test_days_become_weeks_months_and_years_where_they_are_many(days: int, first: date, last: date) -> None:
    found = bars({MONDAY + timedelta(day): 1 for day in range(days)})[0]
    assert (found.first, found.last) == (first, last)


def test_a_broken_clock_does_not_set_the_scale() -> None:
    mail = {MONDAY + timedelta(day): 20 for day in range(30)}
    assert bars({**mail, date(1970, 1, 1): 1, date(2099, 1, 1): 1}) == bars(mail)
    assert "2 of other years" in timeline({**mail, date(1970, 1, 1): 1, date(2099, 1, 1): 1})


def test_an_archive_that_is_thin_is_drawn_whole() -> None:
    assert sum(bar.count for bar in bars({date(1970, 1, 1): 1, MONDAY: 1})) == 2


def test_the_chosen_days_are_accented_the_last_included() -> None:
    drawn = timeline({MONDAY + timedelta(day): 1 for day in range(9)}, MONDAY + timedelta(2), MONDAY + timedelta(4))
    assert drawn.count("rag-chosen") == 3


def test_nothing_chosen_accents_nothing() -> None:
    assert "rag-chosen" not in timeline({MONDAY: 1})


def test_a_bar_tells_its_days_and_its_count() -> None:
    assert 'title="20 Jan 2025: 1,234"' in timeline({MONDAY: 1234})
    weeks = {MONDAY + timedelta(day): 1 for day in range(100)}
    assert 'title="20 Jan 2025 to 26 Jan 2025: 7" data-first="2025-01-20" data-last="2025-01-26"' in timeline(weeks)


def test_no_mail_is_told() -> None:
    assert "no mail" in timeline({})


@given(COUNTS, st.dates() | st.none(), st.dates() | st.none())
def test_any_calendar_can_be_drawn(counts: dict[date, int], since: date | None, until: date | None) -> None:
    assert set(Reader(timeline(counts, since, until)).elements) <= OURS


def test_a_lane_for_each_house_and_a_button_for_each_quote() -> None:
    found = Reader(houses_over_time([on(0), on(3), on(9, "UBS", "disagree")]))
    assert (found.elements.count("li"), found.elements.count("button")) == (2, 3)
    assert "agrees" in found.words
    assert "no rule" not in found.words


def test_a_dot_opens_its_passage_and_stands_at_its_day() -> None:
    drawn = houses_over_time([on(0), on(5), on(10)])
    assert 'style="left: 50.0%; top: 0px" data-passage="d5 0 5" aria-label="Citi on day 5"' in drawn


def test_dots_of_one_day_stand_below_each_other() -> None:
    drawn = houses_over_time([on(), on(), on()])
    assert all(f"left: 50.0%; top: {top}px" in drawn for top in (0, 24, 48))


def test_without_quotes_there_is_no_picture() -> None:
    assert houses_over_time([]) == ""


@given(st.text(alphabet=st.sampled_from("<>&\"'/ aimgsrc=`$;#x")), st.dates())
def test_no_text_becomes_markup(text: str, day: date) -> None:
    drawn = houses_over_time([Point(text, day, text, text, text), Point(text, date(2025, 1, 1), text, text, text)])
    assert set(Reader(drawn).elements) <= OURS
