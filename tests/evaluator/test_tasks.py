from __future__ import annotations

import dataclasses
import io
import shutil
import signal
import threading
import time
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone

from evaluator import tasks
from evaluator.contract import EvaluationReport, Phase, Progress, SystemStatus, Verdict
from evaluator.driver.finished import FinishedSystem, UnreadableSystem
from evaluator.driver.output_files import hand_over
from evaluator.exceptions import InfrastructureError
from evaluator.protocols.base import Outcome
from evaluator.sandbox.base import Sandbox, SandboxLevel, SandboxUnavailable
from leaderboard import models
from leaderboard.exceptions import LostLeaseError
from leaderboard.lib import blobs
from leaderboard.services.definitions.tasks import ReferenceDescription, store_reference_set
from leaderboard.services.evaluations import lifecycle
from leaderboard.services.evaluations.deafness import deaf_workers
from tests.leaderboard import factories
from tests.leaderboard.services.submissions.test_submissions import submit_emt

pytestmark = pytest.mark.django_db(transaction=True)

HOST = "worker@host"


class NoSandbox(Sandbox):
    """A host without confinement; nothing is started in these tests."""

    level = SandboxLevel.NONE

    def start(self, request: object) -> Any:
        raise InfrastructureError("not here")


class Confined(NoSandbox):
    level = SandboxLevel.CGROUP2


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Any:
    tasks.this_host.cache_clear()
    monkeypatch.setattr(tasks, "_STORE_PAUSES_S", (0.0, 0.0))
    yield
    tasks.this_host.cache_clear()
    tasks._shutdown[0] = 0


def host_with(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    monkeypatch.setattr(tasks, "find_sandbox", lambda policy: sandbox)


def deliver(evaluation: models.Evaluation) -> models.Evaluation:
    """Deliver a message for it, as a worker of this name gets it."""
    tasks.evaluate.push_request(hostname=HOST)
    try:
        tasks.evaluate.run(str(evaluation.pk))
    finally:
        tasks.evaluate.pop_request()
    evaluation.refresh_from_db()
    return evaluation


def queued() -> models.Evaluation:
    """An evaluation whose files are all there."""
    described = ReferenceDescription(
        slug="crystals",
        version="1",
        title="Crystals",
        n_systems=1,
        elements=["H"],
        properties=["energy"],
        level_of_theory="PBE",
        licence="CC0-1.0",
        citation="Nobody, 2026",
    )
    reference = store_reference_set(io.BytesIO(b"reference"), described)
    version = factories.task_version(reference_set=reference)
    return submit_emt(factories.potential(), tasks=[version]).evaluations.get()


def driver_that(monkeypatch: pytest.MonkeyPatch, act: Any) -> None:
    """Replace the driver: ``act`` gets its keyword arguments and returns or raises."""
    monkeypatch.setattr(tasks.driver, "evaluate", lambda *arguments, **more: act(**more))


def test_without_a_sandbox_nothing_is_claimed_and_everybody_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, settings: Any
) -> None:
    settings.DEAF_AFTER_S = 0

    def refuse(policy: object) -> Sandbox:
        raise SandboxUnavailable("bwrap cannot be found; install it")

    monkeypatch.setattr(tasks, "find_sandbox", refuse)

    assert deliver(factories.evaluation()).state == "queued"
    assert "This worker evaluates nothing. bwrap cannot be found" in caplog.text
    assert "no sandbox here" in caplog.text
    assert tasks.this_host(HOST).register().sandbox_level == "none"
    assert tasks.this_host(HOST).kinds == []


