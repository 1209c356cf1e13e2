from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.collections import dcdft
from ase.eos import EquationOfState
from ase.units import GPa

from evaluator.batching import PoolPlan
from evaluator.contract import (
    EvaluationReport,
    Limits,
    Phase,
    Progress,
    SystemStatus,
    TaskSpec,
    Verdict,
)
from evaluator.driver import _remaining, evaluate
from evaluator.exceptions import InfrastructureError
from evaluator.finished import FinishedSystem
from evaluator.potentials import resolve
from evaluator.protocols.base import Outcome, System
from evaluator.protocols.equation_of_state import EquationOfStateProtocol
from evaluator.sandbox.base import Sandbox, find_sandbox
from tests.evaluator.small_tasks import (
    submission_of,
    task_on,
    write_crystals,
    write_emt,
    write_forces,
    write_package,
)

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(120)]

ONE = PoolPlan(n_processes=1, n_systems=4)
TWO = PoolPlan(n_processes=2, n_systems=4)


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return find_sandbox()


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    left = [t.name for t in threading.enumerate() if t not in before and t.is_alive()]
    assert left == []


@pytest.fixture
def metals(tmp_path: Path) -> Path:
    return write_crystals(tmp_path / "metals.extxyz", ["Al", "Cu", "Pt"])


def run(
    sandbox: Sandbox, artifact: Path, kind: str, reference: Path, **more: object
) -> EvaluationReport:
    task = more.pop("task", None) or task_on(reference)
    assert isinstance(task, TaskSpec)
    more.setdefault("plan", ONE)
    submission = submission_of(artifact, kind)
    return evaluate(task, submission, artifact, reference, sandbox=sandbox, **more)  # type: ignore[arg-type]


def curve_by_hand(symbol: str, calculator: Calculator) -> tuple[float, float]:
    """Volume in Å³/atom and bulk modulus in GPa, with ASE alone.

    Third-order Birch-Murnaghan through seven volumes within 6 % of its own minimum.
    """
    start = dcdft[symbol]
    start.pbc = True
    start.calc = calculator
    centre = start.get_volume() / len(start)
    moved = 1.0
    while moved > 3e-6:
        volumes, energies = [], []
        for factor in np.linspace(0.94, 1.06, 7):
            atoms = start.copy()
            scale = (centre * factor * len(atoms) / atoms.get_volume()) ** (1 / 3)
            atoms.set_cell(atoms.cell * scale, scale_atoms=True)
            atoms.calc = calculator
            volumes.append(centre * factor)
            energies.append(atoms.get_potential_energy() / len(atoms))
        fit = EquationOfState(volumes, energies, eos="birchmurnaghan")
        minimum, _, bulk_modulus = fit.fit(warn=False)
        moved, centre = abs(minimum / centre - 1), minimum
    return centre, bulk_modulus / GPa


def test_a_plain_ase_loop_finds_the_same_volumes_and_bulk_moduli(
    sandbox: Sandbox, metals: Path, tmp_path: Path
) -> None:
    report = run(sandbox, write_emt(tmp_path), "ase", metals, plan=TWO)
    assert report.verdict is Verdict.OK
    assert [system.values["element"] for system in report.systems] == ["Al", "Cu", "Pt"]
    for system in report.systems:
        volume, bulk_modulus = curve_by_hand(system.values["element"], EMT())
        assert system.values["volume_per_atom_A3"] == pytest.approx(volume, rel=1e-4)
        assert system.values["bulk_modulus_GPa"] == pytest.approx(bulk_modulus, rel=1e-4)


@pytest.mark.slow
@pytest.mark.trained
def test_a_plain_ase_loop_agrees_with_chgnet(sandbox: Sandbox, tmp_path: Path) -> None:
    pytest.importorskip("chgnet")
    reference = write_crystals(tmp_path / "r.extxyz", ["Si", "Al"])
    potential = resolve("chgnet:0.3.0", tmp_path)
    report = evaluate(
        task_on(reference, limits=Limits(wall_time_s=300, call_timeout_s=100)),
        potential.spec,
        potential.artifact,
        reference,
        sandbox=sandbox,
    )
    assert report.verdict is Verdict.OK
    assert report.provenance["dtype"] == "float64"

    # In a process of its own: CHGNet takes its precision from module globals.
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _CHGNET_BY_HAND, "Si", "Al"],
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    by_hand = json.loads(found.stdout.splitlines()[-1])
    for system in report.systems:
        volume, bulk_modulus = by_hand[system.values["element"]]
        assert system.values["volume_per_atom_A3"] == pytest.approx(volume, rel=1e-4)
        # The protocol's window may lie 0.1 % beside the minimum, and CHGNet's curve is not smooth.
        assert system.values["bulk_modulus_GPa"] == pytest.approx(bulk_modulus, rel=1e-3)


