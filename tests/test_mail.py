from __future__ import annotations

import base64
import io
import time
from datetime import UTC, datetime
from email.message import EmailMessage
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.errors import ReadError
from rag.readers.files import READERS
from rag.readers.mail import MAX_MESSAGE, is_mbox, is_message, parse, split_mbox
from rag.readers.mime import MAX_DEPTH, MAX_PARTS
from rag.readers.parsed import Attachment
from rag.records import Document, SourceFile

SOURCE = SourceFile("a/mail.eml", "0" * 64, 1, 1_700_000_000_000_000_000)


def read(raw: bytes) -> Document:
    return parse(SOURCE, raw).document


def multipart(kind: str, *parts: bytes, head: bytes = b"") -> bytes:
    body = b"".join(b"--b\n" + part + b"\n" for part in parts)
    return head + b"Content-Type: multipart/" + kind.encode() + b"; boundary=b\n\n" + body + b"--b--\n"


PLAIN = b"Content-Type: text/plain\n\nthe plain words, of which there are enough to be more than a pointer"
HTML = b"Content-Type: text/html\n\n<p>the <b>html</b> words</p>"


def test_a_message_becomes_a_document_with_its_facts() -> None:
    message = EmailMessage()
    message["From"] = '"Ortega, Ana" <ana.ortega@Research.Example>'
    message["To"] = "Desk <desk@fund.example>, pm@fund.example"
    message["Subject"] = "Capex: what changes"
    message["Date"] = "Mon, 27 Jan 2025 08:30:00 -0500"
    message["Message-ID"] = "<3@x>"
    message["In-Reply-To"] = "<2@x>"
    message["References"] = "<1@x> <2@x>"
    message.set_content("Spending holds.\n\nOn Sunday Bo wrote:\n> It falls.\n")
    raw = message.as_bytes()
    document = read(raw)
    assert document.text == "Spending holds.\n\nOn Sunday Bo wrote:\n> It falls."
    assert (document.kind, document.path, document.title) == ("email", "a/mail.eml", "Capex: what changes")
    assert (document.author, document.house, document.thread) == ("Ortega, Ana", None, "1@x")
    assert document.date == datetime(2025, 1, 27, 13, 30, tzinfo=UTC)
    assert document.voices == ()
    assert document.meta == {
        "from": "ana.ortega@Research.Example",
        "to": "desk@fund.example, pm@fund.example",
        "domain": "research.example",
        "subject": "Capex: what changes",
        "message_id": "3@x",
        "in_reply_to": "2@x",
        "date_source": "header",
    }


@pytest.mark.parametrize(
    ("value", "author", "address"),
    [
        ("Ana Ortega <ana@x.example>", "Ana Ortega", "ana@x.example"),
        ("ana@x.example (Ana Ortega)", "Ana Ortega", "ana@x.example"),
        ("ana@x.example", None, "ana@x.example"),
        ("<ana@x.example>", None, "ana@x.example"),
        ('"ana@x.example" <ana@x.example>', None, "ana@x.example"),
        ("=?utf-8?q?J=C3=A9r=C3=B4me?= <j@x.example>", "Jérôme", "j@x.example"),
        ("=?utf-8?q?a=0D=0ABcc:_b?= <j@x.example>", "a Bcc: b", "j@x.example"),
        ("A <a@x.example>, B <b@y.example>", "A", "a@x.example"),
        ("a..b@x.com, .@y, @, <>, ;:", None, "a..b@x.com"),
        ("<@a,@b:c@d>", None, "c@d"),
        ("", None, None),
    ],
)
def test_senders_are_read_in_every_form(value: str, author: str | None, address: str | None) -> None:
    document = read(f"From: {value}\n\nx".encode())
    assert (document.author, document.meta.get("from")) == (author, address)


