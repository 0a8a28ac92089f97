"""From a question to ranked hits, and from hits to the lines worth quoting.

In: a question, filters, a catalogue, vectors. Out: `Hit`s, `Quote`s, and a reason to refuse if the
evidence is none. Two rankings, by word (BM25) and by vector, are fused by reciprocal rank (Cormack et al.,
SIGIR 2009), with the passages that state an amount of the question, and those spoken by a house that it
names. It does not know models, prompts or screens.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from rag.copies import says_the_same, wording
from rag.embedding import Embedder, Vectors
from rag.houses import houses_named
from rag.records import Chunk, Document, Hit, Quote
from rag.schema import Filters
from rag.sentences import one_line, split_sentences
from rag.store import Catalogue
from rag.terms import figures
from rag.vectors import NearestVectors

RRF_K = 60
"""The constant of reciprocal-rank fusion; 60 is the paper's, and results hardly move between 20 and 100."""

# A passage by the house that was asked about outranks a better match by somebody else: being first in this
# ranking is worth as much as being first in both others together.
_WEIGHTS: Mapping[str, float] = {"words": 1.0, "vectors": 1.0, "amounts": 1.0, "house": 2.0}

# The share of all content words of two passages that both have; only then is it worth reading them word by word.
# Windows that overlap by a sentence have about a fifth, a copy with small edits 0.9.
_SAME = 0.55

# The share of the stems of the shorter of two passages that a hit and a copy of it both have; windows that the copy
# cut elsewhere lie half over the hit.
_COPIED = 0.5
_COPIES = 50
_QUOTE_WORDS = 60

# The figure that was asked about is worth about two rare words.
_FIGURE_WEIGHT = 3.0

_STOPWORDS = frozenset(
    """
a about according after all also am an and any are as at be because been before being but by can could did do
does doing each for from had has have having he her here hers him his how i if in into is it its just me more
most much my no nor not of off on once only or other our out over own per quote quoted said same say saying says
she should so some such tell than that the their them then there these they thing things think thinks this those
through to too under up us very view views was we were what when where which while who whom whose why will with
would write writes wrote you your
    """.split()
)
_TOKEN = re.compile(r"[^\W_]+(?:[.,'’][^\W_]+)*")


@dataclass(frozen=True, slots=True)
class Query:
    """A question, taken apart: content words, canonical figures, and the houses it names.

    ``amounts`` are the figures with a unit; bare counts ("10-year") and names ("R1") are in every other note.
    """

    text: str
    words: tuple[str, ...]
    terms: tuple[str, ...]
    amounts: tuple[str, ...]
    houses: tuple[str, ...]


def parse(question: str) -> Query:
    """Take a question apart; the names of houses count as houses, not as words."""
    named = houses_named(question, ignore_case=True)
    rest = list(question)
    for start, end, _ in named:
        rest[start:end] = " " * (end - start)
    words = [token.replace("’", "'").lower() for token in _TOKEN.findall("".join(rest))]
    content = dict.fromkeys(word.removesuffix("'s") for word in words if word.removesuffix("'s") not in _STOPWORDS)
    stated = figures(question)
    return Query(
        question,
        tuple(word for word in content if word),
        tuple(dict.fromkeys(figure.canonical for figure in stated)),
        tuple(dict.fromkeys(figure.canonical for figure in stated if figure.unit not in ("", "name"))),
        tuple(dict.fromkeys(name for _, _, name in named)),
    )


def fuse(rankings: Mapping[str, Sequence[int]], *, weights: Mapping[str, float] = _WEIGHTS) -> list[tuple[int, float]]:
    """Fuse rankings of chunk numbers: the sum of weight / (60 + rank), best first, ties by number."""
    scores: dict[int, float] = {}
    for name, ranking in rankings.items():
        for rank, number in enumerate(ranking, start=1):
            scores[number] = scores.get(number, 0.0) + weights.get(name, 1.0) / (RRF_K + rank)
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


