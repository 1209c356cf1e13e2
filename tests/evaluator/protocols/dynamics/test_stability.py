from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones

from evaluator.catalog import METRICS, PROTOCOLS, check_parameters
from evaluator.contract import ScoredMetric, ScoreRecord, SystemStatus, TaskSpec
from evaluator.protocols.base import Outcome, System, SystemFailure, UnsuitableReference
from evaluator.protocols.dynamics.stability import MDStabilityProtocol
from evaluator.scoring import score
from tests.calculators import (
    Constant,
    EinsteinCrystal,
    Exploding,
    NanAfter,
    NonExtensive,
    Slow,
)

PROTOCOL = MDStabilityProtocol()
SHORT = {"n_relax_steps": 0, "thermostat_time_fs": 25.0, "barostat_time_fs": 100.0}
NVE = SHORT | {"ensemble": "nve", "timestep_fs": 2.0, "equilibration_ps": 0.1, "duration_ps": 0.3}
HEATING = SHORT | {"ensemble": "nvt_ramp", "duration_ps": 0.3, "timestep_fs": 2.0}


def parameters(**values: Any) -> dict[str, Any]:
    return check_parameters(PROTOCOLS["md_stability"].parameters, values)


def system(atoms: Atoms | None = None, name: str = "Cu-seed0", **known: float) -> System:
    return System(id=name, atoms=atoms or bulk("Cu", cubic=True), reference=known)


def run(calculator: Calculator, values: Mapping[str, Any], one: System | None = None) -> Outcome:
    return PROTOCOL.simulate(one or system(), calculator, parameters(**values))


def score_of(key: str, outcomes: list[Outcome | None], **values: Any) -> ScoreRecord:
    metric = METRICS[key]
    is_share = metric.unit == ""
    anchors = (
        {"good": 1.0, "bad": 0.0, "worst": 0.0}
        if is_share
        else {
            "good": 0.5,
            "bad": 10.0,
            "worst": 20.0,
        }
    )
    task = TaskSpec(
        slug="t",
        version=1,
        protocol="md_stability",
        protocol_version=1,
        parameters={},
        metrics=(ScoredMetric(key=key, **anchors),),
    )
    systems = [system(name=f"s{i}") for i in range(len(outcomes))]
    samples, _ = PROTOCOL.samples(systems, outcomes, parameters(**values))
    statuses = [SystemStatus.FAILED if o is None else SystemStatus.OK for o in outcomes]
    return score(task, statuses, samples)[0][0]


def argon() -> LennardJones:
    return LennardJones(sigma=3.405, epsilon=0.01032, rc=7.0, ro=5.5, smooth=True)


def argon_crystal() -> System:
    return system(bulk("Ar", a=5.26, cubic=True).repeat((2, 1, 1)), "Ar-seed0")


# --------------------------------------------------------------------------------------------- NVE


@pytest.mark.slow
def test_drift_and_fluctuation_of_lj_argon_fall_fourfold_with_half_the_time_step() -> None:
    values = NVE | {"timestep_fs": 5.0, "duration_ps": 2.0, "temperature_K": 30.0}
    found = run(argon(), values, argon_crystal()).values
    assert found["end"] == found["control_end"] == "completed"
    fluctuation = found["nve_fluctuation_meV_atom"]
    ratio = fluctuation / found["nve_fluctuation_half_timestep_meV_atom"]
    assert ratio == pytest.approx(4.0, rel=0.1)
    # The tolerance is 0.5 meV/(atom ps).
    assert abs(found["nve_drift_meV_atom_ps"]) < 0.01
    assert abs(found["nve_extrapolated_drift_meV_atom_ps"]) < 0.001


