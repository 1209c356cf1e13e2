from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.emt import EMT

from evaluator.pool.remote import (
    Disguise,
    ElectronicState,
    NotAnswered,
    RemoteCalculator,
    seed_of,
    structure_of,
)
from evaluator.protocols.base import SystemFailure
from evaluator.wire import Answer, Prediction, Status, Structure, StructureFailure

DISGUISE = Disguise.from_seed(seed_of("a-task", 1, 0, "a-system"))


class Asked:
    """EMT behind the wire, and what went over it."""

    def __init__(self) -> None:
        self.calls: list[tuple[Structure, tuple[str, ...]]] = []

    def __call__(self, structure: Structure, properties: Sequence[str]) -> Answer:
        self.calls.append((structure, tuple(properties)))
        atoms = Atoms(
            structure.numbers, structure.positions, cell=structure.cell, pbc=structure.pbc
        )
        atoms.calc = EMT()
        return Prediction(
            energy=atoms.get_potential_energy(),
            forces=atoms.get_forces(),
            stress=atoms.get_stress() if "stress" in properties else None,
        )


def alloy() -> Atoms:
    atoms = bulk("Cu", cubic=True) * (2, 1, 1)
    atoms.symbols[[1, 4]] = ["Au", "Al"]
    atoms.set_cell(atoms.cell.array @ [[1, 0.05, 0], [0, 1.02, 0.03], [0, 0, 0.99]], True)
    atoms.rattle(0.1, seed=1)
    return atoms


@pytest.mark.parametrize("atoms", [alloy(), molecule("CO"), bulk("Pt")], ids=str)
def test_the_answer_is_that_of_the_plain_calculator(atoms: Atoms) -> None:
    remote = atoms.copy()
    remote.calc = RemoteCalculator(Asked(), ("energy", "forces", "stress"), DISGUISE)
    atoms.calc = EMT()
    assert remote.get_potential_energy() == pytest.approx(atoms.get_potential_energy(), abs=1e-10)
    np.testing.assert_allclose(remote.get_forces(), atoms.get_forces(), atol=1e-10)
    if atoms.pbc.all():
        np.testing.assert_allclose(remote.get_stress(), atoms.get_stress(), atol=1e-12)


def test_what_is_asked_is_turned_and_permuted_but_not_deformed() -> None:
    atoms, asked = alloy(), Asked()
    RemoteCalculator(asked, ("energy", "forces"), DISGUISE).calculate(atoms, ["energy"])
    (structure, _), original = asked.calls[0], structure_of(atoms)
    assert not np.allclose(structure.cell, original.cell)
    assert structure.numbers.tolist() != original.numbers.tolist()
    assert sorted(structure.numbers) == sorted(original.numbers)
    np.testing.assert_allclose(
        structure.cell @ structure.cell.T, original.cell @ original.cell.T, atol=1e-12
    )
    assert np.linalg.det(structure.cell) == pytest.approx(np.linalg.det(original.cell))


def test_charge_and_spin_go_with_the_structure_through_its_disguise() -> None:
    atoms, asked = alloy(), Asked()
    atoms.info = {"charge": -2, "spin": 3}
    RemoteCalculator(asked, ("energy", "forces"), DISGUISE).calculate(atoms, ["energy"])
    ((structure, _),) = asked.calls
    assert (structure.charge, structure.spin) == (-2, 3)


def test_a_cell_that_a_protocol_builds_has_the_charge_and_spin_of_its_system() -> None:
    atoms, asked = alloy(), Asked()
    atoms.info = {"charge": 1, "spin": 2}
    state = ElectronicState.of(atoms)
    supercell = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True).repeat((1, 2, 1))
    calculator = RemoteCalculator(asked, ("energy", "forces"), DISGUISE, state)
    calculator.calculate(supercell, ["energy"])
    ((structure, _),) = asked.calls
    # One unpaired electron in each of the two copies: S = 1, 2S + 1 = 3.
    assert (structure.charge, structure.spin) == (2, 3)


