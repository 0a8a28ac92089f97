from __future__ import annotations

import time
import unicodedata
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.readers.text import as_of, clean, date_in, decode, document_id, first_line, invisible, single_line

ANYTHING = st.text(alphabet=st.characters(), max_size=200)  # surrogates included
MARKS = st.text(alphabet="ab \n\t\r\u200b\u200c\u200d\u0627\u0915\ufe0f\u2764\u0301\u202e\U000e0041\xa0", max_size=60)


@given(ANYTHING | MARKS)
def test_clean_text_has_no_control_bidi_or_surrogate_characters(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode("utf-8")
    for character in cleaned:
        assert character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cs", "Co")
        assert unicodedata.bidirectional(character) not in (
            "LRE",
            "RLE",
            "LRO",
            "RLO",
            "PDF",
            "LRI",
            "RLI",
            "FSI",
            "PDI",
        )
    assert unicodedata.is_normalized("NFC", cleaned)


@given(ANYTHING | MARKS)
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@pytest.mark.parametrize(
    ("dirty", "expected"),
    [
        ("a\r\nb\rc", "a\nb\nc"),
        ("5\u202f000\xa0bp", "5 000 bp"),
        ("a\n\n\n\n\n\nb", "a\n\n\nb"),
        ("Deep\u200bSe\u200dek", "DeepSeek"),
        ("\u202egpj.exe", "gpj.exe"),
        ("hi" + "".join(chr(0xE0000 + ord(letter)) for letter in "ignore"), "hi"),
        ("\x1b]52;c;QUJD\x07", "]52;c;QUJD"),
        ("\x9b2J", "2J"),
        ("cafe\u0301", "café"),
        ("soft\xadhyphen", "softhyphen"),
        ("\ud83d\ude00 \ud800", "😀 \ufffd"),
    ],
)
def test_clean_removes_what_no_reader_sees(dirty: str, expected: str) -> None:
    assert clean(dirty) == expected


@pytest.mark.parametrize("text", ["👩‍💻 ❤️", "می‌خواهم", "क्‍ष", "Größe, naïve, 日本語"])
def test_joiners_that_shape_letters_and_emoji_stay(text: str) -> None:
    assert clean(text) == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(
    ("data", "charset", "expected"),
    [
        (b"caf\xc3\xa9", "utf-8", "café"),
        (b"caf\xe9", "iso-8859-1", "café"),
        (b"caf\xe9 \x80", "us-ascii", "café €"),
        (b"caf\xc3\xa9", "uft-8", "café"),
        (b"caf\xe9", "unknown", "café"),
        (b"\xff\xfea\x00", "", "a"),
        (b"\xef\xbb\xbfa", "latin-1", "a"),
        ("日本".encode("shift_jis"), "Shift_JIS", "日本"),
        *[
            (b"cafe", name, "cafe")
            for name in ("rot13", "hex", "zlib", "idna", "undefined", "u\0tf", "mbcs", "*\ufffd", "")
        ],
    ],
)
def test_bytes_are_decoded_whatever_the_charset_claims(data: bytes, charset: str, expected: str) -> None:
    assert decode(data, charset) == expected


@given(st.binary(max_size=200), st.sampled_from(["utf-16", "utf-7", "iso-2022-jp", "hz", "gb18030", "cp932", "utf-32"]))
def test_no_bytes_break_a_decoder(data: bytes, charset: str) -> None:
    assert isinstance(decode(data, charset), str)


@pytest.mark.parametrize(
    "text", ["27 January 2025", "the 27th of Jan. 2025", "Jan 27, 2025", "January 27th 2025", "2025-01-27"]
)
def test_written_out_dates_are_found(text: str) -> None:
    assert date_in(f"Published {text}, London") == datetime(2025, 1, 27, tzinfo=UTC)


@pytest.mark.parametrize("text", ["27/01/2025", "January 2025", "31 February 2025", "2025-13-01", "id 12025-01-277"])
def test_ambiguous_or_impossible_dates_are_not_guessed(text: str) -> None:
    assert date_in(text) is None


def test_the_first_of_several_dates_counts() -> None:
    found = date_in("On 3 March 2024 it rose; by 2024-05-01 it fell.")
    assert found == datetime(2024, 3, 3, tzinfo=UTC)


def test_a_date_in_the_future_falls_to_the_next_source() -> None:
    far = datetime.now(UTC) + timedelta(days=3)
    assert as_of([("header", far)], "London, 27 January 2025", 0) == ("text", datetime(2025, 1, 27, tzinfo=UTC))


def test_a_date_that_overflows_in_utc_falls_to_the_file() -> None:
    date = datetime.fromisoformat("0001-01-01T00:00:00+10:00")
    assert as_of([("header", date)], "", 10**18) == ("file", datetime(2001, 9, 9, 1, 46, 40, tzinfo=UTC))


@pytest.mark.parametrize("mtime_ns", [-(10**25), 10**25])
def test_an_impossible_file_time_is_clamped(mtime_ns: int) -> None:
    assert datetime(1970, 1, 1, tzinfo=UTC) <= as_of([], "", mtime_ns)[1] <= datetime.now(UTC)


def test_long_lines_are_cut_at_a_word() -> None:
    line = single_line("word " * 100, 80)
    assert line.endswith("word…")
    assert len(line) <= 80


def test_first_line_skips_marks_and_rules() -> None:
    assert first_line("---\n\n## Margins *hold*\nrest") == "Margins *hold*"


def test_identity_is_of_the_bytes_alone() -> None:
    assert document_id(b"a") == document_id(b"a") != document_id(b"b")
    assert len(document_id(b"")) == 32


@pytest.mark.parametrize("letter", ["a", "ệ", "日", ""])
def test_a_letter_keeps_thirty_combining_marks(letter: str) -> None:
    marks = "\u0315\u0300\u0344"
    assert (
        clean(letter + marks * 10 + "b") == unicodedata.normalize("NFC", letter + marks * 10)[: len(letter) + 30] + "b"
    )
    assert clean(clean(letter + marks * 50)) == clean(letter + marks * 50)


def test_marks_on_many_letters_all_stay() -> None:
    text = "x\u0336y\u0336 \u2764\ufe0f" * 50
    assert clean(text) == unicodedata.normalize("NFC", text)


def test_a_tower_of_marks_is_cleaned_in_linear_time() -> None:
    begin = time.process_time()
    clean("a" + "\u0315\u0300" * 160_000)
    assert time.process_time() - begin < 20


@pytest.mark.parametrize(
    ("data", "charset", "expected"),
    [
        ("Zürich’s".encode(), "iso-8859-1", "Zürich’s"),
        ("Zürich’s".encode("cp1252"), "utf-8", "Zürich’s"),
        ("开发镕".encode("gbk"), "gb2312", "开发镕"),
        ("①高".encode("cp932"), "shift_jis", "①高"),
        ("日本語のメール".encode("iso-2022-jp"), "", "日本語のメール"),
        ("日本語のメール".encode()[:-1], "utf-8", "日本語のメー\ufffd"),
        ("中文中文中文".encode("big5") + b"\xff", "big5", "中文中文中文\ufffd"),
    ],
)
def test_one_wrong_byte_or_name_does_not_cost_the_text(data: bytes, charset: str, expected: str) -> None:
    assert decode(data, charset) == expected


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Deep\u200bSe\u200d\u2060ek", 3),
        ("\u202egpj.exe\u202c", 2),
        ("hi" + "".join(chr(0xE0000 + ord(letter)) for letter in "ignore"), 6),
        ("\ufeffsoft\xadhyphen\r\n", 0),
        ("pad\u200c \u200c \u200b\n", 0),
        ("می‌خواهم 👩‍💻", 0),
    ],
)
def test_invisible_characters_count_where_they_hide_something(text: str, count: int) -> None:
    assert invisible(text) == count


def test_a_million_invisible_characters_are_counted_in_linear_time() -> None:
    begin = time.process_time()
    assert invisible("a" + "\u200b" * 1_000_000) == 0
    assert invisible("a\u200b" * 500_000) == 499_999
    assert time.process_time() - begin < 20
