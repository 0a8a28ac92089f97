from __future__ import annotations

import gc
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.turns import Turn, turns


def heard(text: str, home: str | None = None) -> list[tuple[str | None, str]]:
    found = turns(text, 0, len(text), home=home)
    ends = [turn.start for turn in found[1:]] + [len(text)]
    merged: list[tuple[str | None, str]] = []
    for turn, end in zip(found, ends, strict=True):
        house = turn.speaker.house if turn.speaker else "?" if turn.stranger else None
        if merged and merged[-1][0] == house:
            merged[-1] = (house, merged[-1][1] + text[turn.start : end])
        else:
            merged.append((house, text[turn.start : end]))
    return [(house, piece.strip()) for house, piece in merged]


def test_a_turn_begins_behind_the_colon() -> None:
    assert heard("Here’s UBS: Rates will fall a lot.") == [(None, "Here’s UBS:"), ("UBS", "Rates will fall a lot.")]


def test_the_sentence_before_a_hand_over_is_the_writer_s() -> None:
    text = (
        "Here’s UBS: Rates fall. Stocks then rise in every case. So far so good. Over to Citi: Rates will rise a lot."
    )
    assert (None, "So far so good. Over to Citi:") in heard(text)


def test_a_sentence_in_the_first_person_before_a_hand_over_is_the_house_s() -> None:
    text = "Here’s UBS: Rates fall. Stocks rise too. We stay long. Over to Citi: Rates will rise a lot."
    assert ("UBS", "Rates fall. Stocks rise too. We stay long.") in heard(text)


def test_an_aside_about_the_speaker_is_the_writer_s() -> None:
    text = "Here’s Peel Hunt: Rates fall a lot (PH means short rates). Nobody else thinks so."
    assert heard(text)[-1] == (None, "(PH means short rates). Nobody else thinks so.")


def test_a_quotation_spoken_before_its_tag_is_the_speaker_s() -> None:
    text = "Well. “Rates fall. Stocks rise,” says UBS. Well."
    assert heard(text) == [(None, "Well."), ("UBS", "“Rates fall. Stocks rise,” says UBS."), (None, "Well.")]


def test_a_quotation_before_a_hand_over_is_the_speaker_s_too() -> None:
    text = "Well. “Rates fall. Stocks will rise a lot from here,” UBS says: Our survey shows it."
    assert heard(text) == [(None, "Well."), ("UBS", text.removeprefix("Well. "))]


def test_a_quoted_turn_ends_with_the_quotation() -> None:
    text = "UBS says: “Rates fall a lot. Stocks rise.” Nobody agrees."
    assert heard(text)[1:] == [("UBS", "“Rates fall a lot. Stocks rise.”"), (None, "Nobody agrees.")]


def test_a_block_quote_ends_where_its_marks_end() -> None:
    text = "UBS writes:\n\n> Rates fall.\n>\n> A lot.\n\nNobody agrees."
    assert heard(text)[1:] == [("UBS", "> Rates fall.\n>\n> A lot."), (None, "Nobody agrees.")]


def test_a_block_quote_of_nobody_named_is_a_stranger_s() -> None:
    assert heard("Look.\n\n> Rates fall.") == [(None, "Look."), ("?", "> Rates fall.")]


def test_a_colon_inside_a_paragraph_reaches_to_its_end() -> None:
    text = "Good morning.\n\nUBS notes: rates will fall a lot. Stocks rise.\n\nNobody agrees."
    assert heard(text)[1:] == [("UBS", "rates will fall a lot. Stocks rise."), (None, "Nobody agrees.")]


def test_a_paragraph_that_reports_somebody_else_is_the_writer_s_from_its_start() -> None:
    text = "Here’s UBS:\n\nRates fall.\n\nSome differ. Per Citi, rates rise.\n"
    assert (None, "Some differ.") in heard(text)


def test_a_house_is_not_interrupted_by_the_data_that_it_cites() -> None:
    text = "Here’s UBS: Rates fall. According to Gartner, demand doubles. We stay long."
    assert heard(text)[-1][0] == "UBS"


def test_a_house_at_home_hands_over_to_quotations_only() -> None:
    text = "Citi says rates fall. Citi says: “They fall a lot.” We differ."
    assert [house for house, _ in heard(text, home="UBS")] == [None, "Citi", None]


