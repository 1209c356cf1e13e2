from __future__ import annotations

from pathlib import Path

import pytest

from evaluator.cli import main
from evaluator.cli.exit_codes import ExitCode

Capture = pytest.CaptureFixture[str]
_NEEDED = ("DATABASE_URL", "CELERY_BROKER_URL", "TOUCHSTONE_SECRET_KEY")


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _NEEDED:
        monkeypatch.setenv(name, "something")


@pytest.mark.sandbox
def test_a_machine_that_can_work_says_so(service: None, capsys: Capture) -> None:
    assert main(["worker", "--check"]) == ExitCode.OK
    assert "can be a worker" in capsys.readouterr().out


def test_everything_that_is_missing_is_named_at_once(
    service: None, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.delenv("CELERY_BROKER_URL")
    assert main(["worker", "--check"]) == ExitCode.INFRASTRUCTURE_ERROR
    error = capsys.readouterr().err
    assert "DATABASE_URL" in error
    assert "CELERY_BROKER_URL" in error
    assert "TOUCHSTONE_SECRET_KEY" not in error


def test_without_a_sandbox_nothing_is_started(
    service: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Capture
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["worker"]) == ExitCode.INFRASTRUCTURE_ERROR
    assert "bubblewrap" in capsys.readouterr().err
