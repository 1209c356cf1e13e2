"""Nequix: any .nqx file that its trainer wrote, on JAX.

Koker and Smidt, arXiv:2508.16067. The network is the package's own, without its GPU kernels.
JAX compiles it anew for each number of atoms and edges, so batches are padded to a few sizes.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
from ase.data import chemical_symbols

from evaluator.calculators.base import InvalidArtifact, LoadError, LoadRequest
from evaluator.calculators.graphs import GraphAdapter, Sized
from evaluator.calculators.structures import check_elements, periodic_cell, voigt_stress
from evaluator.wire import Info, Prediction, Structure

# In one process XLA's threads are fixed when it first computes: see ``_use_device``.
import equinox  # isort: skip
import jax  # isort: skip
import jraph  # isort: skip
from e3nn_jax import Irreps  # isort: skip
from matscipy.neighbours import neighbour_list  # isort: skip
from nequix.model import load_model  # isort: skip

_EXPECTED = "a .nqx file of Nequix"
_MOST_HEADER_BYTES = 1 << 20
#: The smallest padded batch; in solids an atom has some 64 neighbours within 6 Å.
_LEAST_NODES, _LEAST_EDGES = 8, 512
#: Numbers kept of each channel of a layer's features for an edge: measured.
_COPIES = 6

Arrays = dict[str, Any]


class NequixAdapter(GraphAdapter[Arrays]):
    """Energies, forces and stress of a Nequix."""

    def load(self, request: LoadRequest) -> Info:
        if request.dtype not in ("float32", "float64"):
            raise LoadError(f"dtype must be float32 or float64, not {request.dtype!r}")
        self._dtype = np.dtype(request.dtype)
        _use_device(request)
        config = _read_config(request)
        self._model = _in_precision(_load(request), self._dtype)
        self._cutoff = float(config["cutoff"])
        numbers = sorted(int(z) for z in config["atomic_numbers"])
        self._species = {z: k for k, z in enumerate(numbers)}
        self._elements = tuple(chemical_symbols[z] for z in numbers)
        self._judge = equinox.filter_jit(lambda model, graph: model(graph))
        self._edge_bytes = _edge_bytes(config) * self._dtype.itemsize
        self.bound_passes(request.device)
        leaves = jax.tree_util.tree_leaves(equinox.filter(self._model, equinox.is_inexact_array))
        return Info(
            name="Nequix",
            dtype=request.dtype,
            device=request.device,
            elements=self._elements,
            n_parameters=sum(math.prod(leaf.shape) for leaf in leaves),
            cutoff_A=self._cutoff,
            versions={"nequix": version("nequix"), "jax": jax.__version__},
        )

    def build(self, structure: Structure) -> Sized[Arrays]:
        check_elements(structure, self._elements, "this Nequix")
        cell = periodic_cell(structure, clearance=2 * self._cutoff)
        receivers, senders, shifts = neighbour_list(
            "ijS", positions=structure.positions, cell=cell, pbc=[True] * 3, cutoff=self._cutoff
        )
        arrays: Arrays = {
            "species": np.array([self._species[z] for z in structure.numbers.tolist()], np.int32),
            "positions": structure.positions.astype(self._dtype),
            "cell": cell.astype(self._dtype),
            "shifts": shifts.astype(self._dtype),
            "senders": senders.astype(np.int32),
            "receivers": receivers.astype(np.int32),
        }
        return Sized(structure, arrays, self._edge_bytes * len(senders))

    def predict(
        self, batch: Sequence[Sized[Arrays]], properties: Sequence[str]
    ) -> list[Prediction]:
        graphs = [sized.graph for sized in batch]
        energies, forces, stresses = (
            np.asarray(values, dtype=float) for values in self._judge(self._model, _padded(graphs))
        )
        starts = np.cumsum([0, *(len(graph["species"]) for graph in graphs)])
        return [
            Prediction(
                energy=float(energies[k]),
                forces=forces[starts[k] : starts[k + 1]],
                stress=voigt_stress(
                    stresses[k] * abs(np.linalg.det(sized.graph["cell"].astype(float))),
                    sized.structure,
                ),
            )
            for k, sized in enumerate(batch)
        ]


def _padded(graphs: Sequence[Arrays]) -> jraph.GraphsTuple:
    """The graphs as one, with nodes, edges and graphs of no meaning up to the next round size."""
    joined = jraph.batch_np(
        [
            jraph.GraphsTuple(
                n_node=np.array([len(graph["species"])], np.int32),
                n_edge=np.array([len(graph["senders"])], np.int32),
                nodes={"species": graph["species"], "positions": graph["positions"]},
                edges={"shifts": graph["shifts"]},
                senders=graph["senders"],
                receivers=graph["receivers"],
                globals={"cell": graph["cell"][np.newaxis]},
            )
            for graph in graphs
        ]
    )
    n_node, n_edge = _round_size(int(joined.n_node.sum()) + 1, int(joined.n_edge.sum()))
    # Every graph has an atom, so that as many graphs as nodes are always enough.
    return jraph.pad_with_graphs(joined, n_node=n_node, n_edge=n_edge, n_graph=n_node)


def _round_size(n_node: int, n_edge: int) -> tuple[int, int]:
    """The smallest of a few sizes, each twice the one before, that holds nodes and edges.

    To compile for another size takes longer than most batches do, so nothing but one number
    tells sizes apart.
    """
    factor = max(n_node / _LEAST_NODES, n_edge / _LEAST_EDGES)
    doublings = max(0, math.ceil(math.log2(factor)))
    return _LEAST_NODES << doublings, _LEAST_EDGES << doublings


def _use_device(request: LoadRequest) -> None:
    """Make JAX compute where, in the precision and with the threads that were asked for."""
    if request.n_threads == 1 and request.device == "cpu":
        flags = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen=false".strip()
    jax.config.update("jax_enable_x64", request.dtype == "float64")
    name, _, index = request.device.partition(":")
    jax.config.update("jax_platforms", "cpu" if name == "cpu" else "cuda")
    if index:
        jax.config.update("jax_default_device", jax.devices()[int(index)])


def _read_config(request: LoadRequest) -> dict[str, Any]:
    """The line of JSON that a .nqx file begins with. Raises InvalidArtifact."""
    with request.artifact.open("rb") as file:
        line = file.readline(_MOST_HEADER_BYTES)
    if line.startswith(b"PK") or line[:1] == b"\x80":
        raise InvalidArtifact(
            f"the file was written by torch.save; expected is {_EXPECTED}. Nequix of the torch "
            "back end is converted by nequix.calculator.from_pretrained(..., backend='jax')"
        )
    try:
        config = json.loads(line)
        if not {"cutoff", "atomic_numbers", "hidden_irreps", "n_layers"} <= set(config):
            raise ValueError("it has no cutoff, atomic_numbers, hidden_irreps, n_layers")
    except (ValueError, TypeError) as error:
        raise InvalidArtifact(
            f"the file does not begin with the line of JSON of {_EXPECTED}: {error}"[:300]
        ) from error
    return dict(config)


def _load(request: LoadRequest) -> Any:  # noqa: ANN401  (a tree of arrays)
    """The network with its weights. Raises LoadError."""
    # The file holds float32, which is read as such before it is made double.
    jax.config.update("jax_enable_x64", False)
    try:
        model, _ = load_model(request.artifact, kernel=False)
    except MemoryError:
        raise
    except Exception as error:  # whatever the package makes of a damaged file
        raise LoadError(
            f"the file's config and weights do not make a Nequix of nequix {version('nequix')}: "
            f"{type(error).__name__}: {error}"[:500]
        ) from error
    finally:
        jax.config.update("jax_enable_x64", request.dtype == "float64")
    return model


def _in_precision(model: Any, dtype: np.dtype[Any]) -> Any:  # noqa: ANN401
    return jax.tree_util.tree_map(
        lambda leaf: leaf.astype(dtype) if equinox.is_inexact_array(leaf) else leaf, model
    )


def _edge_bytes(config: dict[str, Any]) -> int:
    """About how many numbers a pass keeps for each edge."""
    n_channels = Irreps(config["hidden_irreps"]).dim
    return int(_COPIES * n_channels * (int(config["lmax"]) + 1) * int(config["n_layers"]))
