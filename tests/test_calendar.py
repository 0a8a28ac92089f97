from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import ReadError
from rag.readers.calendar import parse
from rag.readers.parsed import Parsed
from rag.records import Document, SourceFile

SOURCE = SourceFile("call.ics", "0" * 64, 1, 1_700_000_000_000_000_000)
ZONE = (
    "BEGIN:VTIMEZONE\nTZID:House Time\nBEGIN:DAYLIGHT\nTZOFFSETTO:+0300\nEND:DAYLIGHT\nBEGIN:STANDARD\n"
    "TZOFFSETTO:+0200\nEND:STANDARD\nEND:VTIMEZONE\n"
)


def read(lines: str) -> Parsed:
    return parse(SOURCE, f"BEGIN:VCALENDAR\n{lines}\nEND:VCALENDAR\n".replace("\n", "\r\n").encode())


def event(lines: str, kind: str = "VEVENT") -> Document:
    return read(f"{ZONE}BEGIN:{kind}\n{lines}\nEND:{kind}").document


def test_an_invitation_is_a_block_of_facts() -> None:
    document = event(
        "SUMMARY;LANGUAGE=en:Call on mar\n gins\\, costs\nDTSTART:20250127T100000Z\nDTEND:20250127T113000Z\n"
        'LOCATION:Room 1\nORGANIZER;CN="Ortega; Ana":mailto:ana@Example.com\nDESCRIPTION:Dial in:\\n1 234\\;5\n'
        "BEGIN:VALARM\nDESCRIPTION:Reminder\nEND:VALARM"
    )
    assert document.text == (
        "Summary: Call on margins, costs\nWhen: 2025-01-27 10:00 - 11:30 (UTC)\nWhere: Room 1\n"
        "Organizer: Ortega; Ana <ana@Example.com>\nDescription: Dial in:\n1 234;5"
    )
    assert (document.title, document.author, document.kind) == ("Call on margins, costs", "Ortega; Ana", "note")
    assert document.date == datetime(2025, 1, 27, 10, tzinfo=UTC)
    assert document.meta == {"from": "ana@Example.com", "domain": "example.com", "date_source": "event"}


@pytest.mark.parametrize(
    ("lines", "when", "date"),
    [
        ("DTSTART;VALUE=DATE:20250127\nDTEND;VALUE=DATE:20250128", "2025-01-27", datetime(2025, 1, 27, tzinfo=UTC)),
        ("DTSTART:20250127\nDTEND:20250130", "2025-01-27 - 2025-01-29", datetime(2025, 1, 27, tzinfo=UTC)),
        (
            "DTSTART;TZID=America/New_York:20250127T083000\nDURATION:PT1H30M",
            "2025-01-27 08:30 - 10:00 (America/New_York)",
            datetime(2025, 1, 27, 13, 30, tzinfo=UTC),
        ),
        (
            "DTSTART;TZID=House Time:20250127T230000\nDTEND;TZID=House Time:20250128T010000",
            "2025-01-27 23:00 - 2025-01-28 01:00 (House Time)",
            datetime(2025, 1, 27, 21, tzinfo=UTC),
        ),
        ("DTSTART;TZID=Nowhere:20250127T100000", "2025-01-27 10:00 (Nowhere)", datetime(2025, 1, 27, 10, tzinfo=UTC)),
        ("DTSTART;TZID=../../etc/passwd:20250127", "2025-01-27", datetime(2025, 1, 27, tzinfo=UTC)),
        (
            "DTSTART:20250127T100000Z\nDTEND;TZID=Europe/Paris:20250127T120000",
            "2025-01-27 10:00 (UTC) - 2025-01-27 12:00 (Europe/Paris)",
            datetime(2025, 1, 27, 10, tzinfo=UTC),
        ),
    ],
)
def test_times_are_told_with_their_zone(lines: str, when: str, date: datetime) -> None:
    document = event(lines)
    assert (document.text, document.date) == (f"When: {when}", date)


