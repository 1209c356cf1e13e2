"""What one odd system does to the others: nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.linalg
from ase.build import bulk
from ase.calculators.calculator import Calculator

from evaluator.contract import SystemStatus, Verdict
from evaluator.driver import evaluation
from evaluator.driver.finished import FinishedSystem
from evaluator.exceptions import InfrastructureError
from evaluator.protocols.base import Outcome, System
from evaluator.protocols.equation_of_state import EquationOfStateProtocol
from evaluator.sandbox.base import Sandbox
from tests.evaluator.driver.runs import run
from tests.evaluator.small_tasks import task_on, write_emt, write_forces

pytestmark = pytest.mark.sandbox


class PanicException(BaseException):
    """What pyo3 raises where compiled Rust panics."""


PanicException.__module__ = "pyo3_runtime"


def break_on(monkeypatch: pytest.MonkeyPatch, error: BaseException, element: str | None) -> None:
    """Let the protocol raise an error on systems of this element, or on all."""
    simulate = EquationOfStateProtocol.simulate

    def simulate_or_break(
        self: EquationOfStateProtocol,
        system: System,
        calculator: Calculator,
        parameters: Mapping[str, Any],
    ) -> Outcome:
        if element is None or element in system.atoms.get_chemical_symbols():
            raise error
        return simulate(self, system, calculator, parameters)

    monkeypatch.setattr(EquationOfStateProtocol, "simulate", simulate_or_break)


@pytest.mark.parametrize(
    "error",
    [np.linalg.LinAlgError("SVD did not converge"), PanicException("boom"), KeyError("x")],
    ids=lambda error: type(error).__name__,
)
def test_an_odd_system_is_charged_and_ends_no_other(
    sandbox: Sandbox,
    metals: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: BaseException,
) -> None:
    break_on(monkeypatch, error, "Cu")
    report = run(sandbox, write_emt(tmp_path), "ase", metals)
    assert report.verdict is Verdict.OK
    statuses = [record.status for record in report.systems]
    assert statuses == [SystemStatus.OK, SystemStatus.FAILED, SystemStatus.OK]
    assert "Traceback" in caplog.text


def test_impossible_structures_are_the_set_s_fault_and_left_out_for_everybody(
    sandbox: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good, twins, flat = (bulk("Cu", cubic=True) for _ in range(3))
    twins.positions[1] = twins.positions[0]
    flat.cell[2] = 0
    reference = write_forces(tmp_path / "forces.extxyz", [good, twins, flat])
    task = task_on(reference, "energy_forces")
    report = run(sandbox, write_emt(tmp_path), "ase", reference, task=task)
    assert report.verdict is Verdict.OK
    assert [(record.status, record.message) for record in report.systems] == [(SystemStatus.OK, "")]
    assert (report.n_systems, report.n_failed, report.coverage) == (1, 0, 1.0)
    assert list(report.provenance["left_out"].values()) == [
        "It has two atoms in one place: 1 and 2.",
        "Its cell cannot carry its pbc: a vector is zero, or all lie in one plane.",
    ]
    assert caplog.text.count("is at fault") == 2

    alone_set = write_forces(tmp_path / "good.extxyz", [good])
    alone = run(
        sandbox, write_emt(tmp_path), "ase", alone_set, task=task_on(alone_set, "energy_forces")
    )
    assert "left_out" not in alone.provenance
    assert [score.value for score in alone.scores] == [score.value for score in report.scores]


def test_a_set_of_nothing_but_impossible_structures_is_refused_with_words(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    flat = bulk("Cu", cubic=True)
    flat.cell[2] = 0
    reference = write_forces(tmp_path / "forces.extxyz", [flat])
    with pytest.raises(InfrastructureError, match="nothing can be said of any of its structures"):
        run(
            sandbox, write_emt(tmp_path), "ase", reference, task=task_on(reference, "energy_forces")
        )


def test_an_error_on_every_system_is_ours(
    sandbox: Sandbox, metals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_on(monkeypatch, KeyError("ours"), None)
    with pytest.raises(InfrastructureError, match="KeyError: 'ours'"):
        run(sandbox, write_emt(tmp_path), "ase", metals)


def test_numbers_that_break_every_system_are_the_potential_s(
    sandbox: Sandbox, metals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_on(monkeypatch, np.linalg.LinAlgError("SVD did not converge"), None)
    report = run(sandbox, write_emt(tmp_path), "ase", metals)
    assert {record.status for record in report.systems} == {SystemStatus.FAILED}


def test_what_a_numerical_library_refuses_everywhere_is_the_potential_s(
    sandbox: Sandbox, metals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any) -> Outcome:
        scipy.linalg.solve(np.full((2, 2), np.inf), np.ones(2))
        raise AssertionError("unreached")

    monkeypatch.setattr(EquationOfStateProtocol, "simulate", refuse)
    report = run(sandbox, write_emt(tmp_path), "ase", metals)
    assert {record.status for record in report.systems} == {SystemStatus.FAILED}
    assert "(ValueError)" in report.systems[0].message


@pytest.mark.parametrize("error", [PanicException("boom"), np.linalg.LinAlgError("SVD")])
@pytest.mark.parametrize("element", ["Cu", None])
def test_numbers_that_break_the_scoring_are_never_ours(
    sandbox: Sandbox,
    metals: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    element: str | None,
) -> None:
    samples = EquationOfStateProtocol.samples

    def samples_or_break(
        self: EquationOfStateProtocol, systems: Sequence[System], outcomes: Any, parameters: Any
    ) -> Any:
        for system, outcome in zip(systems, outcomes, strict=True):
            is_meant = element is None or element in system.atoms.get_chemical_symbols()
            if outcome is not None and is_meant:
                raise error
        if element is None:
            raise error
        return samples(self, systems, outcomes, parameters)

    monkeypatch.setattr(EquationOfStateProtocol, "samples", samples_or_break)
    report = run(sandbox, write_emt(tmp_path), "ase", metals)
    n_failed = sum(record.status is SystemStatus.FAILED for record in report.systems)
    expected = (Verdict.NONFINITE, 3) if element is None else (Verdict.OK, 1)
    assert (report.verdict, n_failed) == expected


def test_numbers_that_break_the_checks_leave_the_scores(
    sandbox: Sandbox, metals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def panic(*arguments: Any, **more: Any) -> None:
        raise PanicException("boom")

    monkeypatch.setattr(evaluation, "check_consistency", panic)
    report = run(sandbox, write_emt(tmp_path), "ase", metals)
    assert report.verdict is Verdict.OK
    assert "the numbers ended them (PanicException)" in report.consistency["message"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1)], ids=["^C", "exit"])
def test_our_own_interrupts_pass(
    sandbox: Sandbox,
    metals: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
) -> None:
    break_on(monkeypatch, error, "Cu")
    with pytest.raises(type(error)):
        run(sandbox, write_emt(tmp_path), "ase", metals)


def test_a_fault_of_ours_is_not_kept_for_the_next_attempt(
    sandbox: Sandbox, metals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_on(monkeypatch, KeyError("ours"), None)
    kept: list[FinishedSystem] = []
    for _ in range(2):
        with pytest.raises(InfrastructureError, match="KeyError: 'ours'"):
            run(
                sandbox,
                write_emt(tmp_path),
                "ase",
                metals,
                keep_finished=kept.extend,
                finished=tuple(kept),
            )
    assert kept == []


def test_a_host_that_fails_is_never_the_system_s_fault(
    sandbox: Sandbox, metals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_on(monkeypatch, OSError("no space left"), "Cu")
    with pytest.raises(InfrastructureError, match="no space left"):
        run(sandbox, write_emt(tmp_path), "ase", metals)
