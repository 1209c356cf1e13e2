"""A real Celery worker on a real broker, with real sandboxes."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from evaluator.contract import EvaluationReport
from evaluator.driver import evaluation as driver
from evaluator.sandbox.find import find_sandbox
from leaderboard import models
from leaderboard.services.boards.replicates import of_evaluations
from leaderboard.services.definitions.tasks import reference_path
from tests.end_to_end.site import (
    LEASE_S,
    Site,
    descendants,
    is_alive,
    load_equation_of_state,
    running_site,
    slow_emt,
    submit,
    wait_until,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.sandbox,
    pytest.mark.django_db(transaction=True),
    # kombu's tables are declared with an option that SQLAlchemy 2.1 deprecates.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
]

EMT = b'{"calculator": "emt"}'


@pytest.fixture
def site(transactional_db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with running_site(tmp_path, monkeypatch) as site:
        yield site


def is_at_work(evaluation: models.Evaluation) -> bool:
    return evaluation.phase == "simulating" and evaluation.progress_done > 0


def scores(evaluation: models.Evaluation) -> dict[str, tuple[Any, ...]]:
    rows = evaluation.scores.values_list("metric", "value", "low", "high", "score", "n")
    return {metric: numbers for metric, *numbers in rows}


def kinds_of_events(evaluation: models.Evaluation) -> list[str]:
    return [k for k in evaluation.events.values_list("kind", flat=True) if k != "phase"]


def test_service_and_command_line_give_the_same_numbers(site: Site) -> None:
    """But for the last digits: each turns the structures in a way of its own."""
    version = load_equation_of_state()
    evaluation = submit(EMT, "emt.json", "ase")
    site.start_worker("worker")

    wait_until(evaluation, lambda e: e.has_ended, 60)

    assert (evaluation.state, evaluation.message) == ("succeeded", "")
    file = site.folder / "report.json"
    touchstone = (sys.executable, "-m", "evaluator.cli", "evaluate")
    subprocess.run(
        [*touchstone, "--task", "eos-wien2k", "--calculator", "ase:emt", "--json", str(file)],
        cwd=settings.BASE_DIR,
        check=True,
        capture_output=True,
        timeout=120,
    )
    report = json.loads(file.read_text())
    local = {
        row["metric"]: [
            # None stands for what is shown without a score.
            None if row[n] is None else pytest.approx(row[n], rel=1e-6)
            for n in ("value", "low", "high", "score", "n")
        ]
        for row in report["scores"]
    }
    assert scores(evaluation) == local
    assert set(local) >= {row["key"] for row in version.metrics}
    assert evaluation.score is not None
    assert evaluation.worker is not None
    assert evaluation.worker.sandbox_level != "none"
    assert kinds_of_events(evaluation) == ["queued", "claimed", "succeeded"]


def test_a_worker_killed_in_the_middle_leaves_one_complete_set_of_scores(site: Site) -> None:
    version = load_equation_of_state()
    evaluation = submit(slow_emt(0.05), "slow.zip", "package")
    site.start_reaper()
    first = site.start_worker("first")
    wait_until(evaluation, is_at_work, 60)
    below = descendants(first.pid)
    assert len(below) > 2  # the pool's child and the sandboxes

    first.kill()
    first.wait()
    killed_at = time.monotonic()
    site.start_worker("second")

    wait_until(evaluation, lambda e: e.has_ended, 90)
    assert time.monotonic() - killed_at > LEASE_S / 2
    assert [pid for pid in below if is_alive(pid)] == []
    assert (evaluation.state, evaluation.message) == ("succeeded", "")
    assert (evaluation.attempt, evaluation.fencing_token) == (2, 2)
    assert evaluation.worker is not None
    assert evaluation.worker.name.startswith("second@")
    assert kinds_of_events(evaluation) == ["queued", "claimed", "retried", "claimed", "succeeded"]
    assert models.Evaluation.objects.count() == 1
    assert {row["key"] for row in version.metrics} <= set(scores(evaluation))
    assert len(scores(evaluation)) == models.Score.objects.count()
    assert evaluation.systems.count() == 71
    assert evaluation.systems.filter(status="ok").count() == 7


def test_what_a_killed_worker_had_finished_is_not_repeated(site: Site, tmp_path: Path) -> None:
    load_equation_of_state()
    content = slow_emt(0.05)
    evaluation = submit(content, "slow.zip", "package")
    site.start_reaper()
    first = site.start_worker("first")
    wait_until(evaluation, lambda e: e.kept_systems.count() >= 2, 60)

    first.kill()
    first.wait()
    kept = set(evaluation.kept_systems.values_list("system_id", flat=True))
    site.start_worker("second")

    wait_until(evaluation, lambda e: e.has_ended, 90)
    assert (evaluation.state, evaluation.attempt) == ("succeeded", 2)
    calls = dict(evaluation.systems.values_list("system_id", "n_calls"))
    resumed = evaluation.provenance["resumed"]
    assert 2 <= resumed["n_systems"] == len(kept) < 7
    assert (resumed["n_calls"], resumed["n_repeated"]) == (sum(calls[k] for k in kept), 0)
    assert [origin.partition(" (")[0] for origin in resumed["from"]] == [
        f"claim 1 by first@{socket.gethostname()}"
    ]
    n_more = evaluation.provenance["calls"]["n_calls"] - sum(calls.values()) + resumed["n_calls"]
    assert 0 <= n_more <= evaluation.consistency["n_probe_calls"]
    assert evaluation.kept_systems.count() == 0

    whole = uninterrupted(evaluation, content, tmp_path)
    assert scores(evaluation) == {
        s.metric: [s.value, s.low, s.high, s.score, s.n] for s in whole.scores
    }
    assert whole.task_score is not None
    replicates = of_evaluations([evaluation.pk])[evaluation.pk]
    assert replicates.tolist() == list(whole.task_score.replicates)
    # Errors at the size of rounding differ in their last digits from process to process.
    assert evaluation.consistency == {
        name: pytest.approx(value, rel=1e-3, abs=1e-9) if isinstance(value, float) else value
        for name, value in whole.consistency.items()
    }
    assert {s.system_id: (s.status, s.values, s.n_calls) for s in evaluation.systems.all()} == {
        s.system_id: (s.status, s.values, s.n_calls) for s in whole.systems
    }


def uninterrupted(evaluation: models.Evaluation, content: bytes, folder: Path) -> EvaluationReport:
    """The same submission on the same task, in one go."""
    artifact = folder / "slow.zip"
    artifact.write_bytes(content)
    version = evaluation.task_version
    assert version.reference_set is not None
    return driver.evaluate(
        version.secret_spec(),
        evaluation.submission.spec(),
        artifact,
        reference_path(version.reference_set),
        sandbox=find_sandbox(),
    )


def test_a_worker_that_is_shut_down_hands_its_evaluation_back(site: Site) -> None:
    load_equation_of_state()
    evaluation = submit(slow_emt(0.5), "slow.zip", "package")
    worker = site.start_worker("worker")
    wait_until(evaluation, lambda e: e.phase == "simulating", 60)

    worker.terminate()
    asked_at = time.monotonic()
    worker.wait(30)

    assert time.monotonic() - asked_at < 15
    evaluation.refresh_from_db()
    assert (evaluation.state, evaluation.attempt) == ("queued", 0)
    assert kinds_of_events(evaluation) == ["queued", "claimed", "handed_back"]


def test_a_running_evaluation_can_be_cancelled(site: Site) -> None:
    from leaderboard.services.evaluations import lifecycle

    load_equation_of_state()
    evaluation = submit(slow_emt(0.5), "slow.zip", "package")
    site.start_worker("worker")
    wait_until(evaluation, lambda e: e.phase == "simulating", 60)

    lifecycle.cancel(evaluation.submission.potential.owner, evaluation)

    wait_until(evaluation, lambda e: e.has_ended, 20)
    assert (evaluation.state, evaluation.verdict) == ("cancelled", "cancelled")
    assert evaluation.scores.count() == 0
