"""Files of the corpus -> Documents.

In: a file, as a path below the corpus. Out: a `Reading` for each message or note in it, with the documents that
it gave and a `Failure` for each that cannot be read; nothing else comes out of here, whatever the bytes are. It
does not know what is indexed, and not who is speaking.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from io import BufferedReader
from pathlib import Path, PurePosixPath

from rag.errors import FileVanished, ReadError
from rag.readers import calendar, mail, notes, outlook, pdf, tnef, word
from rag.readers.names import in_maildir
from rag.readers.parsed import Attachment, Parsed
from rag.readers.text import document_id
from rag.records import Document, Failure, SourceFile

_MBOX_LIMIT = 20_000_000_000
_MAX_ATTACHMENTS = 1000
_MAX_NESTING = 5
# A book has a million; what is longer is a log or a bomb, and embedding it would take hours.
_MAX_TEXT = 5_000_000
_PEEK = 4096


def _whole(file: BufferedReader) -> Iterator[bytes]:
    """A file that is one document; one byte more than allowed is read, to tell a file that has grown."""
    yield file.read(mail.MAX_MESSAGE + 1)


@dataclass(frozen=True, slots=True)
class Reader:
    """How a kind of file is read: cut into documents, each of which is then parsed; ``limit`` in bytes."""

    parse: Callable[[SourceFile, bytes], Parsed]
    split: Callable[[BufferedReader], Iterator[bytes]] = _whole
    limit: int = mail.MAX_MESSAGE

    def read(self, source: SourceFile, raw: bytes, place: str) -> Parsed | Failure:
        """Parse one document. The only place where any error becomes a row of the report."""
        if len(raw) > mail.MAX_MESSAGE:
            return Failure(place, f"it is too large: more than {mail.MAX_MESSAGE:,} bytes")
        try:
            return self.parse(source, raw)
        except ReadError as error:
            return Failure(place, str(error))
        except Exception as error:
            # No parser survives all mail (of 102 hand-made messages the standard library broke on 6 at best,
            # with RecursionError and MemoryError among the ways); one message must not end a sync. The error's
            # own text stays out: parsers put pieces of the mail into it, and the report is shown and logged.
            return Failure(place, f"it cannot be parsed ({type(error).__name__})")


@dataclass(frozen=True, slots=True)
class Reading:
    """What one message or note gave: its own document first, then those of what was attached to it.

    ``id`` is the document's, from its raw bytes; ``place`` is the file, with ``#3`` for the third message of an
    mbox. What was ``known`` already has not been parsed. ``left_out`` names the kinds of attachments that no
    reader knows (pictures, spreadsheets, archives). ``size`` is in bytes.
    """

    id: str
    place: str
    size: int = 0
    documents: tuple[Document, ...] = ()
    failures: tuple[Failure, ...] = ()
    left_out: tuple[str, ...] = ()
    known: bool = False


READERS: Mapping[str, Reader] = {
    ".eml": Reader(mail.parse),
    ".mbox": Reader(mail.parse, mail.split_mbox, _MBOX_LIMIT),
    ".msg": Reader(outlook.parse),
    ".md": Reader(notes.parse_markdown),
    ".markdown": Reader(notes.parse_markdown),
    ".txt": Reader(notes.parse_text),
    ".html": Reader(notes.parse_html),
    ".htm": Reader(notes.parse_html),
    ".pdf": Reader(pdf.parse),
    ".docx": Reader(word.parse),
    ".ics": Reader(calendar.parse),
}
"""The reader for each lower-case suffix."""

# By what a mail says of its attachments, where their names say nothing; other kinds of text are plain text.
_KINDS: Mapping[str, str] = {
    "message/rfc822": ".eml",
    "message/global": ".eml",
    "application/vnd.ms-outlook": ".msg",
    "text/plain": ".txt",
    "text/markdown": ".md",
    "text/html": ".html",
    "text/calendar": ".ics",
    "application/ics": ".ics",
    "application/pdf": ".pdf",
    "application/x-pdf": ".pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
}
_KIND_OF_FILE = re.compile(r"\.([a-z0-9]{1,8})")
_TNEF = frozenset(("application/ms-tnef", "application/vnd.ms-tnef"))


def read(
    root: Path, source: SourceFile, known: Callable[[str], bool] = lambda _: False, *, skip: int = 0, bare: int = 0
) -> Iterator[Reading]:
    """Read every message or note of a file, but those whose id is ``known``; a broken one does not end it.

    The first ``skip`` of them are passed over, and message number ``bare`` (from 1) is read without what is
    attached to it: this is how reading goes on behind one that has ended the process. A file that has vanished
    gives nothing.
    """
    number = 0
    whole = ""
    try:
        with open_source(root, source.path) as file:
            reader = _reader(source.path, file)
            for number, raw in enumerate(reader.split(file), start=1):
                if number <= skip:
                    continue
                place = source.path if reader.split is _whole else f"{source.path}#{number}"
                identity = document_id(raw)
                if known(identity):
                    yield Reading(identity, place, len(raw), known=True)
                else:
                    yield _reading(reader, source, raw, place, bare=number == bare)
    except FileVanished:
        return
    except ReadError as error:
        whole = str(error)
    except OSError as error:
        whole = f"it cannot be read: {error.strerror}"
    if whole or not number:
        yield Reading("", source.path, failures=(Failure(source.path, whole or "no text"),))


def raw_document(root: Path, path: str, identity: str) -> bytes | None:
    """The bytes of the document with this id in a file; None where the file does not hold it. Raises ReadError."""
    with open_source(root, path) as file:
        return next((raw for raw in _reader(path, file).split(file) if document_id(raw) == identity), None)


def _reading(reader: Reader, source: SourceFile, raw: bytes, place: str, *, bare: bool) -> Reading:
    parsed = reader.read(source, raw, place)
    if isinstance(parsed, Failure):
        return Reading("", place, len(raw), failures=(parsed,))
    opened = _Opened(place, parsed)
    if not bare:
        opened.read_all()
    elif parsed.attachments:
        opened.failures.append(Failure(place, "its attachments ended the reader and are left out"))
    document = opened.worded(opened.document)
    if not document.text and not opened.documents:
        why = [*parsed.left_out, *(failure.reason for failure in opened.failures)]
        if opened.left_out:
            why.append(f"no text, only {', '.join(sorted(set(opened.left_out)))}")
        return Reading("", place, len(raw), failures=(Failure(place, "; ".join(why) or "no text"),))
    partly = (Failure(place, reason) for reason in parsed.left_out)
    return Reading(
        document.id,
        place,
        len(raw),
        (document, *opened.documents.values()),
        (*partly, *opened.failures),
        tuple(opened.left_out),
    )


class _Opened:
    """A message with all that it carries, opened layer by layer without recursion."""

    def __init__(self, place: str, parsed: Parsed) -> None:
        self.place = place
        self.document = parsed.document
        self.documents: dict[str, Document] = {}
        self.failures: list[Failure] = []
        self.left_out: list[str] = []
        self._waiting = [(attachment, parsed.document, 1) for attachment in reversed(parsed.attachments)]

    def read_all(self) -> None:
        """Read what is attached, and what is attached to that."""
        seen = 0
        while self._waiting:
            attachment, container, depth = self._waiting.pop()
            seen += 1
            if depth > _MAX_NESTING or seen > _MAX_ATTACHMENTS:
                self._fail(attachment, "it is nested too deeply" if depth > _MAX_NESTING else "there are too many")
                continue
            self._read(attachment, container, depth)

    def worded(self, document: Document) -> Document:
        """The document with its subject for a text if that is all ("GS cuts to neutral EOM"); cut if endless."""
        text = document.text or document.meta.get("subject", "")
        if len(text) > _MAX_TEXT:
            self.failures.append(Failure(self.place, f"only the first {_MAX_TEXT:,} of {len(text):,} letters are read"))
        return replace(document, text=text[:_MAX_TEXT])

    def _read(self, attachment: Attachment, container: Document, depth: int) -> None:
        if attachment.kind in _TNEF or attachment.name.lower() == "winmail.dat":
            self._unwrap(attachment, container, depth)
            return
        suffix = _suffix(attachment)
        if suffix not in READERS or READERS[suffix].split is not _whole:
            named = _KIND_OF_FILE.fullmatch(PurePosixPath(attachment.name).suffix.lower())
            self.left_out.append(named[1] if named else attachment.kind)
            return
        # Its own date is the mail's, where it states none.
        moment = int(container.date.timestamp()) * 1_000_000_000
        source = SourceFile(container.path, "", len(attachment.content), moment)
        parsed = READERS[suffix].read(source, attachment.content, self.place)
        if isinstance(parsed, Failure):
            self._fail(attachment, parsed.reason)
            return
        for reason in parsed.left_out:
            self._fail(attachment, reason)
        document = self.worded(_attached(parsed.document, attachment, container))
        if document.text and document.id != self.document.id:
            self.documents.setdefault(document.id, document)
            container = document
        self._waiting += [(inner, container, depth + 1) for inner in reversed(parsed.attachments)]

    def _unwrap(self, attachment: Attachment, container: Document, depth: int) -> None:
        """Outlook's own envelope: the mail's text where the mail has none, and the files in it."""
        source = SourceFile(container.path, "", len(attachment.content), 0)
        parsed = Reader(tnef.parse).read(source, attachment.content, self.place)
        if isinstance(parsed, Failure):
            self._fail(attachment, parsed.reason)
            return
        if container.id == self.document.id and not self.document.text:
            self.document = replace(self.document, text=parsed.document.text)
        self._waiting += [(inner, container, depth + 1) for inner in reversed(parsed.attachments)]

    def _fail(self, attachment: Attachment, reason: str) -> None:
        self.failures.append(Failure(self.place, f"attachment {attachment.name or attachment.kind}: {reason}"))


def _attached(document: Document, attachment: Attachment, container: Document) -> Document:
    mail_facts = {"attachment": attachment.name, "sender_domain": container.meta.get("domain", "")}
    if document.meta.get("date_source") == "file":
        mail_facts["date_source"] = "mail"
    return replace(
        document,
        parent=container.id,
        thread=document.thread or container.thread,
        meta={**document.meta, **{name: fact for name, fact in mail_facts.items() if fact}},
    )


def _suffix(attachment: Attachment) -> str:
    """The suffix that decides how an attachment is read: its name's, else that of its kind."""
    named = PurePosixPath(attachment.name).suffix.lower()
    if named in READERS or (named and attachment.kind.startswith("application/")):
        return named
    return _KINDS.get(attachment.kind, "")


