"""The nouns that the stages pass to each other: frozen, slotted, without behaviour.

A file becomes `Document`s, a document `Chunk`s; a question finds `Hit`s, the best lines of the hits
become `Quote`s, a model's prose about the quotes becomes `Sentence`s, and all of it is one `Answer`.
Offsets are character positions in ``Document.text``, ``end`` exclusive. Dates are aware and in UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

Progress = Callable[[int, int | None, str], None]
"""Told what is done so far, the total if it is known, and what is being done; draws nothing itself."""

Role = Literal["author", "quoted"]
Stretch = Literal["words", "header", "signature", "disclaimer"]
Verdict = Literal["checked", "withheld", "quoted"]

VOICES: Mapping[str, Role] = {"own": "author", "quoted": "quoted"}
"""Whose words: the author's own, or somebody else's that the document quotes."""

KINDS = ("email", "note")
"""What a document can be; what is attached to a mail is one or the other, too."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file of the corpus; ``path`` is relative to the corpus root, with forward slashes."""

    path: str
    sha256: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Voice:
    """Who is speaking in ``text[start:end]``; ``quoted`` is anybody but the document's author.

    ``date`` is that of the quoted message, where it is given. ``cue`` is the span of the text that says who
    speaks here, and ``confidence`` how surely it says so, from 0 to 1.
    """

    start: int
    end: int
    house: str | None
    person: str | None
    role: Role
    stretch: Stretch = "words"
    date: datetime | None = None
    cue: tuple[int, int] | None = None
    confidence: float = 1.0

    @property
    def prose(self) -> bool:
        """Whether somebody says something here; signatures, disclaimers and header lines are not indexed."""
        return self.stretch == "words"


def voice_facts(voice: Voice) -> dict[str, object]:
    """A voice as JSON can hold it."""
    return {**asdict(voice), "date": voice.date.isoformat() if voice.date else None}


def voice_from(facts: Mapping[str, Any]) -> Voice:
    """The voice that `voice_facts` wrote down."""
    date, cue = facts["date"], facts["cue"]
    return Voice(
        **{**facts, "date": datetime.fromisoformat(date) if date else None, "cue": (cue[0], cue[1]) if cue else None}
    )


@dataclass(frozen=True, slots=True)
class Document:
    """One message, note or article.

    ``id`` is derived from the raw bytes, so a copy or a renamed file is the same document.
    ``voices`` cover ``text`` without gaps or overlaps, in order; readers leave them empty and
    `rag.attribution` fills them. ``kind`` is ``email`` or ``note``. ``parent`` is the id of the mail that an
    attachment, or an attached mail, came with.
    """

    id: str
    path: str
    kind: str
    title: str
    text: str
    date: datetime
    author: str | None
    house: str | None
    thread: str | None = None
    parent: str | None = None
    voices: tuple[Voice, ...] = ()
    meta: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A quotable passage inside one voice: ``document.text[start:end] == text``."""

    id: str
    document_id: str
    start: int
    end: int
    text: str
    voice: Voice


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk found for a question; ``evidence`` holds the measures, from 0 to 1, that its score is a weighted sum of.

    ``copies`` are other documents that say the same in nearly the same words.
    """

    chunk: Chunk
    document: Document
    score: float
    evidence: Mapping[str, float]
    copies: tuple[Document, ...] = ()

    @property
    def date(self) -> datetime:
        """When it was said: the date of the quoted message where that is given, else the document's."""
        return self.chunk.voice.date or self.document.date


@dataclass(frozen=True, slots=True)
class Quote:
    """Lines to cite as ``[label]``: ``hit.document.text[start:end] == text``, inside ``hit.chunk``."""

    label: int
    hit: Hit
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of a model's prose, the labels that it cites, and what the check said of it.

    A ``quoted`` one is no model's: it is a quote, word for word, beside prose that says less of what was asked.
    """

    text: str
    labels: tuple[int, ...]
    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question as it was searched, and what was shown for it: figures and houses of the quotes, best first."""

    question: str
    figures: tuple[str, ...] = ()
    houses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation, as a model sees it."""

    role: Literal["user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What an answer cost: tokens, and seconds by stage.

    The stages are ``search``, ``load`` (waiting for the model), ``first_token``, ``prose`` and ``total``.
    """

    prompt_tokens: int = 0
    cached_tokens: int = 0
    thinking_tokens: int = 0
    answer_tokens: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """A checked answer; ``text`` holds the checked sentences only, or the refusal.

    ``text`` is empty where the quotes are the answer: no model was wanted, the evidence was too thin to ask one, none
    could be had (``note`` says which), or none of its sentences survived the check. ``support`` is how probably the
    evidence answers the question, from 0 to 1. ``searched`` is the question as it was completed from those before it.
    """

    question: str
    text: str
    sentences: tuple[Sentence, ...]
    quotes: tuple[Quote, ...]
    refused: bool
    searched: str = ""
    thinking: str = ""
    model: str | None = None
    usage: Usage = field(default_factory=Usage)
    note: str = ""
    support: float = 1.0


@dataclass(frozen=True, slots=True)
class Failure:
    """A file or message that could not be read, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """A document that a sync found to be new; ``parent`` is the title of the mail that it was attached to."""

    path: str
    title: str
    author: str | None
    house: str | None
    date: datetime
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What one sync did; ``added``, ``changed``, ``removed``, ``duplicates`` and ``skipped`` are paths.

    Of the ``removed``, the content of the ``moved`` is still there, under another name. ``failed`` could not be read
    now, ``failed_before`` when it was read. ``duplicates`` brought nothing new; ``skipped`` are of a format that no
    reader knows, and ``left_out`` counts attachments of such formats, by suffix. ``hidden`` is the number of hidden
    stretches of text that were dropped from new documents, ``invisible`` that of invisible characters. ``documents``
    is the number of new ones, ``arrived`` the latest of them. ``copies`` is the number of passages that another
    document says as well, ``waiting`` that of files which were being written and are left for the next sync.
    ``embedded`` counts chunks that went through the embedding model, ``reused`` those whose vector was known.
    """

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    unchanged: int = 0
    duplicates: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    failed: tuple[Failure, ...] = ()
    failed_before: tuple[Failure, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    hidden: int = 0
    invisible: int = 0
    documents: int = 0
    arrived: tuple[Arrival, ...] = ()
    copies: int = 0
    waiting: int = 0
    embedded: int = 0
    reused: int = 0

    def __bool__(self) -> bool:
        """Whether the index has changed."""
        return bool(self.added or self.changed or self.removed)
