from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rag.sentences import lines, one_line, split_sentences

PIECES = st.sampled_from(
    ["Rates fell.", "We see U.S. growth", "e.g. chips", " ", "\n", "\n\n", "> ", ">> ", "- ", "1. ", "# "]
) | st.sampled_from(
    [
        "“",
        "”",
        ". . .",
        "…",
        "[ . . . ]",
        "?",
        "!",
        ")",
        "$5.576M",
        "Dr. A. Rao",
        "the",
        "\u2009",
        "\r\n",
        "。",
    ]
)


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in split_sentences(text)]


@given(st.lists(PIECES | st.text(max_size=6), max_size=40).map("".join))
@example("")
@example("> \n>\n> a")
def test_spans_are_trimmed_ordered_and_miss_only_space(text: str) -> None:
    spans = split_sentences(text)
    edge = 0
    for start, end in spans:
        assert edge <= start < end
        assert text[start:end] == text[start:end].strip()
        edge = end
    covered = "".join(text[start:end] for start, end in spans)
    assert "".join(covered.split()) == "".join(text.split())


@given(st.text(alphabet="Ab. \n?“”", max_size=60), st.integers(0, 60), st.integers(0, 80))
def test_a_stretch_is_split_within_its_bounds(text: str, start: int, end: int) -> None:
    assert all(start <= first < last <= min(end, len(text)) for first, last in split_sentences(text, start, end))


@pytest.mark.parametrize(
    "text",
    [
        "Yields in the U.S. Treasury market fell.",
        "We prefer large caps, e.g. Nvidia and i.e. Broadcom, vs. Intel.",
        "It takes approx. 40 days, says Dr. Lee of Acme Inc. in London.",
        "See No. 7 and Fig. 3 for a $5.576M budget at 4.53 per cent.",
        "Stacy A. Jones and J. P. Smith et al. Report their view.",
        "Maybe . . . good news after all.",
        "The team [ . . . ] expects a cut on Jan. 29 at the latest.",
        "“Is this it?” Acme Research asks in a note.",
        "“It is not,” says Brown.",
        "1. Has spending peaked?",
    ],
)
def test_a_point_inside_a_sentence_does_not_end_it(text: str) -> None:
    assert sentences(text) == [text]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Chips fell in the U.S. The Fed waits.", ["Chips fell in the U.S.", "The Fed waits."]),
        ("“We doubt it.” She left.", ["“We doubt it.”", "She left."]),
        ("(It fell again.) We wait.", ["(It fell again.)", "We wait."]),
        ("Of course not...There are two.", ["Of course not...", "There are two."]),
        ("Over to them . . . [O]n Monday it rose.", ["Over to them . . .", "[O]n Monday it rose."]),
        ("Over\u2009.\u2009.\u2009. [O]n it goes.", ["Over\u2009.\u2009.\u2009.", "[O]n it goes."]),
        ("It rose. [ . . . ] Then it fell.", ["It rose.", "[ . . . ] Then it fell."]),
        ("Policy was expanded.1 Markets shrugged.", ["Policy was expanded.1", "Markets shrugged."]),
        ("Is it? No. Why not? 25bp is priced.", ["Is it?", "No.", "Why not?", "25bp is priced."]),
        ("利率が下がった。株は上がった。", ["利率が下がった。", "株は上がった。"]),
    ],
)
def test_a_stop_ends_a_sentence_with_its_closing_marks(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


def test_a_wrapped_paragraph_is_read_as_one() -> None:
    text = "We expect the desk to trim its duration risk by the\nmeeting, as supply is heavy. We\nwait."
    assert sentences(text) == [
        "We expect the desk to trim its duration risk by the\nmeeting, as supply is heavy.",
        "We\nwait.",
    ]


def test_headings_items_and_rows_stand_alone() -> None:
    text = "Key points\n- Capex holds up\n- Margins slip\n\n## Risks\nNone we can see.\n| a | b |\n| 1 | 2 |"
    assert sentences(text) == [
        "Key points",
        "- Capex holds up",
        "- Margins slip",
        "## Risks",
        "None we can see.",
        "| a | b |",
        "| 1 | 2 |",
    ]


def test_a_line_break_that_nobody_needed_is_a_boundary() -> None:
    text = "Tech market reaction\n" + "What cheaper models mean is debated by the whole street, and " * 3
    assert sentences(text)[0] == "Tech market reaction"


def test_signature_lines_stand_alone() -> None:
    text = "Jane Doe\nHead of European Rates\nAcme"
    assert sentences(text) == [
        "Jane Doe",
        "Head of European Rates",
        "Acme",
    ]


def test_a_change_of_quoting_depth_is_a_boundary() -> None:
    text = "> We hold\n> our shares\n>> Sell them\nFine"
    assert sentences(text) == ["> We hold\n> our shares", ">> Sell them", "Fine"]


def test_half_a_megabyte_without_line_breaks_takes_linear_time() -> None:
    text = "We like U.S. banks (e.g. the big ones) . . . for now. " * 10_000
    began = time.perf_counter()
    split_sentences(text)
    assert time.perf_counter() - began < 20


def test_a_quoted_reply_reads_as_one_line_without_its_marks() -> None:
    assert one_line("> The cost\n>> is > 5%\n  > lower.") == "The cost is > 5% lower."


@pytest.mark.parametrize("text", ["[...] a.b " * 20_000, "Mr. X " * 80_000, "Mr. X [ . . . ] " * 20_000])
def test_points_that_end_nothing_take_linear_time(text: str) -> None:
    began = time.process_time()
    split_sentences(text)
    assert time.process_time() - began < 20


@given(st.text(alphabet="> a\n\r\u2028", max_size=40), st.integers(0, 10))
def test_lines_cover_a_stretch_and_count_the_marks_before_them(text: str, start: int) -> None:
    found = lines(text, start)
    assert "".join(text[line.start : line.end] for line in found) == text[start:]
    assert all(line.depth <= text[line.start : line.end].count(">") for line in found)


def test_a_line_knows_its_depth_and_its_content() -> None:
    assert [(line.depth, line.content) for line in lines("> > Two\nNone > here\n")] == [(2, "Two"), (0, "None > here")]


def test_german_quotation_marks_close_a_sentence() -> None:
    assert sentences("„Das ist so.“ Dann nichts.") == ["„Das ist so.“", "Dann nichts."]
