"""PDF: the bytes of a file -> a Document of the text that a person sees on its pages.

Lines are put together into paragraphs where they were surely wrapped, and the running heads and feet go. It
reads no pictures, forms, notes or outlines. Pdfium is not thread-safe and can hang or take a gigabyte on a
hostile file, so this runs in a process of its own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from ctypes import byref, c_float, c_int, c_uint, c_void_p, cast
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from rag.errors import ReadError
from rag.readers.parsed import Parsed
from rag.readers.text import as_of, clean, date_in, document_id, first_line, invisible, single_line, unseen
from rag.records import Document, SourceFile

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfPage, PdfTextPage

MAX_PAGES = 500
MAX_TEXT = 2_000_000
"""Characters of text in one document."""

_MAX_PAGE_TEXT = 200_000
_MAX_OBJECTS = 20_000
_SMALLEST = 2.0  # points
_WHITE = 240
_CLEAR = 12
_INVISIBLE_MODES = (3, 7)
_SCANNED = 0.9
_BAND = 0.08
_FURNITURE_PAGES = 3
_APART = 1.35
_WRAPPED = 40
_HYPHEN = "\x02"  # where pdfium has taken away a hyphen with the line break behind it
_SENTENCE_END = tuple(".!?:;")
_LIST_MARK = re.compile(r"[•‣▪■●◦*–—-]\s|\(?\w{1,3}[.)]\s")
_CREATED = re.compile(r"D:(\d{4})(\d{2})?(\d{2})?(\d{2})?(\d{2})?(\d{2})?(?:([+-])(\d{2})'?(\d{2})?)?")
_NO_TITLE = re.compile(
    r"(?i)microsoft \w+ - .*|untitled\b.*|(?:document|presentation|slide|book|doc)\s*\d*|.*\.\w{2,4}|\S*\d{4,}\S*"
)
_NAME = re.compile(r"[^\W\d_][^\W\d_.'’-]*\.?(?:['’-][^\W\d_]+)*")
_NO_PERSON = frozenset(
    "research bank group ltd limited inc llc llp plc ag sa gmbh corp corporation company team securities capital "
    "markets partners microsoft office user admin administrator department adobe investment management global equity "
    "the and of report author unknown windows editorial media press".split()
)


class _Letter(NamedTuple):
    """A character on the page; ``unseen`` is "" or what hides it."""

    text: str
    left: float
    bottom: float
    right: float
    top: float
    unseen: str


@dataclass(slots=True)
class _Line:
    """A line of the page; ``tabular`` where there is a gap in it as between columns.

    ``start`` is the foot of its first letter, ``bottom`` that of its last, which is lower behind a hyphen.
    """

    pieces: list[str] = field(default_factory=list)
    left: float = 0.0
    start: float = 0.0
    bottom: float = 0.0
    right: float = 0.0
    size: float = 0.0
    tabular: bool = False

    @property
    def text(self) -> str:
        return " ".join("".join(self.pieces).split())

    def add(self, letter: _Letter) -> None:
        if letter.text.isspace():
            self.pieces.append(" ")
            return
        if not self.size:
            self.left, self.start = letter.left, letter.bottom
        elif letter.left - self.right > 2 * self.size:
            self.tabular = True
        self.pieces.append(letter.text)
        self.bottom, self.right, self.size = letter.bottom, letter.right, max(self.size, letter.top - letter.bottom)


@dataclass(slots=True)
class _Sheet:
    """The lines of a page, of what height the page is, and how many stretches of text nobody sees on it."""

    lines: list[_Line]
    floor: float
    height: float
    hidden: int


def parse(source: SourceFile, raw: bytes) -> Parsed:
    """Read the visible text. Raises ReadError if the file is encrypted, damaged or has pictures only."""
    import pypdfium2
    from pypdfium2 import raw as pdfium

    try:
        file = pypdfium2.PdfDocument(raw)
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) == pdfium.FPDF_ERR_PASSWORD:
            raise ReadError("it is encrypted", remedy="Save a copy without a password.") from error
        raise ReadError("it is not a PDF, or a damaged one", remedy="Save it again from a PDF viewer.") from error
    try:
        sheets, left_out = _sheets(file)
        facts = file.get_metadata_dict()
    finally:
        file.close()
    written = _text(sheets)
    text = clean(written)
    if not text:
        raise ReadError("it holds pictures only (no text layer)", remedy="Run text recognition (OCR) on it first.")
    hidden = sum(sheet.hidden for sheet in sheets)
    # The running head of the first page, which has gone from the text, is where many houses put the date.
    top = "\n".join(line.text for line in sheets[0].lines)[:1000]
    dates = [("text", date_in(top)), ("text", date_in(text[:1000])), ("metadata", created(facts["CreationDate"]))]
    dated_by, date = as_of(dates, "", source.mtime_ns)
    document = Document(
        id=document_id(raw),
        path=source.path,
        kind="note",
        title=stated_title(facts["Title"]) or first_line(text),
        text=text,
        date=date,
        author=stated_person(facts["Author"]),
        house=None,
        meta={**unseen(hidden, invisible(written)), "date_source": dated_by},
    )
    return Parsed(document, left_out=left_out)


def stated_title(value: str) -> str:
    """The title in a file's properties, unless a program made it up: "Microsoft Word - note3.doc"."""
    title = single_line(value)
    return "" if len(title) < 4 or _NO_TITLE.fullmatch(title) or not any(map(str.isalpha, title)) else title