class Retriever:
    """Searches one index."""

    def __init__(self, catalogue: Catalogue, vectors: NearestVectors, embedder: Embedder, *, candidates: int) -> None:
        """Fuse ``candidates`` chunks from each ranking."""
        self._catalogue = catalogue
        self._vectors = vectors
        self._embedder = embedder
        self._candidates = candidates

    def search(self, question: str, *, k: int, filters: Filters | None = None) -> list[Hit]:
        """The ``k`` best chunks for ``question`` among those that meet ``filters``, no two of them alike."""
        query = parse(question)
        vector = self._embedder.embed([question])[0]
        allowed = self._catalogue.numbers(filters) if filters else None
        rankings = self._rank(query, vector, allowed)
        if query.houses and not (filters and filters.houses):
            spoken = self._catalogue.numbers(Filters(houses=query.houses))
            rankings["house"] = [
                number for number, _ in fuse(self._rank(query, vector, spoken if allowed is None else spoken & allowed))
            ]
        ranks = {name: {number: rank for rank, number in enumerate(row, 1)} for name, row in rankings.items()}
        found = fuse(rankings)
        loaded = self._catalogue.load([number for number, _ in found])
        hits = [
            Hit(*loaded[number], score, {name: row[number] for name, row in ranks.items() if number in row})
            for number, score in found
            if number in loaded
        ]
        return [self._with_copies(hit) for hit in _distinct(hits, k)]

    def _with_copies(self, hit: Hit) -> Hit:
        """The hit with the documents whose passages the index holds as copies of it."""
        said = _stems(hit.chunk.text)
        copying = (
            document_id
            for document_id, _, _, text in self._catalogue.copies_of(hit.document.id, _COPIES)
            if _shared(said, _stems(text)) >= _COPIED
        )
        return _copied_by(hit, list(self._catalogue.documents(copying).values()))

    def refusal(self, question: str, hits: Sequence[Hit], filters: Filters | None = None) -> str:
        """Why ``hits`` cannot answer ``question``, in words; empty if they may."""
        query = parse(question)
        asked = (filters.houses if filters else ()) or query.houses
        speaking = self._catalogue.houses()
        missing = [house for house in asked if house not in speaking]
        if asked and len(missing) == len(asked):
            return f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not quoted in these notes."
        if not hits:
            return "Nothing in them meets the filters." if filters else "They hold nothing yet."
        if query.words and not any(self._catalogue.frequency(_fts([word])) for word in query.words):
            return f"None of these words occurs in what is indexed: {', '.join(query.words)}."
        return ""

    def _rank(self, query: Query, vector: Vectors, allowed: Collection[int] | None) -> dict[str, list[int]]:
        nearest = self._vectors.nearest(vector, self._candidates, allowed)
        rankings = {"vectors": [number for number, _ in nearest]}
        if wanted := [*query.words, *query.terms]:
            rankings["words"] = self._catalogue.matching(_fts(wanted), self._candidates, allowed)
        if query.amounts:
            stated = f"terms : ({_fts(query.amounts)})"
            rankings["amounts"] = self._catalogue.matching(stated, self._candidates, allowed)
        return rankings


def choose_quotes(question: str, hits: Sequence[Hit], *, limit: int) -> tuple[Quote, ...]:
    """The best lines of each hit, best hit first, labelled from 1; lines that were quoted already are passed over."""
    query = parse(question)
    rarity = _rarity([hit.chunk.text for hit in hits])
    lines = [_best_lines(hit.chunk, hit.document, query, rarity) for hit in hits]
    # What shares no word and no figure with the question is company for one such quote, and noise beside two.
    sharing = sum(score > 0 for _, _, score in lines)
    quotes: list[Quote] = []
    for hit, (start, end, score) in zip(hits, lines, strict=True):
        if len(quotes) == limit:
            break
        if score == 0 and sharing > 1:
            continue
        quote = Quote(len(quotes) + 1, hit, start, end, hit.document.text[start:end])
        twin = next((i for i, other in enumerate(quotes) if _repeats(quote, other)), None)
        if twin is None:
            quotes.append(quote)
        elif _is_original(hit, quotes[twin].hit):
            copied = _copied_by(hit, [quotes[twin].hit.document, *quotes[twin].hit.copies])
            quotes[twin] = replace(quote, label=quotes[twin].label, hit=copied)
        else:
            quotes[twin] = replace(quotes[twin], hit=_copied_by(quotes[twin].hit, [hit.document]))
    return tuple(quotes)


