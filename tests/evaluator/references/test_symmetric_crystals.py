from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.lj import LennardJones

from evaluator.references import sets
from evaluator.references.symmetric_crystals import symmetric_crystals

FRAMES, _ = symmetric_crystals((), {})


def lennard_jones(atoms: Atoms, shift_A: float) -> Atoms:
    """With a potential of its own scale, in a cell that is large enough for none of its images."""
    atoms = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
    spacing = (atoms.get_volume() / len(atoms)) ** (1 / 3)
    atoms.positions[0] += (shift_A, 0, 0)
    atoms.calc = LennardJones(sigma=0.9 * spacing, epsilon=0.1, rc=2.7 * spacing, smooth=True)
    return atoms


@pytest.mark.parametrize("frame", FRAMES, ids=[f.info["system_id"] for f in FRAMES])
def test_no_force_is_left_by_symmetry_and_no_shear_in_a_cubic_crystal(frame: Atoms) -> None:
    atoms = lennard_jones(frame, 0.0)
    # Positions are rounded to 1e-8 Å; the curvature of the pair potential is below 10 eV/Å².
    np.testing.assert_allclose(atoms.get_forces(), 0, atol=1e-6)
    if "stress" in frame.calc.results:
        stress = atoms.get_stress()
        np.testing.assert_allclose(stress[3:], 0, atol=1e-7)
        np.testing.assert_allclose(stress[:3], stress[0], atol=1e-7)


def test_an_atom_off_its_site_is_pushed() -> None:
    silicon = next(frame for frame in FRAMES if frame.info["system_id"] == "Si")
    assert np.abs(lennard_jones(silicon, 0.1).get_forces()).max() > 0.01


def test_the_built_file_is_the_registered_one_and_covers_nearly_all_elements(
    tmp_path: Path,
) -> None:
    built = sets.build("symmetric-crystals", cache=tmp_path)
    assert built.n_systems == len(FRAMES) == 74
    assert len(built.elements) == 74
    assert {"H", "C", "N", "O", "F", "Si", "Cl", "Fe", "Mo", "Au", "U"} <= set(built.elements)
    assert set(built.properties) == {"forces", "stress"}
    assert {len(frame) for frame in FRAMES} >= {1, 2, 3, 8, 16, 32, 64}
