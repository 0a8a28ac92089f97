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
        "Il giorno lun 27 gen 2025 alle ore 09:14 Ann Lee <ann@ubs.com> ha scritto:",
        "Op ma 27 jan. 2025 om 09:14 schreef Ann Lee <ann@ubs.com>:",
        "Op 27 jan. 2025, om 09:14 heeft Ann Lee <ann@ubs.com> het volgende geschreven:",
        "Am 27. Jan. 2025 um 09:14 hat Ann Lee <ann@ubs.com> Folgendes geschrieben:",
        "Ann Lee <ann@ubs.com> schrieb am Mo., 27. Jan. 2025, 09:14:",
        "Em seg., 27 de jan. de 2025 às 09:14, Ann Lee <ann@ubs.com> escreveu:",
        "Ann Lee <ann@ubs.com> escreveu (segunda, 27/01/2025 à(s) 09:14):",
        "Den mån 27 jan. 2025 kl 09:14 skrev Ann Lee <ann@ubs.com>:",
        "man. 27. jan. 2025 kl. 09:14 skrev Ann Lee <ann@ubs.com>:",
        "Den man. 27. jan. 2025 kl. 09.14 skrev Ann Lee <ann@ubs.com>:",
        "pon., 27 sty 2025 o 09:14 Ann Lee <ann@ubs.com> napisał(a):",
        "пн, 27 янв. 2025 г. в 09:14, Ann Lee <ann@ubs.com>:",
        "27 янв. 2025 г., в 09:14, Ann Lee <ann@ubs.com> написал(а):",
        "Ann Lee <ann@ubs.com> 于2025年1月27日周一 09:14写道：",
        "在 2025年1月27日，09:14，Ann Lee <ann@ubs.com> 写道：",
        "2025年1月27日(月) 9:14 Ann Lee <ann@ubs.com>:",
        "2025/01/27 9:14、Ann Lee <ann@ubs.com>のメール:",
        "2025년 1월 27일 (월) 오전 9:14, Ann Lee <ann@ubs.com>님이 작성:",
        "On 27 January 2025 at 09:14:02 GMT, Ann\nLee <ann@ubs.com\n> wrote:",
        "On 27 January 2025, Ann\nLee\n<ann@ubs.com>\nwrote:",
        '27.01.2025, 09:14, "Ann Lee" <ann@ubs.com>:',
        "Mon, 27 Jan 2025 09:14:00 +0000 от Ann Lee <ann@ubs.com>:",
        "Ann Lee <ann@ubs.com> wrote:",
        '"Lee, Ann" <ann@ubs.com> wrote:',
        "--- Ann Lee <ann@ubs.com> wrote:",
        "On Mon, 27 Jan 2025 09:14:00 +0000, ann@ubs.com (Ann\nLee) wrote:",
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
        "Da: Ann Lee <ann@ubs.com>\nInviato: lunedì\nA: Bob\nOggetto: Tassi",
        "Van: Ann Lee <ann@ubs.com>\nVerzonden: maandag\nAan: Bob\nOnderwerp: Rente",
        "Från: Ann Lee <ann@ubs.com>\nSkickat: den 27 januari\nTill: Bob\nÄmne: Räntor",
        "Fra: Ann Lee <ann@ubs.com>\nSendt: mandag\nTil: Bob\nEmne: Renter",
        "Od: Ann Lee <ann@ubs.com>\nWysłano: poniedziałek\nDo: Bob\nTemat: Stopy",
        "От: Ann Lee <ann@ubs.com>\nОтправлено: понедельник\nКому: Bob\nТема: Ставки",
        "发件人：Ann Lee <ann@ubs.com>\n发送时间：2025年1月27日\n收件人：Bob\n主题：利率",
        "差出人: Ann Lee <ann@ubs.com>\n送信日時: 2025年1月27日\n宛先: Bob\n件名: 金利",
        "보낸 사람: Ann Lee <ann@ubs.com>\n보낸 날짜: 2025년 1월 27일\n받는 사람: Bob\n제목: 금리",
        "Subject: Rates\nFrom: Ann Lee <ann@ubs.com>\nTo: Bob\nDate: Monday",
        "----- Original Message -----\nFrom: Ann Lee <ann@ubs.com>\nSubject: Rates",
        "From: Ann Lee <ann@ubs.com>\nSent: 27 January 2025 09:14",
        "**From:** Ann Lee <ann@ubs.com>\n**Sent:** Monday\n**To:** Bob",
        "From: Ann Lee [mailto:ann@ubs.com] On Behalf Of Research\nSent: Monday\nTo: Bob",
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


@pytest.mark.parametrize(
    "text",
    [
        "On 2 May 2024, Ann Lee wrote:\n" * 20_000,
        "From: " + "a" * 400_000 + "\nTo: x\nSubject: y\n\nz",
        "From: " + "(" * 400_000 + "\nTo: x\nSubject: y\n\nz",
        "> Rates fell.\n" * 50_000,
        "On 2 May 2024, Ann Lee\n" * 20_000,
        "".join(">" * depth + "On 2 May 2024, Ann Lee <a@b.co> wrote:\n" for depth in range(400)) + "x\n" * 50_000,
        "a@" * 500_000,
    ],
    ids=["announcements", "long sender", "brackets", "quoted", "half announced", "nested", "one line"],
)
def test_long_mails_are_cut_in_linear_time(text: str) -> None:
    began = time.process_time()
    parts(text)
    assert time.process_time() - began < 30


