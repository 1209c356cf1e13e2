"""A task's stored board as one reader sees it: its public rows, his own, and what is not done."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

from django.contrib.auth.models import AnonymousUser, User

from leaderboard.enums import EvaluationState, Visibility
from leaderboard.lib.json_values import finite
from leaderboard.models import Evaluation, Submission, TaskVersion
from leaderboard.services.boards.entrants import Entrant
from leaderboard.services.boards.filters import EVERY_ROW, BoardFilter
from leaderboard.services.boards.hardware import by_frequency
from leaderboard.services.boards.rules import (
    on_boards,
    row_order,
    rows_of_task,
    task_board,
    unfinished,
)
from leaderboard.services.boards.task_store import StoredTaskBoard, assembled, current_task_board
from leaderboard.services.boards.types import MetricScore


@dataclass(frozen=True)
class TaskPlace:
    """Where a row is found: a board (the public one, or the reader's own), and its number there.

    Answers to the names of a ``TaskRow``.
    """

    board: StoredTaskBoard
    index: int

    @property
    def entrant(self) -> Entrant:
        return self.board.entrants[self.index]

    @property
    def submission(self) -> Submission:
        return self.board.entrants.model(self.index)

    @property
    def evaluation_id(self) -> uuid.UUID:
        return uuid.UUID(bytes=self.board.matrix.evaluation[self.index].tobytes())

    @cached_property
    def evaluation(self) -> Evaluation:
        """As far as it is known here; not to be saved."""
        return Evaluation(
            id=self.evaluation_id,
            submission=self.submission,
            task_version=self.board.task_version,
            state=EvaluationState.SUCCEEDED,
            n_systems=self.n_systems,
            wall_time_s=self.wall_time_s,
            hardware_key=self.hardware,
        )

    @property
    def rank(self) -> int | None:
        return int(self.board.matrix.rank[self.index]) or None

    @property
    def rank_low(self) -> int | None:
        return int(self.board.matrix.rank_low[self.index]) or None

    @property
    def rank_high(self) -> int | None:
        return int(self.board.matrix.rank_high[self.index]) or None

    @property
    def score(self) -> float | None:
        return finite(float(self.board.matrix.score[self.index]))

    @property
    def low(self) -> float | None:
        return finite(float(self.board.matrix.low[self.index]))

    @property
    def high(self) -> float | None:
        return finite(float(self.board.matrix.high[self.index]))

    @property
    def coverage(self) -> float | None:
        return finite(float(self.board.matrix.coverage[self.index]))

    @property
    def n_failed(self) -> int | None:
        """None where the set is hidden."""
        n = int(self.board.matrix.n_failed[self.index])
        return n if n >= 0 else None

    @property
    def n_systems(self) -> int:
        return int(self.board.matrix.n_systems[self.index])

    @property
    def wall_time_s(self) -> float | None:
        return finite(float(self.board.matrix.wall_time_s[self.index]))

    @property
    def is_ranked(self) -> bool:
        return not self.board.matrix.why[self.index]

    @property
    def why_not_ranked(self) -> str:
        return self.board.matrix.why[self.index]

    @property
    def theory_mismatch(self) -> bool:
        return bool(self.board.matrix.theory_mismatch[self.index])

    @property
    def hardware(self) -> str:
        return self.board.matrix.hardware[self.index]

    @property
    def worker(self) -> str:
        """What evaluated it, as a filter by hardware looks through it."""
        return self.board.matrix.worker[self.index]

    @property
    def tied_with_previous(self) -> bool:
        return bool(self.board.matrix.is_tied[self.index])

    @cached_property
    def metrics(self) -> Mapping[str, MetricScore]:
        matrix = self.board.matrix
        values = matrix.values[self.index].tolist()
        counts = matrix.counts[self.index].tolist()
        return {
            key: MetricScore._make(
                [*(None if v != v else v for v in found), *(None if k < 0 else k for k in n)]
            )
            for key, found, n in zip(matrix.metrics, values, counts, strict=True)
            if n[0] != -1
        }

    @property
    def order(self) -> tuple[bool, int, bool, float, str]:
        return row_order(self.rank, self.score, self.board.entrants[self.index].title)


@dataclass(frozen=True, kw_only=True)
class TaskView:
    """A task's board as one reader sees it. Answers to the names of a ``TaskBoard``."""

    board: StoredTaskBoard
    rows: list[TaskPlace]
    #: Of a timed task: what its rows were timed on, the most frequent first.
    hardware: list[str]
    #: Queued and running.
    pending: list[Evaluation] = field(default_factory=list)
    #: Ended without a score: failed and cancelled.
    failed: list[Evaluation] = field(default_factory=list)
    #: Whether some rows are the reader's own.
    has_private: bool = False

    @property
    def task_version(self) -> TaskVersion:
        return self.board.task_version

    @property
    def metrics(self) -> set[str]:
        """Those that some row has."""
        return {key for board in {row.board for row in self.rows} for key in board.matrix.metrics}


def task_view(
    task_version: TaskVersion, user: User | AnonymousUser, as_of: datetime | None = None
) -> TaskView:
    """The board with the reader's own rows; with ``as_of``, as it stood then.

    Two queries where this process has the board, three where another has; one more for a reader
    who has signed in, and some for his own rows.
    """
    if as_of is not None:
        past = task_board(task_version, user=user, as_of=as_of)
        return _merged(assembled(task_version, "", past.rows), None)
    board = current_task_board(task_version)
    view = _merged(board, _private(task_version, user))
    evaluations = on_boards(user).filter(task_version=task_version).defer("replicates", "summary")
    pending, failed = unfinished(evaluations.exclude(state=EvaluationState.SUCCEEDED))
    for evaluation in (*pending, *failed):
        evaluation.task_version = task_version  # asked for what may be told of it
    return replace(view, pending=pending, failed=failed)


def wanted_rows(rows: Sequence[TaskPlace], wanted: BoardFilter) -> list[TaskPlace]:
    """Those that a reader wants to see; ranks stay those of the whole board."""
    if wanted == EVERY_ROW:
        return list(rows)
    return [row for row in rows if wanted.accepts_row(row.submission, [row.worker])]


def _private(task_version: TaskVersion, user: User | AnonymousUser) -> StoredTaskBoard | None:
    if user.is_anonymous:
        return None
    done = on_boards(user).filter(
        task_version=task_version,
        state=EvaluationState.SUCCEEDED,
        submission__visibility=Visibility.PRIVATE,
    )
    evaluations = list(done.defer("replicates", "summary"))
    return (
        assembled(task_version, "", rows_of_task(task_version, evaluations)[0])
        if evaluations
        else None
    )


def _merged(board: StoredTaskBoard, own: StoredTaskBoard | None) -> TaskView:
    rows = [TaskPlace(board, i) for i in range(len(board.entrants))]
    if own is None:
        keys = list(dict.fromkeys(board.matrix.hardware))
        return TaskView(board=board, rows=rows, hardware=[key for key in keys if key])
    rows += [TaskPlace(own, i) for i in range(len(own.entrants))]
    keys = by_frequency(row.hardware for row in rows)
    rows.sort(key=lambda row: (keys.index(row.hardware), row.order))
    return TaskView(board=board, rows=rows, hardware=[key for key in keys if key], has_private=True)
