from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT

from evaluator.catalog import CONSISTENCY
from evaluator.driver.consistency import check_consistency
from evaluator.driver.probes import Finding, Gap
from evaluator.driver.probes import figures as probe_figures
from evaluator.driver.timed_answers import TimedAnswers
from evaluator.pool.remote import structure_of
from evaluator.protocols.base import Outcome, System
from evaluator.protocols.dynamics.stability import MDStabilityProtocol
from evaluator.protocols.phonons.protocol import PhononsProtocol
from evaluator.wire import Answer, Prediction, Status, Structure, StructureFailure

METALS = [
    System(id="Cu", atoms=bulk("Cu")),
    System(id="Al4", atoms=bulk("Al", cubic=True)),
    System(id="Pt", atoms=bulk("Pt")),
    System(id="Au32", atoms=bulk("Au", cubic=True) * 2),
]

Spoil = Callable[[Structure, Prediction], Prediction]


def emt(structure: Structure, properties: Sequence[str]) -> Prediction:
    atoms = Atoms(structure.numbers, structure.positions, cell=structure.cell, pbc=structure.pbc)
    atoms.calc = EMT()
    return Prediction(
        energy=atoms.get_potential_energy(),
        forces=atoms.get_forces(),
        stress=atoms.get_stress() if "stress" in properties and atoms.pbc.all() else None,
    )


def check(
    spoil: Spoil = lambda s, p: p, systems: Sequence[System] = METALS, dtype: str = "float64"
) -> dict[str, Any]:
    return check_consistency(
        systems,
        lambda structure, properties: spoil(structure, emt(structure, properties)),
        offers_stress=True,
        dtype=dtype,
        seed=1,
        looks_for_faults=False,
    )


@pytest.mark.slow
def test_a_potential_of_sound_physics_is_consistent_to_rounding() -> None:
    figures = check()
    assert figures["systems"] == ["Cu", "Pt", "Al4"]  # the smallest first
    assert figures["is_conservative_measured"] is True
    assert figures["repeat_energy_error_meV_atom_max"] == 0
    assert figures["rotation_energy_error_meV_atom_max"] < 1e-9
    assert figures["rotation_force_error_eV_A_max"] < 1e-10
    assert figures["permutation_force_error_eV_A_max"] < 1e-10
    assert figures["force_gradient_error_eV_A_max"] < 1e-6
    assert figures["stress_gradient_error_GPa_max"] < 1e-5


@pytest.mark.slow
def test_forces_along_a_fixed_axis_show_in_the_rotation_and_the_gradient() -> None:
    def spoil(structure: Structure, answer: Prediction) -> Prediction:
        return Prediction(energy=answer.energy, forces=answer.forces + np.array([0.1, 0, 0]))

    figures = check(spoil)
    assert figures["rotation_force_error_eV_A_max"] > 0.02
    assert figures["permutation_force_error_eV_A_max"] < 1e-10
    assert figures["is_conservative_measured"] is False


def test_an_energy_that_depends_on_the_order_of_atoms_shows_in_the_permutation() -> None:
    def spoil(structure: Structure, answer: Prediction) -> Prediction:
        first = structure.positions[0] - structure.positions.mean(axis=0)
        return Prediction(energy=answer.energy + float(first @ first), forces=answer.forces)

    figures = check(spoil, [System(id="Al4", atoms=bulk("Al", cubic=True))])
    assert figures["permutation_energy_error_meV_atom_max"] > 1
    assert figures["rotation_energy_error_meV_atom_max"] < 1e-9


@pytest.mark.slow
def test_scaled_forces_are_no_gradient() -> None:
    def spoil(structure: Structure, answer: Prediction) -> Prediction:
        return Prediction(energy=answer.energy, forces=0.9 * answer.forces)

    figures = check(spoil)
    assert figures["rotation_force_error_eV_A_max"] < 1e-10
    assert figures["is_conservative_measured"] is False


def all_electron(dtype: type[np.floating]) -> Spoil:
    """Exact forces, and energies of -40,000 eV an atom in a type."""

    def spoil(structure: Structure, answer: Prediction) -> Prediction:
        energy = dtype(answer.energy - 40_000.0 * len(structure.numbers))
        return replace(answer, energy=float(energy))

    return spoil


@pytest.mark.parametrize("dtype", ["float32", "float64"])  # tasks of phonons and equations of state
def test_energies_too_coarse_to_tell_a_gradient_are_not_called_wrong(dtype: str) -> None:
    """Tasks that ask for double precision may get single: what the numbers are decides."""
    figures = check(all_electron(np.float32), dtype=dtype)
    assert figures["is_gradient_measurable"] is False
    assert "is_conservative_measured" not in figures
    assert not [name for name in figures if "gradient_error" in name]
    assert figures["rotation_energy_error_meV_atom_max"] == 0
    (finding,) = figures["findings"]
    assert "Energies come in steps of 0.02 eV" in finding


def test_coarse_energies_hide_no_forces_that_are_wrong_beyond_rounding() -> None:
    def rounded(structure: Structure, answer: Prediction) -> Prediction:
        return replace(answer, energy=float(np.float32(answer.energy - 64.0)))

    def direct(structure: Structure, answer: Prediction) -> Prediction:
        return replace(rounded(structure, answer), forces=2.0 * answer.forces)

    assert check(rounded)["is_gradient_measurable"] is False
    figures = check(direct)
    assert figures["is_gradient_measurable"] is True
    assert figures["is_conservative_measured"] is False


