"""The advisor's answer, read from the dataclasses of services/recommendation.py."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from leaderboard.api.serializers.boards import CategoryRecord, ChemistryRecord
from leaderboard.api.serializers.fields import Record, SubmissionLink
from leaderboard.api.serializers.tasks import BenchmarkLink


class WishesRecord(Record):
    """As they were understood."""

    elements = serializers.ListField(child=serializers.CharField())
    n_atoms = serializers.IntegerField()
    duration_ps = serializers.FloatField()
    timestep_fs = serializers.FloatField()
    n_steps = serializers.FloatField()
    temperature_K = serializers.FloatField(allow_null=True)
    hardware = serializers.CharField(help_text="As asked for.")
    memory_GiB = serializers.FloatField(allow_null=True)
    max_hours = serializers.FloatField(allow_null=True)
    licence = serializers.CharField()
    level_of_theory = serializers.CharField()


class HardwareRecord(Record):
    key = serializers.CharField(help_text="May be asked for as hardware.")
    n = serializers.IntegerField(help_text="Submissions that were timed on it.")
    is_gpu = serializers.BooleanField()


class EstimateRecord(Record):
    """Between the measured sizes interpolated, beyond them by the fitted power law."""

    hours = serializers.FloatField(help_text="Geometric mean over the measured materials.")
    hours_low = serializers.FloatField(help_text="Of the fastest material, see docs/choosing.md.")
    hours_high = serializers.FloatField()
    memory_GiB = serializers.FloatField(
        allow_null=True, help_text="Of the hungriest material; null where it was not measured."
    )
    nanoseconds_per_day = serializers.FloatField()
    is_extrapolated = serializers.BooleanField(
        help_text="More atoms than all measured materials ran with."
    )
    largest_n_atoms = serializers.IntegerField(help_text="That all of them ran with.")
    n_materials = serializers.IntegerField()


class CandidateRecord(Record):
    group = serializers.CharField(
        help_text="recommended, untimed (not timed on the hardware), unjudged (no rank), unknown "
        "(nobody tells its elements) or out."
    )
    reason = serializers.CharField(help_text="Why it is not recommended; empty for those that are.")
    submission = SubmissionLink(source="row.entrant")
    licence = serializers.CharField(source="row.entrant.licence")
    rank: Any = serializers.IntegerField(source="row.rank", allow_null=True)
    overall = serializers.FloatField(source="row.overall", allow_null=True)
    overall_low = serializers.FloatField(source="row.low", allow_null=True)
    overall_high = serializers.FloatField(source="row.high", allow_null=True)
    is_tied_with_best = serializers.BooleanField(
        allow_null=True, help_text="Of the 30 best; null where it was not tried."
    )
    is_on_front = serializers.BooleanField(
        help_text="Nothing that is recommended is both faster and better."
    )
    estimate = EstimateRecord(allow_null=True)
    timed_by = serializers.UUIDField(
        allow_null=True, help_text="Id of the evaluation that the estimate rests on."
    )


class RecommendationRecord(Record):
    asked = WishesRecord(source="wishes")
    benchmark = BenchmarkLink(source="board.benchmark_version")
    categories = CategoryRecord(source="board.categories", many=True)
    chemistry = ChemistryRecord(
        allow_null=True, help_text="Null where the ranks are those of the whole board."
    )
    judged_on = serializers.CharField(
        help_text="What the ranks rest on, in sentences; empty where no elements are asked for."
    )
    hardware = serializers.CharField(
        source="chosen_hardware", help_text="Of the estimates; empty where nothing was timed there."
    )
    measured_hardware = HardwareRecord(source="hardware", many=True)
    notes = serializers.ListField(child=serializers.CharField())
    candidates = CandidateRecord(many=True, help_text="The recommended ones first, by rank.")
