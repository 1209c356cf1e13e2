from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from evaluator.metrics.dynamics import distance_ratios, distances
from evaluator.protocols.dynamics.stability import MDStabilityProtocol
from evaluator.references.dynamics import STRUCTURES, md_systems
from evaluator.references.sets import build, read


def frames(*names: str, n_atoms: int = 8, n_seeds: int = 1) -> list[Atoms]:
    found, _ = md_systems([], {"structures": names, "n_atoms": n_atoms, "n_seeds": n_seeds})
    return found


@pytest.mark.parametrize("name", STRUCTURES)
def test_structure_has_the_size_asked_for_and_no_atoms_too_close(name: str) -> None:
    (atoms,) = frames(name, n_atoms=24)
    assert 24 <= len(atoms) <= 72
    assert atoms.pbc.all()
    ratios = distance_ratios(distances(atoms.positions, atoms.cell.array), atoms.numbers)
    assert 0.8 < ratios.min() < 1.35


@pytest.mark.parametrize(
    ("name", "density"),
    [("Al", 2.70), ("Mg", 1.74), ("NaCl", 2.17), ("SrTiO3", 5.12), ("TiO2", 4.25), ("H2O", 0.997)],
)
def test_density_is_the_measured_one(name: str, density: float) -> None:
    (atoms,) = frames(name)
    found = 1.66053907 * atoms.get_masses().sum() / atoms.get_volume()
    assert found == pytest.approx(density, rel=0.01)


@pytest.mark.parametrize(
    ("name", "formula"),
    [("CaF2", "CaF2"), ("CeO2", "CeO2"), ("Li3OCl", "ClLi3O"), ("TiO2", "O2Ti")],
)
def test_formula_is_the_name(name: str, formula: str) -> None:
    (atoms,) = frames(name)
    assert atoms.get_chemical_formula(empirical=True) == formula


def test_replicas_differ_in_their_names_alone() -> None:
    first, second = frames("Si", n_seeds=2)
    assert (first.info["system_id"], second.info["system_id"]) == ("md-Si-8-seed0", "md-Si-8-seed1")
    np.testing.assert_array_equal(first.positions, second.positions)


def test_every_molecule_of_a_liquid_is_turned_another_way() -> None:
    (atoms,) = frames("Cl2")
    bonds = atoms.positions[1::2] - atoms.positions[::2]
    np.testing.assert_allclose(np.linalg.norm(bonds, axis=1), np.linalg.norm(bonds[0]), atol=1e-5)
    assert np.abs(bonds @ bonds[0]).max() > 1
    assert len(np.unique(bonds.round(3), axis=0)) == len(bonds)


@pytest.mark.parametrize("name", ["md-systems-small", "md-systems"])
def test_registered_set_is_what_the_builder_makes(name: str, tmp_path: Path) -> None:
    built = build(name, cache=tmp_path)
    systems = read(built.path)
    MDStabilityProtocol().check_reference(systems, [])
    assert built.n_systems == len(systems)
    families = {system.family for system in systems}
    assert families >= {"element", "rocksalt", "zincblende", "perovskite", "molecular liquid"}
    crystal = next(s for s in systems if "melting_point_K" in s.reference)
    assert crystal.reference["melting_point_K"] > 300


def test_densities_are_those_of_the_cells_and_only_of_what_was_measured_so(tmp_path: Path) -> None:
    systems = read(build("md-densities", cache=tmp_path).path)
    MDStabilityProtocol().check_reference(systems, ["density_relative_error"])
    for system in systems:
        mass, volume = system.atoms.get_masses().sum(), system.atoms.get_volume()
        assert system.reference["density_g_cm3"] == pytest.approx(1.66053907 * mass / volume, 1e-4)
    options = {"structures": ["Cl2"], "n_atoms": 8, "n_seeds": 1, "with_density": True}
    with pytest.raises(ValueError, match="Cl2 is not known"):
        md_systems([], options)
