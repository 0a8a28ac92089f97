"""The catalogue: everything that is known of the corpus, in one SQLite file.

In: documents, chunks, vectors. Out: the same, by word (FTS5, BM25), by number, by file. Words and vectors
lie in the same file, so one transaction is the commit point: a killed process leaves all of a batch or
nothing, and Chroma is only ever a copy (`rag.vectors`). The tables are in `rag.schema`. It does not know what a
question is.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from rag.embedding import Vectors
from rag.errors import IndexDamaged, IndexLocked, IndexMissing, IndexStale
from rag.ownership import make_folder
from rag.reading import voice_facts, voice_from
from rag.records import Chunk, Document, Failure, SourceFile
from rag.schema import FILE, HELD_BY, HOLDER, SCHEMA, Batch, Entry, Filters, KnownFile, connect, translated

# All chunks of a mail share its subject: a word there must not lift its signature to the top.
_BM25 = "bm25(words, 0.3, 1.0, 1.0)"

_NO_COPY = "{} NOT IN (SELECT number FROM chunks WHERE copy_of IS NOT NULL)"


class Census:
    """The indexed files that have been seen in the corpus; what was not seen is gone."""

    def __init__(self, run: Callable[..., Iterator[Any]], table: str) -> None:
        """Use `Catalogue.census`."""
        self._run = run
        self._table = table

    def see(self, path: str) -> None:
        """Count off a file."""
        self._run(f"INSERT OR IGNORE INTO {self._table} VALUES (?)", (path,))

    def see_below(self, folder: str) -> None:
        """Count off what was indexed below a folder; the empty path is the corpus."""
        self._run(
            f"INSERT OR IGNORE INTO {self._table} SELECT path FROM files WHERE (path > ? AND path < ?) OR ? = ''",
            (f"{folder}/", f"{folder}0", folder),  # "0" follows "/"
        )

    def missing(self) -> list[str]:
        """The indexed files that were not seen, by path."""
        return [row[0] for row in self._run(f"SELECT path FROM files WHERE path NOT IN {self._table} ORDER BY path")]


class Catalogue:
    """The SQLite file of one index; its methods may be called from any thread."""

    def __init__(self, folder: Path, connection: sqlite3.Connection) -> None:
        """Use `open` or `create`."""
        self.folder = folder
        self._connection = connection
        self._lock = threading.RLock()
        self._censuses = count()

    @classmethod
    def open(cls, folder: Path, *, fingerprint: str | None = None) -> Catalogue:
        """Open the index in ``folder``.

        Raises IndexMissing, IndexDamaged, and IndexStale when ``fingerprint`` is given and is not the index's.
        """
        path = folder / FILE
        if not path.is_file() or not path.stat().st_size:
            raise IndexMissing(f"There is no index in {folder}.", remedy="Build it: rag index")
        catalogue = cls(folder, connect(path))
        try:
            found = catalogue.fingerprint
            if fingerprint is not None and found != fingerprint:
                raise IndexStale(
                    f"The index in {folder} was built with another embedding model, chunking or list of houses"
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
            with translated(folder), contextlib.closing(sqlite3.connect(fresh)) as connection:
                connection.executescript(SCHEMA)
                facts = {"fingerprint": fingerprint, "generation": "0", "identity": uuid.uuid4().hex}
                with connection:
                    connection.executemany("INSERT INTO facts VALUES (?, ?)", facts.items())
            # Only whole catalogues bear the name: another process may look at any moment.
            fresh.replace(folder / FILE)
        except OSError as error:
            raise IndexLocked(
                f"No index can be made in {folder}: {error.strerror}.", remedy="Choose another folder with --index."
            ) from error
        return cls(folder, connect(folder / FILE))

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

    def sources(self, paths: Collection[str]) -> dict[str, SourceFile]:
        """Those of ``paths`` that were indexed, as they were then; one whose hash is empty is not finished."""
        rows = self._among("SELECT path, sha256, size, mtime_ns FROM files WHERE path IN ({})", list(paths))
        return {row[0]: SourceFile(*row) for row in rows}

    def holds(self, sha256: str) -> bool:
        """Whether a file with this content was indexed, under whatever name."""
        return bool(next(self._read("SELECT EXISTS (SELECT 1 FROM files WHERE sha256 = ?)", (sha256,)))[0])

    def file_failures(self) -> dict[str, tuple[Failure, ...]]:
        """What could not be read, for each file of which anything could not."""
        rows = self._read("SELECT path, failures FROM files WHERE failures != '[]' ORDER BY path")
        return {path: tuple(Failure(*pair) for pair in json.loads(failures)) for path, failures in rows}

    @contextmanager
    def census(self) -> Iterator[Census]:
        """Count off the indexed files, to see which are left."""
        table = f"seen_{next(self._censuses)}"
        self._read(f"CREATE TEMP TABLE {table} (path TEXT PRIMARY KEY) WITHOUT ROWID")
        try:
            yield Census(self._read, table)
        finally:
            self._read(f"DROP TABLE {table}")

    def known_documents(self, ids: Collection[str]) -> set[str]:
        """Which of ``ids`` are in the catalogue, whole."""
        return {row[0] for row in self._among("SELECT id FROM documents WHERE id IN ({})", list(ids))}

    def document_failures(self, document_id: str) -> tuple[Failure, ...]:
        """What could not be read of a document."""
        rows = self._read("SELECT failures FROM documents WHERE id = ?", (document_id,))
        return tuple(Failure(*pair) for (failures,) in rows for pair in json.loads(failures))

    def known_vectors(self, digests: Collection[str]) -> dict[str, Vectors]:
        """The vectors of those ``digests`` whose text has been embedded before."""
        rows = self._among("SELECT digest, vector FROM vectors WHERE digest IN ({})", list(digests))
        return {digest: np.frombuffer(vector, dtype=np.float32) for digest, vector in rows}

    def held_twice(self, paths: Collection[str]) -> list[str]:
        """Which of ``paths`` hold nothing that another file does not hold too."""
        shared = self._among(
            "SELECT path FROM file_documents AS mine WHERE path IN ({}) GROUP BY path HAVING min(EXISTS ("
            "SELECT 1 FROM file_documents AS theirs"
            " WHERE theirs.document_id = mine.document_id AND theirs.path != mine.path))",
            list(paths),
        )
        return sorted(row[0] for row in shared)

    def add(self, batch: Batch) -> None:
        """Add a batch in one transaction; a file that is known already gets its documents replaced.

        A document that is there already is left as it is, and so are its chunks.
        """
        with self._write() as connection:
            vectors = [(digest, row.astype(np.float32).tobytes()) for digest, row in batch.vectors.items()]
            connection.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?)", vectors)
            for document, entries in batch.documents:
                _insert_document(connection, document, entries, batch.failures.get(document.id, ()))
            connection.executemany("INSERT OR IGNORE INTO attachments VALUES (?, ?)", batch.attachments)
            marks = [(document_id, chunk_id) for chunk_id, document_id in batch.copies.items()]
            connection.executemany("UPDATE chunks SET copy_of = ? WHERE id = ?", marks)
            pairs = [(band, document_id) for document_id, bands in batch.bands.items() for band in bands]
            connection.executemany("INSERT OR IGNORE INTO bands SELECT ?, number FROM documents WHERE id = ?", pairs)
            for known, document_ids in batch.files:
                _replace_file(connection, known, document_ids)
            if batch.begun:
                path, document_ids = batch.begun
                # No file has an empty hash, so an interrupted one counts as changed.
                connection.execute("INSERT OR IGNORE INTO files VALUES (?, '', 0, 0, '[]')", (path,))
                _link(connection, path, document_ids)

    def touch(self, sources: Iterable[SourceFile]) -> None:
        """Remember new times of files whose bytes are the same; the index itself has not changed."""
        with self._transaction() as connection:
            rows = [(source.mtime_ns, source.path) for source in sources]
            connection.executemany("UPDATE files SET mtime_ns = ? WHERE path = ?", rows)

    def remove(self, paths: Collection[str]) -> list[str]:
        """Forget files, and every document, chunk, word and vector that no file holds any more.

        Returns the ids of the documents that have lost an original of which they are copies.

        Until then the documents of a file that was replaced are kept but never loaded: an interrupted run finds
        them again and embeds nothing twice.
        """
        if not paths and not self.has_orphans():
            return []
        with self._write() as connection:
            connection.executemany("DELETE FROM files WHERE path = ?", [(path,) for path in paths])
            orphans = "SELECT id FROM documents WHERE id NOT IN (SELECT document_id FROM held)"
            freed = connection.execute(
                f"SELECT DISTINCT document_id FROM chunks WHERE copy_of IN ({orphans})"
            ).fetchall()
            connection.execute(f"DELETE FROM documents WHERE id IN ({orphans})")
            connection.execute("DELETE FROM vectors WHERE digest NOT IN (SELECT digest FROM chunks)")
        return [document_id for (document_id,) in freed]

    def has_orphans(self) -> bool:
        """Whether there are documents that no file holds."""
        # What came with an orphan has it for a parent, so it is enough to look for the topmost.
        query = (
            "SELECT EXISTS (SELECT 1 FROM documents WHERE"
            " NOT EXISTS (SELECT 1 FROM file_documents WHERE document_id = id) AND"
            " NOT EXISTS (SELECT 1 FROM attachments WHERE document_id = id))"
        )
        return bool(next(self._read(query))[0])

    def matching(self, query: str, k: int, allowed: Collection[int] | None = None) -> list[int]:
        """The numbers of the ``k`` best chunks for an FTS5 ``query``, by BM25, best first; copies are left out."""
        found = f"SELECT rowid FROM words WHERE words MATCH ? AND {_NO_COPY.format('rowid')} ORDER BY {_BM25}"
        if allowed is None:
            return [row[0] for row in self._read(f"{found} LIMIT ?", (query, k))]
        return [row[0] for row in self._read(found, (query,)) if row[0] in allowed][:k]

    def frequency(self, query: str) -> int:
        """The number of chunks that match an FTS5 ``query``."""
        return int(next(self._read("SELECT count(*) FROM words WHERE words MATCH ?", (query,)))[0])

    def numbers(self, filters: Filters) -> set[int]:
        """The numbers of the chunks that meet ``filters``; copies are left out."""
        conditions, values = ["copy_of IS NULL"], list[Any]()
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
        """The number of every chunk that is no copy."""
        return {row[0] for row in self._read("SELECT number FROM chunks WHERE copy_of IS NULL")}

    def vectors(self, numbers: Collection[int] | None = None) -> tuple[list[int], Vectors]:
        """The vectors of all chunks, or of ``numbers``: the numbers, and one row for each."""
        query = "SELECT number, vector FROM chunks JOIN vectors USING (digest)"
        some = f"{query} WHERE number IN ({{}})"
        every = f"{query} WHERE copy_of IS NULL"
        pairs = list(self._read(every) if numbers is None else self._among(some, list(numbers)))
        joined = np.frombuffer(b"".join(vector for _, vector in pairs), dtype=np.float32)
        return [number for number, _ in pairs], joined.reshape(len(pairs), -1) if pairs else joined.reshape(0, 0)

    def load(self, numbers: Sequence[int]) -> dict[int, tuple[Chunk, Document]]:
        """The chunks with these numbers, each with its document; those that no file holds are left out."""
        query = "SELECT number, id, document_id, start, end, voice FROM chunks WHERE number IN ({})"
        found: dict[int, tuple[Chunk, Document]] = {}
        with self._lock:  # a sync in another thread must not take a document away in between
            rows = list(self._among(query, numbers))
            documents = self.documents([row[2] for row in rows])
        for number, chunk_id, document_id, start, end, voice in rows:
            if document := documents.get(document_id):
                chunk = Chunk(chunk_id, document_id, start, end, document.text[start:end], document.voices[voice])
                found[number] = (chunk, document)
        return found

    def chunks(self, document: Document) -> list[Chunk]:
        """The chunks of ``document``, in order."""
        rows = self._read(
            "SELECT id, start, end, voice FROM chunks WHERE document_id = ? ORDER BY start", (document.id,)
        )
        return [
            Chunk(chunk_id, document.id, start, end, document.text[start:end], document.voices[voice])
            for chunk_id, start, end, voice in rows
        ]

    def copies_of(self, document_id: str, most: int) -> list[tuple[str, str, str | None, str]]:
        """The passages that copy one of a document: the ids of document and chunk, the house, and the text.

        Those of the first ``most`` documents only.
        """
        rows = self._read(
            "SELECT document_id, chunks.id, chunks.house, substr(text, start + 1, end - start) FROM chunks"
            " JOIN documents ON documents.id = document_id WHERE copy_of = ?1 AND document_id IN"
            " (SELECT DISTINCT document_id FROM chunks WHERE copy_of = ?1 LIMIT ?2) ORDER BY chunks.number",
            (document_id, most),
        )
        return list(rows)

    def sharing(self, bands: Collection[int], most: int) -> list[str]:
        """The ids of the ``most`` oldest documents that have each of ``bands``, once for each that they have."""
        query = "SELECT id FROM bands JOIN documents ON number = document WHERE band = ? ORDER BY document LIMIT ?"
        return [row[0] for band in bands for row in self._read(query, (band, most))]

    def houses(self) -> tuple[str, ...]:
        """Every house that speaks in the index, by name."""
        return tuple(r[0] for r in self._read("SELECT DISTINCT house FROM chunks WHERE house IS NOT NULL ORDER BY 1"))

    def counts(self) -> dict[str, int]:
        """The number of files, documents and chunks."""
        tables = ("files", "documents", "chunks")
        return {table: next(self._read(f"SELECT count(*) FROM {table}"))[0] for table in tables}

    def documents(self, ids: Iterable[str]) -> dict[str, Document]:
        """The documents with these ids, each under the first path that holds it; those that none holds are left out."""
        with self._lock:
            found = {document_id: self._document(document_id) for document_id in dict.fromkeys(ids)}
        return {document_id: document for document_id, document in found.items() if document}

    def _document(self, document_id: str) -> Document | None:
        query = "SELECT kind, title, text, date, author, house, thread, voices, meta FROM documents WHERE id = ?"
        holder = next(self._read(HOLDER, (document_id,)), None)
        row = next(self._read(query, (document_id,)), None)
        if holder is None or row is None:
            return None
        path, parent = holder
        kind, title, text, date, author, house, thread, voices, meta = row
        return Document(
            id=document_id,
            path=path,
            kind=kind,
            title=title,
            text=text,
            date=datetime.fromisoformat(date),
            author=author,
            house=house,
            thread=thread,
            parent=parent,
            voices=tuple(voice_from(voice) for voice in json.loads(voices)),
            meta=json.loads(meta),
        )

    def _fact(self, name: str) -> str:
        for (value,) in self._read("SELECT value FROM facts WHERE name = ?", (name,)):
            return str(value)
        raise IndexDamaged(f"{self.folder / FILE} is no index of this program.", remedy="Build it: rag index --rebuild")

    def _read(self, query: str, values: Sequence[Any] = ()) -> Iterator[Any]:
        with self._lock, translated(self.folder):
            return iter(self._connection.execute(query, values).fetchall())

    def _among(self, query: str, values: Sequence[Any]) -> Iterator[Any]:
        """Run ``query`` for all ``values`` of its IN clause, 500 at a time: SQLite has a limit on variables."""
        for start in range(0, len(values), 500):
            some = values[start : start + 500]
            yield from self._read(query.format(",".join("?" * len(some))), some)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, translated(self.folder):
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


def _dumped(failures: Iterable[Failure]) -> str:
    return json.dumps([(failure.path, failure.reason) for failure in failures])


def _replace_file(connection: sqlite3.Connection, known: KnownFile, document_ids: Sequence[str]) -> None:
    """Let a file hold these documents and no others; what it held alone is quoted in nobody's place any more."""
    source = known.source
    before = connection.execute(HELD_BY, (source.path,)).fetchall()
    connection.execute("DELETE FROM files WHERE path = ?", (source.path,))
    connection.execute(
        "INSERT INTO files VALUES (?, ?, ?, ?, ?)",
        (source.path, source.sha256, source.size, source.mtime_ns, _dumped(known.failures)),
    )
    _link(connection, source.path, document_ids)
    for (document_id,) in before:
        if not connection.execute(HOLDER, (document_id,)).fetchone():
            connection.execute("UPDATE chunks SET copy_of = NULL WHERE copy_of = ?", (document_id,))


