"""Phonons: relax a crystal in its space group, displace atoms, compare harmonic modes.

A reference may hold the modes themselves (``frequencies_THz`` on ``qpoints`` with
``qpoint_weights``) or some of the numbers made of them, or the Γ frequency alone. Imaginary modes
are data: their frequencies are negative, and a crystal that has them is not failed for it.

Atoms are displaced twice, by the scored amount and by a smaller one: the change of the frequencies
is the roughness of the potential at the scale of thermal motion, published beside its errors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import units
from ase.calculators.calculator import Calculator

from evaluator.arrays import FloatArray
from evaluator.exceptions import InfrastructureError
from evaluator.metrics import phonons as metrics
from evaluator.protocols.base import (
    Outcome,
    Protocol,
    Sample,
    Statistic,
    System,
    UnsuitableReference,
    material,
    require_periodic,
    require_systems,
)
from evaluator.protocols.relaxation import relax, right_handed, space_group

if TYPE_CHECKING:
    from evaluator.protocols.phonons.lattice_dynamics import Bands

TEMPERATURE_K = 300.0
#: Tolerances at which the summary counts unstable crystals, beside the task's own.
_TOLERANCES_THZ = (0.05, 0.1, 0.2, 0.3)
_DOS_POINTS = 101
#: Three times the gas constant.
_DULONG_PETIT_J_K_MOL = 3 * units.kB * units.mol / units.J
#: Of a supercell: its force constants take memory by the square.
_MOST_ATOMS = 2000
_MODES = ("frequencies_THz", "qpoints", "qpoint_weights")

#: By metric, the number of the record whose absolute error it is.
_ABSOLUTE = {
    "omega_max_mae": "omega_max_THz",
    "omega_mean_mae": "omega_mean_THz",
    "gamma_max_mae": "gamma_max_THz",
    "heat_capacity_mae": "heat_capacity_J_K_mol",
    "entropy_mae": "entropy_J_K_mol",
    "free_energy_mae": "free_energy_kJ_mol",
}
#: By metric, what the reference must hold for it; roughness needs none.
NEEDS = _ABSOLUTE | {
    "omega_max_relative_error": "omega_max_THz",
    "omega_max_ratio_median": "omega_max_THz",
    "gamma_max_relative_error": "gamma_max_THz",
    "gamma_max_ratio_median": "gamma_max_THz",
    "dos_distance": "frequencies_THz",
    "frequency_slope_median": "frequencies_THz",
    "stability_score": "omega_min_THz",
}


class PhononsProtocol(Protocol):
    """Harmonic modes of crystals against reference modes."""

    name = "phonons"

    def check_reference(self, systems: Sequence[System], metrics: Sequence[str]) -> None:
        require_systems(systems)
        for system in systems:
            _check_crystal(system)
            _check_modes(system)
        for metric in metrics:
            name = NEEDS.get(metric)
            if name is None:
                continue
            if not any(name in system.reference for system in systems):
                raise UnsuitableReference(f"{metric} needs {name}, which no structure has.")
            if metric.endswith(("_relative_error", "_ratio_median")):
                for system in systems:
                    if system.reference.get(name, 1.0) <= 0:
                        raise UnsuitableReference(f"{system.id} needs a positive {name}.")

    def expected_calls(self, parameters: Mapping[str, Any]) -> int:
        return 30  # most of them for the relaxation

    def simulate(
        self, system: System, calculator: Calculator, parameters: Mapping[str, Any]
    ) -> Outcome:
        try:
            from evaluator.protocols.phonons import lattice_dynamics as dynamics
        except ModuleNotFoundError as error:
            raise InfrastructureError(
                f"Phonons need {error.name}: install the extra 'evaluator'."
            ) from error
        known, symprec = system.reference, parameters["symprec_A"]
        crystal = right_handed(system.atoms)
        relaxed = relax(
            crystal,
            calculator,
            fmax_eV_A=parameters["fmax_eV_A"],
            max_steps=parameters["max_relaxation_steps"],
            max_volume_change_percent=parameters["max_volume_change_percent"],
            symprec_A=symprec,
        )
        if "supercell_matrix" in known:
            supercell = np.rint(known["supercell_matrix"]).astype(np.int64)
        else:
            supercell = dynamics.supercell_of_length(crystal, parameters["supercell_length_A"])
        has_modes = "frequencies_THz" in known
        phonon = dynamics.force_constants(
            relaxed.atoms,
            calculator,
            supercell_matrix=supercell,
            is_primitive=has_modes,
            displacement_A=parameters["displacement_A"],
            symprec_A=symprec,
        )
        if has_modes:
            qpoints, weights = known["qpoints"], known["qpoint_weights"]
        else:
            qpoints, weights = dynamics.mesh_of(phonon, parameters["mesh"])
        frequencies = dynamics.frequencies_at(phonon, qpoints)
        gamma = dynamics.frequencies_at(phonon, np.zeros((1, 3)))[0]
        values: dict[str, Any] = {
            "formula": material(system.atoms),
            "space_group": space_group(relaxed.atoms, symprec),
            "has_imaginary_modes": metrics.is_unstable(
                float(frequencies.min()), parameters["imaginary_tolerance_THz"]
            ),
            **mode_numbers(frequencies, weights, metrics.highest_at_gamma(gamma)),
            "volume_change_percent": relaxed.volume_change_percent,
            "n_relaxation_steps": relaxed.n_steps,
            "max_force_eV_A": relaxed.max_force_eV_A,
            "n_displacements": len(phonon.displacements),
            "n_supercell_atoms": len(phonon.supercell),
        }
        before = space_group(system.atoms, symprec)
        if values["space_group"] != before:
            values["remark"] = f"It has left {before}."
        if has_modes:
            reference = known["frequencies_THz"]
            values["dos_distance_THz"] = metrics.dos_distance(frequencies, reference, weights)
            values["frequency_slope"] = metrics.frequency_slope(frequencies, reference, weights)
        values["dos"] = dos_curve(frequencies, weights)
        if parameters["keeps_bands"]:
            values["bands"] = _bands(dynamics.bands_along_path(phonon, symprec))
        if parameters["roughness_displacement_A"]:
            # Last of all: the force constants of the scored displacement are gone then.
            dynamics.displace(phonon, calculator, parameters["roughness_displacement_A"])
            values |= _roughness(
                dynamics.frequencies_at(phonon, qpoints),
                frequencies,
                weights,
                metrics.highest_at_gamma(dynamics.frequencies_at(phonon, np.zeros((1, 3)))[0]),
            )
        return Outcome(values=values)

    def samples(
        self,
        systems: Sequence[System],
        outcomes: Sequence[Outcome | None],
        parameters: Mapping[str, Any],
    ) -> tuple[dict[str, Sample], list[dict[str, Any]]]:
        def pair(name: str) -> tuple[FloatArray, FloatArray]:
            return _predicted(outcomes, name), _reference(systems, name)

        by_metric: dict[str, tuple[FloatArray, str, Statistic]] = {}
        for key, name in _ABSOLUTE.items():
            predicted, reference = pair(name)
            by_metric[key] = (np.abs(predicted - reference), name, Statistic.MEAN)
        for key, name in (("omega_max", "omega_max_THz"), ("gamma_max", "gamma_max_THz")):
            ratio = _ratio(*pair(name))
            by_metric[f"{key}_relative_error"] = (100 * np.abs(ratio - 1), name, Statistic.MEAN)
            by_metric[f"{key}_ratio_median"] = (ratio, name, Statistic.MEDIAN)
        for key, name, statistic in (
            ("dos_distance", "dos_distance_THz", Statistic.MEAN),
            ("frequency_slope_median", "frequency_slope", Statistic.MEDIAN),
        ):
            by_metric[key] = (_predicted(outcomes, name), "frequencies_THz", statistic)
        by_metric["stability_score"] = (
            _is_right(systems, outcomes, parameters["imaginary_tolerance_THz"]),
            "omega_min_THz",
            Statistic.MEAN,
        )
        samples = {
            key: Sample(
                values=values,
                weights=np.ones(len(systems)),
                missing=np.array([name not in s.reference for s in systems], dtype=bool),
                statistic=statistic,
            )
            for key, (values, name, statistic) in by_metric.items()
        }
        samples["phonon_roughness_median"] = _roughness_sample(outcomes, parameters)
        return samples, [{} for _ in systems]

    def smoothness(self, outcomes: Sequence[Outcome | None]) -> dict[str, float]:
        values = _measured_roughness(outcomes)
        return {"phonon_roughness_percent_median": float(np.median(values))} if len(values) else {}

    def uninformed(
        self, systems: Sequence[System], parameters: Mapping[str, Any]
    ) -> dict[str, FloatArray]:
        """Modes without restoring forces, all of them zero; and the heat capacity 3 R of each atom.

        That is what Dulong and Petit's rule says without a potential.
        """
        samples, _ = self.samples(systems, [_without_forces(s) for s in systems], parameters)
        errors = {
            key: samples[key].values
            for key in ("omega_max_mae", "omega_mean_mae", "gamma_max_mae", "dos_distance")
        }
        capacity = _reference(systems, "heat_capacity_J_K_mol")
        return errors | {
            "heat_capacity_mae": np.abs(_DULONG_PETIT_J_K_MOL - capacity),
            "omega_max_relative_error": np.full(len(systems), 100.0),
            "gamma_max_relative_error": np.full(len(systems), 100.0),
            "stability_score": 1 - samples["stability_score"].values,
        }

    def reference_values(self, system: System) -> dict[str, Any]:
        values = super().reference_values(system)
        if "frequencies_THz" in system.reference:
            frequencies, _, weights = (system.reference[name] for name in _MODES)
            values["dos"] = dos_curve(frequencies, weights)
        return values

    def summary(
        self,
        systems: Sequence[System],
        outcomes: Sequence[Outcome | None],
        parameters: Mapping[str, Any],
    ) -> dict[str, Any]:
        pairs = [
            (float(o.values["omega_min_THz"]), float(s.reference["omega_min_THz"]))
            for s, o in zip(systems, outcomes, strict=True)
            if o is not None and "omega_min_THz" in s.reference
        ]
        # A reference that knows of no lowest mode tells nothing of stability.
        tolerances = {parameters["imaginary_tolerance_THz"], *_TOLERANCES_THZ} if pairs else set()
        ratios = _ratio(_predicted(outcomes, "omega_max_THz"), _reference(systems, "omega_max_THz"))
        ratios = ratios[np.isfinite(ratios)]
        changed = [o for o in outcomes if o is not None and "remark" in o.values]
        return {
            "stability": [_stability(pairs, t) for t in sorted(tolerances)],
            "omega_max_below_reference_percent": (
                100 * float(np.mean(ratios < 1)) if len(ratios) else None
            ),
            "n_space_group_changed": len(changed),
            **_roughness_summary(outcomes, parameters),
        }


def _without_forces(system: System) -> Outcome:
    """What a crystal without restoring forces would show."""
    values: dict[str, Any] = dict.fromkeys(
        ("omega_max_THz", "omega_mean_THz", "omega_min_THz", "gamma_max_THz"), 0.0
    )
    if "frequencies_THz" in system.reference:
        reference, _, weights = (np.asarray(system.reference[name]) for name in _MODES)
        zeros = np.zeros_like(reference)
        values["dos_distance_THz"] = metrics.dos_distance(zeros, reference, weights)
    return Outcome(values=values)


def mode_numbers(frequencies: FloatArray, weights: FloatArray, gamma_max: float) -> dict[str, Any]:
    """The numbers of a mode spectrum under the names of the record and of the reference."""
    thermal = metrics.thermodynamics(frequencies, weights, TEMPERATURE_K)
    return {
        "omega_max_THz": float(frequencies.max()),
        "omega_mean_THz": metrics.mean_frequency(frequencies, weights),
        "omega_min_THz": float(frequencies.min()),
        "gamma_max_THz": gamma_max,
        "heat_capacity_J_K_mol": thermal.heat_capacity,
        "entropy_J_K_mol": thermal.entropy,
        "free_energy_kJ_mol": thermal.free_energy,
    }


def dos_curve(frequencies: FloatArray, weights: FloatArray) -> dict[str, list[float]]:
    """A smeared density of states for plots, from its lowest to its highest mode."""
    width = max(float(np.ptp(frequencies)), 0.1) / 60
    grid = np.linspace(frequencies.min() - 3 * width, frequencies.max() + 3 * width, _DOS_POINTS)
    states = metrics.density_of_states(frequencies, weights, grid, width)
    return {
        "frequency_THz": np.round(grid, 3).tolist(),
        "states_per_THz_atom": np.round(states, 4).tolist(),
    }


def _bands(bands: Bands) -> dict[str, Any]:
    """Bands for plots: one list of frequencies for each branch."""
    return {
        "distance": np.round(bands.distances, 4).tolist(),
        "frequency_THz": np.round(bands.frequencies.T, 3).tolist(),
        "corners": [[round(distance, 4), name] for distance, name in bands.labels],
    }


def _roughness(
    small: FloatArray, large: FloatArray, weights: FloatArray, gamma_max: float
) -> dict[str, Any]:
    """What the smaller displacement gave; no roughness where nothing vibrates."""
    values: dict[str, Any] = {
        "omega_mean_small_THz": metrics.mean_frequency(small, weights),
        "gamma_max_small_THz": gamma_max,
    }
    percent = metrics.roughness(small, large, weights)
    return values if percent is None else values | {"roughness_percent": percent}


def _measured_roughness(outcomes: Sequence[Outcome | None]) -> FloatArray:
    """In percent, of the crystals that vibrate."""
    values = _predicted(outcomes, "roughness_percent")
    return values[np.isfinite(values)]


def _roughness_sample(outcomes: Sequence[Outcome | None], parameters: Mapping[str, Any]) -> Sample:
    """Missing where it was not asked for, or where nothing vibrates: flat is not rough."""
    values = _predicted(outcomes, "roughness_percent")
    is_answered = np.array([outcome is not None for outcome in outcomes], dtype=bool)
    return Sample(
        values=values,
        weights=np.ones(len(values)),
        missing=(is_answered & ~np.isfinite(values)) | (not parameters["roughness_displacement_A"]),
        statistic=Statistic.MEDIAN,
    )


def _roughness_summary(
    outcomes: Sequence[Outcome | None], parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """Over the crystals that vibrate: in how many the frequencies depend on the displacement."""
    if not parameters["roughness_displacement_A"]:
        return {}
    values = _measured_roughness(outcomes)
    return {
        "roughness": {
            "displacement_A": parameters["displacement_A"],
            "second_displacement_A": parameters["roughness_displacement_A"],
            "median_percent": float(np.median(values)) if len(values) else None,
            "worst_percent": float(values.max()) if len(values) else None,
            "n_measured": len(values),
            "n_not_measurable": sum(o is not None for o in outcomes) - len(values),
        }
    }


def _check_crystal(system: System) -> None:
    require_periodic(system)
    if "supercell_matrix" in system.reference:
        matrix = np.asarray(system.reference["supercell_matrix"])
        is_whole = matrix.shape == (3, 3) and np.allclose(matrix, np.rint(matrix), atol=1e-6)
        if not is_whole or (n_cells := np.linalg.det(np.rint(matrix))) < 0.5:
            raise UnsuitableReference(
                f"{system.id} needs a supercell_matrix of 3 x 3 integers of positive determinant."
            )
        if n_cells * len(system.atoms) > _MOST_ATOMS:
            raise UnsuitableReference(
                f"{system.id}: the supercell_matrix makes {n_cells * len(system.atoms):.0f} atoms, "
                f"more than {_MOST_ATOMS}."
            )
    lowest, highest = (system.reference.get(name) for name in ("omega_min_THz", "omega_max_THz"))
    if lowest is not None and highest is not None and lowest > highest:
        raise UnsuitableReference(
            f"{system.id}: omega_min_THz {lowest:g} is above omega_max_THz {highest:g}."
        )


def _check_modes(system: System) -> None:
    given = [name for name in _MODES if name in system.reference]
    if not given:
        return
    if len(given) < len(_MODES):
        raise UnsuitableReference(f"{system.id} needs all or none of {', '.join(_MODES)}.")
    frequencies, qpoints, weights = (np.asarray(system.reference[name]) for name in _MODES)
    n = len(weights)
    if frequencies.shape != (n, 3 * len(system.atoms)) or qpoints.shape != (n, 3):
        raise UnsuitableReference(
            f"{system.id}: {n} weights, q-points of shape {qpoints.shape} and frequencies of "
            f"shape {frequencies.shape} do not fit {len(system.atoms)} atoms."
        )
    if n == 0 or (weights <= 0).any():
        raise UnsuitableReference(f"{system.id}: the weights of q-points must be positive.")


def _predicted(outcomes: Sequence[Outcome | None], name: str) -> FloatArray:
    return np.array([np.nan if o is None else o.values.get(name, np.nan) for o in outcomes], float)


def _reference(systems: Sequence[System], name: str) -> FloatArray:
    return np.array([s.reference.get(name, np.nan) for s in systems], dtype=float)


def _ratio(predicted: FloatArray, reference: FloatArray) -> FloatArray:
    """Predicted over reference; NaN where the reference has no mode above zero to divide by."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = predicted / reference
    return np.where(reference > 0, ratio, np.nan)


def _is_right(
    systems: Sequence[System], outcomes: Sequence[Outcome | None], tolerance: float
) -> FloatArray:
    """One where a crystal is in its right class, zero in the wrong one, NaN where it failed."""
    predicted = _predicted(outcomes, "omega_min_THz")
    reference = _reference(systems, "omega_min_THz")
    right = (predicted < -tolerance) == (reference < -tolerance)
    return np.where(np.isfinite(predicted), right.astype(float), np.nan)


def _stability(pairs: Sequence[tuple[float, float]], tolerance: float) -> dict[str, Any]:
    counts = metrics.stability_counts(
        [metrics.is_unstable(p, tolerance) for p, _ in pairs],
        [metrics.is_unstable(r, tolerance) for _, r in pairs],
    )
    return {
        "tolerance_THz": tolerance,
        "true_unstable": counts.true_unstable,
        "false_unstable": counts.false_unstable,
        "true_stable": counts.true_stable,
        "false_stable": counts.false_stable,
        "accuracy": counts.accuracy,
        "f1": counts.f1,
    }
