"""Check a model's prose against the quotes that it was given.

In: prose and quotes. Out: `Sentence`s, each ``checked`` or ``withheld`` with a reason. Pure. What is proved of a
sentence stands at each of `rag.checks.CHECKS`; here it is decided against which quotes: those that it cites, each half
of a sentence by its own; of a house that speaks, what that house says there. A sentence whose labels are missing or
wrong is given to the one quote that bears it out, if most of its words are there: small models cite once for a whole
paragraph, or count the sources wrongly.
What none of it proves: that the words around a figure mean what the quote means.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rag.checks import CHECKS, figures_are_there, names_are_there, support, words_are_there
from rag.evidence import Claim, Source
from rag.houses import houses_named
from rag.records import Quote, Sentence
from rag.sentences import split_sentences

_LABELS = re.compile(r"\[\s*(\d{1,3}(?:\s*[,;–-]\s*\d{1,3})*)\s*\]")
_GROUP = re.compile(rf"{_LABELS.pattern}(?:\s*,?\s*{_LABELS.pattern})*")
_MARKUP = re.compile(r"^[ \t]*(?:#{1,6}|[-*•]|[1-9]\.)\s+|\*\*(?=\D)|(?<=\D)\*\*|__|`", re.MULTILINE)
# A sentence is given another source than it cites only where nearly all of it is there.
_SURE = 0.6
# So many words are a clause, with a subject and a verb of its own.
_CLAUSE = 4
# What is shown to a model has round brackets in place of the labels of its text, and now and then they are copied.
_ROUND = re.compile(r"\((\d)\)(?=\s*[.!?]?\s*(?:\n|\Z))")
# "(22 Nov 2026)".
_BRACKETED = re.compile(r"\((?:\w+[\s,.]*){1,4}\)[.,]?")
_LONGEST_QUOTATION = 600
# A sentence of an answer has some 200 characters; the figures of one with 20,000 took 16 s to compare.
_LONGEST = 800
# "[Source 1]", "【1】", "[^1]", "(Source: [1])".
_ODD = re.compile(r"(?:\((?:[Ss]ources?:?\s?)?\[|\[(?:[Ss]ources?:?\s?|\^)|【)(\d{1,2})(?:\]\)|\]|】)")
_END = re.compile(r"[.!?\])”\"]\s*\Z")
_SPACE_BEFORE_STOP = re.compile(r"\s+(?=[.,;:!?])")


@dataclass(frozen=True, slots=True)
class Cited:
    """A sentence of prose and the labels that it cites; ``parts`` are the words before each group of labels."""

    text: str
    labels: tuple[int, ...]
    parts: tuple[tuple[str, tuple[int, ...]], ...] = ()


Sources = Mapping[int, Source]
"""Quotes made ready to be asked, by label."""

REPEATED, CUT_OFF = "it is said already", "it was cut off"


def prepared(quotes: Sequence[Quote]) -> Sources:
    """Read ``quotes`` once for many calls of `check`."""
    return {quote.label: Source.of(quote) for quote in quotes}


def check(prose: str, quotes: Sequence[Quote] | Sources, *, unfinished: bool = False) -> tuple[Sentence, ...]:
    """Split ``prose`` into sentences and check each against the quotes that it cites.

    What is said again is withheld, and the last sentence of ``unfinished`` prose if it has no end.
    """
    sources = quotes if isinstance(quotes, Mapping) else prepared(quotes)
    sentences = sentences_of(prose)
    cut = len(sentences) - 1 if unfinished and not _END.search(prose) else len(sentences)
    said: set[str] = set()
    judged: list[Sentence] = []
    for at, one in enumerate(sentences):
        if at == cut or one.text in said:
            reason = REPEATED if one.text in said else CUT_OFF
            judged.append(Sentence(one.text, one.labels, "withheld", reason))
        else:
            judged.append(_judged(one, sources))
        said.add(one.text)
    return tuple(judged)


def sentences_of(prose: str) -> list[Cited]:
    """The sentences of ``prose`` with the labels that each cites, wherever the labels stand.

    Labels behind a full stop ("… wrong. [1]") belong to the sentence before them, unless the prose begins with one:
    then they belong to what follows.
    """
    plain = _ODD.sub(r"[\1]", _ROUND.sub(r"[\1]", _MARKUP.sub("", prose)))
    ahead = bool(_LABELS.match(plain.lstrip()))
    found: list[Cited] = []
    for start, end in _quotations_whole(plain):
        leading, piece = _leading_labels(plain[start:end])
        if leading and found and not ahead:
            found[-1] = replace(found[-1], labels=_merge(found[-1].labels, leading))
            leading = []
        parts = _parts(piece)
        labels = _merge(leading, [label for _, own in parts for label in own])
        text = _plain(piece)
        if found and _BRACKETED.fullmatch(text):  # the date of a card, copied with its quote
            found[-1] = replace(found[-1], labels=_merge(found[-1].labels, labels))
        elif any(letter.isalnum() for letter in text):
            found.append(Cited(text, labels, parts if not leading else ()))
    return found


def _quotations_whole(plain: str) -> Iterator[tuple[int, int]]:
    """The sentences of ``plain``, those of one quotation together: their label stands behind the last."""
    held: list[tuple[int, int]] = []
    for start, end in split_sentences(plain):
        if held and ("\n" in plain[held[-1][1] : start] or end - held[0][0] > _LONGEST_QUOTATION):
            yield from held  # nobody closed it
            held = []
        held.append((start, end))
        first = held[0][0]
        if plain.count('"', first, end) % 2 == 0 and plain.count("“", first, end) <= plain.count("”", first, end):
            yield first, end
            held = []
    yield from held


def _parts(piece: str) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """The words before each group of labels, with that group."""
    parts: list[tuple[str, tuple[int, ...]]] = []
    at = 0
    for group in _GROUP.finditer(piece):
        labels = [label for match in _LABELS.finditer(group[0]) for label in _numbers(match[1])]
        parts.append((_plain(piece[at : group.start()]), _merge((), labels)))
        at = group.end()
    return tuple(parts)


def _plain(piece: str) -> str:
    return _SPACE_BEFORE_STOP.sub("", " ".join(_LABELS.sub(" ", piece).split()))


def _judged(cited: Cited, sources: Sources) -> Sentence:
    if len(cited.text) > _LONGEST:
        return Sentence(cited.text, cited.labels, "withheld", "it is too long to be checked")
    claim, labels = Claim.of(cited.text), cited.labels
    if _spelt_out(cited.parts) and sources.keys() >= set(labels):
        # "Citi sees this [1] and UBS that [2]": each half by its own source.
        halves = (_failed(Claim.of(text), [sources[label] for label in own]) for text, own in cited.parts)
        reason = next((one for one in halves if one), "")
        return Sentence(claim.text, labels, "withheld" if reason else "checked", reason)
    first = _verdict(claim, labels, sources)
    return first if first.verdict == "checked" else _moved(claim, labels, sources) or first


def _spelt_out(parts: Sequence[tuple[str, tuple[int, ...]]]) -> bool:
    """Whether there is a clause before each group of labels."""
    return len(parts) > 1 and all(len(text.split()) >= _CLAUSE for text, _ in parts)


def _verdict(claim: Claim, labels: tuple[int, ...], sources: Sources) -> Sentence:
    if not labels:
        return Sentence(claim.text, (), "withheld", "it cites no source")
    if unknown := [label for label in labels if label not in sources]:
        return Sentence(claim.text, labels, "withheld", f"there is no source {_join(unknown)}")
    reason = _failed(claim, [sources[label] for label in labels])
    return Sentence(claim.text, labels, "withheld" if reason else "checked", reason)


def _failed(claim: Claim, cited: Sequence[Source]) -> str:
    """Why the first check fails that does; empty where all hold."""
    if len(claim.speakers) == 1 and claim.houses == claim.speakers:
        # "Citi says" is borne out by what Citi says, whatever else is cited beside it, or quoted in it.
        (name,) = claim.speakers
        cited = [source.heard(name) for source in cited if name in source.voices] or cited
    if reason := next((reason for one in CHECKS if (reason := one(claim, cited))), ""):
        return reason
    labels = _join([source.label for source in cited])
    if len(claim.speakers) < 2:
        if len(claim.houses) > 1 and len(cited) > 1:
            return _each_by_itself(claim, cited)
        # A sentence of one voice stands in one source, not in pieces of two.
        return "" if any(_whole(claim, [source]) for source in cited) else f"no one of {labels} says all of it"
    for name in sorted(claim.speakers):
        if not _whole(claim, [source.heard(name) for source in cited if name in source.voices]):
            return f"{name} does not say all of it in {labels}"
    return ""


def _each_by_itself(claim: Claim, cited: Sequence[Source]) -> str:
    """Why the figures behind a house's name ("Macquarie is at $2,780, ING at $2,550") are not that house's."""
    spans = houses_named(claim.text)
    ends = [start for start, _, _ in spans[1:]] + [len(claim.text)]
    for (start, _, house), end in zip(spans, ends, strict=True):
        theirs = [source for source in cited if house in source.voices]
        if reason := figures_are_there(Claim.of(claim.text[start:end]), theirs or cited):
            return reason
    return ""


def _whole(claim: Claim, sources: Sequence[Source]) -> bool:
    """Whether all figures and names and most words of a claim stand in ``sources``."""
    return not any(one(claim, sources) for one in (figures_are_there, names_are_there, words_are_there))


def _moved(claim: Claim, labels: tuple[int, ...], sources: Sources) -> Sentence | None:
    """The sentence cited anew, to the one source that has most of its words and bears it out."""
    for label in sorted(sources, key=lambda label: (-support(claim, [sources[label]]), label)):
        cited = [sources[label]]
        if (label,) != labels and support(claim, cited) >= _SURE and not _failed(claim, cited):
            was = f"cited {_join(labels)}" if labels else "cited nothing"
            return Sentence(claim.text, (label,), "checked", f"{was}, found in [{label}]")
    return None


def _leading_labels(piece: str) -> tuple[list[int], str]:
    labels: list[int] = []
    while match := _LABELS.match(piece.lstrip(" .,;")):
        labels += _numbers(match[1])
        piece = piece.lstrip(" .,;")[match.end() :]
    return labels, piece


def _numbers(inside: str) -> list[int]:
    """The labels in one pair of brackets: ``1``, ``1, 3``, ``1-3``."""
    labels: list[int] = []
    for part in re.split(r"[,;]", inside):
        ends = [int(number) for number in re.split(r"[–-]", part)]
        labels += range(ends[0], min(ends[-1], ends[0] + 20) + 1)
    return labels


def _merge(labels: Sequence[int], more: Sequence[int]) -> tuple[int, ...]:
    return tuple(dict.fromkeys((*labels, *more)))


def _join(labels: Sequence[int]) -> str:
    return ", ".join(f"[{label}]" for label in labels)
