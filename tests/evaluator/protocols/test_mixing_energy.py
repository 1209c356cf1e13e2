"""Mixing energies of a model alloy whose bonds are counted by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.neighborlist import neighbor_list

from evaluator.catalog import METRICS, check_parameters
from evaluator.catalog import PROTOCOLS as DESCRIPTIONS
from evaluator.contract import SystemStatus
from evaluator.protocols.base import Outcome, System, SystemFailure, UnsuitableReference
from evaluator.protocols.mixing_energy import MixingEnergyProtocol
from evaluator.scoring import score
from evaluator.standard_tasks.read import standard_task

PROTOCOL = MixingEnergyProtocol()
PARAMETERS = check_parameters(DESCRIPTIONS["mixing_energy"].parameters, {})
LATTICE_A = 3.2
#: eV of each bond of unlike neighbours of the first shell beside those of like ones.
BOND_EV = -0.02


class Bonds(Calculator):
    """Energies of atoms, and one for each bond of unlike neighbours, times ``factor``."""

    implemented_properties = ["energy", "forces", "stress"]

    def __init__(self, factor: float = 1.0, offset: float = 0.0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.factor, self.offset, self.n_calls = factor, offset, 0

    def calculate(
        self, atoms: Any = None, properties: Any = (), system_changes: Any = all_changes
    ) -> None:
        self.n_calls += 1
        i, j = neighbor_list("ij", atoms, 0.95 * LATTICE_A)
        n_unlike = int((atoms.numbers[i] != atoms.numbers[j]).sum()) / 2
        strain = atoms.get_volume() / len(atoms) / (LATTICE_A**3 / 2) - 1
        own = sum(-10.0 - 0.01 * z for z in atoms.numbers)
        energy = self.factor * (own + BOND_EV * n_unlike + 5 * len(atoms) * strain**2)
        self.results = {
            "energy": energy + self.offset * int((atoms.numbers == 73).sum()),
            "forces": np.zeros((len(atoms), 3)),
            "stress": np.zeros(6),
        }


def element(symbol: str, **reference: Any) -> System:
    crystal = bulk(symbol, "bcc", a=1.02 * LATTICE_A, cubic=True)
    strained = (1 / 1.02 * crystal.cell.array).ravel()[None]
    return System(id=symbol, atoms=crystal, reference={"cells_A": strained, **reference})


def alloy(seed: int, n_tantalum: int, **reference: Any) -> System:
    atoms = bulk("Mo", "bcc", a=LATTICE_A, cubic=True).repeat((2, 2, 2))
    chosen = np.random.default_rng(seed).permutation(16)[:n_tantalum]
    atoms.numbers[chosen] = 73
    i, j = neighbor_list("ij", atoms, 0.95 * LATTICE_A)
    n_unlike = int((atoms.numbers[i] != atoms.numbers[j]).sum()) / 2
    known = {"mixing_energy_meV_atom": 1000 * BOND_EV * n_unlike / 16}
    return System(id=f"{n_tantalum}-{seed}", atoms=atoms, reference=known | reference)


SYSTEMS = [
    element("Mo"),
    element("Ta"),
    *(alloy(seed, n) for n in (4, 8) for seed in range(12)),
]


def judged(
    calculator: Calculator, systems: list[System] = SYSTEMS
) -> tuple[list[Outcome | None], dict[str, float]]:
    outcomes: list[Outcome | None] = []
    for system in systems:
        try:
            outcomes.append(PROTOCOL.simulate(system, calculator, PARAMETERS))
        except SystemFailure:
            outcomes.append(None)
    samples, _ = PROTOCOL.samples(systems, outcomes, PARAMETERS)
    task = standard_task("mixing-energies").spec
    statuses = [SystemStatus.FAILED if o is None else SystemStatus.OK for o in outcomes]
    uninformed = PROTOCOL.uninformed(systems, PARAMETERS)
    records, total = score(task, statuses, samples, uninformed=uninformed)
    values = {record.metric: float(record.value) for record in records if record.value is not None}
    return outcomes, values | {"score": float(total.value or 0)}


def test_bonds_counted_by_hand_are_the_mixing_energy() -> None:
    outcomes, values = judged(Bonds())
    assert outcomes[0] is not None and outcomes[0].values["n_cells"] == 2
    assert values["mixing_energy_mae"] == pytest.approx(0, abs=1e-9)
    assert values["mixing_energy_slope_median"] == pytest.approx(1)
    assert values["mixing_order_score"] == pytest.approx(1)
    assert values["mixing_order_at_composition_score"] == pytest.approx(1)
    assert values["ground_state_score"] == values["score"] == pytest.approx(1)


def test_a_potential_that_is_too_soft_by_a_fifth_shows_it() -> None:
    _, values = judged(Bonds(0.8))
    assert values["mixing_energy_slope_median"] == pytest.approx(0.8)
    # Energies that are the same but for rounding have an order of their own.
    assert values["mixing_order_score"] == pytest.approx(1, abs=0.01)
    assert values["score"] < 0.9


def test_energies_of_the_elements_have_no_part_in_it() -> None:
    _, values = judged(Bonds(offset=3.0))
    assert values["mixing_energy_mae"] == pytest.approx(0, abs=1e-6)


def test_a_potential_that_mixes_the_wrong_way_has_no_skill() -> None:
    systems = [System(id=s.id, atoms=s.atoms, reference=dict(s.reference)) for s in SYSTEMS]
    for system in systems[2:]:
        system.reference["mixing_energy_meV_atom"] *= -1  # type: ignore[index]
    _, values = judged(Bonds(), systems)
    assert values["mixing_energy_slope_median"] == pytest.approx(-1)
    assert values["mixing_order_score"] == pytest.approx(-1)
    assert values["ground_state_score"] == values["score"] == 0


class FailsOn(Bonds):
    """No answer for structures that ``is_hard`` names."""

    def __init__(self, is_hard: Any) -> None:
        super().__init__()
        self.is_hard = is_hard

    def calculate(
        self, atoms: Any = None, properties: Any = (), system_changes: Any = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        if self.is_hard(atoms):
            self.results["energy"] = float("nan")


def test_who_does_not_answer_an_element_has_no_skill_on_its_alloys() -> None:
    _, values = judged(FailsOn(lambda atoms: set(atoms.numbers) == {73}))
    assert values["score"] == 0
    assert "mixing_energy_mae" not in values


def test_failing_on_the_true_ground_state_does_not_make_another_one_of_it() -> None:
    lowest = min(SYSTEMS[2:], key=lambda s: s.reference["mixing_energy_meV_atom"])

    def is_lowest(atoms: Atoms) -> bool:
        return len(atoms) == 16 and bool((atoms.numbers == lowest.atoms.numbers).all())

    _, values = judged(FailsOn(is_lowest))
    known = [
        s.reference["mixing_energy_meV_atom"]
        for s in SYSTEMS[2:]
        if s.atoms.get_chemical_formula() == lowest.atoms.get_chemical_formula()
    ]
    assert sorted(known)[1] > sorted(known)[0] + 1
    # The other of the two compositions is right; 11 of 12 orderings of this one were answered.
    assert values["ground_state_score"] == pytest.approx(1 / (1 + 11 / 12))


def test_signs_slopes_and_orders_stand_in_the_summary_by_alloy() -> None:
    outcomes, _ = judged(Bonds(0.8))
    summary = PROTOCOL.summary(SYSTEMS, outcomes, PARAMETERS)
    row = summary["mixing_energy_meV_atom_by_alloy"]["Mo-Ta"]
    assert row["n"] == 24
    assert row["slope"] == summary["mixing_energy_meV_atom_slope"] == pytest.approx(0.8)
    assert summary["mixing_energy_meV_atom_below_reference_percent"] == 0
    assert summary["mixing_energy_meV_atom_mean_signed_error"] > 0
    assert set(summary["energy_of_elements_eV_atom"]) == {"Mo", "Ta"}


@pytest.mark.parametrize(
    ("systems", "complaint"),
    [
        ([element("Mo"), alloy(1, 4)], "4-1 holds Ta, of which the set has no cell"),
        ([element("Mo"), element("Ta")], "holds elements alone"),
        (
            [*SYSTEMS[:2], alloy(1, 4, mixing_energy_meV_atom=float("inf"))],
            "4-1 needs a finite mixing_energy_meV_atom",
        ),
        ([element("Mo", cells_A=np.ones(7)), *SYSTEMS[1:]], "Mo needs cells_A"),
    ],
)
def test_a_set_that_lacks_something_is_refused_by_name(
    systems: list[System], complaint: str
) -> None:
    with pytest.raises(UnsuitableReference, match=complaint):
        PROTOCOL.check_reference(systems, list(METRICS))
