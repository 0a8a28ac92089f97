from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rag.lexicon import Lexicon, best, sorted_array
from rag.store import Catalogue
from tests.test_store import add, document


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    made = Catalogue.create(tmp_path / "index", fingerprint="f1")
    for number, name in enumerate("abcdef"):
        add(made, f"{name}.md", document(name, f"Costs fell, says {name}. {'Margins too.' * (number == 3)}"))
    yield made
    made.close()


def numbers(lexicon: Lexicon, *words: str) -> list[int]:
    return [number for number, _ in lexicon.matching(words, 10, None, 0.3)]


def test_a_word_that_most_chunks_have_finds_nothing_beside_a_rare_one_where_it_is_costly(
    catalogue: Catalogue,
) -> None:
    lexicon = Lexicon(catalogue._read, costly=3)
    assert (numbers(lexicon, "costs", "margins"), len(numbers(lexicon, "costs"))) == ([4], 6)


def test_a_word_that_most_chunks_have_is_used_beside_one_that_none_has(
    catalogue: Catalogue,
) -> None:
    lexicon = Lexicon(catalogue._read, costly=3)
    assert len(numbers(lexicon, "costs", "zebras")) == 6


def test_what_is_remembered_is_bounded(catalogue: Catalogue) -> None:
    lexicon = Lexicon(catalogue._read, remembered=8)
    for word in ("costs", "margins", "says", "fell", "costs"):
        assert numbers(lexicon, word)
        assert lexicon._kept == sum(len(found) for found, _ in lexicon._scores.values()) <= 8


def test_the_best_are_the_best_of_all_in_order_and_ties_go_to_the_first() -> None:
    chance = np.random.default_rng(0)
    scores = chance.integers(0, 50, 1000).astype(np.float32)
    expected = sorted(range(1000), key=lambda at: (-scores[at], at))[:37]
    assert [number for number, _ in best(np.arange(1000), scores, 37)] == expected


def test_fewer_than_were_asked_for_are_all_there_is() -> None:
    assert best(np.array([7, 9]), np.array([1, 2], dtype=np.float32), 5) == [(9, 2.0), (7, 1.0)]


def test_numbers_are_sorted_whatever_they_come_in() -> None:
    assert sorted_array({5, 1, 3}).tolist() == sorted_array([3, 5, 1]).tolist() == [1, 3, 5]
