"""The tab that shows the inbox, in a browser and before a real index."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rag.page.inbox import TICK
from tests.pages import Served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# Gradio, in this very process, leaves event loops open and counts its events with options that pandas 3 calls
# deprecated; as an error either would stop the page.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(scope="module")
def opened(browser: Browser, served: Served) -> Iterator[tuple[Page, list[str]]]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(20_000)
    troubles: list[str] = []
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.goto(served.url)
    page.get_by_role("tab", name="Inbox").click()
    page.locator("#rag-documents table").wait_for()
    yield page, troubles
    page.close()


@pytest.fixture
def inbox(opened: tuple[Page, list[str]]) -> Page:
    return opened[0]


def row(page: Page, title: str) -> str:
    return page.locator("#rag-documents tr", has=page.get_by_role("button", name=title, exact=True)).inner_text()


def test_what_is_in_the_index_is_listed_with_who_wrote_it(inbox: Page) -> None:
    assert all(word in row(inbox, "The five million") for word in ("Bernstein", "Stacy Rasgon", "email"))
    assert "27 Jan 2025" in inbox.locator("#rag-documents .rag-day").all_inner_texts()[-1]


def test_the_list_is_narrowed_by_a_word_of_the_title(inbox: Page) -> None:
    box = inbox.get_by_label("Title or author")
    box.fill("malik")
    inbox.get_by_role("button", name="The five million", exact=True).wait_for(state="detached")
    assert "Citi" in row(inbox, "Advanced chips still matter")
    box.fill("")
    inbox.get_by_role("button", name="The five million", exact=True).wait_for()


def test_dropped_files_are_added_listed_and_found_and_what_fails_is_told(
    inbox: Page, served: Served, tmp_path: Path
) -> None:
    (tmp_path / "zinc.md").write_text("---\ntitle: Zinc is dear\ndate: 2025-02-01\n---\n\nZinc is dear in Peru.\n")
    (tmp_path / "broken.pdf").write_bytes(b"no pdf")
    inbox.locator(".rag-drop input").set_input_files([tmp_path / "zinc.md", tmp_path / "broken.pdf"])
    came = inbox.get_by_text("zinc.md: added as zinc.md")
    came.wait_for()
    assert "broken.pdf: could not be read" in inbox.get_by_role("status").filter(has=came).inner_text()
    inbox.get_by_role("button", name="Zinc is dear", exact=True).first.wait_for(state="attached")
    assert served.desk.search("zinc Peru", k=1)[0].document.path == "zinc.md"
    inbox.locator("summary", has_text="Not readable (1)").click()
    inbox.get_by_role("cell", name="it is not a PDF, or a damaged one").wait_for()


def test_a_file_that_is_too_large_is_not_even_sent(inbox: Page) -> None:
    sent: list[str] = []
    inbox.on("request", lambda request: sent.append(request.url) if "/upload" in request.url else None)
    inbox.locator(".rag-drop input").evaluate(
        """input => {
          const files = new DataTransfer();
          files.items.add(new File([new Uint8Array(25_000_001)], "large.mbox"));
          input.files = files.files;
          input.dispatchEvent(new Event("change"));
        }"""
    )
    inbox.get_by_text("large.mbox: It is larger than 25 MB.").wait_for()
    assert sent == []


def test_a_sync_shows_its_progress_to_all_and_can_be_stopped(inbox: Page, served: Served) -> None:
    let_go, upkeep = threading.Event(), served.desk.upkeep

    def work(stop: threading.Event, progress: object) -> object:
        assert callable(progress)
        progress(30, 120, "indexing, 30 messages and notes")
        let_go.wait(20) if not stop.wait(20) else None
        from rag.indexing import Stopped

        raise Stopped

    def sync() -> None:
        from rag.indexing import Stopped

        with pytest.raises(Stopped):
            upkeep.run(work)  # type: ignore[arg-type]

    running = threading.Thread(target=sync)
    running.start()
    inbox.get_by_text("25%, indexing, 30 messages and notes").wait_for()
    assert inbox.get_by_role("progressbar", name="Indexing").get_attribute("value") == "30"
    assert inbox.get_by_role("button", name="Re-index now").is_disabled()
    let_go.set()
    inbox.get_by_role("button", name="Stop indexing").click()
    inbox.get_by_text("Stopped. What was read by then is kept").wait_for()
    running.join(20)


def test_re_index_reads_what_has_landed_and_ends(inbox: Page, served: Served) -> None:
    (served.corpus / "tin.md").write_text("---\ntitle: Tin is cheap\ndate: 2025-02-02\n---\n\nTin is cheap.\n")
    inbox.get_by_role("button", name="Re-index now").click()
    inbox.locator("#rag-documents").get_by_role("button", name="Tin is cheap").wait_for()
    inbox.get_by_text("1 added").wait_for()
    assert not served.desk.upkeep.state.syncing


def test_a_follower_shows_what_lands_without_a_touch(inbox: Page, served: Served) -> None:
    inbox.get_by_label("Index new mail by itself").check()
    inbox.get_by_text("New mail shows up by itself.").wait_for()
    (served.corpus / "lead.md").write_text("---\ntitle: Lead is heavy\ndate: 2025-02-03\n---\n\nLead is heavy.\n")
    inbox.locator("#rag-documents").get_by_role("button", name="Lead is heavy").wait_for()
    assert served.desk.upkeep.state.following
    inbox.get_by_label("Index new mail by itself").uncheck()
    inbox.get_by_text("New mail waits until").wait_for()
    assert not served.desk.upkeep.state.following


def test_only_who_looks_at_the_tab_has_it_looked_up_again(browser: Browser, served: Served) -> None:
    page, asked = browser.new_page(), list[str]()
    page.clock.install()
    page.goto(served.url)
    page.get_by_role("tab", name="Inbox").click()
    page.locator("#rag-documents table").wait_for()
    with page.expect_request(lambda request: request.method == "POST"):
        page.clock.run_for(2 * TICK)
    page.get_by_role("tab", name="Ask").click()
    page.get_by_label("Question", exact=True).wait_for()
    page.wait_for_timeout(500)  # What was under way has been sent by then.
    page.on("request", lambda request: asked.append(request.url) if request.method == "POST" else None)
    page.clock.run_for(20 * TICK)
    page.wait_for_timeout(500)
    page.close()
    assert asked == []


def test_on_a_phone_a_row_is_low_and_can_be_hit(inbox: Page) -> None:
    inbox.set_viewport_size({"width": 390, "height": 844})
    rows = inbox.locator("#rag-documents tr", has=inbox.get_by_role("button", name="The five million", exact=True))
    height = rows.evaluate("row => row.offsetHeight")
    rows.click(position={"x": 200, "y": height - 4})
    inbox.get_by_role("dialog", name="The five million").wait_for()
    inbox.keyboard.press("Escape")
    inbox.set_viewport_size({"width": 1280, "height": 900})
    assert 44 <= height <= 64


def test_the_tab_fits_on_a_phone(inbox: Page, served: Served) -> None:
    title = "x" * 300
    (served.corpus / "wide.md").write_text(f"---\ntitle: {title}\ndate: 2025-02-04\n---\n\nWide.\n")
    served.desk.sync()
    inbox.set_viewport_size({"width": 390, "height": 844})
    inbox.locator("#rag-documents").get_by_role("button", name="x" * 60).wait_for()
    assert inbox.evaluate("document.documentElement.scrollWidth") <= 390
    inbox.set_viewport_size({"width": 1280, "height": 900})


def test_the_console_is_free_of_errors(opened: tuple[Page, list[str]]) -> None:
    assert opened[1] == []