def test_where_it_is_allowed_built_in_kinds_run_without_a_sandbox(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host_with(monkeypatch, NoSandbox())
    driver_that(monkeypatch, lambda **more: EvaluationReport(verdict=Verdict.RUNTIME_ERROR))

    package = factories.evaluation(factories.submission(calculator_kind="package"))

    assert deliver(package).state == "queued"
    assert deliver(queued()).state == "failed"


def test_a_disabled_worker_claims_nothing(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.DEAF_AFTER_S = 0
    host_with(monkeypatch, Confined())
    tasks.this_host(HOST).register()
    models.Worker.objects.update(is_enabled=False)

    assert deliver(factories.evaluation()).state == "queued"


def test_a_disabled_worker_holds_its_slot_and_not_the_messages_of_others(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.DEAF_AFTER_S = 0.5
    host_with(monkeypatch, Confined())
    tasks.this_host(HOST).register()
    models.Worker.objects.update(is_enabled=False)

    started = time.monotonic()
    assert deliver(factories.evaluation()).state == "queued"
    assert time.monotonic() - started >= 0.5


def test_a_worker_that_is_enabled_while_it_holds_a_message_claims(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host_with(monkeypatch, Confined())
    driver_that(monkeypatch, lambda **more: EvaluationReport(verdict=Verdict.RUNTIME_ERROR))
    tasks.this_host(HOST).register()
    models.Worker.objects.update(is_enabled=False)
    pauses: list[float] = []

    def enable(seconds: float) -> None:
        pauses.append(seconds)
        models.Worker.objects.update(is_enabled=True)

    monkeypatch.setattr(tasks.time, "sleep", enable)

    assert deliver(queued()).state == "failed"
    assert pauses[0] == 1.0


@pytest.mark.parametrize(("is_drained_beside", "is_deaf"), [(False, True), (True, False)])
def test_a_worker_calls_itself_deaf_unless_its_messages_may_end_elsewhere(
    monkeypatch: pytest.MonkeyPatch, settings: Any, is_drained_beside: bool, is_deaf: bool
) -> None:
    settings.HEARTBEAT_S = 0
    monkeypatch.setattr(tasks, "_told_ourselves_at", [None])
    monkeypatch.setattr(tasks, "announce", len)  # the broker takes them all
    long_ago = timezone.now() - timedelta(minutes=5)
    factories.worker(name=HOST, sandbox_level="cgroup2", free_since=long_ago)
    if is_drained_beside:
        factories.worker(name="drained", sandbox_level="cgroup2", is_enabled=False)
    factories.evaluation()
    models.Evaluation.objects.update(queued_at=long_ago)

    assert tasks._is_deaf(HOST) is False  # it is told again first
    assert tasks._is_deaf(HOST) is is_deaf


def test_a_worker_that_has_ended_is_not_called_deaf() -> None:
    long_ago = timezone.now() - timedelta(minutes=5)
    worker = factories.worker(free_since=long_ago)
    evaluation = factories.evaluation()
    models.Evaluation.objects.filter(pk=evaluation.pk).update(queued_at=long_ago)
    assert deaf_workers() == [worker]

    tasks._say_that_we_end(SimpleNamespace(hostname=worker.name))

    assert deaf_workers() == []


def test_a_worker_that_is_ending_claims_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    host_with(monkeypatch, Confined())
    tasks._ask_children_to_end()

    assert deliver(factories.evaluation()).state == "queued"


def test_a_message_for_what_has_ended_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    host_with(monkeypatch, Confined())
    ended = factories.evaluation(score=0.5)

    assert deliver(ended).state == "succeeded"
    assert not models.Event.objects.exists()


def test_the_report_of_the_driver_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    host_with(monkeypatch, Confined())

    def work(progress: Any, should_stop: Any, **more: Any) -> EvaluationReport:
        assert more["sandbox"] == tasks.this_host(HOST).sandbox
        assert (more["device"], more["finished"]) == (settings.DEVICE, {})
        assert not should_stop()
        for done in range(4):
            progress(Progress(phase=Phase.SIMULATING, n_done=done, n_total=3))
        return EvaluationReport(verdict=Verdict.NONFINITE, message="NaN.")

    driver_that(monkeypatch, work)
    evaluation = deliver(queued())

    assert (evaluation.verdict, evaluation.message) == ("nonfinite", "NaN.")
    assert (evaluation.progress_done, evaluation.progress_total) == (3, 3)
    assert evaluation.worker is not None
    assert evaluation.worker.name == HOST


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (InfrastructureError("No uid is free."), "No uid is free."),
        (ZeroDivisionError("secret"), "Internal error (ZeroDivisionError); its details are in"),
    ],
)
def test_a_fault_of_ours_is_tried_again_and_logged_whole(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fault: Exception,
    message: str,
) -> None:
    host_with(monkeypatch, Confined())

    def fail(**more: Any) -> None:
        raise fault

    driver_that(monkeypatch, fail)
    evaluation = deliver(queued())

    assert (evaluation.state, evaluation.attempt) == ("queued", 1)
    assert evaluation.message.startswith(message)
    assert "Traceback" in caplog.text


def test_lost_bytes_and_a_task_without_reference_are_our_faults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host_with(monkeypatch, Confined())
    lost = queued()
    shutil.rmtree(settings.STORAGES["default"]["OPTIONS"]["location"] / "artifacts")
    assert deliver(lost).message.endswith("is missing from the storage.")
    lifecycle.cancel(factories.charlie(), lost)

    version = factories.task_version(state="draft")
    models.TaskVersion.objects.filter(pk=version.pk).update(reference_set=None)
    without = factories.evaluation(on=version)
    assert deliver(without).message.endswith("has no reference set.")


def test_what_is_interrupted_by_a_shutdown_is_handed_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host_with(monkeypatch, Confined())

    def stop(should_stop: Any, **more: Any) -> EvaluationReport:
        tasks._ask_children_to_end()
        assert should_stop()
        return EvaluationReport(verdict=Verdict.CANCELLED)

    driver_that(monkeypatch, stop)
    evaluation = deliver(queued())

    assert (evaluation.state, evaluation.attempt) == ("queued", 0)


def test_a_child_that_is_told_to_end_alone_loses_its_evaluation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Handed back uncounted, what brings a guard of memory to end it would run for ever."""
    host_with(monkeypatch, Confined())
    monkeypatch.setattr(tasks, "_obey_sigterm", lambda: None)
    monkeypatch.setattr(tasks, "_child", dataclasses.replace(tasks._child))
    monkeypatch.setattr(tasks, "_GROUP_SIGNAL_S", 0.0)

    def stop(should_stop: Any, **more: Any) -> EvaluationReport:
        tasks._on_sigterm(signal.SIGTERM, None)
        assert should_stop()
        return EvaluationReport(verdict=Verdict.CANCELLED)

    driver_that(monkeypatch, stop)
    evaluation = deliver(queued())

    assert (evaluation.state, evaluation.attempt) == ("queued", 1)
    event = evaluation.events.get(kind="retried")
    assert event.data["verdict"] == "infrastructure_lost"


def test_a_child_whose_worker_is_told_a_moment_later_hands_its_evaluation_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host_with(monkeypatch, Confined())
    monkeypatch.setattr(tasks, "_obey_sigterm", lambda: None)
    monkeypatch.setattr(tasks, "_child", dataclasses.replace(tasks._child))

    def stop(should_stop: Any, **more: Any) -> EvaluationReport:
        tasks._on_sigterm(signal.SIGTERM, None)
        threading.Timer(0.1, tasks._ask_children_to_end).start()
        return EvaluationReport(verdict=Verdict.CANCELLED)

    driver_that(monkeypatch, stop)
    evaluation = deliver(queued())

    assert (evaluation.state, evaluation.attempt) == ("queued", 0)
    assert not evaluation.events.filter(kind="retried").exists()


def test_what_went_on_elsewhere_is_thrown_away(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    host_with(monkeypatch, Confined())
    evaluation = queued()

    def lose(progress: Any, should_stop: Any, **more: Any) -> EvaluationReport:
        lifecycle.hand_back(evaluation.pk, 1, "elsewhere")
        progress(Progress(phase=Phase.SIMULATING, n_done=1, n_total=2))
        assert should_stop()
        return EvaluationReport(verdict=Verdict.OK)

    driver_that(monkeypatch, lose)
    deliver(evaluation)

    assert (evaluation.state, evaluation.verdict) == ("queued", "")
    assert "Thrown away" in caplog.text


def test_a_report_outlives_a_restart_of_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    host_with(monkeypatch, Confined())
    driver_that(monkeypatch, lambda **more: EvaluationReport(verdict=Verdict.UNSUPPORTED))
    record, faults = lifecycle.record_report, [DatabaseError("gone"), DatabaseError("gone")]

    def sometimes(*arguments: Any) -> Any:
        if faults:
            raise faults.pop()
        return record(*arguments)

    monkeypatch.setattr(lifecycle, "record_report", sometimes)

    assert deliver(queued()).verdict == "unsupported"


def test_progress_that_cannot_be_stored_harms_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    host_with(monkeypatch, Confined())

    def fail(*arguments: Any) -> None:
        raise DatabaseError("gone")

    def work(progress: Any, **more: Any) -> EvaluationReport:
        progress(Progress(phase=Phase.SIMULATING, n_done=1, n_total=2))
        return EvaluationReport(verdict=Verdict.UNSUPPORTED)

    monkeypatch.setattr(lifecycle, "record_progress", fail)
    driver_that(monkeypatch, work)

    assert deliver(queued()).verdict == "unsupported"


@pytest.mark.parametrize(
    ("answers", "is_lost", "is_cancelled"),
    [
        ([False, True], False, True),
        ([DatabaseError("gone"), False], False, False),
        ([False, LostLeaseError("elsewhere")], True, False),
    ],
)
def test_the_lease_is_renewed_until_its_end(
    monkeypatch: pytest.MonkeyPatch, answers: list[Any], is_lost: bool, is_cancelled: bool
) -> None:
    monkeypatch.setattr(settings, "HEARTBEAT_S", 0.01)
    left, all_given = list(answers), threading.Event()

    def renew(*arguments: Any) -> bool:
        answer = left.pop(0) if left else answers[-1]
        if not left:
            all_given.set()
        if isinstance(answer, Exception):
            raise answer
        return bool(answer)

    monkeypatch.setattr(lifecycle, "renew_lease", renew)
    lease = tasks.Lease(factories.evaluation())
    lease.start()
    assert all_given.wait(5)
    lease.end()

    assert not lease.is_alive()
    assert (lease.is_lost, lease.is_cancelled) == (is_lost, is_cancelled)


def test_sigterm_waits_for_the_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    obeyed: list[bool] = []
    monkeypatch.setattr(tasks, "_obey_sigterm", lambda: obeyed.append(True))
    monkeypatch.setattr(tasks, "_child", dataclasses.replace(tasks._child))

    with tasks._sigterm_waits():
        tasks._on_sigterm(signal.SIGTERM, None)
        assert tasks._is_ending()
        assert obeyed == []
    assert obeyed == [True]


def finished(system_id: str, size: int = 1) -> FinishedSystem:
    return FinishedSystem(
        system_id=system_id,
        status=SystemStatus.OK,
        message="",
        answer_status=None,
        outcome=Outcome(values={"energy": 0.1}, arrays={"forces": np.zeros(size)}),
        n_calls=3,
        wall_time_s=1.0,
        conditions="same",
        elapsed_s=1.0,
        serving={"n_threads": 1, "max_batch": 1, "max_batch_atoms": 4096},
    )


def test_the_next_attempt_is_given_what_this_one_had_finished(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    host_with(monkeypatch, Confined())
    seen: list[Any] = []

    def work(keep_finished: Any, **more: Any) -> EvaluationReport:
        seen.append(more["finished"])
        keep_finished([finished("Si"), finished("Al")])
        raise InfrastructureError("The power failed.")

    driver_that(monkeypatch, work)
    evaluation = deliver(queued())
    models.KeptSystem.objects.filter(system_id="Al").update(content=b"damaged")
    models.Evaluation.objects.update(not_before=None)
    deliver(evaluation)

    assert seen[0] == {}
    assert set(seen[1]) == {"Si", "Al"}
    assert seen[1]["Si"].origin.startswith(f"claim 1 by {HOST} (")
    outcome = seen[1]["Si"].read().outcome
    assert outcome is not None
    assert outcome.values == {"energy": 0.1}
    # What is damaged is passed on: only the driver, which has no rights, looks inside.
    with pytest.raises(UnreadableSystem):
        seen[1]["Al"].read()


def test_systems_that_are_too_large_to_be_kept_are_said_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    host_with(monkeypatch, Confined())
    monkeypatch.setattr(tasks, "_MAX_KEPT_BYTES", 4096)

    def work(keep_finished: Any, **more: Any) -> EvaluationReport:
        keep_finished([finished("large", 1000), finished("small")])
        assert list(models.KeptSystem.objects.values_list("system_id", flat=True)) == ["small"]
        return EvaluationReport(verdict=Verdict.OK)

    driver_that(monkeypatch, work)

    assert deliver(queued()).state == "succeeded"
    assert "large of" in caplog.text
    assert models.KeptSystem.objects.count() == 0


def test_what_earlier_attempts_have_kept_counts_too(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    host_with(monkeypatch, Confined())
    monkeypatch.setattr(tasks, "_MAX_KEPT_BYTES", len(finished("Si").to_bytes()) + 10)
    names = iter(["Si", "Al"])

    def work(keep_finished: Any, **more: Any) -> EvaluationReport:
        keep_finished([finished(next(names))])
        raise InfrastructureError("The power failed.")

    driver_that(monkeypatch, work)
    evaluation = deliver(queued())
    models.Evaluation.objects.update(not_before=None)
    deliver(evaluation)

    assert list(models.KeptSystem.objects.values_list("system_id", flat=True)) == ["Si"]
    assert "Al of" in caplog.text


def test_systems_that_cannot_be_kept_harm_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    host_with(monkeypatch, Confined())

    def fail(*arguments: object) -> None:
        raise DatabaseError("away")

    def work(keep_finished: Any, **more: Any) -> EvaluationReport:
        keep_finished([finished("Si")])
        return EvaluationReport(verdict=Verdict.OK)

    monkeypatch.setattr(tasks.checkpoints, "keep", fail)
    driver_that(monkeypatch, work)

    assert deliver(queued()).state == "succeeded"


def test_output_files_of_the_driver_are_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    host_with(monkeypatch, Confined())

    def work(store_file: Any, **more: Any) -> EvaluationReport:
        files = hand_over([("Si", "bands.json", b"{}")], store_file)
        return EvaluationReport(verdict=Verdict.OK, files=files)

    driver_that(monkeypatch, work)

    evaluation = deliver(queued())
    with blobs.open_stored(evaluation.files.get().storage_name) as file:
        assert file.read() == b"{}"
