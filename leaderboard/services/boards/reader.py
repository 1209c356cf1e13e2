"""A stored board as one reader sees it: its public rows, and his own private ones below them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from leaderboard.enums import EvaluationState
from leaderboard.lib.json_values import finite
from leaderboard.models import BenchmarkTask, BenchmarkVersion, Evaluation
from leaderboard.services.boards.entrants import Entrant
from leaderboard.services.boards.filters import EVERY_ROW, BoardFilter
from leaderboard.services.boards.matrix import STATES, Ranking
from leaderboard.services.boards.results import described
from leaderboard.services.boards.rules import (
    are_apart,
    categories_of,
    levels_of,
    row_order,
    shares_of,
)
from leaderboard.services.boards.store import StoredBoard, private_board, ranking_of
from leaderboard.services.boards.types import Category, Cell

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

LIVE = (STATES.index(EvaluationState.QUEUED), STATES.index(EvaluationState.RUNNING))


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
        """Of the submission."""
        return uuid.UUID(self.entrant.submission)

    @property
    def is_ranked(self) -> bool:
        return not self.why_not_ranked

    def evaluation(self, column: int) -> uuid.UUID | None:
        """Of the task in this place of the board; None where there is none."""
        if not self.board.matrix.state[self.index, column]:
            return None
        return uuid.UUID(bytes=self.board.matrix.evaluation[self.index, column].tobytes())

    def cell(self, column: int) -> Cell:
        """On the task in this place of the board; the evaluation itself is not looked up."""
        matrix, i, j = self.board.matrix, self.index, column
        reference = self.board.entries[j].task_version.reference_set
        theory = reference.level_of_theory if reference else ""
        state = int(matrix.state[i, j])
        if not state:
            return Cell()
        return Cell(
            score=self.score(j),
            low=finite(float(matrix.low[i, j])),
            high=finite(float(matrix.high[i, j])),
            rank=int(matrix.rank[i, j]) or None,
            state=STATES[state],
            coverage=finite(float(matrix.coverage[i, j])),
            why_not_ranked=matrix.sentences[matrix.why[i, j]],
            theory_mismatch=are_apart(levels_of(self.entrant.level_of_theory), levels_of(theory)),
            hardware=matrix.hardware_keys[matrix.hardware[i, j]],
        )

    @cached_property
    def cells(self) -> dict[int, Cell]:
        """By primary key of the task version."""
        return {e.task_version_id: self.cell(j) for j, e in enumerate(self.board.entries)}

    def score(self, column: int) -> float | None:
        return finite(float(self.board.matrix.score[self.index, column]))


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
    """As ``view_of``, with the reader's own rows."""
    return view_of(board, private_board(board, user), weights, wanted=wanted)


def view_of(
    board: StoredBoard,
    own: StoredBoard | None,
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


def live_states(places: Sequence[BoardRow]) -> dict[str, str]:
    """Of what was queued or running when the board was computed: its state now. One query."""
    rows: dict[int, tuple[StoredBoard, list[int]]] = {}
    for place in places:
        rows.setdefault(id(place.board), (place.board, []))[1].append(place.index)
    keys = [
        uuid.UUID(bytes=key.tobytes())
        for board, chosen in rows.values()
        for key in board.matrix.evaluation[chosen][np.isin(board.matrix.state[chosen], LIVE)]
    ]
    found = Evaluation.objects.filter(pk__in=keys).order_by().values_list("pk", "state")
    return {str(pk): state for pk, state in found}


def _rows(board: StoredBoard, ranking: Ranking, wanted: BoardFilter) -> list[BoardRow]:
    order = ranking.order.tolist()
    if wanted != EVERY_ROW:
        running = _running_on(board) if wanted.hardware else {}
        order = [i for i in order if _is_wanted(board, i, wanted, running)]
    counts = [
        [n or None for n in array.tolist()]
        for array in (ranking.rank, ranking.rank_low, ranking.rank_high)
    ]
    numbers = [
        [finite(v) for v in array.tolist()]
        for array in (ranking.overall, ranking.low, ranking.high)
    ]
    values = list(zip(*counts, *numbers, ranking.reasons, ranking.is_tied.tolist(), strict=True))
    return [BoardRow(board, i, *values[i]) for i in order]


def _order(row: BoardRow) -> tuple[bool, int, bool, float, str]:
    return row_order(row.rank, row.overall, row.board.matrix.names[row.index])


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
