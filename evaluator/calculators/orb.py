"""Orb: the weights of a model of orb-models, whose architecture the submission names.

Neumann et al., arXiv:2410.22570; Rhodes et al., arXiv:2504.06231. A checkpoint is a bare state
dict: neither how many neighbours it was trained with, nor whether its forces are the energy's
gradient, can be read from it. Graphs and networks are the package's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from ase.data import chemical_symbols
from orb_models.forcefield.atomic_system import ase_atoms_to_atom_graphs
from orb_models.forcefield.base import AtomGraphs, batch_graphs
from orb_models.forcefield.conservative_regressor import ConservativeForcefieldRegressor
from orb_models.forcefield.direct_regressor import DirectForcefieldRegressor
from orb_models.forcefield.pretrained import ORB_PRETRAINED_MODELS

from evaluator.calculators.base import LoadError, LoadRequest
from evaluator.calculators.choices import choose
from evaluator.calculators.graphs import GraphAdapter, Sized
from evaluator.calculators.structures import check_elements, periodic_cell, to_atoms
from evaluator.calculators.torch_files import (
    describe,
    dtype_name,
    load_torch,
    refuse_half_precision,
    refuse_quantized,
    torch_dtype,
    use_threads,
    whole_model,
)
from evaluator.wire import FloatArray, Info, Prediction, Structure

_EXPECTED = "a checkpoint of orb-models"
_WHOLE = (ConservativeForcefieldRegressor, DirectForcefieldRegressor)
#: In single precision without TF32, which rounds to three digits on a GPU.
_PRECISION = {torch.float32: "float32-highest", torch.float64: "float64"}
#: Memory of a pass for each edge, in float32, of 5 layers of 1024 hidden channels.
_EDGE_BYTES = 160_000
#: The models whose weights may come: those that the package still builds, and no bare D3.
_ARCHITECTURES = tuple(
    name for name in ORB_PRETRAINED_MODELS if name.startswith("orb-") and "v1" not in name
)


class OrbAdapter(GraphAdapter[AtomGraphs]):
    """Energies, forces and, where it has one, the stress of an Orb."""

    def load(self, request: LoadRequest) -> Info:
        self._dtype = torch_dtype(request)
        self._device = torch.device(request.device)
        use_threads(request)
        torch.set_default_dtype(self._dtype)
        torch.set_float32_matmul_precision("highest")
        model, name = _load(request, self._dtype)
        model.eval().requires_grad_(False)
        self._model = model.to(device=self._device, dtype=self._dtype)
        self._config = model.system_config
        if self._config is None:
            raise LoadError("the model has no system_config: how far its neighbours reach is lost")
        is_conservative = isinstance(model, ConservativeForcefieldRegressor)
        self._energy = model.energy_name if is_conservative else "energy"
        self._forces = model.grad_forces_name if is_conservative else "forces"
        direct_stress = "stress" if "stress" in model.heads else None
        self._stress = model.grad_stress_name if is_conservative else direct_stress
        self._elements = tuple(chemical_symbols[1:119])
        self.bound_passes(request.device)
        return Info(
            name=name,
            dtype=dtype_name(self._dtype),
            device=request.device,
            properties=("energy", "forces", *(("stress",) if self._stress else ())),
            n_parameters=sum(parameter.numel() for parameter in model.parameters()),
            cutoff_A=float(self._config.radius),
            versions={"orb-models": version("orb-models"), "torch": torch.__version__},
        )

    def build(self, structure: Structure) -> Sized[AtomGraphs]:
        check_elements(structure, self._elements, "Orb")
        atoms = to_atoms(structure)
        if structure.pbc.any():
            # The package refuses what is periodic in one or two directions.
            atoms.cell = periodic_cell(structure, clearance=2 * self._config.radius)
            atoms.pbc = True
        graph = ase_atoms_to_atom_graphs(
            atoms,
            system_config=self._config,
            device=self._device,
            output_dtype=self._dtype,
            # In double precision, whatever the network has: which neighbour is the last one that
            # counts must not hang on rounding.
            graph_construction_dtype=self._dtype,
        )
        n_bytes = _EDGE_BYTES * int(graph.n_edge.sum()) * self._dtype.itemsize // 4
        return Sized(structure, graph, n_bytes)

    def predict(
        self, batch: Sequence[Sized[AtomGraphs]], properties: Sequence[str]
    ) -> list[Prediction]:
        joined = batch_graphs([sized.graph for sized in batch]).to(self._device)
        out = self._model.predict(joined)
        n = len(batch)
        energies, forces = self._array(out, self._energy), self._array(out, self._forces)
        stresses = self._array(out, self._stress).reshape(n, 6) if self._stress else None
        starts = np.cumsum([0, *(len(sized.structure.numbers) for sized in batch)])
        return [
            Prediction(
                energy=float(energies.reshape(n)[k]),
                forces=forces[starts[k] : starts[k + 1]],
                stress=stresses[k] if stresses is not None and sized.structure.pbc.all() else None,
            )
            for k, sized in enumerate(batch)
        ]

    def _array(self, out: Mapping[str, torch.Tensor], name: str) -> FloatArray:
        array: FloatArray = out[name].detach().cpu().numpy().astype(float)
        return array


def _load(request: LoadRequest, dtype: torch.dtype) -> tuple[Any, str]:
    """The model with its weights, and its name. Raises LoadError."""
    loaded = whole_model(load_torch(request.artifact, _EXPECTED), _WHOLE)
    wanted = str(request.settings.get("architecture", ""))
    if isinstance(loaded, _WHOLE):
        if wanted:
            raise LoadError('the file holds the whole model: leave "architecture" out')
        refuse_quantized(loaded)
        refuse_half_precision([*loaded.parameters(), *loaded.buffers()])
        return loaded, f"Orb ({type(loaded).__name__})"
    is_weights = isinstance(loaded, Mapping) and all(
        isinstance(value, torch.Tensor) for value in loaded.values()
    )
    if not is_weights or not any("heads." in str(name) for name in loaded):
        raise LoadError(f"the file is not {_EXPECTED} but {describe(loaded)}")
    refuse_half_precision(loaded.values())
    architecture = choose("architecture", wanted, _ARCHITECTURES, "orb-models")
    try:
        model = ORB_PRETRAINED_MODELS[architecture](
            weights_path=str(request.artifact),
            device=request.device,
            precision=_PRECISION[dtype],
            compile=False,
        )
    except MemoryError:
        raise
    except Exception as error:  # weights of another architecture
        raise LoadError(
            f"the weights are not those of {architecture}: {type(error).__name__}: {error}"[:500]
        ) from error
    return model, architecture
