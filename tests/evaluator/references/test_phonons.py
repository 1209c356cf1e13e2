import gzip
import json
import os
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase.build import bulk

from evaluator.catalog import PROTOCOLS as DESCRIPTIONS
from evaluator.protocols.phonons.protocol import PhononsProtocol
from evaluator.references.phonons import heat_capacities, phonondb
from evaluator.references.sets import build, read

MIRROR = os.environ.get("TOUCHSTONE_DATA_MIRROR")
FCC = [[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]]


def publish(folder: Path) -> list[Path]:
    """The two files in their authors' form: a rocksalt crystal and a wurtzite one."""
    salt, oxide = bulk("NaCl", "rocksalt", a=5.6, cubic=True), bulk("ZnO", "wurtzite", 3.2, 5.2)
    salt.info = {
        "mp_id": "mp-1",
        "name": "NaCl",
        "symm.no": 225,
        "fc2_supercell": np.diag([4, 4, 4]),
        "primitive_matrix": np.array(FCC),
    }
    oxide.info = {
        "mp_id": "mp-2",
        "name": "ZnO",
        "symm.no": 186,
        "fc2_supercell": np.diag([5, 5, 3]),
    }
    ase.io.write(folder / "structures.extxyz", [salt, oxide], format="extxyz")
    qpoints = [[0.0, 0.0, 0.0], [0.5, 0.0, 0.0]]
    table = {
        "mp_id": {"7": "mp-1", "3": "mp-2"},
        "qpoints": {"7": qpoints, "3": qpoints},
        "weights": {"7": [1, 3], "3": [1, 3]},
        "frequencies": {
            "7": [[-1e-7, 0.0, 1e-7, 4.6, 4.6, 4.6], [1.0, 2.0, 3.0, 4.0, 5.0, 7.1]],
            "3": [[0.0] * 3 + [9.0] * 9, [1.0] * 6 + [16.0] * 6],
        },
    }
    with gzip.open(folder / "table.json.gz", "wt", encoding="utf-8") as file:
        json.dump(table, file)
    return [folder / "structures.extxyz", folder / "table.json.gz"]


def test_modes_are_joined_to_their_primitive_cell(tmp_path: Path) -> None:
    frames, metadata = phonondb(publish(tmp_path), {})

    salt, oxide = frames
    assert metadata == {"n_not_taken": 0}
    assert salt.info["system_id"] == "phonondb-NaCl-rocksalt"
    assert salt.info["family"] == "rocksalt"
    assert sorted(salt.get_chemical_symbols()) == ["Cl", "Na"]
    assert salt.get_volume() == pytest.approx(5.6**3 / 4)
    assert salt.info["frequencies_THz"].tolist() == [
        [0.0, 0.0, 0.0, 4.6, 4.6, 4.6],
        [1.0, 2.0, 3.0, 4.0, 5.0, 7.1],
    ]
    assert salt.info["omega_max_THz"] == 7.1
    assert salt.info["gamma_max_THz"] == 4.6
    # Over 4 points of 6 modes: (3 x 4.6 + 3 x 22.1) / 24.
    assert salt.info["omega_mean_THz"] == pytest.approx((3 * 4.6 + 3 * 22.1) / 24)
    assert oxide.info["system_id"] == "phonondb-ZnO-wurtzite"
    assert len(oxide) == 4
    assert oxide.info["supercell_matrix"].tolist() == np.diag([5, 5, 3]).tolist()


def test_supercell_of_the_primitive_cell_is_the_published_one(tmp_path: Path) -> None:
    salt, _ = phonondb(publish(tmp_path), {})[0]
    # phonopy's convention: columns are lattice vectors.
    supercell = (salt.cell.array.T @ salt.info["supercell_matrix"]).T
    np.testing.assert_allclose(supercell, 4 * 5.6 * np.eye(3), atol=1e-12)


def test_smaller_supercells_and_named_compounds_are_taken(tmp_path: Path) -> None:
    files = publish(tmp_path)
    options = {
        "compounds": ["NaCl rocksalt"],
        "cubic_cells": [2, 2, 2],
        "hexagonal_cells": [3, 3, 2],
    }
    (salt,), metadata = phonondb(files, options)
    assert round(np.linalg.det(salt.info["supercell_matrix"])) == 4 * 2**3
    assert metadata == {"n_not_taken": 1}
    with pytest.raises(ValueError, match="2 compounds named, 1 found"):
        phonondb(files, options | {"compounds": ["NaCl rocksalt", "NaCl wurtzite"]})


