"""RTF, as Outlook keeps the body of a message: compressed bytes -> plain text, or the HTML wrapped in it.

It knows no pictures, fields or footnotes; hidden text is left out.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace

from rag.errors import ReadError
from rag.readers.text import decode

CODEPAGES: Mapping[int, str] = {
    65001: "utf-8",
    20127: "ascii",
    20866: "koi8-r",
    21866: "koi8-u",
    50220: "iso-2022-jp",
    50221: "iso-2022-jp",
    51932: "euc-jp",
    51949: "euc-kr",
    52936: "hz",
    54936: "gb18030",
    **{28590 + part: f"iso-8859-{part}" for part in range(1, 16)},
}
"""Windows code pages that Python does not call ``cp`` and the number."""

_HEADER = struct.Struct("<IIII")
_PACKED, _UNPACKED = 0x75465A4C, 0x414C454D
_MAX = 4_000_000
# MS-OXRTFCP 2.1.3.1.1: what the dictionary holds before the first byte.
_DICTIONARY = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans Serif"
    rb"SymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0" + b"\r\n" + rb"\par \pard\plain\f0\fs20\b\i\u"
    rb"\tab\tx"
)


def charset(codepage: object) -> str:
    """The name of a Windows code page; empty where there is none."""
    return CODEPAGES.get(codepage, f"cp{codepage}") if isinstance(codepage, int) and codepage > 0 else ""


def unpacked(packed: bytes) -> bytes:
    """Undo the compression of MS-OXRTFCP, as far as it goes; empty for another format."""
    if len(packed) < _HEADER.size:
        return b""
    _, size, form, _ = _HEADER.unpack_from(packed)
    if form == _UNPACKED:
        return packed[_HEADER.size :][: min(size, _MAX)]
    return _inflated(packed, min(size, _MAX)) if form == _PACKED else b""


def _inflated(packed: bytes, size: int) -> bytes:
    """LZ77 in a window of 4,096 bytes, with eight steps behind each byte that says which of them are copies."""
    history = bytearray(_DICTIONARY)
    steps, read = 0, _HEADER.size
    while len(history) - len(_DICTIONARY) < size and read + 1 < len(packed):
        if steps <= 1:  # a 1 stands above the bits that are left
            steps, read = packed[read] | 0x100, read + 1
        if not steps & 1:
            history.append(packed[read])
            read += 1
        elif read + 1 < len(packed):
            copy = packed[read] << 8 | packed[read + 1]
            distance, length = (len(history) - (copy >> 4)) % 4096, (copy & 15) + 2
            if not 0 < distance <= len(history):  # 0 marks the end
                break
            piece = history[-distance : len(history) - max(distance - length, 0)]
            history += (piece * length)[:length]  # a copy may reach into what it is writing
            read += 2
        steps >>= 1
    return bytes(history[len(_DICTIONARY) :][:size])


_TOKEN = re.compile(
    rb"\\(?:(?P<word>[a-zA-Z]{1,32})(?P<number>-?\d{1,9})? ?|'(?P<hex>[0-9a-fA-F]{2})|(?P<symbol>[^a-zA-Z]))"
    rb"|(?P<brace>[{}])|(?P<text>[^\\{}\r\n]+)"
)
_ASIDE = frozenset(
    b"fonttbl colortbl stylesheet info pict object header footer headerl headerr footerl footerr footnote annotation "
    b"listtable listoverridetable themedata fldinst bkmkstart bkmkend nonshppict".split()
)
_WORDS: Mapping[bytes, str] = {
    **dict.fromkeys((b"par", b"line", b"row", b"sect", b"page"), "\n"),
    b"cell": " | ",
    b"tab": "\t",
    b"emdash": "\u2014",
    b"endash": "\u2013",
    b"bullet": "\u2022",
    b"lquote": "\u2018",
    b"rquote": "\u2019",
    b"ldblquote": "\u201c",
    b"rdblquote": "\u201d",
}
_SYMBOLS: Mapping[bytes, str] = {b"~": "\xa0", b"_": "-", b"\n": "\n", b"\r": "\n"}
_CHARSETS: Mapping[int, int] = {
    128: 932,
    129: 949,
    134: 936,
    136: 950,
    161: 1253,
    162: 1254,
    163: 1258,
    177: 1255,
    178: 1256,
    186: 1257,
    204: 1251,
    222: 874,
    238: 1250,
}
_DEPTH = 1000


@dataclass(slots=True)
class _Group:
    """What holds between two braces; ``aside`` is what is no text, ``tag`` the HTML kept in RTF."""

    aside: bool = False
    tag: bool = False
    muted: bool = False
    replaced: int = 1
    codepage: int = 0


def rtf_text(rtf: bytes) -> tuple[str, bool]:
    """The text of an RTF, or the HTML that Outlook wrapped in it (MS-OXRTFEX), and whether it is HTML.

    Raises ReadError if its groups are nested beyond any honest depth.
    """
    is_html = b"\\fromhtml1" in rtf[:1000]
    flow = _Flow(is_html)
    for token in _TOKEN.finditer(rtf):
        flow.read(token)
    flow.flush()
    # Letters beyond the first plane come as two halves.
    text = "".join(flow.pieces).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text, is_html


class _Flow:
    """Text under construction; bytes wait in ``pending`` until a whole letter of their code page is there."""

    def __init__(self, is_html: bool) -> None:
        self.is_html = is_html
        self.pieces: list[str] = []
        self.pending = bytearray()
        self.group = _Group()
        self.outer: list[_Group] = []
        self.ansi = 1252
        self.fonts: dict[int, int] = {}
        self.font = 0
        self.skip = 0
        self.starred = False

    def read(self, token: re.Match[bytes]) -> None:
        if token["brace"]:
            self._brace(token["brace"])
        elif token["word"]:
            self._word(token["word"], int(token["number"]) if token["number"] else None)
        elif token["symbol"] == b"*":
            self.starred = True
        elif token["symbol"]:
            self._write(_SYMBOLS.get(token["symbol"], token["symbol"].decode("latin-1") * (token["symbol"] in b"\\{}")))
        else:
            letters = bytes.fromhex(token["hex"].decode()) if token["hex"] else token["text"]
            skipped = min(self.skip, len(letters))
            self.skip -= skipped
            if self._seen():
                self.pending += letters[skipped:]

    def flush(self) -> None:
        if self.pending:
            self.pieces.append(decode(bytes(self.pending), charset(self.group.codepage or self.ansi)))
            self.pending = bytearray()

    def _seen(self) -> bool:
        return not self.group.aside and (self.group.tag or not self.group.muted)

    def _write(self, text: str) -> None:
        if text and self._seen():
            self.flush()
            self.pieces.append(text)

    def _brace(self, brace: bytes) -> None:
        self.flush()
        self.starred, self.skip = False, 0
        if brace == b"}":
            self.group = self.outer.pop() if self.outer else self.group
            return
        if len(self.outer) >= _DEPTH:
            raise ReadError("its RTF is nested too deeply")
        self.outer.append(self.group)
        self.group = replace(self.group)

    def _word(self, word: bytes, number: int | None) -> None:
        starred, self.starred = self.starred, False
        if starred or word in _ASIDE:
            self.group.tag = word == b"htmltag" and self.is_html
            self.group.aside |= not self.group.tag
        elif word == b"u" and number is not None:
            self._write(chr(number % 0x10000))
            self.skip = self.group.replaced
        elif word in (b"htmlrtf", b"v"):  # what only RTF readers shall see, and what nobody shall
            self.flush()
            self.group.muted = number != 0
        elif word in _WORDS:
            self._write(_WORDS[word])
        elif number is not None:
            self._setting(word, number)

    def _setting(self, word: bytes, number: int) -> None:
        if word == b"uc":
            self.group.replaced = min(max(number, 0), 10)
        elif word == b"ansicpg":
            self.ansi = number
        elif word == b"fcharset":
            self.fonts[self.font] = _CHARSETS.get(number, 0)
        elif word == b"f":
            self.flush()
            self.font, self.group.codepage = number, self.fonts.get(number, 0)
