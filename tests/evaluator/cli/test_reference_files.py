"""``data check`` says what the form would; ``evaluate --reference`` reads with the same choices."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evaluator.cli import main
from evaluator.cli.exit_codes import ExitCode
from tests.evaluator.small_tasks import write_crystals

Capture = pytest.CaptureFixture[str]
FRAME = (
    '2\nLattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3:REF_forces:R:3 '
    'REF_energy={energy} virial="-1 0 0 0 -1 0 0 0 -1"\nCu 0 0 0 0.1 0 0\nCu 2 2 {z} -0.1 0 0\n'
)
NAMED = ("--energy-name=REF_energy", "--forces-name=REF_forces", "--stress-name=virial")


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    path = tmp_path / "cells.xyz"
    path.write_text(FRAME.format(energy=-7.0, z=1.9) + FRAME.format(energy=-7.1, z=2.1))
    return path


def check(capsys: Capture, *arguments: str | Path) -> tuple[int, str, str]:
    code = main(["data", "check", *map(str, arguments)])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_data_check_tells_what_the_file_holds_and_what_looks_wrong(
    reference: Path, capsys: Capture
) -> None:
    code, out, _ = check(capsys, reference)
    assert code == ExitCode.OK
    assert "No structure has energy, but the file has REF_energy (every structure)" in out
    code, out, _ = check(capsys, reference, *NAMED, "--stress-unit=virial", "--strict")
    assert code == ExitCode.OK
    assert "Stress: virial, nine numbers in virial in eV, positive under compression" in out
    # 1 eV over 64 Å^3 is 2.5 GPa.
    assert "stress      0 to 2.5034 GPa" in out
    assert out.rstrip().endswith("What looks wrong\n  * Nothing.")


def test_data_check_ends_with_2_for_what_the_form_would_refuse(
    reference: Path, capsys: Capture
) -> None:
    assert check(capsys, reference, "--strict")[0] == ExitCode.USAGE
    reference.write_text(reference.read_text().replace("-0.1 0 0", "-0.1 0 ***", 1))
    code, out, err = check(capsys, reference)
    assert (code, out) == (ExitCode.USAGE, "")
    assert err == "touchstone: Frame 1, line 4: REF_forces is no finite number: '***'.\n"
    code, out, _ = check(capsys, reference, "--json")
    assert code == ExitCode.USAGE
    assert json.loads(out)["reason"].startswith("Frame 1, line 4: REF_forces")
    code, _, err = check(capsys, reference.with_name("gone.xyz"))
    assert code == ExitCode.USAGE
    assert "cannot be read: No such file" in err


def test_data_check_writes_the_canonical_file_and_json(
    reference: Path, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "canonical.extxyz"
    code, printed, _ = check(capsys, reference, *NAMED, "--json", "--out", out)
    assert code == ExitCode.OK
    assert json.loads(printed)["summary"]["n_systems"] == 2
    assert check(capsys, out)[1].splitlines()[0] == "structures  2, 4 atoms in all"


def test_evaluate_reads_a_reference_with_the_same_choices(
    reference: Path, tmp_path: Path, capsys: Capture
) -> None:
    task = tmp_path / "forces.toml"
    task.write_text(
        "protocol = 'energy_forces'\n"
        "metrics = [{key = 'force_mae', good = 0.0, bad = 1.0, worst = 1.0}]\n"
    )
    evaluate = ["evaluate", "--task", str(task), "--calculator=dummy:zero", "--allow-unsandboxed"]
    given = ["--reference", str(reference)]
    assert main([*evaluate, *given]) == ExitCode.USAGE
    assert "does not suit the task" in capsys.readouterr().err
    out = tmp_path / "report.json"
    assert main([*evaluate, *given, *NAMED, "--json", str(out)]) == ExitCode.OK
    (metric,) = json.loads(out.read_text())["scores"]
    # Two of six components are 0.1 eV/Å and the dummy says zero: 0.2 / 6.
    assert metric["value"] == pytest.approx(0.1 / 3)
    evaluate[2] = "eos-wien2k"
    assert main([*evaluate, "--energy-name=REF_energy"]) == ExitCode.USAGE
    assert "told of a file given with --reference" in capsys.readouterr().err


def test_evaluate_refuses_a_broken_reference_with_its_place(
    tmp_path: Path, capsys: Capture
) -> None:
    reference = tmp_path / "crystals.extxyz"
    write_crystals(reference, ["Cu"])
    reference.write_text(reference.read_text() + "\n# by my script\n")
    task = tmp_path / "eos.toml"
    task.write_text(
        "protocol = 'equation_of_state'\n"
        "metrics = [{key = 'eos_delta_mean', good = 1.0, bad = 20.0, worst = 100.0}]\n"
    )
    given = ["--calculator=ase:emt", "--allow-unsandboxed", "--reference", str(reference)]
    assert main(["evaluate", "--task", str(task), *given]) == ExitCode.USAGE
    assert "a number of atoms should stand here, not '# by my script'" in capsys.readouterr().err
