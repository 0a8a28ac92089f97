"""The words of one writer, cut into units whose cues are read: what turns are followed through.

In: a stretch of a text. Out: a `Prose`, with its sentences in their paragraphs, quotations and block quotes. It does
not know who has the floor.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace

from rag.cues import Cue, Speaker, names_only, read_cue, speaks_on
from rag.houses import houses_named
from rag.quotations import quotations
from rag.sentences import split_sentences

# What is longer is a table or a list; it is read no further.
LONGEST = 3000
_UNWRAPPED = 100

BULLET = re.compile(r"[\s>]*(?:[-*+•◦▪‣·●■➢►–—]|\(?\d{1,2}[.)])\s")
_BLANK = re.compile(r"\n[ \t>]*\n")
_LINE_END = re.compile(r"\n")
_SPACE = re.compile(r"\s*")
_PREFIX = re.compile(r"[ \t]*(?:>[ \t]?)*")
_HEADING = re.compile(r"[\s>]*(?:#{1,6}\s|\*\*)")
_UNTAGGED = re.compile(r"[^,]\S\s*(?:$|\n|[^\sa-z])")
_SUBJECT = re.compile(r"\b(?:on|about|against|for|at|of|in)\s+(?:the\s+)?$", re.IGNORECASE)
_MARKS = " \t\n*_>#"


@dataclass(frozen=True, slots=True)
class Unit:
    """A sentence, heading, list item or row: its span, the number of its paragraph, its quoting depth, its cue."""

    start: int
    end: int
    paragraph: int
    depth: int
    cue: Cue | None


class Prose:
    """``text[start:end]``, written at quoting ``depth`` by somebody who speaks for the house ``home``, if for any.

    ``structured`` prose has more than one paragraph.
    """

    def __init__(self, text: str, start: int, end: int, depth: int = 0, home: str | None = None) -> None:
        """Cut it into units and read their cues in order, since a cue may name somebody introduced before."""
        self.text, self.end, self.depth, self.home = text, end, depth, home
        self.quotations = quotations(text, start, end)
        self.closings = [until for _, until in self.quotations]
        self.lines = [text.rfind("\n", 0, start) + 1, *(line.end() for line in _LINE_END.finditer(text, start, end))]
        blank = _SPACE.match(text)
        self.top = blank.end() if blank else 0
        self.known: dict[str, Speaker] = {}
        self.latest: Speaker | None = None
        self.units = list(self._read(start, end))
        self.structured = bool(self.units) and self.units[-1].paragraph > 0

    def _read(self, start: int, end: int) -> Iterator[Unit]:
        paragraph, last = 0, start
        for first, until in split_sentences(self.text, start, end):
            if last > start and self._parted(last, first):
                paragraph += 1
            yield Unit(first, until, paragraph, self._depth(first), self.read_cue(first, until))
            last = until

    def _parted(self, last: int, first: int) -> bool:
        gap = self.text[last:first]
        if "\n" not in gap:
            return False
        above = last - (self.text.rfind("\n", 0, last) + 1)
        ends = self.text.find("\n", first)
        below = (len(self.text) if ends < 0 else ends) - first
        return bool(_BLANK.search(gap) or max(above, below) > _UNWRAPPED or self._depth(last - 1) != self._depth(first))

    def _depth(self, at: int) -> int:
        line = self.lines[bisect_right(self.lines, at) - 1]
        marks = _PREFIX.match(self.text, line, line + 80)
        return marks[0].count(">") if marks else 0

    def quoted(self, start: int, end: int) -> list[tuple[int, int]]:
        """The quotations that reach into a stretch, as offsets from its start."""
        first = bisect_right(self.closings, start)
        last = bisect_left(self.quotations, (end, 0))
        return [(max(a - start, 0), b - start) for a, b in self.quotations[first:last]]

    def around(self, at: int) -> tuple[int, int] | None:
        """The quotation that ``at`` stands in the middle of."""
        index = bisect_right(self.closings, at)
        found = self.quotations[index] if index < len(self.quotations) else None
        return found if found and found[0] < at else None

    def after(self, blanks: re.Pattern[str], at: int) -> int:
        """Where the text goes on behind what ``blanks`` matches at ``at``."""
        match = blanks.match(self.text, at, self.end)
        return match.end() if match else at

    def read_cue(self, start: int, end: int) -> Cue | None:
        """The cue of a stretch, as far as it counts for this writer."""
        end = min(end, start + LONGEST)
        quoted = [(a, min(b, end - start)) for a, b in self.quoted(start, end)]
        sentence = self.text[start:end]
        cue = read_cue(sentence, quoted, self.known)
        if cue is None:
            if self.latest and (again := speaks_on(sentence, self.latest)):
                self._know(again)
            self.latest = None
            return None
        self.latest = cue.speaker
        if cue.kind != "credit":
            self._know(cue.speaker)
        if cue.kind == "topic" and (speaker := self._title(sentence, start, end)):
            return Cue("hand", speaker, len(sentence), firm=True)
        if cue.kind != "credit" and self._leads_in(sentence, end):
            cue = Cue("hand", cue.speaker, len(sentence), firm=True, spoken=cue.spoken)
        return self._counted(cue, start, quoted)

    def _know(self, speaker: Speaker) -> None:
        if speaker.person:
            names = speaker.person.split()
            self.known |= {name.rstrip(".-"): speaker for name in (speaker.person, names[-1])}

    def _leads_in(self, sentence: str, end: int) -> bool:
        """Tell whether a paragraph ends with a colon behind one house's name: what stands below is its own."""
        below = self.text[end : end + 40].lstrip()
        if not sentence.endswith(":") or not _LINE_END.match(self.text, end) or BULLET.match(below):
            return False
        named = houses_named(sentence)
        return len({house for _, _, house in named}) == 1 and not _SUBJECT.search(sentence[: named[0][0]])

    def _title(self, sentence: str, start: int, end: int) -> Speaker | None:
        """The speaker under whose name, set as a heading of its own, the following text stands."""
        # In its own research a house heads sections with what they are about, and signs with its name.
        return names_only(sentence, self.known) if self.home is None and self.is_heading(start, end) else None

    def is_heading(self, start: int, end: int) -> bool:
        """Tell whether a line stands for itself, or is marked as a heading."""
        if self.text[end : end + 1] != "\n":
            return False
        if BULLET.match(self.text, end + 1) and not BULLET.match(self.text, start):
            return True
        below = _BLANK.match(self.text, end, end + 8)
        above = start <= self.top or _BLANK.search(self.text, max(0, start - 8), start)
        return bool((above and below) or _HEADING.match(self.text, start, end))

    def _counted(self, cue: Cue, start: int, quoted: list[tuple[int, int]]) -> Cue | None:
        """The cue as far as it counts for this writer: nobody quotes his own house."""
        if self.home is None or cue.kind in ("credit", "topic"):
            return cue
        if cue.speaker.house == self.home:
            return None
        follows = self.text[start + cue.at : start + cue.at + 40].lstrip(" \t\n*_")
        if cue.kind == "hand" and follows[:1] and follows[0] in '“"«>':
            return cue
        return replace(cue, kind="once") if any(b - a > 20 for a, b in quoted) else replace(cue, kind="topic")

    def words_of(self, start: int, end: int) -> tuple[int, int]:
        """A cue without the quotations at its ends, and without white space and marks."""
        quoted = self.quoted(start, end)
        first = start + quoted[0][1] if quoted and quoted[0][0] == 0 and start + quoted[0][1] < end else start
        last = start + quoted[-1][0] if quoted and start + quoted[-1][1] >= end - 1 else end
        if not self.text[first:last].strip(_MARKS):
            return start, end
        words = self.text[first:last]
        return first + len(words) - len(words.lstrip(_MARKS)), first + len(words.rstrip(_MARKS))

    def block_end(self, index: int) -> int:
        """Where the block quote ends that a unit stands in."""
        units = (self.units[at] for at in range(index, len(self.units)))
        return next((unit.start for unit in units if unit.depth <= self.depth), self.end)

    def quotes_on(self, unit: Unit) -> bool:
        """Tell whether a unit opens with a quotation of whole sentences that no tag behind it gives to anybody."""
        until = self.opened_at(unit.start)
        return until is not None and bool(_UNTAGGED.match(self.text, until - 2, self.end))

    def quotation_at(self, begin: int) -> int | None:
        """Where the quotation that makes up whole sentences from ``begin`` on ends; None if there is none."""
        until = self.opened_at(begin)
        while until is not None:
            after = self.after(_SPACE, until)
            unit = bisect_left(self.units, after, key=lambda unit: unit.start)
            if after < self.end and (unit == len(self.units) or self.units[unit].start != after):
                return None
            more = self.opened_at(after)
            if more is None or "\n" not in self.text[until:after]:
                break
            until = more
        return until

    def opened_at(self, at: int) -> int | None:
        """Where the quotation ends that opens at ``at``; None if none does."""
        index = bisect_left(self.quotations, (at, 0))
        return self.closings[index] if index < len(self.quotations) and self.quotations[index][0] == at else None

    def item_end(self, index: int) -> int:
        """Where the list item ends that a unit stands in."""
        first = self.units[index]
        for unit in (self.units[at] for at in range(index + 1, len(self.units))):
            if unit.paragraph != first.paragraph or BULLET.match(self.text, unit.start):
                return unit.start
        return self.end
