"""Energies, forces and stress: single points on the structures of a reference set.

Pooled numbers weigh every force component (energies and stresses: every structure) alike. The
values handed to the scoring are per structure, weighted so that their weighted mean is the pooled
number. Energies are errors per atom, in meV/atom; forces in eV/Å; stress in GPa.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from ase.calculators.calculator import Calculator

from evaluator.arrays import FloatArray
from evaluator.catalog import METRICS, Direction
from evaluator.frames import FrameErrors, force_errors
from evaluator.metrics import forces as force_metrics
from evaluator.metrics import uncertainty as uncertainty_metrics
from evaluator.metrics.energies import composition_fractions, composition_shift
from evaluator.metrics.stresses import pressure, stress_errors
from evaluator.protocols.base import (
    Differences,
    Outcome,
    Protocol,
    Sample,
    Statistic,
    System,
    SystemFailure,
    UnsuitableReference,
    require_systems,
)
from evaluator.protocols.energy_forces_summary import dummy_errors, summarise
from evaluator.protocols.single_point import SinglePoint, single_point

_ENERGY_METRICS = ("energy_mae", "energy_rmse", "energy_relative_error")
#: Answers beyond are told as if they were this: nobody learns more from their size.
_ABSURD_EV = 1e90
_STRESS_METRICS = ("stress_mae", "stress_rmse")


class EnergyForcesProtocol(Protocol):
    """Single points against a reference set's energies, forces and stresses."""

    name = "energy_forces"

    def check_reference(self, systems: Sequence[System], metrics: Sequence[str]) -> None:
        require_systems(systems)
        if any(metric in _ENERGY_METRICS for metric in metrics):
            _demand(systems, "energy", ())
        if any(metric not in (*_ENERGY_METRICS, *_STRESS_METRICS) for metric in metrics):
            for system in systems:
                _demand([system], "forces", (len(system.atoms), 3))
        has_stress = [system for system in systems if system.reference.get("stress") is not None]
        if any(metric in _STRESS_METRICS for metric in metrics):
            _demand(has_stress or systems, "stress", (6,))

    def simulate(
        self, system: System, calculator: Calculator, parameters: Mapping[str, Any]
    ) -> Outcome:
        known = [name for name in ("forces", "stress") if _known(system, name) is not None]
        properties = ("energy", *known, "energy_uncertainty")
        answer = single_point(system.atoms, calculator, properties)
        if "forces" in known and answer.forces is None:
            raise SystemFailure("The potential gave no forces.")
        arrays = {"energy": np.array([answer.energy])}
        if "forces" in known and answer.forces is not None:
            arrays["forces"] = answer.forces
        if "stress" in known and answer.stress is not None:
            arrays["stress"] = answer.stress
        if answer.energy_uncertainty is not None and answer.energy_uncertainty > 0:
            arrays["energy_uncertainty"] = np.array([answer.energy_uncertainty])
        return Outcome(values=_values(system, answer), arrays=arrays)

    def samples(
        self,
        systems: Sequence[System],
        outcomes: Sequence[Outcome | None],
        parameters: Mapping[str, Any],
    ) -> tuple[dict[str, Sample], list[dict[str, Any]]]:
        samples: dict[str, Sample] = {}
        rows: list[dict[str, Any]] = [{} for _ in systems]
        if all(_known(system, "energy") is not None for system in systems):
            errors, _, dummy = _energy_errors(systems, outcomes, parameters)
            samples |= _energy_samples(errors, dummy, _differences(systems, outcomes, parameters))
            for row, error, outcome in zip(rows, errors, outcomes, strict=True):
                if outcome is not None:
                    row["energy_error_meV_per_atom"] = 1000 * float(error)
            own = 1000 * np.minimum(_own_uncertainties(systems, outcomes), _ABSURD_EV)
            for row, sigma in zip(rows, own, strict=True):
                if np.isfinite(sigma):
                    row["own_energy_uncertainty_meV_per_atom"] = float(sigma)
        if all(_known(system, "forces") is not None for system in systems):
            samples |= _force_samples(systems, outcomes)
        if any(_known(system, "stress") is not None for system in systems):
            samples |= _stress_samples(systems, outcomes)
        return samples, rows

    def uninformed(
        self, systems: Sequence[System], parameters: Mapping[str, Any]
    ) -> dict[str, FloatArray]:
        """No forces and no stress; of energies what a composition tells.

        What it misses by is, for energies, the mean (or root mean square) over the structures of a
        cluster: that the energy of one structure comes near the mean is no merit of a guess.
        """
        samples, _ = self.samples(systems, [_nothing(system) for system in systems], parameters)
        errors = {
            key: sample.rooted
            for key, sample in samples.items()
            if METRICS[key].direction is Direction.LOWER
        }
        clusters = np.array(self.clusters(systems))
        for key in _ENERGY_METRICS:
            if key in errors:
                is_rms = samples[key].statistic is Statistic.RMS
                errors[key] = _over_clusters(errors[key], clusters, is_rms=is_rms)
        return errors

    def frame_errors(
        self,
        systems: Sequence[System],
        outcomes: Sequence[Outcome | None],
        parameters: Mapping[str, Any],
    ) -> FrameErrors | None:
        """Energies as they are scored: after the composition shift, where the task makes one."""
        energies = np.full(len(systems), np.nan)
        if all(_known(system, "energy") is not None for system in systems):
            energies = 1000 * _energy_errors(systems, outcomes, parameters)[0]
        forces: list[FloatArray] = [np.empty((0, 3)) for _ in systems]
        references = [_known(system, "forces") for system in systems]
        if all(reference is not None for reference in references):
            forces = [
                force_errors(None if outcome is None else outcome.arrays["forces"], reference)
                for outcome, reference in zip(outcomes, references, strict=True)
                if reference is not None
            ]
        return FrameErrors(energies_meV_atom=energies, forces_eV_A=forces)

    def reference_values(self, system: System) -> dict[str, Any]:
        values: dict[str, Any] = {}
        energy, forces, stress = (_known(system, name) for name in ("energy", "forces", "stress"))
        if energy is not None:
            values["energy_per_atom_eV"] = float(energy) / len(system.atoms)
        if forces is not None:
            values["force_rms_eV_A"] = float(np.sqrt(np.mean(forces**2)))
        if stress is not None:
            values["pressure_GPa"] = pressure(stress)
        return values

    def summary(
        self,
        systems: Sequence[System],
        outcomes: Sequence[Outcome | None],
        parameters: Mapping[str, Any],
    ) -> dict[str, Any]:
        judged = [(s, o) for s, o in zip(systems, outcomes, strict=True) if o is not None]
        summary: dict[str, Any] = summarise(judged)
        dummy_rmse = None
        if judged and all(_known(system, "energy") is not None for system in systems):
            errors, shift, dummy_rmse = _energy_errors(systems, outcomes, parameters)
            if told := _told_uncertainty(systems, outcomes, errors):
                summary["own_energy_uncertainty"] = told
            summary["energy_reference"] = parameters["energy_reference"]
            summary["energy_shift_eV_per_atom"] = shift
        if judged:
            summary["dummy"] = dummy_errors(systems, dummy_rmse)
        return summary


