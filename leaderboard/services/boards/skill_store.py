"""Skills of all public evaluations of a task version, system by system, kept as one array.

Hidden sets have none here: what a part of their systems scores would tell more than the rounded
score of all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from django.contrib.auth.models import AnonymousUser
from django.db.models import BinaryField, Count, F, Func, QuerySet, TextField, Value
from django.db.models.functions import MD5, Cast, Concat

from leaderboard.lib.memory import of_process
from leaderboard.models import Evaluation, SkillTable, TaskVersion, TestedSystems
from leaderboard.models.disclosure import OF_OPEN, is_hidden
from leaderboard.services.boards.rules import on_boards
from leaderboard.services.boards.snapshots import Snapshot
from leaderboard.services.boards.stamps import stamps_of_tasks
from leaderboard.services.evaluations import skill_tables

Skills = npt.NDArray[np.float32]

_tasks = of_process(60)


@dataclass(frozen=True, kw_only=True, eq=False)
class TaskSkills:
    """NaN is a skill where nothing is tested; shape (n_evaluations, n_systems)."""

    #: Of each system, as "Cl-Na".
    elements: Sequence[str]
    clusters: Sequence[str]
    #: Bytes of the id of each row's evaluation.
    evaluations: Sequence[bytes]
    skills: Skills
    #: Whether each system tests something, as is known of the task version; empty where it is not.
    tested: Sequence[bool] = ()

    @cached_property
    def row_of(self) -> dict[bytes, int]:
        return {pk: i for i, pk in enumerate(self.evaluations)}

    @cached_property
    def is_tested(self) -> npt.NDArray[np.bool_]:
        """Whether each system tests something.

        Where the task version does not tell, it is seen from the rows: the right have no skill
        where a guess is right.
        """
        if len(self.tested) == len(self.elements):
            return np.array(self.tested, bool)
        return np.asarray(np.isfinite(self.skills).all(axis=0))

    def of_evaluations(
        self, ids: npt.NDArray[np.uint8], systems: npt.NDArray[np.intp]
    ) -> TaskSkills:
        """On some systems, of evaluations as a matrix names them, shape (n, 16); NaN for others."""
        rows = np.array([self.row_of.get(pk.tobytes(), -1) for pk in ids], int)
        table = np.full((len(rows), len(systems)), np.nan, np.float32)
        table[rows >= 0] = self.skills[rows[rows >= 0]][:, systems]
        return TaskSkills(
            elements=[self.elements[i] for i in systems],
            clusters=[self.clusters[i] for i in systems],
            evaluations=[pk.tobytes() for pk in ids],
            skills=table,
            tested=[self.tested[i] for i in systems] if self.tested else (),
        )


def is_kept(task_version: TaskVersion) -> bool:
    """Whether the task is scored by skill, and on an open set."""
    return task_version.is_scored_by_skill and not is_hidden(task_version)


def current_skills(versions: Sequence[TaskVersion]) -> dict[int, TaskSkills]:
    """By task version, of those for which ``is_kept``. One query where this process has them."""
    chosen = [version for version in versions if is_kept(version)]
    if not chosen:
        return {}
    stamps = stamps_of_tasks([version.pk for version in chosen])
    return {version.pk: _snapshot(version, stamps).value() for version in chosen}


def skills_of(version: TaskVersion, evaluations: QuerySet[Evaluation]) -> TaskSkills:
    """Read them, of the layout of systems that most of the evaluations have. Four queries."""
    tables = SkillTable.objects.filter(
        OF_OPEN, evaluation__in=evaluations.filter(task_version=version).order_by().values("pk")
    ).annotate(layout=_LAYOUT)
    layouts = tables.values("layout").annotate(n=Count("*")).order_by("-n", "layout")
    layout = layouts.values_list("layout", flat=True).first() if is_kept(version) else None
    chosen = tables.filter(layout=layout).order_by("pk")
    rows = list(chosen.annotate(row=FIRST_ROW).values_list("pk", "row"))
    if not rows:
        nothing = np.zeros((0, 0), np.float32)
        return TaskSkills(elements=[], clusters=[], evaluations=[], skills=nothing)
    about = SkillTable.objects.get(pk=rows[0][0])
    unpacked = [skill_tables.unpacked(row, len(about.elements))[0] for _, row in rows]
    return TaskSkills(
        elements=about.elements,
        clusters=about.clusters,
        evaluations=[pk.bytes for pk, _ in rows],
        skills=np.array(unpacked, np.float32),
        tested=_tested(version, about),
    )


def _tested(version: TaskVersion, about: SkillTable) -> list[bool]:
    """What the task version tells of these very systems; empty where it tells nothing."""
    told = TestedSystems.objects.filter(
        task_version=version, elements=about.elements, clusters=about.clusters
    ).first()
    return told.is_tested if told else []


def mean_skills(table: Skills) -> npt.NDArray[np.float64]:
    """Mean of what is known in each row; NaN where nothing is."""
    known = np.isfinite(table)
    with np.errstate(invalid="ignore"):
        means: npt.NDArray[np.float64] = np.where(known, table, 0).sum(
            axis=1, dtype=float
        ) / known.sum(axis=1)
    return np.round(means, 6)


def _snapshot(version: TaskVersion, stamps: Mapping[int, str]) -> Snapshot[TaskSkills]:
    return Snapshot(
        key=f"skills {version.pk}",
        memory=_tasks,
        stamp=lambda: stamps[version.pk],
        compute=lambda _: skills_of(version, on_boards(AnonymousUser())),
        to_plain=lambda task: {
            "elements": task.elements,
            "clusters": task.clusters,
            "evaluations": list(task.evaluations),
            "skills": task.skills,
            "tested": task.tested,
        },
        from_plain=lambda _, parts: TaskSkills(**parts),
    )


#: Tells tables of the same systems: names of elements and clusters, in their order.
_LAYOUT = MD5(
    Concat(
        Cast("elements", TextField()), Value("/"), Cast("clusters", TextField()),
        output_field=TextField(),
    )
)  # fmt: skip
#: Over all metrics; those of each metric stay in the database.
FIRST_ROW = Func(
    F("packed"),
    Value(1),
    4 * F("elements__len"),
    function="substr",
    output_field=BinaryField(),
)