def stated_person(value: str) -> str | None:
    """The author in a file's properties, if it is the name of one person and not a firm's or a login."""
    words = single_line(value, 80).split()
    if not 2 <= len(words) <= 4 or not all(map(_NAME.fullmatch, words)):
        return None
    is_firm = any(word.lower().strip(".") in _NO_PERSON for word in words)
    return " ".join(words) if words[0][0].isupper() and not words[-1].islower() and not is_firm else None


def created(value: str) -> datetime | None:
    """A date of ISO 32000-1 7.9.4, as ``D:20250127082816-05'00'``."""
    match = _CREATED.match(value)
    if not match:
        return None
    year, month, day, hour, minute, second = (
        int(part or least) for part, least in zip(match.groups(), "011000", strict=False)
    )
    offset = timedelta(hours=int(match[8] or 0), minutes=int(match[9] or 0))
    try:
        zone = timezone(-offset if match[7] == "-" else offset) if match[7] else UTC
        return datetime(year, month, day, hour, minute, second, tzinfo=zone)
    except ValueError:
        return None


def _sheets(file: PdfDocument) -> tuple[list[_Sheet], tuple[str, ...]]:
    from pypdfium2 import PdfiumError

    sheets: list[_Sheet] = []
    room = MAX_TEXT
    damaged = 0
    for number in range(min(len(file), MAX_PAGES)):
        try:
            page = file[number]
            text = page.get_textpage()
        except PdfiumError:
            damaged += 1
            continue
        try:
            letters = list(_letters(page, text, min(room, _MAX_PAGE_TEXT)))
            _, bottom, _, top = page.get_bbox()
            is_scan = _is_scan(page, letters)
        finally:
            text.close()
            page.close()
        room -= len(letters)
        sheets.append(_sheet(letters, bottom, top - bottom, is_scan))
        if room <= 0:
            return sheets, (f"only the first {MAX_TEXT:,} characters are read",)
    cut = (f"of its {len(file):,} pages the first {MAX_PAGES} are read",) * (len(file) > MAX_PAGES)
    if damaged and not sheets:
        raise ReadError("it is not a PDF, or a damaged one", remedy="Save it again from a PDF viewer.")
    return sheets, cut + (f"{damaged} of its pages are damaged",) * bool(damaged)