def open_source(root: Path, path: str) -> BufferedReader:
    """Open a file of the corpus for hashing or reading.

    Raises FileVanished, and ReadError for a link, a pipe, a device, and what is outside ``root``, too large or of no
    known kind.
    """
    target = _below(root, path)
    try:
        if target.is_symlink():  # the only check where O_NOFOLLOW does not exist
            raise ReadError("it is a symbolic link", remedy="Copy the file itself into the corpus folder.")
        # Without O_NONBLOCK the opening of a named pipe waits for somebody to write into it.
        flags = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"))
        file = os.fdopen(os.open(target, flags), "rb")
    except PermissionError as error:
        raise ReadError("no permission to read it", remedy="Make the file readable for you.") from error
    except FileNotFoundError as error:
        raise FileVanished("it has vanished") from error
    except IsADirectoryError as error:
        raise ReadError("it is not a regular file") from error
    except (OSError, ValueError) as error:
        raise ReadError(f"it cannot be opened: {error}") from error
    try:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ReadError("it is not a regular file")
        limit = _reader(path, file).limit
        if status.st_size > limit:
            raise ReadError(f"it is too large: {status.st_size:,} bytes, of which {limit:,} can be read")
    except BaseException:
        file.close()
        raise
    return file


def _below(root: Path, path: str) -> Path:
    """The place of a file, if no link on the way leads out of the corpus."""
    target = root / path
    try:
        inside = target.parent.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a NUL in a name
        raise ReadError(f"it cannot be found: {error}") from error
    if not inside:
        raise ReadError("it lies outside the corpus", remedy="Copy it into the corpus folder.")
    return target


def _reader(path: str, file: BufferedReader) -> Reader:
    """The reader for an open file, by its folder, its suffix, or its start: mailboxes and mails often have none."""
    suffix = PurePosixPath(path).suffix.lower()
    if in_maildir(path):
        return READERS[".eml"]
    if not suffix and mail.is_mbox(file.peek(_PEEK)):
        return READERS[".mbox"]
    if suffix in ("", ".txt") and mail.is_message(file.peek(_PEEK)):
        return READERS[".eml"]
    if not suffix and outlook.is_message(file.peek(_PEEK)):
        return READERS[".msg"]
    if suffix not in READERS:
        raise ReadError(f"files of this kind ({suffix or 'no suffix'}) cannot be read")
    return READERS[suffix]
