"""The two-beat answer: quotes at once, then a model's prose, checked.

In: a question, its quotes, a model that may still be loading or downloading. Out: pieces of prose as they
come, and an `Answer` in which only checked sentences count. It does not search, print or draw.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace

from rag import models, prompts
from rag.citations import check
from rag.errors import ModelFailed, ModelUnavailable, PromptTooLong, RagError
from rag.gate import Judgement
from rag.llama import LlamaModel
from rag.llm import ChatModel, Piece, PieceStream, ServerModel
from rag.records import Answer, Progress, Quote, Sentence, Turn, Usage
from rag.settings import Settings

_POLL_SECONDS = 0.1


def is_here(spec: str) -> bool:
    """Whether the model that ``spec`` names can be loaded without fetching anything."""
    name = spec or models.DEFAULT
    return models.find(name) is not None if name in models.CATALOGUE else True


class _Abandoned(Exception):
    """Nobody waits for the model any more."""


class ModelLoader:
    """Finds, pulls and loads the chat model in a thread, so that the quotes need not wait for it."""

    def __init__(self, settings: Settings, model: ChatModel | None = None) -> None:
        """Load nothing yet; ``model`` is one that is there already."""
        self._settings = settings
        self._future: Future[tuple[ChatModel, str]] | None = None
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._state: tuple[int, int | None, str] | None = None
        if model:
            self._future = Future()
            self._future.set_result((model, ""))

    def preload(self) -> None:
        """Begin to load a model whose file is here; forget an attempt that failed, for a new question."""
        with self._lock:
            if self._future and self._future.done() and self._future.exception():
                self._future = None
        if is_here(self._settings.model):
            self._begin()

    def _begin(self) -> Future[tuple[ChatModel, str]]:
        with self._lock:
            if self._future is None:
                self._future = Future()
                # A daemon, so that Ctrl-C in the middle of a gigabyte ends the process; what has come is kept.
                threading.Thread(target=self._run, args=(self._future,), name="model-loader", daemon=True).start()
            return self._future

    def wait(self, *, stop: threading.Event, progress: Progress | None = None) -> tuple[ChatModel, str]:
        """The model, and a note if it stands in for another; ``progress`` is told of a download meanwhile.

        Raises ModelUnavailable and ModelFailed, and returns to nobody (`_Abandoned`) once ``stop`` is set.
        """
        future = self._begin()
        while not future.done():
            if stop.wait(_POLL_SECONDS):
                raise _Abandoned
            if progress and self._state:
                progress(*self._state)
        return future.result()

    def close(self) -> None:
        """Give the model up, loaded or not."""
        self._closed.set()
        if self._future and self._future.done() and not self._future.exception():
            self._future.result()[0].close()

    def _run(self, future: Future[tuple[ChatModel, str]]) -> None:
        try:
            model, note = self._load()
            future.set_result((model, note))
        except BaseException as error:
            future.set_exception(error)
            return
        if self._closed.is_set():
            model.close()

    def _load(self) -> tuple[ChatModel, str]:
        settings = self._settings
        found = models.resolve(settings.model, progress=self._progress)
        if found.model and not found.model.answers:
            raise ModelUnavailable(
                f"{found.name} is too small to answer from sources.", remedy="Name another with --model."
            )
        if found.url:
            server = ServerModel(found.url, context_tokens=settings.context_tokens, seed=settings.seed)
            note = f"The question and its quotes are sent to {found.url}." if server.remote else ""
            return server, note
        assert found.path is not None
        model = LlamaModel(
            found.path,
            name=found.name,
            context_tokens=settings.context_tokens,
            threads=settings.threads,
            seed=settings.seed,
        )
        return model, found.note

    def _progress(self, done: int, total: int | None, what: str) -> None:
        if self._closed.is_set():
            raise _Abandoned
        self._state = (done, total, what)


class Reply:
    """One question being answered: `quotes` are there at once; iterate for the prose; then read `answer`.

    Iterating yields text as the model writes it, not yet checked; closing it stops the model. ``gate`` is what the
    evidence was found to bear; ``note`` says who of those asked is not quoted, why there is no prose, or which model
    stands in, as soon as that is known.
    """

    def __init__(
        self,
        question: str,
        quotes: tuple[Quote, ...],
        *,
        gate: Judgement,
        loader: ModelLoader | None,
        settings: Settings,
        history: Sequence[Turn] = (),
        seconds: Mapping[str, float],
        progress: Progress | None = None,
    ) -> None:
        """Answer ``question`` from ``quotes`` with the loader's model; none means that quotes are wanted."""
        self.question = question
        self.quotes = quotes
        self.gate = gate
        self.refused = gate.verdict == "refuse"
        self.note = "" if self.refused else gate.reason
        self._loader = loader if gate.verdict == "answer" else None
        self._settings = settings
        self._history = tuple(history)
        self._seconds = dict(seconds)
        self._progress = progress
        self._stop = threading.Event()
        self._running: PieceStream | None = None
        self._prose: list[str] = []
        self._thinking: list[str] = []
        self._usage = Usage()
        self._model: ChatModel | None = None
        self._started = time.monotonic()
        self._ended: float | None = None
        self._pieces = self._generate()

    def __iter__(self) -> Iterator[str]:
        """The pieces of prose, without the thought."""
        return (piece.text for piece in self.stream() if piece.text and not piece.thought)

    def stream(self) -> Iterator[Piece]:
        """The pieces of thought and prose, each marked as what it is; a second call goes on where the first was."""
        return self._pieces

    def close(self) -> None:
        """Stop the model; may be called from any thread, and twice."""
        self._stop.set()
        if self._running:
            self._running.close()

    @property
    def answer(self) -> Answer:
        """The checked answer; waits for the prose to end, unless it was closed."""
        if not self._stop.is_set():
            for _ in self._pieces:
                pass
        seconds = {**self._seconds, **self._usage.seconds, "total": self._seconds["search"] + self._elapsed()}
        answer = Answer(
            self.question,
            "",
            (),
            self.quotes,
            refused=self.refused,
            thinking="".join(self._thinking).strip(),
            model=self._model.name if self._model else None,
            usage=replace(self._usage, seconds=seconds),
            note=self.note,
            support=self.gate.score,
        )
        if self.refused:
            return replace(answer, text=f"{prompts.REFUSAL} {self.gate.reason}")
        return _with_prose(answer, "".join(self._prose))

    def _elapsed(self) -> float:
        return (self._ended or time.monotonic()) - self._started

    def _generate(self) -> Iterator[Piece]:
        if self._loader is None:
            self._ended = self._started
            return
        try:
            self._model, note = self._loader.wait(stop=self._stop, progress=self._progress)
            self.note = f"{self.note} {note}".strip()
            self._seconds["load"] = self._elapsed()
            yield from self._write(self._model)
        except _Abandoned:
            return
        except (ModelUnavailable, ModelFailed, PromptTooLong) as error:
            self.note = f"{self.gate.reason} {_why_no_prose(error)}".strip()
        finally:
            self._ended = time.monotonic()

    def _write(self, model: ChatModel) -> Iterator[Piece]:
        thinking, answering = self._settings.thinking_tokens, self._settings.answer_tokens
        turns = self._turns(model)
        self._running = model.stream(turns, thinking_tokens=thinking, answer_tokens=answering)
        try:
            for piece in self._running:
                if self._stop.is_set():
                    return
                (self._thinking if piece.thought else self._prose).append(piece.text)
                self._usage = piece.usage or self._usage
                yield piece
        finally:
            self._running.close()

    def _turns(self, model: ChatModel) -> tuple[Turn, ...]:
        """As many quotes as the context has room for, best first; earlier turns go before quotes do."""
        budget = {"thinking_tokens": self._settings.thinking_tokens, "answer_tokens": self._settings.answer_tokens}
        for history in (self._history, ()):
            turns = prompts.question_turns(self.question, self.quotes, history)
            if model.fits(turns, **budget):
                return turns
        for count in range(len(self.quotes) - 1, 0, -1):
            turns = prompts.question_turns(self.question, self.quotes[:count])
            if model.fits(turns, **budget):
                return turns
        return turns


def _with_prose(answer: Answer, prose: str) -> Answer:
    """Judge the prose: what survives is the answer; NOT_FOUND with nothing that survives is a refusal."""
    declined = prompts.NOT_FOUND in prose
    sentences = check(prose.replace(prompts.NOT_FOUND, ""), answer.quotes)
    text = " ".join(cited(sentence) for sentence in sentences if sentence.verdict == "checked")
    if declined and not text:
        return replace(answer, text=prompts.REFUSAL, sentences=sentences, refused=True)
    return replace(answer, text=text, sentences=sentences)


def cited(sentence: Sentence) -> str:
    """A sentence with its labels before the full stop: "… wrong [1]."."""
    labels = "".join(f"[{label}]" for label in sentence.labels)
    stem = sentence.text.rstrip(".,;: ")
    return f"{stem} {labels}." if stem != sentence.text else f"{sentence.text} {labels}"


def _why_no_prose(error: RagError) -> str:
    return f"{error} The quotes are the answer. {error.remedy}".strip()
