"""What holds for all readers, whatever the bytes: documents or failures, and offsets that are exact."""

from __future__ import annotations

import random
from base64 import encodebytes
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from quopri import encodestring

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag.attribution import attribute
from rag.chunking import chunk_document
from rag.readers import mail
from rag.readers.files import read
from rag.records import Document, Failure, SourceFile
from tests import test_outlook, test_pdf, test_tnef, test_word

ROUNDS = 150
LARGEST = 1_000_000
"""Characters of all documents of a file; the seeds have a few kilobytes, of which a mutation repeats pieces."""

PLAIN = (
    b"From: =?utf-8?q?Ana_Ort=C3=A9ga?= <ana@example.com>\r\nTo: ben@example.org\r\nDate: Mon, 27 Jan 2025 08:30:00"
    b" +0100\r\nSubject: =?iso-8859-1?Q?Margins_=FCberall?=\r\nReferences: <1@x> <2@x>\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8; format=flowed\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    b"Margins rise by 5=\r\n0 basis points, \r\nwe think.\r\n\r\nOn Sun, 26 Jan 2025 at 10:00, Ben <ben@example.org>"
    b" wrote:\r\n> Caf=C3=A9 margins=E2=80=8B fall. \r\n>> Or do they?\r\n\r\n-- \r\nAna\r\n"
)
HTML = (
    b"<html><head><meta charset=utf-8><title>Margins</title><style>.x{display:none} td{color:#111}</style></head><body>"
    b"<h1>Margins rise</h1><p>The <b>margins</b> &amp; costs<span class=x>unseen</span><br>rose.</p><blockquote>It said"
    b"<blockquote>so</blockquote></blockquote><table><tr><td>2024</td><td style='font-size:0'>7</td></tr></table>"
    b"<ul><li>one<li>two</ul><!-- note --><script>x()</script><pre>a\n b</pre></body></html>"
)
CALENDAR = (
    b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY;LANGUAGE=en:Call on mar\r\n gins\r\nDTSTART;TZID=Europe/London:"
    b"20250127T100000\r\nDTEND:20250127T113000Z\r\nRRULE:FREQ=WEEKLY\r\nORGANIZER;CN=Ana:mailto:ana@example.com\r\n"
    b"DESCRIPTION;ENCODING=QUOTED-PRINTABLE:Dial in=3A 1\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)
NOTE = (
    b"---\ntitle: Margins\ndate: 2025-01-27\nauthor: [Ana, Ben]\nhouse: UBS\n---\n# Margins\n\n> They rise.\n\n- one\n"
)
TABLE = f"<w:tbl><w:tr>{test_word.cell(test_word.paragraph('2024'))}{test_word.cell('<w:p/>')}</w:tr></w:tbl>"
WORD = f"<w:body>{test_word.paragraph('Margins rise')}{TABLE}{test_word.paragraph('unseen', test_word.WHITE)}</w:body>"
PDF = test_pdf.pdf(test_pdf.lines("Margins rise", "", "and fall"), test_pdf.lines("2"), info="/Title (Margins)")
MSG = test_outlook.ole(
    test_outlook.MESSAGE | test_outlook.carrying(test_outlook.attached("a.txt", b"figures ".ljust(4096)))
)


def part(kind: str, content: bytes, name: str = "") -> bytes:
    named = f"Content-Disposition: attachment; filename*=utf-8''{name}\n" if name else ""
    head = f"--=_b\nContent-Type: {kind}\n{named}Content-Transfer-Encoding: base64\n\n"
    return head.encode() + encodebytes(content)


MIXED = (
    b"From: ana@example.com\nSubject: all of it\nContent-Type: multipart/mixed; boundary*0==_;\n boundary*1=b\n\n"
    + part(
        "multipart/alternative; boundary=i", b"--i\nContent-Type: text/plain\n\nrise\n--i\nContent-Type: text/html\n\nx"
    )
    + part("text/html; charset=utf-8", HTML)
    + part("text/calendar; method=REQUEST", CALENDAR)
    + part("message/rfc822", PLAIN, "a%20b.eml")
    + part("application/ms-tnef", test_tnef.WHOLE, "winmail.dat")
    + part("application/octet-stream", PDF, "a.pdf")
    + b"--=_b--\n"
)
MBOX = b"".join(b"From a@b Mon Jan  1 00:00:00 2024\n%s\n>From here on\n\n" % text for text in (PLAIN, MIXED, PLAIN))


@dataclass(frozen=True, slots=True)
class Kind:
    """A format: the piece that is mutated, and how a file is made of it."""

    name: str
    seed: bytes
    make: Callable[[bytes], bytes] = bytes


KINDS = [
    Kind("plain.eml", PLAIN),
    Kind("mixed.eml", MIXED),
    Kind("all.mbox", MBOX),
    Kind("saved.msg", MSG),
    Kind("note.md", NOTE),
    Kind("note.txt", NOTE),
    Kind("page.html", HTML),
    Kind("call.ics", CALENDAR),
    Kind("report.pdf", PDF),
    Kind("report.docx", test_word.docx(WORD, core=test_word.CORE, styles=test_word.STYLES)),
    Kind("xml.docx", WORD.encode(), lambda body: test_word.docx(body.decode("utf-8", "ignore"))),
    Kind("tnef.eml", test_tnef.WHOLE, lambda raw: b"Content-Type: application/ms-tnef\n\n" + raw),
]
NASTY = [
    b"\0",
    b"\xff" * 8,
    b"\n",
    b"\r",
    b"9" * 50,
    b"<",
    b"--=_b",
    b"\xe2\x80\xae",
    b"\xed\xa0\x80",
    b"%00",
    b"=",
    b">" * 40,
]


def mutated(seed: bytes, chance: random.Random) -> bytes:
    data = bytearray(seed)
    for _ in range(chance.choice((1, 1, 2, 4, 12))):
        at, end = sorted(chance.randrange(len(data) + 1) for _ in range(2))
        end = min(end, at + chance.choice((1, 8, 200, 10_000)))
        way = chance.randrange(6)
        if way == 0 and data[at : at + 1]:
            data[at] ^= 1 << chance.randrange(8)
        elif way == 1:
            del data[at:end]
        elif way == 2:
            data = data[:at]
        elif way == 3:
            data[at:at] = data[at : min(end, at + 300)] * chance.choice((1, 2, 30))
        elif way == 4:
            other = chance.choice(KINDS).seed
            start = chance.randrange(len(other))
            data[at:end] = other[start : start + chance.choice((4, 60, 2000))]
        else:
            data[at : at + chance.choice((0, 4))] = chance.choice(NASTY)
    return bytes(data)


def outcome(root: Path, name: str, raw: bytes) -> list[Document | Failure]:
    (root / name).write_bytes(raw)
    found: list[Document | Failure] = []
    for reading in read(root, SourceFile(name, "0" * 64, len(raw), 0)):
        found += [*reading.documents, *reading.failures]
        "".join(reading.left_out).encode()
    return found


def assert_sound(item: Document | Failure) -> None:
    if isinstance(item, Failure):
        assert item.reason
        assert "cannot be parsed" not in item.reason, "a parser raised something but ReadError"
    repr(asdict(item)).encode()
    if isinstance(item, Document):
        "".join([item.text, item.title, item.author or "", item.house or "", *item.meta.values()]).encode()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_mutated_file_is_documents_or_failures(kind: Kind, tmp_path: Path) -> None:
    chance = random.Random(kind.name)
    for _ in range(ROUNDS):
        items = outcome(tmp_path, kind.name, kind.make(mutated(kind.seed, chance)))
        for item in items:
            assert_sound(item)
        assert sum(len(item.text) for item in items if isinstance(item, Document)) <= LARGEST


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_seeds_are_read_whole(kind: Kind, tmp_path: Path) -> None:
    items = outcome(tmp_path, kind.name, kind.make(kind.seed))
    assert items
    assert all(isinstance(item, Document) for item in items)


WORDS = st.sampled_from(
    [
        "Margins rise.",
        "Costs fell by 5%.",
        "café",
        "Größe",
        "日本語。",
        "a\u200bb",
        "\u202eb",
        "e\u0301",
        "Per Barclays,",
        '"We say."',
    ]
)
LINES = st.one_of(
    st.lists(WORDS, max_size=8).map(" ".join),
    st.sampled_from(
        [
            *("", "", "-- ", "> quoted words here.", ">> deeper", ">", "Best regards", "Ana Ortega", "Here's UBS:"),
            "On Mon, 27 Jan 2025 at 10:00, Ben Ray <ben@barclays.com> wrote:",
            "-----Original Message-----",
            "From: Ben Ray <ben@ubs.com>",
            "Sent: 27 January 2025 10:00",
            "To: Ana",
            "Subject: Re: Capex",
            "---------- Forwarded message ---------",
            "This e-mail is confidential and intended only for the addressee.",
            "<blockquote>they said</blockquote>",
            "flowed \nlines \nhere",
        ]
    ),
)
CHARSETS = st.sampled_from(["utf-8", "iso-8859-1", "windows-1252", "utf-16", "gb2312", "shift_jis", "unknown-8bit"])
ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "8bit": bytes,
    "base64": encodebytes,
    "quoted-printable": encodestring,
}


