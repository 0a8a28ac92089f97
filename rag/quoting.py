"""From hits to the lines worth quoting.

In: a `Search`. Out: labelled `Quote`s: of each hit the sentences that speak of most of the question and can be read
on their own. It does not know how the hits were found.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from rag.coverage import Wanted, covers
from rag.records import Hit, Quote
from rag.retrieval import Search
from rag.sentences import one_line, split_sentences
from rag.stems import stems
from rag.terms import index_terms
from rag.twins import alike, joined

QUOTE_WORDS = 60

# What a sentence leans on stands before it.
_LEANING = re.compile(
    r"[\"“‘'(\s]*(?:it|its|this|that|these|those|they|their|them|he|she|his|her|but|and|so|such|which|also|both|instead"
    r"|however|therefore|thus|hence|nor|neither)\b",
    re.IGNORECASE,
)


def choose_quotes(search: Search, *, limit: int) -> tuple[Quote, ...]:
    """The best lines of each hit, best hit first, labelled from 1; lines that were quoted already are passed over."""
    lines = [_best_lines(hit, search.wants) for hit in search.hits]
    # What shares no word and no figure with the question is company for one such quote, and noise beside two.
    sharing = sum(score > 0 for _, _, score in lines)
    quotes: list[Quote] = []
    for hit, (start, end, score) in zip(search.hits, lines, strict=True):
        if len(quotes) == limit:
            break
        if score == 0 and sharing > 1:
            continue
        quote = Quote(len(quotes) + 1, hit, start, end, hit.document.text[start:end])
        twin = next((i for i, other in enumerate(quotes) if _repeats(quote, other)), None)
        if twin is None:
            quotes.append(quote)
            continue
        one = joined(quotes[twin].hit, hit)
        kept = quotes[twin] if one.document.id == quotes[twin].hit.document.id else quote
        quotes[twin] = replace(kept, label=twin + 1, hit=one)
    return tuple(quotes)


def _best_lines(hit: Hit, wants: Sequence[Wanted]) -> tuple[int, int, float]:
    """Start, end and score of the sentences, 60 words at most, that hold most of what the question wants.

    Rare words count most. Of equals the longest: what stands around a claim is what makes it readable.
    """
    document, chunk = hit.document, hit.chunk
    sentences = split_sentences(document.text, chunk.start, chunk.end)
    held = [_held(document.text[start:end], wants) for start, end in sentences]
    sizes = [len(document.text[start:end].split()) for start, end in sentences]
    best, best_rank, best_score = (chunk.start, chunk.end), (-1.0, False, 0), 0.0
    for first in range(len(sentences)):
        row = [0.0] * len(wants)
        size = 0
        leans = first > 0 and bool(_LEANING.match(document.text, sentences[first][0]))
        for last in range(first, len(sentences)):
            size += sizes[last]
            if last > first and size > QUOTE_WORDS:
                break
            row = [max(pair) for pair in zip(row, held[last], strict=True)]
            score = sum(row)
            if (rank := (round(score, 6), not leans, size)) > best_rank:
                best, best_rank, best_score = (sentences[first][0], sentences[last][1]), rank, score
    return *best, best_score


def _held(sentence: str, wants: Sequence[Wanted]) -> list[float]:
    """The weight of each want that ``sentence`` holds."""
    said, terms = frozenset(stems(sentence)), frozenset(index_terms(sentence))
    return [want.weight * covers(want, said, terms) for want in wants]


def _repeats(quote: Quote, other: Quote) -> bool:
    """Whether ``quote`` is nearly ``other``, or more than half of it are sentences of ``other``, by the same house."""
    if quote.hit.chunk.voice.house != other.hit.chunk.voice.house:
        return False
    said = _sentences(other.text)
    again = sum(len(sentence) for sentence in _sentences(quote.text) if sentence in said)
    return 2 * again > len(one_line(quote.text)) or alike(quote.hit, quote.text, other.hit, other.text)


def _sentences(text: str) -> frozenset[str]:
    return frozenset(one_line(text[start:end]) for start, end in split_sentences(text))
