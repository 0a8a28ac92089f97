from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rag.embedding import Vectors
from rag.schema import Filters
from rag.store import Catalogue
from rag.vectors import FOLDER, ChromaVectors, ExactVectors, probe
from tests.test_store import add, document

WORDS = [f"word{i}" for i in range(30)]


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    made = Catalogue.create(tmp_path / "index", fingerprint="f1")
    fill(made, range(30))
    yield made
    made.close()


def fill(catalogue: Catalogue, which: range, *, mixed: bool = False) -> None:
    """Add notes; ``mixed`` ones are of two houses, own words and quoted ones, mail and notes."""
    random = np.random.default_rng(which.start)
    for i in which:
        doc, entries = document(f"d{i}", f"Text {i}.", "Citi" if mixed and i % 2 else "Bernstein")
        if mixed:
            voice = replace(doc.voices[0], role="quoted" if i % 3 else "author")
            doc = replace(doc, voices=(voice,), kind="email" if i % 5 else "note")
            entries = [replace(entry, chunk=replace(entry.chunk, voice=voice)) for entry in entries]
        row = random.normal(size=8).astype(np.float32)
        add(catalogue, f"{i}.md", (doc, entries))
        with catalogue._write() as connection:
            unit = (row / np.linalg.norm(row)).tobytes()
            connection.execute("UPDATE vectors SET vector = ? WHERE digest = ?", (unit, entries[0].digest))


def direction(seed: int) -> Vectors:
    row = np.random.default_rng(seed).normal(size=8).astype(np.float32)
    return np.asarray(row / np.linalg.norm(row), dtype=np.float32)


def ids(found: list[tuple[int, float]]) -> list[int]:
    return [number for number, _ in found]


def test_the_exact_scan_returns_the_nearest_first(catalogue: Catalogue) -> None:
    numbers, rows = catalogue.vectors()
    expected = sorted(zip(numbers, rows @ direction(1), strict=True), key=lambda pair: -pair[1])[:5]
    assert ids(ExactVectors(catalogue).nearest(direction(1), 5)) == ids(expected)


def test_the_exact_scan_sees_what_was_added_since(catalogue: Catalogue) -> None:
    exact = ExactVectors(catalogue)
    exact.nearest(direction(1), 1)
    fill(catalogue, range(30, 31))
    assert len(exact.nearest(direction(1), 99)) == 31


def test_a_search_within_a_filter_reads_only_what_is_allowed(catalogue: Catalogue) -> None:
    exact = ExactVectors(catalogue)
    allowed = set(sorted(catalogue.all_numbers())[3:8])
    expected = [number for number in ids(ExactVectors(catalogue).nearest(direction(2), 99)) if number in allowed]
    assert (ids(exact.nearest(direction(2), 99, allowed)), exact._count) == (expected, 5)


@pytest.mark.parametrize("filters", [Filters(role="quoted"), Filters(kind="email"), Filters(("Citi",), role="author")])
def test_chroma_and_the_exact_scan_keep_alike_to_voice_and_kind(catalogue: Catalogue, filters: Filters) -> None:
    fill(catalogue, range(30, 60), mixed=True)
    allowed = catalogue.numbers(filters)
    chroma = ChromaVectors(catalogue)
    found = ids(chroma.nearest(direction(1), 4, allowed))
    chroma.close()
    assert len(found) == 4
    assert set(found) <= allowed
    assert found == ids(ExactVectors(catalogue).nearest(direction(1), 4, allowed))


def test_the_exact_scan_over_several_blocks_finds_the_same(catalogue: Catalogue) -> None:
    expected = ExactVectors(catalogue).nearest(direction(1), 30)
    assert dict(ExactVectors(catalogue, block=7).nearest(direction(1), 30)) == pytest.approx(dict(expected), abs=1e-6)


def test_the_rows_of_chunks_that_have_gone_are_let_go(catalogue: Catalogue) -> None:
    exact = ExactVectors(catalogue)
    exact.nearest(direction(1), 1)
    catalogue.remove([f"{i}.md" for i in range(25)])
    assert (len(exact.nearest(direction(1), 99)), exact._count) == (5, 5)


def test_a_number_that_has_no_vector_is_not_found(catalogue: Catalogue) -> None:
    assert ExactVectors(catalogue).nearest(direction(1), 9, {999}) == []


