"""The tab that asks, in a browser: streaming, stopping, keeping, and nothing that leaks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from rag.page.talk import QUESTION_CHARACTERS, TICK
from tests.pages import CLOSED_WITHIN, NAVIGATES, Desk, Said, answered, hostile, put, reply_to, sinking, slow, vectors

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# Gradio, in this very process, leaves event loops open and counts its events with options that pandas 3 calls
# deprecated; as an error either would stop the page.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(scope="module")
def shared(browser: Browser, scripted: Desk) -> Iterator[Page]:
    page = browser.new_page()
    page.set_default_timeout(10_000)
    page.goto(scripted.url)
    page.get_by_label("Question", exact=True).wait_for()
    yield page
    page.close()


@pytest.fixture
def tab(shared: Page) -> Page:
    """A page without a conversation; a load takes a second, to clear it a tenth."""
    shared.set_viewport_size({"width": 1280, "height": 720})
    clear = shared.get_by_role("button", name="Clear")
    if clear.count():
        clear.click()
        shared.locator(".rag-card").first.wait_for(state="detached")
        shared.get_by_text("Ask what a house said").wait_for()
    return shared


def test_a_question_is_answered_with_quotes_prose_and_a_folded_thought(tab: Page) -> None:
    put(tab, "What is fair value?")
    tab.locator("#rag-talk .rag-prose", has_text="$41 [1]").wait_for()
    card = tab.locator(".rag-card").inner_text()
    assert "Bernstein (Ann Lee)" in card
    assert "2025/chips.eml" in card
    assert not tab.locator(".rag-thought").is_visible()
    tab.get_by_text("Thought for").click()
    tab.locator(".rag-thought", has_text="Let me look.").wait_for()


def test_the_receipt_of_an_answer_can_be_kept(tab: Page) -> None:
    put(tab, "What is fair value?")
    tab.locator("#rag-talk .rag-prose", has_text="$41 [1]").wait_for()
    with tab.expect_download() as saved:
        tab.get_by_role("button", name="Save receipt").click()
    kept = json.loads(Path(saved.value.path()).read_text(encoding="utf-8"))
    assert saved.value.suggested_filename == "receipt.json"
    assert kept["answer"] == answered().text
    assert kept["receipt"]["quotes"][0]["n"] == 1


def test_quotes_are_there_while_the_prose_is_still_to_come(tab: Page, scripted: Desk) -> None:
    before = len(scripted.assistant.replies)
    put(tab, "silent")
    tab.locator(".rag-card").wait_for()
    assert tab.locator(".rag-prose").count() == 0
    reply_to(scripted, "silent", before).close()


def test_stop_stops_the_model_and_shows_what_was_checked(tab: Page, scripted: Desk) -> None:
    before = len(scripted.assistant.replies)
    put(tab, "slow")
    tab.locator(".rag-draft").wait_for()
    tab.get_by_role("button", name="Stop").click()
    assert reply_to(scripted, "slow", before).closed.wait(CLOSED_WITHIN)
    tab.locator("#rag-talk .rag-prose", has_text="$41 [1]").wait_for()


@pytest.mark.parametrize("question", ["slow", "silent"])
def test_closing_the_tab_stops_the_model(browser: Browser, scripted: Desk, question: str) -> None:
    page = browser.new_page()
    page.goto(scripted.url)
    before = len(scripted.assistant.replies)
    put(page, question)
    page.locator(".rag-card").wait_for()
    page.close()
    assert reply_to(scripted, question, before).closed.wait(CLOSED_WITHIN)


def test_after_a_clear_nothing_of_the_exchange_comes_back(tab: Page) -> None:
    put(tab, "slow")
    tab.locator(".rag-draft").wait_for()
    tab.get_by_role("button", name="Clear").click()
    tab.get_by_text("Ask what a house said").wait_for()
    tab.wait_for_timeout(4 * 1000 * TICK)
    assert tab.locator(":is(#rag-talk, #rag-quotes) :is(.rag-draft, .rag-prose, .rag-card)").count() == 0


def test_clearing_the_conversation_stops_the_model_and_forgets(tab: Page, scripted: Desk) -> None:
    before = len(scripted.assistant.replies)
    put(tab, "slow")
    tab.locator(".rag-draft").wait_for()
    tab.get_by_role("button", name="Clear").click()
    assert reply_to(scripted, "slow", before).closed.wait(CLOSED_WITHIN)
    put(tab, "again")
    tab.locator("#rag-talk .rag-prose").wait_for()
    assert scripted.assistant.asked[-1][1] == ()
    assert tab.locator("#rag-talk .rag-prose").count() == 1


def test_no_text_fetches_or_runs_anything_even_without_the_policy(browser: Browser, scripted: Desk) -> None:
    with sinking() as (sink, hits):
        attacks = [*vectors(sink), NAVIGATES.format(sink=sink)]
        question = "\n".join(attacks)[:QUESTION_CHARACTERS]
        scripted.assistant.script[question] = lambda: hostile("\n".join(attacks))
        page = browser.new_page(bypass_csp=True)
        asked: set[str] = set()
        page.on("request", lambda request: asked.add(httpx.URL(request.url).netloc.decode()))
        page.on("dialog", lambda dialog: asked.add(dialog.message))
        page.goto(scripted.url)
        put(page, question)
        page.locator("#rag-talk .rag-prose").wait_for()
        page.get_by_text("Thought for").click()
        page.locator(".rag-thought").wait_for()
        page.get_by_text("sentences withheld").click()
        page.wait_for_timeout(300)
        drawn = page.locator(":is(#rag-talk, #rag-quotes) :is(img, script, a, form, iframe, meta, svg image)")
        assert drawn.count() == 0
        assert "{{alert(1)}}" in page.locator(".rag-card blockquote").inner_text()
        page.close()
    assert asked == {f"127.0.0.1:{scripted.port}"}
    assert hits == []


def test_the_policy_alone_keeps_a_page_full_of_markup_from_fetching_anything(browser: Browser, scripted: Desk) -> None:
    with sinking() as (sink, hits):
        page = browser.new_page()
        page.goto(scripted.url)
        page.get_by_label("Question", exact=True).wait_for()
        page.evaluate("text => document.body.insertAdjacentHTML('beforeend', text)", "".join(vectors(sink)))
        page.wait_for_timeout(300)
        assert page.locator(f"img[src='{sink}/image.png']").count() > 0
        page.close()
    assert hits == []


def test_the_browser_keeps_nothing_of_a_question(tab: Page) -> None:
    put(tab, "zirconium futures")
    tab.locator("#rag-talk .rag-prose").wait_for()
    kept = tab.evaluate(
        """async () => {
          const out = [JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.cookie];
          for (const {name} of await indexedDB.databases()) {
            const db = await new Promise(done => {
              const open = indexedDB.open(name); open.onsuccess = () => done(open.result); });
            for (const store of db.objectStoreNames) out.push(JSON.stringify(await new Promise(done => {
              const all = db.transaction(store).objectStore(store).getAll();
              all.onsuccess = () => done(all.result); })));
          }
          return out.join(" ");
        }"""
    )
    assert "zirconium" not in kept


def test_the_columns_stack_on_a_phone(tab: Page) -> None:
    tab.set_viewport_size({"width": 390, "height": 844})
    put(tab, "What is fair value?")
    tab.locator("#rag-talk .rag-prose").wait_for()
    chat, quotes = tab.locator("#rag-talk").bounding_box(), tab.locator("#rag-quotes").bounding_box()
    assert chat is not None
    assert quotes is not None
    assert quotes["y"] > chat["y"] + chat["height"]
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_starter_question_asks_itself(tab: Page) -> None:
    tab.get_by_role("button", name="What is fair value?").click()
    tab.locator("#rag-talk .rag-prose", has_text="$41 [1]").wait_for()
    assert tab.locator("#rag-talk h2").inner_text() == "What is fair value?"


def test_a_citation_is_a_button_that_names_its_quote(tab: Page) -> None:
    put(tab, "What is fair value?")
    chip = tab.locator("#rag-talk .rag-prose").get_by_role("button", name="Quote 1: Bernstein (Ann Lee), 27 Jan 2025")
    chip.wait_for()
    assert chip.get_attribute("data-passage") == "d 0 25"


def test_the_answer_before_stays_above_the_next(tab: Page) -> None:
    put(tab, "first")
    tab.locator("#rag-talk .rag-prose").wait_for()
    put(tab, "second")
    tab.locator("#rag-talk .rag-prose").nth(1).wait_for()
    assert tab.locator("#rag-talk h2").all_inner_texts() == ["first", "second"]


def test_an_answer_can_be_kept_as_markdown(tab: Page) -> None:
    put(tab, "What is fair value?")
    tab.locator("#rag-talk .rag-prose").wait_for()
    with tab.expect_download() as saved:
        tab.get_by_role("button", name="Save as Markdown").click()
    assert saved.value.suggested_filename == "answer.md"
    assert "[1] Bernstein (Ann Lee), 27 Jan 2025" in Path(saved.value.path()).read_text(encoding="utf-8")


def test_copy_takes_the_answer_and_its_quotes(browser: Browser, scripted: Desk) -> None:
    page = browser.new_page()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(scripted.url)
    put(page, "What is fair value?")
    page.locator("#rag-talk .rag-prose").wait_for()
    page.get_by_role("button", name="Copy").click()
    page.wait_for_function("navigator.clipboard.readText().then(text => text.length > 0)")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "fair value at $41 [1]" in copied
    assert "2025/chips.eml" in copied
    page.close()


def test_copy_works_where_the_browser_gives_no_clipboard(browser: Browser, scripted: Desk) -> None:
    page = browser.new_page()
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.add_init_script("document.addEventListener('copy', () => { window.copied = getSelection().toString(); })")
    page.goto(scripted.url)
    page.get_by_role("button", name="Copy", exact=True).click()
    page.locator("#rag-note", has_text="nothing to copy").wait_for()
    page.get_by_role("button", name="Save receipt").click()
    page.locator("#rag-note", has_text="nothing to save").wait_for()
    put(page, "What is fair value?")
    page.locator("#rag-talk .rag-prose").wait_for()
    page.get_by_role("button", name="Copy", exact=True).click()
    page.locator("#rag-note", has_text="Copied.").wait_for()
    assert "fair value at $41 [1]" in page.evaluate("window.copied")
    assert page.evaluate("document.activeElement.innerText") == "Copy"
    page.close()


@pytest.mark.parametrize(("typed", "told"), [("", "Write a question first."), ("x" * 2001, "2,000 are the most.")])
def test_a_question_that_cannot_be_asked_leaves_the_answer_before(tab: Page, typed: str, told: str) -> None:
    put(tab, "What is fair value?")
    tab.locator("#rag-talk .rag-prose", has_text="$41 [1]").wait_for()
    box = tab.get_by_label("Question", exact=True)
    box.fill(typed)
    box.press("Enter")
    tab.locator("#rag-note", has_text=told).wait_for()
    assert tab.locator("#rag-note").is_visible()
    assert tab.locator("#rag-talk .rag-prose").count() == 1
    assert tab.locator("#rag-talk h2").all_inner_texts() == ["What is fair value?"]
    assert tab.locator(".rag-card").count() == 1
    assert box.input_value() == typed
    with tab.expect_download():
        tab.get_by_role("button", name="Save receipt").click()


def test_who_asks_while_an_answer_streams_is_told_and_keeps_his_question(tab: Page, scripted: Desk) -> None:
    before = len(scripted.assistant.replies)
    put(tab, "slow")
    tab.locator(".rag-draft").wait_for()
    box = tab.get_by_label("Question", exact=True)
    box.fill("next")
    box.press("Enter")
    tab.locator("#rag-note", has_text="press Stop, or wait").wait_for()
    assert box.input_value() == "next"
    reply_to(scripted, "slow", before).close()
    tab.locator("#rag-talk .rag-prose").wait_for()
    put(tab, "next")
    tab.locator("#rag-talk h2", has_text="next").wait_for()
    assert tab.locator("#rag-note").inner_text() == ""


def test_an_open_thought_stays_open_while_the_prose_streams(tab: Page, scripted: Desk) -> None:
    scripted.assistant.script["thinks"] = lambda: replace(slow(), pieces=[Said("Hm. ", thought=True), *slow().pieces])
    before = len(scripted.assistant.replies)
    put(tab, "thinks")
    tab.get_by_text("Thought for").click()
    drawn = tab.locator(".rag-draft").inner_text()
    tab.wait_for_function("drawn => document.querySelector('.rag-draft').innerText !== drawn", arg=drawn)
    assert tab.locator(".rag-thought").is_visible()
    reply_to(scripted, "thinks", before).close()


def test_nothing_beside_the_conversation_moves_while_prose_streams(tab: Page, scripted: Desk) -> None:
    before = len(scripted.assistant.replies)
    put(tab, "slow")
    tab.locator(".rag-draft").wait_for()
    box = tab.get_by_label("Question", exact=True)
    first = box.bounding_box()
    tab.wait_for_function("document.querySelector('.rag-draft').innerText.length > 120")
    assert box.bounding_box() == first
    reply_to(scripted, "slow", before).close()


def test_a_greeting_that_comes_late_replaces_no_answer(browser: Browser, scripted: Desk) -> None:
    scripted.assistant.suggesting.clear()
    page = browser.new_page()
    page.goto(scripted.url)
    put(page, "What is fair value?")
    page.locator("#rag-talk .rag-prose").wait_for()
    scripted.assistant.suggesting.set()
    page.wait_for_timeout(1000)
    assert page.locator("#rag-talk .rag-prose").count() == 1
    page.close()


def test_the_greeting_is_read_from_its_beginning_on_a_low_screen(browser: Browser, scripted: Desk) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 300})
    page.goto(scripted.url)
    page.get_by_role("button", name="What is fair value?").wait_for()
    page.wait_for_timeout(300)
    talk = page.locator("#rag-talk")
    assert talk.evaluate("talk => talk.scrollHeight > talk.clientHeight")
    assert talk.evaluate("talk => talk.scrollTop") == 0
    page.close()


def test_a_question_goes_to_another_server_only_once_the_page_has_said_so(browser: Browser, scripted: Desk) -> None:
    page, question = browser.new_page(), "What is fair value?"
    page.goto(scripted.url)
    page.get_by_text("No other service is asked.").wait_for()
    asked = len(scripted.assistant.asked)
    scripted.assistant.chosen("http://ann:secret@gpu.example:8080")
    page.get_by_label("Question", exact=True).fill(question)
    page.get_by_role("button", name="Ask", exact=True).click()
    page.locator("#rag-note", has_text="now go to http://gpu.example:8080: ask again").wait_for()
    assert len(scripted.assistant.asked) == asked
    page.get_by_role("button", name="Ask", exact=True).click()
    page.get_by_text("Model: http://gpu.example:8080.").wait_for()
    scripted.assistant.chosen("")
    page.close()
    assert scripted.assistant.asked[-1][0] == question
