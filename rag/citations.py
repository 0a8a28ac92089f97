"""Check a model's prose against the quotes that it was given.

In: prose and quotes. Out: `Sentence`s, each ``checked`` or ``withheld`` with a reason. Pure.

What a check proves: the sentence cites quotes that exist; every figure and model name in it stands in one
of the quotes that it cites, unit and scale included; every house that it names speaks or is named there. A
sentence whose labels are missing or wrong is given to the quote that bears it out, if most of its words are
there too: small models cite once for a whole paragraph, or count the sources wrongly.
What it does not prove: that the words around the figure mean what the quote means.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag.houses import houses_named
from rag.prompts import speaker
from rag.records import Quote, Sentence
from rag.sentences import split_sentences
from rag.terms import Figure, figures, same_figure

_LABELS = re.compile(r"\[\s*(\d{1,3}(?:\s*[,;–-]\s*\d{1,3})*)\s*\]")
_MARKUP = re.compile(r"^\s*(?:#{1,6}|[-*•]|[1-9]\.)\s+|\*\*(?=\D)|(?<=\D)\*\*|__|`", re.MULTILINE)
_WORD = re.compile(r"[^\W\d_]{4,}")
_SUPPORT = 0.6
_SPACE_BEFORE_STOP = re.compile(r"\s+(?=[.,;:!?])")


def check(prose: str, quotes: Sequence[Quote]) -> tuple[Sentence, ...]:
    """Split ``prose`` into sentences and check each against the quotes that it cites."""
    return tuple(_repaired(_judge(text, labels, quotes), quotes) for text, labels in sentences_of(prose))


def sentences_of(prose: str) -> list[tuple[str, tuple[int, ...]]]:
    """The sentences of ``prose`` with the labels that each cites, wherever the labels stand.

    Labels behind a full stop ("… wrong. [1]") belong to the sentence before them.
    """
    plain = _MARKUP.sub("", prose)
    found: list[tuple[str, tuple[int, ...]]] = []
    for start, end in split_sentences(plain):
        piece = plain[start:end]
        leading, piece = _leading_labels(piece)
        if leading and found:
            text, labels = found[-1]
            found[-1] = (text, _merge(labels, leading))
        labels = _merge((), [label for match in _LABELS.finditer(piece) for label in _numbers(match[1])])
        text = _SPACE_BEFORE_STOP.sub("", " ".join(_LABELS.sub(" ", piece).split()))
        if any(letter.isalnum() for letter in text):
            found.append((text, labels))
    return found


def _repaired(sentence: Sentence, quotes: Sequence[Quote]) -> Sentence:
    """A withheld sentence, cited anew if one quote bears it out; the quote that shares most of its words."""
    if sentence.verdict == "checked":
        return sentence
    words = _words(sentence.text)
    known = {quote.label: _words(f"{speaker(quote.hit)} {quote.text}") for quote in quotes}
    shares = [(len(words & there) / max(1, len(words)), label) for label, there in known.items()]
    for share, label in sorted(shares, key=lambda pair: (-pair[0], pair[1])):
        cited = _judge(sentence.text, (label,), quotes)
        if share >= _SUPPORT and cited.verdict == "checked":
            return cited
    return sentence


def _words(text: str) -> frozenset[str]:
    """Words of four letters and more, by their first five: what tells one sentence from another."""
    return frozenset(word[:5].lower() for word in _WORD.findall(text))


def _judge(text: str, labels: tuple[int, ...], quotes: Sequence[Quote]) -> Sentence:
    if not labels:
        return Sentence(text, (), "withheld", "it cites no source")
    cited = [quote for quote in quotes if quote.label in labels]
    if unknown := [label for label in labels if label not in {quote.label for quote in cited}]:
        return Sentence(text, labels, "withheld", f"there is no source {_join(unknown)}")
    evidence = [figure for quote in cited for figure in figures(_evidence(quote))]
    if foreign := [figure for figure in figures(text) if not _borne_out(figure, evidence)]:
        missing = ", ".join(dict.fromkeys(text[figure.start : figure.end].strip() for figure in foreign))
        return Sentence(text, labels, "withheld", f"{missing} is not in {_join(labels)}")
    known = {name for quote in cited for name in _houses(quote)}
    if strangers := [name for _, _, name in houses_named(text) if name not in known]:
        return Sentence(text, labels, "withheld", f"{strangers[0]} is not in {_join(labels)}")
    return Sentence(text, labels, "checked")


def _borne_out(claimed: Figure, evidence: Sequence[Figure]) -> bool:
    return any(same_figure(claimed, source) for source in evidence)


def _evidence(quote: Quote) -> str:
    """What the model was shown of a quote: its words, and the date on its card."""
    return f"{quote.text}\n{quote.hit.date:%d %B %Y}"


def _houses(quote: Quote) -> set[str]:
    speakers = {quote.hit.chunk.voice.house, quote.hit.document.house}
    return {name for name in speakers if name} | {name for _, _, name in houses_named(quote.text)}


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
