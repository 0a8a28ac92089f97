from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from rag.records import Chunk, Document, Hit, Role, Voice
from rag.twins import alike, copied, copied_by, distinct, joined

SAID = "We think that hyperscalers will cut capex this year."


def hit(name: str, text: str = SAID, house: str | None = "Citi", role: Role = "author", score: float = 1.0) -> Hit:
    voice = Voice(0, len(text), house, None, role)
    document = Document(
        id=name, path=f"{name}.eml", kind="email", title="Capex", text=text, date=datetime(2025, 1, 27, tzinfo=UTC),
        author=None, house=house, voices=(voice,),
    )  # fmt: skip
    return Hit(Chunk(f"{name}:0", name, 0, len(text), text, voice), document, score, {})


def test_a_near_copy_is_listed_and_not_shown() -> None:
    kept = distinct([hit("a"), hit("b", SAID.replace("this year", "this year, too"))], 5)
    assert [[copy.id for copy in one.copies] for one in kept] == [["b"]]


@pytest.mark.parametrize(
    ("house", "text"),
    [
        ("UBS", SAID),
        ("Citi", "We do not think that hyperscalers will cut capex this year."),
        ("Citi", "We think that hyperscalers will raise capex this year."),
        ("Citi", "We think that hyperscalers will cut capex by 5% this year."),
    ],
)
def test_another_house_the_opposite_and_another_figure_are_no_copies(house: str, text: str) -> None:
    assert len(distinct([hit("a"), hit("b", text, house)], 5)) == 2


def test_a_copy_found_after_the_last_place_is_still_listed() -> None:
    kept = distinct([hit("a"), hit("b", "Memory prices rise."), hit("c")], 1)
    assert [copy.id for copy in kept[0].copies] == ["c"]


def test_an_original_takes_the_place_and_the_score_of_the_reply_that_repeats_it() -> None:
    kept = distinct([hit("reply", role="quoted", score=2.0), hit("original", score=1.0)], 5)
    assert [(one.document.id, one.score, [copy.id for copy in one.copies]) for one in kept] == [
        ("original", 2.0, ["reply"])
    ]


def test_a_repetition_never_takes_the_place_of_the_original() -> None:
    assert joined(hit("original"), hit("reply", role="quoted")).document.id == "original"


def test_a_passage_is_no_copy_of_itself_and_listed_once() -> None:
    one, other = hit("a"), hit("b")
    listed = copied_by(replace(one, copies=(other.document,)), [one.document, other.document])
    assert [copy.id for copy in listed.copies] == ["b"]


def test_a_line_within_a_longer_one_is_alike() -> None:
    longer = f"{SAID} Capex."
    assert alike(hit("a"), SAID, hit("b", longer), longer)


def test_half_of_the_words_of_the_shorter_make_a_copy() -> None:
    assert copied("hyperscalers cut capex", "capex of hyperscalers falls in a long sentence about memory and power")
    assert not copied("hyperscalers cut capex", "capex of banks falls in a long sentence about memory and power")