@pytest.mark.parametrize(
    ("headers", "thread"),
    [
        (b"References: <1@x>\n <2@x>\nMessage-ID: <3@x>", "1@x"),
        (b"In-Reply-To: <2@x>\nMessage-ID: <3@x>", "2@x"),
        (b"Message-ID: <3@x>", "3@x"),
        (b"Message-ID: <>", None),
        (b"Message-ID: <[b378@microsoft.example]>", "[b378@microsoft.example]"),
        (b"Subject: none", None),
    ],
)
def test_a_thread_is_named_by_its_root(headers: bytes, thread: str | None) -> None:
    assert read(headers + b"\n\nx").thread == thread


@pytest.mark.parametrize(
    "date",
    [
        b"Tomorrow maybe",
        b"Mon, 32 Foo 99999 99:99:99 +9999",
        b"Mon, 1 Jan 2024 10:00:00 +99999999999",
        b"Mon, 1 Jan 0000 10:00:00 -0000",
        b"1",
        b"Thu, 1 Jan 2099 10:00:00 +0000",
        b"",
    ],
)
def test_a_date_that_cannot_be_believed_falls_to_the_file(date: bytes) -> None:
    document = read(b"Date: " + date + b"\n\nx")
    assert (document.meta["date_source"], document.date.year) == ("file", 2023)


def test_without_a_date_header_the_date_in_the_text_counts() -> None:
    document = read(b"Subject: a\n\nLondon, 27 January 2025. Rates hold.")
    assert (document.meta["date_source"], document.date) == ("text", datetime(2025, 1, 27, tzinfo=UTC))


def test_alternatives_are_read_once_and_plain_text_wins() -> None:
    assert read(multipart("alternative", PLAIN, HTML)).text.startswith("the plain words")


def test_html_is_read_where_there_is_no_plain_text() -> None:
    assert read(multipart("alternative", HTML)).text == "the html words"


def test_html_is_read_where_the_plain_text_only_points_to_it() -> None:
    stub = b"\n\nYour program shows no HTML."
    assert read(multipart("alternative", stub, b"Content-Type: text/html\n\n" + b"words " * 100)).text.startswith(
        "words"
    )


def test_attachments_are_handed_on_and_stay_out_of_the_text() -> None:
    attached = b"Content-Type: text/plain\nContent-Disposition: attachment; filename=../model.txt\n\nsecret"
    picture = b"Content-Type: image/png; name=chart.png\nContent-Transfer-Encoding: base64\n\neA=="
    parsed = parse(SOURCE, multipart("mixed", PLAIN, attached, picture))
    assert "secret" not in parsed.document.text
    assert parsed.document.meta["attachments"] == "model.txt, chart.png"
    assert parsed.attachments == (
        Attachment("model.txt", "text/plain", b"secret"), Attachment("chart.png", "image/png", b"x"),
    )  # fmt: skip


def test_an_attached_mail_is_handed_on_as_it_was_sent() -> None:
    inner = b"From: Bo <bo@y.example>\nSubject: Margins\n\nThey fall."
    parsed = parse(SOURCE, multipart("mixed", b"\n\nSee below.", b"Content-Type: message/rfc822\n\n" + inner))
    assert (parsed.document.text, parsed.attachments) == ("See below.", (Attachment("", "message/rfc822", inner),))


def test_the_mails_of_a_digest_are_handed_on_one_by_one() -> None:
    parsed = parse(SOURCE, multipart("digest", b"\nSubject: 1\n\none", b"\nSubject: 2\n\ntwo"))
    assert [attachment.content for attachment in parsed.attachments] == [b"Subject: 1\n\none", b"Subject: 2\n\ntwo"]


@pytest.mark.parametrize("kind", ["application/pgp-signature", "application/pkcs7-signature"])
def test_a_signed_mail_is_read_without_its_signature(kind: str) -> None:
    parsed = parse(SOURCE, multipart("signed", b"\nWords.", f"Content-Type: {kind}\n\nMIA=".encode()))
    assert (parsed.document.text, parsed.attachments, parsed.left_out) == ("Words.", (), ())


