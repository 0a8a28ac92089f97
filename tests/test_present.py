from __future__ import annotations

import csv
import io
import json
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag import Assistant
from rag.comparing import Comparison, Row, compare
from rag.modelfiles import CATALOGUE
from rag.present import (
    answer_json,
    answer_markdown,
    changes_text,
    comparison_csv,
    comparison_json,
    comparison_markdown,
    comparison_text,
    digest_text,
    footnotes,
    models_text,
    printable,
    quote_text,
    report_text,
    search_json,
    wrapped,
    write_json,
)
from rag.records import Answer, Arrival, Failure, Sentence, SyncReport, Usage
from rag.sentences import one_line
from rag.stances import Stance
from tests.pages import answered
from tests.pages import quote as said

PASSAGE = """
text document path title house person role date start end score confidence cue attachment parent copies
""".split()


@given(st.text())
def test_nothing_printable_steers_a_terminal(text: str) -> None:
    shown = printable(text)
    assert not any((ord(char) < 32 and char not in "\n\t") or 0x7F <= ord(char) <= 0x9F for char in shown)
    assert not any(char in shown for char in "\u202e\u202d\u2066\u200b\u2028\ufeff")


@pytest.mark.parametrize("attack", ["\x1b]52;c;aGk=\x07", "\x9b2J", "\x1b]8;;http://evil\x07", "a\rb", "\u202egpj.exe"])
def test_escape_sequences_lose_their_power(attack: str) -> None:
    assert not set(printable(attack)) & set("\x1b\x9b\x07\r\u202e")


def test_letters_signs_and_emoji_are_kept() -> None:
    assert printable("Société Générale: £5m – “ok” 👍\n") == "Société Générale: £5m – “ok” 👍\n"


def test_the_answer_object_has_the_promised_shape(desk: Assistant) -> None:
    answer = desk.ask("what does Bernstein say about the $5M?", quotes_only=True).answer
    found = answer_json(answer)
    assert list(found) == [
        "question", "searched", "answer", "refused", "support", "sentences", "quotes", "model", "thinking", "note",
        "usage",
    ]  # fmt: skip
    quote = found["quotes"][0]
    assert list(quote) == ["n", *PASSAGE]
    assert (quote["n"], quote["house"], quote["path"]) == (1, "Bernstein", "bernstein.eml")
    document = answer.quotes[0].hit.document
    assert document.text[quote["start"] : quote["end"]] == quote["text"]


def test_the_search_object_has_the_promised_shape(desk: Assistant) -> None:
    found = search_json("chips", desk.search("chips", k=2))
    assert found["query"] == "chips"
    assert list(found["hits"][0]) == ["rank", *PASSAGE]
    assert [hit["rank"] for hit in found["hits"]] == [1, 2]


def test_json_holds_no_byte_that_a_terminal_obeys() -> None:
    stream = io.StringIO()
    write_json({"text": "\x1b[2J\x9b\u202e“"}, stream)
    assert stream.getvalue().isascii()
    assert json.loads(stream.getvalue()) == {"text": "\x1b[2J\x9b\u202e“"}


def test_a_quote_says_who_when_what_and_where(desk: Assistant) -> None:
    (quote, *_) = desk.ask("what does Citi doubt?", quotes_only=True).quotes
    lines = quote_text(quote, io.StringIO()).splitlines()
    assert lines[0] == "[1] Citi (Atif Malik), 28 Jan 2025"
    assert lines[1].startswith("    │ We doubt")
    assert lines[-1] == "    citi.eml"


def test_a_pipe_gets_a_paragraph_as_one_line() -> None:
    assert wrapped("a\nb  c " * 100, io.StringIO()).count("\n") == 0


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_paragraph_folded_and_indented() -> None:
    lines = wrapped("word " * 100, Terminal(), "  ").splitlines()
    assert all(line.startswith("  word") and len(line) <= 100 for line in lines)


