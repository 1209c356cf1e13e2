"""When a trajectory has left physics: one reason, the first that is met, with a sentence.

The thresholds are the union of what the published stability tests use (Fu et al.,
arXiv:2210.07237: bonds; UniFFBench, arXiv:2508.05762: temperature, Lindemann, volume; MLIP Arena,
arXiv:2509.20630: the ramps). A wall-clock limit is no reason: it censors.

The time is what is measured. A trajectory that falls apart passes several bounds within a few
steps, and which one is met first depends on the time step and on how often distances are looked
at: the reason describes the end, and nothing is scored by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import covalent_radii

from evaluator.arrays import FloatArray
from evaluator.metrics.dynamics import (
    distance_ratios,
    distances,
    lindemann_ratio,
    nearby_distances,
)

#: Two atoms closer than this times the sum of their covalent radii at the start are bonded.
_BOND_RATIO = 1.25
#: Above the start, per atom: no chemistry, no heat of 10 000 K comes near it.
_ENERGY_RUNAWAY_EV = 1e3
#: Steps for which the temperature may leave its band; a small cell fluctuates.
_PATIENCE_STEPS = 50
#: An atom whose nearest neighbour is this many times as far as at the start is lost.
_LOST_RATIO = 3.0
#: Steps between two looks at distances. An atom at 10 times its mean speed moves less than the
#: bound on short distances forbids.
GEOMETRY_EVERY = 5


class FailureReason(StrEnum):
    """What was seen first of a trajectory that counts as unstable; a description."""

    NON_FINITE = "non-finite"
    ENERGY_RUNAWAY = "energy runaway"
    TEMPERATURE_RUNAWAY = "temperature runaway"
    ATOMS_TOO_CLOSE = "atoms too close"
    LOST_ATOM = "lost atom"
    VOLUME_COLLAPSE = "volume collapse"
    VOLUME_BLOW_UP = "volume blow-up"
    MELTED_TOO_EARLY = "melted too early"
    BOND_CHANGED = "bond changed"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A reason, and what was seen."""

    reason: FailureReason
    message: str


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """The thresholds that a task sets; names and units as in the catalog."""

    min_distance_ratio: float
    max_temperature_K: float
    max_temperature_ratio: float
    max_volume_ratio: float
    max_lindemann: float
    max_bond_change_A: float


@dataclass(frozen=True, kw_only=True)
class State:
    """What is known of the atoms after a step; energies in eV."""

    potential_energy: float
    kinetic_energy: float
    temperature_K: float
    target_K: float


