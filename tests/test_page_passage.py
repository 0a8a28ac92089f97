"""The reader: the passage marked in its document, by mouse and by keyboard, whatever the document holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.page import passage
from rag.passages import Opened
from rag.records import Document, Stretch, Voice
from tests.pages import NAVIGATES, OURS, Desk, Reader, ScriptedAssistant, Served, put, sinking, vectors

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from rag.assistant import Assistant

# Gradio, in this very process, leaves event loops open and counts its events with options that pandas 3 calls
# deprecated; as an error either would stop the page.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def opened(text: str, start: int, end: int, cuts: list[int], cue: tuple[int, int] | None = None) -> Opened:
    edges = [0, *sorted({cut for cut in cuts if 0 < cut < len(text)}), len(text)]
    voices = tuple(
        Voice(a, b, f"House {a}", None, "quoted" if a % 2 else "author", cue=cue) for a, b in pairwise(edges)
    )
    when = datetime(2025, 1, 27, tzinfo=UTC)
    said = text[:100]
    document = Document("d", said, "email", said, text, when, said, said, voices=voices)
    return Opened(document, start, end, voices[0], said, (document,), document, (document,))


class Marked(Reader):
    """Collects what stands in a mark."""

    def __init__(self, drawn: str) -> None:
        self.marked, self._inside = "", False
        super().__init__(drawn)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        super().handle_starttag(tag, attrs)
        self._inside = self._inside or tag == "mark"

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "mark"

    def handle_data(self, data: str) -> None:
        super().handle_data(data)
        if self._inside:
            self.marked += data


@given(st.text(alphabet="ab <>&", min_size=1, max_size=60), st.data())
def test_the_mark_holds_exactly_the_passage(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=4))
    cue = tuple(sorted(data.draw(st.lists(st.integers(0, len(text)), min_size=2, max_size=2))))
    found = opened(text, start, end, cuts, cast("tuple[int, int]", cue))
    assert Marked(passage.drawn(found)).marked == text[start:end]


@given(st.text(alphabet=st.sampled_from("<>&\"'/ aimgsrc=`$;#x" + "{}"), min_size=1))
def test_no_text_becomes_markup(text: str) -> None:
    drawn = passage.drawn(opened(text, 0, len(text), [len(text) // 2], (0, 1)))
    assert set(Reader(drawn).elements) <= OURS


@pytest.mark.parametrize(
    "asked", [None, 3, [], "", "d 1", "d 1 2 3", "d -1 4", "d a b", "d " + "9" * 300 + " 1", "d ² 3", "\ud800"]
)
def test_what_is_no_place_is_told_and_not_looked_up(asked: object) -> None:
    assert "Press a citation." in passage.passage(cast("Assistant", ScriptedAssistant()), asked)


def test_the_words_that_tell_who_speaks_are_underlined() -> None:
    drawn = passage.drawn(opened("Ann says: it rises.", 10, 19, [10], (0, 9)))
    assert ">Ann says:</u>" in drawn


def test_who_else_says_a_passage_stands_at_the_head_of_its_document() -> None:
    head, _, _ = passage.drawn(opened("It rises.", 0, 9, [])).partition("</header>")
    assert "Also in" in head
    assert 'data-passage="d"' in head


def test_a_document_opened_at_its_top_has_no_speaker_at_its_head_and_no_mark() -> None:
    drawn = passage.drawn(opened("It rises.", 0, 0, []))
    assert "<mark>" not in drawn
    assert "own words" not in drawn


@pytest.mark.parametrize("stretch", ["signature", "disclaimer", "header"])
def test_what_says_nothing_is_named_and_dimmed(stretch: Stretch) -> None:
    found = opened("It rises. Ann", 0, 9, [10])
    voices = (found.document.voices[0], replace(found.document.voices[1], stretch=stretch))
    drawn = passage.drawn(replace(found, document=replace(found.document, voices=voices)))
    assert f'<div class="rag-voice rag-voice-aside"><p>{stretch}</p>Ann</div>' in drawn


def test_of_a_long_document_what_lies_around_the_passage_is_drawn() -> None:
    text = "word " * 200_000
    drawn = passage.drawn(opened(text, 500_000, 500_004, []))
    assert len(drawn) < 3 * passage.AROUND
    assert "letters before this are not shown" in drawn
    assert "letters behind this are not shown" in drawn


# In a browser


@pytest.fixture(scope="module")
def asked(browser: Browser, served: Served) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.set_default_timeout(10_000)
    page.goto(served.url)
    page.locator("[data-question]").first.wait_for()  # A greeting that comes late must not take the answer's place.
    put(page, "what did Bernstein say about the $5M?")
    page.locator("#rag-talk .rag-prose .rag-chip").wait_for()
    yield page
    page.close()


@pytest.fixture
def page(asked: Page) -> Page:
    """A page with an answer, and the reader closed."""
    asked.keyboard.press("Escape")
    asked.locator("dialog").wait_for(state="hidden")
    return asked


def test_a_chip_opens_the_document_with_the_passage_marked_and_in_view(page: Page) -> None:
    page.locator("#rag-talk .rag-prose .rag-chip").click()
    mark = page.get_by_role("dialog", name="The five million").locator("mark").first
    mark.wait_for()
    assert "$5M is wrong" in mark.inner_text()
    assert page.evaluate("r => r.getBoundingClientRect().bottom <= innerHeight", mark.element_handle())
    head = page.locator("dialog header").inner_text()
    assert "The five million" in head
    assert "Bernstein (Stacy Rasgon) · own words · 27 Jan 2025" in head
    assert "the mail is from stacy.rasgon@bernsteinsg.com" in head


def test_the_reader_is_opened_and_closed_by_keyboard_and_gives_the_focus_back(page: Page) -> None:
    chip = page.locator("#rag-talk .rag-prose .rag-chip")
    chip.focus()
    page.keyboard.press("Enter")
    page.locator("dialog mark").first.wait_for()
    for _ in range(8):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.matches('body, dialog *')")
    page.keyboard.press("Escape")
    page.locator("dialog").wait_for(state="hidden")
    assert chip.evaluate("chip => chip === document.activeElement")


def test_a_document_can_be_read_as_it_was_sent(page: Page) -> None:
    page.locator("#rag-talk .rag-prose .rag-chip").click()
    page.get_by_role("button", name="As it was sent").click()
    page.locator("dialog pre").wait_for()
    assert "Message-ID: <1@bernsteinsg.com>" in page.locator("dialog pre").inner_text()
    page.get_by_role("button", name="As it is read").click()
    page.locator("dialog mark").first.wait_for()
    assert "$5M is wrong" in page.locator("dialog mark").first.inner_text()


def test_words_that_are_marked_up_to_beyond_the_edge_leave_the_reader_open(page: Page) -> None:
    page.locator("#rag-talk .rag-prose .rag-chip").click()
    page.locator("dialog mark").first.wait_for()
    box = page.locator("dialog .rag-reader-text").bounding_box()
    assert box is not None
    inside, beside = (box["x"] + 60, box["y"] + 60), (box["x"] - 100, box["y"] + 60)
    for begin, end in ((inside, beside), (beside, inside)):
        page.mouse.move(*begin)
        page.mouse.down()
        page.mouse.move(*end, steps=3)
        page.mouse.up()
        assert page.locator("dialog").is_visible()
    page.mouse.click(*beside)
    assert page.locator("dialog").is_hidden()


def test_a_document_that_is_gone_is_told_in_the_reader(page: Page) -> None:
    page.evaluate("document.querySelector('.rag-card .rag-chip').dataset.passage = '0'.repeat(32)")
    page.locator(".rag-card .rag-chip").first.click()
    page.locator("dialog h2", has_text="This cannot be shown").wait_for()
    assert "no longer in the index" in page.locator("dialog").inner_text()


def test_a_program_that_does_not_answer_is_told_in_the_reader(page: Page) -> None:
    page.route("**/component_server/", lambda route: route.abort())
    page.locator("#rag-talk .rag-prose .rag-chip").click()
    page.locator("dialog h2", has_not_text="Opening").wait_for()
    page.unroute("**/component_server/")
    assert "The program did not answer" in page.locator("dialog").inner_text()


def test_the_reader_fills_a_phone_and_no_more(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.locator("#rag-talk .rag-prose .rag-chip").click()
    page.locator("dialog mark").first.wait_for()
    box = page.locator("dialog").bounding_box()
    page.set_viewport_size({"width": 1280, "height": 720})
    assert box is not None
    assert (box["x"], box["width"]) == (0, 390)


def test_no_text_of_a_document_fetches_or_runs_anything(browser: Browser, scripted: Desk) -> None:
    with sinking() as (sink, hits):
        page = browser.new_page(bypass_csp=True)
        page.goto(scripted.url)
        put(page, "What is fair value?")
        chip = page.locator("#rag-talk .rag-prose .rag-chip")
        chip.wait_for()
        for attack in [*vectors(sink), NAVIGATES.format(sink=sink)]:
            scripted.assistant.opens = attack
            chip.click()
            page.locator("dialog mark").first.wait_for()
            page.keyboard.press("Escape")
        page.wait_for_timeout(300)
        assert page.locator("dialog :is(img, script, a, form, iframe, meta, svg)").count() == 0
        page.close()
    assert hits == []
