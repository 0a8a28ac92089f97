"""The catalogue: everything that is known of the corpus, in one SQLite file.

In: documents, chunks, vectors. Out: the same, by word (FTS5, BM25), by number, by file. Words and vectors
lie in the same file, so one transaction is the commit point: a killed process leaves all of a batch or
nothing, and Chroma is only ever a copy (`rag.vectors`). It does not know what a question is.

    files ──< file_documents >── documents ──< chunks ── words (FTS5, same number)
                                                  └───── vectors (by digest of the embedded text)
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from rag.embedding import Vectors
from rag.errors import IndexDamaged, IndexLocked, IndexMissing, IndexStale
from rag.ownership import make_folder
from rag.records import Chunk, Document, Failure, SourceFile, Voice

FILE = "catalogue.sqlite"

_SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE files (
    path TEXT PRIMARY KEY, sha256 TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    failures TEXT NOT NULL
);
CREATE TABLE documents (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, title TEXT NOT NULL, text TEXT NOT NULL, date TEXT NOT NULL,
    author TEXT, house TEXT, thread TEXT, voices TEXT NOT NULL, meta TEXT NOT NULL
);
CREATE TABLE file_documents (
    path TEXT NOT NULL REFERENCES files ON DELETE CASCADE,
    document_id TEXT NOT NULL REFERENCES documents,
    PRIMARY KEY (path, document_id)
);
CREATE INDEX file_documents_document ON file_documents (document_id);
CREATE TABLE vectors (digest TEXT PRIMARY KEY, vector BLOB NOT NULL);
CREATE TABLE chunks (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
    document_id TEXT NOT NULL REFERENCES documents ON DELETE CASCADE,
    start INTEGER NOT NULL, end INTEGER NOT NULL, voice INTEGER NOT NULL,
    house TEXT, date TEXT NOT NULL, digest TEXT NOT NULL REFERENCES vectors
);
CREATE INDEX chunks_document ON chunks (document_id);
CREATE INDEX chunks_digest ON chunks (digest);
CREATE VIRTUAL TABLE words USING fts5 (
    header, text, terms, tokenize = "porter unicode61 remove_diacritics 2"
);
CREATE TRIGGER chunk_gone AFTER DELETE ON chunks BEGIN DELETE FROM words WHERE rowid = old.number; END;
"""

# All chunks of a mail share its subject: a word there must not lift its signature to the top.
_BM25 = "bm25(words, 0.3, 1.0, 1.0)"


