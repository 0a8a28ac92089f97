"""Mail: the bytes of a message -> a Document and what is attached; the bytes of an mbox -> its messages.

Quote marks and attribution lines stay in the text, for `rag.attribution` to read. Nothing that a message points
to is fetched. It does not know who is speaking, nor how an attachment is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import partial
from itertools import chain, pairwise
from typing import BinaryIO

from rag.errors import ReadError
from rag.readers.html import visible
from rag.readers.markup import Budget
from rag.readers.mime import MAX_DEPTH, MAX_PARTS, Part, children, decode_words, parse_part
from rag.readers.parsed import Attachment, Parsed
from rag.readers.smime import signed_content
from rag.readers.text import as_of, clean, document_id, first_line, invisible, single_line, unseen
from rag.records import Document, SourceFile

MAX_MESSAGE = 50_000_000
"""Bytes of one message, or of one note."""

_STUB = 200
_META = 1000
_BLOCK = 1 << 16
_ADDRESS = re.compile(r"[^\s<>()\[\],;:\"@]{1,256}@[^\s<>()\[\],;:\"@]{1,256}")
_MESSAGE_ID = re.compile(r"<([^<>\s]+)>|([^<>\s]{1,256}@[^<>\s]+)")
_YEAR_ZERO = re.compile(r"\s0\d{3}\s+\d")  # the standard parser takes 0000 for 2000
_COMMENT = re.compile(r"\(([^()]*)\)")
# Stricter than RFC 4155's "From ": a body line that begins so must also follow a blank line and carry a time
# and a year. A separator that was pasted whole into a body, after a blank line, is still taken for one.
_SEPARATOR = re.compile(rb"From \S+\s.{0,80}\d:\d\d.{0,60}\d{4}")
# Newer versions of Thunderbird write no more than this; a header must follow.
_BARE_SEPARATOR = re.compile(rb"From (?:-[ \t]*)?\r?\n")
_HEADER_LINE = re.compile(rb"[!-9;-~]+:")
_HEADER_BLOCK = re.compile(rb"(?:[!-9;-~]+:[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*(?:\r?\n|$))+")
_ESCAPED = re.compile(rb">+From ")
_ARMOUR = re.compile(r"^-----(BEGIN|END) PGP (MESSAGE|SIGNATURE|PUBLIC KEY BLOCK)-----[ \t]*$", re.MULTILINE)
# A mail program shows what stands in there, so words do not pass for armour.
_ARMOURED = re.compile(r"\s*+(?:\w+: [^\n]*+\n)*+\s*+(?:[A-Za-z0-9+/]{16,76}\s*+)*+[A-Za-z0-9+/=\s]{0,90}+")
_SIGNED = re.compile(r"^-----BEGIN PGP SIGNED MESSAGE-----[ \t]*\n(?:Hash: [^\n]*\n)*\n?", re.MULTILINE)
_SEALED = frozenset(("application/pkcs7-mime", "application/x-pkcs7-mime"))
# What a mail program shows no user: the proof of a signature, the machine's half of a report.
_MACHINERY = frozenset(
    """application/pgp-signature application/pkcs7-signature application/x-pkcs7-signature message/delivery-status
    message/disposition-notification message/external-body text/rfc822-headers text/x-amp-html""".split()
)
# These have a reader of their own, in the body of a mail too.
_DOCUMENTS = frozenset(("text/calendar", "text/x-vcard", "text/vcard", "text/directory"))


@dataclass(slots=True)
class _Tally:
    """What was met on the way through the parts of one message."""

    parts: int = 0
    hidden: int = 0
    invisible: int = 0
    left_out: list[str] = field(default_factory=list)
    markup: Budget = field(default_factory=Budget)
    attachments: list[Attachment] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Body:
    text: str
    html: bool = False


def parse(source: SourceFile, raw: bytes) -> Parsed:
    """Read one message. Raises ReadError if it is no message, or beyond a bound."""
    data = raw.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    if b"\n" not in data:
        data = data.replace(b"\r", b"\n")
    message = parse_part(data)
    if not message.headers and b"\0" in data[:_BLOCK]:
        raise ReadError("it is not a mail message")
    tally = _Tally()
    text = clean(_body(message, tally, 0).text)
    subject = single_line(decode_words(message.headers.get("subject", "")))
    person, address = _mailbox(message.headers.get("from", ""))
    dates = [message.headers.get(name, "") for name in ("date", "sent", "resent-date", "delivery-date")]
    dates.append(message.headers.get("received", "").rpartition(";")[2])  # when it reached its last server
    dated_by, date = as_of([("header", _date(value)) for value in dates], text, source.mtime_ns)
    own = _identifier(message.headers.get("message-id", ""))
    answered = _identifier(message.headers.get("in-reply-to", ""))
    facts = {
        "from": address,
        "to": ", ".join(_ADDRESS.findall(message.headers.get("to", "")[: _META * 10])),
        "domain": address.rpartition("@")[2].lower(),
        "subject": subject,
        "message_id": own,
        "in_reply_to": answered,
        "date_source": dated_by,
        "attachments": ", ".join(attachment.name or attachment.kind for attachment in tally.attachments),
        **unseen(tally.hidden, tally.invisible),
    }
    document = Document(
        id=document_id(raw),
        path=source.path,
        kind="email",
        title=subject or first_line(text),
        text=text,
        date=date,
        author=person or None,
        house=None,
        thread=_identifier(message.headers.get("references", "")) or answered or own or None,
        meta={name: single_line(fact, _META) for name, fact in facts.items() if fact},
    )
    return Parsed(document, tuple(tally.attachments), tuple(dict.fromkeys(tally.left_out)))


def split_mbox(file: BinaryIO) -> Iterator[bytes]:
    """Cut an mbox into messages, holding one at a time; one over `MAX_MESSAGE` comes cut just above it.

    The separator line goes, and so does one ``>`` that an mbox puts before ``From `` at the start of a line.
    """
    lines: list[bytes] = []
    size = 0
    after_blank = at_start = before_all = True
    for line, following in _lines(file):
        if at_start and after_blank and _separates(line, following):
            if lines:
                yield _message(lines)
            lines, size, after_blank, before_all = [], 0, False, False
            continue
        if at_start and _ESCAPED.match(line):
            line = line[1:]
        after_blank = at_start and line in (b"\n", b"\r\n")
        at_start = line.endswith(b"\n")
        if size <= MAX_MESSAGE and not (before_all and after_blank and not lines):
            lines.append(line)
            size += len(line)
    if lines:
        yield _message(lines)


def is_mbox(start: bytes) -> bool:
    """Whether a file that begins like this is an mbox."""
    line, end, following = start.lstrip(b"\r\n").partition(b"\n")
    return _separates(line + end, following)


def is_message(start: bytes) -> bool:
    """Whether a file that begins like this is a mail: a block of headers, with a sender and one more fact."""
    block, *rest = re.split(rb"\r?\n\r?\n", start.removeprefix(b"\xef\xbb\xbf"), maxsplit=1)
    if not rest:
        block = block[: block.rfind(b"\n") + 1]
    if not _HEADER_BLOCK.fullmatch(block):
        return False
    names = {line.partition(b":")[0].lower() for line in block.splitlines() if line[:1] not in b" \t"}
    return b"from" in names and not names.isdisjoint((b"subject", b"date", b"sent", b"to", b"message-id"))


def _separates(line: bytes, following: bytes) -> bool:
    bare = _BARE_SEPARATOR.fullmatch(line) and _HEADER_LINE.match(following)
    return bool(bare or _SEPARATOR.match(line))


def _lines(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Each line, a long one in pieces, with the one behind it."""
    first = file.readline(_BLOCK)
    if not first:
        return
    if b"\r" in first and b"\n" not in first:
        lines = _lines_of_old_mac(file, first)
    else:
        lines = chain((first,), iter(partial(file.readline, _BLOCK), b""))
    yield from pairwise(chain(lines, (b"",)))


