"""What a board is computed from: its evaluations in plain values, not as 30,000 models."""

from __future__ import annotations

import json
import uuid
from typing import Any, NamedTuple

from django.db.models import QuerySet

from leaderboard.models import Evaluation, Submission, Worker
from leaderboard.models.disclosure import UNRELIABLE_TIMES, told_score

_FIELDS = (
    *("pk", "submission_id", "task_version_id", "state", "score", "score_low", "score_high"),
    *("coverage", "n_failed", "hardware_key", "why_unreliable"),
    "task_version__reference_set__is_public",
    "worker_id",
)
_SCORE, _N_FAILED = slice(4, 8), 8
_WHY_UNRELIABLE = _FIELDS.index("why_unreliable")


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
    rows: list[Any] = [_told(row) for row in evaluations.values_list(*_FIELDS)]
    submissions = (
        Submission.objects.filter(pk__in={row[1] for row in rows})
        .select_related("potential__team", "potential__owner")
        .defer("settings", "potential__description")
        .in_bulk()
    )
    workers = Worker.objects.filter(pk__in={row[-1] for row in rows} - {None}).in_bulk()
    return [Result._make((*row[:-2], submissions[row[1]], workers.get(row[-1]))) for row in rows]


def described(evaluation: Evaluation | Result) -> str:
    """What it was evaluated on, in the words that a filter by hardware looks through."""
    worker = evaluation.worker
    if worker is None:
        return evaluation.hardware_key
    return f"{evaluation.hardware_key} {worker.device} {json.dumps(worker.hardware)}"


def _told(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Round the scores where the set is hidden: all that a board says follows from them."""
    is_public = row[-2]
    if is_public is not False:  # None where the task needs no set
        return row
    scores = (told_score(value) for value in row[_SCORE])
    told = [*row[: _SCORE.start], *scores, 0, *row[_N_FAILED + 1 :]]
    told[_WHY_UNRELIABLE] = UNRELIABLE_TIMES if row[_WHY_UNRELIABLE] else ""
    return tuple(told)
