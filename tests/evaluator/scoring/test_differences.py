"""Energies are judged by differences: no constant is fitted, and failing never pays."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from evaluator.arrays import FloatArray
from evaluator.contract import ScoredMetric
from evaluator.protocols.base import Differences
from evaluator.scoring.skills import skills_of, skills_of_differences

METRIC = ScoredMetric(
    key="energy_mae", good=0.0, bad=1000.0, worst=1000.0, noise=2.0, scale="log", weight=1.0
)


def skills(
    errors: FloatArray, reference: FloatArray, groups: NDArray[np.int64] | None = None
) -> FloatArray:
    """Of energies that miss by ``errors``, in meV/atom."""
    groups = np.zeros(len(errors), int) if groups is None else groups
    differences = Differences(errors=errors, uninformed=-reference, groups=groups)
    return skills_of_differences(METRIC, differences, is_judged=np.ones(len(errors), bool))


def mean(table: FloatArray) -> float:
    return float(np.nanmean(table))


#: CHGNet 0.3.0 on the eight structures of germanium in mlearn-forces, meV/atom: what it misses by,
#: and the reference above its mean.
CHGNET_GE = np.array([-19.1, -298.9, 9.2, -258.4, -299.2, 78.2, 16.5, -18.8])
REFERENCE_GE = np.array([-154.6, 334.0, -194.5, 233.0, 320.7, -195.2, -193.6, -149.9])


def with_fitted_constant(errors: FloatArray) -> float:
    """Score as it was made before: one energy is fitted to what was answered."""
    guess = np.full(len(errors), np.abs(REFERENCE_GE).mean())
    shifted = np.abs(errors - np.nanmean(errors))
    return mean(skills_of(METRIC, shifted, guess, is_judged=np.ones(len(errors), bool)))


def test_failing_on_the_outliers_of_germanium_lifted_chgnet_and_does_not_any_more() -> None:
    choices = [np.array([n >> i & 1 for i in range(8)], bool) for n in range(2**8 - 1)]
    left = [np.where(failed, np.nan, CHGNET_GE) for failed in choices]
    assert with_fitted_constant(CHGNET_GE) == pytest.approx(0.11, abs=0.01)
    assert max(map(with_fitted_constant, left)) == pytest.approx(0.35, abs=0.01)
    honest = mean(skills(CHGNET_GE, REFERENCE_GE))
    assert honest == pytest.approx(0.145, abs=0.001)
    assert max(mean(skills(errors, REFERENCE_GE)) for errors in left) == pytest.approx(honest)


@pytest.mark.parametrize("seed", range(4))
def test_no_choice_of_failures_ever_pays(seed: int) -> None:
    """All 255 choices out of eight structures, three of them outliers."""
    generator = np.random.default_rng(seed)
    reference = generator.normal(0, 100, 8)
    errors = generator.normal(0, 8, 8)
    errors[:3] += generator.normal(0, 150, 3)
    whole = mean(skills(errors, reference))
    for choice in range(1, 2**8):
        failed = np.array([choice >> i & 1 for i in range(8)], bool)
        left = skills(np.where(failed, np.nan, errors), reference)
        assert mean(left) <= whole + 1e-12
        assert np.nansum(left) <= np.nansum(skills(errors, reference)) + 1e-12


def test_failing_on_what_tests_nothing_does_not_pay_either() -> None:
    """Two structures of nearly the same energy: their difference is left out for who answers."""
    reference = np.array([0.0, 1.0, 100.0])
    errors = np.array([0.0, 0.5, 60.0])
    whole = mean(skills(errors, reference))
    for failed in range(3):
        left = np.where(np.arange(3) == failed, np.nan, errors)
        assert mean(skills(left, reference)) < whole


def test_a_constant_for_each_composition_changes_nothing() -> None:
    generator = np.random.default_rng(0)
    groups = np.repeat([0, 1], 5)
    reference, errors = generator.normal(0, 100, 10), generator.normal(0, 20, 10)
    shifted = errors + np.where(groups == 0, 4e4, -7.0)
    assert skills(shifted, reference, groups) == pytest.approx(skills(errors, reference, groups))


def test_the_mean_energy_of_an_element_has_no_skill_and_the_truth_has_all() -> None:
    reference = np.random.default_rng(0).normal(0, 100, 6)
    assert mean(skills(-reference + 17.0, reference)) == 0
    assert mean(skills(np.zeros(6), reference)) == 1


def test_what_is_alone_in_its_composition_is_not_judged() -> None:
    groups = np.array([0, 1, 1])
    found = skills(np.array([0.0, 0.0, 0.0]), np.array([5.0, 0.0, 90.0]), groups)
    assert np.isnan(found[0]) and found[1:].tolist() == [1, 1]


def test_an_answer_out_of_all_bounds_is_no_skill_and_no_error() -> None:
    errors = np.array([1e308, -1e308, 0.0, 0.0])
    found = skills(errors, np.array([0.0, 50.0, 100.0, 150.0]))
    assert found.tolist() == pytest.approx([0, 0, 1 / 3, 1 / 3])