_CHGNET_BY_HAND = """
import json, sys
import torch
from chgnet.graph import converter, crystalgraph
from chgnet.model import model as chgnet_model
torch.set_default_dtype(torch.float64)
for module in (converter, crystalgraph, chgnet_model):
    module.TORCH_DTYPE = torch.float64
from chgnet.model.dynamics import CHGNetCalculator
from tests.evaluator.test_driver import curve_by_hand
model = chgnet_model.CHGNet.load(use_device="cpu", verbose=False).double()
model.composition_model.float()  # its input is cast to float32; the shift is the same everywhere
calculator = CHGNetCalculator(model, use_device="cpu")
print(json.dumps({symbol: curve_by_hand(symbol, calculator) for symbol in sys.argv[1:]}))
"""


def test_one_process_and_two_give_the_same_numbers_to_the_last_digit(
    sandbox: Sandbox, metals: Path, tmp_path: Path
) -> None:
    artifact = write_emt(tmp_path)
    one, two, again = (run(sandbox, artifact, "ase", metals, plan=plan) for plan in (ONE, TWO, TWO))
    assert one.scores == two.scores == again.scores
    assert one.task_score == two.task_score
    assert [s.values for s in one.systems] == [s.values for s in two.systems]
    assert one.consistency == two.consistency


def test_a_report_says_what_it_was_obtained_with_and_survives_json(
    sandbox: Sandbox, metals: Path, tmp_path: Path
) -> None:
    seen: list[Progress] = []
    report = run(
        sandbox,
        write_emt(tmp_path),
        "ase",
        metals,
        progress=seen.append,
    )
    assert seen[0] == Progress(phase=Phase.LOADING, n_total=1)
    n_calls = sum(system.n_calls for system in report.systems)
    assert Progress(phase=Phase.SIMULATING, n_done=3, n_total=3, n_calls=n_calls) in seen
    assert (seen[-1].phase, seen[-1].n_done, seen[-1].n_total) == (Phase.SCORING, 1, 1)
    assert seen[-1].n_calls > 0
    assert len(seen) == len(set(seen))

    provenance = report.provenance
    assert provenance["reference_sha256"] == task_on(metals).reference.sha256  # type: ignore[union-attr]
    assert provenance["sandbox_level"] == str(sandbox.level)
    assert provenance["dtype"] == "float64"
    assert provenance["pool"]["n_processes"] == 1
    assert provenance["calls"]["n_calls"] == sum(system.n_calls for system in report.systems)
    assert {"python", "ase", "numpy", "scipy", "touchstone-mlip"} <= set(provenance["versions"])
    assert report.consistency["is_conservative_measured"] is True
    assert report.coverage == 1.0
    assert (report.n_systems, report.n_failed, report.n_unsupported) == (3, 0, 0)

    text = json.dumps(report.to_json(), allow_nan=False)
    assert EvaluationReport.from_json(json.loads(text)) == report


