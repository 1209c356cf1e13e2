"""Tasks, their versions, and reference sets."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Max, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from evaluator.catalog import PROTOCOLS, Protocol
from leaderboard.admin.base import ModelAdmin, ReadOnlyAdmin, for_each
from leaderboard.admin.forms import PREFIX, form_for
from leaderboard.enums import VersionState
from leaderboard.exceptions import ConflictError
from leaderboard.models import ReferenceSet, Task, TaskVersion
from leaderboard.services.tasks import evaluate_everyone, publish_task_version


@admin.register(Task)
class TaskAdmin(ModelAdmin):
    list_display = ("name", "slug", "summary", "created_at")
    search_fields = ("name", "slug", "summary")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:  # noqa: ANN401
        return ("slug",) if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401
        return obj is not None and not obj.versions.exists()


@admin.register(TaskVersion)
class TaskVersionAdmin(ModelAdmin):
    """A draft is edited by a form made from its protocol; a published version is only read."""

    list_display = ("task", "number", "state", "protocol", "reference_set", "published_at")
    list_filter = ("state", "protocol", "task")
    list_select_related = ("task", "reference_set")
    search_fields = ("task__name", "task__slug")
    autocomplete_fields = ("task", "reference_set")
    actions = ("publish", "evaluate_every_submission", "retire")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401
        is_open = obj is None or obj.state == VersionState.DRAFT
        return is_open and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401
        is_draft = obj is not None and obj.state == VersionState.DRAFT
        return is_draft and super().has_delete_permission(request, obj)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask for the protocol first: the form is made from it."""
        if _protocol_of(request, None) is None:
            context = {
                **self.admin_site.each_context(request),
                "title": "Choose how it is measured",
                "protocols": PROTOCOLS.values(),
                "opts": self.opts,
            }
            return render(request, "admin/leaderboard/taskversion/choose_protocol.html", context)
        return super().add_view(request, form_url, extra_context)

    def get_form(
        self,
        request: HttpRequest,
        obj: Any = None,  # noqa: ANN401
        change: bool = False,
        **kwargs: Any,  # noqa: ANN401
    ) -> type[ModelForm[TaskVersion]]:
        protocol = _protocol_of(request, obj)
        if protocol is not None and self._is_editable(obj):
            kwargs["form"] = form_for(protocol)
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:  # noqa: ANN401
        about = ("task", "description", "limitations")
        judged = ("metrics", "min_coverage", "limits", "seed")
        protocol = _protocol_of(request, obj)
        if protocol is None or not self._is_editable(obj):
            state = ("number", "state", "published_at", "protocol", "protocol_version")
            rest = (*state, "parameters", "reference_set", *judged)
            return ((None, {"fields": (*about, *rest)}),)
        title = f"{protocol.label}, version {protocol.version}"
        names = tuple(PREFIX + parameter.name for parameter in protocol.parameters)
        return (
            (None, {"fields": about}),
            (title, {"fields": ("reference_set", *names), "description": protocol.summary}),
            ("Scores and limits", {"fields": judged}),
        )

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: ANN401
        if not change:
            newest = obj.task.versions.aggregate(newest=Max("number"))["newest"]
            obj.number = (newest or 0) + 1
        super().save_model(request, obj, form, change)

    @admin.action(description="Publish: frozen from then on", permissions=["change"])
    def publish(self, request: HttpRequest, queryset: QuerySet[TaskVersion]) -> None:
        def act(version: TaskVersion) -> str:
            publish_task_version(version)
            return ""

        for_each(request, queryset.select_related("task"), act, "Published")

    @admin.action(description="Evaluate every submission on it", permissions=["change"])
    def evaluate_every_submission(
        self, request: HttpRequest, queryset: QuerySet[TaskVersion]
    ) -> None:
        def act(version: TaskVersion) -> str:
            return f"{version}: {len(evaluate_everyone(version))} evaluations queued."

        for_each(request, queryset.select_related("task"), act, "Sent to the queue")

    @admin.action(description="Retire: shown, but no longer current", permissions=["change"])
    def retire(self, request: HttpRequest, queryset: QuerySet[TaskVersion]) -> None:
        def act(version: TaskVersion) -> str:
            if version.state != VersionState.PUBLISHED:
                raise ConflictError("Only a published version can be retired.")
            version.state = VersionState.RETIRED
            version.save(update_fields=["state"])
            return ""

        for_each(request, queryset.select_related("task"), act, "Retired")

    def _is_editable(self, obj: TaskVersion | None) -> bool:
        return obj is None or obj.state == VersionState.DRAFT


@admin.register(ReferenceSet)
class ReferenceSetAdmin(ReadOnlyAdmin):
    """Loaded by command, with their bytes; here they are read, and hidden or shown."""

    list_display = (
        "slug",
        "version",
        "title",
        "n_systems",
        "level_of_theory",
        "licence",
        "is_public",
    )
    list_filter = ("is_public", "level_of_theory")
    search_fields = ("slug", "title", "citation", "sha256")
    actions = ("show", "hide")

    @admin.action(description="Show its values on pages", permissions=["operate"])
    def show(self, request: HttpRequest, queryset: QuerySet[ReferenceSet]) -> None:
        queryset.update(is_public=True)

    @admin.action(description="Hide its values", permissions=["operate"])
    def hide(self, request: HttpRequest, queryset: QuerySet[ReferenceSet]) -> None:
        queryset.update(is_public=False)


def _protocol_of(request: HttpRequest, obj: TaskVersion | None) -> Protocol | None:
    """The version's own, or the one that the address of the form names."""
    return PROTOCOLS.get(obj.protocol if obj is not None else request.GET.get("protocol", ""))
