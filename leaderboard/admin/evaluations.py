"""Evaluations: read, cancelled, repeated; never edited."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path

from leaderboard.admin import queue_desk
from leaderboard.admin.asking import ask_first
from leaderboard.admin.base import ReadOnlyAdmin, ReadOnlyInline, for_each
from leaderboard.models import Evaluation, Event, Score
from leaderboard.services.evaluations.lifecycle import cancel, reevaluate


class ScoreInline(ReadOnlyInline):
    model = Score


class EventInline(ReadOnlyInline):
    model = Event
    fields = ("at", "kind", "data")
    readonly_fields = ("at",)


@admin.register(Evaluation)
class EvaluationAdmin(ReadOnlyAdmin):
    list_display = (
        "submission",
        "task_version",
        "state",
        "verdict",
        "score",
        "attempt",
        "worker",
        "queued_at",
        "is_current",
    )
    list_filter = ("state", "verdict", "is_current", "is_dry_run", "task_version__task", "worker")
    list_select_related = ("submission__potential", "task_version__task", "worker")
    search_fields = ("id", "submission__potential__slug", "submission__version", "message")
    date_hierarchy = "queued_at"
    exclude = ("replicates",)
    inlines = (ScoreInline, EventInline)
    actions = ("repeat", "cancel_them")

    def get_urls(self) -> list[URLPattern]:
        desk = path("desk/", self.admin_site.admin_view(self.desk_view), name="queue-desk")
        return [desk, *super().get_urls()]

    def desk_view(self, request: HttpRequest) -> HttpResponse:
        """The live queue, what is wrong with it, and its workers."""
        return queue_desk.show(self, request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("replicates")

    @admin.action(description="Evaluate again; the new one supersedes", permissions=["operate"])
    def repeat(self, request: HttpRequest, queryset: QuerySet[Evaluation]) -> None:
        def act(evaluation: Evaluation) -> str:
            reevaluate(request.user, evaluation, "Repeated by the administrators.")  # type: ignore[arg-type]
            return ""

        for_each(request, queryset, act, "Queued again")

    @admin.action(description="Cancel", permissions=["operate"])
    def cancel_them(
        self, request: HttpRequest, queryset: QuerySet[Evaluation]
    ) -> HttpResponse | None:
        def act(evaluation: Evaluation) -> str:
            cancel(request.user, evaluation)  # type: ignore[arg-type]
            return ""

        active = [row for row in queryset if not row.has_ended]
        if active:
            question = queue_desk.question_of_cancelling(active, request.get_full_path())
            if page := ask_first(request, self.admin_site, question):
                return page
        for_each(request, queryset, act, "Cancelled, or asked to stop")
        return None
