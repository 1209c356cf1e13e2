"""How well a task or a board tells potentials apart.

Two numbers: how many neighbours in the ranking differ by more than chance, and how often the first
is first again when half of the clusters are judged alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from evaluator import resampling
from leaderboard import ranking
from leaderboard.lib.json_values import finite
from leaderboard.ranking import FloatArray
from leaderboard.services.boards.skill_store import TaskSkills, current_skills
from leaderboard.services.boards.types import TaskBoard

if TYPE_CHECKING:
    from leaderboard.services.boards.store import StoredBoard

N_HALVES = 200
#: With fewer clusters a half is no smaller task, but another one.
_FEWEST_CLUSTERS = 4
#: Below these shares a task does not tell neighbours apart, or who is first.
MIN_TOLD_APART, MIN_STAYS_FIRST = 0.5, 0.75

_Halves = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Resolution:
    #: Neighbours in the ranking that have intervals.
    n_pairs: int
    #: Of them, those whose difference's 95 % interval leaves zero out.
    n_told_apart: int
    #: Share of the halves; None where there is nothing to halve.
    stays_first: float | None
    #: Tasks whose systems were halved, and tasks that count: the others count whole.
    n_halved: int = 1
    n_tasks: int = 1

    @property
    def tells_neighbours_apart(self) -> bool:
        return self.n_told_apart >= MIN_TOLD_APART * self.n_pairs

    @property
    def tells_the_first(self) -> bool | None:
        return None if self.stays_first is None else self.stays_first >= MIN_STAYS_FIRST


def of_task(board: TaskBoard) -> Resolution | None:
    """Resolve the public ranked rows of a task scored by skill; None without two of them.

    One query, where this process has the skills. Those of hidden sets are never halved.
    """
    version = board.task_version
    rows = [row for row in board.rows if row.rank]
    n_pairs, n_told_apart = _pairs(
        np.array([bool(row.rank_low) for row in rows], bool),
        np.array([row.tied_with_previous for row in rows], bool),
    )
    if not n_pairs or not version.is_scored_by_skill:
        return None
    skills = current_skills([version]).get(version.pk)
    stays = None
    if skills is not None and skills.evaluations and can_be_halved(skills):
        ids = np.array([np.frombuffer(row.evaluation_id.bytes, np.uint8) for row in rows])
        part = skills.of_evaluations(ids, np.arange(len(skills.elements)))
        stays = _stays_first(means_of_halves(part))
    return Resolution(
        n_pairs=n_pairs,
        n_told_apart=n_told_apart,
        stays_first=stays,
        n_halved=int(stays is not None),
    )


def of_board(board: StoredBoard, skills: Sequence[TaskSkills | None]) -> Resolution | None:
    """Resolve the ranking with the board's own weights.

    Parameters
    ----------
    skills
        Of each task of the board, its rows in any order; None where the score counts whole.
    """
    own = board.own
    rows = own.order[own.rank[own.order] > 0]
    n_pairs, n_told_apart = _pairs(own.rank_low[rows] > 0, own.is_tied[rows])
    if not n_pairs:
        return None
    shares = ranking.shares_of(
        [ranking.Weighted(e.category, e.weight, e.category_weight) for e in board.entries]
    )
    total = np.zeros((len(rows), N_HALVES))
    is_zero = board.matrix.is_zero
    n_halved = 0
    for column, share in enumerate(shares):
        task = skills[column]
        scores: FloatArray = board.matrix.score[rows, column][:, None]
        if share > 0 and task is not None and task.evaluations and can_be_halved(task):
            ids = board.matrix.evaluation[rows, column]
            part = task.of_evaluations(ids, np.arange(len(task.elements)))
            # Who covers nothing has no skills, and a score of 0 in each half, too.
            scores = np.where(is_zero[rows, column][:, None], 0.0, means_of_halves(part))
            n_halved += 1
        if share > 0:
            total += share * scores
    return Resolution(
        n_pairs=n_pairs,
        n_told_apart=n_told_apart,
        stays_first=_stays_first(total) if n_halved else None,
        n_halved=n_halved,
        n_tasks=sum(share > 0 for share in shares),
    )


def of_public_board(board: StoredBoard) -> Resolution | None:
    """The same of a board as it stands, from the skills that are kept of its tasks."""
    return of_board(board, _skills_of(board))


def _skills_of(board: StoredBoard) -> list[TaskSkills | None]:
    skills = current_skills([entry.task_version for entry in board.entries])
    return [skills.get(entry.task_version_id) for entry in board.entries]


def _pairs(has_interval: npt.NDArray[np.bool_], is_tied: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """Neighbours that both have an interval, and how many of them are not tied."""
    is_pair = has_interval[1:] & has_interval[:-1]
    return int(is_pair.sum()), int((is_pair & ~is_tied[1:]).sum())


def can_be_halved(skills: TaskSkills) -> bool:
    return len(set(skills.clusters)) >= _FEWEST_CLUSTERS


def means_of_halves(skills: TaskSkills) -> _Halves:
    """Mean skill of each row on each half, shape (n_rows, N_HALVES); NaN where nothing is known."""
    half = resampling.halves(skills.clusters, N_HALVES).T.astype(np.float32)
    known = np.isfinite(skills.skills)
    sums = np.where(known, skills.skills, 0).astype(np.float32) @ half
    with np.errstate(invalid="ignore"):
        means: _Halves = sums / (known.astype(np.float32) @ half).astype(float)
    return means


def _stays_first(scores: _Halves) -> float | None:
    """Share of the columns in which the first row is not below any other."""
    judged = scores[:, np.isfinite(scores[0])]
    others = np.where(np.isfinite(judged[1:]), judged[1:], -np.inf)
    if not judged.size or not len(others):
        return None
    # Sums in another order differ in the last digits.
    return finite(float((judged[0] >= others.max(axis=0) - 1e-6).mean()))
