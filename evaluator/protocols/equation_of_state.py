"""Equation of state: energy against volume at fixed shape and fractional coordinates.

Each crystal is scaled to its reference volume, the potential's own minimum is looked for
downhill from there, and a third-order Birch-Murnaghan equation is fitted around it. Energies
alone are asked for. Volumes are in Å³/atom, bulk moduli in GPa, Δ in meV/atom.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.units import GPa

from evaluator.arrays import FloatArray
from evaluator.metrics.energies import energy_spacing
from evaluator.metrics.equation_of_state import (
    EquationOfState,
    NoMinimum,
    delta_gauge,
    epsilon_distance,
    fit_birch_murnaghan,
    nu_distance,
)
from evaluator.protocols.base import (
    Outcome,
    Protocol,
    Sample,
    Statistic,
    System,
    SystemFailure,
    UnsuitableReference,
    require_periodic,
    require_systems,
)
from evaluator.protocols.single_point import single_point

#: Step of the search for the minimum, as a share of the reference volume. Two steps to either side
#: are as wide as the usual window, so that the search sees the curve as the fit will.
_SEARCH_STEP = 0.03
#: The fit is repeated around its own minimum until that lies within this share of the window's
#: centre. Against windows centred a hundred times closer, CHGNet's V0 differed by 0.03 % at most
#: and its bulk moduli by 0.03 % in the median and 0.5 % at most (68 elements, bromine the worst).
#: Closer means a second window for most crystals, because the curves of trained potentials are
#: rough at this scale.
_CENTRE_TOLERANCE = 1e-3
_MAX_FITS = 8
#: A curve whose energies, eV/atom, all lie this close together is flat; helium's span 100 times it.
_FLAT_EV = 1e-6

#: Of a flat curve, where it multiplies nothing.
_ANY_DERIVATIVE = 4.0
#: Steps of the energies, as a share of what the curve spans, that a fit notices.
_COARSE_SHARE = 0.01

_REFERENCE = ("volume_per_atom_A3", "bulk_modulus_GPa", "bulk_modulus_derivative")

Curve = Callable[[float], float]


def scaled_to_volume(atoms: Atoms, volume_per_atom_A3: float) -> Atoms:
    """A copy with this volume, of the same shape and fractional coordinates."""
    scaled: Atoms = atoms.copy()
    factor = (volume_per_atom_A3 * len(atoms) / atoms.get_volume()) ** (1 / 3)
    scaled.set_cell(atoms.cell * factor, scale_atoms=True)
    return scaled


class EquationOfStateProtocol(Protocol):
    """E(V) of crystals against reference equations of state."""

    name = "equation_of_state"

    def check_reference(self, systems: Sequence[System], metrics: Sequence[str]) -> None:
        require_systems(systems)
        for system in systems:
            require_periodic(system)
            for name in _REFERENCE:
                value = system.reference.get(name)
                if not isinstance(value, int | float) or not np.isfinite(value):
                    raise UnsuitableReference(f"{system.id} needs a finite {name}, not {value}.")
                # The derivative may be negative: antiferromagnetic manganese's is.
                if name != "bulk_modulus_derivative" and value <= 0:
                    raise UnsuitableReference(f"{system.id} needs a positive {name}, not {value}.")

    def expected_calls(self, parameters: Mapping[str, Any]) -> int:
        # Most take one fit and some a second; five points or a few more find the minimum.
        return 6 + int(1.2 * parameters["n_volumes"])

    def simulate(
        self, system: System, calculator: Calculator, parameters: Mapping[str, Any]
    ) -> Outcome:
        totals: list[float] = []
        energy = _energy_curve(system.atoms, calculator, totals)
        reference_volume = float(system.reference["volume_per_atom_A3"])
        search = parameters["search_range_percent"] / 100
        grid = np.linspace(-1.0, 1.0, parameters["n_volumes"])
        offsets = 1 + parameters["volume_range_percent"] / 100 * grid
        try:
            start = _walk_to_minimum(energy, reference_volume, search)
            fitted, volumes, energies = _fit_around_minimum(
                energy, start, offsets, reference_volume, search
            )
        except SystemFailure as failure:
            coarse = _coarseness(totals, len(system.atoms))
            # What is no answer at all keeps its own kind.
            if not coarse or type(failure) is not SystemFailure:
                raise
            raise SystemFailure(f"{failure} {coarse}") from failure
        outcome = _outcome(system, fitted, volumes, energies)
        if coarse := _coarseness(totals, len(system.atoms)):
            outcome.values["remark"] = coarse
        return outcome

    def samples(
        self,
        systems: Sequence[System],
        outcomes: Sequence[Outcome | None],
        parameters: Mapping[str, Any],
    ) -> tuple[dict[str, Sample], list[dict[str, Any]]]:
        predicted = {n: _column(outcomes, n) for n in (*_REFERENCE, "delta_meV", "nu", "epsilon")}
        reference = {n: np.array([s.reference[n] for s in systems], float) for n in _REFERENCE}
        error = {n: np.abs(predicted[n] - reference[n]) for n in _REFERENCE}
        relative = {n: 100 * error[n] / reference[n] for n in _REFERENCE}
        ratio = predicted["bulk_modulus_GPa"] / reference["bulk_modulus_GPa"]
        return {
            "eos_delta_mean": _sample(predicted["delta_meV"]),
            "volume_relative_error": _sample(relative["volume_per_atom_A3"]),
            "bulk_modulus_mae": _sample(error["bulk_modulus_GPa"]),
            "bulk_modulus_relative_error": _sample(relative["bulk_modulus_GPa"]),
            "bulk_modulus_derivative_mae": _sample(error["bulk_modulus_derivative"]),
            "bulk_modulus_ratio_median": _sample(ratio, Statistic.MEDIAN),
            "eos_nu_distance": _sample(predicted["nu"], Statistic.MEDIAN),
            "eos_epsilon_distance": _sample(np.minimum(predicted["epsilon"], 1.0)),
        }, [{} for _ in systems]

    def uninformed(
        self, systems: Sequence[System], parameters: Mapping[str, Any]
    ) -> dict[str, FloatArray]:
        """A flat curve: no stiffness, and of Δ as much as the reference's own curve rises."""
        modulus = np.array([s.reference["bulk_modulus_GPa"] for s in systems], dtype=float)
        return {
            "eos_delta_mean": np.array([_rise(system) for system in systems]),
            "bulk_modulus_mae": modulus,
            "bulk_modulus_relative_error": np.full(len(systems), 100.0),
            "bulk_modulus_ratio_median": np.ones(len(systems)),
            "eos_epsilon_distance": np.ones(len(systems)),
        }

    def summary(
        self,
        systems: Sequence[System],
        outcomes: Sequence[Outcome | None],
        parameters: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Of sets with families: ν and ε of each, ε counted as 1 where a crystal has failed."""
        nu, epsilon = _column(outcomes, "nu"), _column(outcomes, "epsilon")
        charged = np.where(np.isfinite(epsilon), np.minimum(epsilon, 1.0), 1.0)
        families = np.array([system.family for system in systems])
        table = {}
        for family in sorted({str(name) for name in families} - {""}):
            members = families == family
            known = nu[members & np.isfinite(nu)]
            table[family] = {
                "n": int(members.sum()),
                "n_failed": int(members.sum()) - len(known),
                "nu_median": float(np.median(known)) if len(known) else None,
                "epsilon_mean_with_failures": float(charged[members].mean()),
            }
        return {"nu_and_epsilon_by_family": table} if table else {}


def _rise(system: System) -> float:
    """Δ in meV/atom between the reference and a curve that does not depend on the volume."""
    reference = _reference_curve(system)
    flat = EquationOfState(
        volume=reference.volume, bulk_modulus=0.0, bulk_modulus_derivative=_ANY_DERIVATIVE
    )
    return delta_gauge(flat, reference)


def _reference_curve(system: System) -> EquationOfState:
    known = system.reference
    return EquationOfState(
        volume=known["volume_per_atom_A3"],
        bulk_modulus=known["bulk_modulus_GPa"] * GPa,
        bulk_modulus_derivative=known["bulk_modulus_derivative"],
    )


def _coarseness(totals: Sequence[float], n_atoms: int) -> str:
    """A sentence where rounding alone moves the curve by much of its depth; else empty.

    All-electron energies in single precision do: the fit then tells of the rounding.
    """
    if not totals:
        return ""
    with np.errstate(over="ignore"):
        depth_eV = float(np.ptp(totals))
    step_eV = energy_spacing(totals)
    if step_eV < _COARSE_SHARE * depth_eV or depth_eV < _FLAT_EV * n_atoms:
        return ""
    return (
        f"Its energies come in steps of {step_eV:.1g} eV, where the whole curve spans "
        f"{depth_eV:.2g} eV: return them in double precision, or without the energies of isolated "
        "atoms."
    )


def _sample(values: FloatArray, statistic: Statistic = Statistic.MEAN) -> Sample:
    return Sample(
        values=values,
        weights=np.ones(len(values)),
        missing=np.zeros(len(values), dtype=bool),
        statistic=statistic,
    )


def _column(outcomes: Sequence[Outcome | None], name: str) -> FloatArray:
    # Records from before these columns lack them.
    values = [np.nan if o is None else o.values.get(name, np.nan) for o in outcomes]
    return np.array(values, dtype=float)


def _energy_curve(atoms: Atoms, calculator: Calculator, totals: list[float]) -> Curve:
    """Energy per atom in eV as a function of the volume per atom in Å³.

    ``totals`` takes the energies as they were answered.
    """

    def energy(volume: float) -> float:
        totals.append(single_point(scaled_to_volume(atoms, volume), calculator).energy)
        return totals[-1] / len(atoms)

    return energy


def _walk_to_minimum(energy: Curve, reference_volume: float, search: float) -> float:
    """Go downhill from the reference volume until both neighbours lie higher, and fit five points.

    The walk sees no more of the curve than it must: far compression and far expansion, where
    many potentials leave their domain, are visited only by a potential that leads there.
    """
    n_steps = int(np.ceil(search / _SEARCH_STEP - 1e-9))
    step = search / n_steps
    seen: dict[int, float] = {}

    def at(i: int) -> float:
        if i not in seen:
            seen[i] = energy(reference_volume * (1 + i * step))
        return seen[i]

    i = 0
    while at(i - 1) < at(i) or at(i + 1) < at(i):
        i += -1 if at(i - 1) < at(i + 1) else 1
        if abs(i) >= n_steps:
            raise SystemFailure(
                f"No minimum of the energy within {100 * search:g} % of the reference volume: it "
                f"still falls at {100 * i * step:+.0f} %."
            )
    near = range(i - 2, i + 3)
    volumes = reference_volume * (1 + step * np.array(near, dtype=float))
    return _minimum_near_the_middle(volumes, np.array([at(k) for k in near]))


def _minimum_near_the_middle(volumes: FloatArray, energies: FloatArray) -> float:
    """Where five points that bracket a minimum with the middle three put it, as an estimate."""
    try:
        estimate = fit_birch_murnaghan(volumes, energies).volume
    except NoMinimum:
        return float(volumes[2])
    return float(np.clip(estimate, volumes[1], volumes[3]))


def _fit_around_minimum(
    energy: Curve,
    centre: float,
    offsets: FloatArray,
    reference_volume: float,
    search: float,
) -> tuple[EquationOfState, FloatArray, FloatArray]:
    """Fit, move the window to the fitted minimum, and fit again until the window is centred."""
    for _ in range(_MAX_FITS):
        volumes = centre * offsets
        energies = np.array([energy(volume) for volume in volumes])
        if np.ptp(energies) < _FLAT_EV:
            raise SystemFailure("The energy does not depend on the volume.")
        try:
            fitted = fit_birch_murnaghan(volumes, energies)
        except NoMinimum as error:
            raise SystemFailure(str(error)) from None
        # A fit may put its minimum far outside the points that it knows: go no further than they.
        target = float(np.clip(fitted.volume, volumes[0], volumes[-1]))
        if abs(target / centre - 1) < _CENTRE_TOLERANCE:
            return fitted, volumes, energies
        centre = target
        if abs(centre / reference_volume - 1) > search:
            raise SystemFailure(
                f"The fitted minimum left the {100 * search:g} % around the reference volume."
            )
    raise SystemFailure(
        f"The minimum of the energy still moved after {_MAX_FITS} fits: the curve is not smooth."
    )


def _outcome(
    system: System, fitted: EquationOfState, volumes: FloatArray, energies: FloatArray
) -> Outcome:
    reference = _reference_curve(system)
    return Outcome(
        values={
            "element": system.atoms.get_chemical_formula(empirical=True),
            "volume_per_atom_A3": fitted.volume,
            "bulk_modulus_GPa": fitted.bulk_modulus / GPa,
            "bulk_modulus_derivative": fitted.bulk_modulus_derivative,
            "delta_meV": delta_gauge(fitted, reference),
            "nu": nu_distance(fitted, reference),
            "epsilon": epsilon_distance(fitted, reference),
            "curve_volumes_A3": [round(float(v), 6) for v in volumes],
            "curve_energies_meV": [round(1000 * float(e), 6) for e in energies - energies.min()],
        }
    )
