"""Calculators that are wrong on purpose, in dynamics: each is seen, and ranks where it belongs."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Sequence
from typing import Any

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from numpy.typing import NDArray

from evaluator.catalog import PROTOCOLS, check_parameters
from evaluator.contract import ScoredMetric, ScoreRecord, SystemStatus, TaskSpec
from evaluator.plain import plain
from evaluator.protocols.base import Outcome, System, UnsuitableReference
from evaluator.protocols.dynamics.recorder import TRAJECTORY_FILE, Snapshot, trajectory_file
from evaluator.protocols.dynamics.stability import MDStabilityProtocol
from evaluator.scoring import score
from tests.calculators import (
    Constant,
    EinsteinCrystal,
    Exploding,
    NanAfter,
    NonExtensive,
    Slow,
    _OnBase,
)

PROTOCOL = MDStabilityProtocol()
SHORT = {
    "n_relax_steps": 0,
    "thermostat_time_fs": 25.0,
    "barostat_time_fs": 100.0,
    "timestep_fs": 2.0,
}
HOLD = SHORT | {"ensemble": "nvt_hold", "duration_ps": 0.3}
PRESSED = SHORT | {"ensemble": "npt_hold", "duration_ps": 1.0}
NVE = SHORT | {"ensemble": "nve", "equilibration_ps": 0.1, "duration_ps": 0.4}


class Drifting(_OnBase):
    """An energy that falls with every call, and forces that know nothing of it."""

    def answer(self, atoms: Atoms) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        energy, forces, stress = super().answer(atoms)
        return energy - 100.0 * self.n_calls * len(atoms), forces, stress


class Sticky(_OnBase):
    """Neighbours attract each other without end: E = -k/2 times the inverse of their distance."""

    def answer(self, atoms: Atoms) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        forces = np.zeros((len(atoms), 3))
        pull = atoms.get_distance(0, 1, mic=True, vector=True)
        length = float(np.linalg.norm(pull))
        forces[0], forces[1] = 20 * pull / length, -20 * pull / length
        return 20 * length, forces, np.zeros(6)


def crystal() -> Atoms:
    atoms: Atoms = bulk("Cu", cubic=True).repeat((2, 1, 1))
    return atoms


def run(calculator: Calculator, values: dict[str, Any], atoms: Atoms, **known: float) -> Outcome:
    parameters = check_parameters(PROTOCOLS["md_stability"].parameters, values)
    one = System(id="one-seed0", atoms=atoms, reference=known)
    return PROTOCOL.simulate(one, calculator, parameters)


def square() -> Atoms:
    places = [[0, 0, 0], [2.5, 0, 0], [0, 2.5, 0], [2.5, 2.5, 0]]
    return Atoms("Cu4", places, cell=[30] * 3, pbc=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reason", "calculator", "values", "atoms", "known"),
    [
        ("non-finite", NanAfter(30), HOLD, crystal(), {}),
        ("energy runaway", Drifting(), HOLD, crystal(), {}),
        ("temperature runaway", Exploding(k=40.0), HOLD, crystal(), {}),
        ("atoms too close", Sticky(), HOLD, crystal(), {}),
        ("lost atom", Exploding(k=0.6), HOLD | {"duration_ps": 1.0}, square(), {}),
        ("volume blow-up", Constant(), PRESSED, crystal(), {}),
        (
            "volume collapse",
            Constant(),
            PRESSED | {"pressure_GPa": 60.0, "min_distance_ratio": 0.1},
            crystal(),
            {},
        ),
        (
            "melted too early",
            Constant(),
            HOLD | {"duration_ps": 2.0, "min_distance_ratio": 0.1},
            crystal(),
            {"melting_point_K": 2000.0},
        ),
        (
            "bond changed",
            Exploding(k=0.02),
            HOLD | {"duration_ps": 2.0},
            Atoms("Cl2", [[4, 4, 3], [4, 4, 5]], cell=[8] * 3, pbc=True),
            {"bonds_hold_below_K": 1000.0},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_way_out_of_physics_is_seen_with_its_reason_and_its_last_step(
    reason: str,
    calculator: Calculator,
    values: dict[str, Any],
    atoms: Atoms,
    known: dict[str, float],
) -> None:
    outcome = run(calculator, values, atoms, **known)
    found = outcome.values
    assert (found["end"], found["failure_reason"]) == ("failed", reason)
    assert found["failure_message"].endswith(".")
    assert 0 < found["survived_ps"] < values["duration_ps"]
    # The series go up to the failure, with a gap where there was no number, and survive JSON.
    assert found["series_time_ps"][-1] == pytest.approx(found["survived_ps"])
    assert {len(v) for k, v in found.items() if k.startswith("series_")} == {
        len(found["series_time_ps"])
    }
    plain(found)
    frames = read(outcome)
    if reason != "non-finite":
        assert frames[-1].info["time_ps"] == pytest.approx(found["survived_ps"])


def read(outcome: Outcome) -> list[Atoms]:
    text = gzip.decompress(outcome.files[TRAJECTORY_FILE]).decode()
    return list(ase.io.read(io.StringIO(text), ":", format="extxyz"))


# ------------------------------------------------------------------------------------------ ranking


def scored(
    key: str, values: dict[str, Any], make: Callable[[Atoms], Calculator], n_seeds: int = 2
) -> ScoreRecord:
    worst = 0.0 if key.endswith("stable") else 20.0
    anchors = (1.0, 0.0) if worst == 0 else (0.5, 10.0)
    metric = ScoredMetric(key=key, good=anchors[0], bad=anchors[1], worst=worst)
    task = TaskSpec(
        slug="t", version=1, protocol="md_stability", protocol_version=1, parameters={},
        metrics=(metric,),
    )  # fmt: skip
    parameters = check_parameters(PROTOCOLS["md_stability"].parameters, values)
    systems = [System(id=f"Cu-seed{i}", atoms=crystal()) for i in range(n_seeds)]
    outcomes: Sequence[Outcome | None] = [
        PROTOCOL.simulate(s, make(s.atoms), parameters) for s in systems
    ]
    samples, _ = PROTOCOL.samples(systems, outcomes, parameters)
    clusters = PROTOCOL.clusters(systems)
    assert set(clusters) == {"Cu"}
    return score(task, [SystemStatus.OK] * n_seeds, samples, 10, clusters)[0][0]


@pytest.mark.slow
def test_bad_calculators_survive_less_in_a_bath() -> None:
    found = {
        name: scored("time_fraction_stable", HOLD, make).value
        for name, make in {
            "good": lambda atoms: EMT(),
            "not extensive": lambda atoms: NonExtensive(),
            "not a number": lambda atoms: NanAfter(75),
            "exploding": lambda atoms: Exploding(k=20.0),
        }.items()
    }
    # A constant in the energy moves no atom: it is found by other tasks.
    assert found["good"] == found["not extensive"] == 1.0
    assert found["not a number"] == pytest.approx(0.5)
    assert found["exploding"] is not None and found["exploding"] < 0.5


@pytest.mark.slow
def test_bad_calculators_are_charged_without_a_bath() -> None:
    values = {
        name: scored("nve_energy_drift", NVE, make)
        for name, make in {
            "good": lambda atoms: EMT(),
            "springs": lambda atoms: EinsteinCrystal(atoms.positions),
            "curled": lambda atoms: EinsteinCrystal(atoms.positions, curl=0.3),
            "not a number": lambda atoms: NanAfter(100),
        }.items()
    }
    assert values["springs"].score == 1.0 and values["springs"].n_failed == 0
    assert values["good"].score is not None and values["good"].score > 0.9
    assert values["curled"].score == 0.0 and values["curled"].n_failed == 0
    assert (values["not a number"].value, values["not a number"].n_failed) == (20.0, 2)


@pytest.mark.slow
def test_slow_calculator_is_nowhere_charged() -> None:
    for key, values in (
        ("time_fraction_stable", HOLD),
        ("trajectory_fraction_stable", HOLD),
        ("nve_energy_drift", NVE),
        ("nve_extrapolated_drift", NVE),
        ("temperature_relative_error", HOLD),
    ):
        record = scored(key, values | {"wall_limit_s": 0.15}, lambda atoms: Slow(0.03), 1)
        assert (record.value, record.n, record.n_failed) == (None, 0, 0)


# ------------------------------------------------------------------------- structure and densities


def with_reference(**known: Any) -> System:
    return System(id="Cu-seed0", atoms=bulk("Cu", cubic=True).repeat(2), reference=known)


@pytest.mark.slow
def test_structure_of_the_same_potential_has_a_small_error_and_of_another_a_large_one() -> None:
    values = check_parameters(
        PROTOCOLS["md_stability"].parameters,
        HOLD | {"uses_reference_temperature": True, "temperature_K": 5.0, "duration_ps": 1.0},
    )
    asked = {"temperature_K": 400.0, "rdf_max_A": 3.6, "rdf_noise_percent": 0.0}
    blank = with_reference(rdf=np.linspace(0, 2, 36), **asked)
    first = PROTOCOL.simulate(blank, EMT(), values).values
    assert np.mean(first["series_temperature_K"][12:]) == pytest.approx(400, rel=0.2)

    known = asked | {"rdf": np.array(first["rdf"])}
    again = System(id="Cu-seed1", atoms=blank.atoms, reference=known)
    same = PROTOCOL.simulate(again, EMT(), values)
    assert same.values["rdf_error_percent"] < 12
    stiff = PROTOCOL.simulate(again, EinsteinCrystal(blank.atoms.positions, k=60.0), values)
    assert stiff.values["rdf_error_percent"] > 2 * same.values["rdf_error_percent"]
    samples, _ = PROTOCOL.samples([again], [same], values)
    assert samples["rdf_error"].values[0] == same.values["rdf_error_percent"]
    assert PROTOCOL.reference_values(again)["rdf"] == pytest.approx(first["rdf"])


@pytest.mark.slow
def test_density_is_compared_with_the_references() -> None:
    values = check_parameters(
        PROTOCOLS["md_stability"].parameters, PRESSED | {"pressure_GPa": 1e-4}
    )
    one = with_reference(density_g_cm3=8.93)
    outcome = PROTOCOL.simulate(one, EMT(), values)
    found = outcome.values
    samples, _ = PROTOCOL.samples([one], [outcome], values)
    error = samples["density_relative_error"].values[0]
    assert error == pytest.approx(100 * abs(found["density_g_cm3"] / 8.93 - 1)) and error < 8
    assert 0 < found["density_error_g_cm3"] < 0.1
    assert abs(found["pressure_mean_GPa"]) < 2 and found["pressure_sd_GPa"] > 0


@pytest.mark.parametrize(
    ("metric", "lacking"),
    [("rdf_error", "rdf, rdf_max_A"), ("density_relative_error", "density_g_cm3")],
)
def test_metric_without_its_reference_is_refused(metric: str, lacking: str) -> None:
    with pytest.raises(UnsuitableReference, match=f"{metric} needs {lacking}"):
        PROTOCOL.check_reference([with_reference()], [metric])


# ------------------------------------------------------------------------------- what is downloaded


@pytest.mark.slow
def test_trajectory_can_be_read_and_has_the_course_in_its_info() -> None:
    outcome = run(EMT(), HOLD, crystal())
    frames = read(outcome)
    assert 40 < len(frames) <= 102
    assert frames[0].info["time_ps"] == 0 and frames[-1].info["time_ps"] == 0.3
    known = {"temperature_K", "potential_energy_eV", "pressure_GPa", "min_distance_A"}
    assert all(known <= set(frame.info) for frame in frames)
    assert outcome.files == run(EMT(), HOLD, crystal()).files


def test_file_that_would_be_too_large_loses_every_other_snapshot_but_not_the_last() -> None:
    atoms = crystal()
    rng = np.random.default_rng(0)
    snapshots = [
        Snapshot(
            positions=atoms.positions + rng.normal(size=(len(atoms), 3)),
            cell=atoms.cell.array,
            info={"time_ps": float(i)},
        )
        for i in range(40)
    ]
    whole = trajectory_file(atoms, snapshots)
    content = trajectory_file(atoms, snapshots, max_bytes=len(whole) // 3)
    assert len(content) < len(whole) // 3
    frames = ase.io.read(io.StringIO(gzip.decompress(content).decode()), ":", format="extxyz")
    assert [frame.info["time_ps"] for frame in frames] == [3.0 + 4 * i for i in range(10)]
