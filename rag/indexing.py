"""Make the index equal the corpus, doing only the difference.

In: a corpus folder, a catalogue, an embedder. Out: a `SyncReport`. A file is new, changed or the same by
the hash of its bytes; a document that another file holds already is only linked; a chunk whose searched
text has been embedded before keeps its vector. It does not know how files are read or vectors stored.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rag.attribution import attribute
from rag.chunking import chunk_document, header, searchable
from rag.embedding import Embedder, Vectors
from rag.errors import CorpusMissing, ReadError
from rag.readers import SUFFIXES, open_source, read
from rag.records import Document, Failure, Progress, SourceFile, SyncReport
from rag.store import Batch, Catalogue, Entry, KnownFile
from rag.terms import figures

VERSION = "1"
"""Raise it when the same file is read, attributed, chunked or headed differently, or houses.toml changes."""

# A commit and an embedding call for about 256 chunks: 2 to 20 s of work that a kill can lose.
_BATCH_CHUNKS = 256

# The embedding model's own batch: a progress bar that moves about once a second.
_STEP_CHUNKS = 32


def fingerprint(embedder: Embedder, *, words: int) -> str:
    """Name what decides, beside the corpus, what the index holds: weights, chunk size, and our own `VERSION`."""
    return f"{embedder.fingerprint}/{VERSION}-{words}"


@dataclass(frozen=True, slots=True)
class Scan:
    """What lies in the corpus folder: readable files by path, and what is not."""

    files: Mapping[str, SourceFile]
    skipped: tuple[str, ...]
    failed: tuple[Failure, ...]

    def hides(self, path: str) -> bool:
        """Whether ``path`` may still be there, only that it, or a folder above it, could not be opened."""
        return any(path == failure.path or path.startswith(f"{failure.path}/") for failure in self.failed)


@dataclass(frozen=True, slots=True)
class Plan:
    """What has to be done, by path, in order; ``touched`` have a new time and the same bytes."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    touched: tuple[str, ...]
    unchanged: int

    def __bool__(self) -> bool:
        """Whether the index differs from the corpus."""
        return bool(self.added or self.changed or self.removed or self.touched)


def require_corpus(root: Path) -> None:
    """Raise CorpusMissing if ``root`` is no folder."""
    if not root.is_dir():
        raise CorpusMissing(
            f"The corpus folder {root} is not there.",
            remedy="Put mail (.eml, .mbox) and notes (.md, .txt, .html) into it, or name another with --corpus.",
        )


def scan(root: Path, known: Mapping[str, SourceFile]) -> Scan:
    """List the corpus; a file is hashed only if its size or time is not the ``known`` one.

    Hidden files and folders are left alone, symbolic links are not followed. Raises CorpusMissing.
    """
    require_corpus(root)
    files: dict[str, SourceFile] = {}
    skipped: list[str] = []
    failed: list[Failure] = []
    for path in _walk(root, failed):
        name = path.relative_to(root).as_posix()
        if not _is_text(name):
            failed.append(Failure(ascii(name), "its name is not UTF-8"))
            continue
        if path.suffix.lower() not in SUFFIXES:
            skipped.append(name)
            continue
        try:
            files[name] = _source(root, name, known.get(name))
        except ReadError as error:
            failed.append(Failure(name, str(error)))
    return Scan(files, tuple(skipped), tuple(failed))


def plan(found: Mapping[str, SourceFile], known: Mapping[str, SourceFile]) -> Plan:
    """Compare what is there with what is indexed."""
    same = [path for path in found if path in known and found[path].sha256 == known[path].sha256]
    return Plan(
        added=tuple(path for path in found if path not in known),
        changed=tuple(path for path in found if path in known and found[path].sha256 != known[path].sha256),
        removed=tuple(sorted(known.keys() - found.keys())),
        touched=tuple(path for path in same if found[path].mtime_ns != known[path].mtime_ns),
        unchanged=len(same),
    )


def pending(root: Path, catalogue: Catalogue) -> bool:
    """Whether a sync would have anything to do. Raises CorpusMissing."""
    known = {path: file.source for path, file in catalogue.files().items()}
    found = scan(root, known)
    return bool(plan(found.files, {path: source for path, source in known.items() if not found.hides(path)}))


def sync(
    root: Path, catalogue: Catalogue, embedder: Embedder, *, words: int, progress: Progress | None = None
) -> SyncReport:
    """Read, chunk and embed what is new in ``root``, and forget what is gone; safe to kill at any moment.

    Raises CorpusMissing and IndexDamaged. A file that cannot be read is a row in ``failed``.
    """
    known_files = catalogue.files()
    known = {path: file.source for path, file in known_files.items()}
    found = scan(root, known)
    todo = plan(found.files, {path: source for path, source in known.items() if not found.hides(path)})
    _refuse_another(root, found, known)
    paths = (*todo.added, *todo.changed)
    total = sum(found.files[path].size for path in paths)
    run = _Run(catalogue, embedder, words, total, progress)
    for path in paths:
        run.read(root, found.files[path])
    run.flush()
    if todo.touched:
        catalogue.touch(found.files[path] for path in todo.touched)
    catalogue.remove(todo.removed)
    same = (failure for path in found.files.keys() - set(paths) for failure in known_files[path].failures)
    return SyncReport(
        added=todo.added,
        changed=todo.changed,
        removed=todo.removed,
        unchanged=todo.unchanged,
        duplicates=tuple(catalogue.copies(run.duplicates)) if run.duplicates else (),
        skipped=found.skipped,
        failed=(*found.failed, *run.failed, *sorted(same, key=lambda failure: failure.path)),
        embedded=run.embedded,
        reused=run.reused,
    )


