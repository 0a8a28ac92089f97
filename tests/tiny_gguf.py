"""GGUF files of a megabyte that say what a test wants.

Attention and feed-forward are zero, embeddings are one-hot, so that the next token depends on the last one
only: by default the printable ASCII characters follow each other, and ``after`` says otherwise for some.
Every byte is a token, so any text can be read. Token types are those of the R1 distills on Qwen2.5.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import gguf
import numpy as np

Token = bytes | str
"""One byte, or the name of a special token."""

_Tensor = np.ndarray[tuple[int, ...], np.dtype[np.float32]]

_WIDTH, _HEADS, _CONTEXT = 288, 4, 2048
_R1 = {
    "<｜end▁of▁sentence｜>": gguf.TokenType.CONTROL,
    "<｜User｜>": gguf.TokenType.CONTROL,
    "<｜Assistant｜>": gguf.TokenType.CONTROL,
    "<｜begin▁of▁sentence｜>": gguf.TokenType.CONTROL,
    "<|EOT|>": gguf.TokenType.CONTROL,
    "<think>": gguf.TokenType.USER_DEFINED,
    "</think>": gguf.TokenType.USER_DEFINED,
    "<|fim_pad|>": gguf.TokenType.CONTROL,
}
_CHATML = {
    "<|endoftext|>": gguf.TokenType.CONTROL,
    "<|im_start|>": gguf.TokenType.CONTROL,
    "<|im_end|>": gguf.TokenType.CONTROL,
}


def write_r1(path: Path, after: Mapping[Token, Token] | None = None) -> Path:
    """Write a model with the markers of the R1 distills, which wants a BOS."""
    return _write(path, _R1, bos="<｜begin▁of▁sentence｜>", eos="<｜end▁of▁sentence｜>", add_bos=True, after=after)


def write_chatml(path: Path, after: Mapping[Token, Token] | None = None) -> Path:
    """Write a model with ChatML's markers, which wants no BOS."""
    return _write(path, _CHATML, bos="<|endoftext|>", eos="<|im_end|>", add_bos=False, after=after)


def write_qwen3(path: Path, after: Mapping[Token, Token] | None = None) -> Path:
    """Write a model with ChatML's markers and think tags, which thinks unless it is given an empty thought."""
    tags = {"<think>": gguf.TokenType.USER_DEFINED, "</think>": gguf.TokenType.USER_DEFINED}
    return _write(path, {**_CHATML, **tags}, bos="<|endoftext|>", eos="<|im_end|>", add_bos=False, after=after)


def write_deadly(path: Path) -> Path:
    """Write a model that llama.cpp ends the process on: two of its tokens have the same name."""
    twins = {"<1>": gguf.TokenType.CONTROL, "<2>": gguf.TokenType.CONTROL}
    _write(path, twins, bos="<1>", eos="<2>", add_bos=True, after=None)
    path.write_bytes(path.read_bytes().replace(b"<2>", b"<1>"))
    return path


def write_unmarked(path: Path) -> Path:
    """Write a model without any chat markers."""
    plain = {"<s>": gguf.TokenType.CONTROL, "<e>": gguf.TokenType.CONTROL}
    return _write(path, plain, bos="<s>", eos="<e>", add_bos=True, after=None)


def _write(
    path: Path,
    special: Mapping[str, gguf.TokenType],
    *,
    bos: str,
    eos: str,
    add_bos: bool,
    after: Mapping[Token, Token] | None,
) -> Path:
    writer = gguf.GGUFWriter(path, "llama")
    tokens = _add_vocabulary(writer, special, bos=bos, eos=eos, add_bos=add_bos)
    writer.add_context_length(_CONTEXT)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(_WIDTH)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    # A template that is no template: whoever renders it fails.
    writer.add_chat_template("{{ raise_exception('the template of a file was used') }}")
    return _finish(writer, path, _tensors(tokens, after or {}))


