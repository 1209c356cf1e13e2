"""Benchmarks and their frozen versions."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from leaderboard.admin.base import ModelAdmin, TabularInline, for_each
from leaderboard.enums import VersionState
from leaderboard.models import Benchmark, BenchmarkTask, BenchmarkVersion
from leaderboard.services.tasks import publish_benchmark_version


@admin.register(Benchmark)
class BenchmarkAdmin(ModelAdmin):
    list_display = ("name", "slug", "summary", "created_at")
    search_fields = ("name", "slug")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:  # noqa: ANN401
        return ("slug",) if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401
        return obj is not None and not obj.versions.exists()


class BenchmarkTaskInline(TabularInline):
    model = BenchmarkTask
    extra = 3
    autocomplete_fields = ("task_version",)

    def _may_edit(self, obj: BenchmarkVersion | None) -> bool:
        return obj is None or obj.state == VersionState.DRAFT

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401
        return self._may_edit(obj) and super().has_add_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401
        return self._may_edit(obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401
        return self._may_edit(obj) and super().has_delete_permission(request, obj)


@admin.register(BenchmarkVersion)
class BenchmarkVersionAdmin(ModelAdmin):
    list_display = ("benchmark", "number", "state", "published_at")
    list_filter = ("state", "benchmark")
    list_select_related = ("benchmark",)
    readonly_fields = ("state", "published_at")
    inlines = (BenchmarkTaskInline,)
    actions = ("publish",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401
        is_open = obj is None or obj.state == VersionState.DRAFT
        return is_open and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401
        is_draft = obj is not None and obj.state == VersionState.DRAFT
        return is_draft and super().has_delete_permission(request, obj)

    @admin.action(description="Publish: frozen from then on", permissions=["change"])
    def publish(self, request: HttpRequest, queryset: QuerySet[BenchmarkVersion]) -> None:
        def act(version: BenchmarkVersion) -> str:
            publish_benchmark_version(version)
            return ""

        for_each(request, queryset.select_related("benchmark"), act, "Published")
