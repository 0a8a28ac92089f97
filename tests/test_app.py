"""The chat: how an exchange goes, what the server refuses, what a browser sees, and what the program asks of others."""

from __future__ import annotations

import asyncio
import gc
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest

import app
from rag.comparing import Comparison, Row
from rag.errors import IndexMissing, ModelFailed, SettingsError
from rag.gate import Judgement
from rag.guard import USER
from rag.records import Answer, Exchange, Quote, Sentence, Turn
from rag.settings import Settings
from rag.stances import Stance
from tests.conftest import BERNSTEIN
from tests.test_cards import answered, quote
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

CLOSED_WITHIN = 3.0
ROOT = Path(app.__file__).parent


@dataclass(frozen=True)
class Said:
    text: str
    thought: bool = False


@dataclass
class ScriptedReply:
    answer: Answer
    pieces: Sequence[Said] = ()
    pause: float = 0.0
    failure: Exception | None = None
    closed: threading.Event = field(default_factory=threading.Event)
    searched: str = "q"
    gate: Judgement = field(default_factory=lambda: Judgement("answer", 1.0))
    settings: Settings = field(default_factory=lambda: Settings(corpus=Path("corpus"), index=Path("index")))
    index: Mapping[str, str | int] = field(
        default_factory=lambda: {"identity": "i", "generation": 1, "fingerprint": "f"}
    )
    conditions: Mapping[str, object] = field(default_factory=dict)
    turns: tuple[Turn, ...] = ()

    def model_digest(self) -> str | None:
        return None

    @property
    def exchange(self) -> Exchange:
        return Exchange(self.searched)

    @property
    def quotes(self) -> tuple[Quote, ...]:
        return self.answer.quotes

    @property
    def refused(self) -> bool:
        return self.answer.refused

    @property
    def note(self) -> str:
        return self.answer.note

    def stream(self) -> Iterator[Said]:
        for piece in self.pieces:
            if self.closed.wait(self.pause):
                return
            yield piece
        if self.failure is not None:
            raise self.failure

    def close(self) -> None:
        self.closed.set()


@dataclass(frozen=True)
class ScriptedStatus:
    documents: int = 12
    chunks: int = 340
    corpus: Path = Path("corpus")
    index: Path = Path("index")
    model: str = "scripted"
    houses: tuple[str, ...] = ("Bernstein", "Morgan Stanley")


@dataclass
class ScriptedAssistant:
    """Answers from a list of replies by question; keeps what it was asked."""

    script: dict[str, Callable[[], ScriptedReply]] = field(default_factory=dict)
    asked: list[tuple[str, tuple[Exchange, ...], dict[str, object]]] = field(default_factory=list)
    replies: list[ScriptedReply] = field(default_factory=list)

    def ask(self, question: str, history: Sequence[Exchange] = (), **filters: object) -> ScriptedReply:
        self.asked.append((question, tuple(history), filters))
        self.replies.append(self.script.get(question, lambda: replace(plain(), searched=question))())
        return self.replies[-1]

    def compare(self, claim: str, **filters: object) -> Comparison:
        self.asked.append((claim, (), filters))
        if claim == "broken":
            raise IndexMissing("There is no index.", remedy="Build it.")
        said = quote(claim, title=claim, house=claim, person=claim, path=claim)
        return Comparison(claim, (Row(said, Stance("disagree", claim)),), ("Citi", "UBS"))

    def status(self) -> ScriptedStatus:
        return ScriptedStatus()


def plain() -> ScriptedReply:
    answer = answered(thinking="Let me look.")
    return ScriptedReply(answer, [Said("Let me look.", thought=True), Said(answer.text)])


def slow() -> ScriptedReply:
    return ScriptedReply(answered(), [Said("Bernstein "), *[Said("and so on ")] * 600], pause=0.1)


def silent() -> ScriptedReply:
    """A model that is still reading its prompt."""
    return ScriptedReply(answered(text=""), [Said("late")], pause=60)


def hostile(text: str) -> ScriptedReply:
    """Everything that can carry a text carries this one."""
    quotes = (quote(text, title=text, house=text, person=text, path=text),)
    sentences = (Sentence(text, (1,), "checked"), Sentence(text, (), "withheld", text))
    answer = answered(text, sentences=sentences, quotes=quotes, thinking=text, note=text, model=text)
    return ScriptedReply(answer, [Said(text, thought=True), Said(text)], pause=0.3)


