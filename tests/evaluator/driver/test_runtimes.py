from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from evaluator.driver.runtimes import kinds_needed, runtime_of, runtimes_for
from evaluator.exceptions import InfrastructureError
from evaluator.potentials.names import resolve
from evaluator.standard_tasks.read import standard_task
from tests.evaluator.runtimes.real import classical_runtime


def test_evaluation_needs_the_runtime_of_its_kind_and_a_timing_those_that_it_compares(
    tmp_path: Path,
) -> None:
    smoke, timed = standard_task("smoke").spec, standard_task("efficiency-small").spec
    submission = resolve("ase:emt", tmp_path).spec
    assert kinds_needed(smoke, submission) == ("ase",)
    assert kinds_needed(timed, submission) == ("ase", "dummy", "chgnet")
    alone = replace(timed, parameters={**timed.parameters, "reference_potential": ""})
    assert kinds_needed(alone, submission) == ("ase", "dummy")
    unknown = replace(submission, calculator_kind="tea-leaves")
    assert kinds_needed(smoke, unknown) == ()  # the driver says that it is unknown


@pytest.mark.slow
def test_runtime_is_found_where_it_is_built(tmp_path: Path) -> None:
    runtime = classical_runtime()
    task, submission = standard_task("smoke").spec, resolve("ase:emt", tmp_path).spec
    assert runtimes_for(task, submission, "cpu") == {"ase": runtime}
    # What needs no GPU is the same on one.
    assert runtimes_for(task, submission, "cuda:0") == {"ase": runtime}


@pytest.mark.slow
def test_kind_without_a_runtime_is_refused_where_others_have_one() -> None:
    runtime = classical_runtime()
    assert runtime_of(None, "mace") is None
    assert runtime_of({"ase": runtime}, "ase") == runtime
    with pytest.raises(InfrastructureError, match="serves calculators of kind mace"):
        runtime_of({"ase": runtime}, "mace")