@pytest.mark.slow
def test_nve_energy_drift_tells_conservative_from_curled_forces() -> None:
    crystal = bulk("Cu", cubic=True).repeat((2, 1, 1))
    drifts = [
        run(
            EinsteinCrystal(crystal.positions, curl=curl),
            NVE | {"duration_ps": 1.0},
            system(crystal),
        ).values
        for curl in (0.0, 0.1)
    ]
    conservative, curled = (abs(v["nve_drift_meV_atom_ps"]) for v in drifts)
    assert conservative < 0.5 < curled
    assert curled > 100 * conservative
    # Half a time step does not heal forces that are no gradient.
    half = abs(drifts[1]["nve_drift_half_timestep_meV_atom_ps"])
    assert half == pytest.approx(curled, rel=0.05)


@pytest.mark.slow
def test_curled_forces_are_charged_by_the_extrapolated_drift_too() -> None:
    crystal = bulk("Cu", cubic=True).repeat((2, 1, 1))
    values = NVE | {"duration_ps": 1.0}
    curled = run(EinsteinCrystal(crystal.positions, curl=0.1), values, system(crystal))
    emt = run(EMT(), NVE, system(crystal))
    bad = score_of("nve_extrapolated_drift", [curled, curled], **NVE)
    good = score_of("nve_extrapolated_drift", [emt, emt], **NVE)
    assert bad.score is not None and good.score is not None
    assert bad.score == 0.0 and good.score == 1.0
    assert score_of("temperature_relative_error", [emt], **NVE).value is None


def test_atoms_without_forces_fail_and_are_perfectly_smooth_all_the_same() -> None:
    """They fly apart and meet; their energy is kept to the last digit until then."""
    crystal = bulk("Cu", cubic=True).repeat((2, 1, 1))
    values = NVE | {"temperature_K": 1000.0, "equilibration_ps": 0.01, "duration_ps": 2.0}
    found = run(Constant(), values, system(crystal))
    assert found.values["end"] == "failed" and found.values["survived_ps"] > 0.05
    smoothness = PROTOCOL.smoothness([found, None])
    assert smoothness["nve_drift_meV_atom_ps_mean"] == pytest.approx(0.0, abs=1e-6)
    # The score is charged as for any who fails: it tells no drift, and is graded nowhere.
    charged = score_of("nve_extrapolated_drift", [found], **NVE)
    assert (charged.value, charged.n_failed) == (20.0, 1)


def test_energy_that_grows_until_physics_is_left_is_not_smooth() -> None:
    crystal = bulk("Cu", cubic=True).repeat((2, 1, 1))
    curled = EinsteinCrystal(crystal.positions, curl=2.0)
    found = run(curled, NVE | {"duration_ps": 2.0, "equilibration_ps": 0.01}, system(crystal))
    assert found.values["end"] == "failed"
    assert PROTOCOL.smoothness([found])["nve_drift_meV_atom_ps_mean"] > 10
    assert PROTOCOL.smoothness([None]) == {}


def test_trajectories_that_left_physics_count_among_those_that_failed() -> None:
    def ended(end: str, share: float) -> Outcome:
        return Outcome(values={"end": end, "survived_share": share, "failure_reason": ""})

    outcomes = [ended("failed", 0.25), ended("completed", 1.0), ended("failed", 0.75), None]
    completed = score_of("trajectory_fraction_stable", outcomes, **HEATING)
    assert (completed.value, completed.n, completed.n_failed) == (0.25, 4, 3)
    # Each keeps the time that it survived: only the one without any is charged.
    survived = score_of("time_fraction_stable", outcomes, **HEATING)
    assert (survived.value, survived.n_failed) == (pytest.approx(0.5), 3)
    assert [o is not None and PROTOCOL.has_failed(o) for o in outcomes] == [
        True,
        False,
        True,
        False,
    ]


def test_failure_in_the_equilibration_survives_for_no_time() -> None:
    found = run(NanAfter(20), NVE).values
    assert found["end"] == "failed" and found["survived_share"] == 0
    assert found["failure_reason"] == "non-finite"
    assert "left physics in the equilibration, after 0.0" in found["failure_message"]


# ----------------------------------------------------------------------------------------- failures


def test_exploding_crystal_has_a_reason_and_a_time() -> None:
    found = run(Exploding(k=5.0), HEATING).values
    assert found["end"] == "failed"
    assert found["failure_reason"] in ("temperature runaway", "atoms too close")
    assert 0 < found["survived_ps"] < 0.3
    assert found["survived_share"] == pytest.approx(found["survived_ps"] / 0.3)


