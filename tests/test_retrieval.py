from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.indexing import sync
from rag.records import Hit
from rag.retrieval import RRF_K, Retriever, choose_quotes, fuse, parse
from rag.schema import Filters
from rag.store import Catalogue
from rag.vectors import ExactVectors
from tests.fakes import WordEmbedder

RANKINGS = st.dictionaries(
    st.sampled_from(["words", "vectors", "house"]), st.lists(st.integers(0, 20), unique=True), max_size=3
)


@given(RANKINGS)
def test_fusion_keeps_every_number_once_best_first(rankings: dict[str, list[int]]) -> None:
    fused = fuse(rankings)
    assert sorted(number for number, _ in fused) == sorted({n for row in rankings.values() for n in row})
    assert [score for _, score in fused] == sorted((score for _, score in fused), reverse=True)


@given(st.lists(st.integers(0, 20), unique=True))
def test_fusing_one_ranking_changes_nothing(ranking: list[int]) -> None:
    assert [number for number, _ in fuse({"words": ranking})] == ranking


def test_a_place_is_worth_its_weight_over_60_plus_rank() -> None:
    assert dict(fuse({"words": [7], "vectors": [8, 7]}))[7] == pytest.approx(1 / (RRF_K + 1) + 1 / (RRF_K + 2))


def test_a_question_is_taken_apart() -> None:
    query = parse("What did Bernstein say about the $5M training cost?")
    assert (query.words, query.terms, query.houses) == (("5m", "training", "cost"), ("usd5000000",), ("Bernstein",))


def test_only_figures_with_a_unit_are_amounts() -> None:
    assert parse("R1, the 10-year and 17%").amounts == ("pct17",)


@given(st.text())
def test_any_question_can_be_taken_apart(text: str) -> None:
    assert all(word.strip() for word in parse(text).words)


@pytest.fixture
def retriever(corpus: Path, tmp_path: Path) -> Iterator[Retriever]:
    catalogue = Catalogue.create(tmp_path / "index", fingerprint="f")
    embedder = WordEmbedder()
    sync(corpus, catalogue, embedder, words=20)
    yield Retriever(catalogue, ExactVectors(catalogue), embedder, candidates=20)
    catalogue.close()


def first(hits: list[Hit]) -> str:
    return hits[0].chunk.text


@pytest.mark.parametrize("amount", ["$5M", "$5mn", "5 million dollars", "US$5,000,000"])
def test_a_figure_is_found_however_it_is_written(retriever: Retriever, amount: str) -> None:
    assert "$5M" in first(retriever.search(f"who believes {amount}?", k=3))


def test_a_house_that_was_asked_about_comes_first(retriever: Retriever) -> None:
    hits = retriever.search("what does Citi think about GPUs at $2 an hour and 2,048 rented GPUs?", k=3)
    assert hits[0].chunk.voice.house == "Citi"


@pytest.mark.parametrize(
    "question", ['"', "NEAR(", "a OR", "cost*", "col:umn", "-minus", "😀", "'; DROP TABLE chunks; --", "^x", "(("]
)
def test_nothing_in_a_question_is_an_operator(retriever: Retriever, question: str) -> None:
    assert retriever.search(question, k=1)


def test_hits_meet_their_filters(retriever: Retriever) -> None:
    hits = retriever.search("GPUs", k=9, filters=Filters(houses=("Citi",)))
    assert {hit.chunk.voice.house for hit in hits} == {"Citi"}


def test_a_filter_that_nothing_meets_finds_nothing_even_for_a_known_house(retriever: Retriever) -> None:
    filters = Filters(since=datetime(2030, 1, 1, tzinfo=UTC))
    assert retriever.search("what did Bernstein say about the $5M?", k=3, filters=filters) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (
            ("Citi", "We think that hyperscalers will cut capex this year."),
            ("UBS", "We think that hyperscalers will cut capex this year."),
        ),
        (
            ("Citi", "We think that hyperscalers will cut capex this year."),
            ("Citi", "We do not think that hyperscalers will cut capex this year."),
        ),
        (
            ("Citi", "We raise our target for Nvidia to $950 today."),
            ("Citi", "We raise our target for Nvidia to $900 today."),
        ),
    ],
)
def test_another_house_the_opposite_and_another_figure_are_no_copies(
    tmp_path: Path, first: tuple[str, str], second: tuple[str, str]
) -> None:
    for name, (house, text) in (("a", first), ("b", second)):
        (tmp_path / f"{name}.md").write_text(f"---\nhouse: {house}\ndate: 2025-01-27\n---\n{text}\n")
    catalogue = Catalogue.create(tmp_path / "index", fingerprint="f")
    embedder = WordEmbedder()
    sync(tmp_path, catalogue, embedder, words=60)
    retriever = Retriever(catalogue, ExactVectors(catalogue), embedder, candidates=20)
    hits = retriever.search("capex or target?", k=9)
    assert len(choose_quotes("capex or target?", hits, limit=9)) == 2
    catalogue.close()


