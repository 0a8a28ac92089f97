"""The word index: which chunks have the words of a question, and how well they match (FTS5, BM25).

In: plain words. Out: chunk numbers with scores, and how many chunks have a word. The BM25 score of several words is
the sum of those of each, so that FTS5 is asked word by word, once for each change of the index, and the answers are
added up here. It does not know where the words come from.

Measured with 200,000 chunks: one FTS5 query for six words that 124,000 chunks have takes 110 ms, nearly all of it
scoring (0.9 µs a chunk); adding up six remembered answers takes 2 ms.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

Scores = tuple[NDArray[np.int64], NDArray[np.float32]]

# Chunks that are remembered with their scores, over all words: 12 bytes each.
_REMEMBERED = 4_000_000

# A word in a tenth of all chunks weighs a third of a rare one. FTS5 scores 600,000 chunks a second, so from so many
# chunks on such words are left to what weighs the candidates, if the question has rarer ones.
_COSTLY, _COMMON = 10_000, 10


class Lexicon:
    """The word index of one catalogue; what it remembers is bounded, and forgotten when the index changes."""

    def __init__(
        self, read: Callable[..., Iterator[Any]], *, remembered: int = _REMEMBERED, costly: int = _COSTLY
    ) -> None:
        """Use ``read`` to run SQL."""
        self._read = read
        self._remembered = remembered
        self._costly = costly
        self._lock = threading.Lock()
        self._generation = -1
        self._scores: OrderedDict[tuple[str, float], Scores] = OrderedDict()
        self._kept = 0
        self._frequencies: dict[str, int] = {}
        self._size = 0

    def matching(
        self, words: Sequence[str], k: int, allowed: NDArray[np.int64] | None, header: float
    ) -> list[tuple[int, float]]:
        """The ``k`` best chunks that have any of ``words``, with their scores, best first; ties by number."""
        with self._lock:
            self._renew()
            found = [self._scored(word, header) for word in self._telling(words)]
        found = [(numbers, scores) for numbers, scores in found if len(numbers)]
        if not found:
            return []
        total = np.zeros(1 + max(int(numbers[-1]) for numbers, _ in found), dtype=np.float32)
        for numbers, scores in found:
            total[numbers] += scores
        if allowed is None:
            numbers = np.flatnonzero(total)
        else:
            numbers = allowed[allowed < len(total)]
            numbers = numbers[total[numbers] > 0]
        return best(numbers, total[numbers], k)

    def frequencies(self, words: Collection[str]) -> dict[str, int]:
        """How many chunks have each of ``words``, whatever their inflection."""
        with self._lock:
            self._renew()
            return {word: self._frequency(word) for word in words}

    @property
    def size(self) -> int:
        """The number of chunks that can be found."""
        with self._lock:
            self._renew()
            return self._size

    def _renew(self) -> None:
        ((generation,),) = self._read("SELECT value FROM facts WHERE name = 'generation'")
        if generation != self._generation:
            self._generation = generation
            self._scores.clear()
            self._kept = 0
            self._frequencies.clear()
            # FTS5 has a row here for each chunk; counting chunks that are no copies reads 10 MB of an index.
            ((self._size,),) = self._read("SELECT count(*) FROM words_docsize")

    def _telling(self, words: Sequence[str]) -> Sequence[str]:
        """The words that some but not too many chunks have; all, where there are no such words."""
        counts = [(word, self._frequency(word)) for word in words]
        telling = [word for word, count in counts if count <= max(self._costly, self._size // _COMMON)]
        return telling if any(count for word, count in counts if word in telling) else words

    def _scored(self, word: str, header: float) -> Scores:
        key = (word, header)
        if key in self._scores:
            self._scores.move_to_end(key)
            return self._scores[key]
        query = f"SELECT rowid, -bm25(words, {header:f}, 1.0, 1.0) FROM words WHERE words MATCH ?"
        table = np.fromiter(chain.from_iterable(self._read(query, (_quoted(word),))), dtype=np.float64).reshape(-1, 2)
        found = table[:, 0].astype(np.int64), table[:, 1].astype(np.float32)
        self._scores[key] = found
        self._kept += len(table)
        while self._kept > self._remembered and len(self._scores) > 1:
            _, (forgotten, _) = self._scores.popitem(last=False)
            self._kept -= len(forgotten)
        return found

    def _frequency(self, word: str) -> int:
        if word not in self._frequencies:
            ((count,),) = self._read("SELECT count(*) FROM words WHERE words MATCH ?", (_quoted(word),))
            self._frequencies[word] = count
        return self._frequencies[word]


def best(numbers: NDArray[np.int64], scores: NDArray[np.float32], k: int) -> list[tuple[int, float]]:
    """The ``k`` numbers with the highest scores, best first; ties by place."""
    if len(scores) > k:
        # What ties with the last one is kept until the order among equals is settled.
        least = np.partition(scores, len(scores) - k)[len(scores) - k]
        kept = np.flatnonzero(scores >= least)
        numbers, scores = numbers[kept], scores[kept]
    order = np.argsort(-scores, kind="stable")[:k]
    return [(int(numbers[i]), float(scores[i])) for i in order]


def sorted_array(numbers: Collection[int]) -> NDArray[np.int64]:
    """The numbers in order."""
    return np.sort(np.fromiter(numbers, dtype=np.int64, count=len(numbers)))


def _quoted(word: str) -> str:
    """An FTS5 string: nothing in it is an operator, and no NUL ends it."""
    return '"{}"'.format(word.replace('"', '""').replace("\0", " "))
