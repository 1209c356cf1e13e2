"""The protocol with real sandboxed calculators."""

from pathlib import Path

import ase.io
import pytest

from evaluator.contract import EvaluationReport, ScoredMetric, SystemStatus, Verdict
from evaluator.driver.evaluation import evaluate
from evaluator.pool.pool import PoolPlan
from evaluator.references.dynamics import md_systems
from evaluator.sandbox.find import find_sandbox
from tests.evaluator.small_tasks import submission_of, task_on, write_emt, write_package

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(120)]

TIME = ScoredMetric(key="time_fraction_stable", good=1.0, bad=0.0, worst=0.0)


def run(artifact: Path, kind: str, folder: Path, n_processes: int = 1) -> EvaluationReport:
    frames, _ = md_systems([], {"structures": ["Al", "Cu"], "n_atoms": 4, "n_seeds": 2})
    reference = folder / "replicas.extxyz"
    ase.io.write(reference, frames, format="extxyz")
    task = task_on(
        reference,
        "md_stability",
        metrics=(TIME,),
        parameters={
            "ensemble": "npt_ramp",
            "duration_ps": 0.1,
            "timestep_fs": 2.0,
            "final_temperature_K": 600.0,
            "final_pressure_GPa": 20.0,
        },
    )
    plan = PoolPlan(n_processes=n_processes, n_systems=2 * n_processes)
    submission = submission_of(artifact, kind)
    return evaluate(task, submission, artifact, reference, sandbox=find_sandbox(), plan=plan)


@pytest.mark.slow
def test_trajectories_are_the_same_whatever_the_number_of_processes(tmp_path: Path) -> None:
    artifact = write_emt(tmp_path)
    one, two = (run(artifact, "ase", tmp_path, n) for n in (1, 2))
    assert one.verdict is two.verdict is Verdict.OK
    assert [s.values for s in one.systems] == [s.values for s in two.systems]
    assert (one.scores, one.task_score, one.summary) == (two.scores, two.task_score, two.summary)
    assert one.scores[0].value == 1.0 and one.summary["n_completed"] == 4
    # One call tells energy, forces and stress of a step.
    assert all(50 < system.n_calls < 60 for system in one.systems)


@pytest.mark.slow
def test_calculator_that_gives_no_number_on_the_way_is_data(tmp_path: Path) -> None:
    # Of copper alone, and only once it moves: the lattice is perfect at the start.
    after = (
        "if atoms.numbers[0] == 29 and abs(self.results['forces']).max() > 0.01:\n"
        "    self.results['energy'] = float('nan')"
    )
    report = run(write_package(tmp_path, after=after), "package", tmp_path)
    assert report.verdict is Verdict.OK
    assert {system.status for system in report.systems} == {SystemStatus.OK}
    ends = {s.system_id: (s.values["end"], s.values["failure_reason"]) for s in report.systems}
    assert ends == {
        "md-Al-4-seed0": ("completed", ""),
        "md-Al-4-seed1": ("completed", ""),
        "md-Cu-4-seed0": ("failed", "non-finite"),
        "md-Cu-4-seed1": ("failed", "non-finite"),
    }
    assert report.scores[0].value is not None and 0.5 < report.scores[0].value < 0.6
    assert report.summary["n_by_reason"] == {"non-finite": 2}
