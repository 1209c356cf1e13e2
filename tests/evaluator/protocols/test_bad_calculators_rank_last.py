"""Single points and equations of state tell bad calculators from a good one, on shipped anchors.

The reference is ASE's EMT itself, so that EMT is perfect here and every fault is known.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from numpy.typing import NDArray

from evaluator.contract import SystemStatus
from evaluator.protocols.base import Outcome, Protocol, System, SystemFailure
from evaluator.protocols.energy_forces import EnergyForcesProtocol
from evaluator.protocols.equation_of_state import EquationOfStateProtocol
from evaluator.scoring import score
from evaluator.standard_tasks import read
from tests.calculators import Constant, Exploding, NanAfter, NonExtensive

METALS = ("Cu", "Ag", "Au", "Ni", "Pd", "Al")


class Curled(Calculator):
    """EMT with forces that are no gradient: each is turned by 60 degrees about z."""

    implemented_properties = ["energy", "forces", "stress"]

    def calculate(
        self, atoms: Any = None, properties: Any = (), system_changes: Any = all_changes
    ) -> None:
        emt = EMT()
        emt.calculate(atoms, ["energy", "forces", "stress"], all_changes)
        half, root = 0.5, np.sqrt(3) / 2
        turn: NDArray[np.float64] = np.array([[half, -root, 0], [root, half, 0], [0, 0, 1]])
        self.results = {**emt.results, "forces": emt.results["forces"] @ turn.T}


#: A fresh calculator for each system, as each has a session of its own calls; a NaN-after
#: calculator is shared, since it counts its calls over all systems.
CALCULATORS: dict[str, Callable[[], Calculator]] = {
    "emt": EMT,
    "curled": lambda: Curled(),  # type: ignore[no-untyped-call]
    "nan after 5 calls": cache(lambda: NanAfter(5)),
    "exploding": Exploding,
    "constant": Constant,
    "non-extensive": lambda: NonExtensive(0.1),
}


def snapshots() -> list[System]:
    """Rattled crystals of 4 to 12 atoms, three of each metal."""
    systems = []
    for n in range(18):
        atoms = bulk(METALS[n % 6], cubic=True).repeat((1 + n // 6, 1, 1))
        atoms.rattle(0.12, seed=n)
        emt = EMT()
        emt.calculate(atoms, ["energy", "forces", "stress"], all_changes)
        reference = {key: emt.results[key] for key in ("energy", "forces", "stress")}
        systems.append(System(id=str(n), atoms=atoms, reference=reference, family=METALS[n % 6]))
    return systems


def crystals() -> list[System]:
    """Cubic cells of four atoms; their equation of state by a fit of EMT's own energies."""
    protocol, parameters = EquationOfStateProtocol(), dict(task("eos-wien2k").spec.parameters)
    systems = []
    for metal in METALS:
        guess = {"volume_per_atom_A3": bulk(metal).get_volume(), "bulk_modulus_GPa": 100.0,
                 "bulk_modulus_derivative": 5.0}  # fmt: skip
        start = System(id=metal, atoms=bulk(metal, cubic=True), reference=guess)
        found = protocol.simulate(start, EMT(), parameters).values
        reference = {key: float(found[key]) for key in guess}
        systems.append(System(id=metal, atoms=start.atoms, reference=reference))
    return systems


@cache
def task(slug: str) -> read.StandardTask:
    return read.standard_task(slug)


def task_score(slug: str, protocol: Protocol, systems: list[System], name: str) -> float:
    spec = task(slug).spec
    outcomes: list[Outcome | None] = []
    for system in systems:
        try:
            outcomes.append(protocol.simulate(system, CALCULATORS[name](), spec.parameters))
        except SystemFailure:
            outcomes.append(None)
    statuses = [SystemStatus.FAILED if o is None else SystemStatus.OK for o in outcomes]
    samples, _ = protocol.samples(systems, outcomes, spec.parameters)
    uninformed = protocol.uninformed(systems, spec.parameters)
    _, total = score(spec, statuses, samples, uninformed=uninformed)
    assert total.value is not None
    return total.value


@pytest.fixture(autouse=True)
def _fresh_counters() -> None:
    CALCULATORS["nan after 5 calls"].cache_clear()  # type: ignore[attr-defined]


@pytest.mark.slow
def test_forces_rank_every_fault_below_the_good_calculator() -> None:
    systems = snapshots()
    scores = {
        name: task_score("mlearn-forces", EnergyForcesProtocol(), systems, name)
        for name in CALCULATORS
    }
    assert scores.pop("emt") == pytest.approx(1.0)
    # Energies alone are wrong: forces, stress and slope still earn their parts.
    assert 0.5 < scores.pop("non-extensive") < 0.95
    # Right energies, right lengths of forces, wrong directions.
    assert 0.3 < scores.pop("curled") < 0.85
    # Five systems of 18 answered, the rest is charged.
    assert scores.pop("nan after 5 calls") < 0.4
    assert scores.pop("constant") < 0.25
    assert scores.pop("exploding") < 0.25
    assert not scores


@pytest.mark.slow
def test_equations_of_state_rank_every_fault_of_the_energy_below_the_good_calculator() -> None:
    systems = crystals()
    protocol = EquationOfStateProtocol()
    scores = {name: task_score("eos-wien2k", protocol, systems, name) for name in CALCULATORS}
    assert scores.pop("emt") == pytest.approx(1.0)
    # An equation of state asks for energies alone, and these differ by a constant or not at all.
    assert scores.pop("curled") == pytest.approx(1.0)
    assert scores.pop("non-extensive") == pytest.approx(1.0)
    # The first crystal alone has more than five points.
    assert scores.pop("nan after 5 calls") == 0
    assert scores.pop("constant") == 0
    assert scores.pop("exploding") == 0
    assert not scores