def _lines_of_old_mac(file: BinaryIO, block: bytes) -> Iterator[bytes]:
    """The lines of a file whose lines end in CR, which come to end in LF."""
    rest = b""
    while block:
        *lines, rest = (rest + block).split(b"\r")
        yield from (line + b"\n" for line in lines)
        if len(rest) > _BLOCK:
            yield rest
            rest = b""
        block = file.read(_BLOCK)
    if rest:
        yield rest


def _message(lines: list[bytes]) -> bytes:
    """Join the lines, without the blank one that the mbox put behind the message."""
    if len(lines) > 1 and lines[-1] in (b"\n", b"\r\n") and lines[-2].endswith(b"\n"):
        lines = lines[:-1]
    return b"".join(lines)


def _body(part: Part, tally: _Tally, depth: int) -> _Body:
    """The text of a part and of the parts in it; what has to be read by itself is noted as attached."""
    tally.parts += 1
    if tally.parts > MAX_PARTS:
        raise ReadError(f"it has more than {MAX_PARTS} parts")
    if depth > MAX_DEPTH:
        raise ReadError(f"its parts are nested more than {MAX_DEPTH} deep")
    if part.kind in _SEALED and (content := signed_content(part.content)):
        return _body(parse_part(content.replace(b"\r\n", b"\n")), tally, depth + 1)
    if part.kind in _SEALED or part.kind == "multipart/encrypted":
        signed = part.parameters.get("smime-type", "").lower() == "signed-data"
        tally.left_out.append("its text is sealed into a signature" if signed else "its text is encrypted")
        return _Body("")
    if part.kind.startswith("multipart/"):
        inner = [_body(child, tally, depth + 1) for child in children(part)]
        if inner and part.kind == "multipart/alternative":
            return _best(inner)
        if inner:
            return _Body("\n\n".join(body.text for body in inner if body.text), any(body.html for body in inner))
        return _Body(_plain(part, tally))  # no boundary is to be found, so the body is all there is
    if part.kind in _MACHINERY:
        return _Body("")
    if (part.attached and depth) or not part.kind.startswith("text/") or part.kind in _DOCUMENTS:
        tally.attachments.append(Attachment(part.name, part.kind, part.content))
        return _Body("")
    return _html(part, tally) if part.kind == "text/html" else _Body(_plain(part, tally))


