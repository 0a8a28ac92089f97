from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.indexing import sync
from rag.records import Chunk, Document, Hit, Role, Voice
from rag.retrieval import Ranking, Retriever, Search, spread
from rag.schema import Filters
from rag.store import Catalogue
from rag.vectors import ExactVectors
from tests.fakes import WordEmbedder

TODAY = date(2025, 2, 1)


class Index:
    """A catalogue of a folder, and questions asked of it."""

    def __init__(self, corpus: Path, folder: Path, *, words: int = 20) -> None:
        self.catalogue = Catalogue.create(folder, fingerprint="f")
        self.embedder = WordEmbedder()
        sync(corpus, self.catalogue, self.embedder, words=words)

    def retriever(self, **options: object) -> Retriever:
        vectors = ExactVectors(self.catalogue)
        return Retriever(self.catalogue, vectors, self.embedder, candidates=20, **options)  # type: ignore[arg-type]

    def ask(self, question: str, *, k: int = 5, filters: Filters | None = None, **options: object) -> Search:
        retriever = self.retriever(**options)
        return retriever.search(retriever.understand(question, TODAY), k=k, filters=filters)


@pytest.fixture
def index(corpus: Path, tmp_path: Path) -> Iterator[Index]:
    made = Index(corpus, tmp_path / "index")
    yield made
    made.catalogue.close()


def houses(search: Search) -> list[str | None]:
    return [hit.chunk.voice.house for hit in search.hits]


@pytest.mark.parametrize("amount", ["$5M", "$5mn", "$5 million", "five million dollars", "US$5,000,000"])
def test_a_figure_is_found_however_it_is_written(index: Index, amount: str) -> None:
    assert "$5M" in index.ask(f"who believes {amount}?").hits[0].chunk.text


def test_only_the_house_that_is_asked_speaks(index: Index) -> None:
    found = index.ask("what does Citi think about GPUs at $2 an hour and 2,048 rented GPUs?")
    assert set(houses(found)) == {"Citi"}


def test_a_house_that_is_only_spoken_of_is_no_condition(index: Index) -> None:
    assert "Citi" in houses(index.ask("who agrees with Bernstein on chips?"))


def test_who_speaks_for_a_house_is_asked_through_it(index: Index) -> None:
    assert set(houses(index.ask("what does Atif Malik say about the hosted model?"))) == {"Citi"}


def test_a_house_without_a_voice_here_leaves_the_nearest_evidence(index: Index) -> None:
    found = index.ask("what did UBS say about advanced GPUs?")
    assert (found.hits[0].chunk.voice.house, found.speaking) == ("Citi", False)


def test_only_notes_of_the_time_that_is_asked_for_are_found(index: Index) -> None:
    found = index.ask("what was said since 30 January about models?")
    assert {hit.document.path for hit in found.hits} == {"prices.md"}


def test_a_time_without_mail_leaves_the_nearest_evidence(index: Index) -> None:
    found = index.ask("what was said before 3 January 2024 about advanced GPUs?")
    assert (found.hits[0].chunk.voice.house, found.dated) == ("Citi", False)


def test_who_is_asked_is_kept_where_the_time_is_given_up(index: Index) -> None:
    found = index.ask("what did Citi say on 27 January about the $5M?")
    assert (set(houses(found)), found.speaking, found.dated) == ({"Citi"}, True, False)


def test_a_filter_of_time_that_leaves_nothing_of_who_is_asked_says_so(index: Index) -> None:
    found = index.ask(
        "what did Bernstein say about the model?", filters=Filters(since=datetime(2025, 1, 28, tzinfo=UTC))
    )
    assert (bool(found.hits), found.speaking) == (True, False)


COLLEAGUE = """\
From: Tyler Radke <tyler.radke@citi.com>
Date: Wed, 29 Jan 2025 09:00:00 +0000
Subject: Software

Copper demand for software is a joke. Nobody at our house covers it.
"""


