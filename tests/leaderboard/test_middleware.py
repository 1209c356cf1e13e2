from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse

from leaderboard.middleware import Throttle
from leaderboard.services.accounts import throttles
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db

LARGE = 600 * 2**20
FORM = "multipart/form-data; boundary=x"
FORMS = ("/login/", "/signup/", "/submissions/new/", "/account/tokens/", "/account/password/reset/")


class Unreadable:
    """The body of a request that must be refused before anything is read of it."""

    def read(self, *_: object) -> bytes:
        raise AssertionError("the body was read")

    readline = read


def post(address: str, client: Client | None = None, **environ: Any) -> Any:
    declared = {"CONTENT_TYPE": FORM, "CONTENT_LENGTH": str(LARGE), "wsgi.input": Unreadable()}
    return (client or Client(raise_request_exception=True)).generic(
        "POST", address, **{**declared, **environ}
    )


@pytest.fixture
def _no_file_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("a file was begun")

    monkeypatch.setattr(TemporaryFileUploadHandler, "new_file", fail)


@pytest.mark.usefixtures("_no_file_is_written")
@pytest.mark.parametrize("address", FORMS)
def test_a_stranger_cannot_have_a_large_form_read(address: str) -> None:
    answer = post(address)
    assert (answer.status_code, answer.content) == (
        413,
        b"At most 2 MiB are taken at this address.\n",
    )


def test_a_large_body_is_refused_where_no_file_belongs_whoever_sends_it() -> None:
    client = Client()
    client.force_login(factories.user())
    assert post("/account/tokens/", client).status_code == 413
    assert post("/api/v1/potentials/", client).status_code == 413
    assert post("/submissions/new/", client, CONTENT_LENGTH=str(514 * 2**20)).status_code == 413


def test_who_is_signed_in_may_send_a_file_where_one_belongs() -> None:
    client = Client()
    client.force_login(factories.user())
    with pytest.raises(AssertionError, match="the body was read"):
        post("/submissions/new/", client, CONTENT_LENGTH=str(512 * 2**20))


def test_the_staff_alone_may_send_a_reference_set() -> None:
    address = reverse("admin:leaderboard_referenceset_add")
    large = {"CONTENT_LENGTH": str(60 * 2**20)}
    staff, other = Client(), Client()
    staff.force_login(factories.user("charlie", is_staff=True, is_superuser=True))
    other.force_login(factories.user())
    with pytest.raises(AssertionError, match="the body was read"):
        post(address, staff, **large)
    assert post(address, staff, CONTENT_LENGTH=str(66 * 2**20)).status_code == 413
    assert post(address, other, **large).status_code == 413
    assert post(address, **large).status_code == 413


def test_the_api_reads_nothing_before_it_knows_who_asks() -> None:
    for address in ("/api/v1/submissions/", "/api/v1/bundle/"):
        assert post(address, CONTENT_LENGTH=str(500 * 2**20)).status_code == 401
    answer = post("/api/v1/submissions/")
    assert answer.status_code == 413
    assert answer.json()["type"] == "urn:touchstone:problem:too_large"
    assert answer.json()["detail"] == "At most 513 MiB are taken at this address."


def test_a_body_without_a_length_is_refused() -> None:
    chunked = {"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked"}
    for address in (*FORMS, "/api/v1/submissions/"):
        assert post(address, **chunked).status_code == 411
    assert post("/login/", CONTENT_LENGTH="-1").status_code == 400
    assert post("/login/", CONTENT_LENGTH="1" * 5000).status_code == 400


@pytest.fixture
def rates(settings: Any) -> Iterator[dict[str, str]]:
    throttles.forget_here()
    settings.THROTTLES = {
        **settings.THROTTLES,
        "any": "8/min",
        "refused": "3/min",
        "processor": "1000/min",
    }
    yield settings.THROTTLES
    throttles.forget_here()


@pytest.mark.usefixtures("rates")
def test_pages_are_throttled_by_address(django_assert_num_queries: Any) -> None:
    client = Client()
    assert [client.get("/login/").status_code for _ in range(9)] == [200] * 8 + [429]
    with django_assert_num_queries(0):
        last = client.get("/")
    assert last.status_code == 429
    assert 0 < int(last.headers["Retry-After"]) <= 60
    assert client.get("/api/v1/tasks/").json()["type"] == "urn:touchstone:problem:throttled"
    assert client.get("/login/", REMOTE_ADDR="203.0.113.7").status_code == 200


@pytest.mark.usefixtures("rates")
def test_answers_401_are_throttled_by_address(django_assert_num_queries: Any) -> None:
    client, bad = Client(), {"HTTP_AUTHORIZATION": "Bearer tst_guess"}
    assert [client.get("/api/v1/me/", **bad).status_code for _ in range(3)] == [401] * 3
    with django_assert_num_queries(0):
        assert client.get("/api/v1/me/", **bad).status_code == 429
    assert client.get("/api/v1/me/", REMOTE_ADDR="203.0.113.7", **bad).status_code == 401


@pytest.mark.usefixtures("rates")
def test_who_asks_for_what_is_dear_alone_is_throttled_by_its_time(
    django_assert_num_queries: Any,
) -> None:
    def dear(request: HttpRequest) -> HttpResponse:
        ends_s = time.thread_time() + 0.6
        while time.thread_time() < ends_s:
            pass
        return HttpResponse()

    def asked_by(address: str) -> int:
        request = RequestFactory().get("/", REMOTE_ADDR=address)
        with django_assert_num_queries(0):
            return Throttle(dear)(request).status_code

    assert [asked_by("203.0.113.7") for _ in range(3)] == [200, 200, 429]
    assert asked_by("203.0.113.8") == 200


@pytest.mark.slow
def test_the_memory_of_addresses_is_bounded() -> None:
    throttles.forget_here()
    for n in range(30_000):
        throttles.hit_here("any", f"address {n}")
    assert len(throttles._here) <= 20_000
    throttles.forget_here()


def test_a_proxy_that_is_not_counted_is_told_of_once(
    settings: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leaderboard.middleware._told_of_proxy", [False])
    client = Client(headers={"X-Forwarded-For": "203.0.113.9"})
    settings.PROXIES = 1
    client.get("/robots.txt")
    assert "TOUCHSTONE_PROXIES" not in caplog.text
    settings.PROXIES = 0
    for _ in range(3):
        client.get("/robots.txt")
    assert caplog.text.count("TOUCHSTONE_PROXIES is 0") == 1
