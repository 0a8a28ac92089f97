from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from rag.coverage import wanted
from rag.questions import understand
from rag.quoting import QUOTE_WORDS, choose_quotes
from rag.records import Chunk, Document, Hit, Quote, Role, Voice
from rag.retrieval import Search
from rag.schema import Filters


def hit(text: str, *, name: str = "a", house: str | None = "Citi", role: Role = "author") -> Hit:
    voice = Voice(0, len(text), house, None, role)
    document = Document(
        id=name, path=f"{name}.eml", kind="email", title="Chips", text=text, date=datetime(2025, 1, 27, tzinfo=UTC),
        author=None, house=house, voices=(voice,),
    )  # fmt: skip
    return Hit(Chunk(f"{name}:0", name, 0, len(text), text, voice), document, 1.0, {})


def quotes(question: str, *hits: Hit, limit: int = 9) -> tuple[Quote, ...]:
    query = understand(question, today=date(2025, 2, 1))
    return choose_quotes(Search(query, Filters(), wanted(query, {}, 10), hits), limit=limit)


LONG = " ".join(f"Filler sentence number {word} stands here without any matter." for word in "abcdefghijkl")


def test_a_quote_is_an_exact_slice_inside_its_chunk() -> None:
    quote = quotes("memory prices?", hit(f"{LONG} Memory prices rise."))[0]
    assert quote.hit.document.text[quote.start : quote.end] == quote.text
    assert quote.hit.chunk.start <= quote.start < quote.end <= quote.hit.chunk.end


def test_a_quote_holds_the_sentence_that_speaks_of_the_question_in_60_words_at_most() -> None:
    text = quotes("memory prices?", hit(f"{LONG} Memory prices rise. {LONG}"))[0].text
    assert "Memory prices rise." in text
    assert len(text.split()) <= QUOTE_WORDS


def test_a_quote_holds_the_figure_that_was_asked_about_however_it_is_written() -> None:
    assert "$5 million" in quotes("who believes $5M?", hit(f"{LONG} It took $5 million. {LONG}"))[0].text


def test_a_sentence_that_leans_on_the_one_before_does_not_open_a_quote() -> None:
    filler = "word " * 40
    text = f"The final run of the model took two months. It used memory. {filler.capitalize().strip()}. The end of it."
    assert not quotes("memory?", hit(text))[0].text.startswith("It ")


def test_a_line_that_shares_nothing_is_no_company_for_two_that_do() -> None:
    hits = (hit("Memory is dear.", name="a"), hit("Memory is cheap.", name="b"), hit("Copper is dear.", name="c"))
    assert [quote.hit.document.id for quote in quotes("memory?", *hits)] == ["a", "b"]


def test_without_any_line_that_shares_something_the_nearest_are_shown() -> None:
    hits = (hit("Memory is dear.", name="a"), hit("Copper is cheap.", name="b"))
    assert len(quotes("zebra?", *hits)) == 2


def test_labels_run_from_one_and_no_line_is_quoted_twice() -> None:
    same = hit("Memory is dear.")
    other = hit("Memory of phones is cheap.", name="b")
    assert [quote.label for quote in quotes("memory?", same, same, other)] == [1, 2]


def test_no_more_quotes_than_wanted() -> None:
    hits = [hit(f"Memory is dear, and that for reason number {i}.", name=str(i)) for i in range(5)]
    assert len(quotes("memory?", *hits, limit=2)) == 2


def test_the_original_is_quoted_where_a_reply_repeats_it() -> None:
    reply = hit("We doubt that memory prices can rise.", name="reply", role="quoted")
    original = replace(hit("We doubt that memory prices can rise.", name="original"), score=0.5)
    quote = quotes("who doubts memory prices?", reply, original)[0]
    assert (quote.hit.document.id, [copy.id for copy in quote.hit.copies]) == ("original", ["reply"])
    assert quote.hit.document.text[quote.start : quote.end] == quote.text


@pytest.mark.parametrize(
    ("house", "text"),
    [("UBS", "Memory rises 4%."), ("Citi", "Memory falls 4%."), ("Citi", "Memory rises 5%.")],
)
def test_another_house_the_opposite_and_another_figure_are_quoted_beside(house: str, text: str) -> None:
    assert len(quotes("memory?", hit("Memory rises 4%."), hit(text, name="b", house=house))) == 2
