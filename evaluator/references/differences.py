"""Doubts about forces and stresses that are not the derivatives of the energy.

Two structures of the same atoms that lie near each other tell: the energy must change by minus the
forces along the displacements, and by volume times stress along the strain. A wrong sign, unit or
order of components shows where many pairs say otherwise, and where another choice makes them agree.
The trapezoidal rule is used (mean of both ends), which is exact to third order.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations, pairwise, product

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from evaluator.references.conventions import (
    ENERGY_UNITS,
    FORCE_UNITS,
    SIGNS,
    SIX_ORDERS,
    STRESS_UNITS,
    VASP,
    Convention,
    canonical_stress,
)
from evaluator.references.formats import ReadFile
from evaluator.references.records import finite_numbers

_LARGEST_DISPLACEMENT_A = 0.35
_LARGEST_STRAIN = 0.06
_NO_STRAIN = 1e-6
_NO_DISPLACEMENT_A = 1e-3
#: Smaller changes are lost in the numbers' digits.
_LEAST_CHANGE_eV = 1e-3
#: A mean of both ends that is small beside their difference is not sure enough.
_SHARE_PER_A = 1.5
_SHARE_PER_STRAIN = 5.0
_SHARES = (0.05, 0.5)
_LEAST_PAIRS = 3
_MOST_PAIRS = 2000
_ALL_PAIRS_UP_TO = 30
#: Misfits are shares of the squared changes of energy. Below the first nothing is doubted.
_WELL = 0.02
#: Another choice must miss less than this, and many times less than the present one.
_FITS = 0.15
_TIMES_BETTER = 8.0
#: Where nothing fits, this misfit of so many and so large changes is told all the same.
_NOTHING_ALIKE = 0.7
_MANY_PAIRS = 6
_CLEAR_CHANGE_eV = 0.05
_NO_CHOICE = "No choice of units, signs and orders makes them agree."
#: Where what the rule may miss along the displacements is more than this share of what the stress
#: says, atoms that move far hide the stress: the pair is no ground to doubt it as a whole.
_REST_BESIDE = 0.3
_TURNED = "The other sign of the forces (they are gradients: turn it in the file)"
#: Six numbers as a symmetric matrix: which rows and columns xx yy zz yz xz xy are.
_ROWS, _COLUMNS = [0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]
_COUNTED_TWICE = np.array([1, 1, 1, 2, 2, 2])


@dataclass(frozen=True, kw_only=True, eq=False)
class _Pair:
    """Two near structures, by their numbers in the file."""

    first: int
    second: int
    #: Shape (n_atoms, 3), Å, without a common shift.
    displacements: NDArray[np.float64]
    #: xx yy zz yz xz xy, shears counted twice.
    strain: NDArray[np.float64]

    @property
    def is_strained(self) -> bool:
        return bool(np.abs(self.strain).max() > _NO_STRAIN)

    @property
    def least_share(self) -> float:
        """Of the mean in the difference of both ends, below which the rule's error may hide it.

        The error grows with a further power of the step than the difference does.
        """
        step_A = float(np.linalg.norm(self.displacements, axis=1).max())
        share = _SHARE_PER_A * step_A + _SHARE_PER_STRAIN * float(np.abs(self.strain).max())
        return min(max(share, _SHARES[0]), _SHARES[1])

    @property
    def is_displaced(self) -> bool:
        return bool(np.linalg.norm(self.displacements, axis=1).max() > _NO_DISPLACEMENT_A)


def derivative_doubts(file: ReadFile, convention: Convention) -> list[str]:
    """At most one sentence on forces and one on stress, with names, numbers and what would fit."""
    pairs = list(_pairs(file.frames))
    doubts = _force_doubts(file, [pair for pair in pairs if not pair.is_strained], convention)
    strained = [pair for pair in pairs if pair.is_strained]
    if doubts:  # then forces cannot help to judge stress
        strained = [pair for pair in strained if not pair.is_displaced]
    return doubts + _stress_doubts(file, strained, convention)


def _pairs(frames: Sequence[Atoms]) -> Iterator[_Pair]:
    groups: dict[Hashable, list[int]] = {}
    for i, frame in enumerate(frames):
        if "energy" in frame.calc.results:
            groups.setdefault(_kind(frame), []).append(i)
    n_left = _MOST_PAIRS
    for members in groups.values():
        for i, j in _near_in_file(frames, members):
            if n_left == 0:
                return
            n_left -= 1
            pair = _pair(frames[i], frames[j], i, j)
            if pair is not None:
                yield pair


def _kind(frame: Atoms) -> Hashable:
    """What two structures must have in common to lie on one surface of energy."""
    state = [np.asarray(frame.info.get(k, default)) for k, default in (("charge", 0), ("spin", 1))]
    electrons = tuple(value.astype(float).tobytes() for value in state)
    return frame.numbers.tobytes(), frame.pbc.tobytes(), electrons


def _near_in_file(frames: Sequence[Atoms], members: Sequence[int]) -> Iterator[tuple[int, int]]:
    """All pairs of few; of many, those that follow each other in the file or by volume."""
    if len(members) <= _ALL_PAIRS_UP_TO:
        yield from combinations(members, 2)
        return
    following = set(pairwise(members))
    if frames[members[0]].pbc.all():
        by_volume = sorted(members, key=lambda i: frames[i].get_volume())
        following |= {(min(pair), max(pair)) for pair in pairwise(by_volume)}
    yield from sorted(following)


def _pair(first: Atoms, second: Atoms, i: int, j: int) -> _Pair | None:
    """None where they are too far apart, or where the strain cannot be told."""
    gradient = np.zeros((3, 3))
    if first.pbc.all():
        gradient, vectors = _strained_steps(first, second)
    elif first.pbc.any() and not np.allclose(first.cell.array, second.cell.array, atol=1e-9):
        return None
    else:
        vectors = second.positions - first.positions
        if first.pbc.any():
            cell = first.cell.complete().array
            steps = np.linalg.solve(cell.T, vectors.T).T
            vectors = (steps - np.where(first.pbc, np.rint(steps), 0)) @ cell
    vectors = vectors - vectors.mean(axis=0)
    is_far = np.linalg.norm(vectors, axis=1).max() > _LARGEST_DISPLACEMENT_A
    if is_far or np.abs(gradient).max() > _LARGEST_STRAIN:
        return None
    symmetric = (gradient + gradient.T) / 2
    strain = symmetric[_ROWS, _COLUMNS] * _COUNTED_TWICE
    return _Pair(first=i, second=j, displacements=vectors, strain=strain)


def _strained_steps(first: Atoms, second: Atoms) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The gradient that makes one crystal's cell the other's, and the steps of the atoms besides.

    Both are told in the mean of the two cells. Cells far apart may have a mean without volume.
    """
    cells = first.cell.array, second.cell.array
    gradient = np.linalg.solve(cells[0], cells[1] - cells[0])
    if np.abs(gradient).max() > 2 * _LARGEST_STRAIN:
        return gradient, np.zeros((len(first), 3))
    middle = (cells[0] + cells[1]) / 2
    steps = second.get_scaled_positions(wrap=False) - first.get_scaled_positions(wrap=False)
    return np.linalg.solve(middle, cells[1] - cells[0]), (steps - np.rint(steps)) @ middle


