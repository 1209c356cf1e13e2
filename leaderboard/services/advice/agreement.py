"""Do the energies of one task and the stresses of another belong to one potential?

An equation of state knows energies alone, single points and relaxations know the stress. Where
tasks share a crystal, the pressure that E(V) has at a volume must be the one that the stress gives
there. Their difference over the bulk modulus is the share of the volume by which both place the
equilibrium apart. A potential whose stress is the derivative of its energy differs by what the fit
leaves; answers that were learnt by heart, task by task, differ by the error of whatever answers the
rest. Published, never scored.
"""

from __future__ import annotations

import logging
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeGuard
from uuid import UUID

from leaderboard.enums import EvaluationState
from leaderboard.exceptions import InfrastructureError
from leaderboard.lib.crystals import Shape
from leaderboard.models import Evaluation, SystemResult
from leaderboard.models.disclosure import is_hidden
from leaderboard.services.definitions.reference_structures import shapes_of

logger = logging.getLogger(__name__)

CURVES, SINGLE_POINTS, RELAXED = "equation_of_state", "energy_forces", "phonons"
#: Of the median. CHGNet 0.3.0 has 0.1 %; one whose E(V) is a table of PBE has 0.9 %.
TOLERANCE_PERCENT = 0.5
#: Fewer crystals are no ground for a doubt.
MIN_CRYSTALS = 5
#: A fit's most compressed volume, times this, is beyond its most stretched one; and what no
#: pressure derivative of a bulk modulus comes near.
_WIDEST, _MOST_DERIVATIVE = 4.0, 1000.0
#: Larger numbers than any pressure, modulus or volume are no answer: GPa, Å³ and percent alike.
_LARGEST = 1e9
#: Softer than solid helium by far.
_LEAST_GPA = 1e-6
#: Cubic space groups. Where such a cell has two atoms at most, symmetry leaves nothing of it to
#: relax but the volume.
_FIRST_CUBIC, _MOST_FIXED_ATOMS = 195, 2


@dataclass(frozen=True, kw_only=True)
class SharedCrystal:
    """One crystal at the volume at which its stress is known."""

    crystal: str
    volume_per_atom_A3: float
    bulk_modulus_GPa: float
    #: From E(V), and from the stress; zero where the potential relaxed the crystal by its stress.
    energy_pressure_GPa: float
    stress_pressure_GPa: float
    energies: Evaluation
    stresses: Evaluation

    @property
    def difference_percent(self) -> float:
        """Of the volume."""
        difference_GPa = self.energy_pressure_GPa - self.stress_pressure_GPa
        return 100 * abs(difference_GPa) / self.bulk_modulus_GPa


@dataclass(frozen=True, kw_only=True)
class Agreement:
    #: The largest difference first; never empty.
    crystals: list[SharedCrystal]

    @property
    def median_percent(self) -> float:
        return statistics.median(crystal.difference_percent for crystal in self.crystals)

    @property
    def doubt(self) -> str:
        """A sentence where energies and stresses do not belong together; else empty."""
        n = len(self.crystals)
        if n < MIN_CRYSTALS or self.median_percent <= TOLERANCE_PERCENT:
            return ""
        return (
            f"On half of the {n} crystals that its tasks share, energies and stresses disagree by "
            f"more than {self.median_percent:.2g} % of the volume, where {TOLERANCE_PERCENT:g} % "
            "is allowed for. Either the stress is not the derivative of the energy, or the answers "
            "in one of the tasks are not those of the same potential."
        )


@dataclass(frozen=True, kw_only=True)
class _Curve:
    """The equation of state of one crystal, and between which volumes it was fitted."""

    shape: Shape
    volume_A3: float
    bulk_modulus_GPa: float
    derivative: float
    least_A3: float
    most_A3: float
    evaluation: Evaluation

    def pressure_at(self, volume_A3: float) -> float:
        """Third-order Birch-Murnaghan, in GPa."""
        x = (self.volume_A3 / volume_A3) ** (1 / 3)
        finite = 1 + 0.75 * (self.derivative - 4) * (x**2 - 1)
        pressure_GPa: float = 1.5 * self.bulk_modulus_GPa * (x**7 - x**5) * finite
        return pressure_GPa


class Row(NamedTuple):
    """What is read of one system's record."""

    system_id: str
    values: tuple[Any, ...]


def agreement(evaluations: Iterable[Evaluation]) -> Agreement | None:
    """Of the current evaluations of one submission; None where no tasks share a crystal.

    Nothing of hidden sets. The caller answers for who may see the evaluations.
    """
    judged = [
        e
        for e in evaluations
        if e.state == EvaluationState.SUCCEEDED and not is_hidden(e.task_version)
    ]
    fitted = [e for e in judged if e.task_version.protocol == CURVES]
    stressed = [e for e in judged if e.task_version.protocol in (SINGLE_POINTS, RELAXED)]
    if not fitted or not stressed:
        return None
    rows = _values(fitted, *_FITTED, "curve_volumes_A3")
    curves = [curve for e in fitted for curve in _curves(e, rows[e.pk])]
    if not curves:
        return None
    rows = _values(stressed, *_STRESSED)
    crystals = [crystal for e in stressed for crystal in _shared(e, rows[e.pk], curves)]
    crystals.sort(key=lambda crystal: -crystal.difference_percent)
    return Agreement(crystals=crystals) if crystals else None


