"""Evaluations, their systems and logs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import method_decorator
from django.views.decorators.cache import cache_control
from django.views.decorators.http import conditional_page
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from leaderboard.api.idempotency import IDEMPOTENCY_KEY, once
from leaderboard.api.pagination import SystemPages
from leaderboard.api.query import EvaluationFilter, NoFilter, of_potential, read_query
from leaderboard.api.serializers.evaluations import (
    EvaluationRecord,
    EvaluationRow,
    LogsRecord,
    ReevaluationRequest,
    SystemRecord,
)
from leaderboard.api.tables import Table, is_table, tables, with_unit
from leaderboard.api.views.base import (
    TABLES_TOO,
    ByQueueTime,
    PagedView,
    described,
    one,
    paged,
    signed_in,
    user_of,
)
from leaderboard.enums import EvaluationState
from leaderboard.models import Evaluation, SystemResult, disclosure, permissions
from leaderboard.services.boards.committee import UNITS, uncertainties_of
from leaderboard.services.evaluations import lifecycle as service
from leaderboard.services.evaluations import queue

#: When it is worth asking again, in seconds.
_RETRY_AFTER_S = {EvaluationState.QUEUED: "5", EvaluationState.RUNNING: "2"}


def visible_evaluations(request: Request) -> QuerySet[Evaluation]:
    return Evaluation.objects.visible_to(user_of(request)).select_related(
        "submission__potential", "task_version__task", "task_version__reference_set"
    )


def with_details(request: Request, pk: UUID) -> Evaluation:
    """One that the user may see with its records; 403 says why another is not shown whole."""
    evaluation = one(visible_evaluations(request), f"evaluation {pk}", pk=pk)
    if not disclosure.may_read(user_of(request), evaluation, disclosure.Part.DETAILS):
        raise PermissionDenied(disclosure.WHY_WITHHELD)
    return evaluation


class BySystem(SystemPages):
    ordering = "position"


class EvaluationList(PagedView):
    pagination_class = ByQueueTime

    @described(
        "evaluations",
        "Evaluations that you may see, the newest first",
        EvaluationRow(many=True),
        parameters=[EvaluationFilter],
        operation_id="evaluations_list",
    )
    def get(self, request: Request) -> Response:
        query = read_query(request, EvaluationFilter)
        columns = {
            "submission": "submission_id",
            "task": "task_version__task__slug",
            "state": "state",
        }
        rows = visible_evaluations(request).filter(
            **{column: query[name] for name, column in columns.items() if name in query}
        )
        if "potential" in query:
            rows = rows.filter(**of_potential(query["potential"], "submission__"))
        if not query["superseded"]:
            rows = rows.filter(is_current=True)
        rows = rows.defer("stdout", "stderr", "consistency", "provenance", "replicates")
        return paged(self, rows, EvaluationRow)


@method_decorator(cache_control(private=True, no_cache=True), name="dispatch")
class EvaluationDetail(APIView):
    # Compares the body with If-None-Match once it is rendered, and answers 304 if it is the same.
    @method_decorator(conditional_page)
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:  # noqa: ANN401
        return super().dispatch(request, *args, **kwargs)

    @described("evaluations", "An evaluation", EvaluationRecord, operation_id="evaluations_read")
    def get(self, request: Request, pk: UUID) -> Response:
        return answer(request, pk)


class EvaluationSystems(PagedView):
    pagination_class = BySystem
    renderer_classes = TABLES_TOO

    @described(
        "evaluations",
        "What was found for each system",
        tables(SystemRecord(many=True)),
        operation_id="evaluations_systems",
    )
    def get(self, request: Request, pk: UUID) -> Response:
        read_query(request, NoFilter)
        evaluation = with_details(request, pk)
        rows = evaluation.systems.all()
        if is_table(request):
            return systems_table(evaluation, rows).response(request)
        return paged(self, rows, SystemRecord, uncertainties=uncertainties_of(evaluation))


@method_decorator(cache_control(private=True, no_store=True), name="dispatch")
class EvaluationLogs(APIView):
    permission_classes = (IsAuthenticated,)

    @described("evaluations", "What the submission wrote; for its owner and the staff", LogsRecord)
    def get(self, request: Request, pk: UUID) -> Response:
        evaluation = one(visible_evaluations(request), f"evaluation {pk}", pk=pk)
        permissions.check_may_read_logs(user_of(request), evaluation.submission.potential)
        if not disclosure.may_read(user_of(request), evaluation, disclosure.Part.LOG):
            raise PermissionDenied(disclosure.WHY_WITHHELD)
        return Response(LogsRecord(evaluation).data)


class EvaluationCancel(APIView):
    permission_classes = (IsAuthenticated,)

    @described("evaluations", "Stop an evaluation", {202: EvaluationRecord}, request=None)
    def post(self, request: Request, pk: UUID) -> Response:
        evaluation = one(visible_evaluations(request), f"evaluation {pk}", pk=pk)
        service.cancel(signed_in(request), evaluation)
        return answer(request, pk, status=202)


class EvaluationRepeat(APIView):
    permission_classes = (IsAuthenticated,)

    @described(
        "evaluations",
        "Repeat an evaluation that has ended; the new one supersedes it",
        {202: EvaluationRecord},
        request=ReevaluationRequest,
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request, pk: UUID) -> Response:
        return once(request, lambda: self._repeat(request, pk))

    def _repeat(self, request: Request, pk: UUID) -> Response:
        evaluation = one(visible_evaluations(request), f"evaluation {pk}", pk=pk)
        form = ReevaluationRequest(data=request.data)
        form.is_valid(raise_exception=True)
        new = service.reevaluate(signed_in(request), evaluation, form.validated_data["reason"])
        return answer(request, new.pk, status=202)


def answer(request: Request, pk: UUID, status: int = 200) -> Response:
    """An evaluation whole; says when to ask again while it has not ended."""
    rows = (
        visible_evaluations(request)
        .select_related("worker", "supersedes", "superseded_by", "held_by")
        .defer("stdout", "stderr", "replicates")
        .prefetch_related("scores", "events")
    )
    evaluation = one(rows, f"evaluation {pk}", pk=pk)
    evaluation.standing = queue.standing(evaluation)  # type: ignore[attr-defined]
    data = EvaluationRecord(evaluation, context={"request": request}).data
    headers = {"Location": data["url"]} if status == 202 else {}
    if evaluation.state in _RETRY_AFTER_S:
        headers["Retry-After"] = _RETRY_AFTER_S[EvaluationState(evaluation.state)]
    return Response(data, status=status, headers=headers)


def systems_table(evaluation: Evaluation, rows: QuerySet[SystemResult]) -> Table:
    """All systems, values in the order of the protocol's columns; names carry their units."""
    results = list(rows)
    values = _names([r.values for r in results], evaluation)
    references = _names([r.reference for r in results], evaluation)
    uncertainties = uncertainties_of(evaluation)
    return Table(
        filename=f"systems-{evaluation.pk}",
        columns=[
            *("system_id", "status", "message", "n_calls", "wall_time_s"),
            *values,
            *(f"reference_{name}" for name in references),
            *(with_unit(f"{name}_uncertainty", UNITS[name]) for name in uncertainties),
        ],
        rows=[
            [
                *(r.system_id, r.status, r.message, r.n_calls, r.wall_time_s),
                *(r.values.get(name) for name in values),
                *(r.reference.get(name) for name in references),
                *(
                    by_system[r.position] if r.position < len(by_system) else None
                    for by_system in uncertainties.values()
                ),
            ]
            for r in results
        ],
    )


def _names(records: list[dict[str, Any]], evaluation: Evaluation) -> list[str]:
    names = {name for record in records for name in record}
    ordered = [c.name for c in evaluation.task_version.catalog_protocol.columns]
    return [n for n in ordered if n in names] + sorted(names - set(ordered))
