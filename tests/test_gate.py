from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.coverage import wanted
from rag.gate import MEASURES, Gate, Notes, gate_for, judge, measures
from rag.questions import understand
from rag.records import Chunk, Document, Hit, Voice
from rag.retrieval import Search
from rag.schema import Filters

GATE = Gate((6.0, 0.0, 0.0, 0.0), -3.0, refuse=0.3, answer=0.5)
NOTES = Notes(
    houses=("Bernstein", "Citi"),
    dates=(datetime(2025, 1, 25, tzinfo=UTC), datetime(2025, 1, 30, tzinfo=UTC)),
    occurs=lambda word: word in ("Mark Zuckerberg", "memory", "prices", "zuckerberg", "mark", "nvidia", "the"),
)
NOBODY = Notes((), None, lambda word: False)


def hit(text: str, house: str | None = "Citi", cosine: float = 0.6) -> Hit:
    voice = Voice(0, len(text), house, None, "author")
    document = Document(
        "d", "d.eml", "email", "Chips", text, datetime(2025, 1, 27, tzinfo=UTC), None, house, voices=(voice,)
    )
    return Hit(Chunk("d:0", "d", 0, len(text), text, voice), document, 1.0, {"vectors": cosine})


def found(question: str, *texts: str, scope: Filters | None = None) -> Search:
    query = understand(question, today=date(2025, 2, 1))
    return Search(query, scope or Filters(), wanted(query, {}, 10), tuple(hit(text) for text in texts))


def test_evidence_that_speaks_of_the_question_bears_an_answer() -> None:
    judgement = judge(found("Will memory prices rise?", "Memory prices will rise."), GATE, NOTES)
    assert (judgement.verdict, judgement.reason) == ("answer", "")


def test_thin_evidence_is_shown_and_no_model_is_asked() -> None:
    judgement = judge(found("memory prices in Korea, Taiwan and China?", "Memory prices rise."), GATE, NOTES)
    assert judgement.verdict == "quotes"
    assert "thin" in judgement.reason


def test_a_question_whose_words_nobody_uses_together_is_refused_by_name() -> None:
    judgement = judge(found("memory margins of Nvidia in Korea?", "Memory prices rise."), GATE, NOTES)
    assert judgement.verdict == "refuse"
    assert judgement.reason == "No passage speaks of margins, nvidia, korea."


def test_a_house_that_is_quoted_but_silent_is_told_from_one_that_is_not_quoted() -> None:
    scope = Filters(houses=("Bernstein",))
    judgement = judge(found("What did Bernstein say about Amazon's price target?", "Chips.", scope=scope), GATE, NOTES)
    assert judgement.reason == "Bernstein is quoted, but says nothing on Amazon's price target."


def test_a_house_that_is_not_quoted_is_refused_with_those_that_are() -> None:
    judgement = judge(found("What did Goldman Sachs say about memory?", "Memory prices rise."), GATE, NOTES)
    assert judgement.verdict == "refuse"
    assert judgement.reason == "Goldman Sachs is not quoted in these notes. Quoted are Bernstein and Citi."


def test_one_of_two_houses_is_enough() -> None:
    question = "What did Goldman Sachs and Citi say about memory?"
    assert judge(found(question, "Memory.", scope=Filters(houses=("Citi",))), GATE, NOTES).verdict == "answer"


@pytest.mark.parametrize("name", ["Acme Securities", "Zorblatt Capital", "John Smith"])
def test_a_speaker_of_whom_nobody_has_heard_is_refused_by_name(name: str) -> None:
    judgement = judge(found(f"What did {name} say about memory prices?", "Memory prices rise."), GATE, NOTES)
    assert judgement.reason.startswith(f"{name} is not quoted in these notes.")


def test_a_speaker_whom_the_notes_mention_is_no_stranger() -> None:
    judgement = judge(found("What did Mark Zuckerberg say?", "Zuckerberg, Mark says little."), GATE, NOTES)
    assert judgement.verdict == "answer"


def test_a_time_without_mail_is_refused_with_the_time_that_the_notes_span() -> None:
    search = replace(found("What was said before 3 January 2024 about memory?", "Memory."), dated=False)
    assert "before 03 Jan 2024; they run from 25 Jan 2025 to 30 Jan 2025" in judge(search, GATE, NOTES).reason


def test_a_house_with_nothing_of_that_time_is_refused_although_others_have() -> None:
    search = replace(found("What did Citi say on 25 January about memory?", "Memory."), speaking=False)
    assert judge(search, GATE, NOTES).reason == "Citi is quoted, but with nothing dated 25 Jan 2025."


