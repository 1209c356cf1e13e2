"""Phonons: moments and distances of mode spectra, harmonic thermodynamics, signs of instability.

Frequencies are in THz, ω/2π, imaginary ones given as negative numbers. Arrays run over q-points
first, then branches; ``weights`` (n_qpoints,) say how many points of the full mesh each q-point
stands for. Thermodynamic functions are per mole of atoms: three modes for each atom.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase.units import _hplanck, _k, _Nav

from evaluator.arrays import FloatArray

_GAS_CONSTANT = _k * _Nav  # J/(K mol)
_K_PER_THZ = _hplanck * 1e12 / _k  # hf/k of one THz: 47.99 K

#: Modes below this, the acoustic ones at Γ and imaginary ones, have no part in thermodynamics.
CUTOFF_THZ = 0.01


@dataclass(frozen=True, kw_only=True)
class Thermodynamics:
    """C_V and S in J/(K mol), F with the zero-point energy in kJ/mol; per mole of atoms."""

    heat_capacity: float
    entropy: float
    free_energy: float


@dataclass(frozen=True, kw_only=True)
class Stability:
    """Crystals by predicted and reference class; "unstable" is the positive class."""

    true_unstable: int
    false_unstable: int
    true_stable: int
    false_stable: int

    @property
    def accuracy(self) -> float | None:
        """Share of crystals in the right class; None without any."""
        right = self.true_unstable + self.true_stable
        n = right + self.false_unstable + self.false_stable
        return right / n if n else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall of "unstable"; None where no one is unstable."""
        n = 2 * self.true_unstable + self.false_unstable + self.false_stable
        return 2 * self.true_unstable / n if n else None


def mean_frequency(frequencies: FloatArray, weights: FloatArray) -> float:
    """Mean over all modes of the mesh, imaginary ones counted as negative."""
    _check(frequencies, weights)
    return float(np.average(frequencies.mean(axis=1), weights=weights))


def thermodynamics(
    frequencies: FloatArray, weights: FloatArray, temperature_K: float
) -> Thermodynamics:
    """C_V, S and F of harmonic modes at one temperature (K), each mode an Einstein oscillator.

    With x = hf/kT: C_V/k = x² eˣ/(eˣ-1)², S/k = x/(eˣ-1) - ln(1-e⁻ˣ), F/kT = x/2 + ln(1-e⁻ˣ).
    Modes below ``CUTOFF_THZ`` count as zero and are not made up for, as in phonopy.
    """
    _check(frequencies, weights)
    if temperature_K <= 0:
        raise ValueError(f"{temperature_K=} must be positive")
    is_mode = frequencies > CUTOFF_THZ
    x = np.where(is_mode, frequencies, 1.0) * (_K_PER_THZ / temperature_K)
    occupation = np.exp(-x) / -np.expm1(-x)
    log_term = np.log(-np.expm1(-x))
    share = np.where(is_mode, weights[:, None], 0.0) / weights.sum()
    modes_per_atom = 3.0 / frequencies.shape[1]

    def total(per_mode: FloatArray) -> float:
        return float(modes_per_atom * (share * per_mode).sum())

    return Thermodynamics(
        heat_capacity=_GAS_CONSTANT * total(x**2 * occupation * (1 + occupation)),
        entropy=_GAS_CONSTANT * total(x * occupation - log_term),
        free_energy=_GAS_CONSTANT * temperature_K / 1000 * total(x / 2 + log_term),
    )


def dos_distance(predicted: FloatArray, reference: FloatArray, weights: FloatArray) -> float:
    """Wasserstein-1 distance in THz of the two densities of states, each of unit area.

    By how much, on average, modes must be shifted to turn one spectrum into the other. It is
    taken between the modes of one mesh themselves, so that no smearing or grid enters.
    """
    _check(predicted, weights)
    _check_pair(predicted, reference)
    per_mode = np.repeat(weights, predicted.shape[1])
    from scipy.stats import wasserstein_distance  # not before it is needed: it takes a second

    return float(wasserstein_distance(predicted.ravel(), reference.ravel(), per_mode, per_mode))


