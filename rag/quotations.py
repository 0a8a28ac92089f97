"""Where quotation marks open and close.

In: a text, or a stretch of it. Out: the spans that stand inside quotation marks, in order and apart, each the
outermost of its kind. It does not know who is quoted.

English “…”, "…" and ‘…’, German „…“ and »…«, French « … ». A single mark is an apostrophe far more often than
it is a quotation mark, so ‘…’ and '…' count where the words end with a stop or a comma inside the marks, or are
followed by one and a lower-case word ("‘It is over’, says"); what is called ‘this’ or ‘that’ is no quotation.
"""

from __future__ import annotations

import re
from bisect import bisect_left

# A quotation that nobody closed ends with its paragraph, or here.
_LONGEST = 6000

_BLANK = re.compile(r"\n[ \t>]*\n")
_MARK = re.compile(r"[“”„\"«»]|(?<![^\s(\[—–>*_])[‘'](?!\d0s\b)(?=[\w$£€\"“(\[])")
_SINGLE_CLOSE = re.compile(r"(?<=[.,!?…])[’'](?!\w)|(?<=\w)[’'](?=[,.]?\s*[–—,]\s*[a-z])|(?<=\w)[’'](?=\.\s|\.$)")
_CLOSES = {"“": '”"', '"': '"”', "„": '“”"', "«": "»", "»": "«"}
_REOPENS = re.compile(r"[.!?…][\s>]*$")


def quotations(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """The stretches inside quotation marks, marks included; one may run over several paragraphs.

    Each paragraph of such a quotation opens it again, and only the last closes it.
    """
    singles = [mark.start() for mark in _SINGLE_CLOSE.finditer(text, start, end)]
    blanks = [blank.start() for blank in _BLANK.finditer(text, start, end)]
    found: list[tuple[int, int]] = []
    opened: int | None = None
    last = edge = start
    for mark in _MARK.finditer(text, start, end):
        at, sign = mark.start(), mark[0]
        if at < edge:
            continue
        if opened is not None and (at - opened > _LONGEST or _lapsed(text, last, at)):
            opened = None
        if sign in "‘'":
            if opened is None and (until := _single(at, singles, blanks)) is not None:
                found.append((at, until))
                edge = last = until
            continue
        last = at
        if opened is not None and sign in _CLOSES[text[opened]]:
            found.append((opened, at + 1))
            opened = None
        elif opened is None:
            opened = at if _opens(text, at, sign) else None
        # A paragraph that goes on with a quotation opens it again.
        elif sign in '“„«"' and not _REOPENS.search(text, max(opened, at - 40), at):
            opened = at
    return found


def _opens(text: str, at: int, sign: str) -> bool:
    """Tell whether a mark opens a quotation where none is open: ”, and » behind a word, close one that is lost."""
    return sign in '“„«"' or (sign == "»" and not text[max(0, at - 1) : at].strip() and text[at + 1 : at + 2].isalnum())


def _single(at: int, closings: list[int], blanks: list[int]) -> int | None:
    """Where the quotation ends that a single mark opens at ``at``: in the same paragraph, or nowhere."""
    place, blank = bisect_left(closings, at + 2), bisect_left(blanks, at)
    if place == len(closings) or closings[place] - at > _LONGEST:
        return None
    return closings[place] + 1 if blank == len(blanks) or closings[place] < blanks[blank] else None


def _lapsed(text: str, last: int, at: int) -> bool:
    """Tell whether a paragraph ended between two quotation marks without the next going on with the quotation."""
    blank = _BLANK.search(text, last, at)
    return blank is not None and bool(text[blank.end() : at].strip(" \t>\n"))
