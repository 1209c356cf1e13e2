"""One submission on one task version: its state, and what was found.

State only moves by the services in ``services/evaluations``. Terminal states never change
and scores are never edited; triggers in the database see to both.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

from evaluator.contract import SystemStatus, is_not_covered
from leaderboard.enums import TERMINAL_STATES, EvaluationState, Visibility, verdict_choices
from leaderboard.models.team import potentials_of

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User


#: By urgency, then by time; of what came at the same moment, the smaller id. Between parties the
#: queue is shared: see services/evaluations/fair_share.py.
QUEUE_ORDER = ("-priority", "queued_at", "pk")
#: The party of what the staff has others' submissions evaluated for: back-fills, repetitions.
STAFF_PARTY = "staff"


class EvaluationQuerySet(models.QuerySet["Evaluation"]):
    def visible_to(self, user: User | AnonymousUser) -> EvaluationQuerySet:
        if user.is_staff:
            return self
        public = models.Q(
            submission__visibility=Visibility.PUBLIC, submission__withdrawn_at__isnull=True
        )
        if user.is_anonymous:
            return self.filter(public, is_dry_run=False)
        own = potentials_of(user, "submission__potential__")
        return self.filter(public | own, is_dry_run=False)

    def current(self) -> EvaluationQuerySet:
        """Leaves out those that a re-evaluation has superseded."""
        return self.filter(is_current=True)

    def queued(self) -> EvaluationQuerySet:
        return self.filter(state=EvaluationState.QUEUED)

    def running(self) -> EvaluationQuerySet:
        return self.filter(state=EvaluationState.RUNNING)


class Evaluation(models.Model):
    #: Whether it is a copy for a reader who may not know all of it; see models/disclosure.py.
    is_veiled = False

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    submission = models.ForeignKey(
        "leaderboard.Submission",
        on_delete=models.PROTECT,
        related_name="evaluations",
        help_text="Which potential's version.",
    )
    task_version = models.ForeignKey(
        "leaderboard.TaskVersion",
        on_delete=models.PROTECT,
        related_name="evaluations",
        help_text="On which task version.",
    )
    is_current = models.BooleanField(
        default=True, help_text="False once a re-evaluation has superseded it."
    )
    is_dry_run = models.BooleanField(
        default=False,
        db_default=False,  # the previous release writes rows without it
        help_text="An administrator's trial of a task version: on no board, seen by the staff.",
    )
    supersedes = models.OneToOneField(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="superseded_by",
        help_text="The evaluation that this one repeats.",
    )
    reason = models.CharField(
        max_length=300, blank=True, help_text="Why it was repeated; empty for the first."
    )
    priority = models.SmallIntegerField(
        default=0, help_text="Higher is claimed first within a party, and earlier among parties."
    )
    parties = ArrayField(
        models.CharField(max_length=32),
        default=list,
        blank=True,
        db_default=[],  # the previous release writes rows without it; a trigger fills it in
        help_text="Whose shares of the workers it comes out of; the first one pays.",
    )
    held_by = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="held",
        help_text="The smoke evaluation that must succeed before this one may be claimed.",
    )

    state = models.CharField(
        max_length=16,
        choices=EvaluationState,
        default=EvaluationState.QUEUED,
        help_text="Terminal states never change.",
    )
    phase = models.CharField(
        max_length=16, blank=True, help_text="While running: loading, simulating or scoring."
    )
    progress_done = models.PositiveIntegerField(default=0, help_text="Systems finished.")
    progress_total = models.PositiveIntegerField(default=0, help_text="Systems in all.")
    progress_calls = models.PositiveBigIntegerField(
        default=0, db_default=0, help_text="Force calls answered in this phase."
    )
    expected_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When the last system should be done; empty while too little is known.",
    )
    verdict = models.CharField(
        max_length=32, blank=True, choices=verdict_choices, help_text="How it ended."
    )
    message = models.TextField(blank=True, help_text="What happened and what to do, in words.")

    attempt = models.PositiveSmallIntegerField(default=0, help_text="Claims so far.")
    fencing_token = models.PositiveBigIntegerField(
        default=0, help_text="Grows with each claim; a report with an older one is refused."
    )
    worker = models.ForeignKey(
        "leaderboard.Worker",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="evaluations",
        help_text="Who runs or ran it.",
    )
    lease_expires_at = models.DateTimeField(
        null=True, blank=True, help_text="Returned to the queue when this passes unrenewed."
    )
    heartbeat_at = models.DateTimeField(null=True, blank=True, help_text="Last sign of life.")
    not_before = models.DateTimeField(
        null=True, blank=True, help_text="Not claimed before, after an infrastructure fault."
    )
    message_sent_at = models.DateTimeField(
        null=True, blank=True, help_text="When the workers were last told that it waits."
    )
    cancel_requested_at = models.DateTimeField(
        null=True, blank=True, help_text="The worker stops at its next heartbeat."
    )

    score = models.FloatField(null=True, blank=True, help_text="Task score, 0 to 1.")
    score_low = models.FloatField(
        null=True, blank=True, help_text="Lower end of its 95 % interval."
    )
    score_high = models.FloatField(null=True, blank=True, help_text="Upper end.")
    replicates = models.BinaryField(
        default=b"",
        db_default=b"",  # the previous release writes rows without it
        db_column="packed_replicates",
        help_text="Bootstrap replicates of the task score, packed by "
        "services/evaluations/metric_replicates.py; comparable between submissions.",
    )
    coverage = models.FloatField(
        null=True, blank=True, help_text="Share of systems whose elements are supported."
    )
    n_systems = models.PositiveIntegerField(default=0, help_text="Systems of the reference set.")
    n_failed = models.PositiveIntegerField(
        default=0, help_text="Failed: no skill, or the charge of the anchors."
    )
    n_unsupported = models.PositiveIntegerField(default=0, help_text="Not attempted.")
    hardware_key = models.CharField(
        max_length=300,
        blank=True,
        default="",
        db_default="",  # the previous release writes rows without it
        help_text="Of a timed task: what it was timed on; only the same are ranked together.",
    )
    why_unreliable = models.CharField(
        max_length=300,
        blank=True,
        default="",
        db_default="",  # the previous release writes rows without it
        help_text="Of a timed task: why its times are not ranked; they are repeated later.",
    )
    summary = models.JSONField(
        default=dict,
        blank=True,
        help_text="Of the whole set, beyond the metrics: fitted energy shifts, errors by element.",
    )
    consistency = models.JSONField(default=dict, blank=True, help_text="Invariance checks.")
    provenance = models.JSONField(default=dict, blank=True, help_text="Versions, hardware, seeds.")
    stdout = models.TextField(blank=True, help_text="Written by the submission; untrusted.")
    stderr = models.TextField(blank=True, help_text="Written by the submission; untrusted.")
    wall_time_s = models.FloatField(null=True, blank=True, help_text="Of the last attempt.")

    queued_at = models.DateTimeField(auto_now_add=True, help_text="When it was asked for.")
    started_at = models.DateTimeField(null=True, blank=True, help_text="Start of the last attempt.")
    finished_at = models.DateTimeField(null=True, blank=True, help_text="When it ended.")

    objects: ClassVar[models.Manager[Evaluation]] = EvaluationQuerySet.as_manager()

    class Meta:
        ordering = ("-queued_at",)
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=("submission", "task_version"),
                condition=models.Q(is_current=True),
                name="one_current_evaluation",
            ),
            models.CheckConstraint(
                name="dry_run_is_never_current",
                condition=models.Q(is_dry_run=False) | models.Q(is_current=False),
            ),
            models.CheckConstraint(
                name="ended_evaluation_has_verdict_and_time",
                condition=models.Q(state__in=[EvaluationState.QUEUED, EvaluationState.RUNNING])
                | (~models.Q(verdict="") & models.Q(finished_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="running_evaluation_has_lease",
                condition=~models.Q(state=EvaluationState.RUNNING)
                | (models.Q(lease_expires_at__isnull=False) & models.Q(worker__isnull=False)),
            ),
            models.CheckConstraint(
                name="only_success_has_a_score",
                condition=models.Q(score__isnull=True) | models.Q(state=EvaluationState.SUCCEEDED),
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=("-priority", "queued_at"),
                condition=models.Q(state=EvaluationState.QUEUED),
                name="evaluation_queue",
            ),
            models.Index(
                fields=("lease_expires_at",),
                condition=models.Q(state=EvaluationState.RUNNING),
                name="evaluation_leases",
            ),
            models.Index(
                fields=("task_version", "submission"),
                condition=models.Q(is_current=True, state=EvaluationState.SUCCEEDED),
                name="evaluation_board",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.submission} on {self.task_version}"

    def save(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  (see models.Model)
        if self.is_veiled:
            raise TypeError("This copy for readers lacks what is withheld: save the row itself.")
        super().save(*args, **kwargs)

    def get_absolute_url(self) -> str:
        return f"/evaluations/{self.pk}/"

    @property
    def has_ended(self) -> bool:
        return self.state in TERMINAL_STATES

    @property
    def is_not_covered(self) -> bool:
        """Whether it ended as the potential has the elements of none of the task's systems."""
        return is_not_covered(self.verdict, self.coverage)


