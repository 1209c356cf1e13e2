from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.stress import full_3x3_to_voigt_6_stress
from ase.units import Bohr, GPa, Hartree, kcal, mol

from evaluator.calculators.lennard_jones import LennardJones
from evaluator.driver import findings as search
from evaluator.driver.findings import find_faults
from evaluator.protocols.base import System
from evaluator.wire import FloatArray, Prediction, Structure

COPPER_GOLD = System(id="CuAu", atoms=bulk("CuAu", "cesiumchloride", a=3.1))
COPPER = System(id="Cu", atoms=bulk("Cu"))
LONE_METALS = [COPPER, System(id="Al4", atoms=bulk("Al", cubic=True))]

Spoil = Callable[[Structure, Prediction], Prediction]


def emt(structure: Structure) -> Prediction:
    atoms = Atoms(structure.numbers, structure.positions, cell=structure.cell, pbc=structure.pbc)
    atoms.calc = EMT()
    return Prediction(
        energy=atoms.get_potential_energy(),
        forces=atoms.get_forces(),
        stress=atoms.get_stress() if atoms.pbc.all() else None,
    )


IMAGES = np.array(list(itertools.product((-2, -1, 0, 1, 2), repeat=3)))
WIDTH_A = 0.8


def gaussians(structure: Structure) -> Prediction:
    """Repulsion by Gaussians of the distance: smooth, quick, gone before the last image."""
    images = IMAGES[~(IMAGES[:, ~structure.pbc] != 0).any(axis=1)] @ structure.cell
    r = structure.positions
    vectors = r[None, :, None] + images[None, None] - r[:, None, None]
    sizes = np.sqrt(structure.numbers[:, None] * structure.numbers[None, :])[:, :, None]
    r2 = (vectors**2).sum(axis=-1)
    u = np.where(r2 > 1e-12, sizes * np.exp(-r2 / (2 * WIDTH_A**2)), 0.0)
    pulls = -u / WIDTH_A**2  # (du/dr) / r
    volume_A3 = abs(np.linalg.det(structure.cell))
    virial = np.einsum("abi,abix,abiy->xy", pulls, vectors, vectors) / 2
    return Prediction(
        energy=float(u.sum() / 2),
        forces=np.einsum("abi,abix->ax", pulls, vectors),
        stress=full_3x3_to_voigt_6_stress(virial / volume_A3) if structure.pbc.all() else None,
    )


def faults(
    spoil: Spoil = lambda s, p: p,
    systems: Sequence[System] = (COPPER_GOLD,),
    dtype: str = "float64",
    potential: Callable[[Structure], Prediction] = gaussians,
) -> list[str]:
    return find_faults(
        systems,
        lambda structure, properties: spoil(structure, potential(structure)),
        offers_stress=True,
        dtype=dtype,
        seed=1,
    )


@pytest.mark.parametrize("dtype", ["float64", "float32", "its own"])
def test_a_sound_potential_has_no_fault(dtype: str) -> None:
    for systems in ([COPPER_GOLD], LONE_METALS):
        assert faults(systems=systems, dtype=dtype) == []


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float64", "its own"])
def test_potentials_with_a_cutoff_have_no_fault(dtype: str) -> None:
    # ASE's EMT ends where its weights are small, this Lennard-Jones with a kink of the energy.
    lj = LennardJones(
        sigma={"Cu": 2.3, "Au": 2.5}, epsilon={"Cu": 0.4, "Au": 0.5}, cutoff=7.0, smooth=False
    )
    for potential in (emt, lj.predict):
        assert faults(potential=potential, dtype=dtype) == []


def test_a_sound_potential_in_single_precision_has_no_fault() -> None:
    def spoil(structure: Structure, answer: Prediction) -> Prediction:
        assert answer.stress is not None
        # A total energy of hundreds of eV, as codes with cores have it.
        energy = answer.energy - 150.0 * len(structure.numbers)
        return Prediction(
            energy=float(np.float32(energy)),
            forces=answer.forces.astype(np.float32).astype(float),
            stress=answer.stress.astype(np.float32).astype(float),
        )

    assert faults(spoil, dtype="float32") == []


def test_a_molecule_is_asked_for_no_stress_and_no_second_cell() -> None:
    molecules = [System(id="CO", atoms=molecule("CO"))]
    assert faults(systems=molecules) == []
    (finding,) = faults(lambda s, p: replace(p, forces=-p.forces), molecules)
    assert "wrong sign" in finding


def test_an_energy_per_atom_is_told_and_nothing_that_follows_from_it() -> None:
    (finding,) = faults(lambda s, p: replace(p, energy=p.energy / len(p.forces)))
    assert finding.startswith("Twice the cell has the same energy (CuAu: ")
    assert "for 2 atoms" in finding
    assert finding.endswith(
        "it looks like an energy per atom. Return the energy of the whole structure."
    )