@st.composite
def mails(draw: st.DrawFn) -> bytes:
    def body(kind: str) -> bytes:
        charset, encoding = draw(CHARSETS), draw(st.sampled_from(sorted(ENCODINGS)))
        flowed = draw(st.sampled_from(["", "; format=flowed", "; format=flowed; delsp=yes"]))
        text = "\n".join(draw(st.lists(LINES, max_size=25)))
        if kind == "text/html":
            text = "<br>".join(text.split("\n"))
        codec = "utf-8" if charset == "unknown-8bit" else draw(st.sampled_from([charset, "utf-8", "cp1252"]))
        head = f"Content-Type: {kind}; charset={charset}{flowed}\nContent-Transfer-Encoding: {encoding}\n\n"
        return head.encode() + ENCODINGS[encoding](text.encode(codec, "replace"))

    sender = draw(st.sampled_from(["Ana <ana@gs.com>", "ana@example.com", "", "=?utf-8?b?w6k=?= <a@jpmorgan.com>"]))
    date = draw(st.sampled_from(["Mon, 27 Jan 2025 08:00:00 +0000", "Tomorrow maybe", ""]))
    head = f"From: {sender}\nDate: {date}\nSubject: Capex\nMIME-Version: 1.0\n".encode()
    parts = [body(draw(st.sampled_from(["text/plain", "text/html"]))) for _ in range(draw(st.integers(1, 3)))]
    if len(parts) == 1:
        return head + parts[0]
    kind = draw(st.sampled_from(["mixed", "alternative"]))
    joined = b"".join(b"--=_b\n" + piece + b"\n" for piece in parts)
    return head + f"Content-Type: multipart/{kind}; boundary==_b\n\n".encode() + joined + b"--=_b--\n"


@given(mails())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_offsets_are_exact_after_every_transformation(raw: bytes) -> None:
    document = attribute(mail.parse(SourceFile("a.eml", "0" * 64, len(raw), 0), raw).document)
    text = document.text
    assert [voice.start for voice in document.voices] == [0, *[voice.end for voice in document.voices]][
        : len(document.voices)
    ]
    assert not text or document.voices[-1].end == len(text)
    for voice in document.voices:
        assert voice.cue is None or 0 <= voice.cue[0] < voice.cue[1] <= len(text)
    for chunk in chunk_document(document, words=40):
        assert text[chunk.start : chunk.end] == chunk.text
        assert chunk.voice in document.voices
        assert chunk.voice.start <= chunk.start < chunk.end <= chunk.voice.end
