from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evaluator import catalog
from evaluator.cli import main
from evaluator.cli.exit_codes import ExitCode, describe_exit_codes, exit_code_of
from evaluator.cli.service_parts import SERVICE_VARIABLES
from evaluator.contract import EvaluationReport, TaskSpec, Verdict
from evaluator.hashing import sha256_of
from evaluator.standard_tasks.read import standard_task
from tests.evaluator.small_tasks import task_on, write_crystals, write_package

pytestmark = pytest.mark.timeout(120)

FORCES_OF_A_CRYSTAL = """
protocol = 'equation_of_state'
metrics = [{key = 'force_mae', good = 0.0, bad = 1.0, worst = 1.0}]
"""

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOUCHSTONE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TOUCHSTONE_DATA_MIRROR", raising=False)


def test_each_verdict_has_an_exit_code_of_its_own() -> None:
    codes = [exit_code_of(EvaluationReport(verdict=verdict)) for verdict in Verdict]
    assert len(set(codes)) == len(codes)
    assert exit_code_of(EvaluationReport(verdict=Verdict.OK)) == 0
    assert {ExitCode.BUG, ExitCode.USAGE, ExitCode.INTERRUPTED}.isdisjoint(codes)
    assert all(f"{code.value:>3}" in describe_exit_codes() for code in ExitCode)


