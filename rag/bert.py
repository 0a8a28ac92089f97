"""A BERT that pools by the mean, as an ONNX graph from the ids of one text to its unit vector.

In: the folder of a sentence-transformers model. Out: the bytes of an ONNX model, in float32 or with weights of 7 bits
and activations of 8. It knows no other architecture: `readable` says which folders it expresses exactly. torch is not
needed for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]

_MODULES = ["Transformer", "Pooling", "Normalize"]

# ONNX's own operators, and ONNX Runtime's fused ones.
_OPSETS = {"": 17, "com.microsoft": 1}
_IR_VERSION = 8  # the one of that time: later ones ask for a later ONNX Runtime
_FUSED = ("SkipLayerNormalization", "MultiHeadAttention", "BiasGelu", "MatMulIntegerToFloat")

# 8-bit kernels for processors with AVX2 but without VNNI add two products in 16 bits and saturate: 255 * 127 * 2 is too
# much for them, 255 * 63 * 2 is not. It costs 0.001 of cosine.
_LARGEST_WEIGHT = 63
_LARGEST = 127
_TINY = np.float32(1e-12)


def readable(folder: Path) -> bool:
    """Whether the model is a BERT with exact GELU, mean pooling, and neither prompts nor further modules."""
    try:
        kinds = [str(module["type"]).rpartition(".")[2] for module in json.loads((folder / "modules.json").read_text())]
        config, pooling = _json(folder / "config.json"), _json(folder / "1_Pooling" / "config.json")
        sentence = _json(folder / "sentence_bert_config.json")
        own = folder / "config_sentence_transformers.json"
        asked = _json(own) if own.is_file() else {}
        prompts = any((asked.get("prompts") or {}).values())
        modes = [name for name, on in pooling.items() if name.startswith("pooling_mode") and on]
        known = longest(folder) > 0
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return False
    return (
        kinds in (_MODULES, _MODULES[:2])
        and (modes == ["pooling_mode_mean_tokens"] or pooling.get("pooling_mode") == "mean")
        and (config.get("model_type"), config.get("hidden_act")) == ("bert", "gelu")
        and config.get("position_embedding_type", "absolute") == "absolute"
        and known
        and not sentence.get("do_lower_case")
        and not prompts
        and not any(asked.get(name) for name in ("default_prompt_name", "truncate_dim"))
        and config.get("torch_dtype", config.get("dtype", "float32")) == "float32"
        and (folder / "tokenizer.json").is_file()
    )


def longest(folder: Path) -> int:
    """The number of tokens after which a `readable` model truncates a text."""
    named = _json(folder / "sentence_bert_config.json").get("max_seq_length")
    if named is None:  # since sentence-transformers 6 it stands with the tokenizer
        named = _json(folder / "tokenizer_config.json")["model_max_length"]
    return min(int(named), int(_json(folder / "config.json")["max_position_embeddings"]))


def graph(folder: Path, *, exact: bool) -> bytes:
    """The ONNX model of a `readable` folder, in float32 if it is to be ``exact``; its input is ``ids``.

    What safetensors raises for a broken file goes through, and KeyError and ValueError for weights of another shape.
    """
    from safetensors import safe_open

    with safe_open(folder / "model.safetensors", "numpy") as weights:
        return _Bert(_json(folder / "config.json"), weights.get_tensor, longest(folder), exact).model()


class _Bert:
    """Translates the weights layer by layer; a string is the name of a tensor in the graph."""

    def __init__(self, config: dict[str, Any], read: Callable[[str], Matrix], tokens: int, exact: bool) -> None:
        import onnx

        self._config, self._read, self._tokens, self._exact = config, read, tokens, exact
        self._model = onnx.ModelProto(ir_version=_IR_VERSION, producer_name="rag")
        self._graph = self._model.graph  # filled in place: each copy of it is one of all weights

    def model(self) -> bytes:
        """All of it, as an ONNX model."""
        from onnx import TensorProto, helper

        rows = self._embeddings()
        for number in range(int(self._config["num_hidden_layers"])):
            rows = self._layer(rows, f"encoder.layer.{number}")
        mean = self._node("ReduceMean", rows, axes=[1], keepdims=0)
        row = self._node("LpNormalization", mean, axis=-1, p=2)
        self._graph.name = "bert"
        self._graph.input.append(helper.make_tensor_value_info("ids", TensorProto.INT64, [1, "n"]))
        self._graph.output.append(
            helper.make_tensor_value_info(row, TensorProto.FLOAT, [1, self._config["hidden_size"]])
        )
        self._model.opset_import.extend(helper.make_opsetid(domain, version) for domain, version in _OPSETS.items())
        return bytes(self._model.SerializeToString(deterministic=True))

    def _embeddings(self) -> str:
        words = self._read("embeddings.word_embeddings.weight")
        positions = self._read("embeddings.position_embeddings.weight")[: self._tokens]
        positions = positions + self._read("embeddings.token_type_embeddings.weight")[0]
        if self._exact:
            rows = self._node("Gather", self._tensor(words), "ids")
        else:
            small, scales = _rounded(words, _LARGEST)
            rows = self._node("Cast", self._node("Gather", self._tensor(small), "ids"), to=1)  # TensorProto.FLOAT
            rows = self._node("Mul", rows, self._node("Gather", self._tensor(scales), "ids"))
        ends = (self._tensor(np.array([end])) for end in (1, 2))
        self._length = self._node("Slice", self._node("Shape", "ids"), *ends)
        here = (self._tensor(positions[None]), self._tensor(np.array([0])), self._length, self._tensor(np.array([1])))
        if not self._exact:  # activations are bytes around 128: the fast kernels multiply unsigned by signed
            self._middle = self._tensor(np.array(128, np.uint8))
            self._middles = self._node("Expand", self._middle, self._length)
            self._one = self._tensor(np.array(1, np.float32))
        return self._norm(rows, self._node("Slice", *here), "embeddings.LayerNorm")

    def _layer(self, rows: str, name: str) -> str:
        parts = [f"{name}.attention.self.{part}" for part in ("query", "key", "value")]
        bias = self._tensor(np.concatenate([self._read(f"{part}.bias") for part in parts]))
        heads = int(self._config["num_attention_heads"])
        seen = self._node("MultiHeadAttention", *self._products(rows, *parts), bias, num_heads=heads)
        rows = self._add(rows, seen, f"{name}.attention.output")
        inner = f"{name}.intermediate.dense"
        wide = self._node("BiasGelu", *self._products(rows, inner), self._weight(f"{inner}.bias"))
        return self._add(rows, wide, f"{name}.output")

    def _add(self, rows: str, seen: str, name: str) -> str:
        (product,) = self._products(seen, f"{name}.dense")
        return self._norm(product, rows, f"{name}.LayerNorm", self._weight(f"{name}.dense.bias"))

    def _norm(self, rows: str, others: str, name: str, *bias: str) -> str:
        scale, shift = self._weight(f"{name}.weight"), self._weight(f"{name}.bias")
        epsilon = float(self._config["layer_norm_eps"])
        return self._node("SkipLayerNormalization", rows, others, scale, shift, *bias, epsilon=epsilon)

    def _products(self, rows: str, *names: str) -> list[str]:
        """``rows`` times each of the named weights.

        A token has a scale of its own. With one for all, as DynamicQuantizeLinear has it, the few tokens with values of
        30 where others have 3 round the others off (mean cosine 0.992, not 0.996), and at the same speed.
        """
        matrices = [self._read(f"{name}.weight") for name in names]
        if self._exact:
            return [self._node("MatMul", rows, self._tensor(matrix.T)) for matrix in matrices]
        highest = self._node("ReduceMax", self._node("Abs", rows), axes=[2], keepdims=1)
        scale = self._node("Mul", highest, self._tensor(np.float32(1 / _LARGEST)))
        scale = self._node("Max", scale, self._tensor(_TINY))
        scales = self._node("Reshape", scale, self._length)
        small = self._node("QuantizeLinear", rows, scales, self._middles, axis=1)
        return [self._node("Mul", self._integers(small, matrix), scale) for matrix in matrices]

    def _integers(self, small: str, matrix: Matrix) -> str:
        rounded, scales = _rounded(matrix, _LARGEST_WEIGHT)
        weight, steps = self._tensor(rounded.T), self._tensor(scales[:, 0])
        return self._node("MatMulIntegerToFloat", small, weight, self._one, steps, self._middle)

    def _weight(self, name: str) -> str:
        return self._tensor(self._read(name))

    def _tensor(self, values: NDArray[Any] | np.generic) -> str:
        from onnx import numpy_helper

        name = f"w{len(self._graph.initializer)}"
        self._graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def _node(self, kind: str, *inputs: str, **attributes: int | float | list[int]) -> str:
        from onnx import helper

        name = f"x{len(self._graph.node)}"
        domain = "com.microsoft" if kind in _FUSED else None
        self._graph.node.append(helper.make_node(kind, inputs, [name], None, None, domain, None, **attributes))
        return name


def _rounded(matrix: Matrix, largest: int) -> tuple[NDArray[np.int8], Matrix]:
    """A matrix in whole steps up to ``largest``, and the step of each row, as a column."""
    steps = np.maximum(np.abs(matrix).max(axis=1, keepdims=True) / np.float32(largest), _TINY)
    return np.rint(matrix / steps).astype(np.int8), steps


def _json(path: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read