def test_footnotes_say_what_was_withheld_and_what_it_cost() -> None:
    sentences = (Sentence("It is $9.", (1,), "withheld", "$9 is not in [1]"), Sentence("It is $5.", (1,), "checked"))
    usage = Usage(prompt_tokens=400, answer_tokens=20, seconds={"first_token": 1.5, "prose": 2.0, "total": 4.0})
    answer = Answer("q", "It is $5 [1].", sentences, (), refused=False, model="m", usage=usage)
    assert list(footnotes(answer)) == [
        "\n1 of 2 sentences withheld by the check:",
        "  - It is $9. ($9 is not in [1])",
        "\nm: 400 tokens read, 20 written (10 a second), first word after 1.5 s, 4.0 s in all.",
    ]


def test_footnotes_say_when_nothing_survived() -> None:
    answer = Answer("q", "", (Sentence("It is $9.", (1,), "withheld", "r"),), (), refused=False)
    assert "No sentence passed the check: the quotes are the answer." in list(footnotes(answer))


def test_the_report_counts_and_names_what_was_left_out(desk: Assistant) -> None:
    report = SyncReport(
        added=("a", "b"),
        duplicates=("b",),
        skipped=("c.pptx",),
        failed=(Failure("d.eml", "no text"),),
        left_out={"png": 3, "zip": 1},
        hidden=2,
        invisible=9,
        copies=2,
        embedded=7,
    )
    text = report_text(report, desk.status())
    assert text.startswith(
        "Files: 2 added, 1 of them duplicates, 1 of other formats, 1 not readable; chunks: 7 embedded, 2 said elsewhere"
    )
    for line in (
        "not readable: d.eml: no text", "duplicate: b", "other format: c.pptx",
        "attachments of other formats: 3 png, 1 zip",
        "hidden text left out: 2 stretches, 9 invisible characters", "3 documents from 3 files",
    ):  # fmt: skip
        assert line in text


def arrival(number: int, **facts: str | None) -> Arrival:
    values: dict[str, str | None] = {"author": "Ana Ruiz", "house": "Citi", "parent": None, **facts}
    return Arrival("a.eml", f"Note {number}", date=datetime(2025, 1, 27, tzinfo=UTC), **values)


NOON = datetime(2025, 1, 28, 12, 0, 0)


def test_a_digest_says_who_wrote_about_what(desk: Assistant) -> None:
    arrived = (arrival(1), arrival(2, author=None, house=None, parent="Capex"))
    report = SyncReport(documents=2, arrived=arrived, removed=("x.eml",), failed=(Failure("d.eml", "no text"),))
    assert digest_text(report, NOON).splitlines() == [
        "12:00:00  2 new, 1 gone, 1 not readable",
        "  27 Jan 2025  Citi (Ana Ruiz): Note 1",
        "  27 Jan 2025  unknown: Note 2, attached to “Capex”",
        "  not readable: d.eml: no text",
    ]


def test_a_mail_that_was_only_marked_as_read_is_no_news() -> None:
    moved = SyncReport(added=("cur/1:2,S",), removed=("new/1",), moved=("new/1",), failed_before=(Failure("d", "x"),))
    assert digest_text(moved, NOON) == ""


def test_a_digest_of_a_thousand_mails_fits_on_a_screen() -> None:
    report = SyncReport(documents=1000, arrived=tuple(arrival(number) for number in range(50)))
    lines = digest_text(report, NOON).splitlines()
    assert (len(lines), lines[-1]) == (22, "  and 980 more")


def test_the_comparison_object_has_the_promised_shape(desk: Assistant) -> None:
    (quote, *_) = desk.ask("what does Citi doubt?", quotes_only=True).quotes
    found = comparison_json(compare("We doubt that this was done without advanced GPUs", {"Citi": [quote], "UBS": []}))
    (row,) = found["rows"]
    assert list(found) == ["claim", "rows", "silent"]
    assert list(row) == ["n", *PASSAGE, "stance", "reason"]
    assert (row["n"], row["house"], row["stance"], found["silent"]) == (1, "Citi", "", ["UBS"])


