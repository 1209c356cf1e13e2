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


class Snapshot(models.Model):
    """What was computed last of a board; good while its stamp is the present one."""

    key = models.CharField(primary_key=True, max_length=100, help_text="What of which board.")
    stamp = models.CharField(max_length=200, help_text="What it was made of.")
    content = models.BinaryField(help_text="See services/boards/snapshots.py.")
    made_at = models.DateTimeField(auto_now=True, help_text="When it was computed.")

    def __str__(self) -> str:
        return self.key
