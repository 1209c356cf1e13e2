from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from pyarrow import parquet
from rest_framework.test import APIClient

from leaderboard import models
from tests.leaderboard import factories
from tests.leaderboard.api.world import World, make_world

pytestmark = pytest.mark.django_db
URL = "/api/v1/evaluations/"
HOST = "http://testserver"


@pytest.fixture
def world(db: None) -> World:
    return make_world()


def iso(moment: Any) -> str:
    return str(moment.isoformat().replace("+00:00", "Z"))


def test_an_ended_evaluation_tells_all(world: World, stranger: APIClient) -> None:
    row = world.public.ended
    assert row.worker is not None
    assert stranger.get(f"{URL}{row.pk}/").json() == {
        "id": str(row.pk),
        "url": f"{HOST}{URL}{row.pk}/",
        "page": f"/evaluations/{row.pk}/",
        "task": world.task.task.slug,
        "task_version": 1,
        "submission": {
            "id": str(world.public.submission.pk),
            "url": f"{HOST}/api/v1/submissions/{world.public.submission.pk}/",
            "version": "open-1",
            "potential": {
                "slug": "open-potential",
                "name": "open potential",
                "url": f"{HOST}/api/v1/potentials/open-potential/",
                "level_of_theory": "",
                "is_baseline": False,
            },
        },
        "state": "succeeded",
        "phase": "",
        "progress": {"done": 0, "total": 0, "calls": 0, "expected_at": None},
        "verdict": "ok",
        "message": "",
        "help_url": f"{HOST}/docs/verdicts/#ok",
        "held_by": None,
        "waiting_reason": "",
        "queue_position": None,
        "estimated_start_at": None,
        "attempts": [],
        "attempt": 1,
        "is_current": True,
        "cancel_requested_at": None,
        "reason": "",
        "supersedes": None,
        "superseded_by": None,
        "queued_at": iso(row.queued_at),
        "started_at": iso(row.started_at),
        "finished_at": iso(row.finished_at),
        "wall_time_s": 1.5,
        "score": 0.5,
        "score_low": 0.4,
        "score_high": 0.6,
        "coverage": 1.0,
        "n_systems": 2,
        "n_failed": 0,
        "n_unsupported": 0,
        "scores": [
            {
                "metric": "eos_delta_mean",
                "label": "Δ",
                "unit": "meV/atom",
                "value": 10.0,
                "low": 9.0,
                "high": 11.0,
                "score": 0.8,
                "n": 2,
                "n_failed": 1,
                "n_tested": None,
                "median_error": None,
                "baseline_error": None,
            }
        ],
        "worker": {
            "name": row.worker.name,
            "device": "cpu",
            "sandbox_level": "cgroup1",
            "hardware": {"cpu": "x"},
            "versions": {"ase": "3.29"},
        },
        "hardware_key": "",
        "why_unreliable": "",
        "summary": {},
        "consistency": {"rotation_force_error_eV_A": 1e-7},
        "provenance": {"dtype": "float64"},
        "systems": f"{HOST}{URL}{row.pk}/systems/",
        "files": f"{HOST}{URL}{row.pk}/files/",
        "events": f"{HOST}{URL}{row.pk}/events/",
        "has_log": None,
        "logs": f"{HOST}{URL}{row.pk}/logs/",
    }


@pytest.mark.slow
def test_a_waiting_evaluation_tells_its_place_and_when_to_ask_again(
    world: World, alice: APIClient
) -> None:
    first, second = world.public.queued, world.private.queued
    urgent = factories.evaluation(factories.submission(), priority=1)
    places = {
        row.pk: alice.get(f"{URL}{row.pk}/").json()["queue_position"]
        for row in (first, second, urgent)
    }
    assert places == {urgent.pk: 1, first.pk: 2, second.pk: 3}
    response = alice.get(f"{URL}{first.pk}/")
    assert response.headers["Retry-After"] == "5"
    assert response.json()["help_url"] is None
    assert "Retry-After" not in alice.get(f"{URL}{world.public.ended.pk}/").headers


def test_an_unchanged_evaluation_is_not_sent_again(world: World, stranger: APIClient) -> None:
    row = world.public.queued
    first = stranger.get(f"{URL}{row.pk}/")
    tag = first.headers["ETag"]
    again = stranger.get(f"{URL}{row.pk}/", HTTP_IF_NONE_MATCH=tag)
    assert (again.status_code, again.content) == (304, b"")
    models.Evaluation.objects.filter(pk=row.pk).update(
        progress_done=1, progress_total=2, progress_calls=40
    )
    changed = stranger.get(f"{URL}{row.pk}/", HTTP_IF_NONE_MATCH=tag)
    assert changed.status_code == 200
    assert changed.json()["progress"] == {
        "done": 1,
        "total": 2,
        "calls": 40,
        "expected_at": None,
    }
    assert changed.headers["ETag"] != tag
    assert "private" in changed.headers["Cache-Control"]