@dataclass(frozen=True, kw_only=True, eq=False)
class _Works:
    """Changes of energy of pairs, and what a derivative says they are, from either end, in eV."""

    pairs: Sequence[_Pair]
    changes: NDArray[np.float64]
    #: Shape (n_pairs, 2).
    works: NDArray[np.float64]

    @property
    def means(self) -> NDArray[np.float64]:
        return np.asarray(self.works.mean(axis=1))

    def sure(self) -> NDArray[np.bool_]:
        """Which pairs are far enough from a turning point to tell something."""
        is_sure = np.abs(self.means) >= _rest_of_rule(self.pairs, self.works)
        return np.asarray(is_sure & (np.abs(self.changes) > _LEAST_CHANGE_eV))


def misfit(changes: NDArray[np.float64], works: NDArray[np.float64]) -> float:
    """The share of the squared changes that the works miss; 0 where they agree, 4 if all have
    the wrong sign."""
    return float(((changes - works) ** 2).sum() / (changes**2).sum())


def _force_doubts(file: ReadFile, pairs: Sequence[_Pair], convention: Convention) -> list[str]:
    results = [frame.calc.results for frame in file.frames]
    judged = [
        p
        for p in pairs
        if p.is_displaced and all("forces" in results[k] for k in (p.first, p.second))
    ]
    if len(judged) < _LEAST_PAIRS:
        return []
    works = _Works(
        pairs=judged,
        changes=_changes(results, judged),
        works=_force_works(results, judged),
    )
    is_sure = works.sure()
    if is_sure.sum() < _LEAST_PAIRS:
        return []
    changes, means = works.changes[is_sure], works.means[is_sure]
    n_atoms = np.array([len(p.displacements) for p in judged])[is_sure]
    present = misfit(changes, means)
    if present < _WELL:
        return []
    advice = _advice(_force_choices(convention, changes, means, n_atoms), present, changes)
    if advice is None:
        return []
    example = _example(file, works, is_sure)
    sentence = (
        f"The forces are not minus the derivative of the energy in {is_sure.sum()} pairs of near "
        f"structures: {example} by the forces. {advice}"
    )
    return [sentence]


