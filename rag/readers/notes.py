"""Notes: the bytes of a Markdown, text or HTML file -> a Document.

Markdown is kept as it was written, less its front matter, for it is what will be quoted. It does not know
mail, and not who is speaking unless the front matter says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date as Day
from datetime import datetime

from frontmatter.default_handlers import YAMLHandler
from yaml import SafeLoader

from rag.errors import ReadError
from rag.readers.html import visible
from rag.readers.parsed import Parsed
from rag.readers.text import as_of, clean, date_in, decode, document_id, first_line, invisible, single_line, unseen
from rag.records import Document, SourceFile

_FRONT_MATTER = 8192
_META = 1000
_BOMS = (b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")
_HEADING = re.compile(r"^#{1,6}[ \t]+(\S.*?)[ \t]*#*$", re.MULTILINE)
_FENCE = re.compile(r"^---[ \t]*$", re.MULTILINE)
_DATE_NAMES = ("date", "as_of", "published")
_HOUSE_NAMES = ("house", "firm", "broker")


def parse_text(source: SourceFile, raw: bytes) -> Parsed:
    """Read a plain text file, which may have front matter too. Raises ReadError if it is not text."""
    matter, body = _front_matter(_decoded(raw))
    text = clean(body)
    left_out = unseen(0, invisible(body))
    title = matter.get("title") or first_line(text)
    return _document(source, raw, text, title=title, matter=matter, left_out=left_out)


def parse_markdown(source: SourceFile, raw: bytes) -> Parsed:
    """Read a Markdown file; front matter that is no YAML stays in the text.

    Raises ReadError if it is not text.
    """
    matter, body = _front_matter(_decoded(raw))
    text = clean(body)
    heading = _HEADING.search(text)
    title = matter.get("title") or (heading[1] if heading else "")
    left_out = unseen(0, invisible(body))
    return _document(source, raw, text, title=title or first_line(text), matter=matter, left_out=left_out)


def parse_html(source: SourceFile, raw: bytes) -> Parsed:
    """Read the visible text of an HTML file. Raises ReadError if it is too large or too nested."""
    page = visible(raw)
    stated = {"author": page.author, "published": page.published}
    return _document(
        source,
        raw,
        page.text,
        title=page.title or first_line(page.text),
        matter={name: fact for name, fact in stated.items() if fact},
        stated_in="page",
        left_out=unseen(page.hidden, page.invisible),
    )


def _document(
    source: SourceFile,
    raw: bytes,
    text: str,
    *,
    title: str,
    matter: Mapping[str, str],
    stated_in: str = "front matter",
    left_out: Mapping[str, str],
) -> Parsed:
    stated = next((matter[name] for name in _DATE_NAMES if name in matter), "")
    dated_by, date = as_of([(stated_in, _date(stated))], text, source.mtime_ns)
    document = Document(
        id=document_id(raw),
        path=source.path,
        kind="note",
        title=single_line(title),
        text=text,
        date=date,
        author=matter.get("author") or matter.get("authors") or None,
        house=next((matter[name] for name in _HOUSE_NAMES if name in matter), None),
        meta={**matter, **left_out, "date_source": dated_by},
    )
    return Parsed(document)


def _decoded(raw: bytes) -> str:
    if b"\0" in raw and not raw.startswith(_BOMS):
        raise ReadError("it is binary, not text", remedy="Save it as text in UTF-8.")
    return decode(raw)


def _front_matter(text: str) -> tuple[dict[str, str], str]:
    """Split off the front matter: its scalars as text, and the rest of the file.

    A note that begins with a rule (``---``) or with broken YAML keeps every line: losing a paragraph of a
    note is worse than showing a line of markup.
    """
    fences = _FENCE.finditer(text[:_FRONT_MATTER])
    first, last = next(fences, None), next(fences, None)
    if first is None or last is None or text[: first.start()].strip():
        return {}, text
    try:
        # The C loader, which is the default, ends the process with SIGSEGV at 60,000 nested brackets.
        matter = YAMLHandler().load(text[first.end() : last.start()], Loader=SafeLoader)
        if not isinstance(matter, dict):
            return {}, text
        facts = {single_line(str(name), 40).lower(): _fact(value) for name, value in matter.items()}
    except Exception:
        # YAML errors, but also ValueError (date: 2025-13-45; a number of 4,301 digits, once it is to be text),
        # RecursionError ("[[[[...") and TypeError.
        return {}, text
    return {name: fact for name, fact in facts.items() if fact}, text[last.end() :]


def _fact(value: object) -> str:
    if isinstance(value, list):
        return single_line(", ".join(item for item in value[:20] if isinstance(item, str)), _META)
    if isinstance(value, str | int | float | Day):
        return single_line(str(value), _META)
    return ""


def _date(value: str) -> datetime | None:
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return date_in(value)
