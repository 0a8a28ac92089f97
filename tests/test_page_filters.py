"""The filter bar: what is set is told, reaches the search, and can be set by pointer and by keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import expect

from rag.page.filters import Limits, label, of_houses, one_of
from tests.pages import Served, put

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

# Gradio, in this very process, leaves event loops open and counts its events with options that pandas 3 calls
# deprecated; as an error either would stop the page.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(), ""),
        (Limits(("UBS", "Citi"), "2025-01-20", "2025-02-05", "own"), "UBS, Citi · 20 Jan – 5 Feb 2025 · own words"),
        (Limits(since="2024-12-20", until="2025-02-05"), "20 Dec 2024 – 5 Feb 2025"),
        (Limits(since="2025-01-20", until="2025-01-20", kind="email"), "20 Jan 2025 · mail"),
        (Limits(since="2025-01-20", voice="quoted"), "since 20 Jan 2025 · quoted"),
        (Limits(until="2025-01-20", kind="note"), "until 20 Jan 2025 · notes and files"),
        (Limits(since="2025-02-01", until="2025-01-01"), "since 1 Feb 2025 · until 1 Jan 2025"),
        (Limits(since="last week"), "since last week"),
        (Limits(tuple("ABCDEF")), "A, B, C and 3 more"),
    ],
)  # fmt: skip
def test_what_is_set_is_told_in_a_line(limits: Limits, words: str) -> None:
    assert limits.words == words


def test_a_bar_without_a_condition_says_that_all_is_searched() -> None:
    assert label(Limits()) == "Filters: all mail"


def test_limits_are_what_the_assistant_takes() -> None:
    found = Limits.of(["Citi"], " 2025-01-20 ", None, "own", "email").conditions
    assert found == {"house": ("Citi",), "since": "2025-01-20", "until": None, "voice": "own", "kind": "email"}


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_whatever_is_typed_by_hand_has_words(since: str, voice: str, kind: str) -> None:
    limits = Limits.of(None, since, "", voice, kind)
    assert bool(limits.words) == any(one.strip() for one in (since, voice, kind))


def test_houses_are_counted_the_largest_first_and_a_chosen_one_stays() -> None:
    found = of_houses({"Citi": 3, "UBS": 1200, "BMO": 3}, ["Gone", "Citi"])
    assert [shown for shown, _ in found] == ["UBS (1,200)", "BMO (3)", "Citi (3)", "Gone (0)"]
    assert [name for _, name in found] == ["UBS", "BMO", "Citi", "Gone"]


def test_kinds_have_the_names_that_people_use() -> None:
    found = one_of("Anything", {"email": "Mail"}, {"email": 2, "memo": 1}, "")
    assert found == [("Anything", ""), ("Mail (2)", "email"), ("memo (1)", "memo")]


@pytest.fixture
def page(browser: Browser, served: Served) -> Iterator[Page]:
    opened = browser.new_page()
    opened.set_default_timeout(10_000)
    opened.goto(served.url)
    opened.get_by_role("button", name="All mail").click()
    opened.locator(".rag-bar").first.wait_for()
    yield opened
    opened.close()


def line(page: Page, words: str) -> Locator:
    return page.get_by_role("button", name=words)


def days(page: Page) -> tuple[str, str]:
    since, until = (page.get_by_label(name, exact=True).input_value() for name in ("Since", "Until"))
    return since, until


def test_a_house_is_chosen_by_its_name_and_count_and_stands_in_the_answer(page: Page) -> None:
    page.get_by_label("Houses").click()
    page.get_by_role("option", name="Citi (1)").click()
    line(page, "Citi").first.wait_for()
    put(page, "what about advanced chips?")
    page.get_by_text("Only: Citi").wait_for()
    page.locator(".rag-card").first.wait_for()
    assert all("Citi" in card for card in page.locator(".rag-card header").all_inner_texts())


def test_a_drag_over_the_bars_sets_both_dates_and_a_click_one_day(page: Page) -> None:
    first, second = (page.locator(".rag-bar").nth(number).bounding_box() for number in (0, 1))
    assert first
    assert second
    page.mouse.move(second["x"] + second["width"] / 2, second["y"] + 20)
    page.mouse.down()
    page.mouse.move(first["x"] + first["width"] / 2, first["y"] + 20, steps=4)
    page.mouse.up()
    line(page, "27 Jan – 28 Jan 2025").wait_for()
    assert days(page) == ("2025-01-27", "2025-01-28")
    assert page.locator(".rag-chosen").count() == 2
    page.locator(".rag-bar").nth(3).click()
    line(page, "30 Jan 2025").wait_for()
    assert days(page) == ("2025-01-30", "2025-01-30")


def test_dates_are_set_by_keyboard_and_the_bars_follow(page: Page) -> None:
    page.get_by_label("Since", exact=True).focus()
    page.keyboard.type("2025-01-28")
    page.keyboard.press("Tab")
    page.keyboard.type("2025-01-29")
    line(page, "28 Jan – 29 Jan 2025").wait_for()
    page.locator(".rag-chosen").nth(1).wait_for()
    assert page.locator(".rag-chosen").count() == 2


def test_a_date_that_is_none_is_told_where_the_question_is_asked(page: Page) -> None:
    page.get_by_label("Until", exact=True).fill("soon")
    line(page, "until soon").wait_for()
    put(page, "what about chips?")
    expect(page.locator("#rag-talk .rag-prose")).to_contain_text("until is 'soon', which is no date.")


def test_own_or_quoted_words_and_kinds_are_chosen_with_their_counts(page: Page) -> None:
    page.get_by_label("Kind").click()
    page.get_by_role("option", name="Notes and files (1)").click()
    page.get_by_label("Whose words").click()
    page.get_by_role("option", name="Own words (3)").click()
    expect(line(page, "own words · notes and files")).to_be_visible()


def test_clear_takes_every_condition_away(page: Page) -> None:
    page.get_by_label("Houses").click()
    page.get_by_role("option", name="Citi (1)").click()
    page.get_by_label("Since", exact=True).fill("2025-01-28")
    line(page, "Citi · since 28 Jan 2025").wait_for()
    page.get_by_role("button", name="Clear filters").click()
    line(page, "All mail").wait_for()
    assert days(page) == ("", "")


def test_a_phone_shows_the_open_bar_without_scrolling_sideways(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator(".rag-bar").first.is_visible()
