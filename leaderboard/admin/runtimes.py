"""Runtimes that submissions bring: what they take, and when they were last used."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from leaderboard.admin.base import ReadOnlyAdmin, for_each
from leaderboard.models import RuntimeLock
from leaderboard.services.evaluations.runtime_builds import try_again


@admin.register(RuntimeLock)
class RuntimeLockAdmin(ReadOnlyAdmin):
    list_display = ("name", "state", "n_packages", "n_bytes", "build_time_s", "last_used_at")
    list_filter = ("state",)
    search_fields = ("sha256", "digest")
    actions = ("build_anew",)

    @admin.action(
        description="Try refused ones again, with the next evaluation", permissions=["operate"]
    )
    def build_anew(self, request: HttpRequest, queryset: QuerySet[RuntimeLock]) -> None:
        for_each(request, queryset, _try_again, "To be tried again")


def _try_again(row: RuntimeLock) -> str:
    n = try_again(RuntimeLock.objects.filter(pk=row.pk))
    return "" if n else f"{row} was not refused."
