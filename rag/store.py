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
from functools import cached_property, lru_cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rag.embedding import Vectors
from rag.errors import IndexDamaged, IndexLocked, IndexMissing, IndexStale
from rag.facets import Facets, facets
from rag.lexicon import Lexicon, sorted_array
from rag.ownership import make_folder
from rag.records import Chunk, Document, Failure, SourceFile
from rag.schema import (
    DOCUMENT,
    FILE,
    HOLDER,
    SCHEMA,
    Batch,
    Filters,
    Passage,
    connect,
    document_from,
    insert_document,
    link,
    replace_file,
    translated,
)

if TYPE_CHECKING:
    from rag.contents import Contents

_FILTERS = 16
_OWN_FACTS = frozenset({"fingerprint", "generation", "identity"})


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
        self._lexicon = Lexicon(self._read)
        # The numbers of a house of 20,000 chunks take 10 ms to read and 1 MB to keep.
        self._numbers = lru_cache(_FILTERS)(self._meeting)
        self._names = lru_cache(2)(self._speaking)
        self._facets = lru_cache(1)(lambda _generation: facets(self._read))

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
        return self._own_fact("fingerprint")

    @property
    def generation(self) -> int:
        """A number that grows with every change of the index."""
        return int(self._own_fact("generation"))

    @property
    def identity(self) -> str:
        """A name that no other index has; a copy of this one shares it."""
        return self._own_fact("identity")

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
                insert_document(connection, document, entries, batch.failures.get(document.id, ()))
            connection.executemany("INSERT OR IGNORE INTO attachments VALUES (?, ?)", batch.attachments)
            marks = [(document_id, chunk_id) for chunk_id, document_id in batch.copies.items()]
            connection.executemany("UPDATE chunks SET copy_of = ? WHERE id = ?", marks)
            pairs = [(band, document_id) for document_id, bands in batch.bands.items() for band in bands]
            connection.executemany("INSERT OR IGNORE INTO bands SELECT ?, number FROM documents WHERE id = ?", pairs)
            for known, document_ids in batch.files:
                replace_file(connection, known, document_ids)
            if batch.begun:
                path, document_ids = batch.begun
                # No file has an empty hash, so an interrupted one counts as changed.
                connection.execute("INSERT OR IGNORE INTO files VALUES (?, '', 0, 0, '[]')", (path,))
                link(connection, path, document_ids)

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

    def matching(
        self, words: Sequence[str], k: int, allowed: Collection[int] | None = None, *, header: float = 0.3
    ) -> list[tuple[int, float]]:
        """The ``k`` best chunks that have any of ``words``, with their BM25 scores, best first; copies are left out.

        ``header`` is what a word counts there: all chunks of a mail share its subject.
        """
        return self._lexicon.matching(words, k, None if allowed is None else sorted_array(allowed), header)

    def frequencies(self, words: Collection[str]) -> dict[str, int]:
        """How many chunks have each of ``words``, whatever their inflection; copies do not count."""
        return self._lexicon.frequencies(words)

    @property
    def size(self) -> int:
        """The number of chunks that are no copies."""
        return self._lexicon.size

    def passages(self, numbers: Collection[int]) -> dict[int, Passage]:
        """What is searched of the chunks with these numbers, without loading their documents."""
        query = "SELECT number, header, text, terms, house FROM chunks WHERE number IN ({})"
        return {row[0]: Passage(*row[1:]) for row in self._among(query, list(numbers))}

    def numbers(self, filters: Filters) -> frozenset[int]:
        """The numbers of the chunks that meet ``filters``; copies are left out."""
        return self._numbers(self.generation, filters)

    def _meeting(self, _generation: int, filters: Filters) -> frozenset[int]:
        condition, values = filters.condition()
        return frozenset(row[0] for row in self._read(f"SELECT number FROM chunks WHERE {condition}", values))

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
            "SELECT document_id, id, house, text FROM chunks WHERE copy_of = ?1 AND document_id IN"
            " (SELECT DISTINCT document_id FROM chunks WHERE copy_of = ?1 LIMIT ?2) ORDER BY number",
            (document_id, most),
        )
        return list(rows)

    def attached(self, document_id: str) -> list[str]:
        """The ids of the documents that came with a mail."""
        return [row[0] for row in self._read("SELECT document_id FROM attachments WHERE parent = ?", (document_id,))]

    def sharing(self, bands: Collection[int], most: int) -> list[str]:
        """The ids of the ``most`` oldest documents that have each of ``bands``, once for each that they have."""
        query = "SELECT id FROM bands JOIN documents ON number = document WHERE band = ? ORDER BY document LIMIT ?"
        return [row[0] for band in bands for row in self._read(query, (band, most))]

    def houses(self) -> tuple[str, ...]:
        """Every house that speaks in the index, by name."""
        return self._names(self.generation, "house")

    def people(self) -> tuple[str, ...]:
        """Every person who speaks in the index, by name."""
        return self._names(self.generation, "person")

    def houses_of(self, people: Collection[str]) -> tuple[str, ...]:
        """The houses that these people speak for, by name."""
        query = "SELECT DISTINCT house FROM chunks WHERE copy_of IS NULL AND house IS NOT NULL AND person IN ({})"
        return tuple(sorted({house for (house,) in self._among(query, list(people))}))

    def _speaking(self, _generation: int, column: str) -> tuple[str, ...]:
        # From name to name over the index: SELECT DISTINCT reads every entry of it.
        query = (
            "WITH RECURSIVE named (name) AS (SELECT min({0}) FROM chunks WHERE copy_of IS NULL UNION ALL"
            " SELECT (SELECT min({0}) FROM chunks WHERE copy_of IS NULL AND {0} > name) FROM named"
            " WHERE name IS NOT NULL) SELECT name FROM named WHERE name IS NOT NULL"
        )
        return tuple(name for (name,) in self._read(query.format(column)))

    @cached_property
    def contents(self) -> Contents:
        """Everything that is in the index, to look through."""
        from rag.contents import Contents  # 6 ms that no question needs

        return Contents(self._read, lambda: self.generation)

    def facets(self) -> Facets:
        """What a question can be limited to, with the number of documents for each."""
        return self._facets(self.generation)

    def dates(self) -> tuple[datetime, datetime] | None:
        """When the earliest and the latest of what can be found was said; None if there is nothing."""
        query = "SELECT (SELECT {}(date) FROM chunks WHERE copy_of IS NULL)"
        first, last = (next(self._read(query.format(end)))[0] for end in ("min", "max"))
        return (datetime.fromisoformat(first), datetime.fromisoformat(last)) if first and last else None

    def counts(self) -> dict[str, int]:
        """The number of files, documents and chunks."""
        tables = ("files", "documents", "chunks")
        return {table: next(self._read(f"SELECT count(*) FROM {table}"))[0] for table in tables}

    def documents(self, ids: Iterable[str]) -> dict[str, Document]:
        """The documents with these ids, each under the first path that holds it; those that none holds are left out."""
        wanted = list(dict.fromkeys(ids))
        holders = "SELECT document_id, min(path), NULL FROM file_documents WHERE document_id IN ({}) GROUP BY 1"
        rows = f"SELECT {DOCUMENT} FROM documents WHERE id IN ({{}})"
        with self._lock:
            held = {row[0]: row[1:] for row in self._among(holders, wanted)}
            found = {row[0]: row for row in self._among(rows, wanted)}
            for document_id in found.keys() - held.keys():  # it came with a mail
                held.update((document_id, holder) for holder in self._read(HOLDER, (document_id,)))
        return {one: document_from(found[one], *held[one]) for one in wanted if one in found and one in held}

    def fact(self, name: str) -> str | None:
        """What was remembered under ``name``."""
        return next((value for (value,) in self._read("SELECT value FROM facts WHERE name = ?", (name,))), None)

    def remember(self, name: str, value: str) -> None:
        """Keep a fact with the index, in place of any of that name; what a search can find has not changed."""
        if name in _OWN_FACTS:
            raise ValueError(f"{name} is kept by the catalogue itself")
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def _own_fact(self, name: str) -> str:
        value = self.fact(name)
        if value is None:
            raise IndexDamaged(
                f"{self.folder / FILE} is no index of this program.", remedy="Build it: rag index --rebuild"
            )
        return value

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
                if self._connection.in_transaction:  # Ctrl-C may come just before the first word, or after the last
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        """A transaction that changes what a search can find."""
        with self._transaction() as connection:
            yield connection
            connection.execute("UPDATE facts SET value = value + 1 WHERE name = 'generation'")
