"""One visitor's talk with the assistant: how an exchange goes, moment by moment.

In: a question, its limits, the exchanges before it. Out: a `Screen` every `TICK`: the quotes at once, the prose as it
is written, then the checked answer. It does not know Gradio.
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING

from rag.costs import Cost, Meter, Rates
from rag.errors import ModelUnavailable, RagError
from rag.page import cards
from rag.page.costs import line
from rag.page.filters import Limits
from rag.page.markup import escaped, failure, notice, shown
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

_BUSY = "An answer is being written: press Stop, or wait for it."

# Of all tabs: a state of Gradio is copied for each visitor, which a lock in it would not outlive.
_beginning = Lock()


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """What was said: the finished exchanges, as HTML, as a later question leans on them, and what they cost."""

    said: list[str] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    costs: list[Cost] = field(default_factory=list)


@dataclass(slots=True)
class Conversation:
    """One tab's talk: what was said, and the exchange under way.

    ``asking`` says that there is one, and ``reply`` is what it waits for once the search is done. After a `clear` the
    past is another: an exchange that still holds the old one is nobody's any more. ``service`` is the model server that
    the visitor knows his questions go to; empty for none. ``comparison`` stands for the one asked for last.
    """

    past: Past = field(default_factory=Past)
    asking: bool = False
    reply: Reply | None = None
    stopped: bool = False
    service: str = ""
    comparison: object = None

    @property
    def begun(self) -> bool:
        """Whether anything was asked."""
        return self.asking or bool(self.past.said)

    def begin(self) -> bool:
        """Take the next question; false while one is being answered."""
        with _beginning:
            if self.asking:
                return False
            self.asking, self.stopped = True, False
            return True

    def learn(self, model: str) -> bool:
        """Note where ``model`` sends questions; whether the visitor has to be told, for that is another server."""
        service = shown(model) if "://" in model else ""
        known, self.service = self.service, service
        return bool(service) and service != known

    def stop(self) -> None:
        """Stop the model; the exchange then ends by itself, with what was written so far."""
        self.stopped = True
        if self.reply is not None:
            self.reply.close()

    def clear(self) -> None:
        """Stop, and forget what was said."""
        self.stop()
        self.past, self.asking, self.reply = Past(), False, None


@dataclass(frozen=True, slots=True)
class Screen:
    """One moment of an exchange, as HTML; ``quotes`` is None where they stay as they were.

    ``told`` is what a screen reader says of it. ``accepted`` says, once, that the question was taken and its box may be
    emptied; ``refused`` that it was not, why is told, and all stays as it was; ``ended`` that another may be asked.
    ``receipt`` (JSON) and ``markdown`` are there once the answer is.
    """

    content: str
    told: str = ""
    quotes: str | None = None
    accepted: bool = False
    refused: bool = False
    ended: bool = False
    receipt: str = ""
    markdown: str = ""


def converse(
    assistant: Assistant, question: str, limits: Limits, conversation: Conversation
) -> Generator[Screen, None, None]:
    """Ask, and yield a screen every `TICK`; closing the iterator stops the model.

    A RagError becomes the answer; anything else is a bug, is shown as one, and is raised.
    """
    question = question.strip()
    told = problem("question", question)
    if not told and conversation.learn(assistant.settings.model):
        # Another visitor may have chosen it since the page said where questions go.
        told = f"Questions and their quotes now go to {conversation.service}: ask again to send this one."
    if told or not conversation.begin():
        yield Screen("", told or _BUSY, refused=True)
        return
    past = conversation.past  # Held by name: what ends after a clear is not said in the next conversation.
    try:
        yield Screen(exchange(question, cards.draft("", 0, stage="Searching")), "Searching", accepted=True)
        try:
            last = yield from _exchange(assistant, question, limits, conversation, past)
        except RagError as error:
            last = Screen(exchange(question, failure(error)), str(error), cards.NO_QUOTES, ended=True)
        except Exception:
            wrong = notice("This went wrong inside the program; its terminal says where.")
            yield Screen(exchange(question, wrong), quotes=cards.NO_QUOTES, ended=True)
            raise
        past.said.append(last.content)
    finally:
        if conversation.past is past:
            conversation.asking = False
    yield last  # Only now, or who asks as soon as he sees it would be refused.


def exchange(question: str, content: str) -> str:
    """A question and what is shown for it; ``content`` is HTML already."""
    return f'<article class="rag-exchange"><h2>{escaped(question)}</h2>{content}</article>'


def _exchange(
    assistant: Assistant, question: str, limits: Limits, conversation: Conversation, past: Past
) -> Generator[Screen, None, Screen]:
    began = time.monotonic()
    download = ""

    def progress(done: int, total: int | None, what: str) -> None:
        nonlocal download
        download = f"{what}: {done / total:.0%}" if total else f"{what}: {done / 1e6:,.0f} MB"

    meter = Meter()
    reply = assistant.ask(question, past.exchanges, progress=progress, **limits.conditions)
    if conversation.learn(reply.settings.model):
        reply.close()
        raise ModelUnavailable(f"Questions now go to {conversation.service}.", remedy="Ask again to send this one.")
    if conversation.past is past:
        conversation.reply = reply
    about = cards.about(reply.searched if reply.searched != question else "", limits.words)
    thinking = _Thinking()
    prose = ""
    try:
        if conversation.stopped or conversation.past is not past:
            reply.close()
        quotes: str | None = cards.quote_cards(reply.quotes, refused=reply.refused)
        with closing(_paced(reply)) as arriving:
            for pieces in arriving:
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
        if conversation.reply is reply:
            conversation.reply = None
    past.exchanges.append(reply.exchange)
    past.costs.append(cost := meter.cost(answer))
    folded = cards.thought(answer.thinking, thinking.seconds)
    return Screen(
        exchange(question, about + folded + cards.final(answer, line(cost, Rates.of(reply.settings)))),
        "The answer is there.",
        cards.quote_cards(answer.quotes, refused=answer.refused),
        ended=True,
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


def _paced(reply: Reply) -> Generator[list[Piece], None, None]:
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
