"""The environments in which calculators run: those that ship, and those that submissions bring."""

from __future__ import annotations

from dataclasses import fields

from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from leaderboard.api.pagination import Pages, whole
from leaderboard.api.query import NoFilter, read_query
from leaderboard.api.serializers.runtimes import RuntimeDetailRecord, RuntimeRecord
from leaderboard.api.views.base import PagedView, described, user_of
from leaderboard.services.evaluations.runtimes import (
    RuntimePage,
    brought_runtimes,
    runtime_page,
    shipped_runtimes,
)


class RuntimeList(PagedView):
    pagination_class = Pages

    @described(
        "submissions",
        "The environments in which calculators run",
        RuntimeRecord(many=True),
        operation_id="runtimes_list",
    )
    def get(self, request: Request) -> Response:
        read_query(request, NoFilter)
        rows = [*shipped_runtimes(), *brought_runtimes(user_of(request))]
        data = RuntimeRecord(rows, many=True, context={"request": request}).data
        return Response(whole(data))


class RuntimeDetail(APIView):
    @described(
        "submissions",
        "One of them: its packages, and the submissions that ran in it",
        RuntimeDetailRecord,
        operation_id="runtimes_read",
    )
    def get(self, request: Request, name: str) -> Response:
        page = runtime_page(user_of(request), name)
        if page is None:
            raise NotFound(f"There is no runtime {name!r} that you may see.")
        context = {"request": request}
        return Response(RuntimeDetailRecord(_Flat(page), context=context).data)


class _Flat:
    """A runtime with what stands beside it, as one row."""

    def __init__(self, page: RuntimePage) -> None:
        for part in fields(page.runtime):
            setattr(self, part.name, getattr(page.runtime, part.name))
        self.get_absolute_url = page.runtime.get_absolute_url
        self.offers, self.used_by, self.log = page.offers, page.used_by, page.log
