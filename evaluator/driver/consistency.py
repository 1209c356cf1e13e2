"""Does the potential respect the symmetries of physics, and are its forces its energy's gradient?

Asked on the smallest systems of a task, shaken a little so that no force vanishes by symmetry.
The figures are published beside the scores and never change them: a potential whose forces are
not a gradient is scored like any other, and marked. Differences of energies count beyond what
rounding explains. Where rounding alone could make a slope of the energy wrong by more than is
allowed (all-electron energies in single precision), only forces that are wrong beyond that are told
from right ones: others are not measured, and this is said.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from ase import Atoms
from ase.stress import voigt_6_to_full_3x3_stress

from evaluator.catalog import EV_PER_A3_IN_GPA
from evaluator.driver.findings import find_faults
from evaluator.driver.probing import (
    NotAnsweredHere,
    Steps,
    energy_spacing,
    moved,
    predicted,
    rms,
    shaken,
    slope,
    steps_for,
    strained,
    unit_direction,
)
from evaluator.pool.remote import Ask, Disguise, ElectronicState, seed_of, structure_of
from evaluator.protocols.base import System
from evaluator.wire import Prediction, Structure

MAX_SYSTEMS = 3
N_DIRECTIONS = 3

#: Of energies and forces of the same structure, turned or renumbered, that should be equal.
TOLERABLE = {"meV/atom": 0.1, "eV/Å": 0.001}
_SYMMETRIES = {
    "rotation": ("Turned", "Energy and lengths of forces must not depend on the axes."),
    "permutation": ("With its atoms in another order", "Answer in the order that was asked."),
    "repeat": (
        "Asked again",
        "Fix what is random (dropout, noise, seeds), and keep nothing from one call to the next.",
    ),
}

#: What sums of many terms may be off by for rounding, in spacings of their type.
_N_SPACINGS = 4
#: And a slope, over the step: the weights of its four energies add up to one and a half.
_N_SLOPE_SPACINGS = 1.5 * _N_SPACINGS
#: Two energies of one structure that differ by less are one.
_SAME_ENERGY_EV_ATOM = 1e-5


def check_consistency(
    systems: Sequence[System],
    ask: Ask,
    *,
    offers_stress: bool,
    dtype: str,
    seed: int,
    looks_for_faults: bool = True,
    hand_over: Callable[[dict[str, Any]], None] = lambda figures: None,
) -> dict[str, Any]:
    """Figures of the checks, the worst over at most ``MAX_SYSTEMS`` systems.

    ``systems`` are those that the potential supports. A system on which it fails is left out
    and counted in ``n_failed``. ``findings`` are sentences for the author; with
    ``looks_for_faults`` some hundred calls more are spent on them, before which ``hand_over`` is
    given what was found by then.
    """
    steps = steps_for(dtype)
    chosen = _choose(systems)
    figures: dict[str, list[float]] = defaultdict(list)
    judged: list[str] = []
    for system in chosen:
        own_seed = seed_of("consistency", seed, system.id)
        try:
            found = _System(system.atoms, ask, own_seed, steps, offers_stress).figures()
        except NotAnsweredHere:
            continue
        judged.append(system.id)
        for name, values in found.items():
            figures[name].extend(values)
    summary = {
        **_summary(figures, judged, len(chosen), steps),
        **_electronic_figures(systems, ask),
    }
    asymmetries = _asymmetries(summary)
    remarks = [*_too_coarse(summary), *_unread(summary)]
    hand_over({**summary, "findings": [*asymmetries.values(), *remarks]})
    faults = (
        find_faults(
            systems,
            ask,
            offers_stress=offers_stress,
            dtype=dtype,
            seed=seed,
            is_repeatable="repeat" not in asymmetries,
        )
        if looks_for_faults
        else []
    )
    return {**summary, "findings": [*asymmetries.values(), *faults, *remarks]}


def _asymmetries(summary: Mapping[str, Any]) -> dict[str, str]:
    """A sentence for each symmetry that an answer breaks by more than rounding."""
    sentences = {}
    for name, (what, advice) in _SYMMETRIES.items():
        energy = summary.get(f"{name}_energy_error_meV_atom_max", 0.0)
        force = summary.get(f"{name}_force_error_eV_A_max", 0.0)
        if energy > TOLERABLE["meV/atom"] or force > TOLERABLE["eV/Å"]:
            sentences[name] = (
                f"{what}, a structure gets another answer: its energy differs by {energy:.2g} "
                f"meV/atom, its forces by {force:.2g} eV/Å. {advice}"
            )
    return sentences


def _too_coarse(summary: Mapping[str, Any]) -> Iterator[str]:
    if summary.get("is_gradient_measurable") is False:
        yield (
            f"Energies come in steps of {summary['energy_spacing_eV_max']:.1g} eV: whether forces "
            "are their gradient cannot be measured. Return energies in double precision, or "
            "without the energies of isolated atoms."
        )


def _unread(summary: Mapping[str, Any]) -> Iterator[str]:
    for name, what in (("charge", "charge"), ("spin", "spin multiplicity")):
        if summary.get(f"is_{name}_read") is False:
            yield (
                f"It ignores the {what} that structures of this task have: they get the energy of "
                f'neutral, closed-shell ones. A calculator finds it as atoms.info["{name}"].'
            )


def _electronic_figures(systems: Sequence[System], ask: Ask) -> dict[str, bool]:
    """Whether charge and spin make a difference, where the task's structures have any.

    Asked of the smallest structure with a charge, and of the smallest with unpaired electrons.
    """
    figures: dict[str, bool] = {}
    for name, neutral in (("charge", 0), ("spin", 1)):
        having = [s for s in systems if s.atoms.info.get(name, neutral) != neutral]
        if not having:
            continue
        structure = structure_of(min(having, key=lambda system: len(system.atoms)).atoms)
        without = replace(structure, charge=0) if name == "charge" else replace(structure, spin=1)
        answers = [ask(asked, ("energy", "forces")) for asked in (structure, without)]
        energies = [answer.energy for answer in answers if isinstance(answer, Prediction)]
        if len(energies) == len(answers):
            difference_eV = abs(energies[0] - energies[1]) / len(structure.numbers)
            figures[f"is_{name}_read"] = bool(difference_eV > _SAME_ENERGY_EV_ATOM)
    return figures


def _choose(systems: Sequence[System]) -> list[System]:
    """Evenly spread over the smallest quarter, so that not all are of one element."""
    smallest = sorted(systems, key=lambda system: len(system.atoms))
    smallest = smallest[: max(MAX_SYSTEMS, len(systems) // 4)]
    places = np.linspace(0, len(smallest) - 1, min(MAX_SYSTEMS, len(smallest)))
    return [smallest[int(place)] for place in places]


def _summary(
    figures: dict[str, list[float]], judged: list[str], n_asked: int, steps: Steps
) -> dict[str, Any]:
    summary: dict[str, Any] = {
        "systems": judged,
        "n_failed": n_asked - len(judged),
        "displacement_A": steps.displacement_A,
        "strain": steps.strain,
        "force_tolerance_eV_A": steps.force_tolerance_eV_A,
    }
    for name, values in figures.items():
        summary[f"{name}_max"] = float(np.max(values))
    gradient = figures.get("force_gradient_error_eV_A")
    if judged:
        summary["is_gradient_measurable"] = bool(gradient)
    if gradient:
        error_eV_A = rms(gradient)
        summary["force_gradient_error_eV_A_rms"] = error_eV_A
        summary["is_conservative_measured"] = error_eV_A <= steps.force_tolerance_eV_A
    return summary


class _System:
    """The checks on one system; each returns absolute errors."""

    def __init__(
        self, atoms: Atoms, ask: Ask, seed: int, steps: Steps, offers_stress: bool
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self.ask, self.seed, self.steps = ask, seed, steps
        self.properties = ("energy", "forces", *(("stress",) if offers_stress else ()))
        # Turned like everything else: nothing shall tell it from a scored structure.
        base = structure_of(shaken(atoms, self.rng), ElectronicState.of(atoms))
        self.structure = Disguise.from_seed(seed).apply(base)
        self.n_atoms = len(self.structure.numbers)
        self.energies_eV: list[float] = []
        self.answer = self._predict(self.structure)

    def figures(self) -> dict[str, list[float]]:
        again = Disguise.from_seed(seed_of(self.seed, "turned"))
        turned = Disguise(rotation=again.rotation, order=np.arange)
        # Every atom takes the place of its neighbour in the list.
        permuted = Disguise(rotation=np.eye(3), order=lambda n: np.roll(np.arange(n), 1))
        figures = {
            **self._difference("rotation", turned),
            **self._difference("permutation", permuted),
            # After others: a calculator that is asked twice in a row may answer from memory.
            **self._difference("repeat", None),
        }
        gradient_eV_A = self._force_gradient_errors()
        spacing_eV = energy_spacing(self.energies_eV)
        figures["energy_spacing_eV"] = [spacing_eV]
        rounding_eV_A = spacing_eV / self.steps.displacement_A
        if rounding_eV_A > self.steps.force_tolerance_eV_A:
            # What is wrong beyond all rounding is wrong: coarse energies hide no worse forces.
            beyond = [
                max(0.0, error - _N_SLOPE_SPACINGS * rounding_eV_A) for error in gradient_eV_A
            ]
            if rms(beyond) > self.steps.force_tolerance_eV_A:
                figures["force_gradient_error_eV_A"] = beyond
            return figures
        figures["force_gradient_error_eV_A"] = gradient_eV_A
        if self.answer.stress is not None and self.structure.pbc.all():
            figures["stress_gradient_error_GPa"] = self._stress_gradient_errors()
        return figures

    def _predict(self, structure: Structure) -> Prediction:
        answer = predicted(self.ask, structure, self.properties)
        self.energies_eV.append(answer.energy)
        return answer

    def _difference(self, name: str, disguise: Disguise | None) -> dict[str, list[float]]:
        """Change of the answer when the same structure is asked again, in a disguise or not."""
        if disguise is None:
            again = self._predict(self.structure)
        else:
            again = disguise.invert(self._predict(disguise.apply(self.structure)))
        difference_eV = abs(again.energy - self.answer.energy)
        spacing_eV = energy_spacing([again.energy, self.answer.energy])
        beyond_eV = max(0.0, difference_eV - _N_SPACINGS * spacing_eV)
        return {
            f"{name}_energy_error_meV_atom": [1000 * beyond_eV / self.n_atoms],
            f"{name}_force_error_eV_A": [float(np.abs(again.forces - self.answer.forces).max())],
        }

    def _force_gradient_errors(self) -> list[float]:
        """|F . d + dE/ds| in eV/Å along random unit vectors d of all coordinates."""
        errors = []
        for _ in range(N_DIRECTIONS):
            direction = unit_direction(self.rng, self.n_atoms)
            measured = self._slope(
                partial(moved, self.structure, direction), self.steps.displacement_A
            )
            errors.append(abs(float(np.sum(self.answer.forces * direction)) + measured))
        return errors

    def _stress_gradient_errors(self) -> list[float]:
        """|σ : e - (dE/ds) / V| in GPa for random symmetric strains s e with |e| = 1."""
        assert self.answer.stress is not None  # noqa: S101  (asked only where it was offered)
        stress = voigt_6_to_full_3x3_stress(self.answer.stress)
        volume = abs(float(np.linalg.det(self.structure.cell)))
        errors = []
        for _ in range(N_DIRECTIONS):
            strain = self.rng.normal(size=(3, 3))
            strain = (strain + strain.T) / np.linalg.norm(strain + strain.T)
            measured = self._slope(partial(strained, self.structure, strain), self.steps.strain)
            errors.append(
                abs(float(np.sum(stress * strain)) - measured / volume) * EV_PER_A3_IN_GPA
            )
        return errors

    def _slope(self, structure_at: Callable[[float], Structure], step: float) -> float:
        return slope(lambda amount: self._predict(structure_at(amount)).energy, step)
