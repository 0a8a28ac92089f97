"""Untrusted HTML made safe to parse: the same text and styles, in markup whose parsing takes linear time.

In: HTML. Out: HTML without comments, scripts and foreign content. It builds no tree; it reads tags as the
HTML standard's tokenizer does, because whatever it overlooks would reach the parser.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from rag.errors import ReadError

MAX_MARKUP = 2_000_000
MAX_WORK = 5_000_000
"""Open elements summed over all tags; lexbor walks them at each tag.

100,000 nested ``<div>`` take it 22 s and 20,000 take 0.9 s; this allows about 3,000."""
MAX_TAGS = 150_000
"""300,000 ``<p>`` take 4 s; 2 MB of an honest page have about 90,000 tags."""

_MAX_ATTRIBUTES = 200
_ATTRIBUTE = r"""[^\s/>=][^\s/>=]*+(?:\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s>"'][^\s>]*+)?)?"""
_TOKEN = re.compile(
    rf"<(?P<slash>/?)(?P<name>[a-zA-Z][^\s/>]*+)(?P<attributes>(?:[\s/=]++|{_ATTRIBUTE})*+)>?"
    r"|<(?:!--|[!?/](?=[^a-zA-Z]|(?<=[!?])))"
)
_ATTRIBUTES = re.compile(_ATTRIBUTE)
_COMMENT_END = re.compile("--!?>")
_DATA_URI = re.compile(r"""(["'(])\s*data:[^"'()\s<>]{200,}""", re.IGNORECASE)

_DROPPED = frozenset({"script", "iframe", "noembed", "noframes"})
_RAW = frozenset({"style", "title", "textarea"})
# Parsers re-open formatting elements in every later block: 300 unclosed <font> before 3,000 paragraphs became
# 906,303 nodes. Spans say the same and are not re-opened. Foreign content and raw text have parsing rules of
# their own, so they too become elements without any; nothing in a <datalist> is shown.
RENAMED = {
    **dict.fromkeys(("a", "b", "big", "code", "em", "font", "i", "nobr"), "span"),
    **dict.fromkeys(("s", "small", "strike", "strong", "tt", "u"), "span"),
    **dict.fromkeys(("svg", "math", "template"), "datalist"),
    **dict.fromkeys(("xmp", "listing", "plaintext"), "pre"),
}
# An element that was renamed, or might have been, says here what it was, for the style rules of its old tag.
ORIGINAL = "data-tag"
STAND_INS = frozenset(RENAMED.values())
_SHAPES = frozenset({"path", "circle", "rect", "line", "polygon", "polyline", "ellipse", "use", "stop", "g", "image"})
_UNNESTED = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source"}
    | {"track", "wbr", "p", "li", "td", "th", "tr", "dd", "dt", "option", "optgroup", "tbody", "thead"}
    | {"tfoot", "colgroup"}
)


@dataclass(slots=True)
class Budget:
    """What may still be spent on one message, whose HTML may come in many parts: characters, work, tags."""

    size: int = MAX_MARKUP
    work: int = MAX_WORK
    tags: int = MAX_TAGS


def plain_markup(markup: str, budget: Budget | None = None) -> str:
    """Rewrite ``markup`` for the parser. Raises ReadError where it is too large or too deeply nested."""
    budget = budget or Budget()
    markup = _DATA_URI.sub(r"\1", markup)  # pictures inside the text are most of a large newsletter
    budget.size -= len(markup)
    if budget.size < 0:
        raise ReadError("its HTML is larger than 2 MB", remedy="Save the article as text and put that in.")
    opened: Counter[str] = Counter()
    pieces: list[str] = []
    position = depth = 0
    while token := _TOKEN.search(markup, position):
        pieces.append(markup[position : token.start()])
        name = (token["name"] or "").lower()
        position = _end(markup, token, name)
        if not name or name in _DROPPED or (name in _SHAPES and opened["datalist"]):
            continue
        original, name = name, RENAMED.get(name, name)
        depth += _nesting(opened, name, bool(token["slash"]))
        budget.work -= depth
        budget.tags -= 1
        if budget.tags < 0:
            raise ReadError(
                f"its HTML has more than {MAX_TAGS:,} tags", remedy="Save the article as text and put that in."
            )
        if budget.work < 0:
            raise ReadError("its HTML is nested too deeply", remedy="Save the article as text and put that in.")
        was = f" {ORIGINAL}={original}" if name in STAND_INS and not token["slash"] else ""
        pieces.append(f"<{token['slash']}{name}{was}{_attributes(token['attributes'])}>")
        if name in _RAW and not token["slash"]:
            pieces.append(markup[token.end() : position])
    return "".join(pieces) + markup[position:]


def _end(markup: str, token: re.Match[str], name: str) -> int:
    """Where reading goes on after ``token``: behind the comment or the raw text that it begins."""
    if token[0] == "<!--":
        end = _COMMENT_END.search(markup, token.start() + 2)
        return end.end() if end else len(markup)
    if not name:
        end_of_bogus_comment = markup.find(">", token.end())
        return end_of_bogus_comment + 1 or len(markup)
    if token["slash"] or name not in _DROPPED | _RAW:
        return token.end()
    closing = re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE).search(markup, token.end())
    return closing.start() if closing else len(markup)


def _nesting(opened: Counter[str], name: str, closes: bool) -> int:
    """How much deeper ``name`` takes the parser, at most."""
    if name in _UNNESTED:
        return 0
    if not closes:
        opened[name] += 1
        return 1
    if opened[name] and name not in ("html", "body"):  # repeated ones are merged, attribute by attribute
        opened[name] -= 1
        return -1
    return 0


def _attributes(attributes: str) -> str:
    """Keep attributes, unless there are so many (20,000 take lexbor 0.8 s) that nobody honest wrote them."""
    if len(attributes) > 2 * _MAX_ATTRIBUTES and len(_ATTRIBUTES.findall(attributes)) > _MAX_ATTRIBUTES:
        return " hidden"
    return attributes
