"""Vacancies of a Lennard-Jones crystal, whose cost before relaxation is the cohesive energy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from evaluator.catalog import PROTOCOLS as DESCRIPTIONS
from evaluator.catalog import check_parameters
from evaluator.contract import SystemStatus
from evaluator.protocols.base import Outcome, System, SystemFailure, UnsuitableReference
from evaluator.protocols.vacancy_formation import VacancyFormationProtocol
from evaluator.references.sets import build, read
from evaluator.scoring import score
from evaluator.standard_tasks.read import standard_task
from tests.evaluator.protocols.lennard_jones_crystal import (
    Times,
    crystal_energy,
    lennard_jones,
    own_lattice,
)

MIRROR = os.environ.get("TOUCHSTONE_DATA_MIRROR")
PROTOCOL = VacancyFormationProtocol()
PARAMETERS = check_parameters(DESCRIPTIONS["vacancy_formation"].parameters, {})
MATRIX = 2 * np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])


def system(**reference: Any) -> System:
    known = {"vacancy_formation_eV": 2.0, "supercell_matrix": MATRIX}
    crystal = bulk("Cu", a=1.01 * own_lattice())
    return System(id="fcc-Cu", atoms=crystal, reference=known | reference, family="fcc")


@pytest.fixture(scope="module")
def right() -> Outcome:
    return PROTOCOL.simulate(system(), lennard_jones(), PARAMETERS)


def test_before_relaxation_a_vacancy_of_pairs_costs_the_cohesive_energy(right: Outcome) -> None:
    """Twice the energy of an atom's bonds is lost, and once it is had back in the crystal."""
    cohesive = -crystal_energy(own_lattice())
    assert right.values["unrelaxed_formation_eV"] == pytest.approx(cohesive, rel=2e-3)
    assert right.values["n_supercell_atoms"] == 32
    assert right.values["volume_per_atom_A3"] == pytest.approx(own_lattice() ** 3 / 4, rel=5e-3)


def test_atoms_relax_around_the_vacancy_and_are_kept_as_a_file(right: Outcome) -> None:
    unrelaxed = right.values["unrelaxed_formation_eV"]
    assert 0.95 * unrelaxed < right.values["vacancy_formation_eV"] < unrelaxed
    assert 0 < right.values["max_displacement_A"] < 0.2
    assert right.values["max_force_eV_A"] <= PARAMETERS["fmax_eV_A"]
    assert right.files["relaxed.extxyz"].startswith(b"31\nLattice=")


def test_without_a_supercell_of_the_reference_it_is_as_long_as_the_task_says() -> None:
    lattice = own_lattice()
    alone = System(
        id="Cu", atoms=bulk("Cu", a=lattice, cubic=True), reference={"vacancy_formation_eV": 2.0}
    )
    parameters = PARAMETERS | {"supercell_length_A": 1.1 * lattice, "fmax_eV_A": 0.5}
    values = PROTOCOL.simulate(alone, lennard_jones(), parameters).values
    assert values["n_supercell_atoms"] == 32


def scored(outcomes: list[Outcome | None], systems: list[System]) -> dict[str, float]:
    samples, _ = PROTOCOL.samples(systems, outcomes, PARAMETERS)
    statuses = [SystemStatus.FAILED if o is None else SystemStatus.OK for o in outcomes]
    uninformed = PROTOCOL.uninformed(systems, PARAMETERS)
    task = standard_task("vacancies").spec
    records, total = score(task, statuses, samples, uninformed=uninformed)
    values = {r.metric: float(r.value) for r in records if r.value is not None}
    return values | {"score": float(total.value or 0)}


def test_a_potential_that_is_too_soft_by_a_fifth_shows_it(right: Outcome) -> None:
    known = system(vacancy_formation_eV=right.values["vacancy_formation_eV"])
    soft = PROTOCOL.simulate(known, Times(0.8), PARAMETERS)
    values = scored([soft], [known])
    assert values["vacancy_formation_ratio_median"] == pytest.approx(0.8, abs=2e-3)
    assert values["vacancy_formation_relative_error"] == pytest.approx(20, abs=0.3)
    assert 0.2 < values["score"] < 0.8
    assert scored([right], [known])["score"] == pytest.approx(1)
    assert scored([None], [known])["score"] == 0
    summary = PROTOCOL.summary([known], [soft], PARAMETERS)
    assert summary["vacancy_formation_eV_below_reference_percent"] == 100
    assert summary["vacancy_formation_eV_by_structure"]["fcc"]["n"] == 1


class PullsInto(Times):
    """Springs that pull the atoms of a crystal with a vacancy to one corner of the cell."""

    def calculate(
        self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = None
    ) -> None:
        super().calculate(atoms, properties)
        if len(atoms) == 31:
            forces = np.zeros((31, 3))
            target = atoms.cell.array.sum(axis=0) / 2
            forces[0] = target - atoms.positions[0]
            self.results["forces"] = forces
            self.results["energy"] = float(0.5 * (forces[0] ** 2).sum())
            self.results["stress"] = np.zeros(6)


def test_an_atom_that_leaves_its_place_fails_the_crystal() -> None:
    with pytest.raises(SystemFailure, match="left its basin: an atom went"):
        PROTOCOL.simulate(system(), PullsInto(1.0), PARAMETERS)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"vacancy_formation_eV": -0.06}, "fcc-Cu needs a positive vacancy_formation_eV"),
        ({"supercell_matrix": np.eye(2)}, "fcc-Cu needs supercell_matrix"),
        ({"supercell_matrix": 0.5 * MATRIX + 0.1}, "three rows of whole numbers"),
        ({"supercell_matrix": 20 * MATRIX}, "The supercell of fcc-Cu has 256000 sites"),
        ({"supercell_matrix": np.eye(3)}, "The supercell of fcc-Cu has 1 sites"),
    ],
)
def test_a_crystal_that_lacks_something_is_refused_by_name(
    change: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(UnsuitableReference, match=complaint):
        PROTOCOL.check_reference([system(**change)], [])


def test_a_compound_is_refused_by_name() -> None:
    salt = System(
        id="NaCl",
        atoms=bulk("NaCl", "rocksalt", a=5.6),
        reference={"vacancy_formation_eV": 1.0},
    )
    with pytest.raises(UnsuitableReference, match="NaCl is NaCl: only in a crystal of one element"):
        PROTOCOL.check_reference([salt], [])


@pytest.mark.slow
@pytest.mark.mirror
@pytest.mark.skipif(not MIRROR, reason="TOUCHSTONE_DATA_MIRROR is not set")
def test_the_shipped_metals_have_the_energies_and_volumes_of_their_tables(tmp_path: Path) -> None:
    systems = read(build("vacancies-metals", mirror=Path(str(MIRROR)), cache=tmp_path).path)
    PROTOCOL.check_reference(systems, [])
    known = {s.id: s for s in systems}
    assert len(known) == 20
    assert known["fcc-Ni"].reference["vacancy_formation_eV"] == 1.43
    for metal in known.values():
        own: Atoms = metal.atoms
        assert own.get_volume() / len(own) == pytest.approx(
            metal.reference["volume_per_atom_A3"], rel=1e-5
        )
        sites = round(abs(np.linalg.det(metal.reference["supercell_matrix"]))) * len(own)
        assert sites == {"fcc": 108, "hcp": 96}[metal.family]
