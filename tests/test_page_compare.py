"""The comparison: what is told of each house, and how it looks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import expect

from rag.comparing import Comparison, Row
from rag.page import compare
from rag.page.filters import Limits
from rag.stances import Stance, Verdict
from tests.pages import NAVIGATES, OURS, Desk, Reader, ScriptedAssistant, put, quote, sinking, vectors

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from rag.assistant import Assistant

# Gradio, in this very process, leaves event loops open and counts its events with options that pandas 3 calls
# deprecated; as an error either would stop the page.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def compared(assistant: ScriptedAssistant, claim: str, limits: Limits | None = None) -> compare.Shown:
    return list(compare.compared(cast("Assistant", assistant), claim, limits or Limits()))[-1]


def test_a_comparison_keeps_to_the_filters() -> None:
    assistant = ScriptedAssistant()
    compared(assistant, " Capex will fall ", Limits(("Citi",), "2025-01-20"))
    ((claim, _, filters),) = assistant.asked
    assert (claim, filters) == ("Capex will fall", Limits(("Citi",), "2025-01-20").conditions)


def test_an_unusable_claim_is_told_and_not_compared() -> None:
    assistant = ScriptedAssistant()
    assert "Write a claim first" in compared(assistant, " ").told
    assert assistant.asked == []


def test_a_comparison_that_fails_is_told_with_its_remedy() -> None:
    shown = compared(ScriptedAssistant(), "broken")
    assert "There is no index." in shown.told
    assert "Build it." in shown.table
    assert (shown.markdown, shown.csv) == ("", "")


def test_the_filters_that_hold_are_told_with_the_comparison() -> None:
    shown = compared(ScriptedAssistant(), "Capex will fall", Limits(("Citi",)))
    assert shown.told.endswith("Only: Citi")
    assert "Only: Citi" in shown.markdown


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


def test_a_comparison_without_a_row_says_so_and_what_to_try() -> None:
    found = Comparison("x", (), ("Citi",))
    assert compare.counted(found) == "No house says anything near this claim."
    assert "Try fewer words" in compare.comparison(found)


@pytest.mark.parametrize(
    ("verdicts", "told"),
    [
        (("agree", "", "disagree", "agree"), "4 houses: 2 agree, 1 disagree."),
        (("other",), "1 house: 1 with another figure."),
        (("", ""), "2 houses; no rule can tell who agrees."),
    ],
)
def test_the_verdicts_are_counted_in_words(verdicts: tuple[Verdict, ...], told: str) -> None:
    rows = tuple(Row(quote(), Stance(verdict)) for verdict in verdicts)
    assert compare.counted(Comparison("x", rows, ())) == told


def test_the_picture_has_a_dot_for_each_row_that_opens_its_passage() -> None:
    rows = (Row(quote(), Stance("agree")), Row(quote(house="Citi"), Stance()))
    drawn = compare.comparison(Comparison("x", rows, ()))
    dots = re.findall(r'class="rag-dot [^>]*data-passage="([^"]*)"', drawn)
    assert dots == ["d 0 25", "d 0 25"]
    assert drawn.count('class="rag-chip" data-passage="d 0 25"') == 2


def test_the_picture_tells_another_figure_from_what_no_rule_can_tell() -> None:
    rows = (Row(quote(), Stance("other")), Row(quote(house="Citi"), Stance()))
    drawn = compare.comparison(Comparison("x", rows, ()))
    assert "another figure" in drawn
    assert "no rule can tell" in drawn


@given(st.text(alphabet=st.sampled_from("<>&\"'/ aimgsrc=`$;#x" + "{}")))
def test_no_text_becomes_markup(text: str) -> None:
    for drawn in (compare.comparison(side_by_side(text)), compare.empty([text])):
        assert set(Reader(drawn).elements) <= OURS


@pytest.fixture
def comparing(browser: Browser, scripted: Desk) -> Iterator[Page]:
    page = browser.new_page()
    page.set_default_timeout(10_000)
    page.goto(scripted.url)
    page.get_by_role("tab", name="Compare", exact=True).click()
    yield page
    page.close()


def test_a_claim_is_compared_on_enter(comparing: Page) -> None:
    comparing.get_by_label("Claim").fill("Capex will fall")
    comparing.get_by_label("Claim").press("Enter")
    row = comparing.locator(".rag-houses tbody tr").inner_text()
    assert "disagree" in row
    assert "27 Jan 2025" in row
    assert "Nothing near it from Citi, UBS." in comparing.locator(".rag-houses").inner_text()


def test_what_is_pressed_or_was_asked_last_is_compared(comparing: Page) -> None:
    comparing.get_by_role("button", name="Compare the last question").click()
    comparing.get_by_text("There is no question yet").wait_for()
    comparing.get_by_role("button", name="Capex will fall").click()
    comparing.locator(".rag-houses caption", has_text="Capex will fall").wait_for()
    comparing.get_by_role("tab", name="Ask").click()
    put(comparing, "What is fair value?")
    comparing.locator("#rag-talk .rag-prose").wait_for()
    comparing.get_by_role("tab", name="Compare", exact=True).click()
    comparing.get_by_role("button", name="Compare the last question").click()
    comparing.locator(".rag-houses caption", has_text="What is fair value").wait_for()
    assert comparing.get_by_label("Claim").input_value() == "What is fair value"


def test_a_comparison_is_copied_and_saved(comparing: Page, tmp_path: Path) -> None:
    comparing.context.grant_permissions(["clipboard-read", "clipboard-write"])
    comparing.get_by_label("Claim").fill("=1+1")
    comparing.get_by_label("Claim").press("Enter")
    comparing.locator(".rag-houses tbody tr").wait_for()
    comparing.get_by_role("button", name="Copy as Markdown").click()
    copied = comparing.wait_for_function("navigator.clipboard.readText()").json_value()
    assert "| House | Date | Stance |" in copied
    comparing.get_by_text("Copied.").wait_for()
    assert comparing.get_by_text("1 house:").is_visible()  # what was compared is told still
    with comparing.expect_download() as download:
        comparing.get_by_role("button", name="Download CSV").click()
    download.value.save_as(tmp_path / "saved.csv")
    assert download.value.suggested_filename == "comparison.csv"
    assert '"\'=1+1"' in (tmp_path / "saved.csv").read_text(encoding="utf-8")


def test_of_two_claims_at_once_the_second_is_shown_last(comparing: Page) -> None:
    box = comparing.get_by_label("Claim")
    for claim in ("Capex will fall", "Capex will rise"):
        box.fill(claim)
        box.press("Enter")
    expect(comparing.locator(".rag-houses caption")).to_have_text("Capex will rise")


def test_a_claim_that_cannot_be_compared_takes_no_table_away(comparing: Page) -> None:
    box = comparing.get_by_label("Claim")
    for claim in ("Capex will fall", ""):
        box.fill(claim)
        box.press("Enter")
        comparing.get_by_text("1 house:" if claim else "Write a claim first.").wait_for()
    comparing.get_by_role("tab", name="Inbox", exact=True).click()
    comparing.get_by_role("tab", name="Compare", exact=True).click()
    comparing.wait_for_timeout(500)  # in which a greeting would come
    assert comparing.locator(".rag-houses caption").inner_text() == "Capex will fall"


def test_a_comparison_that_ends_late_replaces_no_newer_one(comparing: Page, scripted: Desk) -> None:
    comparing.get_by_label("Claim").fill("slow")
    comparing.get_by_label("Claim").press("Enter")
    comparing.get_by_text("Comparing the houses").wait_for()
    comparing.get_by_role("button", name="Capex will fall").click()
    comparing.locator(".rag-houses caption", has_text="Capex will fall").wait_for()
    scripted.assistant.comparing.set()
    comparing.wait_for_timeout(1000)
    assert comparing.locator(".rag-houses caption").inner_text() == "Capex will fall"


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
        page.get_by_role("tab", name="Compare", exact=True).click()
        page.get_by_label("Claim").fill("\n".join([*vectors(sink), NAVIGATES.format(sink=sink)])[:2000])
        page.get_by_role("button", name="Compare", exact=True).click()
        page.locator(".rag-houses tbody tr").wait_for()
        page.wait_for_timeout(300)
        assert page.locator(".rag-houses :is(img, script, a, form, iframe, meta, svg)").count() == 0
        page.close()
    assert hits == []
