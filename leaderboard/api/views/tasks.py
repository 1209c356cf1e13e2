"""What is measured and how: tasks, protocols, calculator kinds, reference sets, benchmarks."""

from __future__ import annotations

from django.db.models import F, OuterRef, Prefetch, QuerySet, Subquery
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from evaluator.catalog import CALCULATOR_KINDS, PROTOCOLS
from leaderboard.api.pagination import Pages, whole
from leaderboard.api.query import NoFilter, VersionFilter, read_query
from leaderboard.api.serializers.tasks import (
    BenchmarkRecord,
    CalculatorRecord,
    ProtocolRecord,
    ReferenceSetRecord,
    TaskRecord,
    TaskRow,
)
from leaderboard.api.views.base import BySlug, PagedView, described, one, paged, user_of
from leaderboard.enums import VersionState
from leaderboard.models import BenchmarkTask, BenchmarkVersion, ReferenceSet, TaskVersion
from leaderboard.services.submissions.submissions import default_benchmark_slug


def shown_task_versions(slug: str | None = None) -> QuerySet[TaskVersion]:
    """What was ever published, the newest first; drafts are seen in the admin alone."""
    rows = TaskVersion.objects.all().shown()
    return rows.of(slug) if slug else rows


def find_task_version(request: Request, slug: str) -> TaskVersion:
    """The version that ``?version=`` names, else the current one (the last, if all are retired)."""
    number = read_query(request, VersionFilter).get("version")
    versions = shown_task_versions().order_by("number")
    rows = (
        shown_task_versions(slug)
        .select_related("task", "reference_set")
        .prefetch_related(Prefetch("task__versions", versions, to_attr="shown_versions"))
        # "published" comes before "retired".
        .order_by("state", "-number")
    )
    rows = rows.filter(number=number) if number else rows
    return one(rows, f"version {number} of task {slug!r}" if number else f"task {slug!r}")


def shown_benchmark_versions() -> QuerySet[BenchmarkVersion]:
    entries = BenchmarkTask.objects.select_related("task_version__task")
    return (
        BenchmarkVersion.objects.all()
        .shown()
        .select_related("benchmark")
        .prefetch_related(Prefetch("entries", entries))
    )


class ByNameAndVersion(BySlug):
    ordering = ("slug", "version")  # type: ignore[assignment]


class TaskList(PagedView):
    pagination_class = BySlug

    @described(
        "tasks", "Tasks in their current version", TaskRow(many=True), operation_id="tasks_list"
    )
    def get(self, request: Request) -> Response:
        read_query(request, NoFilter)
        published = TaskVersion.objects.filter(state=VersionState.PUBLISHED)
        newest = published.filter(task=OuterRef("task")).order_by("-number").values("number")[:1]
        rows = (
            published.filter(number=Subquery(newest))
            .select_related("task", "reference_set")
            .annotate(slug=F("task__slug"))
        )
        return paged(self, rows, TaskRow)


class TaskDetail(APIView):
    @described(
        "tasks",
        "A task version: protocol, parameters, metrics with anchors, reference, limitations",
        TaskRecord,
        parameters=[VersionFilter],
        operation_id="tasks_read",
    )
    def get(self, request: Request, slug: str) -> Response:
        version = find_task_version(request, slug)
        return Response(TaskRecord(version, context={"request": request}).data)


class ProtocolList(PagedView):
    pagination_class = Pages

    @described("tasks", "How things are measured", ProtocolRecord(many=True))
    def get(self, request: Request) -> Response:
        read_query(request, NoFilter)
        return Response(whole(ProtocolRecord(PROTOCOLS.values(), many=True).data))


class CalculatorList(PagedView):
    pagination_class = Pages

    @described("submissions", "What can be submitted", CalculatorRecord(many=True))
    def get(self, request: Request) -> Response:
        read_query(request, NoFilter)
        return Response(whole(CalculatorRecord(CALCULATOR_KINDS.values(), many=True).data))


class ReferenceSetList(PagedView):
    pagination_class = ByNameAndVersion

    @described("tasks", "Reference sets of published tasks", ReferenceSetRecord(many=True))
    def get(self, request: Request) -> Response:
        read_query(request, NoFilter)
        rows = ReferenceSet.objects.all()
        if not user_of(request).is_staff:
            in_use = shown_task_versions().values("reference_set")
            rows = rows.filter(pk__in=in_use)
        return paged(self, rows, ReferenceSetRecord)


class BenchmarkList(PagedView):
    pagination_class = BySlug

    @described("leaderboards", "Benchmarks in their current version", BenchmarkRecord(many=True))
    def get(self, request: Request) -> Response:
        read_query(request, NoFilter)
        published = BenchmarkVersion.objects.filter(state=VersionState.PUBLISHED)
        newest = published.filter(benchmark=OuterRef("benchmark")).order_by("-number")
        rows = (
            shown_benchmark_versions()
            .filter(state=VersionState.PUBLISHED, number=Subquery(newest.values("number")[:1]))
            .annotate(slug=F("benchmark__slug"))
        )
        return paged(self, rows, BenchmarkRecord, default=default_benchmark_slug())
