"""A scripted desk, and a browser to sit at it: what the tests of the page share."""

from __future__ import annotations

import http.server
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import httpx

from rag.comparing import Comparison, Row
from rag.conditions import Conditions
from rag.contents import Contents, Listing
from rag.errors import IndexMissing
from rag.facets import Facets
from rag.gate import Judgement
from rag.passages import Opened
from rag.records import Answer, Chunk, Document, Exchange, Hit, Quote, Role, Sentence, SyncReport, Turn, Usage, Voice
from rag.settings import Settings
from rag.stances import Stance
from rag.upkeep import Upkeep

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from rag.assistant import Assistant

CLOSED_WITHIN = 10.0
"""Seconds within which a model is to be stopped; a second on a machine that does nothing else."""


def quote(
    text: str = "We see fair value at $41.",
    *,
    title: str = "On chips",
    house: str | None = "Bernstein",
    person: str = "Ann Lee",
    path: str = "2025/chips.eml",
    role: Role = "author",
) -> Quote:
    speaker = Voice(0, len(text), house, person, role)
    document = Document(
        id="d",
        path=path,
        kind="email",
        title=title,
        text=text,
        date=datetime(2025, 1, 27, tzinfo=UTC),
        author="Ann Lee",
        house="Bernstein",
        voices=(speaker,),
    )
    chunk = Chunk("c", "d", 0, len(text), text, speaker)
    return Quote(1, Hit(chunk, document, 1.0, {}), 0, len(text), text)


def answered(text: str = "Bernstein sees fair value at $41 [1].", **changes: object) -> Answer:
    answer = Answer(
        question="What is fair value?",
        text=text,
        sentences=(Sentence(text, (1,), "checked"),) if text else (),
        quotes=(quote(),),
        refused=False,
        model="scripted",
        usage=Usage(prompt_tokens=1200, answer_tokens=40, seconds={"total": 6.25}),
    )
    return replace(answer, **cast("dict[str, Any]", changes))


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
    conditions: Conditions = field(default_factory=Conditions)
    turns: tuple[Turn, ...] = ()

    before: int = 0

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
    opens: str = ""
    suggesting: threading.Event = field(default_factory=threading.Event)
    comparing: threading.Event = field(default_factory=threading.Event)
    settings: Settings = field(default_factory=lambda: Settings(corpus=Path("corpus"), index=Path("index")))

    def __post_init__(self) -> None:
        self.suggesting.set()

    def ask(self, question: str, history: Sequence[Exchange] = (), **filters: object) -> ScriptedReply:
        self.asked.append((question, tuple(history), filters))
        reply = self.script.get(question, lambda: replace(plain(), searched=question))()
        self.replies.append(replace(reply, settings=self.settings))
        return self.replies[-1]

    def compare(self, claim: str, **filters: object) -> Comparison:
        self.asked.append((claim, (), filters))
        if claim == "slow":
            self.comparing.wait(10)
        if claim == "broken":
            raise IndexMissing("There is no index.", remedy="Build it.")
        said = quote(claim, title=claim, house=claim, person=claim, path=claim)
        return Comparison(claim, (Row(said, Stance("disagree", claim)),), ("Citi", "UBS"))

    upkeep: Upkeep = field(default_factory=lambda: Upkeep(Path("corpus"), SyncReport))

    @property
    def contents(self) -> Contents:
        raise IndexMissing("There is no index.")

    def entries(self, text: str = "", **filters: object) -> Listing:
        return Listing()

    def facets(self) -> Facets:
        days = {date(2025, 1, 20) + timedelta(number): number % 5 for number in range(40)}
        return Facets({"Morgan Stanley": 3, "Bernstein": 12}, days, {"own": 14, "quoted": 5}, {"email": 12, "note": 4})

    def status(self) -> ScriptedStatus:
        return ScriptedStatus(model=self.settings.model or "scripted")

    def chosen(self, model: str) -> None:
        """Have another visitor choose ``model``."""
        self.settings = replace(self.settings, model=model)

    def passage(self, document_id: str, start: int = 0, end: int = 0) -> Opened:
        text = self.opens or document_id
        said = quote(text, title=text, house=text, person=text, path=text).hit
        return Opened(said.document, 0, min(40, len(text)), said.chunk.voice, text, (said.document,))

    def claims(self) -> tuple[str, ...]:
        return ("Capex will fall",)

    def subject(self, question: str) -> str:
        return question.removesuffix("?")

    def starters(self) -> tuple[str, ...]:
        self.suggesting.wait(10)
        return ("What is fair value?",)


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


@dataclass
class Desk:
    url: str
    assistant: ScriptedAssistant

    @property
    def port(self) -> int:
        return httpx.URL(self.url).port or 0


@dataclass(frozen=True)
class Served:
    """A page before a real assistant, and the folder that it follows."""

    url: str
    desk: Assistant
    corpus: Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def put(page: Page, question: str) -> None:
    """Ask, and wait until the question is taken: while an exchange is still ending it is refused, in words."""
    box, note = page.get_by_label("Question", exact=True), page.locator("#rag-note")
    box.fill(question)
    button = page.get_by_role("button", name="Ask", exact=True)
    deadline = time.monotonic() + 20
    while box.input_value() and time.monotonic() < deadline:
        button.click()
        page.wait_for_function(
            "([box, note]) => !box.value || note.innerText.includes('being written')",
            arg=[box.element_handle(), note.element_handle()],
        )
        page.wait_for_timeout(50)
    assert not box.input_value()


def reply_to(desk: Desk, question: str, before: int) -> ScriptedReply:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if len(desk.assistant.replies) > before:
            return desk.assistant.replies[before]
        time.sleep(0.02)
    raise AssertionError(f"{question!r} was not asked")


OURS = {"section", "h1", "h2", "article", "header", "strong", "blockquote", "div", "p"}
OURS |= {
    "details",
    "summary",
    "ul",
    "li",
    "em",
    "table",
    "caption",
    "thead",
    "tbody",
    "tfoot",
    "tr",
    "th",
    "td",
    "span",
    "button",
    "mark",
    "u",
    "dl",
    "dt",
    "dd",
}

ATTRIBUTES = {
    "class",
    "type",
    "role",
    "tabindex",
    "aria-label",
    "data-passage",
    "data-fold",
    "data-source",
    "data-question",
    "scope",
    "aria-hidden",
    "title",
    "style",
    "data-first",
    "data-last",
}


class Reader(HTMLParser):
    """Collects the elements and the words of a drawing; fails where an attribute is not ours."""

    def __init__(self, drawn: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.words = ""
        self.feed(drawn)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        assert {name for name, _ in attrs} <= ATTRIBUTES
        assert all(
            re.fullmatch(r"[-a-z]+: -?[\d.]+(%|px)(; [-a-z]+: -?[\d.]+(%|px))*", value or "")
            for name, value in attrs
            if name == "style"
        )

    def handle_data(self, data: str) -> None:
        self.words += data
