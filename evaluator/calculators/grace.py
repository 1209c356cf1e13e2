"""GRACE: a zip of the SavedModel folder that gracemaker wrote, with its metadata.yaml.

Bochkarev, Lysogorskiy, Drautz, Phys. Rev. X 14, 021036 (2024), doi:10.1103/PhysRevX.14.021036. Each
structure is asked of the package's own ASE calculator, which pads it to sizes that TensorFlow
compiles for.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from evaluator.calculators.ase_calculator import predict
from evaluator.calculators.base import Adapter, LoadError, LoadRequest
from evaluator.calculators.model_folders import unpacked_model
from evaluator.calculators.structures import check_elements, periodic_cell, to_atoms
from evaluator.wire import Info, Prediction, Structure

# TensorFlow tells of its machine on standard error at length, unless told not to first.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
from tensorpotential.calculator import TPCalculator  # isort: skip

_FILES = ("saved_model.pb", "variables")
_WHAT = "a GRACE model"


class GraceAdapter(Adapter):
    """Energies, forces and stress of a GRACE model, in the precision that it was saved with."""

    max_batch_structures = 16

    def load(self, request: LoadRequest) -> Info:
        if request.device != "cpu":
            raise LoadError(f"GRACE models are judged on the processor here, not {request.device}")
        self._calculator = _load(unpacked_model(request.artifact, _FILES, _WHAT))
        self._elements = tuple(str(symbol) for symbol in self._calculator.element_map)
        self._cutoff = float(self._calculator.cutoff)
        return Info(
            name="GRACE",
            dtype="float64",
            device="cpu",
            elements=self._elements,
            cutoff_A=self._cutoff,
            versions={name: version(name) for name in ("tensorpotential", "tensorflow")},
        )

    def compute(
        self, structures: Sequence[Structure], properties: Sequence[str]
    ) -> list[Prediction]:
        return [self._predict(structure, properties) for structure in structures]

    def _predict(self, structure: Structure, properties: Sequence[str]) -> Prediction:
        check_elements(structure, self._elements, "this GRACE")
        atoms = to_atoms(structure)
        atoms.info.clear()
        if structure.pbc.any():
            atoms.cell, atoms.pbc = periodic_cell(structure, clearance=2 * self._cutoff), True
        wanted = properties if structure.pbc.all() else [p for p in properties if p != "stress"]
        self._calculator.reset()
        return predict(self._calculator, atoms, [p for p in wanted if p != "magmoms"])


def _load(folder: Path) -> Any:  # noqa: ANN401
    try:
        return TPCalculator(str(folder), enable_uq_if_available=False)
    except MemoryError:
        raise
    except Exception as error:  # whatever TensorFlow makes of another SavedModel
        raise LoadError(
            f"tensorpotential cannot load the model: {type(error).__name__}: {error}"[:500]
        ) from error
