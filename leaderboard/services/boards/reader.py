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
from leaderboard.models import BenchmarkTask, BenchmarkVersion, Evaluation, Submission
from leaderboard.services.boards.entrants import Entrant
from leaderboard.services.boards.filters import EVERY_ROW, BoardFilter
from leaderboard.services.boards.matrix import STATES, Ranking, described
from leaderboard.services.boards.rules import categories_of, has_theory_mismatch, shares_of
from leaderboard.services.boards.store import StoredBoard, private_board, ranking_of
from leaderboard.services.boards.types import Category, Cell

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

LIVE = (STATES.index(EvaluationState.QUEUED), STATES.index(EvaluationState.RUNNING))


@dataclass(eq=False)  # not frozen, which takes three times as long to make, and boards have many
class BoardRow:
    """Where a row is found: a board (the public one, or the reader's own), and its number there."""

    board: StoredBoard
    ranking: Ranking
    index: int

    @property
    def entrant(self) -> Entrant:
        return self.board.entrants[self.index]

    @property
    def submission(self) -> Submission:
        return self.board.entrants.model(self.index)

    @cached_property
    def key(self) -> uuid.UUID:
        """Of the submission."""
        return uuid.UUID(self.entrant.submission)

    @property
    def rank(self) -> int | None:
        return int(self.ranking.rank[self.index]) or None

    @property
    def rank_low(self) -> int | None:
        return int(self.ranking.rank_low[self.index]) or None

    @property
    def rank_high(self) -> int | None:
        return int(self.ranking.rank_high[self.index]) or None

    @property
    def overall(self) -> float | None:
        return finite(float(self.ranking.overall[self.index]))

    @property
    def low(self) -> float | None:
        return finite(float(self.ranking.low[self.index]))

    @property
    def high(self) -> float | None:
        return finite(float(self.ranking.high[self.index]))

    @property
    def is_ranked(self) -> bool:
        return not self.ranking.reasons[self.index]

    @property
    def why_not_ranked(self) -> str:
        return self.ranking.reasons[self.index]

    @property
    def tied_with_previous(self) -> bool:
        return bool(self.ranking.is_tied[self.index])

    @property
    def order(self) -> tuple[bool, int, bool, float, str]:
        """Sorts by rank, then the unranked by score, then by name."""
        name = self.board.matrix.names[self.index]
        rank, overall = self.rank, self.overall
        return (rank is None, rank or 0, overall is None, -(overall or 0.0), name)

    def evaluation(self, column: int) -> uuid.UUID | None:
        """Of the task in this place of the board; None where there is none."""
        if not self.board.matrix.state[self.index, column]:
            return None
        return uuid.UUID(bytes=self.board.matrix.evaluation[self.index, column].tobytes())

    def cell(self, column: int) -> Cell:
        """On the task in this place of the board; the evaluation itself is not looked up."""
        matrix, i, j = self.board.matrix, self.index, column
        version = self.board.entries[j].task_version
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
            theory_mismatch=has_theory_mismatch(self.submission, version),
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
    rows = _places(board, ranking, wanted)
    if own is not None:
        rows += _places(own, ranking_of(own, weights, category), wanted)
        rows.sort(key=lambda place: place.order)
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


def _places(board: StoredBoard, ranking: Ranking, wanted: BoardFilter) -> list[BoardRow]:
    order = ranking.order.tolist()
    if wanted != EVERY_ROW:
        running = _running_on(board) if wanted.hardware else {}
        order = [i for i in order if _is_wanted(board, i, wanted, running)]
    return [BoardRow(board, ranking, i) for i in order]


def _is_wanted(
    board: StoredBoard, i: int, wanted: BoardFilter, running: Mapping[str, list[str]]
) -> bool:
    workers = board.matrix.workers
    hardware = [workers[k] for k in np.unique(board.matrix.worker[i]).tolist()]
    hardware += running.get(board.entrants[i].submission, [])
    return wanted.accepts_row(board.entrants.model(i), hardware)


def _running_on(board: StoredBoard) -> dict[str, list[str]]:
    """What runs now, by submission: it was not known when the board was computed. One query."""
    tasks = [e.task_version_id for e in board.entries]
    by_submission: dict[str, list[str]] = {}
    for evaluation in Evaluation.objects.filter(
        task_version__in=tasks, is_current=True, state=EvaluationState.RUNNING
    ).select_related("worker"):
        by_submission.setdefault(str(evaluation.submission_id), []).append(described(evaluation))
    return by_submission
