from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.citations import check, sentences_of
from rag.records import Chunk, Document, Hit, Quote, Voice


def quote(label: int, text: str, house: str | None = None) -> Quote:
    voice = Voice(0, len(text), house, None, "author")
    document = Document(
        "d", "a.eml", "email", "T", text, datetime(2025, 1, 27, tzinfo=UTC), None, house, voices=(voice,)
    )
    return Quote(label, Hit(Chunk("c", "d", 0, len(text), text, voice), document, 1.0, {}), 0, len(text), text)


QUOTES = (
    quote(1, "The number is 2,048 GPUs for two months at $2 an hour, not $5M.", "Bernstein"),
    quote(2, "Pricing is 20-40x cheaper, and Nvidia fell 17%.", "Citi"),
)


def verdicts(prose: str) -> list[tuple[str, str]]:
    return [(sentence.verdict, sentence.reason) for sentence in check(prose, QUOTES)]


@pytest.mark.parametrize(
    "prose",
    [
        "Bernstein counts 2048 GPUs [1].",
        "It took 2 months [1].",
        "Prices are 20x to 40x lower [2].",
        "Nvidia fell 17 per cent [2].",
        "Both agree that $2 and 17% matter [1][2].",
        "On 27 January 2025 Bernstein spoke [1].",
    ],
)
def test_a_sentence_whose_figures_stand_in_its_sources_is_kept(prose: str) -> None:
    assert verdicts(prose) == [("checked", "")]


@pytest.mark.parametrize(
    ("prose", "reason"),
    [
        ("Bernstein is sure.", "it cites no source"),
        ("Bernstein is sure [9].", "there is no source [9]"),
        ("Bernstein says $5bn [1].", "$5bn is not in [1]"),
        ("It costs $2 [2].", "$2 is not in [2]"),
        ("The R1 costs $2 [1].", "R1 is not in [1]"),
        ("Goldman Sachs says $2 [1].", "Goldman Sachs is not in [1]"),
        ("Bernstein says 17% [2].", "Bernstein is not in [2]"),
        ("It took seven months [1].", "seven is not in [1]"),
        ("It cost five billion dollars [1].", "five billion dollars is not in [1]"),
        ("It costs $2-billion [1].", "$2-billion is not in [1]"),
        ("It costs $2e9 [1].", "$2e9 is not in [1]"),
        ("It has 27 GPUs [1].", "27 is not in [1]"),
    ],
)
def test_a_sentence_that_its_sources_do_not_bear_out_is_withheld(prose: str, reason: str) -> None:
    assert verdicts(prose) == [("withheld", reason)]


@pytest.mark.parametrize(
    "prose",
    [
        "Pricing is 20-40x cheaper, says Citi.",
        "Pricing is 20-40x cheaper, says Citi [1].",
        "Pricing is 20-40x cheaper [7].",
    ],
)
def test_a_missing_or_wrong_label_is_mended_where_one_source_bears_the_sentence_out(prose: str) -> None:
    (sentence,) = check(prose, QUOTES)
    assert (sentence.verdict, sentence.labels) == ("checked", (2,))


def test_a_sentence_in_other_words_is_not_given_a_source() -> None:
    (sentence,) = check("Everybody loves cheap chips.", QUOTES)
    assert sentence.verdict == "withheld"


def test_each_sentence_is_judged_by_itself() -> None:
    assert [verdict for verdict, _ in verdicts("It is $2 an hour [1]. It is $3 an hour [1].")] == [
        "checked",
        "withheld",
    ]


@pytest.mark.parametrize("prose", ["It is wrong [1].", "It is wrong. [1]", "It is wrong.[1]", "[1]: wrong is it [1]."])
def test_a_label_belongs_to_its_sentence_wherever_it_stands(prose: str) -> None:
    assert {labels for _, labels in sentences_of(prose)} == {(1,)}


@pytest.mark.parametrize(("label", "expected"), [("[1, 2]", (1, 2)), ("[1-3]", (1, 2, 3)), ("[2][1]", (2, 1))])
def test_several_labels_are_read(label: str, expected: tuple[int, ...]) -> None:
    assert sentences_of(f"It is so {label}.") == [("It is so.", expected)]


def test_list_marks_and_emphasis_are_no_part_of_a_sentence() -> None:
    assert sentences_of("- **Wrong** [1]\n- Right [2]") == [("Wrong", (1,)), ("Right", (2,))]


def test_a_huge_range_of_labels_is_not_spelled_out() -> None:
    (_, labels), *_ = sentences_of("It is so [1-999].")
    assert len(labels) < 30


@given(st.text(alphabet="ab [1]2$5M.\n%-", max_size=80))
def test_whatever_a_model_writes_a_kept_sentence_cites_a_source_that_exists(prose: str) -> None:
    kept = [sentence for sentence in check(prose, QUOTES) if sentence.verdict == "checked"]
    assert all(sentence.labels and set(sentence.labels) <= {1, 2} for sentence in kept)
