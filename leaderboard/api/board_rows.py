"""Rows of boards as plain values: serializers would take seconds for thirty thousand cells.

What is written here is what ``serializers/boards.py`` documents; a test compares the two.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from rest_framework.request import Request
from rest_framework.reverse import reverse

from leaderboard.services.advice.recommendation import Candidate
from leaderboard.services.advice.scaling import Estimate
from leaderboard.services.boards.changes import Change
from leaderboard.services.boards.entrants import Entrant
from leaderboard.services.boards.grades import letters_by_name
from leaderboard.services.boards.reader import BoardRow, BoardView, with_live_states
from leaderboard.services.boards.types import TaskRow

_ANY_ID, _ANY_SLUG = str(uuid.UUID(int=0)), "a"


class Links:
    """Addresses in the API, made without asking for each how addresses are made."""

    def __init__(self, request: Request) -> None:
        self._evaluation = self._around(request, "evaluation", _ANY_ID)
        self._submission = self._around(request, "submission", _ANY_ID)
        self._potential = self._around(request, "potential", _ANY_SLUG)

    @staticmethod
    def _around(request: Request, name: str, key: str) -> tuple[str, str]:
        before, _, after = reverse(f"api:{name}", args=[key], request=request).rpartition(key)
        return before, after

    def evaluation(self, pk: str) -> str:
        return pk.join(self._evaluation)

    def submission(self, entrant: Entrant) -> dict[str, Any]:
        return {
            "id": entrant.submission,
            "url": entrant.submission.join(self._submission),
            "version": entrant.version,
            "potential": {
                "slug": entrant.slug,
                "name": entrant.name,
                "url": entrant.slug.join(self._potential),
                "level_of_theory": entrant.level_of_theory,
                "is_baseline": entrant.is_baseline,
            },
        }


def board_rows(view: BoardView, links: Links) -> list[dict[str, Any]]:
    """Rows in the shape of ``BoardRowRecord``."""
    tasks = [(e.task_version.task.slug, e.task_version.number) for e in view.entries]
    return [
        {
            **_standing(place, links),
            "overall": place.overall,
            "overall_low": place.low,
            "overall_high": place.high,
            "grades": letters_by_name(place.entrant.grades),
            "tasks": [
                {
                    "task": slug,
                    "version": number,
                    "state": cell.state,
                    "score": cell.score,
                    "score_low": cell.low,
                    "score_high": cell.high,
                    "rank": cell.rank,
                    "coverage": cell.coverage,
                    "theory_mismatch": cell.theory_mismatch,
                    "why_not_ranked": cell.why_not_ranked,
                    "hardware": cell.hardware,
                    "evaluation": cell.evaluation and links.evaluation(cell.evaluation),
                }
                for (slug, number), cell in zip(tasks, cells, strict=True)
            ],
        }
        for place, cells in with_live_states(view)
    ]


def task_rows(rows: Iterable[TaskRow], links: Links) -> list[dict[str, Any]]:
    """Rows in the shape of ``TaskBoardRowRecord``."""
    return [
        {
            **_standing(place, links),
            "evaluation": links.evaluation(str(place.evaluation_id)),
            "score": place.score,
            "score_low": place.low,
            "score_high": place.high,
            "coverage": place.coverage,
            "n_failed": place.n_failed,
            "theory_mismatch": place.theory_mismatch,
            "hardware": place.hardware,
            "metrics": {key: estimate._asdict() for key, estimate in place.metrics.items()},
        }
        for place in rows
    ]


def change_rows(changes: Iterable[Change], links: Links) -> list[dict[str, Any]]:
    """Rows in the shape of ``ChangeRecord``."""
    return [
        {
            "kind": change.kind,
            "submission": links.submission(change.entrant),
            "rank_before": change.rank_before,
            "rank_after": change.rank_after,
            "score_before": change.score_before,
            "score_after": change.score_after,
        }
        for change in changes
    ]


def candidate_rows(candidates: Iterable[Candidate], links: Links) -> list[dict[str, Any]]:
    """Rows in the shape of ``CandidateRecord``."""
    return [
        {
            "group": str(c.group),
            "reason": c.reason,
            "submission": links.submission(c.row.entrant),
            "licence": c.row.entrant.licence,
            "rank": c.row.rank,
            "overall": c.row.overall,
            "overall_low": c.row.low,
            "overall_high": c.row.high,
            "is_tied_with_best": c.is_tied_with_best,
            "is_on_front": c.is_on_front,
            "estimate": c.estimate and _estimate(c.estimate),
            "timed_by": c.timed_by and str(c.timed_by),
        }
        for c in candidates
    ]


def _estimate(estimate: Estimate) -> dict[str, Any]:
    names = (
        *("hours", "hours_low", "hours_high", "memory_GiB", "nanoseconds_per_day"),
        *("is_extrapolated", "largest_n_atoms", "n_materials"),
    )
    return {name: getattr(estimate, name) for name in names}


def _standing(place: BoardRow | TaskRow, links: Links) -> dict[str, Any]:
    """One place in the shape of ``StandingRecord``."""
    return {
        "rank": place.rank,
        "rank_low": place.rank_low,
        "rank_high": place.rank_high,
        "tied_with_previous": place.tied_with_previous,
        "is_ranked": place.is_ranked,
        "why_not_ranked": place.why_not_ranked,
        "submission": links.submission(place.entrant),
    }