@pytest.mark.slow
@pytest.mark.parametrize("n", [30, 77])
def test_not_a_number_ends_the_trajectory_where_it_comes(n: int) -> None:
    found = run(NanAfter(n), HEATING).values
    assert found["failure_reason"] == "non-finite"
    # One call for the start, one for each step.
    assert found["survived_ps"] == pytest.approx(0.002 * n)


def test_not_a_number_at_the_start_is_a_failed_system() -> None:
    for n_relax_steps in (0, 5):
        with pytest.raises(SystemFailure, match="not finite"):
            run(NanAfter(0), HEATING | {"n_relax_steps": n_relax_steps})


def test_potential_that_refuses_later_ends_the_trajectory_with_its_own_words() -> None:
    class Refusing(EMT):
        n_calls = 0

        def calculate(self, *arguments: Any, **more: Any) -> None:
            self.n_calls += 1
            if self.n_calls > 40:
                raise SystemFailure("Out of my depth.")
            super().calculate(*arguments, **more)

    found = run(Refusing(), HEATING).values
    assert found["failure_reason"] == "non-finite"
    assert found["failure_message"] == (
        "It left physics after 0.080 ps. Seen first: Out of my depth."
    )
    assert found["survived_ps"] == pytest.approx(0.08)


def test_crystal_without_forces_melts_too_early_or_collides() -> None:
    known = {"melting_point_K": 2000.0}
    values = HEATING | {"duration_ps": 2.0, "timestep_fs": 4.0}
    found = run(Constant(), values, system(**known)).values
    assert found["failure_reason"] in ("melted too early", "atoms too close")


@pytest.mark.slow
def test_energy_that_is_not_extensive_changes_no_trajectory() -> None:
    ours, theirs = run(EMT(), HEATING).values, run(NonExtensive(), HEATING).values
    assert ours["series_temperature_K"] == theirs["series_temperature_K"]


@pytest.mark.slow
def test_molecule_that_falls_apart_has_changed_a_bond() -> None:
    chlorine = Atoms("Cl2", [[4, 4, 3], [4, 4, 5]], cell=[8, 8, 8], pbc=True)
    values = SHORT | {"ensemble": "nvt_hold", "duration_ps": 2.0, "temperature_K": 300.0}
    calm = run(
        EinsteinCrystal(chlorine.positions), values, system(chlorine, bonds_hold_below_K=1000.0)
    )
    assert calm.values["end"] == "completed"
    pulled = run(Exploding(k=0.02), values, system(chlorine, bonds_hold_below_K=1000.0))
    assert pulled.values["failure_reason"] == "bond changed"


def test_pressure_without_stress_is_a_failed_system() -> None:
    calculator = EMT()
    calculator.implemented_properties = ["energy", "forces"]
    with pytest.raises(SystemFailure, match="offers no stress"):
        run(calculator, SHORT | {"ensemble": "npt_ramp"})


# --------------------------------------------------------------------------------------- the clock


@pytest.mark.slow
def test_slow_potential_is_censored_and_never_failed() -> None:
    found = run(Slow(0.02), HEATING | {"wall_limit_s": 0.3})
    assert found.values["end"] == "censored"
    assert found.values["failure_reason"] == ""
    assert 0 < found.values["survived_share"] < 0.2

    whole = run(EMT(), HEATING)
    assert score_of("time_fraction_stable", [whole, found, found], **HEATING).value == 1.0
    alone = score_of("time_fraction_stable", [found, found], **HEATING)
    assert (alone.value, alone.n_failed) == (None, 0)
    assert score_of("nve_energy_drift", [found], **NVE).value is None


def test_clock_counts_while_a_structure_is_relaxed() -> None:
    rattled = bulk("Cu", cubic=True)
    rattled.rattle(0.2, seed=1)
    calculator = Slow(0.05)
    values = HEATING | {"n_relax_steps": 500, "wall_limit_s": 0.1}
    found = run(calculator, values, system(rattled)).values
    assert found["end"] == "censored" and found["survived_ps"] == 0
    assert calculator.n_calls < 10


