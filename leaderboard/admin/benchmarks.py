"""Benchmarks and their frozen versions."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import ForeignKey, Max, QuerySet
from django.forms import ModelChoiceField
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString

from leaderboard.admin import benchmark_desk
from leaderboard.admin.asking import ask, is_answered
from leaderboard.admin.base import ModelAdmin, TabularInline, for_each
from leaderboard.enums import VersionState
from leaderboard.models import Benchmark, BenchmarkTask, BenchmarkVersion, TaskVersion
from leaderboard.services.definitions.tasks import publish_benchmark_version


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

    def formfield_for_foreignkey(
        self,
        db_field: ForeignKey[Any, Any],
        request: HttpRequest,
        **kwargs: Any,  # noqa: ANN401  (Django's signature)
    ) -> ModelChoiceField[Any] | None:
        if db_field.name == "task_version":
            published = TaskVersion.objects.filter(state=VersionState.PUBLISHED)
            kwargs["queryset"] = published.select_related("task")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

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
    list_display = ("__str__", "desk", "state", "published_at")
    list_filter = ("state", "benchmark")
    list_select_related = ("benchmark",)
    readonly_fields = ("number", "state", "published_at")
    inlines = (BenchmarkTaskInline,)
    actions = ("publish",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401
        is_open = obj is None or obj.state == VersionState.DRAFT
        return is_open and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401
        is_draft = obj is not None and obj.state == VersionState.DRAFT
        return is_draft and super().has_delete_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: ANN401
        if not change:
            newest = obj.benchmark.versions.aggregate(newest=Max("number"))["newest"]
            obj.number = (newest or 0) + 1
        super().save_model(request, obj, form, change)

    def response_post_save_add(self, request: HttpRequest, obj: Any) -> HttpResponseRedirect:  # noqa: ANN401
        return redirect("admin:benchmark-version-desk", pk=obj.pk)

    def response_post_save_change(self, request: HttpRequest, obj: Any) -> HttpResponseRedirect:  # noqa: ANN401
        return redirect("admin:benchmark-version-desk", pk=obj.pk)

    def get_urls(self) -> list[URLPattern]:
        desk = path(
            "<int:pk>/desk/",
            self.admin_site.admin_view(self.desk_view),
            name="benchmark-version-desk",
        )
        return [desk, *super().get_urls()]

    def desk_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The board as it would be, what is missing and what that costs; publish, back-fill."""
        rows = BenchmarkVersion.objects.select_related("benchmark")
        return benchmark_desk.show(self, request, get_object_or_404(rows, pk=pk))

    @admin.display(description="desk")
    def desk(self, version: BenchmarkVersion) -> SafeString:
        return format_html('<a href="{}/desk/">preview, publish</a>', version.pk)

    @admin.action(description="Publish: frozen from then on", permissions=["change"])
    def publish(
        self, request: HttpRequest, queryset: QuerySet[BenchmarkVersion]
    ) -> HttpResponse | None:
        def act(version: BenchmarkVersion) -> str:
            publish_benchmark_version(version)
            return ""

        versions = list(queryset.select_related("benchmark"))
        drafts = [v for v in versions if v.state == VersionState.DRAFT]
        question = benchmark_desk.question_of("publish", drafts, request.get_full_path())
        if drafts and not is_answered(request, question):
            return ask(request, self.admin_site, question)
        for_each(request, versions, act, "Published")
        return None
