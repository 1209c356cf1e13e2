"""Train a small MACE on reference data, in a minute: a potential of one's own for a first board.

``python -m evaluator.potentials.training --frames FILE.extxyz --out FILE.model --seconds 60``.
It is a fair example of a trained potential, not a good one: few channels, few epochs, one seed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import torch
from ase import Atoms
from numpy.typing import NDArray

from evaluator.exceptions import SubmissionError

# e3nn reads its constants by torch.load's safe mode, which does not know slices by itself.
torch.serialization.add_safe_globals([slice])

from e3nn import o3  # noqa: E402
from mace import data as mace_data  # noqa: E402
from mace import modules as mace_modules  # noqa: E402
from mace.tools import torch_geometric, torch_tools, utils  # noqa: E402

_CUTOFF_A = 4.5
_BATCH_ATOMS = 96
_LEARNING_RATE = 0.01
_ENERGY_WEIGHT, _FORCE_WEIGHT = 40.0, 10.0
_LONGEST_FORCE_eV_A = 20.0
_MOST_EPOCHS = 10_000

#: Called with the share of the work done, 0 to 1, and the force RMSE of the last epoch in eV/Å.
Progress = Callable[[float, float], None]


def train_small_mace(
    frames: Sequence[Atoms],
    path: Path,
    *,
    n_epochs: int = _MOST_EPOCHS,
    seconds: float = float("inf"),
    seed: int = 0,
    progress: Progress | None = None,
) -> None:
    """Train on the frames' energies and forces, and write the model to ``path``.

    Stops after ``n_epochs`` or ``seconds``, whichever comes first; the learning rate falls to
    zero by then. Frames with a force beyond 20 eV/Å are left out. The weights of the last epochs
    are averaged. Raises SubmissionError for frames without energies and forces.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(1)  # such small batches gain nothing from more
    rng = np.random.default_rng(seed)
    # Double precision would cost twice the time and gain nothing at this accuracy.
    with torch_tools.default_dtype("float32"):
        usable = _usable(frames)
        z_table = utils.AtomicNumberTable(sorted({z for atoms in usable for z in atoms.numbers}))
        graphs = [_graph(atoms, z_table) for atoms in usable]
        model = _model(usable, graphs, z_table)
        average = _fit(model, graphs, rng, n_epochs, seconds, progress or (lambda *_: None))
        partial = path.with_name(path.name + ".part")
        torch.save(average, partial)
        partial.replace(path)


def _usable(frames: Sequence[Atoms]) -> list[Atoms]:
    usable = []
    for atoms in frames:
        results: dict[str, Any] = atoms.calc.results if atoms.calc is not None else {}
        if "energy" not in results or "forces" not in results:
            raise SubmissionError("every frame needs an energy and forces to train on")
        if np.linalg.norm(results["forces"], axis=1).max() <= _LONGEST_FORCE_eV_A:
            usable.append(atoms)
    if not usable:
        raise SubmissionError("there are no frames to train on")
    return usable


def _graph(atoms: Atoms, z_table: utils.AtomicNumberTable) -> mace_data.AtomicData:
    configuration = mace_data.Configuration(
        atomic_numbers=atoms.numbers,
        positions=atoms.positions,
        properties={
            "energy": atoms.get_potential_energy(),
            "forces": atoms.get_forces(apply_constraint=False),
        },
        property_weights={"energy": 1.0, "forces": 1.0},
        cell=atoms.cell.array,
        pbc=tuple(atoms.pbc),
        head="Default",
    )
    return mace_data.AtomicData.from_config(configuration, z_table=z_table, cutoff=_CUTOFF_A)


def _model(
    frames: Sequence[Atoms],
    graphs: Sequence[mace_data.AtomicData],
    z_table: utils.AtomicNumberTable,
) -> torch.nn.Module:
    forces = np.concatenate([atoms.get_forces(apply_constraint=False) for atoms in frames])
    n_edges = sum(graph.edge_index.shape[1] for graph in graphs)
    blocks = mace_modules.interaction_classes
    return mace_modules.ScaleShiftMACE(
        r_max=_CUTOFF_A,
        num_bessel=8,
        num_polynomial_cutoff=5,
        max_ell=2,
        interaction_cls=blocks["RealAgnosticResidualInteractionBlock"],
        interaction_cls_first=blocks["RealAgnosticInteractionBlock"],
        num_interactions=2,
        num_elements=len(z_table),
        hidden_irreps=o3.Irreps("16x0e"),
        MLP_irreps=o3.Irreps("16x0e"),
        gate=torch.nn.functional.silu,
        atomic_energies=_atomic_energies(frames, z_table),
        avg_num_neighbors=n_edges / len(forces),
        atomic_numbers=list(z_table.zs),
        correlation=3,
        radial_type="bessel",
        atomic_inter_scale=float(np.sqrt(np.mean(forces**2))),
        atomic_inter_shift=0.0,
    )


