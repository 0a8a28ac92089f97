"""Cut a document into quotable chunks.

In: a `Document` whose voices are known. Out: `Chunk`s at sentence boundaries inside one voice, each an
exact slice of the text, and the header that is searched with a chunk but never quoted. It does not know
how chunks are embedded, stored or found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rag.records import Chunk, Document, Voice
from rag.sentences import split_sentences

# Twelve letters a word: a text with no spaces (base64, a long link, Chinese) is cut there, and so is a run of them.
_WORD_LETTERS = 12
_WORD = re.compile(r"\S+")

_CRUMB_WORDS = 3

Span = tuple[int, int]


def chunk_document(document: Document, *, words: int) -> list[Chunk]:
    """Cut ``document`` into chunks of at most ``words`` words, neighbours sharing their border sentence.

    The shared sentence keeps a claim beside the one that it leans on. No chunk leaves its voice. What is no
    prose is left out, and so is a crumb without a stop or a figure ("Stacy", "## Summary") beside real chunks:
    its header would find it for every question, and it says nothing.
    """
    chunks: list[Chunk] = []
    for voice in document.voices:
        if not voice.prose:
            continue
        sentences = [
            piece
            for span in split_sentences(document.text, voice.start, voice.end)
            for piece in _cut_long(document.text, span, words)
        ]
        for start, end in _windows(document.text, sentences, words):
            text = document.text[start:end]
            chunks.append(Chunk(f"{document.id}:{start}-{end}", document.id, start, end, text, voice))
    return [chunk for chunk in chunks if not _is_crumb(chunk.text)] or chunks


def _is_crumb(text: str) -> bool:
    return len(text.split()) <= _CRUMB_WORDS and not any(mark.isdigit() or mark in '.!?…”"' for mark in text)


def header(document: Document, voice: Voice) -> str:
    """What a reader would know of a chunk without reading it: house, person, title, date."""
    speaker = [voice.house or "", f"({voice.person})" if voice.person else ""]
    parts = (" ".join(part for part in speaker if part), document.title, f"{voice.date or document.date:%d %B %Y}")
    return " | ".join(part for part in parts if part)


def searchable(document: Document, chunk: Chunk) -> str:
    """The text that is embedded for ``chunk``: its header, then its own words."""
    return f"{header(document, chunk.voice)}\n{chunk.text}"


def _count(text: str, span: Span) -> int:
    return max(len(text[span[0] : span[1]].split()), (span[1] - span[0]) // _WORD_LETTERS)


def _cut_long(text: str, span: Span, words: int) -> Iterator[Span]:
    """Cut a sentence of more than ``words`` words (tables, text without stops), at white space where there is any."""
    limit = words * _WORD_LETTERS
    first, last, count = span[0], span[0], 0
    for word in _WORD.finditer(text, *span):
        if count == words or (count and word.end() - first > limit):
            yield first, last
            first, count = word.start(), 0
        while word.end() - first > limit:
            yield first, first + limit
            first += limit
        last, count = word.end(), count + 1
    yield first, span[1]


def _windows(text: str, sentences: list[Span], words: int) -> Iterator[Span]:
    """Join sentences up to ``words`` words; a new paragraph starts a new window once one is half full."""
    first = 0
    while first < len(sentences):
        last, size = first, _count(text, sentences[first])
        while last + 1 < len(sentences):
            paragraph = "\n\n" in text[sentences[last][1] : sentences[last + 1][0]]
            size += _count(text, sentences[last + 1])
            if size > words or (paragraph and 2 * size > words):
                break
            last += 1
        yield sentences[first][0], sentences[last][1]
        if last + 1 == len(sentences):
            return
        follows = "\n\n" not in text[sentences[last][1] : sentences[last + 1][0]]
        small = 2 * _count(text, sentences[last]) <= words
        first = last if follows and small and last > first else last + 1
