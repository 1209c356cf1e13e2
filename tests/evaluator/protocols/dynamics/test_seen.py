"""What the clock breaks off: waiting is no time of a replica, and sleeping does not pay."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from ase.build import bulk

from evaluator.contract import ScoredMetric, SystemStatus, TaskSpec
from evaluator.protocols.base import Outcome, System
from evaluator.protocols.dynamics.stability import MDStabilityProtocol
from evaluator.protocols.dynamics.trajectory import Deadline
from evaluator.scoring import score
from tests.evaluator.protocols.dynamics.test_stability import parameters

SURVIVAL = ScoredMetric(key="time_fraction_stable", good=1.0, bad=0.0, worst=0.0, noise=0.01)


def ended(end: str, share: float) -> Outcome:
    return Outcome(values={"end": end, "survived_share": share, "failure_reason": ""})


DRIFT = ScoredMetric(
    key="nve_extrapolated_drift", good=0.0, bad=10.0, worst=20.0, noise=0.1, scale="log"
)


def score_of(
    outcomes: Sequence[Outcome], metric: ScoredMetric = SURVIVAL, ensemble: str = "nvt_ramp"
) -> tuple[float | None, tuple[float | None, ...], int]:
    protocol = MDStabilityProtocol()
    systems = [System(id=f"md-Al-{i}", atoms=bulk("Al")) for i in range(len(outcomes))]
    samples, _ = protocol.samples(systems, outcomes, parameters(ensemble=ensemble))
    task = TaskSpec(
        slug="t", version=1, protocol="md_stability", protocol_version=2, parameters={},
        metrics=(metric,),
    )  # fmt: skip
    statuses = [SystemStatus.OK] * len(outcomes)
    (record,), total = score(task, statuses, samples)
    return total.value, total.skills, record.n_failed


def test_a_replica_that_the_clock_broke_off_before_its_time_has_no_skill() -> None:
    """By anchors the Lennard-Jones potential rose from 0.688 to 1.000 by sleeping."""
    honest = [ended("completed", 1.0)] * 2 + [ended("failed", 0.3)] * 4
    asleep = [ended("completed", 1.0)] * 2 + [ended("censored", 0.02)] * 4
    assert score_of(honest)[0] == pytest.approx((2 + 4 * 0.3) / 6, abs=0.01)
    assert score_of(asleep)[0] == pytest.approx(2 / 6)


def test_nine_tenths_of_the_time_are_enough() -> None:
    assert score_of([ended("censored", 0.9), ended("censored", 0.89)])[1] == (1.0, 0.0)


def test_sleeping_in_the_control_run_does_not_hide_a_drift() -> None:
    honest = ended("completed", 1.0)
    honest.values.update(control_end="completed", nve_extrapolated_drift_meV_atom_ps=1.0)
    asleep = ended("completed", 1.0)
    asleep.values["control_end"] = "censored"
    total, skills, n_failed = score_of([honest, asleep], DRIFT, "nve")
    assert skills == (pytest.approx(0.5), 0.0)
    assert total == pytest.approx(0.25)
    assert n_failed == 0


class Waiting:
    """A calculator whose calls have waited."""

    def __init__(self) -> None:
        self.waited = 0.0

    def waited_s(self) -> float:
        return self.waited


def test_the_time_that_calls_waited_for_others_is_not_the_replicas() -> None:
    calculator = Waiting()
    deadline = Deadline(calculator, 0.2)  # type: ignore[arg-type]
    time.sleep(0.25)
    calculator.waited += 0.25
    assert not deadline.has_come()
    time.sleep(0.25)
    assert deadline.has_come()
