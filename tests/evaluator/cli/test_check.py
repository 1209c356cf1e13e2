"""What ``touchstone check`` says of a service, against a server that answers as ours does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from evaluator.cli import main
from evaluator.cli.exit_codes import ExitCode
from evaluator.cli.service_parts import SERVICE_VARIABLES

pytestmark = pytest.mark.sandbox

Capture = pytest.CaptureFixture[str]
QUIET = {"n_queued": 0, "n_held": 0, "n_running": 0, "oldest_at": None}


class Service(HTTPServer):
    """Answers each request with ``queue``."""

    queue: dict[str, object]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Service

    def do_GET(self) -> None:
        assert self.path == "/api/v1/queue/"
        content = json.dumps(self.server.queue).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(autouse=True)
def own_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of somebody who runs no service."""
    for name in SERVICE_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def service() -> Iterator[Service]:
    server = Service(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("queue", "status", "words"),
    [
        ({"n_workers": 2, "n_deaf": 0}, ExitCode.OK, "2 workers online"),
        (
            {"n_queued": 27, "n_workers": 1, "n_deaf": 1},
            ExitCode.INFRASTRUCTURE_ERROR,
            "1 of them deaf",
        ),
        (
            {"n_queued": 3, "n_held": 1, "n_workers": 0, "n_deaf": 0},
            ExitCode.INFRASTRUCTURE_ERROR,
            "work waits and no worker is online",
        ),
    ],
    ids=["well", "deaf", "unmanned"],
)
def test_check_looks_at_the_queue_of_the_service(
    service: Service, capsys: Capture, queue: dict[str, object], status: ExitCode, words: str
) -> None:
    service.queue = QUIET | queue

    assert main(["check", "--quick", "--url", service.url]) == status
    assert words in capsys.readouterr().out


@pytest.mark.parametrize(
    ("is_named", "status"), [(True, ExitCode.INFRASTRUCTURE_ERROR), (False, ExitCode.OK)]
)
def test_a_service_that_does_not_answer_is_a_fault_for_who_names_it(
    is_named: bool, status: ExitCode, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    url = "http://127.0.0.1:1"
    monkeypatch.setenv("TOUCHSTONE_URL", url)
    assert main(["check", "--quick", "--json", *(["--url", url] if is_named else [])]) == status
    findings = {finding["name"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert not findings["service"]["is_well"]
    assert findings["service"]["hint"]


def test_deaf_workers_of_a_service_that_is_not_named_are_only_told(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    service.queue = {**QUIET, "n_queued": 27, "n_workers": 1, "n_deaf": 1}
    monkeypatch.setenv("TOUCHSTONE_URL", service.url)
    assert main(["check", "--quick"]) == ExitCode.OK
    assert "1 of them deaf" in capsys.readouterr().out


def test_check_refuses_a_device_that_is_none(capsys: Capture) -> None:
    assert main(["check", "--device", "gpu0"]) == ExitCode.USAGE
    assert "'gpu0' must be cpu, cuda or cuda:N" in capsys.readouterr().err


def test_another_program_s_database_makes_no_service_of_a_machine(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://localhost/shop")
    assert main(["check", "--quick"]) == ExitCode.OK
    assert "settings" not in capsys.readouterr().out
