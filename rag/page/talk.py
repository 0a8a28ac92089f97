"""One visitor's talk with the assistant: how an exchange goes, moment by moment.

In: a question, its limits, the exchanges before it. Out: a `Screen` every `TICK`: the quotes at once, the prose as it
is written, then the checked answer. It does not know Gradio.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

from rag.costs import Cost, Meter, Rates
from rag.errors import RagError
from rag.page import cards
from rag.page.costs import line
from rag.page.filters import Limits
from rag.page.markup import escaped, failure, notice
from rag.present import answer_markdown
from rag.receipts import receipt
from rag.records import Exchange

if TYPE_CHECKING:
    from rag.answering import Reply
    from rag.assistant import Assistant
    from rag.llm import Piece

QUESTION_CHARACTERS = 2000
TICK = 0.2
"""Seconds between two looks at the reply: how soon a closed tab is noticed while the model is silent."""


@dataclass(slots=True)
class Conversation:
    """One tab's talk: the finished exchanges, as HTML and as a later question leans on them; the reply under way."""

    said: list[str] = field(default_factory=list)
    past: list[Exchange] = field(default_factory=list)
    costs: list[Cost] = field(default_factory=list)
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
        self.said, self.past, self.costs = [], [], []


@dataclass(frozen=True, slots=True)
class Screen:
    """One moment of an exchange, as HTML; ``quotes`` is None where they stay as they were.

    ``told`` is what a screen reader says of it. ``accepted`` says, once, that the question was taken and its box may be
    emptied. ``receipt`` (JSON) and ``markdown`` are there once the answer is.
    """

    content: str
    told: str = ""
    quotes: str | None = None
    accepted: bool = False
    receipt: str = ""
    markdown: str = ""


def converse(assistant: Assistant, question: str, limits: Limits, conversation: Conversation) -> Iterator[Screen]:
    """Ask, and yield a screen every `TICK`; closing the iterator stops the model.

    A RagError becomes the answer; anything else is a bug, is shown as one, and is raised.
    """
    question = question.strip()
    if told := problem("question", question):
        yield Screen(notice(told), told)
        return
    conversation.stopped = False
    said = conversation.said  # Held by name: what ends after a clear is not said in the next conversation.
    screen = Screen(exchange(question, cards.draft("", 0, stage="Searching")), "Searching", accepted=True)
    yield screen
    try:
        for screen in _exchange(assistant, question, limits, conversation):
            yield screen
    except RagError as error:
        screen = Screen(exchange(question, failure(error)), str(error))
        yield screen
    except Exception:
        yield Screen(exchange(question, notice("This went wrong inside the program; its terminal says where.")))
        raise
    said.append(screen.content)


def exchange(question: str, content: str) -> str:
    """A question and what is shown for it; ``content`` is HTML already."""
    return f'<article class="rag-exchange"><h2>{escaped(question)}</h2>{content}</article>'


def _exchange(assistant: Assistant, question: str, limits: Limits, conversation: Conversation) -> Iterator[Screen]:
    began = time.monotonic()
    download = ""

    def progress(done: int, total: int | None, what: str) -> None:
        nonlocal download
        download = f"{what}: {done / total:.0%}" if total else f"{what}: {done / 1e6:,.0f} MB"

    past, spent, meter = conversation.past, conversation.costs, Meter()
    reply = assistant.ask(question, past, progress=progress, **limits.conditions)
    conversation.reply = reply
    about = cards.about(reply.searched if reply.searched != question else "", limits.words)
    thinking = _Thinking()
    prose = ""
    try:
        if conversation.stopped:
            reply.close()
        quotes: str | None = cards.quote_cards(reply.quotes, refused=reply.refused)
        for pieces in _paced(reply):
            meter.lap(mine=not reply.before)
            prose += thinking.without_thought(pieces)
            stage = _stage(reply, thinking, download)
            draft = cards.draft(prose, time.monotonic() - began, stage=stage, note=reply.note)
            content = exchange(question, about + cards.thought(thinking.text, thinking.seconds) + draft)
            yield Screen(content, "Writing" if prose.strip() else stage, quotes)
            quotes = None
        answer = reply.answer
    finally:
        reply.close()
        conversation.reply = None
    past.append(reply.exchange)
    spent.append(cost := meter.cost(answer))
    folded = cards.thought(answer.thinking, thinking.seconds)
    yield Screen(
        exchange(question, about + folded + cards.final(answer, line(cost, Rates.of(reply.settings)))),
        "The answer is there.",
        cards.quote_cards(answer.quotes, refused=answer.refused),
        receipt=json.dumps(receipt(reply), indent=1),
        markdown=answer_markdown(answer, limits.words),
    )


@dataclass(slots=True)
class _Thinking:
    """The thought so far, and how long it took."""

    text: str = ""
    began: float = 0.0
    seconds: float = 0.0

    def without_thought(self, pieces: list[Piece]) -> str:
        """The prose of ``pieces``; what is thought is kept."""
        thought = "".join(piece.text for piece in pieces if piece.thought)
        if thought:
            now = time.monotonic()
            self.began = self.began or now - TICK
            self.text, self.seconds = self.text + thought, now - self.began
        return "".join(piece.text for piece in pieces if not piece.thought)


def _stage(reply: Reply, thinking: _Thinking, download: str) -> str:
    if reply.before:
        return f"Waiting for the model, {reply.before} before you"
    return "Thinking" if thinking.text.strip() else download or "Reading the quotes"


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


def problem(what: str, text: str) -> str:
    """Why ``text`` cannot be asked; empty where it can."""
    if not text:
        return f"Write a {what} first."
    if len(text) > QUESTION_CHARACTERS:
        return f"The {what} has {len(text):,} characters; {QUESTION_CHARACTERS:,} are the most."
    return ""
