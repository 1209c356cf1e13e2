"""The trial of a machine: a real sandbox, and real calculations in it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from evaluator.calculators import trial as inside
from evaluator.cli.findings import Finding
from evaluator.cli.trial import try_machine
from evaluator.sandbox.find import SandboxPolicy
from tests.evaluator.runtimes.real import classical_runtime


def findings(device: str, *, is_worker: bool = False) -> dict[str, Finding]:
    tried = try_machine(SandboxPolicy(), device, is_worker=is_worker)
    return {finding.name: finding for finding in tried}


@pytest.mark.sandbox
@pytest.mark.trained
def test_a_worker_s_trial_computes_and_imports_each_calculator() -> None:
    classical_runtime()
    tried = list(try_machine(SandboxPolicy(), "cpu", is_worker=True))
    told = {finding.name: finding for finding in tried}

    assert [name for name, finding in told.items() if finding.is_fault] == []
    assert told["device"].found.startswith("cpu computes (processor, torch ")
    found = [finding.found for finding in tried if finding.name == "calculators"]
    assert "ase, dummy" in found
    assert told["driver"].is_well


@pytest.mark.sandbox
@pytest.mark.trained
def test_a_device_that_is_not_there_is_a_fault() -> None:
    device = findings("cuda:99")["device"]

    assert device.is_fault
    assert device.found.startswith("cuda:99 cannot be used: ")
    assert device.hint


def test_no_sandbox_is_a_fault_and_ends_the_trial(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (finding,) = findings("cpu").values()
    assert replace(finding, hint="") == Finding(
        name="sandbox", is_well=False, found="none", is_needed=True
    )
    assert "apt-get install bubblewrap" in finding.hint


def test_a_calculator_that_cannot_be_imported_is_told_and_does_not_end_the_trial(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert inside.main("abacus", ["tea-leaves", "dummy"]) == 0
    device, unknown, dummy = capsys.readouterr().out.splitlines()
    assert "abacus" in device
    assert "unknown calculator kind 'tea-leaves'" in unknown
    assert '"error": ""' in dummy
