"""Where potentials are good: mean skill by element and by family."""

from __future__ import annotations

from rest_framework import serializers

from leaderboard.api.serializers.fields import Link, Record, SubmissionLink, TaskVersionLink

_KIND = "element, or family (metals, oxides, nitrides, halides, organics)."


class MapPartRecord(Record):
    kind = serializers.CharField(help_text=_KIND)
    name = serializers.CharField(help_text="Symbol, or name of the family.")
    n_systems = serializers.IntegerField(
        help_text="That hold the element or belong to the family, and test something."
    )
    n_clusters = serializers.IntegerField(
        help_text="Of alike systems; below five the mean is a hint, no measurement."
    )


class PartSkillRecord(MapPartRecord):
    skill = serializers.FloatField(help_text="Mean over the systems, 0 to 1.")
    low = serializers.FloatField(help_text="Of the 95 % interval.")
    high = serializers.FloatField()


class PartStandingRecord(MapPartRecord):
    median = serializers.FloatField(
        help_text="Of the public potentials, each by its best version; no baselines."
    )
    best = serializers.FloatField()
    best_evaluation = Link("evaluation", source=None)


class MapRowRecord(Record):
    submission = SubmissionLink()
    evaluation = Link("evaluation", source=None)
    skills = serializers.ListField(
        child=serializers.FloatField(allow_null=True), help_text="In the order of parts."
    )


class TaskMapRecord(Record):
    task = TaskVersionLink(source="task_version")
    parts = MapPartRecord(
        many=True,
        help_text="Elements by atomic number, then families; none of a hidden set, nor of a task "
        "scored by anchors.",
    )
    standings = PartStandingRecord(many=True, help_text="Parts on which somebody has a skill.")
    rows = MapRowRecord(many=True, help_text="Public ones, as on the task's board.")


class EvaluationMapRecord(Record):
    evaluation = Link("evaluation", source=None)
    task = TaskVersionLink(source="task_version")
    parts = PartSkillRecord(
        many=True, help_text="None of a hidden set, nor of a task scored by anchors."
    )