def test_arrays_of_a_reference_survive_its_file(tmp_path: Path) -> None:
    frames, _ = phonondb(publish(tmp_path), {})
    frames[0].info["supercell_matrix"] = np.array([[1, 2, 0], [0, 3, 0], [0, 0, 4]])
    path = tmp_path / "set.extxyz"
    ase.io.write(path, frames, format="extxyz")

    systems = read(path)
    for system, frame in zip(systems, frames, strict=True):
        for name in ("frequencies_THz", "qpoints", "qpoint_weights", "supercell_matrix"):
            np.testing.assert_array_equal(system.reference[name], frame.info[name])
    PhononsProtocol().check_reference(systems, DESCRIPTIONS["phonons"].metrics)


@pytest.mark.slow
@pytest.mark.mirror
@pytest.mark.skipif(not MIRROR, reason="TOUCHSTONE_DATA_MIRROR is not set")
def test_thermodynamics_agree_with_what_the_authors_tabulate(tmp_path: Path) -> None:
    mirror = Path(str(MIRROR))
    systems = read(build("phonondb-pbe", mirror=mirror, cache=tmp_path).path)
    with gzip.open(mirror / "phonondb_pbe_103/kappas_phononDB_PBE_noNAC.json.gz", "rt") as file:
        table = json.load(file)
    published = {}
    for i, name in table["name"].items():
        modes, weights = np.array(table["heat_capacity"][i][0]), np.array(table["weights"][i])
        # eV/K of each mode -> J/(K mol) of atoms: three modes for each.
        mean = np.average(modes.mean(axis=1), weights=weights)
        published[name, table["symm.no"][i]] = 3 * 96485.33 * mean
    numbers = {"rocksalt": 225, "zincblende": 216, "wurtzite": 186}

    assert len(systems) == len(published) == 103
    assert {s.family for s in systems} == set(numbers)
    for system in systems:
        name = system.id.split("-")[1]
        assert system.reference["heat_capacity_J_K_mol"] == pytest.approx(
            published[name, numbers[system.family]], rel=1e-4
        )
        assert system.reference["omega_min_THz"] > -0.01


def entry(mp_id: str, elements: list[str], heat_capacity: float) -> dict[str, object]:
    sites = [
        {"species": [{"element": e, "occu": 1}], "abc": [i / len(elements), 0.0, 0.0]}
        for i, e in enumerate(elements)
    ]
    lattice = {"matrix": (4.0 * np.eye(3)).tolist()}
    return {
        "mp_id": mp_id,
        "formula": "".join(elements),
        "structure": {"lattice": lattice, "sites": sites},
        "heat_capacity": heat_capacity,
    }


def published_heat_capacities(folder: Path) -> list[Path]:
    entries = [
        entry("mp-1", ["Na", "Cl"], 48.0),
        entry("mp-2", ["Zn", "O"], 40.0),
        entry("mp-3", ["Mg", "Mg", "Mg", "Sn"], 96.0),
        entry("mp-4", ["O", "F", "F"], 60.0),
    ]
    with gzip.open(folder / "list.json.gz", "wt", encoding="utf-8") as file:
        json.dump(entries, file)
    return [folder / "list.json.gz"]


def test_heat_capacities_are_those_of_a_mole_of_atoms(tmp_path: Path) -> None:
    frames, metadata = heat_capacities(published_heat_capacities(tmp_path), {})
    found = {atoms.info["system_id"]: atoms for atoms in frames}
    assert metadata == {"n_published": 4, "n_larger_cells": 0, "n_not_taken": 0}
    assert found["alexandria-mp-1-NaCl"].info["heat_capacity_J_K_mol"] == 24.0
    assert found["alexandria-mp-3-MgMgMgSn"].info["heat_capacity_J_K_mol"] == 24.0
    assert {name: atoms.info["family"] for name, atoms in found.items()} == {
        "alexandria-mp-1-NaCl": "halide",
        "alexandria-mp-2-ZnO": "oxide",
        "alexandria-mp-3-MgMgMgSn": "intermetallic",
        "alexandria-mp-4-OFF": "fluoride",
    }
    path = tmp_path / "set.extxyz"
    ase.io.write(path, frames, format="extxyz")
    PhononsProtocol().check_reference(read(path), ["heat_capacity_mae"])


def test_crystals_are_drawn_by_their_names_alone(tmp_path: Path) -> None:
    files = published_heat_capacities(tmp_path)
    few, metadata = heat_capacities(files, {"max_atoms": 3, "n_crystals": 2})
    assert metadata == {"n_published": 4, "n_larger_cells": 1, "n_not_taken": 1}
    one, _ = heat_capacities(files, {"max_atoms": 3, "n_crystals": 1})
    assert {a.info["system_id"] for a in one} < {a.info["system_id"] for a in few}
