"""Interaction energies of S22 with a pair potential, whose sum is made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list

from evaluator.catalog import PROTOCOLS as DESCRIPTIONS
from evaluator.catalog import check_parameters
from evaluator.contract import SystemStatus
from evaluator.protocols.base import Outcome, System, UnsuitableReference
from evaluator.protocols.interaction_energy import InteractionEnergyProtocol, boxed
from evaluator.references.molecules import s22
from evaluator.scoring import score
from evaluator.standard_tasks.read import standard_task

PROTOCOL = InteractionEnergyProtocol()
PARAMETERS = check_parameters(DESCRIPTIONS["interaction_energy"].parameters, {})
KCAL_MOL = units.kcal / units.mol
CUTOFF_A = 8.0


def pair_energy(r: Any, radii: Any) -> Any:
    """Attraction that ends at the cutoff, in eV."""
    return np.where(r < CUTOFF_A, -0.05 * radii * (1 / r**3 - 1 / CUTOFF_A**3), 0.0)


class Pairs(Calculator):
    """All pairs within the cutoff, those within a molecule too, times ``factor``."""

    implemented_properties = ["energy", "forces", "stress"]

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.factor, self.asked = factor, list[Atoms]()

    def calculate(
        self, atoms: Any = None, properties: Any = (), system_changes: Any = all_changes
    ) -> None:
        self.asked.append(atoms.copy())
        i, j, r = neighbor_list("ijd", atoms, CUTOFF_A)
        radii = covalent_radii[atoms.numbers[i]] + covalent_radii[atoms.numbers[j]]
        energy = 0.5 * float(pair_energy(r, radii).sum()) - 100.0 * len(atoms)
        self.results = {
            "energy": self.factor * energy,
            "forces": np.zeros((len(atoms), 3)),
            "stress": np.zeros(6),
        }


def by_hand(atoms: Atoms, n_first: int) -> float:
    """The pairs between the two molecules alone, in kcal/mol."""
    vectors = atoms.positions[:n_first, None] - atoms.positions[None, n_first:]
    radii = covalent_radii[atoms.numbers]
    sums = radii[:n_first, None] + radii[None, n_first:]
    return float(pair_energy(np.linalg.norm(vectors, axis=2), sums).sum()) / KCAL_MOL


def systems(*, is_stretched: bool = False, is_by_hand: bool = True) -> list[System]:
    frames, _ = s22([], {"is_stretched": is_stretched})
    made = []
    for frame in frames:
        info = dict(frame.info)
        known = {k: float(info[k]) for k in ("interaction_energy_kcal_mol", "n_first_atoms")}
        if is_by_hand:
            known["interaction_energy_kcal_mol"] = by_hand(frame, info["n_first_atoms"])
        atoms = Atoms(frame.numbers, frame.positions)
        made.append(
            System(
                id=info["system_id"], atoms=atoms, reference=known,
                family=info["family"], cluster=info["cluster"],
            )
        )  # fmt: skip
    return made


def scored(outcomes: list[Outcome | None], judged: list[System]) -> dict[str, float]:
    samples, _ = PROTOCOL.samples(judged, outcomes, PARAMETERS)
    statuses = [SystemStatus.FAILED if o is None else SystemStatus.OK for o in outcomes]
    uninformed = PROTOCOL.uninformed(judged, PARAMETERS)
    task = standard_task("interaction-energies").spec
    records, total = score(task, statuses, samples, uninformed=uninformed)
    values = {r.metric: float(r.value) for r in records if r.value is not None}
    return values | {"score": float(total.value or 0)}


def test_pairs_between_the_molecules_are_the_interaction_energy() -> None:
    judged = systems()
    outcomes: list[Outcome | None] = [PROTOCOL.simulate(s, Pairs(), PARAMETERS) for s in judged]
    values = scored(outcomes, judged)
    assert values["interaction_energy_mae"] == pytest.approx(0, abs=1e-6)
    assert values["interaction_energy_ratio_median"] == pytest.approx(1)
    assert values["score"] == pytest.approx(1)


def test_a_potential_that_is_too_soft_by_a_fifth_shows_it() -> None:
    judged = systems()
    outcomes: list[Outcome | None] = [PROTOCOL.simulate(s, Pairs(0.8), PARAMETERS) for s in judged]
    values = scored(outcomes, judged)
    assert values["interaction_energy_ratio_median"] == pytest.approx(0.8)
    assert values["interaction_energy_slope_median"] == pytest.approx(0.8)
    assert values["interaction_order_score"] == pytest.approx(1)
    summary = PROTOCOL.summary(judged, outcomes, PARAMETERS)
    assert summary["interaction_energy_kcal_mol_slope"] == pytest.approx(0.8)
    table = summary["interaction_energy_kcal_mol_by_kind"]
    assert {k: row["n"] for k, row in table.items()} == {
        "hydrogen bonds": 7,
        "dispersion": 8,
        "mixed": 7,
    }


def test_molecules_that_do_not_feel_each_other_miss_by_the_whole_and_have_no_skill() -> None:
    judged = systems(is_by_hand=False)
    outcomes: list[Outcome | None] = [PROTOCOL.simulate(s, Pairs(0.0), PARAMETERS) for s in judged]
    values = scored(outcomes, judged)
    assert values["interaction_energy_mae"] == pytest.approx(7.31, abs=0.01)
    assert values["score"] == 0
    assert scored([None] * 22, judged)["score"] == 0


def test_all_three_are_asked_about_in_one_box_and_far_from_their_images() -> None:
    calculator = Pairs()
    system = systems()[0]
    outcome = PROTOCOL.simulate(system, calculator, PARAMETERS)
    both, first, second = calculator.asked
    assert [len(a) for a in calculator.asked] == [8, 4, 4]
    for atoms in calculator.asked:
        assert atoms.pbc.all()
        np.testing.assert_array_equal(atoms.cell, both.cell)
    np.testing.assert_array_equal(
        both.positions, np.concatenate([first.positions, second.positions])
    )
    images = neighbor_list("dS", both, 11.9)
    assert (images[1] == 0).all()
    assert outcome.values["distance_A"] == pytest.approx(2.149, abs=0.001)
    inside = both.get_scaled_positions(wrap=False)
    assert ((inside > 0) & (inside < 1)).all()
    assert boxed(system.atoms, 20.0).cell[0, 0] - both.cell[0, 0] == pytest.approx(8)


def test_stretched_complexes_are_one_cluster_and_fall_off() -> None:
    stretched = systems(is_stretched=True, is_by_hand=False)
    assert len(stretched) == 110
    assert len(set(PROTOCOL.clusters(stretched))) == 22
    dimer = {s.id: s.reference["interaction_energy_kcal_mol"] for s in stretched}
    assert dimer["Water_dimer"] < dimer["Water_dimer-1.2"] < dimer["Water_dimer-2.0"] < 0


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"n_first_atoms": 8.0}, "dimer has 8 atoms: n_first_atoms"),
        ({"n_first_atoms": 2.5}, "n_first_atoms is how many"),
        ({"interaction_energy_kcal_mol": 0.0}, "dimer needs an interaction_energy_kcal_mol"),
        ({"interaction_energy_kcal_mol": None}, "dimer needs a finite interaction"),
    ],
)
def test_a_pair_that_lacks_something_is_refused_by_name(
    change: dict[str, Any], complaint: str
) -> None:
    good = systems()[0]
    bad = System(id="dimer", atoms=good.atoms, reference={**good.reference, **change})
    with pytest.raises(UnsuitableReference, match=complaint):
        PROTOCOL.check_reference([bad], [])


def test_crystals_and_charged_pairs_are_refused_by_name() -> None:
    known = {"interaction_energy_kcal_mol": -1.0, "n_first_atoms": 1.0}
    crystal = System(id="NaCl", atoms=bulk("NaCl", "rocksalt", a=5.6), reference=known)
    with pytest.raises(UnsuitableReference, match="NaCl is periodic"):
        PROTOCOL.check_reference([crystal], [])
    ions = Atoms("HF", [[0, 0, 0], [0, 0, 3]])
    ions.info = {"charge": -1}
    with pytest.raises(UnsuitableReference, match="ions has a charge or a spin"):
        PROTOCOL.check_reference([System(id="ions", atoms=ions, reference=known)], [])
