"""Maps of skill by element and family, as JSON and as tables."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import numpy as np
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from leaderboard.api.board_rows import Links
from leaderboard.api.query import NoFilter, VersionFilter, read_query
from leaderboard.api.serializers.maps import EvaluationMapRecord, TaskMapRecord
from leaderboard.api.tables import Table, is_table, tables
from leaderboard.api.views.base import TABLES_TOO, described
from leaderboard.api.views.evaluations import with_details
from leaderboard.api.views.tasks import find_task_version
from leaderboard.models import TaskVersion
from leaderboard.services.boards.skill_maps import Part, PartSkill, map_of, skill_rows
from leaderboard.services.boards.task_maps import TaskMap, map_of_task
from leaderboard.services.boards.task_store import current_task_board

_ROW = ("potential", "name", "version", "submission", "evaluation")


class TaskMapView(APIView):
    renderer_classes = TABLES_TOO

    @described(
        "leaderboards",
        "Mean skill of all public potentials on a task, by element and by family",
        tables(TaskMapRecord),
        parameters=[VersionFilter],
    )
    def get(self, request: Request, slug: str) -> Response:
        version = find_task_version(request, slug)
        task_map = map_of_task(current_task_board(version))
        if is_table(request):
            return _task_table(version, task_map).response(request)
        told = {"task_version": version, "parts": [], "standings": [], "rows": []}
        head = TaskMapRecord(told, context={"request": request}).data
        return Response({**head, **(_task_map(task_map, Links(request)) if task_map else {})})


class EvaluationMapView(APIView):
    renderer_classes = TABLES_TOO

    @described(
        "evaluations",
        "Mean skill of an evaluation by element and by family, with intervals",
        tables(EvaluationMapRecord),
    )
    def get(self, request: Request, pk: UUID) -> Response:
        read_query(request, NoFilter)
        evaluation = with_details(request, pk)
        rows = skill_rows([pk])
        skills = map_of(pk, rows[pk], with_intervals=True) if pk in rows else None
        parts = [*skills.elements, *skills.families] if skills else []
        if is_table(request):
            return _evaluation_table(pk, parts).response(request)
        told = {
            "evaluation": evaluation,
            "task_version": evaluation.task_version,
            "parts": [_part_skill(part) for part in parts],
        }
        return Response(EvaluationMapRecord(told, context={"request": request}).data)


def _task_map(task: TaskMap, links: Links) -> dict[str, Any]:
    """What of ``TaskMapRecord`` follows from the map."""
    return {
        "parts": [part._asdict() for part in task.parts],
        "standings": [
            {
                **s.part._asdict(),
                "median": s.median,
                "best": s.best,
                "best_evaluation": links.evaluation(str(s.leader.evaluation_id)),
            }
            for s in task.standings
        ],
        "rows": [
            {
                "submission": links.submission(row.entrant),
                "evaluation": links.evaluation(str(row.evaluation_id)),
                "skills": skills,
            }
            for row, skills in zip(task.rows, _plain(task), strict=True)
        ],
    }


def _plain(task: TaskMap) -> list[list[float | None]]:
    nothing = np.isnan(task.skills)
    table: list[list[float | None]] = np.where(nothing, None, task.skills).tolist()  # type: ignore[call-overload]
    return table


def _part_skill(part: PartSkill) -> dict[str, Any]:
    return {**part.part._asdict(), "skill": part.skill, "low": part.low, "high": part.high}


def _task_table(version: TaskVersion, task: TaskMap | None) -> Table:
    """A row for each potential and part."""
    parts: list[Part] = task.parts if task else []
    return Table(
        filename=f"{version.task.slug}-v{version.number}-map",
        columns=[*_ROW, "kind", "part", "n_systems", "n_clusters", "skill"],
        rows=[
            [
                *(row.entrant.slug, row.entrant.name, row.entrant.version),
                *(row.entrant.submission, str(row.evaluation_id)),
                *(*part, skill),
            ]
            for row, skills in zip(task.rows, _plain(task), strict=True)
            for part, skill in zip(parts, skills, strict=True)
        ]
        if task
        else [],
    )


def _evaluation_table(pk: UUID, parts: list[PartSkill]) -> Table:
    return Table(
        filename=f"map-{pk}",
        columns=["kind", "part", "n_systems", "n_clusters", "skill", "low", "high"],
        rows=[[*p.part, p.skill, p.low, p.high] for p in parts],
    )
