"""The tables of the catalogue, what is put into them, and the connection to the file that holds them.

In: the folder of an index. Out: a connection whose errors are told in words. It does not know what is asked of
the tables.

    files ──< file_documents >── documents ──< chunks ── words (FTS5, same number)
                                 │       │        └───── vectors (by digest of the embedded text)
                                 │       └──< bands (MinHash, by which copies find each other)
                                 └─< attachments
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from rag.embedding import Vectors
from rag.errors import IndexDamaged
from rag.records import Chunk, Document, Failure, SourceFile

FILE = "catalogue.sqlite"

SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE files (
    path TEXT PRIMARY KEY, sha256 TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    failures TEXT NOT NULL
);
CREATE TABLE documents (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL, title TEXT NOT NULL, text TEXT NOT NULL, date TEXT NOT NULL,
    author TEXT, house TEXT, thread TEXT, voices TEXT NOT NULL, meta TEXT NOT NULL, failures TEXT NOT NULL
);
CREATE TABLE file_documents (
    path TEXT NOT NULL REFERENCES files ON DELETE CASCADE,
    document_id TEXT NOT NULL REFERENCES documents (id),
    PRIMARY KEY (path, document_id)
);
CREATE INDEX file_documents_document ON file_documents (document_id);
CREATE TABLE attachments (
    parent TEXT NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    document_id TEXT NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    PRIMARY KEY (parent, document_id)
) WITHOUT ROWID;
CREATE INDEX attachments_document ON attachments (document_id);
CREATE TABLE bands (
    band INTEGER NOT NULL, document INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
    PRIMARY KEY (band, document)
) WITHOUT ROWID;
CREATE INDEX bands_document ON bands (document);
CREATE VIEW held AS WITH RECURSIVE reached (path, document_id, parent) AS (
    SELECT path, document_id, NULL FROM file_documents
    UNION
    SELECT path, attachments.document_id, attachments.parent FROM attachments
    JOIN reached ON attachments.parent = reached.document_id
) SELECT path, document_id, parent FROM reached;
CREATE TABLE vectors (digest TEXT PRIMARY KEY, vector BLOB NOT NULL);
CREATE TABLE chunks (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
    document_id TEXT NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    start INTEGER NOT NULL, end INTEGER NOT NULL, voice INTEGER NOT NULL,
    house TEXT, date TEXT NOT NULL, digest TEXT NOT NULL REFERENCES vectors,
    -- The document to quote instead; where it goes, the copy is found again.
    copy_of TEXT REFERENCES documents (id) ON DELETE SET NULL
);
CREATE INDEX chunks_copy_of ON chunks (copy_of) WHERE copy_of IS NOT NULL;
CREATE INDEX chunks_document ON chunks (document_id);
CREATE INDEX chunks_digest ON chunks (digest);
CREATE VIRTUAL TABLE words USING fts5 (
    header, text, terms, tokenize = "porter unicode61 remove_diacritics 2"
);
CREATE TRIGGER chunk_gone AFTER DELETE ON chunks BEGIN DELETE FROM words WHERE rowid = old.number; END;
"""


# Up from a document over the mails that it came with, to a file that holds one of them.
HOLDER = """
WITH RECURSIVE up (id, parent) AS (
    SELECT ?1, NULL
    UNION SELECT attachments.parent, coalesce(up.parent, attachments.parent)
    FROM attachments JOIN up ON attachments.document_id = up.id
) SELECT path, up.parent FROM up
JOIN file_documents ON file_documents.document_id = up.id ORDER BY up.id != ?1, path LIMIT 1
"""

# The documents that a file holds, with all that came with them.
HELD_BY = """
WITH RECURSIVE below (id) AS (
    SELECT document_id FROM file_documents WHERE path = ?
    UNION SELECT attachments.document_id FROM attachments JOIN below ON parent = below.id
) SELECT id FROM below
"""


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

    ``files`` pairs a file with the ids of its messages and notes (not of what is attached to them), each of them in
    this batch or in the catalogue; so does ``begun`` for a mailbox of which only the first part is here.
    ``attachments`` pairs the id of a mail with that of a document which came with it. ``copies`` names for the ids of
    chunks, here or in the catalogue, the document to quote in their place, and ``bands`` are the documents' own, by
    id. ``failures`` are what could not be read of a document that is here, by its id.
    """

    documents: Sequence[tuple[Document, Sequence[Entry]]]
    vectors: Mapping[str, Vectors]
    files: Sequence[tuple[KnownFile, Sequence[str]]]
    begun: tuple[str, Sequence[str]] | None = None
    attachments: Sequence[tuple[str, str]] = ()
    copies: Mapping[str, str] = field(default_factory=dict)
    bands: Mapping[str, Sequence[int]] = field(default_factory=dict)
    failures: Mapping[str, Sequence[Failure]] = field(default_factory=dict)


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


def connect(path: Path) -> sqlite3.Connection:
    """Open the file; where nothing can be written (a read-only disk) it is taken to be unchanging."""
    writable = os.access(path.parent, os.W_OK)
    address = f"{path.resolve().as_uri()}{'' if writable else '?mode=ro&immutable=1'}"
    with translated(path.parent):
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
def translated(folder: Path) -> Iterator[None]:
    """Turn what SQLite raises into IndexDamaged."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise IndexDamaged(
            f"The catalogue {folder / FILE} cannot be used: {error}.",
            remedy="Check that the disk has room and the folder may be written; else build anew: rag index --rebuild",
        ) from error
