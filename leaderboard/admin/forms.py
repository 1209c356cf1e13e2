"""The form of a task version: one field for each parameter of its protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms

from evaluator.catalog import METRICS, Parameter, Protocol
from leaderboard.models import TaskVersion
from leaderboard.services.tasks import check_task_version

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[TaskVersion]
else:
    ModelForm = forms.ModelForm

PREFIX = "parameter_"


class TaskVersionForm(ModelForm):
    """Checked as a whole by the same judge as publishing, with each complaint at its field.

    Subclasses made by ``form_for`` add the protocol and a field for each of its parameters.
    """

    protocol_description: Protocol

    class Meta:
        model = TaskVersion
        fields = (
            "task",
            "reference_set",
            "description",
            "limitations",
            "metrics",
            "limits",
            "min_coverage",
            "seed",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  (Django's signature)
        super().__init__(*args, **kwargs)
        protocol = self.protocol_description
        stored = self.instance.parameters or {}
        for parameter in protocol.parameters:
            if parameter.name in stored:
                self.initial[PREFIX + parameter.name] = stored[parameter.name]
        if not self.initial.get("metrics"):
            self.initial["metrics"] = _blank_metrics(protocol)
        if "metrics" in self.fields:
            self.fields["metrics"].help_text = _metrics_help(protocol)
        if "limits" in self.fields:
            self.fields["limits"].required = False

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        parameters: dict[str, Any] = {}
        for parameter in self.protocol_description.parameters:
            name = PREFIX + parameter.name
            if name not in cleaned:
                continue  # the field itself has complained
            try:
                parameters[parameter.name] = parameter.check(cleaned[name])
            except ValueError as error:
                self.add_error(name, f"{error}".capitalize() + ".")
        cleaned["limits"] = cleaned.get("limits") or {}
        self.instance.protocol = self.protocol_description.name
        self.instance.protocol_version = self.protocol_description.version
        self.instance.parameters = parameters
        return cleaned

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]  # writes the cleaned data into the instance
        if self.errors:
            return
        for field, sentence in check_task_version(self.instance).items():
            self.add_error(field if field in self.fields else None, sentence)


def form_for(protocol: Protocol) -> type[TaskVersionForm]:
    """The form's class for one protocol."""
    fields: dict[str, Any] = {PREFIX + p.name: _field(p) for p in protocol.parameters}
    fields["protocol_description"] = protocol
    return type(f"TaskVersionFormOf{protocol.name}", (TaskVersionForm,), fields)


def _field(parameter: Parameter) -> forms.Field:
    label = parameter.name + (f" / {parameter.unit}" if parameter.unit else "")
    common: dict[str, Any] = {
        "label": label,
        "initial": parameter.default,
        "help_text": _help(parameter),
    }
    if parameter.kind is bool:
        return forms.BooleanField(required=False, **common)
    if parameter.choices:
        return forms.ChoiceField(choices=[(c, c) for c in parameter.choices], **common)
    if parameter.kind is int:
        return forms.IntegerField(**common)
    if parameter.kind is float:
        return forms.FloatField(**common)
    return forms.CharField(required=False, **common)


def _help(parameter: Parameter) -> str:
    limits = [
        f"{word} {value:g}"
        for word, value in (("at least", parameter.minimum), ("at most", parameter.maximum))
        if value is not None
    ]
    return f"{parameter.help} {', '.join(limits).capitalize()}".strip()


def _blank_metrics(protocol: Protocol) -> list[dict[str, Any]]:
    """What a new draft begins with: every metric, its anchors still to be given."""
    anchors = {"good": None, "bad": None, "worst": None, "weight": 1.0}
    return [{"key": key, **anchors} for key in protocol.metrics]


def _metrics_help(protocol: Protocol) -> str:
    known = ", ".join(f"{key} ({METRICS[key].unit or 'no unit'})" for key in protocol.metrics)
    return (
        'A list of {"key", "good", "bad", "worst", "weight", "scale"}: good scores 1, bad scores 0, '
        'a failed system is charged worst; scale is "linear" (or left out) or "log". '
        f"This protocol measures {known}."
    )
