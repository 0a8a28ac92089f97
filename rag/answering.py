"""The two-beat answer: quotes at once, then a model's prose, checked.

In: a question, its quotes, a model that may still be loading or downloading. Out: pieces of prose as they
come, and an `Answer` in which only checked sentences count. It does not search, print or draw.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace

from rag import prompts
from rag.conditions import Conditions
from rag.coverage import coverage
from rag.errors import ModelFailed, ModelUnavailable, PromptTooLong, RagError
from rag.figures import YEAR, figures
from rag.gate import Judgement
from rag.llm import ChatModel, Ended, Piece, PieceStream
from rag.loading import Abandoned, Loaded, ModelLoader
from rag.records import Answer, Exchange, Progress, Quote, Sentence, Turn, Usage
from rag.retrieval import Search
from rag.sentences import one_line
from rag.server import server_host
from rag.settings import THINKING_TOKENS, Settings
from rag.sought import sought, states
from rag.stems import stems
from rag.terms import index_terms


class Reply:
    """One question being answered: `quotes` are there at once; iterate for the prose; then read `answer`.

    Iterating yields text as the model writes it, not yet checked; closing it stops the model. ``searched`` is the
    question with what it left to those before it; ``gate`` is what the evidence was found to bear; ``note`` says who of
    those asked is not quoted, why there is no prose, or which model stands in, as soon as that is known. ``turns`` are
    what the model was sent, ``index`` names the index that was searched, ``conditions`` are what it
    was limited to, and its day.
    """

    def __init__(
        self,
        question: str,
        quotes: tuple[Quote, ...],
        *,
        found: Search,
        gate: Judgement,
        loader: ModelLoader | None,
        settings: Settings,
        seconds: Mapping[str, float],
        index: Mapping[str, str | int],
        conditions: Conditions,
        progress: Progress | None = None,
    ) -> None:
        """Answer from ``quotes`` of what was ``found``, with the loader's model; none means that quotes are wanted."""
        self.question = question
        self.searched = found.query.text
        self._found = found
        self.quotes = quotes
        self.gate = gate
        self.refused = gate.verdict == "refuse"
        self.note = "" if self.refused else gate.reason
        self.turns: tuple[Turn, ...] = ()
        self._loader = loader if gate.verdict == "answer" else None
        self.settings = settings
        self.index = index
        self.conditions = conditions
        self._seconds = dict(seconds)
        self._progress = progress
        self._stop = threading.Event()
        self._running: PieceStream | None = None
        self._prose: list[str] = []
        self._thinking: list[str] = []
        self._usage = Usage()
        self._ending: Ended = "done"
        self._loaded: Loaded | None = None
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
    def before(self) -> int:
        """How many other replies the model writes first."""
        return self._running.before if self._running else 0

    @property
    def exchange(self) -> Exchange:
        """What a later question may lean on: what was searched and shown, and nothing that a model wrote."""
        if self.refused:
            return Exchange(self.searched)
        shown = [one for quote in self.quotes for one in _figures(quote.text)]
        houses = (quote.hit.chunk.voice.house for quote in self.quotes)
        return Exchange(self.searched, tuple(dict.fromkeys(shown)), tuple(dict.fromkeys(filter(None, houses))))

    def model_digest(self) -> str | None:
        """The sha256 of the file of the model that wrote; None where none did, or a server's."""
        return self._loaded.found.digest() if self._loaded else None

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
            searched=self.searched,
            thinking="".join(self._thinking).strip(),
            model=self._loaded.model.name if self._loaded else None,
            usage=replace(self._usage, seconds=seconds),
            note=self.note,
            support=self.gate.score,
        )
        if self.refused:
            return replace(answer, text=f"{prompts.REFUSAL} {self.gate.reason}")
        stopped = self._stop.is_set() or self._ending != "done"
        return _no_less_than_quoted(_with_prose(answer, "".join(self._prose), unfinished=stopped), self._found)

    def _elapsed(self) -> float:
        return (self._ended or time.monotonic()) - self._started

    def _generate(self) -> Iterator[Piece]:
        if self._loader is None:
            self._ended = self._started
            return
        try:
            with self._loader.using(stop=self._stop, progress=self._progress) as loaded:
                self._check_known(loaded)
                self._loaded = loaded
                self.note = f"{self.note} {loaded.note}".strip()
                self._seconds["load"] = self._elapsed()
                yield from self._write(loaded)
        except Abandoned:
            return
        except (ModelUnavailable, ModelFailed, PromptTooLong) as error:
            self.note = f"{self.gate.reason} {_why_no_prose(error)}".strip()
        finally:
            self._ended = time.monotonic()

    def _check_known(self, loaded: Loaded) -> None:
        """Send nothing to a server that was chosen while this question waited: who asked was told otherwise."""
        url = loaded.found.url
        if url and loaded.model.remote and url != self.settings.model:
            raise ModelUnavailable(
                f"Meanwhile questions go to {server_host(url)}; this one was not sent.", remedy="Ask again to send it."
            )

    def _write(self, loaded: Loaded) -> Iterator[Piece]:
        how, model = loaded.found.generation, loaded.model
        wanted = THINKING_TOKENS[self.settings.think]
        weighed = self._found.query.kind in ("compare", "list")  # a look-up is worth no thought
        thinking = (how.thinking_tokens if weighed else 0) if wanted is None else wanted
        budget = {"thinking_tokens": thinking, "answer_tokens": self.settings.answer_tokens or how.answer_tokens}
        self.turns = self._fitting(model, budget)
        self._running = model.stream(self.turns, **budget, temperature=how.temperature)
        try:
            if self._stop.is_set():  # closed before there was a stream to close
                return
            for piece in self._running:
                if self._stop.is_set():
                    return
                (self._thinking if piece.thought else self._prose).append(piece.text)
                self._usage = piece.usage or self._usage
                self._ending = piece.ended
                if piece.ended == "thought":
                    self._thinking, self._prose = [*self._thinking, *self._prose], []
                yield piece
        finally:
            self._running.close()

    def _fitting(self, model: ChatModel, budget: Mapping[str, int]) -> tuple[Turn, ...]:
        """As many quotes as the context has room for, best first."""
        turns = prompts.question_turns(self.searched, self.quotes)
        for count in range(len(self.quotes) - 1, 0, -1):
            if model.fits(turns, **budget):
                break
            turns = prompts.question_turns(self.searched, self.quotes[:count])
        return turns


