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
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rag.embedding import Vectors
from rag.lexicon import best, sorted_array
from rag.store import Catalogue

if TYPE_CHECKING:
    from chromadb.api import ClientAPI

FOLDER = "chroma"

_log = logging.getLogger(__name__)

# 1,000 vectors an upsert: throughput is flat from 100 to 5,000, and 5,461 is the most that Chroma takes.
_BATCH = 1000

# Recall of the exact first ten for questions at 180,000 chunks: 0.88 with Chroma's own 16, 100 and 100, in 1.8 ms;
# 0.989 with 16, 100 and 600 in 6 ms; 0.996 with these in 7 ms, for a third more time to fill.
_HNSW = {"space": "cosine", "max_neighbors": 32, "ef_construction": 200, "ef_search": 600}

# Rows of one array: the matrix grows by 25 MB (of 384 dimensions) and is never copied.
_BLOCK = 16_384

# From this share of a block on, multiplying all of it is quicker than picking rows.
_MOST = 0.3
_PROBE_SECONDS = 60

# What gets lost is a file with all that it holds; to read every vector takes 9 s at 180,000 chunks.
_EXAMINED = 10_000


class NearestVectors(Protocol):
    """Finds the chunks whose vectors are nearest to one."""

    def nearest(self, vector: Vectors, k: int, allowed: Collection[int] | None = None) -> list[tuple[int, float]]:
        """The numbers and cosines of the ``k`` nearest chunks, among ``allowed`` if given."""
        ...

    def close(self) -> None:
        """Let go of files."""
        ...


class ExactVectors:
    """Every vector that was asked for, multiplied out: exact; 16 ms for 180,000 chunks of 384 dimensions.

    Vectors are read from the catalogue when they are first needed (those of one house, if it is searched alone) and
    then kept, as float32: 1.5 kB a chunk. float16 would halve that, but numpy takes ten times as long to widen it as to
    multiply it.
    """

    def __init__(self, catalogue: Catalogue, *, block: int = _BLOCK) -> None:
        """Read nothing yet; keep ``block`` rows in one array."""
        self._catalogue = catalogue
        self._block = block
        self._lock = threading.Lock()
        self._generation = -1
        self._all = np.empty(0, dtype=np.int64)
        self._forget()

    def _forget(self) -> None:
        self._blocks: list[Vectors] = []
        self._count = 0
        # Where the row of a chunk is, by its number; a number is never given twice, so a row is never out of date.
        self._places = np.full(0, -1, dtype=np.int64)

    def nearest(self, vector: Vectors, k: int, allowed: Collection[int] | None = None) -> list[tuple[int, float]]:
        """See `NearestVectors`."""
        with self._lock:
            numbers = self._everything() if allowed is None else sorted_array(allowed)
            if not len(numbers):
                return []
            self._read(numbers)
            places = self._places[numbers]
            blocks = self._blocks
        numbers, places = numbers[places >= 0], places[places >= 0]
        return best(numbers, _cosines(blocks, places, vector), k)

    def close(self) -> None:
        """Nothing is held open."""

    def _everything(self) -> NDArray[np.int64]:
        generation = self._catalogue.generation
        if generation != self._generation:
            self._all = sorted_array(self._catalogue.all_numbers())
            self._generation = generation
            if self._count > 2 * len(self._all):  # most rows are of chunks that have gone
                self._forget()
        return self._all

    def _read(self, numbers: NDArray[np.int64]) -> None:
        """Have the rows of chunks, in order of their numbers."""
        if numbers[-1] >= len(self._places):
            more = np.full(int(numbers[-1]) + 1 - len(self._places), -1, dtype=np.int64)
            self._places = np.concatenate([self._places, more])
        missing = numbers[self._places[numbers] < 0]
        for start in range(0, len(missing), _BATCH):
            found, rows = self._catalogue.vectors(missing[start : start + _BATCH].tolist())
            for number, row in zip(found, rows, strict=True):
                if self._count == len(self._blocks) * self._block:
                    self._blocks = [*self._blocks, np.zeros((self._block, len(row)), dtype=np.float32)]
                self._blocks[-1][self._count % self._block] = row
                self._places[number] = self._count
                self._count += 1


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
            self._name, embedding_function=None, configuration={"hnsw": _HNSW}
        )
        self._filling = threading.Lock()
        self._exact = ExactVectors(catalogue)
        self._present = sorted_array([int(name) for name in self._collection.get(include=[])["ids"]])
        self._fill()

    def nearest(self, vector: Vectors, k: int, allowed: Collection[int] | None = None) -> list[tuple[int, float]]:
        """See `NearestVectors`; a filtered search is an exact scan: HNSW is slow, and misses, where few are allowed."""
        if allowed is not None:
            return self._exact.nearest(vector, k, allowed)
        with self._filling:
            if self._catalogue.generation != self._generation:
                self._fill()
        # More than there is to find makes HNSW complain.
        k = min(k, len(self._present))
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
        wanted = sorted_array(self._catalogue.all_numbers())
        present = self._present
        for some in _batches(np.setdiff1d(present, wanted, assume_unique=True).tolist()):
            self._collection.delete(ids=[str(number) for number in some])
        for some in _batches(np.setdiff1d(wanted, present, assume_unique=True).tolist()):
            numbers, rows = self._catalogue.vectors(some)
            if numbers:
                self._collection.upsert(ids=[str(number) for number in numbers], embeddings=rows)
        self._present = wanted
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
    """The child's part of `probe`: a count can be right where the vectors have gone, so they are read, too."""
    client = _client(folder)
    names = [collection.name for collection in client.list_collections()]
    if names != [name]:
        return f"it belongs to another index ({', '.join(names) or 'it is empty'})"
    collection = client.get_collection(name, embedding_function=None)
    # A stored embedding function is code of somebody's choice that a query would run (CVE-2026-45829).
    if "name" in (collection.configuration_json.get("embedding_function") or {}):
        return "its collection names an embedding function"
    made = collection.configuration_json.get("hnsw") or {}
    if {name: made.get(name) for name in _HNSW} != _HNSW:
        return "it was made with other settings"
    ids = collection.get(include=[])["ids"]
    if len(ids) != collection.count():
        return "its count is not the number of its entries"
    ids = ids[:: max(1, len(ids) // _EXAMINED)]
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


def _cosines(blocks: Sequence[Vectors], places: NDArray[np.int64], vector: Vectors) -> NDArray[np.float32]:
    """The products of the rows at ``places`` with a vector."""
    cosines = np.empty(len(places), dtype=np.float32)
    start = 0
    for block in blocks:
        mine = np.flatnonzero((places >= start) & (places < start + len(block)))
        rows = places[mine] - start
        cosines[mine] = (block @ vector)[rows] if len(rows) > _MOST * len(block) else block[rows] @ vector
        start += len(block)
    return cosines


def _batches(items: list[Any]) -> list[list[Any]]:
    return [items[start : start + _BATCH] for start in range(0, len(items), _BATCH)]


if __name__ == "__main__":
    print(json.dumps(_examine(Path(sys.argv[1]), sys.argv[2])))  # noqa: T201
