"""SevenNet: any checkpoint that its trainer wrote, one modality of it where it has several.

Park et al., J. Chem. Theory Comput. 20, 4857 (2024), doi:10.1021/acs.jctc.4c00190. Graphs and the
network are the package's own, which asks for one structure at a time and in float32 alone; here
several are judged in one pass, and the precision is the one asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from ase.data import chemical_symbols
from sevenn import _keys as KEY  # noqa: N812  (its own name for it)
from sevenn.atom_graph_data import AtomGraphData
from sevenn.checkpoint import SevenNetCheckpoint
from sevenn.nn.force_output import ForceStressOutputFromEdge
from sevenn.nn.node_embedding import OnehotEmbedding
from sevenn.nn.sequential import AtomGraphSequential
from sevenn.train.dataload import unlabeled_atoms_to_graph
from torch_geometric.data import Batch

from evaluator.calculators.base import LoadError, LoadRequest
from evaluator.calculators.choices import choose
from evaluator.calculators.graphs import GraphAdapter, Sized
from evaluator.calculators.structures import check_elements, periodic_cell, to_atoms, voigt_stress
from evaluator.calculators.torch_files import (
    describe,
    dtype_name,
    load_torch,
    refuse_half_precision,
    torch_dtype,
    use_threads,
)
from evaluator.wire import FloatArray, Info, Prediction, Structure

_EXPECTED = "a SevenNet checkpoint"
_SEND = "send the checkpoint_*.pth that sevenn wrote, with its config"
_CONVERTED = f"it was deployed, perhaps for LAMMPS: {_SEND}, from which it was made"
#: Numbers kept of each channel of a layer's features for an edge: measured.
_COPIES = 3


class SevennetAdapter(GraphAdapter[AtomGraphData]):
    """Energies, forces and stress of a SevenNet."""

    def load(self, request: LoadRequest) -> Info:
        self._dtype = torch_dtype(request)
        self._device = torch.device(request.device)
        use_threads(request)
        model = _build(request)
        self._modal = choose(
            "modal",
            str(request.settings.get("modal", "")),
            sorted(model.modal_map or ()),
            "this SevenNet",
        )
        model.set_is_batch_data(True)
        model.eval().requires_grad_(False)
        for module in model.modules():
            if isinstance(module, OnehotEmbedding):
                module.register_forward_hook(self._in_precision)
        self._model = model.to(device=self._device, dtype=self._dtype)
        self._elements = tuple(chemical_symbols[z] for z in sorted(model.type_map))
        self._cutoff = float(model.cutoff)
        self._edge_bytes = _edge_bytes(model) * self._dtype.itemsize
        self.bound_passes(request.device)
        return Info(
            name=f"SevenNet, modal {self._modal}" if self._modal else "SevenNet",
            dtype=dtype_name(self._dtype),
            device=request.device,
            elements=self._elements,
            n_parameters=sum(parameter.numel() for parameter in model.parameters()),
            cutoff_A=self._cutoff,
            versions={"sevenn": version("sevenn"), "torch": torch.__version__},
        )

    def build(self, structure: Structure) -> Sized[AtomGraphData]:
        check_elements(structure, self._elements, "this SevenNet")
        atoms = to_atoms(structure)
        atoms.cell, atoms.pbc = periodic_cell(structure, clearance=2 * self._cutoff), True
        arrays = unlabeled_atoms_to_graph(atoms, self._cutoff)
        graph = AtomGraphData(
            **{name: self._tensor(value) for name, value in arrays.items() if name != KEY.INFO}
        )
        # The network divides by it what is wanted here: the gradient of the energy by strain.
        graph[KEY.CELL_VOLUME] = torch.ones((), dtype=self._dtype)
        if self._modal:
            graph[KEY.DATA_MODALITY] = self._modal
        return Sized(structure, graph, self._edge_bytes * graph[KEY.EDGE_IDX].shape[1])

    def predict(
        self, batch: Sequence[Sized[AtomGraphData]], properties: Sequence[str]
    ) -> list[Prediction]:
        joined = Batch.from_data_list([sized.graph for sized in batch])
        starts = joined.ptr.tolist()
        out = self._model(joined.to(self._device))
        energies, forces, stresses = (
            out[key].detach().cpu().numpy().astype(float)
            for key in (KEY.PRED_TOTAL_ENERGY, KEY.PRED_FORCE, KEY.PRED_STRESS)
        )
        return [
            Prediction(
                energy=float(energies.reshape(-1)[k]),
                forces=forces[starts[k] : starts[k + 1]],
                stress=voigt_stress(_strain_gradient(stresses[k]), sized.structure),
            )
            for k, sized in enumerate(batch)
        ]

    def _in_precision(self, module: OnehotEmbedding, _: Any, data: Any) -> Any:  # noqa: ANN401
        """Elements as numbers of the network's precision; the package writes float32 always."""
        for key in filter(None, (module.key_output, module.key_additional_output)):
            data[key] = data[key].to(self._dtype)
        return data

    def _tensor(self, value: Any) -> torch.Tensor:  # noqa: ANN401
        tensor = torch.as_tensor(value)
        return tensor.to(self._dtype if tensor.is_floating_point() else torch.int64)


def _strain_gradient(pressure: FloatArray) -> FloatArray:
    """dE/dstrain (3, 3) in eV from the network's own six numbers: minus it, xx yy zz xy yz zx."""
    xx, yy, zz, xy, yz, zx = -pressure
    return np.array([[xx, xy, zx], [xy, yy, yz], [zx, yz, zz]])


def _build(request: LoadRequest) -> AtomGraphSequential:
    """Rebuild the network from its config and weights. Raises LoadError."""
    loaded = load_torch(request.artifact, _EXPECTED, _CONVERTED)
    weights = loaded.get("model_state_dict") if isinstance(loaded, Mapping) else None
    config = loaded.get("config") if isinstance(loaded, Mapping) else None
    if not isinstance(weights, Mapping) or not isinstance(config, Mapping):
        raise LoadError(f"the file is not {_EXPECTED} but {describe(loaded)}: {_SEND}")
    refuse_half_precision(weights.values())
    try:
        model = SevenNetCheckpoint(request.artifact).build_model()
    except MemoryError:
        raise
    except Exception as error:  # configs are programs of their own: whatever is wrong with one
        raise LoadError(
            f"the checkpoint's config and weights do not make a SevenNet of sevenn "
            f"{version('sevenn')}: {type(error).__name__}: {error}"[:500]
        ) from error
    output = model._modules.get("force_output")
    if not isinstance(output, ForceStressOutputFromEdge) or not model.type_map:
        raise LoadError("this SevenNet has no output of forces and stress: train it for forces")
    return model


def _edge_bytes(model: AtomGraphSequential) -> int:
    """About how many numbers a pass keeps for each edge: those of its widest tensor products."""
    return _COPIES * sum(
        int(module.convolution.irreps_out.dim)
        for name, module in model.named_children()
        if name.endswith("_convolution")
    )
