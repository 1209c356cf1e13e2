"""What bubblewrap is told; that it holds is tried in tests/hostile."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluator.driver import calibration
from evaluator.pool.pool import plan_pool
from evaluator.sandbox.base import ProcessRequest
from evaluator.sandbox.bubblewrap import _n_processes

#: Of the interpreter: its main thread, those that read from the worker, and watch.
_N_OTHER_THREADS = 16


@pytest.mark.parametrize("n_cores", [1, 8, 32, 128])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_driver_may_have_the_threads_that_every_calibrated_plan_asks_for(
    device: str, n_cores: int
) -> None:
    rule = plan_pool(device, n_cores, max_processes=n_cores)
    request = ProcessRequest(artifact=Path("x"), memory_MiB=1, n_threads=n_cores, is_trusted=True)
    for max_batch in calibration.BATCHES[device]:
        plan = calibration._plan(rule, rule.n_processes, rule.n_threads, max_batch)
        # A slot has its own thread and one for each pipe of its calculator.
        n_threads = plan.n_systems + 3 * plan.n_processes + _N_OTHER_THREADS
        assert n_threads < _n_processes(request)


def test_a_calculator_may_have_fewer() -> None:
    assert _n_processes(ProcessRequest(artifact=Path("x"), memory_MiB=1, n_threads=4)) == 160