def _letters(page: PdfPage, text: PdfTextPage, room: int) -> Iterator[_Letter]:
    """The characters of a page in reading order, as pdfium sees it; the spaces that it puts in have no size."""
    from pypdfium2 import raw as pdfium

    left, bottom, right, top = page.get_bbox()
    looks: dict[int | None, str] = {}
    ground = _Ground(page)
    box = pdfium.FS_RECTF()
    for index in range(min(pdfium.FPDFText_CountChars(text), room)):
        letter = chr(pdfium.FPDFText_GetUnicode(text, index))
        piece = pdfium.FPDFText_GetTextObject(text, index)
        if not piece or letter.isspace():
            yield _Letter(letter, 0.0, 0.0, 0.0, 0.0, "")
            continue
        pdfium.FPDFText_GetLooseCharBox(text, index, byref(box))
        address = cast(piece, c_void_p).value
        if address not in looks:
            looks[address] = _look(piece)
        unseen = looks[address]
        if box.right < left or box.left > right or box.top < bottom or box.bottom > top:
            unseen = "outside"
        elif max(box.right - box.left, box.top - box.bottom) < _SMALLEST:
            unseen = "tiny"
        elif unseen == "white" and ground.is_painted((box.left + box.right) / 2, (box.bottom + box.top) / 2):
            unseen = ""
        yield _Letter(letter, box.left, box.bottom, box.right, box.top, unseen)


def _look(piece: object) -> str:
    """What hides all of a text object, if anything: its mode, its transparency, or white ink."""
    from pypdfium2 import raw as pdfium

    if pdfium.FPDFTextObj_GetTextRenderMode(piece) in _INVISIBLE_MODES:
        return "invisible"
    ink = _ink(piece)
    if ink is None:
        return ""
    *colour, alpha = ink
    return "clear" if alpha <= _CLEAR else "white" if min(colour) >= _WHITE else ""


def _ink(piece: object) -> tuple[int, int, int, int] | None:
    """The fill colour of an object, and how opaque it is; None for patterns."""
    from pypdfium2 import raw as pdfium

    parts = [c_uint() for _ in range(4)]
    found = pdfium.FPDFPageObj_GetFillColor(piece, *map(byref, parts))
    red, green, blue, alpha = (part.value for part in parts)
    return (red, green, blue, alpha) if found else None


class _Ground:
    """Where a page is painted over, so that white text can be read; looked up when there is white text."""

    def __init__(self, page: PdfPage) -> None:
        self.page = page
        self.boxes: list[tuple[float, float, float, float]] | None = None

    def is_painted(self, x: float, y: float) -> bool:
        """Whether there is anything but white at a point: a filled path, a picture, a shading or a form."""
        if self.boxes is None:
            self.boxes = list(self._painted())
        return any(left <= x <= right and bottom <= y <= top for left, bottom, right, top in self.boxes)

    def _painted(self) -> Iterator[tuple[float, float, float, float]]:
        from pypdfium2 import raw as pdfium

        for index in range(_objects(self.page)):
            piece = pdfium.FPDFPage_GetObject(self.page, index)
            kind = pdfium.FPDFPageObj_GetType(piece)
            if kind == pdfium.FPDF_PAGEOBJ_TEXT or (kind == pdfium.FPDF_PAGEOBJ_PATH and not self._is_dark(piece)):
                continue
            edges = [c_float() for _ in range(4)]
            if pdfium.FPDFPageObj_GetBounds(piece, *map(byref, edges)):
                left, bottom, right, top = (edge.value for edge in edges)
                yield left, bottom, right, top

    @staticmethod
    def _is_dark(path: object) -> bool:
        from pypdfium2 import raw as pdfium

        fill, stroked = c_int(), c_int()
        pdfium.FPDFPath_GetDrawMode(path, byref(fill), byref(stroked))
        ink = _ink(path)
        return bool(fill.value) and (ink is None or (min(ink[:3]) < _WHITE and ink[3] > _CLEAR))


def _is_scan(page: PdfPage, letters: list[_Letter]) -> bool:
    """Whether nearly all of a page is in the invisible mode and it has a picture, in which a scanner saw the text."""
    from pypdfium2 import raw as pdfium

    inked = [letter.unseen for letter in letters if letter.text.isalnum()]
    if not inked or inked.count("invisible") < _SCANNED * len(inked):
        return False
    objects = (pdfium.FPDFPage_GetObject(page, index) for index in range(_objects(page)))
    return any(
        pdfium.FPDFPageObj_GetType(piece) in (pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_FORM) for piece in objects
    )


