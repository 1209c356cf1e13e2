"""Output files of evaluations."""

from __future__ import annotations

from rest_framework import serializers
from rest_framework.reverse import reverse

from leaderboard.api.serializers.fields import Record
from leaderboard.models import EvaluationFile


class OutputFileRecord(Record):
    system_id = serializers.CharField()
    name = serializers.CharField()
    media_type = serializers.CharField()
    size_bytes = serializers.IntegerField()
    sha256 = serializers.CharField()
    left_out = serializers.CharField(help_text="Why its bytes were not kept; empty if they were.")
    url = serializers.SerializerMethodField(help_text="The bytes; null where they were not kept.")

    def get_url(self, row: EvaluationFile) -> str | None:
        if row.left_out:
            return None
        address: str = reverse(
            "api:evaluation-file",
            args=[row.evaluation_id, row.system_id, row.name],
            request=self.context["request"],
        )
        return address