@pytest.mark.slow
@pytest.mark.sandbox
def test_evaluate_writes_everything_and_prints_the_same_numbers(
    tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "out.json"
    code = main(["evaluate", "--task", "eos-wien2k", "--calculator", "ase:emt", "--json", str(out)])
    printed = capsys.readouterr().out
    assert code == ExitCode.OK

    found = json.loads(out.read_text(encoding="utf-8"))
    assert found["task"]["slug"] == "eos-wien2k"
    assert TaskSpec.from_json(found.pop("task")).protocol == "equation_of_state"
    assert found.pop("potential")["name"] == "ase:emt"
    assert found.pop("is_whole_task") is True
    report = EvaluationReport.from_json(found)
    assert report.verdict is Verdict.OK
    assert len(report.systems) == 71
    copper = next(s for s in report.systems if s.values.get("element") == "Cu")
    for name in ("volume_per_atom_A3", "bulk_modulus_GPa", "bulk_modulus_derivative"):
        assert copper.values[name] > 0
        assert copper.reference[name] > 0
    assert copper.values["delta_meV"] > 0

    for score in report.scores:
        metric = catalog.METRICS[score.metric]
        line = next(row for row in printed.splitlines() if row.startswith(metric.label + " "))
        numbers = [catalog.format_number(x, metric.digits) for x in (score.value, score.low)]
        assert all(number in line.split() for number in numbers)
    assert report.task_score is not None
    assert f"Task score {catalog.format_number(report.task_score.value, 3)} " in printed
    assert "64 not covered (coverage 9.9 %)" in printed  # EMT knows seven of the 71


@pytest.mark.slow
@pytest.mark.sandbox
def test_a_part_of_a_task_is_said_not_to_be_its_score(tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "out.json"
    arguments = ["evaluate", "--task", "eos-wien2k", "--calculator", "ase:emt", "--table"]
    assert main([*arguments, "--systems", "Cu,dcdft-Al", "--json", str(out)]) == ExitCode.OK
    printed = capsys.readouterr().out
    assert "NOT the task's score" in printed
    assert "Task score" not in printed
    assert re.search(r"^dcdft-Cu +11\.\d+ +11\.951 ", printed, re.MULTILINE)
    found = json.loads(out.read_text(encoding="utf-8"))
    assert found["is_whole_task"] is False
    assert [system["system_id"] for system in found["systems"]] == ["dcdft-Al", "dcdft-Cu"]


@pytest.mark.slow
@pytest.mark.sandbox
@pytest.mark.parametrize("suffix", [".toml", ".json"])
def test_a_task_of_ones_own_runs_on_a_reference_of_ones_own(
    tmp_path: Path, capsys: Capture, suffix: str
) -> None:
    reference = write_crystals(tmp_path / "two.extxyz", ["Cu", "Ag"])
    task = tmp_path / f"mine{suffix}"
    if suffix == ".json":
        task.write_text(json.dumps(task_on(reference).to_json()), encoding="utf-8")
    else:
        task.write_text(
            'protocol = "equation_of_state"\n[parameters]\nn_volumes = 9\n[[metrics]]\n'
            'key = "eos_delta_mean"\ngood = 1.0\nbad = 20.0\nworst = 100.0\n',
            encoding="utf-8",
        )
    arguments = ["evaluate", "--task", str(task), "--reference", str(reference)]
    assert main([*arguments, "--calculator", "ase:emt", "--processes", "1"]) == ExitCode.OK
    assert "Systems 2: 2 well" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.sandbox
def test_the_exit_code_tells_the_verdict(tmp_path: Path, capsys: Capture) -> None:
    artifact = write_package(tmp_path, load="raise RuntimeError('no weights')")
    arguments = ["evaluate", "--task", "eos-wien2k", "--systems", "Cu"]
    code = main([*arguments, "--calculator", f"package:{artifact}"])
    assert code == ExitCode.LOAD_ERROR == 11
    printed = capsys.readouterr().out
    assert "Verdict: load_error." in printed
    assert "no weights" in printed


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--task", "nonsense", "--calculator", "ase:emt"], "there is no task 'nonsense'"),
        (["--task", "eos-wien2k", "--calculator", "nonsense"], "'nonsense' is no potential"),
        (["--task", "eos-wien2k", "--calculator", "mace:no.model"], "no.model does not exist"),
        (["--task", "eos-wein2k", "--calculator", "ase:emt"], "did you mean eos-wien2k?"),
        (["--task", "eos-wien2k", "--calculator", "ase:em"], "Did you mean ase:emt?"),
        (["--task", "eos-wien2k", "--calculator", "emt"], "Did you mean ase:emt?"),
        (["--task", "eos-wien2k", "--calculator", "mcae:x"], "Did you mean mace:x?"),
        (["--task", "no.toml", "--calculator", "ase:emt"], "the task no.toml cannot be read"),
        (
            ["--task", "eos-wien2k", "--calculator", "ase:emt", "--systems", "Zz"],
            "the task has no system 'Zz'",
        ),
        (
            ["--task", "eos-wien2k", "--calculator", "ase:emt", "--json", "no/such/out.json"],
            "the folder of no/such/out.json does not exist",
        ),
        (
            ["--task", "eos-wien2k", "--calculator", "ase:emt", "--mirror", "no/such"],
            "the mirror no/such is no folder",
        ),
        (
            ["--task", "eos-wien2k", "--calculator", "ase:emt", "--reference", "x.extxyz"],
            "eos-wien2k has its own reference set",
        ),
    ],
)
@pytest.mark.sandbox
def test_a_mistake_of_the_user_is_one_line_without_a_traceback(
    arguments: list[str], complaint: str, capsys: Capture
) -> None:
    assert main(["evaluate", *arguments]) == ExitCode.USAGE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("touchstone: ")
    assert complaint in captured.err


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("protocol = 'equation_of_state'", "lacks 'metrics'"),
        ("protocol = 'weather'\nmetrics = []", "there is no protocol 'weather'"),
        ("protocol = 'equation_of_state'\nmetrics = []", "needs at least one metric"),
        (
            FORCES_OF_A_CRYSTAL,
            "has no metric 'force_mae'",
        ),
        ("this is no TOML", "is no task"),
    ],
)
def test_a_bad_task_file_is_refused_by_name(
    text: str, complaint: str, tmp_path: Path, capsys: Capture
) -> None:
    task = tmp_path / "mine.toml"
    task.write_text(text, encoding="utf-8")
    assert main(["evaluate", "--task", str(task), "--calculator", "ase:emt"]) == ExitCode.USAGE
    error = capsys.readouterr().err
    assert "mine.toml" in error
    assert complaint in error


