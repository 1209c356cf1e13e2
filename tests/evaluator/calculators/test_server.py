"""How the server inside the sandbox splits and repeats batches; the wire has tests of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from evaluator import wire
from evaluator.calculators import server
from evaluator.calculators.base import (
    Adapter,
    InvalidArtifact,
    LoadError,
    LoadRequest,
    UnsupportedStructure,
)
from evaluator.wire import ErrorCategory, Info, Prediction, Status, Structure, StructureFailure


class CountingAdapter(Adapter):
    """Energy is the number of atoms; notes its batches; has memory for so many atoms."""

    def __init__(self, max_structures: int, max_atoms: int, memory_atoms: int = 10**9) -> None:
        self.max_batch_structures, self.max_batch_atoms = max_structures, max_atoms
        self.memory_atoms = memory_atoms
        self.batches: list[list[int]] = []

    def load(self, request: LoadRequest) -> Info:
        raise AssertionError("its batches alone are tested")

    def compute(
        self, structures: Sequence[Structure], properties: Sequence[str]
    ) -> list[Prediction]:
        counts = [len(s.numbers) for s in structures]
        self.batches.append(counts)
        if sum(counts) > self.memory_atoms:
            raise MemoryError
        if 13 in counts:
            raise UnsupportedStructure("no structures of 13 atoms")
        return [Prediction(energy=float(n), forces=np.zeros((n, 3))) for n in counts]


def answer(adapter: Adapter, counts: Sequence[int]) -> list[wire.Answer]:
    structures = [
        Structure(
            numbers=np.ones(n, np.int32),
            positions=np.zeros((n, 3)),
            cell=np.eye(3),
            pbc=np.ones(3, np.bool_),
        )
        for n in counts
    ]
    request = wire.Request(request_id=1, properties=("energy", "forces"), structures=structures)
    return server._answers(adapter, request)


def energies(answers: Sequence[wire.Answer]) -> list[float | None]:
    return [a.energy if isinstance(a, Prediction) else None for a in answers]


def test_a_batch_is_split_by_structures_and_by_atoms() -> None:
    adapter = CountingAdapter(max_structures=3, max_atoms=10)
    assert energies(answer(adapter, [1, 2, 3, 4, 5, 6, 20, 1])) == [1, 2, 3, 4, 5, 6, 20, 1]
    assert adapter.batches == [[1, 2, 3], [4, 5], [6], [20], [1]]


def test_a_batch_is_halved_while_memory_runs_out_and_stays_small() -> None:
    adapter = CountingAdapter(max_structures=8, max_atoms=1000, memory_atoms=25)
    assert energies(answer(adapter, [10] * 8)) == [10] * 8
    assert adapter.max_batch_structures == 2
    adapter.batches.clear()
    answer(adapter, [10] * 4)
    assert adapter.batches == [[10, 10], [10, 10]]


def test_one_structure_that_is_too_large_is_out_of_memory() -> None:
    adapter = CountingAdapter(max_structures=8, max_atoms=1000, memory_atoms=25)
    with pytest.raises(MemoryError):
        answer(adapter, [30])


def test_one_unsupported_structure_does_not_spoil_its_batch() -> None:
    adapter = CountingAdapter(max_structures=8, max_atoms=1000)
    answers = answer(adapter, [1, 2, 13, 4])
    assert energies(answers) == [1, 2, None, 4]
    assert answers[2] == StructureFailure(
        status=Status.UNSUPPORTED, message="no structures of 13 atoms"
    )


def wrapped(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "category"),
    [
        (InvalidArtifact("no zip"), ErrorCategory.INVALID_ARTIFACT),
        (LoadError("no model"), ErrorCategory.LOAD_ERROR),
        (ValueError("anything"), ErrorCategory.LOAD_ERROR),
        (MemoryError(), ErrorCategory.OUT_OF_MEMORY_HOST),
        (wrapped(LoadError("raised"), MemoryError()), ErrorCategory.OUT_OF_MEMORY_HOST),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to ..."),
            ErrorCategory.OUT_OF_MEMORY_HOST,
        ),
    ],
)
def test_an_error_while_loading_has_its_category(error: Exception, category: ErrorCategory) -> None:
    assert server._category(error, while_loading=True) is category


class Careless(CountingAdapter):
    """Forgets the last answer of a batch, and gives structures of 13 atoms one force too many."""

    def compute(
        self, structures: Sequence[Structure], properties: Sequence[str]
    ) -> list[Prediction]:
        counts = [len(s.numbers) for s in structures]
        self.batches.append(counts)
        answers = [Prediction(energy=float(n), forces=np.zeros((n + (n == 13), 3))) for n in counts]
        return answers if len(answers) == 1 else answers[:-1]


def test_answers_that_are_too_few_are_never_given_to_the_wrong_structures() -> None:
    adapter = Careless(max_structures=8, max_atoms=1000)
    assert energies(answer(adapter, [1, 2, 3, 4])) == [1, 2, 3, 4]
    assert adapter.batches == [[1, 2, 3, 4], [1, 2], [1], [2], [3, 4], [3], [4]]


def test_forces_of_another_number_of_atoms_fail_that_structure_alone() -> None:
    answers = answer(Careless(max_structures=1, max_atoms=1000), [1, 13, 4])
    assert energies(answers) == [1, None, 4]
    assert isinstance(answers[1], StructureFailure)
    assert answers[1].status is Status.ERROR
    assert "(14, 3), not (13, 3)" in answers[1].message


class Failing(CountingAdapter):
    """Raises what no exception handler of the usual kind sees."""

    def compute(
        self, structures: Sequence[Structure], properties: Sequence[str]
    ) -> list[Prediction]:
        raise asyncio.CancelledError("not a common exception")


def test_what_fails_everywhere_alike_is_printed_whole_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_PRINTED", set())
    answers = answer(Failing(max_structures=1, max_atoms=1000), [1] * 70)
    assert {a.message for a in answers if isinstance(a, StructureFailure)} == {
        "CancelledError: not a common exception"
    }
    printed = capsys.readouterr().err
    assert printed.count("Traceback") == 1
    assert printed.count("as before)") == 69
