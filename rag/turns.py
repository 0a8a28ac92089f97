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
from dataclasses import dataclass, replace
from itertools import takewhile

from rag.asides import (
    addresses_the_reader,
    bracket_about,
    echoes,
    editor_s_brackets,
    is_about_the_article,
    remarks,
    says_i,
    speaks_for_a_house,
)
from rag.cues import Cue, Speaker, introduces, names_its_own, speaks_on, stranger_speaks
from rag.houses import houses
from rag.prose import BULLET, LONGEST, Prose, Unit

# An article takes its leave in about so many sentences.
_FAREWELL = 4
# Research is seldom so brief; whoever connects two quotations often is.
_SHORT = 5
# What is longer between quotation marks is somebody's sentence rather than a word that is picked up.
_PHRASE = 40
# How many sentences back a remark shows that the writer had taken over before he hands on.
_TRANSITION = 4
_THIRD_PARTY = re.compile(r"\W*(?:\w+\s+){1,4}(?:says|said|claims)\b")
# How sure the kinds of cue are, and what is left of it from the third and from the sixth paragraph on.
_CERTAIN, _FIRM, _REPORTED, _CARRIED = 1.0, 0.95, 0.9, 0.65
_FADES = ((6, 0.5), (3, 0.75))

# A live page is a row of entries, each under its time.
_CLOCK = re.compile(
    r"\W*(?:(?:updated|posted)\s+(?:at\s+)?)?\d{1,2}[:.h]\d\d(?:\s?[ap]m)?(?:\s+[A-Z]{2,4})?\W*(?:$|\n)", re.I
)
_PADDING = re.compile(r"[ \t\n*_]*")
_STOPPED = re.compile(r"[.!?:,;…]\W*$")
_GOES_ON = re.compile(r"\W*(?:and|or|also|that['’]s|so\s+(?:does|do|says?))\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Turn:
    """From ``start`` on ``speaker`` speaks; None is the writer, or a ``stranger`` whom nobody named.

    ``cue`` is the span of the words that say so: the sentence, up to its colon, without what it quotes at either
    end; the writer has none. ``confidence`` is 1 for the writer, and for a quotation or a block quote right behind
    a cue with a colon; 0.95 for what follows a colon, an ellipsis or a heading otherwise; 0.9 for one sentence
    with a verb of saying or a "per", and for a quotation without a colon; 0.65 where a pronoun or "the bank" carries
    on, where no colon ends the cue, and for a block quote of whoever was named last. An open turn keeps three
    quarters of it from the third paragraph behind the cue on, and half from the sixth.
    """

    start: int
    speaker: Speaker | None = None
    stranger: bool = False
    cue: tuple[int, int] | None = None
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class _Scope:
    """Who has the floor, by which cue, and how far: up to ``until``, to the end of ``paragraph``, or to the next cue.

    ``since`` is the unit that the turn began in; ``titled`` turns stand below a heading with the speaker's name.
    """

    speaker: Speaker | None = None
    stranger: bool = False
    cue: tuple[int, int] | None = None
    confidence: float = 1.0
    until: int | None = None
    paragraph: int | None = None
    since: int = 0
    titled: bool = False


_WRITER = _Scope()


def turns(text: str, start: int, end: int, depth: int = 0, home: str | None = None) -> list[Turn]:
    """Follow the speakers through ``text[start:end]``, written at quoting ``depth``.

    Where the writer speaks for the house ``home``, only words in quotation marks or block quotes count as
    another house's: its research names others all the time.
    """
    prose = Prose(text, start, end, depth, home)
    floor = _Floor(prose)
    for index in range(len(prose.units)):
        floor.hear(index)
    said = [turn for _, turn in floor.said]
    heard = [Turn(start), *said] if not said or said[0].start > start else said
    return _interrupted(heard, editor_s_brackets(text, start, end), end)


def _interrupted(heard: list[Turn], brackets: list[tuple[int, int]], end: int) -> list[Turn]:
    """Give the writer the brackets that he put into other people's words."""
    starts = [turn.start for turn in heard]
    for first, last in brackets:
        speaking = heard[bisect_right(starts, first) - 1]
        within = heard[bisect_right(starts, last) - 1]
        heard += [Turn(first)] if speaking.speaker else []
        heard += [replace(within, start=last)] if within.speaker and last < end else []
    # Behind the bracket counts what starts there, not what started inside it.
    inside = {turn.start for turn in heard for first, last in brackets if first < turn.start < last}
    by_start = {turn.start: turn for turn in heard if turn.start not in inside}
    return [by_start[at] for at in sorted(by_start)]


class _Floor:
    """Who has the floor while the units of one writer's words are read in order."""

    def __init__(self, prose: Prose) -> None:
        self.prose = prose
        self.said: list[tuple[int, Turn]] = []
        self.scope = _WRITER
        self.named: tuple[int, Speaker, bool] | None = None
        self.writer_says_i = self.speaker_says_i = False

    def hear(self, index: int) -> None:
        """Decide who speaks in one unit, and who has the floor after it."""
        unit = self.prose.units[index]
        if self.scope.until is not None and unit.start < self.scope.until:
            self._say(index, unit.start, self.scope)
            return
        if self.scope.until is not None or self.scope.paragraph not in (None, unit.paragraph):
            self.scope = _WRITER
        if unit.depth > self.prose.depth:
            self._block_quote(index)
        elif unit.cue and unit.cue.kind == "hand":
            self._hand_over(index, unit.cue)
        elif unit.cue and unit.cue.kind == "once" and self._reports(index, unit.cue):
            self._once(index, unit.cue.speaker, _REPORTED)
        elif unit.cue and unit.cue.kind == "credit":
            self._credit(index, unit.cue)
        elif self.scope.speaker and (again := self._tagged(index, self.scope.speaker)):
            self._once(index, again, _CARRIED)
        elif self.scope.speaker:
            self._hold(index)
        else:
            self._write(index)

    def _say(self, index: int, start: int, by: _Scope = _WRITER) -> None:
        self.said.append((index, Turn(start, by.speaker, by.stranger, by.cue, by.confidence)))

    def _near(self, index: int) -> Speaker | None:
        """Whoever was named in the unit before, or in the one before the quotation that this one stands in."""
        quotation = self.prose.around(self.prose.units[index].start)
        if quotation:
            index = bisect_left(self.prose.units, quotation[0], key=lambda unit: unit.start)
        return self.named[1] if self.named and self.named[0] >= index - 1 else None

    def _takes(self, cue: Cue) -> bool:
        """A house cites data providers and newspapers in its own turn; another bank means that the writer is back."""
        house = houses()[cue.speaker.house]
        return self.scope.speaker is None or house.kind in ("sell-side", "buy-side")

    def _tagged(self, index: int, speaker: Speaker) -> Speaker | None:
        """The speaker, where a pronoun behind a quotation ("…," she adds) shows that he is being quoted again."""
        unit = self.prose.units[index]
        until = self.prose.opened_at(unit.start)
        if until is None or until >= unit.end or self.prose.home is not None:
            return None
        return speaks_on(self.prose.text[unit.start : min(unit.end, unit.start + LONGEST)], speaker)

    def _reports(self, index: int, cue: Cue) -> bool:
        """Tell whether it is the writer who reports what a house says, rather than the house that has the floor."""
        return (self._takes(cue) or self._opens(index)) and self._aside(self.prose.units[index]) is None

    def _block_quote(self, index: int) -> None:
        scope, near = self.scope, self._near(index)
        if scope.speaker is None and near and self.named:
            named = self.prose.units[self.named[0]]
            scope = _Scope(near, cue=self.prose.words_of(named.start, named.end), confidence=_CARRIED)
        self.scope = replace(scope, stranger=scope.speaker is None, until=self.prose.block_end(index), since=index)
        self._say(index, self.prose.units[index].start, self.scope)

    def _hand_over(self, index: int, cue: Cue, carried: bool = False) -> None:
        unit = self.prose.units[index]
        self._yield_back(index)
        begin = self.prose.after(_PADDING, unit.start + cue.at)
        inline = begin < unit.end
        after = index if inline else index + 1
        follows = after < len(self.prose.units) and self.prose.units[after].depth > self.prose.depth
        quotation = None if follows else self.prose.quotation_at(begin)
        firm = _CERTAIN if follows or quotation is not None else _FIRM
        confidence = _CARRIED if carried else firm if cue.firm else _REPORTED if firm == _CERTAIN else _CARRIED
        words = self.prose.words_of(unit.start, min(unit.start + cue.at, unit.end))
        scope = _Scope(cue.speaker, cue=words, confidence=confidence, since=after)
        if cue.spoken:
            self._claim(unit, scope)
        self._say(index, unit.start, scope if cue.spoken else _WRITER)
        self.named, self.speaker_says_i = (index, cue.speaker, True), False
        if inline:
            self._say(index, begin, scope)
            self.speaker_says_i = says_i(self.prose.text[begin : unit.end])
        goes_on = inline or (after < len(self.prose.units) and self.prose.units[after].paragraph == unit.paragraph)
        if follows:
            self.scope = replace(scope, until=self.prose.block_end(after))
        elif quotation is not None:
            self.scope = replace(scope, until=quotation)
        elif inline and BULLET.match(self.prose.text, unit.start):
            self.scope = replace(scope, until=self.prose.item_end(index))
        elif self.prose.structured and goes_on:
            # "That is Citi's view." with more behind it is the writer's summary rather than a hand-over.
            self.scope = replace(scope, paragraph=unit.paragraph) if cue.firm else _WRITER
        elif carried and after < len(self.prose.units):
            # Whoever was named before, rather than in the lead-in, is not trusted with more than what follows at once.
            self.scope = replace(scope, paragraph=self.prose.units[after].paragraph)
        else:
            self.scope = replace(scope, titled=not inline and self.prose.is_heading(unit.start, unit.end))
        aside = self._aside(unit)
        if aside is not None and aside > begin:
            self._say(index, aside)
            self.scope = _WRITER

    def _once(self, index: int, speaker: Speaker, confidence: float) -> None:
        unit = self.prose.units[index]
        if self.scope.speaker:
            self._yield_back(index)
        scope = _Scope(speaker, cue=self.prose.words_of(unit.start, unit.end), confidence=confidence)
        self._claim(unit, scope)
        self._say(index, unit.start, scope)
        quotation = self.prose.around(unit.end)
        self.scope = replace(scope, until=quotation[1]) if quotation else _WRITER
        self.named = (index, speaker, True)

    def _claim(self, unit: Unit, scope: _Scope) -> None:
        """Give the speaker the sentences of a quotation that began before the tag: "A. B," says X."""
        quotation = self.prose.around(unit.start)
        for place in range(len(self.said) - 1, -1, -1):
            index, turn = self.said[place]
            if quotation is None or self.prose.units[index].end <= quotation[0]:
                break
            self.said[place] = (index, Turn(turn.start, scope.speaker, False, scope.cue, scope.confidence))

    def _credit(self, index: int, cue: Cue) -> None:
        unit = self.prose.units[index]
        self._say(index, unit.start, self.scope)
        self.scope = _WRITER
        rest = self.prose.text[unit.start + cue.at : unit.end]
        if rest.strip():
            begin = unit.end - len(rest.lstrip())
            self._say(index, begin)
            after = self.prose.read_cue(begin, unit.end)
            if after and after.kind in ("hand", "once"):
                self.prose.units[index] = replace(unit, start=begin, cue=after)
                self.hear(index)

    def _hold(self, index: int) -> None:
        """A sentence in somebody's open turn: still theirs, unless it is the writer who is back."""
        unit = self.prose.units[index]
        aside = self._aside(unit)
        if aside is None and self._writer_is_back(index):
            # "Citi's Jane Doe is not so sure." leads to her as a hand-over does.
            self._yield_back(index, nearest=bool(unit.cue and unit.cue.speaker.person and self._takes(unit.cue)))
            self.scope = _WRITER
            self._write(index)
            return
        if aside is None or aside > unit.start:
            self._say(index, unit.start, self._faded(index))
        self.speaker_says_i |= says_i(self.prose.text[unit.start : unit.end])
        if aside is not None:
            self.scope = _WRITER
            self._say(index, aside)

    def _faded(self, index: int) -> _Scope:
        """The scope, the less sure the more paragraphs it has run over without a new cue."""
        scope = self.scope
        behind = self.prose.units[index].paragraph - self.prose.units[scope.since].paragraph + 1
        share = next((share for least, share in _FADES if behind >= least), 1.0)
        return replace(scope, confidence=round(scope.confidence * share, 2))

    def _aside(self, unit: Unit) -> int | None:
        """Where a bracket opens that talks about the speaker by initials or by name."""
        speaker = self.scope.speaker
        return bracket_about(speaker.house, self.prose.text, unit.start, unit.end) if speaker else None

    def _writer_is_back(self, index: int) -> bool:
        unit, scope = self.prose.units[index], self.scope
        sentence = self.prose.text[unit.start : min(unit.end, unit.start + LONGEST)]
        if self.prose.around(unit.start) or unit.depth > self.prose.depth:
            return False
        heading = re.match(r"#{1,6}\s|\*\*.*\*\*$", sentence) or (
            not _STOPPED.search(sentence) and self.prose.is_heading(unit.start, unit.end)
        )
        farewell = index >= len(self.prose.units) - _FAREWELL and addresses_the_reader(sentence)
        # Whoever has said "I" is heard again where the speaker has not.
        himself = self.writer_says_i and not self.speaker_says_i and index > scope.since and says_i(sentence)
        return bool(
            is_about_the_article(sentence)
            or self._is_about_a_rival(unit, sentence)
            or ((heading or _CLOCK.match(sentence)) and scope.since < index)
            or (farewell and index > scope.since)
            or himself
            or (index > scope.since and self._opens(index) and remarks(sentence))
            or self._leads(index)
        )

    def _is_about_a_rival(self, unit: Unit, sentence: str) -> bool:
        """Research does not speak of its own house by name, and seldom of a rival; strangers are not its business."""
        cue, speaker = unit.cue, self.scope.speaker
        if cue is None or speaker is None:
            return stranger_speaks(sentence)
        if cue.speaker.house == speaker.house or (cue.speaker.person and self._takes(cue)):
            return True
        rival = self._takes(cue) and not speaks_for_a_house(sentence)
        return rival or (cue.kind == "topic" and stranger_speaks(sentence))

    def _asks(self, index: int) -> bool:
        return self.prose.text[self.prose.units[index].end - 1] == "?"

    def _opens(self, index: int) -> bool:
        """Tell whether a unit opens a paragraph."""
        return not index or self.prose.units[index - 1].paragraph != self.prose.units[index].paragraph

    def _leads(self, index: int) -> bool:
        """A paragraph that goes on to hand over, or to report what somebody says, is the writer's from its start."""
        unit = self.prose.units[index]
        if not self._opens(index):
            return False
        later = (self.prose.units[at] for at in range(index + 1, len(self.prose.units)))
        return any(
            other.cue and other.cue.kind in ("hand", "once") and self._takes(other.cue)
            for other in takewhile(lambda other: other.paragraph == unit.paragraph, later)
        )

    def _yield_back(self, index: int, nearest: bool = True) -> None:
        """Give the writer the transition before he is back: the ``nearest`` sentence, and what is short or asks."""
        unit, scope = self.prose.units[index], self.scope
        if not scope.speaker or scope.until is not None or _GOES_ON.match(self.prose.text, unit.start):
            return
        paragraph = self.prose.units[index - 1].paragraph if index else -1
        if paragraph != unit.paragraph:
            three = [u for u in self.prose.units[max(0, index - 3) : index] if u.paragraph == paragraph]
            if not nearest or len(three) > 2 or self.prose.units[scope.since].paragraph == paragraph:
                return
        given = index
        for back in range(index - 1, max(scope.since, index - _TRANSITION - 1), -1):
            if not self._may_be_the_writer_s(back, paragraph):
                break
            touches = given == back + 1
            if (touches and ((nearest and given == index) or self._is_slight(back))) or self._remarks(back):
                given = back
        for place in range(len(self.said) - 1, -1, -1):
            at, turn = self.said[place]
            if at < given:
                break
            self.said[place] = (at, Turn(turn.start))

    def _may_be_the_writer_s(self, index: int, paragraph: int) -> bool:
        unit = self.prose.units[index]
        sentence = self.prose.text[unit.start : unit.end]
        spoken = (self.prose.opened_at(unit.start) or 0) - unit.start > _PHRASE
        return unit.paragraph == paragraph and not (
            self.prose.around(unit.start) or spoken or speaks_for_a_house(sentence) or BULLET.match(sentence)
        )

    def _is_slight(self, index: int) -> bool:
        sentence = self.prose.text[self.prose.units[index].start : self.prose.units[index].end]
        return len(sentence.split()) <= _SHORT or _THIRD_PARTY.match(sentence) is not None

    def _remarks(self, index: int) -> bool:
        text, unit = self.prose.text, self.prose.units[index]
        sentence = text[unit.start : unit.end]
        before = self.prose.units[max(0, index - 1)]
        return remarks(sentence) or echoes(sentence, text[max(before.start, before.end - 200) : before.end])

    def _write(self, index: int) -> None:
        """A sentence of the writer's, unless a pronoun in it stands for whoever was named just before."""
        unit = self.prose.units[index]
        sentence = self.prose.text[unit.start : min(unit.end, unit.start + LONGEST)]
        quoted = self.prose.quoted(unit.start, unit.end)
        # Neither a question of the writer's nor a sentence of his hides whom "its analyst" works for.
        skips = index > 0 and (self._asks(index - 1) or names_its_own(sentence))
        near = self._near(index) or (self._near(index - 1) if skips else None)
        if near and self.prose.home is None and (at := introduces(sentence, quoted)) is not None:
            self._hand_over(index, Cue("hand", near, at, firm=True), carried=True)
            return
        pending = self.prose.units[index - 1].cue if index else None
        if near and pending and pending.kind == "hand" and not pending.firm and sentence.endswith(":"):
            self._hand_over(index, Cue("hand", near, len(sentence), firm=True), carried=True)
            return
        goes_on = self.prose.quotes_on(unit) and self.said and self.said[-1][1].speaker == near
        heard = self.named is not None and self.named[2]
        again = speaks_on(sentence, near) if near and (heard or quoted or names_its_own(sentence)) else None
        if near and (again or goes_on) and (self.prose.home is None or quoted):
            self._once(index, again or near, _CARRIED)
            return
        self._say(index, unit.start)
        self.writer_says_i |= not quoted and says_i(sentence)
        if stranger_speaks(sentence):
            self.named = None
        elif unit.cue and unit.cue.speaker.house != self.prose.home:
            self.named = (index, unit.cue.speaker, False)
