"""Boards of single tasks, kept as those of benchmarks are: see ``snapshots.py``.

What is stored are the public successes with all their metrics. What waits, runs or has failed is
looked up each time, and so are the reader's own private rows, which have no rank.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.auth.models import AnonymousUser

from leaderboard.lib.memory import of_process
from leaderboard.models import TaskVersion
from leaderboard.services.boards.entrants import Entrant
from leaderboard.services.boards.rules import on_boards, rows_of_task
from leaderboard.services.boards.snapshots import Snapshot
from leaderboard.services.boards.stamps import stamp_of_task
from leaderboard.services.boards.types import MetricScore, TaskBoard, TaskRow

_boards = of_process(40)


def current_task_board(task_version: TaskVersion) -> TaskBoard:
    """The public rows as they stand now. One query where this process has them."""
    return Snapshot(
        key=f"task board {task_version.pk}",
        memory=_boards,
        stamp=lambda: stamp_of_task(task_version.pk),
        compute=lambda stamp: TaskBoard(
            task_version=task_version,
            rows=rows_of_task(task_version, on_boards(AnonymousUser())),
            stamp=stamp,
        ),
        to_plain=lambda board: [
            (row.entrant, row.evaluation_id.bytes, *row[2:]) for row in board.rows
        ],
        from_plain=lambda stamp, rows: TaskBoard(
            task_version=task_version, rows=[_row(*row) for row in rows], stamp=stamp
        ),
    ).value()


def _row(
    entrant: Sequence[Any],
    evaluation_id: bytes,
    metrics: Mapping[str, Sequence[Any]],
    *others: Any,  # noqa: ANN401  (as they were packed)
) -> TaskRow:
    by_key = {key: MetricScore._make(numbers) for key, numbers in metrics.items()}
    return TaskRow(Entrant._make(entrant), uuid.UUID(bytes=evaluation_id), by_key, *others)
