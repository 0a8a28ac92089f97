from __future__ import annotations

import numpy as np
import pytest

from rag.fitting import fit
from rag.gate import MEASURES


def test_fitting_finds_the_measure_that_tells() -> None:
    chance = np.random.default_rng(0)
    rows = chance.random((400, len(MEASURES)))
    gate = fit(rows, rows[:, 1] > 0.5)
    assert gate.weights[1] > 3 * max(abs(weight) for i, weight in enumerate(gate.weights) if i != 1)


def test_fitted_thresholds_refuse_few_that_can_be_answered() -> None:
    chance = np.random.default_rng(1)
    rows = chance.random((400, len(MEASURES)))
    answerable = rows[:, 1] + 0.3 * chance.standard_normal(400) > 0.5
    gate = fit(rows, answerable)
    refused = [gate.verdict(gate.score(row)) == "refuse" for row in rows[answerable]]
    assert np.mean(refused) <= 0.05
    assert gate.refuse <= gate.answer


def test_fitting_needs_both_kinds_of_questions() -> None:
    with pytest.raises(ValueError, match="both"):
        fit(np.ones((5, len(MEASURES))), np.ones(5, dtype=bool))
