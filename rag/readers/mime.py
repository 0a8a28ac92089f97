"""The structure of a mail: headers, parts, transfer encodings, with a bound on everything.

In: the raw bytes of a message. Out: `Part`s whose headers are text and whose bodies can be decoded. It does
not know what a part is for. The standard parser is used on one header block at a time: its walk over parts
recurses (1,000 nested parts end in RecursionError) and takes seconds for 100,000 parts.
"""

from __future__ import annotations

import binascii
import quopri
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser
from email.policy import compat32
from email.utils import collapse_rfc2231_value

from rag.errors import ReadError
from rag.readers.text import clean, decode

MAX_HEADER_BYTES = 2_000_000
MAX_HEADERS = 1000
MAX_PARTS = 1000
MAX_DEPTH = 30

_PARAMETERS = 8192
_NAME = 120
_FOLD = re.compile(r"\r?\n[ \t]*")
_WORD = re.compile(r"=\?([^?\s]{1,75})\?([bq])\?([^?]*)\?=", re.IGNORECASE)
_BETWEEN_WORDS = re.compile(r"(?<=\?=)\s+(?==\?[^?\s]{1,75}\?[bq]\?)", re.IGNORECASE)
_KIND = re.compile(r"[\w.+-]+/[\w.+-]+")
_DELIMITER = re.compile(rb"^--(\S[^\n]{0,199}?)[ \t]*\nContent-[\w-]+:", re.MULTILINE | re.IGNORECASE)
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")
_WORDS, _LETTERS = 8, 16


@dataclass(frozen=True, slots=True)
class Part:
    """A message or one of its parts; ``body`` is still transfer-encoded, header names are lower case."""

    headers: Mapping[str, str]
    kind: str
    parameters: Mapping[str, str]
    body: bytes

    @property
    def content(self) -> bytes:
        """The body with its transfer encoding undone, as far as it goes."""
        encoding = self.headers.get("content-transfer-encoding", "").strip().lower()
        if encoding == "base64":
            return self.body if _is_prose(self.body) else _base64(self.body)
        return quopri.decodestring(self.body) if encoding == "quoted-printable" else self.body

    @property
    def text(self) -> str:
        """The content as text of the declared charset, if that is one."""
        return decode(self.content, self.parameters.get("charset", ""))

    @property
    def attached(self) -> bool:
        """Whether the sender declared the part an attachment."""
        return _parameters(self.headers.get("content-disposition", ""))[0] == "attachment"

    @property
    def name(self) -> str:
        """The file name for display, or the empty string: no folder, no control characters, no path."""
        named = _parameters(self.headers.get("content-disposition", ""))[1].get("filename")
        name = clean(decode_words(named or self.parameters.get("name", "")))
        return " ".join(re.split(r"[/\\]", name)[-1].split())[:_NAME].lstrip(".")


def parse_part(raw: bytes, default: str = "text/plain") -> Part:
    """Read the headers of a message or part. Raises ReadError if they are beyond any honest size."""
    block, blank, body = (b"", b"", raw[1:]) if raw.startswith(b"\n") else raw.partition(b"\n\n")
    if len(block) > MAX_HEADER_BYTES:
        raise ReadError("its headers are larger than 2 MB")
    if len(re.findall(rb"^[^ \t\n]", block, re.MULTILINE)) > MAX_HEADERS:
        raise ReadError(f"it has more than {MAX_HEADERS} headers")
    message = BytesHeaderParser(policy=compat32).parsebytes(block + blank)
    headers: dict[str, str] = {}
    for name, value in message.raw_items():
        text = decode(str(value).encode("utf-8", "surrogateescape"))
        headers.setdefault(name.lower(), _FOLD.sub(" ", text).strip())
    del message["content-transfer-encoding"]  # it says how the body is written, not these lines:
    rest = message.get_payload(decode=True)  # from the first line on that is no header
    if isinstance(rest, bytes) and rest.strip():
        body = rest + body
    kind, parameters = _parameters(headers.get("content-type", ""))
    return Part(headers, kind if _KIND.fullmatch(kind) else default, parameters, body)


def children(part: Part) -> Iterator[Part]:
    """The parts of a multipart; none if no boundary is used."""
    boundary = part.parameters.get("boundary", "").rstrip().encode("utf-8", "replace")
    if not boundary or b"--" + boundary not in part.body:
        # Careless senders of bulk mail announce one and use another.
        used = _DELIMITER.search(part.body)
        boundary = used[1] if used else boundary
    if not boundary:
        return
    line = re.compile(rb"^--" + re.escape(boundary) + rb"(--)?[ \t]*$", re.MULTILINE)
    default = "message/rfc822" if part.kind == "multipart/digest" else "text/plain"
    start: int | None = None
    for delimiter in line.finditer(part.body):
        if start is not None:
            yield parse_part(part.body[start : max(start, delimiter.start() - 1)], default)
        if delimiter[1]:
            return
        start = delimiter.end() + 1
    if start is not None:  # a truncated message has no last delimiter
        yield parse_part(part.body[start:], default)


def decode_words(value: str) -> str:
    """Undo RFC 2047 encoded words; neighbours are joined first, for senders cut in the middle of a letter."""
    value = _BETWEEN_WORDS.sub("", value)
    pieces: list[str] = []
    pending, charset, position = bytearray(), "", 0
    for word in _WORD.finditer(value):
        new = word[1].partition("*")[0].lower()
        if pending and (word.start() != position or new != charset):
            pieces.append(decode(bytes(pending), charset))
            pending = bytearray()
        pieces.append(value[position : word.start()])
        encoded = word[3].encode("utf-8", "replace")
        pending += _base64(encoded) if word[2] in "bB" else quopri.decodestring(encoded, header=True)
        charset, position = new, word.end()
    return "".join(pieces) + decode(bytes(pending), charset) + value[position:]


def _parameters(value: str) -> tuple[str, dict[str, str]]:
    """Split a structured header into its lower-case value and its parameters."""
    message = Message(policy=compat32)
    # The standard splitter is quadratic (cpython#136063), hence the cut.
    message["content-type"] = value[:_PARAMETERS]
    try:
        found = message.get_params(failobj=[]) or []
        pairs = [(name.lower(), collapse_rfc2231_value(text)) for name, text in found[1:]]
    except (ValueError, TypeError):
        # `name*=idna''…`, a charset with NUL, `name*` with 5,000 digits and `name*` beside `name*1` raise in there.
        # The type itself is still to be had; anything else ends in the guard around the message.
        return value.partition(";")[0].strip().lower()[:_NAME], {}
    kind = found[0][0].strip().lower() if found else ""
    return kind[:_NAME], dict(reversed(pairs))


def _is_prose(data: bytes) -> bool:
    """Whether a body that is said to be base64 is a run of words, as some senders have it."""
    words = data[:_PARAMETERS].split()
    return len(words) > _WORDS and sum(map(len, words)) < _LETTERS * len(words)


def _base64(data: bytes) -> bytes:
    """Decode what is base64 in ``data``; a cut-off end and foreign characters cost only themselves."""
    digits = _NOT_BASE64.sub(b"", data)
    digits = digits[: len(digits) - (len(digits) % 4 == 1)]
    return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))
