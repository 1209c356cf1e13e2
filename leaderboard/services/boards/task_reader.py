"""A task's stored board as one reader sees it: its public rows, his own, and what is not done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from django.contrib.auth.models import AnonymousUser, User

from leaderboard.enums import EvaluationState, Visibility
from leaderboard.models import TaskVersion
from leaderboard.ranking import row_key
from leaderboard.services.boards.filters import EVERY_ROW, BoardFilter
from leaderboard.services.boards.hardware import by_frequency
from leaderboard.services.boards.rules import on_boards, rows_of_task, unfinished
from leaderboard.services.boards.task_store import current_task_board
from leaderboard.services.boards.types import TaskBoard, TaskRow


def task_view(
    task_version: TaskVersion, user: User | AnonymousUser, as_of: datetime | None = None
) -> TaskBoard:
    """The board with the reader's own rows; with ``as_of``, as it stood then.

    Two queries where this process has the board, three where another has; one more for a reader
    who has signed in, and some for his own rows.
    """
    if as_of is not None:
        return past_task_board(task_version, as_of)
    board = current_task_board(task_version)
    own = _private(task_version, user)
    evaluations = on_boards(user).filter(task_version=task_version)
    pending, failed = unfinished(evaluations.exclude(state=EvaluationState.SUCCEEDED))
    for evaluation in (*pending, *failed):
        evaluation.task_version = task_version  # asked for what may be told of it
    return replace(
        board,
        task_version=task_version,
        rows=_merged(board.rows, own),
        pending=pending,
        failed=failed,
        has_private=bool(own),
    )


def past_task_board(task_version: TaskVersion, as_of: datetime) -> TaskBoard:
    """The board as it stood then."""
    rows = rows_of_task(task_version, on_boards(AnonymousUser(), as_of))
    return TaskBoard(task_version=task_version, rows=rows)


def wanted_rows(rows: Sequence[TaskRow], wanted: BoardFilter) -> list[TaskRow]:
    """Those that a reader wants to see; ranks stay those of the whole board."""
    if wanted == EVERY_ROW:
        return list(rows)
    return [row for row in rows if wanted.accepts_row(row.entrant, [row.worker])]


def _private(task_version: TaskVersion, user: User | AnonymousUser) -> list[TaskRow]:
    if user.is_anonymous:
        return []
    own = on_boards(user).filter(submission__visibility=Visibility.PRIVATE)
    return rows_of_task(task_version, own)


def _merged(public: list[TaskRow], own: list[TaskRow]) -> list[TaskRow]:
    if not own:
        return public
    keys = by_frequency(row.hardware for row in (*public, *own))
    return sorted(
        (*public, *own),
        key=lambda row: (
            keys.index(row.hardware),
            row_key(row.rank, row.score, row.entrant.title),
        ),
    )
