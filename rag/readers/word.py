"""Word: the bytes of a .docx file -> a Document of what a person sees in its main text.

Paragraphs and tables come in their order, with one line a table row. Headers, footers, notes, comments, text boxes
and deleted text stay out. The package is read part by part as a stream: no tree, no DOCTYPE, nothing outside it.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from io import BytesIO
from xml.etree.ElementTree import ParseError, XMLParser
from zipfile import BadZipFile, ZipFile

from rag.errors import ReadError
from rag.readers.parsed import Parsed
from rag.readers.pdf import stated_person, stated_title
from rag.readers.text import as_of, clean, date_in, document_id, first_line, invisible, unseen
from rag.records import Document, SourceFile

MAX_XML = 50_000_000
"""Bytes of all XML that is read of a file, unpacked."""

MAX_TEXT = 2_000_000

_MAX_NESTED = 200
_MAX_ELEMENTS = 1_000_000  # about 3 s
_BLOCK = 1 << 16
_CELL = 100
_SMALLEST = 4  # half points
_BASES = 20
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MAIN, _STYLES, _CORE, _RELATIONS = "word/document.xml", "word/styles.xml", "docProps/core.xml", "_rels/.rels"
# Deleted and moved text, text boxes (which stand twice in a file), field codes, and what is no text.
_ASIDE = frozenset(
    "del moveFrom txbxContent Fallback instrText delText delInstrText sectPr sdtPr sdtEndPr tblGrid object rt "
    "pPrChange rPrChange tblPrChange trPrChange tcPrChange sectPrChange numberingChange".split()
)
_MARKS: Mapping[str, str] = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "ptab": "\t"}
_OFF = ("0", "false", "off", "none")
# In every new table; other table styles may well have dark rows with white text.
_PLAIN_TABLES = ("tablegrid", "tablenormal")
_PAPER = "white"
_TOLD = frozenset("vanish specVanish color sz shd highlight numId basedOn".split())


@dataclass(frozen=True, slots=True)
class _Look:
    """What is said of text by its style or by itself; None where nothing is."""

    vanished: bool | None = None
    colour: str | None = None
    size: int | None = None
    ground: str | None = None
    listed: bool | None = None
    based: str = ""

    def over(self, lower: _Look) -> _Look:
        """Both, where this one wins."""
        names = ("vanished", "colour", "size", "ground", "listed")
        return _Look(*(getattr(lower if getattr(self, name) is None else self, name) for name in names))

    @property
    def is_hidden(self) -> bool:
        """Whether it is marked hidden, is of a pixel or two, or white on white."""
        tiny = self.size is not None and self.size < _SMALLEST
        return bool(self.vanished) or tiny or (_is_white(self.colour) and (self.ground or _PAPER) == _PAPER)

    def told(self, name: str, value: str, fill: str) -> _Look:
        """With a property of OOXML added."""
        if name in ("vanish", "specVanish"):
            return replace(self, vanished=value not in _OFF)
        if name == "color":
            return replace(self, colour=value)
        if name == "sz" and value.isdecimal():
            return replace(self, size=int(value[:9]))
        if name in ("shd", "highlight"):
            painted = fill if name == "shd" else value
            return (
                self
                if painted in ("", "auto", "none")
                else replace(self, ground=_PAPER if _is_white(painted) else painted)
            )
        if name == "numId":
            return replace(self, listed=value not in _OFF)
        return replace(self, based=value) if name == "basedOn" else self


def parse(source: SourceFile, raw: bytes) -> Parsed:
    """Read the main text. Raises ReadError if it is no Word file, encrypted, damaged or a bomb."""
    if raw.startswith(_OLE):
        raise ReadError("it is encrypted, or of Word before 2007", remedy="Save it as .docx without a password.")
    try:
        with ZipFile(BytesIO(raw)) as package:
            names = set(package.namelist())
            parts = _Parts(package)
            core = _Core()
            styles = _Styles()
            body = _Body(styles.looks)
            for name, handler in ((_CORE, core), (_STYLES, styles)):
                if name in names:
                    parts.read(name, handler)
            parts.read(parts.main(), body)
    except (
        BadZipFile,
        ParseError,
        KeyError,
        EOFError,
        zlib.error,
        NotImplementedError,
        RuntimeError,
        ValueError,
    ) as error:
        raise ReadError("it is not a Word file (.docx), or a damaged one", remedy="Save it again.") from error
    written = body.text()
    text = clean(written)
    stated = core.facts
    dates = [
        ("text", date_in(text[:1000])),
        *(("metadata", _date(stated.get(name, ""))) for name in ("modified", "created")),
    ]
    dated_by, date = as_of(dates, "", source.mtime_ns)
    document = Document(
        id=document_id(raw),
        path=source.path,
        kind="note",
        title=stated_title(stated.get("title", "")) or first_line(text),
        text=text,
        date=date,
        author=stated_person(stated.get("creator", "")),
        house=None,
        meta={**unseen(body.hidden, invisible(written)), "date_source": dated_by},
    )
    return Parsed(document, left_out=(f"only the first {MAX_TEXT:,} characters are read",) * (body.room <= 0))


def _is_white(colour: str | None) -> bool:
    """Whether it is white, or as good as: F0 or more of each of red, green and blue."""
    return bool(colour) and (colour == "white" or bool(re.fullmatch("(?i)(?:f[0-9a-f]){3}", colour or "")))


def _date(value: str) -> datetime | None:
    try:
        return datetime.fromisoformat(value.strip())
    except ValueError:
        return None


class _Handler:
    """What is told of an XML part, tag by tag; names come without their namespaces."""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins."""

    def end(self, tag: str) -> None:
        """An element ends."""

    def data(self, text: str) -> None:
        """Some text, not necessarily all of an element's."""

    def close(self) -> None:
        """The part ends."""

    def doctype(self, name: str, public: str | None, system: str | None) -> None:
        """Entities are declared here, and Word writes none."""
        raise ReadError("its XML declares entities")


