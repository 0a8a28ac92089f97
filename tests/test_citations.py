from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.citations import Cited, check, sentences_of
from rag.records import Chunk, Document, Hit, Quote, Sentence, Voice


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
METALS = (
    quote(1, "The smelter cost $5M to build, and its board says “no deal is near”.", "UBS"),
    quote(2, "We doubt that tin recovers before June. Stocks of zinc rose 12% in May.", "Citi"),
    quote(3, "The smelter restarts in June with feed from three mines.", "UBS"),
)


def verdicts(prose: str) -> list[tuple[str, str]]:
    return [(sentence.verdict, sentence.reason) for sentence in check(prose, QUOTES)]


def only(prose: str) -> Sentence:
    (sentence,) = check(prose, METALS)
    return sentence


# What is kept and what is withheld


@pytest.mark.parametrize(
    "prose",
    [
        "Bernstein counts 2048 GPUs [1].",
        "The GPUs ran for two months [1].",
        "Pricing is 20x to 40x cheaper [2].",
        "Nvidia fell 17 per cent [2].",
        "Bernstein's number is $2 an hour [1] and Citi says that Nvidia fell 17% [2].",
        "On 27 January 2025 Bernstein put the number at 2,048 GPUs [1].",
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
        ("It costs $3 [2].", "$3 is not in [2]"),
        ("The R1 costs $2 [1].", "R1 is not in [1]"),
        ("Goldman Sachs says $2 an hour [1].", "Goldman Sachs is not in [1]"),
        ("Bernstein says that Nvidia fell 17% [2].", "Bernstein is not in [2]"),
        ("It took seven months [1].", "seven is not in [1]"),
        ("It cost five billion dollars [1].", "five billion dollars is not in [1]"),
        ("It costs $2-billion [1].", "$2-billion is not in [1]"),
        ("It costs $2e9 [1].", "$2e9 is not in [1]"),
        ("The number is 27 GPUs [1].", "27 is not in [1]"),
    ],
)
def test_a_sentence_that_its_sources_do_not_bear_out_is_withheld(prose: str, reason: str) -> None:
    assert verdicts(prose) == [("withheld", reason)]


@pytest.mark.parametrize(
    ("prose", "reason"),
    [
        ("The board says “a deal is done” [1].", "“a deal is done” is not in [1]"),
        ("According to JPMorgan, the smelter restarts in June [3].", "JPMorgan is not in [3]"),
        ("Citi thinks that tin recovers before June [2].", "[2] says “doubt”"),
        ("The smelter may restart in June [3].", "[3] does not say “may”"),
        ("Stocks of zinc fell 12% in May [2].", "[2] says “rose”, not “fell”"),
        ("Analysts say that the smelter restarts in June [3].", "[3] is one voice, not “analysts”"),
        ("The smelter in Vietnam restarts in June [3].", "Vietnam is not in [3]"),
        ("The sources say that the smelter restarts [3].", "it speaks of the sources, not of the matter"),
    ],
)
def test_a_withheld_sentence_tells_the_first_check_that_it_fails(prose: str, reason: str) -> None:
    assert (only(prose).verdict, only(prose).reason) == ("withheld", reason)


def test_each_sentence_is_judged_by_itself() -> None:
    prose = "The number is $2 an hour [1]. The number is $3 an hour [1]."
    assert [verdict for verdict, _ in verdicts(prose)] == ["checked", "withheld"]


def test_of_two_clauses_with_labels_each_is_judged_by_its_own() -> None:
    assert only("The smelter cost $5M to build [1] and stocks of zinc rose 12% [2].").verdict == "checked"
    assert only("Stocks of zinc rose 12% [1] and the smelter cost $5M to build [2].").verdict == "withheld"


def test_a_house_that_says_it_is_judged_by_what_it_says() -> None:
    assert only("UBS says that stocks of zinc rose 12% [1][2].").verdict == "withheld"
    assert only("Citi says that stocks of zinc rose 12% [1][2].").verdict == "checked"


