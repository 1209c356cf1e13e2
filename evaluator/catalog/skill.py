"""What is asked of a metric's anchors and noise where it is scored by skill; for both halves."""

from __future__ import annotations

import math

from evaluator.catalog import METRICS, Direction
from evaluator.contract import ScoredMetric

#: A system is tested where a guess misses by so many times the noise.
TELLING = 2.0


def largest_error(metric: ScoredMetric) -> float:
    """Error at the anchor ``bad``, beyond which nobody has skill; 0 where it is not finite.

    Where lower is better a value is its own error, wherever good lies.
    """
    if METRICS[metric.key].direction is Direction.LOWER:
        return metric.bad
    distance = abs(metric.bad - metric.good)
    return distance if math.isfinite(distance) else 0.0


def is_telling(metric: ScoredMetric) -> bool:
    """Whether its noise leaves room for skill; of a metric that states none it does not."""
    return metric.noise is not None and 0 < TELLING * metric.noise <= largest_error(metric)
