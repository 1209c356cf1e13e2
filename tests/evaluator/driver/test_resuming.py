"""An evaluation that goes on with what an attempt before it had finished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evaluator.contract import (
    EvaluationReport,
    Phase,
    Progress,
    SystemStatus,
    Verdict,
)
from evaluator.driver.finished import FinishedSystem
from evaluator.exceptions import InfrastructureError
from evaluator.pool.pool import PoolPlan
from evaluator.protocols.equation_of_state import EquationOfStateProtocol
from evaluator.sandbox.base import Sandbox
from tests.evaluator.driver.runs import ONE, run
from tests.evaluator.small_tasks import (
    write_emt,
    write_package,
)

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(120)]


class Interrupted(RuntimeError):
    """Ends an attempt in its middle, as SIGKILL would."""


def kept_by_an_interrupted_attempt(
    sandbox: Sandbox, artifact: Path, kind: str, reference: Path, n: int, **more: object
) -> dict[str, FinishedSystem]:
    kept: dict[str, FinishedSystem] = {}

    def keep(finished: Sequence[FinishedSystem]) -> None:
        # Through bytes, as they are stored.
        kept.update(
            {f.system_id: FinishedSystem.from_bytes(f.to_bytes(), "attempt 1") for f in finished}
        )

    def progress(progress: Progress) -> None:
        if progress.phase is Phase.SIMULATING and progress.n_done >= n:
            raise Interrupted

    with pytest.raises(InfrastructureError, match="Interrupted"):
        run(sandbox, artifact, kind, reference, progress=progress, keep_finished=keep, **more)
    return kept


def numbers_of(report: EvaluationReport) -> dict[str, Any]:
    """All that must not depend on whether the evaluation was interrupted."""
    content = report.to_json()
    for name in ("provenance", "stdout", "stderr", "wall_time_s"):
        del content[name]
    for system in content["systems"]:
        del system["wall_time_s"]
    return content


@pytest.mark.slow
def test_a_resumed_evaluation_does_not_repeat_what_has_finished_and_finds_the_same(
    sandbox: Sandbox, metals: Path, tmp_path: Path
) -> None:
    artifact = write_emt(tmp_path)
    plan = PoolPlan(n_processes=1, n_systems=1)
    kept = kept_by_an_interrupted_attempt(sandbox, artifact, "ase", metals, 2, plan=plan)
    assert set(kept) == {"dcdft-Al", "dcdft-Cu"}

    seen: list[Progress] = []
    resumed = run(sandbox, artifact, "ase", metals, plan=plan, finished=kept, progress=seen.append)

    whole = run(sandbox, artifact, "ase", metals, plan=plan)
    assert numbers_of(resumed) == numbers_of(whole)
    n_calls = {system.system_id: system.n_calls for system in whole.systems}
    n_probe_calls = whole.consistency["n_probe_calls"]
    assert 0 <= resumed.provenance["calls"]["n_calls"] - n_calls["dcdft-Pt"] < n_probe_calls
    assert resumed.provenance["resumed"] == {
        "n_systems": 2,
        "n_calls": n_calls["dcdft-Al"] + n_calls["dcdft-Cu"],
        "simulating_s": pytest.approx(kept["dcdft-Cu"].elapsed_s, abs=1e-3),
        "from": {"attempt 1": 2},
        "n_repeated": 0,
    }
    assert "resumed" not in whole.provenance
    simulating = [progress for progress in seen if progress.phase is Phase.SIMULATING]
    assert (simulating[0].n_done, simulating[0].n_total) == (2, 3)
    assert 0 <= simulating[-1].n_calls - sum(n_calls.values()) < n_probe_calls


@pytest.mark.slow
def test_a_resumed_evaluation_serves_calls_as_the_attempt_before(
    sandbox: Sandbox, metals: Path, tmp_path: Path
) -> None:
    artifact = write_emt(tmp_path)
    two_threads = PoolPlan(n_processes=1, n_threads=2, n_systems=1)
    kept = kept_by_an_interrupted_attempt(sandbox, artifact, "ase", metals, 1, plan=two_threads)

    report = run(sandbox, artifact, "ase", metals, finished=kept, plan=None)

    assert report.provenance["resumed"]["n_repeated"] == 0
    assert report.provenance["pool"]["n_threads"] == 2
    assert report.provenance["pool"]["origin"] == "resumed"


@pytest.mark.slow
def test_systems_found_under_other_conditions_are_repeated_and_said_so(
    sandbox: Sandbox, metals: Path, tmp_path: Path
) -> None:
    artifact = write_emt(tmp_path)
    kept = kept_by_an_interrupted_attempt(sandbox, artifact, "ase", metals, 3)

    report = run(
        sandbox,
        artifact,
        "ase",
        metals,
        finished=kept,
        plan=PoolPlan(n_processes=1, n_threads=2, n_systems=4),
    )

    assert report.verdict is Verdict.OK
    assert report.provenance["resumed"]["n_systems"] == 0
    assert report.provenance["resumed"]["n_repeated"] == 3
    assert "another device, precision, runtime, version" in report.provenance["resumed"]["message"]
    n_calls = sum(s.n_calls for s in report.systems) + report.consistency["n_probe_calls"]
    assert report.provenance["calls"]["n_calls"] == n_calls


@pytest.mark.slow
def test_a_protocol_that_must_be_timed_in_one_go_is_not_resumed(
    sandbox: Sandbox, metals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = write_emt(tmp_path)
    kept = kept_by_an_interrupted_attempt(sandbox, artifact, "ase", metals, 3)
    monkeypatch.setattr(EquationOfStateProtocol, "can_resume", False)
    again: list[FinishedSystem] = []

    report = run(sandbox, artifact, "ase", metals, finished=kept, keep_finished=again.extend)

    assert again == []
    assert "resumed" not in report.provenance
    n_calls = sum(s.n_calls for s in report.systems) + report.consistency["n_probe_calls"]
    assert report.provenance["calls"]["n_calls"] == n_calls


@pytest.mark.slow
def test_the_time_of_earlier_attempts_counts_towards_the_wall_time(
    sandbox: Sandbox, metals: Path, tmp_path: Path
) -> None:
    artifact = write_package(tmp_path, after="time.sleep(0.02)")
    kept = kept_by_an_interrupted_attempt(sandbox, artifact, "package", metals, 1, plan=ONE)
    kept = {name: replace(found, elapsed_s=59.8) for name, found in kept.items()}

    report = run(sandbox, artifact, "package", metals, finished=kept)

    assert report.verdict is Verdict.WALL_TIMEOUT
    assert "longer than the 60 s" in report.message


@pytest.mark.slow
def test_a_failed_system_is_not_tried_again(sandbox: Sandbox, metals: Path, tmp_path: Path) -> None:
    artifact = write_package(
        tmp_path, after="if 'Al' in atoms.symbols: raise ArithmeticError('no Al')"
    )
    kept = kept_by_an_interrupted_attempt(sandbox, artifact, "package", metals, 3)

    report = run(sandbox, artifact, "package", metals, finished=kept)

    assert numbers_of(report) == numbers_of(run(sandbox, artifact, "package", metals))
    assert report.systems[0].status is SystemStatus.FAILED
    assert report.provenance["calls"]["n_calls"] == 0