def test_an_energy_that_does_not_grow_with_the_crystal_is_told() -> None:
    findings = faults(lambda s, p: replace(p, energy=p.energy + len(p.forces) ** 2))
    assert any("Twice the cell has not twice the energy" in finding for finding in findings)


@pytest.mark.parametrize(
    ("factor", "told"),
    [
        (-1.0, "they have the wrong sign"),
        (Bohr / Hartree, "they look like Ha/Bohr: multiply by 51.42"),
        (1 / Hartree, "they look like Ha/Å"),
        (Bohr, "they look like eV/Bohr"),
        (mol / kcal, "they look like kcal/mol/Å"),
        (1000.0, "they look like meV/Å"),
        (1.5, "they are 1.5 times that, everywhere"),
    ],
)
def test_forces_in_another_unit_or_sign_are_recognised(factor: float, told: str) -> None:
    (finding,) = faults(lambda s, p: replace(p, forces=factor * p.forces))
    assert "Forces are not minus the derivative of the energy (CuAu: off by" in finding
    assert told in finding


def test_forces_of_atoms_in_another_order_are_recognised() -> None:
    findings = faults(
        lambda s, p: replace(p, forces=np.roll(p.forces, 1, axis=0)),
        [System(id="Al4", atoms=bulk("Al", cubic=True))],
    )
    assert any("they are those of other atoms" in finding for finding in findings)


def test_forces_that_are_no_gradient_at_all_are_told_as_such() -> None:
    twist = np.array([[0, 0.4, 0], [-0.4, 0, 0], [0, 0, 0]])
    (finding,) = faults(lambda s, p: replace(p, forces=p.forces @ (np.eye(3) + twist)))
    assert "submit it with --non-conservative" in finding


def volume(structure: Structure) -> float:
    return abs(float(np.linalg.det(structure.cell)))


def stress_of(answer: Prediction) -> FloatArray:
    assert answer.stress is not None
    return answer.stress


@pytest.mark.parametrize(
    ("factor", "told"),
    [
        (-1.0, "it has the wrong sign"),
        (1 / GPa, "it looks like GPa: divide by 160.2177"),
        (-1 / GPa, "it looks like GPa: divide by 160.2177, and change the sign"),
        (10 / GPa, "it looks like kbar: divide by 1602.177"),
        (-10 / GPa, "it looks like kbar: divide by 1602.177, and change the sign"),
        (GPa, "divided by 160.2 once more"),
        (Bohr**3 / Hartree, "it looks like Ha/Bohr³"),
        (0.5, "it belongs to the energy per atom"),
        (1.7, "it is 1.7 times that, in every component"),
    ],
)
def test_a_stress_in_another_unit_or_sign_is_recognised(factor: float, told: str) -> None:
    (finding,) = faults(lambda s, p: replace(p, stress=factor * stress_of(p)))
    assert "The stress is not the derivative of the energy with strain" in finding
    assert told in finding


@pytest.mark.parametrize(
    ("sign", "told"), [(-1, "it looks like a virial"), (1, "it looks like dE/dstrain")]
)
def test_a_virial_is_recognised(sign: int, told: str) -> None:
    (finding,) = faults(lambda s, p: replace(p, stress=sign * volume(s) * stress_of(p)))
    assert told in finding


@pytest.mark.parametrize(
    ("order", "factor", "told"),
    [
        ([0, 1, 2, 5, 3, 4], 1.0, "order xx yy zz xy yz zx of VASP; the order here is xx"),
        ([0, 1, 2, 5, 3, 4], -10 / GPa, "besides, it looks like kbar"),
        ([0, 1, 2, 5, 4, 3], 1.0, "order xx yy zz xy xz yz of LAMMPS"),
        ([0, 5, 4, 1, 3, 2], 1.0, "row by row, xx xy xz yy yz zz"),
        ([0, 5, 1, 4, 3, 2], 1.0, "xx xy yy xz yz zz"),
    ],
)
def test_a_stress_in_another_order_is_recognised(
    order: list[int], factor: float, told: str
) -> None:
    (finding,) = faults(lambda s, p: replace(p, stress=factor * stress_of(p)[order]))
    assert told in finding


def test_doubled_shear_is_recognised() -> None:
    twice = np.array([1, 1, 1, 2, 2, 2])
    (finding,) = faults(lambda s, p: replace(p, stress=twice * stress_of(p)))
    assert "its shear components are twice what they should be: halve them" in finding


def test_a_stress_without_a_pattern_is_told_with_its_size() -> None:
    (finding,) = faults(lambda s, p: replace(p, stress=np.arange(6) * GPa))
    assert "off by" in finding
    assert "differentiate the energy with respect to a strain" in finding


