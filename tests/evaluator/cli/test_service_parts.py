"""What of a service's parts is a fault for whom, tried by a real process."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluator.cli.service_parts import try_service_parts


@pytest.mark.slow
def test_a_web_server_waits_for_a_broker_and_not_for_a_database(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TOUCHSTONE_DEVELOPMENT", "1")
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("CELERY_BROKER_URL", "amqp://127.0.0.1:1//")
    monkeypatch.setenv("TOUCHSTONE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("TOUCHSTONE_DEVICE", "cuda:7")

    parts = try_service_parts("web")

    assert {finding.name: (finding.is_well, finding.is_fault) for finding in parts.findings} == {
        "settings": (True, False),
        "database": (False, True),
        "broker": (False, False),
        "data folder": (True, False),
    }
    assert parts.device == "cuda:7"
    assert not parts.policy.require_cgroup


@pytest.mark.slow
def test_a_check_that_breaks_off_names_the_part_that_it_tried(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # What a library prints is no line of the check's own.
    words = "print('hello', 5, sep=chr(10)); raise SystemExit('a broken installation')"
    (tmp_path / "sitecustomize.py").write_text(words)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    (finding,) = try_service_parts("worker").findings

    assert finding.is_fault
    assert (finding.name, finding.found) == ("settings", "cannot be tried")
    assert "a broken installation" in finding.hint