# --------------------------------------------------------------------------------- what is recorded


@pytest.mark.slow
def test_ramp_is_followed_and_the_series_stay_small() -> None:
    values = HEATING | {"duration_ps": 1.5}
    found = run(EMT(), values, system(bulk("Cu", cubic=True).repeat(2))).values
    assert found["end"] == "completed" and found["survived_share"] == 1.0
    assert found["temperature_error_percent"] < 10
    last = found["series_temperature_K"][-12:]
    assert np.mean(last) == pytest.approx(3000, rel=0.2)
    assert found["series_time_ps"][0] == 0 and found["series_time_ps"][-1] == 1.5
    lengths = {len(v) for k, v in found.items() if k.startswith("series_")}
    assert len(lengths) == 1 and lengths.pop() <= 60
    assert "series_pressure_GPa" in found


def test_what_comes_after_the_scored_share_is_shown_and_not_scored() -> None:
    """One that left physics at a tenth of the run, one at half of it, one that was broken off."""
    ends = [("failed", 0.1), ("failed", 0.5), ("censored", 0.3), ("completed", 1.0)]
    outcomes = [
        Outcome(values={"end": end, "survived_share": share, "failure_reason": ""})
        for end, share in ends
    ]
    systems = [system(name=f"{n}-seed0") for n in range(4)]
    values = parameters(ensemble="npt_ramp", scored_share=0.2)
    samples, _ = PROTOCOL.samples(systems, outcomes, values)
    survival, completed = samples["time_fraction_stable"], samples["trajectory_fraction_stable"]
    assert survival.values == pytest.approx([0.5, 1, 1, 1])
    assert survival.errors == pytest.approx([0.5, 0, 0, 0])
    assert completed.values == pytest.approx([0, 1, 1, 1])
    assert survival.has_failed is not None
    assert survival.has_failed.tolist() == [True, False, False, False]
    summary = PROTOCOL.summary(systems, outcomes, values)
    assert summary["n_failed_physically"] == 2  # beyond it is shown


def test_a_start_off_the_reference_is_what_a_guess_misses_by() -> None:
    crystals = [system(density_g_cm3=8.9), system(density_g_cm3=8.9, name="Cu-seed1")]
    errors = PROTOCOL.uninformed(
        crystals, parameters(ensemble="npt_hold", initial_volume_ratio=1.25)
    )
    assert errors["density_relative_error"] == pytest.approx([20.0, 20.0])
    at_reference = PROTOCOL.uninformed(crystals, parameters(ensemble="npt_hold"))
    assert "density_relative_error" not in at_reference


def test_the_barostat_finds_the_density_from_a_start_off_it() -> None:
    values = SHORT | {"ensemble": "npt_hold", "duration_ps": 0.6, "timestep_fs": 5.0}
    crystal = bulk("Cu", cubic=True).repeat((2, 1, 1))
    found = run(EMT(), values | {"initial_volume_ratio": 1.06}, system(crystal)).values
    started = found["series_volume_A3_atom"][0]
    assert started == pytest.approx(1.06 * crystal.get_volume() / len(crystal), rel=0.01)
    assert found["density_g_cm3"] == pytest.approx(8.93, rel=0.02)  # 8.45 at the start


@pytest.mark.slow
def test_pressure_ramp_compresses_the_crystal_to_its_target() -> None:
    values = SHORT | {
        "ensemble": "npt_ramp",
        "duration_ps": 1.0,
        "timestep_fs": 2.0,
        "final_temperature_K": 300.0,
        "final_pressure_GPa": 30.0,
    }
    found = run(EMT(), values, system(bulk("Cu", cubic=True).repeat((2, 2, 1)))).values
    assert found["end"] == "completed"
    assert found["series_volume_A3_atom"][-1] < 0.93 * found["series_volume_A3_atom"][0]
    assert np.mean(found["series_pressure_GPa"][-12:]) == pytest.approx(28.5, abs=5)
    assert found["density_g_cm3"] > 8.93