def vectors(sink: str) -> list[str]:
    """Ways to make a browser fetch or run something: HTML, CSS, Markdown, templates."""
    image = f"{sink}/image.png"
    return [
        f'<img src="{image}">',
        f'<img srcset="{image} 2x">',
        f'<picture><source srcset="{image}"><img></picture>',
        f"<img src=x onerror=\"fetch('{sink}/onerror')\">",
        f"'\"><img src={image}>",
        f"</textarea></style></script></details></div><img src={image}>",
        f"&lt;img src={image}&gt;&#60;img src={image}&#62;",
        f'<svg><image href="{image}"/><use href="{sink}/use.svg#a"/></svg>',
        f"<svg onload=\"fetch('{sink}/onload')\"></svg>",
        f'<p style="background:url({image})">x</p>',
        f"<style>@import '{sink}/import.css'; body {{ background: url({image}) }}</style>",
        f'<link rel="stylesheet" href="{sink}/sheet.css"><link rel="prefetch" href="{image}">',
        f'<iframe src="{sink}/frame"></iframe><iframe srcdoc="<img src={image}>"></iframe>',
        f'<video src="{sink}/video" poster="{image}" autoplay></video><audio src="{sink}/audio" autoplay></audio>',
        f'<object data="{sink}/object"></object><embed src="{sink}/embed">',
        f'<script src="{sink}/script.js"></script><script>fetch("{sink}/inline")</script>',
        f'<input type="image" src="{image}"><table background="{image}"><tr><td>x</table>',
        f'<form action="{sink}/form"><button autofocus onfocus="this.form.submit()">x</button></form>',
        f'<a href="{sink}/link" ping="{sink}/ping">x</a><a href="javascript:fetch(\'{sink}/js\')">x</a>',
        f'<math><mtext><mglyph><style><img src="{image}"></style></mglyph></mtext></math>',
        f"![image]({image}) ![image][1]\n\n[1]: {image}\n",
        f"[link](javascript:fetch('{sink}/md')) <{sink}/auto> {sink}/bare",
        f"$$\\includegraphics{{{image}}} \\href{{{sink}/tex}}{{x}}$$",
        f'```mermaid\ngraph TD; A["<img src={image}>"]-->B\n```',
        f"<think><img src={image}></think>",
        "${alert(1)} {{alert(1)}} <%= alert(1) %> <script>alert(1)</script>",
    ]


NAVIGATES = '<meta http-equiv="refresh" content="0;url={sink}/refresh"><base href="{sink}/">'
"""A policy does not forbid to go elsewhere; that this is no markup is the escaping's work alone."""


