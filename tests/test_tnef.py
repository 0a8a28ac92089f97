from __future__ import annotations

import contextlib
import random
import struct
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import ReadError
from rag.readers.parsed import Attachment, Parsed
from rag.readers.tnef import parse
from rag.records import SourceFile

SOURCE = SourceFile("winmail.dat", "0" * 64, 1, 1_700_000_000_000_000_000)
SENT = (int(datetime(2025, 1, 27, 8, 30, tzinfo=UTC).timestamp()) + 11_644_473_600) * 10**7
EMBEDDED = bytes.fromhex("0703020000000000c000000000000046")


def attribute(level: int, key: int, content: bytes, kind: int = 6) -> bytes:
    return struct.pack("<BHHI", level, key, kind, len(content)) + content + struct.pack("<H", sum(content) & 0xFFFF)


def sized(kind: int, key: int, content: bytes) -> bytes:
    return struct.pack("<HHII", kind, key, 1, len(content)) + content + b"\0" * (-len(content) % 4)


def properties(*made: bytes) -> bytes:
    return struct.pack("<I", len(made)) + b"".join(made)


def stream(*attributes: bytes) -> bytes:
    return b"\x78\x9f\x3e\x22\x01\x00" + b"".join(attributes)


def read(*attributes: bytes) -> Parsed:
    return parse(SOURCE, stream(*attributes))


NAMED = (
    struct.pack("<HH16sII", 0x1E, 0x8005, b"g" * 16, 1, 6) + b"K\0y\0\0\0\0\0" + struct.pack("<II", 1, 2) + b"x\0\0\0"
)
FACTS = properties(
    NAMED,
    struct.pack("<HHHH", 0x0B, 0x0E1F, 1, 0),
    struct.pack("<HHQ", 0x40, 0x0039, SENT),
    sized(0x1F, 0x0037, "Margins überall\0".encode("utf-16-le")),
    sized(0x1E, 0x0C1A, b"Ana Ortega\0"),
    sized(0x1E, 0x0C1F, b"ana@example.com\0"),
    struct.pack("<HHII", 0x1003, 0x1234, 2, 7) + struct.pack("<I", 8),
    sized(0x102, 0x1013, b"<p>Seen<span style='display:none'>unseen</span></p>"),
)
FILE = properties(
    sized(0x1F, 0x3707, "C:\\a\\Bericht-ä.txt\0".encode("utf-16-le")),
    sized(0x1E, 0x370E, b"Text/Plain\0"),
)
WHOLE = stream(
    attribute(1, 0x9007, struct.pack("<II", 1252, 0)),
    attribute(1, 0x9003, FACTS),
    attribute(2, 0x9002, b"\0" * 14),
    attribute(2, 0x800F, b"figures"),
    attribute(2, 0x8010, b"BERICH~1.TXT\0"),
    attribute(2, 0x9005, FILE),
)


def test_a_message_is_read_with_its_facts() -> None:
    document = parse(SOURCE, WHOLE).document
    assert (document.title, document.author, document.text) == ("Margins überall", "Ana Ortega", "Seen")
    assert document.date == datetime(2025, 1, 27, 8, 30, tzinfo=UTC)
    assert (document.kind, document.meta["domain"], document.meta["hidden"]) == ("note", "example.com", "1")


def test_files_come_with_their_long_names_and_no_folders() -> None:
    assert parse(SOURCE, WHOLE).attachments == (Attachment("Bericht-ä.txt", "text/plain", b"figures"),)


def test_the_attributes_of_old_programs_are_read() -> None:
    trp = struct.pack("<4H", 4, 0, 11, 21) + b"Ben Example" + b"SMTP:ben@example.com\0"
    document = read(
        attribute(1, 0x8000, trp), attribute(1, 0x8004, b"Costs\0"), attribute(1, 0x800C, b"caf\xe9 prices\0")
    ).document
    assert (document.author, document.title, document.text) == ("Ben Example", "Costs", "café prices")


def test_a_message_inside_becomes_an_attached_mail() -> None:
    inner = stream(attribute(1, 0x8004, b"Inner subject\0"), attribute(1, 0x800C, b"Inner words\0"))
    held = properties(sized(0x0D, 0x3701, EMBEDDED + inner))
    attached = read(attribute(2, 0x9002, b"\0" * 14), attribute(2, 0x9005, held)).attachments
    assert [(one.name, one.kind) for one in attached] == [("Inner subject.eml", "message/rfc822")]
    assert b"Subject: Inner subject" in attached[0].content


def test_messages_inside_messages_end_at_the_fifth() -> None:
    inner = stream(attribute(1, 0x800C, b"words\0"))
    for _ in range(50):
        inner = stream(attribute(2, 0x9005, properties(sized(0x0D, 0x3701, EMBEDDED + inner))))
    assert len(parse(SOURCE, inner).attachments) == 1


def test_a_cut_stream_gives_what_is_there_and_says_so() -> None:
    parsed = parse(SOURCE, stream(attribute(1, 0x800C, b"words\0")) + attribute(2, 0x800F, b"x" * 100)[:50])
    assert (parsed.document.text, parsed.left_out) == ("words", ("its end is missing or garbled",))


def test_a_false_length_in_the_properties_keeps_those_before_it() -> None:
    garbled = properties(sized(0x1E, 0x0037, b"Kept\0"), struct.pack("<HHII", 0x1E, 0x1000, 1, 2**31))
    parsed = read(attribute(1, 0x9003, garbled))
    assert (parsed.document.title, parsed.left_out) == ("Kept", ("its end is missing or garbled",))


def test_more_files_than_anybody_sends_are_refused() -> None:
    with pytest.raises(ReadError, match="attachments"):
        read(*[attribute(2, 0x9002, b"")] * 1001)


def test_more_attributes_than_anybody_writes_are_refused() -> None:
    with pytest.raises(ReadError, match="attributes"):
        read(*[attribute(1, 0x8020, b"")] * 20_001)


def test_what_is_no_winmail_dat_is_refused() -> None:
    with pytest.raises(ReadError, match="not a winmail"):
        parse(SOURCE, b"From: a@example.com\n\nwords")


@given(st.binary(max_size=300))
def test_garbage_is_read_or_refused(garbage: bytes) -> None:
    with contextlib.suppress(ReadError):
        assert parse(SOURCE, b"\x78\x9f\x3e\x22\x01\x00" + garbage).document.path == SOURCE.path


@given(st.integers(), st.integers(1, 20))
def test_mutated_streams_are_read_or_refused(seed: int, changes: int) -> None:
    chance, raw = random.Random(seed), bytearray(WHOLE)
    for _ in range(changes):
        raw[chance.randrange(4, len(raw))] = chance.randrange(256)
    with contextlib.suppress(ReadError):
        assert parse(SOURCE, bytes(raw[: chance.randrange(6, len(raw) + 1)])).document.path == SOURCE.path


def test_more_properties_than_anybody_writes_are_refused() -> None:
    with pytest.raises(ReadError, match="properties"):
        read(attribute(1, 0x9003, properties(*[struct.pack("<HHI", 0x1E, 0x0037, 0)] * 100_001)))
