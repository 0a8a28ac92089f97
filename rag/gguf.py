"""A GGUF file opened by llama.cpp: its weights, and a context to read and write in.

In: a path, how much to remember, how many threads. Out: llama.cpp's pointers, which whoever asked for them frees. It
does not know what is read.
"""

from __future__ import annotations

import logging
import os
import platform
from pathlib import Path

from rag.errors import ModelFailed
from rag.tuning import threads_for

# Prompt tokens between two looks at the stop flag: 1.1 s of a 1.5B on two cores. 256 are 5 % faster and
# stop half as soon.
SLICE = 128

# More than any model has.
_ALL_LAYERS = 999


def open_gguf(path: Path, *, context_tokens: int, threads: int = 0, batch: int = SLICE) -> tuple[int, int]:
    """Load ``path`` and open a context that reads up to ``batch`` tokens at once; raises ModelFailed.

    ``threads`` 0 means those of `rag.tuning`.

    Where llama.cpp was built for a GPU, all layers go there; what does not fit, or does not load, runs on the CPU.
    """
    os.environ.setdefault("GGML_NO_BACKTRACE", "1")  # else a failed assertion starts gdb
    import llama_cpp

    # The package prints llama.cpp's log at this logger's level; what went wrong is said by our errors.
    logging.getLogger("llama-cpp-python").setLevel(logging.CRITICAL)
    llama_cpp.llama_backend_init()
    loaded = False
    for layers in (_ALL_LAYERS, 0) if llama_cpp.llama_supports_gpu_offload() else (0,):
        if model := _load(path, layers):
            loaded = True
            if context := _open_context(model, context_tokens, threads, batch):
                return model, context
            llama_cpp.llama_model_free(model)
    if loaded:
        raise ModelFailed(
            f"{path.name}: there is no memory for a context of {context_tokens} tokens.",
            remedy="Lower context_tokens, or use a smaller model.",
        )
    raise not_loadable(path)


def not_loadable(path: Path) -> ModelFailed:
    """The error for a file that is no GGUF, or one that llama.cpp does not know."""
    return ModelFailed(
        f"{path} is not a model that llama.cpp can load.",
        remedy="Pull it again, or check that the file is a complete GGUF of an architecture it knows.",
    )


def _load(path: Path, layers: int) -> int:
    import llama_cpp

    params = llama_cpp.llama_model_default_params()
    params.n_gpu_layers = layers
    # Repacked weights are for ARM. On x86 they bypass the tiled kernels: prefill of a 1.5B Q4_K_M fell
    # from 117 to 76 tokens/s for 19 to 21 in decoding, with 600 MB more memory.
    params.use_extra_bufts = platform.machine().lower() not in ("x86_64", "amd64")
    return int(llama_cpp.llama_model_load_from_file(os.fsencode(path), params) or 0) if path.is_file() else 0


def _open_context(model: int, context_tokens: int, threads: int, batch: int) -> int:
    import llama_cpp

    params = llama_cpp.llama_context_default_params()
    trained = llama_cpp.llama_model_n_ctx_train(model)
    params.n_ctx = min(context_tokens, trained) if trained > 0 else context_tokens
    params.n_batch = params.n_ubatch = batch
    used = threads_for(threads)
    params.n_threads, params.n_threads_batch = used.write, used.read
    # It halves prefill on ARM servers and gains nothing on x86 (llama.cpp#27086).
    params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
    return int(llama_cpp.llama_init_from_model(model, params) or 0)
