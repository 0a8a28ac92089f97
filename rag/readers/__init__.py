"""Files of the corpus -> Documents.

In: a file, as a path below the corpus. Out: a `Document` for each message or note in it, and a `Failure` for
each that cannot be read; nothing else comes out of here, whatever the bytes are. It does not know what is
indexed, and not who is speaking.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path, PurePosixPath

from rag.errors import ReadError
from rag.readers import mail, notes
from rag.records import Document, Failure, SourceFile

__all__ = ["READERS", "SUFFIXES", "Reader", "open_source", "read"]

_MBOX_LIMIT = 2_000_000_000


def _whole(file: BufferedReader) -> Iterator[bytes]:
    """A file that is one document; one byte more than allowed is read, to tell a file that has grown."""
    yield file.read(mail.MAX_MESSAGE + 1)


@dataclass(frozen=True, slots=True)
class Reader:
    """How a kind of file is read: cut into documents, each of which is then parsed; ``limit`` in bytes."""

    parse: Callable[[SourceFile, bytes], Document]
    split: Callable[[BufferedReader], Iterator[bytes]] = _whole
    limit: int = mail.MAX_MESSAGE

    def document(self, source: SourceFile, raw: bytes, place: str) -> Document | Failure:
        """Parse one document. The only place where any error becomes a row of the report."""
        if len(raw) > mail.MAX_MESSAGE:
            return Failure(place, f"it is too large: more than {mail.MAX_MESSAGE:,} bytes")
        try:
            document = self.parse(source, raw)
        except ReadError as error:
            return Failure(place, str(error))
        except Exception as error:
            # No parser survives all mail (of 102 hand-made messages the standard library broke on 6 at best,
            # with RecursionError and MemoryError among the ways); one message must not end a sync. The error's
            # own text stays out: parsers put pieces of the mail into it, and the report is shown and logged.
            return Failure(place, f"it cannot be parsed ({type(error).__name__})")
        return document if document.text else Failure(place, "no text")


READERS: Mapping[str, Reader] = {
    ".eml": Reader(mail.parse),
    ".mbox": Reader(mail.parse, mail.split_mbox, _MBOX_LIMIT),
    ".md": Reader(notes.parse_markdown),
    ".markdown": Reader(notes.parse_markdown),
    ".txt": Reader(notes.parse_text),
    ".html": Reader(notes.parse_html),
    ".htm": Reader(notes.parse_html),
}
"""The reader for each lower-case suffix."""

SUFFIXES = frozenset(READERS)


def read(root: Path, source: SourceFile) -> Iterator[Document | Failure]:
    """Read every document of a file; a broken message of an mbox is ``box.mbox#3`` and the rest goes on."""
    number = 0
    try:
        reader = _reader(source.path)
        with open_source(root, source.path) as file:
            for number, raw in enumerate(reader.split(file), start=1):
                place = source.path if reader.split is _whole else f"{source.path}#{number}"
                yield reader.document(source, raw, place)
    except ReadError as error:
        yield Failure(source.path, str(error))
    except OSError as error:
        yield Failure(source.path, f"it cannot be read: {error.strerror}")
    else:
        if not number:
            yield Failure(source.path, "no text")


def open_source(root: Path, path: str) -> BufferedReader:
    """Open a file of the corpus for hashing or reading.

    Raises ReadError for a link, a pipe, a device, and what is outside ``root``, too large or of no known kind.
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
        raise ReadError("it has vanished") from error
    except IsADirectoryError as error:
        raise ReadError("it is not a regular file") from error
    except (OSError, ValueError) as error:
        raise ReadError(f"it cannot be opened: {error}") from error
    try:
        _check(os.fstat(file.fileno()), _reader(path).limit)
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


def _check(status: os.stat_result, limit: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ReadError("it is not a regular file")
    if status.st_size > limit:
        raise ReadError(f"it is too large: {status.st_size:,} bytes, of which {limit:,} can be read")


def _reader(path: str) -> Reader:
    suffix = PurePosixPath(path).suffix.lower()
    if suffix not in READERS:
        raise ReadError(f"files of this kind ({suffix or 'no suffix'}) cannot be read")
    return READERS[suffix]