def _atomic_energies(
    frames: Sequence[Atoms], z_table: utils.AtomicNumberTable
) -> NDArray[np.float64]:
    """The energy of each element that fits the frames' energies best, in eV."""
    counts = np.array([[np.sum(atoms.numbers == z) for z in z_table.zs] for atoms in frames])
    energies = np.array([atoms.get_potential_energy() for atoms in frames])
    sizes = counts.sum(axis=1)
    fitted = np.linalg.lstsq(counts / sizes[:, None], energies / sizes, rcond=None)[0]
    return np.asarray(fitted, dtype=float)


def _fit(
    model: torch.nn.Module,
    graphs: Sequence[mace_data.AtomicData],
    rng: np.random.Generator,
    n_epochs: int,
    seconds: float,
    progress: Progress,
) -> torch.nn.Module:
    """Adam with a learning rate that falls as a cosine; returns the running mean of the model."""
    optimizer = torch.optim.Adam(model.parameters(), lr=_LEARNING_RATE, amsgrad=True)
    average = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.98)
    )
    start, batches = time.monotonic(), _batches(graphs)
    for epoch in range(n_epochs):
        square, n = 0.0, 0
        for k, index in enumerate(rng.permutation(len(batches))):
            done = max((epoch + k / len(batches)) / n_epochs, (time.monotonic() - start) / seconds)
            if done >= 1:
                break
            for group in optimizer.param_groups:
                group["lr"] = _LEARNING_RATE * (1 + np.cos(np.pi * done)) / 2
            batch = batches[index]
            loss, force_square = _loss(model, batch)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
            optimizer.step()
            average.update_parameters(model)
            square, n = square + force_square, n + batch.num_nodes
        else:
            progress(done, float(np.sqrt(square / (3 * n))))
            continue
        break
    return average.module


def _batches(graphs: Sequence[mace_data.AtomicData]) -> list[Any]:
    """Graphs of like size together, at most so many atoms in each batch."""
    batches: list[list[mace_data.AtomicData]] = []
    n_atoms = _BATCH_ATOMS
    for graph in sorted(graphs, key=lambda graph: graph.num_nodes):
        if n_atoms + graph.num_nodes > _BATCH_ATOMS:
            batches.append([])
            n_atoms = 0
        batches[-1].append(graph)
        n_atoms += graph.num_nodes
    return [torch_geometric.Batch.from_data_list(batch) for batch in batches]


def _loss(model: torch.nn.Module, batch: Any) -> tuple[torch.Tensor, float]:  # noqa: ANN401
    """The weighted Huber loss of energies per atom and forces; and the sum of squared errors."""
    out = model(batch.to_dict(), training=True, compute_stress=False)
    sizes = batch.ptr[1:] - batch.ptr[:-1]
    energy_error = (out["energy"] - batch.energy) / sizes
    force_error = out["forces"] - batch.forces
    huber = torch.nn.functional.huber_loss
    zero_energy, zero_force = torch.zeros_like(energy_error), torch.zeros_like(force_error)
    loss = _ENERGY_WEIGHT * huber(energy_error, zero_energy, delta=0.05)
    loss = loss + _FORCE_WEIGHT * huber(force_error, zero_force, delta=0.5)
    return loss, float((force_error.detach() ** 2).sum())


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; progress goes to standard error, one line for every ten seconds."""
    parser = argparse.ArgumentParser(
        prog="python -m evaluator.potentials.training", description=__doc__
    )
    parser.add_argument("--frames", type=Path, required=True, help="extxyz with energy and forces")
    parser.add_argument("--out", type=Path, required=True, help="where the model is written")
    parser.add_argument("--seconds", type=float, default=60.0, help="time to train")
    parser.add_argument("--seed", type=int, default=0)
    parsed = parser.parse_args(arguments)
    last = -np.inf

    def progress(done: float, force_rmse: float) -> None:
        nonlocal last
        if done * parsed.seconds - last >= 10:
            last = done * parsed.seconds
            print(f"{done:4.0%}  force RMSE {force_rmse:.3f} eV/Å", file=sys.stderr, flush=True)

    try:
        frames = list(ase.io.iread(parsed.frames, index=":"))
        train_small_mace(
            frames, parsed.out, seconds=parsed.seconds, seed=parsed.seed, progress=progress
        )
    except (SubmissionError, OSError) as error:
        print(f"training: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
