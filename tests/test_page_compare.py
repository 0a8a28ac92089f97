"""The comparison: what is told of each house, and how it looks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

import pytest

from rag.comparing import Comparison, Row
from rag.page import compare
from rag.page.filters import Limits
from rag.stances import Stance, Verdict
from tests.pages import NAVIGATES, Desk, Reader, ScriptedAssistant, quote, sinking, vectors

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from rag.assistant import Assistant

# Gradio, in this very process, leaves event loops open and counts its events with options that pandas 3 calls
# deprecated; as an error either would stop the page.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def compared(assistant: ScriptedAssistant, claim: str, limits: Limits | None = None) -> str:
    return compare.compared(cast("Assistant", assistant), claim, limits or Limits())


def test_a_comparison_keeps_to_the_filters() -> None:
    assistant = ScriptedAssistant()
    compared(assistant, " Capex will fall ", Limits(("Citi",), "2025-01-20"))
    ((claim, _, filters),) = assistant.asked
    assert (claim, filters) == ("Capex will fall", Limits(("Citi",), "2025-01-20").conditions)


def test_an_unusable_claim_is_told_and_not_compared() -> None:
    assistant = ScriptedAssistant()
    assert "Write a claim first" in compared(assistant, " ")
    assert assistant.asked == []


def test_a_comparison_that_fails_is_told_with_its_remedy() -> None:
    drawn = compared(ScriptedAssistant(), "broken")
    assert "There is no index." in drawn
    assert "Build it." in drawn


def side_by_side(text: str = "wrong", verdict: Verdict = "disagree") -> Comparison:
    said = quote(text, title=text, house=text, person=text, path=text)
    return Comparison(text, (Row(said, Stance(verdict, text if verdict else "")),), (text,))


def test_a_row_of_the_comparison_names_house_date_stance_quote_and_path() -> None:
    found = Comparison("Shares are worth $41", (Row(quote(), Stance("agree", "states $41")),), ("Citi", "UBS"))
    words = Reader(compare.comparison(found)).words
    for part in (
        "Shares are worth $41", "[1] Bernstein (Ann Lee)", "27 Jan 2025", "agree", "states $41", "fair value at $41",
        "On chips · 2025/chips.eml", "Nothing near it from Citi, UBS.",
    ):  # fmt: skip
        assert part in words


def test_a_row_that_no_rule_judged_has_an_empty_stance() -> None:
    assert '<td class="rag-stance"></td>' in compare.comparison(side_by_side(verdict=""))


def test_a_comparison_without_a_row_says_so() -> None:
    assert "No house says anything near this claim." in compare.comparison(Comparison("x", (), ("Citi",)))


@pytest.fixture
def comparing(browser: Browser, scripted: Desk) -> Iterator[Page]:
    page = browser.new_page()
    page.set_default_timeout(10_000)
    page.goto(scripted.url)
    page.get_by_role("tab", name="Compare houses").click()
    yield page
    page.close()


def test_a_claim_is_compared_on_enter(comparing: Page) -> None:
    comparing.get_by_label("Claim").fill("Capex will fall")
    comparing.get_by_label("Claim").press("Enter")
    row = comparing.locator(".rag-houses tbody tr").inner_text()
    assert "disagree" in row
    assert "27 Jan 2025" in row
    assert "Nothing near it from Citi, UBS." in comparing.locator(".rag-houses").inner_text()


def test_a_comparison_fits_on_a_phone(comparing: Page) -> None:
    comparing.set_viewport_size({"width": 390, "height": 844})
    comparing.get_by_label("Claim").fill("x" * 300)
    comparing.get_by_role("button", name="Compare", exact=True).click()
    comparing.locator(".rag-houses tbody tr").wait_for()
    assert comparing.evaluate("document.documentElement.scrollWidth") <= 390


def test_no_text_of_a_comparison_fetches_or_runs_anything(browser: Browser, scripted: Desk) -> None:
    with sinking() as (sink, hits):
        page = browser.new_page(bypass_csp=True)
        page.goto(scripted.url)
        page.get_by_role("tab", name="Compare houses").click()
        page.get_by_label("Claim").fill("\n".join([*vectors(sink), NAVIGATES.format(sink=sink)])[:2000])
        page.get_by_role("button", name="Compare", exact=True).click()
        page.locator(".rag-houses tbody tr").wait_for()
        page.wait_for_timeout(300)
        assert page.locator(".rag-houses :is(img, script, a, form, iframe, meta, svg)").count() == 0
        page.close()
    assert hits == []
