from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from evaluator.contract import Verdict
from evaluator.sandbox.base import SandboxLevel, SandboxUnavailable
from evaluator.sandbox.find import SandboxPolicy, find_sandbox
from evaluator.sandbox.session import (
    CalculatorFailure,
    CalculatorRequest,
    CalculatorSession,
    Prediction,
    Structure,
)
from evaluator.sandbox.unconfined import UnconfinedSandbox


@pytest.fixture
def no_bubblewrap(monkeypatch: pytest.MonkeyPatch) -> None:
    real = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "bwrap" else real(name))


@pytest.fixture
def dummy(tmp_path: Path) -> Path:
    path = tmp_path / "dummy.json"
    path.write_text(json.dumps({"energy_per_atom_eV": {"Si": -5.0}, "default_eV": 0.0}))
    return path


def silicon() -> Structure:
    return Structure(
        numbers=np.array([14, 14], dtype=np.int32),
        positions=np.array([[0.0, 0.0, 0.0], [1.36, 1.36, 1.36]]),
        cell=2.72 * (np.ones((3, 3)) - np.eye(3)),
        pbc=np.ones(3, dtype=np.bool_),
    )


@pytest.mark.usefixtures("no_bubblewrap")
def test_without_bubblewrap_nothing_runs_and_the_package_is_named() -> None:
    with pytest.raises(SandboxUnavailable, match=r"bwrap.*apt-get install bubblewrap"):
        find_sandbox()


@pytest.mark.usefixtures("no_bubblewrap")
def test_production_has_no_way_around_the_sandbox() -> None:
    policy = SandboxPolicy(require_cgroup=True, allow_unsandboxed_built_in=True)
    with pytest.raises(SandboxUnavailable):
        find_sandbox(policy)


def test_production_refuses_a_machine_without_control_groups(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("evaluator.sandbox.bubblewrap.find_cgroup_parent", lambda: None)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    with pytest.raises(SandboxUnavailable, match="Delegate=yes"):
        find_sandbox(SandboxPolicy(require_cgroup=True))


@pytest.mark.usefixtures("no_bubblewrap")
def test_an_explicit_setting_lets_built_in_potentials_run_unconfined(dummy: Path) -> None:
    sandbox = find_sandbox(SandboxPolicy(allow_unsandboxed_built_in=True))
    assert sandbox.level is SandboxLevel.NONE

    with CalculatorSession.start(
        sandbox, CalculatorRequest(kind="dummy", artifact=dummy)
    ) as session:
        (answer,) = session.compute([silicon()])

    assert isinstance(answer, Prediction)
    assert answer.energy == -10.0


@pytest.mark.parametrize("kind", ["chgnet", "mace", "matgl", "package", "no such kind"])
def test_uploaded_code_never_runs_unconfined(kind: str, dummy: Path) -> None:
    with pytest.raises(CalculatorFailure, match="runs in a sandbox only") as caught:
        CalculatorSession.start(UnconfinedSandbox(), CalculatorRequest(kind=kind, artifact=dummy))
    assert caught.value.verdict is Verdict.INFRASTRUCTURE_ERROR


@pytest.mark.sandbox
def test_the_sandbox_of_this_machine_runs_a_real_calculator(dummy: Path) -> None:
    sandbox = find_sandbox()
    assert sandbox.level is not SandboxLevel.NONE

    with CalculatorSession.start(
        sandbox, CalculatorRequest(kind="dummy", artifact=dummy)
    ) as session:
        answers = session.compute([silicon()] * 3, ["energy", "forces"])

    assert session.info.name == "Dummy"
    assert session.load_time_s > 0
    assert [a.energy for a in answers if isinstance(a, Prediction)] == [-10.0] * 3
    assert (session.stdout, session.stderr) == ("", "")
    session.close()  # again, without harm
    with pytest.raises(RuntimeError, match="closed"):
        session.compute([silicon()])
