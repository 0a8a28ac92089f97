from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.polarity import Bearing, bearing, bearings
from rag.turning import denied, hedged, misplaced, turned

Look = Callable[[Bearing, Sequence[Bearing]], str]

HURTS = "The tariff hurts the smelter."


@pytest.mark.parametrize(
    "text",
    [
        "The tariff does not hurt the smelter.",
        "The tariff never hurts the smelter.",
        "The tariff hardly hurts the smelter.",
        "The tariff doesn’t hurt the smelter.",
        "The tariff fails to hurt the smelter.",
        "UBS denies that the tariff hurts the smelter.",
        "It is unlikely that the tariff hurts the smelter.",
    ],
)
def test_what_a_source_asserts_is_not_denied_nor_the_reverse(text: str) -> None:
    assert denied(bearing(text), bearings(HURTS)).startswith("does not say “")
    assert denied(bearing(HURTS), bearings(text)).startswith("says “")


@pytest.mark.parametrize(
    ("claim", "source"),
    [
        (HURTS, HURTS),
        ("The tariff does not hurt the smelter.", "The tariff will not hurt the smelter."),
        ("UBS doubts that the tariff hurts the smelter.", "We do not think the tariff hurts the smelter."),
        ("There is no doubt that the tariff hurts the smelter.", HURTS),
        ("The tariff not only hurts the smelter.", HURTS),
        ("The tariff hurts the smelter.", "The tariff hurts the smelter but does not touch the mine."),
        ("The tariff hurts the smelter.", "The tariff hurts the smelter. Zinc output did not fall."),
        ("The mine does not restart.", HURTS),
        ("UBS expects no recovery before June.", "We do not expect a recovery before June."),
    ],
)
def test_a_denial_that_the_source_shares_or_that_is_of_something_else_turns_nothing(claim: str, source: str) -> None:
    assert denied(bearing(claim), bearings(source)) == ""


@pytest.mark.parametrize(
    ("source", "cue"),
    [
        ("The curve may steepen in June.", "may"),
        ("The curve could steepen in June.", "could"),
        ("The curve will probably steepen in June.", "probably"),
        ("The curve is said to steepen in June.", "is said to"),
        ("Perhaps the curve steepens in June.", "perhaps"),
    ],
)
def test_what_a_source_only_supposes_is_not_certain(source: str, cue: str) -> None:
    assert hedged(bearing("The curve steepens in June."), bearings(source)) == f"only says “{cue}”"


@pytest.mark.parametrize("cue", ["may", "could", "might"])
def test_what_a_source_says_for_sure_is_not_only_supposed(cue: str) -> None:
    source = bearings("The curve steepens in June.")
    assert hedged(bearing(f"The curve {cue} steepen in June."), source) == f"does not say “{cue}”"


@pytest.mark.parametrize(
    ("claim", "source"),
    [
        ("The curve could steepen.", "The curve may steepen."),
        ("The curve would steepen.", "The curve steepens."),
        ("The curve steepens in May.", "The curve steepens in May."),
        ("The smelter closes.", "The smelter closes, and the curve may steepen."),
        ("The curve steepens.", "The curve steepens. The smelter may close."),
        ("Nothing is certain.", ""),
    ],
)
def test_a_hedge_that_the_source_shares_or_that_is_of_something_else_turns_nothing(claim: str, source: str) -> None:
    assert hedged(bearing(claim), bearings(source)) == ""


@pytest.mark.parametrize(
    ("claim", "source", "reason"),
    [
        ("Tin rose 4%.", "Tin fell 4%.", "says “fell”, not “rose”"),
        ("Tin is expensive.", "Tin is cheap.", "says “cheap”, not “expensive”"),
        ("The claim on tin is true.", "The claim on tin is wrong.", "says “wrong”, not “true”"),
        ("Tin output beat plans.", "Tin output missed plans.", "says “missed”, not “beat”"),
        ("Tin recovers after June.", "Tin recovers before June.", "says “before”, not “after”"),
        ("The A300 uses 20% more power.", "The A300 uses 20% less power.", "says “less”, not “more”"),
        ("The bank raises rates.", "The bank cuts rates.", "says “cuts”, not “raises”"),
        ("The miner is underweight.", "The miner is overweight.", "says “overweight”, not “underweight”"),
    ],
)
def test_a_pole_in_place_of_its_opposite_is_turned(claim: str, source: str, reason: str) -> None:
    assert turned(bearing(claim), bearings(source)) == reason


