"""A stored board as one reader sees it: its public rows, and his own private ones below them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from leaderboard.enums import EvaluationState
from leaderboard.lib.json_values import finite
from leaderboard.models import BenchmarkTask, BenchmarkVersion, Evaluation
from leaderboard.ranking import row_key
from leaderboard.services.boards.entrants import Entrant
from leaderboard.services.boards.filters import EVERY_ROW, BoardFilter
from leaderboard.services.boards.matrix import STATES, Ranking
from leaderboard.services.boards.results import described
from leaderboard.services.boards.rules import (
    are_apart,
    categories_of,
    levels_of,
    shares_of,
)
from leaderboard.services.boards.store import StoredBoard, private_board, ranking_of
from leaderboard.services.boards.types import MISSING, Category, Cell

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

LIVE_STATES = (EvaluationState.QUEUED, EvaluationState.RUNNING)
#: As codes of a matrix.
LIVE = tuple(STATES.index(state) for state in LIVE_STATES)


@dataclass(eq=False)  # not frozen, which takes three times as long to make, and boards have many
class BoardRow:
    """A row of a board (the public one, or the reader's own) under one ranking."""

    board: StoredBoard
    #: Its number there.
    index: int
    rank: int | None
    rank_low: int | None
    rank_high: int | None
    overall: float | None
    low: float | None
    high: float | None
    #: One sentence; empty for a ranked row.
    why_not_ranked: str
    #: Cannot be told apart from the row above it.
    tied_with_previous: bool

    @property
    def entrant(self) -> Entrant:
        return self.board.entrants[self.index]

    @cached_property
    def key(self) -> uuid.UUID:
        """The id of the submission."""
        return uuid.UUID(self.entrant.submission)

    @property
    def is_ranked(self) -> bool:
        return not self.why_not_ranked

    @cached_property
    def cells(self) -> list[Cell]:
        """In the order of the board's tasks, as they were when the board was computed."""
        matrix, i = self.board.matrix, self.index
        codes, ids = matrix.state[i].tolist(), matrix.evaluation[i].tobytes().hex()
        ours = levels_of(self.entrant.level_of_theory)
        columns = (
            *self.board.tasks,
            [_id(ids[32 * j : 32 * j + 32]) if code else None for j, code in enumerate(codes)],
            [STATES[code] or MISSING for code in codes],
            *(
                [None if v != v else v for v in array[i].tolist()]
                for array in (matrix.score, matrix.low, matrix.high, matrix.coverage)
            ),
            matrix.n_failed[i].tolist(),
            [rank or None for rank in matrix.rank[i].tolist()],
            [matrix.sentences[k] for k in matrix.why[i].tolist()],
            [matrix.hardware_keys[k] for k in matrix.hardware[i].tolist()],
            [
                bool(code) and are_apart(ours, theirs)
                for code, theirs in zip(codes, self.board.levels, strict=True)
            ],
        )
        return [Cell._make(parts) for parts in zip(*columns, strict=True)]

    @property
    def cells_by_task(self) -> dict[int, Cell]:
        """By primary key of the task version."""
        tasks = (entry.task_version_id for entry in self.board.entries)
        return dict(zip(tasks, self.cells, strict=True))

    def score(self, column: int) -> float | None:
        return finite(float(self.board.matrix.score[self.index, column]))


def _id(digits: str) -> str:
    """Write an id as ``uuid.UUID`` does, which takes ten times as long."""
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


@dataclass(frozen=True, kw_only=True)
class BoardView:
    """A board as one reader sees it."""

    board: StoredBoard
    #: Of the public rows.
    ranking: Ranking
    categories: list[Category]
    #: From the top of the board to its bottom.
    rows: list[BoardRow]
    #: Rows there are, whether the reader wants to see them or not.
    n_all: int

    @property
    def benchmark_version(self) -> BenchmarkVersion:
        return self.board.version

    @property
    def entries(self) -> list[BenchmarkTask]:
        return self.board.entries

    @property
    def hardware(self) -> str:
        return self.ranking.hardware

    @cached_property
    def shares(self) -> dict[int, float]:
        return shares_of(self.entries, self.categories)


def view_for(
    board: StoredBoard,
    user: User | AnonymousUser,
    weights: Mapping[str, float] | None = None,
    wanted: BoardFilter = EVERY_ROW,
) -> BoardView:
    """Show the board with the reader's own rows."""
    return view_of(board, private_board(board, user), weights, wanted=wanted)


def view_of(
    board: StoredBoard,
    own: StoredBoard | None = None,
    weights: Mapping[str, float] | None = None,
    category: str = "",
    wanted: BoardFilter = EVERY_ROW,
) -> BoardView:
    """The rows that this reader wants to see, with his ``own``. Ranks stay those of the board.

    SubmissionError for unknown categories and when nothing is left that counts.
    """
    weights = weights or {}
    ranking = ranking_of(board, weights, category)
    rows = _rows(board, ranking, wanted)
    if own is not None:
        rows += _rows(own, ranking_of(own, weights, category), wanted)
        rows.sort(key=_order)
    return BoardView(
        board=board,
        ranking=ranking,
        categories=categories_of(board.entries, weights),
        rows=rows,
        n_all=len(board.entrants) + (len(own.entrants) if own else 0),
    )


def with_live_states(view: BoardView) -> list[BoardRow]:
    """The rows, with what was queued or running in its present state. One query."""
    cells = (cell for row in view.rows for cell in row.cells)
    live = [cell.evaluation or "" for cell in cells if cell.state in LIVE_STATES]
    states = Evaluation.objects.filter(pk__in=live).order_by().values_list("pk", "state")
    now = {str(pk): state for pk, state in states}
    for row in view.rows:
        row.cells = [c._replace(state=now.get(c.evaluation or "", c.state)) for c in row.cells]
    return view.rows


def _rows(board: StoredBoard, ranking: Ranking, wanted: BoardFilter) -> list[BoardRow]:
    order = ranking.order.tolist()
    if wanted != EVERY_ROW:
        running = _running_on(board) if wanted.hardware else {}
        order = [i for i in order if _is_wanted(board, i, wanted, running)]
    parts = zip(ranking.standings(), ranking.reasons, ranking.is_tied.tolist(), strict=True)
    values = [(*standing, reason, is_tied) for standing, reason, is_tied in parts]
    return [BoardRow(board, i, *values[i]) for i in order]


def _order(row: BoardRow) -> tuple[bool, int, bool, float, str]:
    return row_key(row.rank, row.overall, row.board.matrix.names[row.index])


def _is_wanted(
    board: StoredBoard, i: int, wanted: BoardFilter, running: Mapping[str, list[str]]
) -> bool:
    workers = board.matrix.workers
    hardware = [workers[k] for k in np.unique(board.matrix.worker[i]).tolist()]
    hardware += running.get(board.entrants[i].submission, [])
    return wanted.accepts_row(board.entrants[i], hardware)


def _running_on(board: StoredBoard) -> dict[str, list[str]]:
    """What runs now, by submission: it was not known when the board was computed. One query."""
    tasks = [e.task_version_id for e in board.entries]
    by_submission: dict[str, list[str]] = {}
    for evaluation in Evaluation.objects.filter(
        task_version__in=tasks, is_current=True, state=EvaluationState.RUNNING
    ).select_related("worker"):
        by_submission.setdefault(str(evaluation.submission_id), []).append(described(evaluation))
    return by_submission