def test_a_colleague_does_not_speak_for_the_person_who_is_asked(corpus: Path, tmp_path: Path) -> None:
    (corpus / "radke.eml").write_text(COLLEAGUE)
    index = Index(corpus, tmp_path / "index")
    found = index.ask("what did Atif Malik say about copper demand?")
    assert {hit.document.path for hit in found.hits} == {"citi.eml"}
    index.catalogue.close()


def test_a_person_without_a_house_is_heard_beside_a_house(index: Index) -> None:
    found = index.ask("what did Citi and Ann Reader say about advanced chips and tokens?")
    assert {hit.document.path for hit in found.hits} == {"citi.eml", "prices.md"}


def test_a_house_that_said_nothing_at_that_time_has_no_row(index: Index) -> None:
    retriever = index.retriever()
    found = retriever.by_house(retriever.understand("what was said on 28 January about GPUs?", TODAY), per=1)
    assert [house for house, one in found.items() if one.hits] == ["Citi"]


RELAYED = """\
From: Stacy Rasgon <stacy.rasgon@bernsteinsg.com>
Date: Thu, 30 Jan 2025 09:00:00 +0000
Subject: Fwd: Chips

See below on advanced chips.

On Wed, Jan 29, 2025 at 9:00 AM Tyler Radke <tyler.radke@citi.com> wrote:
> Advanced chips will be short until the summer, as we hear from each supplier.
"""


@pytest.fixture
def relayed(corpus: Path, tmp_path: Path) -> Iterator[Index]:
    (corpus / "relayed.eml").write_text(RELAYED)
    made = Index(corpus, tmp_path / "index")
    yield made
    made.catalogue.close()


@pytest.mark.parametrize("role", ["author", "quoted"])
def test_a_search_for_own_or_quoted_words_finds_no_others(relayed: Index, role: Role) -> None:
    found = relayed.ask("advanced chips", k=9, filters=Filters(role=role))
    assert {hit.chunk.voice.role for hit in found.hits} == {role}


@pytest.mark.parametrize("kind", ["email", "note"])
def test_a_search_for_a_kind_finds_no_other(index: Index, kind: str) -> None:
    assert {hit.document.kind for hit in index.ask("GPUs and tokens", k=9, filters=Filters(kind=kind)).hits} == {kind}


def test_voice_and_kind_hold_for_each_house_of_a_comparison(relayed: Index) -> None:
    retriever = relayed.retriever()
    asked = retriever.understand("advanced chips", TODAY)
    found = retriever.by_house(asked, per=3, filters=Filters(role="quoted", kind="email"))
    assert [house for house, one in found.items() if one.hits] == ["Citi"]
    assert {hit.chunk.voice.role for one in found.values() for hit in one.hits} == {"quoted"}


def test_who_agrees_with_a_house_is_another_one(index: Index) -> None:
    found = index.ask("who disagrees with Bernstein on GPUs?")
    assert {hit.chunk.voice.house: hit.evidence["voice"] for hit in found.hits}["Bernstein"] == 0.0


def test_hits_meet_their_filters(index: Index) -> None:
    assert set(houses(index.ask("GPUs", k=9, filters=Filters(houses=("Citi",))))) == {"Citi"}


def test_a_filter_stands_above_who_is_asked(index: Index) -> None:
    found = index.ask("what did Bernstein say about GPUs?", filters=Filters(houses=("Citi",)))
    assert set(houses(found)) == {"Citi"}


def test_a_filter_that_nothing_meets_finds_nothing(index: Index) -> None:
    filters = Filters(since=datetime(2030, 1, 1, tzinfo=UTC))
    assert index.ask("what did Bernstein say about the $5M?", filters=filters).hits == ()


@pytest.mark.parametrize(
    "question", ['"', "NEAR(", "a OR", "cost*", "col:umn", "-minus", "😀", "'; DROP TABLE chunks; --", "^x", "(("]
)
def test_nothing_in_a_question_is_an_operator(index: Index, question: str) -> None:
    assert index.ask(question, k=1).hits


