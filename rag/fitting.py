"""Fit the gate to questions of which it is known whether they can be answered.

In: measures of evidence, a row for each question, and whether it can be answered. Out: a `Gate`. It does not know how
the evidence was found.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rag.gate import Gate

Rows = NDArray[np.float64]
Labels = NDArray[np.bool_]

# Shares of the answerable questions.
_REFUSED, _UNASKED = 0.05, 0.15
_FOLDS = 10
_RIDGE = 1.0


def fit(rows: Rows, answerable: Labels) -> Gate:
    """Fit a gate to questions: a row of `MEASURES` for each, and whether it can be answered.

    Both kinds weigh the same, however many there are of each. The thresholds come from scores of questions that the
    model was not fitted on (ten folds): of those that can be answered one in twenty is refused, and for one in seven no
    model is asked. Raises ValueError without both kinds.
    """
    if answerable.all() or not answerable.any():
        raise ValueError("fitting takes questions of both kinds, some that can be answered and some that cannot")
    order = np.random.default_rng(0).permutation(len(rows))
    scores = np.empty(len(rows))
    for fold in range(_FOLDS):
        held = order[fold::_FOLDS]
        seen = np.setdiff1d(order, held)
        scores[held] = _logistic(rows[held], *_regression(rows[seen], answerable[seen]))
    refuse, answer = np.quantile(scores[answerable], (_REFUSED, _UNASKED)).tolist()
    weights, bias = _regression(rows, answerable)
    return Gate(tuple(weights.tolist()), bias, refuse, answer)


def _logistic(rows: Rows, weights: Rows, bias: float) -> Rows:
    return np.asarray(1 / (1 + np.exp(-(rows @ weights + bias))))


def _regression(rows: Rows, positive: Labels) -> tuple[Rows, float]:
    """Balanced logistic regression with a ridge, by Newton's method: the weights and the bias."""
    design = np.column_stack([rows, np.ones(len(rows))])
    balance = np.where(positive, 0.5 / max(1, positive.sum()), 0.5 / max(1, (~positive).sum())) * len(rows)
    ridge = _RIDGE * np.eye(design.shape[1])
    ridge[-1, -1] = 0.0
    found = np.zeros(design.shape[1])
    for _ in range(25):
        scores = 1 / (1 + np.exp(-design @ found))
        gradient = design.T @ (balance * (scores - positive)) + ridge @ found
        curvature = (design * (balance * scores * (1 - scores))[:, None]).T @ design + ridge
        found = found - np.linalg.solve(curvature + 1e-9 * np.eye(len(found)), gradient)
    return found[:-1], float(found[-1])
