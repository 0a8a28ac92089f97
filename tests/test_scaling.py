from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from rag import Settings, scaling
from rag.errors import IndexMissing, RagError, SettingsError
from rag.schema import Filters
from rag.store import Catalogue
from tests.fakes import WordEmbedder
from tests.test_store import add, document

SIZE = 400
HOUSES = ("Bernstein", "Citi", "Nomura")


@pytest.fixture
def pattern(tmp_path: Path) -> scaling.Pattern:
    embedder = WordEmbedder()
    catalogue = Catalogue.create(tmp_path / "real", fingerprint="f1")
    for i in range(30):
        add(catalogue, f"{i}.md", document(f"d{i}", f"Costs number {chr(97 + i)} fell slowly.", HOUSES[i % 3]))
        row = embedder.embed([f"Costs number {i} fell."])[0].tobytes()
        catalogue._read("UPDATE vectors SET vector = ? WHERE digest LIKE ?", (row, f"%number {chr(97 + i)} %"))
    catalogue.close()
    return scaling.read_pattern(tmp_path / "real")


@pytest.fixture
def index(pattern: scaling.Pattern, tmp_path: Path) -> Path:
    scaling.build(tmp_path / "made", pattern, SIZE)
    return tmp_path / "made"


@pytest.fixture
def made(index: Path) -> Iterator[Catalogue]:
    catalogue = Catalogue.open(index)
    yield catalogue
    catalogue.close()


def test_an_index_has_as_many_chunks_as_were_asked_for_and_a_tenth_are_copies(made: Catalogue) -> None:
    assert (made.counts()["chunks"], made.size) == (SIZE, SIZE - SIZE // 10)


def test_every_chunk_lies_in_its_document_with_a_unit_vector_and_a_house_of_the_pattern(made: Catalogue) -> None:
    numbers, rows = made.vectors()
    assert np.linalg.norm(rows, axis=1) == pytest.approx(np.ones(len(rows)), abs=1e-5)
    assert {chunk.voice.house for chunk, _ in made.load(numbers).values()} == set(HOUSES)
    assert all(doc.text[chunk.start : chunk.end] == chunk.text for chunk, doc in made.load(numbers).values())


def test_common_words_of_the_pattern_are_common_and_there_are_many_others(made: Catalogue) -> None:
    counts = made.frequencies(["costs", "fell", "no such word"])
    assert counts["costs"] > made.size // 2
    assert counts["no such word"] == 0
    words = {word for passage in made.passages(made.all_numbers()).values() for word in passage.text.split()}
    assert len(words) > 500


def test_the_same_pattern_makes_the_same_index(pattern: scaling.Pattern, made: Catalogue, tmp_path: Path) -> None:
    scaling.build(tmp_path / "again", pattern, SIZE)
    again = Catalogue.open(tmp_path / "again")
    numbers = sorted(made.numbers(Filters(houses=("Citi",))))
    assert again.passages(numbers) == made.passages(numbers)
    again.close()


@pytest.mark.parametrize("engine", ["exact", "chroma"])
def test_a_row_says_what_was_measured(pattern: scaling.Pattern, index: Path, engine: scaling.Engine) -> None:
    row = scaling.measure(index, pattern, WordEmbedder(), engine, candidates=20, count=9, filled=1.5)
    assert (row.chunks, row.engine, row.filled) == (SIZE, engine, 1.5)
    assert row.recall > 0.9
    assert row.first > 0
    assert row.memory > 10
    for times in row.searches.values():
        assert 0 < times.median <= times.p95
        assert {"embed", "words", "vectors", "load", "rank"} <= set(times.stages)


def test_a_process_of_its_own_measures_with_the_real_model_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = Catalogue.create(tmp_path / "real", fingerprint="f1")
    for i in range(30):
        add(catalogue, f"{i}.md", document(f"d{i}", f"Costs number {chr(97 + i)} fell slowly."))
    catalogue._read("UPDATE vectors SET vector = ?", (np.full(384, 384**-0.5, dtype=np.float32).tobytes(),))
    catalogue.close()
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    said: list[str] = []
    settings = Settings.load(folder=tmp_path, corpus=tmp_path, index=tmp_path / "real")
    rows = scaling.run(settings, [200], lambda done, total, what: said.append(what))
    assert next(rows).chunks == 200
    cast("Generator[scaling.Row, None, None]", rows).close()
    assert (said[-1], list((tmp_path / "tmp").iterdir())) == ("200 chunks: building", [])


def test_an_index_that_holds_too_little_is_no_pattern(tmp_path: Path) -> None:
    catalogue = Catalogue.create(tmp_path / "real", fingerprint="f1")
    add(catalogue, "a.md", document("a", "Costs fell."))
    catalogue.close()
    with pytest.raises(SettingsError, match="1 passages"):
        scaling.read_pattern(tmp_path / "real")


def test_without_an_index_there_is_no_pattern(tmp_path: Path) -> None:
    with pytest.raises(IndexMissing):
        scaling.read_pattern(tmp_path)


def test_a_process_that_dies_while_it_measures_is_told() -> None:
    with pytest.raises(RagError, match="has been ended"):
        scaling.alone(os._exit, 9)