def _nothing(system: System) -> Outcome:
    """An answer of zeros."""
    return Outcome(
        values={},
        arrays={
            "energy": np.zeros(1),
            "forces": np.zeros((len(system.atoms), 3)),
            "stress": np.zeros(6),
        },
    )


def _over_clusters(errors: FloatArray, clusters: np.ndarray, *, is_rms: bool) -> FloatArray:
    """Errors pooled over the systems of each cluster; over all for one that is alone in its own."""
    values = errors**2 if is_rms else errors
    _, index = np.unique(clusters, return_inverse=True)
    n_alike = np.bincount(index)
    means = np.where(n_alike > 1, np.bincount(index, values) / n_alike, np.mean(values))
    pooled: FloatArray = (np.sqrt(means) if is_rms else means)[index]
    return pooled


def _known(system: System, name: str) -> FloatArray | None:
    value = system.reference.get(name)
    return None if value is None else np.asarray(value, dtype=float)


def _demand(systems: Sequence[System], name: str, shape: tuple[int, ...]) -> None:
    for system in systems:
        value = _known(system, name)
        if value is None:
            raise UnsuitableReference(f"{system.id} has no reference {name}.")
        if value.shape != shape or not np.isfinite(value).all():
            raise UnsuitableReference(
                f"{system.id}: the reference {name} must be finite numbers of shape {shape}, "
                f"not {value.shape}."
            )


def _values(system: System, answer: SinglePoint) -> dict[str, Any]:
    """What the table of systems shows; names carry units."""
    n_atoms = len(system.atoms)
    values: dict[str, Any] = {
        "formula": system.atoms.get_chemical_formula("metal"),
        "n_atoms": n_atoms,
        "energy_per_atom_eV": answer.energy / n_atoms,
    }
    reference = _known(system, "forces")
    if reference is not None and answer.forces is not None:
        values["force_mae_eV_A"] = force_metrics.force_mae(answer.forces, reference)
        values["force_rms_eV_A"] = float(np.sqrt(np.mean(answer.forces**2)))
        values["force_cosine"] = force_metrics.force_cosine_mean(answer.forces, reference)
        if force_metrics.has_slope(reference):
            values["softening_slope"] = force_metrics.softening_slope(answer.forces, reference)
    stress = _known(system, "stress")
    if stress is not None and answer.stress is not None:
        values["stress_mae_GPa"] = float(np.mean(np.abs(stress_errors(answer.stress, stress))))
        values["pressure_GPa"] = pressure(answer.stress)
    return values


