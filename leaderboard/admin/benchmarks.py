"""Benchmarks and their frozen versions."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Field, ForeignKey
from django.forms import ModelChoiceField, ModelForm
from django.http import HttpRequest

from leaderboard.admin import benchmark_desk
from leaderboard.admin.base import TabularInline
from leaderboard.admin.category_fields import BenchmarkVersionForm, EntriesFormSet, weights_of
from leaderboard.admin.versions import NamedAdmin, VersionAdmin
from leaderboard.enums import VersionState
from leaderboard.models import Benchmark, BenchmarkTask, BenchmarkVersion, TaskVersion
from leaderboard.services.accounts import audit
from leaderboard.services.definitions.tasks import publish_benchmark_version


@admin.register(Benchmark)
class BenchmarkAdmin(NamedAdmin):
    pass


class BenchmarkTaskInline(TabularInline):
    """The tasks. What a category weighs is said once, in the form above them."""

    model = BenchmarkTask
    formset = EntriesFormSet
    extra = 3
    verbose_name, verbose_name_plural = "task", "tasks"

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:  # noqa: ANN401
        weights = ("weight",) if self._may_edit(obj) else ("weight", "category_weight")
        return ("task_version", "category", *weights, "position")

    def formfield_for_dbfield(
        self,
        db_field: Field[Any, Any],
        request: HttpRequest,
        **kwargs: Any,  # noqa: ANN401  (Django's signature)
    ) -> Any:  # noqa: ANN401
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "task_version" and field is not None:
            for name in ("add", "change", "delete", "view"):  # it is another desk's
                setattr(field.widget, f"can_{name}_related", False)
        if db_field.name == "category" and field is not None:
            field.widget.attrs.update(list="categories-known", size=18, autocomplete="off")
            field.widget.attrs["class"] = ""
        if db_field.name in ("weight", "position") and field is not None:
            field.widget.attrs["class"] = "narrow"
        return field

    def formfield_for_foreignkey(
        self,
        db_field: ForeignKey[Any, Any],
        request: HttpRequest,
        **kwargs: Any,  # noqa: ANN401  (Django's signature)
    ) -> ModelChoiceField[Any] | None:
        if db_field.name == "task_version":
            published = TaskVersion.objects.filter(state=VersionState.PUBLISHED)
            kwargs["queryset"] = published.select_related("task")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def _may_edit(self, obj: BenchmarkVersion | None) -> bool:
        return obj is None or obj.state == VersionState.DRAFT

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401
        return self._may_edit(obj) and super().has_add_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401
        return self._may_edit(obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401
        return self._may_edit(obj) and super().has_delete_permission(request, obj)


@admin.register(BenchmarkVersion)
class BenchmarkVersionAdmin(VersionAdmin):
    list_display = ("__str__", "desk", "state", "published_at")
    list_filter = ("state", "benchmark")
    list_select_related = ("benchmark",)
    readonly_fields = ("number", "state", "published_at")
    inlines = (BenchmarkTaskInline,)
    actions = ("publish",)
    named, related, desk_words = "benchmark", ("benchmark",), "preview, publish"
    desk_page, publishes = benchmark_desk, staticmethod(publish_benchmark_version)

    def get_form(
        self,
        request: HttpRequest,
        obj: Any = None,  # noqa: ANN401
        change: bool = False,
        **kwargs: Any,  # noqa: ANN401
    ) -> type[ModelForm[BenchmarkVersion]]:
        if self.is_editable(obj):
            kwargs["form"] = BenchmarkVersionForm
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:  # noqa: ANN401
        if obj is None:
            return ((None, {"fields": ("benchmark", "categories")}),)
        state = ("benchmark", "number", "state", "published_at")
        is_draft = obj.state == VersionState.DRAFT
        return ((None, {"fields": (*state, "categories") if is_draft else state}),)

    def save_related(
        self,
        request: HttpRequest,
        form: ModelForm[Any],
        formsets: Any,  # noqa: ANN401
        change: bool,
    ) -> None:
        """A row that nobody touched gets its category's weight as well."""
        super().save_related(request, form, formsets, change)
        version = form.instance
        for category, weight in weights_of(version).items():
            for row in version.entries.filter(category=category).exclude(category_weight=weight):
                with audit.recorded(request.user, "changed", row):
                    row.category_weight = weight
                    row.save(update_fields=["category_weight"])
