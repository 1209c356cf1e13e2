"""Bootstrap replicates of scores, and of their means in categories: 30 million on a large board."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from django.db.models import QuerySet

from leaderboard.enums import EvaluationState
from leaderboard.models import BenchmarkTask, Evaluation
from leaderboard.models.disclosure import told_scores
from leaderboard.ranking import FloatArray
from leaderboard.services.evaluations.metric_replicates import unpacked

Replicates = Mapping[str, npt.NDArray[np.float32]]

_IS_PUBLIC = "task_version__reference_set__is_public"
_DECIMALS = 6
#: Rows that are read at once: some megabytes.
_CHUNK = 2000


def of_categories(
    entries: Sequence[BenchmarkTask],
    submissions: Sequence[uuid.UUID],
    evaluations: QuerySet[Evaluation],
    is_zero: npt.NDArray[np.bool_],
) -> dict[str, npt.NDArray[np.float32]]:
    """Replicates of each category's score, shape (submissions, n), in their order.

    Replicate i of a category is the weighted mean of replicate i of its tasks. A row is NaN where a
    task of weight above zero has none. Where lengths differ, the shortest counts. Takes one query.

    ``is_zero``, of shape (submissions, entries), tells which scores are 0 because nothing of the
    task is covered: so are all of their replicates.
    """
    row = {pk: i for i, pk in enumerate(submissions)}
    place = {e.task_version_id: (e.category, e.weight) for e in entries if e.weight > 0}
    total: dict[str, npt.NDArray[np.float64]] = {}
    weight = {name: np.zeros(len(row)) for name in dict.fromkeys(e.category for e in entries)}
    for task, submission, values in _read(evaluations.filter(task_version__in=list(place))):
        if submission not in row:
            continue
        name, share = place[task]
        if name not in total:
            total[name] = np.zeros((len(row), len(values)))
        n = min(total[name].shape[1], len(values))
        total[name] = total[name][:, :n]
        total[name][row[submission]] += share * values[:n]
        weight[name][row[submission]] += share
    for column, entry in enumerate(entries):
        weight[entry.category] += max(entry.weight, 0.0) * is_zero[:, column]
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


def of_evaluations(evaluations: Iterable[uuid.UUID]) -> dict[uuid.UUID, FloatArray]:
    """Replicates of each score that has any. One query."""
    rows = Evaluation.objects.filter(pk__in=list(evaluations)).exclude(replicates=b"").order_by()
    names = ("pk", _IS_PUBLIC, "replicates")
    return {pk: _told(is_public, packed) for pk, is_public, packed in rows.values_list(*names)}


def _read(evaluations: QuerySet[Evaluation]) -> Iterator[tuple[int, uuid.UUID, FloatArray]]:
    rows = evaluations.filter(state=EvaluationState.SUCCEEDED).exclude(replicates=b"").order_by()
    names = ("task_version_id", "submission_id", _IS_PUBLIC, "replicates")
    for task, submission, is_public, packed in rows.values_list(*names).iterator(_CHUNK):
        yield task, submission, _told(is_public, packed)


def _told(is_public: bool | None, packed: bytes) -> FloatArray:
    """Rounded where the set is hidden, so that intervals and ties tell no more than scores do."""
    scores = _scores(packed)
    return told_scores(scores) if is_public is False else scores


def _scores(packed: bytes | memoryview) -> FloatArray:
    """Give back the very numbers of double precision that were reported.

    Scores run from 0 to 1 and are reported to six decimals: single precision is wrong by 3e-8 at
    most, so that rounding leads back to them.
    """
    scores = unpacked(packed)
    return np.round(scores, _DECIMALS, out=scores)
