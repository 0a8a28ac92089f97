"""Outlook: the bytes of a .msg file -> a Document and what is attached.

A saved Outlook message is a tree of MAPI properties. It is written out again as a mail, which the mail reader
reads, so that names, dates, bodies and hidden text are treated in one way only. It does not know TNEF, whose
properties are the same ones and take the same road from `rfc822` on.
"""

from __future__ import annotations

import re
import struct
from base64 import encodebytes
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from io import BytesIO
from typing import TYPE_CHECKING
from urllib.parse import quote

from rag.errors import ReadError
from rag.readers import mail
from rag.readers.mime import parse_part
from rag.readers.parsed import Attachment, Parsed
from rag.readers.rtf import charset, rtf_text, unpacked
from rag.readers.text import decode, document_id, single_line
from rag.records import SourceFile

if TYPE_CHECKING:
    from olefile import OleFileIO

Value = str | bytes | int

MAX_NESTED = 5
"""Messages inside messages; what lies deeper is left out."""

# MS-OXPROPS: property ids. The sender is who pressed the button, the author whom the mail is from.
SUBJECT, HEADERS, SENT, RECEIVED, CREATED = 0x0037, 0x007D, 0x0039, 0x0E06, 0x3007
AUTHOR_NAME, AUTHOR_ADDRESS, AUTHOR_SMTP = 0x0042, 0x0065, 0x5D02
SENDER_NAME, SENDER_ADDRESS, SENDER_SMTP = 0x0C1A, 0x0C1F, 0x5D01
BODY, BODY_RTF, BODY_HTML = 0x1000, 0x1009, 0x1013
MESSAGE_ID, REFERENCES, IN_REPLY_TO = 0x1035, 0x1039, 0x1042
INTERNET_CODEPAGE, CODEPAGE = 0x3FDE, 0x3FFD
FILE_DATA, FILE_NAME, FILE_LONG_NAME, FILE_KIND = 0x3701, 0x3704, 0x3707, 0x370E
DISPLAY_NAME, ADDRESS, SMTP, DISPLAY_TO, RECIPIENT_TYPE = 0x3001, 0x3003, 0x39FE, 0x0E04, 0x0C15

_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_PROPERTIES = "__properties_version1.0"
_STREAM = re.compile(r"__substg1\.0_([0-9A-F]{4})(001E|001F|0102)", re.IGNORECASE)
_FIXED = {0x0002: "<h", 0x0003: "<i", 0x0040: "<Q"}
_MAX_ENTRIES = 20_000
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_WIDEST = 2_000
_START = 1 << 16


@dataclass(frozen=True, slots=True)
class Message:
    """The MAPI properties of a message by id, to whom it went, and the files in it."""

    facts: Mapping[int, Value]
    recipients: tuple[str, ...] = ()
    files: tuple[Attachment, ...] = ()


def parse(source: SourceFile, raw: bytes) -> Parsed:
    """Read a message saved by Outlook. Raises ReadError if it is none, or damaged."""
    import olefile

    if not is_message(raw):
        if mail.is_message(raw[:_START]):  # other programs call plain mail so
            return mail.parse(source, raw)
        raise ReadError("it is not an Outlook message")
    try:
        with olefile.OleFileIO(BytesIO(raw)) as ole:
            storage = _storages(ole)
            message = _message(_Tree(ole, storage, len(raw)), "", 0)
    except (OSError, ValueError) as error:
        # The library's own errors are OSErrors; a table of odd length and a number of 4,301 digits are ValueErrors.
        raise ReadError("the Outlook message is damaged", remedy="Save it again from Outlook.") from error
    read = mail.parse(source, rfc822(message))
    return replace(read, document=replace(read.document, id=document_id(raw)))


def is_message(start: bytes) -> bool:
    """Whether a file that begins like this may be a message saved by Outlook."""
    return start.startswith(_MAGIC)


def rfc822(message: Message) -> bytes:
    """Write a message as mail; every part is in base64, so no text of it can pass for structure."""
    parts = _bodies(message.facts)
    parts += [_part(file.kind, file.content, file.name, attached=True) for file in message.files]
    lines = [f"{name}: {value}" for name, value in _headers(message).items() if value]
    parts = parts or [_part("text/plain", b"")]
    head = "\n".join([*lines, 'Content-Type: multipart/mixed; boundary="=_mixed"', "", ""])
    return head.encode("utf-8", "replace") + _multipart(parts, b"=_mixed")


