import numpy as np
import pytest

from evaluator.arrays import FloatArray
from evaluator.metrics import forces


@pytest.fixture
def reference() -> FloatArray:
    return np.random.default_rng(1).normal(size=(400, 3))


def test_errors_of_the_same_forces_are_zero(reference: FloatArray) -> None:
    assert forces.force_mae(reference, reference) == 0
    assert forces.force_mean_square_error(reference, reference) == 0
    assert forces.force_magnitude_mae(reference, reference) == 0
    assert forces.force_cosine_mean(reference, reference) == pytest.approx(1)
    assert forces.softening_slope(reference, reference) == pytest.approx(1)


def test_errors_of_two_atoms_by_hand() -> None:
    predicted = np.array([[3.0, 4.0, 0.0], [0.0, 0.0, 1.0]])
    reference = np.array([[0.0, 5.0, 0.0], [0.0, 1.0, 0.0]])

    assert forces.force_mae(predicted, reference) == pytest.approx(6 / 6)
    assert forces.force_mean_square_error(predicted, reference) == pytest.approx(12 / 6)
    assert forces.force_magnitude_mae(predicted, reference) == 0
    assert forces.force_vector_errors(predicted, reference) == pytest.approx([10**0.5, 2**0.5])
    assert forces.force_cosine_mean(predicted, reference) == pytest.approx((0.8 + 0) / 2)
    assert forces.softening_slope(predicted, reference) == pytest.approx(20 / 26)


def test_softening_slope_is_recovered_from_scaled_and_noisy_forces(reference: FloatArray) -> None:
    sigma = 0.1
    noise = np.random.default_rng(2).normal(scale=sigma, size=reference.shape)
    slope = forces.softening_slope(0.8 * reference + noise, reference)
    assert slope is not None
    assert abs(slope - 0.8) < 3 * sigma / np.sqrt(np.sum(reference**2))


def test_corrected_mae_is_the_same_for_scaled_forces(reference: FloatArray) -> None:
    noise = np.random.default_rng(3).normal(scale=0.2, size=reference.shape)
    soft = 0.8 * reference + noise
    slope = forces.softening_slope(soft, reference)
    softer = forces.softening_slope(0.5 * soft, reference)
    assert slope is not None and softer == pytest.approx(0.5 * slope)

    corrected = forces.force_corrected_mae(soft, reference, slope)

    assert corrected == pytest.approx(forces.force_mae(soft / slope, reference))
    assert forces.force_corrected_mae(0.5 * soft, reference, 0.5 * slope) == pytest.approx(
        corrected
    )


@pytest.mark.parametrize("slope", [-0.5, 0.0, 0.1])
def test_corrected_mae_divides_by_no_slope_near_zero(reference: FloatArray, slope: float) -> None:
    zero = np.zeros_like(reference)
    plain = forces.force_mae(zero, reference)
    assert forces.force_corrected_mae(zero, reference, slope) == plain


def test_line_with_intercept_separates_an_offset_that_the_slope_mixes_in() -> None:
    reference = np.arange(12.0).reshape(4, 3)
    line = forces.softening_line(0.7 * reference + 0.25, reference)
    slope = forces.softening_slope(0.7 * reference + 0.25, reference)
    assert line == pytest.approx((0.7, 0.25))
    assert slope is not None and slope > 0.72


def test_cosine_leaves_out_atoms_below_the_floor() -> None:
    reference = np.array([[1.0, 0.0, 0.0], [0.04, 0.0, 0.0]])
    predicted = np.array([[2.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])
    assert forces.force_cosine_mean(predicted, reference) == pytest.approx(1)
    assert forces.force_cosine_mean(predicted[1:], reference[1:]) is None


def test_cosine_of_zero_forces_is_zero(reference: FloatArray) -> None:
    assert forces.force_cosine_mean(np.zeros_like(reference), reference) == 0


def test_zero_reference_forces_have_no_slope() -> None:
    zero = np.zeros((2, 3))
    assert forces.softening_slope(np.ones((2, 3)), zero) is None
    assert forces.softening_line(np.ones((2, 3)), zero) is None
    assert not forces.has_slope(zero)


def test_bins_hold_every_atom_once(reference: FloatArray) -> None:
    errors = forces.force_vector_errors(0.9 * reference, reference)
    bins = forces.errors_by_reference_length(errors, reference, (0.0, 1.0, 2.0, 50.0))
    assert sum(b["n_atoms"] for b in bins if b["n_atoms"] is not None) == len(reference)
    assert [b["to_eV_A"] for b in bins] == [1.0, 2.0, 50.0, None]
    assert bins[0]["error_eV_A"] < bins[1]["error_eV_A"] < bins[2]["error_eV_A"]  # type: ignore[operator]
    assert bins[3]["error_eV_A"] is None


@pytest.mark.parametrize(
    ("predicted", "reference", "complaint"),
    [
        (np.zeros((2, 3)), np.zeros((3, 3)), r"\(n_atoms, 3\)"),
        (np.zeros(6), np.zeros(6), r"\(n_atoms, 3\)"),
        (np.zeros((0, 3)), np.zeros((0, 3)), "no forces"),
        (np.full((1, 3), np.nan), np.zeros((1, 3)), "finite"),
    ],
)
def test_forces_that_cannot_be_judged_are_refused(
    predicted: FloatArray, reference: FloatArray, complaint: str
) -> None:
    for metric in (forces.force_mae, forces.softening_slope, forces.force_cosine_mean):
        with pytest.raises(ValueError, match=complaint):
            metric(predicted, reference)
