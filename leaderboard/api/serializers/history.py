"""Where versions of potentials stood on boards over time."""

from __future__ import annotations

from rest_framework import serializers

from leaderboard.api.serializers.fields import Record, SubmissionLink
from leaderboard.models import StandingRecord
from leaderboard.services.boards.potential_history import why


class HistoryRecord(Record):
    since = serializers.DateTimeField(
        help_text="Until the version's next row, or the next version of the board."
    )
    benchmark = serializers.CharField(source="benchmark_version.benchmark.slug")
    benchmark_version = serializers.IntegerField(source="benchmark_version.number")
    submission = SubmissionLink()
    change = serializers.CharField(
        help_text="published (the board itself), entered, moved, withdrawn, repeated (a task is "
        "evaluated anew) or returned."
    )
    why = serializers.SerializerMethodField(help_text="In words.")
    rank_before = serializers.IntegerField(allow_null=True)
    rank = serializers.IntegerField(allow_null=True, help_text="Null if not ranked.")
    rank_low = serializers.IntegerField(allow_null=True, help_text="Of the 95 % interval.")
    rank_high = serializers.IntegerField(allow_null=True)
    n_ranked = serializers.IntegerField(help_text="Versions that were ranked at this moment.")
    overall = serializers.FloatField(allow_null=True, help_text="0 to 1; null if it has left.")
    overall_low = serializers.FloatField(allow_null=True, source="low")
    overall_high = serializers.FloatField(allow_null=True, source="high")
    n_came_above = serializers.IntegerField(
        help_text="Others that were not ranked before and now stand above."
    )
    n_left_above = serializers.IntegerField(
        help_text="Others that stood above and are not ranked any more."
    )

    def get_why(self, row: StandingRecord) -> str:
        return why(row)
