"""What this machine could do at best: llama.cpp without us, and how fast memory is read.

In: a GGUF file. Out: tokens a second and bytes a second. It does not know what we do with the same file.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from rag.errors import ModelFailed
from rag.gguf import open_gguf
from rag.tuning import Threads, logical_cores, physical_cores

READ, WRITTEN = 256, 48
"""Tokens that are read, and written after them."""

# Another number of threads has to be so much faster: less is the noise of a machine that does other things.
_FASTER = 1.1

# Many times the largest cache, so that it comes from memory.
_BYTES = 1 << 29
_ROUNDS = 4


def bandwidth(threads: int = 0, size: int = _BYTES) -> float:
    """The bytes that ``threads`` cores read from memory in a second, at best of some rounds."""
    rows = np.ones(size // 8, dtype=np.uint64)
    parts = np.array_split(rows, threads or physical_cores())
    best = 0.0
    with ThreadPoolExecutor(len(parts)) as cores:
        for _ in range(_ROUNDS):
            began = time.perf_counter()
            list(cores.map(np.bitwise_or.reduce, parts))
            best = max(best, rows.nbytes / (time.perf_counter() - began))
    return best


def raw_speed(path: Path, *, threads: int = 0) -> tuple[float, float]:
    """Tokens a second that llama.cpp alone reads, in one batch, and writes: the likeliest each time.

    Which tokens they are makes no difference to it. Raises ModelFailed.
    """
    import llama_cpp

    model, context = open_gguf(path, context_tokens=2 * (READ + WRITTEN), threads=threads, batch=READ)
    sampler = llama_cpp.llama_sampler_init_greedy()

    def read(tokens: Sequence[int]) -> int:
        """The likeliest token after ``tokens``; without logits, the sampler would end the process."""
        array = (llama_cpp.llama_token * len(tokens))(*tokens)
        if broken := llama_cpp.llama_decode(context, llama_cpp.llama_batch_get_one(array, len(tokens))):
            raise ModelFailed(f"{path.name} broke while it was measured (llama_decode returned {broken}).")
        return int(llama_cpp.llama_sampler_sample(sampler, context, -1))

    try:
        began = time.perf_counter()
        token = read(range(1000, 1000 + READ))
        middle = time.perf_counter()
        for _ in range(WRITTEN):
            token = read([token])
        ended = time.perf_counter()
    finally:
        llama_cpp.llama_sampler_free(sampler)
        llama_cpp.llama_free(context)
        llama_cpp.llama_model_free(model)
    return READ / (middle - began), WRITTEN / (ended - middle)


def try_threads(path: Path) -> Threads:
    """Find how many threads read and write fastest with the model at ``path``.

    Half a minute. A thread for each physical core is kept unless another number is clearly faster. Raises ModelFailed.
    """
    usual = physical_cores()
    # Half, for where the system does not tell fast cores from slow ones, as an Apple M1 has four of each.
    tried = {usual, max(1, usual - 1), max(1, usual // 2), logical_cores()}
    speeds = {count: [raw_speed(path, threads=count) for _ in range(2)] for count in sorted(tried)}
    read, write = (_best({count: max(pair[place] for pair in pairs) for count, pairs in speeds.items()}, usual)
                   for place in (0, 1))  # fmt: skip
    return Threads(read, write)


def _best(speeds: Mapping[int, float], usual: int) -> int:
    """The number of threads with the highest speed, if it is clearly above that of the ``usual`` one."""
    fastest = max(speeds, key=lambda count: speeds[count])
    return fastest if speeds[fastest] > _FASTER * speeds[usual] else usual
