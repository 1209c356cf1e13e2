"""Structure at temperature from first-principles molecular dynamics: g(r) of published snapshots.

mlearn (Zuo et al., doi:10.1021/acs.jpca.9b08723) drew its structures of group "AIMD-NVT" from runs
at constant volume, far apart in time. All of one cell and temperature, of both splits together, are
a sample of the ensemble.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from evaluator.metrics.structure import RadialDistribution, largest_radius, rdf_error

#: Fewer snapshots give too noisy a g(r).
_MIN_SNAPSHOTS = 12
#: Random halves by which the noise is told.
_N_SPLITS = 20


@dataclass(frozen=True, kw_only=True, eq=False)
class _Snapshot:
    step: int
    atoms: Atoms


def aimd_structure(
    files: Sequence[Path], options: Mapping[str, Any]
) -> tuple[list[Atoms], dict[str, Any]]:
    """One system for each cell and temperature with enough snapshots, once for each of ``n_seeds``.

    A frame is the last snapshot of its run. Its info holds ``temperature_K``; ``rdf``, g(r) in bins
    of ``bin_A`` from zero to ``rdf_max_A``, as far as the cell allows; and ``rdf_noise_percent``,
    the error that g(r) has because snapshots are few: half of the mean error between two random
    halves of them (halves have twice the variance, and their difference twice that again).
    ``states`` names those to be taken ("Si-2530K"); without it, all are. Strained cells are left
    out: ``n_too_few`` counts runs with fewer than twelve snapshots.
    """
    runs: dict[tuple[str, float], list[_Snapshot]] = defaultdict(list)
    for file in files:
        for entry in json.loads(file.read_text(encoding="utf-8")):
            if entry["group"] == "AIMD-NVT" and (conditions := _conditions(entry["description"])):
                step, temperature = conditions
                atoms = _atoms(entry["structure"])
                runs[entry["element"], temperature].append(_Snapshot(step=step, atoms=atoms))

    states = options.get("states", [])
    frames, n_too_few = [], 0
    for (element, temperature), snapshots in sorted(runs.items()):
        if len(snapshots) < _MIN_SNAPSHOTS:
            n_too_few += 1
            continue
        if states and f"{element}-{temperature:.0f}K" not in states:
            continue
        snapshots.sort(key=lambda snapshot: snapshot.step)
        info = _reference(snapshots, float(options["bin_A"])) | {"temperature_K": temperature}
        for seed in range(int(options["n_seeds"])):
            frame = snapshots[-1].atoms.copy()
            name = f"aimd-{element}-{temperature:.0f}K"
            frame.info = {"system_id": f"{name}-seed{seed}", "family": element, **info}
            frames.append(frame)
    noise = [frame.info["rdf_noise_percent"] for frame in frames]
    return frames, {
        "n_too_few": n_too_few,
        "least_noise_percent": min(noise),
        "largest_noise_percent": max(noise),
    }


def _conditions(description: str) -> tuple[int, float] | None:
    """Step and temperature in K; None for a run in a cell that was strained."""
    if "expanded" in description or "shrunken" in description:
        return None
    match = re.match(r"Snapshot (\d+) of .* at (\d+) K$", description)
    if match is None:
        raise ValueError(f"{description!r} does not tell step and temperature")
    return int(match[1]), float(match[2])


def _atoms(structure: Mapping[str, Any]) -> Atoms:
    return Atoms(
        symbols=[site["species"][0]["element"] for site in structure["sites"]],
        positions=[site["xyz"] for site in structure["sites"]],
        cell=structure["lattice"]["matrix"],
        pbc=True,
    )


def _reference(snapshots: Sequence[_Snapshot], bin_A: float) -> dict[str, Any]:
    cell = snapshots[0].atoms.cell.array
    n_bins = int(largest_radius(cell) / bin_A)
    r_max = n_bins * bin_A

    def g_of(chosen: Sequence[_Snapshot]) -> np.ndarray:
        gathered = RadialDistribution(cell, len(chosen[0].atoms), n_bins, r_max)
        for snapshot in chosen:
            gathered.add(snapshot.atoms.positions)
        return gathered.g()

    rng = np.random.default_rng(20260)
    half = len(snapshots) // 2
    splits = []
    for _ in range(_N_SPLITS):
        order = rng.permutation(len(snapshots))
        halves = [[snapshots[i] for i in part] for part in (order[:half], order[half : 2 * half])]
        splits.append(rdf_error(g_of(halves[0]), g_of(halves[1])))
    return {
        "rdf": np.round(g_of(snapshots), 5),
        "rdf_max_A": round(r_max, 6),
        "rdf_noise_percent": round(float(np.mean(splits)) / 2, 2),
        "n_snapshots": float(len(snapshots)),
    }
