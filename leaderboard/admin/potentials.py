"""Potentials, their submissions and the files of these."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from leaderboard.admin.base import URL_FIELDS, ModelAdmin, ReadOnlyAdmin, for_each
from leaderboard.lib.names import mixed_letters
from leaderboard.models import Artifact, Potential, Submission
from leaderboard.services.submissions.submissions import withdraw


@admin.register(Potential)
class PotentialAdmin(ModelAdmin):
    formfield_overrides = URL_FIELDS
    list_display = ("name", "slug", "owner", "architecture", "level_of_theory", "looks_like")
    list_filter = (
        ("resembles", admin.EmptyFieldListFilter),
        "is_baseline",
        "architecture",
        "level_of_theory",
    )
    list_select_related = ("owner",)
    search_fields = ("name", "slug", "authors", "owner__username")
    autocomplete_fields = ("owner", "team")

    @admin.display(description="looks like", ordering="resembles")
    def looks_like(self, potential: Potential) -> str:
        """What the boards warn of: an older potential's name, or letters of several scripts."""
        mixed = " ".join(mixed_letters(potential.name))
        return ", ".join(filter(None, (potential.resembles, mixed and f"mixed letters: {mixed}")))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:  # noqa: ANN401
        return ("slug", "created_at") if obj else ("created_at",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401
        return obj is not None and not obj.submissions.exists()


@admin.register(Submission)
class SubmissionAdmin(ReadOnlyAdmin):
    list_display = (
        "potential",
        "version",
        "calculator_kind",
        "visibility",
        "submitted_by",
        "created_at",
        "withdrawn_at",
    )
    list_filter = ("calculator_kind", "visibility", ("withdrawn_at", admin.EmptyFieldListFilter))
    list_select_related = ("potential", "submitted_by")
    search_fields = ("id", "potential__slug", "potential__name", "version", "artifact__sha256")
    date_hierarchy = "created_at"
    actions = ("withdraw_them",)

    @admin.action(description="Withdraw from every board", permissions=["operate"])
    def withdraw_them(self, request: HttpRequest, queryset: QuerySet[Submission]) -> None:
        def act(submission: Submission) -> str:
            withdraw(request.user, submission)  # type: ignore[arg-type]
            return ""

        for_each(request, queryset.select_related("potential"), act, "Withdrawn")


@admin.register(Artifact)
class ArtifactAdmin(ReadOnlyAdmin):
    list_display = ("sha256", "size_bytes", "created_at")
    search_fields = ("sha256",)
