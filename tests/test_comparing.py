"""Which rows a comparison has, in which order, and who is silent."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.comparing import Comparison, compare
from rag.records import Chunk, Document, Hit, Quote, Role, Voice


def quote(house: str, text: str, *, day: int = 1, role: Role = "author", person: str | None = None) -> Quote:
    voice = Voice(0, len(text), house, person, role)
    name = f"{house}-{day}-{role}"
    date = datetime(2025, 3, day, tzinfo=UTC)
    document = Document(name, f"{name}.eml", "email", "Note", text, date, person, house, voices=(voice,))
    return Quote(1, Hit(Chunk(name, name, 0, len(text), text, voice), document, 1.0, {}), 0, len(text), text)


def table(claim: str, *quotes: Quote, limit: int | None = None) -> Comparison:
    found: dict[str, list[Quote]] = {}
    for one in quotes:
        found.setdefault(one.hit.chunk.voice.house or "", []).append(one)
    return compare(claim, found, limit=limit)


def shown(found: Comparison) -> list[tuple[int, str | None, str]]:
    return [(row.quote.label, row.quote.hit.chunk.voice.house, row.stance.verdict) for row in found.rows]


def test_there_is_one_row_a_house_with_a_verdict_where_a_rule_can_tell() -> None:
    found = table(
        "Steel output will fall",
        quote("Acme", "Steel output will fall. That is all."),
        quote("Beta", "We expect steel output to rise."),
        quote("Gamma", "Steel output may fall in spring."),
        quote("Gamma", "Output of steel mills in China may stay flat.", day=2),
    )
    assert sorted(shown(found)) == [(1, "Acme", "agree"), (2, "Beta", "disagree"), (3, "Gamma", "")]


def test_a_house_that_says_nothing_near_the_claim_is_silent() -> None:
    found = table(
        "US steel tariffs failed",
        quote("Acme", "The US steel tariffs have failed."),
        quote("Beta", "US yields fell on Monday."),
        quote("Delta", "Milk is cheap."),
    )
    assert (shown(found), found.silent) == ([(1, "Acme", "agree")], ("Beta", "Delta"))


def test_a_house_without_any_quote_is_silent() -> None:
    assert compare("Steel output will fall", {"Acme": ()}) == Comparison("Steel output will fall", (), ("Acme",))


def test_a_direction_alone_is_not_near_a_claim() -> None:
    found = table("Steel output will fall", quote("Acme", "The value of investments can fall as well as rise."))
    assert found.silent == ("Acme",)


def test_the_figure_of_the_claim_is_near_it() -> None:
    found = table("The Dover plant cost £90m", quote("Acme", "We never believed in £90 million."))
    assert found.silent == ()


def test_the_row_that_says_most_of_the_claim_comes_first() -> None:
    found = table(
        "Steel output in India will fall",
        quote("Acme", "Steel output is a puzzle."),
        quote("Beta", "Steel output in India is a puzzle."),
    )
    assert [house for _, house, _ in shown(found)] == ["Beta", "Acme"]


def test_a_house_that_changed_its_mind_is_shown_with_its_new_view() -> None:
    old, new = quote("Acme", "Steel output will fall."), quote("Acme", "We expect steel output to rise.", day=9)
    for order in ((old, new), (new, old)):
        assert shown(table("Steel output will fall", *order)) == [(1, "Acme", "disagree")]


def test_a_view_that_can_be_judged_is_shown_before_one_that_cannot() -> None:
    found = table(
        "Steel output will fall",
        quote("Acme", "Steel output will fall."),
        quote("Acme", "Steel output may fall.", day=9),
    )
    assert shown(found) == [(1, "Acme", "agree")]


def test_what_a_house_repeats_of_another_is_not_its_own_view() -> None:
    words = "In our view, steel output will fall by a tenth before the mills of the north are closed."
    found = table("Steel output will fall", quote("Acme", words), quote("Beta", words, day=4))
    assert ([house for _, house, _ in shown(found)], found.silent) == (["Acme"], ("Beta",))


def test_of_one_text_under_two_names_the_author_s_own_mail_is_the_original() -> None:
    words = "In our view, steel output will fall by a tenth before the mills of the north are closed."
    found = table("Steel output will fall", quote("Acme", words, role="quoted"), quote("Beta", words, day=4))
    assert [house for _, house, _ in shown(found)] == ["Beta"]


def test_a_limit_cuts_rows_and_makes_nobody_silent() -> None:
    quotes = [quote(f"House {i}", f"Steel output is a puzzle of {i} parts.") for i in range(5)]
    found = table("Steel output will fall", *quotes, limit=2)
    assert ([label for label, _, _ in shown(found)], found.silent) == ([1, 2], ())


def test_what_a_house_is_reported_to_say_is_its_view() -> None:
    found = table(
        "Steel output will fall", quote("Acme", "Ann Lee says that steel output will fall.", person="Ann Lee")
    )
    assert shown(found) == [(1, "Acme", "agree")]


@pytest.mark.parametrize("claim", ["", "?", "the", "$5M", "a" * 2000])
def test_any_claim_can_be_compared(claim: str) -> None:
    found = table(claim, quote("Acme", "Steel output will fall."), quote("Beta", "$5M"))
    assert len(found.rows) + len(found.silent) == 2


@given(st.text(), st.lists(st.tuples(st.sampled_from(["Acme", "Beta", "Gamma"]), st.text(min_size=1)), max_size=5))
def test_every_house_is_a_row_or_silent_and_labels_count_up(claim: str, said: list[tuple[str, str]]) -> None:
    found = table(claim, *(quote(house, text) for house, text in said))
    assert [row.quote.label for row in found.rows] == list(range(1, len(found.rows) + 1))
    houses = [row.quote.hit.chunk.voice.house for row in found.rows]
    assert sorted([*houses, *found.silent], key=str) == sorted({house for house, _ in said})
