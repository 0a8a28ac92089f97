"""A passage in its whole document: who speaks there and why we think so, what came with it, who else says it.

In: a document's id and a span of its text. Out: an `Opened`; or the document's raw file, as text. It does not know how
either is shown, nor why somebody asks.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from rag.errors import PassageGone, ReadError
from rag.houses import house_of_domain
from rag.readers.files import raw_document
from rag.readers.text import decode, single_line
from rag.records import Document, Voice
from rag.store import Catalogue
from rag.twins import copied

SOURCE_BYTES = 200_000
"""What is shown of a raw file; its end is seldom more than the letters of a picture."""

# The mailbox is read message by message: half a second for this much.
_LARGEST_MAILBOX = 200_000_000

# A text has hardly a control character; of a PDF, a Word file or an Outlook message one in ten letters is one.
_SELDOM = 100

# Documents that are looked at for copies, as a search does, and that are listed as attached: each comes with its text.
_OTHERS = 50

# Letters of a cue that are repeated to say who speaks; a header of a quoted message has some 200.
_CUE = 160

# Beyond so many letters, all copies of the document say the passage too, for comparing words takes its time: a chunk
# has some 1,000.
_LONG = 5_000


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
    around = catalogue.documents([document.parent] if document.parent else [])
    return Opened(
        document,
        start,
        end,
        voice,
        why(document, voice),
        copies=_copies(catalogue, document, start, end),
        parent=around.get(document.parent or ""),
        attached=tuple(catalogue.documents(catalogue.attached(document_id)[:_OTHERS]).values()),
    )


def _copies(catalogue: Catalogue, document: Document, start: int, end: int) -> tuple[Document, ...]:
    """What is found in the passage's place, and what repeats either; of a whole document, of any passage in it."""
    whole = start == end or end - start > _LONG
    said = document.text[start:end]
    originals = catalogue.contents.originals(document.id, *((0, len(document.text)) if start == end else (start, end)))
    found = dict.fromkeys(originals)
    for one in (document.id, *originals[:_OTHERS]):
        repeats = catalogue.copies_of(one, _OTHERS)
        found |= dict.fromkeys(other for other, _, _, text in repeats if whole or copied(said, text))
    found.pop(document.id, None)
    return tuple(catalogue.documents(list(found)[:_OTHERS]).values())


def why(document: Document, voice: Voice) -> str:
    """What tells us that ``voice`` is who speaks there."""
    kind = "mail" if document.kind == "email" else "note"
    if voice.cue:
        words = single_line(document.text[slice(*voice.cue)], _CUE)
        if not voice.house and not voice.person:
            return f"The {kind} quotes it, and does not say whom: “{words}”"
        sure = "" if voice.confidence >= 1 else f" (sure to {voice.confidence:.0%})"
        return f"The underlined words say who speaks here{sure}: “{words}”"
    if voice.role == "quoted":
        signed = f"a signature there names {voice.house}" if voice.house else "does not say whom"
        return f"The {kind} quotes it, and {signed}."
    named = " and ".join(_named(document, kind))
    return f"It is the {kind}'s own text, {f'and {named}' if named else 'and nobody is named as its author'}."


def _named(document: Document, kind: str) -> list[str]:
    """What says who the author is, and for which house."""
    named: list[str] = []
    address, house = document.meta.get("from"), document.house
    if address:
        named.append(f"the {kind} is from {address}")
    elif document.author:
        named.append(f"the {kind} names {document.author} as its author")
    if not house or house_of_domain(document.meta.get("domain", "")) == house:
        return named
    sender = document.meta.get("sender_domain", "")
    if address:
        return [*named, f"its signature names {house}"]
    came = house_of_domain(sender) == house
    return [*named, f"it came with a mail from {sender}" if came else f"the {kind} names {house} as its house"]


def source(catalogue: Catalogue, corpus: Path, document_id: str) -> str:
    """A document as it was sent: the beginning of its raw file, headers and all; of an attachment, that of its mail.

    Raises PassageGone where the file has gone, has changed, or is not made of letters.
    """
    document = _document(catalogue, document_id)
    while document.parent:
        document = _document(catalogue, document.parent)
    _check_size(corpus, document)
    try:
        raw = raw_document(corpus, document.path, document.id)
    except ReadError as error:
        raise PassageGone(f"{document.path}: {error}.", remedy=error.remedy or "Index again: rag index") from error
    if raw is None:
        raise PassageGone(f"{document.path} is gone, or has changed since it was indexed.", remedy="Index again.")
    shown = raw[:SOURCE_BYTES]
    if len(raw) > SOURCE_BYTES:
        shown = shown[: shown.rfind(b"\n") + 1] or shown  # A letter cut in half would have all of it read as Latin-1.
    text = decode(shown)
    if sum(char < " " and char not in "\t\n\f\r" for char in text) > len(text) / _SELDOM:
        raise PassageGone(f"{document.path} is not made of letters.", remedy="Open it with the program that made it.")
    rest = len(raw) - len(shown)
    return f"{text}\n\n… and {rest:,} bytes more" if rest else text


def _check_size(corpus: Path, document: Document) -> None:
    """Raise PassageGone for a mailbox that would be read for seconds to find one message in it."""
    with contextlib.suppress(OSError):  # what cannot be read says so where it is read
        size = (corpus / document.path).stat().st_size
        if size > _LARGEST_MAILBOX:
            raise PassageGone(
                f"{document.path} has {size / 1e6:,.0f} MB: too much to look for one message in.",
                remedy="Open it with your mail program.",
            )


def _document(catalogue: Catalogue, document_id: str) -> Document:
    document = catalogue.documents([document_id]).get(document_id)
    if document is None:
        raise PassageGone("This document is no longer in the index.", remedy="Ask again: the index has changed.")
    return document
