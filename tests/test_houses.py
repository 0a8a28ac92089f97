from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.houses import canonical, house_of_domain, houses, houses_named

NAMES = st.sampled_from(sorted(houses()))
KINDS = {"sell-side", "buy-side", "research", "press"}


def named(text: str, ignore_case: bool = False) -> list[str]:
    return [name for _, _, name in houses_named(text, ignore_case)]


def test_every_house_is_named_by_one_of_its_aliases_and_has_a_known_kind() -> None:
    assert all(house.name in house.aliases and house.kind in KINDS for house in houses().values())


def test_no_alias_and_no_domain_belongs_to_two_houses() -> None:
    aliases = [alias.casefold() for house in houses().values() for alias in set(house.aliases)]
    domains = [domain for house in houses().values() for domain in house.domains]
    assert len({alias: 0 for house in houses().values() for alias in house.aliases}) == len(aliases)
    assert len(set(domains)) == len(domains)


@given(NAMES, st.sampled_from(["", "'s", "’s", "’", ",", ":"]))
def test_every_name_is_found_with_its_possessive_outside_the_span(name: str, tail: str) -> None:
    text = f"As for {name}{tail} and others"
    assert houses_named(text) == ((7, 7 + len(name), name),)


@given(st.text(max_size=30), NAMES, st.text(max_size=30))
def test_spans_are_ordered_and_disjoint(before: str, name: str, after: str) -> None:
    text = f"{before} {name} {after}"
    edge = 0
    for start, end, _ in houses_named(text):
        assert edge <= start < end <= len(text)
        edge = end


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Morgan Stanley Investment Management buys", ["Morgan Stanley Investment Management"]),
        ("Citigroup and Citi, not Citizens", ["Citi", "Citi"]),
        ("a note from Morgan\nStanley", ["Morgan Stanley"]),
        ("write to desk@citi.com or see www.ubs.com/a", []),
        ("they went bespoke, and cited a citi break", []),
    ],
)
def test_the_longest_alias_counts_on_word_borders_only(text: str, expected: list[str]) -> None:
    assert named(text) == expected


def test_a_question_in_lower_case_finds_houses_but_no_everyday_words() -> None:
    text = "what did bernstein and morgan stanley say about bespoke chips and vanguard tech, ing aside?"
    assert named(text, ignore_case=True) == ["Bernstein", "Morgan Stanley"]


def test_an_ambiguous_name_with_its_capitals_is_found_in_a_question() -> None:
    assert named("what does Bespoke say?", ignore_case=True) == ["Bespoke"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("bofa", "Bank of America"), (" Societe  Generale ", "SocGen"), ("Acme Securities", None)],
)
def test_a_name_is_made_canonical(name: str, expected: str | None) -> None:
    assert canonical(name) == expected


@pytest.mark.parametrize(
    ("domain", "expected"),
    [("citi.com", "Citi"), ("Research.Citi.COM.", "Citi"), ("noticiti.com", None), ("", None), ("com", None)],
)
def test_a_domain_belongs_to_the_house_of_its_parent(domain: str, expected: str | None) -> None:
    assert house_of_domain(domain) == expected
