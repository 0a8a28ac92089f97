from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date
from email.message import EmailMessage
from pathlib import Path

import pytest

from rag import Assistant, Settings
from rag.contents import PAGE, Twin
from tests.fakes import WordEmbedder

LONG = """\
Margins at the chip makers will narrow this year because their largest buyers design parts of their own. We expect
orders from the cloud companies to slow by 12% in the second half, while smaller buyers wait for cheaper parts. The
memory houses gain from it, since every accelerator carries more memory than the one before. Our rating on the sector
stays neutral, and the price targets that we published in December are unchanged.
"""


def titles(desk: Assistant, text: str = "", **filters: str | list[str]) -> list[str]:
    return [entry.title for entry in desk.entries(text, **filters).entries]  # type: ignore[arg-type]


@pytest.fixture
def many(tmp_path: Path) -> Iterator[Assistant]:
    """120 notes, of which two are of each day."""
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number in range(120):
        day = date.fromordinal(date(2025, 1, 1).toordinal() + number // 2)
        (corpus / f"{number:03}.md").write_text(f"---\ntitle: Note {number:03}\ndate: {day}\n---\n\nCopper {number}.\n")
    settings = Settings.load(folder=tmp_path, corpus=corpus, index=tmp_path / "index")
    with Assistant.open(settings, embedder=WordEmbedder(), own=True) as desk:
        desk.sync()
        yield desk


def test_documents_are_listed_newest_first(desk: Assistant) -> None:
    assert titles(desk) == ["Prices", "Advanced chips still matter", "The five million"]


def test_an_entry_says_who_wrote_what_and_how_much_of_it(desk: Assistant) -> None:
    entry = desk.entries().entries[2]
    assert (entry.path, entry.kind, entry.author, entry.house) == (
        "bernstein.eml", "email", "Stacy Rasgon", "Bernstein",
    )  # fmt: skip
    assert (entry.passages, entry.repeats, entry.copies) == (1, 0, 0)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("CHIPS", ["Advanced chips still matter"]),
        ("malik advanced", ["Advanced chips still matter"]),
        ("rasgon chips", []),
        ("%", []),
        ("_", []),
        ("\\", []),
        ("' OR 1 --", []),
        ("x" * 1_000_000, []),
    ],
)
def test_each_word_has_to_stand_in_title_or_author(desk: Assistant, text: str, found: list[str]) -> None:
    assert titles(desk, text) == found


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"house": ["Citi"]}, ["Advanced chips still matter"]),
        ({"since": "2025-01-28", "until": "2025-01-28"}, ["Advanced chips still matter"]),
        ({"until": "2025-01-27"}, ["The five million"]),
        ({"kind": "note"}, ["Prices"]),
        ({"voice": "quoted"}, []),
    ],
)
def test_documents_are_limited_to_houses_and_days(
    desk: Assistant, filters: dict[str, str | list[str]], found: list[str]
) -> None:
    assert titles(desk, **filters) == found  # type: ignore[arg-type]


def test_a_house_that_is_quoted_in_a_mail_counts(desk: Assistant, corpus: Path) -> None:
    (corpus / "quoting.eml").write_text(
        "From: Ann <ann@desk.example>\nSubject: What they say\nDate: Wed, 29 Jan 2025 09:00:00 +0000\n\nSee below.\n\n"
        "From: Jim Reid <jim.reid@db.com>\nSent: 28 January 2025\nTo: Ann\nSubject: Early\n\nRates will fall by June.\n"
    )
    desk.sync()
    assert titles(desk, house=["Deutsche Bank"]) == ["What they say"]


def test_a_page_holds_fifty_and_the_next_goes_on(many: Assistant) -> None:
    pages = [many.entries(offset=start) for start in range(0, 120, PAGE)]
    shown = [entry.title for page in pages for entry in page.entries]
    assert [len(page.entries) for page in pages] == [50, 50, 20]
    assert len(set(shown)) == 120


@pytest.mark.parametrize(("offset", "begins"), [(10_000, 100), (-50, 0)])
def test_a_page_beyond_the_ends_is_the_nearest(many: Assistant, offset: int, begins: int) -> None:
    assert many.entries(offset=offset).offset == begins


