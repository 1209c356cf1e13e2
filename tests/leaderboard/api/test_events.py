from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from evaluator.contract import EvaluationReport, Phase, Progress, Verdict
from leaderboard import models
from leaderboard.api import streams
from leaderboard.services.evaluations import lifecycle
from tests.leaderboard import factories

# Closing a stream ends the request, and with it the connection to the database.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def running(db: None) -> models.Evaluation:
    evaluation = factories.evaluation()
    claimed = lifecycle.claim_evaluation(evaluation.pk, factories.worker(name="w"))
    assert claimed is not None
    progress = Progress(phase=Phase.SIMULATING, n_done=1, n_total=4)
    lifecycle.record_progress(claimed.pk, claimed.fencing_token, progress)
    return claimed


def end(evaluation: models.Evaluation) -> None:
    report = EvaluationReport(verdict=Verdict.NONFINITE)
    lifecycle.record_report(evaluation.pk, evaluation.fencing_token, report)


def listen(
    client: APIClient, evaluation: models.Evaluation, address: str = "203.0.113.1", **headers: str
) -> Any:
    return client.get(
        f"/api/v1/evaluations/{evaluation.pk}/events/",
        headers={"Accept": "text/event-stream", **headers},
        REMOTE_ADDR=address,
    )


def read(response: Any) -> list[dict[str, str]]:
    """The blocks of a stream, as a browser reads them."""
    text = b"".join(response.streaming_content).decode()
    response.close()
    blocks = [dict(line.split(": ", 1) for line in b.splitlines()) for b in text.split("\n\n") if b]
    return blocks[1:]  # the first tells when to come back


def test_events_are_listed_in_order(running: models.Evaluation, stranger: APIClient) -> None:
    page = stranger.get(f"/api/v1/evaluations/{running.pk}/events/?page_size=1").json()
    assert page["results"][0]["kind"] == "claimed"
    assert page["results"][0]["data"] == {"worker": "w", "attempt": 1}
    assert stranger.get(page["next"]).json()["results"][0]["kind"] == "phase"


def test_a_stream_tells_all_events_and_ends_with_the_evaluation(
    running: models.Evaluation, stranger: APIClient
) -> None:
    end(running)
    response = listen(stranger, running)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    blocks = read(response)
    assert [b["event"] for b in blocks] == ["claimed", "phase", "failed"]
    ids = [int(b["id"]) for b in blocks]
    assert ids == sorted(ids)
    assert '"verdict": "nonfinite"' in blocks[-1]["data"]


def test_a_stream_goes_on_after_the_last_event_that_was_heard(
    running: models.Evaluation, stranger: APIClient
) -> None:
    end(running)
    first = read(listen(stranger, running))[0]
    later = read(listen(stranger, running, **{"Last-Event-ID": first["id"]}))
    assert [b["event"] for b in later] == ["phase", "failed"]
    for bad in ("x", "-1", "9" * 30):
        assert listen(stranger, running, **{"Last-Event-ID": bad}).status_code == 400


def test_a_stream_tells_progress_and_is_over_after_a_while(
    running: models.Evaluation, stranger: APIClient, settings: Any
) -> None:
    settings.STREAM_S = 0
    blocks = read(listen(stranger, running))
    assert [b["event"] for b in blocks] == ["claimed", "phase", "progress"]
    assert '"done": 1, "total": 4' in blocks[-1]["data"]


def test_a_process_takes_so_many_streams_and_no_more(
    running: models.Evaluation, stranger: APIClient
) -> None:
    open_ones = [listen(stranger, running, address=f"203.0.113.{n}") for n in (1, 2)]
    refused = listen(stranger, running, address="203.0.113.3")
    assert refused.status_code == 503
    assert refused.headers["Retry-After"] == "11"
    assert refused.headers["Content-Type"] == "application/problem+json"
    # One was never read, as when the client is gone at once.
    for response in open_ones:
        response.close()
    again = listen(stranger, running)
    assert again.status_code == 200
    again.close()


def test_one_client_has_no_more_than_half_of_the_places(
    running: models.Evaluation, stranger: APIClient
) -> None:
    own = listen(stranger, running)
    assert listen(stranger, running).status_code == 503
    other = listen(stranger, running, address="203.0.113.7")
    assert other.status_code == 200
    own.close()
    other.close()


def test_closing_twice_gives_one_place_back() -> None:
    assert streams.take_place("somebody")
    stream = streams.EventStream(
        factories.evaluation().pk, 0, shows_details=True, client="somebody"
    )
    stream.close()
    stream.close()
