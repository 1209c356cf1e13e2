"""Where the potentials on a task's board are good: by element and by family, as ``skill_maps``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaderboard.services.boards.skill_maps import Group, Part, groups_within
from leaderboard.services.boards.skill_store import Skills, current_skills, is_kept
from leaderboard.services.boards.types import TaskBoard, TaskRow


@dataclass(frozen=True, kw_only=True)
class PartStanding:
    """What public potentials reach on a part, each by its best version; baselines are left out."""

    part: Part
    median: float
    best: float
    #: Who reaches the best.
    leader: TaskRow


@dataclass(frozen=True, kw_only=True, eq=False)
class TaskMap:
    #: On which everybody is tested.
    parts: list[Part]
    #: Public rows of the task's board that have skills, in its order.
    rows: list[TaskRow]
    #: Mean skill, shape (rows, parts); NaN where a row has none.
    skills: npt.NDArray[np.float64]
    #: Of each part on which somebody who is no baseline has a skill.
    standings: list[PartStanding]

    def standings_of(self, kind: str) -> list[PartStanding]:
        return [standing for standing in self.standings if standing.part.kind == kind]


def map_of_task(board: TaskBoard) -> TaskMap | None:
    """Of the public rows; None where nobody has skills. One query where this process has them."""
    version = board.task_version
    skills = current_skills([version])[version.pk] if is_kept(version) else None
    rows = [r for r in board.rows if skills and r.evaluation_id.bytes in skills.row_of]
    if skills is None or not rows:
        return None
    groups = groups_within(skills.elements, skills.is_tested)
    parts = [group.part(skills.is_tested, skills.clusters) for group in groups]
    table = skills.skills[[skills.row_of[row.evaluation_id.bytes] for row in rows]]
    means = _means(table, groups)
    return TaskMap(parts=parts, rows=rows, skills=means, standings=_standings(parts, rows, means))


def _means(table: Skills, groups: Sequence[Group]) -> npt.NDArray[np.float64]:
    """Mean of the known skills of each row in each group, shape (rows, groups)."""
    member = np.array([g.members for g in groups], np.float32).reshape(-1, table.shape[1]).T
    known = np.isfinite(table)
    sums = np.where(known, table, 0).astype(np.float32) @ member
    with np.errstate(invalid="ignore"):
        means: npt.NDArray[np.float64] = sums.astype(float) / (known.astype(np.float32) @ member)
    return np.round(means, 6)


def _standings(
    parts: Sequence[Part], rows: Sequence[TaskRow], means: npt.NDArray[np.float64]
) -> list[PartStanding]:
    versions: dict[str, list[int]] = {}
    for i, row in enumerate(rows):
        if not row.entrant.is_baseline:
            versions.setdefault(row.entrant.slug, []).append(i)
    standings = []
    for part, column in zip(parts, means.T, strict=True):
        leaders = [_best(column, of_potential) for of_potential in versions.values()]
        known = [i for i in leaders if i is not None]
        if known:
            leader = max(known, key=column.__getitem__)
            standings.append(
                PartStanding(
                    part=part,
                    median=float(np.median(column[known])),
                    best=float(column[leader]),
                    leader=rows[leader],
                )
            )
    return standings


def _best(column: npt.NDArray[np.float64], rows: Sequence[int]) -> int | None:
    """Of the versions of one potential, the first with the highest skill; None without any."""
    return max((i for i in rows if np.isfinite(column[i])), key=column.__getitem__, default=None)