def _figures(text: str) -> list[str]:
    """The figures of ``text`` that may be asked about, as written: no dates, years or names."""
    found = (one for one in figures(text) if one.unit not in ("date", "name"))
    return [text[one.start : one.end] for one in found if not YEAR.fullmatch(text, one.start, one.end)]


def _with_prose(answer: Answer, prose: str, *, unfinished: bool) -> Answer:
    """Judge the prose: what survives is the answer, and if nothing does, the quotes are.

    A model that finds nothing in quotes which the gate lets pass is the weaker witness. Of ten unanswerable questions
    that had passed, the stand-in wrote NOT_FOUND to six, of 33 answerable ones to four; and most questions that are
    asked can be answered. So it is told, and the quotes stand.
    """
    prose, declined = _NOT_FOUND.subn("", prose)
    if prose.strip():
        from rag.citations import check  # 0.1 s, when the quotes have long been on the screen

        sentences = check(prose, answer.quotes, unfinished=unfinished)
    else:
        sentences = ()
    text = " ".join(cited(sentence) for sentence in sentences if sentence.verdict == "checked")
    note = f"{answer.note} {_DECLINED}".strip() if declined and not text else answer.note
    return replace(answer, text=text, sentences=sentences, note=note)


_NOT_FOUND = re.compile(rf"{prompts.NOT_FOUND}|^\W*not[ _]found\W*$", re.IGNORECASE | re.MULTILINE)
_DECLINED = "The model found no answer in these quotes; they are the nearest lines."


def _no_less_than_quoted(answer: Answer, found: Search) -> Answer:
    """The answer with the quote that says more of what was asked than its prose does, if there is one."""
    if not answer.text or answer.refused:
        return answer
    prose = " ".join(sentence.text for sentence in answer.sentences if sentence.verdict == "checked")
    ranked = sorted(answer.quotes, key=lambda quote: -_share(quote.text, found))
    best: Quote | None = ranked[0]
    if _share(prose, found) >= _AS_MUCH * _share(ranked[0].text, found):
        kind = sought(found.query)
        lacking = kind and not states(prose, kind)
        best = next((quote for quote in ranked if kind and states(quote.text, kind)), None) if lacking else None
    if best is None:
        return answer
    quoted = in_full(best)
    return replace(answer, text=f"{answer.text} {cited(quoted)}", sentences=(*answer.sentences, quoted))


def in_full(quote: Quote) -> Sentence:
    """A quote as a sentence of an answer: who says it, and all of its words."""
    words = prompts.inert(one_line(quote.text))  # or a mail that writes [9] would cite by our hand
    words = words if words[0] in '“"' else f"“{words}”"
    said = f"{prompts.speaker(quote.hit)}: {words}"
    return Sentence(said, (quote.label,), "quoted", "the prose says less of what was asked")


def _share(text: str, found: Search) -> float:
    """How much of the question a text speaks of."""
    return coverage(found.wants, frozenset(stems(text)), frozenset(index_terms(text)))


# Prose may leave this much of the best quote's share of the question unsaid.
_AS_MUCH = 0.7


def cited(sentence: Sentence) -> str:
    """A sentence with its labels before the full stop: "… wrong [1]."."""
    labels = "".join(f"[{label}]" for label in sentence.labels)
    stem = sentence.text.rstrip(".,;: ")
    return f"{stem} {labels}." if stem != sentence.text else f"{sentence.text} {labels}"


def _why_no_prose(error: RagError) -> str:
    return f"{error} The quotes are the answer. {error.remedy}".strip()
