from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from evaluator.cli import main
from evaluator.cli.exit_codes import ExitCode
from evaluator.cli.validate import format_validation, without_warnings
from evaluator.contract import EvaluationReport, SubmissionSpec, SystemRecord, SystemStatus, Verdict
from tests.evaluator.small_tasks import write_package

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(120)]

Capture = pytest.CaptureFixture[str]


@pytest.mark.slow
def test_a_good_potential_is_told_to_be_one_with_its_elements_and_speed(capsys: Capture) -> None:
    assert main(["validate", "ase:emt"]) == ExitCode.OK
    printed = capsys.readouterr().out
    assert "It loads and answers; the service would evaluate it." in printed
    # EMT knows Al, Cu, Ag, Au, Ni, Pd and Pt; aluminium is there twice.
    assert "8 of 74 hold only elements that it supports" in printed
    assert re.search(r"A call +[\d.e-]+ s for 4 atoms, [\d.e-]+ s for 32 atoms", printed)
    assert "Forces against the energy's gradient, RMS" in printed
    assert "LARGE" not in printed


@pytest.mark.slow
def test_json_holds_the_whole_report(capsys: Capture) -> None:
    assert main(["validate", "dummy:zero", "--elements", "Si,O", "--json"]) == ExitCode.OK
    report = json.loads(capsys.readouterr().out)
    assert report["potential"]["supported_elements"] == ["Si", "O"]
    judged = [s["system_id"] for s in report["systems"] if s["status"] == "ok"]
    assert judged == ["Si", "Si-64-atoms"]


@pytest.mark.slow
def test_a_potential_that_covers_nothing_has_not_failed(capsys: Capture) -> None:
    assert main(["validate", "ase:emt", "--elements", "U"]) == ExitCode.OK
    printed = capsys.readouterr().out
    assert "It covers none of the structures that are tried first" in printed
    assert "would refuse" not in printed
    named = ["evaluate", "--task", "eos-wien2k", "--calculator", "ase:emt", "--elements", "U"]
    assert main(named) == ExitCode.OK
    printed = capsys.readouterr().out
    assert "Not covered. The potential supports the elements of none" in printed
    assert "71 not covered (coverage 0.0 %)" in printed


@pytest.mark.slow
def test_what_cannot_be_loaded_is_told_with_what_to_do_and_what_it_wrote(
    tmp_path: Path, capsys: Capture
) -> None:
    artifact = write_package(tmp_path, load="raise RuntimeError('no weights')")
    code = main(["validate", str(artifact), "--kind", "package"])
    printed = capsys.readouterr().out
    assert code == ExitCode.LOAD_ERROR
    assert "The service would refuse it: load_error." in printed
    assert "Do what the reason says. touchstone validate loads the file in the same" in printed
    assert "no weights" in printed


def test_warnings_of_packages_stay_out_of_what_it_wrote() -> None:
    written = (
        "/opt/torch/serialization.py:12: FutureWarning: torch.load is old\n"
        "  warnings.warn(message, FutureWarning)\n"
        "my own words\n"
        "/opt/e3nn/jit.py:7: UserWarning: unused\n"
        "Traceback (most recent call last):\n"
        '  File "potential.py", line 3, in calculator\n'
        "RuntimeError: no weights\n"
    )
    assert without_warnings(written).splitlines() == [
        "my own words",
        "Traceback (most recent call last):",
        '  File "potential.py", line 3, in calculator',
        "RuntimeError: no weights",
    ]


@pytest.mark.slow
def test_structures_without_a_finite_answer_are_counted_and_named(
    tmp_path: Path, capsys: Capture
) -> None:
    artifact = write_package(
        tmp_path, after="if len(atoms) > 8: self.results['energy'] = float('nan')"
    )
    code = main(["validate", str(artifact), "--kind", "package", "--elements", "Al,Cu"])
    printed = capsys.readouterr().out
    assert code == ExitCode.RUNTIME_ERROR
    assert "It loads and FAILS on some structures" in printed
    assert re.search(r"Failures +1; .*\n +Al-32-atoms: ", printed)


