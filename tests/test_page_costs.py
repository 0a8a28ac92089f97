"""The tab of costs: what it says, what it adds up to, and that no text becomes markup."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

import app
from rag.costs import Cost, Memory, Price, Rates, stages
from rag.errors import SettingsError
from rag.page import costs
from rag.page.filters import Limits
from rag.page.talk import Conversation, converse
from rag.records import Usage
from rag.settings import Settings
from tests.pages import OURS, Desk, Reader, Said, ScriptedAssistant, ScriptedReply, answered, put

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

    from rag.assistant import Assistant

# Gradio, in this very process, leaves event loops open and counts its events with options that pandas 3 calls
# deprecated; as an error either would stop the page.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

SECONDS = {"search": 0.5, "load": 1.0, "first_token": 4.0, "prose": 10.0, "total": 16.0}
USAGE = Usage(prompt_tokens=1200, cached_tokens=900, thinking_tokens=40, answer_tokens=100, seconds=SECONDS)
COST = Cost("What does Citi doubt?", "r1-1.5b", USAGE, stages(USAGE), 20.0, None, Memory(1_500_000_000, 1_600_000_000))
RATES = Rates(0.30, 7.0, (Price("R1", 0.55, 0.14, 2.19, date(2025, 2, 8), "a page"),))


def words(costs_: list[Cost], rates: Rates = RATES) -> str:
    return Reader(costs.drawing(costs_, rates)).words


def test_the_line_under_an_answer_has_tokens_pace_energy_and_prices() -> None:
    # 20 s x 7 W = 0.039 Wh; 300 x 0.55 + 900 x 0.14 + 140 x 2.19 = 597.6 millionths
    assert costs.line(COST, RATES) == (
        "r1-1.5b · 1,200 tokens read (900 cached) · 140 written (40 thought) at 14/s · 16.0 s · 0.039 Wh (estimate)"
        " · $0.000012 electricity, $0.00060 at R1’s price (Feb 2025)"
    )


def test_energy_that_was_measured_is_no_estimate() -> None:
    assert "0.020 Wh · " in costs.line(replace(COST, joules=72.0), RATES)


def test_a_stopped_model_has_told_of_no_tokens_and_took_energy() -> None:
    told = costs.line(replace(COST, usage=Usage(), seconds={"total": 1.5}), RATES)
    assert told == "r1-1.5b · 1.5 s · 0.039 Wh (estimate) · $0.000012 electricity"


def test_an_answer_without_a_model_tells_its_seconds() -> None:
    assert costs.line(Cost(seconds={"search": 0.2, "total": 0.2}), RATES) == "0.2 s"


def test_without_prices_none_is_named() -> None:
    assert costs.line(COST, replace(RATES, prices=())).endswith("$0.000012 electricity")


def test_before_an_answer_the_tab_says_what_will_be_there() -> None:
    assert "For each answer this then shows" in words([])


def test_a_session_is_compared_with_the_prices_of_its_day() -> None:
    told = words([COST, COST])
    for part in ("2 answers", "$0.0012", "51 ×", "08 Feb 2025", "a page", "1,500 MB", "1,600 MB"):
        assert part in told


def test_the_page_says_whether_energy_is_measured() -> None:
    assert "40.0 CPU seconds of this process × 7 W" in words([COST, COST])
    measured = words([replace(COST, joules=72.0)])
    assert "RAPL" in measured
    assert "estimate" not in measured.split("How this is counted")[0]


def test_free_electricity_divides_nothing() -> None:
    assert "–" in words([COST], replace(RATES, electricity=0.0))


def test_a_server_s_energy_is_said_to_be_unknown() -> None:
    assert "runs on a server" in Reader(costs.drawing([COST], RATES, remote=True)).words
    assert "runs on a server" not in words([COST])


@given(st.text(alphabet=st.sampled_from("<>&\"'/ aimgsrc=`$;#x" + "{}")))
def test_no_text_becomes_markup(text: str) -> None:
    rates = replace(RATES, prices=(Price(text, 1, 1, 1, date(2025, 2, 8), text),))
    drawn = Reader(costs.drawing([replace(COST, question=text, model=text)], rates))
    assert set(drawn.elements) <= OURS


numbers = st.floats(0, 1e6, allow_subnormal=True)


@given(numbers, numbers, numbers, st.floats(0, 1000), st.floats(0, 1000))
def test_every_amount_can_be_drawn(cpu: float, asked: float, given_: float, electricity: float, watts: float) -> None:
    price = Price("p", asked, asked, given_, date(2025, 2, 8), "s")
    assert "1 answer" in words([replace(COST, cpu_seconds=cpu)], Rates(electricity, watts, (price,)))


def test_a_long_question_is_shortened() -> None:
    assert "x" * 61 not in words([replace(COST, question="x" * 1_000_000)])


@pytest.mark.parametrize(("written", "used"), [(None, 0.3), (float("nan"), 0.3), (-1.0, 0.3), (0.0, 0.0), (0.5, 0.5)])
def test_what_cannot_be_counted_with_is_not(written: float | None, used: float) -> None:
    assert costs._number(written, 0.3) == used


# ------------------------------------------------------------------------------------------------ in a browser


def costly() -> ScriptedReply:
    return ScriptedReply(answered(usage=USAGE), [Said("Bernstein ")] * 5, pause=0.3)


def test_an_answer_adds_its_cost_and_a_cleared_talk_has_none() -> None:
    assistant, talk = ScriptedAssistant({"q": costly}), Conversation()
    *_, last = converse(cast("Assistant", assistant), "q", Limits(), talk)
    assert [cost.usage for cost in talk.past.costs] == [USAGE]
    assert "140 written (40 thought) at 14/s" in last.content
    talk.clear()
    assert talk.past.costs == []


def test_a_table_of_prices_that_cannot_be_used_stops_the_page_before_it_is_served(tmp_path: Path) -> None:
    settings = Settings(corpus=tmp_path, index=tmp_path, prices=tmp_path / "nowhere.toml")
    with pytest.raises(SettingsError, match="prices"):
        app.build(cast("Assistant", ScriptedAssistant(settings=settings)))


@pytest.fixture(scope="module")
def page(browser: Browser, scripted: Desk) -> Iterator[Page]:
    scripted.assistant.script["costly"] = costly
    page = browser.new_page()
    page.set_default_timeout(10_000)
    page.goto(scripted.url)
    put(page, "costly")
    page.locator(".rag-usage").wait_for()
    yield page
    page.close()


def rows(page: Page) -> Locator:
    return page.locator(".rag-answers tbody tr")


def test_two_answers_are_two_rows_that_add_up_as_soon_as_the_second_ends(page: Page) -> None:
    put(page, "costly")
    page.get_by_role("tab", name="Costs").click()
    rows(page).nth(1).wait_for()
    total = page.locator(".rag-answers tfoot :is(th, td)").all_inner_texts()
    assert total[:10] == ["2 answers", "1.0", "3.0", "8.0", "20.0", "32.0", "2,400", "1,800", "80", "200"]


def test_each_visitor_sees_his_own_session(browser: Browser, page: Page, scripted: Desk) -> None:
    other = browser.new_page()
    other.goto(scripted.url)
    other.get_by_role("tab", name="Costs").click()
    other.locator(".rag-costs h2").first.wait_for()
    shown = other.locator(".rag-costs").inner_text()
    other.close()
    assert "No answer yet" in shown


def test_another_price_of_electricity_is_counted_with_at_once(page: Page) -> None:
    page.get_by_role("tab", name="Costs").click()
    page.get_by_label("USD for a kilowatt-hour").fill("0")
    page.get_by_text("Electricity is taken at 0 USD").wait_for()
    assert page.locator(".rag-answers tfoot td").last.inner_text() == "$0"


def test_the_costs_fit_on_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.get_by_role("tab", name="Costs").click()
    rows(page).first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
