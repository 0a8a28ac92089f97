"""What is in the index, document by document: lists to look through, not to search.

In: filters, a few words, a page. Out: rows without texts. The catalogue's columns of long text are never read, and
never more than a page of rows is held. It does not know how a list is shown.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from rag.records import Failure
from rag.schema import HELD_BY, HOLDER, Filters

PAGE = 50
"""Rows of a page."""

_WORDS, _LETTERS = 8, 200


@dataclass(frozen=True, slots=True)
class Entry:
    """A document of the index: who wrote what, and when.

    ``attachment`` is the name of the file that it was, ``parent`` the title of the mail that it came with. Of its
    ``passages``, the ``repeats`` are found under another document that says the same; ``copies`` counts the documents
    that repeat this one.
    """

    id: str
    path: str
    kind: str
    title: str
    date: datetime
    author: str | None
    house: str | None
    attachment: str = ""
    parent: str | None = None
    passages: int = 0
    repeats: int = 0
    copies: int = 0


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of the documents, newest first, of ``total``; ``days`` counts all that match on each day shown."""

    entries: tuple[Entry, ...] = ()
    total: int = 0
    offset: int = 0
    days: Mapping[date, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HouseCount:
    """How many documents a house has written, and when the latest; the house of nobody known is None."""

    house: str | None
    documents: int
    latest: datetime


@dataclass(frozen=True, slots=True)
class Twin:
    """A file that holds nothing which the file ``of``, indexed before it, does not hold."""

    path: str
    of: str


@dataclass(frozen=True, slots=True)
class FileState:
    """What came of one file: documents and passages in the index, and what could not be read of it."""

    documents: int
    passages: int
    failures: tuple[Failure, ...] = ()
    twin: str | None = None


class Contents:
    """Lists what a catalogue holds; see `rag.store.Catalogue.contents`."""

    def __init__(self, run: Callable[..., Iterator[Any]], generation: Callable[[], int]) -> None:
        """``run`` runs a query and gives its rows; what is counted is kept as long as the ``generation`` is."""
        self._run = run
        self._generation = generation
        self._counted = lru_cache(16)(self._count)
        self._by_house = lru_cache(1)(self._count_houses)
        self._twins = lru_cache(4)(self._find_twins)

    def generation(self) -> int:
        """A number that grows with every change of the index."""
        return self._generation()

    def newest(self) -> list[Said]:
        """The first passages of the newest documents, without copies."""
        return [Said(*row) for row in self._run(_NEWEST, (_NEW_DOCUMENTS, _NEW_PASSAGES))]

    def entries(self, filters: Filters, text: str = "", *, offset: int = 0) -> Listing:
        """The documents from the ``offset``-th on, newest first.

        Each word of ``text`` has to stand in the title or the author's name. The dates of ``filters`` are the
        document's; its houses, or its role, say something in it that is no copy.
        """
        condition, values = _condition(filters, text)
        total = self._counted(self._generation(), condition, values)
        offset = max(0, min(offset, (total - 1) // PAGE * PAGE))
        found = self._run(
            f"SELECT {_ROW} FROM documents WHERE {condition} ORDER BY date DESC, id DESC LIMIT ? OFFSET ?",
            (*values, PAGE, offset),
        )
        entries = self._with_counts([_entry(row) for row in found])
        return Listing(entries, total, offset, self._days(entries, condition, values))

    def latest(self, most: int) -> tuple[Entry, ...]:
        """The documents that were indexed last, the very last first."""
        found = self._run(f"SELECT {_ROW} FROM documents ORDER BY number DESC LIMIT ?", (most,))
        return self._with_counts([_entry(row) for row in found])

    def houses(self) -> tuple[HouseCount, ...]:
        """Every house that has written a document, the one with most of them first."""
        return self._by_house(self._generation())

    def twins(self, most: int) -> tuple[tuple[Twin, ...], int]:
        """The first ``most`` files that brought nothing new, by path; and how many there are."""
        return self._twins(self._generation(), most)

    def failures(self) -> tuple[Failure, ...]:
        """What could not be read, file by file."""
        rows = self._run("SELECT failures FROM files WHERE failures != '[]' ORDER BY path")
        return tuple(Failure(*pair) for (failures,) in rows for pair in json.loads(failures))

    def file(self, path: str) -> FileState | None:
        """What came of the file at ``path``; None where it is not indexed, or not to its end."""
        row = next(self._run("SELECT failures FROM files WHERE path = ? AND sha256 != ''", (path,)), None)
        if row is None:
            return None
        ids = [document_id for (document_id,) in self._run(HELD_BY, (path,))]
        passages = sum(count for _, count, _ in self._of_each(_PASSAGES, ids))
        failures = tuple(Failure(*pair) for pair in json.loads(row[0]))
        twin = next((of for _, of, _ in self._run(_TWINS.format(_OF_ONE, "mine.path = ?"), (path, path, 1))), None)
        return FileState(len(ids), passages, failures, twin)

    def originals(self, document_id: str, start: int, end: int) -> list[str]:
        """The documents that are found in place of what this one says in a span of its text, oldest chunk first."""
        query = (
            "SELECT copy_of FROM chunks WHERE document_id = ? AND copy_of IS NOT NULL AND start < ? AND end > ?"
            " GROUP BY copy_of ORDER BY min(number)"
        )
        return [original for (original,) in self._run(query, (document_id, end, start))]

    def path_of(self, sha256: str) -> str | None:
        """A file with this content."""
        return next((path for (path,) in self._run("SELECT path FROM files WHERE sha256 = ?", (sha256,))), None)

    def _count(self, _generation: int, condition: str, values: tuple[str, ...]) -> int:
        return int(next(self._run(f"SELECT count(*) FROM documents WHERE {condition}", values))[0])

    def _count_houses(self, _generation: int) -> tuple[HouseCount, ...]:
        rows = self._run("SELECT house, count(*), max(date) FROM documents GROUP BY house ORDER BY 2 DESC, 1")
        return tuple(HouseCount(house, count, datetime.fromisoformat(day)) for house, count, day in rows)

    def _find_twins(self, _generation: int, most: int) -> tuple[tuple[Twin, ...], int]:
        rows = list(self._run(_TWINS.format("1", _SHARING), (most,)))
        return tuple(Twin(path, of) for path, of, _ in rows), rows[0][2] if rows else 0

    def _with_counts(self, entries: Sequence[Entry]) -> tuple[Entry, ...]:
        ids = [entry.id for entry in entries]
        passages = {document_id: counts for document_id, *counts in self._of_each(_PASSAGES, ids)}
        copies = dict(self._of_each(_COPIES, ids))
        titles = dict(self._of_each(_PARENTS, ids))
        known: list[Entry] = []
        for entry in entries:
            path, parent = next(self._run(HOLDER, (entry.id,)), (None, None))
            if path is None:  # left by a sync that was interrupted, or has just gone
                continue
            count, repeats = passages.get(entry.id, (0, 0))
            title = titles.get(entry.id) if parent else None
            known.append(
                replace(entry, path=path, parent=title, passages=count, repeats=repeats, copies=copies.get(entry.id, 0))
            )
        return tuple(known)

    def _of_each(self, query: str, ids: Sequence[str]) -> Iterator[Any]:
        """Run ``query`` for some hundred of ``ids`` at a time: SQLite has a limit on variables."""
        for start in range(0, len(ids), 500):
            some = ids[start : start + 500]
            yield from self._run(query.format(",".join("?" * len(some))), some)

    def _days(self, entries: Sequence[Entry], condition: str, values: tuple[str, ...]) -> dict[date, int]:
        if not entries:
            return {}
        first, last = entries[-1].date.date().isoformat(), f"{entries[0].date.date().isoformat()}U"  # "U" follows "T"
        rows = self._run(
            f"SELECT substr(date, 1, 10), count(*) FROM documents WHERE {condition} AND date >= ? AND date < ?"
            " GROUP BY 1",
            (*values, first, last),
        )
        return {date.fromisoformat(day): count for day, count in rows}


# `documents_date` holds all of them but `meta`, which is looked up for the rows of the page alone.
_ROW = "id, kind, title, date, author, house, meta"
_PASSAGES = "SELECT document_id, count(*), count(copy_of) FROM chunks WHERE document_id IN ({}) GROUP BY document_id"
_COPIES = "SELECT copy_of, count(DISTINCT document_id) FROM chunks WHERE copy_of IN ({}) GROUP BY copy_of"
_PARENTS = (
    "SELECT document_id, min(title) FROM attachments JOIN documents ON documents.id = parent"
    " WHERE document_id IN ({}) GROUP BY document_id"
)

_OF_ONE = "document_id IN (SELECT document_id FROM file_documents WHERE path = ?)"
_SHARING = "mine.path IN (SELECT path FROM shared JOIN file_documents USING (document_id))"

# Of two files that hold the same, the one that was indexed later is the duplicate.
_TWINS = """
WITH shared (document_id) AS (SELECT document_id FROM file_documents WHERE {} GROUP BY 1 HAVING count(*) > 1),
first (document_id, number) AS (
    SELECT document_id, min(files.rowid) FROM shared JOIN file_documents USING (document_id) JOIN files USING (path)
    GROUP BY 1
)
SELECT mine.path, min(original.path), count(*) OVER () FROM file_documents AS mine
JOIN files AS me ON me.path = mine.path
LEFT JOIN first ON first.document_id = mine.document_id LEFT JOIN files AS original ON original.rowid = first.number
WHERE {} GROUP BY mine.path HAVING min(coalesce(first.number < me.rowid, 0)) ORDER BY 1 LIMIT ?
"""


def _entry(row: Sequence[Any]) -> Entry:
    document_id, kind, title, day, author, house, meta = row
    attachment = json.loads(meta).get("attachment", "")
    return Entry(document_id, "", kind, title, datetime.fromisoformat(day), author, house, attachment)


def _condition(filters: Filters, text: str) -> tuple[str, tuple[str, ...]]:
    conditions, values = ["1"], list[str]()
    speaks = [("house IN ({})".format(",".join("?" * len(filters.houses))), filters.houses)] if filters.houses else []
    speaks += [("role = ?", (filters.role,))] if filters.role else []
    if speaks:
        spoken = " AND ".join(["copy_of IS NULL", *(test for test, _ in speaks)])
        conditions.append(f"id IN (SELECT document_id FROM chunks WHERE {spoken})")
        values += [value for _, some in speaks for value in some]
    if filters.kind:
        conditions.append("kind = ?")
        values.append(filters.kind)
    for comparison, day in (("date >=", filters.since), ("date <", filters.until)):
        if day:
            conditions.append(f"{comparison} ?")
            values.append(day.isoformat())
    for word in text[:_LETTERS].split()[:_WORDS]:
        conditions.append("(title || ' ' || coalesce(author, '')) LIKE ? ESCAPE '\\'")
        values.append("%" + "".join(f"\\{char}" if char in "\\%_" else char for char in word) + "%")
    return " AND ".join(conditions), tuple(values)


# Passages that are looked at, the first of each of the newest documents before any second one.
_NEW_DOCUMENTS, _NEW_PASSAGES = 200, 400
# CROSS JOIN keeps SQLite from reading all 200,000 passages of an index in place of those of 200 documents: 100 ms.
_NEWEST = """
WITH newest AS (SELECT id, date AS sent FROM documents ORDER BY date DESC, id DESC LIMIT ?),
said AS (
    SELECT number, sent, row_number() OVER (PARTITION BY document_id ORDER BY number) AS place
    FROM newest CROSS JOIN chunks ON document_id = newest.id WHERE copy_of IS NULL
)
SELECT document_id, house, person, role, terms, text FROM said JOIN chunks USING (number)
ORDER BY place, sent DESC, number LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class Said:
    """A passage, who speaks in it, and its figures and companies as canonical terms."""

    document: str
    house: str | None
    person: str | None
    role: str
    terms: str
    text: str
