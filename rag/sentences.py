"""Where sentences begin and end.

In: a text, or a stretch of it. Out: its lines, and the spans of its sentences, headings, list items and
table rows, exact to the character. It does not know who speaks, nor what mail is; it only sees ``>`` before a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# Mail is wrapped at 72 to 78 columns and seldom beyond; a longer line is a paragraph that nobody wrapped.
_WRAPPED = 100
# Nobody wraps at fewer columns: such lines are a signature, an address or a list.
_NARROW = 45

_PREFIX = re.compile(r"[ \t]*(?:>[ \t]?)*")
_QUOTE_MARKS = re.compile(r"^[ \t]*(?:>[ \t]?)+", re.MULTILINE)
_BULLET = re.compile(r"[-*+•◦▪‣·●■➢►][ \t]+\S|[–—][ \t]+[A-Z0-9\"“‘]")
_NUMBERED = re.compile(r"\(?(?:\d{1,2}|[a-z]|[ivx]{1,4})[.)][ \t]+\S")
_HEADING = re.compile(r"#{1,6}[ \t]|\||[-=_*~]{3,}$|\[\d+\][ \t]|```")
_LIST_MARK = re.compile(r"[>\s]*\(?(?:\d{1,2}|[A-Za-z]|[ivx]{1,4})$")

_STOP = re.compile(r"(?:\.(?:[^\S\n]?\.)+|…)[.…]*[!?]*|[.!?]+|[。！？]")
_CLOSERS = re.compile(r"(?:(?<=[a-z]\.)\d{1,2}(?=\s))?[\"'”’»“«)\]}*_]*")
_ELISION = re.compile(r"\[\s*(?:\.\s?\.\s?\.|…)\s*\]")
_NEXT = re.compile(r"\s*(?:>[ \t]?)*[\"'“‘«„»(\[*_¿¡]*")
# “Is that so?” Acme Securities asks: a question mark inside a quotation does not end the sentence around it.
_SPEECH_TAG = re.compile(
    r"\s+(?:[A-Z][\w.&’'-]*\s+){1,5}"
    r"(?:said|says|asks?|asked|writes|wrote|adds|added|argues|argued|notes|noted|warns|thinks|reckons)\b"
)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TITLES = _words("mr mrs ms dr prof messrs st gen sen rep gov capt col lt hon rev mt ft")
_LEADERS = _words("e.g i.e eg ie cf vs v viz approx ca esp incl excl avg est")
_NUMBERING = _words("no nos nr fig figs eq eqs sec ch p pp vol vols par art para exh")
_TRAILERS = _words(
    "inc corp ltd co bros plc llc jr sr al u.s u.k e.u u.n d.c n.v s.a a.g a.m p.m ph.d b.v s.p.a l.p "
    "jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri dept div intl assn mgmt"
)
# After an abbreviation that may also end a sentence ("in the U.S. The Fed ..." against "the U.S. Treasury"),
# only a word that commonly opens a sentence shows that a new one begins.
_STARTERS = _words(
    "the this that these those there then they we it its it’s it's he she i you our his her their in on at "
    "by for from with but and or so yet as if when while where what why how who which although though "
    "however moreover meanwhile nevertheless still also after before since until because given despite a an one "
    "two some many most all both each no not here here’s here's now today yesterday overall first second third "
    "finally firstly secondly lastly net near to is are was were do does did should could would per"
)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a text: its span, how many ``>`` stand before it, and what follows them, trimmed."""

    start: int
    end: int
    depth: int
    content: str


def one_line(text: str) -> str:
    """``text`` in one line, without the ``>`` that mail puts before quoted lines."""
    return " ".join(_QUOTE_MARKS.sub("", text).split())


def lines(text: str, start: int = 0, end: int | None = None) -> list[Line]:
    """The lines of ``text[start:end]``, which they cover without gaps."""
    found = []
    for raw in text[start:end].splitlines(keepends=True):
        if raw.isspace():
            found.append(Line(start, start + len(raw), 0, ""))
            start += len(raw)
            continue
        prefix = _PREFIX.match(raw)
        marks = prefix[0] if prefix else ""
        found.append(Line(start, start + len(raw), marks.count(">"), raw[len(marks) :].strip()))
        start += len(raw)
    return found


