"""Order passages anew with a cross-encoder, which reads question and passage together.

In: a question and passages. Out: a score for each, from 0 to 1. Off unless the user names a model: one that is good on
web pages (ms-marco-MiniLM-L6) costs about 4 ms a passage on two cores. It does not know where the passages come from.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rag.errors import ModelUnavailable
from rag.weights import locate, refuse_code, silence_hub

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

# The 15 to 20 words of a question and the 80 of a passage with its header are some 150 tokens; all known
# cross-encoders of this size read 512.
_TOKENS = 256


class Reranker:
    """A sentence-transformers cross-encoder: a folder, or a name on the model hub."""

    def __init__(self, model: str) -> None:
        """Locate the model; raises ModelUnavailable if it is not to be had, or not to be trusted."""
        self._folder = locate(model, setting="rerank_model")
        refuse_code(self._folder, model)
        self._model: CrossEncoder | None = None
        self._lock = threading.Lock()

    def score(self, question: str, passages: Sequence[str]) -> list[float]:
        """How well each passage answers ``question``, from 0 to 1."""
        if not passages:
            return []
        pairs = [(question, passage) for passage in passages]
        return [float(score) for score in self._loaded().predict(pairs, show_progress_bar=False)]

    def _loaded(self) -> CrossEncoder:
        with self._lock:
            return self._model or self._load()

    def _load(self) -> CrossEncoder:
        silence_hub()
        from sentence_transformers import CrossEncoder
        from torch.nn import Sigmoid

        try:
            self._model = CrossEncoder(
                str(self._folder),
                device="cpu",
                local_files_only=True,
                trust_remote_code=False,
                max_length=_TOKENS,
                num_labels=1,
                activation_fn=Sigmoid(),
                model_kwargs={"use_safetensors": True},
            )
        except Exception as error:
            # transformers, tokenizers and safetensors raise some twenty kinds of errors for a broken folder.
            raise ModelUnavailable(
                f"The cross-encoder in {self._folder} does not load: {error}",
                remedy="Name another, or leave rerank_model unset.",
            ) from error
        return self._model
