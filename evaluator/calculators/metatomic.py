"""Metatomic: exported models (PET, SOAP-BPNN and others), one variant of the energy of each.

Bigi et al., arXiv:2508.15704. The file is TorchScript, whatever trained it. Each structure is asked
of the package's own ASE calculator, without the skin by which it would remember the one before.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from ase.data import chemical_symbols
from metatomic.torch import load_atomistic_model
from metatomic_ase import MetatomicCalculator

from evaluator.calculators.ase_calculator import predict
from evaluator.calculators.base import Adapter, InvalidArtifact, LoadError, LoadRequest
from evaluator.calculators.choices import choose
from evaluator.calculators.structures import check_elements, to_atoms
from evaluator.calculators.torch_files import use_threads
from evaluator.wire import Info, Prediction, Structure

_EXPECTED = "an exported metatomic model"
_ENERGY = "energy"


class MetatomicAdapter(Adapter):
    """Energies, forces and stress of one variant of a model, in its own precision."""

    max_batch_structures = 16

    def load(self, request: LoadRequest) -> Info:
        use_threads(request)
        model = _load(request.artifact)
        capabilities = model.capabilities()
        outputs = [str(name) for name in capabilities.outputs]
        if not any(name.split("/")[0] == _ENERGY for name in outputs):
            raise LoadError(f"the model has no energy; its outputs are {', '.join(outputs)}")
        variants = sorted(n.partition("/")[2] for n in outputs if n.startswith(f"{_ENERGY}/"))
        wanted = str(request.settings.get("variant", ""))
        # A plain energy beside variants is the one that the model's author meant without a word.
        variant = (
            wanted
            if _ENERGY in outputs and not wanted
            else choose("variant", wanted, variants, "this model")
        )
        self._calculator = MetatomicCalculator(
            model,
            device=request.device,
            variants={_ENERGY: variant} if variant else None,
            uncertainty_threshold=None,
            neighbor_skin=0.0,
        )
        self._elements = tuple(chemical_symbols[z] for z in sorted(capabilities.atomic_types))
        return Info(
            name=f"metatomic, variant {variant}" if variant else "metatomic",
            dtype=str(capabilities.dtype),
            device=request.device,
            elements=self._elements,
            n_parameters=sum(parameter.numel() for parameter in model.parameters()) or None,
            cutoff_A=_reach(capabilities),
            versions={
                "metatomic-torch": version("metatomic-torch"),
                "metatomic-ase": version("metatomic-ase"),
                "torch": torch.__version__,
            },
        )

    def compute(
        self, structures: Sequence[Structure], properties: Sequence[str]
    ) -> list[Prediction]:
        return [self._predict(structure, properties) for structure in structures]

    def _predict(self, structure: Structure, properties: Sequence[str]) -> Prediction:
        check_elements(structure, self._elements, "this model")
        atoms = to_atoms(structure)
        # What is not periodic has no cell there, and no stress.
        atoms.cell[~atoms.pbc] = 0.0
        wanted = properties if structure.pbc.all() else [p for p in properties if p != "stress"]
        self._calculator.reset()
        return predict(self._calculator, atoms, [p for p in wanted if p != "magmoms"])


def _reach(capabilities: Any) -> float | None:  # noqa: ANN401
    """How far atoms reach, in Å; None for models without an end, or in other units."""
    reach = float(capabilities.interaction_range)
    is_known = capabilities.length_unit.lower() in ("angstrom", "å", "a")
    return reach if is_known and reach < float("inf") else None


def _load(artifact: Path) -> Any:  # noqa: ANN401
    """The scripted model. Raises InvalidArtifact for another file, LoadError for what fails."""
    if not zipfile.is_zipfile(artifact):
        raise InvalidArtifact(f"the file is no TorchScript archive; expected is {_EXPECTED}")
    with zipfile.ZipFile(artifact) as archive:
        names = [name.split("/", 1)[-1] for name in archive.namelist()]
    if "constants.pkl" not in names:
        raise InvalidArtifact(
            f"the file is not {_EXPECTED} but perhaps a checkpoint of its training: export it (mtt "
            "export model.ckpt)"
        )
    try:
        return load_atomistic_model(str(artifact))
    except MemoryError:
        raise
    except Exception as error:  # whatever torch makes of it, extensions that are missing first
        raise LoadError(
            f"metatomic cannot load the model: {type(error).__name__}: {error}"[:500]
        ) from error
