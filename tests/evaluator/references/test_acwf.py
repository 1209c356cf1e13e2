"""Crystals of ACWF: whole structures, at the volumes of their fits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ase.spacegroup.symmetrize import check_symmetry
from ase.units import GPa

from evaluator.protocols.equation_of_state import EquationOfStateProtocol
from evaluator.references.acwf import _STRUCTURES, acwf_crystals
from evaluator.references.sets import canonical_bytes, read_content

SPACE_GROUPS = {
    "FCC": 225, "BCC": 229, "SC": 221, "Diamond": 227,
    "XO": 225, "X2O": 225, "XO2": 225, "XO3": 221, "X2O3": 224, "X2O5": 224,
}  # fmt: skip


@pytest.fixture
def table(tmp_path: Path) -> Path:
    fit = {"min_volume": 33.0, "bulk_modulus_ev_ang3": 0.5, "bulk_deriv": 4.6}
    cells = {
        name: len(of_element) + len(of_oxygen)
        for name, (_, _, of_element, of_oxygen) in _STRUCTURES.items()
    }
    content = {
        "BM_fit_data": {f"Al-{name}": fit for name in cells} | {"Fe-XO": fit, "Al-none": None},
        "num_atoms_in_sim_cell": {f"Al-{name}": n for name, n in cells.items()},
    }
    path = tmp_path / "fits.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_all_ten_structures_have_their_space_groups_and_the_volume_of_the_fit(table: Path) -> None:
    frames, told = acwf_crystals([table], {"elements": ["Al"]})
    assert told == {"n_not_taken": 2}
    assert {a.info["system_id"].removeprefix("Al-") for a in frames} == set(SPACE_GROUPS)
    for atoms in frames:
        number = SPACE_GROUPS[atoms.info["system_id"].removeprefix("Al-")]
        assert check_symmetry(atoms, 1e-5).number == number
        assert atoms.get_volume() == pytest.approx(33.0, rel=1e-6)
        assert atoms.info["volume_per_atom_A3"] == pytest.approx(33.0 / len(atoms))
        assert atoms.info["bulk_modulus_GPa"] == pytest.approx(0.5 / GPa, rel=1e-6)


def test_they_suit_the_protocol_and_have_their_families(table: Path) -> None:
    frames, _ = acwf_crystals([table], {"elements": ["Al"]})
    systems = read_content(canonical_bytes(frames), "acwf.extxyz")
    EquationOfStateProtocol().check_reference(systems, [])
    assert len({system.family for system in systems}) == 10


def test_a_fit_of_another_cell_is_refused(table: Path) -> None:
    content = json.loads(table.read_text(encoding="utf-8"))
    content["num_atoms_in_sim_cell"]["Al-XO"] = 8
    table.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ValueError, match="Al-XO is of 8 atoms"):
        acwf_crystals([table], {"elements": ["Al"]})