def _energy_errors(
    systems: Sequence[System], outcomes: Sequence[Outcome | None], parameters: Mapping[str, Any]
) -> tuple[FloatArray, dict[str, float], float]:
    """Errors per atom in eV (NaN where failed), the shift by element, and the dummy's RMSE in eV.

    The dummy knows compositions only: the best energies by element after a composition shift,
    else the mean energy per atom. It is made of the whole set, whoever is judged.
    """
    fractions, elements = composition_fractions([system.atoms.numbers for system in systems])
    n_atoms = np.array([len(system.atoms) for system in systems])
    reference = np.array([float(system.reference["energy"]) for system in systems]) / n_atoms
    totals = [np.nan if o is None else float(o.arrays["energy"][0]) for o in outcomes]
    errors = np.array(totals) / n_atoms - reference
    if parameters["energy_reference"] == "as_is":
        return errors, {}, float(np.std(reference))
    judged = np.isfinite(errors)
    shift = composition_shift(errors[judged], fractions[judged])
    residual = reference - fractions @ composition_shift(reference, fractions)
    by_element = {e: float(v) for e, v in zip(elements, shift, strict=True)}
    return errors - fractions @ shift, by_element, float(np.sqrt(np.mean(residual**2)))


def _differences(
    systems: Sequence[System], outcomes: Sequence[Outcome | None], parameters: Mapping[str, Any]
) -> Differences | None:
    """Energies in eV/atom, which tell structures of one composition apart; None of total energies.

    A shift that is fitted to what was answered would be another without the outliers.
    """
    if parameters["energy_reference"] == "as_is":
        return None
    n_atoms = np.array([len(system.atoms) for system in systems])
    reference = np.array([float(system.reference["energy"]) for system in systems]) / n_atoms
    totals = [np.nan if o is None else float(o.arrays["energy"][0]) for o in outcomes]
    fractions, _ = composition_fractions([system.atoms.numbers for system in systems])
    _, groups = np.unique(fractions.round(9), axis=0, return_inverse=True)
    return Differences(
        errors=np.array(totals) / n_atoms - reference,
        uninformed=-reference,
        groups=groups.reshape(-1),
    )


def _scaled(differences: Differences | None, factor: float) -> Differences | None:
    if differences is None:
        return None
    return replace(
        differences,
        errors=factor * differences.errors,
        uninformed=factor * differences.uninformed,
    )


def _own_uncertainties(systems: Sequence[System], outcomes: Sequence[Outcome | None]) -> FloatArray:
    """The standard deviations that the potential itself gives, in eV/atom; NaN where none."""
    nothing = np.array([np.nan])
    totals = [
        float((nothing if o is None else o.arrays.get("energy_uncertainty", nothing))[0])
        for o in outcomes
    ]
    sigmas: FloatArray = np.array(totals) / [len(system.atoms) for system in systems]
    return sigmas


def _told_uncertainty(
    systems: Sequence[System], outcomes: Sequence[Outcome | None], errors: FloatArray
) -> dict[str, float | int]:
    """How well they are calibrated; empty where the potential gives too few."""
    told = _own_uncertainties(systems, outcomes)
    known = np.isfinite(told) & np.isfinite(errors)
    if known.sum() < uncertainty_metrics.MIN_SYSTEMS:
        return {}
    in_meV = (1000 * np.clip(v[known], -_ABSURD_EV, _ABSURD_EV) for v in (errors, told))
    error, sigma = uncertainty_metrics.checked(*in_meV)
    return {
        "n": int(known.sum()),
        "miscalibration_area": uncertainty_metrics.miscalibration_area(error, sigma),
        "ence": uncertainty_metrics.expected_normalized_calibration_error(error, sigma),
        "rms_uncertainty_meV_per_atom": float(np.sqrt(np.mean(sigma**2))),
        "rms_error_meV_per_atom": float(np.sqrt(np.mean(error**2))),
    }


