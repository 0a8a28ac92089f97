"""TNEF, the winmail.dat of Outlook: its bytes -> a Document of the message in it, and the files.

A stream of attributes (MS-OXTNEF), some of which hold MAPI properties; what is found goes the way of a saved
Outlook message. A stream that is cut or garbled gives what stands before the damage.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from rag.errors import ReadError
from rag.readers import mail, outlook
from rag.readers.outlook import Message, Value
from rag.readers.parsed import Attachment, Parsed
from rag.readers.rtf import charset
from rag.readers.text import decode, document_id
from rag.records import SourceFile

MAX_FILES = 1000

_SIGNATURE = b"\x78\x9f\x3e\x22"
_HEADER, _ATTRIBUTE, _CHECKSUM = 6, struct.Struct("<BHHI"), 2
_MAX_ATTRIBUTES = 20_000
_MAX_PROPERTIES = 100_000  # of the message and all its files; they take 0.3 s
_MAX_VALUES = 10_000

# MS-OXTNEF 2.1.3.2: the ids of attributes, without their types.
_FROM, _SUBJECT, _MESSAGE_ID, _SENT, _BODY = 0x8000, 0x8004, 0x8009, 0x8005, 0x800C
_NEW_FILE, _FILE_NAME, _FILE_DATA, _FILE_PROPERTIES = 0x9002, 0x8010, 0x800F, 0x9005
_PROPERTIES, _CODEPAGE = 0x9003, 0x9007
_TEXTS = {_SUBJECT: outlook.SUBJECT, _BODY: outlook.BODY, _MESSAGE_ID: outlook.MESSAGE_ID}

_MULTIPLE, _NAMED = 0x1000, 0x8000
_STRING, _UNICODE, _BINARY, _OBJECT = 0x001E, 0x001F, 0x0102, 0x000D
_SIZED = (_STRING, _UNICODE, _BINARY, _OBJECT)
# Bytes of the values of each type, filled up to four.
_WIDTHS = {0x0002: 4, 0x0003: 4, 0x0004: 4, 0x0005: 8, 0x0006: 8, 0x0007: 8, 0x000A: 4, 0x000B: 4, 0x0014: 8}
_WIDTHS |= {0x0040: 8, 0x0048: 16, 0x0001: 4}
_INTEGERS = {0x0002: "<h", 0x0003: "<i", 0x0014: "<q", 0x0040: "<Q"}
_GUID = 16
_EMBEDDED = bytes.fromhex("0703020000000000c000000000000046")  # IID_IMessage


@dataclass(slots=True)
class _Draft:
    """A message whose attributes are still coming in; ``files`` are the properties of each."""

    facts: dict[int, Value] = field(default_factory=dict)
    files: list[dict[int, Value]] = field(default_factory=list)
    codepage: str = ""
    properties: int = 0
    is_whole: bool = True

    @property
    def file(self) -> dict[int, Value]:
        """The file that attributes are about; some programs forget to announce the first."""
        if not self.files:
            self.files.append({})
        return self.files[-1]


def parse(source: SourceFile, raw: bytes) -> Parsed:
    """Read a winmail.dat. Raises ReadError if it is none, or beyond a bound."""
    if not raw.startswith(_SIGNATURE):
        raise ReadError("it is not a winmail.dat")
    message, is_whole = _message(raw, 0)
    read = mail.parse(source, outlook.rfc822(message))
    left_out = read.left_out if is_whole else (*read.left_out, "its end is missing or garbled")
    return replace(read, document=replace(read.document, id=document_id(raw), kind="note"), left_out=left_out)


def _message(raw: bytes, depth: int) -> tuple[Message, bool]:
    """The message in a stream, and whether it could be read to its end."""
    draft = _Draft()
    for key, content in _attributes(raw, draft):
        _take(draft, key, content)
    if len(draft.files) > MAX_FILES:
        raise ReadError(f"it has more than {MAX_FILES:,} attachments")
    files = (_file(facts, depth) for facts in draft.files)
    return Message(draft.facts, files=tuple(file for file in files if file)), draft.is_whole


def _attributes(raw: bytes, draft: _Draft) -> Iterator[tuple[int, bytes]]:
    """The id and content of each attribute; the checksums are not looked at, for programs get them wrong."""
    position = _HEADER
    for _ in range(_MAX_ATTRIBUTES):
        if position + _ATTRIBUTE.size > len(raw):
            return
        level, key, _kind, size = _ATTRIBUTE.unpack_from(raw, position)
        start = position + _ATTRIBUTE.size
        position = start + size + _CHECKSUM
        if level not in (1, 2) or start + size > len(raw):
            draft.is_whole = False
            return
        yield key, raw[start : start + size]
    raise ReadError(f"it has more than {_MAX_ATTRIBUTES:,} attributes")


def _take(draft: _Draft, key: int, content: bytes) -> None:
    if key == _CODEPAGE and len(content) >= 4:
        draft.codepage = charset(int.from_bytes(content[:4], "little"))
    elif key in _TEXTS:
        draft.facts.setdefault(_TEXTS[key], _string(content, draft.codepage))
    elif key == _FROM:
        draft.facts |= _sender(content, draft.codepage)
    elif key == _PROPERTIES:
        draft.facts |= _properties(content, draft)
    elif key == _NEW_FILE:
        draft.files.append({})
    elif key == _FILE_NAME:
        draft.file.setdefault(outlook.FILE_NAME, _string(content, draft.codepage))
    elif key == _FILE_DATA:
        draft.file[outlook.FILE_DATA] = content
    elif key == _FILE_PROPERTIES:
        draft.file.update(_properties(content, draft))


def _string(content: bytes, codepage: str) -> str:
    return decode(content, codepage).rstrip("\0")


def _sender(content: bytes, codepage: str) -> dict[int, Value]:
    """A TRP structure: four numbers, of which two are lengths, a name, and an address like ``SMTP:a@b.example``."""
    if len(content) < 8:
        return {}
    _, _, named, addressed = struct.unpack_from("<4H", content)
    name, address = content[8 : 8 + named], content[8 + named : 8 + named + addressed]
    return {
        outlook.SENDER_NAME: _string(name, codepage),
        outlook.SENDER_ADDRESS: _string(address, codepage).rpartition(":")[2],
    }


def _file(facts: dict[int, Value], depth: int) -> Attachment | None:
    content = facts.get(outlook.FILE_DATA)
    # A message inside is an object: the name of its interface, then a stream of its own.
    if isinstance(content, bytes) and content.startswith(_EMBEDDED):
        inner = content[len(_EMBEDDED) :]
        if depth >= outlook.MAX_NESTED or not inner.startswith(_SIGNATURE):
            return None
        return outlook.nested(_message(inner, depth + 1)[0])
    return outlook.file_of(facts)


def _properties(content: bytes, draft: _Draft) -> dict[int, Value]:
    """The MAPI properties of a message or file, up to the first that is garbled; those named by programs go."""
    facts: dict[int, Value] = {}
    cursor = _Cursor(content)
    try:
        for _ in range(cursor.number()):
            draft.properties += 1
            if draft.properties > _MAX_PROPERTIES:
                raise ReadError(f"it has more than {_MAX_PROPERTIES:,} properties")
            tag = cursor.number()
            kind, key = tag & 0xFFFF, tag >> 16
            if key >= _NAMED:
                cursor.pass_name()
            value = cursor.value(kind, draft.codepage)
            if value is not None and key < _NAMED:
                facts[key] = value
    except _Garbled:
        draft.is_whole = False
    return facts


class _Garbled(Exception):
    """The bytes are no list of properties from here on; it never leaves this module."""


@dataclass(slots=True)
class _Cursor:
    """A place in a list of properties."""

    content: bytes
    position: int = 0

    def take(self, size: int) -> bytes:
        """The next bytes, less those that fill them up to a multiple of four."""
        taken = self.content[self.position : self.position + size]
        if len(taken) < size:
            raise _Garbled
        self.position += size + -size % 4
        return taken

    def number(self) -> int:
        return int.from_bytes(self.take(4), "little")

    def pass_name(self) -> None:
        """A named property has a GUID, and a number or a text that is its name."""
        self.take(_GUID)
        if self.number():
            self.take(self.number())
        else:
            self.take(4)

    def value(self, kind: int, codepage: str) -> Value | None:
        """The value, or the first of many; None for a type that says nothing here."""
        base = kind & ~_MULTIPLE
        count = self.number() if kind & _MULTIPLE or base in _SIZED else 1
        if count > _MAX_VALUES or (base not in _SIZED and base not in _WIDTHS):
            raise _Garbled
        contents = [self.take(self.number() if base in _SIZED else _WIDTHS[base]) for _ in range(count)]
        if not contents:
            return None
        if base in (_STRING, _UNICODE):
            return _string(contents[0], codepage if base == _STRING else "utf-16-le")
        if base in _SIZED:
            return contents[0]
        return struct.unpack_from(_INTEGERS[base], contents[0])[0] if base in _INTEGERS else None
