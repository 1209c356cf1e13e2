"""What a task of molecular dynamics sets, and the runs and integrators that follow from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from ase import Atoms
from ase.calculators.calculator import Calculator

from evaluator.protocols.base import System
from evaluator.protocols.dynamics.failures import Bounds
from evaluator.protocols.dynamics.integrators import (
    ConstantEnergy,
    ConstantPressure,
    ConstantVolume,
    Damping,
    Dynamics,
)
from evaluator.protocols.dynamics.trajectory import Plan, Ramp


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """The parameters of the task; names and units as in the catalog."""

    ensemble: str
    duration_ps: float
    timestep_fs: float
    timestep_hydrogen_fs: float
    temperature_K: float
    final_temperature_K: float
    pressure_GPa: float
    final_pressure_GPa: float
    thermostat_time_fs: float
    barostat_time_fs: float
    equilibration_ps: float
    n_relax_steps: int
    initial_volume_ratio: float
    scored_share: float
    has_control_run: bool
    uses_reference_temperature: bool
    records_pressure: bool
    wall_limit_s: float
    min_distance_ratio: float
    max_temperature_K: float
    max_temperature_ratio: float
    max_volume_ratio: float
    max_lindemann: float
    max_bond_change_A: float

    @property
    def has_barostat(self) -> bool:
        return self.ensemble.startswith("npt")

    def for_system(self, system: System) -> RunSettings:
        """Settings with the reference set's temperature, where that is asked for."""
        if not self.uses_reference_temperature:
            return self
        return replace(self, temperature_K=float(system.reference["temperature_K"]))

    def timestep_of(self, atoms: Atoms) -> float:
        return self.timestep_hydrogen_fs if 1 in atoms.numbers else self.timestep_fs

    @property
    def bounds(self) -> Bounds:
        return Bounds(**{name: getattr(self, name) for name in Bounds.__dataclass_fields__})

    @property
    def damping(self) -> Damping:
        return Damping(thermostat_fs=self.thermostat_time_fs, barostat_fs=self.barostat_time_fs)

    def plan(self, atoms: Atoms, calculator: Calculator) -> Plan:
        """The plan of the run that is judged."""
        timestep_fs = self.timestep_of(atoms)
        is_ramp = self.ensemble.endswith("_ramp")
        hot = self.final_temperature_K if is_ramp else self.temperature_K
        pressed = self.final_pressure_GPa if is_ramp else self.pressure_GPa
        offers_stress = "stress" in calculator.implemented_properties
        return Plan(
            n_steps=_n_steps(self.duration_ps, timestep_fs),
            timestep_fs=timestep_fs,
            temperature_K=Ramp(start=self.temperature_K, end=hot),
            pressure_GPa=Ramp(start=self.pressure_GPa, end=pressed),
            records_pressure=self.has_barostat or (self.records_pressure and offers_stress),
        )

    def dynamics(self, plan: Plan) -> Callable[[Atoms], Dynamics]:
        """What makes the integrator of the run that is judged."""
        if self.ensemble == "nve":
            return partial(ConstantEnergy, timestep_fs=plan.timestep_fs)
        if self.has_barostat:
            return partial(
                ConstantPressure,
                timestep_fs=plan.timestep_fs,
                temperature_K=self.temperature_K,
                pressure_GPa=self.pressure_GPa,
                damping=self.damping,
            )
        return self._thermostat(plan.timestep_fs)

    def _thermostat(self, timestep_fs: float) -> Callable[[Atoms], Dynamics]:
        return partial(
            ConstantVolume,
            timestep_fs=timestep_fs,
            temperature_K=self.temperature_K,
            damping=self.damping,
        )

    def equilibration(self, atoms: Atoms) -> tuple[Plan, Callable[[Atoms], Dynamics]]:
        """The run at constant temperature before one at constant energy."""
        timestep_fs = self.timestep_of(atoms)
        plan = Plan(
            n_steps=_n_steps(self.equilibration_ps, timestep_fs),
            timestep_fs=timestep_fs,
            temperature_K=Ramp(start=self.temperature_K, end=self.temperature_K),
        )
        return plan, self._thermostat(timestep_fs)


def _n_steps(duration_ps: float, timestep_fs: float) -> int:
    return max(1, round(1000 * duration_ps / timestep_fs))
