from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones

from evaluator import json_artifacts
from evaluator.calculators.ase_builtin import TERSOFF_1989
from evaluator.calculators.base import Adapter, InvalidArtifact, LoadError, UnsupportedStructure
from tests.evaluator.calculators.adapters import (
    ask,
    assert_forces_are_the_gradient,
    assert_turns_with_the_structure,
    loaded,
)

LJ_ARGON = {"calculator": "lj", "sigma_A": {"Ar": 3.4}, "epsilon_eV": {"Ar": 0.0104}}
LJ_MIXED = {
    "calculator": "lj",
    "sigma_A": {"Na": 2.2, "Cl": 2.9},
    "epsilon_eV": {"Na": 0.1, "Cl": 0.4},
    "smooth": True,
}


def built(tmp_path: Path, parameters: object, kind: str = "ase") -> Adapter:
    artifact = tmp_path / "artifact.json"
    artifact.write_text(json.dumps(parameters))
    return loaded(kind, artifact)[0]


def argon() -> Atoms:
    atoms = bulk("Ar", cubic=True, a=5.2).repeat((2, 1, 1))
    atoms.rattle(0.1, seed=0)
    return atoms


def salt() -> Atoms:
    atoms = bulk("NaCl", "rocksalt", a=5.4, cubic=True)
    atoms.rattle(0.1, seed=0)
    return atoms


@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize("cutoff", [None, 8.0])
def test_lennard_jones_of_one_element_is_that_of_ase(
    tmp_path: Path, smooth: bool, cutoff: float | None
) -> None:
    more: dict[str, Any] = {} if cutoff is None else {"cutoff_A": cutoff}
    adapter = built(tmp_path, LJ_ARGON | more | {"smooth": smooth})
    atoms = argon()
    atoms.calc = LennardJones(sigma=3.4, epsilon=0.0104, rc=cutoff, smooth=smooth)
    prediction = ask(adapter, atoms)
    assert prediction.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-10)
    np.testing.assert_allclose(prediction.forces, atoms.get_forces(), atol=1e-10)
    np.testing.assert_allclose(prediction.stress, atoms.get_stress(), atol=1e-10)


def test_lennard_jones_mixes_by_lorentz_and_berthelot(tmp_path: Path) -> None:
    # σ = (2.2 + 2.9)/2 = 2.55 Å and ε = sqrt(0.1 × 0.4) = 0.2 eV; the pair stands in its minimum
    # 2^(1/6) σ = 2.862 Å, well below the onset 0.66 × 3 σ = 5.05 Å, where nothing is switched.
    pair = Atoms("NaCl", positions=[[0, 0, 0], [2 ** (1 / 6) * 2.55, 0, 0]])
    prediction = ask(built(tmp_path, LJ_MIXED), pair)
    assert prediction.energy == pytest.approx(-0.2)
    np.testing.assert_allclose(prediction.forces, 0, atol=1e-12)
    assert prediction.stress is None


def test_lennard_jones_of_many_elements_is_invariant_and_conservative(tmp_path: Path) -> None:
    adapter = built(tmp_path, LJ_MIXED)
    assert_turns_with_the_structure(adapter, salt(), tolerance=1e-10)
    assert_forces_are_the_gradient(adapter, salt(), tolerance=1e-6)


def test_lennard_jones_smoothly_ends_at_its_cutoff(tmp_path: Path) -> None:
    adapter = built(tmp_path, LJ_ARGON | {"smooth": True})
    inside, outside = (
        ask(adapter, Atoms("Ar2", positions=[[0, 0, 0], [r, 0, 0]]))
        for r in (3 * 3.4 - 1e-4, 3 * 3.4 + 1e-4)
    )
    assert outside.energy == 0.0
    assert abs(inside.energy) < 1e-10
    assert np.abs(inside.forces).max() < 1e-6


def test_emt_is_that_of_ase(tmp_path: Path) -> None:
    adapter = built(tmp_path, {"calculator": "emt"})
    for atoms in (bulk("Cu", cubic=True), bulk("Au", cubic=True), molecule("C2H6")):
        if atoms.pbc.all():
            atoms.rattle(0.1, seed=1)
            atoms.calc = EMT()
            prediction = ask(adapter, atoms)
            assert prediction.energy == atoms.get_potential_energy()
            np.testing.assert_array_equal(prediction.forces, atoms.get_forces())
            np.testing.assert_array_equal(prediction.stress, atoms.get_stress())
        else:
            with pytest.raises(UnsupportedStructure, match="EMT does not know C, H"):
                ask(adapter, atoms)