def _headers(message: Message) -> dict[str, str]:
    """Those that the mail had on its way, if Outlook kept them, else what the properties say."""
    facts = message.facts
    kept = parse_part(_text(facts, HEADERS).replace("\r\n", "\n").strip().encode("utf-8", "replace") + b"\n\n").headers
    stated = {
        "From": _author(facts),
        "To": ", ".join(message.recipients) or _text(facts, DISPLAY_TO),
        "Subject": _text(facts, SUBJECT),
        "Date": next((date for key in (SENT, RECEIVED, CREATED) if (date := _date(facts.get(key)))), ""),
        "Message-ID": _text(facts, MESSAGE_ID),
        "In-Reply-To": _text(facts, IN_REPLY_TO),
        "References": _text(facts, REFERENCES),
    }
    written = {name: kept.get(name.lower()) or value for name, value in stated.items()}
    # Outlook's subject is what it shows, already decoded.
    written["Subject"] = stated["Subject"] or written["Subject"]
    return {name: single_line(value, _WIDEST) for name, value in written.items()}


def _author(facts: Mapping[int, Value]) -> str:
    name = _text(facts, AUTHOR_NAME) or _text(facts, SENDER_NAME)
    return mailbox(name, _address(facts, (AUTHOR_SMTP, AUTHOR_ADDRESS, SENDER_SMTP, SENDER_ADDRESS)))


def _address(facts: Mapping[int, Value], keys: tuple[int, ...]) -> str:
    """The first that is one; inside Exchange it is a path ("/o=ExchangeLabs/ou=..."), of no use outside."""
    return next((text for key in keys if "@" in (text := _text(facts, key))), "")


def mailbox(name: str, address: str) -> str:
    """A name and an address as a mail header has them; either may be empty."""
    name = re.sub(r'["<>\\]', "", single_line(name))
    return " ".join(filter(None, (f'"{name}"' * (name not in ("", address)), f"<{address}>" * bool(address))))


