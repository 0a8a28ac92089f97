"""The program in a browser's place: what the server refuses, and what the program asks of others."""

from __future__ import annotations

import http.server
import inspect
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest

import app
from rag.errors import SettingsError
from rag.page.api import AT_ONCE
from rag.uploads import MAX_BYTES
from tests.conftest import BERNSTEIN
from tests.pages import CLOSED_WITHIN, Desk, Said, ScriptedAssistant, ScriptedReply, Served, answered, free_port, put
from tests.test_cli import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from rag.assistant import Assistant

# Gradio, in this very process, leaves event loops open and counts its events with options that pandas 3 calls
# deprecated; as an error either would stop the page.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

ROOT = Path(app.__file__).parent
WAITING = 16
SERIOUS = ("serious", "critical")
TABS = {
    "Ask": "#rag-talk .rag-prose",
    "Compare": ".rag-houses table",
    "Inbox": "#rag-documents table",
    "Costs": ".rag-answers tbody tr",
    "Models": ".rag-model",
}
"""What is on each tab, once there is an answer and a comparison."""

QUESTION = "what did Bernstein say about the $5M?"
CONTRAST = """box => {
  const dot = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const paint = colour => { dot.fillStyle = colour; dot.fillRect(0, 0, 1, 1); };
  const luminance = () => [...dot.getImageData(0, 0, 1, 1).data].slice(0, 3).map(part => part / 255)
    .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
  paint(getComputedStyle(document.body).backgroundColor);
  paint(getComputedStyle(box).backgroundColor);
  const behind = luminance();
  paint(getComputedStyle(box, "::placeholder").color);
  const [dim, bright] = [behind, luminance()].sort((one, other) => one - other);
  return (bright + 0.05) / (dim + 0.05);
}"""
"""JavaScript: how the placeholder of a box stands out from it."""

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True},
}


def test_a_foreign_host_name_is_refused(scripted: Desk) -> None:
    assert httpx.get(scripted.url, headers={"Host": "evil.example"}).status_code == 400


def test_a_cross_site_upload_is_refused(scripted: Desk) -> None:
    evil = {"Origin": "http://evil.example"}
    answer = httpx.post(f"{scripted.url}gradio_api/upload", headers=evil, files={"files": b"x"})
    assert answer.status_code == 403


def test_our_own_page_may_post(scripted: Desk) -> None:
    origin = {"Origin": scripted.url.rstrip("/")}
    answer = httpx.post(f"{scripted.url}gradio_api/upload", headers=origin, files={"files": b"x"})
    assert answer.status_code == 200


def test_an_upload_that_is_too_large_is_refused(scripted: Desk) -> None:
    answer = httpx.post(f"{scripted.url}gradio_api/upload", files={"files": b"x" * (MAX_BYTES + 1)})
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "path",
    [
        "gradio_api/file=/etc/hostname",
        "gradio_api/file=app.py",
        "gradio_api/file=%2e%2e/%2e%2e/etc/hostname",
        "gradio_api/file=http://127.0.0.1:1/x",
        "gradio_api/proxy=http://127.0.0.1:1/x",
        "static/../../etc/passwd",
        "gradio_api/runs",
        "monitoring",
    ],
)
def test_files_proxies_run_history_and_monitoring_are_closed(scripted: Desk, path: str) -> None:
    assert 400 <= httpx.get(scripted.url + path).status_code < 500


def test_of_many_calls_at_once_some_wait_and_the_others_are_refused() -> None:
    done = threading.Event()
    assistant = ScriptedAssistant({"held": lambda: ScriptedReply(answered(), [Said("x")], pause=60, closed=done)})
    with app.listening(cast("Assistant", assistant), port=free_port()) as url, httpx.Client() as client:

        def call(_: int) -> int:
            return client.post(f"{url}gradio_api/call/v2/ask", json={"question": "held"}).status_code

        count = AT_ONCE["ask"] + WAITING + 20
        with ThreadPoolExecutor(40) as pool:
            began = time.monotonic()
            found = list(pool.map(call, range(count)))
        took = time.monotonic() - began
        done.set()
    assert set(found) == {200, 503}
    assert found.count(200) <= AT_ONCE["ask"] + WAITING
    assert len(assistant.asked) <= AT_ONCE["ask"]
    assert took < 2 * CLOSED_WITHIN


@pytest.mark.parametrize("route", ["run/ask", "run/ask/", "api/ask", "api/ask/"])
def test_no_route_goes_round_the_queue(scripted: Desk, route: str) -> None:
    def call(_: int) -> int:
        return httpx.post(
            f"{scripted.url}gradio_api/{route}", json={"data": ["past the queue"]}, timeout=20
        ).status_code

    with ThreadPoolExecutor(30) as pool:
        found = set(pool.map(call, range(30)))
    assert found == {404}
    assert "past the queue" not in [question for question, *_ in scripted.assistant.asked]


