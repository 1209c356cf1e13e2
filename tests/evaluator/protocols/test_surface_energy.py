"""Surface energies of a Lennard-Jones crystal against the bonds that a cut breaks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc100, fcc111

from evaluator.catalog import PROTOCOLS as DESCRIPTIONS
from evaluator.catalog import check_parameters
from evaluator.contract import SystemStatus
from evaluator.protocols.base import Outcome, System, SystemFailure, UnsuitableReference
from evaluator.protocols.surface_energy import SurfaceEnergyProtocol, area_of, vacuum_of
from evaluator.references.sets import build, read
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

MIRROR = os.environ.get("TOUCHSTONE_DATA_MIRROR")
PROTOCOL = SurfaceEnergyProtocol()
FIXED = check_parameters(DESCRIPTIONS["surface_energy"].parameters, {})
RELAXED = FIXED | {"geometry": "relaxed", "fmax_eV_A": 0.002}
LATTICE_A = own_lattice()
NORMALS = {"100": np.array([0, 0, 1.0]), "111": np.ones(3) / np.sqrt(3)}


def slab_of(facet: str, lattice_A: float = LATTICE_A) -> Atoms:
    make = {"100": fcc100, "111": fcc111}[facet]
    slab = make("Cu", (1, 1, 7), a=lattice_A, vacuum=8.0)
    slab.pbc = True
    return slab


def gamma_by_hand(facet: str) -> float:
    """Energy of the bonds that cross a plane, over the two surfaces that they leave.

    A bond between layers that are n apart crosses n planes: every atom of a column has one.
    """
    vectors = neighbours(LATTICE_A)
    heights = vectors @ NORMALS[facet]
    spacing = LATTICE_A / 2 if facet == "100" else LATTICE_A / np.sqrt(3)
    bonds = pair_energy(np.linalg.norm(vectors, axis=1))[heights > 0]
    n_planes = heights[heights > 0] / spacing
    return float(-(n_planes * bonds).sum() / (2 * area_of(slab_of(facet))))


def system(facet: str, lattice_A: float = LATTICE_A, **reference: Any) -> System:
    crystal = bulk("Cu", a=lattice_A)
    known = {
        "surface_energy_eV_A2": gamma_by_hand(facet),
        "bulk_cell_A": crystal.cell.array,
        "bulk_scaled_positions": crystal.get_scaled_positions(),
        "bulk_numbers": 29.0,
    }
    return System(id=f"Cu-{facet}", atoms=slab_of(facet, lattice_A), reference=known | reference)


@pytest.mark.parametrize("facet", ["100", "111"])
def test_a_cut_costs_the_bonds_that_it_breaks(facet: str) -> None:
    outcome = PROTOCOL.simulate(system(facet), lennard_jones(), FIXED)
    assert outcome.values["surface_energy_eV_A2"] == pytest.approx(gamma_by_hand(facet), rel=1e-3)
    assert outcome.values["lattice_ratio"] == pytest.approx(1, abs=1e-3)
    assert outcome.files == {}


def test_relaxing_lowers_a_surface_a_little_and_leaves_its_structure_as_a_file() -> None:
    fixed, relaxed = (
        PROTOCOL.simulate(system("100"), lennard_jones(), parameters)
        for parameters in (FIXED, RELAXED)
    )
    gamma = [o.values["surface_energy_eV_A2"] for o in (fixed, relaxed)]
    assert 0.95 * gamma[0] < gamma[1] < gamma[0]
    assert relaxed.values["max_force_eV_A"] <= 0.002
    assert relaxed.values["n_relaxation_steps"] > 0
    assert relaxed.files["relaxed.extxyz"].startswith(b"7\nLattice=")


def test_a_relaxed_surface_is_that_of_the_potentials_own_lattice() -> None:
    here = PROTOCOL.simulate(system("111"), lennard_jones(), RELAXED).values
    wide = PROTOCOL.simulate(system("111", 1.03 * LATTICE_A), lennard_jones(), RELAXED).values
    assert wide["lattice_ratio"] == pytest.approx(1 / 1.03, abs=1e-3)
    assert wide["surface_energy_eV_A2"] == pytest.approx(here["surface_energy_eV_A2"], rel=5e-3)


def scored(
    outcomes: list[Outcome | None], systems: list[System], slug: str = "surface-energies"
) -> dict[str, float]:
    samples, _ = PROTOCOL.samples(systems, outcomes, FIXED)
    statuses = [SystemStatus.FAILED if o is None else SystemStatus.OK for o in outcomes]
    uninformed = PROTOCOL.uninformed(systems, FIXED)
    task = standard_task(slug).spec
    records, total = score(task, statuses, samples, uninformed=uninformed)
    values = {r.metric: float(r.value) for r in records if r.value is not None}
    return values | {"score": float(total.value or 0)}


@pytest.mark.parametrize(
    "parameters",
    [
        pytest.param(FIXED, id="fixed"),
        pytest.param(RELAXED, id="relaxed", marks=pytest.mark.slow),
    ],
)
def test_a_potential_that_is_too_soft_by_a_fifth_shows_it(parameters: dict[str, Any]) -> None:
    right = [PROTOCOL.simulate(system(facet), lennard_jones(), parameters) for facet in NORMALS]
    systems = [
        system(facet, surface_energy_eV_A2=outcome.values["surface_energy_eV_A2"])
        for facet, outcome in zip(NORMALS, right, strict=True)
    ]
    soft: list[Outcome | None] = [PROTOCOL.simulate(s, Times(0.8), parameters) for s in systems]
    values = scored(soft, systems)
    assert values["surface_energy_ratio_median"] == pytest.approx(0.8, abs=1e-3)
    assert values["surface_energy_slope_median"] == pytest.approx(0.8, abs=1e-3)
    assert values["surface_energy_relative_error"] == pytest.approx(20, abs=0.1)
    assert values["score"] < 0.7
    assert scored(list(right), systems)["score"] == pytest.approx(1)
    summary = PROTOCOL.summary(systems, soft, parameters)
    assert summary["surface_energy_eV_A2_below_reference_percent"] == 100
    assert summary["surface_energy_eV_A2_by_material"]["Cu"]["n"] == 2


def test_what_knows_nothing_has_no_skill() -> None:
    systems = [system(facet) for facet in NORMALS]
    with pytest.raises(SystemFailure, match="finite"):
        PROTOCOL.simulate(systems[0], Times(1.0, n_most=3), FIXED)
    flat: list[Outcome | None] = [PROTOCOL.simulate(s, Times(0.0), FIXED) for s in systems]
    assert scored(flat, systems)["score"] == 0
    assert scored([None, None], systems)["score"] == 0


def test_an_energy_that_hangs_on_no_atom_makes_absurd_surfaces() -> None:
    values = PROTOCOL.simulate(system("100"), Constant(-1.0), FIXED).values
    by_hand = (-1 + 7) / (2 * area_of(slab_of("100")))
    assert values["surface_energy_eV_A2"] == pytest.approx(by_hand)


def test_a_relaxation_that_does_not_end_is_a_failure_with_a_reason() -> None:
    with pytest.raises(SystemFailure, match="did not converge in 10 steps"):
        PROTOCOL.simulate(
            system("100"),
            lennard_jones(),
            RELAXED | {"max_relaxation_steps": 10, "fmax_eV_A": 1e-5},
        )


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"surface_energy_eV_A2": -0.1}, "Cu-100 needs a positive surface_energy_eV_A2"),
        ({"bulk_numbers": 47.0}, "Cu-100 is Cu, but its bulk is Ag"),
        ({"bulk_cell_A": np.eye(3)[:2]}, "Cu-100 needs bulk_cell_A of three vectors"),
        ({"bulk_scaled_positions": np.zeros((2, 3))}, "as many bulk_scaled_positions"),
        ({"bulk_cell_A": np.zeros((3, 3))}, "The bulk of Cu-100 is not periodic"),
    ],
)
def test_a_slab_that_lacks_something_is_refused_by_name(
    change: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(UnsuitableReference, match=complaint):
        PROTOCOL.check_reference([system("100", **change)], [])


def test_a_crystal_is_no_slab() -> None:
    crystal = System(id="bulk", atoms=bulk("Cu", cubic=True), reference=system("100").reference)
    with pytest.raises(UnsuitableReference, match=r"bulk has 1\.8 Å of vacuum"):
        PROTOCOL.check_reference([crystal], [])
    assert vacuum_of(slab_of("100")) == pytest.approx(16)


@pytest.mark.slow
@pytest.mark.mirror
@pytest.mark.skipif(not MIRROR, reason="TOUCHSTONE_DATA_MIRROR is not set")
def test_the_shipped_slabs_have_the_surface_energies_of_their_files(tmp_path: Path) -> None:
    systems = read(build("surfaces-elements", mirror=Path(str(MIRROR)), cache=tmp_path).path)
    PROTOCOL.check_reference(systems, [])
    known = {s.id: s.reference["surface_energy_eV_A2"] for s in systems}
    assert len(known) == 89
    # By hand from the published totals: -23.39906817 eV of six atoms, 6.5368 Å².
    assert known["Cu-100"] == pytest.approx(
        (-23.39906817 + 6 * 4.101246714) / 2 / 6.53681, abs=2e-6
    )
    assert known["Mo-110"] == pytest.approx(0.175983, abs=2e-6)
    assert known["Ta-322"] == pytest.approx(0.168668, abs=2e-6)
    # The crystal's atoms take as much room as those in the middle of the slab's lattice.
    small = read(build("surfaces-elements-small", mirror=Path(str(MIRROR)), cache=tmp_path).path)
    assert {s.id: s.reference["surface_energy_eV_A2"] for s in small}.items() <= known.items()
