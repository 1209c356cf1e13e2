"""A task of frames with three independent potentials, a baseline, and whoever a test adds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluator import frames
from leaderboard import models
from leaderboard.lib import memory
from leaderboard.lib.json_values import finite
from tests.leaderboard import factories

N_FRAMES, N_ATOMS = 40, 4
#: How hard each frame is for everybody, in eV/Å and in meV/atom.
DIFFICULTY = np.exp(np.random.default_rng(7).normal(-1, 1, N_FRAMES))
METRICS = [{"key": "force_mae", "good": 0.0, "bad": 10.0, "worst": 10.0, "noise": 0.05}]
NAMES = [f"frame-{i}" for i in range(N_FRAMES)]

Errors = NDArray[np.float64]


def task_version(**fields: Any) -> models.TaskVersion:
    """Open, unless the reference set that is given is not."""
    memory.forget()
    fields.setdefault("reference_set", factories.reference_set(level_of_theory="PBE"))
    return factories.task_version(
        protocol="energy_forces", metrics=METRICS, min_coverage=0.0, **fields
    )


def errors_of(seed: int) -> tuple[Errors, Errors]:
    """Of energies and forces, growing with the difficulty, independent of other seeds."""
    rng = np.random.default_rng(seed)
    energies = 10 * DIFFICULTY * rng.normal(size=N_FRAMES)
    return energies, DIFFICULTY[:, None, None] * rng.normal(size=(N_FRAMES, N_ATOMS, 3))


def judged(
    version: models.TaskVersion,
    name: str,
    errors: tuple[Errors, Errors],
    *,
    score: float | None = 0.5,
    of: models.Potential | None = None,
    number: str = "1",
    **submission: Any,
) -> models.Evaluation:
    """An evaluation with its records and its frame errors; of a new potential unless ``of`` one."""
    potential = of or factories.potential(name=name, slug=name, level_of_theory="PBE")
    of_submission = factories.submission(potential, version=number, **submission)
    row = factories.evaluation(of_submission, version, score=score, n_systems=N_FRAMES, n_failed=0)
    record = frames.packed(
        frames.FrameErrors(energies_meV_atom=errors[0], forces_eV_A=list(errors[1])), NAMES
    )
    assert record is not None
    models.FrameErrorTable.objects.create(
        evaluation=row,
        n_atoms=list(record.n_atoms),
        clusters=NAMES,
        packed=frames.content_of(record),
    )
    models.SystemResult.objects.bulk_create(
        models.SystemResult(
            evaluation=row,
            position=i,
            system_id=system,
            status="ok",
            values={"energy_error_meV_per_atom": finite(errors[0][i]), "n_atoms": N_ATOMS},
            reference={},
            n_calls=1,
            wall_time_s=0.1,
        )
        for i, system in enumerate(NAMES)
    )
    return row


def three(version: models.TaskVersion) -> list[models.Evaluation]:
    """Sharp, middling and blunt, who know nothing of each other."""
    return [
        judged(version, name, errors_of(seed), score=score)
        for seed, (name, score) in enumerate({"sharp": 0.9, "middling": 0.7, "blunt": 0.5}.items())
    ]
