from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.replies import Part, parts, person_name

LINES = st.sampled_from(
    ["Hello", "> quoted", ">> deeper", "", ">", "From: Ann Lee <ann@ubs.com>", "Sent: Monday", "To: me", "Subject: x"]
) | st.sampled_from(["On 2 May 2024, Ann Lee <ann@ubs.com> wrote:", "-----Original Message-----", "-- ", "Regards,"])


def writers(text: str) -> list[tuple[str | None, str]]:
    return [(part.person if part.quoted else "-", text[part.start : part.end].strip()) for part in parts(text)]


def quoted(text: str) -> Part:
    return next(part for part in parts(text) if part.quoted)


@given(st.lists(LINES | st.text(max_size=20), max_size=25).map("\n".join))
def test_parts_cover_the_text_exactly(text: str) -> None:
    assert "".join(text[part.start : part.end] for part in parts(text)) == text


@pytest.mark.parametrize(
    "line",
    [
        "On Mon, Jan 27, 2025 at 9:14 AM Ann Lee <ann@ubs.com> wrote:",
        "On 27/01/2025 09:14, Lee, Ann <mailto:ann@ubs.com> wrote:",
        "On 27 January 2025 at 09:14:02 GMT, Ann Lee\n<ann@ubs.com> wrote:",
        "Am 27.01.2025 um 09:14 schrieb Ann Lee <ann@ubs.com>:",
        "Am Mo., 27. Jan. 2025 um 09:14 Uhr schrieb Ann Lee <ann@ubs.com>:",
        "Le lun. 27 janv. 2025 à 09:14, Ann Lee <ann@ubs.com> a écrit :",
        "El lun, 27 ene 2025 a las 9:14, Ann Lee (<ann@ubs.com>) escribió:",
    ],
)
def test_an_attribution_line_names_the_writer_of_the_quoted_lines(line: str) -> None:
    part = quoted(f"Agreed.\n\n{line}\n> Rates fell.\n> A lot.\n")
    assert (part.person, part.address, part.depth) == ("Ann Lee", "ann@ubs.com", 1)


@pytest.mark.parametrize(
    "block",
    [
        "From: Ann Lee <ann@ubs.com>\nSent: Monday\nTo: Bob\nSubject: Rates",
        "-----Original Message-----\nFrom: Lee, Ann [mailto:ann@ubs.com]\nSent: Monday\nTo: Bob",
        "________________________________\nVon: Ann Lee <ann@ubs.com>\nGesendet: Montag\nAn: Bob\nBetreff: Zinsen",
        "---------- Forwarded message ---------\nFrom: Ann Lee <ann@ubs.com>\nDate: Mon\nSubject: Rates\nTo: Bob",
        "Begin forwarded message:\n\n*From: *Ann Lee <ann@ubs.com>\n*Subject: *Rates\n*Date: *Monday\n*To: *Bob",
        "De : Ann Lee <ann@ubs.com>\nEnvoyé : lundi\nÀ : Bob\nObjet : Taux",
    ],
)
def test_a_header_block_names_the_writer_of_what_follows(block: str) -> None:
    part = quoted(f"FYI\n\n{block}\n\nRates fell.\n")
    assert (part.person, part.address) == ("Ann Lee", "ann@ubs.com")


def test_answers_between_quoted_lines_are_the_author_s() -> None:
    text = "On 2 May 2024, Ann Lee wrote:\n> Cut?\nNo.\n> Hike?\nNever.\n"
    assert writers(text) == [
        ("-", "On 2 May 2024, Ann Lee wrote:"),
        ("Ann Lee", "> Cut?"),
        ("-", "No."),
        ("Ann Lee", "> Hike?"),
        ("-", "Never."),
    ]


def test_nested_quotations_belong_to_whom_their_own_line_names() -> None:
    text = "Ok\n\nOn 2 May 2024, Ann Lee wrote:\n> Yes\n> On 1 May 2024, Bo Ek wrote:\n>> Cut?\n> So no\n"
    named = [(person, body.splitlines()[-1]) for person, body in writers(text)]
    assert named == [
        ("-", "Ok"),
        ("-", "On 2 May 2024, Ann Lee wrote:"),
        ("Ann Lee", "> Yes"),
        ("Ann Lee", "> On 1 May 2024, Bo Ek wrote:"),
        ("Bo Ek", ">> Cut?"),
        ("Ann Lee", "> So no"),
    ]


