"""What runs of an embedding model: an exported, checked graph of 8-bit integers, made once and kept.

In: the folder of a sentence-transformers model. Out: its `Form`, and a `Runner` from texts to unit vectors with ONNX
Runtime. It does not know what a model is for that cannot be exported.

The user's cache folder holds one file for a model: a line of JSON (``fingerprint``; ``bytes`` and ``sha256`` of the
rest), then the graph. Its name stands for the model's files as they last were, so that 90 MB of weights are not read
again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag import bert
from rag.atomic import write_atomically
from rag.errors import ModelUnavailable

Rows = NDArray[np.float32]

VERSION = "1"
"""Raise it when a graph of the same weights gives other vectors."""

_KEPT = 4

# The built-in model has 0.979 (on the empty text; 0.983 on the others) and 0.97 on the texts below; noise of 0.02 on
# each component would leave 0.92 and 0.85.
_LEAST_COSINE, _LEAST_SHARED = 0.95, 0.85
_NEIGHBOURS = 3
_TEXTS = (
    "What did the bank say about the cost of training?",
    "who raised their price target last week",
    "Why did copper fall in March?",
    "Is there anybody who doubts the forecast for 2026?",
    "The cost of training was put at five million dollars, which leaves out earlier research.",
    "Training runs of this size cost between $4.8M and $6.2M, excluding salaries and failed attempts.",
    "We raise our price target to $145 from $120 and reiterate Outperform.",
    "Our target moves down 8% to EUR 61; we stay Neutral.",
    "Copper closed at $8,912 a tonne, down 3.4% on the week, as inventories in Shanghai rose.",
    "Wheat and corn were little changed; freight rates eased for a fifth day.",
    "The committee left rates unchanged at 4.25%, with two members voting for a cut.",
    "Ten-year yields rose 6bp to 4.41% after the auction.",
    "Gross margin was 46.2% against 44.9% a year ago, helped by mix and lower memory prices.",
    "Memory prices are expected to rise 15% quarter on quarter, driven by demand from data centres.",
    "From: Jane Smith | Example Securities | 2025-01-27\nRe: your question about capacity",
    "Please find attached our note. If you cannot open it, let me know.",
    "On the call, management said that spending would peak next year. 'We are not slowing down,' the CFO added.",
    "I doubt it. The number was measured once, by the people who sell it.",
    "The cat slept on the warm stones all afternoon.",
    "Die Bank hält an ihrer Prognose fest und erwartet für 2026 ein Wachstum von 1,2 %.",
    "https://example.com/notes?id=4711&lang=en | ISIN US0378331005 | Q4'24 | 2,048 x H800",
    "ok",
    "",
    "The market has changed its mind about supply more often than about demand. " * 30,
)


@dataclass(frozen=True, slots=True)
class Form:
    """What runs of a model: a graph, which ``read`` reads and checks, under a ``fingerprint`` that names it.

    ``read`` is None where the model cannot be exported. It takes 45 ms for the built-in model's 23 MB, which is why it
    is not done where only the fingerprint is wanted, as in the thread that a question is waiting for.
    """

    fingerprint: str
    read: Callable[[], bytes] | None = None


class Runner:
    """A graph and the tokenizer of its folder.

    A text goes through alone, in one thread: its vector is the same whatever is embedded with it, and no padding is
    multiplied. Texts side by side fill the cores.
    """

    def __init__(self, folder: Path, graph: bytes) -> None:
        """Load them; what onnxruntime and tokenizers raise for broken files goes through."""
        import onnxruntime
        from tokenizers import Tokenizer

        onnxruntime.disable_telemetry_events()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # it is fused as it is
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(bert.longest(folder))

    def embed(self, texts: Sequence[str]) -> Rows:
        """Embed ``texts``, one row each, in their order."""
        rows = np.empty((len(texts), self._session.get_outputs()[0].shape[1]), np.float32)
        if len(texts) == 1:
            rows[0] = self._row(texts[0])
            return rows
        from rag.tuning import physical_cores

        with ThreadPoolExecutor(physical_cores()) as pool:
            order = sorted(range(len(texts)), key=lambda number: -len(texts[number]))  # no core waits long for the last
            for number, row in zip(order, pool.map(self._row, [texts[number] for number in order]), strict=True):
                rows[number] = row
        return rows

    def _row(self, text: str) -> Rows:
        ids = self._tokenizer.encode(text.strip()).ids
        row: Rows = self._session.run(None, {"ids": np.array([ids])})[0][0]
        return row


def form(folder: Path) -> Form:
    """The form of the model in ``folder``, from the cache if it is there and whole; else made, and kept.

    Two processes that make it at once write the same. Where the cache cannot be written to, it is made at every start,
    in about a second. Raises ModelUnavailable where nothing runs here.
    """
    patterns = ("*.json", "*.txt", "*.safetensors")
    paths = sorted(path for pattern in patterns for path in folder.rglob(pattern))
    stats = [(str(path.resolve()), *_changes(path.stat())) for path in paths]
    kept = _place() / hashlib.sha256(json.dumps([VERSION, stats]).encode()).hexdigest()[:32]

    def made() -> tuple[str, bytes]:
        fingerprint, graph, lasting = _make(folder, paths)
        if lasting:
            with contextlib.suppress(OSError):
                _keep(kept, fingerprint, graph)
        return fingerprint, graph

    if (found := _named(kept)) is None:
        fingerprint, graph = made()
        return Form(fingerprint, (lambda: graph) if graph else None)
    fingerprint, exported = found
    return Form(fingerprint, (lambda: _read(kept) or made()[1]) if exported else None)


def _changes(stat: os.stat_result) -> tuple[int, int, int]:
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


def _make(folder: Path, paths: Sequence[Path]) -> tuple[str, bytes, bool]:
    """Fingerprint and graph, and whether they hold for these files at any time, or something went wrong this once."""
    digests = {path.relative_to(folder).as_posix(): _sha256(path) for path in paths}
    used = hashlib.sha256("".join(f"{name} {digests[name]}\n" for name in sorted(digests)).encode())
    weights = f"{digests['model.safetensors'][:16]}-{used.hexdigest()[:8]}"
    if not bert.readable(folder):
        return weights, b"", True
    try:
        exact = Runner(folder, bert.graph(folder, exact=True)).embed(_TEXTS)
        small = bert.graph(folder, exact=False)
        if _agree(exact, Runner(folder, small).embed(_TEXTS)):
            return f"{weights}-int8.{VERSION}", small, True
        return f"{weights}-float32.{VERSION}", bert.graph(folder, exact=True), True
    except (ImportError, MemoryError) as error:
        # Another form would be another fingerprint, and an index that is whole would seem to be of another model.
        raise not_runnable(folder, error) from error
    except Exception:
        # safetensors, tokenizers and onnxruntime raise kinds of their own; sentence-transformers reads the folder then,
        # or says why it cannot.
        return weights, b"", False


def not_runnable(folder: Path, error: BaseException) -> ModelUnavailable:
    """The error for a model whose form does not run here, whatever is wrong with the machine or its packages."""
    return ModelUnavailable(
        f"The embedding model in {folder} does not run: {type(error).__name__}: {error}",
        remedy="If memory is not short, mend the packages: pip install --force-reinstall onnx onnxruntime",
    )


def _agree(exact: Rows, small: Rows) -> bool:
    """Whether vectors point where the exact ones do, and have the same neighbours."""
    shared = [len(set(a) & set(b)) for a, b in zip(_nearest(exact), _nearest(small), strict=True)]
    cosines = (exact * small).sum(axis=1)
    return bool(cosines.min() >= _LEAST_COSINE and np.mean(shared) >= _LEAST_SHARED * _NEIGHBOURS)


def _nearest(rows: Rows) -> list[list[int]]:
    cosines = rows @ rows.T
    np.fill_diagonal(cosines, -1)
    nearest: list[list[int]] = np.argsort(-cosines, axis=1)[:, :_NEIGHBOURS].tolist()
    return nearest


def _place() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("rag", appauthor=False) / "embedding"


def _named(path: Path) -> tuple[str, bool] | None:
    """The fingerprint that `_keep` wrote, and whether a graph follows; None if it is not there, or was cut off."""
    try:
        with path.open("rb") as file:
            facts, begins = json.loads(file.readline()), file.tell()
        whole = path.stat().st_size == begins + facts["bytes"]
        return (str(facts["fingerprint"]), facts["bytes"] > 0) if whole else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _read(path: Path) -> bytes:
    """The graph that `_keep` wrote; empty if it is not there, or damaged."""
    try:
        with path.open("rb") as file:
            facts, graph = json.loads(file.readline()), file.read()
        return graph if hashlib.sha256(graph).hexdigest() == facts["sha256"] else b""
    except (OSError, ValueError, TypeError, KeyError):
        return b""


def _keep(path: Path, fingerprint: str, graph: bytes) -> None:
    facts = {"fingerprint": fingerprint, "bytes": len(graph), "sha256": hashlib.sha256(graph).hexdigest()}
    write_atomically(path, json.dumps(facts).encode() + b"\n" + graph)
    for old in sorted(path.parent.iterdir(), key=lambda one: one.stat().st_mtime_ns, reverse=True)[_KEPT:]:
        old.unlink(missing_ok=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