def test_without_quotes_nothing_is_kept() -> None:
    assert {sentence.verdict for sentence in check("Tin rose 12% [1]. Tin fell.", ())} == {"withheld"}


@pytest.mark.parametrize("prose", ["", " \n", "[1]", "[1][2].", "...", "- \n- "])
def test_prose_without_words_has_no_sentences(prose: str) -> None:
    assert check(prose, QUOTES) == ()


# Labels that are mended


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


@pytest.mark.parametrize(
    ("prose", "reason"),
    [
        ("The smelter cost $5M to build.", "cited nothing, found in [1]"),
        ("The smelter cost $5M to build [3].", "cited [3], found in [1]"),
        ("The smelter cost $5M to build [8].", "cited [8], found in [1]"),
    ],
)
def test_a_mended_sentence_tells_what_it_cited(prose: str, reason: str) -> None:
    assert (only(prose).verdict, only(prose).labels, only(prose).reason) == ("checked", (1,), reason)


def test_a_misattributed_quotation_is_moved_to_the_source_that_has_it() -> None:
    assert only("The board says “no deal is near” [2].") == Sentence(
        "The board says “no deal is near”.", (1,), "checked", "cited [2], found in [1]"
    )


def test_a_fabricated_quotation_is_moved_nowhere() -> None:
    assert only("The board says “no deal was near” [2].").verdict == "withheld"


def test_a_sentence_made_of_pieces_of_two_sources_is_withheld() -> None:
    sentence = only("The smelter cost $5M to build and restarts in June with feed from three mines [1].")
    assert sentence.verdict == "withheld"


def test_a_sentence_is_not_pieced_together_from_two_houses() -> None:
    assert only("The smelter cost $5M to build and stocks of zinc rose 12% in May [1].").verdict == "withheld"


def test_a_house_is_not_given_what_another_says() -> None:
    assert only("UBS says that stocks of zinc rose 12% in May [1].").verdict == "withheld"
    assert only("UBS says that stocks of zinc rose 12% in May.").verdict == "withheld"


def test_a_sentence_that_its_own_source_bears_out_keeps_its_label() -> None:
    assert only("The smelter restarts in June [3].") == Sentence("The smelter restarts in June.", (3,), "checked", "")


def test_a_sentence_in_other_words_is_not_given_a_source() -> None:
    (sentence,) = check("Everybody loves cheap chips.", QUOTES)
    assert sentence.verdict == "withheld"


# Sentences and labels


@pytest.mark.parametrize(
    "prose", ["Tin is wrong [1].", "Tin is wrong. [1]", "Tin is wrong.[1]", "[1]: wrong is it.", "[1] Tin is wrong."]
)
def test_a_label_belongs_to_its_sentence_wherever_it_stands(prose: str) -> None:
    assert {cited.labels for cited in sentences_of(prose)} == {(1,)}


@pytest.mark.parametrize(
    "prose", ["Tin rose. [1] Tin fell. [2]", "Tin rose [1]. Tin fell [2].", "[1] Tin rose. [2] Tin fell."]
)
def test_labels_stand_behind_their_sentences_or_all_ahead_of_them(prose: str) -> None:
    assert [(cited.text, cited.labels) for cited in sentences_of(prose)] == [("Tin rose.", (1,)), ("Tin fell.", (2,))]


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("[1, 2]", (1, 2)),
        ("[1-3]", (1, 2, 3)),
        ("[2][1]", (2, 1)),
        ("[1;2]", (1, 2)),
        ("[ 1 ]", (1,)),
        ("[1][1]", (1,)),
    ],
)
def test_several_labels_are_read(label: str, expected: tuple[int, ...]) -> None:
    (cited,) = sentences_of(f"It is so {label}.")
    assert (cited.text, cited.labels) == ("It is so.", expected)


