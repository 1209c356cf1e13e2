"""Finite displacements with phonopy, on a plain ASE calculator.

Imported only when phonons are computed: phonopy and seekpath come with the extra "evaluator".
Units are ASE's; frequencies are in THz, imaginary ones negative.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import seekpath
from ase import Atoms
from ase.calculators.calculator import Calculator
from numpy.typing import NDArray
from phonopy.structure.atoms import PhonopyAtoms
from phonopy.structure.cells import guess_primitive_matrix

from evaluator.arrays import FloatArray
from evaluator.protocols.base import SystemFailure
from evaluator.protocols.phonons.supercell_symmetry import FastPhonopy
from evaluator.protocols.single_point import single_point

IntArray = NDArray[np.int64]

#: Longest interval between two q-points of a plotted path, in 1/Å without the 2π.
_PATH_STEP = 0.015


@dataclass(frozen=True, kw_only=True, eq=False)
class Bands:
    """Frequencies (n_points, n_branches) on a path; ``labels`` are (distance, name) of corners."""

    distances: FloatArray
    frequencies: FloatArray
    labels: list[tuple[float, str]]


def force_constants(
    atoms: Atoms,
    calculator: Calculator,
    *,
    supercell_matrix: IntArray,
    is_primitive: bool,
    displacement_A: float,
    symprec_A: float,
) -> Any:  # noqa: ANN401  (a Phonopy; its results may be None to the type checker)
    """Displace the atoms that symmetry tells apart, ask for forces, and fit force constants.

    With ``is_primitive`` the given cell is taken as the primitive one, so that q-points refer to
    it; else phonopy looks for a primitive cell.
    """
    cell = _phonopy_atoms(atoms)
    phonon: Any = FastPhonopy(
        cell,
        supercell_matrix=supercell_matrix,
        primitive_matrix=np.eye(3) if is_primitive else guess_primitive_matrix(cell, symprec_A),
        symprec=symprec_A,
        log_level=0,
    )
    displace(phonon, calculator, displacement_A)
    return phonon


def displace(phonon: Any, calculator: Calculator, displacement_A: float) -> None:  # noqa: ANN401
    """Give a Phonopy the force constants of this displacement, in place of those that it had."""
    phonon.generate_displacements(distance=displacement_A)
    forces = []
    for displaced in phonon.supercells_with_displacements:
        answer = single_point(_ase_atoms(displaced), calculator, ("energy", "forces"))
        if answer.forces is None:
            raise SystemFailure("The potential offers no forces.")
        # What is left of a net force would break the sum rule of the force constants.
        forces.append(answer.forces - answer.forces.mean(axis=0))
    phonon.forces = np.array(forces)
    phonon.produce_force_constants(calculate_full_force_constants=False)
    phonon.symmetrize_force_constants()


def frequencies_at(phonon: Any, qpoints: FloatArray) -> FloatArray:  # noqa: ANN401
    """Frequencies (n_qpoints, n_branches), ascending at each q-point."""
    phonon.run_qpoints(qpoints)
    return np.sort(np.asarray(phonon.qpoints.frequencies, dtype=float), axis=1)


def mesh_of(phonon: Any, n_points: int) -> tuple[FloatArray, FloatArray]:  # noqa: ANN401
    """q-points and weights of an n x n x n mesh with Γ, reduced by symmetry."""
    phonon.run_mesh([n_points] * 3, is_gamma_center=True, with_eigenvectors=False)
    return (
        np.asarray(phonon.mesh.qpoints, dtype=float),
        np.asarray(phonon.mesh.weights, dtype=float),
    )


def bands_along_path(phonon: Any, symprec_A: float) -> Bands:  # noqa: ANN401
    """Frequencies along the standard path of the primitive cell (Hinuma et al., 2017)."""
    primitive = phonon.primitive
    path = seekpath.get_path_orig_cell(primitive.totuple(), symprec=symprec_A)
    reciprocal = np.linalg.inv(primitive.cell).T
    qpoints: list[FloatArray] = []
    distances: list[float] = []
    labels: list[tuple[float, str]] = []
    travelled, last = 0.0, ""
    for start, end in path["path"]:
        a, b = (np.array(path["point_coords"][name], dtype=float) for name in (start, end))
        length = float(np.linalg.norm((b - a) @ reciprocal))
        n = max(2, int(np.ceil(length / _PATH_STEP)) + 1)
        # The corner is repeated, so that a line can be broken where the path jumps.
        labels += [(travelled, _pretty(start))] if start != last else []
        qpoints.append(a + np.linspace(0, 1, n)[:, None] * (b - a))
        distances += list(travelled + length * np.linspace(0, 1, n))
        travelled, last = travelled + length, end
        labels.append((travelled, _pretty(end)))
    return Bands(
        distances=np.array(distances),
        frequencies=frequencies_at(phonon, np.concatenate(qpoints)),
        labels=labels,
    )


def supercell_of_length(atoms: Atoms, length_A: float) -> IntArray:
    """Diagonal supercell whose faces lie ``length_A`` or more apart in each direction."""
    heights = 1 / np.linalg.norm(np.linalg.inv(atoms.cell.array), axis=0)
    return np.diag(np.ceil(length_A / heights - 1e-6).astype(np.int64))


def _pretty(label: str) -> str:
    return "Γ" if label == "GAMMA" else label.replace("_", "")


def _phonopy_atoms(atoms: Atoms) -> PhonopyAtoms:
    return PhonopyAtoms(
        numbers=atoms.numbers,
        cell=atoms.cell.array,
        scaled_positions=atoms.get_scaled_positions(),
    )


def _ase_atoms(atoms: PhonopyAtoms) -> Atoms:
    return Atoms(atoms.numbers, cell=atoms.cell, scaled_positions=atoms.scaled_positions, pbc=True)
