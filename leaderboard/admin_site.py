"""The admin site: whatever is registered there, by us or by another app, is audited.

Every row that a form adds, changes or deletes gets an entry in the audit log with the values before
and after. Actions write theirs in ``admin/base.py``, the desks through the services.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Model
from django.db.models.base import ModelBase
from django.forms import BaseModelFormSet, ModelForm
from django.http import HttpRequest
from django.template.response import TemplateResponse

from leaderboard.admin_front_page import desks_for
from leaderboard.services.accounts import audit

if TYPE_CHECKING:
    Base = admin.ModelAdmin[Any]
else:
    Base = object


class Audited(Base):
    """Mixed into every admin class that is registered."""

    def save_model(
        self,
        request: HttpRequest,
        obj: Any,  # noqa: ANN401  (Django's signature, here and below)
        form: ModelForm[Any],
        change: bool,
    ) -> None:
        before = audit.stored(obj) if change else {}
        super().save_model(request, obj, form, change)
        changes = audit.differences(before, audit.stored(obj))
        audit.record(request.user, "changed" if change else "added", obj, changes=changes)
        request.is_audited = True  # type: ignore[attr-defined]

    def save_related(
        self,
        request: HttpRequest,
        form: ModelForm[Any],
        formsets: Any,  # noqa: ANN401
        change: bool,
    ) -> None:
        row = form.instance
        names = [field.name for field in row._meta.many_to_many if field.name in form.changed_data]
        before = {name: _keys(row, name) for name in names}
        super().save_related(request, form, formsets, change)
        if names:
            after = {name: _keys(row, name) for name in names}
            changes = audit.differences(before, after)
            audit.record(request.user, "changed", row, changes=changes)

    def save_formset(
        self,
        request: HttpRequest,
        form: ModelForm[Any],
        formset: BaseModelFormSet[Any, Any],
        change: bool,
    ) -> None:
        before = {f.instance.pk: audit.stored(f.instance) for f in formset.forms if f.instance.pk}
        for deleted in formset.deleted_forms:
            if deleted.instance.pk:
                gone = audit.differences(before[deleted.instance.pk], {})
                audit.record(request.user, "deleted", deleted.instance, changes=gone)
        super().save_formset(request, form, formset, change)
        for row in formset.new_objects:
            audit.record(
                request.user, "added", row, changes=audit.differences({}, audit.stored(row))
            )
        for row, _ in formset.changed_objects:
            changes = audit.differences(before.get(row.pk, {}), audit.stored(row))
            audit.record(request.user, "changed", row, changes=changes)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:  # noqa: ANN401
        changes = audit.differences(audit.stored(obj), {})
        audit.record(request.user, "deleted", obj, changes=changes)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:  # noqa: ANN401
        for row in queryset:
            changes = audit.differences(audit.stored(row), {})
            audit.record(request.user, "deleted", row, changes=changes)
        super().delete_queryset(request, queryset)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:  # noqa: ANN401
        """Called for every change; a view that saves in its own way (a password) is noted here."""
        if not getattr(request, "is_audited", False):
            audit.record(request.user, "changed", obj, detail=str(message))
        return super().log_change(request, obj, message)


class AuditedSite(admin.AdminSite):
    site_header = "Touchstone administration"
    site_title = "Touchstone"
    index_title = "The desk"

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """What an administrator is here for comes first; then everything there is, as a list."""
        user = request.user
        context = {
            "desks": desks_for(user),
            "recent": audit.newest() if user.has_perm("leaderboard.view_auditentry") else None,
            **(extra_context or {}),
        }
        return super().index(request, context)

    def register(
        self,
        model_or_iterable: type[Model] | Iterable[type[Model]],
        admin_class: type[admin.ModelAdmin[Any]] | None = None,
        **options: Any,  # noqa: ANN401
    ) -> None:
        plain = admin_class or admin.ModelAdmin
        audited = type(plain.__name__, (Audited, plain), {"__module__": plain.__module__})
        models = (
            [model_or_iterable] if isinstance(model_or_iterable, ModelBase) else (model_or_iterable)
        )
        super().register(models, audited, **options)


def _keys(row: Model, name: str) -> list[str]:
    return sorted(str(other) for other in getattr(row, name).all())
