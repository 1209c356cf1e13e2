from typing import Any

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT

from evaluator.protocols.base import SystemFailure
from evaluator.protocols.single_point import single_point


class Answers(Calculator):
    """Gives the results it was made with."""

    implemented_properties = ["energy", "forces", "stress"]

    def __init__(self, **answers: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.answers = answers

    def calculate(self, atoms: Any = None, properties: Any = (), system_changes: Any = ()) -> None:
        self.results = self.answers


def test_a_full_stress_tensor_becomes_six_components() -> None:
    tensor = np.array([[1.0, 6.0, 5.0], [6.0, 2.0, 4.0], [5.0, 4.0, 3.0]])
    answer = single_point(bulk("Cu"), Answers(energy=1.0, stress=tensor), ["energy", "stress"])
    assert answer.stress is not None
    assert answer.stress.tolist() == [1, 2, 3, 4, 5, 6]


def test_answers_are_copies() -> None:
    calculator = EMT()
    atoms = bulk("Cu", cubic=True)
    first = single_point(atoms, calculator, ["energy", "forces"])
    assert first.forces is not None
    kept = first.forces.copy()
    atoms.rattle(0.2, seed=0)
    single_point(atoms, calculator, ["energy", "forces"])
    assert first.forces.tolist() == kept.tolist()


def test_atoms_are_left_without_a_calculator() -> None:
    atoms = bulk("Cu")
    single_point(atoms, EMT())
    assert atoms.calc is None


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_answer_that_is_not_finite_is_a_failure(bad: float) -> None:
    forces = np.array([[0.0, bad, 0.0]])
    with pytest.raises(SystemFailure, match="forces is not a finite number"):
        single_point(bulk("Cu"), Answers(energy=1.0, forces=forces), ["energy", "forces"])


def test_missing_energy_is_a_failure() -> None:
    with pytest.raises(SystemFailure, match="no energy"):
        single_point(bulk("Cu"), Answers())
