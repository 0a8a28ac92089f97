from __future__ import annotations

from datetime import UTC, datetime

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
    voices = tuple(
        Voice(start, end, f"House {i}", None, "author")
        for i, (start, end) in enumerate(zip(edges, edges[1:], strict=False))
    )
    return Document("d1", "a.md", "note", "Title", text, datetime(2025, 1, 27, tzinfo=UTC), None, None, voices=voices)


@given(PROSE, st.integers(5, 40))
def test_a_chunk_is_an_exact_slice_inside_its_voice(text: str, words: int) -> None:
    middle = len(text) // 2
    for chunk in chunk_document(document(text, middle), words=words):
        assert text[chunk.start : chunk.end] == chunk.text
        assert chunk.voice.start <= chunk.start < chunk.end <= chunk.voice.end


@given(PROSE, st.integers(5, 40))
def test_no_word_of_the_document_is_lost(text: str, words: int) -> None:
    kept = bytearray(len(text))
    for chunk in chunk_document(document(text), words=words):
        kept[chunk.start : chunk.end] = b"\1" * (chunk.end - chunk.start)
    assert all(kept[i] or char.isspace() for i, char in enumerate(text))


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
    text = "One two three four five.\n\nSix seven."
    assert [chunk.text for chunk in chunk_document(document(text), words=8)] == [
        "One two three four five.",
        "Six seven.",
    ]


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


def test_the_header_is_searched_but_is_no_part_of_the_chunk() -> None:
    doc = document("Costs fell.")
    chunk = chunk_document(doc, words=10)[0]
    assert searchable(doc, chunk) == "House 0 | Title | 27 January 2025\nCosts fell."
    assert chunk.text == "Costs fell."
