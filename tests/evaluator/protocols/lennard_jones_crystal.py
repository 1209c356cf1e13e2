"""A Lennard-Jones crystal whose energies are lattice sums by hand, and one that is too soft."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.lj import LennardJones
from scipy.optimize import minimize_scalar

SIGMA_A, EPSILON_EV = 2.3, 0.4
CUTOFF_A = 2.2 * SIGMA_A


def lennard_jones() -> LennardJones:
    return LennardJones(sigma=SIGMA_A, epsilon=EPSILON_EV, rc=CUTOFF_A, smooth=True)


def pair_energy(r: Any) -> Any:
    """ASE's smooth pair: cut off from 0.66 of the cutoff on, so that energy and force end at it."""
    onset = 0.66 * CUTOFF_A
    energy = 4 * EPSILON_EV * ((SIGMA_A / r) ** 12 - (SIGMA_A / r) ** 6)
    r2, rc2, ro2 = np.square(r), CUTOFF_A**2, onset**2
    fade = (rc2 - r2) ** 2 * (rc2 + 2 * r2 - 3 * ro2) / (rc2 - ro2) ** 3
    return np.where(r < onset, energy, np.where(r < CUTOFF_A, energy * fade, 0.0))


def neighbours(lattice_A: float, cutoff_A: float = CUTOFF_A) -> np.ndarray:
    """Vectors (n, 3) from an atom of an fcc crystal to its neighbours within the cutoff."""
    grid = np.stack(np.meshgrid(*[np.arange(-8, 9)] * 3), axis=-1).reshape(-1, 3)
    even = grid[grid.sum(axis=1) % 2 == 0]
    vectors = even * lattice_A / 2
    lengths = np.linalg.norm(vectors, axis=1)
    return np.asarray(vectors[(lengths > 0) & (lengths < cutoff_A)])


def crystal_energy(lattice_A: float) -> float:
    """Per atom."""
    return 0.5 * float(pair_energy(np.linalg.norm(neighbours(lattice_A), axis=1)).sum())


def own_lattice() -> float:
    found = minimize_scalar(
        crystal_energy, bounds=(1.4 * SIGMA_A, 1.7 * SIGMA_A), method="bounded",
        options={"xatol": 1e-9},
    )  # fmt: skip
    return float(found.x)


class Times(Calculator):
    """Another calculator's energies, forces and stress times ``factor``."""

    implemented_properties = ["energy", "forces", "stress"]

    def __init__(
        self, factor: float, base: Callable[[], Calculator] = lennard_jones, n_most: int = 10**9
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.factor, self.base, self.n_calls, self.n_most = factor, base(), 0, n_most

    def calculate(
        self,
        atoms: Any = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Any = all_changes,
    ) -> None:
        self.n_calls += 1
        self.atoms = atoms.copy()
        self.base.calculate(atoms.copy(), list(properties), all_changes)
        factor = self.factor if self.n_calls <= self.n_most else float("nan")
        self.results = {
            name: factor * self.base.results[name]
            for name in self.implemented_properties
            if name in self.base.results
        }


def crystal_of(lattice_A: float) -> Any:
    return bulk("Cu", a=lattice_A)
