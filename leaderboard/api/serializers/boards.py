"""Leaderboards; board_rows.py writes their rows as it is said here."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from leaderboard.api.serializers.evaluations import EvaluationRow
from leaderboard.api.serializers.fields import Link, Record, SubmissionLink, TaskVersionLink
from leaderboard.api.serializers.tasks import (
    BenchmarkLink,
    ReferenceSetLink,
    ScoredMetricRecord,
    scored_metrics,
)
from leaderboard.services.boards.reader import BoardView
from leaderboard.services.boards.types import TaskBoard


class StandingRecord(Record):
    rank: Any = serializers.IntegerField(allow_null=True, help_text="Null if not ranked.")
    rank_low = serializers.IntegerField(allow_null=True, help_text="Of the 95 % interval.")
    rank_high = serializers.IntegerField(allow_null=True)
    tied_with_previous = serializers.BooleanField(
        help_text="Cannot be told apart from the row above."
    )
    is_ranked = serializers.BooleanField()
    why_not_ranked = serializers.CharField(help_text="One sentence; empty for a ranked row.")
    submission = SubmissionLink(source="entrant")


class BoardScoreRecord(Record):
    value = serializers.FloatField(allow_null=True, help_text="Null where the set is hidden.")
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    score = serializers.FloatField(allow_null=True)
    n = serializers.IntegerField(allow_null=True)
    n_failed = serializers.IntegerField(allow_null=True)
    median_error = serializers.FloatField(
        allow_null=True, help_text="Over the systems, in tasks scored by skill; null as value."
    )
    baseline_error = serializers.FloatField(
        allow_null=True,
        help_text="Median error of an answer that knows nothing; null as median_error.",
    )


class TaskBoardRowRecord(StandingRecord):
    evaluation = Link("evaluation", source="evaluation_id")
    score = serializers.FloatField(allow_null=True, help_text="Of the task, 0 to 1.")
    score_low = serializers.FloatField(allow_null=True, source="low")
    score_high = serializers.FloatField(allow_null=True, source="high")
    coverage = serializers.FloatField(allow_null=True)
    n_failed = serializers.IntegerField(allow_null=True)
    theory_mismatch = serializers.BooleanField(
        help_text="Potential and reference have different levels of theory."
    )
    hardware = serializers.CharField(
        help_text="Of a timed task: ranks count among rows of the same hardware alone."
    )
    metrics = serializers.DictField(child=BoardScoreRecord(), help_text="By metric key.")


class ChangeRecord(Record):
    kind = serializers.CharField(help_text="entered, left or moved.")
    submission = SubmissionLink(source="entrant")
    rank_before = serializers.IntegerField(allow_null=True)
    rank_after = serializers.IntegerField(allow_null=True)
    score_before = serializers.FloatField(allow_null=True)
    score_after = serializers.FloatField(allow_null=True)


class DiffRecord(Record):
    version = serializers.IntegerField(help_text="Of the benchmark or task.")
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    changes = ChangeRecord(many=True)


class SnapshotRecord(Record):
    """A board, and of when it is."""

    as_of = serializers.DateTimeField(allow_null=True, help_text="Null: as it stands now.")
    permanent_url = serializers.CharField(
        allow_null=True, help_text="Of a snapshot: this address never changes its content."
    )


class ResolutionRecord(Record):
    """How well the ranking tells potentials apart."""

    n_pairs = serializers.IntegerField(help_text="Neighbours in the ranking.")
    n_told_apart = serializers.IntegerField(
        help_text="Of them; the 95 % interval of their difference leaves zero out."
    )
    stays_first = serializers.FloatField(
        allow_null=True,
        help_text="Share of 200 random halves of the clusters in which the first is first, too; "
        "null where nothing can be halved: hidden sets, fewer than four clusters.",
    )
    n_halved = serializers.IntegerField(help_text="Tasks that were halved.")
    n_tasks = serializers.IntegerField(help_text="Tasks that count.")
    tells_neighbours_apart = serializers.BooleanField(help_text="At least half of them.")
    tells_the_first = serializers.BooleanField(
        allow_null=True, help_text="In at least three quarters of the halves."
    )


class TaskBoardRecord(SnapshotRecord):
    task = TaskVersionLink(source="task_version")
    reference_set = ReferenceSetLink(source="task_version.reference_set", allow_null=True)
    metrics = serializers.SerializerMethodField()
    resolution = ResolutionRecord(
        allow_null=True, help_text="Of a task scored by skill, with two ranked rows or more."
    )
    rows = TaskBoardRowRecord(many=True)
    pending = EvaluationRow(many=True, help_text="Queued and running.")
    failed = EvaluationRow(many=True, help_text="Ended without a score.")

    @extend_schema_field(ScoredMetricRecord(many=True))
    def get_metrics(self, board: TaskBoard) -> list[dict[str, Any]]:
        return scored_metrics(board.task_version)


class CellRecord(Record):
    task = serializers.CharField(help_text="Slug.")
    version = serializers.IntegerField(help_text="Of the task.")
    state = serializers.CharField(help_text="Of the evaluation; missing where there is none.")
    score = serializers.FloatField(allow_null=True)
    score_low = serializers.FloatField(allow_null=True, source="low")
    score_high = serializers.FloatField(allow_null=True, source="high")
    rank = serializers.IntegerField(allow_null=True)
    coverage = serializers.FloatField(allow_null=True)
    theory_mismatch = serializers.BooleanField()
    why_not_ranked = serializers.CharField()
    hardware = serializers.CharField(help_text="Of a timed task; empty else.")
    evaluation = Link("evaluation", source=None, allow_null=True)


class BoardRowRecord(StandingRecord):
    overall = serializers.FloatField(allow_null=True, help_text="Weighted mean, 0 to 1.")
    overall_low = serializers.FloatField(allow_null=True, source="low")
    overall_high = serializers.FloatField(allow_null=True, source="high")
    grades = serializers.DictField(
        source="entrant.letters",
        child=serializers.CharField(),
        help_text="Consistency, Invariance, Conservation, Smoothness: A to D, those measured.",
    )
    tasks = CellRecord(source="cells", many=True, read_only=True)


class CategoryRecord(Record):
    name = serializers.CharField()
    weight = serializers.FloatField()


class BoardTaskRecord(Record):
    task = TaskVersionLink(source="task_version")
    category = serializers.CharField()
    weight = serializers.FloatField(help_text="Within its category.")
    share = serializers.SerializerMethodField(help_text="Of the overall score.")

    def get_share(self, entry: Any) -> float:  # noqa: ANN401  (a BenchmarkTask)
        board: BoardView = self.context["board"]
        return board.shares.get(entry.task_version_id, 0.0)


class JudgedTaskRecord(Record):
    task = TaskVersionLink(source="entry.task_version")
    n_systems = serializers.IntegerField(help_text="Made of it alone, and the same for everybody.")
    n_clusters = serializers.IntegerField(help_text="What these are drawn in, for intervals.")
    elements = serializers.ListField(
        child=serializers.CharField(), help_text="That occur in these systems."
    )


class LeftOutTaskRecord(Record):
    task = TaskVersionLink(source="entry.task_version")
    why = serializers.CharField(help_text="One sentence.")


class ChemistryRecord(Record):
    """What a board for a chemistry is judged on."""

    name = serializers.CharField(source="chemistry", help_text="Elements or a family.")
    words = serializers.CharField(source="chemistry.words", help_text="What systems are made of.")
    n_systems = serializers.IntegerField(help_text="Over all judged tasks.")
    elements = serializers.ListField(
        child=serializers.CharField(), help_text="That occur in what is judged."
    )
    tasks = JudgedTaskRecord(source="judged", many=True)
    left_out = LeftOutTaskRecord(many=True)


class BenchmarkBoardRecord(SnapshotRecord):
    benchmark = BenchmarkLink(source="benchmark_version")
    categories = CategoryRecord(many=True)
    tasks = BoardTaskRecord(source="entries", many=True)
    hardware = serializers.CharField(
        help_text="Of the ranked rows, where a timed task counts in the overall score; empty else."
    )
    resolution = ResolutionRecord(
        allow_null=True,
        help_text="Null with weights or a category of one's own, and of a board of the past.",
    )
    chemistry = ChemistryRecord(allow_null=True, help_text="Null where none was asked for.")
    rows = BoardRowRecord(many=True)
