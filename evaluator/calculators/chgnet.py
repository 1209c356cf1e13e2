"""CHGNet: any checkpoint that its trainer wrote.

Deng et al., Nat. Mach. Intell. 5, 1031 (2023), doi:10.1038/s42256-023-00716-3. The network is the
chgnet package's own. Two things around it are done here, because its own way is made for training
in float32: the graph is built from arrays, without pymatgen's objects and in the precision asked
for; and forces and stress come from one backward pass that keeps no second-order graph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from ase.data import chemical_symbols

from evaluator.calculators.base import LoadError, LoadRequest
from evaluator.calculators.graphs import GraphAdapter, Sized
from evaluator.calculators.neighbors import find_pairs, fractional
from evaluator.calculators.structures import check_elements, periodic_cell, voigt_stress
from evaluator.calculators.torch_files import (
    describe,
    dtype_name,
    has_weights_alone,
    is_chgnet_checkpoint,
    load_torch,
    refuse_half_precision,
    refuse_quantized,
    torch_dtype,
    unwrapped_names,
    use_threads,
    whole_model,
)
from evaluator.wire import Info, Prediction, Structure

# In this order: see the stand-in.
from evaluator.calculators import nvidia_smi_stand_in  # noqa: F401  isort: skip
from chgnet.graph.crystalgraph import CrystalGraph  # isort: skip
from chgnet.model.composition_model import AtomRef  # isort: skip
from chgnet.model.model import BatchedGraph, CHGNet  # isort: skip

_EXPECTED = "a CHGNet checkpoint"
_SEND = "send what model.save or the trainer wrote, or torch.save of the whole model"
#: Memory of a pass for each directed bond and each angle, in float32: measured.
_BOND_BYTES, _ANGLE_BYTES = 18_000, 20_000


class ChgnetAdapter(GraphAdapter[CrystalGraph]):
    """Energies (total), forces, stress and magnetic moments of a CHGNet."""

    def load(self, request: LoadRequest) -> Info:
        self._dtype = torch_dtype(request)
        self._device = torch.device(request.device)
        use_threads(request)
        loaded = whole_model(load_torch(request.artifact, _EXPECTED), (CHGNet,))
        if isinstance(loaded, CHGNet):  # torch.save of the model itself
            refuse_quantized(loaded)
            loaded = loaded.as_dict()
        if not is_chgnet_checkpoint(loaded):
            description = describe(loaded)
            advice = f": {_SEND}" if has_weights_alone(description) else ""
            raise LoadError(f"the file is not {_EXPECTED} but {description}{advice}")

        model = _build(loaded.get("model", loaded))
        model.eval().requires_grad_(False)
        self._model = model.to(device=self._device, dtype=self._dtype)
        self._elements = tuple(
            chemical_symbols[1 : 1 + model.atom_embedding.embedding.num_embeddings]
        )
        self.bound_passes(request.device)
        return Info(
            name=f"CHGNet {model.version or ''}".strip(),
            dtype=dtype_name(self._dtype),
            device=request.device,
            properties=("energy", "forces", "stress", "magmoms"),
            elements=self._elements,
            n_parameters=model.n_params,
            cutoff_A=float(model.graph_converter.atom_graph_cutoff),
            versions={"chgnet": version("chgnet"), "torch": torch.__version__},
        )

    def build(self, structure: Structure) -> Sized[CrystalGraph]:
        graph = self._graph(structure)
        n_bytes = _BOND_BYTES * len(graph.atom_graph) + _ANGLE_BYTES * len(graph.bond_graph)
        return Sized(structure, graph, n_bytes * self._dtype.itemsize // 4)

    def predict(
        self, batch: Sequence[Sized[CrystalGraph]], properties: Sequence[str]
    ) -> list[Prediction]:
        graphs = [sized.graph for sized in batch]
        joined = BatchedGraph.from_graphs(
            graphs,
            bond_basis_expansion=self._model.bond_basis_expansion,
            angle_basis_expansion=self._model.angle_basis_expansion,
            compute_stress=True,
        )
        wants_magmoms = "magmoms" in properties
        out = self._model._compute(joined, compute_magmom=wants_magmoms)
        energies = out["e"] * out["atoms_per_graph"] if self._model.is_intensive else out["e"]
        gradients = torch.autograd.grad(energies.sum(), [*joined.atom_positions, *joined.strains])

        totals = energies.detach().cpu().numpy().astype(float) + self._reference_energies(graphs)
        arrays = [gradient.cpu().numpy().astype(float) for gradient in gradients]
        n = len(batch)
        return [
            Prediction(
                energy=float(totals[k]),
                forces=-arrays[k],
                stress=voigt_stress(arrays[n + k], sized.structure),
                magmoms=out["m"][k].detach().cpu().numpy().astype(float) if wants_magmoms else None,
            )
            for k, sized in enumerate(batch)
        ]

    def _reference_energies(self, graphs: Sequence[CrystalGraph]) -> np.ndarray[Any, Any]:
        """The energies of the composition model in eV, shape (n_graphs,)."""
        composition: Any = self._model.composition_model
        if composition is None:
            return np.zeros(len(graphs))
        # A sum over atoms, which is also what the model's mean over the formula comes to.
        weights = composition.fc.weight.cpu().numpy().astype(float).ravel()
        return np.array([weights[graph.atomic_number.cpu().numpy() - 1].sum() for graph in graphs])

    def _graph(self, structure: Structure) -> CrystalGraph:
        """What CHGNet's converter makes of a structure, in the precision of the model.

        An atom without neighbours is judged by its embedding alone, as CHGNetCalculator does.
        """
        check_elements(structure, self._elements, "this CHGNet")
        converter = self._model.graph_converter
        cutoff = float(converter.atom_graph_cutoff)
        cell = periodic_cell(structure, clearance=2 * cutoff)
        pairs = find_pairs(structure, cell, cutoff)
        graph = converter.create_graph(
            len(structure.numbers),
            pairs.centers,
            pairs.neighbors,
            pairs.images,
            pairs.distances_A,
        )
        atom_graph, directed2undirected = graph.adjacency_list()
        bond_graph, undirected2directed = graph.line_graph_adjacency_list(
            cutoff=converter.bond_graph_cutoff
        )
        return CrystalGraph(
            atomic_number=self._integers(structure.numbers),
            atom_frac_coord=self._floats(fractional(structure, cell)),
            atom_graph=self._integers(atom_graph),
            atom_graph_cutoff=cutoff,
            neighbor_image=self._floats(pairs.images),
            directed2undirected=self._integers(directed2undirected),
            undirected2directed=self._integers(undirected2directed),
            bond_graph=self._integers(bond_graph),
            bond_graph_cutoff=converter.bond_graph_cutoff,
            lattice=self._floats(cell),
        )

    def _integers(self, values: Any) -> torch.Tensor:  # noqa: ANN401
        return torch.as_tensor(np.asarray(values, dtype=np.int32), device=self._device)

    def _floats(self, values: Any) -> torch.Tensor:  # noqa: ANN401
        return torch.tensor(values, dtype=self._dtype, device=self._device)


def _build(checkpoint: Mapping[str, Any]) -> CHGNet:
    """Rebuild the network from its arguments and weights. Raises LoadError."""
    arguments = dict(checkpoint["model_args"])
    weights = unwrapped_names(checkpoint["state_dict"])
    refuse_half_precision(weights.values())
    if not isinstance(arguments.get("composition_model"), str | None):
        raise LoadError("this CHGNet carries a composition model of its own, not one by name")
    # Checkpoints of version 0.2.0 have a bias that their arguments do not mention.
    has_bias = "atom_conv_layers.0.mlp_out.layers.1.bias" in weights
    try:
        model = CHGNet(**arguments | {"mlp_out_bias": has_bias})
        model.load_state_dict(weights)
    except (RuntimeError, TypeError, ValueError, KeyError) as error:
        raise LoadError(
            f"the checkpoint's weights and arguments do not make a CHGNet: {error}"[:500]
        ) from error
    if model.composition_model is not None and not isinstance(model.composition_model, AtomRef):
        raise LoadError("this CHGNet's composition model is not a sum over atoms")
    return model
