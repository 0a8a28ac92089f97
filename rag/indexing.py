"""Make the index equal the corpus, doing only the difference.

In: a corpus folder, a catalogue, an embedder. Out: a `SyncReport`. A file is new, changed or the same by
the hash of its bytes; a document that another file holds already is only linked; a chunk whose searched
text has been embedded before keeps its vector. Files go through one at a time, mailboxes message by message.
It does not know how files are read or vectors stored.
"""

from __future__ import annotations

import hashlib
import heapq
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rag.chunking import header, searchable
from rag.embedding import Embedder, Vectors
from rag.errors import CorpusMissing
from rag.records import Arrival, Document, Failure, Progress, SourceFile, SyncReport
from rag.scanning import Sighting, identified, require_corpus, sightings
from rag.schema import Batch, Entry, KnownFile
from rag.store import Catalogue, Census
from rag.terms import index_terms

if TYPE_CHECKING:
    from rag.reading import Cut, Item

VERSION = "4"
"""Raise it when the same file is read, attributed, chunked, headed or kept differently, or houses.toml changes."""

# A commit for about 256 chunks: 2 to 5 s of work that a kill can lose.
_BATCH_CHUNKS = 256

# Notes without chunks (a mail that only carries a file) are to be committed too, and their text fills memory.
_BATCH_DOCUMENTS = 500

# Between two looks at the stop flag, and two steps of a progress bar: about half a second.
_STEP_CHUNKS = 32

_ARRIVED = 50
_DIFFERS = ("added", "changed")


class Stopped(Exception):
    """A sync was told to stop; what it has committed is kept."""


def fingerprint(embedder: Embedder, *, words: int, houses: Path | None = None) -> str:
    """Name what decides, beside the corpus, what the index holds: weights, chunk size, houses, and our `VERSION`."""
    own = f"-{hashlib.sha256(houses.read_bytes()).hexdigest()[:8]}" if houses and houses.is_file() else ""
    return f"{embedder.fingerprint}/{VERSION}-{words}{own}"


def pending(root: Path, catalogue: Catalogue) -> bool:
    """Whether a sync would have anything to do. Raises CorpusMissing."""
    with catalogue.census() as census:
        for sighting in identified(root, sightings(root, catalogue.sources), catalogue.sources):
            if sighting.state in (*_DIFFERS, "touched"):
                return True
            _count_off(census, sighting)
        return bool(census.missing()) or catalogue.has_orphans()


def sync(
    root: Path,
    catalogue: Catalogue,
    embedder: Embedder,
    *,
    words: int,
    houses: Path | None = None,
    settle: float = 0.0,
    stop: threading.Event | None = None,
    progress: Progress | None = None,
) -> SyncReport:
    """Read, chunk and embed what is new in ``root``, and forget what is gone; safe to kill at any moment.

    A file that was written to in the last ``settle`` seconds is left for another time; one that cannot be read is a
    row in ``failed``. Raises CorpusMissing and IndexDamaged, and Stopped soon after ``stop`` is set.
    """
    from rag.reading import Task, readings

    _refuse_another(root, catalogue)
    total = (
        sum(one.source.size for one in sightings(root, catalogue.sources) if one.state in _DIFFERS) if progress else 0
    )
    with catalogue.census() as census:
        run = _Run(root, catalogue, embedder, census, settle, total, stop or threading.Event(), progress)
        for source, item in readings(Task(root, words, houses), run.sources(), run.knows):
            if item is None:
                run.finish(source)
            else:
                run.take(source, item)
        run.flush()
        if run.touched:
            catalogue.touch(run.touched)
        removed = census.missing()
        if removed:
            _refuse_another(root, catalogue)  # a disk may have gone meanwhile
        moved = catalogue.held_twice(removed)
        run.compare_again(catalogue.remove(removed))
    return run.report(removed, moved)


def _refuse_another(root: Path, catalogue: Catalogue) -> None:
    """Raise CorpusMissing if nothing that is indexed lies in ``root``: an unmounted disk, another folder."""
    require_corpus(root)
    known = catalogue.counts()["files"]
    if not known:
        return
    with catalogue.census() as census:
        for sighting in sightings(root, catalogue.sources):
            if sighting.state in ("changed", "unchanged"):
                return
            if sighting.state == "failed":
                _count_off(census, sighting)
        if len(census.missing()) < known:  # they may be behind what could not be opened
            return
    moved = identified(root, sightings(root, catalogue.sources), catalogue.sources)
    if any(catalogue.holds(one.source.sha256) for one in moved):
        return
    raise CorpusMissing(
        f"None of the {known} indexed files is in {root}; the index was left as it is.",
        remedy="Is it the right folder, and is its disk there? To begin anew with it: rag index --rebuild",
    )


