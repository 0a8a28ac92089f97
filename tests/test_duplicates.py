from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rag import Assistant, Settings
from rag.copies import FUNCTION_WORDS
from rag.records import Hit
from tests.fakes import WordEmbedder

NOTE = """\
Margins at the chip makers will narrow this year because their largest buyers design parts of their own. We expect
orders from the cloud companies to slow by 12% in the second half, while smaller buyers wait for cheaper parts. The
memory houses gain from it, since every accelerator carries more memory than the one before. Our rating on the sector
stays neutral, and the price targets that we published in December are unchanged.
"""
FORWARD = "From: Jo Reader <jo@fund.example>\nDate: Wed, 29 Jan 2025 09:00:00 +0000\nSubject: FW: chips\n\n"
HEADER = "From: Ana Ruiz <ana.ruiz@citi.com>\nSent: Monday, January 27, 2025 8:00 AM\nTo: Jo\nSubject: chips\n\n"


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    (folder / "plain.md").write_text("Copper is in short supply, and the smelters say so every week.")
    return folder


@pytest.fixture
def desk(inbox: Path, tmp_path: Path) -> Iterator[Assistant]:
    settings = Settings.load(folder=tmp_path, corpus=inbox, index=tmp_path / "ix")
    with Assistant.open(settings, embedder=WordEmbedder()) as assistant:
        yield assistant


def original(inbox: Path, text: str = NOTE, name: str = "original.eml", day: int = 27) -> None:
    date = datetime(2025, 1, 1, 8, tzinfo=UTC) + timedelta(days=day - 1)
    head = f"From: Ana Ruiz <ana.ruiz@citi.com>\nDate: {date:%a, %d %b %Y %H:%M:%S +0000}\nSubject: chips\n\n"
    (inbox / name).write_text(head + text)


def forward(inbox: Path) -> None:
    quoted = "".join(f"> {line}\n" for line in NOTE.splitlines())
    (inbox / "forward.eml").write_text(f"{FORWARD}Have a look.\n\n-----Original Message-----\n{HEADER}{NOTE}")
    (inbox / "reply.eml").write_text(
        f"{FORWARD}Agreed.\n\nOn 27 Jan 2025, Ana Ruiz <ana.ruiz@citi.com> wrote:\n{quoted}"
    )


def bag(inbox: Path) -> None:
    words = (word.strip(".,%").lower() for word in NOTE.split())
    (inbox / "bag.txt").write_text(" ".join(word for word in words if word not in FUNCTION_WORDS))


def found(desk: Assistant, question: str = "orders from cloud companies slow in the second half") -> list[Hit]:
    return [hit for hit in desk.search(question, k=20) if "orders" in hit.chunk.text.lower()]


def test_a_forwarded_and_a_quoted_copy_are_listed_with_the_original(desk: Assistant, inbox: Path) -> None:
    original(inbox)
    forward(inbox)
    desk.sync()
    (hit,) = found(desk)
    assert (hit.document.path, hit.chunk.voice.role) == ("original.eml", "author")
    assert {copy.path for copy in hit.copies} == {"forward.eml", "reply.eml"}


def test_a_bag_of_words_gives_way_to_the_text_that_it_was_made_of(desk: Assistant, inbox: Path) -> None:
    bag(inbox)
    desk.sync()
    assert [hit.document.path for hit in found(desk)] == ["bag.txt"]
    original(inbox)
    report = desk.sync()
    (hit,) = found(desk)
    assert (hit.document.path, [copy.path for copy in hit.copies], report.copies) == ("original.eml", ["bag.txt"], 1)


def test_the_words_of_whoever_forwards_stay_to_be_found(desk: Assistant, inbox: Path) -> None:
    original(inbox)
    forward(inbox)
    desk.sync()
    assert [hit.document.path for hit in desk.search("have a look", k=1)] == ["forward.eml"]


def test_a_copy_is_found_again_when_its_original_goes(desk: Assistant, inbox: Path) -> None:
    original(inbox)
    bag(inbox)
    desk.sync()
    (inbox / "original.eml").unlink()
    desk.sync()
    (hit,) = found(desk)
    assert (hit.document.path, hit.copies) == ("bag.txt", ())


@pytest.mark.parametrize(
    ("before", "after"), [("by 12%", "by 21%"), ("will narrow", "will not narrow"), ("to slow", "to rise")]
)
def test_a_mail_that_says_something_else_in_the_same_words_is_no_copy(
    desk: Assistant, inbox: Path, before: str, after: str
) -> None:
    original(inbox)
    original(inbox, NOTE.replace(before, after), "other.eml", day=28)
    desk.sync()
    assert {hit.document.path for hit in found(desk)} == {"original.eml", "other.eml"}


