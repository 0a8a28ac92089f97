"""Nearest chunks to a question's vector: an exact scan, and Chroma.

In: a unit vector. Out: chunk numbers with their cosine, nearest first. Chroma holds numbers and vectors
only and is a copy of the catalogue: it is checked in a child process before it is opened, and filled anew
from the catalogue, embedding nothing, when it is missing, damaged, behind or of another index. It does not
know texts, houses or dates.

Measured with chromadb 1.5.9: 5 of 36 folders were unusable after a kill -9 in the middle of an upsert, and
a damaged one can take its process down with it, which is why the check has a process of its own.
"""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
import threading
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from rag.embedding import Vectors
from rag.store import Catalogue

if TYPE_CHECKING:
    from chromadb.api import ClientAPI

FOLDER = "chroma"

_log = logging.getLogger(__name__)

# 1,000 vectors an upsert: throughput is flat from 100 to 5,000, and 5,461 is the most that Chroma takes.
_BATCH = 1000
_PROBE_SECONDS = 60


class NearestVectors(Protocol):
    """Finds the chunks whose vectors are nearest to one."""

    def nearest(self, vector: Vectors, k: int, allowed: Collection[int] | None = None) -> list[tuple[int, float]]:
        """The numbers and cosines of the ``k`` nearest chunks, among ``allowed`` if given."""
        ...

    def close(self) -> None:
        """Let go of files."""
        ...


class ExactVectors:
    """Every vector of the catalogue, multiplied out: exact, and quick up to about 100,000 chunks."""

    def __init__(self, catalogue: Catalogue) -> None:
        """Read vectors from ``catalogue`` at the first search and again whenever it has changed."""
        self._catalogue = catalogue
        self._generation = -1
        self._numbers: list[int] = []
        self._rows: Vectors = np.empty((0, 0), dtype=np.float32)

    def nearest(self, vector: Vectors, k: int, allowed: Collection[int] | None = None) -> list[tuple[int, float]]:
        """See `NearestVectors`."""
        if allowed is not None:
            return _scan(*self._catalogue.vectors(allowed), vector, k)
        generation = self._catalogue.generation
        if generation != self._generation:
            self._numbers, self._rows = self._catalogue.vectors()
            self._generation = generation
        return _scan(self._numbers, self._rows, vector, k)

    def close(self) -> None:
        """Nothing is held open."""


class ChromaVectors:
    """The index's Chroma collection; only the owner of the index may have one."""

    def __init__(self, catalogue: Catalogue) -> None:
        """Check the folder, repair it from the catalogue if need be, and open it."""
        self._catalogue = catalogue
        self._generation = -1
        self._folder = catalogue.folder / FOLDER
        self._name = f"chunks-{catalogue.identity}"
        if self._folder.exists() and (damage := probe(self._folder, self._name)):
            _log.warning("The Chroma folder is rebuilt from the catalogue: %s", damage)
            discard(catalogue.folder)
        # Embeddings can be turned back into the text that they were made from.
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._client = _client(self._folder)
        self._collection = self._client.get_or_create_collection(
            self._name, embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
        )
        self._filling = threading.Lock()
        self._fill()

    def nearest(self, vector: Vectors, k: int, allowed: Collection[int] | None = None) -> list[tuple[int, float]]:
        """See `NearestVectors`; a filtered search scans the few vectors that are left, exactly."""
        if allowed is not None:
            return _scan(*self._catalogue.vectors(allowed), vector, k)
        with self._filling:
            if self._catalogue.generation != self._generation:
                self._fill()
        # More than there is to find makes HNSW complain.
        k = min(k, self._collection.count())
        if k == 0:
            return []
        found = self._collection.query(query_embeddings=[vector.tolist()], n_results=k, include=["distances"])
        distances = (found["distances"] or [[]])[0]
        return [(int(name), 1.0 - float(distance)) for name, distance in zip(found["ids"][0], distances, strict=True)]

    def close(self) -> None:
        """Close Chroma's files."""
        self._client.close()

    def _fill(self) -> None:
        """Make the collection hold the catalogue's vectors, and no others."""
        generation = self._catalogue.generation
        wanted = self._catalogue.all_numbers()
        present = {int(name) for name in self._collection.get(include=[])["ids"]}
        for some in _batches(sorted(present - wanted)):
            self._collection.delete(ids=[str(number) for number in some])
        for some in _batches(sorted(wanted - present)):
            numbers, rows = self._catalogue.vectors(some)
            if numbers:
                self._collection.upsert(ids=[str(number) for number in numbers], embeddings=rows)
        self._generation = generation


def discard(folder: Path) -> None:
    """Delete the Chroma folder of an index, whatever lies in its place."""
    path = folder / FOLDER
    if path.is_file() or path.is_symlink():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


def probe(folder: Path, name: str) -> str:
    """What is wrong with a Chroma folder, found out in a child process; empty if nothing is."""
    # -P: a json.py in the folder one stands in is nobody's business here.
    command = [sys.executable, "-P", "-m", "rag.vectors", str(folder), name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"it did not answer within {_PROBE_SECONDS} s"
    lines = done.stdout.splitlines()
    if done.returncode != 0 or not lines:
        reason = done.stderr.strip().splitlines()
        return reason[-1] if reason else f"it took the process down (exit {done.returncode})"
    return str(json.loads(lines[-1]))


def _examine(folder: Path, name: str) -> str:
    """The child's part of `probe`: a count can be right where the vectors have gone, so they are all read."""
    client = _client(folder)
    names = [collection.name for collection in client.list_collections()]
    if names != [name]:
        return f"it belongs to another index ({', '.join(names) or 'it is empty'})"
    collection = client.get_collection(name, embedding_function=None)
    # A stored embedding function is code of somebody's choice that a query would run (CVE-2026-45829).
    if "name" in (collection.configuration_json.get("embedding_function") or {}):
        return "its collection names an embedding function"
    ids = collection.get(include=[])["ids"]
    if len(ids) != collection.count():
        return "its count is not the number of its entries"
    found = 0
    first: Any = None
    for some in _batches(ids):
        rows = collection.get(ids=list(some), include=["embeddings"])["embeddings"]
        found += 0 if rows is None else len(rows)
        first = first if first is not None or rows is None or not len(rows) else rows[0]
    if found != len(ids):
        return f"{len(ids) - found} of its {len(ids)} vectors are gone"
    if first is not None and not collection.query(query_embeddings=[first], n_results=1)["ids"][0]:
        return "it finds nothing"
    return ""


def _client(folder: Path) -> ClientAPI:
    import chromadb
    from chromadb.config import Settings

    return chromadb.PersistentClient(folder, settings=Settings(anonymized_telemetry=False))


def _scan(numbers: list[int], rows: Vectors, vector: Vectors, k: int) -> list[tuple[int, float]]:
    if not numbers:
        return []
    cosines = rows @ vector
    best = np.argsort(-cosines, kind="stable")[:k]
    return [(numbers[i], float(cosines[i])) for i in best]


def _batches(items: list[Any]) -> list[list[Any]]:
    return [items[start : start + _BATCH] for start in range(0, len(items), _BATCH)]


if __name__ == "__main__":
    print(json.dumps(_examine(Path(sys.argv[1]), sys.argv[2])))  # noqa: T201
