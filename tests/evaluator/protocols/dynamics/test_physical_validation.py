"""The integrators by the checks of Merz and Shirts (physical_validation, doi:10.21105/joss.03981).

The package knows nothing of ours: it is told units, times and energies. By statistics of its own it
judges whether the kinetic energy is that of a canonical ensemble, and whether the fluctuation of
the conserved energy falls with the square of the time step, as velocity Verlet's must.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT

from evaluator.protocols.dynamics.integrators import (
    ConstantEnergy,
    ConstantVolume,
    Damping,
    Dynamics,
    set_velocities,
)

if TYPE_CHECKING:
    from physical_validation.data import SimulationData

pytestmark = pytest.mark.slow

TEMPERATURE_K = 300.0


def copper(temperature: float = TEMPERATURE_K) -> Atoms:
    atoms = bulk("Cu", cubic=True).repeat((2, 1, 1))
    atoms.calc = EMT()
    set_velocities(atoms, temperature, np.random.default_rng(3))
    return atoms


def run(
    atoms: Atoms, dynamics: Dynamics, n_steps: int, every: int = 1
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Potential and kinetic energies in eV, each shape (n_frames,)."""
    energies = []
    for step in range(n_steps):
        dynamics.step()
        if step % every == 0:
            energies.append((atoms.get_potential_energy(), atoms.get_kinetic_energy()))
    potential, kinetic = np.array(energies).T
    return potential, kinetic


def told(
    atoms: Atoms,
    potential: np.ndarray[Any, Any],
    kinetic: np.ndarray[Any, Any],
    *,
    ensemble: str,
    timestep_fs: float,
) -> SimulationData:
    """What physical_validation is told of a trajectory."""
    from physical_validation.data import (
        EnsembleData,
        ObservableData,
        SimulationData,
        SystemData,
        UnitData,
    )

    in_ev = UnitData(
        kb=units.kB,
        energy_str="eV",
        energy_conversion=units.mol / units.kJ,
        length_str="A",
        length_conversion=0.1,
        volume_str="A^3",
        volume_conversion=1e-3,
        temperature_str="K",
        temperature_conversion=1.0,
        pressure_str="bar",
        pressure_conversion=1.0,
        time_str="fs",
        time_conversion=1e-3,
    )
    n = len(atoms)
    system = SystemData(
        natoms=n,
        nconstraints=0,
        ndof_reduction_tra=3,
        ndof_reduction_rot=0,
        mass=atoms.get_masses(),
        molecule_idx=np.arange(n),
        nconstraints_per_molecule=np.zeros(n),
    )
    volume = atoms.get_volume()
    kind = (
        EnsembleData("NVE", natoms=n, volume=volume, energy=float((potential + kinetic).mean()))
        if ensemble == "NVE"
        else EnsembleData("NVT", natoms=n, volume=volume, temperature=TEMPERATURE_K)
    )
    return SimulationData(
        units=in_ev,
        dt=timestep_fs,
        system=system,
        ensemble=kind,
        observables=ObservableData(
            kinetic_energy=kinetic,
            potential_energy=potential,
            total_energy=potential + kinetic,
            constant_of_motion=potential + kinetic,
        ),
    )


def sigmas_of_kinetic_energy(data: SimulationData) -> tuple[float, float]:
    """By how many standard errors mean and width are off those of the canonical ensemble."""
    from physical_validation.kinetic_energy import distribution

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mean, width = distribution(data, strict=False, verbosity=0, bootstrap_seed=1)
    return float(mean), float(width)


def test_the_bath_gives_the_canonical_kinetic_energies_and_no_others() -> None:
    atoms = copper()
    bath = ConstantVolume(atoms, 4.0, TEMPERATURE_K, Damping(thermostat_fs=100, barostat_fs=1))
    run(atoms, bath, 500)
    potential, kinetic = run(atoms, bath, 3000, every=2)
    data = told(atoms, potential, kinetic, ensemble="NVT", timestep_fs=8.0)
    mean, width = sigmas_of_kinetic_energy(data)
    assert mean < 3
    assert width < 3

    # With 3n degrees of freedom for its 3n - 3 the bath would be this much too hot.
    n = len(atoms)
    hot = told(atoms, potential, kinetic * n / (n - 1), ensemble="NVT", timestep_fs=8.0)
    assert sigmas_of_kinetic_energy(hot)[0] > 3
    # A bath that scales velocities (Berendsen's) leaves too little fluctuation.
    narrow = kinetic.mean() + 0.7 * (kinetic - kinetic.mean())
    berendsen = told(atoms, potential, narrow, ensemble="NVT", timestep_fs=8.0)
    assert sigmas_of_kinetic_energy(berendsen)[1] > 3


def test_the_energy_s_fluctuation_falls_with_the_square_of_the_time_step() -> None:
    from physical_validation.integrator import convergence

    simulations, energies = [], {}
    for timestep_fs in (4.0, 2.0, 1.0):
        atoms = copper(600.0)
        dynamics = ConstantEnergy(atoms, timestep_fs)
        energies[timestep_fs] = run(atoms, dynamics, round(800 / timestep_fs))
        simulations.append(
            told(atoms, *energies[timestep_fs], ensemble="NVE", timestep_fs=timestep_fs)
        )
    assert convergence(simulations, verbose=False) < 0.3

    # One whose fluctuation stays as the time step is halved is told from it.
    stays = told(atoms, *energies[2.0], ensemble="NVE", timestep_fs=1.0)
    assert convergence([*simulations[:2], stays], verbose=False) > 0.3
