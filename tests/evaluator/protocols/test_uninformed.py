"""What an answer that knows nothing misses by, against real calculators that know nothing."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

from evaluator.catalog import PROTOCOLS, check_parameters
from evaluator.metrics.equation_of_state import EquationOfState
from evaluator.protocols.base import System
from evaluator.protocols.dynamics.stability import MDStabilityProtocol
from evaluator.protocols.energy_forces import EnergyForcesProtocol, _over_clusters
from evaluator.protocols.equation_of_state import EquationOfStateProtocol
from evaluator.protocols.phonons.protocol import PhononsProtocol
from evaluator.references import sets
from tests.calculators import Constant


def test_of_the_elements_a_flat_curve_has_the_delta_that_their_curves_rise(
    tmp_path: Path,
) -> None:
    """0.08 meV/atom in helium, 28.8 in osmium, 8.55 on average: anchors at 20 were no measure."""
    systems = sets.read(sets.build("eos-wien2k", cache=tmp_path).path)
    errors = EquationOfStateProtocol().uninformed(systems, {})["eos_delta_mean"]
    by_name = {s.id: e for s, e in zip(systems, errors, strict=True)}
    assert by_name["dcdft-He"] == pytest.approx(0.078, abs=0.001)
    assert by_name["dcdft-Os"] == pytest.approx(28.85, abs=0.01)
    assert errors.mean() == pytest.approx(8.553, abs=0.001)


def test_delta_of_a_flat_curve_is_the_root_mean_square_of_the_references_rise() -> None:
    curve = {
        "volume_per_atom_A3": 16.5,
        "bulk_modulus_GPa": 77.0,
        "bulk_modulus_derivative": 4.6,
    }
    system = System(id="Al", atoms=bulk("Al"), reference=curve)
    (error,) = EquationOfStateProtocol().uninformed([system], {})["eos_delta_mean"]
    reference = EquationOfState(
        volume=16.5, bulk_modulus=77.0 / 160.21766, bulk_modulus_derivative=4.6
    )
    volumes = np.linspace(0.94, 1.06, 20001) * 16.5
    x = (reference.volume / volumes) ** (2 / 3)
    rise = (9 * reference.volume * reference.bulk_modulus / 16) * (
        (x - 1) ** 3 * reference.bulk_modulus_derivative + (x - 1) ** 2 * (6 - 4 * x)
    )
    assert error == pytest.approx(1000 * np.sqrt(np.mean(rise**2)), rel=1e-3)


def snapshots() -> list[System]:
    rng = np.random.default_rng(1)
    systems = []
    for i in range(6):
        atoms = bulk("Cu" if i < 3 else "Al", cubic=True)
        reference = {
            "energy": -3.5 * len(atoms) + rng.normal(),
            "forces": rng.normal(size=(4, 3)),
            "stress": rng.normal(size=6) / 100,
        }
        systems.append(System(id=str(i), atoms=atoms, reference=reference))
    return systems


def test_zero_forces_are_what_a_calculator_without_forces_shows() -> None:
    systems = snapshots()
    protocol = EnergyForcesProtocol()
    parameters = check_parameters(PROTOCOLS["energy_forces"].parameters, {})
    outcomes = [protocol.simulate(system, Constant(), parameters) for system in systems]
    samples, _ = protocol.samples(systems, outcomes, parameters)
    uninformed = protocol.uninformed(systems, parameters)
    for key in ("force_mae", "stress_mae"):
        np.testing.assert_allclose(uninformed[key], samples[key].values)
    np.testing.assert_allclose(uninformed["force_rmse"], np.sqrt(samples["force_rmse"].values))


def test_of_energies_a_guess_misses_alike_all_structures_of_an_element() -> None:
    """That one structure lies near the mean is no merit of the guess."""
    systems = snapshots()
    parameters = check_parameters(PROTOCOLS["energy_forces"].parameters, {})
    errors = EnergyForcesProtocol().uninformed(systems, parameters)["energy_mae"]
    assert len(set(errors[:3])) == 1
    assert len(set(errors[3:])) == 1
    assert errors[0] != errors[3]


@pytest.mark.parametrize("is_rms", [False, True])
def test_errors_of_many_clusters_are_pooled_at_once(is_rms: bool) -> None:
    errors = np.arange(40_000.0)
    clusters = np.array([f"c{i // 2}" for i in range(39_999)] + ["alone"])
    started = time.perf_counter()
    pooled = _over_clusters(errors, clusters, is_rms=is_rms)
    assert time.perf_counter() - started < 2
    power = 2 if is_rms else 1
    assert pooled[:2] ** power == pytest.approx([0.5, 0.5])
    assert pooled[39_999] ** power == pytest.approx(np.mean(errors**power))


def test_an_ideal_gas_is_all_wrong_about_a_structure() -> None:
    g = np.concatenate([np.zeros(20), [3.0, 1.0, 0.5, 1.2, 1.0]])
    system = System(id="Si-seed0", atoms=bulk("Si"), reference={"rdf": g})
    errors = MDStabilityProtocol().uninformed(
        [system], check_parameters(PROTOCOLS["md_stability"].parameters, {})
    )
    assert errors["rdf_error"] == pytest.approx([100.0])


def test_a_crystal_without_restoring_forces_has_no_modes_and_is_stable() -> None:
    reference = {
        "omega_max_THz": 10.0,
        "omega_mean_THz": 6.0,
        "omega_min_THz": 0.0,
        "gamma_max_THz": 9.0,
        "heat_capacity_J_K_mol": 20.0,
        "frequencies_THz": np.array([[2.0, 4.0, 6.0, 6.0, 8.0, 10.0]]),
        "qpoints": np.zeros((1, 3)),
        "qpoint_weights": np.ones(1),
    }
    system = System(id="MgO", atoms=bulk("MgO", "rocksalt", a=4.2), reference=reference)
    parameters = check_parameters(PROTOCOLS["phonons"].parameters, {})
    errors = PhononsProtocol().uninformed([system], parameters)
    assert errors["omega_max_mae"] == pytest.approx([10.0])
    assert errors["gamma_max_relative_error"] == pytest.approx([100.0])
    assert errors["dos_distance"] == pytest.approx([6.0])
    assert errors["stability_score"] == pytest.approx([0.0])
    assert errors["heat_capacity_mae"] == pytest.approx([3 * 8.314462618 - 20.0], rel=1e-4)
