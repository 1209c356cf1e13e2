"""Samples and tables of one number a system, alone or by groups of systems (a binary, an element).

A group has one value, an order or a slope say, which each of its systems carries with a weight of
one over their number: the metric's mean is then the mean over the groups.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from evaluator.arrays import FloatArray
from evaluator.metrics.agreement import (
    LEAST_RANKED,
    has_lowest,
    rank_correlation,
    slope_through_origin,
)
from evaluator.protocols.base import Outcome, Sample, Statistic, System, UnsuitableReference

OfGroup = Callable[[FloatArray, FloatArray], float | None]
#: Errors of all of a group; a prediction of NaN is none.
ErrorsOf = Callable[[FloatArray, FloatArray], FloatArray]


def predicted_column(outcomes: Sequence[Outcome | None], name: str) -> FloatArray:
    """A number of the records, shape (n_systems,); NaN where there is none."""
    values = [np.nan if o is None else o.values.get(name, np.nan) for o in outcomes]
    return np.array(values, dtype=float)


def reference_column(systems: Sequence[System], name: str) -> FloatArray:
    return np.array([s.reference.get(name, np.nan) for s in systems], dtype=float)


def sample_of(
    values: FloatArray,
    applies: NDArray[np.bool_] | None = None,
    statistic: Statistic = Statistic.MEAN,
) -> Sample:
    """Each system with the weight one; those to which the metric does not apply are missing."""
    missing = np.zeros(len(values), dtype=bool) if applies is None else ~applies
    return Sample(values=values, weights=np.ones(len(values)), missing=missing, statistic=statistic)


def slope_sample(groups: Sequence[str], predicted: FloatArray, reference: FloatArray) -> Sample:
    """Slope of each group's predictions against its references."""
    return _sample(
        groups, predicted, reference, slope_through_origin, _slope_errors, Statistic.MEDIAN
    )


def order_sample(
    groups: Sequence[str],
    predicted: FloatArray,
    reference: FloatArray,
    least: int = LEAST_RANKED,
) -> Sample:
    """Rank correlation of each group of at least so many."""
    return _sample(groups, predicted, reference, rank_correlation, _order_errors, least=least)


def lowest_sample(
    groups: Sequence[str], predicted: FloatArray, reference: FloatArray, tolerance: float
) -> Sample:
    """Whether each group's lowest is found, or one within ``tolerance`` of it."""

    def found(of_potential: FloatArray, known: FloatArray) -> float | None:
        return float(has_lowest(of_potential, known, tolerance)) if len(known) > 1 else None

    def errors(of_potential: FloatArray, known: FloatArray) -> FloatArray:
        # What was not answered might have been taken for the lowest, or the truth for none.
        is_true = known <= known.min() + tolerance
        worst = np.where(np.isnan(of_potential), np.where(is_true, np.inf, -np.inf), of_potential)
        # Nobody finds one among many by answering the same for all of them.
        is_found = is_true[worst == worst.min()].all()
        return np.full(len(known), 0.0 if is_found else 1.0)

    return _sample(groups, predicted, reference, found, errors, is_of_all=True)


def _sample(
    groups: Sequence[str],
    predicted: FloatArray,
    reference: FloatArray,
    of_group: OfGroup,
    errors_of: ErrorsOf,
    statistic: Statistic = Statistic.MEAN,
    *,
    least: int = 1,
    is_of_all: bool = False,
) -> Sample:
    """A value for each group, from its systems that were answered; ``is_of_all`` hands over all.

    A system without an answer has none. A group (the name "" is none) of whose references no value
    can be made is missing; so a prediction's own failure never takes a group out. A value over what
    was answered would be better without the outliers: skill is made of ``errors_of`` the whole
    group, where what was not answered is as wrong as it could be.
    """
    values, errors = np.full((2, len(groups)), np.nan)
    weights = np.ones(len(groups))
    missing = np.ones(len(groups), dtype=bool)
    for members in members_by_group(groups).values():
        known = reference[members]
        if len(members) < least or of_group(known, known) is None:
            continue
        missing[members] = False
        weights[members] = 1 / len(members)
        answered = members[np.isfinite(predicted[members])]
        judged = members if is_of_all else answered
        value = of_group(predicted[judged], reference[judged]) if len(answered) else None
        values[answered] = np.nan if value is None else value
        charged = errors_of(np.where(np.isin(members, answered), predicted[members], np.nan), known)
        errors[answered] = charged[np.isin(members, answered)]
    return Sample(
        values=values, weights=weights, missing=missing, statistic=statistic, errors=errors
    )


def _order_errors(predicted: FloatArray, reference: FloatArray) -> FloatArray:
    """One minus sin(π τ / 2), with Kendall's τ over each member's pairs.

    That is the correlation which normal numbers of this τ have (Kruskal, J. Am. Stat. Assoc. 53,
    814 (1958)). A pair that was not answered is in the wrong order.
    """
    true = np.sign(reference[:, None] - reference)
    order = (predicted[:, None] > predicted).astype(int) - (predicted[:, None] < predicted)
    answered = np.isfinite(predicted)
    agrees = np.where(answered[:, None] & answered, true * order, -np.abs(true))
    tau = agrees.sum(axis=1) / np.abs(true).sum(axis=1)
    errors: FloatArray = 1 - np.sin(np.pi / 2 * tau)
    return errors


def _slope_errors(predicted: FloatArray, reference: FloatArray) -> FloatArray:
    """How far the slope is from one, where nobody misses by more than a prediction of zero does.

    What was not answered misses by as much, in the direction that makes it worse.
    """
    largest = np.abs(reference)
    with np.errstate(over="ignore"):
        missed = np.clip(predicted - reference, -largest, largest)
    answered = np.isfinite(predicted)
    by_answers = np.abs(np.dot(missed[answered], reference[answered]))
    not_answered = np.dot(reference[~answered], reference[~answered])
    error = (by_answers + not_answered) / np.dot(reference, reference)
    return np.full(len(reference), error)


def members_by_group(groups: Sequence[str]) -> dict[str, NDArray[np.intp]]:
    """Places of each group's systems, without those of the group ""."""
    names = np.array(groups)
    return {name: np.flatnonzero(names == name) for name in dict.fromkeys(groups) if name}


def require_number(system: System, name: str, *, positive: bool = False) -> float:
    """A finite number of the reference; raises UnsuitableReference, naming system and number."""
    value = system.reference.get(name)
    if not isinstance(value, int | float) or not np.isfinite(value):
        raise UnsuitableReference(f"{system.id} needs a finite {name}, not {value}.")
    if positive and value <= 0:
        raise UnsuitableReference(f"{system.id} needs a positive {name}, not {value}.")
    return float(value)


def require_array(system: System, name: str, width: int) -> FloatArray:
    """Rows of ``width`` numbers, shape (n, width); raises UnsuitableReference else."""
    given = system.reference.get(name)
    values = np.asarray([] if given is None else given, dtype=float)
    if not values.size or values.size % width or not np.isfinite(values).all():
        raise UnsuitableReference(f"{system.id} needs {name}, finite numbers in rows of {width}.")
    return values.reshape(-1, width)
