"""The baseline that knows nothing: a mean energy for each element, no forces, no stress."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase.data import chemical_symbols

from evaluator import json_artifacts
from evaluator.calculators.base import Adapter, LoadRequest
from evaluator.calculators.json_artifact import read_artifact
from evaluator.calculators.structures import check_elements
from evaluator.wire import Info, Prediction, Structure


class DummyAdapter(Adapter):
    """Energies from ``{"energy_per_atom_eV": {"Si": -5.4}, "default_eV": 0}``."""

    max_batch_structures = 1024
    max_batch_atoms = 1_000_000

    def load(self, request: LoadRequest) -> Info:
        told = read_artifact(request.artifact, json_artifacts.read_dummy)
        known, default = told.energy_per_atom_eV, told.default_eV
        others = {} if default is None else dict.fromkeys(chemical_symbols[1:], default)
        self._energies = {**others, **known}
        return Info(
            name="Dummy",
            dtype="float64",
            device="cpu",
            elements=tuple(self._energies),
            n_parameters=len(known) + (default is not None),
        )

    def compute(
        self, structures: Sequence[Structure], properties: Sequence[str]
    ) -> list[Prediction]:
        return [self._predict(structure) for structure in structures]

    def _predict(self, structure: Structure) -> Prediction:
        check_elements(structure, self._energies, "this dummy")
        # Counted, not summed atom by atom: it also tells what the sandbox takes of a timed call.
        numbers, counts = np.unique(structure.numbers, return_counts=True)
        energies = [self._energies[chemical_symbols[z]] for z in numbers]
        return Prediction(
            energy=float(np.dot(counts, energies)),
            forces=np.zeros((len(structure.numbers), 3)),
            stress=np.zeros(6),
        )
