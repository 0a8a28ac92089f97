"""Figures of merit, each with a 95 % bootstrap interval.

In: for each question what was right, a number, or a score. Out: `Estimate`s and a risk-coverage curve. Pure; it
does not know what a question, a hit or an answer is.

Every interval is the percentile bootstrap over questions (Efron and Tibshirani, 1993): 2,000 resamples with one
fixed seed, of sorted values, so that the order of the questions moves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
_SEED = 20250127
# Resamples are drawn in blocks of this many values: 32 MB, however many questions there are.
_BLOCK = 2_000_000

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure over ``n`` questions and the interval that holds it with 95 % confidence."""

    value: float
    low: float
    high: float
    n: int


def hits_at(relevant: Sequence[bool], k: int) -> float:
    """1 if any of the first ``k`` is relevant, else 0."""
    return float(any(relevant[:k]))


def reciprocal_rank(relevant: Sequence[bool], k: int = 10) -> float:
    """1 / the rank of the first relevant one among the first ``k``; 0 if there is none."""
    return next((1 / rank for rank, right in enumerate(relevant[:k], start=1) if right), 0.0)


def average_precision(relevant: Sequence[bool], k: int = 10, total: int | None = None) -> float:
    """The precision at each relevant rank among the first ``k``, summed, over how many there could have been.

    ``total`` is the number of relevant ones anywhere; without it, that of the relevant ones found counts.
    """
    ranks = [rank for rank, right in enumerate(relevant[:k], start=1) if right]
    found = sum(count / rank for count, rank in enumerate(ranks, start=1))
    return found / max(1, min(k, len(ranks) if total is None else total))


def mean(values: Sequence[float]) -> Estimate:
    """The mean of at least one value."""
    array = np.sort(np.asarray(values, dtype=np.float64))
    return _estimate(float(array.mean()), (array,), lambda sample: sample.mean(axis=1))


def quantile(values: Sequence[float], share: float) -> Estimate:
    """The value that ``share`` of at least one value do not exceed, interpolated."""
    array = np.sort(np.asarray(values, dtype=np.float64))
    return _estimate(float(np.quantile(array, share)), (array,), lambda sample: np.quantile(sample, share, axis=1))


def auroc(scores: Sequence[float], positive: Sequence[bool]) -> Estimate:
    """How often a positive scores higher than a negative, ties counting half (Mann and Whitney, 1947).

    There must be one of either; they are resampled apart, so that each resample has both.
    """
    # Only the order counts, so the distinct scores are numbered.
    distinct, places = np.unique(np.asarray(scores, dtype=np.float64), return_inverse=True)
    mask = np.asarray(positive, dtype=bool)
    above, below = np.sort(places[mask]), np.sort(places[~mask])

    def area(high: Indices, low: Indices) -> Floats:
        wins, others = _counts(high, len(distinct)), _counts(low, len(distinct))
        beaten = np.cumsum(others, axis=1) - others / 2
        return np.asarray((wins * beaten).sum(axis=1) / (high.shape[1] * low.shape[1]), dtype=np.float64)

    return _estimate(float(area(above[None], below[None])[0]), (above, below), area)


def risk_coverage(scores: Sequence[float], wrong: Sequence[bool]) -> list[tuple[float, float]]:
    """For each threshold: the share of questions that score as high, and the share of those that are wrong.

    Highest threshold first (El-Yaniv and Wiener, 2010); questions of one score are covered together.
    """
    if not scores:
        return []
    _, places = np.unique(-np.asarray(scores, dtype=np.float64), return_inverse=True)
    covered = np.cumsum(np.bincount(places))
    errors = np.cumsum(np.bincount(places, weights=np.asarray(wrong, dtype=np.float64)))
    return [(float(some / len(scores)), float(bad / some)) for some, bad in zip(covered, errors, strict=True)]


def _counts(samples: Indices, size: int) -> Floats:
    """How often each number below ``size`` stands in each row of ``samples``."""
    rows = np.arange(len(samples))[:, None] * size
    return np.bincount((samples + rows).ravel(), minlength=len(samples) * size).reshape(-1, size).astype(np.float64)


def _estimate(value: float, groups: tuple[NDArray[Any], ...], statistic: Callable[..., Floats]) -> Estimate:
    """``value`` with the interval of ``statistic`` over rows drawn with replacement from each of ``groups``."""
    random = np.random.default_rng(_SEED)
    n = sum(len(group) for group in groups)
    block = max(1, min(RESAMPLES, _BLOCK // n))
    draws = [
        statistic(
            *(group[random.integers(0, len(group), (min(block, RESAMPLES - done), len(group)))] for group in groups)
        )
        for done in range(0, RESAMPLES, block)
    ]
    low, high = np.percentile(np.concatenate(draws), [2.5, 97.5])
    return Estimate(value, float(low), float(high), n)
