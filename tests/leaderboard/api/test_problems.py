from __future__ import annotations

import logging
from typing import Any
from unittest import mock

import pytest
from rest_framework.test import APIClient

from leaderboard.api.problems import pointer
from leaderboard.exceptions import InfrastructureError
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db
JSON = "application/json"


def check(response: Any, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.content
    assert response.headers["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["type"] == f"urn:touchstone:problem:{code}"
    assert problem["status"] == status
    assert problem["request_id"] == response.headers["X-Request-ID"]
    return problem


def test_a_problem_has_all_members_of_the_standard(stranger: APIClient) -> None:
    problem = check(stranger.get("/api/v1/submissions/?colour=red"), 400, "invalid")
    assert {k: v for k, v in problem.items() if k != "request_id"} == {
        "type": "urn:touchstone:problem:invalid",
        "title": "Bad Request",
        "status": 400,
        "detail": "colour: is unknown; known are cursor, format, mine, page_size, potential.",
        "instance": "/api/v1/submissions/",
        "errors": [
            {
                "pointer": "#/colour",
                "detail": "is unknown; known are cursor, format, mine, page_size, potential.",
            }
        ],
    }


@pytest.mark.parametrize(
    "path",
    [
        "/api/",
        "/api/v1/nothing/",
        "/api/v2/tasks/",
        "/api/v1/tasks",
        "/api/v1/tasks/UPPER/",
        "/api/v1/tasks/a%00b/",
        "/api/v1/tasks/a%0A/",
        "/api/v1/evaluations/1/",
        "/api/v1/submissions/../../admin/",
    ],
)
@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_an_unknown_address_is_a_problem(path: str, method: str, alice: APIClient) -> None:
    check(getattr(alice, method)(path), 404, "not_found")


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_a_method_that_is_not_taken_is_told_with_those_that_are(
    method: str, alice: APIClient
) -> None:
    response = getattr(alice, method)("/api/v1/potentials/")
    check(response, 405, "method_not_allowed")
    assert {"GET", "POST"} <= set(response.headers["Allow"].split(", "))


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"7",
        b'{"name": NaN}',
        b'{"n_parameters": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    ],
)
def test_a_malformed_body_is_a_problem(body: bytes, alice: APIClient) -> None:
    check(alice.post("/api/v1/potentials/", body, content_type=JSON), 400, "invalid")


def test_a_body_beyond_the_limit_is_not_read(alice: APIClient, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    body = b'{"name": "' + b"x" * 1000 + b'"}'
    check(alice.post("/api/v1/potentials/", body, content_type=JSON), 413, "too_large")


@pytest.mark.parametrize(
    ("content_type", "body", "status", "code"),
    [
        ("text/xml", b"<a/>", 415, "unsupported_media_type"),
        ("multipart/form-data; boundary=x", b"--x\r\ngarbage", 400, "invalid"),
        ("multipart/form-data", b"garbage", 400, "invalid"),
        ("multipart/form-data; boundary=" + "x" * 300, b"garbage", 415, "unsupported_media_type"),
    ],
)
def test_a_garbled_form_is_a_problem(
    content_type: str, body: bytes, status: int, code: str, alice: APIClient
) -> None:
    check(alice.post("/api/v1/submissions/", body, content_type=content_type), status, code)


def test_too_many_fields_are_a_problem(alice: APIClient) -> None:
    many = {f"field{i}": "1" for i in range(1001)}
    check(alice.post("/api/v1/submissions/", many, format="multipart"), 400, "invalid")


@pytest.mark.parametrize(
    ("address", "body"),
    [
        ("/api/v1/submissions/check/", {f"k{n}": 1 for n in range(20_000)}),
        ("/api/v1/submissions/check/", {"k" * 100_000: 1}),
        ("/api/v1/submissions/check/", {"potential": "p" * 100_000}),
        ("/api/v1/submissions/check/", {"supported_elements": [[]] * 20_000}),
        ("/api/v1/potentials/", {f"k{n}": 1 for n in range(20_000)}),
        ("/api/v1/potentials/", {"slug": "A" * 100_000, "name": "x"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_no_body_is_answered_by_a_larger_one(
    address: str, body: dict[str, Any], alice: APIClient
) -> None:
    answer = alice.post(address, body, format="json")
    assert answer.status_code == 400
    assert len(answer.content) < 40_000


def test_a_field_beyond_the_limit_is_a_problem(alice: APIClient, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    form = {"settings": "x" * 2000}
    check(alice.post("/api/v1/submissions/", form, format="multipart"), 413, "too_large")


def test_a_form_of_answer_that_is_not_had_is_a_problem(stranger: APIClient) -> None:
    check(stranger.get("/api/v1/tasks/", HTTP_ACCEPT="image/png"), 406, "not_acceptable")


def test_a_host_that_is_not_ours_is_a_problem(stranger: APIClient) -> None:
    check(stranger.get("/api/v1/tasks/", HTTP_HOST="evil.example"), 400, "invalid")


def test_a_bug_is_a_problem_without_details_and_is_logged_whole(
    stranger: APIClient, caplog: pytest.LogCaptureFixture
) -> None:
    stranger.raise_request_exception = False
    broken = mock.patch(
        "leaderboard.api.views.tasks.read_query", side_effect=RuntimeError("the secret cause")
    )
    with broken, caplog.at_level(logging.ERROR):
        response = stranger.get("/api/v1/tasks/")
    problem = check(response, 500, "internal_error")
    assert "secret cause" not in response.content.decode()
    assert "the secret cause" in caplog.text
    assert "Traceback" in caplog.text
    assert problem["request_id"] in caplog.text


def test_a_fault_of_the_service_is_told_apart_from_a_bug(
    stranger: APIClient, caplog: pytest.LogCaptureFixture
) -> None:
    broken = mock.patch(
        "leaderboard.api.views.tasks.read_query", side_effect=InfrastructureError("disk full")
    )
    with broken:
        response = stranger.get("/api/v1/tasks/")
    check(response, 503, "unavailable")
    assert "disk full" not in response.content.decode()
    assert "disk full" in caplog.text


def test_an_error_of_a_table_is_a_problem_too(stranger: APIClient) -> None:
    check(stranger.get("/api/v1/leaderboards/no/", HTTP_ACCEPT="text/csv"), 404, "not_found")


def test_no_cache_may_hand_an_answer_to_another_user(stranger: APIClient) -> None:
    for path in ("/api/v1/tasks/", "/api/v1/nothing/"):
        assert {"Authorization", "Cookie"} <= set(stranger.get(path).headers["Vary"].split(", "))


def test_pages_for_people_are_left_as_they_are(client: Any) -> None:
    factories.user("alice")
    response = client.get("/admin/nothing/")
    assert response.headers["Content-Type"] != "application/problem+json"
    assert len(response.headers["X-Request-ID"]) == 32


def test_a_pointer_escapes_as_the_standard_says() -> None:
    assert pointer("settings.a/b~c") == "#/settings/a~1b~0c"
