"""The tables of the catalogue, what is put into them, and the connection to the file that holds them.

In: the folder of an index. Out: a connection whose errors are told in words. It does not know what is asked of
the tables.

    files ──< file_documents >── documents ──< chunks ── words (FTS5 of those that are no copies, same number)
                                 │       │        └───── vectors (by digest of the embedded text)
                                 │       └──< bands (MinHash, by which copies find each other)
                                 └─< attachments
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from rag.embedding import Vectors
from rag.errors import IndexDamaged
from rag.records import Chunk, Document, Failure, Hit, Role, SourceFile, voice_facts, voice_from

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
-- What a list of documents shows: a document with its text is 50 times as large as an entry here.
CREATE INDEX documents_date ON documents (date, id, house, author, kind, title);
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
    house TEXT, person TEXT, date TEXT NOT NULL, role TEXT NOT NULL, kind TEXT NOT NULL,
    digest TEXT NOT NULL REFERENCES vectors,
    -- The document to quote instead; where it goes, the copy is found again.
    copy_of TEXT REFERENCES documents (id) ON DELETE SET NULL,
    header TEXT NOT NULL, text TEXT NOT NULL, terms TEXT NOT NULL
);
CREATE INDEX chunks_copy_of ON chunks (copy_of) WHERE copy_of IS NOT NULL;
CREATE INDEX chunks_document ON chunks (document_id);
CREATE INDEX chunks_digest ON chunks (digest);
-- Who and when, answered without a look at the rows: a chunk with its text is 100 times as large as an entry here.
CREATE INDEX chunks_house ON chunks (house, date, role, kind) WHERE copy_of IS NULL;
CREATE INDEX chunks_person ON chunks (person, date, house, role, kind) WHERE copy_of IS NULL;
CREATE INDEX chunks_date ON chunks (date, role, kind) WHERE copy_of IS NULL;
CREATE INDEX chunks_said ON chunks (document_id, house, role, kind) WHERE copy_of IS NULL;
CREATE VIRTUAL TABLE words USING fts5 (
    header, text, terms, content = chunks, content_rowid = number, tokenize = "porter unicode61 remove_diacritics 2"
);
CREATE TRIGGER chunk_added AFTER INSERT ON chunks WHEN new.copy_of IS NULL BEGIN
    INSERT INTO words (rowid, header, text, terms) VALUES (new.number, new.header, new.text, new.terms);
END;
CREATE TRIGGER chunk_freed AFTER UPDATE OF copy_of ON chunks WHEN new.copy_of IS NULL AND old.copy_of IS NOT NULL BEGIN
    INSERT INTO words (rowid, header, text, terms) VALUES (new.number, new.header, new.text, new.terms);
END;
CREATE TRIGGER chunk_copied AFTER UPDATE OF copy_of ON chunks WHEN new.copy_of IS NOT NULL AND old.copy_of IS NULL BEGIN
    INSERT INTO words (words, rowid, header, text, terms)
    VALUES ('delete', old.number, old.header, old.text, old.terms);
END;
CREATE TRIGGER chunk_gone AFTER DELETE ON chunks WHEN old.copy_of IS NULL BEGIN
    INSERT INTO words (words, rowid, header, text, terms)
    VALUES ('delete', old.number, old.header, old.text, old.terms);
END;
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


DOCUMENT = "id, kind, title, text, date, author, house, thread, voices, meta"
"""The columns from which `document_from` makes a document."""


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
class Passage:
    """What is searched of a chunk: its header, its text, its canonical terms, and the house that speaks."""

    header: str
    text: str
    terms: str
    house: str | None


@dataclass(frozen=True, slots=True)
class Filters:
    """Conditions on a chunk: who speaks, a date from ``since`` up to ``until``, which is exclusive, role and kind.

    One of ``houses`` speaks, or one of ``people``, or one of the houses ``unnamed`` without a person named. ``role`` is
    that of the speaker, ``kind`` that of the document. Empty and None mean no condition.
    """

    houses: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    people: tuple[str, ...] = ()
    unnamed: tuple[str, ...] = ()
    role: Role | None = None
    kind: str | None = None

    def __bool__(self) -> bool:
        """Whether there is any condition."""
        return self != Filters()

    def meets(self, hit: Hit) -> bool:
        """Whether a hit meets the conditions on houses, dates, role and kind: those that a caller can set."""
        voice, day = hit.chunk.voice, hit.date
        return (
            (not self.houses or voice.house in self.houses)
            and (not self.since or day >= self.since)
            and (not self.until or day < self.until)
            and self.role in (None, voice.role)
            and self.kind in (None, hit.document.kind)
        )

    def condition(self) -> tuple[str, list[str]]:
        """The condition in SQL, which copies never meet, and its values."""
        conditions, values = ["copy_of IS NULL"], list[str]()
        speaking: list[str] = []
        for test, names in (
            ("house IN ({})", self.houses),
            ("person IN ({})", self.people),
            ("(person IS NULL AND house IN ({}))", self.unnamed),
        ):
            if names:
                speaking.append(test.format(",".join("?" * len(names))))
                values += names
        if speaking:
            conditions.append(f"({' OR '.join(speaking)})")
        for comparison, day in (("date >=", self.since), ("date <", self.until)):
            if day:
                conditions.append(f"{comparison} ?")
                values.append(day.isoformat())
        for column, value in (("role", self.role), ("kind", self.kind)):
            if value:
                conditions.append(f"{column} = ?")
                values.append(value)
        return " AND ".join(conditions), values


def replace_file(connection: sqlite3.Connection, known: KnownFile, document_ids: Sequence[str]) -> None:
    """Let a file hold these documents and no others; what it held alone is quoted in nobody's place any more."""
    source = known.source
    before = connection.execute(HELD_BY, (source.path,)).fetchall()
    connection.execute("DELETE FROM files WHERE path = ?", (source.path,))
    connection.execute(
        "INSERT INTO files VALUES (?, ?, ?, ?, ?)",
        (source.path, source.sha256, source.size, source.mtime_ns, _dumped(known.failures)),
    )
    link(connection, source.path, document_ids)
    for (document_id,) in before:
        if not connection.execute(HOLDER, (document_id,)).fetchone():
            connection.execute("UPDATE chunks SET copy_of = NULL WHERE copy_of = ?", (document_id,))


