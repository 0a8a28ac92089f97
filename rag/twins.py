"""Hits that say the same: the better one is kept and lists the other as a copy.

In: hits, or lines of them. Out: hits, no two alike. It does not know what was asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rag.copies import FUNCTION_WORDS, says_the_same, wording
from rag.records import Document, Hit
from rag.stems import stem, tokens

# The share of all content words of two passages that both have; only then is it worth reading them word by word.
# Windows that overlap by a sentence have about a fifth, a copy with small edits 0.9.
_SAME = 0.55

# The share of the words of the shorter of two passages that a hit and a copy of it both have; windows that the copy
# cut elsewhere lie half over the hit.
_COPIED = 0.5


def distinct(hits: Sequence[Hit], k: int) -> list[Hit]:
    """The first ``k`` hits that are not near-copies of a better one, which lists them; an original comes first."""
    kept: list[Hit] = []
    for hit in hits:
        twin = next((i for i, other in enumerate(kept) if alike(hit, hit.chunk.text, other, other.chunk.text)), None)
        if twin is not None:
            kept[twin] = joined(kept[twin], hit)
        elif len(kept) < k:
            kept.append(hit)
    return kept


def joined(hit: Hit, twin: Hit) -> Hit:
    """One hit for two that are alike: the first, unless the second is the original of it."""
    if _is_original(twin, hit):
        return copied_by(replace(twin, score=hit.score), [hit.document, *hit.copies])
    return copied_by(hit, [twin.document])


def alike(hit: Hit, text: str, other: Hit, other_text: str) -> bool:
    """Whether one house says the same twice: one text wholly in the other, but for a plain word here or there."""
    if hit.chunk.voice.house != other.chunk.voice.house:
        return False
    words, other_words = _content(text), _content(other_text)
    if len(words & other_words) < _SAME * len(words | other_words):
        return False
    return says_the_same(text, wording(other_text)) or says_the_same(other_text, wording(text))


def copied(text: str, other: str) -> bool:
    """Whether at least half of the words of the shorter text are in the other, too."""
    words, other_words = _content(text), _content(other)
    return len(words & other_words) >= _COPIED * max(1, min(len(words), len(other_words)))


def copied_by(hit: Hit, documents: Sequence[Document]) -> Hit:
    """The hit with ``documents`` among its copies, each once and never its own."""
    copies = {document.id: document for document in (*hit.copies, *documents) if document.id != hit.document.id}
    return replace(hit, copies=tuple(copies.values()))


def _is_original(hit: Hit, copy: Hit) -> bool:
    """Whether ``hit`` is a house in its own mail, and ``copy`` the same house as somebody else repeats it."""
    own, repeated = hit.chunk.voice, copy.chunk.voice
    return own.role == "author" and repeated.role == "quoted" and own.house == repeated.house


def _content(text: str) -> frozenset[str]:
    return frozenset(stem(token) for token in tokens(text) if token not in FUNCTION_WORDS)