def _force_choices(
    convention: Convention,
    changes: NDArray[np.float64],
    means: NDArray[np.float64],
    n_atoms: NDArray[np.int64],
) -> Iterator[tuple[str, float]]:
    """Other choices, the likeliest first, and the misfit of each."""
    yield _TURNED, misfit(changes, -means)
    for energy_unit, force_unit in _units_of_energy_and_force(convention):
        scale = _scale(convention.energy_unit, energy_unit, n_atoms)
        forces = FORCE_UNITS[force_unit] / FORCE_UNITS[convention.force_unit]
        words = [f"energy_unit {energy_unit}"] * (energy_unit != convention.energy_unit)
        words += [f"force_unit {force_unit}"] * (force_unit != convention.force_unit)
        yield " with ".join(words), misfit(changes * scale, means * forces)


def _units_of_energy_and_force(convention: Convention) -> list[tuple[str, str]]:
    here = (convention.energy_unit, convention.force_unit)
    units = product(ENERGY_UNITS, FORCE_UNITS)
    others = [pair for pair in units if pair != here]
    return sorted(others, key=lambda u: (u[0] != here[0]) + (u[1] != here[1]))


def _stress_doubts(file: ReadFile, pairs: Sequence[_Pair], convention: Convention) -> list[str]:
    results = [frame.calc.results for frame in file.frames]
    judged = [p for p in pairs if _has_all(results, p)]
    if len(judged) < _LEAST_PAIRS:
        return []
    by_forces = _force_works(results, judged)
    of_energy = _changes(results, judged)
    changes = of_energy - by_forces.mean(axis=1)
    works = _Works(pairs=judged, changes=changes, works=_stress_works(file, judged, convention))
    is_sure = works.sure()
    if is_sure.sum() < _LEAST_PAIRS:
        return []
    present = misfit(changes[is_sure], works.means[is_sure])
    if present < _WELL:
        return []
    sure_pairs = [p for p, sure in zip(judged, is_sure, strict=True) if sure]
    choices = chain(
        _other_choices(convention, of_energy, by_forces.mean(axis=1), works, is_sure),
        _stress_choices(file, sure_pairs, changes[is_sure], convention),
    )
    advice = _advice(choices, present, changes[is_sure])
    if advice is None:
        return []
    is_clear = is_sure & (_rest_of_rule(judged, by_forces) <= _REST_BESIDE * np.abs(works.means))
    if advice == _NO_CHOICE and (
        is_clear.sum() < _MANY_PAIRS
        or misfit(changes[is_clear], works.means[is_clear]) < _NOTHING_ALIKE
    ):
        return []
    example = _example(file, works, is_sure)
    sentence = (
        f"The stress is not the derivative of the energy in {is_sure.sum()} pairs of strained "
        f"structures: {example} by the stress. {advice}"
    )
    return [sentence]


def _rest_of_rule(pairs: Sequence[_Pair], works: NDArray[np.float64]) -> NDArray[np.float64]:
    """By how much the rule may miss what a derivative says of the energy, in eV for each pair."""
    shares = np.array([pair.least_share for pair in pairs])
    return np.asarray(shares * np.abs(works[:, 0] - works[:, 1]) / 2)


def _other_choices(
    convention: Convention,
    of_energy: NDArray[np.float64],
    by_forces: NDArray[np.float64],
    works: _Works,
    is_sure: NDArray[np.bool_],
) -> Iterator[tuple[str, float]]:
    """Other units of the energy and the forces, and the misfit of each."""
    n_atoms = np.array([len(pair.displacements) for pair in works.pairs])
    stresses = works.means[is_sure]
    for unit in ENERGY_UNITS:
        if unit != convention.energy_unit:
            changes = of_energy * _scale(convention.energy_unit, unit, n_atoms) - by_forces
            yield f"energy_unit {unit}", misfit(changes[is_sure], stresses)
    factors = {f"force_unit {unit}": factor for unit, factor in FORCE_UNITS.items()}
    factors[_TURNED] = -FORCE_UNITS[convention.force_unit]
    for words, factor in factors.items():
        changes = of_energy - by_forces * factor / FORCE_UNITS[convention.force_unit]
        yield words, misfit(changes[is_sure], stresses)


def _scale(unit: str, other: str, n_atoms: NDArray[np.int64]) -> NDArray[np.float64]:
    """What an energy in eV is to be multiplied by where the other unit is the true one."""
    per_atom = float(other.endswith("/atom")) - float(unit.endswith("/atom"))
    return np.asarray(ENERGY_UNITS[other] / ENERGY_UNITS[unit] * n_atoms**per_atom)