@dataclass(slots=True)
class _Parts:
    """The parts of the package; ``room`` is what may still be unpacked, in bytes."""

    package: ZipFile
    room: int = MAX_XML

    def main(self) -> str:
        """The name of the part with the text, which other programs than Word call otherwise."""
        found = _Relations()
        if _RELATIONS in self.package.namelist():
            self.read(_RELATIONS, found)
        return found.main or _MAIN

    def read(self, name: str, handler: _Handler) -> None:
        parser = XMLParser(target=handler)
        with self.package.open(name) as part:
            while block := part.read(_BLOCK):
                self.room -= len(block)
                if self.room < 0:
                    raise ReadError(f"it unpacks to more than {MAX_XML // 1_000_000} MB of text")
                parser.feed(block)
        parser.close()


class _Relations(_Handler):
    def __init__(self) -> None:
        self.main = ""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if attributes.get("Type", "").endswith("/officeDocument") and attributes.get("TargetMode") != "External":
            self.main = attributes.get("Target", "").lstrip("/")


class _Core(_Handler):
    """The properties of the document: title, creator, created, modified."""

    def __init__(self) -> None:
        self.facts: dict[str, str] = {}
        self.name = ""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.name = _local(tag)

    def end(self, tag: str) -> None:
        self.name = ""

    def data(self, text: str) -> None:
        if self.name in ("title", "creator", "created", "modified"):
            self.facts[self.name] = (self.facts.get(self.name, "") + text)[:1000]


@lru_cache(1000)
def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _value(attributes: Mapping[str, str], name: str) -> str:
    return next((value for key, value in attributes.items() if _local(key) == name), "")


def _told(look: _Look, name: str, attributes: Mapping[str, str]) -> _Look:
    return look.told(name, _value(attributes, "val"), _value(attributes, "fill"))


class _Styles(_Handler):
    """The named looks of a document; those for some cells of a table only are left out."""

    def __init__(self) -> None:
        self.looks: dict[str, _Look] = {}
        self.name = ""
        self.look = _Look()
        self.partly = False

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = _local(tag)
        if name == "style":
            self.name, self.look = _value(attributes, "styleId"), _Look()
        elif name == "tblStylePr":
            self.partly = True
        elif name in _TOLD and not self.partly:
            self.look = _told(self.look, name, attributes)

    def end(self, tag: str) -> None:
        name = _local(tag)
        if name == "style":
            self.looks[self.name] = self.look
        elif name == "tblStylePr":
            self.partly = False


