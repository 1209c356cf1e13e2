"""How evaluations end that go wrong, by whose fault."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from ase.build import bulk, molecule

from evaluator.contract import (
    Limits,
    Phase,
    Progress,
    Verdict,
)
from evaluator.driver.evaluation import evaluate
from evaluator.exceptions import InfrastructureError
from evaluator.sandbox.base import Sandbox
from evaluator.standard_tasks.read import SMOKE_TASK
from tests.evaluator.driver.runs import TWO, run
from tests.evaluator.small_tasks import (
    submission_of,
    task_on,
    write_crystals,
    write_emt,
    write_forces,
    write_package,
)

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(120)]


@pytest.mark.slow
def test_a_potential_that_supports_nothing_of_a_task_is_unsupported(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    reference = write_crystals(tmp_path / "r.extxyz", ["Si", "Ge"])
    report = run(sandbox, write_emt(tmp_path), "ase", reference)
    assert report.verdict is Verdict.UNSUPPORTED
    assert report.coverage == 0.0
    assert report.scores == ()


def test_a_crystal_without_a_minimum_is_a_failed_system_and_not_a_verdict(
    sandbox: Sandbox, metals: Path, tmp_path: Path
) -> None:
    artifact = tmp_path / "dummy.json"
    artifact.write_text('{"default_eV": 1.0}', encoding="utf-8")
    report = run(sandbox, artifact, "dummy", metals)
    assert report.verdict is Verdict.OK
    assert report.n_failed == 3
    assert [score.value for score in report.scores] == [100.0]  # the declared worst
    assert report.task_score is not None
    assert report.task_score.value == 0.0


def test_a_wrong_answer_for_one_system_fails_that_system_alone(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    reference = write_forces(
        tmp_path / "r.extxyz", [bulk("Cu", cubic=True), bulk("Al", cubic=True), molecule("N2")]
    )
    artifact = write_package(
        tmp_path,
        after="if atoms.numbers[0] == 13: self.results['forces'][:] = np.nan\n"
        "if atoms.numbers[0] == 7: raise ValueError('no nitrogen today')",
    )
    report = run(sandbox, artifact, "package", reference, task=task_on(reference, "energy_forces"))
    assert report.verdict is Verdict.OK
    assert [system.status for system in report.systems] == ["ok", "failed", "failed"]
    assert "not finite" in report.systems[1].message
    assert "no nitrogen today" in report.systems[2].message
    assert report.scores[0].n_failed == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("after", "verdict", "message"),
    [
        ("self.results['energy'] = float('nan')", Verdict.NONFINITE, "not finite"),
        ("raise ValueError('always')", Verdict.RUNTIME_ERROR, "always"),
        ("import os; os._exit(3)", Verdict.RUNTIME_ERROR, ""),
        ("time.sleep(60)", Verdict.CALL_TIMEOUT, "longer than the 1 s"),
    ],
)
def test_a_bad_calculator_ends_in_its_verdict(
    sandbox: Sandbox, metals: Path, tmp_path: Path, after: str, verdict: Verdict, message: str
) -> None:
    limits = Limits(wall_time_s=60, call_timeout_s=1 if "sleep" in after else 20, memory_MiB=2048)
    artifact = write_package(tmp_path, after=after)
    report = run(
        sandbox, artifact, "package", metals, task=task_on(metals, limits=limits), plan=TWO
    )
    assert report.verdict is verdict
    assert message in report.message
    assert report.scores == ()
    assert report.task_score is None


def test_a_package_that_does_not_load_tells_why_and_shows_what_it_wrote(
    sandbox: Sandbox, metals: Path, tmp_path: Path
) -> None:
    artifact = write_package(
        tmp_path, load="print('looking for weights'); raise RuntimeError('no weights')"
    )
    report = run(sandbox, artifact, "package", metals)
    assert report.verdict is Verdict.LOAD_ERROR
    assert "no weights" in report.message
    assert "looking for weights" in report.stdout + report.stderr
    assert report.systems == ()
    assert report.coverage is None


def test_a_file_that_is_no_package_is_an_invalid_artifact(
    sandbox: Sandbox, metals: Path, tmp_path: Path
) -> None:
    artifact = tmp_path / "potential.zip"
    artifact.write_bytes(b"not a zip")
    assert run(sandbox, artifact, "package", metals).verdict is Verdict.INVALID_ARTIFACT


@pytest.mark.slow
def test_what_the_calculator_prints_is_kept(sandbox: Sandbox, metals: Path, tmp_path: Path) -> None:
    artifact = write_package(tmp_path, load="print('hello from inside')")
    assert "hello from inside" in run(sandbox, artifact, "package", metals).stdout


@pytest.mark.slow
def test_a_wall_time_keeps_finished_systems_but_gives_no_scores(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    reference = write_forces(tmp_path / "r.extxyz", [bulk("Cu"), bulk("Al")])
    artifact = write_package(tmp_path, after="if atoms.numbers[0] == 13: time.sleep(60)")
    limits = Limits(wall_time_s=4, call_timeout_s=50, memory_MiB=2048)
    task = task_on(reference, "energy_forces", limits=limits)
    started = time.monotonic()
    report = run(sandbox, artifact, "package", reference, task=task, plan=TWO)
    assert time.monotonic() - started < 10
    assert report.verdict is Verdict.WALL_TIMEOUT
    assert "longer than the 4 s" in report.message
    assert [(s.system_id, s.status) for s in report.systems] == [("structure-0", "ok")]
    assert report.scores == ()


def test_cancelling_ends_a_calculator_at_work_at_once(
    sandbox: Sandbox, metals: Path, tmp_path: Path
) -> None:
    artifact = write_package(tmp_path, after="time.sleep(60)")
    simulating = threading.Event()

    def progress(progress: Progress) -> None:
        if progress.phase is Phase.SIMULATING:
            simulating.set()

    started = time.monotonic()
    report = run(
        sandbox,
        artifact,
        "package",
        metals,
        progress=progress,
        should_stop=simulating.is_set,
    )
    assert time.monotonic() - started < 10
    assert report.verdict is Verdict.CANCELLED
    assert report.scores == ()


@pytest.mark.slow
def test_cancelling_ends_a_calculator_that_still_loads(
    sandbox: Sandbox, metals: Path, tmp_path: Path
) -> None:
    artifact = write_package(tmp_path, load="import time; time.sleep(60)")
    started = time.monotonic()
    report = run(
        sandbox,
        artifact,
        "package",
        metals,
        plan=TWO,
        should_stop=lambda: time.monotonic() > started + 1,
    )
    assert time.monotonic() - started < 8
    assert report.verdict is Verdict.CANCELLED


def test_a_wrong_hash_is_our_fault(sandbox: Sandbox, metals: Path, tmp_path: Path) -> None:
    artifact = write_emt(tmp_path)
    task, submission = task_on(metals), submission_of(artifact, "ase")
    artifact.write_text('{"calculator": "lj"}', encoding="utf-8")
    with pytest.raises(InfrastructureError, match=r"artifact emt.json has sha256 .* as recorded"):
        evaluate(task, submission, artifact, metals, sandbox=sandbox)

    artifact = write_emt(tmp_path)
    metals.write_text(metals.read_text() + "\n", encoding="utf-8")
    with pytest.raises(InfrastructureError, match=r"reference set metals\.extxyz has sha256"):
        evaluate(task, submission, artifact, metals, sandbox=sandbox)


def test_a_missing_file_is_our_fault(sandbox: Sandbox, metals: Path, tmp_path: Path) -> None:
    artifact = write_emt(tmp_path)
    task, submission = task_on(metals), submission_of(artifact, "ase")
    artifact.unlink()
    with pytest.raises(InfrastructureError, match="artifact cannot be read"):
        evaluate(task, submission, artifact, metals, sandbox=sandbox)


def test_a_task_of_another_protocol_version_is_not_run(
    sandbox: Sandbox, metals: Path, tmp_path: Path
) -> None:
    artifact = write_emt(tmp_path)
    task = replace(task_on(metals), protocol_version=99)
    with pytest.raises(InfrastructureError, match="asks for version 99"):
        evaluate(task, submission_of(artifact, "ase"), artifact, metals, sandbox=sandbox)


def test_a_reference_that_lacks_what_the_task_needs_is_our_fault(
    sandbox: Sandbox, metals: Path, tmp_path: Path
) -> None:
    artifact = write_emt(tmp_path)
    task = task_on(metals, "energy_forces")
    with pytest.raises(InfrastructureError, match="has no reference forces"):
        evaluate(task, submission_of(artifact, "ase"), artifact, metals, sandbox=sandbox)


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [("crystal-ball", {}, "no calculator kind"), ("chgnet", {"dtype": "float16"}, "dtype must be")],
)
def test_what_no_calculator_can_be_started_for_is_a_load_error(
    sandbox: Sandbox,
    metals: Path,
    tmp_path: Path,
    kind: str,
    settings: dict[str, str],
    message: str,
) -> None:
    artifact = write_emt(tmp_path)
    submission = submission_of(artifact, kind, settings=settings)
    report = evaluate(task_on(metals), submission, artifact, metals, sandbox=sandbox)
    assert report.verdict is Verdict.LOAD_ERROR
    assert message in report.message


def test_a_bug_of_ours_is_an_infrastructure_error_and_is_logged_whole(
    sandbox: Sandbox,
    metals: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def progress(progress: Progress) -> None:
        if progress.phase is Phase.SIMULATING:
            raise ZeroDivisionError("ours")

    with pytest.raises(InfrastructureError, match="ZeroDivisionError: ours"):
        run(sandbox, write_emt(tmp_path), "ase", metals, progress=progress)
    assert "Traceback" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_a_calculator_that_dies_in_the_checks_has_still_done_the_task(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    reference = write_forces(tmp_path / "r.extxyz", [bulk("Cu", cubic=True)])
    n_scored, n_beside = 1, 5  # the probes: the structure in other words, and four near it
    artifact = write_package(
        tmp_path,
        after=(
            "self.n = getattr(self, 'n', 0) + 1\n"
            f"if self.n > {n_scored + n_beside}:\n    import os; os._exit(1)"
        ),
    )
    report = run(sandbox, artifact, "package", reference, task=task_on(reference, "energy_forces"))
    assert report.verdict is Verdict.OK
    assert report.n_failed == 0
    assert report.consistency["n_probe_calls"] == n_beside
    assert "broken off" in report.consistency["message"]


@pytest.mark.slow
def test_figures_stay_where_the_search_for_faults_is_broken_off(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    reference = write_forces(tmp_path / "r.extxyz", [bulk("Cu", cubic=True)])
    # The search alone asks for twice the cell.
    artifact = write_package(tmp_path, after="if len(self.atoms) == 8:\n    import os; os._exit(1)")
    task = replace(task_on(reference, "energy_forces"), slug=SMOKE_TASK)
    report = run(sandbox, artifact, "package", reference, task=task)
    assert report.verdict is Verdict.OK
    assert "broken off" in report.consistency["message"]
    assert report.consistency["is_conservative_measured"] is True
    assert report.consistency["findings"] == []