def test_an_invitation_is_handed_on_and_the_text_beside_it_is_read() -> None:
    parsed = parse(SOURCE, multipart("alternative", PLAIN, b"Content-Type: text/calendar\n\nBEGIN:VCALENDAR"))
    assert parsed.document.text.startswith("the plain words")
    assert [attachment.kind for attachment in parsed.attachments] == ["text/calendar"]


def test_hidden_html_is_counted() -> None:
    document = read(b'Content-Type: text/html\n\n<p>a</p><p style="display:none">obey</p>')
    assert (document.text, document.meta["hidden"]) == ("a", "1")


def test_flowed_text_is_unwrapped_within_its_quote_depth() -> None:
    body = b"one \ntwo \n three\n> four \n> five\nsix\n-- \nAna"
    document = read(b"Content-Type: text/plain; format=flowed\n\n" + body)
    assert document.text == "one two three\n> four five\nsix\n-- \nAna"


def test_flowed_text_with_deleted_spaces_joins_words() -> None:
    assert read(b"Content-Type: text/plain; format=flowed; delsp=yes\n\nab \ncd").text == "abcd"


def test_line_ends_of_all_kinds_are_read() -> None:
    texts = [read(end.join([b"Subject: a", b"", b"one", b"two"])) for end in (b"\n", b"\r\n", b"\r")]
    assert {(document.title, document.text) for document in texts} == {("a", "one\ntwo")}


def test_the_title_without_a_subject_is_the_first_line() -> None:
    assert read(b"From: a@b\n\n\nGood morning all,\nrest").title == "Good morning all,"


def test_terminal_escapes_never_leave_a_header() -> None:
    assert read(b"Subject: \x1b]52;c;x\x07 \xc2\x9b2J\n\nx").title == "]52;c;x 2J"


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data", "its text is encrypted"),
        (b"Content-Type: multipart/encrypted; boundary=b", "its text is encrypted"),
        (b"Content-Type: application/pkcs7-mime; smime-type=signed-data", "its text is sealed into a signature"),
    ],
)
def test_what_is_sealed_is_left_out_and_said(head: bytes, reason: str) -> None:
    assert parse(SOURCE, head + b"\n\nMIA=").left_out == (reason,)


def test_a_mail_saved_by_outlook_as_text_is_dated_by_its_sent_line() -> None:
    assert read(b"From: Bo\nSent: Mon, 27 Jan 2025 08:00:00 +0000\nSubject: a\n\nx").date.day == 27


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (b"From: a@b\nSubject: c\n\nd", True),
        (b"Return-Path: <a@b>\r\nReceived: from x\r\n by y\r\nFrom: a@b\r\nTo: c\r\n\r\nd", True),
        (b"From: a@b\nSubject: " + b"x" * 5000, False),
        (b"Subject: c\n\nd", False),
        (b"From: the desk\n\nd", False),
        (b"Hello\nFrom: a@b\nSubject: c\n\nd", False),
        (b"", False),
    ],
)
def test_a_text_that_begins_with_headers_is_a_mail(start: bytes, expected: bool) -> None:
    assert is_message(start) is expected


def test_a_file_that_begins_with_a_separator_is_an_mbox() -> None:
    assert is_mbox(b"From a@b Mon Jan 27 08:00:00 2025\nSubject: a\n")
    assert not is_mbox(b"From the office on Monday\n")


def test_binary_data_is_no_message() -> None:
    with pytest.raises(ReadError, match="not a mail message"):
        read(bytes(range(256)) * 4)


def test_too_many_parts_are_refused() -> None:
    with pytest.raises(ReadError, match="parts"):
        read(multipart("mixed", *[b"\nx"] * (MAX_PARTS + 1)))


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 300, 1000])
def test_parts_nested_too_deeply_are_refused(depth: int) -> None:
    with pytest.raises(ReadError, match="deep"):
        read(
            b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(depth)) + b"\nx"
        )


def test_messages_inside_messages_end_at_a_depth() -> None:
    assert read(multipart("mixed", PLAIN, b"Content-Type: message/rfc822\n\n" * 300 + b"Subject: x\n\ny")).text


