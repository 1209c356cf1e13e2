"""Workers: who they are, and whether they may claim work."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from leaderboard.admin.base import ReadOnlyAdmin, for_each
from leaderboard.models import Worker


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    list_display = ("name", "device", "sandbox_level", "is_enabled", "last_seen_at")
    list_filter = ("is_enabled", "device", "sandbox_level")
    search_fields = ("name",)
    actions = ("enable", "disable")

    @admin.action(description="Enable", permissions=["operate"])
    def enable(self, request: HttpRequest, queryset: QuerySet[Worker]) -> None:
        for_each(request, queryset, lambda row: _set_enabled(row, value=True), "Enabled")

    @admin.action(
        description="Drain: it claims nothing; what it runs may end", permissions=["operate"]
    )
    def disable(self, request: HttpRequest, queryset: QuerySet[Worker]) -> None:
        for_each(request, queryset, lambda row: _set_enabled(row, value=False), "Disabled")


def _set_enabled(row: Worker, *, value: bool) -> str:
    row.is_enabled = value
    row.save(update_fields=["is_enabled"])
    return ""
