import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT

from evaluator.metrics.dynamics import kinetic_temperature
from evaluator.protocols.dynamics.integrators import ConstantVolume, Damping, set_velocities


def temperature(atoms: Atoms) -> float:
    return kinetic_temperature(float(atoms.get_kinetic_energy()), len(atoms))


def test_velocities_have_the_temperature_and_no_common_motion() -> None:
    atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    set_velocities(atoms, 700.0, np.random.default_rng(4))
    assert temperature(atoms) == pytest.approx(700.0)
    np.testing.assert_allclose(atoms.get_momenta().sum(axis=0), 0, atol=1e-10)


def test_velocities_are_maxwells_for_each_mass() -> None:
    atoms = bulk("NaCl", "rocksalt", a=5.64).repeat(8)
    set_velocities(atoms, 700.0, np.random.default_rng(4))
    scaled = atoms.get_velocities() * np.sqrt(atoms.get_masses() / (units.kB * 700))[:, None]
    for symbol in ("Na", "Cl"):
        chosen = scaled[atoms.symbols == symbol].ravel()
        assert np.mean(chosen**2) == pytest.approx(1, abs=0.12)
        # The fourth moment of a normal distribution is 3.
        assert np.mean(chosen**4) == pytest.approx(3, abs=0.6)


@pytest.mark.slow
def test_bath_of_a_small_cell_counts_its_free_motions() -> None:
    # With 3n instead of 3n - 3 motions four atoms would be a third too hot.
    atoms = bulk("Cu", cubic=True)
    atoms.calc = EMT()
    set_velocities(atoms, 300.0, np.random.default_rng(0))
    dynamics = ConstantVolume(atoms, 2.0, 300.0, Damping(thermostat_fs=50, barostat_fs=1))
    found = []
    for _ in range(5000):
        dynamics.step()
        found.append(temperature(atoms))
    assert np.mean(found[500:]) == pytest.approx(300, rel=0.08)
    np.testing.assert_allclose(atoms.get_momenta().sum(axis=0), 0, atol=1e-8)


@pytest.mark.slow
def test_conserved_quantity_of_the_bath_is_conserved_at_a_constant_target() -> None:
    atoms = bulk("Cu", cubic=True).repeat((2, 1, 1))
    atoms.calc = EMT()
    set_velocities(atoms, 300.0, np.random.default_rng(0))
    dynamics = ConstantVolume(atoms, 2.0, 300.0, Damping(thermostat_fs=50, barostat_fs=1))
    conserved = []
    for _ in range(200):
        dynamics.set_targets(300.0, 0.0)
        dynamics.step()
        conserved.append(dynamics._dynamics.get_conserved_energy())
    assert np.ptp(conserved) < 2e-3
