"""A task that is scored by skill, with an evaluation stored from a report as a worker tells it."""

from __future__ import annotations

import numpy as np
from django.utils import timezone

from evaluator.contract import (
    EvaluationReport,
    ScoreRecord,
    SystemRecord,
    SystemStatus,
    TaskScore,
    Verdict,
)
from leaderboard import models
from leaderboard.enums import EvaluationState
from leaderboard.services.evaluations import reports
from tests.leaderboard import factories

METRICS = [
    {"key": "eos_delta_mean", "good": 0.0, "bad": 100.0, "worst": 100.0, "noise": 1.0,
     "scale": "log", "weight": 1.0},
    {"key": "bulk_modulus_mae", "good": 0.0, "bad": 50.0, "worst": 100.0, "weight": 0.0},
]  # fmt: skip
#: By system: its elements, the state of its record and its skill; None where nothing is tested.
SYSTEMS = {
    "Al": ("Al", SystemStatus.OK, 0.9),
    "Cu": ("Cu", SystemStatus.OK, 0.4),
    "AlCu": ("Al-Cu", SystemStatus.FAILED, 0.0),
    "He": ("He", SystemStatus.OK, None),
}


def task_version(**fields: object) -> models.TaskVersion:
    return factories.task_version(metrics=METRICS, min_coverage=0.0, **fields)


def report(skills: dict[str, float | None] | None = None) -> EvaluationReport:
    """What a worker reports; ``skills`` by system, instead of those of SYSTEMS."""
    by_system = {name: skill for name, (_, _, skill) in SYSTEMS.items()} | (skills or {})
    told = tuple(by_system.values())
    score = float(np.mean([skill for skill in told if skill is not None]))
    return EvaluationReport(
        verdict=Verdict.OK,
        coverage=1.0,
        n_systems=len(SYSTEMS),
        n_failed=1,
        scores=(
            ScoreRecord(
                metric="eos_delta_mean", value=4.0, low=2.0, high=6.0, score=score, n=4,
                n_failed=1, n_tested=3, skills=told, median_error=2.5, baseline_error=7.1,
            ),
            ScoreRecord(
                metric="bulk_modulus_mae", value=9.0, low=8.0, high=10.0, score=None, n=4,
                n_failed=1,
            ),
        ),
        task_score=TaskScore(
            value=score, low=score / 2, high=(1 + score) / 2, skills=told,
            replicates=(score / 2, score, (1 + score) / 2),
        ),
        systems=tuple(
            SystemRecord(
                system_id=name,
                cluster=name,
                status=status,
                message="No minimum." if status is SystemStatus.FAILED else "",
                values={"element": name, "delta_meV": 2.0}
                | ({} if by_system[name] is None else {"skill": by_system[name]}),
            )
            for name, (_, status, _) in SYSTEMS.items()
        ),
        system_elements=tuple(elements for elements, _, _ in SYSTEMS.values()),
    )  # fmt: skip


def evaluation(
    submission: models.Submission | None = None,
    version: models.TaskVersion | None = None,
    skills: dict[str, float | None] | None = None,
    ended: EvaluationReport | None = None,
) -> models.Evaluation:
    """An evaluation that has ended with ``report``, or with another one."""
    row = factories.evaluation(
        submission,
        version or task_version(),
        state=EvaluationState.RUNNING,
        worker=factories.worker(),
        lease_expires_at=timezone.now(),
    )
    reports.store(row, ended or report(skills))
    row.refresh_from_db()
    return row
