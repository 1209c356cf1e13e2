from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from evaluator.protocols.dynamics.failures import Bounds, Failure, FailureReason, State, Watch

BOUNDS = Bounds(
    min_distance_ratio=0.5,
    max_temperature_K=10000.0,
    max_temperature_ratio=10.0,
    max_volume_ratio=3.0,
    max_lindemann=0.3,
    max_bond_change_A=0.5,
)
CALM = State(potential_energy=-1.0, kinetic_energy=1.0, temperature_K=310.0, target_K=300.0)


def copper() -> Atoms:
    return bulk("Cu", cubic=True).repeat((2, 2, 2))


def look(
    atoms: Atoms, state: State = CALM, *, start: Atoms | None = None, **known: float
) -> Failure | None:
    watch = Watch(start or copper(), BOUNDS, known)
    assert watch.look(start or copper(), CALM, 0) is None
    return watch.look(atoms, state, 5)


def reason(failure: Failure | None) -> FailureReason:
    assert failure is not None and failure.message.endswith(".")
    return failure.reason


def test_thermal_motion_is_no_failure() -> None:
    atoms = copper()
    atoms.rattle(0.15, seed=1)
    assert look(atoms, melting_point_K=1358.0) is None


def test_energy_that_runs_away_is_seen_on_both_sides() -> None:
    for energy in (-1.2e3 * 32, 1.2e3 * 32):
        found = look(copper(), replace(CALM, potential_energy=energy))
        assert reason(found) is FailureReason.ENERGY_RUNAWAY
    not_finite = replace(CALM, potential_energy=float("nan"))
    assert reason(look(copper(), not_finite)) is FailureReason.NON_FINITE


def test_heat_is_seen_at_once_and_a_band_left_only_after_fifty_steps() -> None:
    scorching = replace(CALM, temperature_K=2e4)
    assert reason(look(copper(), scorching)) is FailureReason.TEMPERATURE_RUNAWAY
    for temperature in (3500.0, 20.0):
        watch = Watch(copper(), BOUNDS, {})
        outside = replace(CALM, temperature_K=temperature)
        found = [watch.look(copper(), outside, step) for step in range(50)]
        assert found[:49] == [None] * 49
        assert reason(found[49]) is FailureReason.TEMPERATURE_RUNAWAY


def test_a_fluctuation_of_a_few_steps_is_forgiven() -> None:
    watch = Watch(copper(), BOUNDS, {})
    outside = replace(CALM, temperature_K=3500.0)
    states = ([outside] * 40 + [CALM]) * 3
    assert all(watch.look(copper(), state, step) is None for step, state in enumerate(states))


@pytest.mark.parametrize(
    ("factor", "expected"),
    [(1.5, FailureReason.VOLUME_BLOW_UP), (0.65, FailureReason.VOLUME_COLLAPSE)],
)
def test_volume_is_compared_with_the_start(factor: float, expected: FailureReason) -> None:
    atoms = copper()
    atoms.set_cell(atoms.cell * factor, scale_atoms=True)
    assert reason(look(atoms)) is expected


def test_atoms_too_close_are_named() -> None:
    atoms = copper()
    atoms.positions[1] = atoms.positions[0] + np.array([1.0, 0.0, 0.0])
    found = look(atoms)
    assert reason(found) is FailureReason.ATOMS_TOO_CLOSE
    assert found is not None and "Cu and Cu are 1.00 Å apart" in found.message


def test_atom_far_from_all_others_is_lost() -> None:
    box = Atoms(
        "Cu4", [[0, 0, 0], [2.5, 0, 0], [0, 2.5, 0], [2.5, 2.5, 0]], cell=[30] * 3, pbc=True
    )
    moved = box.copy()
    moved.positions[3] += 8.0
    assert reason(look(moved, start=box)) is FailureReason.LOST_ATOM


def test_disorder_counts_below_half_the_melting_point_only() -> None:
    atoms = copper()
    atoms.positions[::2, 0] += 1.7
    hot = replace(CALM, temperature_K=800.0, target_K=800.0)
    assert reason(look(atoms, melting_point_K=1358.0)) is FailureReason.MELTED_TOO_EARLY
    assert look(atoms, hot, melting_point_K=1358.0) is None
    assert look(atoms) is None


def test_bonds_are_those_of_the_start_and_count_where_they_should_hold() -> None:
    pair = Atoms("Cl2", [[4, 4, 3], [4, 4, 5]], cell=[8] * 3, pbc=True)
    stretched = pair.copy()
    stretched.positions[1, 2] += 0.6
    assert reason(look(stretched, start=pair, bonds_hold_below_K=1000.0)) is (
        FailureReason.BOND_CHANGED
    )
    assert look(stretched, start=pair, bonds_hold_below_K=250.0) is None
    assert look(stretched, start=pair) is None
