"""What the author of a calculator most often got wrong, measured and said in sentences.

An energy per atom, forces or a stress in another unit, sign or order, energies in steps, places
that matter, jumps at a cutoff. Measured on one small structure, shaken and strained, and compared
with nothing but the calculator's own energies. Nothing here is scored.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from ase.units import Bohr, GPa, Hartree, kcal, kJ, mol
from scipy.optimize import linear_sum_assignment

from evaluator.arrays import FloatArray
from evaluator.driver.probing import (
    NotAnsweredHere,
    doubled,
    moved,
    predicted,
    rms,
    shaken,
    slope,
    steps_for,
    strained,
    unit_direction,
)
from evaluator.pool.remote import Ask, structure_of
from evaluator.protocols.base import System
from evaluator.wire import Answer, Structure

#: Larger structures, and calculators slower than this, are left alone: it would take too long.
MAX_ATOMS = 16
MAX_CALL_S = 2.0
MAX_SCAN_S = 10.0
#: All three components of the force on every atom are measured where it takes no longer than this.
MAX_GRADIENT_S = 10.0
#: Nothing is asked any more after this, within the clock of a smoke test.
MAX_SEARCH_S = 20.0
N_TRIED = 3

#: Two patterns of numbers are the same where they differ by less than this share.
_ALIKE = 0.05
#: Components of different sizes and signs, so that none can be taken for another.
_STRAIN = 0.02 * np.array([[1.0, 0.5, -0.9], [0.5, -0.3, 0.2], [-0.9, 0.2, -0.7]])
_N_DIRECTIONS = 3
#: Linear stretches between which a jump of the energy is looked for.
_STRETCHES = np.linspace(-0.03, 0.07, 61)
_N_HALVINGS = 12
_JUMP_EV_ATOM = 1e-4
#: Single precision resolves an energy to about 1e-7 of it; sums of many terms to less.
_ROUNDING = 5e-6
_N_ENERGIES = 6
#: So far apart that energies differ even where they come in steps.
_SPREAD_A = np.linspace(0.05, 0.5, 8)
#: Steps of an energy that differences of energies show.
_COARSE_EV = 1e-5

#: What forces are multiplied by when they come in other units, or with the other sign.
_FORCE_FACTORS: Mapping[str, float] = {
    "they have the wrong sign: a force is minus the derivative of the energy": -1.0,
    "they look like Ha/Bohr: multiply by 51.42": Bohr / Hartree,
    "they look like Ha/Å: multiply by 27.21": 1 / Hartree,
    "they look like eV/Bohr: multiply by 1.890": Bohr,
    "they look like kcal/mol/Å: multiply by 0.04336": mol / kcal,
    "they look like kJ/mol/Å: multiply by 0.01036": mol / kJ,
    "they look like meV/Å: divide by 1000": 1000.0,
}
_NO_GRADIENT = (
    "where they are a network's own output, submit it with --non-conservative; where they are "
    "meant as a gradient, look for parts of the energy that they lack"
)
_STRESS_UNITS: Mapping[str, float] = {
    "GPa: divide by 160.2177": 1 / GPa,
    "kbar: divide by 1602.177": 10 / GPa,
    "bar: divide by 1602177": 1e4 / GPa,
    "Ha/Bohr³: multiply by 183.6": Bohr**3 / Hartree,
    "eV/Å³ divided by 160.2 once more, as if it had been GPa": GPa,
}
_IN_ORDER, _AS_THEY_ARE = [0, 1, 2, 3, 4, 5], [1.0] * 6
_HERE = "the order here is xx yy zz yz xz xy"
#: Where ASE's xx yy zz yz xz xy stand in a stress that is written otherwise, and what its
#: components are multiplied by.
_STRESS_FORMS: Mapping[str, tuple[list[int], list[float]]] = {
    "": (_IN_ORDER, _AS_THEY_ARE),
    "its shear components are twice what they should be: halve them": (
        _IN_ORDER,
        [1, 1, 1, 2, 2, 2],
    ),
    "its shear components are half of what they should be: double them": (
        _IN_ORDER,
        [1, 1, 1, 0.5, 0.5, 0.5],
    ),
    f"it has the order xx yy zz xy yz zx of VASP; {_HERE}": ([0, 1, 2, 4, 5, 3], _AS_THEY_ARE),
    f"it has the order xx yy zz xy xz yz of LAMMPS; {_HERE}": ([0, 1, 2, 5, 4, 3], _AS_THEY_ARE),
    f"it is written row by row, xx xy xz yy yz zz; {_HERE}": ([0, 3, 5, 4, 2, 1], _AS_THEY_ARE),
    f"it is written as xx xy yy xz yz zz; {_HERE}": ([0, 2, 5, 4, 3, 1], _AS_THEY_ARE),
}


def find_faults(
    systems: Sequence[System],
    ask: Ask,
    *,
    offers_stress: bool,
    dtype: str,
    seed: int,
    is_repeatable: bool = True,
) -> list[str]:
    """Sentences that say what was measured and what to do; none for a sound calculator.

    ``is_repeatable`` tells whether the same question gets the same answer: jumps of the energy
    mean nothing otherwise.
    """
    timely = _until(time.monotonic() + MAX_SEARCH_S, ask)
    for system in _candidates(systems)[:N_TRIED]:
        sentences: list[str] = []
        try:
            probe = _Probe(system, timely, offers_stress=offers_stress, dtype=dtype, seed=seed)
            if not probe.is_quick:
                return []
            for sentence in probe.findings(is_repeatable=is_repeatable):
                sentences.append(sentence)
        except NotAnsweredHere:
            continue
        except _OutOfTime:
            return sentences
        return sentences
    return []


class _OutOfTime(Exception):
    """The search has taken as long as it may."""


def _until(end_s: float, ask: Ask) -> Ask:
    """``ask``, as long as it is not too late by the monotonic clock. Raises _OutOfTime."""

    def asked(structure: Structure, properties: Sequence[str]) -> Answer:
        if time.monotonic() > end_s:
            raise _OutOfTime
        return ask(structure, properties)

    return asked


def _candidates(systems: Sequence[System]) -> list[System]:
    """Small crystals of several elements first, since their atoms can be told apart."""
    small = [system for system in systems if len(system.atoms) <= MAX_ATOMS]
    return sorted(
        small,
        key=lambda s: (not s.atoms.pbc.all(), len(set(s.atoms.numbers)) < 2, len(s.atoms)),
    )


class _Probe:
    """One structure and what the calculator says of it and of its neighbours."""

    def __init__(
        self, system: System, ask: Ask, *, offers_stress: bool, dtype: str, seed: int
    ) -> None:
        self.name, self.ask, self.dtype, self.steps = system.id, ask, dtype, steps_for(dtype)
        self.rng = np.random.default_rng([seed, 13])
        neutral = replace(structure_of(shaken(system.atoms, self.rng)), charge=0, spin=1)
        self.structure = strained(neutral, _STRAIN, 1.0)
        self.n_atoms = len(self.structure.numbers)
        self.energies: list[float] = []
        self._is_spread = False
        properties = ("energy", "forces", *(("stress",) if offers_stress else ()))
        predicted(ask, self.structure, properties)  # the first call may build what later ones use
        started = time.perf_counter()
        self.answer = predicted(ask, self.structure, properties)
        self.call_s = time.perf_counter() - started
        self.energies.append(self.answer.energy)
        #: What an energy may differ by for rounding alone.
        self.tolerance_eV = max(1e-4 * self.n_atoms, _ROUNDING * abs(self.answer.energy))

    @property
    def is_quick(self) -> bool:
        return self.call_s < MAX_CALL_S

    @property
    def is_crystal(self) -> bool:
        return bool(self.structure.pbc.all())

    def energy(self, structure: Structure) -> float:
        energy = predicted(self.ask, structure, ("energy", "forces")).energy
        self.energies.append(energy)
        return energy

    def findings(self, *, is_repeatable: bool) -> Iterator[str]:
        size, sentences = self._size()
        yield from sentences
        yield from self._forces(size)
        if self.is_crystal and self.answer.stress is not None:
            yield from self._stress(size)
        yield from self._precision()
        if not is_repeatable:
            return
        yield from self._places()
        if self.is_crystal and self.call_s * len(_STRETCHES) < MAX_SCAN_S:
            yield from self._jumps()

    # ------------------------------------------------------------------------------- the energy

    def _size(self) -> tuple[int, list[str]]:
        """What the energies must be multiplied by to be totals, and what is wrong with them."""
        if not self.structure.pbc.any():
            return 1, []
        single, double = self.answer.energy, self.energy(doubled(self.structure))
        if abs(double - 2 * single) <= 2 * self.tolerance_eV:
            return 1, []
        atoms = f"{single:.6g} eV for {self.n_atoms} atoms, {double:.6g} eV for {2 * self.n_atoms}"
        if abs(double - single) <= self.tolerance_eV:
            return self.n_atoms, [
                (
                    f"Twice the cell has the same energy ({self.name}: {atoms}): it looks like an "
                    "energy per atom. Return the energy of the whole structure."
                )
            ]
        return 1, [
            (
                f"Twice the cell has not twice the energy ({self.name}: {atoms}): return the "
                "energy of the whole structure, with all periodic images within the cutoff, "
                "however small the cell."
            )
        ]

    def _is_too_coarse(self, change_eV: float) -> bool:
        """Whether energies come in steps that are larger than a change that is to be seen."""
        if not self._is_spread:
            self._is_spread = True
            direction = unit_direction(self.rng, self.n_atoms)
            for distance_A in _SPREAD_A:
                self.energy(moved(self.structure, direction, distance_A))
        return self._energy_step()[0] > change_eV

    def _energy_step(self) -> tuple[float, bool]:
        """The step in eV in which all energies come, and whether it is that of half precision.

        Zero where they are numbers of double precision, or too few to tell.
        """
        values = self._distinct_energies()
        single = values.astype(np.float32)
        if len(values) < _N_ENERGIES or not np.array_equal(single.astype(np.float64), values):
            return 0.0, False
        step_eV = float(np.spacing(np.abs(single).max()))
        is_half = not (single.view(np.uint32) & 0xFFFF).any()
        return (step_eV * 2**16 if is_half else step_eV), is_half

    def _distinct_energies(self) -> FloatArray:
        return np.unique([energy for energy in self.energies if abs(energy) > 1e-3])

    def _precision(self) -> list[str]:
        """Whether all energies are numbers of a shorter type than double."""
        step_eV, is_half = self._energy_step()
        if step_eV == 0.0 or (self.dtype == "float32" and not is_half):
            return []
        if self.dtype != "float64" and step_eV < _COARSE_EV:
            return []
        values = self._distinct_energies()
        asked = "Asked for float64, it answers" if self.dtype == "float64" else "It answers"
        return [
            (
                f"{asked} with energies in steps of {step_eV:.1g} eV at {values[0]:.5g} eV: they "
                "were rounded to a shorter type than double. Phonons and equations of state take "
                "differences of energies: convert the model to float64 where it can, and sum in it."
            )
        ]

    def _places(self) -> list[str]:
        """Whether it matters where the structure lies, or in which image an atom is written."""
        sentences = []
        shift = self.rng.uniform(1, 2, size=3)
        everywhere = np.tile(shift, (self.n_atoms, 1))
        change = self.energy(moved(self.structure, everywhere, 1.0)) - self.answer.energy
        if abs(change) > self.tolerance_eV:
            sentences.append(
                f"Moved as a whole by {np.linalg.norm(shift):.2f} Å, {self.name} changes its "
                f"energy by {1000 * change / self.n_atoms:.3g} meV/atom: only differences of "
                "positions may enter."
            )
        if not self.structure.pbc.any():
            return sentences
        image = np.zeros((self.n_atoms, 3))
        image[0] = self.structure.cell[int(np.flatnonzero(self.structure.pbc)[0])]
        change = self.energy(moved(self.structure, image, 1.0)) - self.answer.energy
        if abs(change) > self.tolerance_eV:
            sentences.append(
                f"An atom of {self.name} written one cell vector further on, which is the same "
                f"crystal, changes the energy by {1000 * change / self.n_atoms:.3g} meV/atom: "
                "positions outside the cell must be taken for what they are."
            )
        return sentences

    def _jumps(self) -> list[str]:
        """Whether the energy jumps as the crystal is stretched evenly."""
        energies = np.array([self._stretched(stretch) for stretch in _STRETCHES])
        bends = np.abs(np.diff(energies, 3))
        least = max(_JUMP_EV_ATOM * self.n_atoms, self.tolerance_eV)
        if bends.max() < max(30 * float(np.median(bends)), least):
            return []
        # A jump between two points shows as (1, -2, 1) in the third differences.
        place = int(np.clip(int(bends.argmax()) + 1, 2, len(_STRETCHES) - 4))
        width = _STRETCHES[1] - _STRETCHES[0]
        around = (energies[place - 1] - energies[place - 2]) / width
        around = (around + (energies[place + 3] - energies[place + 2]) / width) / 2
        where, jump = self._narrowed(_STRETCHES[place], _STRETCHES[place + 1], around)
        if jump < least:
            return []
        return [
            (
                f"Stretched evenly by {100 * where:.2f} %, {self.name} changes its energy at one "
                f"point by {1000 * jump / self.n_atoms:.3g} meV/atom: the energy jumps where "
                "neighbours enter or leave. Let it go to zero smoothly at the cutoff, and cap no "
                "number of neighbours."
            )
        ]

    def _narrowed(self, left: float, right: float, slope_eV: float) -> tuple[float, float]:
        """Where in an interval the energy leaves its slope, and by how much at the last width."""
        low, high = self._stretched(left), self._stretched(right)
        for _ in range(_N_HALVINGS):
            middle = (left + right) / 2
            energy = self._stretched(middle)
            drift = slope_eV * (middle - left)
            if abs(energy - low - drift) > abs(high - energy - drift):
                right, high = middle, energy
            else:
                left, low = middle, energy
        return (left + right) / 2, abs(high - low - slope_eV * (right - left))

    def _stretched(self, stretch: float) -> float:
        return self.energy(strained(self.structure, np.eye(3), stretch))

    # ------------------------------------------------------------------------ forces and stress

    def _forces(self, size: int) -> list[str]:
        """What is wrong with forces that are not minus the gradient of the total energy."""
        along, expected = [], []
        for _ in range(_N_DIRECTIONS):
            direction = unit_direction(self.rng, self.n_atoms)
            along.append(float(np.sum(self.answer.forces * direction)))
            expected.append(-size * self._force_slope(direction))
        error, scale = rms(np.subtract(along, expected)), rms(expected)
        tolerance_eV_A = 3 * self.steps.force_tolerance_eV_A
        if error <= max(tolerance_eV_A, _ALIKE * scale):
            return []
        if self._is_too_coarse(tolerance_eV_A * self.steps.displacement_A / size):
            return []
        if 12 * self.n_atoms * self.call_s > MAX_GRADIENT_S:
            factor = _common_factor(np.array(along), np.array(expected))
            reason = _NO_GRADIENT if factor is None else _named_factor(factor)
            return [
                (
                    f"Forces are not minus the derivative of the energy ({self.name}: off by "
                    f"{error:.3g} eV/Å where they are {scale:.3g} eV/Å, along {_N_DIRECTIONS} "
                    f"directions, RMS): {reason}."
                )
            ]
        gradient = np.reshape([-size * g for g in self._gradient()], (self.n_atoms, 3))
        reason = _explained_forces(self.answer.forces, gradient)
        return [
            (
                f"Forces are not minus the derivative of the energy ({self.name}: off by "
                f"{rms(self.answer.forces - gradient):.3g} eV/Å where forces are "
                f"{rms(gradient):.3g} eV/Å, RMS): {reason}."
            )
        ]

    def _gradient(self) -> Iterator[float]:
        for i in range(3 * self.n_atoms):
            direction = np.zeros(3 * self.n_atoms)
            direction[i] = 1.0
            yield self._force_slope(direction.reshape(-1, 3))

    def _force_slope(self, direction: FloatArray) -> float:
        return self._slope(partial(moved, self.structure, direction), self.steps.displacement_A)

    def _slope(self, structure_at: Callable[[float], Structure], step: float) -> float:
        return slope(lambda amount: self.energy(structure_at(amount)), step)

    def _stress(self, size: int) -> list[str]:
        """What is wrong with a stress that is not dE/dstrain over the volume."""
        assert self.answer.stress is not None  # noqa: S101  (asked only where it was given)
        volume = abs(float(np.linalg.det(self.structure.cell)))
        expected = np.array([size * s / volume for s in self._strain_slopes()])
        error = float(np.abs(self.answer.stress - expected).max())
        # A small share of the largest only: shears are often small beside a pressure.
        least, share = (0.02, 0.001) if self.dtype == "float64" else (0.2, 0.005)
        if error <= least * GPa + share * float(np.abs(expected).max()):
            return []
        if self._is_too_coarse(least * GPa * volume * self.steps.strain / size):
            return []
        reason = _explained_stress(self.answer.stress, expected, volume, self.n_atoms)
        return [
            (
                "The stress is not the derivative of the energy with strain, over the volume "
                f"({self.name}: off by {error / GPa:.3g} GPa where it is "
                f"{float(np.abs(expected).max()) / GPa:.3g} GPa, the largest component): {reason}."
            )
        ]

    def _strain_slopes(self) -> Iterator[float]:
        for i, j in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)):
            strain = np.zeros((3, 3))
            strain[i, j] += 0.5
            strain[j, i] += 0.5
            yield self._slope(partial(strained, self.structure, strain), self.steps.strain)


def _explained_forces(forces: FloatArray, gradient: FloatArray) -> str:
    factor = _common_factor(forces, gradient)
    if factor is not None:
        return _named_factor(factor)
    distances = np.linalg.norm(forces[:, None] - gradient[None], axis=2)
    rows, order = linear_sum_assignment(distances)
    if rms(forces[rows] - gradient[order]) < _ALIKE * rms(gradient):
        return "they are those of other atoms. Answer in the order in which the atoms came"
    return _NO_GRADIENT


def _named_factor(factor: float) -> str:
    named = [text for text, known in _FORCE_FACTORS.items() if _is_near(factor, known)]
    return named[0] if named else f"they are {factor:.4g} times that, everywhere"


def _explained_stress(
    stress: FloatArray, expected: FloatArray, volume_A3: float, n_atoms: int
) -> str:
    known: dict[str, float] = {
        "it has the wrong sign: positive is tension, dE/dstrain": -1.0,
        "it looks like a virial: divide minus the virial by the volume": -volume_A3,
        "it looks like dE/dstrain: divide it by the volume": volume_A3,
        "it belongs to the energy per atom: multiply by the number of atoms": 1 / n_atoms,
    }
    for unit, factor in _STRESS_UNITS.items():
        known[f"it looks like {unit}"] = factor
        known[f"it looks like {unit}, and change the sign: positive is tension"] = -factor
    # Several may fit where a pressure outweighs the shears: the nearest is named.
    fits = {
        how: _fit(stress[places], expected * shears)
        for how, (places, shears) in _STRESS_FORMS.items()
    }
    how, (factor, rest) = min(fits.items(), key=lambda item: item[1][1])
    named = [text for text, value in known.items() if _is_near(factor, value)]
    if rest > _ALIKE or (not how and _is_near(factor, 1.0)):
        return "differentiate the energy with respect to a strain of cell and positions together"
    if how:
        return f"{how}{f'; besides, {named[0]}' if named else ''}"
    return named[0] if named else f"it is {factor:.4g} times that, in every component"


def _common_factor(values: FloatArray, expected: FloatArray) -> float | None:
    """The one factor between two sets of numbers, None where there is no such."""
    factor, rest = _fit(values, expected)
    return factor if rest < _ALIKE else None


def _fit(values: FloatArray, expected: FloatArray) -> tuple[float, float]:
    """The best factor between two sets of numbers, and the share of the first that it leaves."""
    norm, size = float(np.sum(np.square(expected))), rms(values)
    if norm == 0.0 or size == 0.0:
        return 0.0, 1.0
    factor = float(np.sum(values * expected)) / norm
    return factor, rms(values - factor * expected) / size


def _is_near(value: float, known: float) -> bool:
    return abs(value - known) < _ALIKE * abs(known)
