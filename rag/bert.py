"""One question to one vector with NumPy alone, for BERT models that pool by the mean.

In: the folder of a sentence-transformers model, and a text. Out: a row of length 1, that of sentence-transformers up
to rounding. It knows no other architecture: `readable` says which folders it reads exactly.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]

_MODULES = ["Transformer", "Pooling", "Normalize"]
# Abramowitz and Stegun 7.1.26: the error function to 1.5e-7, below float32's rounding over six layers.
_ERF = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)


def readable(folder: Path) -> bool:
    """Whether the model is a BERT with exact GELU, mean pooling, and neither prompts nor further modules."""
    try:
        kinds = [str(module["type"]).rpartition(".")[2] for module in json.loads((folder / "modules.json").read_text())]
        config, pooling = _read(folder / "config.json"), _read(folder / "1_Pooling" / "config.json")
        sentence = _read(folder / "sentence_bert_config.json")
        own = folder / "config_sentence_transformers.json"
        asked = _read(own) if own.is_file() else {}
        modes = [name for name, on in pooling.items() if name.startswith("pooling_mode") and on]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return False
    return (
        kinds in (_MODULES, _MODULES[:2])
        and modes == ["pooling_mode_mean_tokens"]
        and (config.get("model_type"), config.get("hidden_act")) == ("bert", "gelu")
        and config.get("position_embedding_type", "absolute") == "absolute"
        and isinstance(sentence.get("max_seq_length"), int)
        and not sentence.get("do_lower_case")
        and not any(asked.get(name) for name in ("prompts", "default_prompt_name", "truncate_dim"))
        and config.get("torch_dtype", config.get("dtype", "float32")) == "float32"
        and (folder / "tokenizer.json").is_file()
    )


class Bert:
    """The weights and the tokenizer of a `readable` folder."""

    def __init__(self, folder: Path) -> None:
        """Load them; what safetensors and tokenizers raise for broken files goes through."""
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        config = _read(folder / "config.json")
        self._layers, self._heads = int(config["num_hidden_layers"]), int(config["num_attention_heads"])
        self._epsilon = float(config["layer_norm_eps"])
        self._weights = load_file(folder / "model.safetensors")
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(int(_read(folder / "sentence_bert_config.json")["max_seq_length"]))

    def embed(self, text: str) -> Rows:
        """The vector of ``text``, in a matrix of one row."""
        ids = self._tokenizer.encode(text.strip()).ids
        weights = self._weights
        rows = weights["embeddings.word_embeddings.weight"][ids]
        rows = rows + weights["embeddings.position_embeddings.weight"][: len(ids)]
        rows = self._norm(rows + weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        for number in range(self._layers):
            rows = self._layer(rows, f"encoder.layer.{number}")
        mean = rows.mean(axis=0, keepdims=True)
        return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), dtype=np.float32)

    def _layer(self, rows: Rows, name: str) -> Rows:
        seen = self._attend(rows, f"{name}.attention.self")
        rows = self._norm(
            rows + self._linear(seen, f"{name}.attention.output.dense"), f"{name}.attention.output.LayerNorm"
        )
        wide = _gelu(self._linear(rows, f"{name}.intermediate.dense"))
        return self._norm(rows + self._linear(wide, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def _attend(self, rows: Rows, name: str) -> Rows:
        query, key, value = (
            self._linear(rows, f"{name}.{part}").reshape(len(rows), self._heads, -1).swapaxes(0, 1)
            for part in ("query", "key", "value")
        )
        scores = query @ key.swapaxes(1, 2) / np.float32(np.sqrt(query.shape[-1]))
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed = (scores / scores.sum(axis=-1, keepdims=True)) @ value
        return np.asarray(mixed.swapaxes(0, 1).reshape(rows.shape))

    def _linear(self, rows: Rows, name: str) -> Rows:
        return np.asarray(rows @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"])

    def _norm(self, rows: Rows, name: str) -> Rows:
        centred = rows - rows.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + np.float32(self._epsilon))
        return np.asarray(centred / spread * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"])


def _gelu(rows: Rows) -> Rows:
    size = np.abs(rows) * np.float32(2**-0.5)
    t = 1 / (1 + np.float32(0.3275911) * size)
    series = np.zeros_like(t)
    for factor in _ERF:
        series = (series + np.float32(factor)) * t
    return np.asarray(rows / 2 * (1 + np.sign(rows) * (1 - series * np.exp(-size * size))))


def _read(path: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read
