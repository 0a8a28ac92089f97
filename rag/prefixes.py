"""What a model makes of the words that every prompt begins with, kept from one process to the next.

In: a context of llama.cpp, and the tokens of a text that is ours alone. Out: the context as if it had read them. No
word of a mail or a question comes here: what is kept on disk says nothing of what was asked. It does not know what
the tokens mean.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from rag.atomic import write_atomically

# Raise it when a context is opened differently (kind of cache, flash attention): its states are then others.
_VERSION = 1
KEPT_BYTES = 200_000_000
"""What is kept at most: the rules of our prompt take 3.4 MB for a 1.5B and 26 MB for a 14B."""

# Metadata and vocabulary come first in a GGUF. Two that were fitted from one model differ in weights alone, and where
# times are made equal, as in the layers of a container, only their places tell them apart.
_HEAD = 65_536


def default_folder() -> Path:
    """The folder of the prefixes in the user's cache."""
    from platformdirs import user_cache_path

    return user_cache_path("rag", appauthor=False) / "prefixes"


class Prefixes:
    """The states of one model, a file each; a disk that is full or may not be written to keeps none.

    A file is a sha256 and the state of llama.cpp that it is of, for llama.cpp ends the process on a damaged one. It
    fits one model file, one build of llama.cpp and one kind of context, and is named after them and its tokens.
    """

    def __init__(self, folder: Path, gguf: Path, *, model: int) -> None:
        """Keep states of ``model``, which was loaded from ``gguf``, in ``folder``."""
        import llama_cpp

        self._folder = folder
        status = gguf.stat()
        with gguf.open("rb") as opened:
            head = hashlib.sha256(opened.read(_HEAD)).hexdigest()
        build = llama_cpp.llama_print_system_info().decode("utf-8", "replace")
        file = [str(gguf.resolve()), status.st_ino, status.st_size, status.st_mtime_ns, head]
        self._identity = [_VERSION, *file, llama_cpp.__version__, build]
        # A window or a recurrent state forgets: there what was kept is not all that was read (llama.cpp#25295).
        self._whole = not (
            llama_cpp.llama_model_n_swa(model)
            or llama_cpp.llama_model_is_recurrent(model)
            or llama_cpp.llama_model_is_hybrid(model)
        )

    def load(self, context: int, ids: Sequence[int]) -> bool:
        """Let ``context``, which is empty, have read ``ids``; false where that is not kept, and it is empty still."""
        import llama_cpp

        path = self._path(ids)
        try:
            kept = path.read_bytes()
        except OSError:
            return False
        state = kept[hashlib.sha256().digest_size :]
        if kept == _sealed(state):
            buffer = (ctypes.c_uint8 * len(state)).from_buffer_copy(state)
            read = llama_cpp.llama_state_seq_set_data(context, buffer, len(state), 0)
            memory = llama_cpp.llama_get_memory(context)
            if read == len(state) and llama_cpp.llama_memory_seq_pos_max(memory, 0) == len(ids) - 1:
                with contextlib.suppress(OSError):  # a cache that may only be read
                    os.utime(path)
                return True
            llama_cpp.llama_memory_clear(memory, True)
        with contextlib.suppress(OSError):
            path.unlink()
        return False

    def save(self, context: int, ids: Sequence[int]) -> None:
        """Keep what ``context`` has read, which is ``ids`` and no more."""
        import llama_cpp

        if not self._whole:
            return
        buffer = (ctypes.c_uint8 * llama_cpp.llama_state_seq_get_size(context, 0))()
        size = llama_cpp.llama_state_seq_get_data(context, buffer, len(buffer), 0)
        try:
            self._make_room(size)
            write_atomically(self._path(ids), _sealed(bytes(buffer[:size])))
        except OSError:
            return  # the next process reads the rules again, which takes a second

    def _path(self, ids: Sequence[int]) -> Path:
        name = hashlib.sha256(json.dumps([*self._identity, list(ids)]).encode()).hexdigest()
        return self._folder / f"{name}.kv"

    def _make_room(self, size: int) -> None:
        """Remove what was not used for longest."""
        for path in sorted(self._folder.glob("*.kv*"), key=lambda path: -path.stat().st_mtime):
            size += path.stat().st_size
            if size > KEPT_BYTES:
                path.unlink(missing_ok=True)


def _sealed(state: bytes) -> bytes:
    return hashlib.sha256(state).digest() + state