def _best(bodies: list[_Body]) -> _Body:
    """The one alternative to read: plain text, unless it only says that there is a better one."""
    plain = next((body for body in bodies if body.text.strip() and not body.html), None)
    html = next((body for body in bodies if body.text.strip() and body.html), None)
    if plain and html and len(plain.text) < _STUB and len(html.text) > 5 * len(plain.text):
        return html
    return plain or html or _Body("")


def _html(part: Part, tally: _Tally) -> _Body:
    page = visible(part.content, part.parameters.get("charset", ""), tally.markup)
    tally.hidden += page.hidden
    tally.invisible += page.invisible
    return _Body(page.text, html=True)


def _plain(part: Part, tally: _Tally) -> str:
    text = _without_armour(part.text.replace("\r\n", "\n"), tally)
    tally.invisible += invisible(text)
    if part.parameters.get("format", "").lower() != "flowed":
        return text
    return _unwrapped(text, joint="" if part.parameters.get("delsp", "").lower() == "yes" else " ")


def _without_armour(text: str, tally: _Tally) -> str:
    """Cut out what PGP wrote for machines: signatures, keys, and text that only the recipient can read."""
    kept: list[str] = []
    opened: re.Match[str] | None = None
    position = 0
    for rule in _ARMOUR.finditer(text):
        if rule[1] == "BEGIN":
            opened = rule
        elif opened and opened[2] == rule[2] and _ARMOURED.fullmatch(text, opened.end(), rule.start()):
            kept.append(text[position : opened.start()])
            position = rule.end()
            if rule[2] == "MESSAGE":
                tally.left_out.append("its text is encrypted")
    return _SIGNED.sub("", "".join(kept) + text[position:])


def _unwrapped(text: str, joint: str) -> str:
    """Join the soft line breaks of RFC 3676: a line that ends in a space goes on in the next of its depth."""
    lines: list[list[str]] = []
    open_depth = -1
    for line in text.split("\n"):
        content = line.lstrip(">")
        depth = len(line) - len(content)
        content = content.removeprefix(" ")
        signature = content == "-- "
        if depth == open_depth and not signature:
            lines[-1] += (joint, content.rstrip(" "))
        else:
            lines.append([">" * depth, " " if depth else "", content if signature else content.rstrip(" ")])
        open_depth = depth if content.endswith(" ") and not signature else -1
    return "\n".join("".join(line) for line in lines)


def _mailbox(value: str) -> tuple[str, str]:
    """The display name and the address of a From header; either may be empty."""
    value = value[: _META * 10]
    before, angle, behind = value.partition("<")
    address = _ADDRESS.search(behind) or _ADDRESS.search(value)
    name = before if angle else " ".join(_COMMENT.findall(value[:_META]))
    if not angle and not address:
        name = value
    person = single_line(decode_words(name.strip().strip("\"'").replace('\\"', '"')), 80)
    found = address[0] if address else ""
    return ("" if "@" in person or not any(map(str.isalpha, person)) else person), found


def _identifier(value: str) -> str:
    """The first message identifier in a header, without its angle brackets."""
    match = _MESSAGE_ID.search(value[: _META * 10])
    return single_line(match[1] or match[2], 250) if match else ""


def _date(value: str) -> datetime | None:
    if _YEAR_ZERO.search(value):
        return None
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            return read(value[:100].strip())
        except Exception:
            # ValueError, TypeError, IndexError and OverflowError are known for year 99999, a zone of
            # +99999999999 and "Tomorrow maybe"; a date that cannot be read is no date.
            continue
    return None
