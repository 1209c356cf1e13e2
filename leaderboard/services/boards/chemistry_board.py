"""A board for a chemistry: every task scored anew on the systems that are made of it alone.

All are judged on the same systems, where who failed or does not support them has the skill 0: a
board of those whose elements somebody knows is no gift to who leaves out the others. Ranks,
intervals and ties are made as those of the whole board. A reader's own private rows are judged by
the same systems, and not ranked.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from django.contrib.auth.models import AnonymousUser

from evaluator import resampling
from leaderboard.lib.memory import of_process
from leaderboard.models import BenchmarkTask, TaskVersion
from leaderboard.models.disclosure import is_hidden
from leaderboard.services.boards.chemistry import Chemistry, elements_of
from leaderboard.services.boards.matrix import PRIVATE, SUCCEEDED, Matrix, task_ranks
from leaderboard.services.boards.resolution import Resolution, of_board
from leaderboard.services.boards.rules import on_boards
from leaderboard.services.boards.skill_maps import skill_rows
from leaderboard.services.boards.skill_store import (
    TaskSkills,
    current_skills,
    is_kept,
    mean_skills,
    skills_of,
)
from leaderboard.services.boards.store import StoredBoard, fresh_part

N_DRAWS = 1000
_HIDDEN = "Its reference set is hidden: scores on parts of it would tell more than its score does."
_BY_ANCHORS = "Scored by anchors over all of its systems, not system by system."
_NO_SYSTEM = "No system of it is made of these elements."
_NOBODY = "Nobody has been judged on it yet."
_NOT_TESTED = "What it asks of these systems tests nothing: a guess answers it."
_NO_WEIGHT = "Has no weight on this board, and no other task is judged."
#: Why a success has no score.
_NO_SKILLS = "Its skills on single systems were not kept."

#: Each holds replicates: some 20 MB on a large board.
_boards = of_process(3)


class JudgedTask(NamedTuple):
    entry: BenchmarkTask
    #: On which everybody is tested.
    n_systems: int
    n_clusters: int
    #: That occur in them, in alphabetical order.
    elements: Sequence[str]


class LeftOut(NamedTuple):
    entry: BenchmarkTask
    why: str


@dataclass(frozen=True, kw_only=True, eq=False)
class ChemistryBoard:
    chemistry: Chemistry
    #: With the judged tasks alone, in their order.
    board: StoredBoard
    judged: list[JudgedTask]
    left_out: list[LeftOut]
    resolution: Resolution | None
    #: By task version, what the judged tasks hold, and the places of the chemistry's systems.
    systems: Mapping[int, tuple[TaskSkills, npt.NDArray[np.intp]]]

    @property
    def n_systems(self) -> int:
        return sum(task.n_systems for task in self.judged)

    @property
    def elements(self) -> list[str]:
        """That occur in what is judged."""
        return sorted({symbol for task in self.judged for symbol in task.elements})


def chemistry_board(board: StoredBoard, chemistry: Chemistry) -> ChemistryBoard:
    """Judge all public rows. One query for stamps, where this process has the skills."""
    key = (board.version.pk, board.stamp, board.as_of, chemistry)
    return _boards.value(key, lambda: _compute(board, chemistry))


def on_chemistry(own: StoredBoard | None, chemistry: ChemistryBoard) -> StoredBoard | None:
    """A reader's own private rows on the chemistry's systems, unranked; None without any."""
    if own is None:
        return None
    rows = skill_rows(uuid.UUID(bytes=pk.tobytes()) for pk in own.matrix.evaluation.reshape(-1, 16))
    column_of = {entry.task_version_id: j for j, entry in enumerate(own.entries)}
    parts = {}
    for version, (task, systems) in chemistry.systems.items():
        alike = {
            pk.bytes: row.skills
            for pk, row in rows.items()
            if (row.elements, row.clusters) == (list(task.elements), list(task.clusters))
        }
        whole = replace(
            task,
            evaluations=list(alike),
            skills=np.array([*alike.values()], np.float32).reshape(-1, len(task.elements)),
        )
        column = column_of[version]
        parts[column] = _part(own, column, whole, systems, task.is_tested)
    return _scored(own, parts) if parts else None


def resolution_of(board: StoredBoard, chemistry: ChemistryBoard | None) -> Resolution | None:
    """How well the board tells its rows apart with its own weights, for a chemistry or whole."""
    return board.resolution if chemistry is None else chemistry.resolution


def _compute(board: StoredBoard, chemistry: Chemistry) -> ChemistryBoard:
    skills = _skills_of(board)
    judged: dict[int, tuple[JudgedTask, TaskSkills]] = {}
    systems_of: dict[int, tuple[TaskSkills, npt.NDArray[np.intp]]] = {}
    left_out = []
    for column, entry in enumerate(board.entries):
        version = entry.task_version
        why = _why_not(version, skills.get(version.pk), chemistry)
        if why:
            left_out.append(LeftOut(entry, why))
            continue
        task = skills[version.pk]
        systems = _systems(task, chemistry)
        counts = _counts(task, systems)
        if counts is None:
            left_out.append(LeftOut(entry, _NOT_TESTED))
        else:
            part = _part(board, column, task, systems)
            judged[column] = JudgedTask(entry, *counts), part
            systems_of[version.pk] = task, systems
    if not any(board.entries[j].weight * board.entries[j].category_weight for j in judged):
        left_out += [LeftOut(task.entry, _NO_WEIGHT) for task, _ in judged.values()]
        judged, systems_of = {}, {}
    parts = {column: part for column, (_, part) in judged.items()}
    scored = _scored(board, parts)
    return ChemistryBoard(
        chemistry=chemistry,
        board=scored,
        judged=[task for task, _ in judged.values()],
        left_out=left_out,
        resolution=of_board(scored, list(parts.values())),
        systems=systems_of,
    )


def _skills_of(board: StoredBoard) -> dict[int, TaskSkills]:
    versions = [entry.task_version for entry in board.entries]
    if board.as_of is None:
        return current_skills(versions)
    then = on_boards(AnonymousUser(), board.as_of)
    return {version.pk: skills_of(version, then) for version in versions if is_kept(version)}


def _why_not(version: TaskVersion, skills: TaskSkills | None, chemistry: Chemistry) -> str:
    if is_hidden(version):
        return _HIDDEN
    if not version.is_scored_by_skill:
        return _BY_ANCHORS
    if skills is None or not skills.evaluations:
        return _NOBODY
    return "" if _systems(skills, chemistry).size else _NO_SYSTEM


def _systems(skills: TaskSkills, chemistry: Chemistry) -> npt.NDArray[np.intp]:
    """Places of those that belong to the chemistry."""
    return np.flatnonzero([chemistry.holds(elements_of(text)) for text in skills.elements])


def _counts(
    skills: TaskSkills, systems: npt.NDArray[np.intp]
) -> tuple[int, int, Sequence[str]] | None:
    """What everybody is tested on: systems, clusters, elements; None for nothing."""
    tested = systems[skills.is_tested[systems]].tolist()
    clusters = {skills.clusters[i] for i in tested}
    elements = set().union(*(elements_of(skills.elements[i]) for i in tested))
    return (len(tested), len(clusters), sorted(elements)) if tested else None


def _part(
    board: StoredBoard,
    column: int,
    task: TaskSkills,
    systems: npt.NDArray[np.intp],
    is_tested: npt.NDArray[np.bool_] | None = None,
) -> TaskSkills:
    """Skills of the board's rows on these systems; who covers nothing of the task has 0."""
    part = task.of_evaluations(board.matrix.evaluation[:, column], systems)
    tested = (task.is_tested if is_tested is None else is_tested)[systems]
    part.skills[np.ix_(board.matrix.is_zero[:, column], tested)] = 0
    return part


