"""Maps of skill as pages show them: a periodic table, and families as bars."""

from __future__ import annotations

from dataclasses import dataclass

from leaderboard.charts.periodic import ElementCell, PeriodicTable, periodic_table
from leaderboard.services.boards.skill_maps import ELEMENT, FAMILY, Part, PartSkill, SkillMap
from leaderboard.services.boards.task_maps import PartStanding, TaskMap


@dataclass(frozen=True, kw_only=True)
class DrawnMap:
    table: PeriodicTable
    elements: list[PartSkill]
    families: list[PartSkill]
    weakest: list[PartSkill]


@dataclass(frozen=True, kw_only=True)
class DrawnTaskMap:
    table: PeriodicTable
    elements: list[PartStanding]
    families: list[PartStanding]


def drawn_map(skills: SkillMap) -> DrawnMap | None:
    """None where no system with known elements is tested."""
    cells = [
        ElementCell(p.part.name, p.skill, f"on {_counted(p.part)}{_range(p)}", p.part.is_few)
        for p in skills.elements
    ]
    table = periodic_table(cells, label="Mean skill")
    if table is None:
        return None
    return DrawnMap(
        table=table,
        elements=skills.elements,
        families=skills.families,
        weakest=skills.weakest,
    )


def drawn_task_map(task: TaskMap) -> DrawnTaskMap | None:
    """None where nobody but baselines has skills."""
    elements = task.standings_of(ELEMENT)
    cells = [
        ElementCell(
            standing.part.name,
            standing.median,
            f"on {_counted(standing.part)}; best {standing.best:.2f}, by "
            f"{standing.leader.entrant.title}",
            standing.part.is_few,
        )
        for standing in elements
    ]
    table = periodic_table(cells, label="Median of the potentials’ mean skill")
    if table is None:
        return None
    return DrawnTaskMap(table=table, elements=elements, families=task.standings_of(FAMILY))


def _counted(part: Part) -> str:
    systems = f"{part.n_systems} system{'' if part.n_systems == 1 else 's'}"
    if part.n_clusters == part.n_systems:
        return systems
    return f"{systems} in {part.n_clusters} cluster{'' if part.n_clusters == 1 else 's'}"


def _range(skill: PartSkill) -> str:
    if skill.low is None or skill.high is None:
        return ""
    return f", 95 % interval {skill.low:.2f} to {skill.high:.2f}"
