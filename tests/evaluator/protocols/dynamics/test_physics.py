"""Molecular dynamics where theory knows the answer: ideal gas, Einstein crystal, argon."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.lj import LennardJones

from evaluator.metrics.dynamics import kinetic_temperature
from evaluator.protocols.dynamics.integrators import (
    ConstantEnergy,
    ConstantPressure,
    ConstantVolume,
    Damping,
    Dynamics,
    set_velocities,
)
from tests.calculators import Constant, EinsteinCrystal

DAMPING = Damping(thermostat_fs=40.0, barostat_fs=300.0)


def crystal(n: int = 2) -> Atoms:
    return bulk("Cu", cubic=True).repeat(n)


def steps(dynamics: Dynamics, atoms: Atoms, n: int, warm_up: int = 0) -> dict[str, np.ndarray]:
    """Kinetic energy, potential energy in eV and volume in Å³ after each step."""
    found = []
    for step in range(n + warm_up):
        dynamics.step()
        if step >= warm_up:
            energies = atoms.get_kinetic_energy(), atoms.get_potential_energy()
            found.append((*energies, atoms.get_volume()))
    return dict(zip(("kinetic", "potential", "volume"), np.array(found).T, strict=True))


def test_ideal_gas_flies_straight_and_keeps_its_energy_exactly() -> None:
    atoms = crystal()
    atoms.calc = Constant()
    set_velocities(atoms, 500.0, np.random.default_rng(1))
    start, velocities = atoms.get_positions(), atoms.get_velocities()
    found = steps(ConstantEnergy(atoms, 2.0), atoms, 200)
    assert np.ptp(found["kinetic"] + found["potential"]) < 1e-10
    expected = start + velocities * 200 * 2.0 * units.fs
    np.testing.assert_allclose(atoms.positions, expected, atol=1e-9)


def test_harmonic_period_is_that_of_velocity_verlet() -> None:
    # Velocity Verlet turns an oscillator by omega' with sin(omega' dt / 2) = omega dt / 2.
    atoms = crystal(1)
    k, timestep_fs = 5.0, 8.0
    atoms.calc = EinsteinCrystal(atoms.positions, k=k)
    start = atoms.get_positions()
    atoms.positions += [0.05, 0.0, 0.0]
    dt = timestep_fs * units.fs
    omega = np.sqrt(k / atoms.get_masses()[0])
    verlet = 2 / dt * np.arcsin(omega * dt / 2)
    dynamics = ConstantEnergy(atoms, timestep_fs)
    times, moved = [], []
    for step in range(1, 301):
        dynamics.step()
        times.append(step * dt)
        moved.append(atoms.positions[0, 0] - start[0, 0])
    np.testing.assert_allclose(moved, 0.05 * np.cos(verlet * np.array(times)), atol=1e-9)
    # The exact period is off by a tenth of a radian by now: the test can tell them apart.
    assert abs(verlet - omega) * times[-1] > 0.1


def test_fluctuation_of_a_harmonic_crystal_falls_fourfold_with_half_the_step() -> None:
    spread = []
    for timestep_fs in (4.0, 2.0):
        atoms = crystal()
        atoms.calc = EinsteinCrystal(atoms.positions)
        set_velocities(atoms, 300.0, np.random.default_rng(1))
        n = round(400 / timestep_fs)
        found = steps(ConstantEnergy(atoms, timestep_fs), atoms, n)
        spread.append(np.ptp(found["kinetic"] + found["potential"]))
    assert spread[0] / spread[1] == pytest.approx(4.0, rel=0.05)


@pytest.mark.slow
def test_bath_gives_an_einstein_crystal_its_temperature_energy_and_fluctuation() -> None:
    # Both energies are (3n - 3)/2 kT on average; the variance of a kinetic energy of f quadratic
    # terms is f/2 (kT)^2. Velocities sum to zero, and so do displacements.
    temperature, n_free = 600.0, 3 * 32 - 3
    kT = units.kB * temperature
    kinetic, potential = [], []
    for seed in range(3):
        atoms = crystal()
        atoms.calc = EinsteinCrystal(atoms.positions, k=3.0)
        rng = np.random.default_rng(seed)
        set_velocities(atoms, temperature, rng)
        displaced = rng.normal(size=(32, 3)) * np.sqrt(kT / 3.0)
        atoms.positions += displaced - displaced.mean(axis=0)
        found = steps(ConstantVolume(atoms, 4.0, temperature, DAMPING), atoms, 4000, 500)
        kinetic.append(found["kinetic"])
        potential.append(found["potential"])
    k, u = np.concatenate(kinetic), np.concatenate(potential)
    assert k.mean() == pytest.approx(n_free / 2 * kT, rel=0.03)
    assert u.mean() == pytest.approx(n_free / 2 * kT, rel=0.06)
    assert k.var() == pytest.approx(n_free / 2 * kT**2, rel=0.25)


@pytest.mark.slow
def test_barostat_gives_an_ideal_gas_the_volume_of_its_law() -> None:
    # The weight of a volume is V^n exp(-pV/kT), so that <V> = (n + 1) kT/p; with a centre of mass
    # that is fixed, n kT/p. The two differ by 3 %.
    temperature, pressure_GPa, n = 300.0, 0.05, 32
    kT = units.kB * temperature
    expected = n * kT / (pressure_GPa * units.GPa)
    atoms = crystal()
    atoms.set_cell(atoms.cell * (expected / atoms.get_volume()) ** (1 / 3), scale_atoms=True)
    atoms.calc = Constant()
    rng = np.random.default_rng(3)
    atoms.positions = rng.random((n, 3)) @ atoms.cell.array
    set_velocities(atoms, temperature, rng)
    dynamics = ConstantPressure(
        atoms, 4.0, temperature, pressure_GPa, Damping(thermostat_fs=40.0, barostat_fs=200.0)
    )
    found = steps(dynamics, atoms, 12000, 1000)
    assert found["volume"].mean() == pytest.approx(expected, rel=0.08)
    # The variance of the volume is n (kT/p)^2.
    assert found["volume"].std() == pytest.approx(expected / np.sqrt(n), rel=0.3)
    found_K = [kinetic_temperature(k, n) for k in found["kinetic"]]
    assert np.mean(found_K) == pytest.approx(temperature, rel=0.05)


@pytest.mark.slow
def test_barostat_finds_the_volume_at_which_argon_has_its_pressure() -> None:
    # The equation of state of the same atoms, at constant volume and the same temperature.
    def argon(a: float) -> Atoms:
        atoms = bulk("Ar", a=a, cubic=True).repeat(2)
        atoms.calc = LennardJones(sigma=3.405, epsilon=0.01032, rc=5.2, ro=4.2, smooth=True)
        set_velocities(atoms, 40.0, np.random.default_rng(5))
        return atoms

    held = argon(5.25)
    bath = ConstantVolume(held, 8.0, 40.0, DAMPING)
    pressures = []
    for step in range(1200):
        bath.step()
        if step >= 200:
            pressures.append(-held.get_stress(include_ideal_gas=True)[:3].mean() / units.GPa)
    pressure_GPa = float(np.mean(pressures))

    free = argon(5.35)
    found = steps(ConstantPressure(free, 8.0, 40.0, pressure_GPa, DAMPING), free, 1500, 500)
    assert found["volume"].mean() == pytest.approx(held.get_volume(), rel=0.01)
