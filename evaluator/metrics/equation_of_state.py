"""Equations of state: the Birch-Murnaghan fit and the Δ gauge.

Volumes are per atom in Å³, energies per atom in eV, bulk moduli in eV/Å³ (ASE's units).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase.utils.deltacodesdft import delta

from evaluator.arrays import FloatArray


class NoMinimum(ValueError):
    """A curve without a minimum; a sentence says so."""


@dataclass(frozen=True, kw_only=True)
class EquationOfState:
    """Third-order Birch-Murnaghan: V0 in Å³/atom, B0 in eV/Å³, its pressure derivative."""

    volume: float
    bulk_modulus: float
    bulk_modulus_derivative: float


def fit_birch_murnaghan(volumes: FloatArray, energies: FloatArray) -> EquationOfState:
    """Fit E(V) by least squares.

    The Birch-Murnaghan energy is a cubic polynomial in x = V^(-2/3), so the fit is linear and
    exact (F. Birch, Phys. Rev. 71, 809 (1947); the Δ project fits in the same way). With p the
    polynomial, p'(x0) = 0 and p''(x0) > 0 at the minimum,
    B0 = 4/9 V0^(-7/3) p''(x0) and B0' = 4 + 2/3 x0 p'''(x0) / p''(x0).

    Parameters
    ----------
    volumes
        Å³, shape (n,), n ≥ 4, all different.
    energies
        eV, shape (n,).

    Raises
    ------
    NoMinimum
        Where the polynomial has no minimum at a positive volume.
    """
    if len(volumes) < 4 or volumes.shape != energies.shape:
        raise ValueError(f"four points or more are needed, got {len(volumes)} and {len(energies)}")
    unit = float(np.mean(volumes))
    p = np.polynomial.Polynomial.fit((volumes / unit) ** (-2 / 3), energies, 3)
    offset, scale = p.mapparms()  # p is well conditioned in u = offset + scale x
    u, curvature = _minimum(*(float(c) for c in p.coef[1:]))
    x0 = (u - offset) / scale
    if x0 <= 0:
        raise NoMinimum("The fitted equation of state has no minimum at a positive volume.")
    v0 = x0 ** (-3 / 2)
    third = 6 * float(p.coef[3]) * scale  # the third over the second derivative: one scale
    return EquationOfState(
        volume=v0 * unit,
        bulk_modulus=4 / 9 * v0 ** (-7 / 3) * curvature * scale**2 / unit,
        bulk_modulus_derivative=4 + 2 / 3 * x0 * third / curvature,
    )


def _minimum(a: float, b: float, c: float) -> tuple[float, float]:
    """Where a u + b u² + c u³ is least nearby, and its second derivative there.

    Of the two roots of the slope, the one with positive curvature, in the form that keeps its
    digits when c is small.
    """
    discriminant = 4 * b * b - 12 * a * c
    if discriminant <= 0 or (b <= 0 and c == 0):
        raise NoMinimum("The fitted equation of state has no minimum.")
    curvature = discriminant**0.5
    u = -2 * a / (2 * b + curvature) if b > 0 else (curvature - 2 * b) / (6 * c)
    return u, curvature


def delta_gauge(predicted: EquationOfState, reference: EquationOfState) -> float:
    """Δ in meV/atom: RMS difference of the two curves within ±6 % of their mean volume.

    Both curves are set to zero at their own minimum (Lejaeghere et al., Science 351, aad3000).
    """
    return 1000.0 * float(
        delta(
            predicted.volume,
            predicted.bulk_modulus,
            predicted.bulk_modulus_derivative,
            reference.volume,
            reference.bulk_modulus,
            reference.bulk_modulus_derivative,
        )
    )


#: ν weighs V0, B0 and B0' by how well each is determined (Bosoni et al.).
_NU_WEIGHTS = (1.0, 1 / 20, 1 / 400)
#: No comparison of two crystals is farther off; one with a parameter of the other sign may be.
_MOST_NU = 1e6
_EPSILON_POINTS = 401


def nu_distance(predicted: EquationOfState, reference: EquationOfState) -> float:
    """ν: 100 times the weighted root sum of squares of the relative differences of V0, B0, B0'.

    Each difference is over the mean of the two (Bosoni et al., Nat. Rev. Phys. 6, 45 (2024)).
    """
    pairs = (
        (predicted.volume, reference.volume),
        (predicted.bulk_modulus, reference.bulk_modulus),
        (predicted.bulk_modulus_derivative, reference.bulk_modulus_derivative),
    )
    squares = 0.0
    for weight, (a, b) in zip(_NU_WEIGHTS, pairs, strict=True):
        mean = (a + b) / 2
        if mean == 0:
            return _MOST_NU
        squares += (weight * (a - b) / mean) ** 2
    return min(100 * float(np.sqrt(squares)), _MOST_NU)


def epsilon_distance(predicted: EquationOfState, reference: EquationOfState) -> float:
    """ε: RMS difference of two curves over the geometric mean of their spreads.

    Within ±6 % of their mean volume, each at zero in its minimum: 0 for the same curve, 1 where
    they differ by as much as they rise (Bosoni et al., Nat. Rev. Phys. 6, 45 (2024)).
    """
    middle = (predicted.volume + reference.volume) / 2
    volumes = middle * np.linspace(0.94, 1.06, _EPSILON_POINTS)
    a, b = _energies(predicted, volumes), _energies(reference, volumes)
    spread = float(np.var(a) * np.var(b))
    if spread == 0:
        return 0.0 if np.array_equal(a, b) else 1.0
    return float((np.mean((a - b) ** 2) / spread**0.5) ** 0.5)


def _energies(curve: EquationOfState, volumes: FloatArray) -> FloatArray:
    """Birch-Murnaghan energies in eV/atom above the minimum."""
    x = (curve.volume / volumes) ** (2 / 3)
    shape = (x - 1) ** 3 * curve.bulk_modulus_derivative + (x - 1) ** 2 * (6 - 4 * x)
    return np.asarray(9 * curve.volume * curve.bulk_modulus / 16 * shape)