def test_a_forward_in_a_forward_goes_to_the_inner_sender() -> None:
    block = "From: {} <x@ubs.com>\nSent: Monday\nTo: Bob\n\n"
    text = "FYI\n\n" + block.format("Ann Lee") + "See below\n\n" + block.format("Bo Ek") + "Rates fell.\n"
    prose = [part for part in parts(text) if not part.announcing]
    assert [part.person if part.quoted else "-" for part in prose] == ["-", "Ann Lee", "Bo Ek"]


def test_a_quoted_run_that_nobody_is_named_for_stays_in_its_part() -> None:
    assert writers("See:\n> Rates fell.\nOk?") == [("-", "See:\n> Rates fell.\nOk?")]


def test_a_sentence_that_begins_like_an_attribution_line_is_prose() -> None:
    assert len(parts("On 2 May 2024 rates fell.\nFrom: here on, no cuts.\n")) == 1


def test_a_signature_ends_the_prose() -> None:
    text = "Rates fell.\n\nKind regards,\nAnn Lee\nUBS\n"
    assert text[parts(text)[0].signature :].startswith("Kind regards")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Doe, Jane (Citi)", "Jane Doe"),
        ('"Jane Doe"', "Jane Doe"),
        ("Jane Doe, CFA", "Jane Doe, CFA"),
        ("jane@citi.com", None),
        ("  ", None),
        (None, None),
    ],
)
def test_a_display_name_is_made_readable(name: str | None, expected: str | None) -> None:
    assert person_name(name) == expected


def test_the_lines_that_announce_a_quotation_are_a_part_of_their_own() -> None:
    text = "FYI\n\nFrom: Ann Lee <x@ubs.com>\nSent: Monday\nTo: Bob\n\nRates fell.\n"
    (announcing,) = (part for part in parts(text) if part.announcing)
    assert text[announcing.start : announcing.end].strip() == "From: Ann Lee <x@ubs.com>\nSent: Monday\nTo: Bob"


def prose(text: str) -> str:
    (part,) = parts(text)
    return text[: part.signature]


@pytest.mark.parametrize(
    "text",
    [
        "Thanks!\n\nWe upgrade Nvidia to Buy with a target of $140 and expect more.\n",
        "Many thanks,\n\nsee my numbers for the quarter below\n",
        "Cheers\n\nTarget cut to $90\n",
        "Hi Bob,\n\nThanks!\n\nNvidia up, Intel down\n",
        "Rates fell.\n\nBest\n\nTarget cut to 90\n",
        "Rates fell.\n\nThanks\n\nMargins up 4%\n",
        "Rates fell.\n\nThanks\n\n" + "Copper\n" * 9,
        "First item\n--\nSecond item\n--\nThird item\n",
        "Chips fell.\n--\nBanks rose, which we like.\n",
        "Rates fell.\n\nCheers,\nAnn\n\nPS: We upgrade Nvidia today.\n",
    ],
)
def test_no_sign_off_takes_words_of_the_mail_with_it(text: str) -> None:
    assert prose(text) == text


@pytest.mark.parametrize(
    "block",
    [
        "Kind regards,\n\nAnn Lee, CFA\nManaging Director, Head of European Rates\nAcme & Co. Ltd.\n5 St. James St.\n"
        "Tel. +44 20 0000 0000\nann.lee@ubs.com | www.ubs.com\n",
        "-- \nAnn Lee\nUBS\n",
        "Thanks,\nAnn\n\n--\nAnn Lee\nUBS\n",
        "Cheers!\nAnn\n\nSent from my iPhone\n",
    ],
)
def test_a_name_block_is_no_prose(block: str) -> None:
    assert prose("Rates fell.\n\n" + block) == "Rates fell.\n\n"


def test_a_disclaimer_leaves_the_names_above_it_known() -> None:
    text = "Rates fell.\n\nRegards,\nAnn Lee\nUBS\n\nThis message is meant for its recipient only.\n"
    (part,) = parts(text)
    assert part.signature == len(text)
    assert text[slice(*part.signed)].split() == ["Regards,", "Ann", "Lee", "UBS"]


@pytest.mark.parametrize(
    "text",
    [
        "On 2 May 2024, Ann Lee wrote:\n" * 20_000,
        "From: " + "a" * 400_000 + "\nTo: x\nSubject: y\n\nz",
        "From: " + "(" * 400_000 + "\nTo: x\nSubject: y\n\nz",
        "Rates fell.\n" + "Thanks\n" * 20_000,
    ],
    ids=["announcements", "long sender", "brackets", "thanks"],
)
def test_long_mails_are_cut_in_linear_time(text: str) -> None:
    began = time.process_time()
    parts(text)
    assert time.process_time() - began < 2