class _Body(_Handler):
    """The main text under construction; a table cell is a frame of blocks, and so is the whole."""

    def __init__(self, styles: Mapping[str, _Look]) -> None:
        self.styles = styles
        self.frames: list[list[tuple[str, str]]] = [[]]
        self.rows: list[list[str]] = []
        self.grounds: list[_Look] = [_Look()]
        self.tables: list[_Look] = []
        self.paragraph, self.run = _Look(), _Look()
        self.pieces: list[str] = []
        self.hidden, self.room = 0, MAX_TEXT
        self.behind = self.in_text = False
        self.aside = 0
        self.properties = ""
        self.elements = 0
        self.is_hidden: bool | None = None  # of the text to come, where it is known

    def text(self) -> str:
        return _joined(self.frames[0])

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = _local(tag)
        self.elements += 1
        if self.elements > _MAX_ELEMENTS:
            raise ReadError(f"it has more than {_MAX_ELEMENTS:,} elements")
        if self.aside or name in _ASIDE or (name == "rPr" and self.properties == "pPr"):
            self.aside += 1  # the look of the paragraph mark is no look of text
        elif name in ("rPr", "pPr", "tcPr", "tblPr"):
            self.properties = name
        elif self.properties or name == "background":
            self._property(name, attributes)
        elif name == "t":
            self.in_text = True
        elif name in _MARKS:
            self._write(_MARKS[name])
        else:
            self._open(name)

    def end(self, tag: str) -> None:
        name = _local(tag)
        if self.aside:
            self.aside -= 1
        elif name == self.properties:
            self.properties = ""
        elif name == "t":
            self.in_text = False
        elif name == "p":
            self._close_paragraph()
        elif name in ("tc", "tr", "tbl"):
            self._close(name)

    def data(self, text: str) -> None:
        if self.in_text and not self.aside:
            self._write(text)

    def _open(self, name: str) -> None:
        self.is_hidden = None
        if name == "p":
            self.paragraph, self.pieces, self.behind = _Look(), [], False
        elif name == "r":
            self.run = _Look()
        elif name == "tbl":
            self.tables.append(_Look())
        elif name == "tr":
            self.rows.append([])
        elif name == "tc":
            if len(self.frames) > _MAX_NESTED:
                raise ReadError("its tables are nested too deeply")
            self.frames.append([])
            self.grounds.append(_Look())

    def _property(self, name: str, attributes: Mapping[str, str]) -> None:
        value = _value(attributes, "val")
        self.is_hidden = None
        if name == "background":
            self.grounds[0] = _Look().told("highlight", _value(attributes, "color"), "")
        elif name == "pStyle":
            self.paragraph = self.paragraph.over(self._style(value))
        elif name == "rStyle":
            self.run = self.run.over(self._style(value))
        elif name == "tblStyle" and self.tables and value.lower() not in _PLAIN_TABLES:
            self.tables[-1] = _Look(ground="styled")
        elif name in _TOLD and self.properties == "rPr":
            self.run = _told(self.run, name, attributes)
        elif name in _TOLD and self.properties == "pPr":
            self.paragraph = _told(self.paragraph, name, attributes)
        elif name == "shd" and self.properties == "tcPr":
            self.grounds[-1] = _told(self.grounds[-1], name, attributes)

    def _style(self, name: str) -> _Look:
        look = _Look()
        for _ in range(_BASES):
            found = self.styles.get(name, _Look())
            look, name = look.over(found), found.based
        return look

    def _write(self, text: str) -> None:
        if self.is_hidden is None:
            look = self.run.over(self.paragraph).over(self.grounds[-1])
            self.is_hidden = look.over(self.tables[-1] if self.tables else _Look()).over(self.grounds[0]).is_hidden
        says = any(map(str.isalnum, text))
        if self.is_hidden:
            self.hidden += says and not self.behind
            self.behind |= says
        elif self.room > 0:
            self.behind &= not says
            self.pieces.append(text[: self.room])
            self.room -= len(text)

    def _close_paragraph(self) -> None:
        text = "".join(self.pieces).strip()
        listed = self.paragraph.listed
        self.pieces, self.paragraph, self.run = [], _Look(), _Look()
        if text:
            self.frames[-1].append(("item", f"- {text}") if listed else ("paragraph", text))

    def _close(self, name: str) -> None:
        if name == "tbl":
            self.tables.pop()
        elif name == "tr":
            self._row(self.rows.pop())
        else:
            self.grounds.pop()
            text = _joined(self.frames.pop())
            if self.rows:
                self.rows[-1].append(text)
            elif text:
                self.frames[-1].append(("paragraph", text))

    def _row(self, cells: list[str]) -> None:
        """A row of short cells is a row of figures and stays on one line; else the table is layout."""
        told = [cell for cell in cells if cell]
        if len(told) > 1 and all(len(cell) <= _CELL for cell in told):
            self.frames[-1].append(("row", " | ".join(" ".join(cell.split()) for cell in told)))
        else:
            self.frames[-1] += [("paragraph", cell) for cell in told]


def _joined(blocks: list[tuple[str, str]]) -> str:
    """A blank line between paragraphs, none between the items of a list or the rows of a table."""
    pieces: list[str] = []
    before = ""
    for kind, text in blocks:
        pieces += ("" if not pieces else "\n" if kind == before != "paragraph" else "\n\n", text)
        before = kind
    return "".join(pieces)
