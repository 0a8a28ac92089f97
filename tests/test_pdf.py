from __future__ import annotations

import contextlib
import random
import time
from datetime import UTC, datetime

import pytest

from rag.errors import ReadError
from rag.readers.parsed import Parsed
from rag.readers.pdf import created, parse, stated_person, stated_title
from rag.records import SourceFile

SOURCE = SourceFile("note.pdf", "0" * 64, 1, 1_700_000_000_000_000_000)
PICTURE = "q 612 0 0 792 0 0 cm BI /W 1 /H 1 /CS /G /BPC 8 ID \x80 EI Q "


def pdf(*pages: str, info: str = "", trailer: str = "") -> bytes:
    """A file with a content stream a page, in 12 point Helvetica on US letter."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", "", "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    objects.append(f"<< {info} >>")
    kids = []
    for page in pages:
        objects.append(f"<< /Length {len(page)} >>\nstream\n{page}\nendstream")
        objects.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F 3 0 R >> >> "
            f"/Contents {len(objects)} 0 R >>"
        )
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>"
    out, offsets = "%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{content}\nendobj\n"
    rows = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    end = f"trailer << /Size {len(objects) + 1} /Root 1 0 R /Info 4 0 R {trailer} >>\nstartxref\n{len(out)}\n%%EOF\n"
    return f"{out}xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{rows}{end}".encode("latin-1")


def lines(*said: str, top: int = 700, step: int = 14, before: str = "") -> str:
    """A block of text; an empty string is an empty line."""
    return f"BT {before} /F 12 Tf 72 {top} Td " + " ".join(f"({line}) Tj 0 -{step} Td" for line in said) + " ET "


def read(*pages: str, info: str = "") -> Parsed:
    return parse(SOURCE, pdf(*pages, info=info))


def text(*pages: str) -> str:
    return read(*pages).document.text


LONG = "The margins of the retailer rose again in the quarter, as the costs of"


def test_the_properties_say_title_author_and_date() -> None:
    document = read(
        lines("Words"), info="/Title (Margins rise) /Author (Ana Ortega) /CreationDate (D:20250127)"
    ).document
    assert (document.title, document.author, document.text) == ("Margins rise", "Ana Ortega", "Words")
    assert (document.date, document.kind) == (datetime(2025, 1, 27, tzinfo=UTC), "note")
    assert document.meta == {"date_source": "metadata"}


def test_a_date_in_the_text_comes_first() -> None:
    document = read(lines("26 January 2025"), info="/CreationDate (D:20250127)").document
    assert (document.date, document.meta["date_source"]) == (datetime(2025, 1, 26, tzinfo=UTC), "text")


def test_a_wrapped_sentence_is_one_line() -> None:
    assert text(lines(LONG, "freight fell. It will last.", "Next")) == f"{LONG} freight fell. It will last.\nNext"


def test_an_empty_line_ends_a_paragraph() -> None:
    assert text(lines(LONG, LONG, LONG, "", "next")) == f"{LONG} {LONG} {LONG}\n\nnext"


@pytest.mark.parametrize(
    "said",
    [
        (LONG + " all.", "freight fell"),
        (LONG, "- freight fell"),
        ("Short line that has room", LONG),
        (LONG + " 12.5", "freight"),
    ],
)
def test_line_breaks_that_may_mean_something_stay(said: tuple[str, str]) -> None:
    assert text(lines(*said)) == "\n".join(said)


def test_columns_are_not_run_together() -> None:
    row = "BT /F 12 Tf 72 {0} Td (Sales of the group in the last year) Tj 380 0 Td (in million) Tj ET "
    assert text(row.format(700) + row.format(686)) == "\n".join(["Sales of the group in the last year in million"] * 2)


def test_a_parted_word_is_one_word_again() -> None:
    assert text(lines("The exam-", "ple is short")) == "The example is short"


def test_a_hyphen_that_the_text_has_elsewhere_stays() -> None:
    assert text(lines("A mid-cap name.", "The mid-", "cap is up")) == "A mid-cap name.\nThe mid-cap is up"


def test_a_hyphen_before_a_capital_stays() -> None:
    assert text(lines("The Franco-", "German trade")) == "The Franco-German trade"


def test_running_heads_and_feet_go_whatever_their_numbers() -> None:
    pages = [
        lines("Example Research", top=770) + lines(f"Words {number}") + lines(f"Page {number} of 3", top=30)
        for number in "123"
    ]
    assert text(*pages) == "Words 1\n\nWords 2\n\nWords 3"


def test_two_pages_have_no_running_heads() -> None:
    assert text(*[lines("Example Research", top=770)] * 2) == "Example Research\n\nExample Research"


def test_the_date_in_a_running_head_is_the_date_of_the_document() -> None:
    document = read(*[lines("27 January 2025", top=770) + lines("Words")] * 3).document
    assert (document.text, document.date) == ("Words\n\nWords\n\nWords", datetime(2025, 1, 27, tzinfo=UTC))


@pytest.mark.parametrize(
    "unseen",
    [
        lines("unseen", top=600, before="3 Tr") + "0 Tr ",
        "1 g " + lines("unseen", top=600),
        "BT /F 1 Tf 72 600 Td (unseen) Tj ET ",
        lines("unseen", top=2000),
        "BT /F 12 Tf 900 600 Td (unseen) Tj ET ",
        "BT /F 12 Tf 0.05 0 0 0.05 72 600 Tm (unseen) Tj ET ",
    ],
)
def test_what_nobody_sees_goes_and_is_counted(unseen: str) -> None:
    parsed = read(lines("Seen") + unseen)
    assert (parsed.document.text, parsed.document.meta["hidden"]) == ("Seen", "1")


@pytest.mark.parametrize("ground", ["0.2 g 0 590 612 40 re f 1 g ", PICTURE + "1 g "])
def test_white_text_on_a_dark_ground_is_seen(ground: str) -> None:
    document = read(ground + lines("Seen", top=600)).document
    assert (document.text, "hidden" in document.meta) == ("Seen", False)


def test_white_text_beside_the_dark_ground_is_not_seen() -> None:
    assert text("0.2 g 0 100 612 40 re f 0 g " + lines("Seen") + "1 g " + lines("unseen", top=600)) == "Seen"


def test_the_words_that_a_scanner_recognised_are_kept() -> None:
    document = read(PICTURE + lines("Recognised words", before="3 Tr")).document
    assert (document.text, "hidden" in document.meta) == ("Recognised words", False)


def test_a_page_of_invisible_text_without_a_picture_is_hidden() -> None:
    parsed = read(lines("Seen"), lines("Invisible words", before="3 Tr"))
    assert (parsed.document.text, parsed.document.meta["hidden"]) == ("Seen", "1")


@pytest.mark.parametrize("page", ["", PICTURE])
def test_a_file_without_text_is_refused(page: str) -> None:
    with pytest.raises(ReadError, match="no text layer"):
        read(page)


def test_an_encrypted_file_is_refused() -> None:
    locked = f"/Encrypt << /Filter /Standard /V 1 /R 2 /O <{'00' * 32}> /U <{'00' * 32}> /P -4 >> /ID [<00> <00>]"
    with pytest.raises(ReadError, match="encrypted"):
        parse(SOURCE, pdf(lines("x"), trailer=locked))


@pytest.mark.parametrize("raw", [b"", b"words", b"%PDF-1.7\n%%EOF"])
def test_what_is_no_pdf_is_refused(raw: bytes) -> None:
    with pytest.raises(ReadError, match="not a PDF"):
        parse(SOURCE, raw)


def test_pages_beyond_five_hundred_are_left_out_and_said_to_be() -> None:
    parsed = read(*(lines(f"Words {number}") for number in range(502)))
    assert "Words 499" in parsed.document.text
    assert "Words 500" not in parsed.document.text
    assert parsed.left_out == ("of its 502 pages the first 500 are read",)


@pytest.mark.parametrize(
    ("stated", "title"),
    [
        ("Margins rise", "Margins rise"),
        ("Microsoft Word - note 3.doc", ""),
        ("untitled", ""),
        ("Presentation 1", ""),
        ("note_final.indd", ""),
        ("20250127_v3", ""),
        ("", ""),
    ],
)
def test_titles_that_a_program_made_up_are_none(stated: str, title: str) -> None:
    assert stated_title(stated) == title


@pytest.mark.parametrize(
    ("stated", "person"),
    [
        ("Ana Ortega", "Ana Ortega"),
        ("Jean-Luc d'Arc", "Jean-Luc d'Arc"),
        ("J. R. O'Neill", "J. R. O'Neill"),
        ("Example Research", None),
        ("Administrator", None),
        ("aortega2", None),
        ("Ana Ortega, Ben Cole", None),
        ("", None),
    ],
)
def test_only_a_person_is_an_author(stated: str, person: str | None) -> None:
    assert stated_person(stated) == person


@pytest.mark.parametrize(
    ("stated", "date"),
    [
        ("D:20250127082816-05'00'", datetime(2025, 1, 27, 13, 28, 16, tzinfo=UTC)),
        ("D:2025", datetime(2025, 1, 1, tzinfo=UTC)),
        ("D:20251399", None),
        ("D:20250127082816+99'00'", None),
        ("yesterday", None),
    ],
)
def test_dates_of_the_properties_are_understood(stated: str, date: datetime | None) -> None:
    assert created(stated) == date


@pytest.mark.parametrize("seed", range(60))
def test_a_mutated_file_is_read_or_refused_in_time(seed: int) -> None:
    chance, raw = random.Random(seed), bytearray(pdf(lines("Words", LONG, LONG), PICTURE, info="/Title (x)"))
    for _ in range(chance.choice((1, 5, 50))):
        raw[chance.randrange(len(raw))] = chance.randrange(256)
    start = time.perf_counter()
    with contextlib.suppress(Exception):
        parse(SOURCE, bytes(raw[: chance.choice((len(raw), chance.randrange(len(raw))))]))
    assert time.perf_counter() - start < 30


def test_a_damaged_page_is_left_out_and_said() -> None:
    raw = pdf(lines("Seen"), lines("Lost")).replace(b"[6 0 R 8 0 R]", b"[6 0 R 3 0 R]")
    parsed = parse(SOURCE, raw)
    assert parsed.document.text == "Seen"
    assert parsed.left_out == ("1 of its pages are damaged",)