def _objects(page: PdfPage) -> int:
    from pypdfium2 import raw as pdfium

    return min(int(pdfium.FPDFPage_CountObjects(page)), _MAX_OBJECTS)


def _sheet(letters: list[_Letter], floor: float, height: float, is_scan: bool) -> _Sheet:
    """Put the letters into lines; what a person cannot see goes."""
    hidden, behind = 0, False
    lines = [_Line()]
    for letter in letters:
        if letter.unseen and not (is_scan and letter.unseen == "invisible"):
            hidden += letter.text.isalnum() and not behind
            behind |= letter.text.isalnum()
        elif letter.text in "\r\n":
            lines.append(_Line())
        else:
            behind &= not letter.text.isalnum()
            lines[-1].add(letter)
    return _Sheet([line for line in lines if line.text], floor, height, hidden)


def _text(sheets: list[_Sheet]) -> str:
    running = _running(sheets)
    pages = (_paragraphs([line for line in sheet.lines if _place(sheet, line) not in running]) for sheet in sheets)
    return _rejoined("\n\n".join(page for page in pages if page))


def _running(sheets: list[_Sheet]) -> set[tuple[str, str, int]]:
    """The heads and feet that most pages have; numbers in them may differ."""
    if len(sheets) < _FURNITURE_PAGES:
        return set()
    pages = Counter(place for sheet in sheets for place in {_place(sheet, line) for line in sheet.lines} if place[0])
    return {place for place, count in pages.items() if count >= _FURNITURE_PAGES and count > len(sheets) / 2}


def _place(sheet: _Sheet, line: _Line) -> tuple[str, str, int]:
    """Whether a line stands at the head or the foot of its page, what it says but for the numbers, and its size.

    The title on the first page often is the head of the others, in smaller type.
    """
    height = (line.start - sheet.floor) / sheet.height if sheet.height else 0.5
    band = "foot" if height < _BAND else "head" if height > 1 - _BAND else ""
    return band, re.sub(r"\d+", "#", line.text.casefold()) if band else "", round(line.size)


def _paragraphs(lines: list[_Line]) -> str:
    steps = [above.bottom - below.start for above, below in pairwise(lines)]
    usual = median([step for step in steps if step > 0] or [0.0])
    margins: dict[int, float] = {}
    for line in lines:
        column = round(line.left / 10)
        margins[column] = max(margins.get(column, 0.0), line.right)
    pieces: list[str] = []
    for line, step, above in zip(lines, [0.0, *steps], [None, *lines], strict=False):
        if above is None:
            joint = ""
        elif not 0 < step <= _APART * usual:
            joint = "\n\n"
        else:
            joint = " " if _is_wrapped(above, line, margins[round(above.left / 10)]) else "\n"
        pieces += (joint, line.text)
    return "".join(pieces)


def _is_wrapped(above: _Line, line: _Line, margin: float) -> bool:
    """Whether a sentence surely goes on in the next line: its first word had no room in the line above.

    Rows of tables, list items, headings and ends of sentences keep their line break.
    """
    first, last = line.text.partition(" ")[0], above.text[-1]
    if len(above.text) < _WRAPPED or above.tabular or line.tabular or _LIST_MARK.match(line.text):
        return False
    if not (last.isalpha() or last in ",’'”\"–—-)") or abs(above.size - line.size) > 0.1 * above.size:
        return False
    letter = (above.right - above.left) / len(above.text)
    return above.right + letter * (len(first) + 1) > margin


def _rejoined(text: str) -> str:
    """Put words together that a line break parted, with their hyphen where the text has it elsewhere too."""
    known = Counter(re.findall(r"\w+(?:-\w+)*", text))
    before, *rest = text.split(_HYPHEN)
    pieces = [before]
    for after in rest:
        start, end = re.split(r"\W", pieces[-1][-40:])[-1], re.split(r"\W", after[:40], maxsplit=1)[0]
        parted = end[:1].islower() and known[start + end] >= known[f"{start}-{end}"]
        pieces += ("" if parted else "-", after)
    return "".join(pieces)
