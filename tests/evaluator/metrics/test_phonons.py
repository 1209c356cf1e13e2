import numpy as np
import pytest
from ase.units import _hplanck, _k, _Nav

from evaluator.arrays import FloatArray
from evaluator.metrics.phonons import (
    density_of_states,
    dos_distance,
    frequency_slope,
    highest_at_gamma,
    is_unstable,
    mean_frequency,
    roughness,
    stability_counts,
    thermodynamics,
)

GAS_CONSTANT = _k * _Nav
ONE = np.ones(1)


def modes(seed: int = 0, n_qpoints: int = 7) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(seed)
    return np.sort(rng.uniform(0.5, 12.0, (n_qpoints, 6)), axis=1), rng.integers(1, 9, n_qpoints)


def flat(frequency_THz: float) -> FloatArray:
    return np.full((1, 3), frequency_THz)


def test_heat_capacity_approaches_dulong_and_petit() -> None:
    # C_V = 3R (1 - x²/12 + ...): with x = 0.048 the rest is 2e-4 of 24.94 J/(K mol).
    found = thermodynamics(flat(10.0), ONE, 10_000.0)
    assert found.heat_capacity == pytest.approx(3 * GAS_CONSTANT, rel=3e-4)


def test_thermodynamics_of_the_einstein_crystal_by_hand() -> None:
    # x = h 6.2509 THz / (k 300 K) = 1.0000: e = 2.71828, e-1 = 1.71828.
    frequency = _k * 300 / _hplanck / 1e12
    e = np.e
    found = thermodynamics(flat(frequency), ONE, 300.0)
    assert frequency == pytest.approx(6.2509, abs=1e-3)
    assert found.heat_capacity == pytest.approx(3 * GAS_CONSTANT * e / (e - 1) ** 2)
    assert found.entropy == pytest.approx(3 * GAS_CONSTANT * (1 / (e - 1) - np.log(1 - 1 / e)))
    assert found.free_energy == pytest.approx(
        3 * GAS_CONSTANT * 300 * (0.5 + np.log(1 - 1 / e)) / 1000
    )


def test_free_energy_of_a_cold_crystal_is_its_zero_point_energy() -> None:
    found = thermodynamics(flat(20.0), ONE, 5.0)
    assert found.free_energy == pytest.approx(3 * 0.5 * _hplanck * 20e12 * _Nav / 1000)
    assert found.heat_capacity == pytest.approx(0, abs=1e-12)
    assert found.entropy == pytest.approx(0, abs=1e-12)


def test_entropy_is_minus_the_slope_of_the_free_energy() -> None:
    frequencies, weights = modes()
    low, high = (thermodynamics(frequencies, weights, T).free_energy for T in (299.9, 300.1))
    entropy = thermodynamics(frequencies, weights, 300.0).entropy
    assert -1000 * (high - low) / 0.2 == pytest.approx(entropy, rel=1e-6)


def test_imaginary_and_acoustic_modes_at_gamma_have_no_part_in_thermodynamics() -> None:
    all_real = thermodynamics(np.array([[5.0, 5.0, 5.0]]), ONE, 300.0)
    one_left = thermodynamics(np.array([[-2.0, 1e-6, 5.0]]), ONE, 300.0)
    assert one_left.heat_capacity == pytest.approx(all_real.heat_capacity / 3)
    assert one_left.entropy == pytest.approx(all_real.entropy / 3)


def test_weights_stand_for_repeated_qpoints() -> None:
    frequencies, weights = modes()
    repeated, ones = np.repeat(frequencies, weights, axis=0), np.ones(weights.sum())
    other = np.sort(frequencies * 0.9 + 0.1, axis=1)
    other_repeated = np.repeat(other, weights, axis=0)

    assert mean_frequency(frequencies, weights) == pytest.approx(mean_frequency(repeated, ones))
    assert thermodynamics(frequencies, weights, 300.0).entropy == pytest.approx(
        thermodynamics(repeated, ones, 300.0).entropy
    )
    assert dos_distance(other, frequencies, weights) == pytest.approx(
        dos_distance(other_repeated, repeated, ones)
    )
    assert frequency_slope(other, frequencies, weights) == pytest.approx(
        frequency_slope(other_repeated, repeated, ones)
    )


@pytest.mark.parametrize("shift", [-0.3, 0.0, 1.7])
def test_dos_distance_of_a_shifted_spectrum_is_the_shift(shift: float) -> None:
    frequencies, weights = modes()
    assert dos_distance(frequencies + shift, frequencies, weights) == pytest.approx(
        abs(shift), abs=1e-12
    )


