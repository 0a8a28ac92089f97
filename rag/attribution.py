"""Who is speaking in each span of a document.

In: a `Document` without voices. Out: the same document with its house and author, where they can be known,
and voices that cover its text. Pure: it knows no files, no index and no models.

A mail is first cut into its author's own words and the messages that it repeats (`rag.replies`). Inside each
part, cues in the prose hand the microphone to a house and take it back (`rag.turns`). A speaker is never
guessed: what no cue gives to a house stays the words of whoever wrote the part.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from rag.houses import canonical, house_of_domain, houses, houses_named
from rag.records import Document, Voice
from rag.replies import Part, parts, person_name
from rag.turns import turns

_HOME = re.compile(
    r"(?:sign\s+up\s+(?:for|to)\s+(?:a\s+|the\s+|our\s+)?(?:free\s+|daily\s+)?|subscribe\s+to\s+|"
    r"©\s*\d{4}\s+|copyright\s+(?:©\s*|\(c\)\s*)?(?:\d{4}\s+)?|"
    r"(?:document|report|note|article|material|publication)\s+(?:has\s+been\s+|is\s+|was\s+)?"
    r"(?:produced|issued|prepared|published)\s+by\s+)$",
    re.IGNORECASE,
)

# Further down, "we at Citi" may be said by a house that the note quotes.
_WE_AT = re.compile(r"\bwe\s+at\s+$", re.IGNORECASE)


def attribute(document: Document) -> Document:
    """Fill in the house and the author where they can be known, and the voices, which cover the text exactly."""
    text, mail = document.text, document.kind == "email"
    split = parts(text) if mail else [Part(0, len(text), 0, False, None, None, len(text), (0, 0))]
    author = person_name(document.author)
    house = _house(document, split)
    voices: list[Voice] = []
    for part in split:
        writer = _writer(part, Voice(0, 0, house, author, "author"), document.meta.get("from", ""))
        if part.announcing:
            voices.append(replace(writer, start=part.start, stretch="header"))
            continue
        for turn in turns(text, part.start, part.signature, part.depth, _speaks_for(writer.house)):
            if turn.speaker:
                spoken = Voice(turn.start, 0, turn.speaker.house, turn.speaker.person, "quoted")
            elif turn.stranger and mail:
                spoken = Voice(turn.start, 0, None, None, "quoted")
            else:
                spoken = replace(writer, start=turn.start)
            voices.append(spoken)
        voices.append(replace(writer, start=part.signature, stretch="signature"))
    return replace(document, house=house, author=author, voices=_joined(voices, len(text)))


def _writer(part: Part, author: Voice, address: str) -> Voice:
    own = part.address == address.lower() if part.address and address else part.person == author.person
    if not part.quoted or (own and (part.address or part.person)):
        return author
    house = house_of_domain(part.address.rpartition("@")[2]) if part.address else None
    return Voice(0, 0, house, part.person, "quoted")


def _speaks_for(house: str | None) -> str | None:
    """The house, unless it is a newspaper: what a bank writes about other banks is mostly its own view."""
    known = houses().get(house or "")
    return house if known and known.kind != "press" else None


def _house(document: Document, split: list[Part]) -> str | None:
    if document.house and document.house.strip():
        return canonical(document.house) or document.house.strip()
    if house := house_of_domain(document.meta.get("domain", "")):
        return house
    for part in split:
        if not part.quoted and (house := _signed(document.text[slice(*part.signed)])):
            return house
    return None if document.kind == "email" else _home(document.text)


def _signed(signature: str) -> str | None:
    """The house in a name block: its lines are short, and name one house."""
    lines = [line for line in signature.splitlines()[:10] if len(line) <= 80]
    named = {house for line in lines for _, _, house in houses_named(line)}
    return named.pop() if len(named) == 1 else None


def _home(text: str) -> str | None:
    """The house that a text names as its own home, at its top or its end; None unless exactly one."""
    top, end = text[:600], text[max(600, len(text) - 2500) :]
    named = {
        house
        for edge, marks in ((top, (_HOME, _WE_AT)), (end, (_HOME,)))
        for start, _, house in houses_named(edge)
        if any(mark.search(edge[max(0, start - 80) : start]) for mark in marks)
    }
    return named.pop() if len(named) == 1 else None


def _joined(spans: Iterable[Voice], length: int) -> tuple[Voice, ...]:
    """Merge neighbours that are one voice, and let each run up to the next, so that nothing is left over."""
    merged: list[Voice] = []
    for span in spans:
        last = merged[-1] if merged else None
        if last and replace(last, start=0, end=0) == replace(span, start=0, end=0):
            continue
        merged.append(span)
    edges = [0, *(voice.start for voice in merged[1:]), length]
    return tuple(
        replace(voice, start=edges[index], end=edges[index + 1])
        for index, voice in enumerate(merged)
        if edges[index] < edges[index + 1]
    )
