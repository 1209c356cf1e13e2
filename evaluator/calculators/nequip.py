"""NequIP and Allegro: packages, checkpoints and compiled models of the NequIP framework.

Batzner et al., Nat. Commun. 13, 2453 (2022), doi:10.1038/s41467-022-29939-5; Musaelian et al., Nat.
Commun. 14, 579 (2023), doi:10.1038/s41467-023-36329-y. A package brings Python code and a compiled
model native code of its own, which run here as the rest of a submission does: in the sandbox.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase.data import chemical_symbols
from nequip.data import AtomicDataDict
from nequip.integrations.ase import NequIPCalculator
from nequip.nn import graph_model

from evaluator.calculators.base import InvalidArtifact, LoadError, LoadRequest
from evaluator.calculators.graphs import GraphAdapter, Sized
from evaluator.calculators.structures import check_elements, periodic_cell, to_atoms, voigt_stress
from evaluator.calculators.torch_files import check_is_torch_file, dtype_name, use_threads
from evaluator.wire import FloatArray, Info, Prediction, Structure

_EXPECTED = (
    "a package of nequip-package (.nequip.zip), a checkpoint of nequip-train (.ckpt) or a model of "
    "nequip-compile (.nequip.pth, .nequip.pt2)"
)
#: Memory of a pass for each edge, whatever the network: that of a large one.
_EDGE_BYTES = 100_000

Graph = dict[str, Any]


class NequipAdapter(GraphAdapter[Graph]):
    """Energies, forces and stress of a model of the NequIP framework, in its own precision."""

    def load(self, request: LoadRequest) -> Info:
        self._device = torch.device(request.device)
        use_threads(request)
        suffix = _suffix_of(request.artifact)
        self._calculator = _load(_named(request.artifact, suffix), suffix, request.device)
        # What was compiled was compiled for one structure at a time.
        self._is_eager = suffix in (".nequip.zip", ".ckpt")
        mapper, neighbor_list = self._calculator.transforms
        self._elements = tuple(str(name) for name in mapper.model_type_names)
        strange = sorted(set(self._elements) - set(chemical_symbols[1:]))
        if strange:
            raise LoadError(
                f"the model's types are no chemical symbols ({', '.join(strange[:5])}): package it "
                "with types named by element"
            )
        self._cutoff = float(neighbor_list.r_max)
        self.bound_passes(request.device)
        parameters = list(self._calculator.model.parameters())
        return Info(
            name="NequIP",
            dtype=_dtype_of(self._calculator.model, parameters),
            device=request.device,
            elements=self._elements,
            n_parameters=sum(parameter.numel() for parameter in parameters) or None,
            cutoff_A=self._cutoff,
            versions={"torch": torch.__version__, **_versions("nequip", "nequip-allegro")},
        )

    def build(self, structure: Structure) -> Sized[Graph]:
        check_elements(structure, self._elements, "this model")
        atoms = to_atoms(structure)
        atoms.cell, atoms.pbc = periodic_cell(structure, clearance=2 * self._cutoff), True
        atoms.info.clear()
        graph = self._calculator.atoms_to_data(atoms)
        n_edges = int(graph[AtomicDataDict.EDGE_INDEX_KEY].shape[1])
        return Sized(structure, graph, _EDGE_BYTES * n_edges)

    def predict(self, batch: Sequence[Sized[Graph]], properties: Sequence[str]) -> list[Prediction]:
        if not self._is_eager or len(batch) == 1:
            return [self._predict([sized])[0] for sized in batch]
        return self._predict(batch)

    def _predict(self, batch: Sequence[Sized[Graph]]) -> list[Prediction]:
        graphs = [dict(sized.graph) for sized in batch]
        joined = graphs[0] if len(graphs) == 1 else AtomicDataDict.batched_from_list(graphs)
        volumes = [
            abs(float(np.linalg.det(_array(graph[AtomicDataDict.CELL_KEY]).reshape(3, 3))))
            for graph in graphs
        ]
        out = self._calculator.call_model(joined)
        n = len(batch)
        energies = _array(out[AtomicDataDict.TOTAL_ENERGY_KEY]).reshape(n)
        forces = _array(out[AtomicDataDict.FORCE_KEY])
        stresses = _array(out[AtomicDataDict.STRESS_KEY]).reshape(n, 3, 3)
        starts = np.cumsum([0, *(len(sized.structure.numbers) for sized in batch)])
        return [
            Prediction(
                energy=float(energies[k]),
                forces=forces[starts[k] : starts[k + 1]],
                stress=voigt_stress(stresses[k] * volumes[k], sized.structure),
            )
            for k, sized in enumerate(batch)
        ]


def _array(tensor: torch.Tensor) -> FloatArray:
    array: FloatArray = tensor.detach().cpu().numpy().astype(float)
    return array


def _dtype_of(model: Any, parameters: Sequence[torch.Tensor]) -> str:  # noqa: ANN401
    """What the network computes in; where compiled code does not tell, the framework's usual."""
    if hasattr(model, "metadata"):
        return str(model.metadata[graph_model.MODEL_DTYPE_KEY])
    return dtype_name(parameters[0].dtype) if parameters else "float32"


def _versions(*packages: str) -> dict[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue  # models of its kind are refused by the import that fails
    return found


def _suffix_of(artifact: Path) -> str:
    """What nequip would call the file, told by its content. Raises InvalidArtifact."""
    if not zipfile.is_zipfile(artifact):
        check_is_torch_file(artifact, _EXPECTED)
        return ".ckpt"
    with zipfile.ZipFile(artifact) as archive:
        names = [name.split("/", 1)[-1] for name in archive.namelist()]
    if "model/package_metadata.txt" in names:
        return ".nequip.zip"
    if "constants.pkl" in names:
        return ".nequip.pth"
    if any("aotinductor" in name for name in names):
        return ".nequip.pt2"
    if "data.pkl" in names:
        return ".ckpt"
    raise InvalidArtifact(f"the file is a zip archive of something else; expected is {_EXPECTED}")


def _named(artifact: Path, suffix: str) -> Path:
    """The file under a name that nequip knows it by, whatever it was uploaded as."""
    link = Path(tempfile.mkdtemp(prefix="artifact-")) / f"model{suffix}"
    link.symlink_to(artifact.resolve())
    return link


def _load(path: Path, suffix: str, device: str) -> Any:  # noqa: ANN401
    """The package's own calculator with the model in it. Raises LoadError."""
    load = (
        NequIPCalculator._from_saved_model
        if suffix in (".nequip.zip", ".ckpt")
        else NequIPCalculator.from_compiled_model
    )
    try:
        return load(path, device=device, chemical_species_to_atom_type_map=True)
    except MemoryError:
        raise
    except Exception as error:  # whatever code of a package, or a wrong file, raises
        raise LoadError(
            f"nequip cannot load the model: {type(error).__name__}: {error}"[:500]
        ) from error
