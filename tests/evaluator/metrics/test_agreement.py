import numpy as np
import pytest
from scipy.stats import spearmanr

from evaluator.metrics.agreement import (
    agreement,
    has_lowest,
    rank_correlation,
    slope_through_origin,
)

REFERENCE = np.array([1.0, 2.0, 4.0, 8.0, 16.0])


def test_slope_is_the_factor_and_knows_no_intercept() -> None:
    assert slope_through_origin(0.8 * REFERENCE, REFERENCE) == pytest.approx(0.8)
    by_hand = np.sum((REFERENCE + 1) * REFERENCE) / np.sum(REFERENCE**2)
    assert slope_through_origin(REFERENCE + 1, REFERENCE) == pytest.approx(by_hand)
    assert slope_through_origin(REFERENCE, np.zeros(5)) is None


def test_rank_correlation_is_spearmans_with_ties_at_their_mean_rank() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 5, 30).astype(float), rng.integers(0, 5, 30).astype(float)
    assert rank_correlation(a, b) == pytest.approx(spearmanr(a, b).statistic)
    assert rank_correlation(-REFERENCE, REFERENCE) == pytest.approx(-1)


def test_what_has_no_order_has_no_correlation() -> None:
    assert rank_correlation(np.ones(5), REFERENCE) == 0.0
    assert rank_correlation(REFERENCE, np.ones(5)) is None
    assert rank_correlation(REFERENCE[:2], REFERENCE[:2]) is None


def test_agreement_of_nothing_is_nothing() -> None:
    assert agreement(np.empty(0), np.empty(0))["mae"] is None
    table = agreement(REFERENCE - 1, REFERENCE)
    assert (table["n"], table["mae"], table["mean_signed_error"]) == (5, 1.0, -1.0)
    assert table["below_reference_percent"] == 100.0


def test_the_lowest_is_found_where_it_was_predicted() -> None:
    assert has_lowest(REFERENCE, REFERENCE, 0.0)
    assert not has_lowest(-REFERENCE, REFERENCE, 0.0)
    assert has_lowest(np.array([3.0, 1.0, 5.0, 6.0, 7.0]), REFERENCE, 1.0)
    assert not has_lowest(np.array([np.nan, 1.0, 5.0, 6.0, 7.0]), REFERENCE, 0.5)
