"""Where an evaluation is good: mean skill on the systems with an element, or of a family.

All of it follows from the one table of skills that scores are made of. A system counts for each of
its elements. Nothing is told of hidden sets, nor of what was scored by anchors.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from evaluator import resampling
from evaluator.catalog.elements import SYMBOLS
from leaderboard.lib.memory import of_process
from leaderboard.models import SkillTable
from leaderboard.models.disclosure import OF_OPEN
from leaderboard.services.boards.chemistry import FAMILIES, elements_of
from leaderboard.services.boards.skill_store import FIRST_ROW, Skills, mean_skills
from leaderboard.services.evaluations import skill_tables

N_DRAWS = 1000
#: With fewer clusters a mean says little: maps mark it.
FEW_CLUSTERS = 5
ELEMENT, FAMILY = "element", "family"
_N_WEAKEST = 4

_groups = of_process(60)


class Part(NamedTuple):
    """The systems of a task that hold an element, or belong to a family."""

    #: ELEMENT or FAMILY.
    kind: str
    name: str
    n_systems: int
    n_clusters: int

    @property
    def is_few(self) -> bool:
        return self.n_clusters < FEW_CLUSTERS


class Group(NamedTuple):
    kind: str
    name: str
    #: Whether each system of the set belongs to it.
    members: npt.NDArray[np.bool_]

    def part(self, is_tested: npt.NDArray[np.bool_], clusters: Sequence[str]) -> Part:
        """With the counts of what is tested."""
        places = np.flatnonzero(self.members & is_tested).tolist()
        return Part(self.kind, self.name, len(places), len({clusters[i] for i in places}))


@dataclass(frozen=True, kw_only=True)
class PartSkill:
    """Mean skill on a part."""

    part: Part
    skill: float
    #: The 95 % interval, where it was asked for.
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class SkillMap:
    """Of one evaluation: elements by atomic number, then families."""

    elements: list[PartSkill]
    families: list[PartSkill]

    @property
    def weakest(self) -> list[PartSkill]:
        """Elements of the smallest skill, the smallest first."""
        return sorted(self.elements, key=lambda p: p.skill)[:_N_WEAKEST]


@dataclass(frozen=True, kw_only=True, eq=False)
class SkillRow:
    """Skills of one evaluation, system by system; NaN where nothing is tested."""

    elements: Sequence[str]
    clusters: Sequence[str]
    skills: Skills


def skill_rows(evaluations: Iterable[uuid.UUID]) -> dict[uuid.UUID, SkillRow]:
    """Skills of those that have any, on open sets. One query.

    The caller answers for who may see the evaluations.
    """
    tables = SkillTable.objects.filter(OF_OPEN, evaluation__in=list(evaluations))
    rows = tables.annotate(row=FIRST_ROW).values_list("pk", "elements", "clusters", "row")
    return {
        pk: SkillRow(
            elements=elements,
            clusters=clusters,
            skills=skill_tables.unpacked(row, len(elements))[0].astype(np.float32),
        )
        for pk, elements, clusters, row in rows
    }


def map_of(evaluation: uuid.UUID, row: SkillRow, *, with_intervals: bool = False) -> SkillMap:
    """Intervals are those of scores: draws of the clusters, with the evaluation's own prior."""
    known = np.isfinite(row.skills)
    groups = groups_within(row.elements, known)
    masked = _masked(row.skills, groups)
    ends: Sequence[Sequence[float | None]] = [(None, None)] * len(groups)
    if with_intervals and groups:
        weights = resampling.cluster_weights(row.clusters, N_DRAWS)
        own = [f"{evaluation}/{group.name}" for group in groups]
        drawn = resampling.drawn_means_of_many(masked, weights, row.clusters, own)
        ends = resampling.intervals(drawn).tolist()
    parts = [
        PartSkill(part=g.part(known, row.clusters), skill=float(mean), low=low, high=high)
        for g, mean, (low, high) in zip(groups, mean_skills(masked), ends, strict=True)
    ]
    return SkillMap(
        elements=[p for p in parts if p.part.kind == ELEMENT],
        families=[p for p in parts if p.part.kind == FAMILY],
    )


class Paired(NamedTuple):
    """Elements on which several evaluations of a task are judged by the same systems."""

    parts: list[Part]
    #: Shape (evaluations, parts).
    skills: npt.NDArray[np.float64]
    #: Draws of them, shape (evaluations, parts, N_DRAWS): draw i weighs clusters alike for all.
    drawn: npt.NDArray[np.float32]


def paired(rows: Sequence[tuple[uuid.UUID, SkillRow]]) -> Paired | None:
    """None where they have skills of different systems, or nothing is tested for all of them."""
    elements, clusters = rows[0][1].elements, rows[0][1].clusters
    if any((row.elements, row.clusters) != (elements, clusters) for _, row in rows):
        return None
    tested = np.isfinite(np.array([row.skills for _, row in rows])).all(axis=0)
    groups = [group for group in groups_within(elements, tested) if group.kind == ELEMENT]
    if not groups:
        return None
    weights = resampling.cluster_weights(clusters, N_DRAWS)
    tables = [(pk, _masked(row.skills, groups)) for pk, row in rows]
    drawn = [
        resampling.drawn_means_of_many(table, weights, clusters, [f"{pk}/{g.name}" for g in groups])
        for pk, table in tables
    ]
    return Paired(
        parts=[g.part(tested, clusters) for g in groups],
        skills=np.array([mean_skills(table) for _, table in tables]),
        drawn=np.array(drawn),
    )


def groups_of(elements: Sequence[str]) -> list[Group]:
    """Of systems as tables name their elements: those that occur, and then the families."""
    return _groups.value(tuple(elements), lambda: _grouped(elements))


def groups_within(elements: Sequence[str], is_chosen: npt.NDArray[np.bool_]) -> list[Group]:
    """The same of the chosen systems alone, without groups of which none is left."""
    return [
        Group(group.kind, group.name, group.members & is_chosen)
        for group in groups_of(elements)
        if (group.members & is_chosen).any()
    ]


def _grouped(elements: Sequence[str]) -> list[Group]:
    sets = [elements_of(text) for text in elements]
    present = frozenset[str]().union(*sets)
    groups = [
        Group(ELEMENT, symbol, np.array([symbol in own for own in sets], bool))
        for symbol in SYMBOLS
        if symbol in present
    ]
    for name, family in FAMILIES.items():
        members = np.array([bool(own) and family.holds(own) for own in sets], bool)
        if members.any():
            groups.append(Group(FAMILY, name, members))
    return groups


def _masked(skills: Skills, groups: Sequence[Group]) -> Skills:
    """One row a group, NaN outside of it."""
    members = np.array([group.members for group in groups], bool).reshape(-1, len(skills))
    return np.where(members, skills, np.float32(np.nan)).astype(np.float32)
