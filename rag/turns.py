"""Whose turn it is, sentence after sentence: the state that the cues of `rag.cues` move.

In: the words of one writer. Out: `Turn`s, each the start of a stretch and who speaks in it, nobody named
meaning the writer. It does not know documents, nor who the writer is, but for the house that may not be
mistaken for a quoted one.

A false speaker costs more than a missing one, so whatever may be the writer's own transition is the writer's:
an aside about the speaker, a sentence about the note or the inbox, and the sentence before the next hand-over.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import takewhile

from rag.cues import Cue, Speaker, introduces, names_only, read_cue, speaks_on
from rag.houses import houses
from rag.sentences import split_sentences

# What is longer is a table or a list; it is read no further.
_LONGEST = 3000
_UNWRAPPED = 100
# A quotation that nobody closed ends with its paragraph, or here.
_LONGEST_QUOTATION = 6000

_BLANK = re.compile(r"\n[ \t>]*\n")
_LINE_END = re.compile(r"\n")
_SPACE = re.compile(r"\s*")
_PADDING = re.compile(r"[ \t\n*_]*")
_PREFIX = re.compile(r"[ \t]*(?:>[ \t]?)*")
_BULLET = re.compile(r"[\s>]*(?:[-*+•◦▪‣·●■➢►–—]|\(?\d{1,2}[.)])\s")
_HEADING = re.compile(r"[\s>]*(?:#{1,6}\s|\*\*)")
_QUOTE_MARK = re.compile(r"[“”\"«»]")
_FIRST_PERSON = re.compile(r"\b(?:[Ww]e|[Oo]urs?|us|I|[Mm]y)\b")
_GOES_ON = re.compile(r"\W*(?:and|but|or|that['’]s|so\s+(?:does|do|says?))\b", re.IGNORECASE)
# The writer of a compilation talks about the note, the post or the inbox; a house's research seldom does.
_WRITER = re.compile(
    r"\bthis\s+(?:post|article|newsletter|round-?up|blog|compilation)\b|\b(?:our|the|my)\s+inbox(?:es)?\b|"
    r"\b(?:his|her|their)\s+(?:\w+\s+)?(?:note|report|email|piece|missive|italics|emphasis|bold\w*|chart)\b|"
    r"\bsell-?side\s+(?:emails?|notes?|takes?|views?|reaction)\b|\b(?:sign\s+up|subscribe)\b|"
    r"\b(?:emphasis|italics|bold\w*)\s+(?:ours|theirs|his|hers|mine)\b|\bat\s+(?:the\s+time\s+of\s+writing|pixel\s+time)\b|"
    r"\bhere['’]s\s+(?:a|the|some|what)\s+(?:taster|selection|sample|flavour|round-?up|rest|lot|snippet|summary)\b|"
    r"\b(?:we|I)(?:['’]ve|['’]ll|\s+have|\s+will)\s+(?:kept|keep|copied|pasted|trimmed|edited|add|update)\b|"
    r"\b(?:we|I)\s+digress\b|^\W*any(?:way|how)\b|\b(?:e-?mail|write\s+to|tell)\s+us\b|\bin\s+the\s+comments\b|"
    r"\b(?:dear\s+reader|hat\s+tip|h/t|stay\s+tuned|further\s+reading)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Turn:
    """From ``start`` on ``speaker`` speaks; None is the writer, or a ``stranger`` whom nobody named."""

    start: int
    speaker: Speaker | None = None
    stranger: bool = False


@dataclass(frozen=True, slots=True)
class _Unit:
    start: int
    end: int
    paragraph: int
    depth: int
    cue: Cue | None


@dataclass(frozen=True, slots=True)
class _Scope:
    """Who has the floor, and how far: up to ``until``, or to the end of ``paragraph``, or to the next cue."""

    speaker: Speaker | None = None
    stranger: bool = False
    until: int | None = None
    paragraph: int | None = None
    since: int = 0


def turns(text: str, start: int, end: int, depth: int = 0, home: str | None = None) -> list[Turn]:
    """Follow the speakers through ``text[start:end]``, written at quoting ``depth``.

    Where the writer speaks for the house ``home``, only words in quotation marks or block quotes count as
    another house's: its research names others all the time.
    """
    floor = _Floor(text, start, end, depth, home)
    for index in range(len(floor.units)):
        floor.hear(index)
    said = [turn for _, turn in floor.said]
    return [Turn(start), *said] if not said or said[0].start > start else said


def quotations(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """The stretches inside double quotation marks, marks included; one may run over several paragraphs."""
    found: list[tuple[int, int]] = []
    opened: int | None = None
    last = start
    for mark in _QUOTE_MARK.finditer(text, start, end):
        at = mark.start()
        if opened is not None and (at - opened > _LONGEST_QUOTATION or _lapsed(text, last, at)):
            opened = None
        last = at
        opens = mark[0] in "“«" or (mark[0] == '"' and opened is None)
        if not opens and opened is not None:
            found.append((opened, at + 1))
            opened = None
        # A paragraph that goes on with a quotation opens it again.
        elif opens and (opened is None or not re.search(r"[.!?…][\s>]*$", text[max(opened, at - 40) : at])):
            opened = at
    return found


def _lapsed(text: str, last: int, at: int) -> bool:
    """Tell whether a paragraph ended between two quotation marks without the next going on with the quotation."""
    blank = _BLANK.search(text, last, at)
    return blank is not None and bool(text[blank.end() : at].strip(" \t>\n"))


class _Floor:
    """The units of one writer's words and who has the floor while they are read in order."""

    def __init__(self, text: str, start: int, end: int, depth: int, home: str | None) -> None:
        self.text, self.end, self.depth, self.home = text, end, depth, home
        self.quotations = quotations(text, start, end)
        self.closings = [until for _, until in self.quotations]
        self.lines = [text.rfind("\n", 0, start) + 1, *(line.end() for line in _LINE_END.finditer(text, start, end))]
        blank = _SPACE.match(text)
        self.top = blank.end() if blank else 0
        self.known: dict[str, Speaker] = {}
        self.units = list(self._read(start, end))
        self.structured = bool(self.units) and self.units[-1].paragraph > 0
        self.said: list[tuple[int, Turn]] = []
        self.scope = _Scope()
        self.named: tuple[int, Speaker] | None = None

    def _read(self, start: int, end: int) -> Iterator[_Unit]:
        paragraph, last = 0, start
        for first, until in split_sentences(self.text, start, end):
            if last > start and self._parted(last, first):
                paragraph += 1
            yield _Unit(first, until, paragraph, self._depth(first), self._cue(first, until))
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

    def _quoted(self, start: int, end: int) -> list[tuple[int, int]]:
        """The quotations that reach into a stretch, as offsets from its start."""
        first = bisect_right(self.closings, start)
        last = bisect_left(self.quotations, (end, 0))
        return [(max(a - start, 0), b - start) for a, b in self.quotations[first:last]]

    def _around(self, at: int) -> tuple[int, int] | None:
        """The quotation that ``at`` stands in the middle of."""
        index = bisect_right(self.closings, at)
        found = self.quotations[index] if index < len(self.quotations) else None
        return found if found and found[0] < at else None

    def _after(self, blanks: re.Pattern[str], at: int) -> int:
        """Where the text goes on behind what ``blanks`` matches at ``at``."""
        match = blanks.match(self.text, at, self.end)
        return match.end() if match else at

    def _cue(self, start: int, end: int) -> Cue | None:
        end = min(end, start + _LONGEST)
        quoted = [(a, min(b, end - start)) for a, b in self._quoted(start, end)]
        sentence = self.text[start:end]
        cue = read_cue(sentence, quoted, self.known)
        if cue is None:
            return None
        if cue.kind != "credit" and cue.speaker.person:
            names = cue.speaker.person.split()
            self.known |= {name.rstrip(".-"): cue.speaker for name in (cue.speaker.person, names[-1])}
        if cue.kind == "topic" and (speaker := self._title(sentence, start, end)):
            return Cue("hand", speaker, len(sentence), firm=True)
        return self._counted(cue, start, quoted)

    def _title(self, sentence: str, start: int, end: int) -> Speaker | None:
        """The speaker under whose name, set as a heading of its own, the following text stands."""
        if self.text[end : end + 1] != "\n":
            return None
        below = _BLANK.match(self.text, end, end + 8)
        above = start <= self.top or _BLANK.search(self.text, max(0, start - 8), start)
        return names_only(sentence, self.known) if (above and below) or _HEADING.match(sentence) else None

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

    def hear(self, index: int) -> None:
        """Decide who speaks in one unit, and who has the floor after it."""
        unit = self.units[index]
        if self.scope.until is not None and unit.start < self.scope.until:
            self._say(index, unit.start, self.scope.speaker, self.scope.stranger)
            return
        if self.scope.until is not None or self.scope.paragraph not in (None, unit.paragraph):
            self.scope = _Scope()
        if unit.depth > self.depth:
            self._block_quote(index)
        elif unit.cue and unit.cue.kind == "hand":
            self._hand_over(index, unit.cue.speaker, unit.cue)
        elif unit.cue and unit.cue.kind == "once" and self._takes(unit.cue) and self._aside(unit) is None:
            self._once(index, unit.cue.speaker)
        elif unit.cue and unit.cue.kind == "credit":
            self._credit(index, unit.cue)
        elif self.scope.speaker:
            self._hold(index)
        else:
            self._write(index)

    def _say(self, index: int, start: int, speaker: Speaker | None, stranger: bool = False) -> None:
        self.said.append((index, Turn(start, speaker, stranger)))

    def _takes(self, cue: Cue) -> bool:
        """A house cites data providers and newspapers in its own turn; another bank means that the writer is back."""
        house = houses()[cue.speaker.house]
        return self.scope.speaker is None or house.kind in ("sell-side", "buy-side")

    def _block_quote(self, index: int) -> None:
        near = self.named[1] if self.named and self.named[0] >= index - 1 else None
        speaker = self.scope.speaker or near
        self.scope = _Scope(speaker, speaker is None, until=self._block_end(index), since=index)
        self._say(index, self.units[index].start, speaker, speaker is None)

    def _block_end(self, index: int) -> int:
        units = (self.units[at] for at in range(index, len(self.units)))
        return next((unit.start for unit in units if unit.depth <= self.depth), self.end)

    def _hand_over(self, index: int, speaker: Speaker, cue: Cue) -> None:
        unit = self.units[index]
        self._yield_back(index, speaker)
        if cue.spoken:
            self._claim(unit, speaker)
        self._say(index, unit.start, speaker if cue.spoken else None)
        self.named = (index, speaker)
        begin = self._after(_PADDING, unit.start + cue.at)
        inline = begin < unit.end
        after = index if inline else index + 1
        if inline:
            self._say(index, begin, speaker)
        goes_on = inline or (after < len(self.units) and self.units[after].paragraph == unit.paragraph)
        if after < len(self.units) and self.units[after].depth > self.depth:
            self.scope = _Scope(speaker, until=self._block_end(after), since=after)
        elif (quotation := self._quotation_at(begin)) is not None:
            self.scope = _Scope(speaker, until=quotation, since=after)
        elif inline and _BULLET.match(self.text, unit.start):
            self.scope = _Scope(speaker, until=self._item_end(index), since=after)
        elif self.structured and goes_on:
            # "That is Citi's view." with more behind it is the writer's summary rather than a hand-over.
            self.scope = _Scope(speaker, paragraph=unit.paragraph, since=after) if cue.firm else _Scope()
        else:
            self.scope = _Scope(speaker, since=after)
        aside = self._aside(unit)
        if aside is not None and aside > begin:
            self._say(index, aside, None)
            self.scope = _Scope()

    def _quotation_at(self, begin: int) -> int | None:
        """Where the quotation that makes up whole sentences from ``begin`` on ends; None if there is none."""
        until = self._opened_at(begin)
        while until is not None:
            after = self._after(_SPACE, until)
            unit = bisect_left(self.units, after, key=lambda unit: unit.start)
            if after < self.end and (unit == len(self.units) or self.units[unit].start != after):
                return None
            more = self._opened_at(after)
            if more is None or "\n" not in self.text[until:after]:
                break
            until = more
        return until

    def _opened_at(self, at: int) -> int | None:
        """Where the quotation ends that opens at ``at``; None if none does."""
        index = bisect_left(self.quotations, (at, 0))
        return self.closings[index] if index < len(self.quotations) and self.quotations[index][0] == at else None

    def _item_end(self, index: int) -> int:
        first = self.units[index]
        for unit in (self.units[at] for at in range(index + 1, len(self.units))):
            if unit.paragraph != first.paragraph or _BULLET.match(self.text, unit.start):
                return unit.start
        return self.end

    def _once(self, index: int, speaker: Speaker) -> None:
        unit = self.units[index]
        if self.scope.speaker:
            self._yield_back(index, speaker)
        self._claim(unit, speaker)
        self._say(index, unit.start, speaker)
        quotation = self._around(unit.end)
        self.scope = _Scope(speaker, until=quotation[1]) if quotation else _Scope()
        self.named = (index, speaker)

    def _claim(self, unit: _Unit, speaker: Speaker) -> None:
        """Give the speaker the sentences of a quotation that began before the tag: "A. B," says X."""
        quotation = self._around(unit.start)
        for place in range(len(self.said) - 1, -1, -1):
            index, turn = self.said[place]
            if quotation is None or self.units[index].end <= quotation[0]:
                break
            self.said[place] = (index, replace(turn, speaker=speaker))

    def _credit(self, index: int, cue: Cue) -> None:
        unit = self.units[index]
        self._say(index, unit.start, self.scope.speaker)
        self.scope = _Scope()
        rest = self.text[unit.start + cue.at : unit.end]
        if rest.strip():
            begin = unit.end - len(rest.lstrip())
            self._say(index, begin, None)
            after = self._cue(begin, unit.end)
            if after and after.kind in ("hand", "once"):
                self.units[index] = replace(unit, start=begin, cue=after)
                self.hear(index)

    def _hold(self, index: int) -> None:
        """A sentence in somebody's open turn: still theirs, unless it is the writer who is back."""
        unit, speaker = self.units[index], self.scope.speaker
        aside = self._aside(unit)
        if aside is not None and aside > unit.start:
            self._say(index, unit.start, speaker)
        if aside is not None or self._writer_is_back(index):
            self.scope = _Scope()
            self._say(index, unit.start if aside is None else aside, None)
            self.named = (index, unit.cue.speaker) if unit.cue else None
            return
        self._say(index, unit.start, speaker)

    def _aside(self, unit: _Unit) -> int | None:
        """Where a bracket opens that talks about the speaker by initials or by name."""
        if self.scope.speaker is None:
            return None
        house = self.scope.speaker.house
        initials = "".join(re.findall(r"\b[A-Z]", house))
        names = [re.escape(house), *([initials] if len(initials) > 1 else [])]
        pattern = rf"\((?:[^)]{{0,40}}\W)??(?:{'|'.join(names)})\b['’]?s?\s+[a-z]"
        match = re.compile(pattern).search(self.text, unit.start, unit.end)
        return match.start() if match else None

    def _writer_is_back(self, index: int) -> bool:
        unit = self.units[index]
        sentence = self.text[unit.start : unit.end]
        if self._around(unit.start) or unit.depth > self.depth:
            return False
        # Research does not speak of its own house by name, and seldom of a rival's analyst.
        cue, speaker = unit.cue, self.scope.speaker
        about = cue and speaker and (cue.speaker.house == speaker.house or (cue.speaker.person and self._takes(cue)))
        first = index == 0 or self.units[index - 1].paragraph != unit.paragraph
        # A paragraph that goes on to hand over, or to report what somebody says, is the writer's from its start.
        later = (self.units[at] for at in range(index + 1, len(self.units)))
        leads = first and any(
            other.cue and other.cue.kind in ("hand", "once") and self._takes(other.cue)
            for other in takewhile(lambda other: other.paragraph == unit.paragraph, later)
        )
        heading = re.match(r"#{1,6}\s|\*\*.*\*\*$", sentence) and self.scope.since < index
        return bool(_WRITER.search(sentence) or about or leads or heading)

    def _yield_back(self, index: int, speaker: Speaker) -> None:
        """Give the writer the transition before a hand-over: the last sentence, and what is short or asks."""
        unit, scope = self.units[index], self.scope
        if not scope.speaker or scope.until is not None or _GOES_ON.match(self.text, unit.start):
            return
        paragraph = self.units[index - 1].paragraph if index else -1
        if paragraph != unit.paragraph:
            three = [u for u in self.units[max(0, index - 3) : index] if u.paragraph == paragraph]
            if len(three) > 2 or self.units[scope.since].paragraph == paragraph:
                return
        given = index
        while given - 1 > scope.since and self._transition(given - 1, given == index, paragraph):
            given -= 1
        for place in range(len(self.said) - 1, -1, -1):
            at, turn = self.said[place]
            if at < given:
                break
            self.said[place] = (at, Turn(turn.start))

    def _transition(self, index: int, nearest: bool, paragraph: int) -> bool:
        unit = self.units[index]
        sentence = self.text[unit.start : unit.end]
        if (
            unit.paragraph != paragraph
            or self._around(unit.start)
            or _FIRST_PERSON.search(sentence)
            or _BULLET.match(sentence)
        ):
            return False
        return nearest or len(sentence.split()) <= 4 or sentence.endswith("?")

    def _write(self, index: int) -> None:
        """A sentence of the writer's, unless a pronoun in it stands for whoever was named just before."""
        unit = self.units[index]
        sentence = self.text[unit.start : min(unit.end, unit.start + _LONGEST)]
        quoted = self._quoted(unit.start, unit.end)
        near = self.named[1] if self.named and self.named[0] >= index - 1 else None
        if near and self.home is None and (at := introduces(sentence, quoted)) is not None:
            self._hand_over(index, near, Cue("hand", near, at, firm=True))
            return
        goes_on = any(a == 0 for a, _ in quoted) and self.said and self.said[-1][1].speaker == near
        if near and (speaks_on(sentence, near) or goes_on) and (self.home is None or quoted):
            self._once(index, near)
            return
        self._say(index, unit.start, None)
        if unit.cue and unit.cue.speaker.house != self.home:
            self.named = (index, unit.cue.speaker)