def _best_lines(chunk: Chunk, document: Document, query: Query, rarity: Mapping[str, float]) -> tuple[int, int, float]:
    """Start, end and score of the sentences, 60 words at most, that hold most of the question's words and figures.

    Rare words count most. Of equals the longest: what stands around a claim is what makes it readable.
    """
    sentences = split_sentences(document.text, chunk.start, chunk.end)
    wanted = {_stem(word) for word in query.words}
    best, best_score = (chunk.start, chunk.end), (-1.0, 0)
    for first in range(len(sentences)):
        for last in range(first, len(sentences)):
            start, end = sentences[first][0], sentences[last][1]
            text = document.text[start:end]
            size = len(text.split())
            if last > first and size > _QUOTE_WORDS:
                break
            score = sum(rarity.get(word, 0.0) for word in wanted & _stems(text))
            score += _FIGURE_WEIGHT * len({figure.canonical for figure in figures(text)} & set(query.terms))
            if (score, size) > best_score:
                best, best_score = (start, end), (score, size)
    return *best, max(0.0, best_score[0])


def _repeats(quote: Quote, other: Quote) -> bool:
    """Whether ``quote`` is nearly ``other``, or more than half of it are sentences of ``other``, by the same house."""
    if quote.hit.chunk.voice.house != other.hit.chunk.voice.house:
        return False
    said = _sentences(other.text)
    again = sum(len(sentence) for sentence in _sentences(quote.text) if sentence in said)
    return 2 * again > len(one_line(quote.text)) or _alike(quote.hit, quote.text, other.hit, other.text)


def _sentences(text: str) -> frozenset[str]:
    return frozenset(one_line(text[start:end]) for start, end in split_sentences(text))


def _is_original(hit: Hit, copy: Hit) -> bool:
    """Whether ``hit`` is a house in its own mail, and ``copy`` the same house as somebody else repeats it."""
    own, repeated = hit.chunk.voice, copy.chunk.voice
    return own.role == "author" and repeated.role == "quoted" and own.house == repeated.house


def _distinct(hits: Sequence[Hit], k: int) -> list[Hit]:
    """The first ``k`` hits that are not near-copies of a better one, which lists them; an original comes first."""
    kept: list[Hit] = []
    for hit in hits:
        twin = next((i for i, other in enumerate(kept) if _alike(hit, hit.chunk.text, other, other.chunk.text)), None)
        if twin is None:
            kept.append(hit)
        elif _is_original(hit, kept[twin]):
            original = replace(hit, score=kept[twin].score)
            kept[twin] = _copied_by(original, [kept[twin].document, *kept[twin].copies])
        else:
            kept[twin] = _copied_by(kept[twin], [hit.document])
    return kept[:k]


def _copied_by(hit: Hit, documents: Sequence[Document]) -> Hit:
    """The hit with ``documents`` among its copies, each once and never its own."""
    copies = {document.id: document for document in (*hit.copies, *documents) if document.id != hit.document.id}
    return replace(hit, copies=tuple(copies.values()))


def _shared(words: frozenset[str], other: frozenset[str]) -> float:
    """The share of the smaller of two sets that the other has too."""
    return len(words & other) / max(1, min(len(words), len(other)))


def _alike(hit: Hit, text: str, other: Hit, other_text: str) -> bool:
    """Whether one house says the same twice: one text wholly in the other, but for a plain word here or there."""
    if hit.chunk.voice.house != other.chunk.voice.house:
        return False
    words, other_words = _stems(text), _stems(other_text)
    if len(words & other_words) < _SAME * len(words | other_words):
        return False
    return says_the_same(text, wording(other_text)) or says_the_same(other_text, wording(text))


def _rarity(texts: Sequence[str]) -> dict[str, float]:
    """The inverse document frequency of each word over ``texts``."""
    stems = [_stems(text) for text in texts]
    words = frozenset[str]().union(*stems)
    return {word: math.log(1 + len(texts) / sum(word in some for some in stems)) for word in words}


def _stems(text: str) -> frozenset[str]:
    tokens = (token.replace("’", "'").lower().removesuffix("'s") for token in _TOKEN.findall(text))
    return frozenset(_stem(token) for token in tokens if token not in _STOPWORDS)


def _stem(word: str) -> str:
    """Five letters tell most inflections of a word together and most words apart; figures stay whole."""
    return word if any(letter.isdigit() for letter in word) else word[:5]


def _fts(words: Sequence[str]) -> str:
    """An FTS5 query for any of ``words``; each is a quoted string, so nothing in it is an operator."""
    return " OR ".join('"{}"'.format(word.replace('"', '""')) for word in words)