def _shared(
    evaluation: Evaluation, rows: Sequence[Row], curves: Sequence[_Curve]
) -> Iterable[SharedCrystal]:
    for shape, volume_A3, pressure_GPa in _known_stresses(evaluation, rows, curves):
        for curve in curves:
            if not curve.least_A3 <= volume_A3 <= curve.most_A3:
                continue
            if shape.is_that_of(curve.shape):
                yield SharedCrystal(
                    crystal=_formula(shape),
                    volume_per_atom_A3=volume_A3,
                    bulk_modulus_GPa=curve.bulk_modulus_GPa,
                    energy_pressure_GPa=curve.pressure_at(volume_A3),
                    stress_pressure_GPa=pressure_GPa,
                    energies=curve.evaluation,
                    stresses=evaluation,
                )


#: Of a single point the first, of a relaxation the others.
_STRESSED = ("pressure_GPa", "space_group", "volume_change_percent")


def _known_stresses(
    evaluation: Evaluation, rows: Sequence[Row], curves: Sequence[_Curve]
) -> Iterable[tuple[Shape, float, float]]:
    """Crystal, volume per atom in Å³, and pressure in GPa there."""
    is_relaxed = evaluation.task_version.protocol == RELAXED
    wanted = [curve.shape.composition for curve in curves]
    for (pressure_GPa, space_group, change_percent), shape in _with_shapes(
        evaluation, rows, wanted
    ):
        if not is_relaxed and _is_number(pressure_GPa):
            yield shape, shape.volume_per_atom_A3, pressure_GPa
        elif is_relaxed and _is_number(change_percent) and _is_fixed(shape, space_group):
            yield shape, shape.volume_per_atom_A3 * (1 + change_percent / 100), 0.0


def _is_fixed(shape: Shape, space_group: object) -> bool:
    """Whether relaxing it changes its volume alone; a group reads "Fd-3m (227)"."""
    number = str(space_group).rpartition("(")[2].rstrip(")")
    is_cubic = number.isdecimal() and int(number) >= _FIRST_CUBIC
    return is_cubic and shape.n_atoms <= _MOST_FIXED_ATOMS


_FITTED = ("volume_per_atom_A3", "bulk_modulus_GPa", "bulk_modulus_derivative")


def _curves(evaluation: Evaluation, rows: Sequence[Row]) -> Iterable[_Curve]:
    for (*fitted, volumes), shape in _with_shapes(evaluation, rows):
        if not all(_is_number(value) for value in fitted) or not isinstance(volumes, list):
            continue
        if not volumes or not all(_is_number(volume) for volume in volumes):
            continue
        volume_A3, bulk_modulus_GPa, derivative = fitted
        least_A3, most_A3 = min(volumes), max(volumes)
        # A calculator chooses its energies: beyond these bounds nothing was fitted.
        is_sane = bulk_modulus_GPa > _LEAST_GPA and abs(derivative) < _MOST_DERIVATIVE
        if is_sane and 0 < least_A3 <= volume_A3 <= most_A3 < _WIDEST * least_A3:
            yield _Curve(
                shape=shape,
                volume_A3=volume_A3,
                bulk_modulus_GPa=bulk_modulus_GPa,
                derivative=derivative,
                least_A3=least_A3,
                most_A3=most_A3,
                evaluation=evaluation,
            )


def _values(evaluations: Sequence[Evaluation], *names: str) -> Mapping[UUID, list[Row]]:
    """By evaluation, these values of each system that was answered and has any of them.

    One query, of the few values alone: a record holds curves and bands as well.
    """
    rows: dict[UUID, list[Row]] = defaultdict(list)
    answered = SystemResult.objects.answered().filter(
        evaluation__in=[e.pk for e in evaluations], values__has_any_keys=list(names)
    )
    keys = (f"values__{name}" for name in names)
    for evaluation, system_id, *values in answered.values_list("evaluation_id", "system_id", *keys):
        rows[evaluation].append(Row(system_id, tuple(values)))
    return rows


def _with_shapes(
    evaluation: Evaluation,
    rows: Sequence[Row],
    wanted: Sequence[dict[str, int]] | None = None,
) -> Iterable[tuple[tuple[Any, ...], Shape]]:
    """Values of systems whose crystal is known, with it: where any are named, of these formulas."""
    try:
        shapes = shapes_of(evaluation.task_version.reference_set)
    except InfrastructureError:
        # A potential's page has more to tell, and stands without it.
        logger.warning("Crystals of %s are not compared.", evaluation, exc_info=True)
        return
    for row in rows:
        shape = shapes.shape_of(row.system_id, wanted)
        if shape is not None:
            yield row.values, shape


def _formula(shape: Shape) -> str:
    return "".join(f"{symbol}{n if n > 1 else ''}" for symbol, n in shape.composition.items())


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST
