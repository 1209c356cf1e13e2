"""MACE: any model that mace_run_train wrote, as torch.save of the whole module.

Batatia et al., NeurIPS 2022, arXiv:2206.07697. Graphs are built and the model is called as
``mace.calculators.MACECalculator`` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import torch
from ase.data import chemical_symbols

from evaluator.calculators.base import LoadError, LoadRequest
from evaluator.calculators.graphs import GraphAdapter, Sized
from evaluator.calculators.structures import check_elements, periodic_cell, to_atoms, voigt_stress
from evaluator.calculators.torch_files import (
    describe,
    dtype_name,
    has_weights_alone,
    is_chgnet_checkpoint,
    load_torch,
    refuse_half_precision,
    refuse_quantized,
    torch_dtype,
    use_threads,
    whole_model,
)
from evaluator.wire import Info, Prediction, Structure

# After torch_files, which lets torch read e3nn's constants.
from mace import data as mace_data  # isort: skip
from mace import modules as mace_modules  # isort: skip
from mace.tools import torch_geometric, torch_tools, utils  # isort: skip

_EXPECTED = "a MACE model"
_WHOLE = (mace_modules.MACE, mace_modules.EnergyDipolesMACE)
_SEND = "send the .model file that mace_run_train wrote"
#: Said of a TorchScript archive, which mace_create_lammps_model and mace_run_train make.
_CONVERTED = f"it was compiled, perhaps for LAMMPS: {_SEND}, from which it was made"
#: Where a model that embeds the charge and the spin multiplicity finds them.
_INFO_KEYS = mace_data.KeySpecification(info_keys={"total_charge": "charge", "total_spin": "spin"})
#: Numbers kept for each channel, harmonic and edge; and for the radial network: measured.
_COPIES, _RADIAL_NUMBERS = 12, 800


class MaceAdapter(GraphAdapter[mace_data.AtomicData]):
    """Energies, forces and stress of one head of a MACE model."""

    def load(self, request: LoadRequest) -> Info:
        self._dtype = torch_dtype(request)
        self._device = torch.device(request.device)
        use_threads(request)
        model = _whole_model(load_torch(request.artifact, _EXPECTED, _CONVERTED))
        refuse_half_precision([*model.parameters(), *model.buffers()])
        refuse_quantized(model)
        model.eval().requires_grad_(False)
        self._model = model.to(device=self._device, dtype=self._dtype)
        self._heads = list(getattr(model, "heads", None) or ["Default"])
        self._head = _choose_head(self._heads, str(request.settings.get("head", "")))
        self._z_table = utils.AtomicNumberTable([int(z) for z in model.atomic_numbers])
        self._elements = tuple(chemical_symbols[z] for z in self._z_table.zs)
        self._cutoff = float(model.r_max)
        self._edge_bytes = _edge_bytes(model) * self._dtype.itemsize // 4
        self.bound_passes(request.device)
        return Info(
            name=f"{type(model).__name__}, head {self._head}",
            dtype=dtype_name(self._dtype),
            device=request.device,
            elements=self._elements,
            n_parameters=sum(parameter.numel() for parameter in model.parameters()),
            cutoff_A=self._cutoff,
            versions={"mace-torch": version("mace-torch"), "torch": torch.__version__},
        )

    def build(self, structure: Structure) -> Sized[mace_data.AtomicData]:
        graph = self._graph(structure)
        return Sized(structure, graph, self._edge_bytes * int(graph.edge_index.shape[1]))

    def predict(
        self, batch: Sequence[Sized[mace_data.AtomicData]], properties: Sequence[str]
    ) -> list[Prediction]:
        joined = torch_geometric.Batch.from_data_list([sized.graph for sized in batch])
        out = self._model(joined.to(self._device).to_dict(), compute_stress=True)
        energies = out["energy"].detach().cpu().numpy().astype(float)
        forces = out["forces"].detach().cpu().numpy().astype(float)
        virials = out["virials"].detach().cpu().numpy().astype(float)
        starts = joined.ptr.tolist()
        return [
            Prediction(
                energy=float(energies[k]),
                forces=forces[starts[k] : starts[k + 1]],
                stress=voigt_stress(-virials[k], sized.structure),
            )
            for k, sized in enumerate(batch)
        ]

    def _graph(self, structure: Structure) -> mace_data.AtomicData:
        check_elements(structure, self._elements, "this MACE model")
        atoms = to_atoms(structure)
        # MACE makes a box of its own for open directions, which is not always perpendicular.
        atoms.cell, atoms.pbc = periodic_cell(structure, clearance=2 * self._cutoff), True
        with torch_tools.default_dtype(dtype_name(self._dtype)):
            configuration = mace_data.config_from_atoms(
                atoms, key_specification=_INFO_KEYS, head_name=self._head
            )
            return mace_data.AtomicData.from_config(
                configuration, z_table=self._z_table, cutoff=self._cutoff, heads=self._heads
            )


def _whole_model(loaded: Any) -> Any:  # noqa: ANN401  (a file holds anything)
    """The model, out of what people wrap it in. Raises LoadError saying what to send instead."""
    model = whole_model(loaded, _WHOLE)
    if isinstance(model, _WHOLE):
        return model
    raise LoadError(f"the file is not {_EXPECTED} but {_what_else(model)}")


def _what_else(loaded: Any) -> str:  # noqa: ANN401
    name = type(loaded).__name__
    if isinstance(loaded, mace_modules.AtomicDipolesMACE):
        return f"{name}, which predicts dipoles and no energy: it cannot be judged here"
    if name.startswith("LAMMPS"):
        return f"one converted for LAMMPS ({name}): {_SEND}, from which it was made"
    is_run = isinstance(loaded, Mapping) and {"model", "optimizer"} <= set(loaded)
    if is_run and not is_chgnet_checkpoint(loaded):
        return f"a checkpoint of a training run, which holds no whole model: {_SEND} at its end"
    description = describe(loaded)
    return f"{description}: {_SEND}" if has_weights_alone(description) else description


def _edge_bytes(model: Any) -> int:  # noqa: ANN401  (torch's attributes are dynamic)
    """About the memory of a pass for each edge, in float32.

    Every interaction keeps the products of an atom's channels with the spherical harmonics of the
    edge, the layers of the radial network, and what the backward pass needs of both.
    """
    n_channels = int(model.node_embedding.linear.irreps_out.dim)
    n_harmonics = int(model.spherical_harmonics.irreps_out.dim)
    n_numbers = _COPIES * n_channels * n_harmonics + _RADIAL_NUMBERS
    return 4 * n_numbers * len(model.interactions)


def _choose_head(heads: Sequence[str], wanted: str) -> str:
    """The head asked for, or the only or default one. Raises LoadError naming the heads."""
    known = ", ".join(heads)
    if wanted:
        if wanted not in heads:
            raise LoadError(f"the model has no head {wanted!r}; it has {known}")
        return wanted
    defaults = [head for head in heads if head.lower() == "default"] or list(heads)
    if len(defaults) > 1:
        raise LoadError(
            f"the model has several heads and no default: give the setting head one of {known}"
        )
    return defaults[0]