@contextmanager
def sinking() -> Iterator[tuple[str, list[str]]]:
    """A server of another origin, and the paths that were asked of it."""
    hits: list[str] = []

    class Sink(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hits.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep stderr clean."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sink) as sink:
        threading.Thread(target=sink.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{sink.server_port}", hits
        sink.shutdown()


def ask(
    assistant: ScriptedAssistant,
    question: str,
    conversation: app.Conversation | None = None,
    filters: app.Filters | None = None,
) -> Iterator[app.Screen]:
    talk = conversation or app.Conversation()
    return app.converse(cast("Assistant", assistant), question, filters or app.Filters(), talk)


# How an exchange goes


def test_quotes_come_before_prose_and_prose_is_marked_until_checked() -> None:
    first, quoted, *_, last = ask(ScriptedAssistant({"q": plain}), "q")
    assert first.quotes is None
    assert quoted.quotes is not None
    assert "rag-prose" not in quoted.content
    assert "Not yet checked" not in last.content


def test_the_next_question_brings_the_exchange_before_it() -> None:
    assistant, talk = ScriptedAssistant(), app.Conversation()
    list(ask(assistant, "first", talk))
    list(ask(assistant, "second", talk))
    assert assistant.asked[1][1] == (Exchange("first"),)


def test_the_question_that_was_searched_is_shown_where_it_is_another() -> None:
    whole = "What did Citi say?"

    def completed() -> ScriptedReply:
        return replace(plain(), searched=whole, answer=replace(answered(), searched=whole))

    *_, draft, last = ask(ScriptedAssistant({"and Citi?": completed}), "and Citi?")
    assert "Searched: What did Citi say?" in draft.content
    assert "Searched" not in list(ask(ScriptedAssistant({"q": plain}), "q"))[-1].content
    assert "Searched: What did Citi say?" in last.content


def test_filters_reach_the_search() -> None:
    assistant = ScriptedAssistant()
    list(ask(assistant, "q", filters=app.Filters(("Bernstein",), "2025-01-20")))
    filters = assistant.asked[0][2]
    assert (filters["house"], filters["since"], filters["until"]) == (("Bernstein",), "2025-01-20", None)


@pytest.mark.parametrize(
    ("question", "told"),
    [
        (" ", "Write a question first"),
        ("x" * 1_000_000, "2,000 are the most"),
    ],
)
def test_an_unusable_question_is_told_and_not_asked(question: str, told: str) -> None:
    assistant = ScriptedAssistant()
    (screen,) = ask(assistant, question)
    assert told in screen.content
    assert not screen.accepted
    assert assistant.asked == []


def test_a_failure_that_can_be_mended_is_shown_with_its_remedy() -> None:
    broken = ModelFailed("The model broke off.", remedy="Ask again.")
    assistant = ScriptedAssistant({"q": lambda: ScriptedReply(answered(), failure=broken)})
    *_, last = ask(assistant, "q")
    assert "The model broke off." in last.content
    assert "Ask again." in last.content


def test_a_bug_is_shown_without_its_text_and_raised() -> None:
    assistant = ScriptedAssistant({"q": lambda: ScriptedReply(answered(), failure=ZeroDivisionError("secret"))})
    screens: list[app.Screen] = []
    with pytest.raises(ZeroDivisionError):
        screens.extend(ask(assistant, "q"))
    assert "secret" not in "".join(screen.content for screen in screens)


def test_stop_closes_a_silent_reply_and_the_exchange_ends() -> None:
    assistant, talk = ScriptedAssistant({"q": silent}), app.Conversation()
    screens = ask(assistant, "q", talk)
    next(screens), next(screens)
    began = time.monotonic()
    talk.stop()
    *_, last = screens
    assert "The quotes are the answer." in last.content
    assert assistant.replies[0].closed.is_set()
    assert time.monotonic() - began < CLOSED_WITHIN


def test_a_stop_during_the_search_is_kept() -> None:
    assistant, talk = ScriptedAssistant({"q": silent}), app.Conversation()
    screens = ask(assistant, "q", talk)
    next(screens)
    talk.stop()
    *_, _last = screens
    assert assistant.replies[0].closed.is_set()


def test_what_ends_after_a_clear_is_not_remembered() -> None:
    talk = app.Conversation()
    screens = ask(ScriptedAssistant({"q": plain}), "q", talk)
    next(screens), next(screens)
    talk.clear()
    *_, _last = screens
    assert (talk.messages, talk.past) == ([], [])


def test_closing_the_screens_closes_the_reply() -> None:
    assistant = ScriptedAssistant({"q": silent})
    screens = ask(assistant, "q")
    next(screens), next(screens)
    cast("Any", screens).close()
    assert assistant.replies[0].closed.is_set()


def compared(assistant: ScriptedAssistant, claim: str, filters: app.Filters | None = None) -> str:
    return app.compared(cast("Assistant", assistant), claim, filters or app.Filters())


def test_a_comparison_keeps_to_the_filters() -> None:
    assistant = ScriptedAssistant()
    compared(assistant, " Capex will fall ", app.Filters(("Citi",), "2025-01-20"))
    assert assistant.asked == [("Capex will fall", (), {"house": ("Citi",), "since": "2025-01-20", "until": None})]


def test_an_unusable_claim_is_told_and_not_compared() -> None:
    assistant = ScriptedAssistant()
    assert "Write a claim first" in compared(assistant, " ")
    assert assistant.asked == []


def test_a_comparison_that_fails_is_told_with_its_remedy() -> None:
    drawn = compared(ScriptedAssistant(), "broken")
    assert "There is no index." in drawn
    assert "Build it." in drawn


# What the server refuses


@dataclass
class Desk:
    url: str
    assistant: ScriptedAssistant

    @property
    def port(self) -> int:
        return httpx.URL(self.url).port or 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module", autouse=True)
def swept() -> Iterator[None]:
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        asyncio.set_event_loop(None)
        gc.collect()


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("GRADIO_ALLOWED_PATHS", "/")
        environment.setenv("GRADIO_SHARE", "True")
        environment.setenv("GRADIO_SERVER_NAME", "0.0.0.0")
        environment.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        assistant = ScriptedAssistant({"slow": slow, "silent": silent})
        with app.listening(cast("Assistant", assistant), port=free_port()) as url:
            environment.delenv("HTTP_PROXY")
            yield Desk(url, assistant)


def test_a_foreign_host_name_is_refused(desk: Desk) -> None:
    assert httpx.get(desk.url, headers={"Host": "evil.example"}).status_code == 400


def test_a_cross_site_upload_is_refused(desk: Desk) -> None:
    evil = {"Origin": "http://evil.example"}
    answer = httpx.post(f"{desk.url}gradio_api/upload", headers=evil, files={"files": b"x"})
    assert answer.status_code == 403


def test_our_own_page_may_post(desk: Desk) -> None:
    origin = {"Origin": desk.url.rstrip("/")}
    answer = httpx.post(f"{desk.url}gradio_api/upload", headers=origin, files={"files": b"x"})
    assert answer.status_code == 200


def test_an_upload_over_a_megabyte_is_refused(desk: Desk) -> None:
    answer = httpx.post(f"{desk.url}gradio_api/upload", files={"files": b"x" * 3_000_000})
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
def test_files_proxies_run_history_and_monitoring_are_closed(desk: Desk, path: str) -> None:
    assert 400 <= httpx.get(desk.url + path).status_code < 500


def test_every_answer_carries_the_policy(desk: Desk) -> None:
    for answer in (httpx.get(desk.url), httpx.get(f"{desk.url}nowhere")):
        assert "connect-src 'self'" in answer.headers["content-security-policy"]


def test_of_many_calls_at_once_some_wait_and_the_others_are_refused() -> None:
    done = threading.Event()
    assistant = ScriptedAssistant({"held": lambda: ScriptedReply(answered(), [Said("x")], pause=60, closed=done)})
    with app.listening(cast("Assistant", assistant), port=free_port()) as url, httpx.Client() as client:

        def call(_: int) -> int:
            return client.post(f"{url}gradio_api/call/ask", json={"data": ["held", [], "", ""]}).status_code

        with ThreadPoolExecutor(40) as pool:
            began = time.monotonic()
            found = list(pool.map(call, range(40)))
        took = time.monotonic() - began
        done.set()
    assert set(found) == {200, 503}
    assert found.count(200) <= 17
    assert len(assistant.asked) <= 1
    assert took < CLOSED_WITHIN


def test_only_ask_is_in_the_api(desk: Desk) -> None:
    named = httpx.get(f"{desk.url}gradio_api/info").json()["named_endpoints"]
    assert list(named) == ["/ask"]


def test_nothing_listens_beyond_loopback_whatever_gradio_was_told(desk: Desk) -> None:
    addresses = {row[4][0] for row in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in addresses - {"127.0.0.1", "127.0.1.1"}:
        with socket.socket() as probe:
            probe.settimeout(1)
            assert probe.connect_ex((str(address), desk.port)) != 0


def test_a_taken_port_is_told_with_a_remedy(desk: Desk) -> None:
    with (
        pytest.raises(SettingsError, match=str(desk.port)) as told,
        app.listening(cast("Assistant", ScriptedAssistant()), port=desk.port),
    ):
        pass
    assert "--port" in told.value.remedy


def test_an_open_address_needs_a_password() -> None:
    with (
        pytest.raises(SettingsError) as told,
        app.listening(cast("Assistant", ScriptedAssistant()), host="0.0.0.0"),
    ):
        pass
    assert "RAG_PASSWORD" in told.value.remedy


def test_main_is_rag_serve(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["--host", "0.0.0.0"]) == 2
    assert "RAG_PASSWORD" in capsys.readouterr().err


def test_with_a_password_the_page_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_PASSWORD", "correct horse")
    with app.listening(cast("Assistant", ScriptedAssistant()), host="0.0.0.0", port=free_port()) as url:
        assert httpx.get(f"{url}config").status_code == 401
        right = {"username": USER, "password": "correct horse"}
        assert httpx.post(f"{url}login", data=right).status_code == 200
        assert httpx.post(f"{url}login", data={**right, "password": "x"}).status_code == 400


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
            answer = asked_over_http(url, "what does Bernstein say about the $5M?")
            process.send_signal(signal.SIGINT)
            out, err = process.communicate()
            deadline.cancel()
        model.shutdown()
    watched = (here / "watched").read_text().splitlines()
    return Run(url, answer, process.returncode, out, err, watched)


def asked_over_http(url: str, question: str) -> str:
    call = httpx.post(f"{url}gradio_api/call/ask", json={"data": [question, [], "", ""]}).json()
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


# What a browser sees


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next((found for name in names if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    quiet = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    quiet += " --disable-component-update --disable-sync"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=quiet.split())
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def shared(browser: Browser, desk: Desk) -> Iterator[Page]:
    page = browser.new_page()
    page.set_default_timeout(10_000)
    page.goto(desk.url)
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
        shared.get_by_text("Ask what a house said.").wait_for()
    return shared


def put(page: Page, question: str) -> None:
    """Ask, and wait until the question is taken: a click while an exchange is still ending does nothing.

    Look and click are one step in the page: between two, the box empties and the click asks nothing.
    """
    box = page.get_by_label("Question", exact=True)
    box.fill(question)
    button = page.get_by_role("button", name="Ask", exact=True).element_handle()
    deadline = time.monotonic() + 10
    while box.evaluate("(box, button) => box.value && (button.click(), true)", button) and time.monotonic() < deadline:
        page.wait_for_timeout(100)
    assert not box.input_value()


def reply_to(desk: Desk, question: str, before: int) -> ScriptedReply:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if len(desk.assistant.replies) > before:
            return desk.assistant.replies[before]
        time.sleep(0.02)
    raise AssertionError(f"{question!r} was not asked")


def test_a_question_is_answered_with_quotes_prose_and_a_folded_thought(tab: Page) -> None:
    put(tab, "What is fair value?")
    tab.locator("#rag-chat .rag-prose", has_text="$41 [1]").wait_for()
    card = tab.locator(".rag-card").inner_text()
    assert "Bernstein (Ann Lee)" in card
    assert "2025/chips.eml" in card
    tab.get_by_role("button", name="Thought").wait_for()
    assert not tab.locator(".rag-thought").is_visible()
    tab.get_by_role("button", name="Thought").click()
    tab.locator(".rag-thought", has_text="Let me look.").wait_for()


def test_the_receipt_of_an_answer_can_be_kept(tab: Page) -> None:
    put(tab, "What is fair value?")
    tab.locator("#rag-chat .rag-prose", has_text="$41 [1]").wait_for()
    with tab.expect_download() as saved:
        tab.get_by_role("button", name="Receipt", exact=True).click()
    kept = json.loads(Path(saved.value.path()).read_text(encoding="utf-8"))
    assert saved.value.suggested_filename == "receipt.json"
    assert kept["answer"] == answered().text
    assert kept["receipt"]["quotes"][0]["n"] == 1


def test_quotes_are_there_while_the_prose_is_still_to_come(tab: Page, desk: Desk) -> None:
    before = len(desk.assistant.replies)
    put(tab, "silent")
    tab.locator(".rag-card").wait_for()
    assert tab.locator(".rag-prose").count() == 0
    reply_to(desk, "silent", before).close()


def test_stop_stops_the_model_and_shows_what_was_checked(tab: Page, desk: Desk) -> None:
    before = len(desk.assistant.replies)
    put(tab, "slow")
    tab.locator(".rag-draft").wait_for()
    tab.get_by_role("button", name="Stop").click()
    assert reply_to(desk, "slow", before).closed.wait(CLOSED_WITHIN)
    tab.locator("#rag-chat .rag-prose", has_text="$41 [1]").wait_for()


@pytest.mark.parametrize("question", ["slow", "silent"])
def test_closing_the_tab_stops_the_model(browser: Browser, desk: Desk, question: str) -> None:
    page = browser.new_page()
    page.goto(desk.url)
    before = len(desk.assistant.replies)
    put(page, question)
    page.locator(".rag-card").wait_for()
    page.close()
    assert reply_to(desk, question, before).closed.wait(CLOSED_WITHIN)


def test_after_a_clear_nothing_of_the_exchange_comes_back(tab: Page) -> None:
    put(tab, "slow")
    tab.locator(".rag-draft").wait_for()
    tab.get_by_role("button", name="Clear").click()
    tab.get_by_text("Ask what a house said.").wait_for()
    tab.wait_for_timeout(4 * 1000 * app.TICK)
    assert tab.locator(":is(#rag-chat, #rag-quotes) :is(.rag-draft, .rag-prose, .rag-card)").count() == 0


def test_clearing_the_conversation_stops_the_model_and_forgets(tab: Page, desk: Desk) -> None:
    before = len(desk.assistant.replies)
    put(tab, "slow")
    tab.locator(".rag-draft").wait_for()
    tab.get_by_role("button", name="Clear").click()
    assert reply_to(desk, "slow", before).closed.wait(CLOSED_WITHIN)
    put(tab, "again")
    tab.locator("#rag-chat .rag-prose").wait_for()
    assert desk.assistant.asked[-1][1] == ()
    assert tab.locator("#rag-chat .rag-prose").count() == 1


def test_no_text_fetches_or_runs_anything_even_without_the_policy(browser: Browser, desk: Desk) -> None:
    with sinking() as (sink, hits):
        attacks = [*vectors(sink), NAVIGATES.format(sink=sink)]
        question = "\n".join(attacks)[: app.QUESTION_CHARACTERS]
        desk.assistant.script[question] = lambda: hostile("\n".join(attacks))
        page = browser.new_page(bypass_csp=True)
        asked: set[str] = set()
        page.on("request", lambda request: asked.add(httpx.URL(request.url).netloc.decode()))
        page.on("dialog", lambda dialog: asked.add(dialog.message))
        page.goto(desk.url)
        put(page, question)
        page.locator("#rag-chat .rag-prose").wait_for()
        page.get_by_role("button", name="Thought").click()
        page.locator(".rag-thought").wait_for()
        page.locator("#rag-chat summary").click()
        page.wait_for_timeout(300)
        drawn = page.locator(
            ":is(#rag-chat, #rag-quotes, #rag-thought) :is(img, script, a, form, iframe, meta, svg image)"
        )
        assert drawn.count() == 0
        assert "{{alert(1)}}" in page.locator(".rag-card blockquote").inner_text()
        page.close()
    assert asked == {f"127.0.0.1:{desk.port}"}
    assert hits == []


def test_the_policy_alone_keeps_a_page_full_of_markup_from_fetching_anything(browser: Browser, desk: Desk) -> None:
    with sinking() as (sink, hits):
        page = browser.new_page()
        page.goto(desk.url)
        page.get_by_label("Question", exact=True).wait_for()
        page.evaluate("text => document.body.insertAdjacentHTML('beforeend', text)", "".join(vectors(sink)))
        page.wait_for_timeout(300)
        assert page.locator(f"img[src='{sink}/image.png']").count() > 0
        page.close()
    assert hits == []


def test_the_browser_keeps_nothing_of_a_question(tab: Page) -> None:
    put(tab, "zirconium futures")
    tab.locator("#rag-chat .rag-prose").wait_for()
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


@pytest.fixture
def comparing(browser: Browser, desk: Desk) -> Iterator[Page]:
    page = browser.new_page()
    page.set_default_timeout(10_000)
    page.goto(desk.url)
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


def test_no_text_of_a_comparison_fetches_or_runs_anything(browser: Browser, desk: Desk) -> None:
    with sinking() as (sink, hits):
        page = browser.new_page(bypass_csp=True)
        page.goto(desk.url)
        page.get_by_role("tab", name="Compare houses").click()
        page.get_by_label("Claim").fill("\n".join([*vectors(sink), NAVIGATES.format(sink=sink)])[:2000])
        page.get_by_role("button", name="Compare", exact=True).click()
        page.locator(".rag-houses tbody tr").wait_for()
        page.wait_for_timeout(300)
        assert page.locator(".rag-houses :is(img, script, a, form, iframe, meta, svg)").count() == 0
        page.close()
    assert hits == []


def test_the_columns_stack_on_a_phone(tab: Page) -> None:
    tab.set_viewport_size({"width": 390, "height": 844})
    put(tab, "What is fair value?")
    tab.locator("#rag-chat .rag-prose").wait_for()
    chat, quotes = tab.locator("#rag-chat").bounding_box(), tab.locator("#rag-quotes").bounding_box()
    assert chat is not None
    assert quotes is not None
    assert quotes["y"] > chat["y"] + chat["height"]
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