def test_energies_in_single_precision_are_told_where_double_was_asked() -> None:
    def single(structure: Structure, answer: Prediction) -> Prediction:
        return replace(answer, energy=float(np.float32(answer.energy)))

    (finding,) = faults(single)
    assert finding.startswith("Asked for float64, it answers with energies in steps of")
    # A package is asked for no precision: told only where a step can be seen in differences.
    assert faults(single, dtype="its own") == []


@pytest.mark.parametrize(("kind", "shift_eV_atom"), [("float32", -500.0), ("bfloat16", 0.0)])
def test_rounded_energies_are_told_and_no_remedy_for_forces_that_they_cannot_judge(
    kind: str, shift_eV_atom: float
) -> None:
    def rounded(structure: Structure, answer: Prediction) -> Prediction:
        energy = np.array([answer.energy + shift_eV_atom * len(structure.numbers)], np.float32)
        if kind == "bfloat16":
            energy = (energy.view(np.uint32) & 0xFFFF0000).view(np.float32)
        return replace(answer, energy=float(energy[0]))

    sentences = faults(rounded)
    assert not any("Forces are" in finding or "The stress is" in finding for finding in sentences)
    assert any("Asked for float64, it answers with energies in steps of" in s for s in sentences)
    assert len(sentences) == 1 or kind == "bfloat16"


def test_forces_are_judged_where_the_energy_takes_few_values() -> None:
    (finding,) = faults(lambda s, p: replace(p, energy=-3.5 * len(s.numbers), stress=None))
    assert "Forces are not minus the derivative of the energy" in finding


def test_what_was_measured_when_the_time_was_over_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = itertools.count()
    now_s = 0.0

    def slow(structure: Structure) -> Prediction:
        nonlocal now_s
        now_s += 1.5
        next(calls)
        return gaussians(structure)

    clock = SimpleNamespace(monotonic=lambda: now_s, perf_counter=lambda: now_s)
    monkeypatch.setattr(search, "time", clock)
    (sentence,) = faults(
        lambda s, p: replace(p, energy=p.energy / len(p.forces), forces=-p.forces), potential=slow
    )
    assert sentence.startswith("Twice the cell has the same energy (")
    assert next(calls) * 1.5 < search.MAX_SEARCH_S + 2 * 1.5


def test_forces_are_judged_along_few_directions_where_all_would_take_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(search, "MAX_GRADIENT_S", 0.0)
    (finding,) = faults(lambda s, p: replace(p, forces=-p.forces))
    assert "along 3 directions, RMS): they have the wrong sign" in finding
    (finding,) = faults(lambda s, p: replace(p, forces=p.forces @ np.diag([1.0, 0.5, 0.0])))
    assert "submit it with --non-conservative" in finding


def test_energies_in_half_precision_are_told_whatever_was_asked() -> None:
    def half(structure: Structure, answer: Prediction) -> Prediction:
        bits = np.array([answer.energy], np.float32).view(np.uint32) & 0xFFFF0000
        return replace(answer, energy=float(bits.view(np.float32)[0]))

    assert any("energies in steps of" in finding for finding in faults(half, dtype="float32"))


def test_an_energy_that_depends_on_the_place_is_told() -> None:
    findings = faults(lambda s, p: replace(p, energy=p.energy + 0.1 * float(s.positions.sum())))
    assert any("Moved as a whole by" in finding for finding in findings)


def test_an_atom_outside_the_cell_that_is_lost_is_told() -> None:
    def spoil(structure: Structure, answer: Prediction) -> Prediction:
        fractional = np.linalg.solve(structure.cell.T, structure.positions.T).T
        n_outside = int((fractional > 0.85).any(axis=1).sum())
        return replace(answer, energy=answer.energy + n_outside)

    findings = faults(spoil, [COPPER_GOLD])
    assert any("written one cell vector further on" in finding for finding in findings)


def test_an_energy_that_jumps_at_its_cutoff_is_told_and_a_mere_kink_is_not() -> None:
    def stepped(structure: Structure, answer: Prediction) -> Prediction:
        is_wide = volume(structure) / len(answer.forces) > 15.5
        return replace(answer, energy=answer.energy + 0.02 * len(answer.forces) * is_wide)

    def kinked(structure: Structure, answer: Prediction) -> Prediction:
        excess = max(0.0, volume(structure) / len(answer.forces) - 15.5)
        return replace(answer, energy=answer.energy + 0.2 * len(answer.forces) * excess)

    (finding,) = faults(stepped)
    assert "by 20 meV/atom: the energy jumps where neighbours enter or leave" in finding
    assert not any("jumps" in finding for finding in faults(kinked))


def test_large_structures_and_slow_calculators_are_left_alone() -> None:
    large = System(id="Al32", atoms=bulk("Al", cubic=True) * 2)
    assert faults(lambda s, p: replace(p, forces=-p.forces), [large]) == []