def split_sentences(text: str, start: int = 0, end: int | None = None) -> list[tuple[int, int]]:
    """Find the sentences of ``text[start:end]``: ordered, disjoint, trimmed spans that miss only white space.

    Blank lines, list items, headings, table rows and a change of quoting depth are boundaries too; a line
    break that only wraps a paragraph is none.
    """
    end = len(text) if end is None else min(end, len(text))
    return [span for first, last in _blocks(text, start, end) for span in _sentences(text, first, last)]


def _blocks(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Join the lines that one paragraph was wrapped into."""
    read = lines(text, start, end)
    widths = _widths(read)
    for index, line in enumerate(read):
        if index and _breaks(read[index - 1], line, widths[index]):
            if not text[start : line.start].isspace():
                yield start, line.start
            start = line.start
    if read:
        yield start, end


def _widths(read: list[Line]) -> list[int]:
    """The column at which the paragraph around each line was wrapped: its longest line."""
    runs: list[list[int]] = []
    for index, line in enumerate(read):
        if not index or not line.content or line.depth != read[index - 1].depth:
            runs.append([])
        runs[-1].append(len(line.content))
    widest = (max((length for length in run if length <= _WRAPPED), default=0) for run in runs)
    return [width for run, width in zip(runs, widest, strict=True) for _ in run]


def _breaks(above: Line, line: Line, width: int) -> bool:
    if not above.content or not line.content or above.depth != line.depth:
        return True
    if _HEADING.match(above.content) or _HEADING.match(line.content) or _BULLET.match(line.content):
        return True
    if _NUMBERED.match(line.content) and (above.content[-1] in ".:;!?" or _NUMBERED.match(above.content)):
        return True
    if line.content[0].islower():
        return False
    if max(len(above.content), len(line.content)) > _WRAPPED or width < _NARROW:
        return True
    # Whoever wraps a paragraph fills the line: if the next word had fitted, the break was meant.
    return len(above.content) + 1 + len(line.content.split(maxsplit=1)[0]) <= width


def _sentences(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    elisions = _ELISION.finditer(text, start, end)
    elision = next(elisions, None)
    first = start
    for stop in _STOP.finditer(text, start, end):
        while elision and elision.end() <= stop.start():
            elision = next(elisions, None)
        if elision and elision.start() < stop.start():
            continue
        closers = _CLOSERS.match(text, stop.end(), end)
        last = closers.end() if closers else stop.end()
        if _ends(text, first, stop, last, end):
            yield from _trimmed(text, first, last)
            first = last
    yield from _trimmed(text, first, end)


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    piece = text[start:end]
    if body := piece.strip():
        start += len(piece) - len(piece.lstrip())
        yield start, start + len(body)


def _ends(text: str, first: int, stop: re.Match[str], last: int, end: int) -> bool:
    """Tell whether the sentence from ``first`` ends with ``stop`` and its closing marks (up to ``last``)."""
    mark = stop[0]
    if last >= end or mark[0] in "。！？":
        return True
    opening = _NEXT.match(text, last, end)
    after = text[opening.end() : min(end, opening.end() + 20)] if opening else ""
    if not after:
        return False
    ellipsis = mark[0] == "…" or (len(mark) > 1 and mark[0] == ".")
    if not text[last].isspace():
        return ellipsis and last == stop.end() and after[0].isupper()
    if after[0].islower() or after[0] in ",;:)]":
        return False
    if mark[0] in "!?":
        return last == stop.end() or not _SPEECH_TAG.match(text, last, end)
    return ellipsis or _full_stop(text, first, stop.start(), after)


def _full_stop(text: str, first: int, stop: int, after: str) -> bool:
    """Tell a full stop from the point of an abbreviation, an initial or a list mark."""
    # No mark or abbreviation is longer; a "sentence" of half a megabyte must not be read at each of its points.
    before = text[max(first, stop - 64) : stop]
    if len(before.lstrip()) <= 4 and _LIST_MARK.match(before):
        return False
    token = re.split(r"[\s(\[“\"‘/–—-]", before[-24:])[-1]
    folded = token.lower()
    if (folded in _TITLES and token[:1].isupper()) or folded in _LEADERS:
        return False
    if folded in _TRAILERS or re.fullmatch(r"(?:[A-Z]\.)*[A-Z]", token):
        return re.split(r"[^\w’']", after, maxsplit=1)[0].lower() in _STARTERS
    return folded not in _NUMBERING or not after[0].isdigit()