def test_evaluations_are_found_by_submission_task_and_state(
    world: World, stranger: APIClient
) -> None:
    def found(query: str) -> list[str]:
        return [row["id"] for row in stranger.get(f"{URL}?{query}").json()["results"]]

    ended, queued = str(world.public.ended.pk), str(world.public.queued.pk)
    assert found("") == [queued, ended]
    assert found(f"submission={world.public.submission.pk}") == [queued, ended]
    assert found(f"task={world.task.task.slug}") == [ended]
    assert found("state=queued") == [queued]
    assert found("potential=open-potential&state=succeeded") == [ended]
    assert found("task=no-such-task") == []


def test_a_filter_takes_a_potential_as_requests_name_it(world: World, alice: APIClient) -> None:
    side = world.private
    potential, version = side.potential, side.submission.version
    assert "~" in potential.address
    for name in (potential.slug, potential.address):
        for query, there in ((name, True), (f"{name}:{version}", True), (f"{name}:9", False)):
            evaluations = alice.get(f"{URL}?potential={query}").json()["results"]
            submissions = alice.get(f"/api/v1/submissions/?potential={query}").json()["results"]
            assert {e["id"] for e in evaluations} == (
                {str(side.ended.pk), str(side.queued.pk)} if there else set()
            )
            assert [s["id"] for s in submissions] == [str(side.submission.pk)] * there
    other = f"{potential.slug}~{'0' * 8}"
    assert alice.get(f"{URL}?potential={other}").json()["results"] == []


@pytest.mark.parametrize(
    "query",
    [
        *("submission=1", "state=done", "task=%00", "superseded=x", "x=1"),
        *("potential=My%20potential", "potential=emt~1", "potential=emt:"),
    ],
)
def test_a_bad_filter_is_told(query: str, stranger: APIClient) -> None:
    response = stranger.get(f"{URL}?{query}")
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == "#/" + query.split("=")[0]


@pytest.mark.parametrize("n", [1, 3])
def test_a_list_takes_one_query_beside_the_throttle(
    n: int, stranger: APIClient, django_assert_num_queries: Any
) -> None:
    for _ in range(n):
        factories.evaluation()
    with django_assert_num_queries(2):  # the throttle, the rows
        assert len(stranger.get(URL).json()["results"]) == n


@pytest.mark.parametrize("n", [1, 3])
def test_one_evaluation_takes_a_few_queries_beside_the_throttle(
    n: int, stranger: APIClient, django_assert_num_queries: Any
) -> None:
    for _ in range(n):
        row = factories.evaluation()
    # The throttle, the row, its scores and events, the order of the queue (what waits and runs, how
    # long it takes, what parties bear, the workers), the workers again (for the
    # reason why it waits).
    with django_assert_num_queries(11):
        stranger.get(f"{URL}{row.pk}/")


