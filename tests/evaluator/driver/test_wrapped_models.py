"""Checkpoints in what training leaves around them, through the sandbox."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from evaluator.contract import Verdict
from evaluator.sandbox.base import Sandbox
from tests.evaluator.calculators.adapters import quartz_like
from tests.evaluator.calculators.test_wrapped_models import (
    Wrapper,
    compiled,
    parallel,
    saved,
    whole,
)
from tests.evaluator.driver.runs import run
from tests.evaluator.small_tasks import task_on, write_forces

pytestmark = pytest.mark.trained


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return whole("mace", tmp_path_factory.mktemp("models"))


def test_wrapped_models_are_judged_in_the_sandbox(
    sandbox: Sandbox, model: Any, tmp_path: Path
) -> None:
    reference = write_forces(tmp_path / "forces.extxyz", [quartz_like()])
    task = task_on(reference, "energy_forces")
    verdicts, values = {}, {}
    wraps: dict[str, Wrapper] = {
        "bare": lambda bare: bare,
        "compiled": compiled,
        "parallel": parallel,
    }
    for name, wrap in wraps.items():
        artifact = saved(wrap(model), tmp_path / f"{name}.model")
        report = run(sandbox, artifact, "mace", reference, task=task)
        verdicts[name] = report.verdict
        values[name] = report.systems[0].values
    assert set(verdicts.values()) == {Verdict.OK}
    assert values["bare"] == values["compiled"] == values["parallel"]

    rounded = copy.deepcopy(model).half()
    report = run(sandbox, saved(rounded, tmp_path / "half.model"), "mace", reference, task=task)
    assert report.verdict is Verdict.LOAD_ERROR
    assert "weights in float16" in report.message