def test_a_day_is_counted_whole_where_the_page_shows_a_part_of_it(many: Assistant) -> None:
    found = many.entries("note 1")
    assert set(found.days.values()) <= {1, 2}
    assert many.entries().days[date(2025, 3, 1)] == 2


def test_an_attachment_names_the_mail_it_came_with(desk: Assistant, corpus: Path) -> None:
    mail = EmailMessage()
    mail["From"], mail["Subject"], mail["Date"] = "ann@citi.com", "With a file", "Thu, 30 Jan 2025 09:00:00 +0000"
    mail.set_content("Attached.")
    mail.add_attachment("Zinc is dear.", filename="zinc.txt")
    (corpus / "with.eml").write_bytes(bytes(mail))
    desk.sync()
    (entry,) = [one for one in desk.entries().entries if one.attachment]
    assert (entry.attachment, entry.parent, entry.path) == ("zinc.txt", "With a file", "with.eml")


def test_copies_are_counted_on_both_sides(desk: Assistant, corpus: Path) -> None:
    original = f"From: Ana Ruiz <ana.ruiz@citi.com>\nDate: Mon, 27 Jan 2025 08:00:00 +0000\nSubject: chips\n\n{LONG}"
    (corpus / "original.eml").write_text(original)
    (corpus / "forward.eml").write_text(
        "From: Jo Reader <jo@fund.example>\nDate: Wed, 29 Jan 2025 09:00:00 +0000\nSubject: FW: chips\n\n"
        "Have a look.\n\n-----Original Message-----\nFrom: Ana Ruiz <ana.ruiz@citi.com>\n"
        "Sent: Monday, January 27, 2025 8:00 AM\n"
        f"To: Jo\nSubject: chips\n\n{LONG}"
    )
    desk.sync()
    found = {entry.path: entry for entry in desk.entries().entries}
    assert (found["original.eml"].copies, found["original.eml"].repeats) == (1, 0)
    assert (found["forward.eml"].copies, found["forward.eml"].repeats > 0) == (0, True)


def test_a_file_with_the_same_content_is_a_twin_of_the_one_before_it(desk: Assistant, corpus: Path) -> None:
    shutil.copy(corpus / "citi.eml", corpus / "a first by name.eml")
    desk.sync()
    assert desk.contents.twins(10) == ((Twin("a first by name.eml", "citi.eml"),), 1)
    found = desk.contents.file("a first by name.eml")
    assert found is not None
    assert found.twin == "citi.eml"


def test_a_broken_file_is_known_with_its_reason(desk: Assistant, corpus: Path) -> None:
    (corpus / "broken.pdf").write_bytes(b"no pdf")
    desk.sync()
    found = desk.contents.file("broken.pdf")
    assert found is not None
    assert (found.documents, found.failures) == (0, desk.contents.failures())
    assert "not a PDF" in found.failures[0].reason


def test_a_file_that_is_not_indexed_is_not_known(desk: Assistant) -> None:
    assert desk.contents.file("nowhere.eml") is None


def test_houses_are_counted_with_their_latest_day(desk: Assistant) -> None:
    counted = {one.house: (one.documents, one.latest.date()) for one in desk.contents.houses()}
    assert counted["Citi"] == (1, date(2025, 1, 28))


def test_what_was_indexed_last_comes_first(desk: Assistant, corpus: Path) -> None:
    (corpus / "old.md").write_text("---\ntitle: Old news\ndate: 2001-01-01\n---\n\nTin is cheap.\n")
    desk.sync()
    assert [entry.title for entry in desk.contents.latest(1)] == ["Old news"]


def test_a_page_reads_no_text_of_a_document(many: Assistant) -> None:
    catalogue = many._known()
    plan = catalogue._read(
        "EXPLAIN QUERY PLAN SELECT count(*) FROM documents WHERE (title || author) LIKE 'x' AND date >= '2025'"
    )
    assert all("USING COVERING INDEX documents_date" in row[3] for row in plan)