def test_a_score_is_the_weighted_sum_of_its_evidence(index: Index) -> None:
    hit = index.ask("advanced GPUs", k=1).hits[0]
    weights = {name: getattr(Ranking(), name) for name in hit.evidence}
    assert hit.score == pytest.approx(sum(weights[name] * part for name, part in hit.evidence.items()))


def test_each_measure_lies_between_none_and_all(index: Index) -> None:
    for hit in index.ask("who says that advanced GPUs cost $2 an hour?", k=9).hits:
        assert all(0.0 <= part <= 1.0 + 1e-6 for part in hit.evidence.values())


def test_a_ranking_by_words_alone_needs_no_vectors(index: Index) -> None:
    by_word = Ranking(vectors=0.0)
    assert index.ask("photosynthesis", ranking=by_word).hits == ()


def test_a_reranker_has_the_last_word(index: Index) -> None:
    def shortest_first(question: str, passages: Sequence[str]) -> list[float]:
        return [1 / len(passage) for passage in passages]

    found = index.ask("GPUs", k=9, rerank=shortest_first)
    scores = [hit.score for hit in found.hits]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == pytest.approx(1 / min(round(1 / score) for score in scores))


def test_every_house_is_searched_for_a_claim(index: Index) -> None:
    retriever = index.retriever()
    found = retriever.by_house(retriever.understand("GPUs are cheap", TODAY), per=1)
    assert {house: [hit.chunk.voice.house for hit in one.hits] for house, one in found.items()} == {
        "Bernstein": ["Bernstein"],
        "Citi": ["Citi"],
    }


def test_near_copies_collapse_into_the_best_of_them(corpus: Path, tmp_path: Path) -> None:
    copy = (corpus / "citi.eml").read_text().replace("stays an advantage.", "stays an advantage, too.")
    (corpus / "forwarded.eml").write_text(copy)
    index = Index(corpus, tmp_path / "index", words=60)
    assert sum("advanced GPUs" in hit.chunk.text for hit in index.ask("advanced GPUs", k=9).hits) == 1
    index.catalogue.close()


def test_an_original_stands_in_for_the_reply_that_repeats_it(corpus: Path, tmp_path: Path) -> None:
    quoted = "\n".join(f"> {line}" for line in (corpus / "citi.eml").read_text().partition("\n\n")[2].splitlines())
    head = "From: Ann <ann@desk.example>\nDate: Tue, 28 Jan 2025 10:00:00 +0000\nSubject: advanced GPUs\n\n"
    (corpus / "a-reply.eml").write_text(
        f"{head}Advanced GPUs!\n\nOn 28 Jan 2025, Atif Malik <atif.malik@citi.com> wrote:\n{quoted}\n"
    )
    index = Index(corpus, tmp_path / "index", words=60)
    found = index.ask("who doubts that it was done without advanced GPUs?", k=9)
    assert [hit.document.path for hit in found.hits if "doubt" in hit.chunk.text] == ["citi.eml"]
    index.catalogue.close()


def hit(house: str | None) -> Hit:
    voice = Voice(0, 1, house, None, "author")
    document = Document("d", "d.eml", "email", "", "x", datetime(2025, 1, 1, tzinfo=UTC), None, house, voices=(voice,))
    return Hit(Chunk("d:0", "d", 0, 1, "x", voice), document, 1.0, {})


def test_no_house_has_a_third_place_before_the_others_had_theirs() -> None:
    row = spread([hit("A"), hit("A"), hit("A"), hit("B"), hit(None), hit(None), hit(None)], 2)
    assert [one.chunk.voice.house for one in row] == ["A", "A", "B", None, None, None, "A"]


@given(st.lists(st.sampled_from(["A", "B", None])), st.integers(1, 3))
def test_spreading_loses_and_adds_nothing(names: list[str | None], per: int) -> None:
    hits = [replace(hit(name), score=float(i)) for i, name in enumerate(names)]
    assert sorted(one.score for one in spread(hits, per)) == [one.score for one in hits]
