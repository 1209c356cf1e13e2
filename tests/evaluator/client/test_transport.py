"""The transport against a server of our own making: what it repeats, and what it raises."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from evaluator.client import (
    ClientError,
    Conflict,
    Forbidden,
    Invalid,
    NotAuthenticated,
    NotFound,
    QuotaExceeded,
    Refused,
    ServiceFault,
    Throttled,
    TooLarge,
    UnexpectedAnswer,
    Unreachable,
)
from evaluator.client.transport import MAX_ATTEMPTS, Transport, checked_url


@dataclass
class Answer:
    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Server:
    """Gives the answers in their order, the last one for ever."""

    url: str = ""
    answers: list[Answer] = field(default_factory=list)
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    def next_answer(self) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def server() -> Iterator[Server]:
    script = Server()

    class Handler(BaseHTTPRequestHandler):
        def handle_one(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            self.rfile.read(length)
            script.requests.append((self.command, self.path, dict(self.headers)))
            answer = script.next_answer()
            content = answer.body
            if not isinstance(content, bytes):
                content = b"" if content is None else json.dumps(content).encode()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = handle_one

        def log_message(self, *_: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    script.url = f"http://127.0.0.1:{httpd.server_port}"
    yield script
    httpd.shutdown()
    thread.join()
    httpd.server_close()


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def transport(server: Server, pauses: list[float]) -> Iterator[Transport]:
    found = Transport(server.url, "tst_secret", sleep=pauses.append)
    yield found
    found.close()


def problem(status: int, code: str = "other", **members: Any) -> dict[str, Any]:
    return {"status": status, "title": "No", "type": f"urn:touchstone:problem:{code}", **members}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Invalid),
        (401, NotAuthenticated),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (413, TooLarge),
        (422, Invalid),
        (500, ServiceFault),
    ],
)
def test_a_problem_becomes_its_exception_with_the_services_words(
    status: int, kind: type[Refused], transport: Transport, server: Server
) -> None:
    server.answers = [Answer(status, problem(status, detail="The reason.", request_id="r1"))]
    with pytest.raises(kind, match=r"The reason\.") as caught:
        transport.json("GET", "/x/")
    assert type(caught.value) is kind
    assert caught.value.problem.request_id == "r1"
    assert len(server.requests) == 1, "what is not passing is not asked again"


def test_bad_fields_are_named_once(transport: Transport, server: Server) -> None:
    errors = [
        {"pointer": "#/sha256", "detail": "It differs."},
        {"pointer": "#/version", "detail": "It is taken."},
    ]
    body = problem(400, detail="It differs. It is taken.", errors=errors)
    server.answers = [Answer(400, body)]
    with pytest.raises(Invalid) as caught:
        transport.json("POST", "/x/")
    assert str(caught.value) == "sha256: It differs. version: It is taken."


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_may_pass_is_asked_again_with_growing_pauses(
    status: int, transport: Transport, server: Server, pauses: list[float]
) -> None:
    server.answers = [Answer(status, problem(status))] * 3 + [Answer(200, {"is": "well"})]
    assert transport.json("GET", "/x/") == {"is": "well"}
    # Half to all of 0.5, 1 and 2 seconds.
    assert [0.25 <= a <= 0.5 for a in pauses[:1]] == [True]
    assert 0.5 <= pauses[1] <= 1.0 <= pauses[2] <= 2.0
    assert len(pauses) == 3


def test_retry_after_is_obeyed_and_a_long_one_is_told(
    transport: Transport, server: Server, pauses: list[float]
) -> None:
    server.answers = [Answer(429, problem(429), {"Retry-After": "7"}), Answer(200, {})]
    transport.json("GET", "/x/")
    assert pauses == [7.0]
    server.answers = [Answer(429, problem(429), {"Retry-After": "3600"})]
    with pytest.raises(Throttled) as caught:
        transport.json("GET", "/x/")
    assert caught.value.retry_after_s == 3600
    assert pauses == [7.0]


def test_a_used_up_quota_is_not_waited_for(
    transport: Transport, server: Server, pauses: list[float]
) -> None:
    server.answers = [Answer(429, problem(429, "quota_exceeded"), {"Retry-After": "5"})]
    with pytest.raises(QuotaExceeded):
        transport.call("POST", "/x/", headers={"Idempotency-Key": "k"})
    assert pauses == []


def test_a_post_is_repeated_only_with_an_idempotency_key(
    transport: Transport, server: Server
) -> None:
    server.answers = [Answer(503, problem(503))]
    with pytest.raises(ServiceFault):
        transport.json("POST", "/x/")
    assert len(server.requests) == 1
    server.requests.clear()
    with pytest.raises(ServiceFault):
        transport.json("POST", "/x/", headers={"Idempotency-Key": "k"})
    assert len(server.requests) == MAX_ATTEMPTS
    assert {headers["Idempotency-Key"] for _, _, headers in server.requests} == {"k"}


def test_a_service_that_is_away_is_asked_again_and_then_named(
    server: Server, pauses: list[float]
) -> None:
    transport = Transport("http://127.0.0.1:9", sleep=pauses.append)
    with pytest.raises(Unreachable, match=r"http://127\.0\.0\.1:9 cannot be reached: .*refused"):
        transport.json("GET", "/x/")
    assert len(pauses) == MAX_ATTEMPTS - 1
    transport.close()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(200, b"<html>Welcome</html>"), "Is the URL right?"),
        (Answer(301, None, {"Location": "https://elsewhere/"}), "points to https://elsewhere/"),
    ],
)
def test_another_site_is_not_taken_for_the_service(
    answer: Answer, words: str, transport: Transport, server: Server
) -> None:
    server.answers = [answer]
    with pytest.raises(UnexpectedAnswer) as caught:
        transport.json("GET", "/x/")
    assert words in str(caught.value)


def test_a_proxys_page_of_failure_is_still_a_refusal(transport: Transport, server: Server) -> None:
    server.answers = [Answer(502, b"<html>Bad gateway</html>")]
    with pytest.raises(ServiceFault, match="was answered with 502 Bad Gateway"):
        transport.json("GET", "/x/")


def test_pages_are_followed_on_our_own_host_as_they_are_asked_for(
    transport: Transport, server: Server
) -> None:
    # A service behind a proxy may name itself otherwise; the token must not follow it there.
    elsewhere = "http://internal:8000/api/v1/list/?cursor=2"
    server.answers = [
        Answer(200, {"next": elsewhere, "results": [{"n": 1}, {"n": 2}]}),
        Answer(200, {"next": None, "results": [{"n": 3}]}),
    ]
    pages = transport.pages("/list/")
    assert next(pages) == {"n": 1}
    assert len(server.requests) == 1
    assert list(pages) == [{"n": 2}, {"n": 3}]
    assert [path for _, path, _ in server.requests] == [
        "/api/v1/list/",
        "/api/v1/list/?cursor=2",
    ]
    assert all(h["Authorization"] == "Bearer tst_secret" for _, _, h in server.requests)


def test_a_password_in_netrc_is_never_sent(
    server: Server, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login alice password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    server.answers = [Answer(200, {})]
    for token in ("", "tst_1"):
        transport = Transport(server.url, token)
        transport.json("GET", "/x/")
        transport.close()
    sent = [headers.get("Authorization") for _, _, headers in server.requests]
    assert sent == [None, "Bearer tst_1"]


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://host/", "https://host"),
        ("https://host/api/v1/", "https://host"),
        (" http://host:8000/below ", "http://host:8000/below"),
    ],
)
def test_the_address_of_a_service_is_tidied(text: str, url: str) -> None:
    assert checked_url(text) == url


@pytest.mark.parametrize("text", ["host", "ftp://host", "https://", ""])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ClientError, match="is no address of a service"):
        checked_url(text)


@pytest.mark.slow
def test_importing_the_client_brings_in_no_physics(run_python: Callable[[str], str]) -> None:
    heavy = "{'ase', 'numpy', 'scipy', 'torch', 'django'}"
    code = f"import sys, evaluator.client; print(sorted({heavy} & set(sys.modules)))"
    assert run_python(code) == "[]"
