from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from evaluator.driver.timed_answers import TimedAnswers
from evaluator.pool.remote import structure_of
from evaluator.protocols.base import System
from evaluator.wire import Answer, Prediction, Status, Structure, StructureFailure

COPPER = System(id="Cu", atoms=bulk("Cu", cubic=True))
Spoil = Callable[[Structure, Prediction], Prediction]


def emt(structure: Structure) -> Prediction:
    atoms = Atoms(structure.numbers, structure.positions, cell=structure.cell, pbc=structure.pbc)
    atoms.calc = EMT()
    return Prediction(energy=atoms.get_potential_energy(), forces=atoms.get_forces())


def honest(structure: Structure, answer: Prediction) -> Prediction:
    return answer


def zeros(structure: Structure, answer: Prediction) -> Prediction:
    return Prediction(energy=0.0, forces=np.zeros_like(answer.forces))


SQUARE = System(id="sc", atoms=bulk("Cu", "sc", a=2.4))


def compared(
    timed: Spoil,
    again: Spoil = honest,
    rattle_A: float = 0.01,
    polymorph: System = COPPER,
    refused: Sequence[int] = (),
) -> TimedAnswers:
    """Ask for two crystals of copper untimed, then compare timed answers of two sizes of one."""
    answers = TimedAnswers()

    n_asked = count()

    def ask(structure: Structure, properties: object) -> Answer:
        if next(n_asked) in refused:
            return StructureFailure(status=Status.ERROR, message="no")
        return emt(structure)

    answers.ask_untimed([SQUARE, COPPER], ask, seed=1, rattle_A=rattle_A)
    for n in (2, 3):
        atoms = polymorph.atoms * n
        atoms.rattle(rattle_A, seed=n)
        structure = structure_of(atoms)
        answer = emt(structure)
        answers.add(structure, timed(structure, answer), again(structure, answer))
    return answers


def test_honest_answers_agree_with_themselves_and_between_sizes() -> None:
    answers = compared(honest)
    figures = answers.figures()
    assert answers.disqualification() == ""
    assert figures["n_timed_again"] == 2
    assert figures["timed_energy_error_meV_atom_max"] == 0
    assert 0 < figures["timed_energy_by_size_meV_atom_max"] < 5
    assert 0.5 < figures["timed_force_ratio_min"] <= figures["timed_force_ratio_max"] < 2


def test_zeros_while_the_clock_runs_are_seen_when_asked_again() -> None:
    assert "without the clock" in compared(zeros).disqualification()


def test_zeros_for_whatever_looks_timed_are_seen_beside_an_ordinary_answer() -> None:
    """Asked again it says zero too; that an energy per atom would be known does not help."""
    constant = emt(structure_of(COPPER.atoms)).energy / 4

    def known_energy(structure: Structure, answer: Prediction) -> Prediction:
        return replace(zeros(structure, answer), energy=constant * len(structure.numbers))

    assert "small cell of the same crystal" in compared(zeros, zeros).disqualification() or (
        abs(constant) < 0.03
    )
    assert "small cell" in compared(known_energy, known_energy).disqualification()


def test_rounding_of_large_energies_is_no_difference() -> None:
    def all_electron(structure: Structure, answer: Prediction) -> Prediction:
        return replace(answer, energy=answer.energy - 4.5e4 * len(structure.numbers))

    def rounded(structure: Structure, answer: Prediction) -> Prediction:
        energy = all_electron(structure, answer).energy
        return replace(answer, energy=float(np.float32(energy)) + 0.004 * len(structure.numbers))

    answers = TimedAnswers()
    structure = structure_of(COPPER.atoms * 2)
    answer = emt(structure)
    answers.add(structure, all_electron(structure, answer), rounded(structure, answer))
    assert answers.disqualification() == ""


@pytest.mark.parametrize("offset_eV_atom", [1e6, 1e9])
def test_a_constant_in_all_energies_excuses_no_answer(offset_eV_atom: float) -> None:
    """Scores know no constants by element; rounding of such energies would excuse anything."""

    def shifted(structure: Structure, properties: object = None) -> Prediction:
        answer = emt(structure)
        return replace(answer, energy=answer.energy - offset_eV_atom * len(structure.numbers))

    answers = TimedAnswers()
    answers.ask_untimed([COPPER], shifted, seed=1, rattle_A=0.01)
    structure = structure_of(COPPER.atoms * 2)
    honest_answer = shifted(structure)
    cheap = replace(honest_answer, energy=honest_answer.energy + 0.5 * len(structure.numbers))
    answers.add(structure, cheap, honest_answer)
    assert "without the clock" in answers.disqualification()

    answers = TimedAnswers()
    answers.ask_untimed([COPPER], shifted, seed=1, rattle_A=0.01)
    answers.add(structure, cheap, cheap)
    assert "small cell of the same crystal" in answers.disqualification()


def test_nothing_compared_tells_nothing() -> None:
    assert TimedAnswers().figures() == {}
    assert TimedAnswers().disqualification() == ""


@pytest.mark.parametrize("rattle_A", [1e-4, 0.02, 0.05, 0.1])
@pytest.mark.parametrize("polymorph", [COPPER, SQUARE], ids=["fcc", "sc"])
def test_neither_larger_displacements_nor_polymorphs_make_honest_answers_differ(
    rattle_A: float, polymorph: System
) -> None:
    assert compared(honest, rattle_A=rattle_A, polymorph=polymorph).disqualification() == ""


@pytest.mark.parametrize("refused", [(0, 1), (0,), (1,)], ids=["both", "sc", "fcc"])
def test_refusing_the_small_cell_hides_nothing(refused: Sequence[int]) -> None:
    """Asked again it says zero too; an ordinary answer is missing to compare with."""
    assert (
        "a small one without it was not"
        in compared(zeros, zeros, refused=refused).disqualification()
    )


def test_rounding_of_large_energies_is_no_difference_between_sizes() -> None:
    answers = TimedAnswers()

    def all_electron(structure: Structure, properties: object) -> Answer:
        answer = emt(structure)
        energy = np.float32(answer.energy - 5e5 * len(structure.numbers))
        return replace(answer, energy=float(energy))

    answers.ask_untimed([COPPER], all_electron, seed=1, rattle_A=0.01)
    for n in (2, 3, 4):
        atoms = COPPER.atoms * n
        atoms.rattle(0.01, seed=n)
        structure = structure_of(atoms)
        answer = all_electron(structure, ())
        assert isinstance(answer, Prediction)
        answers.add(structure, answer, answer)
    assert answers.disqualification() == ""
