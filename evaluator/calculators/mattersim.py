"""MatterSim: any checkpoint that its ``Potential.save`` wrote.

Yang et al., arXiv:2405.04967. Graphs and the network are the package's own, several structures in
one pass. The network turns its input into float32 on its way, so there is no double precision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from ase.data import chemical_symbols
from ase.units import GPa
from mattersim.datasets.utils.convertor import GraphConvertor
from mattersim.forcefield.m3gnet.m3gnet import M3Gnet
from mattersim.forcefield.potential import Potential, batch_to_dict
from torch_geometric.data import Batch, Data

from evaluator.calculators.base import LoadError, LoadRequest
from evaluator.calculators.graphs import GraphAdapter, Sized
from evaluator.calculators.structures import check_elements, periodic_cell, to_atoms, voigt_stress
from evaluator.calculators.torch_files import (
    describe,
    load_torch,
    refuse_half_precision,
    torch_dtype,
    use_threads,
)
from evaluator.wire import Info, Prediction, Structure

_EXPECTED = "a MatterSim checkpoint"
_SEND = "send the best_model.pth that training wrote"
#: Memory of a pass for each edge and each triple of atoms: as for M3GNet in matgl.
_EDGE_BYTES, _TRIPLE_BYTES = 25_000, 2_000


class MattersimAdapter(GraphAdapter[Data]):
    """Energies, forces and stress of a MatterSim. Always in single precision."""

    def load(self, request: LoadRequest) -> Info:
        torch_dtype(request)
        self._device = torch.device(request.device)
        use_threads(request)
        network = _build(request)
        network.eval().requires_grad_(False)
        self._potential = Potential(network, device=request.device)
        self._potential.eval()
        arguments = network.get_model_args()
        self._cutoff = float(arguments["cutoff"])
        self._convertor = GraphConvertor(
            "m3gnet", self._cutoff, True, float(arguments["threebody_cutoff"])
        )
        self._elements = tuple(chemical_symbols[1 : 1 + int(arguments["max_z"])])
        self.bound_passes(request.device)
        return Info(
            name="MatterSim",
            dtype="float32",
            device=request.device,
            elements=self._elements,
            n_parameters=sum(parameter.numel() for parameter in network.parameters()),
            cutoff_A=self._cutoff,
            versions={"mattersim": version("mattersim"), "torch": torch.__version__},
        )

    def build(self, structure: Structure) -> Sized[Data]:
        check_elements(structure, self._elements, "this MatterSim")
        atoms = to_atoms(structure)
        atoms.cell, atoms.pbc = periodic_cell(structure, clearance=2 * self._cutoff), True
        graph = self._convertor.convert(atoms)
        n_bytes = _EDGE_BYTES * graph.num_bonds + _TRIPLE_BYTES * graph.num_three_body
        return Sized(structure, graph, n_bytes)

    def predict(self, batch: Sequence[Sized[Data]], properties: Sequence[str]) -> list[Prediction]:
        joined = Batch.from_data_list([sized.graph for sized in batch])
        starts = joined.ptr.tolist()
        # Signed, as the package divides by it; taken before the pass, which strains the cells.
        volumes = np.linalg.det(joined.cell.double().numpy())
        out = self._potential(batch_to_dict(joined, device=self._device))
        energies, forces, stresses_GPa = (
            out[key].detach().cpu().numpy().astype(float)
            for key in ("total_energy", "forces", "stresses")
        )
        gradients = stresses_GPa * volumes[:, None, None] * GPa
        return [
            Prediction(
                energy=float(energies[k]),
                forces=forces[starts[k] : starts[k + 1]],
                stress=voigt_stress(gradients[k], sized.structure),
            )
            for k, sized in enumerate(batch)
        ]


def _build(request: LoadRequest) -> Any:  # noqa: ANN401  (torch's attributes are dynamic)
    """Rebuild the network from its arguments and weights. Raises LoadError."""
    loaded = load_torch(request.artifact, _EXPECTED)
    is_one = isinstance(loaded, Mapping) and {"model", "model_args", "model_name"} <= set(loaded)
    if not is_one or not isinstance(loaded["model_args"], Mapping):
        raise LoadError(f"the file is not {_EXPECTED} but {describe(loaded)}: {_SEND}")
    if loaded["model_name"] != "m3gnet":
        raise LoadError(
            f"the checkpoint is of the architecture {loaded['model_name']!r}; the package "
            "mattersim holds m3gnet alone"
        )
    refuse_half_precision(loaded["model"].values())
    try:
        # The package itself loads what fits and leaves the rest at random.
        network = M3Gnet(device=request.device, **loaded["model_args"]).to(request.device)
        network.load_state_dict(loaded["model"], strict=True)
    except MemoryError:
        raise
    except Exception as error:  # whatever wrong arguments lead to
        raise LoadError(
            f"the checkpoint's weights and arguments do not make a MatterSim: "
            f"{type(error).__name__}: {error}"[:500]
        ) from error
    return network