def test_a_boundary_that_is_missing_leaves_the_body() -> None:
    assert read(b"Content-Type: multipart/alternative\n\nabc").text == "abc"


NASTY = [
    b"Subject: a\x00b", b"Content-Type: text/plain; name*", b"Content-Type: text/plain; name*0*", b"To: (c):",
    b"Cc: (x): a@b.com;", b'To: "', b"Message-ID: <[b@m]>", b"Message-ID: <>", b"Message-ID: <@>", b"Message-ID: ",
    b"In-Reply-To: <a@b> <c@d>\nReferences: <a@b>\t<<c@d>", b"From: =?utf-8?q?a=0Ab?= <x@y>",
    b"From: =?utf-8?q?a?=@b.com",
    b"From: J\xe9r\xf4me <j@x>", b"Subject: caf\xe9 \xff\xfe", b"Subject: =?x-unknown?b?aGk=?=",
    b"Subject: =?utf-8?b?a?=", b"Subject: =?utf-8?b?7aCA?=", b"Subject: =?\xff?q?x?=", b"Date: Sun, 1 Jan 1",
    b"Content-Type:", b"Content-Type: ;", b"Content-Type: text/", b"Content-Type: text/plain; charset=*\xff\xfe",
    b'Content-Type: text/plain; charset="u\x00tf"', b"Content-Type: text/plain; charset=zlib",
    b"Content-Type: text/plain; charset=idna", b"Content-Type: text/plain; charset=undefined",
    b"Content-Transfer-Encoding: (c)", b"Content-Disposition: attachment; filename*99999999999=x",
    b"Content-Disposition:", b"this is not a header", b": novalue", b"Invalid Header: x",
    b"To: " + b"(" * 3000 + b")" * 3000 + b" a@b", b"To: " + b"<" * 3000, b"To: " + b'"a" ' * 3000,
    b"Subject: " + b"=?utf-8?q?a?= " * 5000, b"From: a@[1.2.3.4, <x@[>", b"MIME-Version: x.y (a",
    b"Content-Type: text/plain" + b";a" * 100_000, b"Subject: " + b"a" * 1_900_000,
]  # fmt: skip


@pytest.mark.parametrize("header", NASTY, ids=range(len(NASTY)))
def test_no_header_costs_the_message_its_text(header: bytes) -> None:
    document = read(header + b"\n\nthe body")
    document.title.encode("utf-8")
    assert document.text.endswith("the body")


def mbox(*messages: bytes) -> bytes:
    return b"".join(b"From a@b Mon Jan  1 00:00:00 2024\n" + message + b"\n\n" for message in messages)


def test_an_mbox_is_cut_only_at_separators_after_a_blank_line() -> None:
    first = b"Subject: 1\n\nFrom the office, in 2024\nFrom a@b Mon Jan  1 00:00:00 2024\n\nFrom here on, 10 of 2024"
    assert list(split_mbox(io.BytesIO(mbox(first, b"Subject: 2\n\nb")))) == [first + b"\n", b"Subject: 2\n\nb\n"]


def test_one_mark_before_from_is_undone() -> None:
    assert list(split_mbox(io.BytesIO(mbox(b"\n>From x\n>>From y\n> From z")))) == [b"\nFrom x\n>From y\n> From z\n"]


@pytest.mark.parametrize("data", [mbox(b"Subject: 1\n\nx").rstrip(), b"\n\nSubject: 1\n\nx"])
def test_a_cut_mbox_still_gives_its_message(data: bytes) -> None:
    assert list(split_mbox(io.BytesIO(data))) == [b"Subject: 1\n\nx"]


def test_an_mbox_with_windows_line_ends_is_cut_too() -> None:
    data = mbox(b"Subject: 1\n\nx", b"Subject: 2\n\ny").replace(b"\n", b"\r\n")
    assert [read(raw).text for raw in split_mbox(io.BytesIO(data))] == ["x", "y"]


