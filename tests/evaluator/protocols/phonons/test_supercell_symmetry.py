"""What is found in a short way must be what phonopy finds in its own."""

from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from numpy.typing import NDArray
from phonopy import Phonopy
from phonopy.structure.atoms import PhonopyAtoms
from phonopy.structure.cells import guess_primitive_matrix
from phonopy.structure.symmetry import Symmetry

from evaluator.protocols.phonons import supercell_symmetry
from evaluator.protocols.phonons.supercell_symmetry import FastPhonopy, SupercellSymmetry

PRIMITIVE_FCC = 2 * np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])


def distorted() -> Atoms:
    """Rocksalt whose second atom has left its place: no operation but the translations."""
    atoms = bulk("NaCl", "rocksalt", a=5.6)
    atoms.positions[1] += [0.1, 0.23, 0.31]
    return atoms


CRYSTALS: dict[str, tuple[Atoms, NDArray[np.int64]]] = {
    "fcc": (bulk("Cu"), PRIMITIVE_FCC),
    "rocksalt": (bulk("NaCl", "rocksalt", a=5.6, cubic=True), 2 * np.eye(3, dtype=int)),
    "diamond": (bulk("Si"), np.diag([3, 3, 3])),
    "wurtzite": (bulk("ZnO", "wurtzite", a=3.25, c=5.2, u=0.382), np.diag([3, 3, 2])),
    "uneven": (bulk("Mg"), np.diag([3, 2, 1])),
    "distorted": (distorted(), PRIMITIVE_FCC),
    "alone": (bulk("NaCl", "rocksalt", a=5.6), np.eye(3, dtype=int)),
}


def phonopy_of(kind: Any, name: str) -> Any:
    atoms, matrix = CRYSTALS[name]
    cell = PhonopyAtoms(
        numbers=atoms.numbers, cell=atoms.cell.array, scaled_positions=atoms.get_scaled_positions()
    )
    primitive = guess_primitive_matrix(cell, 1e-5)
    return kind(cell, supercell_matrix=matrix, primitive_matrix=primitive, symprec=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", CRYSTALS)
@pytest.mark.filterwarnings("ignore:Warning. Point group symmetries of supercell and primitive")
def test_symmetry_of_a_supercell_is_phonopys_own(name: str) -> None:
    ours, theirs = (phonopy_of(kind, name) for kind in (FastPhonopy, Phonopy))
    found, known = ours.symmetry, theirs.symmetry

    assert isinstance(found, SupercellSymmetry)
    for part in ("rotations", "translations"):
        np.testing.assert_array_equal(
            found.symmetry_operations[part], known.symmetry_operations[part]
        )
    np.testing.assert_array_equal(found.atomic_permutations, known.atomic_permutations)
    np.testing.assert_array_equal(found.pointgroup_operations, known.pointgroup_operations)
    np.testing.assert_array_equal(found.reciprocal_operations, known.reciprocal_operations)
    np.testing.assert_array_equal(found.get_map_operations(), known.get_map_operations())
    np.testing.assert_array_equal(found.get_independent_atoms(), known.get_independent_atoms())
    for i in range(len(ours.supercell)):
        np.testing.assert_array_equal(found.get_site_symmetry(i), known.get_site_symmetry(i))


@pytest.mark.slow
def test_operations_that_are_no_group_are_matched_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supercell_symmetry, "_find_shifts", lambda wanted, shifts: None)
    found, known = (phonopy_of(kind, "diamond").symmetry for kind in (FastPhonopy, Phonopy))
    np.testing.assert_array_equal(found.atomic_permutations, known.atomic_permutations)


def test_a_vector_that_is_no_shift_is_told() -> None:
    shifts = np.array([[0.0, 0.0, 0.0], [0.5, 0.0, 0.5]])
    wanted = np.array([[0.5, 1.0, -0.5], [1.0, 0.0, 0.0]])
    found = supercell_symmetry._find_shifts(wanted, shifts)
    assert found is not None
    assert found.tolist() == [1, 0]
    assert supercell_symmetry._find_shifts(np.array([[0.5, 0.0, 0.0]]), shifts) is None


def test_few_operations_are_matched(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    match = supercell_symmetry.compute_all_sg_permutations

    def counted(positions: Any, rotations: Any, *more: Any, **named: Any) -> Any:
        asked.append(len(rotations))
        return match(positions, rotations, *more, **named)

    monkeypatch.setattr(supercell_symmetry, "compute_all_sg_permutations", counted)
    symmetry: Symmetry = phonopy_of(FastPhonopy, "rocksalt").symmetry
    # Rocksalt has 48 rotations, and 8 conventional cells hold 32 primitive ones.
    assert asked == [48, 32]
    assert len(symmetry.symmetry_operations["rotations"]) == 48 * 32