@given(
    st.lists(st.sampled_from(["Here’s UBS: ", "Rates. ", "“A.” ", "\n\n", "> ", "© UBS ", "(UBS is) "])).map("".join)
)
def test_turns_begin_in_order(text: str) -> None:
    starts = [turn.start for turn in turns(text, 0, len(text))]
    assert starts == sorted(starts)


def speaking(text: str, words: str) -> Turn:
    """The turn that ``words`` are said in."""
    at = text.index(words)
    return [turn for turn in turns(text, 0, len(text)) if turn.start <= at][-1]


CUED = [
    (
        "So far, so good. Here’s Citi’s Jane Doe et al: Rates will fall a lot.",
        "Rates",
        "Here’s Citi’s Jane Doe et al:",
        0.95,
    ),
    ("Well. **Over to Jane Doe at Citi . . .** Rates fall.", "Rates", "Over to Jane Doe at Citi . . .", 0.95),
    ("Citi says: “Rates will fall a lot. We wait.” Well.", "We wait", "Citi says:", 1.0),
    ("Well.\n\nCiti writes:\n\n> Rates fall.\n\nWell.", "Rates", "Citi writes:", 1.0),
    ("Well.\n\nCiti\n\nRates will fall.\n", "Rates", "Citi", 0.95),
    ("Well. “Rates will fall a lot. We wait,” says Citi. Well.", "Rates", "says Citi.", 0.9),
    ("Well. Per Citi, rates fall. Well.", "rates", "Per Citi, rates fall.", 0.9),
    ("Citi says rates fall. The bank also expects cuts. Well.", "cuts", "The bank also expects cuts.", 0.65),
    ("Well. Back to Citi. Rates fall a lot.", "Rates", "Back to Citi.", 0.65),
    ("Well. Citi is in this too.\n\n> Rates fall.\n", "Rates", "Citi is in this too.", 0.65),
]


@pytest.mark.parametrize(("text", "words", "cue", "confidence"), CUED)
def test_a_turn_says_by_which_words_and_how_surely_it_is_somebody_s(
    text: str, words: str, cue: str, confidence: float
) -> None:
    turn = speaking(text, words)
    assert turn.cue is not None
    assert (text[slice(*turn.cue)], turn.confidence) == (cue, confidence)


@pytest.mark.parametrize("before", ["", "“One.” ", "Dear all,\n\n", "\n \n"])
@pytest.mark.parametrize(
    "table", [{}, str.maketrans("“”’", '""\''), str.maketrans("“”", "„“"), str.maketrans("“”", "«»")]
)
def test_a_cue_is_exact_wherever_it_stands_and_whatever_the_marks(before: str, table: dict[int, int]) -> None:
    text = f"{before}Look. Here’s Citi’s Jane Doe: “Rates will fall a lot.” Well.".translate(table)
    turn = speaking(text, "Rates")
    assert turn.cue is not None
    assert text[slice(*turn.cue)] == "Here’s Citi’s Jane Doe:".translate(table)


def test_the_writer_s_turns_have_no_cue_and_are_certain() -> None:
    for text, *_ in CUED:
        own = [turn for turn in turns(text, 0, len(text)) if turn.speaker is None and not turn.stranger]
        assert {(turn.cue, turn.confidence) for turn in own} <= {(None, 1.0)}


def test_an_open_turn_is_less_sure_the_longer_no_cue_renews_it() -> None:
    text = "Here’s Citi:\n\n" + "".join(f"Rates fall in year {year}.\n\n" for year in range(9))
    sure = [speaking(text, f"year {year}").confidence for year in range(9)]
    assert sure == sorted(sure, reverse=True)
    assert (sure[0], sure[-1]) == (0.95, 0.47)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("‘Rates fall. We wait,’ says UBS. Well.", ["UBS", None]),
        ("„Rates fall. We wait“, says UBS. Well.", ["UBS", None]),
        ("« Rates fall. We wait », writes UBS. Well.", ["UBS", None]),
        ("'Rates fall. We wait,' says UBS. Well.", ["UBS", None]),
    ],
)
def test_quotations_in_other_marks_are_the_speaker_s(text: str, expected: list[str | None]) -> None:
    assert [house for house, _ in heard(text)] == expected