def test_near_copies_collapse_into_the_best_of_them(corpus: Path, tmp_path: Path) -> None:
    copy = (corpus / "citi.eml").read_text().replace("stays an advantage.", "stays an advantage, too.")
    (corpus / "forwarded.eml").write_text(copy)
    catalogue = Catalogue.create(tmp_path / "index", fingerprint="f")
    embedder = WordEmbedder()
    sync(corpus, catalogue, embedder, words=60)
    hits = Retriever(catalogue, ExactVectors(catalogue), embedder, candidates=20).search("advanced GPUs", k=9)
    assert sum("advanced GPUs" in hit.chunk.text for hit in hits) == 1
    catalogue.close()


def test_an_original_stands_in_for_the_reply_that_repeats_it(corpus: Path, tmp_path: Path) -> None:
    quoted = "\n".join(f"> {line}" for line in (corpus / "citi.eml").read_text().partition("\n\n")[2].splitlines())
    head = "From: Ann <ann@desk.example>\nDate: Tue, 28 Jan 2025 10:00:00 +0000\nSubject: advanced GPUs\n\n"
    (corpus / "a-reply.eml").write_text(
        f"{head}Advanced GPUs!\n\nOn 28 Jan 2025, Atif Malik <atif.malik@citi.com> wrote:\n{quoted}\n"
    )
    catalogue = Catalogue.create(tmp_path / "index", fingerprint="f")
    embedder = WordEmbedder()
    sync(corpus, catalogue, embedder, words=60)
    retriever = Retriever(catalogue, ExactVectors(catalogue), embedder, candidates=20)
    hits = retriever.search("who doubts that it was done without advanced GPUs?", k=9)
    doubting = [hit for hit in hits if "doubt" in hit.chunk.text]
    assert [hit.document.path for hit in doubting] == ["citi.eml"]
    quotes = choose_quotes("who doubts?", hits, limit=9)
    assert [quote.hit.document.path for quote in quotes if "doubt" in quote.text] == ["citi.eml"]
    catalogue.close()


def test_ranks_say_where_each_ranking_had_a_hit(retriever: Retriever) -> None:
    hit = retriever.search("advanced GPUs", k=1)[0]
    assert hit.ranks == {"words": 1, "vectors": 1}


def test_a_quote_is_an_exact_slice_inside_its_chunk(retriever: Retriever) -> None:
    hits = retriever.search("rented GPUs at $2 an hour", k=5)
    for quote in choose_quotes("rented GPUs at $2 an hour", hits, limit=5):
        assert quote.hit.document.text[quote.start : quote.end] == quote.text
        assert quote.hit.chunk.start <= quote.start < quote.end <= quote.hit.chunk.end


def test_a_line_that_shares_nothing_with_the_question_is_no_company_for_two_that_do(retriever: Retriever) -> None:
    hits = retriever.search("advanced GPUs rented", k=9)
    quotes = choose_quotes("advanced GPUs rented", hits, limit=9)
    assert {quote.hit.document.path for quote in quotes} == {"bernstein.eml", "citi.eml"}
    assert len(choose_quotes("zebra", hits, limit=9)) > 1


def test_quotes_are_labelled_from_one_and_never_repeat_a_line(retriever: Retriever) -> None:
    hits = retriever.search("GPUs", k=9)
    quotes = choose_quotes("GPUs", hits + hits, limit=9)
    assert [quote.label for quote in quotes] == list(range(1, len(quotes) + 1))
    assert len({(quote.hit.document.id, quote.start) for quote in quotes}) == len(quotes)


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("what did Goldman Sachs say about chips?", "Goldman Sachs is not quoted"),
        ("what did Goldman Sachs and UBS say?", "Goldman Sachs and UBS are not quoted"),
        ("how does photosynthesis work", "None of these words"),
    ],
)
def test_a_question_without_evidence_is_refused_in_words(retriever: Retriever, question: str, reason: str) -> None:
    assert reason in retriever.refusal(question, retriever.search(question, k=3))


@pytest.mark.parametrize("question", ["what did Bernstein say?", "what did UBS or Citi say?", "who doubts the GPUs?"])
def test_a_question_with_evidence_is_not_refused(retriever: Retriever, question: str) -> None:
    assert retriever.refusal(question, retriever.search(question, k=3)) == ""


def test_a_filter_that_nothing_meets_is_named_as_the_reason(retriever: Retriever) -> None:
    filters = Filters(houses=("UBS",))
    assert "UBS" in retriever.refusal("chips?", retriever.search("chips?", k=3, filters=filters), filters)
