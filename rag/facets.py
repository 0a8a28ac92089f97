"""What a question can be limited to, and how many documents there are of each.

In: a way to read the catalogue. Out: `Facets`. Only documents with a passage that can be found count: no copies. It
does not know questions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from rag.records import VOICES

_SAID = (
    "SELECT {0}, count(*) FROM (SELECT DISTINCT document_id, {0} FROM chunks WHERE copy_of IS NULL AND {0} IS NOT NULL)"
    " GROUP BY 1 ORDER BY 1"
)
_SENT = (
    # The plus keeps SQLite from looking up each row, text and all, in place of reading the index by date.
    "SELECT substr(date, 1, 10), count(*) FROM documents"
    " WHERE +id IN (SELECT document_id FROM chunks WHERE copy_of IS NULL) GROUP BY 1 ORDER BY 1"
)


@dataclass(frozen=True, slots=True)
class Facets:
    """Documents by house that speaks in them, by their day in UTC, by `rag.records.VOICES` in them, and by kind."""

    houses: Mapping[str, int] = field(default_factory=dict)
    days: Mapping[date, int] = field(default_factory=dict)
    voices: Mapping[str, int] = field(default_factory=dict)
    kinds: Mapping[str, int] = field(default_factory=dict)


def facets(read: Callable[[str], Iterator[Any]]) -> Facets:
    """Count, over indexes that hold no text: 0.4 s for 200,000 passages of 20,000 documents, so keep it."""
    roles = dict(read(_SAID.format("role")))
    return Facets(
        houses=dict(read(_SAID.format("house"))),
        days={date.fromisoformat(day): count for day, count in read(_SENT)},
        voices={name: roles[role] for name, role in VOICES.items() if role in roles},
        kinds=dict(read(_SAID.format("kind"))),
    )
