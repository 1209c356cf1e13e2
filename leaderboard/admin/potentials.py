"""Potentials, their submissions and the files of these."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from leaderboard.admin.asking import ask_first, question_about
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
    def withdraw_them(
        self, request: HttpRequest, queryset: QuerySet[Submission]
    ) -> HttpResponse | None:
        def act(submission: Submission) -> str:
            withdraw(request.user, submission)  # type: ignore[arg-type]
            return ""

        rows = list(queryset.select_related("potential"))
        standing = [row for row in rows if row.withdrawn_at is None]
        meaning = (
            "They leave every board, and what of them waits or runs is cancelled. What was found "
            "stays in the record. It cannot be undone."
        )
        question = question_about("Withdraw", standing, meaning, request.get_full_path())
        if standing and (page := ask_first(request, self.admin_site, question)):
            return page
        for_each(request, rows, act, "Withdrawn")
        return None


@admin.register(Artifact)
class ArtifactAdmin(ReadOnlyAdmin):
    list_display = ("sha256", "size_bytes", "created_at")
    search_fields = ("sha256",)
