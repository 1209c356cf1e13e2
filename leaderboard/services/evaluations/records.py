"""What ended evaluations left: the records of their systems, files and summaries, to be read."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Count, QuerySet

from leaderboard.models import Evaluation, EvaluationFile, SystemResult
from leaderboard.models.disclosure import OF_OPEN, OPEN


class Answer(NamedTuple):
    """A record as plots against the reference need it; names are the model's."""

    evaluation_id: UUID
    position: int
    system_id: str
    values: dict[str, Any]
    reference: dict[str, Any]


def records_of(evaluation: UUID) -> list[SystemResult]:
    """In the order of the reference set."""
    return list(SystemResult.objects.all().of([evaluation]).order_by("position"))


def answers_of(evaluations: Collection[UUID]) -> list[Answer]:
    """Of the systems that did not fail, evaluation by evaluation."""
    answered = SystemResult.objects.all().of(evaluations).answered().filter(OF_OPEN)
    rows = answered.order_by("evaluation_id", "position").values_list(*Answer._fields)
    return [Answer._make(row) for row in rows]


def failures_of(evaluations: Collection[UUID], most: int) -> list[tuple[UUID, str, int]]:
    """Evaluation, reason, how many systems failed for it; the most frequent first.

    Nothing of hidden sets, as of all that is read here for pages which everybody sees.
    """
    failed = SystemResult.objects.all().of(evaluations).failed().filter(OF_OPEN)
    rows = failed.values_list("evaluation_id", "message").annotate(n=Count("pk"))
    return list(rows.order_by("-n", "message")[:most])


def records_of_system(evaluations: Collection[UUID], system_id: str) -> dict[UUID, SystemResult]:
    """Whole, by evaluation."""
    return {record.evaluation_id: record for record in _of_system(evaluations, system_id)}


def numbers_of_system(
    evaluations: Collection[UUID], system_id: str, names: Iterable[str]
) -> dict[UUID, dict[str, Any]]:
    """By evaluation; the named values as ``values__<name>``, the records' long curves left out."""
    rows = _of_system(evaluations, system_id).values(
        *("evaluation_id", "position", "status", "message", "n_calls", "wall_time_s"),
        *(f"values__{name}" for name in names),
    )
    return {row["evaluation_id"]: row for row in rows}


def files_of_system(
    evaluations: Collection[UUID], system_id: str
) -> dict[UUID, list[EvaluationFile]]:
    by_evaluation: dict[UUID, list[EvaluationFile]] = {}
    files = EvaluationFile.objects.filter(OF_OPEN, evaluation__in=evaluations, system_id=system_id)
    for file in files:
        by_evaluation.setdefault(file.evaluation_id, []).append(file)
    return by_evaluation


def system_ids_at(evaluation: UUID, positions: Collection[int]) -> dict[int, str]:
    """Names of systems by their place in the reference set."""
    there = SystemResult.objects.all().of([evaluation]).filter(OF_OPEN, position__in=positions)
    return dict(there.values_list("position", "system_id"))


def summaries_of(evaluations: Collection[UUID]) -> dict[UUID, dict[str, Any]]:
    """Those of hidden sets are empty."""
    rows = Evaluation.objects.filter(OPEN, pk__in=evaluations).values_list("pk", "summary")
    return {**{pk: {} for pk in evaluations}, **dict(rows)}


def _of_system(evaluations: Collection[UUID], system_id: str) -> QuerySet[SystemResult]:
    return SystemResult.objects.all().of(evaluations).filter(OF_OPEN, system_id=system_id)
