"""Whether styled text can be seen: the part of CSS that hides text in mails.

In: style sheets, an element's tag and attributes, the look of the element around it. Out: a `Look`, or None
where nothing inside can be seen. It knows single-class, single-id and tag selectors and no layout.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rag.readers.markup import ORIGINAL, STAND_INS

Colour = tuple[int, int, int]
Declarations = dict[str, str]

_SMALLEST = 2.0
_FAR = -500.0
_ALIKE = 16
_WHITE: Colour = (255, 255, 255)
_NAMED: Mapping[str, Colour] = {"white": _WHITE, "black": (0, 0, 0), "snow": (255, 250, 250)}
_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)|<!--|-->", re.DOTALL)
_BRACES = re.compile(r"[{}]")
_SELECTOR = re.compile(r"(?:[a-z][\w-]*)?(?:[.#][\w-]+)?")
_LENGTH = re.compile(r"(-?(?:\d+\.?\d*|\.\d+))\s*(px|pt|em|rem|%|)")
_PIXELS = {"px": 1.0, "": 1.0, "pt": 4 / 3}
_FONT_SIZE = re.compile(r"(?<![\w.-])(?:(?:\d+\.?\d*|\.\d+)(?:px|pt|em|rem|%)|0(?=[/\s]))")
_CLEAR = re.compile(r"rgba\(.*[,\s/]0*(?:\.0+)?%?\s*\)|#(?:[0-9a-f]{6}00|[0-9a-f]{3}0)")
_HEX = re.compile(r"#(?:([0-9a-f]{6})(?:[0-9a-f]{2})?|([0-9a-f]{3})[0-9a-f]?)")
_PLACED = ("absolute", "fixed", "relative")
# Sheets may pair 40,000 selectors with 40,000 properties; these are all that is asked for.
_PROPERTIES = frozenset(
    "display visibility opacity mso-hide transform clip clip-path overflow height max-height width max-width position "
    "left top right bottom text-indent margin-left font font-size color background background-color background-image "
    "white-space".split()
)
_VALUE = 300
_CLIPPED = re.compile(
    r"rect\(\s*[01](?:px)?[\s,]+[01](?:px)?[\s,]+[01](?:px)?[\s,]+[01](?:px)?\s*\)|inset\((?:50|100)%"
)


@dataclass(frozen=True, slots=True)
class Look:
    """What text inherits: size in pixels, colours (None: cannot be told), and whether line breaks count."""

    size: float
    colour: Colour | None
    background: Colour | None
    pre: bool

    @property
    def legible(self) -> bool:
        """False for text of a pixel or two, and for text in the colour of its background."""
        if self.size <= _SMALLEST:
            return False
        if self.colour is None or self.background is None:
            return True
        return any(abs(a - b) > _ALIKE for a, b in zip(self.colour, self.background, strict=True))


@dataclass(frozen=True, slots=True)
class Sheet:
    """The rules of a page by selector, and the look of text that no rule touches."""

    rules: Mapping[str, Declarations]
    initial: Look

    def look(self, tag: str, attributes: Mapping[str, str | None], outer: Look) -> Look | None:
        """The look inside an element, or None if the element and all in it are hidden."""
        style = self._style((tag in STAND_INS and attributes.get(ORIGINAL)) or tag, attributes)
        if tag == "dialog" and "open" not in attributes:
            return None
        if "hidden" in attributes or attributes.get("aria-hidden") == "true" or _hides(style):
            return None
        colour = style.get("color")
        if colour is not None and _transparent(colour):
            return None
        return Look(
            size=_size(style.get("font-size", ""), outer.size),
            colour=outer.colour if colour in (None, "inherit") else _colour(colour or ""),
            background=_background(style, outer.background),
            pre=outer.pre or tag in ("pre", "textarea") or style.get("white-space", "").startswith("pre"),
        )

    def _style(self, tag: str, attributes: Mapping[str, str | None]) -> Declarations:
        names = [f".{name}" for name in (attributes.get("class") or "").lower().split()]
        names += [f"#{(attributes.get('id') or '').lower()}"]
        style: Declarations = {}
        for attribute, declared in (("color", "color"), ("text", "color"), ("bgcolor", "background-color")):
            if value := attributes.get(attribute):
                style[declared] = value[:_VALUE].strip().lower()
        if attributes.get("background"):
            style["background-image"] = "url()"
        for key in (tag, *(key for name in names for key in (name, tag + name))):
            style |= self.rules.get(key, {})
        style |= _declarations(attributes.get("style") or "")
        return style | {name[1:]: value for name, value in style.items() if name.startswith("!")}


def parse_sheet(sources: Iterable[str], *, linked: bool) -> Sheet:
    """Read style sheets; rules inside ``@media`` are left out, for they hold on some screens only.

    Where a selector is beyond us and sets a background, or a sheet is ``linked``, the page's background is
    unknown: white text may well stand on a dark bar.
    """
    rules: dict[str, Declarations] = {}
    background: Colour | None = None if linked else _WHITE
    for selectors, body in (rule for source in sources for rule in _rules(_COMMENT.sub("", source.lower()))):
        declared = _declarations(body)
        for selector in (part.strip() for part in selectors.split(",")):
            if selector and _SELECTOR.fullmatch(selector):
                rules.setdefault(selector, {}).update(declared)
            elif any(name.lstrip("!").startswith("background") for name in declared):
                background = None
    return Sheet(rules, Look(16.0, (0, 0, 0), background, pre=False))


def _rules(source: str) -> Iterable[tuple[str, str]]:
    """The top-level ``selectors { body }`` pairs of a style sheet."""
    depth = start = opening = 0
    for brace in _BRACES.finditer(source):
        if brace[0] == "{":
            depth += 1
            opening = brace.start() if depth == 1 else opening
        elif depth:
            depth -= 1
            if not depth:
                selectors = source[start:opening].rsplit(";", 1)[-1].strip()
                if not selectors.startswith("@"):
                    yield selectors, source[opening + 1 : brace.start()]
                start = brace.end()


def _declarations(style: str) -> Declarations:
    """The properties that matter; an important one is named ``!color``, for it beats what comes later."""
    declared: Declarations = {}
    for part in _COMMENT.sub("", style.lower()).split(";"):
        name, _, value = part.partition(":")
        name = name.strip()
        if name not in _PROPERTIES:
            continue
        value, rank, _ = value.strip()[:_VALUE].partition("!")
        declared[rank + name] = value.strip()
        if name == "font" and (size := _FONT_SIZE.search(value)):
            declared[f"{rank}font-size"] = size[0]
    return declared


def _hides(style: Declarations) -> bool:
    if style.get("display") == "none" or style.get("visibility") in ("hidden", "collapse"):
        return True
    if "all" in style.get("mso-hide", "") or "scale(0" in style.get("transform", ""):
        return True
    if _CLIPPED.search(style.get("clip", "") + style.get("clip-path", "")):
        return True
    opacity = _LENGTH.match(style.get("opacity", ""))
    if opacity and float(opacity[1]) / (100 if opacity[2] == "%" else 1) <= 0.05:
        return True
    edges = ("left", "top", "right", "bottom") if style.get("position") in _PLACED else ()
    if any(_pixels(style.get(edge, "")) <= _FAR for edge in (*edges, "text-indent", "margin-left")):
        return True
    clipped = style.get("overflow", "").startswith(("hidden", "clip"))
    return clipped and any(
        _pixels(style.get(extent, "16px")) <= 1 for extent in ("height", "max-height", "width", "max-width")
    )


def _pixels(value: str) -> float:
    """A length in pixels; what cannot be told is one line high."""
    length = _LENGTH.match(value)
    if not length:
        return 16.0
    return float(length[1]) * _PIXELS.get(length[2], 16.0)


def _size(value: str, outer: float) -> float:
    length = _LENGTH.match(value)
    if not length:
        return 16.0 if value in ("medium", "large", "x-large", "initial") else outer
    number, unit = float(length[1]), length[2]
    relative = {"em": outer, "%": outer / 100, "rem": 16.0}
    return number * (relative.get(unit) or _PIXELS.get(unit, 0.0))


def _background(style: Declarations, outer: Colour | None) -> Colour | None:
    painted = style.get("background", "") + style.get("background-image", "")
    if "url(" in painted or "gradient" in painted:
        return None
    value = style.get("background-color") or style.get("background")
    if value is None or value in ("none", "inherit") or _transparent(value):
        return outer
    return _colour(value)


def _transparent(value: str) -> bool:
    return value == "transparent" or bool(_CLEAR.fullmatch(value))


def _colour(value: str) -> Colour | None:
    word = value.split(" ")[0] if not value.startswith("rgb") else value
    if word in _NAMED:
        return _NAMED[word]
    if match := _HEX.fullmatch(word):
        digits = match[1] or "".join(digit * 2 for digit in match[2])
        return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)
    if match := re.match(r"rgba?\(\s*(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})", word):
        return int(match[1]), int(match[2]), int(match[3])
    return None
