"""What a protocol is: one system at a time, a plain ASE calculator, everything by argument.

``simulate`` is dear and its result is kept; ``samples`` is cheap and can be repeated.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray

from evaluator.arrays import FloatArray
from evaluator.frames import FrameErrors

#: Nearer than this, two atoms lie in one place.
SAME_PLACE_A = 0.01
#: The sine, about, below which vectors lie in one plane.
_FLAT = 1e-4


class SystemFailure(Exception):
    """The potential failed on this system in a physical way; a sentence says how.

    It is data: the system is charged the metric's worst value and counted in n_failed.
    """


class UnsuitableReference(ValueError):
    """The reference set lacks what the protocol needs; a sentence for the administrator."""


@dataclass(frozen=True, kw_only=True, eq=False)
class System:
    """One structure of a reference set with what is known about it."""

    id: str
    atoms: Atoms
    #: Numbers and arrays of the reference by name with unit ("energy", "forces" as in ASE).
    reference: Mapping[str, Any] = field(default_factory=dict)
    family: str = ""
    #: Names those that are alike, where the set tells ("run-3" for the frames of one trajectory).
    cluster: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """What ``simulate`` found for a system that did not fail."""

    #: Small numbers for tables, JSON-ready, under the names of the catalog's columns.
    values: dict[str, Any]
    #: Arrays that the scoring needs (predicted forces, say); not shown in tables.
    arrays: dict[str, FloatArray] = field(default_factory=dict)
    #: Output files to download, by name ("trajectory.extxyz.gz"; contract.FILE_NAME_PATTERN).
    #: Small: see driver/output_files.py for the caps. The same run must give the same bytes
    #: (a gzip header without a time).
    files: dict[str, bytes] = field(default_factory=dict)


class Statistic(StrEnum):
    """How values over systems become one number."""

    MEAN = "mean"  # sum(w x) / sum(w)
    RMS = "rms"  # sqrt(sum(w x) / sum(w)); the values are mean squares
    MEDIAN = "median"  # unweighted median
    GEOMETRIC_MEAN = "geometric_mean"  # exp(sum(w ln x) / sum(w)), of positive values


@dataclass(frozen=True, kw_only=True, eq=False)
class Differences:
    """Values that mean something as differences alone, between systems of one group."""

    #: Predicted minus reference, shape (n_systems,); NaN where a system has failed.
    errors: FloatArray
    #: The same of an answer that knows nothing.
    uninformed: FloatArray
    #: Number of each system's group.
    groups: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """A metric's value for each system that was judged, before it is pooled.

    ``values`` and ``weights`` have the length of ``systems`` handed to ``samples``, which are all
    of the reference set's (unsupported ones are left out by the scoring). NaN marks a system that
    has failed (scoring charges it) or, where ``missing`` is set, one to which the metric does not
    apply (scoring leaves it out and the page says so).
    """

    values: FloatArray
    weights: FloatArray
    missing: NDArray[np.bool_]
    statistic: Statistic = Statistic.MEAN
    #: What the skill of each system is made of (see ``scoring.skills``), where it is not made of
    #: ``values``: a survival of all, say, has no part of one trajectory.
    errors: FloatArray | None = None
    #: Instead of ``errors``, where only differences between systems can be judged: an energy, which
    #: is known up to a constant for each element.
    differences: Differences | None = None
    #: The systems that are judged by skill, where these are more than those not missing: what a
    #: clock broke off is left out of a mean, and has failed all the same.
    applies: NDArray[np.bool_] | None = None
    #: Systems whose physics failed although their value stands (``Protocol.has_failed``): counted
    #: in ``n_failed``, and charged no more than what they have. None where there are none.
    has_failed: NDArray[np.bool_] | None = None

    @property
    def rooted(self) -> FloatArray:
        """The values; their roots where they are mean squares."""
        return np.sqrt(self.values) if self.statistic is Statistic.RMS else self.values


class Protocol(ABC):
    """One way of measuring; its parameters and metrics are described in ``catalog.PROTOCOLS``."""

    name: str
    #: Whether systems that an attempt finished may be put together with those of a later one;
    #: False where all must be timed in one go.
    can_resume: bool = True

    @abstractmethod
    def check_reference(self, systems: Sequence[System], metrics: Sequence[str]) -> None:
        """Raise UnsuitableReference where the set lacks a property these metrics need."""

    @abstractmethod
    def simulate(
        self, system: System, calculator: Calculator, parameters: Mapping[str, Any]
    ) -> Outcome:
        """Judge one system. Raises SystemFailure when the physics fails."""

    @abstractmethod
    def samples(
        self,
        systems: Sequence[System],
        outcomes: Sequence[Outcome | None],
        parameters: Mapping[str, Any],
    ) -> tuple[dict[str, Sample], list[dict[str, Any]]]:
        """Turn outcomes (None for a failed or unsupported system) into samples by metric key.

        The second result holds, per system, values that only the whole set decides (an energy
        after the composition shift, say), to be merged into its record.
        """

    def expected_calls(self, parameters: Mapping[str, Any]) -> int:
        """About how many calls one system takes, to judge whether a calibration pays.

        A trajectory says 1, whatever it takes: it amplifies the last digits, which would then
        depend on what meets in a batch, so that on a CPU its calls are best left alone.
        """
        return 1

    def clusters(self, systems: Sequence[System]) -> list[str]:
        """Name of each system's cluster: those that are alike are drawn together in intervals.

        What the set says itself; else the material, as its reduced formula, so that clusters of
        one material are known as one by all tasks.
        """
        return [system.cluster or material(system.atoms) for system in systems]

    def uninformed(
        self, systems: Sequence[System], parameters: Mapping[str, Any]
    ) -> dict[str, FloatArray]:
        """Errors of an answer that knows nothing of any energy surface, by metric key.

        Each of shape (n_systems,), as ``skills.errors_of`` makes them; NaN where there is no such
        answer. They follow from the reference alone, and are what no skill means.
        """
        return {}

    def reference_values(self, system: System) -> dict[str, Any]:
        """The reference's small numbers under the names of ``Outcome.values``, for tables."""
        return {k: v for k, v in system.reference.items() if isinstance(v, int | float | str)}

    def has_failed(self, outcome: Outcome) -> bool:
        """Whether the physics failed although there is something to score, such as a time survived.

        Such systems count among those that failed; they are not charged beyond their own value.
        """
        return False

    def smoothness(self, outcomes: Sequence[Outcome | None]) -> dict[str, float]:
        """What was measured of the potential's smoothness, for the checks of consistency.

        Only of systems of which it could be measured, under names of ``catalog.CONSISTENCY``.
        """
        return {}

    def frame_errors(
        self,
        systems: Sequence[System],
        outcomes: Sequence[Outcome | None],
        parameters: Mapping[str, Any],
    ) -> FrameErrors | None:
        """Errors by which submissions are compared frame by frame; None of other protocols.

        Their layout follows from the reference alone, whatever has failed.
        """
        return None

    def summary(
        self,
        systems: Sequence[System],
        outcomes: Sequence[Outcome | None],
        parameters: Mapping[str, Any],
    ) -> dict[str, Any]:
        """What only the whole set tells and no metric holds, JSON-ready, names with units."""
        return {}