def test_a_message_is_the_same_document_in_an_mbox_and_alone() -> None:
    assert [read(raw).id for raw in split_mbox(io.BytesIO(mbox(b"Subject: 1\n\nx")))] == [read(b"Subject: 1\n\nx\n").id]


def test_an_oversized_message_of_an_mbox_is_cut_and_the_next_is_whole() -> None:
    large = (b"x" * 999_999 + b"\n") * (MAX_MESSAGE // 1_000_000 + 5)
    lengths = [len(raw) for raw in split_mbox(io.BytesIO(mbox(large, b"Subject: 2\n\ny")))]
    assert MAX_MESSAGE < lengths[0] < MAX_MESSAGE + 1_000_000
    assert lengths[1] == len(b"Subject: 2\n\ny\n")


@given(st.lists(st.sampled_from([b"From a@b Mon Jan  1 00:00:00 2024\n", b"\n", b">From x\n", b"text\n", b"cut"])))
def test_no_text_of_an_mbox_is_lost(lines: list[bytes]) -> None:
    data = b"".join(lines)
    assert b"".join(split_mbox(io.BytesIO(data))).count(b"text") == data.count(b"text")


WHOLE = multipart(
    "mixed",
    multipart("alternative", PLAIN, HTML).replace(b"=b\n", b"=c\n").replace(b"--b", b"--c"),
    b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n"
    + base64.b64encode("é".encode() * 40),
    b"Content-Type: message/rfc822\n\nSubject: inner\n\nx",
    head=b"From: Ana <a@b>\nDate: Mon, 27 Jan 2025 08:30:00 -0500\nSubject: =?utf-8?q?a=C3=A9?=\n",
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(WHOLE)), st.integers(0, 8), st.binary(max_size=6)), max_size=12))
def test_any_mutation_of_a_message_is_read_or_refused(changes: list[tuple[int, int, bytes]]) -> None:
    raw = WHOLE
    for place, cut, new in changes:
        raw = raw[:place] + new + raw[place + cut :]
    try:
        document = READERS[".eml"].parse(SOURCE, raw).document
    except ReadError:
        return
    assert all(
        isinstance(text.encode("utf-8"), bytes) for text in (document.text, document.title, *document.meta.values())
    )


def test_copies_are_one_document_and_other_bodies_are_not() -> None:
    ids = [read(raw).id for raw in (b"Message-ID: <1@x>\n\na", b"Message-ID: <1@x>\n\na", b"Message-ID: <1@x>\n\nb")]
    assert [left == right for left, right in pairwise(ids)] == [True, False]


SLOW = {
    "flowed lines": b"Content-Type: text/plain; format=flowed\n\n" + b"a \n" * 300_000,
    "a sender": b"From: " + b"a" * 1_900_000 + b"\n\nx",
    "encoded words": b"Subject: " + b"=?a?q?xxxx?=" * 150_000 + b"\n\nx",
}


@pytest.mark.parametrize("raw", SLOW.values(), ids=list(SLOW))
def test_long_messages_are_read_in_linear_time(raw: bytes) -> None:
    begin = time.process_time()
    read(raw)
    assert time.process_time() - begin < 20


def test_lines_that_almost_separate_messages_take_linear_time() -> None:
    begin = time.process_time()
    list(split_mbox(io.BytesIO((b"\nFrom a " + b"1:11 " * 13_000 + b"\n") * 5)))
    assert time.process_time() - begin < 20


def test_html_in_many_parts_is_refused_like_html_in_one() -> None:
    part = b"Content-Type: text/html\n\n" + b"<p>" + b"x" * 1_200_000
    with pytest.raises(ReadError, match="2 MB"):
        read(multipart("mixed", part, part))


def sealed(content: bytes) -> bytes:
    """Signed data in BER: every length is open but the first ones."""
    head = bytes.fromhex("308006092a864886f70d010702a08030800201013100308006092a864886f70d010701a0802480")
    octets = bytes([0x04, 0x82]) + len(content).to_bytes(2) + content
    return base64.encodebytes(head + octets + b"\0" * 14)


