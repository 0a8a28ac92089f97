"""A passage in its whole document: who speaks there and why we think so, what came with it, who else says it.

In: a document's id and a span of its text. Out: an `Opened`; or the document's raw file, as text. It does not know how
either is shown, nor why somebody asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rag.errors import PassageGone, ReadError
from rag.readers import raw_document
from rag.readers.text import decode
from rag.records import Document, Voice
from rag.store import Catalogue
from rag.twins import copied

SOURCE_BYTES = 200_000
"""What is shown of a raw file; its end is seldom more than the letters of a picture."""

# A text has hardly a control character; of a PDF, a Word file or an Outlook message one in ten letters is one.
_SELDOM = 100

# Documents that are looked at for copies, as a search does.
_COPIES = 50


@dataclass(frozen=True, slots=True)
class Opened:
    """``document.text[start:end]`` is the passage, empty where the whole document was asked for.

    ``voice`` is who speaks where it begins, ``why`` says in a sentence what tells us so. ``copies`` say the same;
    ``parent`` is the mail that an attachment came with, ``attached`` is what came with a mail.
    """

    document: Document
    start: int
    end: int
    voice: Voice
    why: str
    copies: tuple[Document, ...] = ()
    parent: Document | None = None
    attached: tuple[Document, ...] = ()


def opened(catalogue: Catalogue, document_id: str, start: int = 0, end: int = 0) -> Opened:
    """The document with this id, opened at a span of its text. Raises PassageGone."""
    document = _document(catalogue, document_id)
    if not 0 <= start <= end <= len(document.text):
        raise PassageGone(
            f"{document.path} has no letters {start:,} to {end:,}.", remedy="The document has changed: ask again."
        )
    voice = next((voice for voice in document.voices if voice.end > start), None)
    voice = voice or Voice(0, len(document.text), document.house, document.author, "author")
    copying = dict.fromkeys(
        copy_id
        for copy_id, _, _, text in catalogue.copies_of(document_id, _COPIES)
        if end > start and copied(document.text[start:end], text)
    )
    around = catalogue.documents([document.parent] if document.parent else [])
    return Opened(
        document,
        start,
        end,
        voice,
        why(document, voice),
        copies=tuple(catalogue.documents(copying).values()),
        parent=around.get(document.parent or ""),
        attached=tuple(catalogue.documents(catalogue.attached(document_id)).values()),
    )


def why(document: Document, voice: Voice) -> str:
    """What tells us that ``voice`` is who speaks there."""
    if voice.cue:
        sure = "" if voice.confidence >= 1 else f" (sure to {voice.confidence:.0%})"
        return f"The words underlined say who speaks here{sure}."
    if voice.role == "quoted":
        return "The mail quotes it, and does not say whom."
    if document.meta.get("from"):
        return f"It is the mail's own text, and the mail is from {document.meta['from']}."
    if document.author or document.house:
        return "It is the document's own text, and the document names its author."
    return "It is the document's own text; nobody is named as its author."


def source(catalogue: Catalogue, corpus: Path, document_id: str) -> str:
    """A document as it was sent: the beginning of its raw file, headers and all; of an attachment, that of its mail.

    Raises PassageGone where the file has gone, has changed, or is not made of letters.
    """
    document = _document(catalogue, document_id)
    while document.parent:
        document = _document(catalogue, document.parent)
    try:
        raw = raw_document(corpus, document.path, document.id)
    except ReadError as error:
        raise PassageGone(f"{document.path}: {error}.", remedy=error.remedy or "Index again: rag index") from error
    if raw is None:
        raise PassageGone(f"{document.path} is gone, or has changed since it was indexed.", remedy="Index again.")
    text = decode(raw[:SOURCE_BYTES])
    if sum(char < " " and char not in "\t\n\f\r" for char in text) > len(text) / _SELDOM:
        raise PassageGone(f"{document.path} is not made of letters.", remedy="Open it with the program that made it.")
    rest = len(raw) - SOURCE_BYTES
    return f"{text}\n\n… and {rest:,} bytes more" if rest > 0 else text


def _document(catalogue: Catalogue, document_id: str) -> Document:
    document = catalogue.documents([document_id]).get(document_id)
    if document is None:
        raise PassageGone("This document is no longer in the index.", remedy="Ask again: the index has changed.")
    return document
