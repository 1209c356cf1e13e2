"""Which elements a submission supports, where it declares none: what its checkpoint told."""

from __future__ import annotations

import uuid
from collections.abc import Collection

from leaderboard.enums import EvaluationState
from leaderboard.models import Evaluation


def told_by_checkpoints(submissions: Collection[uuid.UUID]) -> dict[uuid.UUID, list[str]]:
    """By submission, from its newest evaluation that tells. One query; none for nobody."""
    if not submissions:
        return {}
    rows = (
        Evaluation.objects.filter(
            submission__in=list(submissions),
            is_current=True,
            state=EvaluationState.SUCCEEDED,
            provenance__calculator__elements__isnull=False,
        )
        .order_by("submission_id", "-finished_at")
        .distinct("submission_id")
        .values_list("submission_id", "provenance__calculator__elements")
    )
    return {pk: elements for pk, elements in rows if isinstance(elements, list)}