@dataclass(frozen=True, slots=True)
class Entry:
    """A chunk with all that is searched for it; ``digest`` names the vector of the embedded text."""

    chunk: Chunk
    header: str
    terms: str
    digest: str


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A file as it was when it was indexed, with the parts of it that could not be read."""

    source: SourceFile
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction adds: whole documents with their chunks, and the files that are now complete.

    ``files`` pairs a file with the ids of its documents, each of them in this batch or in the catalogue.
    """

    documents: Sequence[tuple[Document, Sequence[Entry]]]
    vectors: Mapping[str, Vectors]
    files: Sequence[tuple[KnownFile, Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Filters:
    """Conditions on a chunk: spoken by one of ``houses``, in a document dated from ``since`` up to ``until``.

    ``until`` is exclusive. Empty and None mean no condition.
    """

    houses: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None

    def __bool__(self) -> bool:
        """Whether there is any condition."""
        return bool(self.houses or self.since or self.until)


class Catalogue:
    """The SQLite file of one index; its methods may be called from any thread."""

    def __init__(self, folder: Path, connection: sqlite3.Connection) -> None:
        """Use `open` or `create`."""
        self.folder = folder
        self._connection = connection
        self._lock = threading.RLock()

    @classmethod
    def open(cls, folder: Path, *, fingerprint: str | None = None) -> Catalogue:
        """Open the index in ``folder``.

        Raises IndexMissing, IndexDamaged, and IndexStale when ``fingerprint`` is given and is not the index's.
        """
        path = folder / FILE
        if not path.is_file() or not path.stat().st_size:
            raise IndexMissing(f"There is no index in {folder}.", remedy="Build it: rag index")
        catalogue = cls(folder, _connect(path))
        try:
            found = catalogue.fingerprint
            if fingerprint is not None and found != fingerprint:
                raise IndexStale(
                    f"The index in {folder} was built with another embedding model or chunking"
                    f" ({found}, wanted {fingerprint}).",
                    remedy="Build it anew: rag index --rebuild (or go back to the settings it was built with).",
                )
        except BaseException:
            catalogue.close()
            raise
        return catalogue

    @classmethod
    def create(cls, folder: Path, *, fingerprint: str) -> Catalogue:
        """Make an empty index in ``folder``, in place of any that is there; only the owner may."""
        fresh = folder / f"{FILE}.new"
        try:
            make_folder(folder)
            for name in (fresh.name, f"{FILE}-wal", f"{FILE}-shm"):
                (folder / name).unlink(missing_ok=True)
            # The index holds the mail's own words: nobody else on the machine may read it.
            os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            with _translated(folder), contextlib.closing(sqlite3.connect(fresh)) as connection:
                connection.executescript(_SCHEMA)
                facts = {"fingerprint": fingerprint, "generation": "0", "identity": uuid.uuid4().hex}
                with connection:
                    connection.executemany("INSERT INTO facts VALUES (?, ?)", facts.items())
            # Only whole catalogues bear the name: another process may look at any moment.
            fresh.replace(folder / FILE)
        except OSError as error:
            raise IndexLocked(
                f"No index can be made in {folder}: {error.strerror}.", remedy="Choose another folder with --index."
            ) from error
        return cls(folder, _connect(folder / FILE))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @property
    def fingerprint(self) -> str:
        """The embedding model and chunking that the index was built with."""
        return self._fact("fingerprint")

    @property
    def generation(self) -> int:
        """A number that grows with every change of the index."""
        return int(self._fact("generation"))

    @property
    def identity(self) -> str:
        """A name that no other index has; a copy of this one shares it."""
        return self._fact("identity")

    def files(self) -> dict[str, KnownFile]:
        """Every file that was indexed, by path."""
        rows = self._read("SELECT path, sha256, size, mtime_ns, failures FROM files")
        return {
            path: KnownFile(
                SourceFile(path, sha256, size, mtime_ns), tuple(Failure(*pair) for pair in json.loads(failures))
            )
            for path, sha256, size, mtime_ns, failures in rows
        }

    def known_documents(self, ids: Collection[str]) -> set[str]:
        """Which of ``ids`` are in the catalogue, whole."""
        return {row[0] for row in self._among("SELECT id FROM documents WHERE id IN ({})", list(ids))}

    def known_vectors(self, digests: Collection[str]) -> dict[str, Vectors]:
        """The vectors of those ``digests`` whose text has been embedded before."""
        rows = self._among("SELECT digest, vector FROM vectors WHERE digest IN ({})", list(digests))
        return {digest: np.frombuffer(vector, dtype=np.float32) for digest, vector in rows}

    def copies(self, paths: Collection[str]) -> list[str]:
        """Which of ``paths`` hold nothing that another file does not hold too."""
        shared = self._read(
            "SELECT path FROM file_documents AS mine GROUP BY path HAVING min(EXISTS ("
            "SELECT 1 FROM file_documents AS theirs"
            " WHERE theirs.document_id = mine.document_id AND theirs.path != mine.path))"
        )
        return sorted({row[0] for row in shared} & set(paths))

    def add(self, batch: Batch) -> None:
        """Add a batch in one transaction; a file that is known already gets its documents replaced."""
        with self._write() as connection:
            vectors = [(digest, row.astype(np.float32).tobytes()) for digest, row in batch.vectors.items()]
            connection.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?)", vectors)
            for document, entries in batch.documents:
                _insert_document(connection, document, entries)
            for known, document_ids in batch.files:
                source = known.source
                failures = json.dumps([(failure.path, failure.reason) for failure in known.failures])
                connection.execute("DELETE FROM files WHERE path = ?", (source.path,))
                connection.execute(
                    "INSERT INTO files VALUES (?, ?, ?, ?, ?)",
                    (source.path, source.sha256, source.size, source.mtime_ns, failures),
                )
                links = [(source.path, document_id) for document_id in document_ids]
                connection.executemany("INSERT OR IGNORE INTO file_documents VALUES (?, ?)", links)

    def touch(self, sources: Iterable[SourceFile]) -> None:
        """Remember new times of files whose bytes are the same; the index itself has not changed."""
        with self._transaction() as connection:
            rows = [(source.mtime_ns, source.path) for source in sources]
            connection.executemany("UPDATE files SET mtime_ns = ? WHERE path = ?", rows)

    def remove(self, paths: Collection[str]) -> None:
        """Forget files, and every document, chunk, word and vector that no file holds any more.

        Until then the documents of a file that was replaced, or whose reading was cut short, are kept but
        never loaded: an interrupted run finds them again and embeds nothing twice.
        """
        orphans = "SELECT EXISTS (SELECT 1 FROM documents WHERE id NOT IN (SELECT document_id FROM file_documents))"
        if not paths and not next(self._read(orphans))[0]:
            return
        with self._write() as connection:
            connection.executemany("DELETE FROM files WHERE path = ?", [(path,) for path in paths])
            connection.execute("DELETE FROM documents WHERE id NOT IN (SELECT document_id FROM file_documents)")
            connection.execute("DELETE FROM vectors WHERE digest NOT IN (SELECT digest FROM chunks)")

    def matching(self, query: str, k: int, allowed: Collection[int] | None = None) -> list[int]:
        """The numbers of the ``k`` best chunks for an FTS5 ``query``, by BM25, best first."""
        if allowed is None:
            rows = self._read(f"SELECT rowid FROM words WHERE words MATCH ? ORDER BY {_BM25} LIMIT ?", (query, k))
            return [row[0] for row in rows]
        found = self._read(f"SELECT rowid FROM words WHERE words MATCH ? ORDER BY {_BM25}", (query,))
        return [row[0] for row in found if row[0] in allowed][:k]

    def frequency(self, query: str) -> int:
        """The number of chunks that match an FTS5 ``query``."""
        return int(next(self._read("SELECT count(*) FROM words WHERE words MATCH ?", (query,)))[0])

    def numbers(self, filters: Filters) -> set[int]:
        """The numbers of the chunks that meet ``filters``."""
        conditions, values = ["1"], list[Any]()
        if filters.houses:
            conditions.append(f"house IN ({','.join('?' * len(filters.houses))})")
            values += filters.houses
        if filters.since:
            conditions.append("date >= ?")
            values.append(filters.since.isoformat())
        if filters.until:
            conditions.append("date < ?")
            values.append(filters.until.isoformat())
        return {row[0] for row in self._read(f"SELECT number FROM chunks WHERE {' AND '.join(conditions)}", values)}

    def all_numbers(self) -> set[int]:
        """The number of every chunk."""
        return {row[0] for row in self._read("SELECT number FROM chunks")}

    def vectors(self, numbers: Collection[int] | None = None) -> tuple[list[int], Vectors]:
        """The vectors of all chunks, or of ``numbers``: the numbers, and one row for each."""
        query = "SELECT number, vector FROM chunks JOIN vectors USING (digest)"
        some = f"{query} WHERE number IN ({{}})"
        pairs = list(self._read(query) if numbers is None else self._among(some, list(numbers)))
        joined = np.frombuffer(b"".join(vector for _, vector in pairs), dtype=np.float32)
        return [number for number, _ in pairs], joined.reshape(len(pairs), -1) if pairs else joined.reshape(0, 0)

    def load(self, numbers: Sequence[int]) -> dict[int, tuple[Chunk, Document]]:
        """The chunks with these numbers, each with its document; those that no file holds are left out."""
        documents: dict[str, Document] = {}
        found: dict[int, tuple[Chunk, Document]] = {}
        rows = self._among(
            "SELECT number, id, document_id, start, end, voice FROM chunks WHERE number IN ({})"
            " AND document_id IN (SELECT document_id FROM file_documents)",
            numbers,
        )
        for number, chunk_id, document_id, start, end, voice in rows:
            if document_id not in documents:
                documents[document_id] = self._document(document_id)
            document = documents[document_id]
            chunk = Chunk(chunk_id, document_id, start, end, document.text[start:end], document.voices[voice])
            found[number] = (chunk, document)
        return found

    def houses(self) -> tuple[str, ...]:
        """Every house that speaks in the index, by name."""
        return tuple(r[0] for r in self._read("SELECT DISTINCT house FROM chunks WHERE house IS NOT NULL ORDER BY 1"))

    def counts(self) -> dict[str, int]:
        """The number of files, documents and chunks."""
        tables = ("files", "documents", "chunks")
        return {table: next(self._read(f"SELECT count(*) FROM {table}"))[0] for table in tables}

    def _document(self, document_id: str) -> Document:
        row = next(
            self._read(
                "SELECT kind, title, text, date, author, house, thread, voices, meta,"
                " (SELECT min(path) FROM file_documents WHERE document_id = id) FROM documents WHERE id = ?",
                (document_id,),
            )
        )
        kind, title, text, date, author, house, thread, voices, meta, path = row
        spans = tuple(Voice(**voice) for voice in json.loads(voices))
        when = datetime.fromisoformat(date)
        return Document(
            document_id, path, kind, title, text, when, author, house, thread, None, spans, json.loads(meta)
        )

    def _fact(self, name: str) -> str:
        for (value,) in self._read("SELECT value FROM facts WHERE name = ?", (name,)):
            return str(value)
        raise IndexDamaged(f"{self.folder / FILE} is no index of this program.", remedy="Build it: rag index --rebuild")

    def _read(self, query: str, values: Sequence[Any] = ()) -> Iterator[Any]:
        with self._lock, _translated(self.folder):
            return iter(self._connection.execute(query, values).fetchall())

    def _among(self, query: str, values: Sequence[Any]) -> Iterator[Any]:
        """Run ``query`` for all ``values`` of its IN clause, 500 at a time: SQLite has a limit on variables."""
        for start in range(0, len(values), 500):
            some = values[start : start + 500]
            yield from self._read(query.format(",".join("?" * len(some))), some)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _translated(self.folder):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        """A transaction that changes what a search can find."""
        with self._transaction() as connection:
            yield connection
            connection.execute("UPDATE facts SET value = value + 1 WHERE name = 'generation'")


def _connect(path: Path) -> sqlite3.Connection:
    """Open the file; where nothing can be written (a read-only disk) it is taken to be unchanging."""
    writable = os.access(path.parent, os.W_OK)
    address = f"{path.resolve().as_uri()}{'' if writable else '?mode=ro&immutable=1'}"
    with _translated(path.parent):
        connection = sqlite3.connect(address, uri=True, timeout=10, isolation_level=None, check_same_thread=False)
        try:
            if writable:
                connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA secure_delete = ON")
        except BaseException:
            connection.close()
            raise
        return connection


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise IndexDamaged(
            f"The catalogue {folder / FILE} cannot be used: {error}.",
            remedy="Check that the disk has room and the folder may be written; else build anew: rag index --rebuild",
        ) from error


def _insert_document(connection: sqlite3.Connection, document: Document, entries: Sequence[Entry]) -> None:
    date = document.date.isoformat()
    connection.execute(
        "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            document.id, document.kind, document.title, document.text, date, document.author, document.house,
            document.thread, json.dumps([asdict(voice) for voice in document.voices]), json.dumps(dict(document.meta)),
        ),
    )  # fmt: skip
    numbers = {voice: i for i, voice in enumerate(document.voices)}
    for entry in entries:
        chunk = entry.chunk
        cursor = connection.execute(
            "INSERT INTO chunks (id, document_id, start, end, voice, house, date, digest)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                chunk.id, chunk.document_id, chunk.start, chunk.end, numbers[chunk.voice], chunk.voice.house, date,
                entry.digest,
            ),
        )  # fmt: skip
        connection.execute(
            "INSERT INTO words (rowid, header, text, terms) VALUES (?, ?, ?, ?)",
            (cursor.lastrowid, entry.header, chunk.text, entry.terms),
        )
