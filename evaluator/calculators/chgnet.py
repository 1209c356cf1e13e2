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
from chgnet.graph.crystalgraph import CrystalGraph
from chgnet.model.composition_model import AtomRef
from chgnet.model.model import BatchedGraph, CHGNet
from pymatgen.optimization.neighbors import find_points_in_spheres

from evaluator.calculators.base import (
    Adapter,
    Info,
    LoadError,
    LoadRequest,
)
from evaluator.calculators.structures import check_elements, periodic_cell, voigt_stress
from evaluator.calculators.torch_files import (
    describe,
    dtype_name,
    is_chgnet_checkpoint,
    load_torch,
    torch_dtype,
    use_threads,
)
from evaluator.sandbox.wire import Prediction, Structure

_EXPECTED = "a CHGNet checkpoint"
_SAME_POINT_A = 1e-8  # closer pairs are one atom seen twice, as in CHGNet's own converter


class ChgnetAdapter(Adapter):
    """Energies (total), forces, stress and magnetic moments of a CHGNet."""

    def load(self, request: LoadRequest) -> Info:
        self._dtype = torch_dtype(request)
        self._device = torch.device(request.device)
        use_threads(request)
        loaded = load_torch(request.artifact, _EXPECTED)
        if isinstance(loaded, CHGNet):  # torch.save of the model itself
            loaded = loaded.as_dict()
        if not is_chgnet_checkpoint(loaded):
            raise LoadError(f"the file is not {_EXPECTED} but {describe(loaded)}")

        model = _build(loaded.get("model", loaded))
        model.eval().requires_grad_(False)
        self._model = model.to(device=self._device, dtype=self._dtype)
        self._elements = tuple(
            chemical_symbols[1 : 1 + model.atom_embedding.embedding.num_embeddings]
        )
        if self._device.type != "cpu":
            # On two CPU cores gathering structures into one pass was slower than one at a time.
            self.max_batch_structures, self.max_batch_atoms = 32, 1024
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

    def compute(
        self, structures: Sequence[Structure], properties: Sequence[str]
    ) -> list[Prediction]:
        graphs = [self._graph(structure) for structure in structures]
        batch = BatchedGraph.from_graphs(
            graphs,
            bond_basis_expansion=self._model.bond_basis_expansion,
            angle_basis_expansion=self._model.angle_basis_expansion,
            compute_stress=True,
        )
        wants_magmoms = "magmoms" in properties
        out = self._model._compute(batch, compute_magmom=wants_magmoms)
        energies = out["e"] * out["atoms_per_graph"] if self._model.is_intensive else out["e"]
        gradients = torch.autograd.grad(energies.sum(), [*batch.atom_positions, *batch.strains])

        totals = energies.detach().cpu().numpy().astype(float) + self._reference_energies(graphs)
        arrays = [gradient.cpu().numpy().astype(float) for gradient in gradients]
        n = len(structures)
        return [
            Prediction(
                energy=float(totals[k]),
                forces=-arrays[k],
                stress=voigt_stress(arrays[n + k], structures[k]),
                magmoms=out["m"][k].detach().cpu().numpy().astype(float) if wants_magmoms else None,
            )
            for k in range(n)
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
        cell = np.ascontiguousarray(periodic_cell(structure, clearance=2 * cutoff))
        positions = np.ascontiguousarray(structure.positions, dtype=float)
        centers, neighbors, images, distances = find_points_in_spheres(
            positions,
            positions,
            r=cutoff,
            pbc=np.ones(3, dtype=np.int64),
            lattice=cell,
            tol=_SAME_POINT_A,
        )
        others = (centers != neighbors) | (distances > _SAME_POINT_A)
        images = images[others]
        graph = converter.create_graph(
            len(positions), centers[others], neighbors[others], images, distances[others]
        )
        atom_graph, directed2undirected = graph.adjacency_list()
        bond_graph, undirected2directed = graph.line_graph_adjacency_list(
            cutoff=converter.bond_graph_cutoff
        )
        return CrystalGraph(
            atomic_number=self._integers(structure.numbers),
            atom_frac_coord=self._floats(np.linalg.solve(cell.T, positions.T).T),
            atom_graph=self._integers(atom_graph),
            atom_graph_cutoff=cutoff,
            neighbor_image=self._floats(images),
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
    arguments, weights = dict(checkpoint["model_args"]), checkpoint["state_dict"]
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
