"""MatGL potentials (M3GNet, TensorNet, ...) from a zip of the model's folder.

Chen and Ong, Nat. Comput. Sci. 2, 718 (2022), doi:10.1038/s43588-022-00349-3. The folder is the one
that ``Potential.save`` wrote. Graphs are those of matgl's own ASE calculator.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import matgl
import numpy as np
import torch
from ase.data import atomic_numbers
from matgl.apps.pes import Potential
from matgl.models import M3GNet
from torch_geometric.data import Batch, Data

from evaluator.calculators.archives import packed_further, unpack
from evaluator.calculators.base import InvalidArtifact, LoadError, LoadRequest
from evaluator.calculators.graphs import GraphAdapter, Sized
from evaluator.calculators.matgl_messages import use_messages
from evaluator.calculators.neighbors import Pairs, find_pairs, fractional
from evaluator.calculators.structures import check_elements, periodic_cell, voigt_stress
from evaluator.calculators.torch_files import (
    describe,
    dtype_name,
    load_torch,
    refuse_half_precision,
    torch_dtype,
    unwrapped,
    unwrapped_names,
    use_threads,
)
from evaluator.wire import FloatArray, Info, Prediction, Structure

_WEIGHTS = "state.pt"
_FILES = ("model.json", "model.pt", _WEIGHTS)
_EV_PER_A3_IN_GPA = 160.21766208
#: Memory of a pass for each edge and each triple of atoms of M3GNet, in float32: measured. Other
#: networks are taken for TensorNets of 64 units.
_M3GNET_EDGE_BYTES, _TRIPLE_BYTES, _EDGE_BYTES = 25_000, 2_000, 130_000


class MatglAdapter(GraphAdapter[Data]):
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
        self._types = {atomic_numbers[symbol]: i for i, symbol in enumerate(self._elements)}
        # The cutoff of M3GNet's triples of atoms; other networks have none.
        is_m3gnet = isinstance(network, M3GNet)
        self._triple_cutoff = network.threebody_cutoff if is_m3gnet else 0.0
        self._edge_bytes = _M3GNET_EDGE_BYTES if is_m3gnet else _EDGE_BYTES
        self.bound_passes(request.device)
        if potential.calc_charge or getattr(network, "include_state", False):
            self.max_pass_bytes = 0  # charges and states are for one structure at a time
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

    def build(self, structure: Structure) -> Sized[Data]:
        check_elements(structure, self._elements, "this MatGL model")
        cell = periodic_cell(structure, clearance=2 * self._cutoff)
        pairs = find_pairs(structure, cell, self._cutoff)
        graph = Data(
            num_nodes=len(structure.numbers),
            edge_index=torch.as_tensor(
                np.stack([pairs.centers, pairs.neighbors]), dtype=matgl.int_th
            ),
            pbc_offset=self._floats(pairs.images),
            node_type=torch.tensor([self._types[z] for z in structure.numbers.tolist()]),
            frac_coords=self._floats(fractional(structure, cell)),
            cell=self._floats(cell[np.newaxis]),
        )
        n_bytes = self._edge_bytes * len(pairs.centers) + _TRIPLE_BYTES * self._count_triples(pairs)
        return Sized(structure, graph, n_bytes * self._dtype.itemsize // 4)

    def predict(self, batch: Sequence[Sized[Data]], properties: Sequence[str]) -> list[Prediction]:
        graphs = [sized.graph for sized in batch]
        joined = Batch.from_data_list(graphs).to(self._device)
        cells = joined.cell
        state = torch.zeros(2, dtype=self._dtype, device=self._device)
        more = {}
        if self._potential.calc_charge:
            # Such a model is asked for one structure at a time; see ``load``.
            charge = float(batch[0].structure.charge)
            more["total_charge"] = torch.tensor(charge, dtype=self._dtype, device=self._device)
        out = self._potential(joined, cells, state, **more)
        energies, forces, stresses_GPa = (
            out[k].detach().cpu().numpy().astype(float) for k in range(3)
        )
        starts = joined.ptr.tolist()
        return [
            Prediction(
                energy=float(energies.reshape(-1)[k]),
                forces=forces[starts[k] : starts[k + 1]],
                stress=voigt_stress(
                    _strain_gradient(stresses_GPa.reshape(-1, 3, 3)[k], graph), sized.structure
                ),
            )
            for k, (sized, graph) in enumerate(zip(batch, graphs, strict=True))
        ]

    def _count_triples(self, pairs: Pairs) -> int:
        near = pairs.centers[pairs.distances_A <= self._triple_cutoff]
        n_near = np.bincount(near)
        return int((n_near * (n_near - 1)).sum())

    def _floats(self, values: object) -> torch.Tensor:
        return torch.tensor(values, dtype=self._dtype)


def _strain_gradient(stress_GPa: FloatArray, graph: Data) -> FloatArray:
    """dE/dstrain (3, 3) in eV, from the stress over the volume of the graph's own box."""
    volume = abs(float(np.linalg.det(graph.cell[0].double().cpu().numpy())))
    return stress_GPa * (volume / _EV_PER_A3_IN_GPA)


def _model_folder(folder: Path) -> Path:
    """The one folder that holds a model's three files. Raises InvalidArtifact."""
    folders = sorted(path.parent for path in folder.rglob(_FILES[0]))
    if not folders and any(folder.rglob("data.pkl")):
        raise InvalidArtifact(
            "the file is one that torch.save wrote (a checkpoint of Lightning, a pickled model, "
            "weights): load it where it was trained, and send a zip of the folder that "
            "potential.save('folder') writes"
        )
    if not folders and (inner := packed_further(folder)):
        raise InvalidArtifact(f"the archive holds nothing but another one, {inner}: send that")
    if len(folders) != 1:
        raise InvalidArtifact(f"the zip must hold one model.json; it holds {len(folders)}")
    missing = [name for name in _FILES if not (folders[0] / name).is_file()]
    if missing:
        raise InvalidArtifact(f"the model's folder lacks {', '.join(missing)}")
    return folders[0]


def _tidy_weights(path: Path) -> None:
    """Write weights as matgl reads them, out of what training left around them."""
    loaded = unwrapped(load_torch(path, "the weights of a MatGL potential"))
    held = loaded.state_dict() if isinstance(loaded, torch.nn.Module) else loaded
    if not isinstance(held, Mapping):
        raise LoadError(f"{path.name} holds {describe(held)}: potential.save writes a state dict")
    weights = unwrapped_names(held)
    refuse_half_precision(weights.values())
    if weights is not loaded:
        torch.save(dict(weights), path)


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
    _tidy_weights(folder / _WEIGHTS)
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
