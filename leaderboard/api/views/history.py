"""How the rank of a potential's versions went over time."""

from __future__ import annotations

from typing import Any

from django.db.models import Model, QuerySet
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from leaderboard.api.pagination import Pages
from leaderboard.api.query import HistoryFilter, read_query
from leaderboard.api.serializers.history import HistoryRecord
from leaderboard.api.views.base import PagedView, described, one, paged, user_of
from leaderboard.api.views.submissions import visible_potentials
from leaderboard.api.views.tasks import shown_benchmark_versions
from leaderboard.enums import VersionState
from leaderboard.models import BenchmarkVersion, StandingRecord
from leaderboard.services.boards.potential_history import Written, history_of, written
from leaderboard.services.submissions.submissions import default_benchmark


class HistoryPages(Pages):
    """With how far the history is written: what is younger is not in it yet."""

    ordering = ("-since", "-id")
    told = Written(through=None, n_waiting=0)

    def paginate_queryset(  # type: ignore[override]
        self, queryset: QuerySet[Any], request: Request, view: APIView | None = None
    ) -> list[Model] | None:
        assert isinstance(view, PotentialHistory)  # noqa: S101  (no other view has such pages)
        self.told = view.told
        return super().paginate_queryset(queryset, request, view)

    def get_paginated_response(self, data: Any) -> Response:  # noqa: ANN401  (rows as JSON)
        response = super().get_paginated_response(data)
        response.data |= {
            "recorded_through": self.told.through,
            "n_waiting": self.told.n_waiting,
        }
        return response

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        described: dict[str, Any] = super().get_paginated_response_schema(schema)
        described["required"] = [*described["required"], "recorded_through", "n_waiting"]
        described["properties"] |= {
            "recorded_through": {
                "type": ["string", "null"],
                "format": "date-time",
                "description": "What happened until then is in it; null: nothing is yet.",
            },
            "n_waiting": {"type": "integer", "description": "Later moments that will follow."},
        }
        return described


class PotentialHistory(PagedView):
    pagination_class = HistoryPages
    told = HistoryPages.told

    @described(
        "potentials",
        "How the rank of its versions went over time, the newest change first",
        HistoryRecord(many=True),
        parameters=[HistoryFilter],
        operation_id="potentials_history",
    )
    def get(self, request: Request, slug: str) -> Response:
        query = read_query(request, HistoryFilter)
        potential = one(visible_potentials(request).named(slug), f"potential {slug!r}")
        version = _board(query)
        rows = StandingRecord.objects.none()
        if version is not None:
            self.told = written(version)
            rows = history_of(potential, version, user_of(request))
        return paged(self, rows, HistoryRecord)


def _board(query: dict[str, Any]) -> BenchmarkVersion | None:
    if "benchmark" not in query:
        return default_benchmark()
    rows = shown_benchmark_versions().filter(benchmark__slug=query["benchmark"])
    return one(
        rows.filter(state=VersionState.PUBLISHED).order_by("-number"),
        f"board of benchmark {query['benchmark']!r}",
    )