def _link(connection: sqlite3.Connection, path: str, document_ids: Iterable[str]) -> None:
    links = [(path, document_id) for document_id in document_ids]
    connection.executemany("INSERT OR IGNORE INTO file_documents VALUES (?, ?)", links)


def _insert_document(
    connection: sqlite3.Connection, document: Document, entries: Sequence[Entry], failures: Sequence[Failure]
) -> None:
    date = document.date.isoformat()
    cursor = connection.execute(
        "INSERT OR IGNORE INTO documents VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            document.id, document.kind, document.title, document.text, date, document.author, document.house,
            document.thread, json.dumps([voice_facts(voice) for voice in document.voices]),
            json.dumps(dict(document.meta)), _dumped(failures),
        ),
    )  # fmt: skip
    if not cursor.rowcount:
        return
    numbers = {voice: i for i, voice in enumerate(document.voices)}
    for entry in entries:
        chunk = entry.chunk
        dated = chunk.voice.date.isoformat() if chunk.voice.date else date
        cursor = connection.execute(
            "INSERT INTO chunks (id, document_id, start, end, voice, house, date, digest)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                chunk.id, chunk.document_id, chunk.start, chunk.end, numbers[chunk.voice], chunk.voice.house, dated,
                entry.digest,
            ),
        )  # fmt: skip
        connection.execute(
            "INSERT INTO words (rowid, header, text, terms) VALUES (?, ?, ?, ?)",
            (cursor.lastrowid, entry.header, chunk.text, entry.terms),
        )