def test_the_date_of_a_call_to_come_is_when_it_was_written() -> None:
    document = event("SUMMARY:x\nDTSTART:20990101T100000Z\nDTSTAMP:20250120T080000Z")
    assert (document.date, document.meta["date_source"]) == (datetime(2025, 1, 20, 8, tzinfo=UTC), "stamp")


@pytest.mark.parametrize("kind", ["VEVENT", "VTODO", "VJOURNAL"])
def test_every_kind_of_entry_is_read(kind: str) -> None:
    assert event("SUMMARY:Note", kind).text == "Summary: Note"


def test_each_entry_is_a_block() -> None:
    document = read("BEGIN:VEVENT\nSUMMARY:one\nEND:VEVENT\nBEGIN:VEVENT\nSUMMARY:two\nEND:VEVENT").document
    assert (document.text, document.title) == ("Summary: one\n\nSummary: two", "one")


def test_html_in_a_description_is_read_as_seen() -> None:
    document = event("DESCRIPTION:<p>Seen</p><p style='display:none'>unseen</p>")
    assert (document.text, document.meta["hidden"]) == ("Description: Seen", "1")


def test_quoted_printable_of_old_calendars_is_decoded() -> None:
    document = event("SUMMARY;ENCODING=QUOTED-PRINTABLE;CHARSET=ISO-8859-1:caf=E9")
    assert document.text == "Summary: café"


def test_invisible_characters_go() -> None:
    assert event("SUMMARY:a\u200b\u202eb\x1b[31m").text == "Summary: ab[31m"


def test_a_cut_file_gives_what_is_there() -> None:
    assert parse(SOURCE, b"BEGIN:VCALENDAR\nbroken\nBEGIN:VEVENT\nSUMMARY:there\nDESC").document.title == "there"


def test_entries_beyond_a_thousand_are_left_out_and_said_to_be() -> None:
    parsed = read("BEGIN:VEVENT\nSUMMARY:x\nEND:VEVENT\n" * 1001)
    assert parsed.document.text.count("Summary") == 1000
    assert parsed.left_out == ("only the first 1,000 entries are read",)


@pytest.mark.parametrize("raw", [b"", b"words", b"SUMMARY:x", b"BEGIN:VCARD\nEND:VCARD"])
def test_what_is_no_calendar_is_refused(raw: bytes) -> None:
    with pytest.raises(ReadError, match="not a calendar"):
        parse(SOURCE, raw)


@pytest.mark.parametrize(
    "piece", ["BEGIN:VEVENT\n", "SUMMARY:x\n", ";A=b", '"', "a\n ", "\\n", "BEGIN:X\nEND:Y\n", "<a"]
)
def test_a_megabyte_of_the_same_is_read_in_time(piece: str) -> None:
    start = time.perf_counter()
    with contextlib.suppress(ReadError):
        event("SUMMARY;X=1:" + piece * (500_000 // len(piece)))
    assert time.perf_counter() - start < 30


LINES = st.sampled_from(
    """BEGIN:VCALENDAR BEGIN:VEVENT END:VEVENT BEGIN:STANDARD TZOFFSETTO:+9999 TZID:A DURATION:P9999W
    DTSTART:99991231T235959Z DTSTART;TZID=A:00010101 DTEND:00010101 DUE:00000000 ORGANIZER;CN=:mailto:""".split()
)


@given(st.lists(LINES | st.text(max_size=30)).map("\n".join) | st.text())
def test_any_lines_are_read_or_refused(lines: str) -> None:
    with contextlib.suppress(ReadError):
        parsed = parse(SOURCE, b"BEGIN:VCALENDAR\n" + lines.encode("utf-8", "surrogatepass"))
        assert parsed.document.path == SOURCE.path


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    with contextlib.suppress(ReadError):
        assert parse(SOURCE, b"BEGIN:VCALENDAR\nBEGIN:VEVENT\n" + raw).document.path == SOURCE.path