def test_chroma_finds_at_least_99_of_100(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    centres = chance.normal(size=(40, 64))
    rows = centres[chance.integers(40, size=3000)] + 0.5 * chance.normal(size=(3000, 64))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    large = Catalogue.create(tmp_path / "large", fingerprint="f1")
    with large._write() as connection:
        connection.execute("INSERT INTO documents VALUES (1, 'd', '', '', '', '', '', '', '', '[]', '{}', '[]')")
        for i, row in enumerate(rows):
            connection.execute("INSERT INTO vectors VALUES (?, ?)", (str(i), row.tobytes()))
            connection.execute(
                "INSERT INTO chunks (number, id, document_id, start, end, voice, date, role, kind, digest, header,"
                " text, terms) VALUES (?, ?, 'd', 0, 0, 0, '', 'author', 'note', ?, '', '', '')",
                (i + 1, str(i), str(i)),
            )
    chroma, exact = ChromaVectors(large), ExactVectors(large)
    asked = rows[:100] + 0.05
    found = [set(ids(chroma.nearest(row, 50)[:10])) & set(ids(exact.nearest(row, 10))) for row in asked]
    chroma.close()
    large.close()
    assert sum(map(len, found)) >= 990


def test_a_folder_that_was_made_with_other_settings_is_made_anew(catalogue: Catalogue) -> None:
    import chromadb

    name = f"chunks-{catalogue.identity}"
    client = chromadb.PersistentClient(catalogue.folder / FOLDER)
    client.create_collection(name, embedding_function=None, configuration={"hnsw": {"space": "cosine"}})
    client.close()
    assert probe(catalogue.folder / FOLDER, name) == "it was made with other settings"


def test_an_empty_index_has_nothing_near(tmp_path: Path) -> None:
    empty = Catalogue.create(tmp_path / "empty", fingerprint="f1")
    assert ExactVectors(empty).nearest(direction(1), 5) == []
    empty.close()


@pytest.fixture
def chroma(catalogue: Catalogue) -> Iterator[ChromaVectors]:
    opened = ChromaVectors(catalogue)
    yield opened
    opened.close()


def test_chroma_finds_what_the_exact_scan_finds(catalogue: Catalogue, chroma: ChromaVectors) -> None:
    exact = ExactVectors(catalogue)
    for seed in range(20):
        assert ids(chroma.nearest(direction(seed), 10)) == ids(exact.nearest(direction(seed), 10))


def test_chroma_reports_cosines(catalogue: Catalogue, chroma: ChromaVectors) -> None:
    (_, cosine), *_ = chroma.nearest(direction(3), 1)
    assert cosine == pytest.approx(ExactVectors(catalogue).nearest(direction(3), 1)[0][1], abs=1e-5)


def test_a_filtered_search_stays_inside_the_filter(catalogue: Catalogue, chroma: ChromaVectors) -> None:
    allowed = set(sorted(catalogue.all_numbers())[:3])
    assert set(ids(chroma.nearest(direction(1), 10, allowed))) == allowed


def test_chroma_follows_the_catalogue_while_it_is_open(catalogue: Catalogue, chroma: ChromaVectors) -> None:
    catalogue.remove([f"{i}.md" for i in range(29)])
    fill(catalogue, range(30, 32))
    assert set(ids(chroma.nearest(direction(1), 10))) == catalogue.all_numbers()


def test_a_damaged_chroma_folder_is_rebuilt_from_the_catalogue(
    catalogue: Catalogue, caplog: pytest.LogCaptureFixture
) -> None:
    ChromaVectors(catalogue).close()
    (catalogue.folder / FOLDER / "chroma.sqlite3").write_bytes(b"not a database")
    healed = ChromaVectors(catalogue)
    assert len(healed.nearest(direction(1), 30)) == 30
    assert "rebuilt" in caplog.text
    healed.close()


def test_vectors_that_chroma_lost_are_noticed(tmp_path: Path) -> None:
    catalogue = Catalogue.create(tmp_path / "large", fingerprint="f1")
    rows = np.random.default_rng(0).normal(size=(1500, 8)).astype(np.float32)
    chroma = ChromaVectors(catalogue)
    # Enough for Chroma to have written its HNSW files (sync_threshold is 1,000).
    for start in range(0, 1500, 500):
        some = range(start, start + 500)
        chroma._collection.upsert(ids=[str(i) for i in some], embeddings=rows[start : start + 500])
    name = chroma._name
    chroma.close()
    (segment,) = (path for path in (catalogue.folder / FOLDER).iterdir() if path.is_dir())
    shutil.rmtree(segment)
    assert probe(catalogue.folder / FOLDER, name) != ""
    catalogue.close()


def test_a_folder_of_another_index_is_not_used(catalogue: Catalogue, tmp_path: Path) -> None:
    ChromaVectors(catalogue).close()
    assert "another index" in probe(catalogue.folder / FOLDER, "chunks-other")


def test_a_stored_embedding_function_is_refused(tmp_path: Path) -> None:
    import chromadb

    folder = tmp_path / "poisoned"
    client = chromadb.PersistentClient(folder)
    client.create_collection("chunks-x")  # without embedding_function=None Chroma stores its default one
    client.close()
    assert "embedding function" in probe(folder, "chunks-x")


def test_a_sound_folder_has_nothing_wrong_with_it(catalogue: Catalogue) -> None:
    chroma = ChromaVectors(catalogue)
    chroma.close()
    assert probe(catalogue.folder / FOLDER, f"chunks-{catalogue.identity}") == ""