def test_a_mail_that_is_sealed_into_its_signature_is_read() -> None:
    head = b"Content-Type: application/pkcs7-mime; smime-type=signed-data\nContent-Transfer-Encoding: base64\n\n"
    parsed = parse(SOURCE, head + sealed(b"Content-Type: text/html\r\n\r\n<p>Sealed <b>words</b>."))
    assert (parsed.document.text, parsed.left_out) == ("Sealed words.", ())


ARMOUR = (
    "-----BEGIN PGP {0}-----\nVersion: 1\n\n" + "iF0EARECAB0WIQTaJtq3VyocXyqx\n" * 3 + "=abcd\n-----END PGP {0}-----\n"
)


def test_the_words_of_a_mail_signed_in_its_text_stay_without_the_signature() -> None:
    text = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nWe say so.\n" + ARMOUR.format("SIGNATURE")
    assert read(b"Subject: s\n\n" + text.encode()).text == "We say so."


def test_text_that_only_the_recipient_can_read_is_left_out_and_said() -> None:
    parsed = parse(SOURCE, b"Subject: s\n\nSee below.\n" + ARMOUR.format("MESSAGE").encode())
    assert (parsed.document.text, parsed.left_out) == ("See below.", ("its text is encrypted",))


def test_words_between_the_marks_of_pgp_are_seen_and_stay() -> None:
    text = "-----BEGIN PGP MESSAGE-----\nBuy these shares, they said.\n-----END PGP MESSAGE-----"
    assert read(b"Subject: s\n\n" + text.encode()).text == text


def test_many_openings_without_an_end_are_read_in_linear_time() -> None:
    begin = time.process_time()
    read(b"Subject: s\n\n" + b"-----BEGIN PGP MESSAGE-----\n" * 40_000)
    assert time.process_time() - begin < 20


@pytest.mark.parametrize("separator", [b"From \n", b"From \r\n", b"From - \n"])
def test_the_bare_separators_of_thunderbird_cut_where_a_header_follows(separator: bytes) -> None:
    data = separator + b"Subject: 1\n\nx\n\n" + separator + b"Subject: 2\n\ny\n\n" + separator + b"now on, it rose\n"
    assert is_mbox(data)
    assert list(split_mbox(io.BytesIO(data))) == [
        b"Subject: 1\n\nx\n",
        b"Subject: 2\n\ny\n\n" + separator + b"now on, it rose\n",
    ]


def test_an_mbox_of_an_old_mac_is_cut_too() -> None:
    data = mbox(b"Subject: 1\n\nx\n" * 9000, b"Subject: 2\n\ny").replace(b"\n", b"\r")
    first, second = split_mbox(io.BytesIO(data))
    assert first == b"Subject: 1\n\nx\n" * 9000 + b"\n"
    assert read(second).text == "y"


@pytest.mark.parametrize(
    "head",
    [
        b"Date: 2025-01-27T08:30:00Z",
        b"Date: soon\nReceived: from a by b; Mon, 27 Jan 2025 08:30:00 +0000\nReceived: from c; 1 Jan 2001 00:00 GMT",
        b"Received: from a by b; Mon, 27 Jan 2025 08:30:00 +0000 (UTC)",
    ],
)
def test_a_mail_without_a_readable_date_is_dated_by_its_last_server(head: bytes) -> None:
    assert read(head + b"\n\nx").date == datetime(2025, 1, 27, 8, 30, tzinfo=UTC)


def test_invisible_characters_are_counted_in_text_and_html() -> None:
    parts = [
        b"Content-Type: %s; charset=utf-8\n\n%s" % (kind, "Se\u200bll \u202enow".encode())
        for kind in (b"text/plain", b"text/html")
    ]
    document = read(multipart("mixed", *parts))
    assert (document.text, document.meta["invisible"]) == ("Sell now\n\nSell now", "4")
