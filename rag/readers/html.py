"""HTML as a reader sees it: the visible text, and a count of what was hidden.

In: untrusted markup. Out: plain text with one line a table row and ``> `` before quoted lines. It fetches
nothing, and knows no script, no layout and only the simplest style sheets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from selectolax.lexbor import LexborHTMLParser

from rag.readers.markup import Budget, plain_markup
from rag.readers.styles import Look, Sheet, parse_sheet
from rag.readers.text import clean, decode, invisible, single_line

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

_CELL = 100
_FRAMES = 40
_HEADING_PIECES = 50
_HEADINGS = ("h1", "h2")
_AUTHOR = ("author", "dc.creator")
_PUBLISHED = ("article:published_time", "datepublished", "dc.date", "pubdate", "date")

_NEVER_TEXT = frozenset(
    {"style", "head", "link", "meta", "title", "base", "object", "embed", "audio", "video", "canvas"}
)
_NEVER_SEEN = frozenset({"noscript", "datalist"})
_NO_TEXT = frozenset({"img", "input", "br", "hr", "wbr", "area", "col", "source", "track", "param"})
_PARAGRAPHS = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "table", "blockquote", "pre", "hr"})
_LINES = frozenset(
    {"div", "li", "tr", "section", "article", "header", "footer", "main", "nav", "aside", "address"}
    | {"form", "fieldset", "figure", "figcaption", "dt", "dd", "caption", "center", "body", "option"}
    | {"textarea", "details", "summary"}
)
_CHARSET = re.compile(rb"<meta[^>]{1,200}charset\s*=\s*[\"']?\s*([a-zA-Z0-9:._-]{1,40})", re.IGNORECASE)
_BLANKS = re.compile(r"[ \t\r\n\f]+")


@dataclass(frozen=True, slots=True)
class Visible:
    """The text of a page, its title, and how many hidden stretches and invisible characters were left out.

    ``author`` and ``published`` are as the page states them, in whatever form; empty where it does not.
    """

    text: str = ""
    title: str = ""
    hidden: int = 0
    invisible: int = 0
    author: str = ""
    published: str = ""


@dataclass(slots=True)
class _Flow:
    """Text under construction; ``gap`` is the number of line breaks owed before the next word."""

    pieces: list[str] = field(default_factory=list)
    gap: int = 0

    def write(self, text: str) -> None:
        if self.gap and self.pieces and text.strip():
            self.pieces.append("\n" * self.gap)
        if text.strip():
            self.gap = 0
        elif self.gap or not self.pieces:
            return
        self.pieces.append(text)

    def owe(self, gap: int) -> None:
        self.gap = max(self.gap, gap)

    def text(self) -> str:
        # A substitution of the blanks around a line break takes quadratic time: 8 s for 80 kB of them.
        return "\n".join(line.strip(" \t") for line in "".join(self.pieces).split("\n")).strip()


def visible(data: bytes, charset: str = "", budget: Budget | None = None) -> Visible:
    """Read the text that a person would see; without a ``charset`` the page's own is used.

    The ``budget`` is spent; without one the page has its own.

    Raises ReadError for markup that is too large or too deeply nested.
    """
    named = _CHARSET.search(data[:2048])
    text = decode(data, charset or (named[1].decode("ascii") if named else ""))
    page = LexborHTMLParser(plain_markup(text, budget))
    root = page.root
    if root is None:
        return Visible()
    walk = _Walk(
        parse_sheet([node.text() for node in page.css("style")], linked=bool(page.css("link[rel=stylesheet]")))
    )
    walk.over(root)
    # Only there: <title> inside a drawing, or anywhere in the body, is not the page's.
    title = page.css_first("head > title")
    named_by = (title.text() if title else "", walk.headings.get("h1", ""), walk.headings.get("h2", ""))
    stated = _stated(page)
    text = walk.flow.text()
    return Visible(
        clean(text),
        next((line for line in map(single_line, named_by) if line), ""),
        walk.hidden,
        invisible(text),
        next((stated[name] for name in _AUTHOR if name in stated), ""),
        next((stated[name] for name in _PUBLISHED if name in stated), walk.time),
    )


def _stated(page: LexborHTMLParser) -> dict[str, str]:
    """What the page's head says about it, by lower-case name."""
    stated: dict[str, str] = {}
    for node in page.css("head > meta"):
        name = node.attributes.get("name") or node.attributes.get("property") or node.attributes.get("itemprop") or ""
        if content := single_line(node.attributes.get("content") or ""):
            stated.setdefault(name.strip().lower(), content)
    return stated


