"""MatGL potentials (M3GNet, TensorNet, ...) from a zip of the model's folder.

Chen and Ong, Nat. Comput. Sci. 2, 718 (2022), doi:10.1038/s43588-022-00349-3. The folder is the one
that ``Potential.save`` wrote. Graphs are those of matgl's own ASE calculator.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import matgl
import numpy as np
import torch
from matgl.apps.pes import Potential
from matgl.ext.ase import Atoms2Graph

from evaluator.calculators.archives import unpack
from evaluator.calculators.base import Adapter, Info, InvalidArtifact, LoadError, LoadRequest
from evaluator.calculators.matgl_messages import use_messages
from evaluator.calculators.structures import check_elements, periodic_cell, to_atoms, voigt_stress
from evaluator.calculators.torch_files import dtype_name, torch_dtype, use_threads
from evaluator.sandbox.wire import Prediction, Structure

_FILES = ("model.json", "model.pt", "state.pt")
_EV_PER_A3_IN_GPA = 160.21766208


class MatglAdapter(Adapter):
    """Energies, forces and stress of a ``matgl.apps.pes.Potential``."""

    def load(self, request: LoadRequest) -> Info:
        self._dtype = torch_dtype(request)
        self._device = torch.device(request.device)
        use_threads(request)
        potential, described = _load_potential(_model_folder(unpack(request.artifact)))
        chosen = request.settings.get("message_passing", "auto")
        network: Any = potential.model
        messages = use_messages(network, described["kwargs"]["model"], chosen)
        potential.calc_forces = potential.calc_stresses = True
        potential.calc_hessian = potential.debug_mode = False
        potential.eval().requires_grad_(False)
        self._potential = potential.to(device=self._device, dtype=self._dtype)
        self._elements = tuple(str(symbol) for symbol in network.element_types)
        self._cutoff = float(network.cutoff)
        self._converter = Atoms2Graph(self._elements, self._cutoff)
        return Info(
            name=type(network).__name__,
            dtype=dtype_name(self._dtype),
            device=request.device,
            elements=self._elements,
            n_parameters=sum(parameter.numel() for parameter in potential.parameters()),
            cutoff_A=self._cutoff,
            versions={
                "matgl": version("matgl"),
                "torch": torch.__version__,
                "message_passing": messages,
            },
        )

    def compute(
        self, structures: Sequence[Structure], properties: Sequence[str]
    ) -> list[Prediction]:
        return [self._predict(structure) for structure in structures]

    def _predict(self, structure: Structure) -> Prediction:
        check_elements(structure, self._elements, "this MatGL model")
        atoms = to_atoms(structure)
        atoms.cell, atoms.pbc = periodic_cell(structure, clearance=2 * self._cutoff), True
        graph, _, state = self._converter.get_graph(atoms)
        # The converter rounds to float32; the potential follows what it is given.
        graph.frac_coords = self._floats(atoms.get_scaled_positions(wrap=False))
        lattice = self._floats(atoms.cell.array[np.newaxis])
        if self._potential.calc_charge:
            neutral = torch.zeros((), dtype=self._dtype)
            out = self._potential(graph, lattice, state, total_charge=neutral)
        else:
            out = self._potential(graph, lattice, state)
        energy, forces, stress_GPa = (out[k].detach().cpu().numpy().astype(float) for k in range(3))
        strain_gradient = stress_GPa.reshape(3, 3) * (atoms.get_volume() / _EV_PER_A3_IN_GPA)
        return Prediction(
            energy=energy.item(),
            forces=forces,
            stress=voigt_stress(strain_gradient, structure),
        )

    def _floats(self, values: object) -> torch.Tensor:
        return torch.tensor(values, dtype=self._dtype)


def _model_folder(folder: Path) -> Path:
    """The one folder that holds a model's three files. Raises InvalidArtifact."""
    found = sorted(path.parent for path in folder.rglob(_FILES[0]))
    if len(found) != 1:
        raise InvalidArtifact(f"the zip must hold one model.json; it holds {len(found)}")
    missing = [name for name in _FILES if not (found[0] / name).is_file()]
    if missing:
        raise InvalidArtifact(f"the model's folder lacks {', '.join(missing)}")
    return found[0]


def _load_potential(folder: Path) -> tuple[Potential, dict[str, Any]]:
    """Load a model that is a potential; return it with its model.json. Raises LoadError."""
    try:
        described: dict[str, Any] = json.loads((folder / "model.json").read_bytes())
        described_class = described["@class"]
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidArtifact(f"model.json is not one of MatGL: {error!r}"[:300]) from error
    if described_class != "Potential":
        raise LoadError(
            f"the model is a {described_class!r}; an interatomic potential is a MatGL Potential"
        )
    try:
        potential = matgl.load_model(folder)
    except Exception as error:
        # matgl wraps the cause in one that says nothing.
        cause = error.__cause__ or error
        raise LoadError(
            f"matgl cannot load the model: {type(cause).__name__}: {cause}"[:500]
        ) from error
    if not isinstance(potential, Potential):
        raise LoadError(f"the model is a {type(potential).__name__}, not a MatGL Potential")
    return potential, described
