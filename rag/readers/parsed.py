"""What a parser of one file format hands on: a document, and what came with it.

It does not know which parser reads what is attached.
"""

from __future__ import annotations

from dataclasses import dataclass

from rag.records import Document


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file inside another one: its name for display, its lower-case MIME type, and its bytes."""

    name: str
    kind: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Parsed:
    """One document and its attachments; ``document.text`` may be empty where they are all there is.

    ``left_out`` says what of the document could not be read, each as a short clause ("the text is encrypted").
    """

    document: Document
    attachments: tuple[Attachment, ...] = ()
    left_out: tuple[str, ...] = ()
