"""Elastic constants of springs and of Lennard-Jones crystals, against their lattice sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.lj import LennardJones
from ase.neighborlist import neighbor_list
from ase.units import GPa

from evaluator.catalog import EV_PER_A3_IN_GPA, check_parameters
from evaluator.catalog import PROTOCOLS as DESCRIPTIONS
from evaluator.contract import SystemStatus
from evaluator.protocols.base import Outcome, System, SystemFailure, UnsuitableReference
from evaluator.protocols.elastic import ElasticProtocol
from evaluator.scoring import score
from evaluator.standard_tasks.read import standard_task
from tests.calculators import Constant
from tests.evaluator.protocols.lennard_jones_crystal import (
    Times,
    lennard_jones,
    neighbours,
    own_lattice,
    pair_energy,
)

PROTOCOL = ElasticProtocol()
PARAMETERS = check_parameters(DESCRIPTIONS["elastic"].parameters, {})
SMALL = PARAMETERS | {"normal_strain_percent": 0.1, "shear_strain_percent": 0.1}


class Springs(Calculator):
    """Springs of ``k`` eV/Å² between neighbours within ``within_A``, at rest at ``length_A``."""

    implemented_properties = ["energy", "forces", "stress"]

    def __init__(self, k: float, length_A: float, within_A: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.k, self.length_A, self.within_A = k, length_A, within_A

    def calculate(
        self, atoms: Any = None, properties: Any = (), system_changes: Any = all_changes
    ) -> None:
        self.atoms = atoms.copy()
        i, d, D = neighbor_list("idD", atoms, self.within_A)
        pull = (self.k * (d - self.length_A) / d)[:, None] * D
        forces = np.zeros((len(atoms), 3))
        np.add.at(forces, i, pull)
        virial = 0.5 * np.einsum("na,nb->ab", pull, D) / atoms.get_volume()
        self.results = {
            "energy": 0.25 * self.k * float(((d - self.length_A) ** 2).sum()),
            "forces": forces,
            "stress": virial.flat[[0, 4, 8, 5, 2, 1]],
        }


def system(atoms: Atoms, **reference: float) -> System:
    known = {"bulk_modulus_vrh_GPa": 100.0, "shear_modulus_vrh_GPa": 50.0}
    return System(id="crystal", atoms=atoms, reference=known | reference)


def test_springs_between_the_neighbours_of_an_fcc_crystal_have_their_cauchy_constants() -> None:
    """C11 = 2k/a, C12 = C44 = k/a: the sum of r⁴ terms over twelve neighbours."""
    a, k = 4.0, 3.0
    springs = Springs(k, a / np.sqrt(2), 0.85 * a)
    values = PROTOCOL.simulate(system(bulk("Cu", a=a)), springs, SMALL).values
    tensor = np.array(values["elastic_tensor_GPa"]) * GPa
    by_hand = np.zeros((6, 6))
    by_hand[:3, :3] = k / a * (np.ones((3, 3)) + np.eye(3))
    by_hand[3:, 3:] = k / a * np.eye(3)
    np.testing.assert_allclose(tensor, by_hand, atol=1e-3 * k / a)
    assert values["bulk_modulus_vrh_GPa"] == pytest.approx(4 / 3 * k / a / GPa, rel=1e-3)
    assert values["max_displacement_A"] == 0


def test_strains_of_a_few_percent_hardly_change_what_springs_show() -> None:
    springs = Springs(3.0, 4 / np.sqrt(2), 3.4)
    large, small = (
        PROTOCOL.simulate(system(bulk("Cu", a=4.0)), springs, parameters).values
        for parameters in (PARAMETERS, SMALL)
    )
    for name in ("bulk_modulus_vrh_GPa", "shear_modulus_vrh_GPa"):
        assert large[name] == pytest.approx(small[name], rel=0.01)


def constants_by_hand(pair: Any, vectors: np.ndarray, volume_A3: float) -> tuple[float, float]:
    """C11 and C44 in GPa of a crystal of pairs at rest: Σ (V'' - V'/r) x⁴/r² / 2Ω, with x²y²."""
    r, h = np.linalg.norm(vectors, axis=1), 1e-4
    first = (pair(r + h) - pair(r - h)) / (2 * h)
    second = (pair(r + h) - 2 * pair(r) + pair(r - h)) / h**2
    weight = (second - first / r) / r**2
    x, y = vectors[:, 0], vectors[:, 1]
    return tuple(float((weight * p).sum() / (2 * volume_A3) / GPa) for p in (x**4, x**2 * y**2))  # type: ignore[return-value]


def test_lennard_jones_has_the_constants_of_its_lattice_sum() -> None:
    a = own_lattice()
    values = PROTOCOL.simulate(system(bulk("Cu", a=1.01 * a)), lennard_jones(), SMALL).values
    c11, c44 = constants_by_hand(pair_energy, neighbours(a), a**3 / 4)
    tensor = np.array(values["elastic_tensor_GPa"])
    assert tensor[0, 0] == pytest.approx(c11, rel=5e-3)
    assert tensor[3, 3] == pytest.approx(c44, rel=5e-3)
    # Cauchy's relation of central forces without pressure.
    assert tensor[0, 1] == pytest.approx(c44, rel=0.01)
    assert values["volume_change_percent"] == pytest.approx(100 * (1.01**-3 - 1), abs=0.05)


@pytest.mark.slow
def test_argon_of_lennard_jones_has_the_constants_of_its_lattice_sum_to_four_sigma() -> None:
    sigma, epsilon = 3.405, 0.010423
    cutoff = 4 * sigma
    argon = LennardJones(sigma=sigma, epsilon=epsilon, rc=cutoff)
    strict = SMALL | {"fmax_eV_A": 0.0005}
    values = PROTOCOL.simulate(system(bulk("Ar", a=5.27)), argon, strict).values

    a = 5.27 * (1 + values["volume_change_percent"] / 100) ** (1 / 3)
    c11, c44 = constants_by_hand(
        lambda r: 4 * epsilon * ((sigma / r) ** 12 - (sigma / r) ** 6),
        neighbours(a, cutoff),
        a**3 / 4,
    )
    tensor = np.array(values["elastic_tensor_GPa"])
    assert tensor[0, 0] == pytest.approx(c11, rel=0.01)
    assert tensor[3, 3] == pytest.approx(c44, rel=0.01)
    # Argon's bulk modulus at 0 K is about 3 GPa.
    assert values["bulk_modulus_vrh_GPa"] == pytest.approx(3.1, abs=0.3)


@pytest.mark.slow
def test_atoms_relax_inside_the_strained_cell() -> None:
    """Springs between first neighbours of zincblende: shear moves its two lattices apart."""
    a = 5.4
    crystal = bulk("SiC", "zincblende", a=a)
    springs = Springs(5.0, np.sqrt(3) / 4 * a, 0.6 * a)
    values = PROTOCOL.simulate(system(crystal), springs, PARAMETERS).values
    assert values["max_displacement_A"] > 0.02
    # First neighbours alone resist no shear once atoms give way: C44 is zero.
    assert abs(np.array(values["elastic_tensor_GPa"])[3, 3]) < 1
    clamped = PROTOCOL.simulate(
        system(crystal), springs, PARAMETERS | {"relaxes_inside": False}
    ).values
    # By hand: four bonds of length d in a volume of a^3/4, each k d^2 / 9; 5 / (3 a) eV/Å³.
    by_hand_GPa = 5.0 / (3 * a) * EV_PER_A3_IN_GPA
    c44 = np.array(clamped["elastic_tensor_GPa"])[3, 3]
    assert c44 == pytest.approx(by_hand_GPa, rel=0.01)
    assert clamped["max_displacement_A"] == 0


def scored(outcomes: list[Outcome | None], systems: list[System]) -> dict[str, float]:
    samples, _ = PROTOCOL.samples(systems, outcomes, PARAMETERS)
    statuses = [SystemStatus.FAILED if o is None else SystemStatus.OK for o in outcomes]
    uninformed = PROTOCOL.uninformed(systems, PARAMETERS)
    task = standard_task("elastic-small").spec
    records, total = score(task, statuses, samples, uninformed=uninformed)
    values = {r.metric: float(r.value) for r in records if r.value is not None}
    return values | {"score": float(total.value or 0)}


def test_a_potential_that_is_too_soft_by_a_fifth_shows_it() -> None:
    crystal = system(bulk("Cu", a=own_lattice()))
    right = PROTOCOL.simulate(crystal, lennard_jones(), PARAMETERS)
    names = ("bulk_modulus_vrh_GPa", "shear_modulus_vrh_GPa")
    known = system(crystal.atoms, **{name: right.values[name] for name in names})
    soft = PROTOCOL.simulate(known, Times(0.8), PARAMETERS)
    values = scored([soft], [known])
    assert values["bulk_modulus_vrh_ratio_median"] == pytest.approx(0.8, abs=2e-3)
    assert values["shear_modulus_vrh_ratio_median"] == pytest.approx(0.8, abs=2e-3)
    assert values["born_stability_score"] == 1
    assert values["score"] < 0.6
    assert scored([right], [known])["score"] == pytest.approx(1)
    summary = PROTOCOL.summary([known], [soft], PARAMETERS)
    assert summary["shear_modulus_vrh_GPa_slope"] == pytest.approx(0.8, abs=2e-3)


def test_what_is_elastically_unstable_keeps_its_record_and_has_no_moduli() -> None:
    known = system(bulk("Cu", a=3.6))
    outcome = PROTOCOL.simulate(known, Constant(), PARAMETERS)
    assert outcome.values["is_elastically_stable"] is False
    assert outcome.values["remark"] == "It is elastically unstable."
    values = scored([outcome], [known])
    assert values == {"born_stability_score": 0.0, "score": 0.0}
    assert PROTOCOL.summary([known], [outcome], PARAMETERS)["n_elastically_unstable"] == 1


def test_a_crystal_of_another_volume_has_left_the_structure() -> None:
    with pytest.raises(SystemFailure, match="its volume changed by"):
        PROTOCOL.simulate(system(bulk("Cu", a=1.04 * own_lattice())), lennard_jones(), PARAMETERS)


class WithoutStress(Times):
    implemented_properties = ["energy", "forces"]


def test_a_potential_without_stress_fails_with_a_reason() -> None:
    with pytest.raises(SystemFailure, match="no stress"):
        PROTOCOL.simulate(system(bulk("Cu", a=3.6)), WithoutStress(1.0), PARAMETERS)


@pytest.mark.parametrize("value", [None, 0.0, -3.0, float("nan")])
def test_a_crystal_without_moduli_is_refused_by_name(value: Any) -> None:
    bad = System(
        id="NaCl",
        atoms=bulk("NaCl", "rocksalt", a=5.6),
        reference={"bulk_modulus_vrh_GPa": 25.0, "shear_modulus_vrh_GPa": value},
    )
    with pytest.raises(UnsuitableReference, match=r"NaCl needs a .* shear_modulus_vrh_GPa"):
        PROTOCOL.check_reference([bad], [])
