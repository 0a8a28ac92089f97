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

from rag.errors import RagError
from rag.page import cards
from rag.page.filters import Limits
from rag.page.markup import escaped, failure, notice
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


def converse(assistant: Assistant, question: str, limits: Limits, conversation: Conversation) -> Iterator[Screen]:
    """Ask, and yield a screen every `TICK`; closing the iterator stops the model.

    A RagError becomes the answer; anything else is a bug, is shown as one, and is raised.
    """
    question = question.strip()
    if told := problem("question", question):
        yield Screen(notice(told))
        return
    conversation.stopped = False
    said = conversation.messages  # Held by name: what ends after a clear is not said in the next conversation.
    screen = Screen(cards.draft("", 0, stage="Searching"), accepted=True)
    yield screen
    try:
        for screen in _exchange(assistant, question, limits, conversation):
            yield screen
    except RagError as error:
        screen = Screen(failure(error))
        yield screen
    except Exception:
        yield Screen(notice("This went wrong inside the program; its terminal says where."))
        raise
    said += messages(question, screen.content)


def messages(question: str, content: str) -> list[dict[str, str]]:
    """One exchange for the Chatbot; ``content`` is HTML already."""
    shown = escaped(question.strip()[:QUESTION_CHARACTERS])
    return [{"role": "user", "content": shown}, {"role": "assistant", "content": content}]


def _exchange(assistant: Assistant, question: str, limits: Limits, conversation: Conversation) -> Iterator[Screen]:
    began = time.monotonic()
    download = ""

    def progress(done: int, total: int | None, what: str) -> None:
        nonlocal download
        download = f"{what}: {done / total:.0%}" if total else f"{what}: {done / 1e6:,.0f} MB"

    past = conversation.past
    reply = assistant.ask(question, past, progress=progress, **limits.conditions)
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


def problem(what: str, text: str) -> str:
    """Why ``text`` cannot be asked; empty where it can."""
    if not text:
        return f"Write a {what} first."
    if len(text) > QUESTION_CHARACTERS:
        return f"The {what} has {len(text):,} characters; {QUESTION_CHARACTERS:,} are the most."
    return ""
