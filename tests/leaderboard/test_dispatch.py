from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import connection, transaction
from kombu.exceptions import OperationalError
from sqlalchemy.exc import OperationalError as DatabaseIsAway

from leaderboard import dispatch, models
from leaderboard.lib.local_broker import local_broker_url, prune
from leaderboard.services.evaluations import lifecycle
from leaderboard.services.housekeeping import reap
from tests.end_to_end.site import broker_url
from tests.leaderboard import factories
from tests.leaderboard.services.submissions.test_submissions import submit_emt


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The real broker of the tests, in memory, emptied."""
    with dispatch.app.connection_for_write() as connection:
        queue = dispatch.app.amqp.queues["evaluations"]
        simple = connection.SimpleQueue(queue)
        simple.clear()
        yield simple
        simple.clear()
        simple.close()


@pytest.mark.django_db(transaction=True)
def test_a_message_carries_the_id_alone_and_comes_after_the_commit(broker: Any) -> None:
    submission, version = factories.submission(), factories.task_version()

    with transaction.atomic():
        (evaluation,) = lifecycle.queue_evaluations(submission, [version])
        assert broker.qsize() == 0

    message = broker.get(timeout=5)
    assert message.headers["task"] == "touchstone.evaluate"
    assert message.payload[:2] == [[str(evaluation.pk)], {}]
    evaluation.refresh_from_db()
    assert evaluation.message_sent_at is not None


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_is_not_announced(broker: Any) -> None:
    submission, version = factories.submission(), factories.task_version()

    with pytest.raises(RuntimeError, match="fault"), transaction.atomic():
        lifecycle.queue_evaluations(submission, [version])
        raise RuntimeError("fault")

    assert broker.qsize() == 0
    assert not models.Evaluation.objects.exists()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "fault",
    [
        OperationalError("connection refused"),
        ConnectionRefusedError("connection refused"),
        TimeoutError("no answer"),
    ],
)
def test_a_broker_that_is_down_loses_no_submission(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    broker: Any,
    fault: Exception,
) -> None:
    factories.benchmark_version((factories.task_version(), "A"), (factories.task_version(), "A"))

    def refuse(*args: object, **options: object) -> None:
        raise fault

    with monkeypatch.context() as down:
        down.setattr(dispatch.app, "send_task", refuse)
        submission = submit_emt(factories.potential())

    assert submission.evaluations.filter(state="queued", message_sent_at=None).count() == 2
    assert "The broker took 0 of 2 messages" in caplog.text
    assert reap().n_messages_sent == 2
    assert broker.qsize() == 2


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_does_not_exist_loses_no_submission(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from celery import Celery

    factories.benchmark_version((factories.task_version(), "A"))
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)
    monkeypatch.setattr(dispatch, "app", Celery(broker="amqp://127.0.0.1:1//"))

    submission = submit_emt(factories.potential())

    assert submission.evaluations.get().message_sent_at is None
    assert "The broker took 0 of 1 messages" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_a_fault_of_our_own_while_announcing_loses_no_submission(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*args: object, **options: object) -> None:
        raise RuntimeError("a bug")

    factories.benchmark_version((factories.task_version(), "A"))
    monkeypatch.setattr(dispatch.app, "send_task", fail)

    assert submit_emt(factories.potential()).evaluations.get().message_sent_at is None


@pytest.mark.django_db
def test_the_local_broker_may_be_away_too(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from celery import Celery

    app = Celery(broker="sqla+postgresql+psycopg://nobody@/none?host=/nowhere")
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)
    monkeypatch.setattr(dispatch, "app", app)

    assert dispatch.announce([uuid.uuid4()]) == 0
    assert "The broker took 0 of 1 messages" in caplog.text
    assert issubclass(DatabaseIsAway, dispatch._broker_errors())


def test_the_address_of_the_local_broker_is_made_from_the_database() -> None:
    url = local_broker_url("postgresql://postgres:@/postgres?host=/var/db")
    assert url == "sqla+postgresql+psycopg://postgres:@/postgres?host=/var/db"
    with pytest.raises(ValueError, match="mysql: must be a postgresql"):
        local_broker_url("mysql://x")


@pytest.mark.django_db(transaction=True)
def test_messages_of_the_local_broker_that_were_read_are_pruned() -> None:
    # A schema of its own: the real queue of other tests is left alone.
    url = f"{broker_url()}&options=-csearch_path%3Dpruning"
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA pruning")
        try:
            assert prune(url) == 0, "nobody has used it yet"
            cursor.execute("CREATE TABLE pruning.kombu_message (id int, visible boolean)")
            cursor.execute(
                "INSERT INTO pruning.kombu_message VALUES (1, true), (2, false), (3, false)"
            )

            assert prune(url) == 2

            cursor.execute("SELECT id FROM pruning.kombu_message")
            assert cursor.fetchall() == [(1,)]
        finally:
            cursor.execute("DROP SCHEMA pruning CASCADE")


def test_another_broker_prunes_its_own_messages() -> None:
    assert prune("amqp://somewhere") == 0
