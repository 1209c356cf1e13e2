"""One evaluation by the driver, with the plans that most tests take."""

from __future__ import annotations

from pathlib import Path

from evaluator.contract import EvaluationReport, TaskSpec
from evaluator.driver.evaluation import evaluate
from evaluator.pool.pool import PoolPlan
from evaluator.sandbox.base import Sandbox
from tests.evaluator.small_tasks import submission_of, task_on

ONE = PoolPlan(n_processes=1, n_systems=4)
TWO = PoolPlan(n_processes=2, n_systems=4)


def run(
    sandbox: Sandbox, artifact: Path, kind: str, reference: Path, **more: object
) -> EvaluationReport:
    task = more.pop("task", None) or task_on(reference)
    assert isinstance(task, TaskSpec)
    more.setdefault("plan", ONE)
    submission = submission_of(artifact, kind)
    return evaluate(task, submission, artifact, reference, sandbox=sandbox, **more)  # type: ignore[arg-type]
