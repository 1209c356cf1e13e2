"""How far the answers of one evaluation lie from the reference, frame by frame."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

from leaderboard.models.evaluation import Evaluation


class FrameErrorTable(models.Model):
    """What submissions are compared with each other by. Never edited, never handed out."""

    evaluation = models.OneToOneField(
        Evaluation,
        on_delete=models.PROTECT,
        primary_key=True,
        related_name="frame_errors",
        help_text="Of which.",
    )
    n_atoms = ArrayField(
        models.PositiveIntegerField(),
        help_text="Of each system of the set, in its order: atoms whose forces are kept.",
    )
    clusters = ArrayField(
        models.CharField(max_length=200), help_text="What each system is drawn with."
    )
    packed = models.BinaryField(
        help_text="Errors of the energies in meV/atom, then of the forces in eV/Å; packed by "
        "evaluator/frames.py."
    )

    objects: ClassVar[models.Manager[FrameErrorTable]] = models.Manager()

    def __str__(self) -> str:
        return f"frame errors of {self.evaluation_id}"
