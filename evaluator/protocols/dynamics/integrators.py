"""Integrators of ASE with targets that may change on the way, and starting velocities.

The Nosé-Hoover chain (length 3) and the isotropic Martyna-Tobias-Klein barostat are ASE's
(Martyna et al., doi:10.1063/1.463940 and doi:10.1063/1.467468). Theirs count 3n degrees of freedom;
with the centre of mass at rest there are 3n - 3, so that the thermostat is told (n - 1)/n of the
temperature. In a cell of eight atoms that is a difference of 12 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from ase import Atoms, units
from ase.md.nose_hoover_chain import IsotropicMTKNPT, NoseHooverChainNVT
from ase.md.verlet import VelocityVerlet

from evaluator.metrics.dynamics import kinetic_temperature


class Dynamics(Protocol):
    """What a trajectory needs of an integrator."""

    def step(self) -> None:
        """Move the atoms by one time step."""

    def set_targets(self, temperature_K: float, pressure_GPa: float) -> None:
        """What thermostat and barostat aim at from now on."""


@dataclass(frozen=True, kw_only=True)
class Damping:
    """Characteristic times of thermostat and barostat in fs."""

    thermostat_fs: float
    barostat_fs: float


def set_velocities(atoms: Atoms, temperature: float, rng: np.random.Generator) -> None:
    """Maxwell-Boltzmann momenta, the centre of mass at rest, scaled to the temperature in K."""
    momenta = rng.normal(size=(len(atoms), 3)) * np.sqrt(atoms.get_masses())[:, None]
    velocities = momenta / atoms.get_masses()[:, None]
    velocities -= momenta.sum(axis=0) / atoms.get_masses().sum()
    atoms.set_velocities(velocities)
    temperature_K = kinetic_temperature(float(atoms.get_kinetic_energy()), len(atoms))
    atoms.set_velocities(velocities * np.sqrt(temperature / temperature_K))


class ConstantEnergy:
    """Velocity Verlet; it has no targets."""

    def __init__(self, atoms: Atoms, timestep_fs: float) -> None:
        self._dynamics: Any = VelocityVerlet(atoms, timestep_fs * units.fs)

    def step(self) -> None:
        self._dynamics.step()

    def set_targets(self, temperature_K: float, pressure_GPa: float) -> None:
        pass


class ConstantVolume:
    """Nosé-Hoover chain of three at constant volume."""

    def __init__(
        self, atoms: Atoms, timestep_fs: float, temperature_K: float, damping: Damping
    ) -> None:
        self._share = (len(atoms) - 1) / len(atoms)
        self._dynamics: Any = NoseHooverChainNVT(
            atoms,
            timestep_fs * units.fs,
            temperature_K=temperature_K * self._share,
            tdamp=damping.thermostat_fs * units.fs,
        )

    def step(self) -> None:
        self._dynamics.step()

    def set_targets(self, temperature_K: float, pressure_GPa: float) -> None:
        _heat(self._dynamics._thermostat, temperature_K * self._share)


class ConstantPressure:
    """Martyna-Tobias-Klein: the volume follows the pressure, the cell keeps its shape."""

    def __init__(
        self,
        atoms: Atoms,
        timestep_fs: float,
        temperature_K: float,
        pressure_GPa: float,
        damping: Damping,
    ) -> None:
        self._share = (len(atoms) - 1) / len(atoms)
        self._dynamics: Any = IsotropicMTKNPT(
            atoms,
            timestep_fs * units.fs,
            temperature_K=temperature_K * self._share,
            pressure_au=pressure_GPa * units.GPa,
            tdamp=damping.thermostat_fs * units.fs,
            pdamp=damping.barostat_fs * units.fs,
        )
        _warm_barostat(self._dynamics, temperature_K)

    def step(self) -> None:
        self._dynamics.step()

    def set_targets(self, temperature_K: float, pressure_GPa: float) -> None:
        dynamics = self._dynamics
        _heat(dynamics._thermostat, temperature_K * self._share)
        _warm_barostat(dynamics, temperature_K)
        dynamics._pressure_au = pressure_GPa * units.GPa


def _heat(thermostat: Any, temperature_K: float) -> None:  # noqa: ANN401  (ASE has no types)
    """Set ASE's thermostat to another temperature; its masses go with it, as at its start.

    The chain's velocities stay as they are, so that nothing jumps.
    """
    kT = units.kB * temperature_K
    ratio = kT / thermostat._kT
    thermostat._kT = kT
    thermostat._Q *= ratio
    thermostat._p_eta *= ratio


def _warm_barostat(dynamics: Any, temperature_K: float) -> None:  # noqa: ANN401
    """Warm the barostat: its own motion holds the whole kT."""
    barostat = dynamics._barostat
    kT = units.kB * temperature_K
    ratio = kT / barostat._kT
    barostat._kT = kT
    barostat._W *= ratio
    barostat._R *= ratio
    barostat._p_xi *= ratio
    dynamics._p_eps *= ratio
