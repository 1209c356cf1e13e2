from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from leaderboard import dispatch, models
from leaderboard.services.evaluations import lifecycle
from leaderboard.services.housekeeping import Reaped, reap
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids that were sent, while the messages go to the broker of the tests all the same."""
    sent: list[str] = []
    send = dispatch.app.send_task

    def note(name: str, args: list[str], **options: Any) -> Any:
        sent.extend(args)
        return send(name, args=args, **options)

    monkeypatch.setattr(dispatch.app, "send_task", note)
    return sent


def lost(attempt: int = 1, **fields: Any) -> models.Evaluation:
    """An evaluation whose worker was last heard of long ago."""
    return factories.evaluation(
        state="running",
        worker=factories.worker(),
        attempt=attempt,
        fencing_token=attempt,
        lease_expires_at=timezone.now() - timedelta(seconds=1),
        **fields,
    )


def test_the_evaluation_of_a_lost_worker_returns_to_the_queue(messages: list[str]) -> None:
    evaluation, alive = lost(), factories.evaluation()
    lifecycle.claim_evaluation(alive.pk, factories.worker())

    assert reap() == Reaped(n_returned=1)

    evaluation.refresh_from_db()
    alive.refresh_from_db()
    assert (evaluation.state, alive.state) == ("queued", "running")
    assert evaluation.not_before is not None
    assert "was not heard of for 60 s" in evaluation.message
    assert messages == []  # it pauses first
    assert reap() == Reaped()


def test_a_worker_that_does_not_hear_of_work_is_told_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    long_ago = timezone.now() - timedelta(minutes=5)
    worker = factories.worker(free_since=long_ago)
    factories.evaluation()
    models.Evaluation.objects.update(queued_at=long_ago)

    assert reap() == Reaped(n_messages_sent=1, n_deaf=1)
    assert f"{worker} is free and has not heard for 40 s that work is due" in caplog.text


def test_a_worker_that_comes_back_late_cannot_report() -> None:
    evaluation = lost()
    reap()
    with pytest.raises(lifecycle.LostLeaseError):
        lifecycle.renew_lease(evaluation.pk, 1)


def test_what_is_lost_too_often_fails_with_a_visible_reason(settings: Any) -> None:
    settings.MAX_ATTEMPTS = 2
    evaluation = lost(attempt=2)

    assert reap() == Reaped(n_failed=1)

    evaluation.refresh_from_db()
    assert (evaluation.state, evaluation.verdict) == ("failed", "infrastructure_lost")
    assert evaluation.message.startswith("Given up after 2 attempts. Its worker was not heard")


def test_what_was_to_be_cancelled_is_not_tried_again() -> None:
    evaluation = lost(cancel_requested_at=timezone.now())

    assert reap() == Reaped(n_cancelled=1)

    evaluation.refresh_from_db()
    assert (evaluation.state, evaluation.verdict) == ("cancelled", "cancelled")


def test_a_lost_message_is_sent_again_but_not_at_once(messages: list[str], settings: Any) -> None:
    settings.REAPER_INTERVAL_S = 15
    evaluation = factories.evaluation()

    assert reap().n_messages_sent == 1
    assert reap().n_messages_sent == 0
    models.Evaluation.objects.update(message_sent_at=timezone.now() - timedelta(seconds=31))
    assert reap().n_messages_sent == 1
    assert messages == [str(evaluation.pk)] * 2


def test_a_message_is_sent_when_the_pause_is_over(messages: list[str]) -> None:
    evaluation = factories.evaluation(not_before=timezone.now() + timedelta(hours=1))
    assert reap().n_messages_sent == 0

    models.Evaluation.objects.update(not_before=timezone.now())
    assert reap().n_messages_sent == 1
    assert messages == [str(evaluation.pk)]


def test_a_long_queue_is_announced_by_its_most_urgent_alone(messages: list[str]) -> None:
    factories.worker()
    factories.worker(is_enabled=False)
    factories.worker(last_seen_at=timezone.now() - timedelta(hours=1))
    for _ in range(5):
        factories.evaluation()
    urgent = factories.evaluation(priority=9)

    assert reap().n_messages_sent == 2
    assert messages[0] == str(urgent.pk)
    assert reap().n_messages_sent == 0


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_simultaneous_reapers_return_each_evaluation_once() -> None:
    for _ in range(5):
        lost()
    together, rounds = threading.Barrier(3), []

    def one_round() -> None:
        together.wait()
        try:
            rounds.append(reap())
        finally:
            connection.close()

    threads = [threading.Thread(target=one_round) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rounds.append(reap())

    assert sum(r.n_returned for r in rounds) == 5
    assert models.Event.objects.filter(kind="retried").count() == 5


def test_the_command_does_one_round_and_tells_it(capsys: pytest.CaptureFixture[str]) -> None:
    lost()
    call_command("reap")
    assert "n_returned=1" in capsys.readouterr().out


def test_the_loop_sweeps_what_is_left_over(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("leaderboard.services.evaluations.output_files.sweep", lambda: 3)
    monkeypatch.setattr("leaderboard.lib.local_broker.prune", lambda url: 4)

    call_command("reap")

    assert "7 left over removed" in capsys.readouterr().out