def _scored(board: StoredBoard, parts: Mapping[int, TaskSkills]) -> StoredBoard:
    """The board of these columns, with scores of the parts."""
    columns = list(parts)
    rows = np.flatnonzero(board.matrix.state[:, columns].any(axis=1)).tolist()
    entries = [board.entries[j] for j in columns]
    names = [board.entrants[i].submission for i in rows]
    shape = (len(rows), len(columns))
    score, low, high = np.full((3, *shape), np.nan)
    replicates = _Replicates(entries, len(rows))
    for k, (entry, part) in enumerate(zip(entries, parts.values(), strict=True)):
        table = part.skills[rows]
        own = [f"{entry.task_version.task.slug}/{entry.task_version.number}/{n}" for n in names]
        weights = resampling.cluster_weights(part.clusters, N_DRAWS)
        drawn = resampling.drawn_means_of_many(table, weights, part.clusters, own)
        score[:, k] = mean_skills(table)
        low[:, k], high[:, k] = resampling.intervals(drawn).T
        replicates.add(entry, drawn)
    matrix = _with_scores(board.matrix.part(rows, columns), score, low, high)
    return fresh_part(board, rows, entries, matrix, replicates.means())


def _with_scores(
    matrix: Matrix,
    score: npt.NDArray[np.float64],
    low: npt.NDArray[np.float64],
    high: npt.NDArray[np.float64],
) -> Matrix:
    """Nothing but skills decides here: neither coverage, nor how the whole task is ranked."""
    succeeded = matrix.state == SUCCEEDED
    why = np.where(succeeded & np.isnan(score), 1, 0).astype(np.int32)
    why[succeeded & ~matrix.is_public[:, None]] = 2
    arrays: dict[str, npt.NDArray[Any]] = {
        "state": matrix.state,
        "why": why,
        "score": score,
        "hardware": matrix.hardware,
    }
    return replace(
        matrix,
        score=score,
        low=low,
        high=high,
        coverage=np.full_like(score, np.nan),
        n_failed=np.zeros_like(matrix.n_failed),
        why=why,
        sentences=["", _NO_SKILLS, PRIVATE],
        rank=task_ranks(arrays),
    )


class _Replicates:
    """Replicates of each category's score: the weighted mean of those of its tasks."""

    def __init__(self, entries: Sequence[BenchmarkTask], n_rows: int) -> None:
        self._total = {e.category: np.zeros((n_rows, N_DRAWS), np.float32) for e in entries}
        self._weight = dict.fromkeys(self._total, 0.0)

    def add(self, entry: BenchmarkTask, drawn: npt.NDArray[np.float32]) -> None:
        if entry.weight > 0:
            self._total[entry.category] += np.float32(entry.weight) * drawn
            self._weight[entry.category] += entry.weight

    def means(self) -> dict[str, npt.NDArray[np.float32]]:
        return {
            name: total / np.float32(self._weight[name]) if self._weight[name] else total
            for name, total in self._total.items()
        }
