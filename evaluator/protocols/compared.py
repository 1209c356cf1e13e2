"""One number of each system beside that of its reference: what families of such numbers share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluator.arrays import FloatArray
from evaluator.metrics.agreement import agreement
from evaluator.protocols.base import Outcome, Sample, Statistic, System
from evaluator.protocols.groups import (
    members_by_group,
    predicted_column,
    reference_column,
    sample_of,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Compared:
    """Arrays of shape (n_systems,), in the unit of the name; NaN where there is no number."""

    #: Of the number with its unit, in records and references.
    name: str
    predicted: FloatArray
    reference: FloatArray

    @classmethod
    def of(
        cls, name: str, systems: Sequence[System], outcomes: Sequence[Outcome | None]
    ) -> Compared:
        return cls(
            name=name,
            predicted=predicted_column(outcomes, name),
            reference=reference_column(systems, name),
        )

    def samples(self, metric: str) -> dict[str, Sample]:
        """Error, the same in percent of the reference, and ratio to it."""
        error = np.abs(self.predicted - self.reference)
        return {
            f"{metric}_mae": sample_of(error),
            f"{metric}_relative_error": sample_of(100 * error / np.abs(self.reference)),
            f"{metric}_ratio_median": sample_of(
                self.predicted / self.reference, statistic=Statistic.MEDIAN
            ),
        }

    def summary(self) -> dict[str, Any]:
        """Sign of the errors and slope, over all that have a reference and were answered."""
        table = self._agreement(np.flatnonzero(np.isfinite(self.reference)))
        told = ("mean_signed_error", "below_reference_percent", "slope")
        return {f"{self.name}_{part}": table[part] for part in told}

    def by_group(self, groups: Sequence[str]) -> dict[str, dict[str, Any]]:
        """For the summary: slope, order and errors group by group."""
        return {
            name: self._agreement(members) for name, members in members_by_group(groups).items()
        }

    def _agreement(self, members: NDArray[np.intp]) -> dict[str, Any]:
        """Of those that were answered."""
        answered = members[np.isfinite(self.predicted[members])]
        return agreement(self.predicted[answered], self.reference[answered])


def errors_of_zero(metric: str, name: str, systems: Sequence[System]) -> dict[str, FloatArray]:
    """Errors of whoever answers zero for all, by the metrics of ``Compared.samples``."""
    return {
        f"{metric}_mae": np.abs(reference_column(systems, name)),
        f"{metric}_relative_error": np.full(len(systems), 100.0),
        f"{metric}_ratio_median": np.ones(len(systems)),
    }