def _energy_samples(
    errors: FloatArray, dummy_rmse: float, differences: Differences | None
) -> dict[str, Sample]:
    """Errors and the dummy's RMSE in eV/atom; below 1 µeV/atom the set tells no energies apart."""
    none = np.zeros(len(errors), dtype=bool)
    tells = dummy_rmse > 1e-6
    relative = (errors / dummy_rmse) ** 2 if tells else np.full(len(errors), np.nan)
    ones, rms = np.ones(len(errors)), Statistic.RMS
    squares = (1000 * errors) ** 2
    in_meV = _scaled(differences, 1000)
    return {
        "energy_mae": Sample(
            values=1000 * np.abs(errors), weights=ones, missing=none, differences=in_meV
        ),
        "energy_rmse": Sample(
            values=squares, weights=ones, missing=none, statistic=rms, differences=in_meV
        ),
        "energy_relative_error": Sample(
            values=relative,
            weights=ones,
            missing=none if tells else ~none,
            statistic=rms,
            differences=_scaled(differences, 1 / dummy_rmse) if tells else None,
        ),
    }


def _force_samples(
    systems: Sequence[System], outcomes: Sequence[Outcome | None]
) -> dict[str, Sample]:
    reference = [np.asarray(system.reference["forces"], dtype=float) for system in systems]
    predicted = [None if outcome is None else outcome.arrays["forces"] for outcome in outcomes]
    pairs = list(zip(predicted, reference, strict=True))

    def each(function: Any) -> FloatArray:  # noqa: ANN401  (predicted, reference -> float | None)
        values = [None if p is None else function(p, r) for p, r in pairs]
        return np.array([np.nan if v is None else v for v in values], dtype=float)

    components = np.array([r.size for r in reference], dtype=float)
    squares = np.array([float(np.sum(r**2)) for r in reference])
    directions = np.array([float(force_metrics.has_direction(r).sum()) for r in reference])
    ones, none = np.ones(len(pairs)), np.zeros(len(pairs), dtype=bool)
    flat = np.array([not force_metrics.has_slope(r) for r in reference])
    slopes = each(force_metrics.softening_slope)
    mean_square = each(force_metrics.force_mean_square_error)
    dummy = squares.sum() / components.sum()
    judged = np.isfinite(slopes)
    slope = float(np.average(slopes[judged], weights=squares[judged])) if judged.any() else 1.0

    def sample(
        values: FloatArray,
        weights: FloatArray = components,
        missing: FloatArray = none,
        statistic: Statistic = Statistic.MEAN,
    ) -> Sample:
        return Sample(values=values, weights=weights, missing=missing > 0, statistic=statistic)

    mae = each(force_metrics.force_mae)
    relative = mean_square / dummy if dummy > 0 else np.full(len(pairs), np.nan)
    return {
        "force_mae": sample(mae),
        "force_structure_mae": sample(mae, ones),
        "force_rmse": sample(mean_square, statistic=Statistic.RMS),
        "force_relative_error": sample(
            relative, missing=none if dummy > 0 else ones, statistic=Statistic.RMS
        ),
        "force_magnitude_mae": sample(each(force_metrics.force_magnitude_mae)),
        "force_vector_error": sample(
            each(lambda p, r: float(np.mean(force_metrics.force_vector_errors(p, r))))
        ),
        "force_cosine_mean": sample(
            each(force_metrics.force_cosine_mean), directions, directions == 0
        ),
        # Weighted by the forces, flat structures hardly move the mean; by skill each counts as one.
        "softening_slope": replace(sample(slopes, squares, squares == 0), applies=~flat),
        "softening_slope_median": sample(slopes, ones, flat, Statistic.MEDIAN),
        "force_corrected_mae": sample(
            each(lambda p, r: force_metrics.force_corrected_mae(p, r, slope))
        ),
    }


def _stress_samples(
    systems: Sequence[System], outcomes: Sequence[Outcome | None]
) -> dict[str, Sample]:
    """A potential that gives no stress is charged where the reference has one."""
    mae, mean_square = np.full(len(systems), np.nan), np.full(len(systems), np.nan)
    missing = np.array([_known(system, "stress") is None for system in systems])
    for i, (system, outcome) in enumerate(zip(systems, outcomes, strict=True)):
        if missing[i] or outcome is None or "stress" not in outcome.arrays:
            continue
        errors = stress_errors(outcome.arrays["stress"], system.reference["stress"])
        mae[i], mean_square[i] = np.mean(np.abs(errors)), np.mean(errors**2)
    ones = np.ones(len(systems))
    return {
        "stress_mae": Sample(values=mae, weights=ones, missing=missing),
        "stress_rmse": Sample(
            values=mean_square, weights=ones, missing=missing, statistic=Statistic.RMS
        ),
    }