def write_recurrent(path: Path) -> Path:
    """Write a Mamba with ChatML's markers and random weights: it has one state for all that it has read."""
    width, inner, state, convolution, rank, layers = 64, 128, 16, 4, 4, 2
    writer = gguf.GGUFWriter(path, "mamba")
    writer.add_context_length(_CONTEXT)
    writer.add_embedding_length(width)
    writer.add_feed_forward_length(0)
    writer.add_head_count(0)
    writer.add_block_count(layers)
    writer.add_ssm_conv_kernel(convolution)
    writer.add_ssm_inner_size(inner)
    writer.add_ssm_state_size(state)
    writer.add_ssm_time_step_rank(rank)
    writer.add_layer_norm_rms_eps(1e-5)
    tokens = _add_vocabulary(writer, _CHATML, bos="<|endoftext|>", eos="<|im_end|>", add_bos=False)
    random = np.random.default_rng(1)

    def noise(*shape: int) -> _Tensor:
        return (random.standard_normal(shape) * 0.5).astype(np.float32)

    one = np.ones(width, dtype=np.float32)
    tensors = {
        "token_embd.weight": noise(len(tokens), width),
        "output_norm.weight": one,
        "output.weight": noise(len(tokens), width),
    }
    for layer in range(layers):
        block = {
            "attn_norm.weight": one,
            "ssm_in.weight": noise(2 * inner, width),
            "ssm_conv1d.weight": noise(inner, convolution),
            "ssm_conv1d.bias": noise(inner),
            "ssm_x.weight": noise(rank + 2 * state, inner),
            "ssm_dt.weight": noise(inner, rank),
            "ssm_dt.bias": noise(inner),
            "ssm_a": -np.abs(noise(inner, state)) - np.float32(0.1),
            "ssm_d": noise(inner),
            "ssm_out.weight": noise(width, inner),
        }
        tensors |= {f"blk.{layer}.{name}": tensor for name, tensor in block.items()}
    return _finish(writer, path, tensors)


def _add_vocabulary(
    writer: gguf.GGUFWriter, special: Mapping[str, gguf.TokenType], *, bos: str, eos: str, add_bos: bool
) -> list[str]:
    alphabet = _byte_names()
    # The tokenizer is not loaded without a merge; nobody writes these two control bytes.
    tokens = [*alphabet, alphabet[1] + alphabet[2], *special]
    types = [*[gguf.TokenType.NORMAL] * 257, *special.values()]
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges([f"{alphabet[1]} {alphabet[2]}"])
    writer.add_bos_token_id(tokens.index(bos))
    writer.add_eos_token_id(tokens.index(eos))
    writer.add_add_bos_token(add_bos)
    return tokens


def _finish(writer: gguf.GGUFWriter, path: Path, tensors: Mapping[str, _Tensor]) -> Path:
    for name, tensor in tensors.items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _tensors(tokens: list[str], after: Mapping[Token, Token]) -> dict[str, _Tensor]:
    def number(token: Token) -> int:
        return token[0] if isinstance(token, bytes) else tokens.index(token)

    follower = {token: ord("!") for token in range(len(tokens))}
    follower |= {token: token + 1 for token in range(ord("!"), ord("~"))}
    follower |= {number(token): number(following) for token, following in after.items()}
    embedding = np.eye(len(tokens), _WIDTH, dtype=np.float32)
    output = np.zeros((len(tokens), _WIDTH), dtype=np.float32)
    for token, following in follower.items():
        output[following, token] = 10.0
    one, zero = np.ones(_WIDTH, dtype=np.float32), np.zeros((_WIDTH, _WIDTH), dtype=np.float32)
    layer = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
    return {
        "token_embd.weight": embedding,
        "output_norm.weight": one,
        "output.weight": output,
        "blk.0.attn_norm.weight": one,
        "blk.0.ffn_norm.weight": one,
        **{f"blk.0.{name}.weight": zero for name in layer},
    }


def _byte_names() -> list[str]:
    """The characters that stand for bytes in GPT-2's vocabularies (openai/gpt-2, encoder.py)."""
    printable = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    hidden = [byte for byte in range(256) if byte not in printable]
    return [chr(byte if byte in printable else 256 + hidden.index(byte)) for byte in range(256)]
