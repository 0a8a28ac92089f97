"""The tokens of a loaded GGUF: which are text, and which steer the model.

In: a loaded model, segments of a prompt. Out: token ids with no marker that our own text did not put there, and the
bytes of a token. It does not know what is asked, nor run a model.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

from rag.errors import ModelFailed
from rag.prompts import Family, Segment

_R1_MARKERS = frozenset(("<｜User｜>", "<｜Assistant｜>", "<think>", "</think>"))
_CHATML_MARKERS = frozenset(("<|im_start|>", "<|im_end|>"))


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The tokens of a loaded GGUF.

    ``bos`` is None where the model wants none; ``think`` are the ids of the tags that it has.
    """

    pointer: int
    family: Family
    bos: int | None
    think: tuple[int, ...]

    @classmethod
    def of(cls, model: int, name: str) -> Vocabulary:
        """Recognise the chat format by its markers; raises ModelFailed for one that `rag.prompts` lacks."""
        import llama_cpp

        pointer = llama_cpp.llama_model_get_vocab(model)
        single = {
            marker: ids[0]
            for marker in (*_R1_MARKERS, *_CHATML_MARKERS)
            if len(ids := _token_ids(pointer, marker, special=True)) == 1
        }
        think = tuple(single[tag] for tag in ("<think>", "</think>") if tag in single)
        bos = llama_cpp.llama_vocab_bos(pointer)
        if single.keys() >= _R1_MARKERS and bos >= 0:
            return cls(pointer, "r1", bos, think)
        if single.keys() >= _CHATML_MARKERS:
            return cls(pointer, "chatml", bos if llama_cpp.llama_vocab_get_add_bos(pointer) else None, think)
        raise ModelFailed(
            f"{name} has neither the chat markers of DeepSeek-R1 nor those of ChatML.",
            remedy="Serve it with llama-server and pass its URL.",
        )

    def is_marker(self, token: int) -> bool:
        """Say whether ``token`` steers a model instead of being text."""
        import llama_cpp

        return token in self.think or bool(
            llama_cpp.llama_vocab_is_control(self.pointer, token) or llama_cpp.llama_vocab_is_eog(self.pointer, token)
        )

    def prompt_ids(self, segments: Sequence[Segment]) -> list[int]:
        """Turn segments into ids, with one BOS if any; raises ModelFailed if plain text became a marker.

        Segments are tokenised apart, because llama.cpp finds control tokens anywhere in a text that is
        tokenised with them (llama.cpp#11270), and it would add a second BOS to a string that has one.
        """
        ids = [] if self.bos is None else [self.bos]
        for segment in segments:
            found = _token_ids(self.pointer, segment.text, special=segment.special)
            if not segment.special and any(map(self.is_marker, found)):
                raise ModelFailed(
                    "A chat marker in a source or in the question would have reached the model as a command.",
                    remedy="Ask with quotes only, and report the text as a bug.",
                )
            ids += found
        assert self.bos is None or ids.count(self.bos) == 1
        return ids

    def bytes_of(self, token: int) -> bytes:
        """Return the bytes of a token, which may be part of a character."""
        import llama_cpp

        size = 64
        while True:
            buffer = ctypes.create_string_buffer(size)
            length = llama_cpp.llama_token_to_piece(self.pointer, token, buffer, size, 0, False)
            if length >= 0:
                return buffer.raw[:length]
            size = -length


def _token_ids(vocabulary: int, text: str, *, special: bool) -> list[int]:
    import llama_cpp

    # Untrusted text may hold lone surrogates, which UTF-8 has no bytes for.
    raw = text.encode("utf-8", "replace")
    room = len(raw) + 8
    ids = (llama_cpp.llama_token * room)()
    count = llama_cpp.llama_tokenize(vocabulary, raw, len(raw), ids, room, False, special)
    assert count >= 0, "more tokens than bytes"
    return list(ids[:count])