def test_an_edited_note_is_not_taken_for_a_copy_of_what_it_was(desk: Assistant, inbox: Path) -> None:
    original(inbox)
    desk.sync()
    original(inbox, NOTE + "\nWe add that power is scarce.\n", day=28)
    desk.sync()
    (hit,) = found(desk)
    assert (hit.document.path, hit.copies) == ("original.eml", ())


def paste(inbox: Path, name: str, date: str = "2025-01-27") -> None:
    (inbox / name).write_text(f"---\ndate: {date}\n---\n{NOTE}")


def by_house(desk: Assistant, house: str) -> list[str]:
    question = "orders from cloud companies slow in the second half"
    return [hit.document.path for hit in desk.search(question, k=20, house=house)]


def test_a_note_without_a_house_never_hides_the_house_s_own_mail(desk: Assistant, inbox: Path) -> None:
    paste(inbox, "paste.md", "1997-01-01")
    original(inbox)
    desk.sync()
    (hit,) = found(desk)
    assert (hit.document.path, by_house(desk, "Citi")) == ("original.eml", ["original.eml"])


def test_two_houses_that_say_the_same_are_both_found(desk: Assistant, inbox: Path) -> None:
    original(inbox)
    original(inbox, name="ubs.eml", day=28)
    (inbox / "ubs.eml").write_text((inbox / "ubs.eml").read_text().replace("citi.com", "ubs.com"))
    desk.sync()
    assert (by_house(desk, "Citi"), by_house(desk, "UBS")) == (["original.eml"], ["ubs.eml"])


def test_a_copy_is_never_handed_on_to_another_house(desk: Assistant, inbox: Path) -> None:
    original(inbox, day=7)
    forward(inbox)
    desk.sync()
    original(inbox, name="ubs.eml", day=6)
    (inbox / "ubs.eml").write_text((inbox / "ubs.eml").read_text().replace("citi.com", "ubs.com"))
    desk.sync()
    (inbox / "original.eml").unlink()
    desk.sync()
    assert by_house(desk, "Citi")


def test_copies_of_a_copy_are_listed_with_the_original_that_comes_last(desk: Assistant, inbox: Path) -> None:
    for number in range(12):
        text = f"{FORWARD}Number {number}.\n\n-----Original Message-----\n{HEADER}{NOTE}"
        (inbox / f"f{number:02}.eml").write_text(text)
        desk.sync() if number % 6 == 5 else None
    original(inbox)
    desk.sync()
    (hit,) = found(desk)
    assert (hit.document.path, len(hit.copies)) == ("original.eml", 12)


def test_what_is_left_when_an_original_goes_is_compared_again(desk: Assistant, inbox: Path) -> None:
    original(inbox)
    forward(inbox)
    desk.sync()
    (inbox / "original.eml").unlink()
    desk.sync()
    (hit,) = found(desk)
    assert len(hit.copies) == 1


def test_a_copy_of_a_long_article_is_listed_with_its_last_passage(desk: Assistant, inbox: Path) -> None:
    lines = [f"In part {n} the writer of number {n * 7} turns to copper, tin and zinc in turn." for n in range(200)]
    head = "From: Ana Ruiz <ana.ruiz@citi.com>\nSubject: metals\n\n"
    (inbox / "long.eml").write_text(head + "\n".join(lines))
    (inbox / "fwd.eml").write_text(f"{FORWARD}Long.\n\n-----Original Message-----\n{HEADER}" + "\n".join(lines))
    desk.sync()
    (hit,) = desk.search("part 199 number 1393", k=1)
    assert "1393" in hit.chunk.text
    assert [copy.path for copy in hit.copies] == ["fwd.eml"]


def test_fifty_copies_do_not_crowd_out_another_voice(desk: Assistant, inbox: Path) -> None:
    original(inbox)
    for number in range(50):
        text = f"{FORWARD}Number {number}.\n\n-----Original Message-----\n{HEADER}{NOTE}"
        (inbox / f"spam{number}.eml").write_text(text)
    (inbox / "ubs.eml").write_text(
        "From: Bo <bo@ubs.com>\nSubject: cloud\n\nCloud companies place more orders, not fewer, in the second half."
    )
    desk.sync()
    assert [hit.document.path for hit in found(desk)[:2]].count("ubs.eml") == 1
