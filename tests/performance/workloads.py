"""What is timed: a task of the project, and every structure that it asks a potential about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from evaluator.calculators.base import Adapter, LoadRequest
from evaluator.calculators.registry import make_adapter
from evaluator.contract import SubmissionSpec, TaskSpec
from evaluator.pool.remote import structure_of
from evaluator.protocols import PROTOCOLS
from evaluator.references import sets
from evaluator.wire import Structure

Call = tuple[Structure, tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A task with the potential that is timed on it, and the systems that are judged."""

    name: str
    task: TaskSpec
    submission: SubmissionSpec
    artifact: Path
    reference: Path
    #: Precision that the task or the submission asks for.
    dtype: str
    only: frozenset[str]

    def load(self, n_threads: int) -> Adapter:
        """The potential in this process, without sandbox or wire."""
        adapter = make_adapter(self.submission.calculator_kind)
        request = LoadRequest(
            artifact=self.artifact,
            settings=dict(self.submission.settings),
            dtype=self.dtype,
            n_threads=n_threads,
        )
        adapter.load(request)
        return adapter


def record_calls(workload: Workload) -> list[Call]:
    """Run the protocol in this process and note each structure that it asks about."""
    recorder = _Recorder(workload.load(n_threads=1))
    protocol = PROTOCOLS[workload.task.protocol]
    for system in sets.read(workload.reference):
        if system.id in workload.only:
            protocol.simulate(system, recorder, workload.task.parameters)
    return recorder.calls


def atoms_of(structure: Structure) -> Atoms:
    return Atoms(structure.numbers, structure.positions, cell=structure.cell, pbc=structure.pbc)


class _Recorder(Calculator):
    implemented_properties = ["energy", "forces", "stress"]

    def __init__(self, adapter: Adapter) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._adapter = adapter
        self.calls: list[Call] = []

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] | None = None,
        system_changes: Any = all_changes,
    ) -> None:
        super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call]
        assert atoms is not None
        asked = tuple(dict.fromkeys(("energy", "forces", *(properties or ()))))
        self.calls.append((structure_of(atoms), asked))
        (answer,) = self._adapter.compute([structure_of(atoms)], asked)
        self.results = {"energy": answer.energy, "forces": answer.forces}
        if answer.stress is not None:
            self.results["stress"] = np.asarray(answer.stress)
