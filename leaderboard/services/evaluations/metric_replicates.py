"""Bootstrap replicates of scores and metrics as bytes: a large board has 30 and 360 million.

Each is a little-endian number of single precision, which has 24 bits: an error of at most 6e-8
relative. Evaluators report metrics to six significant digits and scores, which run from 0 to 1, to
six decimals; both are told apart in single precision. An interval is made of a thousand replicates,
whose own scatter is larger by orders of magnitude.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence

import numpy as np

from leaderboard.models import Score
from leaderboard.models.disclosure import OF_OPEN
from leaderboard.ranking import FloatArray

_KEPT = np.dtype("<f4")


def packed(replicates: Sequence[float] | FloatArray) -> bytes:
    """They are compared one by one between submissions: all of them, or none."""
    with np.errstate(over="ignore"):
        rounded = np.asarray(replicates, dtype=float).astype(_KEPT)
    return rounded.tobytes() if np.isfinite(rounded).all() else b""


def unpacked(stored: bytes | memoryview) -> FloatArray:
    return np.frombuffer(stored, _KEPT).astype(float)


def of_evaluations(
    evaluations: Iterable[uuid.UUID],
) -> dict[tuple[uuid.UUID, str], FloatArray]:
    """Replicates by evaluation and metric, of each that has any. One query.

    Of hidden sets there are none: the values that they belong to are withheld.
    """
    rows = Score.objects.filter(OF_OPEN, evaluation__in=list(evaluations)).exclude(replicates=b"")
    return {
        (evaluation, metric): unpacked(stored)
        for evaluation, metric, stored in rows.values_list("evaluation_id", "metric", "replicates")
    }