@pytest.mark.parametrize("bracket", ["[a]", "[]", "[1.5]", "[1234]", "[-1]", "[sic]"])
def test_other_brackets_are_no_labels(bracket: str) -> None:
    assert {cited.labels for cited in sentences_of(f"It is so {bracket}.")} == {()}


def test_the_parts_are_the_words_before_each_group_of_labels() -> None:
    assert sentences_of("Tin rose 4% [1], while zinc fell [2][3].") == [
        Cited("Tin rose 4%, while zinc fell.", (1, 2, 3), (("Tin rose 4%", (1,)), (", while zinc fell", (2, 3))))
    ]


def test_a_sentence_with_its_labels_ahead_has_no_parts() -> None:
    (cited,) = sentences_of("[1] Tin rose.")
    assert cited == Cited("Tin rose.", (1,))


def test_list_marks_and_emphasis_are_no_part_of_a_sentence() -> None:
    cited = sentences_of("- **Wrong** [1]\n- Right [2]")
    assert [(one.text, one.labels) for one in cited] == [("Wrong", (1,)), ("Right", (2,))]


def test_a_huge_range_of_labels_is_not_spelled_out() -> None:
    (cited, *_) = sentences_of("It is so [1-999].")
    assert len(cited.labels) < 30


# Whatever a model writes

ALIENS = (
    "$5bn",
    "5%",
    "$6M",
    "$5.6M",
    "H100",
    "seven",
    "-$5M",
    "2,049",
    "JPMorgan",
    "Nomura",
    "“a done deal”",
    "‘a sure thing’",
)
PIECES = (
    *ALIENS,
    "UBS says",
    "$5M",
    "12%",
    "tin",
    "rose",
    "the smelter",
    "cost",
    "in June",
    "“no deal is near”",
    "and",
    ",",
)
PROSE = st.lists(
    st.tuples(
        st.lists(st.sampled_from(PIECES), min_size=1, max_size=7),
        st.sampled_from(["", " [1]", " [2]", " [3][1]", " [9]"]),
    ),
    max_size=3,
).map(lambda sentences: " ".join(f"{' '.join(words)}{label}." for words, label in sentences))


@given(PROSE | st.text(max_size=200) | st.text(alphabet="ab [1]2$5M.\n%-“”\"'*", max_size=80))
def test_whatever_a_model_writes_a_kept_sentence_cites_a_source_that_exists(prose: str) -> None:
    kept = [sentence for sentence in check(prose, METALS) if sentence.verdict == "checked"]
    assert all(sentence.labels and set(sentence.labels) <= {1, 2, 3} for sentence in kept)


@given(PROSE)
def test_no_figure_house_or_quotation_is_kept_that_no_quote_has(prose: str) -> None:
    kept = [sentence.text for sentence in check(prose, METALS) if sentence.verdict == "checked"]
    assert [(alien, text) for text in kept for alien in ALIENS if alien in text] == []


@given(PROSE | st.text(max_size=200))
def test_a_withheld_sentence_has_a_reason(prose: str) -> None:
    assert all(sentence.reason for sentence in check(prose, METALS) if sentence.verdict == "withheld")


@given(st.text(max_size=200))
def test_the_labels_of_a_sentence_are_not_in_its_text(prose: str) -> None:
    assert all(label < 1000 for cited in sentences_of(prose) for label in cited.labels)


