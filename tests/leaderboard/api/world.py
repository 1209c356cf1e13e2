"""Rows of every kind: a public and a private potential of alice, evaluated, on one board."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils import timezone

from leaderboard import models
from leaderboard.enums import Visibility
from tests.leaderboard import factories

#: Occurs in whatever of the private submission could leak.
SECRET = "secret"


@dataclass(frozen=True)
class Side:
    potential: models.Potential
    submission: models.Submission
    ended: models.Evaluation
    queued: models.Evaluation


@dataclass(frozen=True)
class World:
    task: models.TaskVersion
    second_task: models.TaskVersion
    benchmark: models.BenchmarkVersion
    public: Side
    private: Side


def make_world(*, hidden_reference: bool = False) -> World:
    reference = factories.reference_set(is_public=not hidden_reference)
    task = factories.task_version(reference_set=reference)
    second = factories.task_version()
    benchmark = factories.benchmark_version((task, "Mechanics"), (second, "Forces"))
    return World(
        task=task,
        second_task=second,
        benchmark=benchmark,
        public=_side("open", Visibility.PUBLIC, task, second),
        private=_side(SECRET, Visibility.PRIVATE, task, second),
    )


def _side(word: str, visibility: str, task: models.TaskVersion, second: models.TaskVersion) -> Side:
    potential = factories.potential(
        factories.user("alice"), slug=f"{word}-potential", name=f"{word} potential"
    )
    submission = factories.submission(
        potential, visibility=visibility, version=f"{word}-1", artifact_filename=f"{word}.json"
    )
    ended = ended_evaluation(submission, task, word)
    queued = factories.evaluation(submission, second)
    return Side(potential, submission, ended, queued)


def ended_evaluation(
    submission: models.Submission, task: models.TaskVersion, word: str = "open"
) -> models.Evaluation:
    evaluation = factories.evaluation(
        submission,
        task,
        score=0.5,
        score_low=0.4,
        score_high=0.6,
        replicates=[0.4, 0.5, 0.6],
        worker=factories.worker(hardware={"cpu": "x"}, versions={"ase": "3.29"}),
        n_systems=2,
        attempt=1,
        stdout=f"{word} out",
        stderr=f"{word} err",
        consistency={"rotation_force_error_eV_A": 1e-7},
        provenance={"dtype": "float64"},
        wall_time_s=1.5,
        started_at=timezone.now(),
    )
    evaluation.scores.create(
        metric="eos_delta_mean", value=10.0, low=9.0, high=11.0, score=0.8, n=2, n_failed=1
    )
    evaluation.systems.create(
        position=0,
        system_id="Al",
        status="ok",
        values={"element": "Al", "bulk_modulus_GPa": 55.0},
        reference={"bulk_modulus_GPa": 78.125},
        n_calls=9,
        wall_time_s=0.5,
    )
    evaluation.systems.create(
        position=1, system_id="=Cu", status="failed", message=f"{word}: no minimum", values={}
    )
    return evaluation
