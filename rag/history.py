"""What the last syncs did, kept with the index.

In: the report of a sync. Out: a short note of each of the last, and what the very last one met in the corpus that is
in no index. It does not know the documents themselves: the catalogue does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from rag.records import Failure, SyncReport
from rag.store import Catalogue

_FACT = "syncs"
_KEPT, _NAMED = 20, 50
_COUNTS = ("documents", "changed", "duplicates", "gone", "failed")


@dataclass(frozen=True, slots=True)
class PastSync:
    """When a sync ended, and how many it found: new documents, files of each other kind.

    ``left_out`` counts attachments that no reader knows, by suffix.
    """

    at: datetime
    documents: int = 0
    changed: int = 0
    duplicates: int = 0
    gone: int = 0
    failed: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class History:
    """The last syncs that changed the index, the latest first; and what the latest of all met.

    Of the ``skipped`` files, which are of other formats, and the ``unopened`` the first are named.
    """

    syncs: tuple[PastSync, ...] = ()
    skipped: tuple[str, ...] = ()
    skipped_count: int = 0
    unopened: tuple[Failure, ...] = ()


def remember(catalogue: Catalogue, report: SyncReport, at: datetime) -> None:
    """Add ``report`` to what is kept; one that says nothing new is not written."""
    before = history(catalogue)
    listed = {failure for rows in catalogue.file_failures().values() for failure in rows}
    now = replace(
        before,
        skipped=report.skipped[:_NAMED],
        skipped_count=len(report.skipped),
        unopened=tuple(failure for failure in report.failed if failure not in listed)[:_NAMED],
    )
    if report:
        now = replace(now, syncs=(_noted(report, at), *before.syncs)[:_KEPT])
    if now != before:
        catalogue.remember(_FACT, json.dumps(asdict(now), default=str))


def history(catalogue: Catalogue) -> History:
    """What is kept; nothing where it is damaged, for the index is whole without it."""
    try:
        stored = json.loads(catalogue.fact(_FACT) or "{}")
        return History(
            syncs=tuple(_past(row) for row in stored.get("syncs", ())),
            skipped=tuple(str(path) for path in stored.get("skipped", ())),
            skipped_count=int(stored.get("skipped_count", 0)),
            unopened=tuple(Failure(str(row["path"]), str(row["reason"])) for row in stored.get("unopened", ())),
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return History()


def _past(row: Mapping[str, Any]) -> PastSync:
    left_out = {str(suffix): int(count) for suffix, count in row["left_out"].items()}
    return PastSync(datetime.fromisoformat(row["at"]), **{name: int(row[name]) for name in _COUNTS}, left_out=left_out)


def _noted(report: SyncReport, at: datetime) -> PastSync:
    return PastSync(
        at=at.replace(microsecond=0),
        documents=report.documents,
        changed=len(report.changed),
        duplicates=len(report.duplicates),
        gone=len(report.removed) - len(report.moved),
        failed=len(report.failed),
        left_out=dict(report.left_out),
    )