def test_an_editor_s_bracket_interrupts_and_no_more() -> None:
    text = "UBS says: “Rates will fall [they always do. - Ed.] and stocks rise.” Well."
    assert [house for house, _ in heard(text)] == [None, "UBS", None, "UBS", None]


@pytest.mark.parametrize(
    "stranger",
    [
        "Here’s Marlow Macro’s Bo Quist: rates will rise.",
        "Bo Quist, who runs a fund in Lund, has had enough: rates will rise.",
        "“Rates will rise,” said Bo Quist, a fund manager.",
    ],
)
def test_somebody_unknown_ends_a_turn_and_is_nobody_known(stranger: str) -> None:
    text = f"Here’s UBS: Rates fall. We stay long. {stranger}"
    assert heard(text)[-1][0] is None


def test_a_sentence_about_a_rival_ends_a_turn_unless_the_house_speaks_of_itself() -> None:
    assert heard("Here’s UBS: Rates fall a lot. Things got livelier when Citi joined.")[-1][0] is None
    assert heard("Here’s UBS: Rates fall a lot. We cut Citi to sell.")[-1][0] == "UBS"


def test_a_heading_that_names_nobody_known_ends_the_turn_below_a_name() -> None:
    text = "One.\n\nUBS\n\nRates fall.\n\nHollis & Gray\n\nRates rise.\n"
    assert heard(text)[-1] == (None, "Hollis & Gray\n\nRates rise.")


def test_whoever_says_i_is_the_writer_where_the_speaker_does_not() -> None:
    text = "I read it all.\n\nFrom UBS:\n\nRates fall.\n\nMy own model disagrees.\n"
    assert heard(text)[-1] == (None, "My own model disagrees.")


def test_a_farewell_to_the_reader_is_the_writer_s() -> None:
    assert heard("Here’s UBS: Rates fall. Stocks rise. If you disagree, tell your bank.")[-1][0] is None


def test_a_quotation_that_a_stranger_is_said_to_have_said_is_not_carried_on() -> None:
    text = "UBS says rates fall. “Rates rise,” said one trader. “They always do.”"
    assert [house for house, _ in heard(text)] == ["UBS", None]


def test_the_bank_in_the_news_does_not_speak() -> None:
    assert [house for house, _ in heard("Citi fell 3 per cent. The bank said its profits fell.")] == [None]


def test_a_quotation_behind_the_name_of_its_speaker_is_his() -> None:
    text = "Things got livelier when UBS piled in. “Rates fall. Stocks rise,” says the bank’s Ann Lee. Well."
    assert [house for house, _ in heard(text)] == [None, "UBS", None]


NEWS = """\
Defence shares rose on Tuesday. Volumes were high.

"This is a shift that comes once in a generation," said Ida Falk, chief economist at Deutsche Bank. "It is huge."

Not everybody is sure. Order books stretch to 2031.

"Do not mistake headlines for orders," Jefferies analyst Cleo Marsh wrote to clients. "Orders take time."

The bank also raised its targets. Barclays rose with its peers.

"It is a fairy tale," said Anton Grau, who runs a family office. "Show me the invoices."

Bund supply may grow by a fifth, according to Morgan Stanley. The ministry declined to comment.
"""
NEWS_SPEAKERS = [None, "Deutsche Bank", None, "Jefferies", None, "Morgan Stanley", None]

RUN_ON = (
    "Utilities again. RBC’s Sven Teller kicked things off before breakfast: Load grows by 2 per cent, which is new. "
    "We like wires. A sensible start. Things got livelier when Mizuho piled in. “All of it is counted twice,” says the "
    "bank’s Tony Krall. “The same site is in four queues.” Krall has a point. What about nuclear, you ask? Please "
    "don’t. But if you must, Cantor Fitzgerald’s uranium desk is always happy to talk: Spot is thin and buyers have "
    "covered a third. Kim Roe, a consultant based in Ohio, has heard it before: we have no turbines, she says. Fair "
    "enough. The last word goes to Teller at RBC. Regulators will blink before anybody builds a plant at that price."
)
RUN_ON_SPEAKERS = [None, "RBC", None, "Mizuho", None, "Cantor Fitzgerald", None, "RBC"]

