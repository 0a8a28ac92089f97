from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.readers.smime import signed_content

SIGNED, ENVELOPED, DATA = (bytes.fromhex(f"06092a864886f70d0107{last}") for last in ("02", "03", "01"))
INNER = b"Content-Type: text/plain\r\n\r\nSealed words.\r\n" * 20


def element(tag: int, content: bytes) -> bytes:
    """With its length in as many bytes as it takes."""
    size = len(content)
    digits = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([tag]) + (bytes([size]) if size < 0x80 else bytes([0x80 + len(digits)]) + digits) + content


def open_element(tag: int, content: bytes) -> bytes:
    """With a mark at its end instead of a length."""
    return bytes([tag, 0x80]) + content + b"\0\0"


def sealed(octets: bytes, outer: bytes = SIGNED) -> bytes:
    wrapped = element(0x30, DATA + element(0xA0, octets))
    body = element(0x30, element(2, b"\1") + element(0x31, b"algorithms") + wrapped + element(0x31, b"signers"))
    return element(0x30, outer + element(0xA0, body))


def streamed(*pieces: bytes) -> bytes:
    octets = open_element(0x24, b"".join(element(4, piece) for piece in pieces))
    wrapped = open_element(0x30, DATA + open_element(0xA0, octets))
    body = open_element(0x30, element(2, b"\1") + element(0x31, b"algorithms") + wrapped + element(0x31, b"signers"))
    return open_element(0x30, SIGNED + open_element(0xA0, body))


@pytest.mark.parametrize(
    "message",
    [
        sealed(element(4, INNER)),
        sealed(element(0x24, element(4, INNER[:9]) + element(4, INNER[9:]))),
        streamed(INNER),
        streamed(INNER[:500], INNER[500:]),
    ],
)
def test_the_signed_mail_is_found_however_lengths_are_written(message: bytes) -> None:
    assert signed_content(message) == INNER


@pytest.mark.parametrize(
    "message",
    [b"", b"0", b"words", sealed(b""), sealed(element(5, b"")), sealed(element(4, INNER), outer=ENVELOPED)],
)
def test_what_is_encrypted_detached_or_something_else_gives_nothing(message: bytes) -> None:
    assert signed_content(message) == b""


@given(st.integers(0, 400), st.integers(0, 400), st.binary(max_size=8))
def test_damage_gives_less_text_and_no_error(start: int, end: int, other: bytes) -> None:
    whole = streamed(INNER[:100], INNER[100:200])
    damaged = whole[:start] + other + whole[end:]
    assert len(signed_content(damaged)) <= len(damaged)


def test_a_million_pieces_are_joined_in_linear_time() -> None:
    assert signed_content(streamed(*[b"a"] * 300_000)) == b"a" * 300_000