def test_unknown_elements_lower_the_coverage_and_are_never_asked(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    reference = write_crystals(tmp_path / "r.extxyz", ["Al", "Si", "Cu"])
    artifact = write_emt(tmp_path)
    declared = replace(submission_of(artifact, "ase"), supported_elements=("Al",))
    report = evaluate(task_on(reference), declared, artifact, reference, sandbox=sandbox, plan=ONE)
    assert [(s.system_id, s.status, s.message) for s in report.systems] == [
        ("dcdft-Al", SystemStatus.OK, ""),
        ("dcdft-Si", SystemStatus.UNSUPPORTED, "The potential does not support Si."),
        ("dcdft-Cu", SystemStatus.UNSUPPORTED, "The potential does not support Cu."),
    ]
    assert [s.n_calls for s in report.systems][1:] == [0, 0]
    assert report.coverage == pytest.approx(1 / 3)
    assert report.scores[0].n == 1


def test_a_potential_that_supports_nothing_of_a_task_is_unsupported(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    reference = write_crystals(tmp_path / "r.extxyz", ["Si", "Ge"])
    report = run(sandbox, write_emt(tmp_path), "ase", reference)
    assert report.verdict is Verdict.UNSUPPORTED
    assert report.coverage == 0.0
    assert report.scores == ()


def test_a_crystal_without_a_minimum_is_a_failed_system_and_not_a_verdict(
    sandbox: Sandbox, metals: Path, tmp_path: Path
) -> None:
    artifact = tmp_path / "dummy.json"
    artifact.write_text('{"default_eV": 1.0}', encoding="utf-8")
    report = run(sandbox, artifact, "dummy", metals)
    assert report.verdict is Verdict.OK
    assert report.n_failed == 3
    assert [score.value for score in report.scores] == [100.0]  # the declared worst
    assert report.task_score is not None
    assert report.task_score.value == 0.0


def test_a_wrong_answer_for_one_system_fails_that_system_alone(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    reference = write_forces(
        tmp_path / "r.extxyz", [bulk("Cu", cubic=True), bulk("Al", cubic=True), molecule("N2")]
    )
    artifact = write_package(
        tmp_path,
        after="if atoms.numbers[0] == 13: self.results['forces'][:] = np.nan\n"
        "if atoms.numbers[0] == 7: raise ValueError('no nitrogen today')",
    )
    report = run(sandbox, artifact, "package", reference, task=task_on(reference, "energy_forces"))
    assert report.verdict is Verdict.OK
    assert [system.status for system in report.systems] == ["ok", "failed", "failed"]
    assert "not finite" in report.systems[1].message
    assert "no nitrogen today" in report.systems[2].message
    assert report.scores[0].n_failed == 2


@pytest.mark.parametrize(
    ("after", "verdict", "message"),
    [
        ("self.results['energy'] = float('nan')", Verdict.NONFINITE, "not finite"),
        ("raise ValueError('always')", Verdict.RUNTIME_ERROR, "always"),
        ("import os; os._exit(3)", Verdict.RUNTIME_ERROR, ""),
        ("time.sleep(60)", Verdict.CALL_TIMEOUT, "longer than the 1 s"),
    ],
)
def test_a_bad_calculator_ends_in_its_verdict(
    sandbox: Sandbox, metals: Path, tmp_path: Path, after: str, verdict: Verdict, message: str
) -> None:
    limits = Limits(wall_time_s=60, call_timeout_s=1 if "sleep" in after else 20, memory_MiB=2048)
    artifact = write_package(tmp_path, after=after)
    report = run(
        sandbox, artifact, "package", metals, task=task_on(metals, limits=limits), plan=TWO
    )
    assert report.verdict is verdict
    assert message in report.message
    assert report.scores == ()
    assert report.task_score is None


def test_a_package_that_does_not_load_tells_why_and_shows_what_it_wrote(
    sandbox: Sandbox, metals: Path, tmp_path: Path
) -> None:
    artifact = write_package(
        tmp_path, load="print('looking for weights'); raise RuntimeError('no weights')"
    )
    report = run(sandbox, artifact, "package", metals)
    assert report.verdict is Verdict.LOAD_ERROR
    assert "no weights" in report.message
    assert "looking for weights" in report.stdout + report.stderr
    assert report.systems == ()
    assert report.coverage is None


def test_a_file_that_is_no_package_is_an_invalid_artifact(
    sandbox: Sandbox, metals: Path, tmp_path: Path
) -> None:
    artifact = tmp_path / "potential.zip"
    artifact.write_bytes(b"not a zip")
    assert run(sandbox, artifact, "package", metals).verdict is Verdict.INVALID_ARTIFACT


def test_what_the_calculator_prints_is_kept(sandbox: Sandbox, metals: Path, tmp_path: Path) -> None:
    artifact = write_package(tmp_path, load="print('hello from inside')")
    assert "hello from inside" in run(sandbox, artifact, "package", metals).stdout


@pytest.mark.slow
def test_a_wall_time_keeps_finished_systems_but_gives_no_scores(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    reference = write_forces(tmp_path / "r.extxyz", [bulk("Cu"), bulk("Al")])
    artifact = write_package(tmp_path, after="if atoms.numbers[0] == 13: time.sleep(60)")
    limits = Limits(wall_time_s=4, call_timeout_s=50, memory_MiB=2048)
    task = task_on(reference, "energy_forces", limits=limits)
    started = time.monotonic()
    report = run(sandbox, artifact, "package", reference, task=task, plan=TWO)
    assert time.monotonic() - started < 10
    assert report.verdict is Verdict.WALL_TIMEOUT
    assert "longer than the 4 s" in report.message
    assert [(s.system_id, s.status) for s in report.systems] == [("structure-0", "ok")]
    assert report.scores == ()


def test_cancelling_ends_a_calculator_at_work_at_once(
    sandbox: Sandbox, metals: Path, tmp_path: Path
) -> None:
    artifact = write_package(tmp_path, after="time.sleep(60)")
    simulating = threading.Event()

    def progress(progress: Progress) -> None:
        if progress.phase is Phase.SIMULATING:
            simulating.set()

    started = time.monotonic()
    report = run(
        sandbox,
        artifact,
        "package",
        metals,
        progress=progress,
        should_stop=simulating.is_set,
    )
    assert time.monotonic() - started < 10
    assert report.verdict is Verdict.CANCELLED
    assert report.scores == ()


def test_cancelling_ends_a_calculator_that_still_loads(
    sandbox: Sandbox, metals: Path, tmp_path: Path
) -> None:
    artifact = write_package(tmp_path, load="import time; time.sleep(60)")
    started = time.monotonic()
    report = run(
        sandbox,
        artifact,
        "package",
        metals,
        plan=TWO,
        should_stop=lambda: time.monotonic() > started + 1,
    )
    assert time.monotonic() - started < 8
    assert report.verdict is Verdict.CANCELLED


def test_a_wrong_hash_is_our_fault(sandbox: Sandbox, metals: Path, tmp_path: Path) -> None:
    artifact = write_emt(tmp_path)
    task, submission = task_on(metals), submission_of(artifact, "ase")
    artifact.write_text('{"calculator": "lj"}', encoding="utf-8")
    with pytest.raises(InfrastructureError, match=r"artifact emt.json has sha256 .* as recorded"):
        evaluate(task, submission, artifact, metals, sandbox=sandbox)

    artifact = write_emt(tmp_path)
    metals.write_text(metals.read_text() + "\n", encoding="utf-8")
    with pytest.raises(InfrastructureError, match=r"reference set metals\.extxyz has sha256"):
        evaluate(task, submission, artifact, metals, sandbox=sandbox)


def test_a_missing_file_is_our_fault(sandbox: Sandbox, metals: Path, tmp_path: Path) -> None:
    artifact = write_emt(tmp_path)
    task, submission = task_on(metals), submission_of(artifact, "ase")
    artifact.unlink()
    with pytest.raises(InfrastructureError, match="artifact cannot be read"):
        evaluate(task, submission, artifact, metals, sandbox=sandbox)


def test_a_task_of_another_protocol_version_is_not_run(
    sandbox: Sandbox, metals: Path, tmp_path: Path
) -> None:
    artifact = write_emt(tmp_path)
    task = replace(task_on(metals), protocol_version=99)
    with pytest.raises(InfrastructureError, match="asks for version 99"):
        evaluate(task, submission_of(artifact, "ase"), artifact, metals, sandbox=sandbox)


def test_a_reference_that_lacks_what_the_task_needs_is_our_fault(
    sandbox: Sandbox, metals: Path, tmp_path: Path
) -> None:
    artifact = write_emt(tmp_path)
    task = task_on(metals, "energy_forces")
    with pytest.raises(InfrastructureError, match="has no reference forces"):
        evaluate(task, submission_of(artifact, "ase"), artifact, metals, sandbox=sandbox)


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [("crystal-ball", {}, "no calculator kind"), ("chgnet", {"dtype": "float16"}, "dtype must be")],
)
def test_what_no_calculator_can_be_started_for_is_a_load_error(
    sandbox: Sandbox,
    metals: Path,
    tmp_path: Path,
    kind: str,
    settings: dict[str, str],
    message: str,
) -> None:
    artifact = write_emt(tmp_path)
    submission = submission_of(artifact, kind, settings=settings)
    report = evaluate(task_on(metals), submission, artifact, metals, sandbox=sandbox)
    assert report.verdict is Verdict.LOAD_ERROR
    assert message in report.message


def test_a_bug_of_ours_is_an_infrastructure_error_and_is_logged_whole(
    sandbox: Sandbox,
    metals: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def progress(progress: Progress) -> None:
        if progress.phase is Phase.SIMULATING:
            raise ZeroDivisionError("ours")

    with pytest.raises(InfrastructureError, match="ZeroDivisionError: ours"):
        run(sandbox, write_emt(tmp_path), "ase", metals, progress=progress)
    assert "Traceback" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_a_part_of_the_systems_can_be_judged(
    sandbox: Sandbox, metals: Path, tmp_path: Path
) -> None:
    artifact = write_emt(tmp_path)
    whole = run(sandbox, artifact, "ase", metals)
    part = run(sandbox, artifact, "ase", metals, only={"dcdft-Cu"})
    assert [system.system_id for system in part.systems] == ["dcdft-Cu"]
    assert part.systems[0].values == whole.systems[1].values
    assert part.provenance["is_whole_task"] is False
    assert whole.provenance["is_whole_task"] is True


def test_forces_that_are_no_gradient_are_published_and_scored_all_the_same(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    reference = write_forces(tmp_path / "r.extxyz", [bulk("Cu", cubic=True), bulk("Au")])
    artifact = write_package(tmp_path, after="self.results['forces'][:, 0] += 0.1")
    report = run(sandbox, artifact, "package", reference, task=task_on(reference, "energy_forces"))
    assert report.verdict is Verdict.OK
    assert report.consistency["is_conservative_measured"] is False
    assert report.consistency["rotation_force_error_eV_A_max"] > 0.05
    assert report.scores[0].value is not None


def test_a_calculator_that_dies_in_the_checks_has_still_done_the_task(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    reference = write_forces(tmp_path / "r.extxyz", [bulk("Cu", cubic=True)])
    artifact = write_package(
        tmp_path,
        after="self.n = getattr(self, 'n', 0) + 1\nif self.n > 1:\n    import os; os._exit(1)",
    )
    report = run(sandbox, artifact, "package", reference, task=task_on(reference, "energy_forces"))
    assert report.verdict is Verdict.OK
    assert "broken off" in report.consistency["message"]


def test_output_files_are_handed_over_and_named_in_the_report(
    sandbox: Sandbox, metals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulate = EquationOfStateProtocol.simulate

    def simulate_with_file(self: EquationOfStateProtocol, system: System, *more: Any) -> Outcome:
        found = simulate(self, system, *more)
        return replace(found, files={"volume.txt": str(found.values["element"]).encode()})

    monkeypatch.setattr(EquationOfStateProtocol, "simulate", simulate_with_file)
    given: dict[tuple[str, str], bytes] = {}

    report = run(
        sandbox,
        write_emt(tmp_path),
        "ase",
        metals,
        store_file=lambda record, content: given.update({(record.system_id, record.name): content}),
    )

    ids = [system.system_id for system in report.systems]
    assert [(file.system_id, file.name) for file in report.files] == [
        (system_id, "volume.txt") for system_id in ids
    ]
    assert [given[system_id, "volume.txt"] for system_id in ids] == [b"Al", b"Cu", b"Pt"]


class Interrupted(RuntimeError):
    """Ends an attempt in its middle, as SIGKILL would."""


def kept_by_an_interrupted_attempt(
    sandbox: Sandbox, artifact: Path, kind: str, reference: Path, n: int, **more: object
) -> dict[str, FinishedSystem]:
    kept: dict[str, FinishedSystem] = {}

    def keep(finished: Sequence[FinishedSystem]) -> None:
        # Through bytes, as they are stored.
        kept.update(
            {f.system_id: FinishedSystem.from_bytes(f.to_bytes(), "attempt 1") for f in finished}
        )

    def progress(progress: Progress) -> None:
        if progress.phase is Phase.SIMULATING and progress.n_done >= n:
            raise Interrupted

    with pytest.raises(InfrastructureError, match="Interrupted"):
        run(sandbox, artifact, kind, reference, progress=progress, keep_finished=keep, **more)
    return kept


def numbers_of(report: EvaluationReport) -> dict[str, Any]:
    """All that must not depend on whether the evaluation was interrupted."""
    content = report.to_json()
    for name in ("provenance", "stdout", "stderr", "wall_time_s"):
        del content[name]
    for system in content["systems"]:
        del system["wall_time_s"]
    return content


def test_a_resumed_evaluation_does_not_repeat_what_has_finished_and_finds_the_same(
    sandbox: Sandbox, metals: Path, tmp_path: Path
) -> None:
    artifact = write_emt(tmp_path)
    plan = PoolPlan(n_processes=1, n_systems=1)
    kept = kept_by_an_interrupted_attempt(sandbox, artifact, "ase", metals, 2, plan=plan)
    assert set(kept) == {"dcdft-Al", "dcdft-Cu"}

    seen: list[Progress] = []
    resumed = run(sandbox, artifact, "ase", metals, plan=plan, finished=kept, progress=seen.append)

    whole = run(sandbox, artifact, "ase", metals, plan=plan)
    assert numbers_of(resumed) == numbers_of(whole)
    n_calls = {system.system_id: system.n_calls for system in whole.systems}
    assert resumed.provenance["calls"]["n_calls"] == n_calls["dcdft-Pt"]
    assert resumed.provenance["resumed"] == {
        "n_systems": 2,
        "n_calls": n_calls["dcdft-Al"] + n_calls["dcdft-Cu"],
        "simulating_s": pytest.approx(kept["dcdft-Cu"].elapsed_s, abs=1e-3),
        "from": {"attempt 1": 2},
        "n_repeated": 0,
    }
    assert "resumed" not in whole.provenance
    simulating = [progress for progress in seen if progress.phase is Phase.SIMULATING]
    assert (simulating[0].n_done, simulating[0].n_total) == (2, 3)
    assert simulating[-1].n_calls == sum(n_calls.values())


def test_a_resumed_evaluation_serves_calls_as_the_attempt_before(
    sandbox: Sandbox, metals: Path, tmp_path: Path
) -> None:
    artifact = write_emt(tmp_path)
    two_threads = PoolPlan(n_processes=1, n_threads=2, n_systems=1)
    kept = kept_by_an_interrupted_attempt(sandbox, artifact, "ase", metals, 1, plan=two_threads)

    report = run(sandbox, artifact, "ase", metals, finished=kept, plan=None)

    assert report.provenance["resumed"]["n_repeated"] == 0
    assert report.provenance["pool"]["n_threads"] == 2
    assert report.provenance["pool"]["origin"] == "resumed"


def test_systems_found_under_other_conditions_are_repeated_and_said_so(
    sandbox: Sandbox, metals: Path, tmp_path: Path
) -> None:
    artifact = write_emt(tmp_path)
    kept = kept_by_an_interrupted_attempt(sandbox, artifact, "ase", metals, 3)

    report = run(
        sandbox,
        artifact,
        "ase",
        metals,
        finished=kept,
        plan=PoolPlan(n_processes=1, n_threads=2, n_systems=4),
    )

    assert report.verdict is Verdict.OK
    assert report.provenance["resumed"]["n_systems"] == 0
    assert report.provenance["resumed"]["n_repeated"] == 3
    assert "another device, precision, version" in report.provenance["resumed"]["message"]
    assert report.provenance["calls"]["n_calls"] == sum(s.n_calls for s in report.systems)


def test_a_protocol_that_must_be_timed_in_one_go_is_not_resumed(
    sandbox: Sandbox, metals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = write_emt(tmp_path)
    kept = kept_by_an_interrupted_attempt(sandbox, artifact, "ase", metals, 3)
    monkeypatch.setattr(EquationOfStateProtocol, "can_resume", False)
    again: list[FinishedSystem] = []

    report = run(sandbox, artifact, "ase", metals, finished=kept, keep_finished=again.extend)

    assert again == []
    assert "resumed" not in report.provenance
    assert report.provenance["calls"]["n_calls"] == sum(s.n_calls for s in report.systems)


def test_the_time_of_earlier_attempts_counts_towards_the_wall_time(
    sandbox: Sandbox, metals: Path, tmp_path: Path
) -> None:
    artifact = write_package(tmp_path, after="time.sleep(0.02)")
    kept = kept_by_an_interrupted_attempt(sandbox, artifact, "package", metals, 1, plan=ONE)
    kept = {name: replace(found, elapsed_s=59.8) for name, found in kept.items()}

    report = run(sandbox, artifact, "package", metals, finished=kept)

    assert report.verdict is Verdict.WALL_TIMEOUT
    assert "longer than the 60 s" in report.message


def test_a_failed_system_is_not_tried_again(sandbox: Sandbox, metals: Path, tmp_path: Path) -> None:
    artifact = write_package(
        tmp_path, after="if 'Al' in atoms.symbols: raise ArithmeticError('no Al')"
    )
    kept = kept_by_an_interrupted_attempt(sandbox, artifact, "package", metals, 3)

    report = run(sandbox, artifact, "package", metals, finished=kept)

    assert numbers_of(report) == numbers_of(run(sandbox, artifact, "package", metals))
    assert report.systems[0].status is SystemStatus.FAILED
    assert report.provenance["calls"]["n_calls"] == 0


def test_the_time_left_is_told_once_enough_systems_are_done() -> None:
    assert _remaining(4, 100, 10.0) is None
    assert _remaining(5, 100, 10.0) is None
    assert _remaining(10, 100, 10.0) == pytest.approx(90.0)
    assert _remaining(5, 7, 10.0) == pytest.approx(4.0)
    assert _remaining(0, 0, 0.0) is None
