"""Tasks of a service on this machine, against a small service of our own making."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from evaluator.cli import main
from evaluator.cli.exit_codes import ExitCode
from evaluator.cli.service_tasks import task_of_bundle
from evaluator.references.sets import known_references
from evaluator.standard_tasks.read import standard_task
from tests.evaluator.small_tasks import write_crystals

Capture = pytest.CaptureFixture[str]
API = "/api/v1"


@dataclass
class Service:
    """Answers GET with the bytes that stand for the address, else with a 404."""

    url: str = ""
    pages: dict[str, bytes] = field(default_factory=dict)
    refused: dict[str, tuple[int, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)

    def has(self, address: str, content: Any) -> None:
        self.pages[API + address] = json.dumps(content).encode()

    def lists(self, address: str, rows: list[dict[str, Any]]) -> None:
        self.has(address, {"next": None, "previous": None, "results": rows})


@pytest.fixture
def service() -> Iterator[Service]:
    state = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            state.tokens.append(self.headers.get("Authorization"))
            path = self.path.partition("?")[0]
            status, body = 200, state.pages.get(path)
            if path in state.refused or body is None:
                status, detail = state.refused.get(path, (404, "There is no such thing."))
                body = json.dumps({"status": status, "title": "No", "detail": detail}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing of it in the test's output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield state
    server.shutdown()
    server.server_close()


@pytest.fixture
def crystals(tmp_path: Path) -> bytes:
    return write_crystals(tmp_path / "two.extxyz", ["Cu", "Ag"]).read_bytes()


def bundle(content: bytes, **changes: Any) -> str:
    version = {
        "number": 3,
        "protocol": "equation_of_state",
        "protocol_version": 2,
        "parameters": {"n_volumes": 9},
        "metrics": [{"key": "eos_delta_mean", "good": 1.0, "bad": 20.0, "worst": 100.0}],
        "limits": {"wall_time_s": 60.0},
        "seed": 5,
    }
    reference = {
        "slug": "two",
        "version": "1",
        "sha256": hashlib.sha256(content).hexdigest(),
        "level_of_theory": "PBE",
    }
    task = {"slug": "mine", "versions": [version | changes]}
    return yaml.safe_dump({"tasks": [task], "reference_sets": [reference]})


def serve(service: Service, content: bytes, **changes: Any) -> None:
    sha256 = hashlib.sha256(content).hexdigest()
    service.has("/tasks/mine/bundle/", {"bundle": bundle(content, **changes), "files": []})
    service.pages[f"{API}/reference-sets/files/{sha256}/"] = content
    reference = {"level_of_theory": "PBE", "is_public": True}
    row = {"slug": "mine", "version": 3, "summary": "Two metals.", "protocol": "equation_of_state"}
    service.lists("/tasks/", [row | {"reference_set": reference}])


def evaluate(*more: str) -> int:
    return main(["evaluate", "--calculator", "ase:emt", *more])


def test_a_bundle_is_read_as_the_task_that_the_service_runs(crystals: bytes) -> None:
    task = task_of_bundle(bundle(crystals))
    assert (task.slug, task.version, task.seed, task.limits.wall_time_s) == ("mine", 3, 5, 60.0)
    assert task.reference is not None
    assert task.reference.sha256 == hashlib.sha256(crystals).hexdigest()


@pytest.mark.slow
@pytest.mark.sandbox
def test_a_services_task_is_fetched_and_run_and_its_set_fetched_once(
    service: Service, crystals: bytes, tmp_path: Path, capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    serve(service, crystals)
    monkeypatch.setenv("TOUCHSTONE_TOKEN", "tst_secret")
    out = tmp_path / "out.json"
    for _ in range(2):
        assert evaluate("--task", "mine", "--url", service.url, "--json", str(out)) == ExitCode.OK
    assert "ase:emt on mine (version 3)" in capsys.readouterr().out
    found = json.loads(out.read_text())
    assert [system["system_id"] for system in found["systems"]] == ["dcdft-Cu", "dcdft-Ag"]
    assert len([path for path in service.asked if "/files/" in path]) == 1
    assert set(service.tokens) == {None}, "what is public is asked for without a token"


def test_a_set_that_is_not_what_the_sha256_says_is_not_run(
    service: Service, crystals: bytes, tmp_path: Path, capsys: Capture
) -> None:
    serve(service, crystals)
    sha256 = hashlib.sha256(crystals).hexdigest()
    service.pages[f"{API}/reference-sets/files/{sha256}/"] = crystals[:-9]
    assert evaluate("--task", "mine", "--url", service.url) == ExitCode.UNREACHABLE
    assert "did not come whole" in capsys.readouterr().err
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_hidden_set_is_told_in_the_services_words(service: Service, capsys: Capture) -> None:
    service.refused[f"{API}/tasks/mine/bundle/"] = (403, "Its reference set is hidden.")
    assert evaluate("--task", "mine", "--url", service.url) == ExitCode.NOT_ALLOWED
    assert "Its reference set is hidden." in capsys.readouterr().err


@pytest.mark.parametrize("name", ["mien", "MINE", "../tasks/mine"])
def test_a_task_that_the_service_has_not_is_told_with_what_may_be_meant(
    name: str, service: Service, crystals: bytes, capsys: Capture
) -> None:
    serve(service, crystals)
    assert evaluate("--task", name, "--url", service.url) == ExitCode.USAGE
    error = capsys.readouterr().err
    assert f"{service.url} has no task {name!r}" in error
    assert "mine" in error.partition(": ")[2]


def test_a_task_of_another_release_says_which_it_needs(
    service: Service, crystals: bytes, capsys: Capture
) -> None:
    serve(service, crystals, protocol_version=7)
    assert evaluate("--task", "mine", "--url", service.url) == ExitCode.USAGE
    assert "asks for version 7 of equation_of_state" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "- 1", "tasks: []", "{", "tasks: [{slug: x}]"])
def test_an_answer_that_is_no_bundle_is_no_traceback(
    text: str, service: Service, capsys: Capture
) -> None:
    service.has("/tasks/mine/bundle/", {"bundle": text, "files": []})
    assert evaluate("--task", "mine", "--url", service.url) == ExitCode.UNREACHABLE
    assert "gave no task that can be read" in capsys.readouterr().err


def test_tasks_and_sets_of_the_service_are_listed_before_those_that_ship(
    service: Service, crystals: bytes, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(service, crystals)
    monkeypatch.setenv("TOUCHSTONE_URL", service.url)
    assert main(["tasks"]) == ExitCode.OK
    printed = capsys.readouterr().out
    assert printed.startswith("mine (version 3)\n    Two metals. ")
    assert printed.index("mine") < printed.index("eos-wien2k")
    sets = [
        {"slug": "two", "version": v, "title": "Two", "level_of_theory": "PBE", "licence": "MIT",
         "is_public": v != "10", "sha256": None if v == "10" else "0" * 64}
        for v in ("2", "10")
    ]  # fmt: skip
    service.lists("/reference-sets/", sets)
    assert main(["data", "list"]) == ExitCode.OK
    assert "two (version 10, PBE)\n    Two. Licence: MIT. Hidden" in capsys.readouterr().out
    assert main(["data", "fetch", "two"]) == ExitCode.USAGE  # the newest, 10, is hidden
    assert "two is hidden" in capsys.readouterr().err
    assert main(["data", "fetch", "tow"]) == ExitCode.USAGE
    assert "did you mean two?" in capsys.readouterr().err


def test_a_service_that_is_away_leaves_what_ships_unless_it_was_named(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOUCHSTONE_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("evaluator.client.transport._FIRST_PAUSE_S", 0.0)
    assert main(["tasks"]) == ExitCode.OK
    captured = capsys.readouterr()
    assert f"eos-wien2k (version {standard_task('eos-wien2k').version})" in captured.out
    assert "What ships is listed alone." in captured.err
    assert main(["tasks", "--url", "http://127.0.0.1:9"]) == ExitCode.UNREACHABLE


def test_what_is_of_a_service_is_refused_with_a_file(tmp_path: Path, capsys: Capture) -> None:
    assert evaluate("--task", "mine.toml", "--url", "http://127.0.0.1:9") == ExitCode.USAGE
    assert "mine.toml is a file" in capsys.readouterr().err
    assert evaluate("--task", "eos-wien2k", "--version", "99") == ExitCode.USAGE
    assert "of eos-wien2k ships, not 99" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.sandbox
def test_a_set_that_ships_is_built_here_and_not_asked_of_the_service(
    service: Service, crystals: bytes
) -> None:
    known = known_references()["eos-wien2k"]
    text = bundle(crystals).replace(hashlib.sha256(crystals).hexdigest(), known.sha256)
    service.has("/tasks/mine/bundle/", {"bundle": text, "files": []})
    named = ("--task", "mine", "--url", service.url, "--systems", "Cu")
    assert evaluate(*named) == ExitCode.OK
    assert [path for path in service.asked if "/files/" in path] == []
    row = {"slug": "eos", "version": "1", "sha256": known.sha256, "is_public": True}
    service.lists("/reference-sets/", [row])
    assert main(["data", "fetch", "eos", "--url", service.url]) == ExitCode.OK
