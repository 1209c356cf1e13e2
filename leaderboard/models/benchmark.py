"""A versioned, frozen collection of task versions with categories and weights."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.core.validators import MinValueValidator
from django.db import models

from leaderboard.enums import VersionState
from leaderboard.lib.names import NameField
from leaderboard.models.potential import slug_validator


class BenchmarkQuerySet(models.QuerySet["Benchmark"]):
    def published(self) -> BenchmarkQuerySet:
        """Those with a version that is current."""
        return self.filter(versions__state=VersionState.PUBLISHED).distinct()


class Benchmark(models.Model):
    slug = models.CharField(
        max_length=64, unique=True, validators=[slug_validator], help_text="Name in addresses."
    )
    name = NameField(max_length=100, help_text="As pages show it.")
    summary = models.CharField(max_length=300, help_text="What it is for.")
    created_at = models.DateTimeField(auto_now_add=True, help_text="When it was made.")

    objects: ClassVar[models.Manager[Benchmark]] = BenchmarkQuerySet.as_manager()

    class Meta:
        ordering = ("slug",)

    def __str__(self) -> str:
        return self.name

    def current_version(self) -> BenchmarkVersion | None:
        return self.versions.filter(state=VersionState.PUBLISHED).order_by("-number").first()

    def shown_version(self) -> BenchmarkVersion | None:
        """What its address leads to: the current version, else the last that was retired."""
        # "published" comes before "retired".
        return self.versions.all().shown().order_by("state", "-number").first()

    def version_at(self, moment: datetime) -> BenchmarkVersion | None:
        """The version that had been published last by then; it may be retired since."""
        shown = self.versions.all().shown().filter(published_at__lte=moment)
        return shown.order_by("-number").first()


class BenchmarkVersionQuerySet(models.QuerySet["BenchmarkVersion"]):
    def published(self) -> BenchmarkVersionQuerySet:
        return self.filter(state=VersionState.PUBLISHED)

    def shown(self) -> BenchmarkVersionQuerySet:
        """What everybody may see: the published and the retired ones."""
        return self.exclude(state=VersionState.DRAFT)


class BenchmarkVersion(models.Model):
    benchmark = models.ForeignKey(
        Benchmark, on_delete=models.PROTECT, related_name="versions", help_text="Of which."
    )
    number = models.PositiveIntegerField(help_text="1, 2, 3, ... within the benchmark.")
    state = models.CharField(
        max_length=16,
        choices=VersionState,
        default=VersionState.DRAFT,
        help_text="A published version can only be retired.",
    )
    created_at = models.DateTimeField(auto_now_add=True, help_text="When it was drafted.")
    published_at = models.DateTimeField(null=True, blank=True, help_text="When it was frozen.")

    objects: ClassVar[models.Manager[BenchmarkVersion]] = BenchmarkVersionQuerySet.as_manager()

    class Meta:
        ordering = ("benchmark__slug", "-number")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=("benchmark", "number"), name="one_number_per_benchmark_version"
            ),
            models.CheckConstraint(
                name="published_benchmark_version_has_a_date",
                condition=models.Q(state=VersionState.DRAFT) | models.Q(published_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.benchmark.slug} v{self.number}"


class BenchmarkTask(models.Model):
    """A task version's place in a benchmark version."""

    benchmark_version = models.ForeignKey(
        BenchmarkVersion, on_delete=models.CASCADE, related_name="entries", help_text="Where."
    )
    task_version = models.ForeignKey(
        "leaderboard.TaskVersion",
        on_delete=models.PROTECT,
        related_name="benchmark_entries",
        help_text="What.",
    )
    category = NameField(max_length=64, help_text="Heading under which it stands.")
    weight = models.FloatField(
        default=1.0, validators=[MinValueValidator(0.0)], help_text="Within its category."
    )
    category_weight = models.FloatField(
        default=1.0,
        validators=[MinValueValidator(0.0)],
        help_text="Of the category in the overall score; the same in all rows of a category.",
    )
    position = models.PositiveIntegerField(default=0, help_text="Order on the page.")

    class Meta:
        ordering = ("position", "pk")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=("benchmark_version", "task_version"), name="a_task_stands_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.task_version} in {self.benchmark_version}"