class _Walk:
    """One pass over the tree without recursion: a bomb may nest thousands deep."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet
        self.flow = _Flow()
        self.hidden = 0
        self.outer: list[_Flow] = []
        self.rows: list[list[str]] = []
        self.headings: dict[str, str] = {}
        self.opened: list[int] = []
        self.time = ""

    def over(self, root: LexborNode) -> None:
        stack: list[tuple[LexborNode, Look, bool]] = [(root, self.sheet.initial, True)]
        while stack:
            node, look, entering = stack.pop()
            if not entering:
                self._leave(node.tag or "")
            elif node.is_text_node:
                self._text(node.text_content or "", look)
            elif node.is_element_node and (inner := self._enter(node, look)):
                stack.append((node, look, False))
                child = node.last_child
                while child is not None:
                    stack.append((child, inner, True))
                    child = child.prev

    def _text(self, text: str, look: Look) -> None:
        if not look.legible:
            self.hidden += _says_something(text)
        else:
            self.flow.write(text if look.pre else _BLANKS.sub(" ", text))

    def _enter(self, node: LexborNode, look: Look) -> Look | None:
        """Open an element; None leaves it out with all that is in it."""
        tag = (node.tag or "").lower()
        if tag in _NEVER_TEXT:
            return None
        if tag in _NO_TEXT:
            if tag == "br":
                self.flow.pieces.append("\n")
            elif tag == "hr":
                self.flow.owe(2)
            return None
        inner = self.sheet.look(tag, node.attributes, look)
        if tag in _NEVER_SEEN or inner is None:
            self.hidden += _says_something(node.text())
            return None
        if tag == "time":
            self.time = self.time or single_line(node.attributes.get("datetime") or "")
        self._open(tag)
        return inner

    def _open(self, tag: str) -> None:
        self._break(tag)
        if tag == "li":
            self.flow.write("- ")
        elif tag in ("blockquote", "td", "th"):
            self.outer.append(self.flow)
            if len(self.outer) <= _FRAMES:
                self.flow = _Flow()
        elif tag == "tr":
            self.rows.append([])
        elif tag in _HEADINGS:
            self.opened.append(len(self.flow.pieces))

    def _leave(self, tag: str) -> None:
        if tag in ("blockquote", "td", "th"):
            inner, self.flow = self.flow, self.outer.pop()
            if inner is not self.flow:
                self._place(tag, inner.text())
        elif tag == "tr":
            self._row(self.rows.pop())
        elif tag in _HEADINGS:
            first = self.opened.pop()
            if text := "".join(self.flow.pieces[first : first + _HEADING_PIECES]).strip():
                self.headings.setdefault(tag, text)
        self._break(tag)

    def _place(self, tag: str, text: str) -> None:
        if tag == "blockquote":
            self._write_block("\n".join(f"> {line}".rstrip() for line in text.split("\n")) if text else "")
        elif self.rows:
            self.rows[-1].append(text)
        else:
            self._write_block(text)

    def _row(self, cells: list[str]) -> None:
        """A row of short cells is a row of figures and stays on one line; else the table is layout."""
        told = [cell for cell in cells if cell]
        if len(told) > 1 and all(len(cell) <= _CELL for cell in told):
            self._write_block(" | ".join(" ".join(cell.split()) for cell in told))
            return
        for cell in told:
            self.flow.owe(2)
            self._write_block(cell)

    def _write_block(self, text: str) -> None:
        self.flow.owe(1)
        self.flow.write(text)
        self.flow.owe(1)

    def _break(self, tag: str) -> None:
        if tag in _PARAGRAPHS:
            self.flow.owe(2)
        elif tag in _LINES:
            self.flow.owe(1)


def _says_something(text: str) -> bool:
    return any(character.isalnum() for character in text)
