from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.evidence import Claim, Source
from rag.records import Chunk, Document, Hit, Quote, Role, Voice


def source(
    text: str,
    house: str | None = "UBS",
    person: str | None = "Ann Reader",
    *,
    around: str = "",
    title: str = "Metals weekly",
    role: Role = "author",
    bearer: str | None = None,
) -> Source:
    passage = text + around
    voice = Voice(0, len(passage), house, person, role)
    date = datetime(2025, 3, 11, tzinfo=UTC)
    document = Document("d", "a.eml", "email", title, passage, date, None, bearer or house, voices=(voice,))
    hit = Hit(Chunk("c", "d", 0, len(passage), passage, voice), document, 1.0, {})
    return Source.of(Quote(3, hit, 0, len(text), text))


def names(text: str) -> list[str]:
    return [name for _, name in Claim.of(text).names]


# Claims


@pytest.mark.parametrize(
    ("text", "quotation"),
    [
        ('The board said "no deal is near".', "no deal is near"),
        ("The board said “no deal is near”.", "no deal is near"),
        ("The board said ‘no deal is near’.", "no deal is near"),
        ("The board said 'no deal is near'.", "no deal is near"),
        ("The board said ‘the deal isn’t near’.", "the deal isn’t near"),
        ("Tin is “scarce”.", "scarce"),
    ],
)
def test_text_in_any_quotation_marks_is_a_quotation(text: str, quotation: str) -> None:
    assert Claim.of(text).quotations == (quotation,)


@pytest.mark.parametrize(
    "text",
    ["Tin's glut and zinc's dearth.", "Tin’s glut and zinc’s dearth.", "The '90s glut.", "It is 5' long.", "“…”", '""'],
)
def test_apostrophes_feet_and_empty_marks_are_no_quotations(text: str) -> None:
    assert Claim.of(text).quotations == ()


def test_two_quotations_are_two() -> None:
    assert Claim.of("Tin is “scarce” and zinc “abundant”.").quotations == ("scarce", "abundant")


@pytest.mark.parametrize(
    "text",
    [
        "UBS says tin fell.",
        "UBS’s view is that tin fell.",
        "UBS's analysts expect tin to fall.",
        "UBS (Ann Reader) expects tin to fall.",
        "According to UBS, tin fell.",
        "According to analysts at UBS, tin fell.",
        "In the view of UBS, tin fell.",
        "Tin fell, per UBS.",
        "Tin fell, says UBS.",
        "“Tin fell,” said UBS.",
        "UBS also argues that tin fell.",
        "UBS’s target is higher.",
    ],
)
def test_a_house_that_says_something_is_a_speaker(text: str) -> None:
    assert Claim.of(text).speakers == {"UBS"}


@pytest.mark.parametrize(
    "text",
    [
        "UBS has the highest share.",
        "Tin fell at UBS.",
        "The smelter sued UBS over tin.",
        "UBS cut 200 jobs.",
        "Shares of UBS fell 4%.",
    ],
)
def test_a_house_that_is_spoken_of_is_named_and_no_speaker(text: str) -> None:
    claim = Claim.of(text)
    assert set(claim.houses) == {"UBS"}
    assert not claim.speakers


def test_a_house_has_one_name_whatever_it_is_called() -> None:
    assert Claim.of("Goldman sees tin rising.").houses == Claim.of("Goldman Sachs sees tin rising.").houses


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Output at Kandal fell.", ["Kandal"]),
        ("Ann Reader sees tin falling.", ["Ann Reader"]),
        ("However, Borneo Tin fell.", ["Borneo Tin"]),
        ("Tin fell in Malaysia’s north.", ["Malaysia"]),
        ("Nvidia fell.", ["Nvidia"]),
        ("Chinese tin fell.", ["Chinese"]),
        ("The Bank of Thailand cut.", ["Bank of Thailand"]),
    ],
)
def test_the_names_of_a_claim_are_its_capitalised_words(text: str, expected: list[str]) -> None:
    assert names(text) == expected


@pytest.mark.parametrize(
    "text", ["Smelters fell.", "The smelter fell.", "UBS says so.", "Tin made $5M in the H20.", ""]
)
def test_openers_houses_and_figures_are_no_names(text: str) -> None:
    assert names(text) == []


def test_a_name_stands_where_it_says() -> None:
    text = "However, Borneo Tin and Kandal fell."
    assert all(text[start:].startswith(name) for start, name in Claim.of(text).names)


def test_the_figures_of_a_claim_are_its_amounts() -> None:
    assert [amount.text for amount in Claim.of("Tin fell 4% to $28,500 a tonne.").amounts] == ["4%", "$28,500"]


# Sources


def test_a_source_has_its_label_and_its_text_on_one_line() -> None:
    one = source("Tin fell\n  4%.")
    assert (one.label, one.text) == (3, "Tin fell 4%.")


def test_the_date_on_the_card_is_no_figure_of_what_the_source_speaks_of() -> None:
    told = source("Tin fell.")
    assert (told.date.figure.value, told.amounts) == ("2025-03-11", ())


def test_the_house_of_the_voice_speaks_in_its_source() -> None:
    assert source("Tin fell.").voices == {"UBS"}


def test_a_house_that_is_said_to_say_it_speaks_in_the_source() -> None:
    assert source("Tin falls, according to Citi.").voices == {"UBS", "Citi"}


def test_a_house_that_is_named_inside_does_not_speak_there() -> None:
    one = source("Citi has the highest share of tin.")
    assert set(one.houses) == {"UBS", "Citi"}
    assert set(one.voices) == {"UBS"}


def test_the_house_of_the_mail_does_not_speak_the_words_that_it_quotes() -> None:
    one = source("Tin fell.", None, None, role="quoted", bearer="Citi")
    assert set(one.houses) == {"Citi"}
    assert not one.voices


def test_words_around_the_quote_give_names_and_nothing_else() -> None:
    one = source("Output fell.", around=" Kandal lost $5M.")
    assert "kandal" in one.names
    assert "kandal" not in one.tokens
    assert "kandal" not in one.content
    assert "$5M" not in {amount.text for amount in one.amounts}


def test_the_title_gives_names_and_content() -> None:
    one = source("Output fell.", title="Kandal closes")
    assert "kandal" in one.names
    assert "kandal" in one.content


def test_the_person_on_the_card_is_known() -> None:
    assert {"ann", "reader"} <= source("Tin fell.").tokens


def test_each_sentence_of_a_source_is_read_by_itself() -> None:
    assert len(source("Tin fell. Zinc rose.").sentences) == 2


@given(st.text(max_size=200))
def test_any_text_can_be_a_claim_and_a_source(text: str) -> None:
    claim, theirs = Claim.of(text), source(text)
    assert claim.speakers <= claim.houses
    assert theirs.voices <= theirs.houses


@given(st.text(alphabet="“”\"‘’' aB1.", max_size=80))
def test_a_quotation_is_a_slice_of_its_claim(text: str) -> None:
    assert all(quotation in text for quotation in Claim.of(text).quotations)


@pytest.mark.parametrize("unit", ['“"a ', "“a ", '"a ', "UBS says ", "Ann ", "A.", "A of ", "according to ", "UBS’s "])
def test_twenty_kilobytes_of_one_word_take_no_time(unit: str) -> None:
    started = time.perf_counter()
    Claim.of(unit * (20_000 // len(unit)))
    assert time.perf_counter() - started < 30
