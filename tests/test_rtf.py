from __future__ import annotations

import contextlib
import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import ReadError
from rag.readers.rtf import charset, rtf_text, unpacked

HEADER = struct.Struct("<IIII")
# The example of MS-OXRTFCP 3.2.1: "{\rtf1\ansi\ansicpg1252\pard hello world}".
PACKED = bytes.fromhex(
    "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0"
)


def text(body: str) -> str:
    return rtf_text(b"{\\rtf1\\ansi\\ansicpg1252" + body.encode("latin-1") + b"}")[0]


def test_compressed_rtf_is_unpacked() -> None:
    assert unpacked(PACKED) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"


def test_a_copy_may_reach_into_what_it_writes() -> None:
    packed = HEADER.pack(0, 12, 0x75465A4C, 0) + bytes((0b10, ord("W"), *struct.pack(">H", 207 << 4 | 9)))
    assert unpacked(packed) == b"W" * 12


def test_rtf_that_was_not_compressed_is_taken_as_it_is() -> None:
    assert unpacked(HEADER.pack(0, 5, 0x414C454D, 0) + b"{\\rtf}") == b"{\\rtf"


@pytest.mark.parametrize("packed", [b"", b"short", HEADER.pack(1, 2, 3, 4) + b"text"])
def test_what_is_of_another_format_is_empty(packed: bytes) -> None:
    assert unpacked(packed) == b""


def test_letters_come_in_their_code_page_and_in_unicode() -> None:
    assert text(r" caf\'e9 \u8364? 5, \'93so\'94\par next \emdash  line") == "café € 5, “so”\nnext — line"


def test_a_font_of_another_script_changes_the_code_page() -> None:
    assert text(r"{\fonttbl{\f0\fcharset0 A;}{\f1\fcharset204 B;}}\f1 \'cf\'f0\f0 \'cf") == "ПрÏ"


def test_what_follows_a_unicode_letter_for_old_readers_is_skipped() -> None:
    assert text(r"\uc2 \u233 eeb{\uc0 \u233 b}") == "ébéb"


def test_letters_in_two_halves_are_one() -> None:
    assert text(r"\u-10179 ?\u-8704 ?") == "\U0001f600"


@pytest.mark.parametrize("aside", [r"{\*\generator X;}", r"{\colortbl;\red0;}", r"{\info{\title T}}", r"{\v secret}"])
def test_what_is_no_visible_text_goes(aside: str) -> None:
    assert text(aside + " words") == " words"


def test_wrapped_html_comes_out_as_it_went_in() -> None:
    rtf = (
        rb"{\rtf1\ansi\fromhtml1 {\*\htmltag64 <p>}\htmlrtf {\b \htmlrtf0 A \{b\} caf\'e9{\*\htmltag72 </p>}\htmlrtf }}"
    )
    assert rtf_text(rtf) == ("<p>A {b} café</p>", True)


def test_nesting_beyond_any_honest_depth_is_refused() -> None:
    with pytest.raises(ReadError, match="nested"):
        rtf_text(b"{" * 5000)


@pytest.mark.parametrize("piece", [rb"{\*\a}", rb"\u1 ", rb"\'e9", b"x", rb"\par", b"\\", rb"\f1", b"{}"])
def test_a_megabyte_of_the_same_is_read_in_time(piece: bytes) -> None:
    start = time.perf_counter()
    rtf_text(b"{\\rtf1" + piece * (300_000 // len(piece)))
    assert time.perf_counter() - start < 30


@pytest.mark.parametrize(
    ("page", "name"), [(65001, "utf-8"), (1251, "cp1251"), (28592, "iso-8859-2"), (0, ""), (None, "")]
)
def test_code_pages_have_names(page: int | None, name: str) -> None:
    assert charset(page) == name


@given(st.binary(max_size=200))
def test_garbage_is_read(garbage: bytes) -> None:
    assert len(unpacked(HEADER.pack(0, 500, 0x75465A4C, 0) + garbage)) <= 500
    with contextlib.suppress(ReadError):
        rtf_text(garbage)[0].encode()
