"""A chat model in this process: a GGUF through llama.cpp.

In: turns and a GGUF file. Out: a stream of `Piece`s, thoughts apart from the answer, the last one with
the cost. It does not know what is asked, which file is the right one, or whether the answer is true. A
file's own chat template is never used: it is code from a stranger (CVE-2024-34359), and `rag.prompts`
has ours.
"""

from __future__ import annotations

import codecs
import contextlib
import ctypes
import itertools
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from rag.errors import ModelFailed, PromptTooLong
from rag.gguf import SLICE, not_loadable, open_gguf
from rag.llm import Ended, Floor, Piece, Stream
from rag.prefixes import Prefixes
from rag.prompts import CLOSE_THOUGHT, PREAMBLE, Segment, render
from rag.records import Turn, Usage
from rag.vocabulary import Vocabulary

# A span of this many tokens seen this often is a loop: an answer has at most 256 tokens and quotes once.
_SPAN, _SPAN_LIMIT = 12, 3
# Opening a GGUF on trial: the largest of the catalogue takes half a minute from a cold disk.
_TRIAL_SECONDS = 300.0
# DeepSeek's advice for R1 (README, "Usage Recommendations"); greedy thoughts run into loops.
_THOUGHT_TEMPERATURE, _TOP_P, _TOP_K = 0.6, 0.95, 40

# What Qwen3's own template gives a model that is not to think; without it, it opens a thought at once.
_EMPTY_THOUGHT = Segment("<think>\n\n</think>\n\n", special=True)


class _Flag:
    """A stop flag that llama.cpp reads without Python.

    It asks after every node of the graph, 750 times a token. Asked through Python, each one waits for the
    interpreter: with one other thread busy, decoding fell from 5.3 to 1.1 tokens/s. So the question is
    C's ``strlen``, and the flag a string that is empty or not.
    """

    def __init__(self) -> None:
        self.bytes = ctypes.create_string_buffer(2)

    def set(self) -> None:
        self.bytes[0] = b"\x01"

    def __bool__(self) -> bool:
        return self.bytes[0] != b"\x00"


def try_out(path: Path) -> None:
    """Open ``path`` in another process first; raises ModelFailed if that process dies of it.

    llama.cpp ends the process on what it does not expect: 4 of 260 GGUFs with a changed header did so.
    """
    code = "import sys; from rag.llama import open_and_read; open_and_read(sys.argv[1])"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-P", "-c", code, os.fspath(path)]
    try:
        subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TRIAL_SECONDS, check=True
        )
    except subprocess.SubprocessError as error:
        raise not_loadable(path) from error


def open_and_read(path: str) -> None:
    """Have a model read and write a little; what it says of itself is left to whoever opens it next."""
    with contextlib.suppress(ModelFailed):
        model = LlamaModel(Path(path), name=path, context_tokens=256)
        with contextlib.closing(model):
            list(model.stream([Turn("user", "Hello")], thinking_tokens=0, answer_tokens=1))


@dataclass(slots=True, eq=False)
class _Run:
    """A text that grows: the prompt, then what the model writes after it; and why that ended."""

    ids: list[int]
    flag: _Flag
    temperature: float
    ended: Ended = "done"


