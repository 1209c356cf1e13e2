"""DIEP: a zip of the folder that ``diep.export`` wrote: model.json, model.pt, state.pt.

Tawfik et al., Digital Discovery (2024), direct integration of the external potential. Graphs and
the network are those of the package's own ASE calculator, several structures in one pass. What is
not periodic is put into a box; the package asks for a cell of three vectors there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase.data import atomic_numbers
from diep import config
from diep.apps.pes import Potential
from diep.graph.compute import DIEPData
from torch_geometric.data import Batch

from evaluator.calculators.base import InvalidArtifact, LoadError, LoadRequest
from evaluator.calculators.graphs import GraphAdapter, Sized
from evaluator.calculators.model_folders import unpacked_model
from evaluator.calculators.neighbors import find_pairs, fractional
from evaluator.calculators.structures import check_elements, periodic_cell, voigt_stress
from evaluator.calculators.torch_files import (
    dtype_name,
    load_torch,
    refuse_half_precision,
    torch_dtype,
    use_threads,
)
from evaluator.wire import Info, Prediction, Structure

_WEIGHTS = "state.pt"
_FILES = ("model.json", "model.pt", _WEIGHTS)
_EV_PER_A3_IN_GPA = 160.21766208
#: Memory of a pass for each edge, in float32, its triples of atoms among it: measured in silicon.
_EDGE_BYTES = 290_000


class DiepAdapter(GraphAdapter[DIEPData]):
    """Energies, forces and stress of a ``diep.apps.pes.Potential``."""

    def load(self, request: LoadRequest) -> Info:
        self._dtype = torch_dtype(request)
        self._device = torch.device(request.device)
        use_threads(request)
        potential = _load_potential(unpacked_model(request.artifact, _FILES, "a DIEP model"))
        potential.calc_forces = potential.calc_stresses = True
        potential.calc_hessian = potential.apply_chunking = potential.debug_mode = False
        potential.eval().requires_grad_(False)
        self._potential = potential.to(device=self._device, dtype=self._dtype)
        network: Any = potential.model
        self._elements = tuple(str(symbol) for symbol in network.element_types)
        self._types = {atomic_numbers[symbol]: i for i, symbol in enumerate(self._elements)}
        self._cutoff = float(network.cutoff)
        self.bound_passes(request.device)
        return Info(
            name="DIEP",
            dtype=dtype_name(self._dtype),
            device=request.device,
            elements=self._elements,
            n_parameters=sum(parameter.numel() for parameter in potential.parameters()),
            cutoff_A=self._cutoff,
            versions={"diep": version("diep"), "torch": torch.__version__},
        )

    def build(self, structure: Structure) -> Sized[DIEPData]:
        check_elements(structure, self._elements, "this DIEP")
        cell = periodic_cell(structure, clearance=2 * self._cutoff)
        pairs = find_pairs(structure, cell, self._cutoff)
        graph = DIEPData(
            edge_index=torch.as_tensor(np.stack([pairs.centers, pairs.neighbors])).long(),
            num_nodes=len(structure.numbers),
            node_type=torch.tensor([self._types[z] for z in structure.numbers.tolist()]),
            frac_coords=self._floats(fractional(structure, cell)),
            pbc_offset=self._floats(pairs.images),
            lattice=self._floats(cell[np.newaxis]),
        )
        n_bytes = _EDGE_BYTES * len(pairs.centers) * self._dtype.itemsize // 4
        return Sized(structure, graph, n_bytes)

    def predict(
        self, batch: Sequence[Sized[DIEPData]], properties: Sequence[str]
    ) -> list[Prediction]:
        # The package converts to this precision on its way, wherever the weights have another.
        config.float_th = self._dtype
        joined = Batch.from_data_list([sized.graph for sized in batch]).to(self._device)
        starts, cells = joined.ptr.tolist(), joined.lattice
        out = self._potential(joined, cells, torch.zeros(2, dtype=self._dtype))
        energies, forces, stresses_GPa = (
            out[k].detach().cpu().numpy().astype(float) for k in range(3)
        )
        volumes = np.abs(np.linalg.det(cells.double().cpu().numpy()))
        gradients = stresses_GPa.reshape(-1, 3, 3) * volumes[:, None, None] / _EV_PER_A3_IN_GPA
        return [
            Prediction(
                energy=float(energies.reshape(-1)[k]),
                forces=forces[starts[k] : starts[k + 1]],
                stress=voigt_stress(gradients[k], sized.structure),
            )
            for k, sized in enumerate(batch)
        ]

    def _floats(self, values: object) -> torch.Tensor:
        return torch.tensor(values, dtype=self._dtype)


def _load_potential(folder: Path) -> Potential:
    """Load a model that is a potential of DIEP. Raises LoadError."""
    try:
        described = json.loads((folder / "model.json").read_bytes())
        network = described["kwargs"]["model"]["@class"]
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidArtifact(f"model.json is not one of DIEP: {error!r}"[:300]) from error
    if described.get("@class") != "Potential" or network != "DIEP":
        raise LoadError(
            f"the model is a {described.get('@class')!r} of {network!r}, not a potential of DIEP; "
            "M3GNet, TensorNet and their kin are kind matgl"
        )
    weights = load_torch(folder / _WEIGHTS, "the weights of a DIEP potential")
    refuse_half_precision(weights.values() if isinstance(weights, dict) else ())
    try:
        return Potential.load(folder)
    except MemoryError:
        raise
    except Exception as error:  # whatever the package makes of wrong arguments or weights
        raise LoadError(
            f"the folder's arguments and weights do not make a DIEP of diep {version('diep')}: "
            f"{type(error).__name__}: {error}"[:500]
        ) from error
