"""A Lennard-Jones potential of many elements, with energy, forces and stress.

u(r) = 4 ε [(σ/r)¹² - (σ/r)⁶] with σ = (σ_i + σ_j)/2 and ε = sqrt(ε_i ε_j) (Lorentz and Berthelot).
For one element it is ASE's ``LennardJones``, with the same two ways to end at the cutoff: shifted
in energy, or multiplied by a switching function in r² between 0.66 and 1 cutoff.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from ase.calculators.lj import cutoff_function, d_cutoff_function
from ase.data import chemical_symbols
from ase.neighborlist import primitive_neighbor_list
from numpy.typing import NDArray

from evaluator.calculators.structures import check_elements, voigt_stress
from evaluator.wire import FloatArray, Prediction, Structure

_CUTOFF_IN_SIGMA = 3.0  # where no cutoff is given, for each pair
_ONSET_IN_CUTOFF = 0.66


@dataclass(frozen=True, kw_only=True)
class LennardJones:
    """σ in Å and ε in eV by chemical symbol; ``cutoff`` in Å, None for 3 σ of each pair."""

    sigma: Mapping[str, float]
    epsilon: Mapping[str, float]
    cutoff: float | None = None
    smooth: bool = False

    def predict(self, structure: Structure) -> Prediction:
        """Judge one structure. Raises UnsupportedStructure for an element without σ."""
        check_elements(structure, self.sigma, "this Lennard-Jones potential")
        symbols = [chemical_symbols[z] for z in structure.numbers]
        sigma = np.array([self.sigma[symbol] for symbol in symbols])
        epsilon = np.array([self.epsilon[symbol] for symbol in symbols])
        reach = self.cutoff or _CUTOFF_IN_SIGMA * sigma.max()
        i, j, vectors = primitive_neighbor_list(
            "ijD", structure.pbc, structure.cell, structure.positions, float(reach)
        )
        energies, pulls = self._pairs(
            (sigma[i] + sigma[j]) / 2, np.sqrt(epsilon[i] * epsilon[j]), (vectors**2).sum(axis=1)
        )
        pair_forces = pulls[:, np.newaxis] * vectors
        # Every pair stands in the list twice, hence the halves.
        return Prediction(
            energy=float(energies.sum() / 2),
            forces=_summed_by_atom(pair_forces, i, len(symbols)),
            stress=voigt_stress(pair_forces.T @ vectors / 2, structure),
        )

    def _pairs(
        self, sigma: FloatArray, epsilon: FloatArray, r2: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Energy u and (du/dr)/r of each pair, shape (n_pairs,) each."""
        cutoff = self.cutoff or _CUTOFF_IN_SIGMA * sigma
        inside = r2 <= np.square(cutoff)
        c6 = np.where(inside, (sigma**2 / r2) ** 3, 0.0)
        u = 4 * epsilon * (c6**2 - c6)
        pull = -24 * epsilon * (2 * c6**2 - c6) / r2
        if not self.smooth:
            c6_end = (sigma / cutoff) ** 6
            return u - inside * 4 * epsilon * (c6_end**2 - c6_end), pull
        ends = r2, np.square(cutoff), np.square(_ONSET_IN_CUTOFF * cutoff)
        switch, slope = cutoff_function(*ends), d_cutoff_function(*ends)
        return switch * u, switch * pull + 2 * slope * u


def _summed_by_atom(pair_forces: FloatArray, owners: NDArray[np.intp], n_atoms: int) -> FloatArray:
    columns = (np.bincount(owners, pair_forces[:, k], minlength=n_atoms) for k in range(3))
    return np.stack(list(columns), axis=1)