def _has_all(results: Sequence[dict[str, NDArray[np.float64]]], pair: _Pair) -> bool:
    ends = (results[pair.first], results[pair.second])
    has_forces = all("forces" in end for end in ends)
    return all("stress" in end for end in ends) and (has_forces or not pair.is_displaced)


def _stress_choices(
    file: ReadFile,
    pairs: Sequence[_Pair],
    changes: NDArray[np.float64],
    convention: Convention,
) -> Iterator[tuple[str, float]]:
    unit = "kbar" if convention.stress_unit == VASP else convention.stress_unit
    here = (unit, convention.order, convention.sign)
    orders = SIX_ORDERS if _are_six(file, convention) else (convention.order,)
    choices = [c for c in product(STRESS_UNITS, orders, SIGNS) if c != here]
    choices.sort(key=lambda choice: sum(a != b for a, b in zip(choice, here, strict=True)))
    for unit, order, sign in choices:
        if unit == VASP:  # the same as kbar where order and sign are named
            continue
        other = replace(convention, stress_unit=unit, stress_order=order, stress_sign=sign)
        words = [
            f"{name} {value}"
            for name, value, old in zip(
                ("stress_unit", "stress_order", "stress_sign"),
                (unit, order, sign),
                here,
                strict=True,
            )
            if value != old
        ]
        works = _stress_works(file, pairs, other).mean(axis=1)
        yield " with ".join(words), misfit(changes, works)


def _are_six(file: ReadFile, convention: Convention) -> bool:
    numbers = (finite_numbers(record.values.get(convention.stress_name)) for record in file.records)
    return all(some is None or some.size == 6 for some in numbers)


def _advice(
    choices: Iterator[tuple[str, float]], present: float, changes: NDArray[np.float64]
) -> str | None:
    """The first choice that fits well, far better than the present one, and nearly the best.

    None where nothing can be said for sure.
    """
    misfits = list(choices)
    fitting = [
        (words, value)
        for words, value in misfits
        if value < _FITS and value * _TIMES_BETTER < present
    ]
    if fitting:
        least = min(value for _, value in fitting)
        best = next(words for words, value in fitting if value <= 2 * least + 1e-4)
        return f"{best} would fit."
    is_clear = len(changes) >= _MANY_PAIRS and np.sqrt((changes**2).mean()) > _CLEAR_CHANGE_eV
    if present > _NOTHING_ALIKE and is_clear:
        return _NO_CHOICE
    return None


def _changes(
    results: Sequence[dict[str, NDArray[np.float64]]], pairs: Sequence[_Pair]
) -> NDArray[np.float64]:
    return np.array([results[p.second]["energy"] - results[p.first]["energy"] for p in pairs])


def _force_works(
    results: Sequence[dict[str, NDArray[np.float64]]], pairs: Sequence[_Pair]
) -> NDArray[np.float64]:
    """Minus forces times displacements from either end, shape (n_pairs, 2); 0 without forces."""
    works = [
        [
            -float((results[end]["forces"] * pair.displacements).sum())
            if "forces" in results[end]
            else 0.0
            for end in (pair.first, pair.second)
        ]
        for pair in pairs
    ]
    return np.array(works).reshape(len(pairs), 2)


def _stress_works(
    file: ReadFile, pairs: Sequence[_Pair], convention: Convention
) -> NDArray[np.float64]:
    """Volume times stress times strain from either end, shape (n_pairs, 2)."""
    tensions: dict[int, NDArray[np.float64]] = {}
    for k in {k for pair in pairs for k in (pair.first, pair.second)}:
        numbers = finite_numbers(file.records[k].values[convention.stress_name])
        assert numbers is not None  # noqa: S101  (it was read)
        volume = file.frames[k].get_volume()
        tensions[k] = volume * canonical_stress(numbers, volume, convention)
    works = [[float(tensions[k] @ p.strain) for k in (p.first, p.second)] for p in pairs]
    return np.array(works).reshape(len(pairs), 2)


def _example(file: ReadFile, works: _Works, is_sure: NDArray[np.bool_]) -> str:
    """The pair that differs most, with its numbers."""
    differences = np.where(is_sure, np.abs(works.changes - works.means), -1)
    k = int(differences.argmax())
    names = [
        file.frames[i].info["system_id"] for i in (works.pairs[k].first, works.pairs[k].second)
    ]
    return (
        f"from {names[0]} to {names[1]} the energy changes by {works.changes[k]:.4g} eV, and "
        f"{works.means[k]:.4g} eV"
    )
