"""Bootstrap replicates of metrics, kept in single precision: a large board has 360 million."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence

import numpy as np

from leaderboard.models import Score
from leaderboard.models.disclosure import OF_OPEN
from leaderboard.ranking import FloatArray

_KEPT = np.dtype("<f4")


def packed(replicates: Sequence[float]) -> bytes:
    """They are compared one by one between submissions: all of them, or none."""
    with np.errstate(over="ignore"):
        rounded = np.asarray(replicates, dtype=float).astype(_KEPT)
    return rounded.tobytes() if np.isfinite(rounded).all() else b""


def of_evaluations(
    evaluations: Iterable[uuid.UUID],
) -> dict[tuple[uuid.UUID, str], FloatArray]:
    """Replicates by evaluation and metric, of each that has any. One query.

    Of hidden sets there are none: the values that they belong to are withheld.
    """
    rows = Score.objects.filter(OF_OPEN, evaluation__in=list(evaluations)).exclude(replicates=b"")
    return {
        (evaluation, metric): np.frombuffer(stored, _KEPT).astype(float)
        for evaluation, metric, stored in rows.values_list("evaluation_id", "metric", "replicates")
    }
