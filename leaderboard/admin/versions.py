"""What the desks of tasks and of benchmarks share: named things, and their versions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from django.contrib import admin
from django.db.models import Max, Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from leaderboard.admin.asking import Question, ask_first
from leaderboard.admin.base import ModelAdmin, for_each, is_done_already, told
from leaderboard.enums import VersionState
from leaderboard.models import TaskVersion
from leaderboard.services.accounts import audit
from leaderboard.services.definitions import backfill
from leaderboard.services.definitions.tasks import retire_version

#: A TaskVersion or a BenchmarkVersion.
_Version = Any


class Desk(Protocol):
    """The page on which a version is tried, published and retired."""

    def show(self, admin: ModelAdmin, request: HttpRequest, version: _Version) -> HttpResponse: ...
    def question_of(self, do: str, versions: Sequence[_Version], back: str) -> Question: ...


class NamedAdmin(ModelAdmin):
    """A task or a benchmark. Addresses hold its slug, so that it never changes."""

    list_display = ("name", "slug", "summary", "created_at")
    search_fields = ("name", "slug", "summary")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:  # noqa: ANN401
        return ("slug",) if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401
        return obj is not None and not obj.versions.exists()


class VersionAdmin(ModelAdmin):
    """A draft is edited; a published version is only read."""

    #: The relation to what it is a version of, and all that its name and its desk need.
    named: str
    related: tuple[str, ...]
    desk_words: str
    desk_page: Desk
    publishes: Callable[[Any], object]

    def is_editable(self, obj: _Version | None) -> bool:
        return obj is None or bool(obj.state == VersionState.DRAFT)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401
        return self.is_editable(obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401
        is_draft = obj is not None and self.is_editable(obj)
        return is_draft and super().has_delete_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: ANN401
        if not change:
            # Of two clicks the second waits, and gets a number of its own.
            named: Any = getattr(obj, self.named)
            type(named).objects.select_for_update().get(pk=named.pk)
            newest = named.versions.aggregate(newest=Max("number"))["newest"]
            obj.number = (newest or 0) + 1
        super().save_model(request, obj, form, change)

    def response_post_save_add(self, request: HttpRequest, obj: Any) -> HttpResponseRedirect:  # noqa: ANN401
        return redirect(f"admin:{self.named}-version-desk", pk=obj.pk)

    def response_post_save_change(self, request: HttpRequest, obj: Any) -> HttpResponseRedirect:  # noqa: ANN401
        return redirect(f"admin:{self.named}-version-desk", pk=obj.pk)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.desk_view)
        desk = path("<int:pk>/desk/", view, name=f"{self.named}-version-desk")
        return [desk, *super().get_urls()]

    def desk_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        rows = self.model.objects.select_related(*self.related)
        return self.desk_page.show(self, request, get_object_or_404(rows, pk=pk))

    @admin.display(description="desk")
    def desk(self, version: _Version) -> SafeString:
        return format_html('<a href="{}/desk/">{}</a>', version.pk, self.desk_words)

    @admin.action(description="Publish: frozen from then on", permissions=["change"])
    def publish(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        return self._ask_and_do(request, queryset, "publish", VersionState.DRAFT, self.publishes)

    def _ask_and_do(
        self,
        request: HttpRequest,
        queryset: QuerySet[Any],
        do: str,
        state: VersionState,
        act: Callable[[Any], object],
    ) -> HttpResponse | None:
        """Do it to each, once it was asked whether it is meant of those in the right state."""

        def done(version: _Version) -> str:
            act(version)
            return ""

        versions = list(queryset.select_related(*self.related))
        meant = [version for version in versions if version.state == state]
        question = self.desk_page.question_of(do, meant, request.get_full_path())
        if meant and (page := ask_first(request, self.admin_site, question)):
            return page
        for_each(request, versions, done, "Published" if do == "publish" else "Retired")
        return None


def acts_of_desk(
    request: HttpRequest,
    version: _Version,
    tasks: Callable[[], Sequence[TaskVersion]],
    publishes: Callable[[Any], object],
) -> dict[str, Callable[[], str]]:
    """What the buttons of both desks do; each says what came of it."""
    user: Any = request.user

    def publish() -> str:
        with audit.recorded(user, "published", version):
            publishes(version)
        return f"{version} is published: frozen from now on."

    def fill() -> str:
        n = len(backfill.start(user, tasks()))
        return f"{n} evaluation{'s' * (n != 1)} queued, behind everything else."

    def retire() -> str:
        with audit.recorded(user, "retired", version):
            retire_version(version)
        return f"{version} is retired: shown, but no longer current."

    return {"publish": publish, "backfill": fill, "retire": retire}


def act_at_desk(
    admin: ModelAdmin,
    request: HttpRequest,
    version: _Version,
    acts: Mapping[str, Callable[[], str]],
    ask: Callable[[str], Question | None],
    made: Sequence[Model],
) -> HttpResponse:
    """Do what a button asks for, and lead back, or to the version that was ``made``.

    ``ask`` gives the question that comes first, where there is one.
    """
    back = request.path
    do = request.POST.get("do", "")
    if is_done_already(request, version, do):
        return redirect(back)
    question = ask(do)
    if question is not None and (page := ask_first(request, admin.admin_site, question)):
        return page
    if do in acts:
        told(request, acts[do])
    if made:
        back = reverse(f"admin:leaderboard_{admin.opts.model_name}_change", args=[made[0].pk])
    return redirect(back)
