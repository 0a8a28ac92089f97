"""The main path, and the one place where concrete classes meet: open, sync, search, ask.

In: settings, a question. Out: hits, and a `Reply` whose quotes are there at once and whose prose streams
after them. It does not print, draw or parse arguments.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Self

from rag import indexing
from rag.answering import Reply
from rag.conditions import Conditions, asked, check_count, encodable
from rag.embedding import Embedder, SentenceTransformerEmbedder, begin
from rag.errors import CorpusMissing, IndexBusy, IndexLocked, IndexMissing, ModelUnavailable, RagError
from rag.facets import Facets
from rag.gate import GATE, Gate, Judgement, Notes, gate_for, judge
from rag.history import History, history, remember
from rag.houses import use
from rag.llm import ChatModel
from rag.loading import ModelLoader, generation
from rag.modelfiles import CATALOGUE, ModelFile
from rag.ownership import ownership
from rag.questions import subject
from rag.quoting import choose_quotes
from rag.records import Exchange, Hit, Progress, Quote, SyncReport
from rag.reranking import Reranker
from rag.retrieval import Retriever, Search
from rag.scanning import require_corpus
from rag.settings import Settings
from rag.status import Status, status
from rag.store import Catalogue
from rag.upkeep import Upkeep
from rag.vectors import ChromaVectors, ExactVectors, NearestVectors, discard

if TYPE_CHECKING:
    from rag.comparing import Comparison
    from rag.contents import Contents, Listing
    from rag.passages import Opened
    from rag.starters import Starters


class Assistant:
    """Answers questions about one corpus; use it as a context manager."""

    def __init__(
        self,
        settings: Settings,
        *,
        embedder: Embedder,
        model: ChatModel | None = None,
        models: Mapping[str, ModelFile] = CATALOGUE,
    ) -> None:
        """Use `open`."""
        self.settings = settings
        self._embedder = embedder
        self._fingerprint = indexing.fingerprint(embedder, words=settings.chunk_words, houses=settings.houses)
        self._catalogue: Catalogue | None = None
        self._vectors: NearestVectors | None = None
        self._owner = False
        self._rebuild = False
        self._lock = threading.Lock()
        self.upkeep = Upkeep(settings.corpus, self.sync)
        self._open = ExitStack()
        self.loader = ModelLoader(settings, model, models)
        self._reranker = Reranker(settings.rerank_model) if settings.rerank_model else None

    @classmethod
    def open(
        cls,
        settings: Settings,
        *,
        embedder: Embedder | None = None,
        model: ChatModel | None = None,
        models: Mapping[str, ModelFile] = CATALOGUE,
        own: bool = False,
        rebuild: bool = False,
    ) -> Assistant:
        """Open the index that ``settings`` name, if there is one.

        ``own`` takes the index for as long as the assistant is open and searches with Chroma; without it the
        vectors are scanned exactly, which spares a single question the second that Chroma takes to start.
        ``rebuild`` leaves the index that is there unopened: the next `sync` puts a new one in its place.
        Raises IndexStale, IndexBusy (only with ``own``), IndexDamaged, ModelUnavailable and SettingsError.
        """
        use(settings.houses)
        embedder = embedder or SentenceTransformerEmbedder(settings.embedding_model)
        assistant = cls(settings, embedder=embedder, model=model, models=models)
        try:
            if own:
                assistant._open.enter_context(ownership(settings.index))
                assistant._owner = True
            assistant._rebuild = rebuild
            with contextlib.suppress(IndexMissing):
                if not rebuild:
                    assistant._catalogue = Catalogue.open(settings.index, fingerprint=assistant._fingerprint)
        except BaseException:
            assistant.close()
            raise
        return assistant

    def __enter__(self) -> Self:
        """Return the assistant itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close everything."""
        self.close()

    def close(self) -> None:
        """Stop the model and all upkeep, and let go of the index."""
        self.upkeep.close()
        self.loader.close()
        self._forget_catalogue()
        self._open.close()

    @property
    def indexed(self) -> bool:
        """Whether there is an index to search."""
        return self._catalogue is not None

    def sync(
        self, *, settle: float = 0.0, stop: threading.Event | None = None, progress: Progress | None = None
    ) -> SyncReport:
        """Make the index equal the corpus, building it if there is none.

        A file that was written to in the last ``settle`` seconds is left for another time. Unless the assistant
        was opened with ``own``, no other thread may search meanwhile. One that is under way is waited for; `upkeep`
        tells of it. Raises IndexBusy and CorpusMissing, and `rag.indexing.Stopped` soon after ``stop`` is set.
        """
        return self.upkeep.run(lambda stop, progress: self._sync(settle, stop, progress), stop, progress)

    def _sync(self, settle: float, stop: threading.Event, progress: Progress) -> SyncReport:
        with contextlib.nullcontext() if self._owner else ownership(self.settings.index):
            require_corpus(self.settings.corpus)
            self._open_catalogue()
            assert self._catalogue is not None
            report = indexing.sync(
                self.settings.corpus,
                self._catalogue,
                self._embedder,
                words=self.settings.chunk_words,
                houses=self.settings.houses,
                settle=settle,
                stop=stop,
                progress=progress,
            )
            remember(self._catalogue, report, datetime.now(UTC))
            if self._owner:
                self._nearest()
            return report

    def follow(
        self, stop: threading.Event, tell: Callable[[SyncReport], None], complain: Callable[[RagError], None]
    ) -> None:
        """Keep the index equal to the corpus until ``stop`` is set; see `rag.watching.follow`.

        Others may search meanwhile, so the assistant must have been opened with ``own``. Raises ValueError.
        """
        if not self._owner:
            raise ValueError("open the assistant with own=True to follow the corpus")
        self.upkeep.follow_until(stop, tell, complain)

    def _open_catalogue(self) -> None:
        """Have the catalogue that lies on disk now: another process may have made or replaced it meanwhile."""
        if self._owner and self._catalogue:
            return
        self._forget_catalogue()
        if not self._rebuild:
            with contextlib.suppress(IndexMissing):
                self._catalogue = Catalogue.open(self.settings.index, fingerprint=self._fingerprint)
        if self._catalogue is None:
            discard(self.settings.index)
            self._catalogue = Catalogue.create(self.settings.index, fingerprint=self._fingerprint)
            self._catalogue.remember(GATE, gate_for(self._embedder.fingerprint).dumps())
        self._rebuild = False

    def _forget_catalogue(self) -> None:
        if self._vectors:
            self._vectors.close()
        if self._catalogue:
            self._catalogue.close()
        self._vectors = self._catalogue = None

    def search(
        self,
        question: str,
        k: int = 10,
        *,
        house: str | Sequence[str] | None = None,
        since: str | date | None = None,
        until: str | date | None = None,
        voice: str | None = None,
        kind: str | None = None,
        as_of: str | date | None = None,
    ) -> list[Hit]:
        """The ``k`` best passages for ``question``; ``until`` is a day that still counts.

        ``voice`` is ``own`` (the author's words) or ``quoted`` (somebody else's, in the author's document), ``kind``
        ``email`` or ``note``. ``as_of`` is the day that "last week" counts from, today by default. Raises IndexMissing
        and SettingsError.
        """
        retriever = self._retriever()
        check_count(k)
        limits = Conditions(house, since, until, voice, kind, as_of)
        query = retriever.understand(asked(question), limits.today())
        return list(retriever.search(query, k=k, filters=limits.filters()).hits)

    def ask(
        self,
        question: str,
        history: Sequence[Exchange] = (),
        *,
        house: str | Sequence[str] | None = None,
        since: str | date | None = None,
        until: str | date | None = None,
        voice: str | None = None,
        kind: str | None = None,
        as_of: str | date | None = None,
        k: int | None = None,
        quotes_only: bool = False,
        progress: Progress | None = None,
    ) -> Reply:
        """Answer ``question`` from the ``k`` best quotes; the model loads behind them.

        A question that leans on those before it ("and Citi?") is completed from ``history``, the `Reply.exchange` of
        each, oldest first; `Reply.searched` is what it became. The filters are those of `search`; ``progress`` is told
        of a model's download. Raises IndexMissing and SettingsError; a model that is not to be had is no error: the
        reply says so and its quotes are the answer.
        """
        started = time.monotonic()
        retriever = self._retriever()
        index = self._state()
        limits = Conditions(house, since, until, voice, kind, as_of)
        filters = limits.filters()
        question = asked(question)
        searched = question
        if history:
            from rag.followups import completed  # 11 ms that a first question need not wait for

            searched = completed(question, history, people=retriever.people())
        query = retriever.understand(searched, limits.today())
        usual = self.settings.quotes or generation(self.settings.model, self.loader.catalogue).quotes
        count = usual if k is None else k
        check_count(count)
        found = retriever.search(query, k=4 * count, filters=filters)
        gate = self._judge(found)
        quotes = choose_quotes(found, limit=count)
        if gate.verdict == "answer" and not quotes_only:
            self.loader.preload()  # only now: llama.cpp's module takes from the search 0.05 s, and gains nothing
        return Reply(
            question,
            quotes,
            found=found,
            gate=gate,
            loader=None if quotes_only else self.loader,
            settings=self.settings,
            seconds={"search": time.monotonic() - started},
            index=index,
            conditions=limits,
            progress=progress,
        )

    def compare(
        self,
        claim: str,
        *,
        house: str | Sequence[str] | None = None,
        since: str | date | None = None,
        until: str | date | None = None,
        voice: str | None = None,
        kind: str | None = None,
        as_of: str | date | None = None,
        k: int | None = None,
    ) -> Comparison:
        """What each house says of ``claim``, a row each, ``k`` at most.

        The filters are those of `search`; houses that the claim names are the only ones. Raises IndexMissing and
        SettingsError.
        """
        from rag.comparing import compare

        retriever = self._retriever()
        limits = Conditions(house, since, until, voice, kind, as_of)
        query = retriever.understand(asked(claim), limits.today())
        found = retriever.by_house(query, per=_COMPARED, filters=limits.filters())
        return compare(query.text, {name: choose_quotes(one, limit=3) for name, one in found.items()}, limit=k)

    def adopt(self, gate: Gate) -> None:
        """Judge evidence by ``gate`` from now on, in every process that opens this index. Raises IndexMissing."""
        self._retriever()
        assert self._catalogue is not None
        self._catalogue.remember(GATE, gate.dumps())

    def preload(self) -> None:
        """Begin to load the chat model, if its file is here, and the embedding model."""
        self.loader.preload()
        begin(self._embedder)

    def choose(self, model: str) -> None:
        """Have another model answer from the next question on; see `rag.loading.ModelLoader.choose`."""
        self.settings = replace(self.settings, model=self.loader.choose(model))

    def refresh(self, *, progress: Progress | None = None) -> tuple[SyncReport | None, str]:
        """Sync if the corpus has changed: the report, or None, and a note if the index could not be brought up to date.

        With an index that can be searched, a missing corpus or a busy index is a note and no error.
        """
        try:
            if self._catalogue and not indexing.pending(self.settings.corpus, self._catalogue):
                return None, ""
            return self.sync(progress=progress), ""
        except (IndexBusy, CorpusMissing, IndexLocked) as error:
            if self._catalogue is None:
                raise
            return None, f"{error} The answer comes from the index as it is. {error.remedy}"

    def entries(
        self,
        text: str = "",
        *,
        offset: int = 0,
        house: str | Sequence[str] | None = None,
        since: str | date | None = None,
        until: str | date | None = None,
        voice: str | None = None,
        kind: str | None = None,
    ) -> Listing:
        """A page of what is in the index; see `rag.contents`. Raises IndexMissing and SettingsError."""
        return self.contents.entries(
            Conditions(house, since, until, voice, kind).filters(), encodable(text), offset=offset
        )

    @property
    def contents(self) -> Contents:
        """Everything that is in the index, to look through. Raises IndexMissing."""
        return self._known().contents

    def passage(self, document_id: str, start: int = 0, end: int = 0) -> Opened:
        """A passage in its whole document. Raises IndexMissing and PassageGone."""
        from rag.passages import opened

        return opened(self._known(), encodable(document_id), start, end)

    def source(self, document_id: str) -> str:
        """A document as it was sent; see `rag.passages.source`. Raises IndexMissing and PassageGone."""
        from rag.passages import source

        return source(self._known(), self.settings.corpus, encodable(document_id))

    @cached_property
    def _starters(self) -> Starters:
        from rag.starters import Starters

        return Starters(self._first_quote, lambda claim, houses: self.compare(claim, house=houses))

    def starters(self) -> tuple[str, ...]:
        """Questions to begin with, of which the index answers each; none while it cannot be searched."""
        with contextlib.suppress(IndexMissing, ModelUnavailable):
            return self._starters.questions(self.contents)
        return ()

    def claims(self) -> tuple[str, ...]:
        """Claims to begin with, on which several houses speak; none while the index cannot be searched."""
        with contextlib.suppress(IndexMissing, ModelUnavailable):
            return self._starters.claims(self.contents)
        return ()

    def subject(self, question: str) -> str:
        """What ``question`` is about, without who is asked."""
        return subject(question, self._catalogue.people() if self._catalogue else ())

    def _first_quote(self, question: str) -> Quote | None:
        reply = self.ask(question, quotes_only=True)
        return next(iter(reply.quotes), None) if reply.gate.verdict == "answer" else None

    def history(self) -> History:
        """What the last syncs did. Raises IndexMissing."""
        return history(self._known())

    def facets(self) -> Facets:
        """What a question can be limited to, with counts of documents; nothing where there is no index."""
        return self._catalogue.facets() if self._catalogue else Facets()

    def status(self) -> Status:
        """Describe corpus, index and model; loads nothing heavy."""
        return status(self.settings, self._catalogue, self.loader.catalogue)

    def _known(self) -> Catalogue:
        if self._catalogue is None:
            raise IndexMissing(f"There is no index in {self.settings.index}.", remedy="Build it: rag index")
        return self._catalogue

    def _retriever(self) -> Retriever:
        return Retriever(
            self._known(),
            self._nearest(),
            self._embedder,
            candidates=self.settings.candidates,
            rerank=self._reranker.score if self._reranker else None,
        )

    def _state(self) -> dict[str, str | int]:
        """Which index this is, and in which state."""
        catalogue = self._catalogue
        assert catalogue is not None
        return {
            "identity": catalogue.identity,
            "generation": catalogue.generation,
            "fingerprint": catalogue.fingerprint,
        }

    def _judge(self, found: Search) -> Judgement:
        catalogue = self._catalogue
        assert catalogue is not None
        stored = catalogue.fact(GATE)
        gate = (Gate.loads(stored) if stored else None) or gate_for(self._embedder.fingerprint)
        notes = Notes(
            houses=catalogue.houses(),
            dates=catalogue.dates(),
            occurs=lambda word: catalogue.frequencies([word])[word] > 0,
        )
        return judge(found, gate, notes)

    def _nearest(self) -> NearestVectors:
        assert self._catalogue is not None
        with self._lock:  # whoever asks and whoever watches may be the first
            if self._vectors is None:
                self._vectors = ChromaVectors(self._catalogue) if self._owner else ExactVectors(self._catalogue)
            return self._vectors


# Hits of each house, of whose best lines the three best are compared with the claim.
_COMPARED = 8
