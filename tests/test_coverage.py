from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.coverage import Wanted, coverage, covers, rarity, wanted, words_of
from rag.questions import Query, understand
from rag.stems import stems
from rag.terms import index_terms

SIZE = 100


def asked(question: str) -> Query:
    return understand(question, today=date(2025, 2, 1))


def wants(question: str, frequencies: Mapping[str, int] | None = None) -> tuple[Wanted, ...]:
    return wanted(asked(question), frequencies or {}, SIZE)


def share(question: str, text: str) -> float:
    return coverage(wants(question), frozenset(stems(text)), frozenset(index_terms(text)))


def test_a_word_counts_however_it_is_inflected() -> None:
    assert share("restrictions on chips?", "A restriction of one chip.") == 1.0


def test_an_amount_counts_however_it_is_written() -> None:
    assert share("who believes $5M?", "Nobody believes five million dollars.") == 1.0


def test_an_amount_of_another_scale_does_not_count() -> None:
    assert share("$5M?", "It cost $5bn.") == 0.0


def test_a_rare_word_weighs_more_than_a_common_one() -> None:
    known = {"deepseek": 90, "revenue": 1}
    told = frozenset(stems("DeepSeek is a company."))
    assert coverage(wants("DeepSeek revenue", known), told, frozenset()) < 0.2


def test_the_digits_of_an_amount_are_no_words_of_their_own() -> None:
    assert "5m" not in words_of(asked("who believes $5M?"))


@pytest.mark.parametrize("word", ["Stargate", "R1", "H800"])
def test_names_are_told_from_plain_words(word: str) -> None:
    named = {want.surface for want in wants(f"what do they say on {word} and training?") if want.name}
    assert named == {word.lower()}


def test_the_capital_that_begins_a_question_makes_no_name() -> None:
    assert not any(want.name for want in wants("Training costs?"))


def test_what_asks_for_nothing_is_covered() -> None:
    assert coverage((), frozenset(), frozenset()) == 1.0


def test_a_figure_that_only_rounds_to_the_one_asked_counts_in_part() -> None:
    want = Wanted("$5M", "", 1.0, frozenset(["exact"]), frozenset(["loose"]))
    assert [covers(want, frozenset(), frozenset(terms)) for terms in (["exact"], ["loose"], ["other"])] == [1, 0.7, 0]


def test_in_an_index_of_one_mail_its_own_words_weigh_something() -> None:
    assert rarity(1, 1) > 0.7 * rarity(0, 1)


@given(st.integers(0, 200), st.integers(0, 200))
def test_rarity_falls_with_frequency_and_is_never_negative(few: int, many: int) -> None:
    few, many = sorted((few, many))
    assert rarity(few, SIZE) >= rarity(many, SIZE) >= 0.0


@given(st.text(), st.text())
def test_a_share_lies_between_nothing_and_all(question: str, text: str) -> None:
    assert 0.0 <= share(question, text) <= 1.0 + 1e-9
