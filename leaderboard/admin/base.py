"""What the admin's pages share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.auth import get_permission_codename
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Field, Model, URLField
from django.http import HttpRequest

from leaderboard.enums import VersionState
from leaderboard.exceptions import SubmissionError
from leaderboard.models import BenchmarkVersion, TaskVersion
from leaderboard.services.accounts import audit

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
    TabularInline = admin.TabularInline[Any, Any]
else:
    ModelAdmin = admin.ModelAdmin
    TabularInline = admin.TabularInline


#: Addresses without a scheme are taken for https.
URL_FIELDS: Mapping[type[Field[Any, Any]], Mapping[str, Any]] = {
    URLField: {"assume_scheme": "https"}
}


class ReadOnlyAdmin(ModelAdmin):
    """Rows that the service alone writes."""

    formfield_overrides = URL_FIELDS

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Who may use the actions: those who may change such rows, though no form offers it."""
        name = get_permission_codename("change", self.opts)
        user = request.user
        return user.is_active and user.has_perm(f"{self.opts.app_label}.{name}")


class ReadOnlyInline(TabularInline):
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def for_each(
    request: HttpRequest, rows: Iterable[Any], act: Callable[[Any], str], done: str
) -> None:
    """Apply a service to each chosen row; tell what was done, and why each refusal.

    What it changed in the row is noted in the audit log, in the same transaction.
    """
    n_done, details = 0, []
    for row in rows:
        try:
            with transaction.atomic():
                before = audit.stored(row)
                detail = act(row)
                changes = audit.differences(before, audit.stored(row))
                audit.record(request.user, done, row, changes=changes, detail=detail)
        except (SubmissionError, PermissionDenied) as error:
            messages.error(request, f"{row}: {error}")
            continue
        n_done += 1
        details += [detail] if detail else []
    if n_done:
        messages.success(request, f"{done}: {n_done}. {' '.join(details)}".strip())


def told(request: HttpRequest, act: Callable[[], str]) -> bool:
    """Do something and say what came of it; False where it was refused, with its reasons."""
    try:
        done = act()
    except SubmissionError as error:
        for field, sentence in error.errors.items():
            messages.error(request, f"{field}: {sentence}" if field else sentence)
        return False
    except PermissionDenied as error:
        messages.error(request, str(error) or "You may not do this.")
        return False
    messages.success(request, done)
    return True


def is_done_already(request: HttpRequest, version: TaskVersion | BenchmarkVersion, do: str) -> bool:
    """Whether a second click, or another tab, asks for what has been done; then says so."""
    done = {
        "publish": version.state != VersionState.DRAFT,
        "retire": version.state == VersionState.RETIRED,
    }
    if not done.get(do, False):
        return False
    messages.info(request, f"{version} is {version.state} already.")
    return True
