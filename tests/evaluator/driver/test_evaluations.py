"""What an evaluation finds and tells of potentials that do their work."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.collections import dcdft
from ase.eos import EquationOfState
from ase.units import GPa

from evaluator import frames
from evaluator.contract import (
    EvaluationReport,
    Limits,
    Phase,
    Progress,
    SystemStatus,
    Verdict,
)
from evaluator.driver.evaluation import _remaining, evaluate
from evaluator.potentials.names import resolve
from evaluator.protocols.base import Outcome, System
from evaluator.protocols.equation_of_state import EquationOfStateProtocol
from evaluator.sandbox.base import Sandbox
from tests.evaluator.driver.runs import ONE, TWO, run
from tests.evaluator.small_tasks import (
    submission_of,
    task_on,
    write_crystals,
    write_emt,
    write_forces,
    write_package,
)

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(120)]


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


@pytest.mark.slow
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
from tests.evaluator.driver.test_evaluations import curve_by_hand
model = chgnet_model.CHGNet.load(use_device="cpu", verbose=False).double()
model.composition_model.float()  # its input is cast to float32; the shift is the same everywhere
calculator = CHGNetCalculator(model, use_device="cpu")
print(json.dumps({symbol: curve_by_hand(symbol, calculator) for symbol in sys.argv[1:]}))
"""


@pytest.mark.slow
def test_one_process_and_two_give_the_same_numbers_to_the_last_digit(
    sandbox: Sandbox, metals: Path, tmp_path: Path
) -> None:
    artifact = write_emt(tmp_path)
    one, two, again = (run(sandbox, artifact, "ase", metals, plan=plan) for plan in (ONE, TWO, TWO))
    assert one.scores == two.scores == again.scores
    assert one.task_score == two.task_score
    assert [s.values for s in one.systems] == [s.values for s in two.systems]
    assert one.consistency == two.consistency


@pytest.mark.slow
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
    n_calls += report.consistency["n_probe_calls"]
    assert Progress(phase=Phase.SIMULATING, n_done=3, n_total=3, n_calls=n_calls) in seen
    assert (seen[-1].phase, seen[-1].n_done, seen[-1].n_total) == (Phase.SCORING, 1, 1)
    assert seen[-1].n_calls > 0
    assert len(seen) == len(set(seen))

    provenance = report.provenance
    assert provenance["reference_sha256"] == task_on(metals).reference.sha256  # type: ignore[union-attr]
    assert provenance["sandbox_level"] == str(sandbox.level)
    assert provenance["dtype"] == "float64"
    assert provenance["pool"]["n_processes"] == 1
    assert provenance["calls"]["n_calls"] == n_calls
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_report_on_single_frames_carries_their_errors_and_no_other_does(
    sandbox: Sandbox, tmp_path: Path, metals: Path
) -> None:
    frames_set = write_forces(tmp_path / "f.extxyz", [bulk("Cu", cubic=True), bulk("Al")])
    artifact = write_emt(tmp_path)
    report = run(sandbox, artifact, "ase", frames_set, task=task_on(frames_set, "energy_forces"))
    assert report.frame_errors is not None
    assert report.frame_errors.n_atoms == (4, 1)
    errors = frames.unpacked(frames.content_of(report.frame_errors), report.frame_errors.n_atoms)
    assert len(errors) == 2 + 3 * 5
    np.testing.assert_allclose(errors[2:], 0, atol=1e-6)  # no forces in a perfect lattice
    assert EvaluationReport.from_json(json.loads(json.dumps(report.to_json()))) == report
    assert run(sandbox, artifact, "ase", metals).frame_errors is None


@pytest.mark.slow
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


def test_the_time_left_is_told_once_enough_systems_are_done() -> None:
    assert _remaining(4, 100, 10.0) is None
    assert _remaining(5, 100, 10.0) is None
    assert _remaining(10, 100, 10.0) == pytest.approx(90.0)
    assert _remaining(5, 7, 10.0) == pytest.approx(4.0)
    assert _remaining(0, 0, 0.0) is None