MARKS = (
    "The franc rose. ‘One bullet is left, all can see it,’ says Vontobel’s Urs Meier. ‘Rates go negative.’ Others are "
    "‘relaxed’. „Wir erwarten keine weitere Senkung in diesem Jahr“, says UBS economist Max Bodmer. No "
    "more cuts, then. « Rien ne change pour le franc », writes Natixis in a note. So there. As ever, Bodmer has the "
    "last word. “A zero is a zero. It is no three,” he says. Subscribe for more of this."
)
MARKS_SPEAKERS = [None, "Vontobel", None, "UBS", None, "Natixis", None, "UBS", None]


@pytest.mark.parametrize(
    ("text", "speakers"),
    [(NEWS, NEWS_SPEAKERS), (RUN_ON, RUN_ON_SPEAKERS), (MARKS, MARKS_SPEAKERS)],
    ids=["news", "run-on", "marks"],
)
def test_the_word_goes_round_and_comes_back_to_the_writer(text: str, speakers: list[str | None]) -> None:
    assert [house for house, _ in heard(text)] == speakers


PEOPLE = [f"{first}{vowel}{last}" for first in "BDFGKLMNPRST" for vowel in "aeiou" for last in "bdfgklmnprst"]
LONG = {
    "people": "\n\n".join(f"UBS’s {name} {name}son says that rates fall." for name in PEOPLE * 2),
    "quotations": 'He said "x." ' * 8_000,
    "spoken": "“a.” says UBS. " * 6_000,
    "hand-overs": "UBS says: rates fall. " * 6_000,
    "one turn": "Here’s UBS:\n\n" + "Rates fall.\n\n" * 10_000,
    "titles": "UBS\n\nRates fall.\n\n" * 5_000,
    "block quotes": "UBS:\n\n> a\n\n" * 5_000,
    "one line": "Rates fall a lot. " * 20_000,
    "marks": "a.“ " * 40_000,
}


