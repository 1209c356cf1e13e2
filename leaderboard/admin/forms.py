"""The form of a task version: one field for each parameter of its protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms

from evaluator.catalog import Parameter, Protocol
from leaderboard.admin.metric_fields import LimitsField, MetricsField, suggested_metrics, used_keys
from leaderboard.models import ReferenceSet, TaskVersion
from leaderboard.services.definitions import dry_runs, reference_uploads
from leaderboard.services.definitions.task_checks import (
    check_reference,
    check_reference_potential,
    check_task_version,
)

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
            dummy = _dummy_of(protocol, self.initial.get("reference_set"))
            self.initial["metrics"] = suggested_metrics(protocol, dummy)

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
                text = str(error)
                self.add_error(name, f"{text[:1].upper()}{text[1:]}.")
        potential = parameters.get("reference_potential", "")
        if complaint := check_reference_potential(potential):
            self.add_error(PREFIX + "reference_potential", complaint)
        if self.instance.pk and dry_runs.under_way(self.instance).exists():
            self.add_error(None, "A dry run of it is under way: wait for it, or cancel it.")
        self.instance.protocol = self.protocol_description.name
        self.instance.protocol_version = self.protocol_description.version
        self.instance.parameters = parameters
        return cleaned

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]  # writes the cleaned data into the instance
        complaints = check_task_version(self.instance)
        # The set is judged by what is ticked, whether or not the numbers beside it can be read.
        keys = used_keys(self["metrics"].value())
        chosen = self.cleaned_data.get("reference_set")
        complaints.pop("reference_set", None)
        if keys and (lacking := check_reference(chosen, self.protocol_description, keys)):
            complaints["reference_set"] = lacking
        if any(name.startswith(PREFIX) for name in self.errors):
            complaints.pop("parameters", None)  # each has been told at its own field
        for field, sentence in complaints.items():
            place = field if field in self.fields else None
            if place is None or place not in self.errors:
                self.add_error(place, sentence)


def _dummy_of(protocol: Protocol, reference: object) -> dict[str, float]:
    """What a dummy gets on the reference set that the address of the form names, if it is known.

    It is known for single points on whole structures: other protocols judge other things under
    the same names (the atoms that migrate, say).
    """
    if protocol.name != "energy_forces" or not str(reference or "").isdigit():
        return {}
    row = ReferenceSet.objects.filter(pk=int(str(reference))).first()
    return reference_uploads.dummy_of(row) if row is not None else {}


def form_for(protocol: Protocol) -> type[TaskVersionForm]:
    """The form's class for one protocol."""
    fields: dict[str, Any] = {PREFIX + p.name: _field(p) for p in protocol.parameters}
    fields["protocol_description"] = protocol
    fields["metrics"] = MetricsField(protocol, help_text=_METRICS_HELP)
    fields["limits"] = LimitsField(help_text="Left empty, what stands there in grey applies.")
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


_METRICS_HELP = (
    "With a noise on each metric that has a weight, a task is scored by skill: 1 within the noise, "
    "0 where a guess is, at bad at most, and where a system failed. Without any, good scores 1 and "
    "bad scores 0, in between by the scale, and a system that failed is charged worst. A weight of "
    "0 shows a metric without scoring it. What stands there in a new draft is a suggestion: "
    "perfect for good and, where the reference set was checked here, what a potential of mean "
    "energies and zero forces gets for bad."
)