def test_a_disguise_is_a_proper_rotation_fixed_by_its_seed() -> None:
    for seed in range(10):
        rotation = Disguise.from_seed(seed).rotation
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-14)
        assert np.linalg.det(rotation) == pytest.approx(1)
    one, same, other = (Disguise.from_seed(seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.rotation, same.rotation)
    np.testing.assert_array_equal(one.order(9), same.order(9))
    assert not np.allclose(one.rotation, other.rotation)


def test_a_seed_is_fixed_by_its_words() -> None:
    # From the definition: the first eight bytes of the SHA-256 of "a/1", little-endian.
    assert seed_of("a", 1) == int.from_bytes(hashlib.sha256(b"a/1").digest()[:8], "little")
    assert len({seed_of("a", 1), seed_of("a", 2), seed_of("b", 1)}) == 3


def test_every_property_of_an_answer_is_turned_back() -> None:
    n, rng = 7, np.random.default_rng(5)
    forces, magmoms, stress = rng.normal(size=(n, 3)), rng.normal(size=n), rng.normal(size=6)
    order, rotation = DISGUISE.order(n), DISGUISE.rotation
    xx, yy, zz, yz, xz, xy = stress
    turned = rotation @ np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]) @ rotation.T
    answer = DISGUISE.invert(
        Prediction(
            energy=1.5,
            forces=forces[order] @ rotation.T,
            stress=turned[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]],
            magmoms=magmoms[order],
            energy_uncertainty=0.25,
        )
    )
    assert (answer.energy, answer.energy_uncertainty) == (1.5, 0.25)
    np.testing.assert_allclose(answer.forces, forces, atol=1e-14)
    assert answer.magmoms is not None
    np.testing.assert_array_equal(answer.magmoms, magmoms)
    assert answer.stress is not None
    np.testing.assert_allclose(answer.stress, stress, atol=1e-14)


def test_stress_is_asked_only_when_somebody_wants_it() -> None:
    atoms, asked = alloy(), Asked()
    calculator = RemoteCalculator(asked, ("energy", "forces", "stress"), DISGUISE)
    atoms.calc = calculator
    atoms.get_forces()
    atoms.get_potential_energy()
    assert [properties for _, properties in asked.calls] == [("energy", "forces")]
    atoms.get_stress()
    atoms.rattle(0.01, seed=2)
    atoms.get_potential_energy()
    atoms.get_stress()
    assert calculator.n_calls == len(asked.calls) == 3


def test_an_own_uncertainty_is_asked_only_when_somebody_wants_it() -> None:
    atoms, asked = alloy(), Asked()

    def ask(structure: Structure, properties: Sequence[str]) -> Answer:
        answer = asked(structure, properties)
        assert isinstance(answer, Prediction)
        return replace(answer, energy_uncertainty=0.25)

    calculator = RemoteCalculator(ask, ("energy", "forces", "energy_uncertainty"), DISGUISE)
    calculator.calculate(atoms, ["energy", "energy_uncertainty"])
    assert calculator.results["energy_uncertainty"] == 0.25
    calculator.calculate(atoms, ["energy"])
    assert "energy_uncertainty" not in calculator.results
    assert [properties for _, properties in asked.calls] == [
        ("energy", "forces", "energy_uncertainty"),
        ("energy", "forces"),
    ]


def test_a_property_that_is_not_offered_is_refused() -> None:
    atoms = alloy()
    atoms.calc = RemoteCalculator(Asked(), ("energy", "forces"), DISGUISE)
    with pytest.raises(PropertyNotImplementedError):
        atoms.get_stress()
    with pytest.raises(PropertyNotImplementedError, match="does not offer stress"):
        atoms.calc.calculate(atoms, ["stress"])


def test_a_failed_structure_is_a_failed_system_that_knows_why() -> None:
    failure = StructureFailure(status=Status.NONFINITE, message="The energy is not finite.")
    calculator = RemoteCalculator(lambda s, p: failure, ("energy", "forces"), DISGUISE)
    with pytest.raises(SystemFailure, match="The energy is not finite") as caught:
        calculator.calculate(alloy(), ["energy"])
    assert isinstance(caught.value, NotAnswered)
    assert caught.value.status is Status.NONFINITE


def test_only_what_has_changed_is_asked_again() -> None:
    atoms, asked = alloy(), Asked()
    atoms.calc = RemoteCalculator(asked, ("energy", "forces"), DISGUISE)
    atoms.get_potential_energy()
    atoms.get_forces()
    equal = atoms.copy()
    equal.calc = atoms.calc
    equal.get_forces()
    assert len(asked.calls) == 1

    def count(change: str) -> int:
        before = len(asked.calls)
        changed = atoms.copy()
        changed.calc = atoms.calc
        atoms.get_potential_energy()
        if change == "positions":
            changed.positions[3, 1] += 1e-12
        elif change == "cell":
            changed.cell[0, 0] += 1e-9
        elif change == "numbers":
            changed.numbers[0] = 28
        else:
            changed.pbc = [True, True, False]
        changed.get_potential_energy()
        atoms.get_potential_energy()
        return len(asked.calls) - before

    assert [count(change) for change in ("positions", "cell", "numbers", "pbc")] == [2, 2, 2, 2]
    assert atoms.get_potential_energy() == pytest.approx(equal.get_potential_energy())
