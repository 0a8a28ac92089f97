"""Chat models: turns in, pieces of text out.

In: turns. Out: a stream of `Piece`s, thoughts apart from the answer, the last one with the cost; what every chat model
is (`ChatModel`), and who may use one that several ask. `rag.llama` has the one that runs in this process, `rag.server`
the one behind a URL. It does not know what is asked or whether the answer is true.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Literal, Protocol, Self

from rag.records import Turn, Usage

# Seconds for which a stream keeps the floor while nobody asks for its next piece. A page that draws a
# piece is back within milliseconds.
_PATIENCE, _POLL_SECONDS = 1.0, 0.05

Ended = Literal["done", "budget", "loop", "thought"]
"""Whether a model was done, or why it was stopped: its tokens were used up, it said the same again and again, or what
it wrote for an answer turned out to be a thought.
"""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some text of a thought or of the answer, never half a character.

    The last piece of a finished stream has no text and carries ``usage``. A piece with neither is a sign
    of life: one comes after every slice of the prompt, so that a consumer can stop there. ``ended`` is true of the
    last alone.
    """

    text: str
    thought: bool
    usage: Usage | None = None
    ended: Ended = "done"


class PieceStream(Protocol):
    """Pieces to iterate once."""

    @property
    def before(self) -> int:
        """How many streams come first, while this one waits for the model."""

    def __iter__(self) -> Iterator[Piece]: ...  # noqa: D105
    def __next__(self) -> Piece: ...  # noqa: D105
    def close(self) -> None:
        """Stop the model; the models of this module allow it from any thread, while a piece is awaited."""


class ChatModel(Protocol):
    """Something that continues a conversation; ``remote`` means that the turns leave this machine."""

    @property
    def name(self) -> str:
        """What to call it in front of the user."""

    @property
    def thinks(self) -> bool:
        """Whether a thinking budget has any effect."""

    @property
    def remote(self) -> bool:
        """Whether the turns leave this machine."""

    def fits(self, turns: Sequence[Turn], *, thinking_tokens: int, answer_tokens: int) -> bool:
        """Say whether the context has room for the turns, the thought and the answer."""

    def stream(
        self, turns: Sequence[Turn], *, thinking_tokens: int, answer_tokens: int, temperature: float = 0.0
    ) -> PieceStream:
        """Answer the last turn, words chosen at ``temperature``; iterating raises PromptTooLong and ModelFailed."""

    def close(self) -> None:
        """Give the memory or the connection back; a running stream is stopped."""


class Stream:
    """A generator of pieces that may be closed from any thread, also while it is executing."""

    def __init__(
        self,
        pieces: Generator[Piece, None, None],
        interrupt: Callable[[], None],
        before: Callable[[], int] = lambda: 0,
    ) -> None:
        """Wrap ``pieces``; ``interrupt`` makes whoever awaits one come back at once, ``before`` counts the others."""
        self._pieces = pieces
        self._interrupt = interrupt
        self._before = before

    def __iter__(self) -> Self:
        """Return the stream itself."""
        return self

    def __next__(self) -> Piece:
        """Wait for the next piece."""
        return next(self._pieces)

    @property
    def before(self) -> int:
        """How many streams come first, while this one waits for the model."""
        return self._before()

    def close(self) -> None:
        """Stop the model; a piece that another thread awaits does not come any more."""
        self._interrupt()
        # "generator already executing": the thread that executes it has just been told to stop.
        with contextlib.suppress(ValueError):
            self._pieces.close()


class StopFlag(Protocol):
    """What tells a running model to stop."""

    def set(self) -> None: ...  # noqa: D102
    def __bool__(self) -> bool: ...  # noqa: D105


class Floor:
    """Who may use a model: one stream at a time, up to its end, unless its consumer stays away; the others in a queue.

    A stream that nobody goes on with (a ``break`` out of the loop while it is bound to a name) blocked the
    next question for ever. Now that question waits for ``_PATIENCE`` seconds and takes the floor.
    """

    def __init__(self) -> None:
        """Nobody has the floor yet."""
        self._changed = threading.Condition()
        self._holder: StopFlag | None = None
        self._queue: list[StopFlag] = []
        self._begun: list[StopFlag] = []  # those whose text the model has read, up to their end
        self._busy = self._closed = False
        self._rested = 0.0

    def take(self, flag: StopFlag) -> bool:
        """Wait for the floor; false once ``flag`` is set or the floor is closed."""
        with self._changed:
            if self._holder is not flag:
                # Who gave way in mid-answer goes on before the next begins, or would wait for all of them.
                begun = sum(one in self._begun for one in self._queue)
                self._queue.insert(begun if flag in self._begun else len(self._queue), flag)
            try:
                while not flag and not self._closed:
                    if not self._busy and (self._holder is flag or (self._is_free() and self._queue[:1] == [flag])):
                        self._holder, self._busy = flag, True
                        if flag not in self._begun:
                            self._begun.append(flag)
                        return True
                    self._changed.wait(_POLL_SECONDS)
                return False
            finally:
                if flag in self._queue:
                    self._queue.remove(flag)

    def _is_free(self) -> bool:
        return self._holder is None or monotonic() - self._rested > _PATIENCE

    def before(self, flag: StopFlag) -> int:
        """How many come before ``flag``, the holder among them; 0 for whoever is not in the queue."""
        with self._changed:
            if flag not in self._queue:
                return 0
            return self._queue.index(flag) + (self._holder is not None)

    def rest(self) -> None:
        """Between two pieces: the holder comes first for a while."""
        with self._changed:
            self._busy, self._rested = False, monotonic()
            self._changed.notify_all()

    def leave(self, flag: StopFlag) -> None:
        """Give the floor up, if ``flag`` has it."""
        with self._changed:
            if flag in self._begun:
                self._begun.remove(flag)
            if self._holder is flag:
                self._holder = None
                self._changed.notify_all()

    def close(self) -> None:
        """Stop who is at work and wait for that alone; nobody gets the floor any more."""
        with self._changed:
            self._closed = True
            if self._busy and self._holder is not None:
                self._holder.set()
            self._changed.wait_for(lambda: not self._busy)
