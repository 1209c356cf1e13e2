"""Timed evaluations through the driver and a real sandbox.

How long something takes on a shared machine is only known from below: a call that sleeps cannot
be shorter than its sleep.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ase.io
import pytest

from evaluator.contract import (
    EvaluationReport,
    Limits,
    Phase,
    Progress,
    ScoredMetric,
    SystemStatus,
    TaskSpec,
    Verdict,
)
from evaluator.driver.evaluation import evaluate
from evaluator.driver.timed import why_busy
from evaluator.exceptions import InfrastructureError
from evaluator.host.device_lock import LOCK_DIR_VARIABLE, device_lock
from evaluator.references.timing import timing_systems
from evaluator.sandbox.base import Sandbox
from evaluator.sandbox.find import find_sandbox
from tests.evaluator.small_tasks import submission_of, task_on, write_emt, write_package

pytestmark = [pytest.mark.sandbox, pytest.mark.slow, pytest.mark.timeout(120)]

METRICS = tuple(
    ScoredMetric(key=key, good=good, bad=bad, worst=worst, scale="log")
    for key, good, bad, worst in (
        ("call_time_median", 1.0, 1e4, 1e5),
        ("atom_time_median", 1.0, 1e5, 1e6),
        ("largest_system_size", 1e3, 10.0, 1.0),
        ("reference_time_ratio", 0.1, 1e4, 1e5),
    )
)
FEW: dict[str, Any] = {
    "n_processes": 1,
    "n_calls": 3,
    "min_calls": 3,
    "n_warmup": 1,
    "warmup_limit_s": 0.01,
    "small_n_atoms": 16,
    "large_n_atoms": 64,
    "largest_n_atoms": 72,
    "batch_n_structures": 2,
    "batch_n_atoms": 1,
    "reference_potential": "ase:emt",
    "idle_wait_s": 0.0,
}


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return find_sandbox()


@pytest.fixture(autouse=True)
def own_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LOCK_DIR_VARIABLE, str(tmp_path / "locks"))


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert [t.name for t in threading.enumerate() if t not in before and t.is_alive()] == []


def timed_task(folder: Path, *names: str, **given: Any) -> tuple[TaskSpec, Path]:
    reference = folder / "materials.extxyz"
    frames, _ = timing_systems([], {"structures": names or ("Cu",)})
    ase.io.write(reference, frames, format="extxyz")
    limits = given.pop("limits", Limits(wall_time_s=100, call_timeout_s=20, memory_MiB=1024))
    parameters = {**FEW, **given}
    task = task_on(reference, "efficiency", metrics=METRICS, parameters=parameters, limits=limits)
    return task, reference


def run(sandbox: Sandbox, folder: Path, artifact: Path, kind: str, **more: Any) -> EvaluationReport:
    options = {key: more.pop(key) for key in ("progress", "should_stop") if key in more}
    task, reference = timed_task(folder, *more.pop("names", ()), **more)
    return evaluate(
        task, submission_of(artifact, kind), artifact, reference, sandbox=sandbox, **options
    )


def test_a_sleeping_potential_is_timed_with_all_that_stands_beside_it(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    package = write_package(tmp_path, after="time.sleep(1e-3 * len(atoms))")
    report = run(sandbox, tmp_path, package, "package", n_processes=2)

    assert report.verdict is Verdict.OK, report.message
    values = report.systems[0].values
    assert [row["n_atoms"] for row in values["sizes"]] == [4, 16, 72]
    for row in values["sizes"]:
        assert row["median_ms"] >= row["n_atoms"]  # 1 ms for each atom
        assert row["q1_ms"] <= row["q3_ms"]
        assert row["n_calls"] == 6 and len(row["process_medians_ms"]) == 2
        assert row["n_warmup"] >= 2
        assert 0 < row["sandbox_share_percent"] < 100
        assert row["memory_peak_MiB"] > 20  # an interpreter with numpy and ASE
    assert values["call_time_ms"] >= 16
    assert values["atom_time_us"] >= 1000
    # None where other tests hold the reference up in the meantime.
    assert values.get("reference_ratio", 1.0) > 0 and values["reference_ms"] > 0
    assert values["batch"]["n_structures"] == 2
    assert values["process_spread_percent"] is not None
    assert report.systems[0].n_calls >= 4 * 2 * 4
    assert report.consistency["is_conservative_measured"]


def test_conditions_and_hardware_are_recorded(sandbox: Sandbox, tmp_path: Path) -> None:
    report = run(sandbox, tmp_path, write_emt(tmp_path), "ase")
    timing = report.provenance["timing"]
    assert "thread" in report.hardware_key
    assert isinstance(timing["is_idle"], bool)
    assert set(timing["calculators"]) == {"submission", "null", "reference"}
    assert timing["calculators"]["null"]["name"] == "Dummy"
    assert all(len(times) == 1 for times in timing["load_times_s"].values())
    assert timing["memory_method"]
    assert len(timing["device_before"]["load_average"]) == 3
    assert report.provenance["pool"]["origin"] == "timed"
    assert report.provenance["pool"]["n_processes"] == 1
    assert {score.metric: score.n_failed for score in report.scores} == dict.fromkeys(
        (metric.key for metric in METRICS), 0
    )


@pytest.mark.parametrize(
    "too_much",
    [
        "raise MemoryError",
        "hog = np.ones(1 << 28)",
    ],  # said by itself; killed by the kernel at 2 GiB
)
def test_memory_that_runs_out_is_data(sandbox: Sandbox, tmp_path: Path, too_much: str) -> None:
    package = write_package(tmp_path, after=f"if len(atoms) > 40: {too_much}")
    report = run(sandbox, tmp_path, package, "package", names=("Cu", "NaCl"), large_n_atoms=64)

    assert report.verdict is Verdict.OK, report.message
    copper = report.systems[0]
    assert copper.status is SystemStatus.OK
    assert copper.values["first_failed_reason"] == "out_of_memory_host"
    assert copper.values["largest_n_atoms"] <= 40 < copper.values["first_failed_n_atoms"]
    assert "memory" in copper.values["first_failed_message"]
    # EMT does not know sodium: that one failed otherwise, and neither ended the evaluation.
    assert report.systems[1].status is SystemStatus.FAILED
    failed = {score.metric: score.n_failed for score in report.scores}
    assert failed["call_time_median"] == 1
    assert failed["atom_time_median"] == 2  # copper's large size is charged as well


def test_a_potential_that_never_fits_has_the_verdict_of_its_memory(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    # The checks before the clock ask cells of four atoms, shaken and as they are; all fail.
    package = write_package(tmp_path, after="raise MemoryError")
    report = run(sandbox, tmp_path, package, "package")
    assert report.verdict is Verdict.OUT_OF_MEMORY_HOST
    assert report.scores == ()


def test_a_potential_that_dies_ends_the_evaluation(sandbox: Sandbox, tmp_path: Path) -> None:
    package = write_package(tmp_path, after="import os\nif len(atoms) > 40: os._exit(3)")
    report = run(sandbox, tmp_path, package, "package")
    assert report.verdict is Verdict.RUNTIME_ERROR
    assert "exit status 3" in report.message


def test_a_reference_potential_that_is_missing_is_our_own_fault(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    emt = write_emt(tmp_path)
    with pytest.raises(InfrastructureError, match="reference potential chgnet:9 is missing"):
        run(sandbox, tmp_path, emt, "ase", reference_potential="chgnet:9")


def test_a_measurement_can_be_stopped_at_any_moment(sandbox: Sandbox, tmp_path: Path) -> None:
    package = write_package(tmp_path, after="time.sleep(15 if len(atoms) > 40 else 0)")
    phases: list[Phase] = []
    started = time.monotonic()
    report = run(
        sandbox,
        tmp_path,
        package,
        "package",
        progress=lambda progress: phases.append(progress.phase),
        should_stop=lambda: Phase.SIMULATING in phases and time.monotonic() - started > 5,
    )
    assert report.verdict is Verdict.CANCELLED


def test_the_wait_for_the_device_is_told_and_is_not_the_submissions_time(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    told: list[Progress] = []
    is_waiting, may_go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with device_lock(is_exclusive=False, while_waiting=lambda: None):
            may_go_on.set()
            is_waiting.wait(30)
            time.sleep(0.5)

    def note(progress: Progress) -> None:
        told.append(progress)
        if progress.phase is Phase.WAITING:
            is_waiting.set()

    holder = threading.Thread(target=hold)
    holder.start()
    assert may_go_on.wait(30)
    started = time.monotonic()
    report = run(sandbox, tmp_path, write_emt(tmp_path), "ase", progress=note)
    elapsed_s = time.monotonic() - started
    holder.join()

    assert report.verdict is Verdict.OK
    assert told[0].phase is Phase.WAITING
    waited_s = report.provenance["timings"]["waiting_s"]
    assert waited_s >= 0.4
    assert report.wall_time_s <= elapsed_s - waited_s + 0.01


def test_waiting_for_the_device_can_be_cancelled(sandbox: Sandbox, tmp_path: Path) -> None:
    with device_lock(is_exclusive=False, while_waiting=lambda: None):
        report = run(sandbox, tmp_path, write_emt(tmp_path), "ase", should_stop=lambda: True)
    assert report.verdict is Verdict.CANCELLED
    assert report.systems == ()


def test_zeros_for_large_cells_are_not_timed_as_answers(sandbox: Sandbox, tmp_path: Path) -> None:
    cheat = "if len(atoms) > 8:\n    self.results = {'energy': 0.0, 'forces': 0 * atoms.positions}"
    report = run(sandbox, tmp_path, write_package(tmp_path, after=cheat), "package")
    assert report.verdict is Verdict.INCONSISTENT, report.message
    assert "small cell of the same crystal" in report.message
    assert report.scores == ()


def test_quick_answers_to_cells_that_are_not_turned_find_none(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """Every timed cell is turned, so what such a submission saves is nothing."""
    cheat = (
        "if abs(atoms.cell[0, 1]) < 1e-6 and len(atoms) > 1:\n"
        "    self.results = {'energy': 0.0, 'forces': 0 * atoms.positions}\n"
        "else:\n    time.sleep(0.02)"
    )
    report = run(sandbox, tmp_path, write_package(tmp_path, after=cheat), "package")
    assert report.verdict is Verdict.OK, report.message
    assert report.systems[0].values["call_time_ms"] >= 20


def test_a_potential_against_itself_has_a_ratio_near_one(sandbox: Sandbox, tmp_path: Path) -> None:
    report = run(sandbox, tmp_path, write_emt(tmp_path), "ase", n_processes=3, n_calls=30)
    values = report.systems[0].values
    if "reference_ratio" not in values:  # other tests are at work on this machine
        assert "longer beside this one" in values["reference_message"]
        return
    assert 0.7 < values["reference_ratio"] < 1.4


def test_times_of_a_busy_device_are_told_and_not_to_be_ranked(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    others = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"])
        for _ in os.sched_getaffinity(0)
    ]
    try:
        report = run(sandbox, tmp_path, write_emt(tmp_path), "ase")
    finally:
        for other in others:
            other.kill()
            other.wait()
    assert report.verdict is Verdict.OK
    assert report.why_unreliable.startswith(
        "Its device was busy with something else before the times were taken (processor "
    )
    assert report.summary["is_idle"] is False
    assert all(score.value is not None for score in report.scores)


def test_what_was_at_work_is_told() -> None:
    idle = {"is_idle": True, "cpu_busy_percent": 1.0, "gpu_busy_percent": None}
    assert why_busy(idle, "before") == ""
    busy = {"is_idle": False, "cpu_busy_percent": 40.4, "gpu_busy_percent": 12.0}
    assert why_busy(busy, "after") == (
        "Its device was busy with something else after the times were taken (processor 40 %, "
        "GPU 12 %)."
    )
