import numpy as np
import pytest

from evaluator.arrays import FloatArray
from evaluator.metrics import rare_events


@pytest.fixture
def reference() -> FloatArray:
    return np.random.default_rng(1).normal(size=(60, 3))


def turned(forces: FloatArray, angle_deg: float) -> FloatArray:
    """Each force turned by the angle, about an axis at right angles to it."""
    other = np.cross(forces, [0.3, -0.5, 0.8])
    other *= np.linalg.norm(forces, axis=1)[:, None] / np.linalg.norm(other, axis=1)[:, None]
    angle = np.radians(angle_deg)
    return np.asarray(np.cos(angle) * forces + np.sin(angle) * other)


def test_the_reference_itself_scores_one(reference: FloatArray) -> None:
    assert rare_events.magnitude_score(reference, reference) == pytest.approx(1, abs=1e-12)
    assert rare_events.direction_score(reference, reference) == pytest.approx(1, abs=1e-12)
    assert rare_events.magnitude_mean_square(reference, reference) == 0


@pytest.mark.parametrize("angle", [1e-7, 0.5, 15.0, 90.0, 179.0])
def test_direction_errors_are_the_angles_that_forces_were_turned_by(
    reference: FloatArray, angle: float
) -> None:
    predicted = turned(reference, angle)
    found = rare_events.direction_errors(predicted, reference)
    assert found == pytest.approx(np.full(60, angle), rel=1e-6)
    assert rare_events.magnitude_errors(predicted, reference) == pytest.approx(
        np.zeros(60), abs=1e-12
    )


def test_errors_of_longer_forces_are_of_magnitude_alone(reference: FloatArray) -> None:
    lengths = np.linalg.norm(reference, axis=1)
    found = rare_events.magnitude_errors(1.3 * reference, reference)
    assert found == pytest.approx(0.3 * lengths)
    assert rare_events.direction_errors(1.3 * reference, reference) == pytest.approx(
        np.zeros(60), abs=1e-6
    )
    assert rare_events.magnitude_mean_square(1.3 * reference, reference) == pytest.approx(
        0.09 * np.mean(lengths**2)
    )


def test_score_of_evenly_spread_errors_is_near_a_half() -> None:
    errors = np.linspace(0, 1, 100_001)
    assert rare_events.cumulative_score(errors, 1.0) == pytest.approx(0.5, abs=1e-4)


def test_score_of_one_error_falls_in_steps_of_the_grid() -> None:
    # With 50 points, an error just above the k-th has k + 1 points below it.
    step = 1 / 49
    assert rare_events.cumulative_score(np.zeros(1), 1.0) == pytest.approx(1)
    assert rare_events.cumulative_score(np.array([1e-9]), 1.0) == pytest.approx(1 - step / 2)
    assert rare_events.cumulative_score(np.array([0.5]), 1.0) == pytest.approx(24.5 * step)
    assert rare_events.cumulative_score(np.array([2.0]), 1.0) == 0


def test_score_of_pooled_atoms_is_the_weighted_mean_of_the_structures_scores() -> None:
    rng = np.random.default_rng(2)
    structures = [rng.exponential(0.4, size=n) for n in (1, 4, 2, 9)]
    scores = [rare_events.cumulative_score(errors, 1.0) for errors in structures]
    pooled = rare_events.cumulative_score(np.concatenate(structures), 1.0)
    assert np.average(scores, weights=[1, 4, 2, 9]) == pytest.approx(pooled, abs=1e-14)
    assert np.mean(scores) != pytest.approx(pooled, abs=1e-3)


def test_force_of_no_length_points_nowhere(reference: FloatArray) -> None:
    zero = np.zeros_like(reference)
    assert rare_events.direction_errors(zero, reference) == pytest.approx(np.full(60, 90.0))
    with pytest.raises(ValueError, match="has no direction"):
        rare_events.direction_errors(reference, zero)


def test_fraction_beyond_does_not_count_the_threshold_itself() -> None:
    assert rare_events.fraction_beyond(np.array([0.1, 0.5, 0.6, 2.0]), 0.5) == 0.5
    with pytest.raises(ValueError, match="no errors"):
        rare_events.fraction_beyond(np.array([]), 0.5)


@pytest.mark.parametrize(
    ("predicted", "complaint"),
    [
        (np.zeros((2, 3)), "must both be"),
        (np.full((3, 3), np.nan), "must be finite"),
        (np.zeros((3, 2)), "must both be"),
    ],
)
def test_forces_that_cannot_be_judged_are_refused(predicted: FloatArray, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        rare_events.magnitude_errors(predicted, np.ones((3, 3)))


@pytest.mark.parametrize("errors", [np.array([]), np.array([np.nan]), np.zeros((2, 2))])
def test_errors_that_cannot_be_scored_are_refused(errors: FloatArray) -> None:
    with pytest.raises(ValueError, match="finite numbers, one for each atom"):
        rare_events.cumulative_score(errors, 1.0)


def test_no_migrating_atoms_are_refused() -> None:
    with pytest.raises(ValueError, match="no migrating atoms"):
        rare_events.magnitude_errors(np.zeros((0, 3)), np.zeros((0, 3)))
