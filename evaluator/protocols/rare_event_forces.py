"""Forces on atoms in the middle of a jump: single points, judged on the migrating atoms alone.

The published scores pool the atoms of all structures. Each of them is linear in the distribution of
the atoms' errors, so the mean over structures, weighted by their migrating atoms, is the pooled
number exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from ase.calculators.calculator import Calculator
from numpy.typing import NDArray

from evaluator.arrays import FloatArray
from evaluator.frames import FrameErrors, force_errors
from evaluator.metrics import rare_events
from evaluator.metrics.forces import softening_slope
from evaluator.protocols.base import (
    Outcome,
    Protocol,
    Sample,
    Statistic,
    System,
    SystemFailure,
    UnsuitableReference,
    material,
    require_systems,
)
from evaluator.protocols.single_point import single_point

#: Below this reference force, eV/Å, a direction means nothing.
_LEAST_FORCE_EV_A = 1e-6

Comparison = Callable[[FloatArray, FloatArray], float]


def _magnitude_beyond(threshold: float) -> Comparison:
    return lambda p, r: rare_events.fraction_beyond(rare_events.magnitude_errors(p, r), threshold)


def _direction_beyond(threshold: float) -> Comparison:
    return lambda p, r: rare_events.fraction_beyond(rare_events.direction_errors(p, r), threshold)


#: From predicted and reference forces of migrating atoms to a metric's value before it is pooled.
_METRICS: dict[str, tuple[Comparison, Statistic]] = {
    "rare_event_direction_error": (
        lambda p, r: 1 - rare_events.direction_score(p, r),
        Statistic.MEAN,
    ),
    "rare_event_magnitude_error": (
        lambda p, r: 1 - rare_events.magnitude_score(p, r),
        Statistic.MEAN,
    ),
    "rare_event_magnitude_rmse": (rare_events.magnitude_mean_square, Statistic.RMS),
    "rare_event_magnitude_outlier_fraction": (_magnitude_beyond(0.5), Statistic.MEAN),
    "rare_event_direction_15_outlier_fraction": (_direction_beyond(15.0), Statistic.MEAN),
    "rare_event_direction_30_outlier_fraction": (_direction_beyond(30.0), Statistic.MEAN),
}


class RareEventForcesProtocol(Protocol):
    """Force magnitudes and directions on atoms that are marked as migrating."""

    name = "rare_event_forces"

    def check_reference(self, systems: Sequence[System], metrics: Sequence[str]) -> None:
        require_systems(systems)
        for system in systems:
            self._check_system(system)
        if not any(_migrating(system).any() for system in systems):
            raise UnsuitableReference("No atom of the reference set is marked as migrating.")

    def _check_system(self, system: System) -> None:
        n_atoms = len(system.atoms)
        forces, marks = system.reference.get("forces"), system.reference.get("migrating")
        if forces is None or marks is None:
            missing = "forces" if forces is None else "marks of migrating atoms"
            raise UnsuitableReference(f"{system.id} has no reference {missing}.")
        if np.shape(forces) != (n_atoms, 3) or np.shape(marks) != (n_atoms,):
            raise UnsuitableReference(
                f"{system.id}: forces must be of shape ({n_atoms}, 3) and marks of shape "
                f"({n_atoms},), not {np.shape(forces)} and {np.shape(marks)}."
            )
        if not np.isfinite(forces).all():
            raise UnsuitableReference(f"{system.id}: the reference forces must be finite.")
        if (np.linalg.norm(_reference(system), axis=1) < _LEAST_FORCE_EV_A).any():
            raise UnsuitableReference(f"{system.id}: a migrating atom has no reference force.")

    def simulate(
        self, system: System, calculator: Calculator, parameters: Mapping[str, Any]
    ) -> Outcome:
        answer = single_point(system.atoms, calculator, ("energy", "forces"))
        if answer.forces is None:
            raise SystemFailure("The potential gave no forces.")
        predicted, reference = answer.forces[_migrating(system)], _reference(system)
        values: dict[str, Any] = {
            "formula": system.atoms.get_chemical_formula("metal"),
            "n_atoms": len(system.atoms),
            "n_migrating": len(reference),
        }
        if len(reference):
            magnitudes = rare_events.magnitude_errors(predicted, reference)
            directions = rare_events.direction_errors(predicted, reference)
            values |= {
                "migrating_force_eV_A": _mean_length(predicted),
                "magnitude_error_eV_A": float(np.mean(magnitudes)),
                "direction_error_deg": float(np.mean(directions)),
            }
        return Outcome(values=values, arrays={"forces": predicted})

    def samples(
        self,
        systems: Sequence[System],
        outcomes: Sequence[Outcome | None],
        parameters: Mapping[str, Any],
    ) -> tuple[dict[str, Sample], list[dict[str, Any]]]:
        weights = np.array([float(_migrating(system).sum()) for system in systems])
        samples = {}
        for key, (function, statistic) in _METRICS.items():
            values = [
                np.nan if o is None or not n else function(o.arrays["forces"], _reference(s))
                for s, o, n in zip(systems, outcomes, weights, strict=True)
            ]
            samples[key] = Sample(
                values=np.array(values, dtype=float),
                weights=weights,
                missing=weights == 0,
                statistic=statistic,
            )
        return samples, [{} for _ in systems]

    def uninformed(
        self, systems: Sequence[System], parameters: Mapping[str, Any]
    ) -> dict[str, FloatArray]:
        """No forces at all."""
        nothing = [
            Outcome(values={}, arrays={"forces": np.zeros_like(_reference(s))}) for s in systems
        ]
        samples, _ = self.samples(systems, nothing, parameters)
        return {key: sample.rooted for key, sample in samples.items()}

    def frame_errors(
        self,
        systems: Sequence[System],
        outcomes: Sequence[Outcome | None],
        parameters: Mapping[str, Any],
    ) -> FrameErrors | None:
        """Forces on the migrating atoms; energies are not asked for."""
        return FrameErrors(
            energies_meV_atom=np.full(len(systems), np.nan),
            forces_eV_A=[
                force_errors(None if outcome is None else outcome.arrays["forces"], _reference(s))
                for s, outcome in zip(systems, outcomes, strict=True)
            ],
        )

    def reference_values(self, system: System) -> dict[str, Any]:
        reference = _reference(system)
        return {"migrating_force_eV_A": _mean_length(reference)} if len(reference) else {}

    def clusters(self, systems: Sequence[System]) -> list[str]:
        """Frames of one kind of defect share a cell and the numbering of its atoms: a trajectory.

        Neighbouring ones lie as near as 0.4 Å (RMS), so that they are not as many as they seem.
        """
        return [
            system.cluster or f"{material(system.atoms)} {system.family}".strip()
            for system in systems
        ]

    def summary(
        self,
        systems: Sequence[System],
        outcomes: Sequence[Outcome | None],
        parameters: Mapping[str, Any],
    ) -> dict[str, Any]:
        """The published numbers for each family of structures, and over all of them."""
        pairs = [
            (system.family, outcome.arrays["forces"], _reference(system))
            for system, outcome in zip(systems, outcomes, strict=True)
            if outcome is not None and _migrating(system).any()
        ]
        if not pairs:
            return {}
        families = sorted({family for family, _, _ in pairs})
        by_family = {f: _published(*_pooled([x for x in pairs if x[0] == f])) for f in families}
        return {"all": _published(*_pooled(pairs)), "by_family": by_family}


def _migrating(system: System) -> NDArray[np.bool_]:
    return np.asarray(system.reference["migrating"], dtype=bool)


def _reference(system: System) -> FloatArray:
    return np.asarray(system.reference["forces"], dtype=float)[_migrating(system)]


def _mean_length(forces: FloatArray) -> float:
    return float(np.mean(np.linalg.norm(forces, axis=1)))


def _pooled(pairs: Sequence[tuple[str, FloatArray, FloatArray]]) -> tuple[FloatArray, FloatArray]:
    return np.concatenate([p for _, p, _ in pairs]), np.concatenate([r for _, _, r in pairs])


def _published(predicted: FloatArray, reference: FloatArray) -> dict[str, float | int | None]:
    """The numbers under the letters that the authors give them."""
    return {
        "n_migrating_atoms": len(reference),
        "S_theta": rare_events.direction_score(predicted, reference),
        "S_F": rare_events.magnitude_score(predicted, reference),
        "A": 1 - rare_events.direction_score(predicted, reference),
        "M": 1 - rare_events.magnitude_score(predicted, reference),
        "RE_F_eV_A": float(np.sqrt(rare_events.magnitude_mean_square(predicted, reference))),
        "fraction_magnitude_beyond_0.5_eV_A": _magnitude_beyond(0.5)(predicted, reference),
        "fraction_direction_beyond_15_deg": _direction_beyond(15.0)(predicted, reference),
        "fraction_direction_beyond_30_deg": _direction_beyond(30.0)(predicted, reference),
        "slope_through_origin": softening_slope(predicted, reference),
    }
