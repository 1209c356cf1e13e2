"""Calibration on sessions in this process that take a known time for each call."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ase.build import bulk

from evaluator.contract import EvaluationReport, ScoreRecord, Verdict
from evaluator.driver import calibration
from evaluator.driver.calibration import calibrate, known_plan
from evaluator.driver.evaluation import evaluate
from evaluator.driver.preparation import Prepared, prepare
from evaluator.host import machine
from evaluator.pool.pool import CalculatorPool, Candidate, PoolPlan, Session
from evaluator.sandbox.find import find_sandbox
from evaluator.sandbox.session import CalculatorFailure
from evaluator.wire import Answer, Structure
from tests.evaluator.pool.test_pool import CountingSession, fails
from tests.evaluator.small_tasks import submission_of, task_on, write_emt, write_forces

pytestmark = pytest.mark.timeout(60)

PROPERTIES = ("energy", "forces")
RULE = PoolPlan(n_processes=2, n_systems=4)


class Timed(CountingSession):
    """Sleeps for so long for each call, and for each structure in it."""

    def __init__(self, call_s: float, structure_s: float) -> None:
        super().__init__()
        self.call_s, self.structure_s = call_s, structure_s

    def compute(
        self, structures: Sequence[Structure], properties: Sequence[str], timeout_s: float
    ) -> list[Answer]:
        time.sleep(self.call_s + self.structure_s * len(structures))
        return super().compute(structures, properties, timeout_s)


@pytest.fixture(autouse=True)
def nothing_is_known_and_no_thread_is_left() -> Iterator[None]:
    calibration.forget_plans()
    before = set(threading.enumerate())
    yield
    calibration.forget_plans()
    left = [t.name for t in threading.enumerate() if t not in before]
    assert [name for name in left if name.startswith(("calculator", "system"))] == []


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepared:
    """A task of ten systems, each of which takes ten thousand calls."""
    reference = write_forces(tmp_path / "r.extxyz", [bulk("Cu", cubic=True)] * 10)
    artifact = write_emt(tmp_path)
    found = prepare(
        task_on(reference, "energy_forces"), submission_of(artifact, "ase"), artifact, reference
    )
    monkeypatch.setattr(found.protocol, "expected_calls", lambda parameters: 10_000)
    return found


def run(
    prepared: Prepared,
    make: Callable[[int], CountingSession],
    *,
    rule: PoolPlan = RULE,
    watch: Callable[[], None] = lambda: None,
) -> tuple[PoolPlan, list[CountingSession], CalculatorPool]:
    """Calibrate a pool of sessions made for so many threads; all that was started is returned."""
    sessions: list[CountingSession] = []

    def start(n_threads: int, register: Callable[[Session], None]) -> CountingSession:
        session = make(n_threads)
        sessions.append(session)
        register(session)
        return session

    with CalculatorPool(
        lambda register: start(rule.n_threads, register), rule, call_timeout_s=10
    ) as pool:
        while pool.wait_until_loaded(1) < rule.n_processes:
            pass
        plan = calibrate(
            pool,
            prepared,
            prepared.systems,
            properties=PROPERTIES,
            device="cpu",
            start=start,
            watch=watch,
        )
        pool.compute(*_one(prepared))  # it still serves
        assert pool.statistics()["n_structures"] == 1  # and counts the task's calls alone
    return plan, sessions, pool


def _one(prepared: Prepared) -> tuple[Structure, tuple[str, ...]]:
    from evaluator.pool.remote import structure_of

    return structure_of(prepared.systems[0].atoms), PROPERTIES


def test_batches_are_chosen_where_each_call_has_a_price(prepared: Prepared) -> None:
    plan, sessions, pool = run(prepared, lambda n_threads: Timed(0.01, 0.0002))
    assert (plan.origin, plan.n_processes, plan.n_threads) == ("calibration", 2, 1)
    assert plan.max_batch == 16
    assert plan.n_systems == 64  # two full batches for every process
    assert pool.plan == plan
    assert [c.max_batch for c in plan.candidates] == [1, 4, 16]
    assert plan.candidates[2].structures_per_s > 3 * plan.candidates[0].structures_per_s
    assert max(n for session in sessions for n, _ in session.calls) == 16


class WorseTogether(CountingSession):
    """Takes longer for each structure the more of them there are, as where caches overflow."""

    def compute(
        self, structures: Sequence[Structure], properties: Sequence[str], timeout_s: float
    ) -> list[Answer]:
        time.sleep(0.01 * len(structures) * (1 + len(structures) / 8))
        return super().compute(structures, properties, timeout_s)


@pytest.mark.slow
def test_one_structure_at_a_time_stays_where_batches_bring_nothing(prepared: Prepared) -> None:
    plan, _, _ = run(prepared, lambda n_threads: WorseTogether())
    assert replace(plan, origin="rule", candidates=()) == RULE
    assert plan.origin == "calibration"
    assert len(plan.candidates) >= 2


@pytest.mark.parametrize(("rate", "max_batch"), [(99.0, 1), (114.0, 1), (116.0, 16)])
def test_a_small_gain_does_not_displace_the_rule(rate: float, max_batch: int) -> None:
    own = Candidate(n_processes=2, n_threads=1, max_batch=1, structures_per_s=100.0)
    other = replace(own, max_batch=16, structures_per_s=rate)
    larger = replace(RULE, max_batch=16, n_systems=64)
    plan = calibration._choose([(own, RULE), (other, larger)], RULE)
    assert plan.max_batch == max_batch
    assert (plan.origin, plan.candidates) == ("calibration", (own, other))


@pytest.mark.slow
def test_one_process_with_all_threads_is_tried_for_long_calls_and_its_session_kept(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "MIN_CALL_TO_LOAD_S", 0.01)
    plan, sessions, _ = run(
        prepared, lambda n_threads: Timed(0.0, 0.03 if n_threads == 1 else 0.005)
    )
    assert (plan.n_processes, plan.n_threads) == (1, 2)
    assert len(sessions) == 3
    assert all(session.is_closed.is_set() for session in sessions)
    # The session that was loaded for the trial served the task's call, too.
    assert len(sessions[2].calls) > max(len(s.calls) for s in sessions[:2]) / 2


def test_what_was_found_is_known_the_next_time(prepared: Prepared) -> None:
    assert known_plan(prepared, "cpu", RULE) is None
    plan, _, _ = run(prepared, lambda n_threads: Timed(0.01, 0.0002))
    assert known_plan(prepared, "cpu", RULE) == plan
    assert known_plan(prepared, "cuda", RULE) is None
    assert known_plan(replace(prepared, dtype="float32"), "cpu", RULE) is None
    other = replace(prepared.submission, artifact_sha256="0" * 64)
    assert known_plan(replace(prepared, submission=other), "cpu", RULE) is None
    assert known_plan(prepared, "cpu", replace(RULE, n_processes=1)) is None


def test_a_task_of_few_calls_is_not_measured(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepared.protocol, "expected_calls", lambda parameters: 1)
    plan, sessions, _ = run(prepared, lambda n_threads: Timed(0.01, 0.0))
    assert plan == RULE
    assert sum(len(session.calls) for session in sessions) == 1  # the one of the test
    assert known_plan(prepared, "cpu", RULE) is None


def test_a_task_of_short_calls_is_given_up_after_the_first(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 1000 calls of 0.1 ms on two processes are 0.05 s.
    monkeypatch.setattr(prepared.protocol, "expected_calls", lambda parameters: 100)
    plan, sessions, _ = run(prepared, lambda n_threads: Timed(0.0, 0.0001))
    assert plan == RULE
    assert sum(len(session.calls) for session in sessions) == 2


@pytest.mark.slow
def test_measuring_keeps_within_its_budget(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "BUDGET_S", (0.5, 0.5))
    started = time.monotonic()
    plan, _, _ = run(prepared, lambda n_threads: Timed(0.0, 0.05))
    assert time.monotonic() - started < 4
    assert [c.max_batch for c in plan.candidates] == [1]


def test_a_calculator_that_ends_while_it_is_measured_ends_the_pool(prepared: Prepared) -> None:
    def broken(n_threads: int) -> CountingSession:
        return CountingSession(wait=fails)

    with pytest.raises(CalculatorFailure, match="It broke"):
        run(prepared, broken)


def test_what_the_watch_raises_ends_the_measuring(prepared: Prepared) -> None:
    def watch() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(prepared, lambda n_threads: Timed(0.3, 0.0), watch=watch)


@pytest.mark.slow
@pytest.mark.sandbox
def test_an_evaluation_follows_what_was_measured_and_keeps_it_with_its_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MIN_CALLS", "MIN_TASK_S", "MIN_TASK_TO_LOAD_S", "MIN_CALL_TO_LOAD_S"):
        monkeypatch.setattr(calibration, name, 0)
    monkeypatch.setattr(machine, "n_cores", lambda: 2)
    structures = [bulk(symbol, cubic=True) for symbol in ("Cu", "Al", "Ag", "Au", "Ni")]
    reference = write_forces(tmp_path / "r.extxyz", structures)
    artifact = write_emt(tmp_path)
    arguments = (
        task_on(reference, "energy_forces"), submission_of(artifact, "ase"), artifact, reference
    )  # fmt: skip

    def pool_and_scores(plan: PoolPlan | None) -> tuple[dict[str, Any], tuple[ScoreRecord, ...]]:
        report = evaluate(*arguments, sandbox=find_sandbox(), plan=plan)
        assert report.verdict is Verdict.OK
        assert EvaluationReport.from_json(json.loads(json.dumps(report.to_json()))) == report
        n_structures = 5 + report.consistency["n_probe_calls"]
        assert report.provenance["calls"]["n_structures"] == n_structures
        return report.provenance["pool"], report.scores

    pool, scores = pool_and_scores(None)
    assert pool["origin"] == "calibration"
    tried = {(c["n_processes"], c["n_threads"], c["max_batch"]) for c in pool["candidates"]}
    assert {(2, 1, 1), (1, 2, 1)} <= tried
    again, _ = pool_and_scores(None)
    assert again == pool  # known by now, not measured again
    given, same = pool_and_scores(PoolPlan(n_processes=1))
    assert (given["origin"], given["candidates"]) == ("given", [])
    assert [s.value for s in same] == pytest.approx([s.value for s in scores], abs=1e-9)