def _date(value: Value | None) -> str:
    """A FILETIME, in 100 ns since 1601, as mail writes it; empty if it is none."""
    if not isinstance(value, int) or value <= 0:
        return ""
    try:
        return format_datetime(_EPOCH + timedelta(microseconds=value // 10))
    except OverflowError:
        return ""


def _bodies(facts: Mapping[int, Value]) -> list[bytes]:
    """The text, and the HTML as an alternative; the RTF only where neither is there."""
    plain, html = _text(facts, BODY).encode("utf-8", "replace"), facts.get(BODY_HTML, b"")
    encoded = "utf-8" if isinstance(html, str) else charset(facts.get(INTERNET_CODEPAGE))
    page = html.encode("utf-8", "replace") if isinstance(html, str) else html if isinstance(html, bytes) else b""
    packed = facts.get(BODY_RTF)
    if not plain.strip() and not page.strip() and isinstance(packed, bytes) and packed:
        text, is_html = rtf_text(unpacked(packed))
        plain, page, encoded = (b"", text.encode(), "utf-8") if is_html else (text.encode(), b"", "")
    said = [_part("text/plain; charset=utf-8", plain)] if plain.strip() else []
    if page.strip():
        said.append(_part("text/html" + (f"; charset={encoded}" if encoded else ""), page))
    either = b'Content-Type: multipart/alternative; boundary="=_either"\n\n' + _multipart(said, b"=_either")
    return [either] if said else []


def _multipart(parts: list[bytes], boundary: bytes) -> bytes:
    return b"".join(b"--%s\n%s\n" % (boundary, part) for part in parts) + b"--%s--\n" % boundary


def _part(kind: str, content: bytes, name: str = "", *, attached: bool = False) -> bytes:
    head = [f"Content-Type: {kind}", "Content-Transfer-Encoding: base64"]
    if attached:
        encoded = quote(name.encode("utf-8", "replace"), safe="")
        head.append("Content-Disposition: attachment" + (f"; filename*=utf-8''{encoded}" if encoded else ""))
    return "\n".join([*head, "", ""]).encode("utf-8", "replace") + encodebytes(content)


def _text(facts: Mapping[int, Value], key: int) -> str:
    value = facts.get(key)
    return value.rstrip("\0") if isinstance(value, str) else ""


@dataclass(slots=True)
class _Tree:
    """The streams of a compound file by storage; ``budget`` is what their claims may add up to, in bytes.

    The entries of a forged directory may all point at the same sectors.
    """

    ole: OleFileIO
    storages: Mapping[str, list[str]]
    budget: int

    def read(self, path: str) -> bytes:
        self.budget -= self.ole.get_size(path)
        if self.budget < 0:
            raise ReadError("the Outlook message is damaged: its parts are larger than the file")
        content: bytes = self.ole.openstream(path).read()
        return content


def _storages(ole: OleFileIO) -> dict[str, list[str]]:
    """The names in each storage, whose path ends in a slash; the one of the whole file is empty."""
    paths = ole.listdir(streams=True, storages=True)
    if len(paths) > _MAX_ENTRIES:
        raise ReadError(f"it has more than {_MAX_ENTRIES:,} parts")
    storages: dict[str, list[str]] = {}
    for path in paths:
        storages.setdefault("".join(f"{step}/" for step in path[:-1]), []).append(path[-1])
    if _PROPERTIES not in storages.get("", []):
        raise ReadError("it is not an Outlook message")
    return storages


def _message(tree: _Tree, place: str, depth: int) -> Message:
    facts = _facts(tree, place, 24 if place else 32)
    names = tree.storages.get(place, [])
    people = [
        _facts(tree, f"{place}{name}/", 8)
        for name in sorted(names)[:_MAX_ENTRIES]
        if name.lower().startswith("__recip_version1.0_")
    ]
    recipients = tuple(
        mailbox(_text(one, DISPLAY_NAME), _address(one, (SMTP, ADDRESS)))
        for one in people
        if one.get(RECIPIENT_TYPE, 1) == 1
    )
    stored = sorted(name for name in names if name.lower().startswith("__attach_version1.0_"))
    files = (_file(tree, f"{place}{name}/", depth) for name in stored)
    return Message(facts, tuple(filter(None, recipients)), tuple(file for file in files if file))


def _facts(tree: _Tree, place: str, header: int) -> dict[int, Value]:
    """The properties of a storage: numbers stand in one table, texts and bytes in streams of their own."""
    facts: dict[int, Value] = {}
    streams: dict[int, tuple[str, str]] = {}
    for name in tree.storages.get(place, []):
        if name == _PROPERTIES:
            facts |= _numbers(tree.read(place + name)[header:])
        elif (match := _STREAM.fullmatch(name)) and tree.ole.get_type(place + name) == 2:
            key, form = int(match[1], 16), match[2].upper()
            if key < 0x8000 and (form == "001F" or key not in streams):  # above are properties named by programs
                streams[key] = form, place + name
    encoded = charset(facts.get(CODEPAGE) or facts.get(INTERNET_CODEPAGE))
    for key, (form, path) in streams.items():
        content = tree.read(path)
        facts[key] = content if form == "0102" else decode(content, "utf-16-le" if form == "001F" else encoded)
    return facts


def _numbers(table: bytes) -> Iterator[tuple[int, int]]:
    for start in range(0, len(table) - 15, 16):
        form, key = struct.unpack_from("<HH", table, start)
        if form in _FIXED:
            yield key, struct.unpack_from(_FIXED[form], table, start + 8)[0]


def _file(tree: _Tree, place: str, depth: int) -> Attachment | None:
    facts = _facts(tree, place, 8)
    inner = f"{place}__substg1.0_3701000D/"
    if _PROPERTIES in tree.storages.get(inner, []):
        return nested(_message(tree, inner, depth + 1)) if depth < MAX_NESTED else None
    return file_of(facts)


def nested(message: Message) -> Attachment:
    """An attached message, as the mail reader reads it."""
    name = single_line(_text(message.facts, SUBJECT), 100) or "message"
    return Attachment(f"{name}.eml", "message/rfc822", rfc822(message))


def file_of(facts: Mapping[int, Value]) -> Attachment | None:
    """The file that an attachment's properties hold; None if there are no bytes, only a link."""
    content = facts.get(FILE_DATA)
    if not isinstance(content, bytes):
        return None
    name = next((text for key in (FILE_LONG_NAME, FILE_NAME, DISPLAY_NAME) if (text := _text(facts, key))), "")
    kind = _text(facts, FILE_KIND).strip().lower()
    known = re.fullmatch(r"[\w.+-]{1,80}/[\w.+-]{1,80}", kind)
    shown = single_line(re.split(r"[/\\]", name)[-1], 120)
    return Attachment(shown, kind if known else "application/octet-stream", content)
