"""Which passages of new documents another one says as well, or the other way round.

In: documents on their way into the catalogue. Out: for each passage that is a copy, the document to quote in its
place, and the band hashes by which later copies will find this one. A copy keeps its place in the catalogue, but no
search finds it; what an edited copy adds stays to be found. What one house says is never a copy of what another
says. It writes nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from rag.copies import (
    Message,
    Version,
    Wording,
    better,
    messages,
    readability,
    says_the_same,
    signature,
    stems,
    versions,
    wording,
)
from rag.records import Chunk, Document
from rag.store import Catalogue

# A series of like mails (closing prices, every day) has thousands of near relatives. Of each band the oldest are
# looked at, and of those the nearest are read; of a thread that quotes hundreds of mails, the first.
_OLDEST, _NEAREST, _MESSAGES = 20, 8, 40

# Copies of a copy that are pointed to its original: the rest is found as copies of the copy.
_HANDED_ON = 200


@dataclass(frozen=True, slots=True)
class Duplicates:
    """What is to be stored: for a chunk's id the document to quote instead, and for a document's id its bands."""

    copies: Mapping[str, str] = field(default_factory=dict)
    bands: Mapping[str, Sequence[int]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Telling:
    """One message of a document, with what is needed to compare it; ``houses`` are those that speak in it."""

    document: Document
    message: Message
    stems: frozenset[str]
    version: Version
    houses: frozenset[str]

    @cached_property
    def wording(self) -> Wording:
        return wording(self.message.text)

    def says(self, house: str | None, text: str) -> bool:
        """Whether what ``house`` says in ``text`` is said here, by the same house if it is a known one."""
        return (house is None or house in self.houses) and says_the_same(text, self.wording)

    def holds(self, chunk: Chunk) -> bool:
        """Whether ``chunk`` is part of this message."""
        return _within(chunk.start, self.message.spans)


def find_duplicates(catalogue: Catalogue, new: Sequence[tuple[Document, Sequence[Chunk]]]) -> Duplicates:
    """Compare ``new`` documents with each other and with those of ``catalogue``; of equals the earlier is quoted."""
    search = _Search(catalogue)
    for document, chunks in new:
        search.add(document, chunks)
    return Duplicates(search.copies, search.bands)


class _Search:
    def __init__(self, catalogue: Catalogue) -> None:
        self.copies: dict[str, str] = {}
        self.bands: dict[str, list[int]] = {}
        self._catalogue = catalogue
        self._chunks: dict[str, Sequence[Chunk]] = {}
        self._tellings: dict[str, list[_Telling]] = {}
        self._sharing: dict[int, list[str]] = {}

    def add(self, document: Document, chunks: Sequence[Chunk]) -> None:
        """Compare one document with what was there before it."""
        self._chunks[document.id] = chunks
        tellings = self._tellings[document.id] = _tellings(document)
        bands: list[int] = []
        for telling in tellings:
            signed = signature(telling.message.text)
            self._compare(telling, signed)
            bands += signed
        self.bands[document.id] = list(dict.fromkeys(bands))
        for band in self.bands[document.id]:
            self._sharing.setdefault(band, []).append(document.id)

    def _compare(self, telling: _Telling, signed: Sequence[int]) -> None:
        others = [
            other
            for document_id in self._candidates(telling.document.id, signed)
            for other in self._told(document_id)
            if versions(telling.stems, other.stems)
        ]
        if not others:
            return
        best = telling
        for other in others:
            best = other if better(other.version, best.version) is other.version else best
        for worse in others if best is telling else [telling]:
            self._mark(worse, best)

    def _candidates(self, document_id: str, signed: Sequence[int]) -> list[str]:
        shared = Counter(self._catalogue.sharing(signed, _OLDEST))
        shared.update(other for band in signed for other in self._sharing.get(band, ())[:_OLDEST])
        del shared[document_id]
        return [other for other, _ in shared.most_common(_NEAREST)]

    def _told(self, document_id: str) -> list[_Telling]:
        if document_id not in self._tellings:
            document = self._catalogue.documents([document_id]).get(document_id)
            self._tellings[document_id] = _tellings(document) if document else []
        return self._tellings[document_id]

    def _mark(self, worse: _Telling, best: _Telling) -> None:
        """Mark the chunks of ``worse`` that ``best`` says as well, and what is marked as copies of them."""
        for chunk in self._chunks_of(worse.document):
            if worse.holds(chunk) and best.says(chunk.voice.house, chunk.text):
                self.copies[chunk.id] = best.document.id
        stored = self._catalogue.copies_of(worse.document.id, _HANDED_ON)
        waiting = [
            (document_id, chunk.id, chunk.voice.house, chunk.text)
            for document_id, chunks in self._chunks.items()
            for chunk in chunks
            if self.copies.get(chunk.id) == worse.document.id
        ]
        for document_id, chunk_id, house, text in (*stored, *waiting):
            if document_id != best.document.id and best.says(house, text):
                self.copies[chunk_id] = best.document.id

    def _chunks_of(self, document: Document) -> Iterable[Chunk]:
        if document.id not in self._chunks:
            self._chunks[document.id] = self._catalogue.chunks(document)
        return self._chunks[document.id]


def _tellings(document: Document) -> list[_Telling]:
    found = []
    for message in messages(document)[:_MESSAGES]:
        spoken = [voice for voice in document.voices if voice.prose and _within(voice.start, message.spans)]
        house = next((voice.house for voice in spoken), None)
        version = Version(document.id, readability(message.text), house is not None, message.role, message.date)
        houses = frozenset(voice.house for voice in spoken if voice.house)
        found.append(_Telling(document, message, stems(message.text), version, houses))
    return found


def _within(at: int, spans: Sequence[tuple[int, int]]) -> bool:
    """Whether a place lies in one of ``spans``, which are in order."""
    place = bisect_right(spans, at, key=lambda span: span[0]) - 1
    return place >= 0 and at < spans[place][1]
