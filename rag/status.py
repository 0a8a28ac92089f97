"""What there is: corpus, index and model, described without loading any of them.

In: settings, and the catalogue where there is one. Out: a `Status`. It does not know whether the index is up to date.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rag.loading import is_here
from rag.modelfiles import CATALOGUE, DEFAULT, ModelFile
from rag.server import without_secrets
from rag.settings import Settings
from rag.store import Catalogue


@dataclass(frozen=True, slots=True)
class Status:
    """What there is: where corpus and index are, what the index holds, which model would answer."""

    corpus: Path
    index: Path
    files: int
    documents: int
    chunks: int
    houses: tuple[str, ...]
    fingerprint: str
    model: str
    model_is_here: bool


def status(settings: Settings, catalogue: Catalogue | None, models: Mapping[str, ModelFile] = CATALOGUE) -> Status:
    """Describe what ``settings`` name; ``catalogue`` is None where there is no index."""
    counts = catalogue.counts() if catalogue else {"files": 0, "documents": 0, "chunks": 0}
    return Status(
        corpus=settings.corpus,
        index=settings.index,
        **counts,
        houses=catalogue.houses() if catalogue else (),
        fingerprint=catalogue.fingerprint if catalogue else "",
        model=without_secrets(settings.model or DEFAULT),
        model_is_here=is_here(settings.model, models),
    )
