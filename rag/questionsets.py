"""Question sets: what is asked, and by what an answer is known to be right.

In: a JSON-lines file, a row a question. Out: `GoldQuestion`s, and what their gold names and quotes stand for. It does
not ask anything.

A row needs ``q``. What else it may have: ``id``; ``doc`` or ``docs``, the documents that answer; ``quotes``, strings of
which one stands in a passage that answers; ``facts``, regular expressions that all match a right answer;
``unanswerable``; ``house``, who must speak in the first hit; ``only_house``, ``since`` and ``until``, filters of the
search; ``as_of``, the day on which it is asked. Lists of one may be written as a string. Anything else is ignored.
"""

from __future__ import annotations

import json
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from rag.errors import SettingsError
from rag.houses import canonical
from rag.sentences import one_line

_MARKS = str.maketrans(dict.fromkeys('‘’‚‛“”„‟«»‹›`´′″"', "'") | dict.fromkeys("‐‑‒–—―−", "-"))


@dataclass(frozen=True, slots=True)
class GoldQuestion:
    """One question and what is known of its answer; ``place`` is the file and line that it stands in."""

    id: str
    text: str
    documents: tuple[str, ...] = ()
    quotes: tuple[str, ...] = ()
    facts: tuple[re.Pattern[str], ...] = ()
    unanswerable: bool = False
    house: str | None = None
    only_houses: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None
    as_of: date | None = None
    place: str = ""


def read(path: Path) -> tuple[GoldQuestion, ...]:
    """The questions of a file; blank lines are passed over. Raises SettingsError with file and line."""
    try:
        lines = path.read_text(encoding="utf-8-sig", errors="replace").split("\n")
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from error
    found = tuple(_question(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip())
    if not found:
        raise SettingsError(f"{path} holds no question.", remedy='Write one object a line: {"q": "…", "quotes": ["…"]}')
    return found


def _question(line: str, place: str) -> GoldQuestion:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{place} is no JSON: {error}") from error
    if not isinstance(row, dict) or not isinstance(row.get("q"), str) or not row["q"].strip():
        raise SettingsError(f"{place}: there is no question.", remedy='Write one object a line: {"q": "…"}')
    unanswerable = row.get("unanswerable")
    if not isinstance(unanswerable, bool | None):
        raise SettingsError(f"{place}: unanswerable is true or false.")
    houses = _strings(row, "house", place)
    if len(houses) > 1:
        raise SettingsError(f"{place}: house is one name; a search is narrowed with only_house.")
    gold = {name: _strings(row, name, place) for name in ("doc", "docs", "quotes", "facts")}
    if unanswerable:  # whatever the row names
        gold = dict.fromkeys(gold, ())
    return GoldQuestion(
        id=place.rsplit(maxsplit=1)[-1] if row.get("id") in (None, "") else str(row["id"]),
        text=row["q"],
        documents=tuple(dict.fromkeys((*gold["doc"], *gold["docs"]))),
        quotes=gold["quotes"],
        facts=tuple(_pattern(fact, place) for fact in gold["facts"]),
        unanswerable=bool(unanswerable),
        house=canonical(houses[0]) or houses[0] if houses else None,
        only_houses=_strings(row, "only_house", place),
        since=day(row.get("since"), f"{place}: since"),
        until=day(row.get("until"), f"{place}: until"),
        as_of=day(row.get("as_of"), f"{place}: as_of"),
        place=place,
    )


def _strings(row: Mapping[str, Any], name: str, place: str) -> tuple[str, ...]:
    value = row.get(name)
    values = [value] if isinstance(value, str) else [] if value is None else value
    if not isinstance(values, list) or not all(isinstance(one, str) and folded(one).strip() for one in values):
        raise SettingsError(f"{place}: {name} is a string, or a list of strings, none of them blank.")
    return tuple(values)


def _pattern(fact: str, place: str) -> re.Pattern[str]:
    try:
        return re.compile(fact, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:
        raise SettingsError(f"{place}: the fact {fact!r} is no regular expression: {error}.") from error


def day(value: object, name: str) -> date | None:
    """The day that ``value`` writes; None where it writes nothing. Raises SettingsError that says ``name``."""
    if value is None or value == "":
        return None
    try:
        return date.fromisoformat(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise SettingsError(f"{name} is {value!r}, which is no day.", remedy="Write it as 2025-01-27.") from error


def folded(text: str) -> str:
    """``text`` in one line, with one kind of quotation mark and dash, and without the ``>`` of quoted mail."""
    return " ".join(unicodedata.normalize("NFKC", one_line(text)).translate(_MARKS).split())


def holds(text: str, quotes: Iterable[str]) -> bool:
    """Whether any of ``quotes`` stands in ``text``; white space, quotation marks and dashes may differ."""
    within = folded(text)
    return any(folded(quote) in within for quote in quotes)


class DocumentNames:
    """What the names of a question set stand for among the documents of an index."""

    def __init__(self, documents: Iterable[tuple[str, str]]) -> None:
        """Know ``documents``: each path with the id of a document that it holds; one path may hold several."""
        self._ids: dict[str, set[str]] = {}
        self._exact: tuple[dict[str, set[str]], ...] = ({}, {}, {})
        for path, document_id in documents:
            self._ids.setdefault(path, set()).add(document_id)
        self._known = frozenset[str]().union(*self._ids.values())
        for path in self._ids:
            name = path.rpartition("/")[2]
            for table, key in zip(self._exact, (path, name, name.rpartition(".")[0] or name), strict=True):
                table.setdefault(key, set()).add(path)
        self._beginnings = sorted(
            {(key, path) for table in self._exact[:2] for key, places in table.items() for path in places}
        )

    def resolve(self, name: str) -> frozenset[str]:
        """The ids of the documents that ``name`` names; none for a stranger.

        A name is a document's id, a path, a file name, one without its suffix, or the beginning of a path or file
        name, tried in this order. Raises SettingsError where it fits several files.
        """
        if name in self._known:
            return frozenset([name])
        tables: Sequence[Mapping[str, set[str]]] = self._exact
        paths = next((table[name] for table in tables if name in table), None) or self._beginning(name)
        if len(paths) > 1:
            some = ", ".join(sorted(paths)[:3])
            raise SettingsError(f"{name!r} names {len(paths)} documents: {some} …", remedy="Write more of the name.")
        return frozenset(document_id for path in paths for document_id in self._ids[path])

    def _beginning(self, name: str) -> set[str]:
        found: set[str] = set()
        for place in range(bisect_left(self._beginnings, (name, "")), len(self._beginnings)):
            key, path = self._beginnings[place]
            if not key.startswith(name):
                break
            found.add(path)
        return found
