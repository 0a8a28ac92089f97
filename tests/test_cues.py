from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.cues import Speaker, introduces, names_only, read_cue, speaks_on, stranger_speaks

JANE = Speaker("Citi", "Jane Doe")


@pytest.mark.parametrize(
    "sentence",
    [
        "Here’s Citi’s Jane Doe: rates will fall a lot from here.",
        "And Jane Doe of Citi again:",
        "Jane Doe, a strategist at Citi, points out that supply is heavy:",
        "Citi strategist Jane Doe writes:",
        "Over to Jane Doe at Citi . . .",
        "Let’s hear from Citi’s Jane Doe with the details.",
        "For the currency angle, back to Jane Doe at Citi:",
        "Analysts led by Jane Doe at Citi have had enough:",
        "Jane Doe (Citi) writes:",
        "The last word goes to Jane Doe at Citi.",
        "Next, we turn to Citi’s Jane Doe for the market angle . . .",
        "Citi’s Jane Doe has this to say:",
        "First in was Citi’s Jane Doe: rates will fall a lot from here.",
    ],
)
def test_a_hand_over_names_the_house_and_the_person(sentence: str) -> None:
    cue = read_cue(sentence, [], {})
    assert cue is not None
    assert (cue.kind, cue.speaker) == ("hand", JANE)


@pytest.mark.parametrize(
    "sentence",
    [
        "According to Citi, rates will fall.",
        "Rates will fall, per Citi.",
        "In Citi’s view, rates will fall.",
        "Citi’s base case is that rates fall.",
        "Rates will fall, says Citi.",
        "Citi, for its part, thinks rates will fall.",
        "Rates will fall, which Citi blames on supply.",
        "Citi analysts are sceptical about cuts.",
        "Citi and UBS both say that rates will fall.",
        "Citi says UBS is wrong about rates.",
        "Citi has cut its target for the index.",
        "“Rates will fall,” Citi analysts wrote in a note to clients.",
    ],
)
def test_a_report_gives_one_sentence_to_the_house(sentence: str) -> None:
    cue = read_cue(sentence, [], {})
    assert cue is not None
    assert (cue.kind, cue.speaker) == ("once", Speaker("Citi"))


@pytest.mark.parametrize(
    "sentence",
    [
        "Citi fell 3 per cent.",
        "Its rating by Citi was cut.",
        "Citi said it would close two branches.",
        "Here’s why Citi fell.",
        "We had a call from Citi.",
        "The winners: Citi and others that day.",
        "Citi has a point.",
        "Here’s Bo Quist of Marlow Macro on Citi:",
    ],
)
def test_a_house_in_the_news_is_a_topic(sentence: str) -> None:
    cue = read_cue(sentence, [], {})
    assert cue is not None
    assert cue.kind == "topic"


def test_a_credit_ends_a_block_behind_the_name() -> None:
    cue = read_cue("© Citi 2025 Moving on, then.", [], {})
    assert cue is not None
    assert (cue.kind, cue.at) == ("credit", len("© Citi 2025 "))


def test_a_surname_stands_for_somebody_already_introduced() -> None:
    cue = read_cue("Doe again: rates will fall a lot from here.", [], {"Doe": JANE})
    assert cue is not None
    assert (cue.kind, cue.speaker) == ("hand", JANE)


def test_names_inside_quotation_marks_are_no_cue() -> None:
    sentence = "He wrote: “Citi says rates fall.”"
    assert read_cue(sentence, [(10, len(sentence))], {}) is None


def test_a_pronoun_stands_for_a_person_only_if_there_is_one() -> None:
    assert speaks_on("She adds that rates fall.", JANE)
    assert not speaks_on("She adds that rates fall.", Speaker("Citi"))
    assert speaks_on("The bank also expects cuts.", Speaker("Citi"))


