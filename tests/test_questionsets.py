from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import SettingsError
from rag.questionsets import DocumentNames, GoldQuestion, holds, read


def one(tmp_path: Path, **row: object) -> GoldQuestion:
    file = tmp_path / "set.jsonl"
    file.write_text(json.dumps(row), encoding="utf-8")
    return read(file)[0]


def test_a_row_says_what_is_asked_and_what_is_right(tmp_path: Path) -> None:
    found = one(
        tmp_path, id="d1", q="Who doubts it?", docs=["a", "b"], quotes=["we doubt"], facts=["doubt|question"],
        house="citi", since="2025-01-01", until="2025-02-01", as_of="2025-02-02", only_house=["UBS"],
    )  # fmt: skip
    assert (found.id, found.text, found.documents, found.quotes) == ("d1", "Who doubts it?", ("a", "b"), ("we doubt",))
    assert (found.house, found.only_houses) == ("Citi", ("UBS",))
    assert (found.since, found.until, found.as_of) == (date(2025, 1, 1), date(2025, 2, 1), date(2025, 2, 2))
    assert found.facts[0].search("They QUESTION it")


def test_a_list_of_one_may_be_a_string_and_doc_joins_docs(tmp_path: Path) -> None:
    found = one(tmp_path, q="x", doc="a", docs=["b", "a"], quotes="said")
    assert (found.documents, found.quotes) == (("a", "b"), ("said",))


def test_null_is_nothing_and_unknown_fields_are_ignored(tmp_path: Path) -> None:
    assert one(tmp_path, q="x", doc=None, quotes=[], colour="red") == GoldQuestion(
        "1", "x", place=f"{tmp_path / 'set.jsonl'}, line 1"
    )


def test_nothing_answers_the_unanswerable(tmp_path: Path) -> None:
    found = one(tmp_path, q="x", doc="a", quotes=["b"], unanswerable=True)
    assert (found.unanswerable, found.documents, found.quotes) == (True, (), ())


def test_blank_lines_and_a_byte_order_mark_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "set.jsonl").write_bytes(b'\xef\xbb\xbf{"q": "x"}\r\n\r\n{"q": "y"}\r\n')
    assert [(row.id, row.text) for row in read(tmp_path / "set.jsonl")] == [("1", "x"), ("3", "y")]


@pytest.mark.parametrize(
    "line",
    ["{", "[]", "[" * 100_000, '{"question": "x"}', '{"q": " "}', '{"q": 5}', '{"q": "x", "facts": ["("]}',
     '{"q": "x", "quotes": [5]}', '{"q": "x", "quotes": [" "]}', '{"q": "x", "doc": 5}', '{"q": "x", "docs": {"a": 1}}',
     '{"q": "x", "unanswerable": "no"}', '{"q": "x", "since": "soon"}', '{"q": "x", "as_of": 5}',
     '{"q": "x", "house": ["Citi", "UBS"]}', '{"q": "x", "facts": ["x{99999999999999999999}"]}'],
)  # fmt: skip
def test_a_malformed_row_is_named_by_file_and_line(tmp_path: Path, line: str) -> None:
    (tmp_path / "set.jsonl").write_text('{"q": "chips"}\n' + line)
    with pytest.raises(SettingsError, match=r"set\.jsonl, line 2"):
        read(tmp_path / "set.jsonl")


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_an_empty_set_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "set.jsonl").write_text(text)
    with pytest.raises(SettingsError, match="holds no question"):
        read(tmp_path / "set.jsonl")


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        read(tmp_path / "none.jsonl")


def test_white_space_quotation_marks_and_dashes_may_differ() -> None:
    text = "They call it “a\n> real—and lasting—advantage” for\u00a0now"
    assert holds(text, ["absent", 'call it "a real-and lasting-advantage" for now'])
    assert not holds(text, ["a real and lasting"])


def test_no_quote_stands_nowhere() -> None:
    assert not holds("anything", [])


@given(st.text(st.characters(exclude_characters=">"), max_size=60))
def test_a_quote_stands_in_what_it_was_cut_from(text: str) -> None:
    assert holds(f"before {text} after", [text])


NAMES = DocumentNames(
    [("000_abc.txt", "A"), ("001_def.txt", "B"), ("mail/box.mbox", "C"), ("mail/box.mbox", "D"), ("1.md", "E"),
     ("10.md", "F"), ("x/same.md", "G"), ("y/same.md", "H"), ("copy.txt", "A")]
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "ids"),
    [("000_abc.txt", "A"), ("000", "A"), ("001_def", "B"), ("mail/box.mbox", "CD"), ("box", "CD"), ("mail/", "CD"),
     ("1", "E"), ("1.md", "E"), ("E", "E"), ("x/same.md", "G"), ("copy", "A"), ("stranger", "")],
)  # fmt: skip
def test_a_document_is_named_by_path_file_name_stem_beginning_or_id(name: str, ids: str) -> None:
    assert NAMES.resolve(name) == frozenset(ids)


@pytest.mark.parametrize("name", ["00", "same", "same.md"])
def test_a_name_that_fits_several_files_is_an_error(name: str) -> None:
    with pytest.raises(SettingsError, match="names 2 documents"):
        NAMES.resolve(name)


def test_many_names_are_found_in_many_documents_at_once() -> None:
    names = DocumentNames((f"{number:06}_note.txt", str(number)) for number in range(20_000))
    started = perf_counter()
    assert all(names.resolve(f"{number:06}") for number in range(20_000))
    assert perf_counter() - started < 20