def test_dos_distance_by_hand() -> None:
    # Of three modes one moves by 3 THz: on average they move by 1.
    predicted, reference = np.array([[1.0, 2.0, 6.0]]), np.array([[1.0, 2.0, 3.0]])
    assert dos_distance(predicted, reference, ONE) == pytest.approx(1.0)


def test_frequency_slope_recovers_a_factor() -> None:
    frequencies, weights = modes()
    assert frequency_slope(0.9 * frequencies, frequencies, weights) == pytest.approx(0.9)
    assert frequency_slope(0 * frequencies, frequencies, weights) == 0


def test_roughness_by_hand() -> None:
    # (1·1 + 3·(2 + 3)) / (1·(2 + 4 + 6) + 3·(1 + 5 + 6)) = 16/48: signs do not cancel.
    large = np.array([[2.0, 4.0, 6.0], [-1.0, 5.0, 6.0]])
    small = np.array([[1.0, 4.0, 6.0], [-1.0, 3.0, 9.0]])
    assert roughness(small, large, np.array([1, 3])) == pytest.approx(100 / 3)
    assert roughness(large, large, np.array([1, 3])) == 0.0


def test_nothing_that_vibrates_has_no_roughness() -> None:
    assert roughness(flat(0.002), flat(0.001), ONE) is None
    assert roughness(flat(2.0), flat(1.0), ONE) == pytest.approx(100)


@pytest.mark.parametrize(
    ("modes_THz", "highest"),
    [
        ([-0.01, 0.0, 0.02, 3.0, 3.0, 5.0], 5.0),
        ([-5.0, -3.0, -3.0, 0.0, 0.0, 0.01], -3.0),  # all optical modes imaginary: not zero
        ([-5.0, 0.0, 0.0, 0.0, 2.0, 2.0], 2.0),
        ([-0.001, 0.0, 0.001], 0.001),  # one atom
    ],
)
def test_highest_mode_at_gamma_is_optical(modes_THz: list[float], highest: float) -> None:
    assert highest_at_gamma(np.array(modes_THz)) == highest


def test_density_of_states_holds_three_states_per_atom() -> None:
    frequencies, weights = modes()
    grid = np.linspace(-5, 18, 4001)
    states = density_of_states(frequencies, weights, grid, 0.3)
    assert states.sum() * (grid[1] - grid[0]) == pytest.approx(3.0, rel=1e-6)


def test_stability_is_told_beyond_a_tolerance_and_counted() -> None:
    assert is_unstable(-0.11, 0.1) and not is_unstable(-0.09, 0.1) and not is_unstable(0.0, 0.1)
    counts = stability_counts(
        [True, True, True, False, False, False], [True, True, False, True, False, False]
    )
    assert (counts.true_unstable, counts.false_unstable) == (2, 1)
    assert (counts.true_stable, counts.false_stable) == (2, 1)
    assert counts.accuracy == pytest.approx(4 / 6)
    assert counts.f1 == pytest.approx(2 / 3)  # precision and recall are both 2/3


def test_nothing_is_said_of_no_crystals() -> None:
    none = stability_counts([], [])
    assert none.accuracy is None and none.f1 is None
    assert stability_counts([False], [False]).f1 is None


@pytest.mark.parametrize(
    ("frequencies", "weights", "complaint"),
    [
        (np.ones((2, 4)), np.ones(2), "are not"),
        (np.ones(6), np.ones(6), "are not"),
        (np.ones((2, 3)), np.ones(3), "one positive weight"),
        (np.ones((2, 3)), np.array([1.0, 0.0]), "one positive weight"),
        (np.full((2, 3), np.nan), np.ones(2), "finite"),
    ],
)
def test_what_is_no_spectrum_is_refused(
    frequencies: FloatArray, weights: FloatArray, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        thermodynamics(frequencies, weights, 300.0)


def test_modes_at_gamma_that_are_none_are_refused() -> None:
    for modes_THz in (np.zeros(0), np.zeros(4), np.zeros((1, 3)), np.array([0.0, 0.0, np.nan])):
        with pytest.raises(ValueError, match="frequencies"):
            highest_at_gamma(modes_THz)


def test_spectra_that_do_not_fit_are_refused() -> None:
    frequencies, weights = modes()
    with pytest.raises(ValueError, match="of the reference"):
        dos_distance(frequencies, frequencies[:, :3], weights)
    with pytest.raises(ValueError, match="all reference frequencies are zero"):
        frequency_slope(frequencies, 0 * frequencies, weights)
    with pytest.raises(ValueError, match="must be positive"):
        thermodynamics(frequencies, weights, 0.0)
