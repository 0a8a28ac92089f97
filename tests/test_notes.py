from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import ReadError
from rag.readers.notes import parse_html, parse_markdown, parse_text
from rag.readers.parsed import Parsed
from rag.records import Document, SourceFile

SOURCE = SourceFile("note.md", "0" * 64, 1, 1_700_000_000_000_000_000)


def markdown(text: str) -> Document:
    return parse_markdown(SOURCE, text.encode()).document


def test_front_matter_becomes_facts_and_leaves_the_text() -> None:
    document = markdown(
        "---\ntitle: Margins & more\nauthor: Ana Ortega\nfirm: Example Research\ndate: 2025-01-27\n"
        "draft: false\ntags: [ai, chips]\nimage: {caption: x}\n---\n\n# Head\n\n*Body*  \nline\n"
    )
    assert document.text == "# Head\n\n*Body*  \nline"
    assert (document.title, document.author, document.house) == ("Margins & more", "Ana Ortega", "Example Research")
    assert document.date == datetime(2025, 1, 27, tzinfo=UTC)
    assert (document.kind, document.thread, document.voices) == ("note", None, ())
    assert document.meta == {
        "title": "Margins & more",
        "author": "Ana Ortega",
        "firm": "Example Research",
        "date": "2025-01-27",
        "draft": "False",
        "tags": "ai, chips",
        "date_source": "front matter",
    }


@pytest.mark.parametrize(
    ("matter", "expected"),
    [
        ("date: '2025-01-27T08:28:16-05:00'", datetime(2025, 1, 27, 13, 28, 16, tzinfo=UTC)),
        ("as_of: 27 January 2025", datetime(2025, 1, 27, tzinfo=UTC)),
        ("published: 2025-01-27", datetime(2025, 1, 27, tzinfo=UTC)),
        ("date: ~\npublished: 2025-01-27", datetime(2025, 1, 27, tzinfo=UTC)),
    ],
)
def test_dates_of_the_front_matter_are_understood(matter: str, expected: datetime) -> None:
    assert markdown(f"---\n{matter}\n---\ntext").date == expected


@pytest.mark.parametrize(
    "text",
    [
        "---\na: [\n---\nbody",
        "---\ndate: 2025-13-45\n---\nbody",
        "---\njust a rule above\n---\nbody",
        "---\nnever closed\n\nbody",
        "---\na: " + "[" * 4000 + "\n---\nbody",
        "---\na: !!python/object/apply:os.getcwd []\n---\nbody",
        "---\n? [a]\n: b\n---\nbody",
        "---\nn: 0x" + "f" * 4000 + "\n---\nbody",
        "Intro\n\n---\na: 1\n---\nbody",
    ],
)
def test_front_matter_that_is_none_stays_in_the_text(text: str) -> None:
    assert markdown(text).text == text


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("# Head\n\nbody", "Head"),
        ("intro\n\n## Second ##\n", "Second"),
        ("- first point\nmore", "first point"),
        ("word " * 40, "word " * 14 + "word…"),
    ],
)
def test_the_title_is_a_heading_or_the_first_line(text: str, title: str) -> None:
    assert markdown(text).title == title


@pytest.mark.parametrize(
    "raw",
    [
        "Größe 5 %".encode(),
        "Größe 5 %".encode("utf-8-sig"),
        "Größe 5 %".encode("utf-16"),
        "Größe 5 %".encode("utf-32"),
        "Größe 5 %".encode("cp1252"),
    ],
)
def test_text_files_of_all_encodings_are_read(raw: bytes) -> None:
    document = parse_text(SOURCE, raw).document
    assert (document.text, document.title, document.author) == ("Größe 5 %", "Größe 5 %", None)


def test_a_text_file_may_have_front_matter() -> None:
    document = parse_text(SOURCE, b"---\ntitle: T\n---\n# kept as it is").document
    assert (document.title, document.text) == ("T", "# kept as it is")


def test_binary_files_are_refused() -> None:
    with pytest.raises(ReadError, match="binary"):
        parse_text(SOURCE, b"%PDF-1.7\0\0\0")


def test_without_front_matter_the_date_stands_in_the_text() -> None:
    document = parse_text(SOURCE, b"Zurich, Jan 27, 2025\n\nHold.").document
    assert (document.meta["date_source"], document.date) == ("text", datetime(2025, 1, 27, tzinfo=UTC))


def test_without_any_date_the_file_has_one() -> None:
    assert parse_text(SOURCE, b"Hold.").document.meta == {"date_source": "file"}


def test_html_files_are_read_as_seen() -> None:
    document = parse_html(SOURCE, b"<title>T</title><p>a<p hidden>b").document
    assert (document.title, document.text, document.meta) == ("T", "a", {"hidden": "1", "date_source": "file"})


@given(st.binary(max_size=200), st.sampled_from([parse_text, parse_markdown, parse_html]))
def test_any_bytes_are_a_note_or_refused(raw: bytes, parse: Callable[[SourceFile, bytes], Parsed]) -> None:
    with contextlib.suppress(ReadError):
        text = parse(SOURCE, raw).document.text
        assert text.encode("utf-8").decode() == text


@given(st.text(alphabet="ab:[]{}-?!&*|>'\"%@#,\n 0123456789~", max_size=80))
def test_any_front_matter_leaves_the_body(matter: str) -> None:
    assert markdown(f"---\n{matter}\n---\nthe body").text.endswith("the body")


def test_an_html_note_has_the_author_and_date_that_its_head_states() -> None:
    head = (
        '<meta name="author" content="Ana Ortega"><meta property="article:published_time" content="2025-01-27T08:00Z">'
    )
    document = parse_html(SOURCE, f"<head>{head}</head><p>Hold.".encode()).document
    assert (document.author, document.date) == ("Ana Ortega", datetime(2025, 1, 27, 8, tzinfo=UTC))
    assert document.meta["date_source"] == "page"


@pytest.mark.parametrize("parse", [parse_text, parse_markdown, parse_html])
def test_invisible_characters_are_counted(parse: Callable[[SourceFile, bytes], Parsed]) -> None:
    document = parse(SOURCE, "<p>Se\u200bll".encode()).document
    assert (document.text.removeprefix("<p>"), document.meta["invisible"]) == ("Sell", "1")