@pytest.mark.sandbox
def test_a_reference_that_does_not_suit_is_the_users_mistake(
    tmp_path: Path, capsys: Capture
) -> None:
    reference = write_crystals(tmp_path / "two.extxyz", ["Cu"])
    task = tmp_path / "mine.json"
    task.write_text(json.dumps(task_on(reference, "energy_forces").to_json()), encoding="utf-8")
    code = main(
        ["evaluate", "--task", str(task), "--reference", str(reference), "--calculator", "ase:emt"]
    )
    assert code == ExitCode.USAGE
    assert "has no reference forces" in capsys.readouterr().err


def test_a_mistyped_command_is_answered_with_what_may_be_meant(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["evalute"])
    assert caught.value.code == ExitCode.USAGE
    assert "did you mean evaluate" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["evaluate"], ["dance"], ["data"]])
def test_an_incomplete_command_is_a_usage_error(arguments: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == ExitCode.USAGE
    assert "usage: touchstone" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            ["submit", "a", "--versoin", "2"],
            "submit: error: there is no option --versoin: did",
        ),
        (["submit", "a", "--versoin", "2"], "did you mean --version?"),
        (
            ["potential", "edit", "emt", "--licnece=MIT"],
            "there is no option --licnece",
        ),
        (["potential", "edit", "emt", "--licnece=MIT"], "did you mean --licence?"),
        (["status", "-q"], "status: error: there is no option -q\n"),
        (["status", "0b7e0bd2", "c2a70bdb"], "status: error: too much: c2a70bdb"),
    ],
)
def test_a_mistyped_option_is_answered_with_what_may_be_meant(
    arguments: list[str], complaint: str, capsys: Capture
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == ExitCode.USAGE
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize("count", ["0", "-1", "two", "1.5"])
def test_a_count_that_is_none_is_a_usage_error(count: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["evaluate", "--task", "t", "--calculator", "c", "--processes", count])
    assert caught.value.code == ExitCode.USAGE
    assert "--processes" in capsys.readouterr().err


def test_tasks_and_potentials_are_listed(capsys: Capture) -> None:
    assert main(["tasks"]) == ExitCode.OK
    assert f"eos-wien2k (version {standard_task('eos-wien2k').version})" in capsys.readouterr().out
    assert main(["tasks", "--json"]) == ExitCode.OK
    slugs = {task["slug"] for task in json.loads(capsys.readouterr().out)}
    assert {"eos-wien2k", "mlearn-forces"} <= slugs
    assert main(["potentials"]) == ExitCode.OK
    assert "ase:emt" in capsys.readouterr().out
    assert main(["potentials", "--json"]) == ExitCode.OK
    references = {entry["reference"] for entry in json.loads(capsys.readouterr().out)}
    assert {"ase:emt", "dummy:zero"} <= references


def test_data_is_built_into_the_cache_and_its_hash_printed(tmp_path: Path, capsys: Capture) -> None:
    assert main(["data", "fetch", "eos-wien2k", "--json"]) == ExitCode.OK
    found = json.loads(capsys.readouterr().out)
    path = Path(found["path"])
    assert path.parent == tmp_path / "cache"
    assert found["sha256"] == sha256_of(path)
    assert found["n_systems"] == 71
    assert main(["data", "list"]) == ExitCode.OK
    assert "eos-wien2k (version 1, PBE)" in capsys.readouterr().out


def test_of_several_sets_the_one_that_cannot_be_had_keeps_no_other_back(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOUCHSTONE_DATA_MIRROR", raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    names = ["mlearn-test", "eos-wien2k"]
    assert main(["data", "fetch", *names, "--json"]) == ExitCode.INFRASTRUCTURE_ERROR
    lacking, found = map(json.loads, capsys.readouterr().out.splitlines())
    assert lacking.keys() == {"name", "error"}
    assert (lacking["name"], found["name"], found["n_systems"]) == (*names, 71)


def test_an_unknown_reference_set_is_named_with_the_known_ones(capsys: Capture) -> None:
    assert main(["data", "fetch", "nonsense"]) == ExitCode.USAGE
    error = capsys.readouterr().err
    assert "nonsense" in error
    assert "eos-wien2k" in error


@pytest.fixture
def no_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that belongs to no service."""
    for name in SERVICE_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.sandbox
def test_check_says_what_the_machine_can_do(no_service: None, capsys: Capture) -> None:
    assert main(["check", "--json"]) == ExitCode.OK
    findings = {finding["name"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert findings["sandbox"]["found"].startswith("bubblewrap")
    assert findings["device"]["found"].startswith("cpu computes")
    assert all(finding["is_well"] or finding["hint"] for finding in findings.values())
    assert main(["check", "--quick"]) == ExitCode.OK
    assert "sandbox" in capsys.readouterr().out


def test_check_fails_and_hints_where_there_is_no_sandbox(
    no_service: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Capture
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["check"]) == ExitCode.INFRASTRUCTURE_ERROR
    assert "bubblewrap" in capsys.readouterr().out


def test_an_unknown_task_is_told_before_a_sandbox_is_looked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Capture
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    arguments = ["evaluate", "--task", "nonsense", "--calculator", "ase:emt"]
    assert main(arguments) == ExitCode.USAGE
    assert "there is no task 'nonsense'" in capsys.readouterr().err


@pytest.mark.slow
def test_without_a_sandbox_built_in_kinds_run_only_when_allowed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Capture
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    arguments = ["evaluate", "--task", "eos-wien2k", "--systems", "Cu"]
    assert main([*arguments, "--calculator", "ase:emt"]) == ExitCode.INFRASTRUCTURE_ERROR
    assert "bubblewrap" in capsys.readouterr().err

    allowed = [*arguments, "--allow-unsandboxed"]
    assert main([*allowed, "--calculator", "ase:emt"]) == ExitCode.OK
    capsys.readouterr()
    package = write_package(tmp_path)
    code = main([*allowed, "--calculator", f"package:{package}"])
    assert code == ExitCode.INFRASTRUCTURE_ERROR
    assert "sandbox" in capsys.readouterr().err


@pytest.mark.parametrize("imported", ["evaluator.client", "evaluator.cli.data", "ase"])
def test_an_interrupt_while_a_command_is_imported_is_no_traceback(imported: str) -> None:
    program = f"""
import sys

class Interrupt:
    def find_spec(self, name, *_):
        if name == {imported!r}:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
from evaluator.cli import main
sys.exit(main(["data", "list"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (130, "touchstone: interrupted\n")


@pytest.mark.slow
@pytest.mark.sandbox
def test_an_interrupt_ends_the_calculators_and_is_no_traceback(tmp_path: Path) -> None:
    artifact = write_package(tmp_path, after="time.sleep(100)")
    arguments = ["--task", "eos-wien2k", "--systems", "Cu", "--calculator", f"package:{artifact}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "evaluator.cli", "evaluate", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs ignore the signal; this one must not.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        deadline = time.monotonic() + 30
        while not (children := _descendants(process.pid)) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=15)
    finally:
        process.kill()
    assert process.returncode == ExitCode.INTERRUPTED
    assert stderr.splitlines()[-1] == "touchstone: interrupted"
    assert "Traceback" not in stderr
    assert children
    assert [child for child in children if _is_alive(child)] == []


def _descendants(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    children = [int(child) for task in tasks for child in task.read_text().split()]
    return children + [grandchild for child in children for grandchild in _descendants(child)]


def _is_alive(pid: int) -> bool:
    """A zombie that nobody has buried yet is dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_folder_stands_for_the_bundle_in_it(tmp_path: Path, capsys: Capture) -> None:
    assert main(["admin", "import", str(tmp_path)]) != ExitCode.OK
    assert f"{tmp_path / 'bundle.yaml'} cannot be read" in capsys.readouterr().err
