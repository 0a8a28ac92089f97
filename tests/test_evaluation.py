from __future__ import annotations

import re
from dataclasses import replace
from datetime import date

import pytest

from rag import Assistant, Settings
from rag.errors import SettingsError
from rag.evaluation import FEWEST, Outcome, fitted, gold_documents, judged, run, settings_facts
from rag.gate import Judgement
from rag.questionsets import GoldQuestion
from rag.records import Answer, Quote, Sentence
from tests.fakes import ScriptedModel, WordEmbedder

FIVE = GoldQuestion(
    "five",
    "what does Bernstein say about the $5M?",
    documents=("bernstein",),
    quotes=("2,048 rented GPUs",),
    facts=(re.compile("wrong"),),
)
SURE = Judgement("answer", 1.0)
GOLDMAN = GoldQuestion("goldman", "what did Goldman Sachs say about chips?", unanswerable=True)


def ask(desk: Assistant, *questions: GoldQuestion, answers: bool = False) -> list[Outcome]:
    return run(desk, questions, gold_documents(questions, desk.settings.index), answers=answers)


def test_a_question_is_searched_asked_and_judged(desk: Assistant) -> None:
    (found,) = ask(desk, FIVE)
    assert (found.passages[0], found.documents[0], found.total) == (True, True, 1)
    assert (found.refused, found.gold_quoted, found.written, found.model) == (False, True, False, None)
    assert found.first is not None
    assert (found.house, found.first.house, found.first.place) == ("Bernstein", "Bernstein", "bernstein.eml")
    assert list(found.seconds) == ["search"]


def test_a_refusal_has_neither_prose_nor_quotes(desk: Assistant) -> None:
    (found,) = ask(desk, GOLDMAN)
    assert (found.refused, found.shown, found.gold_quoted) == (True, "", False)
    assert found.score < ask(desk, FIVE)[0].score


def test_a_house_that_an_unanswerable_question_names_need_not_speak(desk: Assistant) -> None:
    assert ask(desk, GOLDMAN)[0].house is None


def test_what_the_model_writes_is_checked_and_judged(desk: Assistant, settings: Settings) -> None:
    model = ScriptedModel("Bernstein calls the $5M claim wrong [1]. It was $9M [1].")
    with Assistant.open(settings, embedder=WordEmbedder(), model=model) as writing:
        (found,) = ask(writing, FIVE, answers=True)
    assert (len(found.sentences), found.withheld, found.cited, found.supported) == (2, 1, (True,), True)
    assert (found.prose, found.model) == ("Bernstein calls the $5M claim wrong.", "scripted")
    assert found.told == "Bernstein calls the $5M claim wrong [1]."
    assert found.usage.prompt_tokens == 7
    assert found.seconds["first-token"] == pytest.approx(0.1, abs=0.09)
    assert set(found.seconds) == {"search", "first-token", "total"}


def test_filters_of_a_row_narrow_its_search(desk: Assistant) -> None:
    late = GoldQuestion("late", "advanced chips", since=date(2026, 1, 1))
    citi = GoldQuestion("citi", "the", only_houses=("Citi",))
    found = ask(desk, late, citi)
    assert found[0].first is None
    assert found[1].first is not None
    assert found[1].first.house == "Citi"


def test_progress_is_told_of_each_question(desk: Assistant) -> None:
    told: list[tuple[int, int | None, str]] = []
    run(desk, [FIVE, GOLDMAN], {"bernstein": frozenset()}, progress=lambda *news: told.append(news))
    assert told == [(0, 2, "five"), (1, 2, "goldman")]


def test_a_gold_document_that_is_not_there_is_never_found(desk: Assistant) -> None:
    questions = [GoldQuestion("x", "the $5M", documents=("stranger",))]
    known = gold_documents(questions, desk.settings.index)
    (found,) = run(desk, questions, known)
    assert (known["stranger"], any(found.documents), found.total) == (frozenset(), False, 1)


def test_what_cannot_be_asked_is_named_by_its_place(desk: Assistant) -> None:
    with pytest.raises(SettingsError, match=r"set\.jsonl, line 3: .*2,000"):
        run(desk, [FIVE, GoldQuestion("x", "why? " * 500, place="set.jsonl, line 3")], {"bernstein": frozenset()})


def test_a_name_that_fits_two_files_is_named_by_its_place(desk: Assistant) -> None:
    (desk.settings.corpus / "bernstein-2.md").write_text("Rain falls in Omaha.")
    desk.sync()
    with pytest.raises(SettingsError, match="line 1: 'bern' names 2"):
        gold_documents([GoldQuestion("x", "q", documents=("bern",), place="line 1")], desk.settings.index)


def test_a_citation_is_right_by_passage_or_by_document(desk: Assistant) -> None:
    hits = desk.search("claim chips price margin", 3)
    quotes = tuple(Quote(n, hit, hit.chunk.start, hit.chunk.end, hit.chunk.text) for n, hit in enumerate(hits, 1))
    of = {quote.hit.document.path: quote.label for quote in quotes}
    shown = [Sentence("x", (of[path],), "checked") for path in ("bernstein.eml", "citi.eml", "prices.md")]
    sentences = (*shown, Sentence("y", (9,), "withheld", "there is no source [9]"))
    gold = GoldQuestion("x", "q", documents=("citi",), quotes=("2,048 rented GPUs",))
    citi = frozenset([hit.document.id for hit in hits if hit.document.path == "citi.eml"])
    found = judged(gold, [citi], hits, Answer("q", "x", sentences, quotes, False), written=True, gate=SURE, searched=0)
    assert (found.cited, found.supported, found.withheld) == ((True, True, False), True, 1)


def test_documents_that_share_a_gold_name_count_once(desk: Assistant) -> None:
    hits = desk.search("claim chips price margin", 3)
    both = frozenset(hit.document.id for hit in hits[:2])
    answer = Answer("q", "", (), (), False)
    found = judged(GoldQuestion("x", "q"), [both], hits, answer, written=False, gate=SURE, searched=0)
    assert (found.documents, found.distinct) == ((True, True, False), (True, False))


def test_the_settings_say_what_was_asked_of_what(desk: Assistant) -> None:
    facts = settings_facts(desk, "set.jsonl", ask(desk, FIVE))
    assert (facts["questions"], facts["asked"], facts["documents"], facts["chunk_words"]) == ("set.jsonl", 1, 3, 80)
    assert "words-64" in str(facts["fingerprint"])


def test_a_gate_is_fitted_to_what_its_measures_decide(desk: Assistant) -> None:
    (found,) = ask(desk, FIVE)
    known = [replace(found, measures=(0.6 + i / 100,) * 4) for i in range(FEWEST)]
    unknown = [replace(found, gold=GOLDMAN, measures=(0.4 - i / 100,) * 4) for i in range(FEWEST)]
    gate = fitted([*known, *unknown, replace(found, gold=GOLDMAN, measures=())])
    assert (gate.verdict(gate.score((0.7,) * 4)), gate.verdict(gate.score((0.3,) * 4))) == ("answer", "refuse")


def test_a_gate_is_not_fitted_to_a_handful(desk: Assistant) -> None:
    with pytest.raises(SettingsError, match="cannot be fitted"):
        fitted(ask(desk, FIVE, GOLDMAN))
