from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import ReadError
from rag.readers.mime import MAX_HEADERS, children, decode_words, parse_part


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("=?utf-8?q?caf=C3=A9_noir?=", "café noir"),
        ("=?UTF-8?B?Y2Fmw6k=?= x", "café x"),
        ("=?utf-8?b?Y2Fm?= =?utf-8?b?w6k=?=", "café"),
        ("=?utf-8?b?Y2Fmww==?= =?utf-8?b?qQ==?=", "café"),
        ("=?utf-8*en?q?a?= b", "a b"),
        ("=?x-unknown?b?aGk=?=", "hi"),
        ("=?utf-8?b?a?=", ""),
        ("=?zlib?q?x?=", "x"),
        ("=?utf-8?q?unfinished", "=?utf-8?q?unfinished"),
        ("plain é", "plain é"),
    ],
)
def test_encoded_words_are_decoded(value: str, expected: str) -> None:
    assert decode_words(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        b"text/plain; name*",
        b"text/plain; name*0*",
        b"text/plain; name*99999999999=x",
        b"text/plain; name*=zzz''%ff%fe",
        b"text/plain; name*=u\0tf''x",
        b"text/plain; name*=undefined''%ff",
        b"text/plain; name*" + b"9" * 5000 + b"=x",
    ],
)
def test_broken_parameters_leave_the_type(value: bytes) -> None:
    assert parse_part(b"Content-Type: " + value + b"\n\nx").kind == "text/plain"


@pytest.mark.parametrize("value", [b"", b";", b"text", b"(c)"])
def test_a_broken_type_is_plain_text(value: bytes) -> None:
    assert parse_part(b"Content-Type: " + value + b"\n\nx").kind == "text/plain"


@pytest.mark.parametrize(
    ("encoding", "body", "expected"),
    [
        ("base64", b"aGVsbG8=", b"hello"),
        ("BASE64 ", b"aGVs\nbG8", b"hello"),
        ("base64", b"!!aGVs!bG8=!", b"hello"),
        ("base64", b"A", b""),
        ("quoted-printable", b"a=3Db=\nc =ZZ", b"a=bc =ZZ"),
        ("x-unheard-of", b"abc", b"abc"),
        ("", b"\xff", b"\xff"),
    ],
)
def test_transfer_encodings_are_undone_as_far_as_they_go(encoding: str, body: bytes, expected: bytes) -> None:
    assert parse_part(f"Content-Transfer-Encoding: {encoding}\n\n".encode() + body).content == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"attachment; filename=report.pdf", "report.pdf"),
        (b'attachment; filename="../../../etc/passwd"', "passwd"),
        (b'attachment; filename="..\\\\..\\\\win.ini"', "win.ini"),
        (b"attachment; filename*0*=utf-8''..%2F..; filename*1*=%2Fx", "x"),
        (b"attachment; filename*=utf-8''%e2%80%aegpj.exe", "gpj.exe"),
        (b'attachment; filename="a\x00b.txt"', "ab.txt"),
        (b'attachment; filename=".."', ""),
        (b"attachment; filename=" + b"x" * 500, "x" * 120),
        (b"attachment", ""),
    ],
)
def test_attachment_names_are_display_text(header: bytes, expected: str) -> None:
    assert parse_part(b"Content-Disposition: " + header + b"\n\nx").name == expected


def test_too_many_headers_are_refused() -> None:
    with pytest.raises(ReadError, match="headers"):
        parse_part(b"".join(b"X-%d: y\n" % number for number in range(MAX_HEADERS + 1)) + b"\nx")


def test_headers_of_two_megabytes_are_refused() -> None:
    with pytest.raises(ReadError, match="2 MB"):
        parse_part(b"Subject: " + b"a" * 2_000_001 + b"\n\nx")


def test_lines_after_a_broken_header_are_body() -> None:
    part = parse_part(b"Subject: a\nthis is no header\n\nbody")
    assert (part.headers["subject"], part.text) == ("a", "this is no header\n\nbody")


def test_the_first_of_repeated_headers_counts() -> None:
    assert parse_part(b"Subject: 1\nSubject: 2\n\n").headers["subject"] == "1"


def test_raw_eight_bit_headers_are_text() -> None:
    assert parse_part(b"From: J\xe9r\xf4me <j@x>\nSubject: caf\xc3\xa9\n\n").headers == {
        "from": "Jérôme <j@x>",
        "subject": "café",
    }


@pytest.mark.parametrize(
    "body",
    [
        b"--b\n\none\n--b\n\ntwo\n--b--\nepilogue",
        b"preamble\n--b\n\none\n--b  \n\ntwo",
        b"--b\n\none\n--b\n\ntwo\n--b--",
    ],
)
def test_parts_are_found_even_in_a_cut_message(body: bytes) -> None:
    message = parse_part(b'Content-Type: multipart/mixed; boundary="b"\n\n' + body)
    assert [part.text for part in children(message)] == ["one", "two"]


@given(st.binary(max_size=300))
def test_any_bytes_are_a_part(raw: bytes) -> None:
    part = parse_part(raw)
    assert isinstance(part.text + part.name, str)


@pytest.mark.parametrize("announced", [b"; boundary=other", b"; boundary=b_", b"", b'; boundary=""'])
def test_the_boundary_that_is_used_counts_where_another_was_announced(announced: bytes) -> None:
    body = b"--b\nContent-Type: text/plain\n\none\n--b\nContent-Type: text/plain\n\ntwo\n--b--\n"
    part = parse_part(b"Content-Type: multipart/mixed" + announced + b"\n\n" + body)
    assert [child.text for child in children(part)] == ["one", "two"]


def test_words_that_are_called_base64_are_read_as_they_stand() -> None:
    words = b"Margins rise again, and so do the costs of all those who sell.\n"
    assert parse_part(b"Content-Transfer-Encoding: base64\n\n" + words).content == words


def test_base64_in_short_lines_or_broken_by_blanks_is_still_decoded() -> None:
    encoded = b"TWFyZ2lucyByaXNl\nIGFnYWluLCBhbmQg\r\n c28gZG8gdGhlIGNv c3RzIG9mIGFsbA==\n"
    part = parse_part(b"Content-Transfer-Encoding: base64\n\n" + encoded)
    assert part.content == b"Margins rise again, and so do the costs of all"


@pytest.mark.parametrize("charset", [b"utf-8", b"u\0tf", b"koi8-r"])
def test_lines_after_broken_headers_keep_their_bytes(charset: bytes) -> None:
    head = b"Content-Type: text/plain; charset=" + charset + b"\nContent-Transfer-Encoding: base64\n"
    assert parse_part(head + b"no header \xc3\xa9\n\nrest").body == b"no header \xc3\xa9\n\nrest"
