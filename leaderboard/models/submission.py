"""One immutable version of a potential: artifact, calculator kind, settings."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, ClassVar

from django.conf import settings as django_settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from evaluator.contract import SubmissionSpec
from leaderboard.enums import Visibility, calculator_kind_choices
from leaderboard.models.runtime import RuntimeLock
from leaderboard.models.team import potentials_of

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User


class Artifact(models.Model):
    """A file that somebody uploaded, stored once under its sha256. Never opened by the service."""

    sha256 = models.CharField(max_length=64, unique=True, help_text="Of the whole file, hex.")
    size_bytes = models.PositiveBigIntegerField(help_text="Length of the file.")
    created_at = models.DateTimeField(auto_now_add=True, help_text="When it was first stored.")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="artifact_sha256_is_hex", condition=models.Q(sha256__regex="^[0-9a-f]{64}$")
            ),
            models.CheckConstraint(
                name="artifact_is_not_empty", condition=models.Q(size_bytes__gt=0)
            ),
        ]

    def __str__(self) -> str:
        return self.sha256

    @property
    def storage_name(self) -> str:
        return f"artifacts/{self.sha256[:2]}/{self.sha256}"


class SubmissionQuerySet(models.QuerySet["Submission"]):
    def visible_to(self, user: User | AnonymousUser) -> SubmissionQuerySet:
        """What this user may see: the public ones that stand, his own, everything for staff."""
        if user.is_staff:
            return self
        public = models.Q(visibility=Visibility.PUBLIC, withdrawn_at__isnull=True)
        if user.is_anonymous:
            return self.filter(public)
        return self.filter(public | potentials_of(user, "potential__"))

    def of(self, user: User) -> SubmissionQuerySet:
        """His own, and those of his teams."""
        return self.filter(potentials_of(user, "potential__"))

    def standing(self) -> SubmissionQuerySet:
        """Submissions that belong on a public board."""
        return self.filter(visibility=Visibility.PUBLIC, withdrawn_at__isnull=True)


class Submission(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    potential = models.ForeignKey(
        "leaderboard.Potential",
        on_delete=models.PROTECT,
        related_name="submissions",
        help_text="The potential of which this is a version.",
    )
    version = models.CharField(max_length=64, help_text="The authors' name of it, e.g. 0.3.0.")
    artifact = models.ForeignKey(
        Artifact, on_delete=models.PROTECT, related_name="submissions", help_text="The weights."
    )
    artifact_filename = models.CharField(
        max_length=200, help_text="Name under which it was uploaded, cleaned."
    )
    calculator_kind = models.CharField(
        max_length=32, choices=calculator_kind_choices, help_text="Which adapter loads it."
    )
    settings = models.JSONField(
        default=dict, blank=True, help_text="Of the adapter, complete with defaults."
    )
    runtime_lock = models.ForeignKey(
        RuntimeLock,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="submissions",
        help_text="The lock that it brings; empty where it runs in the runtime of its kind.",
    )
    supported_elements = ArrayField(
        models.CharField(max_length=2),
        null=True,
        blank=True,
        help_text="Chemical symbols; empty when the checkpoint is to tell.",
    )
    declares_non_conservative = models.BooleanField(
        default=False, help_text="Its forces are declared not to be the gradient of its energy."
    )
    visibility = models.CharField(
        max_length=16,
        choices=Visibility,
        default=Visibility.PUBLIC,
        help_text="Private ones are seen by their owner and the staff alone.",
    )
    submitted_by = models.ForeignKey(
        django_settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="submissions",
        help_text="Who uploaded it.",
    )
    created_at = models.DateTimeField(auto_now_add=True, help_text="When it was accepted.")
    published_at = models.DateTimeField(
        null=True, blank=True, help_text="Since when everybody sees it; empty while private."
    )
    withdrawn_at = models.DateTimeField(
        null=True, blank=True, help_text="Taken off the boards; its results stay in the record."
    )

    objects: ClassVar[models.Manager[Submission]] = SubmissionQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at",)
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=("potential", "version"), name="one_submission_per_version"
            )
        ]

    def __str__(self) -> str:
        return f"{self.potential} {self.version}"

    def get_absolute_url(self) -> str:
        return f"/submissions/{self.pk}/"

    def spec(self) -> SubmissionSpec:
        """What the evaluator needs to know of it."""
        elements: list[str] | None = self.supported_elements
        values: dict[str, Any] = self.settings
        return SubmissionSpec(
            name=str(self),
            calculator_kind=self.calculator_kind,
            artifact_sha256=self.artifact.sha256,
            artifact_filename=self.artifact_filename,
            settings=values,
            supported_elements=None if elements is None else tuple(elements),
        )
