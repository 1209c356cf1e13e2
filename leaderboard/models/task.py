"""What an administrator defines and a page ranks. A published version is immutable."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.postgres.functions import RandomUUID
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from evaluator.catalog import PROTOCOLS, Protocol
from evaluator.contract import Limits, ScoredMetric, TaskSpec, are_scored_by_skill
from leaderboard.enums import EvaluationState, VersionState, protocol_choices
from leaderboard.lib.names import NameField
from leaderboard.models.potential import slug_validator

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User


class TaskQuerySet(models.QuerySet["Task"]):
    def published(self) -> TaskQuerySet:
        """Those with a version that is current."""
        return self.filter(versions__state=VersionState.PUBLISHED).distinct()


class Task(models.Model):
    slug = models.CharField(
        max_length=64, unique=True, validators=[slug_validator], help_text="Name in addresses."
    )
    name = NameField(max_length=100, help_text="As pages show it.")
    summary = models.CharField(max_length=300, help_text="What is measured, in a plain sentence.")
    created_at = models.DateTimeField(auto_now_add=True, help_text="When it was made.")

    objects: ClassVar[models.Manager[Task]] = TaskQuerySet.as_manager()

    class Meta:
        ordering = ("slug",)

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return f"/tasks/{self.slug}/"

    def current_version(self) -> TaskVersion | None:
        return self.versions.filter(state=VersionState.PUBLISHED).order_by("-number").first()

    def shown_version(self) -> TaskVersion | None:
        """What its address shows: the current version, else the last that was retired."""
        return TaskVersion.objects.all().of(self.slug).current_or_last().first()


class TaskVersionQuerySet(models.QuerySet["TaskVersion"]):
    def of(self, slug: str) -> TaskVersionQuerySet:
        """The versions of one task."""
        return self.filter(task__slug=slug)

    def shown(self) -> TaskVersionQuerySet:
        """What everybody may see: the published and the retired ones."""
        return self.exclude(state=VersionState.DRAFT)

    def visible_to(self, user: User | AnonymousUser) -> TaskVersionQuerySet:
        """Drafts are seen by the staff alone."""
        return self if user.is_staff else self.shown()

    def current_or_last(self) -> TaskVersionQuerySet:
        """At most one version: the newest that is published, else the newest that is retired."""
        # "published" comes before "retired".
        return self.shown().order_by("state", "-number")[:1]

    def newest_published(self) -> TaskVersionQuerySet:
        """For each task the version that is current, in any order."""
        published = self.filter(state=VersionState.PUBLISHED)
        newest = published.order_by("task_id", "-number").distinct("task_id")
        return self.filter(pk__in=newest.values("pk"))


class TaskVersion(models.Model):
    task = models.ForeignKey(
        Task, on_delete=models.PROTECT, related_name="versions", help_text="Of which task."
    )
    number = models.PositiveIntegerField(help_text="1, 2, 3, ... within the task.")
    state = models.CharField(
        max_length=16,
        choices=VersionState,
        default=VersionState.DRAFT,
        help_text="A published version can only be retired.",
    )
    protocol = models.CharField(
        max_length=64, choices=protocol_choices, help_text="How it is measured."
    )
    protocol_version = models.PositiveIntegerField(help_text="Version of the protocol's code.")
    parameters = models.JSONField(
        default=dict, blank=True, help_text="Of the protocol, complete with defaults."
    )
    reference_set = models.ForeignKey(
        "leaderboard.ReferenceSet",
        on_delete=models.PROTECT,
        related_name="task_versions",
        null=True,
        blank=True,
        help_text="The ground truth.",
    )
    metrics = models.JSONField(
        help_text='List of {"key", "good", "bad", "worst", "weight"}: the scored metrics.'
    )
    limits = models.JSONField(
        default=dict, blank=True, help_text="wall_time_s, call_timeout_s, memory_MiB."
    )
    min_coverage = models.FloatField(
        default=0.5,
        validators=[MinValueValidator(0.0), MaxValueValidator(1.0)],
        help_text="A potential that supports a smaller share of the systems is shown, not ranked.",
    )
    seed = models.PositiveIntegerField(default=0, help_text="Of all random numbers of the task.")
    disguise_secret = models.UUIDField(
        default=uuid.uuid4,
        db_default=RandomUUID(),
        editable=False,
        help_text="Of the random numbers that nobody may foresee: disguises and probes.",
    )
    description = models.TextField(
        help_text="What is measured and why, for a reader of the page; in Markdown."
    )
    limitations = models.TextField(help_text="What the task cannot tell, in Markdown. Required.")
    created_at = models.DateTimeField(auto_now_add=True, help_text="When it was drafted.")
    published_at = models.DateTimeField(null=True, blank=True, help_text="When it was frozen.")

    objects: ClassVar[models.Manager[TaskVersion]] = TaskVersionQuerySet.as_manager()

    class Meta:
        ordering = ("task__slug", "-number")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("task", "number"), name="one_number_per_task_version"),
            models.CheckConstraint(
                name="published_task_version_has_a_date",
                condition=models.Q(state=VersionState.DRAFT) | models.Q(published_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.task.slug} v{self.number}"

    @property
    def catalog_protocol(self) -> Protocol:
        return PROTOCOLS[self.protocol]

    def scored_metrics(self) -> tuple[ScoredMetric, ...]:
        rows: list[dict[str, Any]] = self.metrics
        return tuple(ScoredMetric.from_json(row) for row in rows)

    @property
    def is_scored_by_skill(self) -> bool:
        return are_scored_by_skill(self.scored_metrics())

    @property
    def counts_what_is_not_covered(self) -> bool:
        """Whether a potential without any system of it counts as one of score 0."""
        return self.is_scored_by_skill and not self.min_coverage

    def secret_spec(self) -> TaskSpec:
        """``spec`` with what a worker alone may know."""
        return replace(self.spec(), disguise_secret=self.disguise_secret.hex)

    @property
    def published_disguise_secret(self) -> str | None:
        """Told once nothing is evaluated on this version any more, so that all can be checked."""
        if self.state != VersionState.RETIRED or self._has_active_evaluations():
            return None
        return self.disguise_secret.hex

    def _has_active_evaluations(self) -> bool:
        active = (EvaluationState.QUEUED, EvaluationState.RUNNING)
        return self.evaluations.filter(state__in=active).exists()

    def spec(self) -> TaskSpec:
        """All that decides the numbers, as anybody may have it."""
        return TaskSpec(
            slug=self.task.slug,
            version=self.number,
            protocol=self.protocol,
            protocol_version=self.protocol_version,
            parameters=self.parameters,
            metrics=self.scored_metrics(),
            reference=self.reference_set.spec() if self.reference_set else None,
            limits=Limits.from_json(self.limits),
            seed=self.seed,
        )