def frequency_slope(predicted: FloatArray, reference: FloatArray, weights: FloatArray) -> float:
    """Slope through the origin of predicted against reference frequencies; below one is too soft.

    Modes are paired at each q-point in the order of their frequencies. Forces that are too small
    by a factor a give √a.
    """
    _check(predicted, weights)
    _check_pair(predicted, reference)
    norm = float((weights[:, None] * reference**2).sum())
    if norm <= 0:
        raise ValueError("all reference frequencies are zero")
    return float((weights[:, None] * predicted * reference).sum()) / norm


def roughness(small: FloatArray, large: FloatArray, weights: FloatArray) -> float | None:
    """By how much the frequencies depend on the displacement that they were found with, in percent.

    R = 100 Σ w |ω(d) - ω(D)| / Σ w |ω(D)| over all modes of the mesh, paired in order at each
    q-point; ``small`` are those of the smaller displacement d, ``large`` those of the scored one
    D, and w the weights of q-points. On a smooth surface both are the curvature at the minimum,
    and R falls as D² (quartic terms: some tenths of a percent at 0.01 Å). A surface that is wavy on
    the scale of the displacements has another curvature at each. None where ``large`` are all
    zero, as of a surface that is flat: nothing is left to be divided by.
    """
    _check(small, weights)
    _check_pair(small, large)
    norm = float((weights[:, None] * np.abs(large)).sum())
    if norm <= weights.sum() * large.shape[1] * CUTOFF_THZ:
        return None
    return 100 * float((weights[:, None] * np.abs(small - large)).sum()) / norm


def highest_at_gamma(frequencies: FloatArray) -> float:
    """The highest optical frequency of those at Γ, (n_branches,); an imaginary one is negative.

    The three modes nearest to zero are the acoustic ones, for the sum rule puts them there: an
    optical mode is taken for one only where it, too, is zero. A single atom has no optical mode;
    its highest acoustic one, zero within rounding, stands for it.
    """
    if frequencies.ndim != 1 or len(frequencies) % 3 or not len(frequencies):
        raise ValueError(f"frequencies of shape {frequencies.shape} are not (3 n_atoms,)")
    if not np.isfinite(frequencies).all():
        raise ValueError("frequencies must be finite numbers")
    optical = frequencies[np.argsort(np.abs(frequencies), kind="stable")[3:]]
    return float((optical if len(optical) else frequencies).max())


def density_of_states(
    frequencies: FloatArray, weights: FloatArray, grid_THz: FloatArray, width_THz: float
) -> FloatArray:
    """States per THz and atom (area three) on a grid, smeared by Gaussians; for plots."""
    _check(frequencies, weights)
    gap = (grid_THz[:, None] - frequencies.ravel()[None, :]) / width_THz
    smeared = np.exp(-0.5 * gap**2) / (width_THz * np.sqrt(2 * np.pi))
    share = np.repeat(weights / weights.sum(), frequencies.shape[1]) * 3.0 / frequencies.shape[1]
    return np.asarray(smeared @ share, dtype=float)


def is_unstable(min_frequency_THz: float, tolerance_THz: float) -> bool:
    """Whether the lowest mode of the mesh is imaginary beyond numerical noise."""
    return min_frequency_THz < -tolerance_THz


def stability_counts(predicted: Sequence[bool], reference: Sequence[bool]) -> Stability:
    """Confusion matrix of "unstable" over crystals."""
    pairs = list(zip(predicted, reference, strict=True))
    return Stability(
        true_unstable=pairs.count((True, True)),
        false_unstable=pairs.count((True, False)),
        true_stable=pairs.count((False, False)),
        false_stable=pairs.count((False, True)),
    )


def _check(frequencies: FloatArray, weights: FloatArray) -> None:
    if frequencies.ndim != 2 or frequencies.shape[1] % 3 or 0 in frequencies.shape:
        raise ValueError(f"frequencies of shape {frequencies.shape} are not (n_qpoints, 3 n_atoms)")
    if weights.shape != frequencies.shape[:1] or not (weights > 0).all():
        raise ValueError("each q-point needs one positive weight")
    if not np.isfinite(frequencies).all():
        raise ValueError("frequencies must be finite numbers")


def _check_pair(predicted: FloatArray, reference: FloatArray) -> None:
    if predicted.shape != reference.shape:
        raise ValueError(f"{predicted.shape} modes against {reference.shape} of the reference")
