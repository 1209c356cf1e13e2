"""The crystal at the potential's own volume: what defects and surfaces are counted from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator

from evaluator.metrics.equation_of_state import NoMinimum, fit_birch_murnaghan
from evaluator.protocols.base import SystemFailure
from evaluator.protocols.single_point import single_point

#: Of the volume. Five points span as much as the usual window of an equation of state.
_STEP = 0.03
#: No crystal is looked for farther from the reference's volume.
_MOST_STEPS = 10


@dataclass(frozen=True, kw_only=True)
class OwnBulk:
    """A crystal at the minimum of E(V) at its own shape and fractional coordinates."""

    energy_per_atom: float
    #: Of lengths, over those that it was given with.
    length_ratio: float


def own_bulk(crystal: Atoms, calculator: Calculator) -> OwnBulk:
    """Go downhill in the volume, fit five points around the minimum, and ask for the energy there.

    Raises SystemFailure where there is no minimum within 30 % of the given volume.
    """
    energies: dict[int, float] = {}

    def at(step: int) -> float:
        if step not in energies:
            energies[step] = _energy(crystal, 1 + _STEP * step, calculator)
        return energies[step]

    i = 0
    while at(i - 1) < at(i) or at(i + 1) < at(i):
        i += -1 if at(i - 1) < at(i + 1) else 1
        if abs(i) >= _MOST_STEPS:
            raise SystemFailure(
                f"The crystal has no minimum of the energy within {100 * _STEP * _MOST_STEPS:g} % "
                f"of the reference volume: it still falls at {100 * _STEP * i:+.0f} %."
            )
    steps = np.arange(i - 2, i + 3)
    volumes = np.asarray(1 + _STEP * steps, dtype=np.float64)
    known = np.array([at(int(step)) for step in steps], dtype=np.float64)
    try:
        estimate = fit_birch_murnaghan(volumes, known).volume
    except NoMinimum:
        estimate = 1 + _STEP * i
    volume = float(np.clip(estimate, volumes[1], volumes[3]))
    lowest = _energy(crystal, volume, calculator)
    # On a rough curve a point that was asked for may lie lower than the fit's minimum.
    if at(i) < lowest:
        volume, lowest = 1 + _STEP * i, at(i)
    return OwnBulk(energy_per_atom=lowest, length_ratio=volume ** (1 / 3))


def scaled(atoms: Atoms, length_ratio: float) -> Atoms:
    """A copy with all lengths times so much."""
    copy: Atoms = atoms.copy()
    copy.set_cell(atoms.cell * length_ratio, scale_atoms=True)
    return copy


def _energy(crystal: Atoms, volume_ratio: float, calculator: Calculator) -> float:
    """Energy per atom."""
    strained = scaled(crystal, volume_ratio ** (1 / 3))
    return single_point(strained, calculator).energy / len(crystal)