@pytest.mark.parametrize("name", ["receive", "pressed", "compare_2", "asking", "asking_1"])
def test_what_is_dropped_pressed_or_asked_while_the_page_is_busy_is_not_lost(name: str) -> None:
    page = app.build(cast("Assistant", ScriptedAssistant({})))
    events = {one["api_name"]: one["trigger_mode"] for one in page.config["dependencies"]}
    assert events[name] == "multiple"  # by itself Gradio drops an event while the same one is under way


def test_a_page_that_nobody_uses_seldom_looks_for_work() -> None:
    from gradio.queueing import Queue

    assert "sleep(self.sleep_when_free)" in inspect.getsource(Queue.start_processing)
    assert app.build(cast("Assistant", ScriptedAssistant({})))._queue.sleep_when_free == app.QUEUE_SECONDS


def test_what_was_sent_and_never_dropped_is_not_left_behind() -> None:
    with app.listening(cast("Assistant", ScriptedAssistant()), port=free_port()) as url:
        kept = Path(httpx.post(f"{url}gradio_api/upload", files={"files": b"left behind"}).json()[0])
        assert kept.is_file()
    assert not kept.exists()


def test_nothing_listens_beyond_loopback_whatever_gradio_was_told(scripted: Desk) -> None:
    addresses = {row[4][0] for row in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in addresses - {"127.0.0.1", "127.0.1.1"}:
        with socket.socket() as probe:
            probe.settimeout(1)
            assert probe.connect_ex((str(address), scripted.port)) != 0


def test_a_taken_port_is_told_with_a_remedy(scripted: Desk) -> None:
    with (
        pytest.raises(SettingsError, match=str(scripted.port)) as told,
        app.listening(cast("Assistant", ScriptedAssistant()), port=scripted.port),
    ):
        pass
    assert "--port" in told.value.remedy


def test_main_is_rag_serve(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["--host", "0.0.0.0"]) == 2
    assert "RAG_PASSWORD" in capsys.readouterr().err


# What the program asks of others

WATCH = """
import os, sys

def watch(event, arguments):
    if event in ("socket.connect", "socket.sendto"):
        where = arguments[1][0] if isinstance(arguments[1], tuple) else ""
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        where = arguments[0] or ""
    else:
        return
    where = where.decode() if isinstance(where, bytes) else where
    if where not in ("", "localhost", "::1", "0.0.0.0") and not where.startswith("127."):
        with open(os.environ["WATCHED"], "a") as log:
            log.write(f"{event} {where}\\n")

sys.addaudithook(watch)
open(os.environ["WATCHED"], "a").write("watching\\n")
"""


@dataclass(frozen=True)
class Run:
    """One life of ``python app.py``: from an empty index to Ctrl-C in the middle of a question."""

    url: str
    answer: str
    code: int
    out: str
    err: str
    watched: list[str]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    here = tmp_path_factory.mktemp("run")
    (here / "corpus").mkdir()
    (here / "corpus" / "b.eml").write_text(BERNSTEIN)
    (here / "sitecustomize.py").write_text(WATCH)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RAG_", "HF_"))}
    environment |= {"PYTHONPATH": str(here), "WATCHED": str(here / "watched"), "XDG_DATA_HOME": str(here)}
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as model:
        threading.Thread(target=model.serve_forever, daemon=True).start()
        command = [sys.executable, "app.py", "--port", str(free_port()), "--corpus", str(here / "corpus")]
        command += ["--index", str(here / "index"), "--model", f"http://127.0.0.1:{model.server_port}"]
        with subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            deadline = threading.Timer(90, process.kill)
            deadline.start()
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            answer = asked_over_http(url, QUESTION)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate()
            deadline.cancel()
        model.shutdown()
    watched = (here / "watched").read_text().splitlines()
    return Run(url, answer, process.returncode, out, err, watched)


def asked_over_http(url: str, question: str) -> str:
    call = httpx.post(f"{url}gradio_api/call/v2/ask", json={"question": question}).json()
    return httpx.get(f"{url}gradio_api/call/ask/{call['event_id']}", timeout=60).text


def test_the_program_indexes_and_answers(run: Run) -> None:
    assert "Building the index" in run.err
    assert "Bernstein calls the $5M claim wrong [1]." in run.answer


def test_the_program_prints_its_address_and_ends_cleanly_on_ctrl_c(run: Run) -> None:
    assert run.url.startswith("http://127.0.0.1:")
    assert (run.code, run.out) == (0, "")
    assert "Traceback" not in run.err


def test_the_program_asks_nothing_of_any_other_host(run: Run) -> None:
    assert set(run.watched) == {"watching"}


# What a browser sees of the whole page


def views(page: Page, url: str) -> Iterator[str]:
    """Go through the whole page as a visitor does; yields the name of what is to be seen, when it is all there."""
    page.goto(url)
    page.locator("[data-question]").first.wait_for()
    yield "before a question"
    put(page, QUESTION)
    page.locator("#rag-talk .rag-prose .rag-chip").wait_for()
    page.get_by_text("Thought for").click()
    yield "an answer"
    page.locator("#rag-talk .rag-prose .rag-chip").click()
    page.locator("dialog mark").first.wait_for()
    yield "the reader"
    page.keyboard.press("Escape")
    page.locator("dialog").wait_for(state="hidden")
    page.get_by_role("button", name="All mail").click()
    page.get_by_role("button", name="Clear filters").wait_for()
    for tab, holds in TABS.items():
        page.get_by_role("tab", name=tab, exact=True).click()
        if tab == "Compare":
            page.get_by_label("Claim", exact=True).fill("the $5M claim is wrong")
            page.get_by_role("button", name="Compare", exact=True).click()
        page.locator(holds).first.wait_for()
        yield f"{tab}, below the open filter bar"


@pytest.mark.parametrize("look", LOOKS.values(), ids=list(LOOKS))
def test_no_view_has_a_serious_fault_of_accessibility(browser: Browser, served: Served, look: dict[str, Any]) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page, found = browser.new_page(**look, reduced_motion="reduce"), []
    for view in views(page, f"{served.url}?__theme={look.get('color_scheme', 'light')}"):
        faults = Axe().run(page).response["violations"]
        found += [f"{view}: {one['id']}: {one['nodes'][0]['html']}" for one in faults if one["impact"] in SERIOUS]
    page.close()
    assert found == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_selected_tab_stands_out_from_the_page(browser: Browser, served: Served, theme: str) -> None:
    def luminance(rgb: str) -> float:
        parts = [int(part) / 255 for part in rgb.removeprefix("rgb(").removesuffix(")").split(",")]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    page = browser.new_page(reduced_motion="reduce")
    page.goto(f"{served.url}?__theme={theme}")
    tab = page.get_by_role("tab", name="Ask", exact=True)  # Axe passes over it, for its line is a pseudo-element.
    text = tab.evaluate("tab => getComputedStyle(tab).color")
    tab.evaluate("tab => { tab.style.backgroundColor = 'var(--body-background-fill)'; }")  # the page's own
    behind = tab.evaluate("tab => getComputedStyle(tab).backgroundColor")
    page.close()
    dim, bright = sorted(map(luminance, (text, behind)))
    assert (bright + 0.05) / (dim + 0.05) >= 4.5


def test_the_whole_page_asks_no_other_host_and_its_console_is_clean(browser: Browser, served: Served) -> None:
    page = browser.new_page()
    hosts, said = set[str](), list[str]()
    page.on("request", lambda request: hosts.add(httpx.URL(request.url).host))
    page.on("console", lambda line: said.append(line.text) if line.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    seen = list(views(page, served.url))
    page.close()
    assert len(seen) == len(TABS) + 3
    assert (hosts, said) == ({"127.0.0.1"}, [])


def test_no_view_is_wider_than_the_screen(browser: Browser, served: Served) -> None:
    page, wide = browser.new_page(), []
    for view in views(page, served.url):
        for width in (390, 800, 1280):
            page.set_viewport_size({"width": width, "height": 844})
            if page.evaluate("document.documentElement.scrollWidth") > width:
                wide.append((view, width))
    page.close()
    assert wide == []


def test_all_tabs_fit_on_a_phone(browser: Browser, served: Served) -> None:
    page = browser.new_page(**LOOKS["phone"])
    page.goto(served.url)
    page.get_by_role("button", name="Ask", exact=True).wait_for()
    tabs = [tab for tab in page.get_by_role("tab").all() if tab.is_visible()]
    assert [tab.inner_text() for tab in tabs] == list(TABS)
    page.close()


def test_what_is_pressed_is_large_enough_for_a_thumb(browser: Browser, served: Served) -> None:
    page, small = browser.new_page(**LOOKS["phone"], reduced_motion="reduce"), set[str]()
    # A dot is also a row of the table, a row of the inbox is pressed as a whole, and a chip has an edge around it.
    pressed = (
        "button:visible:not(.rag-dot, .rag-open, .rag-chip), [role=tab]:visible, summary:visible, textarea:visible"
    )
    for view in views(page, served.url):
        heights = page.locator(pressed).evaluate_all(
            "all => all.map(one => [one.getBoundingClientRect().height, one.innerText || one.className])"
        )
        assert heights
        small |= {f"{view}: {name}" for height, name in heights if 0 < height < 44}
    page.close()
    assert small == set()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("tab", "box"), [("Ask", "Question"), ("Compare", "Claim"), ("Inbox", "Title or author")])
def test_what_an_empty_box_asks_for_can_be_read(
    browser: Browser, served: Served, theme: str, tab: str, box: str
) -> None:
    page = browser.new_page(reduced_motion="reduce")
    page.goto(f"{served.url}?__theme={theme}")
    page.get_by_role("tab", name=tab, exact=True).click()
    contrast = page.get_by_label(box, exact=True).evaluate(CONTRAST)  # Axe passes over a placeholder.
    page.close()
    assert contrast >= 4.5
