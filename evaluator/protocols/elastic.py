"""Elastic constants: relax a crystal, strain it, relax the atoms inside, and read the stresses.

The reference holds the moduli of the polycrystal, ``bulk_modulus_vrh_GPa`` and
``shear_modulus_vrh_GPa``. Of a crystal that the potential makes elastically unstable there are
none: it has the skill 0 in both, and keeps its record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.units import GPa

from evaluator.arrays import FloatArray
from evaluator.metrics.elasticity import deformation, is_stable, moduli, stiffness
from evaluator.protocols.base import (
    Outcome,
    Protocol,
    Sample,
    System,
    SystemFailure,
    material,
    require_periodic,
    require_systems,
)
from evaluator.protocols.compared import Compared, errors_of_zero
from evaluator.protocols.groups import predicted_column, require_number, sample_of
from evaluator.protocols.relaxation import relax, relax_positions, right_handed
from evaluator.protocols.single_point import SinglePoint, single_point

_MODULI = {"bulk_modulus_vrh": "bulk_modulus_vrh_GPa", "shear_modulus_vrh": "shear_modulus_vrh_GPa"}
#: Of the largest strain of a kind.
_SHARES = (-1.0, -0.5, 0.5, 1.0)
_NORMAL = (0, 1, 2)
#: An atom that goes farther under a strain of a few percent has left its place.
_MOST_INNER_A = 0.5
_ASKED = ("energy", "forces", "stress")


class ElasticProtocol(Protocol):
    """Moduli of crystals from stresses under strain."""

    name = "elastic"

    def check_reference(self, systems: Sequence[System], metrics: Sequence[str]) -> None:
        require_systems(systems)
        for system in systems:
            require_periodic(system)
            for name in _MODULI.values():
                require_number(system, name, positive=True)

    def expected_calls(self, parameters: Mapping[str, Any]) -> int:
        return 80

    def simulate(
        self, system: System, calculator: Calculator, parameters: Mapping[str, Any]
    ) -> Outcome:
        relaxed = relax(
            right_handed(system.atoms),
            calculator,
            fmax_eV_A=parameters["fmax_eV_A"],
            max_steps=parameters["max_relaxation_steps"],
            max_volume_change_percent=parameters["max_volume_change_percent"],
            symprec_A=parameters["symprec_A"],
        )
        tensor, farthest = _stiffness(relaxed.atoms, calculator, parameters)
        values: dict[str, Any] = {
            "formula": material(system.atoms),
            "is_elastically_stable": is_stable(tensor),
            "lowest_stiffness_GPa": float(np.linalg.eigvalsh(tensor).min()),
            "elastic_tensor_GPa": np.round(tensor, 3).tolist(),
            "volume_change_percent": relaxed.volume_change_percent,
            "max_displacement_A": farthest,
            "n_relaxation_steps": relaxed.n_steps,
        }
        if (found := moduli(tensor)) is not None:
            values |= {"bulk_modulus_vrh_GPa": found.bulk, "shear_modulus_vrh_GPa": found.shear}
        else:
            values["remark"] = "It is elastically unstable."
        return Outcome(values=values)

    def samples(
        self,
        systems: Sequence[System],
        outcomes: Sequence[Outcome | None],
        parameters: Mapping[str, Any],
    ) -> tuple[dict[str, Sample], list[dict[str, Any]]]:
        samples: dict[str, Sample] = {}
        for key, name in _MODULI.items():
            samples |= Compared.of(name, systems, outcomes).samples(key)
        samples["born_stability_score"] = sample_of(
            predicted_column(outcomes, "is_elastically_stable")
        )
        return samples, [{} for _ in systems]

    def uninformed(
        self, systems: Sequence[System], parameters: Mapping[str, Any]
    ) -> dict[str, FloatArray]:
        """A crystal that no strain costs anything: no stiffness and no stability."""
        errors = {"born_stability_score": np.ones(len(systems))}
        for key, name in _MODULI.items():
            errors |= errors_of_zero(key, name, systems)
        return errors

    def summary(
        self,
        systems: Sequence[System],
        outcomes: Sequence[Outcome | None],
        parameters: Mapping[str, Any],
    ) -> dict[str, Any]:
        facts: dict[str, Any] = {}
        for name in _MODULI.values():
            facts |= Compared.of(name, systems, outcomes).summary()
        unstable = [o for o in outcomes if o and not o.values["is_elastically_stable"]]
        return {**facts, "n_elastically_unstable": len(unstable)}


def _stiffness(
    crystal: Atoms, calculator: Calculator, parameters: Mapping[str, Any]
) -> tuple[FloatArray, float]:
    """Elastic constants (6, 6) in GPa, and how far an atom went at most inside a strained cell."""
    strains = np.empty((6, len(_SHARES)))
    stresses = np.empty((6, len(_SHARES), 6))
    farthest = 0.0
    for component in range(6):
        kind = "normal" if component in _NORMAL else "shear"
        largest = parameters[f"{kind}_strain_percent"] / 100
        strains[component] = largest * np.array(_SHARES)
        for k, amount in enumerate(strains[component]):
            strained: Atoms = crystal.copy()
            gradient = deformation(component, float(amount))
            strained.set_cell(crystal.cell.array @ gradient, scale_atoms=True)
            answer, went_A = _at_rest(strained, calculator, parameters)
            stresses[component, k] = answer.stress
            farthest = max(farthest, went_A)
    return stiffness(strains, stresses / GPa), farthest


def _at_rest(
    strained: Atoms, calculator: Calculator, parameters: Mapping[str, Any]
) -> tuple[SinglePoint, float]:
    """The answer when the atoms have relaxed inside the cell, and how far one went at most.

    They stay where the strain takes them where the task says so. Where symmetry holds them in place
    one call is enough.
    """
    fmax = parameters["fmax_eV_A"]
    answer = single_point(strained, calculator, _ASKED)
    if answer.forces is None or answer.stress is None:
        raise SystemFailure("The potential offers no stress, which elastic constants are made of.")
    is_at_rest = np.linalg.norm(answer.forces, axis=1).max() <= fmax
    if is_at_rest or not parameters["relaxes_inside"]:
        return answer, 0.0
    relaxed = relax_positions(
        strained, calculator, fmax_eV_A=fmax, max_steps=parameters["max_relaxation_steps"]
    )
    went_A = float(relaxed.displacements_A.max())
    if went_A > _MOST_INNER_A:
        raise SystemFailure(
            f"Under strain the crystal left its basin: an atom went {went_A:.2f} Å."
        )
    return single_point(relaxed.atoms, calculator, _ASKED), went_A