def test_large_energies_in_double_precision_are_measured() -> None:
    for dtype in ("float64", "float32"):  # by what the numbers are, not by what is declared
        figures = check(all_electron(np.float64), dtype=dtype)
        assert figures["is_gradient_measurable"] is True
        assert figures["is_conservative_measured"] is True


@pytest.mark.slow
def test_a_wrong_stress_shows_in_gpa() -> None:
    gpa = 1 / 160.21766208

    def spoil(structure: Structure, answer: Prediction) -> Prediction:
        assert answer.stress is not None
        wrong = answer.stress + np.array([gpa, gpa, gpa, 0, 0, 0])
        return Prediction(energy=answer.energy, forces=answer.forces, stress=wrong)

    figures = check(spoil)
    # A pressure off by 1 GPa, projected on strains of norm one: at most sqrt(3).
    assert 0.05 < figures["stress_gradient_error_GPa_max"] <= np.sqrt(3)
    assert figures["is_conservative_measured"] is True


def test_an_answer_that_drifts_is_not_repeatable() -> None:
    n_calls = 0

    def spoil(structure: Structure, answer: Prediction) -> Prediction:
        nonlocal n_calls
        n_calls += 1
        return Prediction(energy=answer.energy + 0.001 * n_calls, forces=answer.forces)

    figures = check(spoil, METALS[:1])
    # The fourth call, after the turned and the permuted structure, is 3 meV above the first; the
    # lone atom was given a neighbour.
    assert figures["repeat_energy_error_meV_atom_max"] == pytest.approx(1.5)


def test_an_answer_from_memory_is_not_taken_for_repeatable() -> None:
    rng, last = np.random.default_rng(3), []

    def spoil(structure: Structure, answer: Prediction) -> Prediction:
        if last and np.array_equal(last[0].positions, structure.positions):
            return last[1]
        noisy = Prediction(energy=answer.energy + rng.normal(scale=0.1), forces=answer.forces)
        last[:] = [structure, noisy]
        return noisy

    assert check(spoil, METALS[:1])["repeat_energy_error_meV_atom_max"] > 1


def test_a_molecule_is_checked_without_its_stress() -> None:
    figures = check(systems=[System(id="CO", atoms=molecule("CO"))])
    assert figures["is_conservative_measured"] is True
    assert "stress_gradient_error_GPa_max" not in figures


@pytest.mark.slow
def test_it_is_measured_whether_charge_and_spin_make_a_difference() -> None:
    ion, radical = bulk("Cu"), bulk("Al", cubic=True)
    ion.info, radical.info = {"charge": 1, "spin": 1}, {"charge": 0, "spin": 2}
    systems = [*METALS, System(id="ion", atoms=ion), System(id="radical", atoms=radical)]

    def reads_the_charge(structure: Structure, answer: Prediction) -> Prediction:
        return replace(answer, energy=answer.energy + 7.7 * structure.charge)

    figures = check(reads_the_charge, systems)
    assert (figures["is_charge_read"], figures["is_spin_read"]) == (True, False)
    assert any("ignores the spin multiplicity" in finding for finding in figures["findings"])
    assert not any("ignores the charge" in finding for finding in figures["findings"])
    assert not {"is_charge_read", "is_spin_read"} & set(check())


@pytest.mark.slow
def test_systems_that_are_not_answered_are_counted_and_harm_nothing() -> None:
    def ask(structure: Structure, properties: Sequence[str]) -> Answer:
        if 13 in structure.numbers:
            return StructureFailure(status=Status.ERROR, message="No aluminium.")
        return emt(structure, properties)

    figures = check_consistency(METALS, ask, offers_stress=True, dtype="float64", seed=1)
    assert figures["n_failed"] == 1
    assert figures["systems"] == ["Cu", "Pt"]

    none = check_consistency(
        METALS,
        lambda s, p: StructureFailure(status=Status.ERROR, message="Never."),
        offers_stress=True,
        dtype="float64",
        seed=1,
    )
    assert (none["n_failed"], none["systems"]) == (3, [])
    assert "is_conservative_measured" not in none


def test_nothing_to_check_is_no_error() -> None:
    assert check(systems=[])["systems"] == []


@pytest.mark.slow
def test_every_figure_that_pages_label_is_one_that_the_checks_make() -> None:
    gap = Gap(energy_meV_atom=0.0, force_eV_A=0.0)
    finding = Finding(
        changed=gap, step=gap, nearby=None, force_eV_A=1.0, rounding_meV_atom=0.0, n_calls=5
    )
    timed = TimedAnswers()
    structure = structure_of(METALS[0].atoms)
    timed.add(structure, emt(structure, ()), emt(structure, ()))
    made = {*check(), *probe_figures([finding]), *timed.figures()}
    # Of a protocol's own course: roughness at two displacements, a drift without a bath.
    rough = Outcome(values={"roughness_percent": 1.0})
    drift = Outcome(values={"nve_extrapolated_drift_meV_atom_ps": 1.0})
    made |= {*PhononsProtocol().smoothness([rough]), *MDStabilityProtocol().smoothness([drift])}
    assert {column.name for column in CONSISTENCY} <= made