def dated(announcement: str) -> str | None:
    found = quoted(f"Yes.\n\n{announcement}\n\n> Rates fell.\n").date
    return found.isoformat()[:16] if found else None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("On Mon, Jan 27, 2025 at 9:14 PM Ann Lee <a@ubs.com> wrote:", "2025-01-27T21:14"),
        ("On 27 January 2025 at 09:14:02 GMT+1, Ann Lee <a@ubs.com> wrote:", "2025-01-27T08:14"),
        ("On 27/01/2025 09:14, Ann Lee <a@ubs.com> wrote:", "2025-01-27T09:14"),
        ("On 01/27/2025 09:14 AM, Ann Lee <a@ubs.com> wrote:", "2025-01-27T09:14"),
        ("On 02/03/2025 09:14, Ann Lee <a@ubs.com> wrote:", None),
        ("On Monday, Ann Lee <a@ubs.com> wrote:", None),
        ("On 31 February 2025, Ann Lee <a@ubs.com> wrote:", None),
        ("On 2 May 2924, Ann Lee <a@ubs.com> wrote:", None),
        ("On 2 May 1924, Ann Lee <a@ubs.com> wrote:", None),
        ("Am 02.03.2025 um 09:14 schrieb Ann Lee <a@ubs.com>:", "2025-03-02T09:14"),
        ("Le 02/03/2025 à 09:14, Ann Lee <a@ubs.com> a écrit :", "2025-03-02T09:14"),
        ("Em seg., 27 de out. de 2025 às 09:14, Ann Lee <a@ubs.com> escreveu:", "2025-10-27T09:14"),
        ("Den 27. maj 2025 kl. 09.14 skrev Ann Lee <a@ubs.com>:", "2025-05-27T09:14"),
        ("W dniu 27 sierpnia 2025 o 09:14, Ann Lee <a@ubs.com> pisze:", "2025-08-27T09:14"),
        ("Ann Lee <a@ubs.com> 於 2025年1月27日 週一 下午9:14寫道：", "2025-01-27T21:14"),
        ("2025. 1. 27. 오전 12:14, Ann Lee <a@ubs.com> 작성:", "2025-01-27T00:14"),
        ("From: Ann Lee\nDate: Mon, 27 Jan 2025 09:14:22 -0500\nTo: Bob", "2025-01-27T14:14"),
        ("From: Ann Lee\nSent: Monday, January 27, 2025 9:14 AM EST\nTo: Bob", "2025-01-27T14:14"),
        ("De : Ann Lee\nEnvoyé : lundi 27 janvier 2025 09:14\nÀ : Bob", "2025-01-27T09:14"),
        ("Von: Ann Lee\nGesendet: Montag, 27. Januar 2025 09:14\nAn: Bob", "2025-01-27T09:14"),
        ("От: Ann Lee\nОтправлено: 27 июня 2025 г. 9:14\nКому: Bob", "2025-06-27T09:14"),
        ("From: Ann Lee\nDate: yesterday\nTo: Bob", None),
    ],
)
def test_a_quoted_message_has_the_date_that_can_be_read_in_one_way_only(line: str, expected: str | None) -> None:
    assert dated(line) == expected


@given(st.text(max_size=60), st.text(alphabet="0123456789:./- APMjan年月日", max_size=30))
def test_no_date_line_breaks_the_reading(name: str, date: str) -> None:
    text = f"On {date} {name} <a@b.co> wrote:\n> x\n\nFrom: {name}\nDate: {date}\nTo: x\n"
    assert "".join(text[part.start : part.end] for part in parts(text)) == text


@pytest.mark.parametrize("line", ["On Monday, Jane wrote:", "Jane Doe wrote:", "On Monday, Jane\nwrote:"])
def test_a_name_alone_announces_quoted_lines_only(line: str) -> None:
    assert quoted(f"No.\n\n{line}\n> Rates fell.\n").confidence == 0.9
    assert not any(part.quoted for part in parts(f"No.\n\n{line}\n\nRates fell.\n"))


@pytest.mark.parametrize(
    "text",
    [
        "On Monday 9:30 he wrote:\n> Rates fell.\n",
        "On 2 May 2024 the board met. Ann Lee wrote:\n\nRates fell.\n",
        "Please ask ann@ubs.com who wrote:\n\nRates fell.\n",
        "Call 12:30 or mail ann@ubs.com:\n\nRates fell.\n",
        "To: be seen\nDate: unknown\nSubject: rates\n",
    ],
)
def test_prose_that_looks_like_an_announcement_names_nobody(text: str) -> None:
    assert not any(part.quoted for part in parts(text))


def test_text_below_an_attribution_line_with_an_address_is_quoted_without_marks() -> None:
    assert quoted("Yes.\n\nOn 2 May 2024, Ann Lee <a@ubs.com> wrote:\n\nRates fell.\n").person == "Ann Lee"


@pytest.mark.parametrize(
    ("text", "cue", "confidence"),
    [
        ("Hi\n\nOn 2 May 2024, Ann <a@b.co> wrote:\n> x\n", "On 2 May 2024, Ann <a@b.co> wrote:", 1.0),
        ("Hi\n\nOn 2 May 2024, Ann wrote:\n> x\n", "On 2 May 2024, Ann wrote:", 0.9),
        ("Hi\n\n-- Forwarded message --\nFrom: Ann\nTo: x\n\nx\n", "-- Forwarded message --\nFrom: Ann\nTo: x", 1.0),
        ("Hi\n\n--- Original Message ---\nRates\n", "--- Original Message ---", 0.5),
    ],
)
def test_the_lines_that_name_the_writer_are_the_cue(text: str, cue: str, confidence: float) -> None:
    part = quoted(text)
    assert part.cue
    assert (text[slice(*part.cue)], part.confidence) == (cue, confidence)