def link(connection: sqlite3.Connection, path: str, document_ids: Iterable[str]) -> None:
    """Let a file hold these documents, too."""
    links = [(path, document_id) for document_id in document_ids]
    connection.executemany("INSERT OR IGNORE INTO file_documents VALUES (?, ?)", links)


def insert_document(
    connection: sqlite3.Connection, document: Document, entries: Sequence[Entry], failures: Sequence[Failure]
) -> None:
    """Add a document with its chunks, unless it is there already."""
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
        chunk, voice = entry.chunk, entry.chunk.voice
        person = voice.person or (document.author if voice.role == "author" else None)
        connection.execute(
            "INSERT INTO chunks (id, document_id, start, end, voice, house, person, date, role, kind, digest, header,"
            " text, terms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                chunk.id, chunk.document_id, chunk.start, chunk.end, numbers[voice], voice.house, person,
                voice.date.isoformat() if voice.date else date, voice.role, document.kind, entry.digest, entry.header,
                chunk.text, entry.terms,
            ),
        )  # fmt: skip


def document_from(row: Sequence[Any], path: str, parent: str | None) -> Document:
    """The document of a row of `DOCUMENT`, as the file ``path`` holds it."""
    document_id, kind, title, text, date, author, house, thread, voices, meta = row
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


def _dumped(failures: Iterable[Failure]) -> str:
    return json.dumps([(failure.path, failure.reason) for failure in failures])


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
