"""The chat in a browser: draws what `rag.assistant` returns, on this machine only.

In: questions from a page on the loopback address. Out: the quotes at once, the prose as it is written,
then the checked answer. It does not know how anything is found, written, checked or drawn as HTML.

Mail and model output are hostile: `rag.cards` escapes every text, and the Content-Security-Policy of
`rag.guard` forbids other hosts as a second wall.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from rag import cards
from rag.errors import RagError, SettingsError
from rag.guard import HOST, PORT, USER, Guard, password_for
from rag.receipts import receipt
from rag.records import Exchange

if TYPE_CHECKING:
    import gradio as gr

    from rag.answering import Reply
    from rag.assistant import Assistant
    from rag.llm import Piece

QUESTION_CHARACTERS = 2000
TICK = 0.2
"""Seconds between two looks at the reply: how soon a closed tab is noticed while the model is silent."""

_STYLE = """
#rag-thought .rag-thought { font-size: .85rem; max-height: 16rem; overflow-y: auto; }
#rag-chat .user .md { white-space: pre-wrap; overflow-wrap: anywhere; }
#rag-chat .message-row { padding-top: .75rem; padding-bottom: .75rem; }
#rag-chat .message { margin-bottom: 0; }
@media (max-width: 799px) { #rag-chat { height: auto !important; min-height: 9rem; max-height: 56vh; } }
@media (min-width: 800px) { #rag-quotes { max-height: calc(100vh - 7rem); overflow-y: auto; } }
"""
_DOWNLOAD = """(receipt) => {
  if (!receipt) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([receipt], {type: "application/json"}));
  link.download = "receipt.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}"""
_COPY = """() => {
  const said = document.querySelectorAll("#rag-chat .rag-prose");
  if (said.length) navigator.clipboard.writeText(said[said.length - 1].innerText);
}"""


@dataclass(slots=True)
class Conversation:
    """One tab's talk: the finished exchanges, as shown and as a later question leans on them; the reply under way."""

    messages: list[dict[str, str]] = field(default_factory=list)
    past: list[Exchange] = field(default_factory=list)
    reply: Reply | None = None
    stopped: bool = False

    def stop(self) -> None:
        """Stop the model; the exchange then ends by itself, with what was written so far."""
        self.stopped = True
        if self.reply is not None:
            self.reply.close()

    def clear(self) -> None:
        """Stop, and forget what was said."""
        self.stop()
        self.messages, self.past = [], []


@dataclass(frozen=True, slots=True)
class Screen:
    """One moment of an exchange, as HTML; ``quotes`` is None where they stay as they were.

    ``receipt`` is the JSON of a finished answer.
    ``accepted`` says, once, that the question was taken and its box may be emptied.
    """

    content: str
    quotes: str | None = None
    thought: str = ""
    accepted: bool = False
    receipt: str = ""


@dataclass(frozen=True, slots=True)
class Filters:
    """The houses and the dates that a question is limited to; empty means all."""

    houses: tuple[str, ...] = ()
    since: str = ""
    until: str = ""

    @property
    def conditions(self) -> dict[str, Any]:
        """What the assistant takes."""
        return {"house": self.houses or None, "since": self.since or None, "until": self.until or None}


def converse(assistant: Assistant, question: str, filters: Filters, conversation: Conversation) -> Iterator[Screen]:
    """Ask, and yield a screen every `TICK`; closing the iterator stops the model.

    A RagError becomes the answer; anything else is a bug, is shown as one, and is raised.
    """
    question = question.strip()
    if problem := _problem("question", question):
        yield Screen(cards.notice(problem))
        return
    conversation.stopped = False
    said = conversation.messages  # Held by name: what ends after a clear is not said in the next conversation.
    screen = Screen(cards.draft("", 0, stage="Searching"), accepted=True)
    yield screen
    try:
        for screen in _exchange(assistant, question, filters, conversation):
            yield screen
    except RagError as error:
        screen = Screen(cards.failure(error))
        yield screen
    except Exception:
        yield Screen(cards.notice("This went wrong inside the program; its terminal says where."))
        raise
    said += messages(question, screen.content)


def messages(question: str, content: str) -> list[dict[str, str]]:
    """One exchange for the Chatbot; ``content`` is HTML already."""
    shown = cards.escaped(question.strip()[:QUESTION_CHARACTERS])
    return [{"role": "user", "content": shown}, {"role": "assistant", "content": content}]


def compared(assistant: Assistant, claim: str, filters: Filters) -> str:
    """What each house says of ``claim``, as HTML; a RagError is shown like an answer."""
    if problem := _problem("claim", claim.strip()):
        return cards.notice(problem)
    try:
        return cards.comparison(assistant.compare(claim.strip(), **filters.conditions))
    except RagError as error:
        return cards.failure(error)


def _problem(what: str, text: str) -> str:
    if not text:
        return f"Write a {what} first."
    if len(text) > QUESTION_CHARACTERS:
        return f"The {what} has {len(text):,} characters; {QUESTION_CHARACTERS:,} are the most."
    return ""


def _exchange(assistant: Assistant, question: str, filters: Filters, conversation: Conversation) -> Iterator[Screen]:
    began = time.monotonic()
    download = ""

    def progress(done: int, total: int | None, what: str) -> None:
        nonlocal download
        download = f"{what}: {done / total:.0%}" if total else f"{what}: {done / 1e6:,.0f} MB"

    past = conversation.past
    reply = assistant.ask(question, past, progress=progress, **filters.conditions)
    conversation.reply = reply
    prose = thought = ""
    try:
        if conversation.stopped:
            reply.close()
        found = reply.searched if reply.searched != question else ""
        quotes: str | None = cards.quote_cards(reply.quotes, refused=reply.refused)
        for pieces in _paced(reply):
            prose += "".join(piece.text for piece in pieces if not piece.thought)
            thought += "".join(piece.text for piece in pieces if piece.thought)
            stage = "Thinking" if thought.strip() else download or "Reading the quotes"
            content = cards.draft(prose, time.monotonic() - began, stage=stage, searched=found, note=reply.note)
            yield Screen(content, quotes, thought.strip())
            quotes = None
        answer = reply.answer
    finally:
        reply.close()
        conversation.reply = None
    past.append(reply.exchange)
    shown = cards.quote_cards(answer.quotes, refused=answer.refused)
    kept = json.dumps(receipt(reply), indent=1)
    yield Screen(cards.final(answer), shown, answer.thinking.strip(), receipt=kept)


def _paced(reply: Reply) -> Iterator[list[Piece]]:
    """Yield what has arrived, every `TICK`, until the stream has ended.

    The stream is read in a thread of its own: it is silent for as long as the model reads its prompt (tens
    of seconds on two cores), and Gradio can close a handler only between two of its yields.
    """
    arrived: SimpleQueue[Piece] = SimpleQueue()
    failures: list[Exception] = []

    def read() -> None:
        try:
            for piece in reply.stream():
                arrived.put(piece)
        except Exception as error:
            failures.append(error)

    reading = Thread(target=read, name="reply", daemon=True)
    reading.start()
    ended = False
    while not ended:
        reading.join(TICK)
        ended = not reading.is_alive()
        yield [arrived.get() for _ in range(arrived.qsize())]
    if failures:
        raise failures[0]


def build(assistant: Assistant) -> gr.Blocks:
    """Lay the page out and connect it to ``assistant``; starts nothing."""
    _close_doors()
    import gradio as gr

    page = gr.Blocks(title="rag", analytics_enabled=False, fill_width=True)
    with page:
        _connect(page, _layout(), assistant)
    # A second question waits for the first: there is one model, and it is the slow part.
    page.queue(max_size=16, default_concurrency_limit=1)
    return page


@dataclass(frozen=True, slots=True)
class _Parts:
    head: gr.HTML
    chat: gr.Chatbot
    fold: gr.Accordion
    thought: gr.HTML
    box: gr.Textbox
    ask: gr.Button
    stop: gr.Button
    copy: gr.Button
    save: gr.Button
    receipt: gr.Textbox
    houses: gr.Dropdown
    since: gr.Textbox
    until: gr.Textbox
    quotes: gr.HTML
    claim: gr.Textbox
    compare: gr.Button
    table: gr.HTML
    conversation: gr.State


def _layout() -> _Parts:
    import gradio as gr

    head = gr.HTML(elem_classes="rag-head")
    with gr.Accordion("Filters", open=False), gr.Row():
        houses = gr.Dropdown([], label="Houses", multiselect=True, min_width=200)
        since = gr.Textbox(label="Since", placeholder="2025-01-20", min_width=120)
        until = gr.Textbox(label="Until", placeholder="2025-02-20", min_width=120)
    with gr.Tab("Ask"), gr.Row():
        with gr.Column(scale=3, min_width=320):
            chat = gr.Chatbot(
                show_label=False,
                elem_id="rag-chat",
                height="56vh",
                # Our own HTML, escaped here and sanitised again there; Markdown would add images and links.
                render_markdown=False,
                latex_delimiters=[],
                buttons=[],  # Gradio's copy button copies the markup, its share button publishes.
                feedback_options=None,
                layout="panel",
                placeholder="Ask what a house said.",
            )
            with gr.Accordion("Thought", open=False, visible=False, elem_id="rag-thought") as fold:
                thought = gr.HTML()
            box = gr.Textbox(show_label=False, label="Question", placeholder="Your question", lines=1, max_lines=6)
            with gr.Row():
                ask = gr.Button("Ask", variant="primary", min_width=80)
                stop = gr.Button("Stop", min_width=80)
                copy = gr.Button("Copy", min_width=80)
                save = gr.Button("Receipt", min_width=80)
            receipt = gr.Textbox(visible=False)
        with gr.Column(scale=2, min_width=320):
            quotes = gr.HTML(cards.NO_QUOTES, elem_id="rag-quotes")
    with gr.Tab("Compare houses"):
        with gr.Row():
            claim = gr.Textbox(show_label=False, label="Claim", placeholder="A claim", lines=1, max_lines=6, scale=5)
            compare = gr.Button("Compare", variant="primary", min_width=110)
        table = gr.HTML(cards.NO_COMPARISON)
    talk = (head, chat, fold, thought, box, ask, stop, copy, save, receipt, houses, since, until, quotes)
    return _Parts(*talk, claim, compare, table, gr.State(Conversation()))


def _blank(parts: _Parts) -> dict[Any, Any]:
    import gradio as gr

    return {parts.chat: [], parts.receipt: "", parts.quotes: cards.NO_QUOTES, parts.fold: gr.update(visible=False)}


def _asking(parts: _Parts, assistant: Assistant) -> Callable[..., Iterator[dict[Any, Any]]]:
    import gradio as gr

    def ask(
        asked: str | None, houses: list[str] | None, since: str | None, until: str | None, conversation: Conversation
    ) -> Iterator[dict[Any, Any]]:
        question = asked or ""
        said = conversation.messages
        before = list(said)
        for screen in converse(assistant, question, _filters(houses, since, until), conversation):
            if conversation.messages is not said:
                # Cleared meanwhile. Gradio shows the last yield once more at the end, so that has to be blank.
                yield _blank(parts)
                return
            shown = {
                parts.chat: before + messages(question, screen.content),
                parts.fold: gr.update(visible=bool(screen.thought)),
                parts.thought: cards.thought(screen.thought),
                parts.box: "" if screen.accepted else gr.skip(),
                parts.receipt: screen.receipt,
            }
            yield shown if screen.quotes is None else {**shown, parts.quotes: screen.quotes}

    return ask


def _filters(houses: list[str] | None, since: str | None, until: str | None) -> Filters:
    # An empty Textbox is None.
    return Filters(tuple(houses or ()), (since or "").strip(), (until or "").strip())


def _connect(page: gr.Blocks, parts: _Parts, assistant: Assistant) -> None:
    import gradio as gr

    def clear(conversation: Conversation) -> dict[Any, Any]:
        conversation.clear()
        return _blank(parts)

    def compare(claim: str | None, houses: list[str] | None, since: str | None, until: str | None) -> str:
        return compared(assistant, claim or "", _filters(houses, since, until))

    def greet() -> tuple[Any, ...]:
        status = assistant.status()
        return cards.head(status), gr.update(choices=list(status.houses))

    limits = [parts.houses, parts.since, parts.until]
    gr.on(
        [parts.ask.click, parts.box.submit],
        _asking(parts, assistant),
        [parts.box, *limits, parts.conversation],
        [parts.chat, parts.fold, parts.thought, parts.box, parts.quotes, parts.receipt],
        api_name="ask",
        show_progress="hidden",
        concurrency_limit=1,
    )
    private: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
    gr.on([parts.compare.click, parts.claim.submit], compare, [parts.claim, *limits], [parts.table], **private)
    # Neither has `cancels`: that would leave the page as it was, where closing the reply lets `ask` check and
    # show what was written so far; and a cancelled event now and then covers the page with "Error".
    parts.stop.click(Conversation.stop, [parts.conversation], None, **private)
    parts.chat.clear(clear, [parts.conversation], [parts.chat, parts.quotes, parts.fold, parts.receipt], **private)
    parts.copy.click(None, js=_COPY, **private)
    parts.save.click(None, [parts.receipt], js=_DOWNLOAD, **private)
    page.load(greet, None, [parts.head, parts.houses], **private)


def _close_doors() -> None:
    """Forget Gradio's own settings and turn telemetry off, before Gradio reads either at its import.

    ``GRADIO_SHARE``, ``GRADIO_SERVER_NAME`` and ``GRADIO_ALLOWED_PATHS`` would publish what is private.
    """
    for name in [name for name in os.environ if name.startswith("GRADIO_") and name != "GRADIO_TEMP_DIR"]:
        del os.environ[name]
    os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}
    os.environ["OTEL_SDK_DISABLED"] = "true"  # FastAPI and Chroma can export traces to whatever host is named there.


@contextmanager
def listening(assistant: Assistant, *, host: str = HOST, port: int = PORT) -> Iterator[str]:
    """Serve the chat in the background for as long as the context lasts, and yield its URL.

    Raises SettingsError where the port is taken, or where ``host`` is open to others without RAG_PASSWORD.
    """
    host = host.strip("[]")
    password = password_for(host)
    page = build(assistant)
    # Gradio asks its own server whether it is up, and would ask a proxy of the environment to do so.
    around = ",".join(dict.fromkeys([*os.environ.get("NO_PROXY", "").split(","), "127.0.0.1", "localhost", host]))
    os.environ |= {"NO_PROXY": around.strip(","), "no_proxy": around.strip(",")}
    try:
        # Gradio finds a taken port out too, and leaves its sockets open.
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, port), family=family).close()
        _launch(page, host, port, password)
    except (OSError, OverflowError) as error:
        raise SettingsError(
            f"Port {port} on {host} cannot be used.",
            remedy="Choose another with --port, or end the program that holds it.",
        ) from error
    try:
        yield page.local_url or ""
    finally:
        # An open tab keeps a connection for good, and Gradio would wait 5 s for it; uvicorn, told to wait less,
        # writes a traceback for each connection that it cuts.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        page.server.config.timeout_graceful_shutdown = 1
        page.close(verbose=False)


