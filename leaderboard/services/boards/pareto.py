"""The Pareto front: what nothing else beats in both time and accuracy. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def front(costs: Sequence[float], gains: Sequence[float]) -> list[bool]:
    """Whether each point is on the front: no other costs at most as much and gains at least as
    much, with one of the two better. Equal points stand on it together.
    """
    order = sorted(range(len(costs)), key=lambda i: (costs[i], -gains[i]))
    is_on = [False] * len(costs)
    best, best_cost = float("-inf"), float("nan")
    for i in order:
        if gains[i] > best or (gains[i] == best and costs[i] == best_cost):
            is_on[i], best, best_cost = True, gains[i], costs[i]
    return is_on