@pytest.mark.parametrize(
    "unit",
    [
        "$5M ", "wrong ", "[1", "“\"a ", "[1]", "[1] ", "[1, 2", "[1,", "UBS says ", "20-40x ", "not ", "Ann ", "A.",
        "- ", "**", "’s ", "… ", "a b c d [1] ", "Zinc rose 12% [1]. ",
    ],
)  # fmt: skip
def test_twenty_kilobytes_of_one_word_are_checked_in_no_time(unit: str) -> None:
    started = time.perf_counter()
    check(unit * (20_000 // len(unit)), METALS)
    assert time.perf_counter() - started < 30


@pytest.mark.parametrize("prose", ["Tin is dear. (1)", "Tin is dear (1)", "Tin is dear (1)."])
def test_a_label_in_round_brackets_at_the_end_is_one(prose: str) -> None:
    assert [one.labels for one in sentences_of(prose)] == [(1,)]


def test_round_brackets_within_a_sentence_are_no_label() -> None:
    assert [one.labels for one in sentences_of("Tin (2) is dear")] == [()]


def test_a_quotation_of_several_sentences_is_one_claim() -> None:
    (one,) = sentences_of('UBS: "Tin is dear. It stays so." (27 Jan 2025) [1]')
    assert (one.text, one.labels) == ('UBS: "Tin is dear. It stays so."', (1,))


def test_a_quotation_that_nobody_closes_ends_with_its_line() -> None:
    assert [one.text for one in sentences_of('UBS: "Tin is dear [1].\nCiti agrees [2].')] == [
        'UBS: "Tin is dear.',
        "Citi agrees.",
    ]


@pytest.mark.parametrize(("prose", "cut"), [("Tin is dear [1]. Chips", True), ("Tin is dear [1].", False)])
def test_only_a_sentence_without_an_end_is_cut_off(prose: str, cut: bool) -> None:
    assert any(one.reason == "it was cut off" for one in check(prose, (), unfinished=True)) is cut


def test_what_is_said_again_is_withheld() -> None:
    first, second = check("It is so [1]. It is so [1].", ())
    assert (first.reason == "it is said already", second.reason) == (False, "it is said already")


def test_a_sentence_longer_than_a_page_is_not_compared() -> None:
    (one,) = check("Rates hold " * 200 + "[1].", ())
    assert one.reason == "it is too long to be checked"


@pytest.mark.parametrize("word", ["untrue", "plainly false", "a myth"])
def test_what_a_source_calls_false_is_not_told_as_true(word: str) -> None:
    source = (quote(1, f"The story that the smelter was rebuilt for $5M is {word}.", "UBS"),)
    flat, denied = check(
        f"The smelter was rebuilt for $5M [1]. UBS calls the story that it was rebuilt {word} [1].", source
    )
    assert (flat.verdict, denied.verdict) == ("withheld", "checked")


RATES = (
    quote(1, "We expect the Fed to cut rates twice this year, and see gold at $3,000.", "UBS"),
    quote(2, "The ECB will hold in June.", "UBS"),
    quote(3, "Gold is too dear for us at any price of the last month.", "Citi"),
)


@pytest.mark.parametrize(
    "prose",
    [
        "UBS expects the ECB to cut rates twice this year [1].",
        "UBS expects the ECB to cut rates twice this year [1][2].",
        "UBS and Citi see gold at $3,000 [1][3].",
        "UBS sees gold at $3,000 by 27 January [1].",
        "UBS used 2,025 of them at $3,000 for gold [1].",
    ],
)
def test_no_sentence_is_put_together_from_what_its_sources_say_of_something_else(prose: str) -> None:
    (sentence,) = check(prose, RATES)
    assert sentence.verdict == "withheld"


def test_a_house_that_a_source_quotes_answers_only_for_its_own_words() -> None:
    source = (quote(1, "Analysts at Goldman Sachs expect oil at $90; we think this is too high.", "Citi"),)
    verdicts = [
        one.verdict
        for one in check("Goldman Sachs thinks this is too high [1]. Goldman Sachs expects oil at $90 [1].", source)
    ]
    assert verdicts == ["withheld", "checked"]


def test_a_denial_is_not_forgotten_for_what_is_asserted_of_another_month() -> None:
    source = (quote(1, "We do not see rate cuts in June. We see rate cuts in July.", "UBS"),)
    assert [
        one.verdict for one in check("UBS sees rate cuts in June [1]. UBS sees rate cuts in July [1].", source)
    ] == [
        "withheld",
        "checked",
    ]
