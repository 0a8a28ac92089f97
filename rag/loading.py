"""The chat model of a process: found, pulled and loaded in a thread; exchanged for another; measured.

In: settings that name a model, the catalogue. Out: a `Loaded` model for as long as somebody writes with it. It does
not know what is asked. Of two models only one is in memory: the next is loaded when the last is closed, and that is
when no reply writes with it any more.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

from rag import models
from rag.errors import ModelUnavailable, RagError
from rag.llm import ChatModel
from rag.modelfiles import CATALOGUE, DEFAULT, Generation, ModelFile
from rag.records import Progress
from rag.server import ServerModel, server_host
from rag.settings import Settings
from rag.speeds import Speed, measure, memory_free, memory_needed

_POLL_SECONDS = 0.1
# How long a model that is to go is kept for replies under way: a reply that nobody reads on would keep it for good.
_LAST_WORDS_SECONDS = 300.0


def is_here(spec: str, catalogue: Mapping[str, ModelFile] = CATALOGUE) -> bool:
    """Whether the model that ``spec`` names can be loaded without fetching anything."""
    name = spec or DEFAULT
    return models.find(name, catalogue=catalogue) is not None if name in catalogue else True


def generation(spec: str, catalogue: Mapping[str, ModelFile] = CATALOGUE) -> Generation:
    """How the model that ``spec`` names is asked."""
    name = spec or DEFAULT
    return catalogue[name].generation if name in catalogue else Generation()


def open_model(found: models.Resolved, settings: Settings) -> ChatModel:
    """Open what was found: a file in this process, or a server; raises ModelFailed."""
    if found.url:
        return ServerModel(found.url, context_tokens=settings.context_tokens, seed=settings.seed)
    assert found.path is not None
    from rag.llama import LlamaModel  # in the thread that loads: the first quote need not wait for it
    from rag.prefixes import default_folder

    return LlamaModel(
        found.path,
        name=found.name,
        context_tokens=settings.context_tokens,
        threads=settings.threads,
        seed=settings.seed,
        prefixes=default_folder(),
    )


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that is ready: how it is asked, what file it is, and a note if it stands in for another."""

    model: ChatModel
    found: models.Resolved
    note: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which model answers: ``name``, that of a stand-in where one does; and how far it is, in words.

    ``ready`` says that it is loaded; ``failed`` that it could not be, and ``told`` then has reason and remedy.
    """

    name: str
    ready: bool = False
    failed: bool = False
    told: str = ""


class Abandoned(Exception):
    """Nobody waits for the model any more."""


class ModelLoader:
    """Finds, pulls and loads the chat model in a thread, so that the quotes need not wait for it."""

    def __init__(
        self,
        settings: Settings,
        model: ChatModel | None = None,
        catalogue: Mapping[str, ModelFile] = CATALOGUE,
        *,
        patience: float = _LAST_WORDS_SECONDS,
    ) -> None:
        """Load nothing yet; ``model`` is one that is there already; replies are waited for ``patience`` seconds."""
        self._patience = patience
        self.catalogue = catalogue
        self.given = settings.model
        self._settings = settings
        self._future: Future[Loaded] | None = None
        self._changed = threading.Condition()
        self._writing = 0
        self._reserved = False
        self._closed = threading.Event()
        self._state: tuple[int, int | None, str] | None = None
        if model:
            self._future = Future()
            self._future.set_result(Loaded(model, models.Resolved(model.name)))

    @property
    def choice(self) -> Choice:
        """Which model answers now; loads nothing."""
        with self._changed:
            future, name, state = self._future, self._settings.model or DEFAULT, self._state
        if future is None:
            return Choice(name, told="It is loaded for the first question.")
        if not future.done():
            done, total, what = state or (0, None, "")
            return Choice(name, told=f"{what}, {done / total:.0%}" if total else "It is being loaded.")
        error = future.exception()
        if error is None:
            loaded = future.result()
            return Choice(loaded.found.name, ready=True, told=loaded.note)
        told = f"{error} {error.remedy}".strip() if isinstance(error, RagError) else "It could not be loaded."
        return Choice(name, failed=True, told=told)

    def preload(self) -> None:
        """Begin to load a model whose file is here; forget an attempt that failed, for a new question."""
        with self._changed:
            if self._future and self._future.done() and self._future.exception():
                self._future = None
        if is_here(self._settings.model, self.catalogue):
            self._begin()

    def choose(self, spec: str) -> str:
        """Let another model answer from the next question on, and begin to load it; returns the setting.

        ``spec`` is a name of the catalogue or what was given at the start: a path or a URL that a visitor of the page
        writes would have this process read any file, or ask any server. A reply under way ends with the model it has;
        then that is closed, and the new one loaded. Raises ModelUnavailable.
        """
        if spec != self.given and not models.known(spec, catalogue=self.catalogue).generation.prose:
            raise ModelUnavailable(f"{spec} is too small to answer from sources.", remedy="Choose another.")
        with self._changed:
            before = self._future
            if before and spec == self._settings.model and not (before.done() and before.exception()):
                return spec
            self._settings = replace(self._settings, model=spec)
            self._start(before)
        return spec

    def _begin(self) -> Future[Loaded]:
        with self._changed:
            return self._future or self._start(None)

    def _start(self, before: Future[Loaded] | None) -> Future[Loaded]:
        self._state, future = None, Future[Loaded]()
        self._future = future
        # A daemon, so that Ctrl-C in the middle of a gigabyte ends the process; what has come is kept.
        run = (future, self._settings, before)
        threading.Thread(target=self._run, args=run, name="model-loader", daemon=True).start()
        return future

    @contextmanager
    def using(self, *, stop: threading.Event, progress: Progress | None = None) -> Iterator[Loaded]:
        """The model, kept until the context ends; ``progress`` is told of a download meanwhile.

        Raises ModelUnavailable and ModelFailed, and returns to nobody (`Abandoned`) once ``stop`` is set.
        """
        loaded = None
        while loaded is None:
            future = self._begin()
            if not future.done() and progress and self._state:
                progress(*self._state)
            with self._changed:
                if future.done() and future is self._future and not self._reserved:
                    loaded = future.result()
                    self._writing += 1
            if loaded is None and stop.wait(0.0 if future.done() and not self._reserved else _POLL_SECONDS):
                raise Abandoned
        try:
            yield loaded
        finally:
            with self._changed:
                self._writing -= 1
                self._changed.notify_all()

    def measure(self, name: str, *, stop: threading.Event) -> Speed:
        """How fast a model of the catalogue reads and writes here, measured while no reply is written; remembered.

        Replies wait meanwhile, some seconds. Raises ModelUnavailable where its file is not here or where there is no
        memory for it beside the one in use, ModelFailed, and `Abandoned` once ``stop`` is set.
        """
        file = models.known(name, catalogue=self.catalogue)
        path = models.find(name, catalogue=self.catalogue)
        if path is None:
            raise ModelUnavailable(f"{name} is not here.", remedy="Pull it first.")
        threads = self._settings.threads
        with self._alone(stop) as loaded:
            if loaded and loaded.found.model == file:
                return measure(loaded.model, file.sha256, threads=threads, stop=stop)
            needed, free = memory_needed(file, self._settings.context_tokens), memory_free()
            if free is not None and needed > free:
                raise ModelUnavailable(
                    f"{name} takes about {needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free.",
                    remedy="Use it, which lets go of the other; then measure.",
                )
            with closing(open_model(models.Resolved(name, path=path, model=file), self._settings)) as model:
                return measure(model, file.sha256, threads=threads, stop=stop)

    @contextmanager
    def _alone(self, stop: threading.Event) -> Iterator[Loaded | None]:
        """Have nobody write with a model, nor load one; yields the one that is loaded."""
        deadline = time.monotonic() + self._patience
        with self._changed:
            while self._writing or self._reserved or (self._future and not self._future.done()):
                self._changed.wait(_POLL_SECONDS)
                if stop.is_set() or self._closed.is_set():
                    raise Abandoned
                if time.monotonic() > deadline:
                    raise ModelUnavailable("The model is busy with answers.", remedy="Measure again later.")
            self._reserved, future = True, self._future
        try:
            yield future.result() if future and not future.exception() else None
        finally:
            with self._changed:
                self._reserved = False
                self._changed.notify_all()

    def close(self) -> None:
        """Give the model up, loaded or not."""
        self._closed.set()
        if self._future and self._future.done() and not self._future.exception():
            self._future.result().model.close()

    def _run(self, future: Future[Loaded], settings: Settings, before: Future[Loaded] | None) -> None:
        def progress(done: int, total: int | None, what: str) -> None:
            self._check_wanted(future)
            self._state = (done, total, what)

        try:
            self._let_go(before)
            self._check_wanted(future)
            loaded = self._load(settings, progress)
        except BaseException as error:
            future.set_exception(error)
            return
        future.set_result(loaded)
        if self._closed.is_set():
            loaded.model.close()

    def _check_wanted(self, future: Future[Loaded]) -> None:
        if self._closed.is_set() or self._future is not future:
            raise Abandoned

    def _let_go(self, before: Future[Loaded] | None) -> None:
        """Wait until nobody writes or measures, and close the model that was there."""
        deadline = time.monotonic() + self._patience
        with self._changed:
            while not self._closed.is_set() and (self._reserved or (self._writing and time.monotonic() < deadline)):
                self._changed.wait(_POLL_SECONDS)
        if before and not before.exception():  # which waits for a model that is still being loaded
            before.result().model.close()

    def _load(self, settings: Settings, progress: Callable[[int, int | None, str], None]) -> Loaded:
        found = models.resolve(settings.model, progress=progress, catalogue=self.catalogue)
        if not found.generation.prose:
            raise ModelUnavailable(
                f"{found.name} is too small to answer from sources.", remedy="Name another with --model."
            )
        model = open_model(found, settings)
        # Of the URL the host alone: what stands before it may be a password, and every visitor reads this.
        host = server_host(found.url) if found.url and model.remote else ""
        note = f"Sent to {host}: the question and its quotes." if host else found.note
        return Loaded(model, found, note)
