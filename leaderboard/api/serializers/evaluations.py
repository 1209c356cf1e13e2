"""Evaluations, their scores and their systems."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from evaluator.catalog import METRICS
from leaderboard.api.serializers.committee import UncertaintyRecord
from leaderboard.api.serializers.fields import (
    JSONObject,
    Link,
    ProgressRecord,
    Record,
    StrictRequest,
    SubmissionLink,
)
from leaderboard.models import Evaluation, Event, Score, SystemResult
from leaderboard.models.disclosure import Part, may_read, seen_by, veiled_event
from leaderboard.services.evaluations import queue
from leaderboard.services.evaluations.waiting import waiting_reason


class EvaluationBrief(Record):
    """As whoever asks may see it: of one on a hidden set see models/disclosure.py."""

    id = serializers.UUIDField()
    url = Link("evaluation")
    task = serializers.CharField(source="task_version.task.slug")
    task_version = serializers.IntegerField(source="task_version.number")
    state = serializers.CharField(help_text="queued, running, succeeded, failed or cancelled.")
    phase = serializers.CharField(help_text="While it runs: loading, simulating or scoring.")
    progress = ProgressRecord(source="*")
    verdict = serializers.CharField(help_text="How it ended; empty before.")
    score = serializers.FloatField(allow_null=True, help_text="Of the task, 0 to 1.")
    score_low = serializers.FloatField(allow_null=True, help_text="Of the 95 % interval.")
    score_high = serializers.FloatField(allow_null=True)
    coverage = serializers.FloatField(
        allow_null=True, help_text="Share of systems whose elements are supported."
    )
    n_failed = serializers.IntegerField(
        allow_null=True,
        help_text="Systems that failed; null where the reference set is hidden.",
    )

    def to_representation(self, instance: Any) -> dict[str, Any]:  # noqa: ANN401
        seen = seen_by(self.context["request"].user, instance)
        shown: dict[str, Any] = super().to_representation(seen)
        return shown


class EvaluationRow(EvaluationBrief):
    submission = SubmissionLink()
    is_current = serializers.BooleanField(help_text="False once a re-evaluation supersedes it.")
    queued_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True, help_text="Of the last attempt.")
    finished_at = serializers.DateTimeField(allow_null=True)


class ScoreRecord(Record):
    metric = serializers.CharField(help_text="Key in the catalog.")
    label = serializers.SerializerMethodField()  # type: ignore[assignment]
    unit = serializers.SerializerMethodField()
    value = serializers.FloatField(
        allow_null=True, help_text="Null where nothing was judged, and where the set is hidden."
    )
    low = serializers.FloatField(allow_null=True, help_text="Of the 95 % interval.")
    high = serializers.FloatField(allow_null=True)
    score = serializers.FloatField(
        allow_null=True,
        help_text="0 to 1 by the task's rule; two decimals where the set is hidden.",
    )
    n = serializers.IntegerField(
        allow_null=True,
        help_text="Systems judged, failed ones included; null where the set is hidden.",
    )
    n_failed = serializers.IntegerField(
        allow_null=True,
        help_text="Of these, failed: skill 0, or charged the worst value; null as n.",
    )
    n_tested = serializers.IntegerField(
        allow_null=True,
        help_text="Systems on which the metric tells skill from none; null by anchors, and as n.",
    )
    median_error = serializers.FloatField(
        allow_null=True, help_text="Over the systems, in tasks scored by skill; null as value."
    )
    baseline_error = serializers.FloatField(
        allow_null=True,
        help_text="Median error of an answer that knows nothing; null as median_error.",
    )

    def get_label(self, row: Score) -> str:
        metric = METRICS.get(row.metric)
        return metric.label if metric else row.metric

    def get_unit(self, row: Score) -> str:
        metric = METRICS.get(row.metric)
        return metric.unit if metric else ""


class WorkerRecord(Record):
    name = serializers.CharField()
    device = serializers.CharField()
    sandbox_level = serializers.CharField()
    hardware = JSONObject()
    versions = JSONObject()


class AttemptRecord(Record):
    number = serializers.IntegerField(help_text="1, 2, ...; one that was handed back is repeated.")
    worker = serializers.CharField()
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    outcome = serializers.CharField(
        help_text="succeeded, failed, cancelled, retried or handed_back; empty while it runs."
    )
    reason = serializers.CharField(help_text="The verdict, or why it was tried again.")


class EvaluationRecord(EvaluationRow):
    page = serializers.CharField(source="get_absolute_url")
    message = serializers.CharField(
        help_text="What happened and what to do about it; empty where the reference set is hidden."
    )
    help_url = serializers.SerializerMethodField(help_text="The page about this verdict.")
    held_by = Link(
        "evaluation",
        source=None,
        allow_null=True,
        help_text="The smoke evaluation that must succeed before this one is taken up.",
    )
    waiting_reason = serializers.SerializerMethodField(
        help_text="Why it is not running yet; empty unless it is queued."
    )
    queue_position = serializers.IntegerField(
        source="standing.position",
        allow_null=True,
        help_text="1 is next; null unless it is queued and not held.",
    )
    estimated_start_at = serializers.DateTimeField(
        source="standing.estimated_start_at",
        allow_null=True,
        help_text="From recent durations and live workers; null where too little is known.",
    )
    attempts = serializers.SerializerMethodField(help_text="Every claim by a worker, in order.")
    attempt = serializers.IntegerField(help_text="Claims by a worker so far.")
    cancel_requested_at = serializers.DateTimeField(allow_null=True)
    reason = serializers.CharField(help_text="Why it was repeated.")
    supersedes = Link("evaluation", source=None, allow_null=True)
    superseded_by = Link("evaluation", source=None, allow_null=True)
    wall_time_s = serializers.FloatField(allow_null=True, help_text="Of the last attempt.")
    n_systems = serializers.IntegerField()
    n_unsupported = serializers.IntegerField(
        allow_null=True, help_text="Null where the reference set is hidden."
    )
    scores = ScoreRecord(many=True)
    worker = WorkerRecord(allow_null=True)
    hardware_key = serializers.CharField(
        help_text="Of a timed task: what it was timed on; only the same are ranked together."
    )
    why_unreliable = serializers.CharField(
        help_text="Of a timed task: why its times are not ranked; empty where they are."
    )
    summary = JSONObject(
        help_text="Of the whole set, beyond the metrics: fitted energy shifts, errors by element."
    )
    consistency = JSONObject(help_text="Invariance and repeatability checks.")
    provenance = JSONObject(help_text="Versions, hardware, dtype, seeds, hashes.")
    systems = Link("evaluation-systems")
    files = Link("evaluation-files", help_text="Trajectories and bands, to download.")
    has_log = serializers.SerializerMethodField(
        help_text="Whether the submission has written anything; null for who may not read it."
    )
    events = Link("evaluation-events", help_text="What happened; also as text/event-stream.")
    logs = Link("evaluation-logs", help_text="For its owner and the staff.")

    def get_has_log(self, row: Evaluation) -> bool | None:
        if not may_read(self.context["request"].user, row, Part.LOG):
            return None
        return bool(row.stdout or row.stderr)

    def get_waiting_reason(self, row: Evaluation) -> str:
        return waiting_reason(row)

    @extend_schema_field(AttemptRecord(many=True))
    def get_attempts(self, row: Evaluation) -> list[dict[str, Any]]:
        return list(AttemptRecord(queue.attempts(row), many=True).data)

    def get_help_url(self, row: Evaluation) -> str | None:
        if not row.verdict:
            return None
        address: str = self.context["request"].build_absolute_uri(f"/docs/verdicts/#{row.verdict}")
        return address


class SystemRecord(Record):
    system_id = serializers.CharField()
    status = serializers.CharField(help_text="ok, failed or unsupported.")
    message = serializers.CharField(help_text="Why it failed.")
    values = JSONObject(
        help_text="Numbers found, by name with unit; skill, 0 to 1, where it is scored by skill."
    )
    reference = JSONObject(help_text="The reference's numbers by the same names.")
    n_calls = serializers.IntegerField(help_text="Force calls it took.")
    wall_time_s = serializers.FloatField()
    cluster = serializers.CharField(
        help_text="Those of one name are alike (a material, a trajectory) and drawn together; "
        "empty in evaluations of earlier releases."
    )
    uncertainty = serializers.SerializerMethodField(
        help_text="What the other public submissions say of it, where they were asked for the "
        "same frames; moves with them, and is never scored."
    )

    @extend_schema_field(UncertaintyRecord(allow_null=True))
    def get_uncertainty(self, system: SystemResult) -> dict[str, float | None] | None:
        by_quantity = self.context["uncertainties"]
        if not by_quantity:
            return None
        forces, energies = (by_quantity.get(name, ()) for name in ("forces", "energies"))
        at = system.position
        return {
            "force_eV_A": forces[at] if at < len(forces) else None,
            "energy_meV_per_atom": energies[at] if at < len(energies) else None,
        }


class EventRecord(Record):
    id = serializers.IntegerField(source="pk", help_text="Grows with time.")
    kind = serializers.CharField(help_text="queued, claimed, phase, retried, succeeded, ...")
    at = serializers.DateTimeField()
    data = serializers.SerializerMethodField(help_text="Details.")  # type: ignore[assignment]

    def to_representation(self, event: Event) -> dict[str, Any]:
        """Of a hidden set names, codes and seconds alone, unless ``shows_details``."""
        shown = event if self.context["shows_details"] else veiled_event(event)
        return super().to_representation(shown)

    @extend_schema_field(JSONObject())
    def get_data(self, event: Event) -> dict[str, Any]:
        details: dict[str, Any] = event.data
        return details


class LogsRecord(Record):
    """Text that the submission wrote. Untrusted: show it as text, never as markup."""

    stdout = serializers.CharField()
    stderr = serializers.CharField()


class ReevaluationRequest(StrictRequest):
    reason = serializers.CharField(max_length=300, help_text="Why it is repeated.")
