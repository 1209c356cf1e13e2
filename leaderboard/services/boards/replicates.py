"""Bootstrap replicates, read as the database's own bytes: a large board has 30 million."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from django.db.models import QuerySet

from leaderboard.enums import EvaluationState
from leaderboard.models import BenchmarkTask, Evaluation
from leaderboard.models.disclosure import told_scores
from leaderboard.services.boards.binary_rows import binary_rows

Replicates = Mapping[str, npt.NDArray[np.float32]]

#: Dimensions, flags, type, length and lower bound stand before the elements of an array.
_HEADER = 20
_IS_PUBLIC = "task_version__reference_set__is_public"
_ELEMENT = np.dtype([("length", ">i4"), ("value", ">f8")])


def of_categories(
    entries: Sequence[BenchmarkTask],
    submissions: Sequence[uuid.UUID],
    evaluations: QuerySet[Evaluation],
) -> dict[str, npt.NDArray[np.float32]]:
    """Replicates of each category's score, shape (submissions, n), in their order.

    Replicate i of a category is the weighted mean of replicate i of its tasks. A row is NaN where a
    task of weight above zero has none. Where lengths differ, the shortest counts. Takes one query.
    """
    row = {pk: i for i, pk in enumerate(submissions)}
    place = {e.task_version_id: (e.category, e.weight) for e in entries if e.weight > 0}
    total: dict[str, npt.NDArray[np.float64]] = {}
    weight = {name: np.zeros(len(row)) for name in dict.fromkeys(e.category for e in entries)}
    for task, submission, values in _read(evaluations.filter(task_version__in=list(place))):
        if submission not in row or not len(values):
            continue
        name, share = place[task]
        if name not in total:
            total[name] = np.zeros((len(row), len(values)))
        n = min(total[name].shape[1], len(values))
        total[name] = total[name][:, :n]
        total[name][row[submission]] += share * values[:n]
        weight[name][row[submission]] += share
    whole = {name: sum(w for n, w in place.values() if n == name) for name in weight}
    return {
        name: _mean(total.get(name, np.zeros((len(row), 0))), weight[name], whole[name])
        for name in weight
    }


def _mean(
    total: npt.NDArray[np.float64], weight: npt.NDArray[np.float64], whole: float
) -> npt.NDArray[np.float32]:
    if whole > 0:
        total /= whole
    total[weight < whole * (1 - 1e-9)] = np.nan
    return total.astype(np.float32)


def of_evaluations(evaluations: Iterable[uuid.UUID]) -> dict[uuid.UUID, npt.NDArray[np.float64]]:
    """Of each that has any. One query."""
    rows = Evaluation.objects.filter(pk__in=list(evaluations)).order_by()
    names = ("pk", _IS_PUBLIC, "replicates")
    rows_read = binary_rows(rows.values_list(*names), ["uuid", "bool", "bytea"])
    return {
        pk: values for pk, is_public, sent in rows_read if len(values := _told(is_public, sent))
    }


def _read(
    evaluations: QuerySet[Evaluation],
) -> Iterator[tuple[int, uuid.UUID, npt.NDArray[np.float64]]]:
    rows = evaluations.filter(state=EvaluationState.SUCCEEDED).order_by()
    names = ("task_version_id", "submission_id", _IS_PUBLIC, "replicates")
    types = ["int8", "uuid", "bool", "bytea"]
    for task, submission, is_public, sent in binary_rows(rows.values_list(*names), types):
        yield task, submission, _told(is_public, sent)


def _told(is_public: bool | None, sent: bytes) -> npt.NDArray[np.float64]:
    """Rounded where the set is hidden, so that intervals and ties tell no more than scores do."""
    values = _numbers(sent)
    return told_scores(values) if is_public is False else values


def _numbers(sent: bytes) -> npt.NDArray[np.float64]:
    """Of an array of double precision as the server sends it."""
    values = np.frombuffer(sent, _ELEMENT, offset=min(_HEADER, len(sent)))["value"]
    return values.astype(np.float64)
