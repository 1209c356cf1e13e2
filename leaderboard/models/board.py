"""What makes boards quick: a log of what changed on them, and their last computed state.

Triggers of the database write the log, so that no way of changing a row can forget it. Rows are
only added: nothing waits for a lock, and no two transactions can block each other over it.
"""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class BoardChange(models.Model):
    """Something that boards show has changed. The reaper removes old rows."""

    task_version = models.ForeignKey(
        "leaderboard.TaskVersion",
        null=True,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="Boards with this task are concerned; all boards where it is empty.",
    )
    at = models.DateTimeField(db_default=Now(), help_text="When.")

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return f"change {self.pk}"


class BoardSnapshot(models.Model):
    """A board of public rows as it was computed last; good while its stamp is the present one."""

    benchmark_version = models.OneToOneField(
        "leaderboard.BenchmarkVersion",
        primary_key=True,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="Of which board.",
    )
    stamp = models.CharField(max_length=200, help_text="See services/boards/stamps.py.")
    matrix = models.BinaryField(help_text="Rows, cells and ranks, packed.")
    replicates = models.BinaryField(help_text="Bootstrap replicates of each category, packed.")
    element_errors = models.BinaryField(
        null=True,
        help_text="What evaluations tell of elements, packed; it never changes.",
    )
    correlations = models.BinaryField(
        null=True,
        help_text="Of pairs of tasks, packed, by what they were computed from.",
    )
    made_at = models.DateTimeField(auto_now=True, help_text="When it was computed.")

    def __str__(self) -> str:
        return f"board of {self.benchmark_version_id}"


class TaskBoardSnapshot(models.Model):
    """The stored board of one task, with every metric."""

    task_version = models.OneToOneField(
        "leaderboard.TaskVersion",
        primary_key=True,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="Of which board.",
    )
    stamp = models.CharField(max_length=200, help_text="See services/boards/stamps.py.")
    rows = models.BinaryField(help_text="Rows, ranks and metrics, packed.")
    made_at = models.DateTimeField(auto_now=True, help_text="When it was computed.")

    def __str__(self) -> str:
        return f"board of task version {self.task_version_id}"
