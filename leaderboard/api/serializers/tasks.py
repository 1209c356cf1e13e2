"""Tasks, protocols, calculator kinds, reference sets, benchmarks."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from evaluator.catalog import METRICS, Parameter, Protocol
from evaluator.contract import Limits
from leaderboard.api.serializers.fields import Link, Record, TaskVersionLink
from leaderboard.models import BenchmarkVersion, ReferenceSet, TaskVersion
from leaderboard.models.disclosure import may_read_set


class ParameterRecord(Record):
    name = serializers.CharField()
    kind = serializers.SerializerMethodField(help_text="float, int, bool or str.")
    default = serializers.JSONField()
    unit = serializers.CharField()
    help = serializers.CharField()
    minimum = serializers.FloatField(allow_null=True)
    maximum = serializers.FloatField(allow_null=True)
    choices = serializers.ListField(child=serializers.CharField())

    def get_kind(self, row: Parameter) -> str:
        return row.kind.__name__


class MetricRecord(Record):
    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    unit = serializers.CharField()
    direction = serializers.CharField(help_text="lower, higher or one is better.")
    description = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]


class ColumnRecord(Record):
    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    unit = serializers.CharField()


class ProtocolRecord(Record):
    name = serializers.CharField()
    version = serializers.IntegerField()
    label = serializers.CharField()  # type: ignore[assignment]
    summary = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]
    parameters = ParameterRecord(many=True)
    metrics = serializers.SerializerMethodField()
    reference_properties = serializers.ListField(child=serializers.CharField())
    columns = ColumnRecord(many=True)

    @extend_schema_field(MetricRecord(many=True))
    def get_metrics(self, row: Protocol) -> list[dict[str, Any]]:
        return list(MetricRecord([METRICS[key] for key in row.metrics], many=True).data)


class CalculatorRecord(Record):
    name = serializers.CharField(help_text="Value of calculator_kind in a submission.")
    label = serializers.CharField()  # type: ignore[assignment]
    artifact = serializers.CharField(help_text="What the file must be.")
    suffixes = serializers.ListField(child=serializers.CharField())
    settings = ParameterRecord(many=True)
    is_built_in = serializers.BooleanField()


class ReferenceSetLink(Record):
    slug = serializers.CharField()
    version = serializers.CharField()
    level_of_theory = serializers.CharField()
    is_public = serializers.BooleanField(
        help_text="The values of a hidden set are shown to nobody but the staff."
    )


class ReferenceSetRecord(ReferenceSetLink):
    title = serializers.CharField()
    sha256 = serializers.SerializerMethodField(help_text="Null for a hidden set.")
    size_bytes = serializers.SerializerMethodField(help_text="Null for a hidden set.")
    n_systems = serializers.IntegerField()
    elements = serializers.ListField(child=serializers.CharField())
    properties = serializers.ListField(child=serializers.CharField())
    licence = serializers.CharField()
    citation = serializers.CharField()
    source_url = serializers.CharField(source="url", help_text="Where it was published.")

    def get_sha256(self, row: ReferenceSet) -> str | None:
        """Whoever guesses a file could make sure of it by its hash."""
        return row.sha256 if self._is_told(row) else None

    def get_size_bytes(self, row: ReferenceSet) -> int | None:
        return row.size_bytes if self._is_told(row) else None

    def _is_told(self, row: ReferenceSet) -> bool:
        return may_read_set(self.context["request"].user, row)


class ScoredMetricRecord(MetricRecord):
    """A metric with the anchors that turn its value into a score."""

    good = serializers.FloatField(help_text="Scores 1; by skill, the value without an error.")
    bad = serializers.FloatField(help_text="Scores 0; by skill, beyond it nobody has skill.")
    worst = serializers.FloatField(
        help_text="What a failed system is charged; by skill it has the skill 0."
    )
    noise = serializers.FloatField(
        allow_null=True,
        help_text="The error that has the skill 1, in tasks that are scored by skill; else null.",
    )
    weight = serializers.FloatField(help_text="In the task's score; 0 is shown, not scored.")
    scale = serializers.CharField(
        help_text="linear or log: log takes the logarithms of value, good and bad."
    )


class SetParameterRecord(Record):
    name = serializers.CharField()
    value = serializers.JSONField()
    unit = serializers.CharField()
    help = serializers.CharField()


class LimitsRecord(Record):
    wall_time_s = serializers.FloatField()
    call_timeout_s = serializers.FloatField()
    memory_MiB = serializers.IntegerField()


class TaskRow(Record):
    """A task in its current version."""

    slug = serializers.CharField(source="task.slug")
    name = serializers.CharField(source="task.name")
    summary = serializers.CharField(source="task.summary")
    url = Link("task", "slug", source="task")
    page = serializers.CharField(source="task.get_absolute_url")
    leaderboard = Link("task-leaderboard", "slug", source="task")
    version = serializers.IntegerField(source="number")
    state = serializers.CharField(help_text="published or retired.")
    published_at = serializers.DateTimeField(allow_null=True)
    protocol = serializers.CharField()
    reference_set = ReferenceSetLink(allow_null=True)


class VersionRecord(Record):
    version = serializers.IntegerField(source="number")
    state = serializers.CharField()
    published_at = serializers.DateTimeField(allow_null=True)


class TaskRecord(TaskRow):
    description = serializers.CharField(help_text="What is measured and why, in Markdown.")
    limitations = serializers.CharField(help_text="What the task cannot tell, in Markdown.")
    protocol = ProtocolRecord(source="catalog_protocol")  # type: ignore[assignment]
    protocol_version = serializers.IntegerField()
    parameters = serializers.SerializerMethodField()
    metrics = serializers.SerializerMethodField()
    reference_set = ReferenceSetRecord(allow_null=True)
    limits = serializers.SerializerMethodField()
    min_coverage = serializers.FloatField(help_text="Less is shown, not ranked.")
    seed = serializers.IntegerField()
    disguise_secret = serializers.CharField(
        source="published_disguise_secret",
        allow_null=True,
        help_text="Of disguises and probes; told once the version is retired and none of its "
        "evaluations waits or runs.",
    )
    versions = VersionRecord(source="task.shown_versions", many=True)

    @extend_schema_field(SetParameterRecord(many=True))
    def get_parameters(self, row: TaskVersion) -> list[dict[str, Any]]:
        return [
            {
                "name": p.name,
                "value": row.parameters.get(p.name, p.default),
                "unit": p.unit,
                "help": p.help,
            }
            for p in row.catalog_protocol.parameters
        ]

    @extend_schema_field(ScoredMetricRecord(many=True))
    def get_metrics(self, row: TaskVersion) -> list[dict[str, Any]]:
        return scored_metrics(row)

    @extend_schema_field(LimitsRecord)
    def get_limits(self, row: TaskVersion) -> dict[str, Any]:
        return Limits.from_json(row.limits).to_json()


def scored_metrics(version: TaskVersion) -> list[dict[str, Any]]:
    """The scored metrics of a task version with what the catalog says of them."""
    return [
        {**MetricRecord(METRICS[scored.key]).data, **scored.to_json()}
        for scored in version.scored_metrics()
    ]


class BenchmarkTaskRecord(Record):
    task = TaskVersionLink(source="task_version")
    category = serializers.CharField()
    weight = serializers.FloatField(help_text="Within its category.")
    category_weight = serializers.FloatField(help_text="Of the category in the overall score.")


class BenchmarkLink(Record):
    slug = serializers.CharField(source="benchmark.slug")
    name = serializers.CharField(source="benchmark.name")
    summary = serializers.CharField(source="benchmark.summary")
    version = serializers.IntegerField(source="number")
    published_at = serializers.DateTimeField(allow_null=True)
    leaderboard = Link("leaderboard", "slug", source="benchmark")


class BenchmarkRecord(BenchmarkLink):
    is_default = serializers.SerializerMethodField(
        help_text="Whether submissions are judged by it that name no other."
    )
    tasks = BenchmarkTaskRecord(source="entries", many=True)

    def get_is_default(self, row: BenchmarkVersion) -> bool:
        return bool(row.benchmark.slug == self.context["default"])