@dataclass(slots=True)
class _Run:
    """The documents of one sync that wait for the next commit."""

    catalogue: Catalogue
    embedder: Embedder
    words: int
    total: int
    progress: Progress | None
    duplicates: list[str] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    embedded: int = 0
    reused: int = 0
    done: int = 0
    _documents: dict[str, tuple[Document, list[Entry]]] = field(default_factory=dict)
    _texts: dict[str, str] = field(default_factory=dict)
    _files: list[tuple[KnownFile, list[str]]] = field(default_factory=list)

    def read(self, root: Path, source: SourceFile) -> None:
        """Read one file; its row is committed after the last of its documents."""
        ids: list[str] = []
        failures: list[Failure] = []
        fresh = False
        for item in read(root, source):
            if isinstance(item, Failure):
                failures.append(item)
                continue
            ids.append(item.id)
            if len(self._texts) >= _BATCH_CHUNKS:
                self.flush()  # in the middle of a large mailbox, whose own row comes later
            if item.id not in self._documents and not self.catalogue.known_documents([item.id]):
                fresh = True
                try:
                    self._take(item)
                except Exception as error:
                    # The text is anybody's; one document must not end a sync for all others.
                    ids.pop()
                    failures.append(Failure(source.path, f"it cannot be analysed ({type(error).__name__})"))
        if ids and not fresh:
            self.duplicates.append(source.path)
        self.failed += failures
        self._files.append((KnownFile(source, tuple(failures)), ids))
        if len(self._texts) >= _BATCH_CHUNKS:
            self.flush()

    def _take(self, document: Document) -> None:
        document = attribute(document)
        entries = []
        for chunk in chunk_document(document, words=self.words):
            text = searchable(document, chunk)
            digest = hashlib.sha256(text.encode()).hexdigest()
            terms = " ".join(figure.canonical for figure in figures(chunk.text))
            entries.append(Entry(chunk, header(document, chunk.voice), terms, digest))
            self._texts[digest] = text
        self._documents[document.id] = (document, entries)

    def flush(self) -> None:
        """Embed and commit what waits."""
        if not (self._documents or self._files):
            return
        known = self.catalogue.known_vectors(self._texts)
        new = [digest for digest in self._texts if digest not in known]
        self.catalogue.add(Batch(list(self._documents.values()), self._embed(new), self._files))
        self.embedded += len(new)
        self.reused += len(known)
        self.done += self._waiting()
        self._documents, self._texts, self._files = {}, {}, []

    def _embed(self, digests: list[str]) -> dict[str, Vectors]:
        """The vectors of new texts; the bytes that wait count as done in step with them."""
        vectors: dict[str, Vectors] = {}
        for start in range(0, len(digests), _STEP_CHUNKS):
            self._tell(len(vectors) / len(digests))
            some = digests[start : start + _STEP_CHUNKS]
            vectors |= zip(some, self.embedder.embed([self._texts[digest] for digest in some]), strict=True)
        self._tell(1.0)
        return vectors

    def _waiting(self) -> int:
        return sum(known.source.size for known, _ in self._files)

    def _tell(self, share: float) -> None:
        if self.progress:
            self.progress(self.done + round(share * self._waiting()), self.total, "indexing")


def _refuse_another(root: Path, found: Scan, known: Mapping[str, SourceFile]) -> None:
    """Raise CorpusMissing if nothing that is indexed lies in ``root``: an unmounted disk, another folder."""
    there = {source.sha256 for source in found.files.values()}
    if known and not any(source.sha256 in there or found.hides(source.path) for source in known.values()):
        raise CorpusMissing(
            f"None of the {len(known)} indexed files is in {root}; the index was left as it is.",
            remedy="Is it the right folder, and is its disk there? To begin anew with it: rag index --rebuild",
        )


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _walk(root: Path, failed: list[Failure]) -> Iterator[Path]:
    def note(error: OSError) -> None:
        name = Path(error.filename).relative_to(root).as_posix()
        failed.append(Failure(name if _is_text(name) else ascii(name), f"it cannot be opened: {error.strerror}"))

    for folder, folders, names in os.walk(root, onerror=note):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(folder, name)


def _source(root: Path, path: str, known: SourceFile | None) -> SourceFile:
    try:
        with open_source(root, path) as file:
            status = os.fstat(file.fileno())
            if known and (known.size, known.mtime_ns) == (status.st_size, status.st_mtime_ns):
                return known
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ReadError(f"it cannot be read: {error.strerror}") from error
    return SourceFile(path, digest, status.st_size, status.st_mtime_ns)