@pytest.mark.parametrize("text", LONG.values(), ids=list(LONG))
def test_long_notes_are_followed_in_linear_time(text: str) -> None:
    def seconds(part: str) -> float:
        gc.disable()  # a collection walks all that two thousand other tests have loaded
        began = time.process_time()
        turns(part, 0, len(part))
        taken = time.process_time() - began
        gc.enable()
        return taken

    # Quadratic work takes 16 times as long for four times the text.
    assert seconds(text) < 8 * seconds(text[: len(text) // 4]) + 0.2


def test_a_remark_shows_that_the_writer_took_over_before_he_hands_on() -> None:
    text = (
        "Here’s UBS: Rates fall in June. Stocks will rise by nine per cent. So much for June. "
        "Lenders open late that month. It is warm as well. Here’s Citi: Rates will rise a lot."
    )
    assert (None, "So much for June. Lenders open late that month. It is warm as well. Here’s Citi:") in heard(text)


def test_a_paragraph_that_opens_with_a_remark_is_the_writer_s() -> None:
    text = "Here’s UBS:\n\nRates fall in June.\n\nStocks rise too.\n\nFine, but who asked? Rain is on its way."
    assert heard(text)[1:] == [
        ("UBS", "Rates fall in June.\n\nStocks rise too."),
        (None, "Fine, but who asked? Rain is on its way."),
    ]


def test_a_colon_at_the_end_of_a_paragraph_hands_over_to_the_house_it_names() -> None:
    text = "So the sky falls. Not if you believe UBS, with its sums:\n\nRates fall in June."
    assert heard(text)[-1] == ("UBS", "Rates fall in June.")


def test_a_colon_behind_what_is_said_about_a_house_hands_nothing_over() -> None:
    assert heard("A bad day for UBS:\n\nThe shares fell by nine per cent.")[0][0] is None


def test_a_capital_behind_a_colon_is_a_lost_paragraph_break() -> None:
    text = "Then what. UBS has seen it all before: Rates fell in June and lenders did well."
    assert heard(text)[-1] == ("UBS", "Rates fell in June and lenders did well.")


def test_running_prose_behind_a_colon_stays_the_writer_s() -> None:
    assert heard("UBS had a bad day at the races: the shares fell by nine per cent.")[0][0] is None


def test_bullets_under_a_bare_name_are_the_house_s_until_the_next_heading() -> None:
    text = "Brokers\n\nUBS (Jane Doe)\n- Rates fall in June\n- Stocks rise\n\nDiary\n- Lunch with the auditors"
    assert ("UBS", "- Rates fall in June\n- Stocks rise") in heard(text)


def test_a_person_with_a_team_goes_on_for_the_house_just_quoted() -> None:
    text = "“Rates will fall in June,” says UBS. Jane Doe and team show how:\n\n> Stocks rise.\n\nWell."
    assert ("UBS", "> Stocks rise.") in heard(text)


def test_its_analyst_speaks_for_the_house_named_before() -> None:
    text = "UBS raises its target. The shares fell. Its analyst Jane Doe says that rates fall."
    assert heard(text)[-1] == ("UBS", "Its analyst Jane Doe says that rates fall.")


def test_it_adds_goes_on_for_a_house() -> None:
    assert heard("UBS expects a cut in June. It adds that stocks rise.")[0][0] == "UBS"


def test_what_a_speaker_called_something_is_his_but_what_he_has_is_the_writer_s() -> None:
    text = "UBS’s Jane Doe says rates fall. She called the rise a mistake. She has a cat."
    assert heard(text) == [
        ("UBS", "UBS’s Jane Doe says rates fall. She called the rise a mistake."),
        (None, "She has a cat."),
    ]


@pytest.mark.parametrize("entry", ["10:05 GMT", "Updated at 9.30am", "What the dentists think"])
def test_a_time_or_a_heading_of_its_own_ends_a_turn(entry: str) -> None:
    text = f"Here’s UBS:\n\nRates fall in June, and stocks rise.\n\n{entry}\n\nThe dentists are on strike again."
    assert heard(text)[-1][0] is None
    assert heard(text)[-1][1].startswith(entry)


def test_a_paragraph_that_opens_with_what_a_researcher_says_is_the_researcher_s() -> None:
    text = "Here’s UBS:\n\nRates fall in June, and stocks rise.\n\nCapital Economics doubts that stocks will rise."
    assert heard(text)[-1][0] == "Capital Economics"


def test_a_house_handed_to_without_its_person_is_quoted_behind_the_person_s_colon() -> None:
    text = "Rain.\n\nThen there is UBS. In a long piece Jane Doe looks at June:\n\n> Rates fall.\n\nWell."
    assert ("UBS", "> Rates fall.") in heard(text)


def test_the_second_word_of_a_house_s_name_hides_no_verb() -> None:
    assert heard("Jane Doe, senior analyst at Swissquote Bank, says rates fall.")[0][0] == "Swissquote"


def test_a_colon_behind_the_summary_hands_over_to_the_house_just_named() -> None:
    text = (
        "There is a long piece from UBS on June. The key passage, on page nine:\n\nRates fall.\n\nFine, but who asked?"
    )
    assert ("UBS", "Rates fall.") in heard(text)


def test_the_last_word_needs_no_verb() -> None:
    assert heard("Rain. Last word to UBS’s Jane Doe: “Rates fall a lot in June.”")[-1][0] == "UBS"


def test_a_negated_verb_hands_over_too() -> None:
    assert (
        heard("Speaking of rain, UBS’s Jane Doe isn’t carrying an umbrella: Rates fall a lot in June.")[-1][0] == "UBS"
    )


def test_an_echo_in_running_prose_shows_that_the_writer_took_over() -> None:
    text = (
        "Here’s UBS: Stocks rise in June. The milk price will rise too. "
        "The milk price was high in May as well. Here’s Citi: Rates will rise a lot."
    )
    assert (None, "The milk price was high in May as well. Here’s Citi:") in heard(text)


def test_a_turn_carried_by_a_lead_in_ends_with_its_paragraph() -> None:
    text = "There is a note from UBS on June. The key passage:\n\nRates fall.\n\nThe dentists are on strike again."
    assert heard(text)[-1] == (None, "The dentists are on strike again.")


def test_she_adds_in_a_turn_shows_that_the_writer_is_quoting_again() -> None:
    text = (
        "Here’s UBS’s Jane Doe: Rates fall. Stocks rise a lot in June. The rain has noticed. "
        "“Nobody wants June to end,” she adds. Rain."
    )
    assert heard(text)[2:] == [
        (None, "The rain has noticed."),
        ("UBS", "“Nobody wants June to end,” she adds."),
        (None, "Rain."),
    ]


def test_her_target_is_the_speaker_s() -> None:
    text = "UBS’s Jane Doe says rates fall. Her target of $9 rests on June."
    assert heard(text) == [("UBS", text)]
