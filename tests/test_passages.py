"""A passage in its document: who speaks and why we think so, its copies, and the file as it was sent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rag import Assistant, Settings
from rag.errors import PassageGone
from rag.passages import SOURCE_BYTES, why
from rag.records import Quote, Voice
from tests.conftest import BERNSTEIN
from tests.fakes import ScriptedModel, WordEmbedder
from tests.pages import quote
from tests.test_duplicates import NOTE, forward, original

FORWARD = """\
From: Priya Raman <priya@desk.example>
Date: Tue, 28 Jan 2025 10:00:00 +0000
Subject: Fwd: The five million
Message-ID: <9@desk.example>
Content-Type: multipart/mixed; boundary=b

--b

See below.

On Mon, 27 Jan 2025, Stacy Rasgon <stacy.rasgon@bernsteinsg.com> wrote:
> The claim that somebody rebuilt OpenAI for $5M is wrong. The number is 2,048 rented GPUs at $2 an hour.
>
> It leaves out earlier research.

--b
Content-Type: text/plain; name=table.txt
Content-Disposition: attachment; filename=table.txt

Copper costs $9,000 a tonne.
--b--
"""


@pytest.fixture
def open_desk(corpus: Path, settings: Settings) -> Iterator[Assistant]:
    (corpus / "fwd.eml").write_text(FORWARD)
    with Assistant.open(settings, embedder=WordEmbedder(), model=ScriptedModel()) as desk:
        desk.sync()
        yield desk


def first(desk: Assistant, question: str) -> Quote:
    return desk.ask(question, quotes_only=True).quotes[0]


def test_a_quote_opens_at_its_own_words(open_desk: Assistant) -> None:
    quote = first(open_desk, "what did Bernstein say about the $5M?")
    found = open_desk.passage(quote.hit.document.id, quote.start, quote.end)
    assert found.document.text[found.start : found.end] == quote.text
    assert found.voice == quote.hit.chunk.voice


def test_a_mail_s_own_words_are_its_sender_s(open_desk: Assistant) -> None:
    quote = first(open_desk, "what did Bernstein say about the $5M?")
    found = open_desk.passage(quote.hit.document.id, quote.start, quote.end)
    assert found.why == "It is the mail's own text, and the mail is from stacy.rasgon@bernsteinsg.com."


def test_quoted_words_point_to_the_words_that_name_their_speaker(open_desk: Assistant) -> None:
    forward = next(entry for entry in open_desk.entries("Fwd").entries if entry.title.startswith("Fwd"))
    document = open_desk.passage(forward.id).document
    at = document.text.index("It leaves out")
    found = open_desk.passage(forward.id, at, at + 10)
    assert found.voice.cue is not None
    cue = document.text[slice(*found.voice.cue)]
    assert cue.endswith("wrote:")
    assert found.why == f"The underlined words say who speaks here: “{cue}”"


def test_the_copies_of_a_passage_are_named(corpus: Path, open_desk: Assistant) -> None:
    original(corpus)
    forward(corpus)
    open_desk.sync()
    (entry,) = (one for one in open_desk.entries("chips").entries if one.path == "original.eml")
    found = open_desk.passage(entry.id, 0, NOTE.index("."))
    assert {copy.path for copy in found.copies} == {"forward.eml", "reply.eml"}


def test_a_copy_names_the_document_that_is_found_in_its_place_and_the_other_copies(
    corpus: Path, open_desk: Assistant
) -> None:
    original(corpus)
    forward(corpus)
    open_desk.sync()
    (entry,) = (one for one in open_desk.entries("chips").entries if one.path == "forward.eml")
    text = open_desk.passage(entry.id).document.text
    at = text.index("orders from the cloud")
    said = open_desk.passage(entry.id, at, text.index(".", at))
    assert {copy.path for copy in said.copies} == {"original.eml", "reply.eml"}
    assert {copy.path for copy in open_desk.passage(entry.id).copies} == {"original.eml", "reply.eml"}
    own = open_desk.passage(entry.id, 0, len("Have a look."))
    assert own.copies == ()


def test_a_mail_and_what_came_with_it_know_each_other(open_desk: Assistant) -> None:
    attached = first(open_desk, "what does copper cost?").hit.document
    parent = open_desk.passage(attached.id).parent
    assert parent is not None
    assert [one.id for one in open_desk.passage(parent.id).attached] == [attached.id]


@pytest.mark.parametrize(("start", "end"), [(-1, 3), (5, 2), (0, 10_000_000), (10**18, 10**18)])
def test_a_span_outside_the_document_is_refused(open_desk: Assistant, start: int, end: int) -> None:
    document = first(open_desk, "what did Bernstein say about the $5M?").hit.document
    with pytest.raises(PassageGone):
        open_desk.passage(document.id, start, end)


def test_a_document_that_is_gone_is_told(open_desk: Assistant) -> None:
    with pytest.raises(PassageGone, match="no longer in the index"):
        open_desk.passage("0" * 32)


def test_a_mail_is_shown_as_it_was_sent(open_desk: Assistant) -> None:
    document = first(open_desk, "what did Bernstein say about the $5M?").hit.document
    assert open_desk.source(document.id) == BERNSTEIN


def test_an_attachment_is_shown_with_the_mail_that_it_came_with(open_desk: Assistant) -> None:
    document = first(open_desk, "what does copper cost?").hit.document
    assert open_desk.source(document.id) == FORWARD


def test_a_message_of_a_mailbox_is_shown_alone(corpus: Path, open_desk: Assistant) -> None:
    one = "From a@b Mon Jan 27 08:00:00 2025\nFrom: Ana <ana@gs.com>\nSubject: {0}\n\n{0} rises a lot.\n\n"
    (corpus / "box.mbox").write_text(one.format("Zinc") + one.format("Nickel"))
    open_desk.sync()
    document = first(open_desk, "does Nickel rise a lot?").hit.document
    sent = open_desk.source(document.id)
    assert "Nickel rises a lot." in sent
    assert "Zinc" not in sent


def test_a_file_that_has_changed_is_told(corpus: Path, open_desk: Assistant) -> None:
    document = first(open_desk, "what did Bernstein say about the $5M?").hit.document
    (corpus / "bernstein.eml").write_text("From: x\n\nother")
    with pytest.raises(PassageGone, match="has changed"):
        open_desk.source(document.id)


def test_an_id_that_no_encoding_knows_is_told(open_desk: Assistant) -> None:
    for ask in (open_desk.passage, open_desk.source):
        with pytest.raises(PassageGone):
            ask("\ud800")
    assert open_desk.entries("\ud800").entries == ()


def test_no_message_is_looked_for_in_a_huge_mailbox(corpus: Path, open_desk: Assistant) -> None:
    found = first(open_desk, "rented GPUs").hit.document
    os.truncate(corpus / found.path, 300_000_000)
    with pytest.raises(PassageGone, match="300 MB"):
        open_desk.source(found.id)


def test_a_file_that_has_gone_is_told(corpus: Path, open_desk: Assistant) -> None:
    document = first(open_desk, "what did Bernstein say about the $5M?").hit.document
    (corpus / "bernstein.eml").unlink()
    with pytest.raises(PassageGone, match="vanished"):
        open_desk.source(document.id)


def test_a_file_that_is_not_made_of_letters_is_not_shown(corpus: Path, open_desk: Assistant) -> None:
    (corpus / "odd.txt").write_text("Cobalt rises in May." + "\x01\x02\x03" * 20)
    open_desk.sync()
    document = first(open_desk, "does cobalt rise in May?").hit.document
    with pytest.raises(PassageGone, match="not made of letters"):
        open_desk.source(document.id)


def test_of_a_long_file_the_beginning_is_shown(corpus: Path, open_desk: Assistant) -> None:
    picture = "\n".join(["QUJD" * 18] * (SOURCE_BYTES // 60))
    part = f"--b\nContent-Type: image/png; name=p.png\nContent-Transfer-Encoding: base64\n\n{picture}\n--b--\n"
    head = "From: Ana <ana@gs.com>\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nCobalt rises in May.\n"
    (corpus / "long.eml").write_text(head + part)
    open_desk.sync()
    document = first(open_desk, "does cobalt rise in May?").hit.document
    assert len(open_desk.source(document.id)) < SOURCE_BYTES + 100


def test_of_a_long_file_no_letter_is_cut_in_half(corpus: Path, open_desk: Assistant) -> None:
    head = "Café: cobalt rises in May.\n".encode()
    (corpus / "long.txt").write_bytes(head + b"x" * (SOURCE_BYTES - len(head) - 2) + "\né\n".encode() * 3)
    open_desk.sync()
    document = first(open_desk, "does cobalt rise in May?").hit.document
    assert open_desk.source(document.id).startswith("Café")


@pytest.mark.parametrize(
    ("told", "facts"),
    [
        ("the note's own text, and nobody is named as its author", {}),
        ("the note names Ann Lee as its author", {"author": "Ann Lee"}),
        (
            "the note names Ann Lee as its author and the note names Citi as its house",
            {"author": "Ann Lee", "house": "Citi"},
        ),
        ("it came with a mail from citi.com", {"house": "Citi", "meta": {"sender_domain": "citi.com"}}),
        (
            "the mail is from a@citi.com.",
            {"kind": "email", "house": "Citi", "meta": {"from": "a@citi.com", "domain": "citi.com"}},
        ),
        ("and its signature names Citi", {"kind": "email", "house": "Citi", "meta": {"from": "a@b.example"}}),
    ],
)
def test_of_a_document_s_own_words_what_names_the_author_is_told(told: str, facts: dict[str, Any]) -> None:
    document = replace(quote("It rises.").hit.document, **{"kind": "note", "author": None, "house": None, **facts})
    assert told in why(document, Voice(0, 9, document.house, document.author, "author"))


def test_of_quoted_words_it_is_told_what_is_known_of_the_speaker() -> None:
    document = quote("Someone wrote: it rises.").hit.document
    nobody = Voice(0, 24, None, None, "quoted")
    assert "does not say whom" in why(document, nobody)
    assert "does not say whom: “Someone wrote:”" in why(document, replace(nobody, cue=(0, 14)))
    assert "a signature there names Citi" in why(document, replace(nobody, house="Citi"))
    assert "(sure to 80%)" in why(document, replace(nobody, house="Citi", cue=(0, 14), confidence=0.8))
