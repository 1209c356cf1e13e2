"""Orders and slopes of groups: no choice of failures raises what the others of a group get."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from evaluator.arrays import FloatArray
from evaluator.contract import ScoredMetric
from evaluator.metrics.agreement import rank_correlation
from evaluator.protocols.base import Sample
from evaluator.protocols.groups import lowest_sample, order_sample, slope_sample
from evaluator.scoring.skills import errors_of, skills_of

METRIC = ScoredMetric(
    key="facet_order_score", good=1.0, bad=0.0, worst=-1.0, noise=0.02, weight=1.0
)
GROUPS = ["a"] * 6 + [""]
OfGroup = Callable[[FloatArray, FloatArray], Sample]


def lowest(predicted: FloatArray, reference: FloatArray) -> Sample:
    return lowest_sample(GROUPS, predicted, reference, tolerance=1.0)


def order(predicted: FloatArray, reference: FloatArray) -> Sample:
    return order_sample(GROUPS, predicted, reference)


def slope(predicted: FloatArray, reference: FloatArray) -> Sample:
    return slope_sample(GROUPS, predicted, reference)


def mean_skill(sample: Sample) -> float:
    errors = errors_of(METRIC, sample)
    table = skills_of(METRIC, errors, np.ones(len(errors)), is_judged=~sample.missing)
    assert np.isfinite(table[:-1]).all() and np.isnan(table[-1])
    return float(np.nanmean(table))


@pytest.mark.parametrize("of_group", [order, slope, lowest])
@pytest.mark.parametrize("seed", range(8))
def test_no_choice_of_failures_in_a_group_ever_pays(of_group: OfGroup, seed: int) -> None:
    generator = np.random.default_rng(seed)
    reference = generator.normal(0, 100, 7)
    predicted = reference + generator.normal(0, 20, 7)
    predicted[:2] += generator.normal(0, 400, 2)
    whole = mean_skill(of_group(predicted, reference))
    for choice in range(1, 2**6):
        failed = np.array([choice >> i & 1 for i in range(7)], bool)
        left = of_group(np.where(failed, np.nan, predicted), reference)
        assert mean_skill(left) <= whole + 1e-12


REFERENCE = np.array([1.0, 2, 3, 4, 5, 6, 0])


@pytest.mark.parametrize("of_group", [order, slope, lowest])
def test_who_is_right_has_all_skill_and_loses_little_by_one_failure(of_group: OfGroup) -> None:
    assert mean_skill(of_group(REFERENCE.copy(), REFERENCE)) == 1
    one = np.where(np.arange(7) == 0, np.nan, REFERENCE)
    assert mean_skill(of_group(one, REFERENCE)) > 0.45


@pytest.mark.parametrize("of_group", [order, slope, lowest])
def test_a_guess_has_none(of_group: OfGroup) -> None:
    assert mean_skill(of_group(np.zeros(7), REFERENCE)) == 0


def test_values_are_those_of_the_literature_over_what_was_answered() -> None:
    predicted = np.array([1.0, 3, 2, 9, np.nan, np.nan, 0])
    answered = np.isfinite(predicted[:6])
    sample = order(predicted, REFERENCE)
    rho = rank_correlation(predicted[:6][answered], REFERENCE[:6][answered])
    assert sample.values[:4] == pytest.approx(4 * [rho])
    assert np.isnan(sample.values[4:6]).all()
    known = REFERENCE[:4]
    expected = float(predicted[:4] @ known / (known @ known))
    assert slope(predicted, REFERENCE).values[:4] == pytest.approx(4 * [expected])


def test_pairs_of_equal_references_have_no_order() -> None:
    reference = np.array([1.0, 1, 1, 2, 2, 2, 0])
    predicted = np.array([1.0, 1.1, 0.9, 5, 4, 3, 0])
    assert mean_skill(order(predicted, reference)) == 1


def test_failing_on_a_false_ground_state_does_not_find_the_true_one() -> None:
    predicted = np.array([2.0, 1, 3, 4, 5, 6, 0])
    reference = np.where(np.arange(7) == 0, 1.0, REFERENCE + 5)
    assert mean_skill(lowest(predicted, reference)) == 0
    predicted[1] = np.nan
    assert mean_skill(lowest(predicted, reference)) == 0


def test_an_answer_out_of_all_bounds_is_no_error() -> None:
    predicted = np.where(np.arange(7) == 2, -1.7e308, REFERENCE)
    assert 0 < mean_skill(order(predicted, REFERENCE)) < 1
    assert 0 < mean_skill(slope(predicted, REFERENCE)) < 1


def test_the_error_of_an_order_is_that_of_the_correlation() -> None:
    """Of many normal numbers that are correlated by 0.9."""
    generator = np.random.default_rng(3)
    reference = generator.normal(size=800)
    predicted = 0.9 * reference + np.sqrt(1 - 0.9**2) * generator.normal(size=800)
    sample = order_sample(["a"] * 800, predicted, reference)
    assert sample.errors is not None
    tau = 1 - 2 / np.pi * np.arccos(0.9)
    assert np.sin(np.pi / 2 * tau) == pytest.approx(0.9)
    assert float(np.median(sample.errors)) == pytest.approx(0.1, abs=0.05)
