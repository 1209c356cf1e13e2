"""Extended tight binding as in tblite: semi-empirical, parameters for H to Rn in the package.

GFN2-xTB: Bannwarth, Ehlert, Grimme, J. Chem. Theory Comput. 15, 1652 (2019),
doi:10.1021/acs.jctc.8b01176. The artifact is a JSON object, as ``evaluator/json_artifacts.py``
says. Charge and spin multiplicity are each structure's own. A crystal's cell is sampled at the Γ
point alone: energies of small cells are not those of the crystal. Each structure begins from the
same guess, so that no answer depends on the one before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

import numpy as np
from ase.data import chemical_symbols
from ase.units import Bohr, Hartree, kB
from tblite.interface import Calculator

from evaluator import json_artifacts
from evaluator.calculators.base import Adapter, LoadError, LoadRequest, UnsupportedStructure
from evaluator.calculators.json_artifact import read_artifact
from evaluator.calculators.structures import check_elements, voigt_stress
from evaluator.wire import Info, Prediction, Structure

_ELEMENTS = tuple(chemical_symbols[1:87])


class XtbAdapter(Adapter):
    """Energies, forces and stress of a tight-binding method. Always in double precision."""

    max_batch_structures = 64

    def load(self, request: LoadRequest) -> Info:
        if request.device != "cpu":
            raise LoadError(f"xTB computes on the processor alone, not on {request.device}")
        self._file = read_artifact(request.artifact, json_artifacts.read_xtb)
        return Info(
            name=self._file.method,
            dtype="float64",
            device="cpu",
            elements=_ELEMENTS,
            versions={"tblite": version("tblite")},
        )

    def compute(
        self, structures: Sequence[Structure], properties: Sequence[str]
    ) -> list[Prediction]:
        return [self._predict(structure) for structure in structures]

    def _predict(self, structure: Structure) -> Prediction:
        result = self._calculator(structure).singlepoint()
        # tblite answers with the virial in the sign of dE/dstrain.
        virial = np.asarray(result["virial"]) * Hartree if structure.pbc.all() else None
        return Prediction(
            energy=float(result["energy"]) * Hartree,
            forces=-np.asarray(result["gradient"]) * (Hartree / Bohr),
            stress=None if virial is None else voigt_stress(virial, structure),
        )

    def _calculator(self, structure: Structure) -> Calculator:
        check_elements(structure, _ELEMENTS, self._file.method)
        periodic = structure.pbc.all()
        if structure.pbc.any() and not periodic:
            raise UnsupportedStructure(
                f"{self._file.method} is for molecules and for what is periodic in three "
                "directions, not in one or two"
            )
        n_unpaired = structure.spin - 1
        n_protons = int(structure.numbers.sum())
        if (n_protons - structure.charge - n_unpaired) % 2:
            # An odd number of electrons has a free spin, whether it was told or not.
            n_unpaired += 1
        calculator = Calculator(
            self._file.method,
            structure.numbers,
            structure.positions / Bohr,
            float(structure.charge),
            n_unpaired,
            structure.cell / Bohr if periodic else None,
            structure.pbc if periodic else None,
        )
        calculator.set("verbosity", 0)
        calculator.set("accuracy", self._file.accuracy)
        calculator.set("temperature", self._file.electronic_temperature_K * kB / Hartree)
        return calculator
