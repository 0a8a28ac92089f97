"""What the cards say, and that no text becomes markup."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.page import cards
from rag.present import printable
from rag.records import Sentence
from rag.status import Status
from tests.pages import OURS, Reader, answered, quote


def status(model: str = "r1-1.5b", *, corpus: str = "corpus") -> Status:
    return Status(
        corpus=Path(corpus), index=Path("index"), files=9, documents=12, chunks=3400, houses=(), fingerprint="f",
        model=model, model_is_here=True,
    )  # fmt: skip


def test_a_card_names_house_person_date_title_and_path() -> None:
    card = cards.quote_cards([quote()])
    for part in ("[1]", "Bernstein (Ann Lee)", "27 Jan 2025", "On chips", "fair value at $41", "2025/chips.eml"):
        assert part in card


def test_quoted_words_are_not_given_to_the_house_that_quotes_them() -> None:
    card = cards.quote_cards([quote(house=None, person="Tom Ray", role="quoted")])
    assert "Tom Ray, quoted by Bernstein" in card


def test_a_wrapped_and_quoted_passage_is_one_paragraph() -> None:
    assert "We doubt it. So does he." in cards.quote_cards([quote("> We doubt it.\n> So does\n> he.")])


@given(st.text(alphabet=st.sampled_from("<>&\"'/ aimgsrc=`$;#x" + "{}")))
def test_no_text_becomes_markup(text: str) -> None:
    drawings = (
        cards.quote_cards([quote(text, title=text, person=text, house=text, path=text)]),
        cards.final(answered(text, note=text, sentences=(Sentence(text, (), "withheld", text),)), text),
        cards.draft(text, 1, stage=text, note=text),
        cards.thought(text, 1.0),
        cards.head(status("http://" + text, corpus=text)),
    )
    for drawn in drawings:
        assert set(Reader(drawn).elements) <= OURS


@given(st.text())
def test_no_character_is_lost_that_can_be_seen(text: str) -> None:
    drawn = Reader(cards.thought(text, 1.0)).words.removeprefix("Thought for 1 s")
    assert drawn == printable(text.strip())


def test_no_text_turns_the_words_around_it_round() -> None:
    assert not set(cards.quote_cards([quote(house="\u202eknaB\u2066\x00\ud800")])) & set("\u202e\u2066\x00\ud800")


def test_withheld_sentences_are_counted_with_their_reasons() -> None:
    kept, lost = Sentence("A [1].", (1,), "checked"), Sentence("B.", (), "withheld", "no citation")
    drawn = cards.final(answered("A [1].", sentences=(kept, lost)))
    assert "1 of 2 sentences withheld" in drawn
    assert "no citation" in drawn


def test_what_an_answer_cost_stands_under_it() -> None:
    assert Reader(cards.final(answered(), "1,200 tokens read")).words.endswith("1,200 tokens read")


def test_a_refusal_says_so_and_names_the_quotes_nearest() -> None:
    drawn = cards.final(answered("Nobody says that.", refused=True))
    assert "Nobody says that." in drawn
    assert "nearest quotes" in drawn
    assert "Nearest quotes" in cards.quote_cards([quote()], refused=True)


def test_without_prose_the_note_says_why() -> None:
    assert cards.final(answered("", note="No model file is here.")).count("No model file is here.") == 1


def test_prose_that_failed_the_check_leaves_the_quotes() -> None:
    drawn = cards.final(answered("", sentences=(Sentence("B.", (), "withheld", "no citation"),)))
    assert "the quotes are the answer" in drawn
    assert "1 of 1 sentence withheld" in drawn


def test_without_a_passage_that_is_said() -> None:
    assert "No passage was found" in cards.quote_cards([])
    assert "No passage was found" in cards.final(answered("", quotes=()))


def test_prose_is_marked_until_it_is_checked() -> None:
    assert "Not yet checked · 3 s" in cards.draft("It may be", 3.4, stage="Reading")
    assert "Not yet checked" not in cards.final(answered())


@pytest.mark.parametrize(
    ("model", "told"),
    [("r1-1.5b", "No other service is asked."), ("http://gpu.example:8080", "Model: http://gpu.example:8080.")],
)
def test_the_head_says_what_is_asked_and_where_the_question_goes(model: str, told: str) -> None:
    drawn = cards.head(status(model))
    assert "12 messages and notes, 3,400 passages, from corpus" in drawn
    assert told in drawn


def test_the_style_sheet_fetches_nothing() -> None:
    assert "url(" not in cards.STYLE
    assert "@import" not in cards.STYLE


def test_the_head_tells_nobody_the_password_of_a_model_s_server() -> None:
    drawn = cards.head(status("https://me:secret@gpu.example/v1?key=hidden"))
    assert "Model: https://gpu.example." in drawn
    assert "secret" not in drawn
    assert "hidden" not in drawn