class LlamaModel:
    """A GGUF in this process, through llama.cpp; one stream runs at a time, others wait.

    A stream that is not asked for a piece for a second gives way to one that waits, and reads its text anew
    when it goes on. The context keeps what it has read, so a prompt that begins like the last one is read
    from about where they part.
    """

    remote = False

    def __init__(
        self,
        path: Path,
        *,
        name: str,
        context_tokens: int,
        threads: int = 0,
        seed: int = 0,
        prefixes: Path | None = None,
    ) -> None:
        """Load ``path``; ``threads`` 0 means those of `rag.tuning`; raises ModelFailed.

        In the folder ``prefixes`` it keeps what it makes of the rules that every question begins with.
        """
        model, self._context = open_gguf(path, context_tokens=context_tokens, threads=threads)
        import llama_cpp

        with contextlib.ExitStack() as owned:
            owned.callback(llama_cpp.llama_model_free, model)
            owned.callback(llama_cpp.llama_free, self._context)
            self._vocabulary = Vocabulary.of(model, path.name)
            self._prefixes = Prefixes(prefixes, path, model=model) if prefixes else None
            self._owned = owned.pop_all()
        self.name = name
        self.thinks = self._vocabulary.family == "r1"
        self._seed = seed
        self._room = int(llama_cpp.llama_n_ctx(self._context))
        self._closing = self._vocabulary.prompt_ids([CLOSE_THOUGHT])[self._vocabulary.bos is not None :]
        opening = render(self._vocabulary.family, [Turn("user", PREAMBLE)], think=False)[:2]
        self._preamble = self._vocabulary.prompt_ids(opening)
        self._read: list[int] = []
        self._start = 0  # where the slices of `_read` begin: behind the preamble, or at its first token
        self._whole = 0  # how many of `_read` came in whole slices
        self._run: _Run | None = None  # whose text `_read` is
        self._floor = Floor()
        self._vocabulary_lock = threading.Lock()  # held for moments, so that `fits` waits for no stream
        strlen = ctypes.CDLL("msvcrt" if os.name == "nt" else None).strlen
        self._asks = ctypes.cast(strlen, llama_cpp.ggml_abort_callback)

    def fits(self, turns: Sequence[Turn], *, thinking_tokens: int, answer_tokens: int) -> bool:
        """Say whether the context has room for the turns, the thought and the answer."""
        needed = len(self._prompt(turns, thinking_tokens)) + self._reserve(thinking_tokens, answer_tokens)
        return needed <= self._room

    def stream(
        self, turns: Sequence[Turn], *, thinking_tokens: int, answer_tokens: int, temperature: float = 0.0
    ) -> Stream:
        """Answer the last turn; iterating raises PromptTooLong and ModelFailed."""
        pieces = self._pieces(turns, thinking_tokens, answer_tokens, temperature, flag := _Flag())
        return Stream(pieces, flag.set, lambda: self._floor.before(flag))

    def close(self) -> None:
        """Stop what is running and free the memory; may be called twice."""
        self._floor.close()
        with self._vocabulary_lock:
            self._owned.close()
            self._context = 0

    def _prompt(self, turns: Sequence[Turn], thinking_tokens: int) -> list[int]:
        family, tags = self._vocabulary.family, self._vocabulary.think
        segments = render(family, turns, think=self.thinks and thinking_tokens > 0)
        if family == "chatml" and len(tags) == 2:
            segments.append(_EMPTY_THOUGHT)
        with self._vocabulary_lock:
            if not self._context:
                raise ModelFailed(f"{self.name} has been closed.", remedy="Open it again.")
            return self._vocabulary.prompt_ids(segments)

    def _reserve(self, thinking_tokens: int, answer_tokens: int) -> int:
        thought = thinking_tokens + len(self._closing) if self.thinks and thinking_tokens > 0 else 0
        return thought + answer_tokens

    def _pieces(
        self, turns: Sequence[Turn], thinking_tokens: int, answer_tokens: int, temperature: float, flag: _Flag
    ) -> Generator[Piece, None, None]:
        ids = self._prompt(turns, thinking_tokens)
        if len(ids) + self._reserve(thinking_tokens, answer_tokens) > self._room:
            raise PromptTooLong(
                f"The question and its sources take {len(ids)} tokens; {self.name} reads {self._room},"
                " the thought and the answer included.",
                remedy="Ask for fewer quotes, shorten the conversation, or raise context_tokens.",
            )
        run = _Run(ids, flag, temperature)
        with contextlib.closing(self._write(run, thinking_tokens, answer_tokens)) as pieces:
            try:
                while (piece := self._next(run, pieces)) and not flag:
                    yield piece
            finally:
                self._floor.leave(flag)

    def _next(self, run: _Run, pieces: Iterator[Piece]) -> Piece | None:
        """Work on the next piece while ``run`` has the context, which another may have had in between."""
        if not self._floor.take(run.flag):
            return None
        try:
            if self._run is not run:
                self._begin(run)
            return next(pieces, None)
        finally:
            self._floor.rest()

    def _write(self, run: _Run, thinking_tokens: int, answer_tokens: int) -> Generator[Piece, None, None]:
        started, prompt_tokens, reused = perf_counter(), len(run.ids), len(self._read)
        first, counts = 0.0, {True: 0, False: 0}
        for thought in (True, False) if self.thinks and thinking_tokens > 0 else (False,):
            decode = codecs.getincrementaldecoder("utf-8")("replace").decode
            for token in self._tokens(run, thinking_tokens if thought else answer_tokens, thought):
                text = ""
                if token is not None:
                    first = first or perf_counter() - started
                    counts[thought] += 1
                    text = decode(self._vocabulary.bytes_of(token))
                if text or token is None:
                    yield Piece(text, thought)
            if run.flag:
                return
            if thought:
                run.ids.extend(self._close_thought(run.ids))
        usage = Usage(prompt_tokens, reused, counts[True], counts[False], _seconds(started, first))
        yield Piece("", False, usage, run.ended)

    def _begin(self, run: _Run) -> None:
        """Keep what the context has read of ``run``'s text, in whole slices, at most all but the last token.

        The last token gives the logits. Whole slices, because other batches give other roundings: the same
        question, asked again after a cached prompt, had another answer. The preamble is a slice of its own: 118 of the
        268 tokens of a question, which are read once for all questions, or by another process.
        """
        import llama_cpp

        address = ctypes.cast(run.flag.bytes, ctypes.c_void_p)
        llama_cpp.llama_set_abort_callback(self._context, self._asks, address)
        pairs = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(self._read, run.ids[:-1], strict=False))
        kept = min(sum(1 for _ in pairs), self._whole)
        start = self._begins_with_preamble(run)
        kept = 0 if start != self._start or kept < start else kept - (kept - start) % SLICE
        memory = llama_cpp.llama_get_memory(self._context)
        if not llama_cpp.llama_memory_seq_rm(memory, 0, kept, -1):
            # A recurrent model has one state for all that it has read, and cannot go back.
            llama_cpp.llama_memory_clear(memory, True)
            kept = 0
        if start and not kept and self._prefixes and self._prefixes.load(self._context, self._preamble):
            self._read, kept = list(self._preamble), start
        del self._read[kept:]
        self._start, self._whole, self._run = start, kept, run

    def _begins_with_preamble(self, run: _Run) -> int:
        """The length of the preamble where ``run`` begins with it and goes on, else 0."""
        length = len(self._preamble)
        return length if len(run.ids) > length and run.ids[:length] == self._preamble else 0

    def _evaluate(self, run: _Run) -> Iterator[None]:
        """Read what is new in the text; yields after each slice of several tokens, ends early on the flag."""
        import llama_cpp

        ids, flag = run.ids, run.flag
        while not flag and len(self._read) < len(ids):
            done = len(self._read)
            part = ids[done : min(done + SLICE, self._start) if done < self._start else done + SLICE]
            array = (llama_cpp.llama_token * len(part))(*part)
            status = llama_cpp.llama_decode(self._context, llama_cpp.llama_batch_get_one(array, len(part)))
            if status and not flag:
                raise ModelFailed(
                    f"{self.name} broke while reading (llama_decode returned {status}).",
                    remedy="Ask again; if it stays, lower context_tokens or use another model.",
                )
            if not status:
                self._read += part
                if len(self._read) == self._start or (len(part) == SLICE and self._whole == done):
                    self._whole = len(self._read)
                if self._prefixes and len(self._read) == self._start:
                    self._prefixes.save(self._context, self._preamble)
            if len(part) > 1:
                yield

    def _tokens(self, run: _Run, limit: int, thought: bool) -> Iterator[int | None]:
        """Continue the text, which grows, up to a marker, ``limit`` tokens or a loop; None: sign of life."""
        import llama_cpp

        ids = run.ids
        spans: Counter[tuple[int, ...]] = Counter()
        run.ended = "done"
        with self._sampler(_THOUGHT_TEMPERATURE if thought else run.temperature) as sampler:
            start = len(ids)
            while len(ids) - start < limit:
                yield from self._evaluate(run)
                if run.flag:
                    return
                token = llama_cpp.llama_sampler_sample(sampler, self._context, -1)
                if self._vocabulary.is_marker(token):
                    if not thought and token in self._vocabulary.think[1:]:
                        run.ended = "thought"  # it was told not to think, and did
                    return
                ids.append(token)
                yield token
                if len(ids) - start >= _SPAN:
                    spans[span := tuple(ids[-_SPAN:])] += 1
                    if spans[span] == _SPAN_LIMIT:
                        run.ended = "loop"
                        return
            run.ended = "budget"

    @contextlib.contextmanager
    def _sampler(self, temperature: float) -> Iterator[int]:
        """Sample as DeepSeek advises (top-p 0.95); at no temperature take the likeliest token.

        There is no repetition penalty: it would punish exact quotes and repeated digits.
        """
        import llama_cpp

        chain = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
        try:
            if temperature > 0:
                for sampler in (
                    llama_cpp.llama_sampler_init_top_k(_TOP_K),
                    llama_cpp.llama_sampler_init_top_p(_TOP_P, 1),
                    llama_cpp.llama_sampler_init_temp(temperature),
                    llama_cpp.llama_sampler_init_dist(self._seed),
                ):
                    llama_cpp.llama_sampler_chain_add(chain, sampler)
            else:
                llama_cpp.llama_sampler_chain_add(chain, llama_cpp.llama_sampler_init_greedy())
            yield chain
        finally:
            llama_cpp.llama_sampler_free(chain)

    def _close_thought(self, ids: Sequence[int]) -> list[int]:
        """The ids that end a thought, without a second line break where the thought has one."""
        ended = self._vocabulary.bytes_of(ids[-1]).endswith(b"\n")
        return self._closing[self._closing.index(self._vocabulary.think[1]) if ended else 0 :]


def _seconds(started: float, first: float) -> Mapping[str, float]:
    """``first_token`` and ``prose`` follow each other: reading the prompt, then writing."""
    return {"first_token": first, "prose": perf_counter() - started - first}
