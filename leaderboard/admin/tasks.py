"""Tasks and their versions."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Max, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString

from evaluator.catalog import PROTOCOLS, Protocol
from leaderboard.admin import task_desk
from leaderboard.admin.asking import ask_first
from leaderboard.admin.base import ModelAdmin, for_each
from leaderboard.admin.forms import PREFIX, form_for
from leaderboard.enums import VersionState
from leaderboard.models import ReferenceSet, Task, TaskVersion
from leaderboard.services.definitions import backfill
from leaderboard.services.definitions.tasks import publish_task_version, retire_version


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

    list_display = ("__str__", "desk", "state", "protocol", "reference_set", "published_at")
    list_filter = ("state", "protocol", "task")
    list_select_related = ("task", "reference_set")
    search_fields = ("task__name", "task__slug")
    actions = ("publish", "evaluate_every_submission", "retire")

    @admin.display(description="desk")
    def desk(self, version: TaskVersion) -> SafeString:
        return format_html('<a href="{}/desk/">try, compare, publish</a>', version.pk)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401
        is_open = obj is None or obj.state == VersionState.DRAFT
        return is_open and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401
        is_draft = obj is not None and obj.state == VersionState.DRAFT
        return is_draft and super().has_delete_permission(request, obj)

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

    def get_urls(self) -> list[URLPattern]:
        desk = path(
            "<int:pk>/desk/", self.admin_site.admin_view(self.desk_view), name="task-version-desk"
        )
        return [desk, *super().get_urls()]

    def desk_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Try it, compare it with the version before, publish it, evaluate everybody on it."""
        version = get_object_or_404(
            TaskVersion.objects.select_related("task", "reference_set"), pk=pk
        )
        return task_desk.show(self, request, version)

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
            # Of two clicks the second waits, and gets a number of its own.
            Task.objects.select_for_update().get(pk=obj.task_id)
            newest = obj.task.versions.aggregate(newest=Max("number"))["newest"]
            obj.number = (newest or 0) + 1
        super().save_model(request, obj, form, change)

    def response_post_save_add(self, request: HttpRequest, obj: Any) -> HttpResponseRedirect:  # noqa: ANN401
        return redirect("admin:task-version-desk", pk=obj.pk)

    def response_post_save_change(self, request: HttpRequest, obj: Any) -> HttpResponseRedirect:  # noqa: ANN401
        return redirect("admin:task-version-desk", pk=obj.pk)

    @admin.action(description="Publish: frozen from then on", permissions=["change"])
    def publish(self, request: HttpRequest, queryset: QuerySet[TaskVersion]) -> HttpResponse | None:
        def act(version: TaskVersion) -> str:
            publish_task_version(version)
            return ""

        versions = list(queryset.select_related("task", "reference_set"))
        drafts = [v for v in versions if v.state == VersionState.DRAFT]
        question = task_desk.question_of("publish", drafts, request.get_full_path())
        if drafts and (page := ask_first(request, self.admin_site, question)):
            return page
        for_each(request, versions, act, "Published")
        return None

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
        def act(version: TaskVersion) -> str:
            retire_version(version)
            return ""

        versions = list(queryset.select_related("task", "reference_set"))
        published = [v for v in versions if v.state == VersionState.PUBLISHED]
        question = task_desk.question_of("retire", published, request.get_full_path())
        if published and (page := ask_first(request, self.admin_site, question)):
            return page
        for_each(request, versions, act, "Retired")
        return None

    def _is_editable(self, obj: TaskVersion | None) -> bool:
        return obj is None or obj.state == VersionState.DRAFT


def _protocol_of(request: HttpRequest, obj: TaskVersion | None) -> Protocol | None:
    """The version's own, or the one that the address of the form names."""
    return PROTOCOLS.get(obj.protocol if obj is not None else request.GET.get("protocol", ""))