class ScoreManager(models.Manager["Score"]):
    """Replicates stay in the database until they are asked for: they outweigh all else."""

    def get_queryset(self) -> models.QuerySet[Score]:
        return super().get_queryset().defer("replicates")


class Score(models.Model):
    """One metric of one evaluation. Never edited."""

    evaluation = models.ForeignKey(
        Evaluation, on_delete=models.PROTECT, related_name="scores", help_text="Of which."
    )
    metric = models.CharField(max_length=64, help_text="Key in the catalog.")
    value = models.FloatField(null=True, help_text="In the metric's unit; empty if unjudged.")
    low = models.FloatField(null=True, help_text="Lower end of the 95 % interval.")
    high = models.FloatField(null=True, help_text="Upper end of the 95 % interval.")
    score = models.FloatField(null=True, help_text="0 to 1 by the task's rule, if scored.")
    median_error = models.FloatField(
        null=True, help_text="Of a task scored by skill: the median of the systems' errors."
    )
    baseline_error = models.FloatField(
        null=True, help_text="The same of an answer that knows nothing; empty if that is bad."
    )
    n_tested = models.PositiveIntegerField(
        null=True, help_text="Of a task scored by skill: systems on which it tells skill from none."
    )
    n = models.PositiveIntegerField(help_text="Systems judged, failed ones included.")
    n_failed = models.PositiveIntegerField(help_text="Of these, failed.")
    replicates = models.BinaryField(
        default=b"",
        help_text="Bootstrap replicates of the value, packed by services/metric_replicates.py; "
        "comparable between submissions.",
    )

    objects: ClassVar[models.Manager[Score]] = ScoreManager()

    class Meta:
        ordering = ("evaluation", "pk")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("evaluation", "metric"), name="one_score_per_metric"),
            models.CheckConstraint(
                name="score_between_0_and_1",
                condition=models.Q(score__isnull=True)
                | (models.Q(score__gte=0.0) & models.Q(score__lte=1.0)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.metric} of {self.evaluation_id}"


class SystemResultQuerySet(models.QuerySet["SystemResult"]):
    def of(self, evaluations: Collection[uuid.UUID]) -> SystemResultQuerySet:
        return self.filter(evaluation__in=evaluations)

    def answered(self) -> SystemResultQuerySet:
        return self.filter(status=SystemStatus.OK)

    def failed(self) -> SystemResultQuerySet:
        return self.filter(status=SystemStatus.FAILED)


class SystemResult(models.Model):
    """The raw record of one system of one evaluation. Never edited."""

    evaluation = models.ForeignKey(
        Evaluation, on_delete=models.PROTECT, related_name="systems", help_text="Of which."
    )
    position = models.PositiveIntegerField(help_text="Order within the reference set.")
    system_id = models.CharField(max_length=200, help_text="Name within the reference set.")
    status = models.CharField(
        max_length=16,
        choices=[(s.value, s.value) for s in SystemStatus],
        help_text="ok, failed or unsupported.",
    )
    message = models.TextField(blank=True, help_text="Why it failed.")
    values = models.JSONField(default=dict, help_text="Numbers found, by name with unit.")
    reference = models.JSONField(default=dict, help_text="The reference's, by the same names.")
    n_calls = models.PositiveIntegerField(default=0, help_text="Force calls it took.")
    wall_time_s = models.FloatField(default=0.0, help_text="Time it took.")
    cluster = models.CharField(
        max_length=200,
        blank=True,
        default="",
        db_default="",  # the previous release writes rows without it
        help_text="Those of one name are alike (a material, a trajectory) and drawn together.",
    )

    objects: ClassVar[models.Manager[SystemResult]] = SystemResultQuerySet.as_manager()

    class Meta:
        ordering = ("evaluation", "position")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=("evaluation", "system_id"), name="one_result_per_system"
            )
        ]

    def __str__(self) -> str:
        return f"{self.system_id} of {self.evaluation_id}"


class Event(models.Model):
    """What happened to an evaluation, in order; the live display and the audit read it."""

    evaluation = models.ForeignKey(
        Evaluation, on_delete=models.PROTECT, related_name="events", help_text="To which."
    )
    kind = models.CharField(max_length=32, help_text="queued, claimed, progress, retried, ...")
    data = models.JSONField(default=dict, blank=True, help_text="Details.")
    at = models.DateTimeField(auto_now_add=True, help_text="When.")

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return f"{self.kind} of {self.evaluation_id}"