@pytest.mark.parametrize(
    ("element", "a_A", "cohesive_eV"), [("Si", 5.432, -4.63), ("Ge", 5.657, -3.85)]
)
def test_tersoff_has_the_published_cohesive_energy(
    tmp_path: Path, element: str, a_A: float, cohesive_eV: float
) -> None:
    # Tersoff, Phys. Rev. B 39, 5566 (1989), table II.
    adapter = built(tmp_path, {"calculator": "tersoff", "element": element})
    prediction = ask(adapter, bulk(element, cubic=True, a=a_A))
    assert prediction.energy / 8 == pytest.approx(cohesive_eV, abs=0.005)
    np.testing.assert_allclose(prediction.stress, 0, atol=1e-4)


def test_every_element_that_a_file_may_name_has_the_numbers_of_tersoff() -> None:
    assert tuple(TERSOFF_1989) == json_artifacts.TERSOFF_ELEMENTS


def test_tersoff_refuses_another_element(tmp_path: Path) -> None:
    adapter = built(tmp_path, {"calculator": "tersoff", "element": "Si"})
    with pytest.raises(UnsupportedStructure, match="the Tersoff potential of Si does not know Ge"):
        ask(adapter, bulk("Ge"))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, '"calculator" must be one of emt, lj, tersoff, not None'),
        ({"calculator": "eam"}, "not 'eam'"),
        ({"calculator": ["emt"]}, r"not \['emt'\]"),
        (
            {"calculator": "emt", "asap_cutoff": True},
            "emt has no parameter asap_cutoff; it takes none",
        ),
        ({"calculator": "emt", "a" * 1000: 1}, "emt has no parameter 'a{58}…; it takes none"),
        ({"calculator": "tersoff", "element": "U"}, "must be one of Si, Ge, not 'U'"),
        ({"calculator": "lj"}, "sigma_A must be an object of numbers by chemical symbol"),
        (LJ_ARGON | {"sigma_A": {"Xx": 1}}, "'Xx' is no chemical symbol"),
        (LJ_ARGON | {"sigma_A": {"Ar": -1}}, "sigma_A of Ar must be positive, not -1"),
        (LJ_ARGON | {"epsilon_eV": {"Ar": True}}, "epsilon_eV of Ar must be a number, not True"),
        (LJ_ARGON | {"epsilon_eV": {"Ne": 1}}, "must be given for the same elements"),
        (LJ_ARGON | {"cutoff_A": 0}, "cutoff_A must be positive, not 0"),
        (LJ_ARGON | {"smooth": 1}, "smooth must be true or false, not 1"),
    ],
)
def test_bad_parameters_are_refused_by_name(
    tmp_path: Path, parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(LoadError, match=message):
        built(tmp_path, parameters)


@pytest.mark.parametrize("kind", ["ase", "dummy"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[1, 2]", "must be an object, not list"),
        (b'{"a": 1, "a": 2}', "a key occurs twice"),
        (b"[" * 100_000, "not JSON"),
        (b" " * (1 << 21), "larger than 1 MiB"),
    ],
)
def test_a_file_that_is_no_json_object_is_an_invalid_artifact(
    tmp_path: Path, kind: str, content: bytes, message: str
) -> None:
    (tmp_path / "bad.json").write_bytes(content)
    with pytest.raises(InvalidArtifact, match=message):
        loaded(kind, tmp_path / "bad.json")


def test_dummy_adds_the_energies_of_elements(tmp_path: Path) -> None:
    adapter = built(tmp_path, {"energy_per_atom_eV": {"Na": -1.0, "Cl": -3.0}}, kind="dummy")
    prediction = ask(adapter, salt())
    assert prediction.energy == pytest.approx(4 * -1.0 + 4 * -3.0)
    assert not prediction.forces.any()
    assert prediction.stress is not None
    assert not prediction.stress.any()
    with pytest.raises(UnsupportedStructure, match="this dummy does not know Ar"):
        ask(adapter, argon())


def test_dummy_with_a_default_knows_every_element(tmp_path: Path) -> None:
    adapter = built(tmp_path, {"energy_per_atom_eV": {"Na": -1.0}, "default_eV": 0.5}, kind="dummy")
    assert ask(adapter, salt()).energy == pytest.approx(4 * -1.0 + 4 * 0.5)


def test_dummy_without_any_energy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="give energy_per_atom_eV, or default_eV"):
        built(tmp_path, {}, kind="dummy")
