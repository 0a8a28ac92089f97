from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.metrics import auroc, average_precision, hits_at, mean, quantile, reciprocal_rank, risk_coverage

RANKING = st.lists(st.booleans(), max_size=15)
SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=40)
SCORED = st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=2, max_size=30).filter(
    lambda rows: len({positive for _, positive in rows}) == 2
)


def test_a_hit_counts_up_to_its_rank() -> None:
    assert [hits_at([False, True, False], k) for k in (1, 2, 10)] == [0, 1, 1]


def test_the_reciprocal_rank_is_that_of_the_first_right_hit() -> None:
    assert reciprocal_rank([False, False, True, True]) == 1 / 3


def test_what_comes_after_the_tenth_does_not_count() -> None:
    ranking = [False] * 10 + [True]
    assert (reciprocal_rank(ranking), average_precision(ranking)) == (0, 0)


def test_average_precision_is_that_of_the_textbook() -> None:
    # Right at ranks 1, 3 and 6 of 4 that there are: (1/1 + 2/3 + 3/6) / 4.
    ranking = [True, False, True, False, False, True]
    assert average_precision(ranking, total=4) == pytest.approx((1 + 2 / 3 + 1 / 2) / 4)


def test_average_precision_without_a_total_is_over_those_found() -> None:
    assert average_precision([False, True, True]) == pytest.approx((1 / 2 + 2 / 3) / 2)


@given(RANKING)
def test_hits_grow_with_k_and_bound_what_ranks_them(ranking: list[bool]) -> None:
    hits = [hits_at(ranking, k) for k in range(1, 11)]
    assert hits == sorted(hits)
    assert hits[0] <= reciprocal_rank(ranking) <= hits[-1]
    assert 0 <= average_precision(ranking) <= hits[-1]


@given(RANKING, st.integers(0, 8))
def test_an_earlier_right_hit_is_never_worth_less(ranking: list[bool], at: int) -> None:
    if at + 1 < len(ranking) and ranking[at + 1] and not ranking[at]:
        better = [*ranking[:at], True, False, *ranking[at + 2 :]]
        total = max(1, sum(ranking))
        assert average_precision(better, total=total) >= average_precision(ranking, total=total)
        assert reciprocal_rank(better) >= reciprocal_rank(ranking)


def test_a_mean_has_its_interval_and_its_n() -> None:
    found = mean([1.0] * 80 + [0.0] * 20)
    assert (found.value, found.n) == (0.8, 100)
    # The normal approximation gives 0.8 ± 1.96 * sqrt(0.8 * 0.2 / 100).
    assert found.low == pytest.approx(0.72, abs=0.015)
    assert found.high == pytest.approx(0.88, abs=0.015)


@given(SHARES, st.randoms())
def test_a_mean_lies_in_bounds_whatever_the_order(values: list[float], random: object) -> None:
    found = mean(values)
    shuffled = values[:]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert mean(shuffled) == found
    assert min(values) - 1e-9 <= found.low <= found.high <= max(values) + 1e-9


def test_one_value_is_its_own_interval() -> None:
    found = mean([0.25])
    assert (found.value, found.low, found.high, found.n) == (0.25, 0.25, 0.25, 1)


def test_a_quantile_is_interpolated() -> None:
    assert quantile([1, 2, 3, 4, 5], 0.5).value == 3
    assert quantile([0, 10], 0.95).value == pytest.approx(9.5)


def test_an_interval_over_many_values_needs_no_more_memory_than_a_block() -> None:
    assert mean([0.0, 1.0] * 20_000).value == 0.5


def test_auroc_counts_pairs_and_half_of_ties() -> None:
    # Positives 3 and 2 against negatives 2 and 1: three wins and a tie of four pairs.
    assert auroc([3, 2, 2, 1], [True, True, False, False]).value == 3.5 / 4


@given(SCORED)
def test_auroc_is_turned_round_with_the_scores(rows: list[tuple[int, bool]]) -> None:
    scores, positive = [score for score, _ in rows], [right for _, right in rows]
    found = auroc(scores, positive)
    assert auroc([-score for score in scores], positive).value == pytest.approx(1 - found.value)
    assert 0 <= found.low <= found.high <= 1
    assert found.n == len(rows)


@given(SCORED)
def test_only_the_order_of_the_scores_counts(rows: list[tuple[int, bool]]) -> None:
    scores, positive = [score for score, _ in rows], [right for _, right in rows]
    assert auroc([math.exp(score) for score in scores], positive) == auroc(scores, positive)


def test_the_surest_are_covered_first() -> None:
    assert risk_coverage([0.1, 0.9, 0.5, 0.4], [True, False, True, False]) == [
        (0.25, 0.0),
        (0.5, 0.5),
        (0.75, pytest.approx(1 / 3)),
        (1.0, 0.5),
    ]


def test_equal_scores_are_covered_together() -> None:
    assert risk_coverage([1, 1, 0], [True, False, False]) == [(pytest.approx(2 / 3), 0.5), (1.0, pytest.approx(1 / 3))]


def test_nothing_asked_is_no_curve() -> None:
    assert risk_coverage([], []) == []


@given(SCORED)
def test_full_coverage_has_the_risk_of_answering_everything(rows: list[tuple[int, bool]]) -> None:
    wrong = [right for _, right in rows]
    curve = risk_coverage([score for score, _ in rows], wrong)
    assert curve[-1][0] == 1.0
    assert curve[-1][1] == pytest.approx(sum(wrong) / len(wrong))
    assert [coverage for coverage, _ in curve] == sorted({coverage for coverage, _ in curve})
