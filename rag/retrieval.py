"""From a question to ranked hits.

In: a question, filters, a catalogue, vectors. Out: a `Search`: the `Hit`s, best first, no two of them alike, and the
conditions that they meet. The best chunks by word (BM25) and by vector are scored again by a weighted sum of five
measures; sums of scores beat fused ranks where labelled questions choose the weights (Bruch et al., TOIS 2023). It does
not know models, prompts or screens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from rag.coverage import Wanted, coverage, wanted, words_of
from rag.embedding import Embedder, Vectors
from rag.houses import houses
from rag.questions import Query, understand
from rag.records import Hit
from rag.schema import Filters, Passage
from rag.sentences import split_sentences
from rag.stems import stems
from rag.store import Catalogue
from rag.twins import copied, copied_by, distinct
from rag.vectors import NearestVectors

Rerank = Callable[[str, Sequence[str]], Sequence[float]]
"""A question and passages to scores from 0 to 1, as `rag.reranking.Reranker.score`."""

# Copies of a hit are looked for in so many documents.
_COPIES = 50

# "Who said" and "compare" want voices side by side: no house has more places than this before the others had theirs.
_PER_HOUSE = 2

# So many candidates are read word by word, which takes 0.15 ms each; the hits are among the first 40 of about 80.
_READ = 40

# Hits that are looked at beyond the last place, at least: a near-copy of one before it is listed there.
_SPARE = 6

# A cross-encoder reads so many passages: 20 of 80 words are about a tenth of a second.
_RERANKED = 20


@dataclass(frozen=True, slots=True)
class Ranking:
    """What counts how much in the order of the hits; docs/measurements.md has the ablation behind each figure.

    ``vectors`` weighs the cosine; ``words`` BM25 as a share of the best match's, in which a word in the header counts
    ``header`` of one in the text; ``passage`` and ``sentence`` the share of the question that the passage and its best
    sentence speak of; ``voice`` that such a one speaks as is asked for (a house that is named, the author, any house
    where it asks who). ``strict`` lets only those speak who are asked what they said.
    """

    vectors: float = 1.0
    words: float = 0.3
    header: float = 0.3
    passage: float = 0.4
    sentence: float = 0.4
    voice: float = 0.2
    strict: bool = True


@dataclass(frozen=True, slots=True)
class Search:
    """What was asked and found; every hit meets ``scope``; ``wants`` are the question's words and figures, weighed.

    ``speaking`` is whether all hits are spoken by those who are asked, ``dated`` whether all are of the time that the
    question asks for; true where it asks for none.
    """

    query: Query
    scope: Filters
    wants: tuple[Wanted, ...]
    hits: tuple[Hit, ...]
    speaking: bool = True
    dated: bool = True


@dataclass(frozen=True, slots=True)
class _Scored:
    number: int
    score: float
    evidence: Mapping[str, float]
    passage: Passage


class Retriever:
    """Searches one index."""

    def __init__(
        self,
        catalogue: Catalogue,
        vectors: NearestVectors,
        embedder: Embedder,
        *,
        candidates: int,
        ranking: Ranking | None = None,
        rerank: Rerank | None = None,
    ) -> None:
        """Score the ``candidates`` best chunks by word and as many by vector; ``rerank`` orders the first anew."""
        self._catalogue = catalogue
        self._vectors = vectors
        self._embedder = embedder
        self._candidates = candidates
        self._ranking = ranking or Ranking()
        self._rerank = rerank

    def people(self) -> tuple[str, ...]:
        """Every person who speaks in the index."""
        return self._catalogue.people()

    def understand(self, question: str, today: date) -> Query:
        """Take ``question`` apart, knowing who speaks in the index."""
        return understand(question, today=today, people=self.people())

    def search(self, query: Query, *, k: int, filters: Filters | None = None) -> Search:
        """The ``k`` best chunks for ``query`` among those that meet ``filters`` and the question's own conditions.

        Where nothing meets the latter (a house that is not quoted, a week without mail) the nearest evidence is found
        without them, and `Search.speaking` and `Search.dated` say so.
        """
        return self._search(query, self._embedder.embed([query.text])[0], k, filters or Filters())

    def _search(self, query: Query, vector: Vectors, k: int, filters: Filters) -> Search:
        speaking, dated, allowed = self._scope(query, filters)
        wants = wanted(query, self._catalogue.frequencies(words_of(query)), self._catalogue.size)
        scored = self._scored(query, vector, wants, allowed, k)
        if self._rerank:
            scored = self._reranked(query, scored)
        if query.kind in ("who", "compare"):
            hits = spread(self._distinct(scored, 2 * k), _PER_HOUSE)[:k]
        else:
            hits = self._distinct(scored, k)
        return Search(query, filters, wants, tuple(self._with_copies(hit) for hit in hits), speaking, dated)

    def by_house(self, query: Query, *, per: int, filters: Filters | None = None) -> dict[str, Search]:
        """The ``per`` best hits of each house: of the filters', or the question's, or else of all that speak."""
        chosen = filters or Filters()
        houses = chosen.houses or (query.houses if query.strict else ()) or self._catalogue.houses()
        # As filters, dates are never given up: who said nothing then has no hits.
        since = max((day for day in (chosen.since, query.since) if day), default=None)
        until = min((day for day in (chosen.until, query.until) if day), default=None)
        asked = replace(query, houses=(), people=(), strict=False, since=None, until=None)
        vector = self._embedder.embed([query.text])[0]
        each = {house: replace(chosen, houses=(house,), since=since, until=until) for house in houses}
        return {house: self._search(asked, vector, per, filters) for house, filters in each.items()}

    def _scope(self, query: Query, filters: Filters) -> tuple[bool, bool, Collection[int] | None]:
        """Whether those speak who are asked, whether at the time asked for, and the chunks to search; None for all."""
        speakers = self._speakers(query) if self._ranking.strict and query.strict else Filters()
        dates = Filters(since=query.since, until=query.until)
        for speaking, dated in ((True, True), (True, False), (False, True), (False, False)):
            chosen = (filters, speakers if speaking else Filters(), dates if dated else Filters())
            sets = [self._catalogue.numbers(one) for one in chosen if one]
            allowed = frozenset.intersection(*sets) if sets else None
            if allowed is None or allowed or not (speaking or dated):
                break
        return speaking or not speakers, dated or not dates, allowed

    def _speakers(self, query: Query) -> Filters:
        """Who is asked: houses, and people with the lines of their houses that name nobody.

        A compilation names an analyst once, and the next lines are still theirs. A house that is named beside an
        analyst of its own ("Citi's Atif Malik") only says who is meant.
        """
        theirs = self._catalogue.houses_of(query.people)
        whole = tuple(house for house in query.houses if house not in theirs)
        return Filters(houses=whole, people=query.people, unnamed=theirs)

    def _scored(
        self, query: Query, vector: Vectors, wants: Sequence[Wanted], allowed: Collection[int] | None, k: int
    ) -> list[_Scored]:
        """The candidates by score, best first, ties by number."""
        ranking = self._ranking
        cosines = dict(self._vectors.nearest(vector, self._candidates, allowed)) if ranking.vectors else {}
        matches = self._matches(query, wants, allowed) if ranking.words else {}
        if ranking.vectors and (unseen := [number for number in matches if number not in cosines]):
            numbers, rows = self._catalogue.vectors(unseen)
            if numbers:  # a sync in another thread may have taken them all away
                cosines |= dict(zip(numbers, (rows @ vector).tolist(), strict=True))
        best = max(matches.values(), default=1.0)
        scored: list[_Scored] = []
        for number, passage in self._catalogue.passages({*cosines, *matches}).items():
            evidence = {
                "vectors": cosines.get(number, 0.0),
                "words": matches.get(number, 0.0) / best,
                "voice": float(_speaks(passage.house, query)),
            }
            scored.append(_Scored(number, self._sum(evidence), evidence, passage))
        likeliest = sorted(scored, key=_order)[: max(_READ, 4 * k)]
        return sorted((self._read(one, wants) for one in likeliest), key=_order)

    def _read(self, one: _Scored, wants: Sequence[Wanted]) -> _Scored:
        """The candidate scored by what its words say, too."""
        evidence = {**one.evidence, **_measured(one.passage, wants)}
        return replace(one, score=self._sum(evidence), evidence=evidence)

    def _sum(self, evidence: Mapping[str, float]) -> float:
        return float(sum(getattr(self._ranking, name) * part for name, part in evidence.items()))

    def _matches(self, query: Query, wants: Sequence[Wanted], allowed: Collection[int] | None) -> dict[int, float]:
        """The BM25 scores of the best matches for the words and terms of the question."""
        terms = [*query.terms, *(term for want in wants for term in (*want.exact, *want.loose))]
        words = tuple(dict.fromkeys((*words_of(query), *terms)))
        return dict(self._catalogue.matching(words, self._candidates, allowed, header=self._ranking.header))

    def _reranked(self, query: Query, scored: Sequence[_Scored]) -> list[_Scored]:
        assert self._rerank is not None
        first, rest = scored[:_RERANKED], scored[_RERANKED:]
        scores = self._rerank(query.text, [f"{one.passage.header}\n{one.passage.text}" for one in first])
        order = sorted(zip(scores, first, strict=True), key=lambda pair: (-pair[0], pair[1].number))
        return [*(replace(one, score=score) for score, one in order), *(replace(one, score=0.0) for one in rest)]

    def _distinct(self, scored: Sequence[_Scored], k: int) -> list[Hit]:
        """The ``k`` best, no two alike; as few documents are loaded as it takes."""
        hits: list[Hit] = []
        for count in (k + max(k // 2, _SPARE), 4 * k + _SPARE):
            hits = distinct(self._loaded(scored[:count]), k)
            if len(hits) == k or count >= len(scored):
                break
        return hits

    def _loaded(self, scored: Sequence[_Scored]) -> list[Hit]:
        loaded = self._catalogue.load([one.number for one in scored])
        return [Hit(*loaded[one.number], one.score, one.evidence) for one in scored if one.number in loaded]

    def _with_copies(self, hit: Hit) -> Hit:
        """The hit with the documents whose passages the index holds as copies of it."""
        copying = (
            document_id
            for document_id, _, _, text in self._catalogue.copies_of(hit.document.id, _COPIES)
            if copied(hit.chunk.text, text)
        )
        return copied_by(hit, list(self._catalogue.documents(copying).values()))


def _speaks(house: str | None, query: Query) -> bool:
    """Whether the question is after this voice: the author's own, a house that it names, or any house at all.

    Who agrees with a house, or who besides it, is somebody else.
    """
    if query.own:
        known = houses().get(house) if house else None
        return house is None or (known is not None and known.kind == "press")
    if query.kind == "who" and not query.strict:
        return house is not None and house not in query.houses
    return house is not None and house in query.houses


def _order(one: _Scored) -> tuple[float, int]:
    return -one.score, one.number


def _measured(passage: Passage, wants: Sequence[Wanted]) -> dict[str, float]:
    """How much of the question a passage and its best sentence speak of."""
    terms = frozenset(passage.terms.split())
    sentences = [frozenset(stems(passage.text[start:end])) for start, end in split_sentences(passage.text)]
    said = frozenset[str]().union(*sentences)
    return {
        "passage": coverage(wants, said, terms),
        "sentence": max((coverage(wants, sentence, terms) for sentence in sentences), default=0.0),
    }


def spread(hits: Sequence[Hit], per: int) -> list[Hit]:
    """The hits with the first ``per`` of each house before any further ones of the same."""
    seen: Counter[str] = Counter()
    first: list[Hit] = []
    rest: list[Hit] = []
    for hit in hits:
        house = hit.chunk.voice.house
        if house:
            seen[house] += 1
        (rest if house and seen[house] > per else first).append(hit)
    return first + rest
