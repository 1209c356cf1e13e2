"""The uncertainty that submissions give each other, and what it is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from evaluator.committee import COVERAGES, Calibration, Estimate
from leaderboard.api.board_rows import Links
from leaderboard.api.query import VersionFilter, read_query
from leaderboard.api.serializers.committee import CommitteeRecord
from leaderboard.api.tables import Cell, Table, is_table, tables
from leaderboard.api.views.base import TABLES_TOO, described
from leaderboard.api.views.tasks import find_task_version
from leaderboard.services.boards.committee import (
    UNITS,
    Committee,
    Judged,
    current_committee,
    judged_rows,
)
from leaderboard.services.boards.types import TaskRow

_ESTIMATES = ("spearman", "auroc", "rmse", "rmse_half")
_Rows = Sequence[tuple[TaskRow, Mapping[str, Judged]]]


class TaskCommittee(APIView):
    renderer_classes = TABLES_TOO

    @described(
        "leaderboards",
        "How far each submission's answers lie from those of the others, and how well that tells "
        "its true error; never scored",
        tables(CommitteeRecord),
        parameters=[VersionFilter],
    )
    def get(self, request: Request, slug: str) -> Response:
        read_query(request, VersionFilter)
        version = find_task_version(request, slug)
        committee = current_committee(version)
        rows = judged_rows(version, committee)
        if is_table(request):
            return _table(f"committee-{slug}-v{version.number}", committee, rows).response(request)
        told = {"task": version, "n_members": len(committee.members), "rows": []}
        answer = CommitteeRecord(told, context={"request": request}).data
        return Response({**answer, "rows": _rows(committee, rows, Links(request))})


def _rows(committee: Committee, rows: _Rows, links: Links) -> list[dict[str, Any]]:
    """In the shape of ``CommitteeRowRecord``."""
    members = set(committee.members)
    return [
        {
            "submission": links.submission(row.entrant),
            "evaluation": links.evaluation(str(row.evaluation_id)),
            "is_member": row.evaluation_id in members,
            "theory_mismatch": row.theory_mismatch,
            "quantities": [
                {
                    "quantity": name,
                    "unit": UNITS[name],
                    "n_voices": judged.n_voices,
                    "calibration": _calibration(judged.calibration),
                }
                for name, judged in by_quantity.items()
            ],
        }
        for row, by_quantity in rows
    ]


def _calibration(found: Calibration | None) -> dict[str, Any] | None:
    if found is None:
        return None
    risk = zip(COVERAGES, found.risk, strict=True)
    return {
        "n": found.n,
        "n_clusters": found.n_clusters,
        **{name: _estimate(getattr(found, name)) for name in _ESTIMATES},
        "risk": [{"coverage": coverage, "rmse": rmse} for coverage, rmse in risk],
    }


def _estimate(estimate: Estimate | None) -> dict[str, float | None] | None:
    if estimate is None:
        return None
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}


def _table(filename: str, committee: Committee, rows: _Rows) -> Table:
    """A line for each row and quantity."""
    members = set(committee.members)
    return Table(
        filename=filename,
        columns=[
            *("potential", "name", "version", "submission", "evaluation", "is_member"),
            *("theory_mismatch", "quantity", "unit", "n_voices", "n", "n_clusters"),
            *(f"{name}{part}" for name in _ESTIMATES for part in ("", "_low", "_high")),
            *(f"rmse_surest_{round(100 * share)}_percent" for share in COVERAGES),
        ],
        rows=[
            [
                *(row.entrant.slug, row.entrant.name, row.entrant.version),
                *(row.entrant.submission, str(row.evaluation_id), row.evaluation_id in members),
                *(row.theory_mismatch, name, UNITS[name], judged.n_voices),
                *_cells(judged.calibration),
            ]
            for row, by_quantity in rows
            for name, judged in by_quantity.items()
        ],
    )


def _cells(found: Calibration | None) -> list[Cell]:
    if found is None:
        return [None] * (2 + 3 * len(_ESTIMATES) + len(COVERAGES))
    cells: list[Cell] = [found.n, found.n_clusters]
    for name in _ESTIMATES:
        estimate = getattr(found, name)
        cells += [None] * 3 if estimate is None else [estimate.value, estimate.low, estimate.high]
    return [*cells, *found.risk]