class Watch:
    """Looks at one trajectory; knows what the structure of the reference set was."""

    def __init__(self, atoms: Atoms, bounds: Bounds, known: Mapping[str, Any]) -> None:
        """``known`` may hold ``melting_point_K`` and ``bonds_hold_below_K`` of the system."""
        self._bounds = bounds
        self._melting_point_K = known.get("melting_point_K")
        self._bonds_hold_below_K = known.get("bonds_hold_below_K")
        self._numbers = np.array(atoms.numbers)
        self._cell = np.array(atoms.cell.array)
        self._volume = float(atoms.get_volume())
        self._fractions = _fractions(atoms)
        start = distances(atoms.positions, self._cell)
        self._nearest = start.min(axis=1)
        ratios = distance_ratios(start, self._numbers)
        self._largest_sum = 2 * float(covalent_radii[self._numbers].max())
        is_bond = np.triu(ratios < _BOND_RATIO)
        self._bonds = np.nonzero(is_bond)
        self._bond_lengths = start[self._bonds]
        self._start_energy: float | None = None
        self._n_outside = 0
        #: Least distance over the sum of the covalent radii, and in Å, when last looked at.
        self.distance_ratio, self.distance_A = float(ratios.min()), float(start.min())
        #: The least ratio ever seen.
        self.least_distance_ratio = self.distance_ratio

    def look(self, atoms: Atoms, state: State, step: int) -> Failure | None:
        """The first reason that is met after this step, if one is."""
        return (
            self._non_finite(atoms, state)
            or self._energy(state)
            or self._temperature(state)
            or self._volume_of(atoms)
            or (self._geometry(atoms, state) if step % GEOMETRY_EVERY == 0 else None)
        )

    def _non_finite(self, atoms: Atoms, state: State) -> Failure | None:
        numbers = (state.potential_energy, state.temperature_K)
        if np.isfinite(numbers).all() and np.isfinite(atoms.positions).all():
            return None
        return Failure(
            reason=FailureReason.NON_FINITE,
            message="Energy, forces or positions are not finite numbers.",
        )

    def _energy(self, state: State) -> Failure | None:
        if self._start_energy is None:
            self._start_energy = state.potential_energy
        change = abs(state.potential_energy - self._start_energy) / len(self._numbers)
        if change <= _ENERGY_RUNAWAY_EV:
            return None
        return Failure(
            reason=FailureReason.ENERGY_RUNAWAY,
            message=f"The potential energy has changed by {change:.3g} eV/atom.",
        )

    def _temperature(self, state: State) -> Failure | None:
        ratio = self._bounds.max_temperature_ratio
        is_outside = not state.target_K / ratio <= state.temperature_K <= state.target_K * ratio
        self._n_outside = self._n_outside + 1 if is_outside else 0
        is_hot = state.temperature_K > self._bounds.max_temperature_K
        if not is_hot and self._n_outside < _PATIENCE_STEPS:
            return None
        return Failure(
            reason=FailureReason.TEMPERATURE_RUNAWAY,
            message=f"{state.temperature_K:.4g} K where {state.target_K:.4g} K were asked for.",
        )

    def _volume_of(self, atoms: Atoms) -> Failure | None:
        ratio = float(atoms.get_volume()) / self._volume
        limit = self._bounds.max_volume_ratio
        if 1 / limit <= ratio <= limit:
            return None
        is_small = ratio < 1
        return Failure(
            reason=FailureReason.VOLUME_COLLAPSE if is_small else FailureReason.VOLUME_BLOW_UP,
            message=f"The volume is {ratio:.3g} times that of the start.",
        )

    def _geometry(self, atoms: Atoms, state: State) -> Failure | None:
        distances = self._distances(atoms)
        ratios = distance_ratios(distances, self._numbers)
        self.distance_ratio, self.distance_A = float(ratios.min()), float(distances.min())
        self.least_distance_ratio = min(self.least_distance_ratio, self.distance_ratio)
        if self.distance_ratio < self._bounds.min_distance_ratio:
            i, j = np.unravel_index(int(ratios.argmin()), ratios.shape)
            symbols = atoms.get_chemical_symbols()
            return Failure(
                reason=FailureReason.ATOMS_TOO_CLOSE,
                message=f"{symbols[i]} and {symbols[j]} are {distances[i, j]:.2f} Å apart, "
                f"{self.distance_ratio:.2f} of the sum of their covalent radii.",
            )
        return self._lost(distances) or self._melted(atoms, state) or self._bond(distances, state)

    def _distances(self, atoms: Atoms) -> FloatArray:
        """Exact where it matters: for neighbours, bonds, and the least ratio to the radii.

        In all but small cells the neighbouring images, 27 times the work, need not be looked at.
        """
        nearby, radius = nearby_distances(atoms.positions, atoms.cell.array)
        ratio = float(distance_ratios(nearby, self._numbers).min())
        is_enough = (
            nearby.min(axis=1).max() <= radius
            and ratio * self._largest_sum <= radius
            and not (nearby[self._bonds] > radius).any()
        )
        return nearby if is_enough else distances(atoms.positions, atoms.cell.array)

    def _lost(self, distances: FloatArray) -> Failure | None:
        ratio = float((distances.min(axis=1) / self._nearest).max())
        if ratio <= _LOST_RATIO:
            return None
        return Failure(
            reason=FailureReason.LOST_ATOM,
            message=f"An atom's nearest neighbour is {ratio:.1f} times as far as at the start.",
        )

    def _melted(self, atoms: Atoms, state: State) -> Failure | None:
        melting_point = self._melting_point_K
        if melting_point is None or state.target_K >= 0.5 * melting_point:
            return None
        nearest = float(self._nearest.min())
        ratio = lindemann_ratio(_fractions(atoms), self._fractions, self._cell, nearest)
        if ratio <= self._bounds.max_lindemann:
            return None
        return Failure(
            reason=FailureReason.MELTED_TOO_EARLY,
            message=f"Atoms have moved by {ratio:.2f} of the distance of neighbours at "
            f"{state.target_K:.0f} K; the crystal melts at {melting_point:.0f} K.",
        )

    def _bond(self, distances: FloatArray, state: State) -> Failure | None:
        limit = self._bonds_hold_below_K
        if limit is None or state.target_K >= limit or not len(self._bond_lengths):
            return None
        change = float(np.abs(distances[self._bonds] - self._bond_lengths).max())
        if change <= self._bounds.max_bond_change_A:
            return None
        return Failure(
            reason=FailureReason.BOND_CHANGED,
            message=f"A bond of the molecules has changed by {change:.2f} Å at "
            f"{state.target_K:.0f} K.",
        )


def _fractions(atoms: Atoms) -> FloatArray:
    return np.asarray(atoms.get_scaled_positions(wrap=False))
