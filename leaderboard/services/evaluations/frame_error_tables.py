"""Errors on single frames, which submissions are compared with each other by: kept and bounded."""

from __future__ import annotations

from django.db.models import BooleanField, ExpressionWrapper, Q

from evaluator import frames
from evaluator.contract import EvaluationReport
from leaderboard.enums import Visibility
from leaderboard.exceptions import InfrastructureError
from leaderboard.models import Evaluation, FrameErrorTable
from leaderboard.services.evaluations import skill_tables

_IS_SHOWN = ExpressionWrapper(
    Q(
        evaluation__submission__visibility=Visibility.PUBLIC,
        evaluation__submission__withdrawn_at__isnull=True,
    ),
    output_field=BooleanField(),
)
#: Of one task version; what is not shown, and then the oldest, are removed beyond. A table has a
#: quarter of a megabyte at most.
MOST_TABLES = 1000


def store(evaluation: Evaluation, report: EvaluationReport) -> None:
    """Keep those of a report that has any. Raises InfrastructureError for what is none."""
    record = report.frame_errors
    if record is None:
        return
    if len(record.n_atoms) != len(report.systems):
        raise InfrastructureError("The frame errors are of another number of systems.")
    try:
        content = frames.content_of(record)
    except ValueError as error:
        raise InfrastructureError(
            f"The driver's process sent what is no report ({error})."
        ) from error
    FrameErrorTable.objects.create(
        evaluation=evaluation,
        n_atoms=list(record.n_atoms),
        clusters=skill_tables.clusters_of(report),
        packed=content,
    )


def sweep() -> int:
    """Remove what no board needs any more: of repeated evaluations, and beyond ``MOST_TABLES``."""
    repeated = FrameErrorTable.objects.filter(evaluation__is_current=False)
    n_removed, _ = repeated.delete()
    versions = FrameErrorTable.objects.order_by().values_list("evaluation__task_version", flat=True)
    for version in versions.distinct():
        of_version = FrameErrorTable.objects.filter(evaluation__task_version=version)
        # Whoever submits much in private, or withdraws it, pushes out nobody who is compared.
        newest = of_version.order_by(_IS_SHOWN.desc(), "-evaluation__queued_at", "-pk")
        beyond = list(newest.values_list("pk", flat=True)[MOST_TABLES:])
        n_removed += FrameErrorTable.objects.filter(pk__in=beyond).delete()[0]
    return n_removed
