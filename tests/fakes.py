"""Scripted stand-ins with the real interfaces: an embedder and a chat model."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Generator, Sequence

import numpy as np

from rag.embedding import Vectors
from rag.llm import Ended, Piece, Stream
from rag.records import Turn, Usage


class WordEmbedder:
    """A hashed bag of words: texts that share words are near each other; counts what it embeds."""

    def __init__(self, fingerprint: str = "words-64") -> None:
        self.fingerprint = fingerprint
        self.embedded: list[str] = []

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.embedded += texts
        rows = np.zeros((len(texts), 64), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in re.findall(r"\w+", text.lower()):
                row[hashlib.sha256(word.encode()).digest()[0] % 64] += 1.0
            row += 1e-6
            row /= np.linalg.norm(row)
        return rows


class ScriptedModel:
    """Writes ``prose`` word by word, after ``thought``; remembers what it was asked and whether it was stopped."""

    name = "scripted"
    remote = False

    def __init__(
        self,
        prose: str = "",
        *,
        thought: str = "",
        pause: float = 0.0,
        room: int = 10_000,
        error: Exception | None = None,
        ended: Ended = "done",
    ) -> None:
        self.ended = ended
        self.prose = prose
        self.thought = thought
        self.thinks = bool(thought)
        self.pause = pause
        self.room = room
        self.error = error
        self.asked: list[Sequence[Turn]] = []
        self.budgets: list[tuple[int, int, float]] = []
        self.stopped = threading.Event()
        self.closed = False

    def fits(self, turns: Sequence[Turn], *, thinking_tokens: int, answer_tokens: int) -> bool:
        return sum(len(turn.content) for turn in turns) <= self.room

    def stream(
        self, turns: Sequence[Turn], *, thinking_tokens: int, answer_tokens: int, temperature: float = 0.0
    ) -> Stream:
        self.asked.append(turns)
        self.budgets.append((thinking_tokens, answer_tokens, temperature))
        interrupted = threading.Event()
        return Stream(self._pieces(self.written(turns), interrupted), interrupted.set)

    def written(self, turns: Sequence[Turn]) -> str:
        """The prose for these turns, of which others may ask at the same time."""
        return self.prose

    def _pieces(self, prose: str, interrupted: threading.Event) -> Generator[Piece, None, None]:
        finished = False
        try:
            if self.error:
                raise self.error
            for text, thought in ((self.thought, True), (prose, False)):
                for word in re.findall(r"\S+\s*", text):
                    if interrupted.is_set():
                        return
                    yield Piece(word, thought)
                    time.sleep(self.pause)
            finished = True
            seconds = {"first_token": 0.1, "prose": 0.2}
            usage = Usage(prompt_tokens=7, answer_tokens=len(prose.split()), seconds=seconds)
            yield Piece("", False, usage, self.ended)
        finally:
            if not finished:
                self.stopped.set()

    def close(self) -> None:
        self.closed = True