def _launch(page: gr.Blocks, host: str, port: int, password: str | None) -> None:
    import gradio as gr
    from starlette.middleware import Middleware

    page.launch(
        server_name=f"[{host}]" if ":" in host else host,
        server_port=port,
        auth=(USER, password) if password else None,
        share=False,
        inbrowser=False,
        quiet=True,
        prevent_thread_lock=True,
        show_error=False,
        run_history=False,
        enable_monitoring=False,
        footer_links=[],
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        max_file_size="1mb",
        state_session_capacity=100,
        app_kwargs={"middleware": [Middleware(Guard, host=host)]},
        theme=gr.themes.Default(
            primary_hue="blue",
            neutral_hue="slate",
            font=["system-ui", "-apple-system", "Segoe UI", "sans-serif"],
            font_mono=["ui-monospace", "Menlo", "monospace"],
        ),
        css=cards.STYLE + _STYLE,
    )


def serve(assistant: Assistant, *, host: str = HOST, port: int = PORT) -> None:
    """Serve the chat until Ctrl-C; the URL goes to stdout once it listens. Raises as `listening` does."""
    with listening(assistant, host=host, port=port) as url:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()
        try:
            Event().wait()
        except KeyboardInterrupt:
            sys.stderr.write("\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``rag serve`` with the same arguments."""
    from rag.cli import main as rag_main

    return rag_main(["serve", *(sys.argv[1:] if argv is None else argv)])


if __name__ == "__main__":
    sys.exit(main())
