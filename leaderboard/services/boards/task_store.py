"""Boards of single tasks, kept as those of benchmarks are: see ``store.py``.

What is stored are the public successes with all their metrics. What waits, runs or has failed is
looked up each time, and so are the reader's own private rows, which have no rank.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgpack
import numpy as np
import numpy.typing as npt
from django.contrib.auth.models import AnonymousUser
from django.db import transaction

from leaderboard.lib.memory import Remembered, of_process
from leaderboard.models import TaskBoardSnapshot, TaskVersion
from leaderboard.ranking import FloatArray, as_array
from leaderboard.services.boards.binary_rows import binary_value
from leaderboard.services.boards.entrants import Entrants, entrant_of
from leaderboard.services.boards.matrix import IntArray, described
from leaderboard.services.boards.packing import parts_of, whole_of
from leaderboard.services.boards.rules import task_board
from leaderboard.services.boards.stamps import Lock, stamp_of_task, wait_for_others
from leaderboard.services.boards.types import TaskRow

_BOARDS_KEPT, _PAGES_KEPT = 40, 12
_NOT_TOLD = -2


@dataclass(frozen=True, kw_only=True, eq=False)
class TaskMatrix:
    """Rows from the top of the board to its bottom. Shapes are (rows,) unless told otherwise."""

    #: Bytes of the evaluation's id, shape (rows, 16).
    evaluation: npt.NDArray[np.uint8]
    #: 0 where a row is not ranked; then ``why`` tells the reason.
    rank: IntArray
    rank_low: IntArray
    rank_high: IntArray
    score: FloatArray
    low: FloatArray
    high: FloatArray
    coverage: FloatArray
    wall_time_s: FloatArray
    #: -1 where it is not told.
    n_failed: IntArray
    n_systems: IntArray
    is_tied: npt.NDArray[np.bool_]
    theory_mismatch: npt.NDArray[np.bool_]
    why: Sequence[str]
    hardware: Sequence[str]
    #: What evaluated it, in the words that a filter by hardware looks through.
    worker: Sequence[str]
    metrics: Sequence[str]
    #: Value, low, high and score of each metric, NaN for none, shape (rows, metrics, 4).
    values: FloatArray
    #: n and n_failed, shape (rows, metrics, 2): -1 where there is no such metric, -2 where they
    #: are not told.
    counts: IntArray


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredTaskBoard:
    """All public successes on a task."""

    task_version: TaskVersion
    stamp: str
    entrants: Entrants
    matrix: TaskMatrix
    #: What pages keep with the board; it goes when the board changes.
    pages: Remembered = field(default_factory=lambda: Remembered(_PAGES_KEPT))


_boards = of_process(_BOARDS_KEPT)


def current_task_board(task_version: TaskVersion) -> StoredTaskBoard:
    """The public rows as they stand now. One query where this process has them."""
    stamp = stamp_of_task(task_version.pk)
    remembered: StoredTaskBoard | None = _boards.get(task_version.pk)
    if remembered is not None and remembered.stamp == stamp:
        return remembered
    board = _stored(task_version, stamp) or _computed_alone(task_version)
    return _boards.put(task_version.pk, board)


def _computed_alone(task_version: TaskVersion) -> StoredTaskBoard:
    """Compute and store it, while other processes that need it wait for the result."""
    with transaction.atomic():
        wait_for_others(Lock.TASK_BOARD, task_version.pk)
        stamp = stamp_of_task(task_version.pk)  # read before the rows: never older than it
        stored = _stored(task_version, stamp)
        if stored is not None:
            return stored
        board = assembled(task_version, stamp, task_board(task_version, user=AnonymousUser()).rows)
        TaskBoardSnapshot.objects.update_or_create(
            task_version=task_version, defaults={"stamp": stamp, "rows": _pack(board)}
        )
    return board


def assembled(task_version: TaskVersion, stamp: str, rows: Sequence[TaskRow]) -> StoredTaskBoard:
    """The rows as arrays; without a stamp they are kept nowhere."""
    metrics = list(dict.fromkeys(key for row in rows for key in row.metrics))
    values = np.full((len(rows), len(metrics), 4), np.nan)
    counts = np.full((len(rows), len(metrics), 2), -1, np.int32)
    for i, row in enumerate(rows):
        for j, key in enumerate(metrics):
            if key in row.metrics:
                *numbers, n, n_failed = row.metrics[key]
                values[i, j] = [math.nan if v is None else v for v in numbers]
                counts[i, j] = [_NOT_TOLD if count is None else count for count in (n, n_failed)]
    ids = b"".join(row.evaluation.pk.bytes for row in rows)
    matrix = TaskMatrix(
        evaluation=np.frombuffer(ids, np.uint8).reshape(len(rows), 16),
        rank=_counts(row.rank for row in rows),
        rank_low=_counts(row.rank_low for row in rows),
        rank_high=_counts(row.rank_high for row in rows),
        score=as_array([row.score for row in rows]),
        low=as_array([row.low for row in rows]),
        high=as_array([row.high for row in rows]),
        coverage=as_array([row.coverage for row in rows]),
        wall_time_s=as_array([row.evaluation.wall_time_s for row in rows]),
        n_failed=_counts(-1 if row.n_failed is None else row.n_failed for row in rows),
        n_systems=_counts(row.evaluation.n_systems for row in rows),
        is_tied=np.array([row.tied_with_previous for row in rows], bool),
        theory_mismatch=np.array([row.theory_mismatch for row in rows], bool),
        why=[row.why_not_ranked for row in rows],
        hardware=[row.hardware for row in rows],
        worker=[described(row.evaluation) for row in rows],
        metrics=metrics,
        values=values,
        counts=counts,
    )
    entrants = Entrants(entrant_of(row.submission) for row in rows)
    return StoredTaskBoard(task_version=task_version, stamp=stamp, entrants=entrants, matrix=matrix)


def _counts(counts: Iterable[int | None]) -> IntArray:
    return np.array([n or 0 for n in counts], np.int32)


def _pack(board: StoredTaskBoard) -> bytes:
    parts = {"entrants": board.entrants.packed(), "matrix": parts_of(board.matrix)}
    packed: bytes = msgpack.packb(parts)
    return packed


def _stored(task_version: TaskVersion, stamp: str) -> StoredTaskBoard | None:
    snapshot = TaskBoardSnapshot.objects.filter(pk=task_version.pk, stamp=stamp)
    packed = binary_value(snapshot.values_list("rows"))
    if packed is None:
        return None
    fields = msgpack.unpackb(packed)
    return StoredTaskBoard(
        task_version=task_version,
        stamp=stamp,
        entrants=Entrants(fields["entrants"]),
        matrix=TaskMatrix(**whole_of(fields["matrix"])),
    )
