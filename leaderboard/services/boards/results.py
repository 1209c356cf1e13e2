"""What a board is computed from: its evaluations in plain values, not as 30,000 models."""

from __future__ import annotations

import json
import uuid
from typing import NamedTuple

from django.db.models import QuerySet

from leaderboard.models import Evaluation, Submission, Worker
from leaderboard.models.disclosure import UNRELIABLE_TIMES, told_score

_FIELDS = (
    *("pk", "submission_id", "task_version_id", "state", "score", "score_low", "score_high"),
    *("coverage", "n_failed", "hardware_key", "why_unreliable"),
    "task_version__reference_set__is_public",
    "worker_id",
)


class Result(NamedTuple):
    """An evaluation, as far as boards need it; the names are the model's."""

    pk: uuid.UUID
    submission_id: uuid.UUID
    task_version_id: int
    state: str
    score: float | None
    score_low: float | None
    score_high: float | None
    coverage: float | None
    n_failed: int
    hardware_key: str
    why_unreliable: str
    submission: Submission
    worker: Worker | None


def results_of(evaluations: QuerySet[Evaluation]) -> list[Result]:
    """In the order of the query; of a hidden set what everybody may know. Three queries."""
    rows = list(evaluations.values_list(*_FIELDS))
    submissions = (
        Submission.objects.filter(pk__in={row[1] for row in rows})
        .select_related("potential__team", "potential__owner")
        .defer("settings", "potential__description")
        .in_bulk()
    )
    workers = Worker.objects.filter(pk__in={row[-1] for row in rows} - {None}).in_bulk()
    return [
        _told(Result._make((*row[:-2], submissions[row[1]], workers.get(row[-1]))), row[-2])
        for row in rows
    ]


def described(evaluation: Evaluation | Result) -> str:
    """What it was evaluated on, in the words that a filter by hardware looks through."""
    worker = evaluation.worker
    if worker is None:
        return evaluation.hardware_key
    return f"{evaluation.hardware_key} {worker.device} {json.dumps(worker.hardware)}"


def _told(result: Result, is_public: bool | None) -> Result:
    """Round the scores where the set is hidden: all that a board says follows from them."""
    if is_public is not False:  # None where the task needs no set
        return result
    return result._replace(
        score=told_score(result.score),
        score_low=told_score(result.score_low),
        score_high=told_score(result.score_high),
        coverage=told_score(result.coverage),
        n_failed=0,
        why_unreliable=UNRELIABLE_TIMES if result.why_unreliable else "",
    )
