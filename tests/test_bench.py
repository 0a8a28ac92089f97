from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from rag import Settings, bench
from rag.errors import IndexMissing, SettingsError
from rag.schema import Filters
from rag.store import Catalogue
from tests.fakes import WordEmbedder
from tests.test_store import add, document

SIZE = 400
HOUSES = ("Bernstein", "Citi", "Nomura")


@pytest.fixture
def pattern(tmp_path: Path) -> bench.Pattern:
    embedder = WordEmbedder()
    catalogue = Catalogue.create(tmp_path / "real", fingerprint="f1")
    for i in range(30):
        add(catalogue, f"{i}.md", document(f"d{i}", f"Costs number {chr(97 + i)} fell slowly.", HOUSES[i % 3]))
        row = embedder.embed([f"Costs number {i} fell."])[0].tobytes()
        catalogue._read("UPDATE vectors SET vector = ? WHERE digest LIKE ?", (row, f"%number {chr(97 + i)} %"))
    catalogue.close()
    return bench.read_pattern(tmp_path / "real")


@pytest.fixture
def index(pattern: bench.Pattern, tmp_path: Path) -> Path:
    bench.build(tmp_path / "made", pattern, SIZE)
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


def test_the_same_pattern_makes_the_same_index(pattern: bench.Pattern, made: Catalogue, tmp_path: Path) -> None:
    bench.build(tmp_path / "again", pattern, SIZE)
    again = Catalogue.open(tmp_path / "again")
    numbers = sorted(made.numbers(Filters(houses=("Citi",))))
    assert again.passages(numbers) == made.passages(numbers)
    again.close()


@pytest.mark.parametrize("engine", ["exact", "chroma"])
def test_a_row_says_what_was_measured(pattern: bench.Pattern, index: Path, engine: bench.Engine) -> None:
    row = bench.measure(index, pattern, WordEmbedder(), engine, candidates=20, count=9, filled=1.5)
    assert (row.chunks, row.engine, row.filled) == (SIZE, engine, 1.5)
    assert row.recall > 0.9
    assert row.first > 0
    assert row.memory > 10
    for times in row.searches.values():
        assert 0 < times.median <= times.p95
        assert {"embed", "words", "vectors", "load", "rank"} <= set(times.stages)


def test_rows_can_be_written_as_json_and_read_as_lines(pattern: bench.Pattern, index: Path) -> None:
    row = bench.measure(index, pattern, WordEmbedder(), "exact", candidates=20, count=9)
    assert json.loads(json.dumps(bench.report_json([row])))["rows"][0]["searches"]["house"]["median"] > 0
    assert [line.split()[0] for line in bench.row_text(row).splitlines()] == ["400", "a", "naming", "within"]


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
    rows = bench.run(settings, [200], lambda done, total, what: said.append(what))
    assert next(rows).chunks == 200
    cast("Generator[bench.Row, None, None]", rows).close()
    assert (said[-1], list((tmp_path / "tmp").iterdir())) == ("200 chunks: building", [])


def test_an_index_that_holds_too_little_is_no_pattern(tmp_path: Path) -> None:
    catalogue = Catalogue.create(tmp_path / "real", fingerprint="f1")
    add(catalogue, "a.md", document("a", "Costs fell."))
    catalogue.close()
    with pytest.raises(SettingsError, match="1 passages"):
        bench.read_pattern(tmp_path / "real")


def test_without_an_index_there_is_no_pattern(tmp_path: Path) -> None:
    with pytest.raises(IndexMissing):
        bench.read_pattern(tmp_path)