@pytest.mark.slow
def test_hold_keeps_its_temperature_and_tells_pressure_when_asked() -> None:
    values = HEATING | {"ensemble": "nvt_hold", "duration_ps": 1.0, "records_pressure": True}
    found = run(EMT(), values, system(bulk("Cu", cubic=True).repeat(2))).values
    assert found["temperature_error_percent"] < 5
    assert abs(found["pressure_mean_GPa"]) < 5


@pytest.mark.slow
def test_replica_is_decided_by_its_name() -> None:
    first, again = run(EMT(), HEATING).values, run(EMT(), HEATING).values
    assert first == again
    other = run(EMT(), HEATING, system(name="Cu-seed1")).values
    assert other["series_temperature_K"] != first["series_temperature_K"]


def test_systems_with_hydrogen_take_the_shorter_step() -> None:
    hydride = bulk("PdH", "rocksalt", a=4.09, cubic=True)
    values = HEATING | {"ensemble": "nvt_hold", "duration_ps": 0.01}
    calculator = EinsteinCrystal(hydride.positions)
    assert run(calculator, values, system(hydride)).values["timestep_fs"] == 0.5


# ---------------------------------------------------------------------------------------- the whole


@pytest.mark.slow
def test_failed_at_the_start_counts_as_no_time_and_summary_counts_the_ends() -> None:
    whole, broken = run(EMT(), HEATING), run(NanAfter(75), HEATING)
    outcomes = [whole, broken, None]
    time = score_of("time_fraction_stable", outcomes, **HEATING)
    assert time.value == pytest.approx((1 + 0.5 + 0) / 3)
    # What broke on its way has failed, too, and keeps its time.
    assert (time.n, time.n_failed) == (3, 2)
    assert score_of("trajectory_fraction_stable", outcomes, **HEATING).value == pytest.approx(1 / 3)
    charged = score_of("temperature_relative_error", outcomes, **HEATING)
    assert charged.n_failed == 2

    systems = [system(name=f"s{i}") for i in range(3)]
    summary = PROTOCOL.summary(systems, outcomes, parameters(**HEATING))
    assert summary["n_completed"] == summary["n_failed_physically"] == 1
    assert summary["n_by_reason"] == {"non-finite": 1}
    assert [point["survival"] for point in summary["survival"]] == [1.0, 0.5]
    assert summary["survival"][1]["time_ps"] == pytest.approx(0.15)
    assert PROTOCOL.summary(systems, [None] * 3, parameters(**HEATING)) == {}


@pytest.mark.parametrize(
    ("systems", "complaint"),
    [
        ([], "empty"),
        ([system(Atoms("Cu2", [[0, 0, 0], [0, 0, 2]]))], "not periodic"),
        ([system(bulk("Cu"))], "two atoms"),
    ],
)
def test_unsuitable_reference_is_refused(systems: list[System], complaint: str) -> None:
    with pytest.raises(UnsuitableReference, match=complaint):
        PROTOCOL.check_reference(systems, ["time_fraction_stable"])


@pytest.mark.parametrize("ensemble", ["npt_hold", "nvt_hold"])
@pytest.mark.parametrize(
    "vectors",
    [
        [[0, 1.8, 1.8], [1.8, 0, 1.8], [1.8, 1.8, 0]],
        [[1.8, 0, 1.8], [0, 1.8, 1.8], [1.8, 1.8, 0]],
        [[3.6, 0, 0], [1.8, 1.8, 0], [1.8, 0, 1.8]],
    ],
    ids=["primitive", "left-handed", "triclinic"],
)
def test_crystals_of_two_atoms_move_in_any_cell(vectors: list[list[float]], ensemble: str) -> None:
    crystal = Atoms("Cu", cell=vectors, pbc=True).repeat((2, 1, 1))
    values = SHORT | {"ensemble": ensemble, "duration_ps": 0.02, "timestep_fs": 2.0}
    assert run(EMT(), values, system(crystal)).values["end"] == "completed"