@pytest.mark.slow
def test_forces_that_are_no_gradient_are_to_be_declared(tmp_path: Path, capsys: Capture) -> None:
    artifact = write_package(
        tmp_path,
        after="self.results['forces'] = self.results['forces'] * 1.5",
    )
    main(["validate", str(artifact), "--kind", "package", "--elements", "Al,Cu"])
    assert "submit it with --non-conservative" in capsys.readouterr().out


@pytest.mark.slow
def test_what_an_author_got_wrong_is_told_and_is_not_to_be_declared(
    tmp_path: Path, capsys: Capture
) -> None:
    artifact = write_package(tmp_path, after="self.results['energy'] /= len(atoms)")
    main(["validate", str(artifact), "--kind", "package", "--elements", "Al,Cu"])
    printed = " ".join(capsys.readouterr().out.split())
    assert "Return the energy of the whole structure." in printed
    assert "--non-conservative" not in printed


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["no.model"], "no.model does not exist"),
        (["empty.json"], "empty.json is empty"),
        (["folder.json"], "folder.json is a folder, not a file"),
        (["unclear.json"], "Say --kind with one of xtb, ase, dummy"),
        (["emt.json", "--kind", "ase", "--setting", "dtype"], "must be KEY=VALUE"),
        (["emt.json", "--kind", "ase", "--setting", "dtype=float64"], "dtype is unknown"),
        (["broken.json"], "broken.json is no valid JSON: Expecting"),
        (["ase:broken.json"], "the file is not JSON: Expecting"),
        (["ase:typo.json"], "emt has no parameter asap_cutoff; it takes none"),
        (["~nobody-of-that-name/my.model"], "~nobody-of-that-name stands for"),
        (["mace:~nobody-of-that-name/my.model"], "~nobody-of-that-name stands for"),
        (["mace:" + "long" * 1000], "File name too long"),
        (["ase:emt", "--kind", "mace"], "ase:emt is of kind ase, not mace"),
        (["ase:emt", "--elements", ","], "must be chemical symbols"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str],
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    (tmp_path / "emt.json").write_text('{"calculator": "emt"}')
    (tmp_path / "empty.json").touch()
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "unclear.json").write_text('{"potential": "emt"}')
    (tmp_path / "broken.json").write_text('{"calculator": "emt",')
    (tmp_path / "typo.json").write_text('{"calculator": "emt", "asap_cutoff": true}')
    monkeypatch.chdir(tmp_path)
    assert main(["validate", *arguments]) == ExitCode.USAGE
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1


def test_long_logs_and_dead_time_are_told_of_code_of_the_author_alone() -> None:
    """What a MACE takes or writes, its author cannot mend: it is the service's own adapter."""
    sizes = [1, 1, 1, 1, 64]
    systems = tuple(
        SystemRecord(
            system_id=f"s{i}",
            status=SystemStatus.OK,
            values={"n_atoms": n},
            n_calls=1,
            wall_time_s=1.0,
        )
        for i, n in enumerate(sizes)
    )
    report = EvaluationReport(verdict=Verdict.OK, systems=systems, n_systems=5, stderr="x" * 70_000)
    for kind, is_told in (("package", True), ("mace", False)):
        potential = SubmissionSpec(
            name="mine", calculator_kind=kind, artifact_sha256="0" * 64, artifact_filename="m"
        )
        printed = format_validation(potential, report)
        assert ("It writes a lot (70 kB" in printed) is is_told
        assert ("A call takes 1 s however few the atoms" in printed) is is_told


def test_a_device_without_an_end_is_not_read(capsys: Capture) -> None:
    assert main(["validate", "/dev/zero"]) == ExitCode.USAGE
    assert "/dev/zero is empty" in capsys.readouterr().err
