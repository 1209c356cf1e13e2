"""The skill of one evaluation on each system: what its score is made of."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

from leaderboard.models.evaluation import Evaluation
from leaderboard.models.task import TaskVersion


class TestedSystems(models.Model):
    """Which systems of a task version test anything: a guess and the noise say, no submission.

    Told by the first evaluation of the published version, and never edited.
    """

    task_version = models.OneToOneField(
        TaskVersion,
        on_delete=models.PROTECT,
        primary_key=True,
        related_name="tested_systems",
        help_text="Of which.",
    )
    elements = ArrayField(
        models.CharField(max_length=500), help_text='Elements of each system, as "Cl-Na".'
    )
    clusters = ArrayField(
        models.CharField(max_length=200), help_text="What each system is drawn with."
    )
    is_tested = ArrayField(models.BooleanField(), help_text="Whether each system tests anything.")

    objects: ClassVar[models.Manager[TestedSystems]] = models.Manager()

    #: pytest takes a class of this name for tests.
    __test__ = False

    def __str__(self) -> str:
        return f"systems of {self.task_version_id}"


class SkillTable(models.Model):
    """Skills of an evaluation that was scored by them, for all systems of its set. Never edited."""

    evaluation = models.OneToOneField(
        Evaluation,
        on_delete=models.PROTECT,
        primary_key=True,
        related_name="skill_table",
        help_text="Of which.",
    )
    metrics = ArrayField(
        models.CharField(max_length=64), help_text="Keys of the metrics, in the order of the rows."
    )
    packed = models.BinaryField(
        help_text="Rows of one skill a system: over all metrics, then of each one; packed by "
        "services/evaluations/skill_tables.py."
    )
    elements = ArrayField(
        models.CharField(max_length=500), help_text='Elements of each system, as "Cl-Na".'
    )
    clusters = ArrayField(
        models.CharField(max_length=200), help_text="What each system is drawn with."
    )

    objects: ClassVar[models.Manager[SkillTable]] = models.Manager()

    def __str__(self) -> str:
        return f"skills of {self.evaluation_id}"