def material(atoms: Atoms) -> str:
    """The reduced formula, metals first: "LiF" of F4Li4."""
    return str(atoms.get_chemical_formula("metal", empirical=True))


def require_systems(systems: Sequence[System]) -> None:
    """Raise UnsuitableReference where there is nothing to judge."""
    if not systems:
        raise UnsuitableReference("The reference set is empty.")


def has_cell_for_pbc(atoms: Atoms) -> bool:
    """Whether there are independent vectors along all directions that are said to be periodic."""
    lengths = np.linalg.norm(atoms.cell.array, axis=1)
    return not (lengths[atoms.pbc] == 0).any() and not is_flat(atoms.cell.array)


def is_flat(cell: FloatArray) -> bool:
    """Whether the vectors that are given, those not zero, lie in one plane or line."""
    lengths = np.linalg.norm(cell, axis=1)
    given = lengths > 0
    units = cell[given] / lengths[given][:, None]
    return bool(given.any() and np.linalg.svd(units, compute_uv=False).min() <= _FLAT)


def why_impossible(atoms: Atoms) -> str:
    """Why no potential can say anything of a structure; empty where one can.

    An upload of such a structure is refused; this is for sets that came before, or another way.
    """
    if not (np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all()):
        return "Its positions or cell are not finite numbers."
    if not has_cell_for_pbc(atoms):
        return "Its cell cannot carry its pbc: a vector is zero, or all lie in one plane."
    first, second = neighbor_list("ij", atoms, SAME_PLACE_A)
    if len(first):
        return f"It has two atoms in one place: {first[0] + 1} and {second[0] + 1}."
    return ""


def require_periodic(system: System) -> None:
    """Raise UnsuitableReference for what is no crystal in three directions."""
    if not system.atoms.pbc.all() or not has_cell_for_pbc(system.atoms):
        raise UnsuitableReference(f"{system.id} is not periodic in three directions.")
