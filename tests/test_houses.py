from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import SettingsError
from rag.houses import KINDS, canonical, house_of_domain, houses, houses_named, use

NAMES = st.sampled_from(sorted(houses()))


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


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Use a gazetteer of one's own, until the test is over."""

    def _use(text: str) -> None:
        path = tmp_path / "houses.toml"
        path.write_text(text, encoding="utf-8")
        use(path)

    yield _use
    use(None)


ACME = '[[house]]\nname = "Acme Securities"\nkind = "sell-side"\naliases = ["Acme"]\ndomains = ["@Acme.Example"]\n'


def test_a_house_of_one_s_own_is_found_by_name_alias_and_domain(own: Callable[[str], None]) -> None:
    own(ACME)
    assert named("Acme and Citi") == ["Acme Securities", "Citi"]
    assert (canonical("acme securities"), house_of_domain("mail.acme.example")) == ("Acme Securities",) * 2


def test_a_house_of_a_built_in_s_name_takes_its_place_and_adds_to_it(own: Callable[[str], None]) -> None:
    own('[[house]]\nname = "UBS"\nkind = "research"\naliases = ["Die Bank"]\ndomains = ["ubs.example"]\n')
    assert houses()["UBS"].kind == "research"
    assert named("Die Bank, UBS and UBS Investment Bank") == ["UBS"] * 3
    assert {house_of_domain("ubs.com"), house_of_domain("ubs.example")} == {"UBS"}


def test_an_alias_and_a_domain_pass_from_a_built_in_house_to_one_s_own(own: Callable[[str], None]) -> None:
    own(ACME.replace('"Acme"', '"Citi Research"').replace("@Acme.Example", "citi.com"))
    assert named("Citi Research and Citi") == ["Acme Securities", "Citi"]
    assert house_of_domain("citi.com") == "Acme Securities"


def test_without_a_file_of_one_s_own_the_built_in_houses_are_all(own: Callable[[str], None]) -> None:
    own(ACME)
    use(None)
    assert canonical("Acme Securities") is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("house = ", "cannot be read"),
        ('name = "Acme"', "no list of houses"),
        ("", "no list of houses"),
        ("house = 3", "no list of houses"),
        ("house = [3]", "no list of houses"),
        (ACME + '[[house]]\nkind = "press"\n', "house 2: name"),
        (ACME.replace("sell-side", "bank"), "house 1 (Acme Securities): kind is 'bank'"),
        (ACME.replace('kind = "sell-side"', "kind = []"), "kind is []"),
        (ACME.replace('["Acme"]', '"Acme"'), "house 1 (Acme Securities): aliases"),
        (ACME.replace('["Acme"]', '["A"]'), "aliases has 'A'"),
        (ACME.replace('["Acme"]', '["- -"]'), "aliases has '- -'"),
        (ACME.replace('["@Acme.Example"]', "[3]"), "house 1 (Acme Securities): domains"),
        (ACME.replace("@Acme.Example", "bo@acme.example"), "domains has 'bo@acme.example'"),
        (ACME + 'ticker = "ACM"\n', "house 1: unknown field ticker"),
        (ACME + ACME, "house 2: 'acme securities'"),
        (ACME + '[[house]]\nname = "Bolt"\nkind = "press"\naliases = ["ACME"]\n', "house 2: 'acme' is Acme Securities"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_row_and_field(
    own: Callable[[str], None], text: str, says: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        own(text)
    assert says in str(raised.value)
    assert raised.value.remedy


def test_a_file_that_cannot_be_used_changes_nothing(own: Callable[[str], None]) -> None:
    own(ACME)
    with pytest.raises(SettingsError, match="kind"):
        own(ACME.replace("sell-side", "bank"))
    assert canonical("Acme") == "Acme Securities"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml"):
        use(tmp_path / "none.toml")


@pytest.mark.parametrize(
    "name", ["Mediobanca", "ANZ", "Swedbank", "KBW", "Northern Trust", "Motilal Oswal", "Clarksons"]
)
def test_regional_brokers_and_specialists_are_known(name: str) -> None:
    assert named(f"says {name}’s Jane Doe") == [name]


def test_words_of_every_day_are_no_houses_however_they_are_typed() -> None:
    assert named("we nab a bargain on the verge of the register, the diff and the telegraph", ignore_case=True) == []
