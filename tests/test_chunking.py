from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.chunking import chunk_document, header, searchable
from rag.records import Document, Voice

PROSE = st.lists(st.sampled_from(["Costs fell.", "Is it so?", "$5.576M is a rental sum.", "\n\n", "word", "…"])).map(
    " ".join
)


def document(text: str, *cuts: int) -> Document:
    edges = [0, *cuts, len(text)]
    voices = tuple(Voice(start, end, f"House {i}", None, "author") for i, (start, end) in enumerate(pairwise(edges)))
    return Document("d1", "a.md", "note", "Title", text, datetime(2025, 1, 27, tzinfo=UTC), None, None, voices=voices)


@given(PROSE, st.integers(5, 40))
def test_a_chunk_is_an_exact_slice_inside_its_voice(text: str, words: int) -> None:
    middle = len(text) // 2
    for chunk in chunk_document(document(text, middle), words=words):
        assert text[chunk.start : chunk.end] == chunk.text
        assert chunk.voice.start <= chunk.start < chunk.end <= chunk.voice.end


@given(PROSE, st.integers(5, 40))
def test_no_sentence_of_the_document_is_lost(text: str, words: int) -> None:
    text = f"{text} and four words more"
    kept = bytearray(len(text))
    for chunk in chunk_document(document(text), words=words):
        kept[chunk.start : chunk.end] = b"\1" * (chunk.end - chunk.start)
    lost = "".join(char for i, char in enumerate(text) if not kept[i])
    assert not set(lost) & set(".!?")


@given(PROSE, st.integers(5, 40))
def test_no_chunk_is_longer_than_allowed(text: str, words: int) -> None:
    assert all(len(chunk.text.split()) <= words for chunk in chunk_document(document(text), words=words))


@given(PROSE)
def test_chunk_ids_are_unique(text: str) -> None:
    ids = [chunk.id for chunk in chunk_document(document(text), words=10)]
    assert len(ids) == len(set(ids))


def test_neighbours_share_the_sentence_at_their_border() -> None:
    text = "One two three. Four five six. Seven eight nine."
    assert [chunk.text for chunk in chunk_document(document(text), words=6)] == [
        "One two three. Four five six.",
        "Four five six. Seven eight nine.",
    ]


def test_a_new_paragraph_starts_a_new_chunk_once_one_is_half_full() -> None:
    text = "One two three four five.\n\nSix seven eight nine."
    found = chunk_document(document(text), words=9)
    assert [chunk.text for chunk in found] == ["One two three four five.", "Six seven eight nine."]


def test_text_without_stops_is_cut_at_white_space() -> None:
    text = " ".join(f"w{i}" for i in range(25))
    assert [len(chunk.text.split()) for chunk in chunk_document(document(text), words=10)] == [10, 10, 5]


@pytest.mark.parametrize(
    ("voice", "expected"),
    [
        (Voice(0, 1, "Bernstein", "Stacy Rasgon", "author"), "Bernstein (Stacy Rasgon) | Title | 27 January 2025"),
        (Voice(0, 1, None, None, "author"), "Title | 27 January 2025"),
    ],
)
def test_the_header_says_who_what_and_when(voice: Voice, expected: str) -> None:
    assert header(document("x"), voice) == expected


def test_a_crumb_beside_real_chunks_is_left_out() -> None:
    text = "Costs fell by half last year. Yours, Ann"
    found = chunk_document(document(text, text.index("Yours")), words=20)
    assert [chunk.text for chunk in found] == ["Costs fell by half last year."]


def test_a_document_of_crumbs_keeps_them() -> None:
    assert [chunk.text for chunk in chunk_document(document("Agreed."), words=20)] == ["Agreed."]


def test_what_is_no_prose_is_left_out() -> None:
    doc = document("Costs fell by half last year. Ann Lee, Analyst, London", 30)
    doc = replace(doc, voices=(doc.voices[0], replace(doc.voices[1], stretch="signature")))
    assert [chunk.text for chunk in chunk_document(doc, words=20)] == ["Costs fell by half last year."]


def test_the_header_is_searched_but_is_no_part_of_the_chunk() -> None:
    doc = document("Costs fell.")
    chunk = chunk_document(doc, words=10)[0]
    assert searchable(doc, chunk) == "House 0 | Title | 27 January 2025\nCosts fell."
    assert chunk.text == "Costs fell."


@given(st.text(alphabet="ab \n.", max_size=3000))
def test_no_chunk_is_longer_than_twelve_letters_a_word(text: str) -> None:
    assert all(len(chunk.text) <= 10 * 12 + 10 for chunk in chunk_document(document(text + "z" * 999), words=10))


def test_a_short_claim_is_no_crumb() -> None:
    text = "Costs fell by half last year and will fall again.\n\nRating: Outperform.\n\nTarget $950"
    found = chunk_document(document(text), words=12)
    assert {"Rating: Outperform.", "Target $950"} <= {piece for chunk in found for piece in chunk.text.split("\n\n")}