def _count_off(census: Census, sighting: Sighting) -> None:
    """What cannot be opened may still be there, and so may all that is below it."""
    census.see(sighting.path)
    if sighting.state == "failed":
        census.see_below(sighting.path)


@dataclass(slots=True)
class _Run:
    """One sync: what it has met, and the documents that wait for the next commit.

    `sources` and `knows` are called from the reading thread, everything else from the caller's.
    """

    root: Path
    catalogue: Catalogue
    embedder: Embedder
    census: Census
    settle: float
    total: int
    stop: threading.Event
    progress: Progress | None
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    touched: list[SourceFile] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    unchanged: int = 0
    waiting: int = 0
    duplicates: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    hidden: int = 0
    invisible: int = 0
    messages: int = 0
    documents: int = 0
    copies: int = 0
    embedded: int = 0
    reused: int = 0
    done: int = 0
    _arrived: list[tuple[float, int, Arrival]] = field(default_factory=list)
    _open: _OpenFile = field(default_factory=lambda: _OpenFile())
    _batch: _Waiting = field(default_factory=lambda: _Waiting())

    def sources(self) -> Iterator[SourceFile]:
        """The files to read; what else is in the corpus is noted."""
        known = self.catalogue.sources
        for sighting in identified(self.root, sightings(self.root, known, settle=self.settle), known):
            _count_off(self.census, sighting)
            match sighting.state:
                case "added" | "changed":
                    (self.added if sighting.state == "added" else self.changed).append(sighting.path)
                    yield sighting.source
                case "touched":
                    self.touched.append(sighting.source)
                    self.unchanged += 1
                case "unchanged":
                    self.unchanged += 1
                case "waiting":
                    self.waiting += 1
                case "skipped":
                    self.skipped.append(sighting.path)
                case "failed":
                    self.failed.append(Failure(sighting.path, sighting.reason))

    def knows(self, document_id: str) -> bool:
        """Whether a document need not be parsed again."""
        return document_id in self._batch.documents or bool(self.catalogue.known_documents([document_id]))

    def take(self, source: SourceFile, item: Item) -> None:
        """Take in one message or note."""
        self._heed()
        failures = item.failures
        if item.known:
            failures = self._batch.failures.get(item.id) or self.catalogue.document_failures(item.id)
        self._open.failures += failures
        self.failed += failures
        self.left_out.update(item.left_out)
        self.messages += 1
        if item.id:
            self._open.ids.append(item.id)
            self._open.fresh |= self._take(item)
        self._open.size += item.size
        self._batch.size += item.size
        full = len(self._batch.texts) >= _BATCH_CHUNKS or len(self._batch.documents) >= _BATCH_DOCUMENTS
        if full or self.messages % _BATCH_DOCUMENTS == 0:
            self.flush(source.path)

    def _take(self, item: Item) -> bool:
        """Let the documents of an item wait for the next commit; False if the item's own was known."""
        if item.known or self.knows(item.id):
            return False
        self._batch.failures[item.id] = item.failures
        for cut in item.cuts:
            document = cut.document
            if document.parent:
                self._batch.attachments.append((document.parent, document.id))
            if not self.knows(document.id):
                self._batch.documents[document.id] = (document, self._entries(cut))
                self._arrive(document, item.cuts[0].document)
        return True

    def _entries(self, cut: Cut) -> list[Entry]:
        entries = []
        for chunk in cut.chunks:
            text = searchable(cut.document, chunk)
            digest = hashlib.sha256(text.encode()).hexdigest()
            self._batch.texts[digest] = text
            terms = " ".join(index_terms(chunk.text))
            entries.append(Entry(chunk, header(cut.document, chunk.voice), terms, digest))
        return entries

    def _arrive(self, document: Document, message: Document) -> None:
        if not document.text:  # it stands for what could not be read
            return
        self.documents += 1
        self.hidden += _count(document.meta.get("hidden", ""))
        self.invisible += _count(document.meta.get("invisible", ""))
        parent = message.title if document.parent else None
        arrival = Arrival(
            document.path, document.title, document.author, document.house or message.house, document.date, parent
        )
        heapq.heappush(self._arrived, (document.date.timestamp(), self.documents, arrival))
        if len(self._arrived) > _ARRIVED:
            heapq.heappop(self._arrived)

    def finish(self, source: SourceFile) -> None:
        """Note that a file has been read to its end; its row is committed with the last of its documents."""
        opened = self._open
        if opened.ids or opened.failures:
            self._batch.files.append((KnownFile(source, tuple(opened.failures)), opened.ids))
        else:  # it has vanished meanwhile
            self.added = [path for path in self.added if path != source.path]
            self.changed = [path for path in self.changed if path != source.path]
        if opened.ids and not opened.fresh:
            self.duplicates.append(source.path)
        self._batch.size += source.size - opened.size  # the lines between the messages of an mbox
        self._open = _OpenFile()
        if len(self._batch.files) >= _BATCH_DOCUMENTS:
            self.flush()

    def flush(self, path: str = "") -> None:
        """Embed and commit what waits, in the middle of the file ``path`` or between two."""
        from rag.duplicates import find_duplicates

        batch = self._batch
        if not (batch.documents or batch.files):
            self._tell(1.0)
            self.done += batch.size
            batch.size = 0
            return
        known = self.catalogue.known_vectors(batch.texts)
        new = [digest for digest in batch.texts if digest not in known]
        begun = (path, self._open.ids[self._open.linked :]) if path else None
        vectors = self._embed(new)
        documents = list(batch.documents.values())
        found = find_duplicates(self.catalogue, [(one, [entry.chunk for entry in some]) for one, some in documents])
        self.catalogue.add(
            Batch(documents, vectors, batch.files, begun, batch.attachments, found.copies, found.bands, batch.failures)
        )
        self.copies += len(found.copies)
        self._open.linked = len(self._open.ids)
        self.embedded += len(new)
        self.reused += len(known)
        self.done += batch.size
        self._batch = _Waiting()

    def _embed(self, digests: list[str]) -> dict[str, Vectors]:
        """The vectors of new texts; the bytes that wait count as done in step with them."""
        vectors: dict[str, Vectors] = {}
        for start in range(0, len(digests), _STEP_CHUNKS):
            self._heed()
            self._tell(len(vectors) / len(digests))
            some = digests[start : start + _STEP_CHUNKS]
            texts = [self._batch.texts[digest] for digest in some]
            vectors |= zip(some, self.embedder.embed(texts), strict=True)
        self._tell(1.0)
        return vectors

    def _heed(self) -> None:
        if self.stop.is_set():
            raise Stopped

    def _tell(self, share: float) -> None:
        if self.progress:
            done = min(self.total, self.done + round(share * self._batch.size))
            self.progress(done, self.total, f"indexing, {self.messages:,} messages and notes")

    def compare_again(self, freed: Sequence[str]) -> None:
        """Look for another original of what were copies of documents that have gone."""
        from rag.duplicates import find_duplicates

        for start in range(0, len(freed), _BATCH_DOCUMENTS):
            documents = self.catalogue.documents(freed[start : start + _BATCH_DOCUMENTS]).values()
            found = find_duplicates(self.catalogue, [(one, self.catalogue.chunks(one)) for one in documents])
            self.catalogue.add(Batch((), {}, (), copies=found.copies))

    def report(self, removed: Sequence[str], moved: Sequence[str]) -> SyncReport:
        """Say what was done."""
        read = {*self.added, *self.changed, *removed, *(failure.path for failure in self.failed)}
        before = (
            failure for path, rows in self.catalogue.file_failures().items() if path not in read for failure in rows
        )
        return SyncReport(
            added=tuple(self.added),
            changed=tuple(self.changed),
            removed=tuple(removed),
            moved=tuple(moved),
            unchanged=self.unchanged,
            duplicates=tuple(self.catalogue.held_twice(self.duplicates)),
            skipped=tuple(self.skipped),
            failed=tuple(self.failed),
            failed_before=tuple(before),
            left_out=dict(self.left_out.most_common()),
            hidden=self.hidden,
            invisible=self.invisible,
            documents=self.documents,
            arrived=tuple(arrival for _, _, arrival in sorted(self._arrived, reverse=True)),
            copies=self.copies,
            waiting=self.waiting,
            embedded=self.embedded,
            reused=self.reused,
        )


def _count(fact: str) -> int:
    """A number that a reader noted; the front matter of a note may have a word of the same name."""
    return int(fact) if fact.isascii() and fact.isdigit() and len(fact) < 9 else 0


@dataclass(slots=True)
class _OpenFile:
    """The file that is being read: the ids of its messages, of which the first ``linked`` are committed."""

    ids: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    fresh: bool = False
    linked: int = 0
    size: int = 0


@dataclass(slots=True)
class _Waiting:
    """What waits for the next commit: documents by id, texts by digest, files, and the bytes of it all."""

    documents: dict[str, tuple[Document, list[Entry]]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    files: list[tuple[KnownFile, list[str]]] = field(default_factory=list)
    attachments: list[tuple[str, str]] = field(default_factory=list)
    failures: dict[str, tuple[Failure, ...]] = field(default_factory=dict)
    size: int = 0
