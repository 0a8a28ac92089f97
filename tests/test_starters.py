"""Questions and claims to begin with: they come from the index, it answers them, and they are plain text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag import Assistant, Settings
from rag.comparing import Comparison
from rag.contents import Said
from rag.records import Quote
from rag.starters import CLAIMS, LONGEST, QUESTIONS, Starters, candidates, claims
from tests.fakes import ScriptedModel, WordEmbedder
from tests.pages import quote

MAIL = """\
From: {person} <x@{domain}>
Date: Mon, {day} Mar 2025 08:12:00 +0000
Subject: {subject}
Message-ID: <{day}@{domain}>
Content-Type: text/plain; charset=utf-8

{text}

Kind regards

{person}
Tel +44 20 7946 0001

This e-mail is confidential and intended for the recipient only. Any unauthorised use or copying by Zebrafish is \
prohibited. If you are not the intended recipient, delete it and tell the sender about Zebrafish.
"""
UBS = "Copper will be scarce, for the smelters of Codelco are full. A ton costs $9,400 now."
CITI = "We see more copper from Codelco by the autumn. The price falls to $9,400 a ton."


def mail(folder: Path, **texts: str) -> Path:
    folder.mkdir()
    for day, (domain, text) in enumerate(texts.items(), start=3):
        name = domain.title()
        written = MAIL.format(
            person=f"Ann {name}", domain=f"{domain}.com", day=f"{day:02}", subject=f"On metals {day}", text=text
        )
        (folder / f"{domain}.eml").write_text(written, encoding="utf-8")
    return folder


@pytest.fixture
def metals(tmp_path: Path) -> Iterator[Assistant]:
    yield from opened(mail(tmp_path / "metals", ubs=UBS, citi=CITI), tmp_path)


def opened(corpus: Path, here: Path) -> Iterator[Assistant]:
    settings = Settings.load(folder=here, corpus=corpus, index=here / "index")
    with Assistant.open(settings, embedder=WordEmbedder(), model=ScriptedModel()) as assistant:
        assistant.sync()
        yield assistant


def said(
    text: str, house: str | None = "UBS", person: str | None = "Ann Lee", document: str = "d", terms: str = ""
) -> Said:
    return Said(document, house, person, "author", terms, text)


TWO = [
    said("Copper stays scarce, says Codelco. So much for Codelco.", "UBS", "Ann Lee", "a"),
    said("We hear more from Codelco, and less from the press.", "Citi", "Atif Malik", "b"),
    *[said("We say nothing of it.", "Citi", "Atif Malik", f"c{i}") for i in range(6)],
]


def test_the_questions_are_of_different_kinds_and_about_what_several_speak_of(metals: Assistant) -> None:
    questions = metals.starters()
    assert "Who mentions $9,400?" in questions
    assert any(one.startswith("What did") and "Codelco" in one for one in questions)


def test_the_index_answers_every_question_that_it_suggests(metals: Assistant) -> None:
    for question in metals.starters():
        reply = metals.ask(question, quotes_only=True)
        assert (reply.gate.verdict, bool(reply.quotes)) == ("answer", True)


def test_one_state_of_the_index_has_one_set_of_questions(metals: Assistant) -> None:
    assert metals.starters() == metals.starters()


def test_new_mail_brings_new_questions(metals: Assistant) -> None:
    metals.starters()
    texts = {"jpmorgan": "All the copper of Antofagasta, and of Antofagasta, is sold.", "hsbc": "We doubt Antofagasta."}
    for path in mail(metals.settings.corpus / "more", **texts).iterdir():
        path.rename(metals.settings.corpus / path.name)
    metals.sync()
    assert any("Antofagasta" in one for one in metals.starters())


def test_no_word_of_a_signature_or_a_disclaimer_is_asked_about(metals: Assistant) -> None:
    assert not any("Zebrafish" in one or "7946" in one for one in (*metals.starters(), *metals.claims()))


def test_a_note_without_any_house_has_questions_too(tmp_path: Path) -> None:
    corpus = tmp_path / "notes"
    corpus.mkdir()
    (corpus / "note.txt").write_text("The boiler was serviced on Tuesday. The plumber charged 140 euros.\n")
    for assistant in opened(corpus, tmp_path):
        assert set(assistant.starters()) == {"What is said about the boiler?", "What is said about 140 euros?"}


def test_an_empty_index_has_none(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    for assistant in opened(tmp_path / "none", tmp_path):
        assert (assistant.starters(), assistant.claims()) == ((), ())


def test_no_index_has_none(settings: Settings) -> None:
    with Assistant.open(settings, embedder=WordEmbedder()) as assistant:
        assert (assistant.starters(), assistant.claims()) == ((), ())


def test_claims_are_what_more_than_one_house_speaks_of(metals: Assistant) -> None:
    found = metals.claims()
    assert found
    assert all(len(metals.compare(one).rows) > 1 for one in found)


# What is tried, and what is kept of it


class Passages:
    """An index of given passages; counts how often it is looked at."""

    def __init__(self, passages: Sequence[Said]) -> None:
        self.changes = 1
        self.passages = passages
        self.looks = 0

    def generation(self) -> int:
        return self.changes

    def newest(self) -> list[Said]:
        self.looks += 1
        return list(self.passages)


def starters(first: Quote | None, tried: list[str] | None = None) -> Starters:
    def ask(question: str) -> Quote | None:
        if tried is not None:
            tried.append(question)
        return first

    return Starters(ask, lambda claim, houses: Comparison(claim, (), ()))


def test_a_question_that_is_not_answered_is_not_suggested() -> None:
    assert starters(None).questions(Passages(TWO)) == ()


def test_a_question_that_another_house_answers_is_not_suggested() -> None:
    found = starters(quote("So says Codelco.", house="Barclays", person="Tom Ray")).questions(Passages(TWO))
    assert found == ()


def test_a_quote_that_does_not_speak_of_the_matter_is_no_answer() -> None:
    assert starters(quote("Zinc is dear.", house="UBS")).questions(Passages(TWO)) == ()


def test_a_quote_that_asks_is_no_answer() -> None:
    assert starters(quote("What of Codelco?", house="UBS")).questions(Passages(TWO)) == ()


def test_a_quote_from_a_disclaimer_is_no_answer() -> None:
    legal = "Codelco is a confidential matter, intended for the recipient."
    assert starters(quote(legal, house="UBS")).questions(Passages(TWO)) == ()


def test_few_questions_are_tried_and_few_suggested() -> None:
    tried: list[str] = []
    many = [said(f"We hear from Alpha{i}, and Beta{i}.", f"House {i % 9}", f"Ann Lee{i}", f"{i}") for i in range(200)]
    assert len(starters(None, tried).questions(Passages(many * 2))) <= QUESTIONS
    assert 0 < len(tried) <= 12


def test_the_index_is_looked_at_once_while_it_stays_as_it_is() -> None:
    index, found = Passages(TWO), starters(None)
    found.questions(index)
    found.questions(index)
    assert index.looks == 1
    index.changes += 1
    found.questions(index)
    assert index.looks == 2


def test_a_claim_on_which_one_house_speaks_is_not_suggested() -> None:
    assert starters(None).claims(Passages(TWO)) == ()


def test_no_more_claims_are_suggested_than_fit() -> None:
    both = Comparison("x", (), ())
    many = [said(f"We hear from Alpha{i}.", house, None, f"{house}{i}") for i in range(20) for house in ("UBS", "Citi")]
    assert len(Starters(lambda _: None, lambda claim, houses: both).claims(Passages(many))) <= CLAIMS


def test_a_sentence_that_leans_on_others_is_no_claim() -> None:
    leaning = said("This is why the smelters of Codelco will stay full.", "UBS", None, "e")
    sound = said("The smelters of Codelco will stay full until autumn.", "UBS", None, "f")
    assert [one for one, _ in claims([*TWO, leaning, sound])] == [
        TWO[0].text.split(". ")[0] + ".",
        sound.text,
        "Codelco",
    ]


def test_a_day_or_a_month_is_no_subject() -> None:
    passages = [said("We wrote on Tuesday, and in March, of it.", house, None, house) for house in ("UBS", "Citi")]
    assert list(candidates(passages * 6)) == []


def test_a_house_or_a_speaker_is_no_subject() -> None:
    passages = [said("We heard from Barclays, and Malik, of it.", "UBS", "Atif Malik", f"{i}") for i in range(3)]
    assert not any("about Barclays" in one.question or "on Malik" in one.question for one in candidates(passages * 4))


HOSTILE = st.text(alphabet=st.sampled_from("<>&\"' aA.$5M=+-@\n\t\u202e\x00Codelco"))


@given(st.lists(st.builds(said, HOSTILE, HOSTILE, HOSTILE, HOSTILE, st.just("usd5")), max_size=8))
def test_whatever_the_mail_says_a_suggestion_is_one_short_printable_line(passages: list[Said]) -> None:
    for text in (*(one.question for one in candidates(passages)), *(claim for claim, _ in claims(passages))):
        assert len(text) <= LONGEST
        assert text.isprintable()


@pytest.mark.parametrize("text", ["in A" * 250_000, "of aaaa " * 125_000, "the " * 250_000, "$5M " * 5_000])
def test_a_megabyte_of_nearly_subjects_takes_no_more_than_its_length(text: str) -> None:
    passages = [said(text, terms="usd5000000")]
    assert all(len(one.question) <= LONGEST for one in candidates(passages))
    assert list(claims(passages)) == []  # one house alone is no comparison


def test_no_small_amount_is_asked_about() -> None:
    passages = [
        said(f"A chip costs {amount} an hour.", house, None, house, terms)
        for amount, terms in (("$2", "usd2"), ("$2,000", "usd2000"))
        for house in ("UBS", "Citi")
    ]
    assert [one.topic for one in candidates(passages) if one.kind == "amount"] == ["$2,000"]


def test_a_word_is_asked_about_before_an_acronym_and_millions_before_a_bare_number() -> None:
    passages = [
        said(f"We hear from {name}, and pay {amount} for it.", house, None, house, terms)
        for name, amount, terms in (("ETF", "$430", "usd430"), ("Codelco", "$5M", "usd5000000"))
        for house in ("UBS", "Citi")
    ]
    asked = [one for one in candidates(passages) if one.kind in ("pair", "amount")]
    assert [one.topic for one in asked] == ["$5M", "Codelco", "$430", "ETF"]


def test_a_subject_of_many_houses_is_asked_about_before_many_notes_of_one() -> None:
    alone = [said("We hear from Boliden, again.", "UBS", None, f"alone{i}") for i in range(3)]
    several = [said("We hear from Codelco, again.", house, None, house) for house in ("UBS", "UBS", "Citi")]
    assert next(one.topic for one in candidates([*alone, *several]) if one.kind == "house") == "Codelco"


def test_what_houses_are_set_side_by_side_on_is_first_an_amount_and_then_a_name() -> None:
    passages = [said("We hear from Codelco, at $5M.", house, None, house, "usd5000000") for house in ("UBS", "Citi")]
    assert [claim for claim, _ in claims(passages)][-2:] == ["$5M", "Codelco"]
