from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.polarity import Word, bearing, bearings, pole


def denied(text: str) -> list[str]:
    return [scope.cue for scope in bearing(text).denied]


def supposed(text: str) -> list[str]:
    return [scope.cue for scope in bearing(text).supposed]


def poles(text: str) -> list[tuple[str, int]]:
    return [(word.text, sign) for word, _, sign in bearing(text).poles]


# Words


def test_a_word_knows_its_place_and_its_stem() -> None:
    assert bearing("Tin prices").words[1] == Word(4, 10, "prices", "price", True)


def test_a_figure_is_one_word_however_it_is_written() -> None:
    (ours, theirs) = (
        next(word for word in bearing(text).words if word.figure) for text in ("$5M", "5 million dollars")
    )
    assert ours.key == theirs.key


def test_a_model_name_is_one_word_but_no_figure() -> None:
    (word,) = (word for word in bearing("The H20 sells").words if word.text == "h20")
    assert (word.content, word.figure) == (True, False)


@pytest.mark.parametrize("filler", ["the", "says", "not", "may", "view", "according"])
def test_filler_telling_negation_and_hedge_are_no_content(filler: str) -> None:
    assert bearing(f"tin {filler} glut").content == {"tin", "glut"}


@pytest.mark.parametrize("joint", [", ", " and ", " while ", "; ", " – ", " but "])
def test_commas_dashes_and_conjunctions_part_clauses(joint: str) -> None:
    first, *_, last = bearing(f"tin{joint}zinc").words
    assert first.clause < last.clause


def test_a_comma_inside_a_figure_parts_nothing() -> None:
    assert {word.clause for word in bearing("tin made 2,048 tonnes").words} == {0}


def test_bearings_are_those_of_the_sentences() -> None:
    assert [one.text for one in bearings("Tin fell. Zinc rose.")] == ["Tin fell.", "Zinc rose."]


# Denials


@pytest.mark.parametrize(
    ("text", "cue"),
    [
        ("The tariff does not hurt tin.", "not"),
        ("The tariff never hurts tin.", "never"),
        ("The tariff doesn't hurt tin.", "doesn't"),
        ("The tariff doesn’t hurt tin.", "doesn't"),
        ("The tariff hardly hurts tin.", "hardly"),
        ("The tariff fails to hurt tin.", "fails"),
        ("We doubt that the tariff hurts tin.", "doubt"),
        ("The miner denies that a strike is near.", "denies"),
        ("Tin is far from scarce.", "far from"),
        ("Tin is no longer scarce.", "no longer"),
        ("Feed comes from scrap rather than ore.", "rather than"),
        ("A strike is unlikely.", "unlikely"),
    ],
)
def test_a_denial_is_found_by_its_cue(text: str, cue: str) -> None:
    assert cue in denied(text)


@pytest.mark.parametrize(
    "text",
    [
        "There is no doubt that the tariff hurts tin.",
        "The tariff hurts not only tin but zinc.",
        "It is nothing but a rumour.",
        "Tin made no less than 5%.",
        "Notable knots of nothingness.",
        "The notary noted it.",
    ],
)
def test_what_only_looks_like_a_denial_denies_nothing(text: str) -> None:
    assert [cue for cue in denied(text) if cue != "doubt"] == []


def test_a_denial_reaches_what_follows_it_and_no_further_than_its_clause() -> None:
    (scope,) = bearing("Rates do not fall in June, but tin gains.").denied
    assert "fall" in scope.keys
    assert "gain" not in scope.keys


def test_a_denial_reaches_four_words_at_most() -> None:
    (scope,) = bearing("It does not lift copper zinc lead nickel cobalt output").denied
    assert len(scope.keys) == 4


def test_a_name_is_not_denied() -> None:
    (scope,) = bearing("We do not think Tinworks restarts").denied
    assert "tinwork" not in scope.keys


def test_what_is_denied_is_not_asserted() -> None:
    assert "strike" not in bearing("We see no strike at the mine").asserted
    assert "strike" in bearing("We see a strike at the mine").asserted


# Hedges


