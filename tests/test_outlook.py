from __future__ import annotations

import contextlib
import random
import struct
import time
from datetime import UTC, datetime

import pytest

from rag.errors import ReadError
from rag.readers import mail
from rag.readers.outlook import Message, mailbox, parse, rfc822
from rag.readers.parsed import Attachment, Parsed
from rag.readers.text import document_id
from rag.records import SourceFile

SOURCE = SourceFile("note.msg", "0" * 64, 1, 1_700_000_000_000_000_000)
SENT = (int(datetime(2025, 1, 27, 8, 30, tzinfo=UTC).timestamp()) + 11_644_473_600) * 10**7
END, FREE = 0xFFFFFFFE, 0xFFFFFFFF

Tree = dict[str, "bytes | Tree"]


def ole(tree: Tree) -> bytes:
    """A compound file; streams are filled up to 4,096 bytes, for the smaller ones would need a second table."""
    entries: list[list[bytes | int | str]] = []  # name, kind, right, child, start, size
    sectors: list[bytes] = []
    chains: list[tuple[int, int]] = []

    def store(content: bytes) -> int:
        content = content.ljust(max(4096, len(content) + -len(content) % 512), b"\0")
        chains.append((len(sectors), len(content) // 512))
        sectors.extend(content[start : start + 512] for start in range(0, len(content), 512))
        return chains[-1][0]

    def add(name: str, held: bytes | Tree) -> int:
        place = len(entries)
        size = max(4096, len(held)) if isinstance(held, bytes) else 0
        start = store(held) if isinstance(held, bytes) else 0
        entries.append([name, 2 if isinstance(held, bytes) else 1 if place else 5, FREE, FREE, start, size])
        before = FREE
        for inner in [] if isinstance(held, bytes) else sorted(held.items(), reverse=True):
            added = add(*inner)
            entries[added][2], before = before, added
        entries[place][3] = before
        return place

    add("Root Entry", tree)
    directory = b"".join(
        str(name).encode("utf-16-le").ljust(64, b"\0")
        + struct.pack("<HBBIII36xIII", 2 * len(str(name)) + 2, kind, 1, FREE, right, child, start, size, 0)
        for name, kind, right, child, start, size in entries
    )
    first = store(directory)
    tables = 1
    while tables * 128 < len(sectors) + tables:
        tables += 1
    fat = [FREE] * (tables * 128)
    for start, length in chains:
        fat[start : start + length] = [*range(start + 1, start + length), END]
    fat[len(sectors) : len(sectors) + tables] = [0xFFFFFFFD] * tables
    places = [*range(len(sectors), len(sectors) + tables), *[FREE] * (109 - tables)]
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + struct.pack(
        "<16xHHHHH6xIIIIIIIIII", 0x3E, 3, 0xFFFE, 9, 6, 0, tables, first, 0, 4096, END, 0, END, 0, places[0]
    )
    return header + struct.pack("<108I", *places[1:]) + b"".join(sectors) + struct.pack(f"<{len(fat)}I", *fat)


def texts(**facts: str) -> Tree:
    return {f"__substg1.0_{key[1:]}001F": value.encode("utf-16-le") for key, value in facts.items()}


def table(header: int, **numbers: int) -> Tree:
    rows = (
        struct.pack("<HHIQ", 0x40 if value > 2**32 else 3, int(key[1:], 16), 0, value) for key, value in numbers.items()
    )
    return {"__properties_version1.0": b"\0" * header + b"".join(rows)}


def recipient(name: str, address: str, kind: int = 1) -> Tree:
    return texts(p3001=name, p39FE=address) | table(8, p0C15=kind)


def attached(name: str, content: bytes) -> Tree:
    return texts(p3707=name, p370E="text/plain") | {"__substg1.0_37010102": content} | table(8)


def carrying(held: Tree) -> Tree:
    return {"__attach_version1.0_#00000000": held}


MESSAGE: Tree = {
    **texts(p0037="Margins überall", p1000="Own words", p0042="Ortega, Ana", p5D02="ana@example.com", p1035="<1@x>"),
    **table(32, p0039=SENT),
    "__recip_version1.0_#00000000": recipient("Ben", "ben@example.org"),
    "__recip_version1.0_#00000001": recipient("Cy", "cy@example.org", 2),
}


def read(tree: Tree) -> Parsed:
    return parse(SOURCE, ole(tree))


def test_a_message_is_read_with_its_facts() -> None:
    raw = ole(MESSAGE)
    document = parse(SOURCE, raw).document
    assert (document.title, document.author, document.text) == ("Margins überall", "Ortega, Ana", "Own words")
    assert (document.id, document.kind, document.date) == (
        document_id(raw),
        "email",
        datetime(2025, 1, 27, 8, 30, tzinfo=UTC),
    )
    assert document.meta == {
        "from": "ana@example.com",
        "to": "ben@example.org",
        "domain": "example.com",
        "subject": "Margins überall",
        "message_id": "1@x",
        "date_source": "header",
    }


def test_the_headers_that_the_mail_had_on_its_way_come_first() -> None:
    headers = (
        "Received: x\r\nFrom: =?utf-8?q?B=C3=A9n?= <ben@example.net>\r\nDate: Mon, 20 Jan 2025 10:00:00 +0100\r\n"
        "Message-ID: <2@y>\r\nIn-Reply-To: <0@y>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    )
    document = read(MESSAGE | texts(p007D=headers)).document
    assert (document.author, document.meta["domain"]) == ("Bén", "example.net")
    assert document.date == datetime(2025, 1, 20, 9, tzinfo=UTC)
    assert (document.meta["message_id"], document.thread, document.text) == ("2@y", "0@y", "Own words")


def test_an_address_inside_exchange_is_no_address() -> None:
    tree = texts(p1000="x", p0C1A="Ana Ortega", p0C1F="/o=House/ou=Group/cn=ana") | table(32)
    document = read(tree).document
    assert (document.author, "from" in document.meta) == ("Ana Ortega", False)


def test_html_is_read_as_seen_in_its_code_page() -> None:
    html = "<p>Œuvre</p><p style='display:none'>unseen</p>".encode("cp1252").ljust(4096)
    document = read({"__substg1.0_10130102": html} | table(32, p3FDE=1252)).document
    assert (document.text, document.meta["hidden"]) == ("Œuvre", "1")


def test_rtf_is_read_where_there_is_nothing_else() -> None:
    rtf = rb"{\rtf1\ansi\fromhtml1 {\*\htmltag64 <p>}Seen{\*\htmltag72 </p>}}"
    packed = struct.pack("<IIII", 0, len(rtf), 0x414C454D, 0) + rtf
    assert read({"__substg1.0_10090102": packed} | table(32)).document.text == "Seen"


def test_texts_of_old_outlook_are_in_the_code_page_of_the_message() -> None:
    tree: Tree = {"__substg1.0_1000001E": "Маржа".encode("cp1251")} | table(32, p3FFD=1251)
    assert read(tree).document.text == "Маржа"


def test_files_come_with_their_bytes_and_no_folders() -> None:
    parsed = read(MESSAGE | carrying(attached("C:\\x\\Übersicht.txt", b"a" * 5000)))
    assert parsed.attachments == (Attachment("Übersicht.txt", "text/plain", b"a" * 5000),)


def test_a_message_inside_becomes_an_attached_mail_with_its_own_files() -> None:
    inner: Tree = {
        **texts(p0037="Inner", p1000="Inner words", p0C1A="Ben", p5D01="ben@example.org"),
        **table(24, p0039=SENT),
        "__attach_version1.0_#00000000": attached("a.txt", b"b" * 4096),
    }
    held: Tree = {"__substg1.0_3701000D": inner, **table(8)}
    (one,) = read(MESSAGE | carrying(held)).attachments
    within = mail.parse(SOURCE, one.content)
    assert (one.name, one.kind) == ("Inner.eml", "message/rfc822")
    assert (within.document.author, within.document.text) == ("Ben", "Inner words")
    assert within.attachments == (Attachment("a.txt", "text/plain", b"b" * 4096),)


def test_text_that_looks_like_mail_structure_stays_text() -> None:
    text = "--=_mixed\nContent-Type: text/html\n\n<b>x</b>\n--=_mixed--"
    assert mail.parse(SOURCE, rfc822(Message({0x1000: text}))).document.text == text


def test_a_subject_cannot_add_a_header() -> None:
    raw = rfc822(Message({0x0037: "a\r\nFrom: forged@example.com", 0x1000: "x"}))
    assert "from" not in mail.parse(SOURCE, raw).document.meta


@pytest.mark.parametrize(
    ("name", "address", "written"),
    [("A, B", "a@x", '"A, B" <a@x>'), ("", "a@x", "<a@x>"), ("a@x", "a@x", "<a@x>"), ('A "q" <z>', "", '"A q z"')],
)
def test_mailboxes_are_written_as_mail_has_them(name: str, address: str, written: str) -> None:
    assert mailbox(name, address) == written


def test_streams_that_claim_more_than_the_file_holds_are_refused() -> None:
    raw = bytearray(ole(MESSAGE))
    name = "__substg1.0_1000001F".encode("utf-16-le")
    entry = raw.index(name)
    raw[entry + 120 : entry + 124] = struct.pack("<I", 2**31 - 1)
    with pytest.raises(ReadError, match="damaged"):
        parse(SOURCE, bytes(raw))


def test_plain_mail_under_the_name_of_outlook_is_read_as_mail() -> None:
    assert parse(SOURCE, b"From: a@example.com\nSubject: Costs\n\nWords").document.text == "Words"


@pytest.mark.parametrize("raw", [b"", b"From: a@example.com\n\nx", ole({"WordDocument": b"x"})])
def test_what_is_no_message_is_refused(raw: bytes) -> None:
    with pytest.raises(ReadError, match="not an Outlook message"):
        parse(SOURCE, raw)


@pytest.mark.parametrize("seed", range(60))
def test_a_mutated_file_is_read_or_raises_in_time(seed: int) -> None:
    chance, raw = random.Random(seed), bytearray(ole(MESSAGE))
    for _ in range(chance.choice((1, 5, 50))):
        raw[chance.randrange(8, len(raw))] = chance.choice((0, 1, 255, chance.randrange(256)))
    start = time.perf_counter()
    with contextlib.suppress(Exception):
        parse(SOURCE, bytes(raw[: chance.choice((len(raw), chance.randrange(8, len(raw))))]))
    assert time.perf_counter() - start < 30
