"""The form of a benchmark version: tasks in rows, and the weight of each category given once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.models import BaseInlineFormSet

from leaderboard.admin.metric_fields import TableWidget
from leaderboard.models import BenchmarkTask, BenchmarkVersion
from leaderboard.services.definitions.benchmark_checks import check_entries, repeated_tasks

if TYPE_CHECKING:
    FormSet = BaseInlineFormSet[BenchmarkTask, BenchmarkVersion, forms.ModelForm[BenchmarkTask]]
    ModelForm = forms.ModelForm[BenchmarkVersion]
else:
    FormSet = BaseInlineFormSet
    ModelForm = forms.ModelForm

#: Lines for categories that are new, and the most that are read.
_N_BLANK, _N_MOST = 3, 64
_USUAL = 1.0


class CategoriesWidget(TableWidget):
    """One line for each category: its name and its weight."""

    template_name = "admin/leaderboard/widgets/categories.html"

    def __init__(self) -> None:
        super().__init__()
        #: What is wrong with a line, by its number.
        self.complaints: dict[int, str] = {}

    def get_context(
        self,
        name: str,
        value: Any,  # noqa: ANN401  (Django's signature)
        attrs: dict[str, Any] | None,
    ) -> dict[str, Any]:
        given = [tuple(pair) for pair in value or []]
        blank = [("", "")] * _N_BLANK
        lines = [
            {"name": category, "weight": weight, "complaint": self.complaints.get(number, "")}
            for number, (category, weight) in enumerate([*given, *blank])
        ]
        known = [category for category, _ in given]
        return {**super().get_context(name, value, attrs), "lines": lines, "known": known}

    def value_from_datadict(
        self,
        data: Mapping[str, Any],
        files: Any,  # noqa: ANN401
        name: str,
    ) -> list[tuple[str, str]]:
        lines = [
            (data.get(f"{name}-{number}-name", ""), data.get(f"{name}-{number}-weight", ""))
            for number in range(_N_MOST)
        ]
        return [line for line in lines if any(text.strip() for text in line)]


class CategoriesField(forms.Field):
    """Gives the weight of each category that is named."""

    widget = CategoriesWidget

    def __init__(self, **options: Any) -> None:  # noqa: ANN401
        super().__init__(required=False, **options)

    def clean(self, value: Any) -> dict[str, float]:  # noqa: ANN401
        weights: dict[str, float] = {}
        complaints: dict[int, str] = {}
        for number, (name, text) in enumerate(value or []):
            weight = _weight(text)
            category = _category(name)
            if not category:
                complaints[number] = "Name the category that has this weight."
            elif weight is None:
                complaints[number] = f"{category}: the weight must be a number, 0 or more."
            elif category in weights:
                complaints[number] = f"{category} stands here twice."
            else:
                weights[category] = weight
        self.widget.complaints = complaints
        if complaints:
            raise ValidationError(list(complaints.values()))
        return weights

    def has_changed(self, initial: Any, data: Any) -> bool:  # noqa: ANN401
        try:
            return self.clean(data) != dict(initial or [])
        except ValidationError:
            return True


class BenchmarkVersionForm(ModelForm):
    categories = CategoriesField(
        label="Weights of the categories",
        help_text="Each category's part of the overall score, in relation to the others. One that "
        "is not named here weighs 1.",
    )

    class Meta:
        model = BenchmarkVersion
        fields = ("benchmark",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  (Django's signature)
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            entries = self.instance.entries.all()
            weights = {entry.category: entry.category_weight for entry in entries}
            self.initial["categories"] = list(weights.items())

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        # The rows are judged with these, by a form set that knows the version alone.
        self.instance.weights_given = cleaned.get("categories")  # type: ignore[attr-defined]
        return cleaned


class EntriesFormSet(FormSet):
    """Judged as publishing does, when it is saved."""

    def get_unique_error_message(self, unique_check: Sequence[str]) -> str:
        return "A task stands here more than once: choose one row of it."

    def get_form_error(self) -> str:
        return "It stands in a row above already."

    def clean(self) -> None:
        super().clean()
        weights = getattr(self.instance, "weights_given", None)
        if any(self.errors) or weights is None:
            return
        used = [
            form
            for form in self.forms
            if form.cleaned_data.get("task_version") and not form.cleaned_data.get("DELETE")
        ]
        for form in used:
            form.instance.category_weight = weights.get(form.cleaned_data["category"], _USUAL)
        entries = [form.instance for form in used]
        for form in used:
            slug = form.instance.task_version.task.slug
            if slug in repeated_tasks(entries):
                form.add_error("task_version", f"{slug} stands here more than once: choose one.")
        if any(form.errors for form in used):
            return
        unused = [name for name in weights if name not in {e.category for e in entries}]
        complaints = [
            f"No task stands in the category {name}, which is given a weight: is it spelt as below?"
            for name in unused
            if entries
        ]
        if complaints := [*complaints, *check_entries(entries).values()]:
            raise ValidationError(complaints)


def weights_of(version: BenchmarkVersion) -> dict[str, float]:
    """What the form that was saved gives to the categories of its rows."""
    given: dict[str, float] = getattr(version, "weights_given", None) or {}
    categories = version.entries.values_list("category", flat=True)
    return {category: given.get(category, _USUAL) for category in categories}


def _category(name: str) -> str:
    """The name as the model keeps it; empty for none."""
    field = BenchmarkTask._meta.get_field("category")
    return str(field.clean(name.strip(), None)) if name.strip() else ""


def _weight(text: str) -> float | None:
    """1 where nothing stands; None for what is no weight."""
    if not text.strip():
        return _USUAL
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
