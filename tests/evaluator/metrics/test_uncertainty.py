from __future__ import annotations

import numpy as np
import pytest

from evaluator.metrics.uncertainty import (
    expected_normalized_calibration_error,
    miscalibration_area,
)


def normal(n: int = 20_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Errors of which each has the standard deviation that is said."""
    rng = np.random.default_rng(seed)
    sigmas = np.exp(rng.normal(size=n))
    return sigmas * rng.normal(size=n), sigmas


def test_true_standard_deviations_are_calibrated() -> None:
    errors, sigmas = normal()
    assert miscalibration_area(errors, sigmas) < 0.01
    assert expected_normalized_calibration_error(errors, sigmas) < 0.03


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_factor_is_seen_by_both(factor: float) -> None:
    """Of f times the true standard deviation ENCE is |f - 1| / f."""
    errors, sigmas = normal()
    said = factor * sigmas
    expected = abs(factor - 1) / factor
    found = expected_normalized_calibration_error(errors, said)
    assert found == pytest.approx(expected, abs=0.05)
    assert 0.1 < miscalibration_area(errors, said) < 0.25


def test_who_is_confidently_wrong_has_the_worst_area() -> None:
    errors, sigmas = normal(200)
    assert miscalibration_area(errors, 1e-9 * sigmas) == pytest.approx(0.5, abs=0.01)
    assert miscalibration_area(errors, 1e9 * sigmas) == pytest.approx(0.5, abs=0.01)


def test_uncertainties_that_do_not_follow_the_errors_are_seen_by_ence_alone() -> None:
    rng = np.random.default_rng(1)
    errors, sigmas = rng.normal(size=5000), np.where(np.arange(5000) < 2500, 0.5, 3.0)
    assert expected_normalized_calibration_error(errors, sigmas) > 0.5


def test_the_area_is_that_between_two_steps() -> None:
    """All errors at the median of |z|, 0.6745: the share jumps from 0 to 1 at the level 0.5."""
    errors = np.full(20, 0.6744897501960817)
    assert miscalibration_area(errors, np.ones(20)) == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("errors", "sigmas"),
    [
        (np.ones(19), np.ones(19)),
        (np.ones(20), np.ones(21)),
        (np.ones(20), np.zeros(20)),
        (np.full(20, np.nan), np.ones(20)),
    ],
)
def test_what_cannot_be_compared_is_refused(errors: np.ndarray, sigmas: np.ndarray) -> None:
    with pytest.raises(ValueError, match="must"):
        miscalibration_area(errors, sigmas)
