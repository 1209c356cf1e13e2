"""What a worker's start approves and refuses, with a real sandbox; no service is at hand here."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluator.cli import main
from evaluator.cli.exit_codes import ExitCode
from evaluator.cli.service_parts import SERVICE_VARIABLES

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "CELERY_BROKER_URL", *SERVICE_VARIABLES):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.slow
def test_without_settings_and_sandbox_each_is_told_and_nothing_is_started(
    no_settings: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Capture
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("PATH", str(tmp_path))

    assert main(["worker"]) == ExitCode.INFRASTRUCTURE_ERROR

    told = capsys.readouterr()
    assert "TOUCHSTONE_SECRET_KEY, TOUCHSTONE_HOSTS, CELERY_BROKER_URL not set" in told.out
    assert "apt-get install bubblewrap" in told.out
    assert "can be a worker" not in told.out
    assert told.err == ("touchstone: this machine cannot be a worker; faults: settings, sandbox\n")


@pytest.mark.slow
def test_a_part_of_the_service_without_settings_is_a_fault_and_no_traceback(
    no_settings: None, capsys: Capture
) -> None:
    assert main(["check", "--part", "web"]) == ExitCode.INFRASTRUCTURE_ERROR
    told = capsys.readouterr()
    assert "!!  settings" in told.out
    assert "environment.example" in told.out
    assert told.err == "touchstone: faults: settings\n"
