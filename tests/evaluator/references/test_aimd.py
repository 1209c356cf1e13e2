from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk

from evaluator.metrics.structure import RadialDistribution
from evaluator.references.aimd import aimd_structure

OPTIONS = {"bin_A": 0.1, "n_seeds": 2}


def entry(step: int, description: str, group: str = "AIMD-NVT") -> dict[str, Any]:
    atoms = bulk("Si", cubic=True).repeat(2)
    atoms.rattle(0.1, seed=step)
    return {
        "element": "Si",
        "group": group,
        "description": f"Snapshot {step} of {description}",
        "structure": {
            "lattice": {"matrix": atoms.cell.array.tolist()},
            "sites": [{"species": [{"element": "Si"}], "xyz": p.tolist()} for p in atoms.positions],
        },
    }


def write(path: Path, entries: list[dict[str, Any]]) -> Path:
    path.write_text(json.dumps(entries), encoding="utf-8")
    return path


def run_of(n: int, words: str = "at 300 K", first: int = 1) -> list[dict[str, Any]]:
    return [entry(first + i, f"40 of AIMD NVT simulation {words}") for i in range(n)]


def test_both_splits_of_one_state_are_one_sample(tmp_path: Path) -> None:
    files = [
        write(tmp_path / "training.json", run_of(15)),
        write(tmp_path / "test.json", run_of(5, first=16)),
    ]
    frames, told = aimd_structure(files, OPTIONS)
    assert [f.info["system_id"] for f in frames] == ["aimd-Si-300K-seed0", "aimd-Si-300K-seed1"]
    first = frames[0]
    assert first.info["n_snapshots"] == 20 and first.info["temperature_K"] == 300.0
    assert first.info["rdf_max_A"] == pytest.approx(5.4)
    # The structure is the last snapshot.
    expected = entry(20, "at 300 K")["structure"]["sites"][7]["xyz"]
    assert first.positions[7].tolist() == expected
    # g(r) is the mean over all of them.
    gathered = RadialDistribution(first.cell.array, len(first), 54, first.info["rdf_max_A"])
    for one in run_of(20):
        gathered.add(np.array([site["xyz"] for site in one["structure"]["sites"]]))
    np.testing.assert_allclose(first.info["rdf"], gathered.g(), atol=1e-5)
    assert told["n_too_few"] == 0
    assert told["least_noise_percent"] == first.info["rdf_noise_percent"]


@pytest.mark.slow
def test_noise_falls_with_the_root_of_the_number_of_snapshots(tmp_path: Path) -> None:
    noise = []
    for n in (12, 48):
        frames, _ = aimd_structure([write(tmp_path / f"{n}.json", run_of(n))], OPTIONS)
        noise.append(frames[0].info["rdf_noise_percent"])
    assert noise[0] / noise[1] == pytest.approx(2.0, rel=0.25)


def test_strained_cells_other_groups_and_short_runs_are_left_out(tmp_path: Path) -> None:
    entries = [
        *run_of(12),
        *run_of(12, "for expanded structure at 300 K"),
        *run_of(3, "at 900 K"),
        entry(1, "40 of Vacancy AIMD NVT simulation at 300 K", group="Vacancy"),
    ]
    frames, told = aimd_structure([write(tmp_path / "all.json", entries)], OPTIONS)
    assert {f.info["n_snapshots"] for f in frames} == {12.0}
    assert told["n_too_few"] == 1


def test_description_that_tells_no_temperature_is_refused(tmp_path: Path) -> None:
    files = [write(tmp_path / "odd.json", run_of(12, "at room temperature"))]
    with pytest.raises(ValueError, match="does not tell step and temperature"):
        aimd_structure(files, OPTIONS)