def test_a_comparison_is_a_paragraph_a_house_and_names_the_silent(desk: Assistant) -> None:
    (quote, *_) = desk.ask("what does Bernstein say about the $5M?", quotes_only=True).quotes
    found = compare("Somebody rebuilt OpenAI for $5M", {"Bernstein": [quote], "UBS": []})
    assert comparison_text(found, io.StringIO()).splitlines() == [
        "[1] Bernstein (Stacy Rasgon), 27 Jan 2025: disagree (says “wrong”)",
        f"    │ {one_line(quote.text)}",
        "    bernstein.eml",
        "",
        "Nothing near it from UBS.",
    ]


def test_a_comparison_without_a_row_says_so() -> None:
    assert comparison_text(compare("Milk is cheap", {}), io.StringIO()) == "No house says anything near this claim."


def test_what_another_document_repeats_is_named_beside_the_quote(desk: Assistant) -> None:
    (quote, *_) = desk.ask("what does Citi doubt?", quotes_only=True).quotes
    twin = replace(quote.hit.document, id="twin", path="fwd.eml")
    shown = quote_text(replace(quote, hit=replace(quote.hit, copies=(twin,))), io.StringIO())
    assert shown.splitlines()[-1] == "    citi.eml (also in fwd.eml)"


def test_a_sync_that_did_nothing_says_so() -> None:
    assert changes_text(SyncReport(unchanged=3)) == "Files: nothing new; chunks: none new."


def test_the_list_of_models_marks_what_is_here(tmp_path) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    lines = models_text(CATALOGUE.values(), ["smol-135m"], tmp_path).splitlines()
    assert [line.split()[1] for line in lines if line.startswith("* s")] == ["smol-135m"]
    assert all(model.licence in line for model, line in zip(CATALOGUE.values(), lines, strict=False))


def side_by_side(text: str) -> Comparison:
    quote = said(text, title=text, house=text, person=text, path=text)
    return Comparison(text, (Row(quote, Stance("disagree", text)),), (text,))


def test_a_comparison_is_a_markdown_table_with_who_is_silent() -> None:
    found = Comparison("It is $41", (Row(said("Worth | $41."), Stance("agree", "states $41")),), ("UBS",))
    assert comparison_markdown(found, "Citi").splitlines() == [
        "**It is $41**", "", "Only: Citi", "",
        "| House | Date | Stance | Reason | Quote | Title | File |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        r"| Bernstein (Ann Lee) | 2025-01-27 | agree | states $41 | Worth \| $41. | On chips | 2025/chips.eml |",
        "", "Nothing near it from UBS.",
    ]  # fmt: skip


@given(st.text())
def test_no_text_breaks_out_of_its_cell_in_markdown(text: str) -> None:
    table = [line for line in comparison_markdown(side_by_side(text)).splitlines() if line.startswith("| ")]
    assert len(table) == 3
    assert table[2].replace(r"\\", "").replace(r"\|", "").count("|") == 8


@given(st.one_of(st.text(), st.text(alphabet=st.sampled_from("=+-@ \t\r\n'\",|%\u00a0\uff1d"))))
def test_no_cell_of_a_comparison_is_a_formula(text: str) -> None:
    rows = list(csv.reader(io.StringIO(comparison_csv(side_by_side(text)), newline="")))
    assert [len(row) for row in rows] == [7, 7]
    assert not any(cell.strip()[:1] in set("=+-@＝＋－＠") - {""} for cell in rows[1] if cell.strip())


@pytest.mark.parametrize(
    "line", ["Title\n---", "Title\n===", "# x", "#", "- x", "+ x", "1. x", "![a](b)", "<b>", "&lt;b>"]
)
def test_no_line_of_a_quote_begins_markdown(line: str) -> None:
    drawn = answer_markdown(answered(text=line), "")
    assert f"\n{line}" not in drawn


def test_many_blank_lines_are_written_in_linear_time() -> None:
    began = time.monotonic()
    answer_markdown(answered(text="\n" * 500_000), "")
    assert time.monotonic() - began < 20  # 0.2 s; quadratic would be hours