def test_a_repetition_that_is_asked_for_twice_with_its_key_is_one(
    world: World, alice: APIClient
) -> None:
    address = f"{URL}{world.public.ended.pk}/reevaluate/"
    headers = {"Idempotency-Key": "k"}
    answers = [alice.post(address, {"reason": "again"}, headers=headers) for _ in range(2)]
    assert [a.status_code for a in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()
    assert models.Evaluation.objects.filter(supersedes=world.public.ended).count() == 1


def test_logs_of_a_task_with_a_hidden_set_are_the_staffs_alone(
    alice: APIClient, charlie: APIClient
) -> None:
    world = make_world(hidden_reference=True)
    address = f"{URL}{world.public.ended.pk}/logs/"
    assert charlie.get(address).json()["stdout"] == "open out"
    refused = alice.get(address)
    assert refused.status_code == 403
    assert "hidden reference set" in refused.json()["detail"]


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_systems_are_told_as_other_tables(suffix: str, world: World, stranger: APIClient) -> None:
    address = f"{URL}{world.public.ended.pk}/systems/"
    response = stranger.get(f"{address}?format={suffix}")
    assert f'.{suffix}"' in response.headers["Content-Disposition"]
    if suffix == "jsonl":
        rows = [json.loads(line) for line in response.content.splitlines()]
    else:
        rows = parquet.read_table(io.BytesIO(response.content)).to_pylist()
    told = stranger.get(address).json()["results"]
    assert [row["system_id"] for row in rows] == [row["system_id"] for row in told]
    assert rows[0]["bulk_modulus_GPa"] == 55.0
    assert rows[0]["reference_bulk_modulus_GPa"] == 78.125


def test_systems_are_told_with_their_reference(world: World, stranger: APIClient) -> None:
    response = stranger.get(f"{URL}{world.public.ended.pk}/systems/")
    assert response.json() == {
        "next": None,
        "previous": None,
        "results": [
            {
                "system_id": "Al",
                "status": "ok",
                "message": "",
                "values": {"element": "Al", "bulk_modulus_GPa": 55.0},
                "reference": {"bulk_modulus_GPa": 78.125},
                "n_calls": 9,
                "wall_time_s": 0.5,
                "cluster": "",
                "uncertainty": None,
            },
            {
                "system_id": "=Cu",
                "status": "failed",
                "message": "open: no minimum",
                "values": {},
                "reference": {},
                "n_calls": 0,
                "wall_time_s": 0.0,
                "cluster": "",
                "uncertainty": None,
            },
        ],
    }


@pytest.mark.parametrize("how", [{"QUERY_STRING": "format=csv"}, {"HTTP_ACCEPT": "text/csv"}])
def test_systems_come_as_a_table_that_no_spreadsheet_runs(
    how: dict[str, str], world: World, stranger: APIClient
) -> None:
    response = stranger.get(f"{URL}{world.public.ended.pk}/systems/", **how)
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    name = f"systems-{world.public.ended.pk}.csv"
    assert response.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert list(csv.reader(io.StringIO(response.content.decode()))) == [
        [
            *("system_id", "status", "message", "n_calls", "wall_time_s"),
            *("bulk_modulus_GPa", "element", "reference_bulk_modulus_GPa"),
        ],
        ["Al", "ok", "", "9", "0.5", "55.0", "Al", "78.125"],
        ["'=Cu", "failed", "open: no minimum", "0", "0.0", "", "", ""],
    ]


def test_a_hidden_reference_is_not_in_the_api(
    alice: APIClient, bob: APIClient, charlie: APIClient
) -> None:
    row = make_world(hidden_reference=True).public.ended
    for query in ("", "?format=csv"):
        address = f"{URL}{row.pk}/systems/{query}"
        assert "78.125" in charlie.get(address).content.decode(), "nothing could leak"
        for client in (alice, bob, APIClient()):
            response = client.get(address)
            assert response.status_code in {401, 403}
            text = response.content.decode()
            assert "55.0" not in text, "with its error it would tell the reference"
            assert "78.125" not in text
            assert "bulk_modulus" not in text


def test_whether_there_is_a_log_is_told_to_who_may_read_it(
    world: World, alice: APIClient, bob: APIClient
) -> None:
    silent = factories.evaluation(world.public.submission)
    for row, has_log in ((world.public.ended, True), (silent, False)):
        assert alice.get(f"{URL}{row.pk}/").json()["has_log"] is has_log
        assert bob.get(f"{URL}{row.pk}/").json()["has_log"] is None


def test_logs_are_text_for_the_owner(world: World, alice: APIClient) -> None:
    response = alice.get(f"{URL}{world.private.ended.pk}/logs/")
    assert response.json() == {"stdout": "secret out", "stderr": "secret err"}
    assert response.headers["Content-Type"] == "application/json"


def test_cancelling_ends_what_waits_and_conflicts_with_what_has_ended(
    world: World, alice: APIClient
) -> None:
    waiting = alice.post(f"{URL}{world.public.queued.pk}/cancel/")
    assert (waiting.status_code, waiting.json()["state"]) == (202, "cancelled")
    assert waiting.json()["help_url"] == f"{HOST}/docs/verdicts/#cancelled"
    again = alice.post(f"{URL}{world.public.queued.pk}/cancel/")
    assert (again.status_code, again.json()["type"]) == (409, "urn:touchstone:problem:conflict")


def test_repeating_makes_a_new_evaluation_that_supersedes(world: World, alice: APIClient) -> None:
    old = f"{URL}{world.public.ended.pk}/"
    response = alice.post(old + "reevaluate/", {"reason": "new hardware"})
    new = response.json()
    assert response.status_code == 202
    assert response.headers["Location"] == new["url"] != HOST + old
    assert (new["state"], new["reason"], new["supersedes"]) == (
        "queued",
        "new hardware",
        HOST + old,
    )
    before = alice.get(old).json()
    assert (before["is_current"], before["superseded_by"]) == (False, new["url"])
    ids = {row["id"] for row in alice.get(URL).json()["results"]}
    assert str(world.public.ended.pk) not in ids
    ids = {row["id"] for row in alice.get(URL + "?superseded=true").json()["results"]}
    assert str(world.public.ended.pk) in ids
    assert alice.post(old + "reevaluate/", {"reason": "again"}).status_code == 409


@pytest.mark.parametrize("reason", ["", "  ", "x" * 301, None, 7.5, ["a"], "a\x00"])
def test_a_repetition_needs_a_reason(reason: object, world: World, alice: APIClient) -> None:
    address = f"{URL}{world.public.ended.pk}/reevaluate/"
    expected = 202 if reason == 7.5 else 400  # a number is taken as its text
    assert alice.post(address, {"reason": reason}).status_code == expected