def test_a_filter_that_leaves_nothing_of_who_is_asked_is_refused() -> None:
    other = found("What did Citi say about memory?", "Memory.", scope=Filters(houses=("Bernstein",)))
    later = found("What did Citi say about memory?", "Memory.", scope=Filters(since=datetime(2030, 1, 1, tzinfo=UTC)))
    assert [judge(replace(one, speaking=False), GATE, NOTES).reason for one in (other, later)] == [
        "The question asks Citi, and the filter allows only Bernstein.",
        "Citi is quoted, but with nothing that meets the filters.",
    ]


def test_an_answer_says_who_of_those_asked_is_missing() -> None:
    judgement = judge(found("What did Goldman Sachs and Citi say about memory?", "Memory."), GATE, NOTES)
    assert (judgement.verdict, judgement.reason) == ("answer", "Goldman Sachs is not quoted in these notes.")


def test_silence_is_told_only_of_those_who_are_quoted() -> None:
    judgement = judge(found("What did Goldman Sachs and Citi say about prices of tin ore?", "Chips."), GATE, NOTES)
    assert judgement.reason.startswith("Citi is quoted, but says nothing on ")
    assert judgement.reason.endswith("Goldman Sachs is not quoted in these notes.")


def test_a_name_of_which_only_the_last_word_occurs_gets_no_prose() -> None:
    assert (
        judge(found("What did John Prices say about memory?", "Memory prices, John."), GATE, NOTES).verdict == "quotes"
    )


def test_a_question_that_names_nothing_gets_no_prose() -> None:
    judgement = judge(found("What did they say?", "Memory."), GATE, NOTES)
    assert (judgement.verdict, "names nothing" in judgement.reason) == ("quotes", True)


def test_what_only_asks_for_a_voice_is_answered_by_it() -> None:
    assert judge(found("What did Citi say?", "Chips.", scope=Filters(houses=("Citi",))), GATE, NOTES).score == 1.0


def test_no_word_of_the_question_anywhere_is_a_refusal() -> None:
    judgement = judge(found("how does photosynthesis work", "Memory."), GATE, NOTES)
    assert judgement.reason == "None of these words occurs in what is indexed: photosynthesis, work."


def test_an_empty_index_and_filters_that_nothing_meets_are_told_apart() -> None:
    nothing = judge(found("memory?"), GATE, NOBODY)
    unmet = judge(found("memory?", scope=Filters(since=datetime(2030, 1, 1, tzinfo=UTC))), GATE, NOTES)
    assert (nothing.reason, unmet.reason) == ("They hold nothing yet.", "Nothing in them meets the filters.")


def test_a_filter_on_a_house_that_does_not_speak_names_it() -> None:
    assert "UBS is not quoted" in judge(found("memory?", scope=Filters(houses=("UBS",))), GATE, NOTES).reason


def test_names_are_measured_apart_from_plain_words() -> None:
    search = found("the margins of Nvidia and Broadcom?", "Nvidia.")
    assert dict(zip(MEASURES, measures(search), strict=True))["named"] == pytest.approx(0.5)


def test_three_passages_together_cover_more_than_their_best_sentence() -> None:
    row = dict(zip(MEASURES, measures(found("memory prices copper?", "Memory.", "Prices.", "Copper.")), strict=True))
    assert [row["sentence"], row["together"]] == pytest.approx([1 / 3, 1.0])


@pytest.mark.parametrize(("text", "told"), [("Memory prices rose 5%.", True), ("Memory prices rose.", False)])
def test_a_question_for_a_figure_wants_one_where_the_passage_speaks_of_it(text: str, told: bool) -> None:
    together, _, sentence, _ = measures(found("By how much did memory prices rise?", text, "Copper fell 3%."))
    assert (together > 0, sentence > 0) == (told, told)


def test_a_gate_survives_being_stored() -> None:
    assert Gate.loads(GATE.dumps()) == GATE


def test_a_stored_gate_of_other_measures_is_none() -> None:
    assert Gate.loads(GATE.dumps().replace(MEASURES[0], "something else")) is None


@pytest.mark.parametrize("text", ["x", "[]", "{}", "null", '{"measures": 1}'])
def test_a_damaged_gate_is_none(text: str) -> None:
    assert Gate.loads(text) is None


def test_another_embedding_model_gets_a_gate_that_trusts_no_cosine() -> None:
    by_measure = dict(zip(MEASURES, gate_for("another").weights, strict=True))
    assert by_measure["cosine"] == 0.0


@given(st.lists(st.floats(0, 1), min_size=len(MEASURES), max_size=len(MEASURES)))
def test_a_score_is_a_probability(row: Sequence[float]) -> None:
    assert 0.0 <= GATE.score(row) <= 1.0
