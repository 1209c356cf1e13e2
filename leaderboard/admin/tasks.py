"""Tasks and their versions."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from evaluator.catalog import PROTOCOLS, Protocol
from leaderboard.admin import task_desk
from leaderboard.admin.base import for_each
from leaderboard.admin.forms import PREFIX, form_for
from leaderboard.admin.versions import NamedAdmin, VersionAdmin
from leaderboard.enums import VersionState
from leaderboard.models import ReferenceSet, Task, TaskVersion
from leaderboard.services.definitions import backfill
from leaderboard.services.definitions.tasks import publish_task_version, retire_version


@admin.register(Task)
class TaskAdmin(NamedAdmin):
    pass


@admin.register(TaskVersion)
class TaskVersionAdmin(VersionAdmin):
    """A draft is edited by a form made from its protocol; a published version is only read."""

    list_display = ("__str__", "desk", "state", "protocol", "reference_set", "published_at")
    list_filter = ("state", "protocol", "task")
    list_select_related = ("task", "reference_set")
    search_fields = ("task__name", "task__slug")
    actions = ("publish", "evaluate_every_submission", "retire")
    named, related, desk_words = "task", ("task", "reference_set"), "try, compare, publish"
    desk_page, publishes = task_desk, staticmethod(publish_task_version)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask for the protocol and the reference set first: the form is made from them."""
        if _protocol_of(request, None) is None:
            context = {
                **self.admin_site.each_context(request),
                "title": "Choose how it is measured, and against what",
                "protocols": PROTOCOLS.values(),
                "references": ReferenceSet.objects.all(),
                "tasks": Task.objects.all(),
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
        if protocol is not None and self.is_editable(obj):
            kwargs["form"] = form_for(protocol)
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:  # noqa: ANN401
        about = ("task", "description", "limitations")
        judged = ("metrics", "min_coverage", "limits", "seed")
        protocol = _protocol_of(request, obj)
        if protocol is None or not self.is_editable(obj):
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

    @admin.action(description="Evaluate every submission on it", permissions=["change"])
    def evaluate_every_submission(
        self, request: HttpRequest, queryset: QuerySet[TaskVersion]
    ) -> None:
        def act(version: TaskVersion) -> str:
            created = backfill.start(request.user, [version])
            return f"{version}: {len(created)} evaluations queued."

        for_each(request, queryset.select_related("task"), act, "Sent to the queue")

    @admin.action(description="Retire: shown, but no longer current", permissions=["change"])
    def retire(self, request: HttpRequest, queryset: QuerySet[TaskVersion]) -> HttpResponse | None:
        return self._ask_and_do(request, queryset, "retire", VersionState.PUBLISHED, retire_version)


def _protocol_of(request: HttpRequest, obj: TaskVersion | None) -> Protocol | None:
    """The version's own, or the one that the address of the form names."""
    return PROTOCOLS.get(obj.protocol if obj is not None else request.GET.get("protocol", ""))