@pytest.mark.parametrize(
    ("text", "cue"),
    [
        ("Rates may fall.", "may"),
        ("Rates could fall.", "could"),
        ("Rates will probably fall.", "probably"),
        ("The bank is said to sell tin.", "is said to"),
        ("Tin rises if the mine closes.", "if"),
        ("There is talk of a merger.", "talk of"),
        ("The mine reportedly closed.", "reportedly"),
        ("May rates fall?", "may"),
    ],
)
def test_a_hedge_is_found_by_its_cue(text: str, cue: str) -> None:
    assert cue in supposed(text)


@pytest.mark.parametrize(
    "text", ["Rates fell in May.", "Rates fall.", "A maybug sat there.", "The mighty mine", "It is."]
)
def test_a_month_and_a_plain_statement_are_no_hedge(text: str) -> None:
    assert supposed(text) == []


def test_a_hedge_behind_what_it_is_about_reaches_back() -> None:
    (scope, *_) = bearing("A merger looks likely.").supposed
    assert "merger" in scope.keys


# Poles


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("rose", "fell"),
        ("cheap", "expensive"),
        ("bullish", "cautious"),
        ("right", "wrong"),
        ("strong", "weak"),
        ("beat", "missed"),
        ("overweight", "underweight"),
        ("before", "after"),
        ("surplus", "deficit"),
        ("import", "export"),
        ("more", "less"),
        ("jumped", "slumped"),
        ("tightening", "loosening"),
    ],
)
def test_two_poles_share_an_axis_and_differ_in_sign(one: str, other: str) -> None:
    ours, theirs = pole(one), pole(other)
    assert ours is not None
    assert theirs is not None
    assert (ours[0], ours[1]) == (theirs[0], -theirs[1])


@pytest.mark.parametrize(("one", "other"), [("rose", "gained"), ("cheap", "undervalued"), ("cut", "reduced")])
def test_words_of_one_pole_have_one_sign(one: str, other: str) -> None:
    assert pole(one) == pole(other)


@pytest.mark.parametrize("word", ["tin", "smelter", "", "the", "5"])
def test_most_words_have_no_pole(word: str) -> None:
    assert pole(word) is None


@pytest.mark.parametrize(
    "form", ["drop", "drops", "dropped", "dropping", "decline", "declines", "declined", "declining"]
)
def test_a_verb_keeps_its_pole_in_its_regular_forms(form: str) -> None:
    assert pole(form) == pole("fell")


def test_a_denied_pole_is_the_other_one() -> None:
    assert poles("Tin is cheap") == [("cheap", 1)]
    assert poles("Tin is not cheap") == [("cheap", -1)]


@pytest.mark.parametrize("text", ["Tin is up 5%", "Tin is down by 5%", "Tin is up"])
def test_up_and_down_count_beside_a_figure_and_at_an_end(text: str) -> None:
    assert len(poles(text)) == 1


@pytest.mark.parametrize("text", ["They set up a mine", "It is up to the board", "They shut down smelters today"])
def test_up_and_down_elsewhere_point_nowhere(text: str) -> None:
    assert poles(text) == []


def test_more_than_a_figure_is_a_bound_and_no_pole() -> None:
    assert poles("more than 5% of tin") == []
    assert poles("more tin") == [("more", 1)]


WORDS = st.lists(st.sampled_from("not no may tin fell up more than 5% $5M , . and unlikely far from May".split()))


@given(st.text(max_size=120) | WORDS.map(" ".join))
def test_the_words_of_any_text_stand_in_it_in_order(text: str) -> None:
    words = bearing(text).words
    assert all(0 <= one.start < one.end <= len(text) for one in words)
    assert [one.start for one in words] == sorted(one.start for one in words)


@given(st.text(max_size=120) | WORDS.map(" ".join))
def test_what_is_asserted_is_content(text: str) -> None:
    one = bearing(text)
    assert one.asserted <= one.content


@pytest.mark.parametrize("unit", ["wrong ", "not ", "may ", "up ", "likely ", "is said to ", "$5M ", ", ", "not the "])
def test_twenty_kilobytes_of_one_word_take_no_time(unit: str) -> None:
    started = time.perf_counter()
    bearing(unit * (20_000 // len(unit)))
    assert time.perf_counter() - started < 30