def test_a_note_that_is_named_introduces_its_text() -> None:
    sentence = "Her note is called “Down”."
    assert introduces(sentence, [(18, 25)]) == len(sentence)
    assert introduces("We keep her spelling: rates fall.", []) == len("We keep her spelling:")
    assert introduces("Rates fall: a lot.", []) is None


def test_a_heading_is_a_name_and_no_more() -> None:
    assert names_only("## Jane Doe (Citi)", {}) == JANE
    assert names_only("Citi cut its dividend", {}) is None


@given(st.text(max_size=80), st.text(max_size=80))
def test_a_cue_points_into_its_sentence(before: str, after: str) -> None:
    sentence = f"{before} Citi’s Jane Doe says {after}"
    cue = read_cue(sentence, [], {})
    assert cue is not None
    assert 0 <= cue.at <= len(sentence)


def test_the_longest_of_the_known_names_is_the_one_that_is_meant() -> None:
    known = {name: Speaker("UBS", name) for name in ("Ann Lee", "Lee", "Ann Lee-Roth")}
    for name in known:
        cue = read_cue(f"Then {name} says that rates fall.", [], known)
        assert cue is not None
        assert cue.speaker.person == name
    assert read_cue("Then Leeds says that rates fall.", [], known) is None


@pytest.mark.parametrize(
    ("sentence", "known", "speaker"),
    [
        ("UBS’s John Lazard says that rates fall.", {}, Speaker("UBS", "John Lazard")),
        ("John Lazard, a strategist at UBS, says that rates fall.", {}, Speaker("UBS", "John Lazard")),
        ("Lazard adds that rates fall.", {"Lazard": Speaker("UBS", "John Lazard")}, Speaker("UBS", "John Lazard")),
        ("Lazard adds that rates fall.", {}, Speaker("Lazard")),
    ],
)
def test_a_surname_that_is_also_a_house_is_told_apart(
    sentence: str, known: dict[str, Speaker], speaker: Speaker
) -> None:
    cue = read_cue(sentence, [], known)
    assert cue is not None
    assert cue.speaker == speaker


def test_the_bank_s_own_man_is_a_person_of_the_house() -> None:
    assert speaks_on("“Rates fall,” says the bank’s Jane Doe.", Speaker("Citi")) == JANE
    assert speaks_on("“Rates fall,” its analysts wrote.", Speaker("Citi")) == Speaker("Citi")
    assert speaks_on("The bank said its profits fell.", Speaker("Citi")) is None


def test_a_remark_about_somebody_introduces_nothing() -> None:
    assert introduces("He’s not wrong: there were eleven.", []) is None


@pytest.mark.parametrize(
    "sentence",
    [
        "Here’s Marlow Macro’s Bo Quist: rates will rise.",
        "Bo Quist of Marlow Macro writes that rates will rise.",
        "“Rates will rise,” said Bo Quist, who runs a fund.",
    ],
)
def test_a_stranger_is_heard(sentence: str) -> None:
    assert stranger_speaks(sentence)


@pytest.mark.parametrize("sentence", ["We see rates rising.", "Here’s the thing: rates rise.", "Fed Funds were cut."])
def test_a_plain_sentence_is_no_stranger_s(sentence: str) -> None:
    assert not stranger_speaks(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "UBS is overweight too.",
        "UBS, however, was less impressed by the rain.",
        "UBS now has two cuts, down from three.",
        "UBS has 1.5 per cent.",
        "UBS downgrades the shares to hold.",
        "UBS strategists led by Jane Doe dropped their last cut.",
    ],
)
def test_a_stance_a_forecast_or_a_rating_is_reported(sentence: str) -> None:
    cue = read_cue(sentence, [], {})
    assert cue is not None
    assert (cue.kind, cue.speaker.house) == ("once", "UBS")


@pytest.mark.parametrize("sentence", ["UBS has 3,000 traders.", "UBS is at the lake.", "UBS has two lakes."])
def test_what_a_house_has_is_not_what_it_says(sentence: str) -> None:
    cue = read_cue(sentence, [], {})
    assert cue is not None
    assert cue.kind == "topic"