@pytest.mark.parametrize(
    ("claim", "source"),
    [
        ("Tin fell 4%.", "Tin lost 4%."),
        ("Tin fell 4%.", "Tin rose 6%, then fell 4%."),
        ("Tin is cheap.", "Tin is undervalued."),
        ("Tin rose.", "Zinc fell."),
        ("Tin rose.", "Tin is cheap."),
        ("Tin rose.", ""),
        ("Tin is not cheap.", "Tin is expensive."),
        ("Tin is strong.", "Tin is strong and the shares are weak."),
    ],
)
def test_one_pole_another_axis_and_another_matter_turn_nothing(claim: str, source: str) -> None:
    assert turned(bearing(claim), bearings(source)) == ""


@pytest.mark.parametrize(
    ("claim", "source", "reason"),
    [
        (
            "Exports of tin rose 8%.",
            "Imports of tin rose 12% while exports fell 8%.",
            "says “fell” of 8%, not “rose”",
        ),
        (
            "Aldermine made 31 kt of tin.",
            "Aldermine made 12 kt of tin, Borneo Tin 31 kt.",
            "states 31 of another than aldermine",
        ),
        ("Margins rose to 14%.", "Margins rose to 18%, up from 14%.", "states 18% there, not 14%"),
        ("Inflation fell from 2.1% to 2.6%.", "Inflation fell to 2.1% from 2.6%.", "has no “fell” from 2.1% to 2.6%."),
        ("Tin rose to $5M from $6M.", "Tin rose to $6M from $5M.", "has no “rose” to $5M from $6M."),
        ("The B900 needs less power.", "The A300 needs less power.", "says so of a300, not of b900"),
    ],
)
def test_a_figure_keeps_its_direction_its_name_and_its_place(claim: str, source: str, reason: str) -> None:
    assert misplaced(bearing(claim), bearings(source)).lower() == reason.lower()


@pytest.mark.parametrize(
    ("claim", "source"),
    [
        ("Exports of tin fell 8%.", "Imports of tin rose 12% while exports fell 8%."),
        ("Aldermine made 12 kt of tin.", "Aldermine made 12 kt of tin, Borneo Tin 31 kt."),
        ("Borneo Tin made 31 kt and Aldermine 12 kt.", "Aldermine made 12 kt of tin, Borneo Tin 31 kt."),
        ("Margins rose to 18%.", "Margins rose to 18%, up from 14%."),
        ("Inflation fell from 2.6% to 2.1%.", "Inflation fell to 2.1% from 2.6%."),
        ("The A300 needs less power.", "The A300 needs less power."),
        ("Tin made 31 kt.", "Tin made 31 kt."),
        ("Tin fell 4%.", "Zinc is cheap."),
        ("Tin fell 4%.", ""),
    ],
)
def test_a_figure_in_its_own_place_is_not_misplaced(claim: str, source: str) -> None:
    assert misplaced(bearing(claim), bearings(source)) == ""


SENTENCES = st.lists(
    st.sampled_from(
        "tin zinc Kandal Borneo rose fell not may cheap wrong 4% $5M H20 A300 to from before up , and June the".split()
    ),
    max_size=14,
).map(" ".join)


@given(SENTENCES | st.text(max_size=60), SENTENCES | st.text(max_size=60))
def test_any_two_texts_can_be_held_against_each_other(claim: str, source: str) -> None:
    for look in (denied, hedged, turned, misplaced):
        assert isinstance(look(bearing(claim), bearings(source)), str)


@given(SENTENCES | st.text(max_size=60))
def test_without_a_source_nothing_is_turned(claim: str) -> None:
    one = bearing(claim)
    assert denied(one, ()) == hedged(one, ()) == turned(one, ()) == ""


@pytest.mark.parametrize("look", [denied, hedged, turned, misplaced])
@pytest.mark.parametrize("text", ["Tin fell 4% in June.", "The tariff may not hurt the Kandal smelter by $5M.", ""])
def test_a_sentence_does_not_turn_itself(look: Look, text: str) -> None:
    assert look(bearing(text), bearings(text)) == ""


@pytest.mark.parametrize("unit", ["$5M ", "tin 5% ", "not tin ", "may tin ", "up ", "to 5 from 6 ", "Kandal 5 kt, "])
def test_a_long_sentence_and_a_long_source_take_no_time(unit: str) -> None:
    claim, said = bearing(unit * (200 // len(unit))), bearings(unit * (2000 // len(unit)))
    started = time.perf_counter()
    for look in (denied, hedged, turned, misplaced):
        look(claim, said)
    assert time.perf_counter() - started < 30
