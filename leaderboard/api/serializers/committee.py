"""What the submissions of a task say of each other's answers."""

from __future__ import annotations

from rest_framework import serializers

from leaderboard.api.serializers.fields import Link, Record, SubmissionLink, TaskVersionLink


class IntervalRecord(Record):
    value = serializers.FloatField()
    low = serializers.FloatField(
        allow_null=True, help_text="Of the 95 % interval; null with fewer than five clusters."
    )
    high = serializers.FloatField(allow_null=True)


class RiskRecord(Record):
    coverage = serializers.FloatField(help_text="Share of the frames, the surest first.")
    rmse = serializers.FloatField(help_text="Over these.")


class CalibrationRecord(Record):
    """How well the disagreement tells the true error of one row."""

    n = serializers.IntegerField(help_text="Frames that the row and a member answered.")
    n_clusters = serializers.IntegerField(help_text="What these are drawn in, for intervals.")
    spearman = IntervalRecord(
        allow_null=True, help_text="Rank correlation with the true error, frame by frame."
    )
    auroc = IntervalRecord(
        allow_null=True,
        help_text="Chance that one of the worst tenth of the frames is less sure than another.",
    )
    rmse = IntervalRecord(help_text="Of all frames, components pooled.")
    rmse_half = IntervalRecord(help_text="Of the surer half.")
    risk = RiskRecord(many=True)


class QuantityRecord(Record):
    quantity = serializers.CharField(help_text="forces or energies.")
    unit = serializers.CharField()
    n_voices = serializers.FloatField(
        help_text="Independent voices that judged: those that answer alike share one."
    )
    calibration = CalibrationRecord(
        allow_null=True, help_text="Null with fewer than 20 frames, or nobody to judge."
    )


class CommitteeRowRecord(Record):
    submission = SubmissionLink()
    evaluation = Link("evaluation", source=None)
    is_member = serializers.BooleanField(help_text="Whether it judges the others.")
    theory_mismatch = serializers.BooleanField(
        help_text="Part of its disagreement is the difference of the levels of theory."
    )
    quantities = QuantityRecord(many=True)


class CommitteeRecord(Record):
    """Unscored: another submission moves it. Empty for tasks without frames and hidden sets."""

    task = TaskVersionLink()
    n_members = serializers.IntegerField()
    rows = CommitteeRowRecord(many=True, help_text="In the order of the task's board.")


class UncertaintyRecord(Record):
    """RMS differences from what the other potentials agree upon; null where nobody judges."""

    force_eV_A = serializers.FloatField(allow_null=True)
    energy_meV_per_atom = serializers.FloatField(allow_null=True)
