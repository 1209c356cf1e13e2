from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from evaluator.cli import main, told_names
from evaluator.cli.exit_codes import ExitCode

Capture = pytest.CaptureFixture[str]

_ASK = """
source "$1"
COMP_WORDS=("${@:2}"); COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 )); COMPREPLY=()
_shtab_touchstone
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from contextlib import redirect_stdout

    path = tmp_path_factory.mktemp("completion") / "touchstone.bash"
    with path.open("w") as file, redirect_stdout(file):
        assert main(["completion", "bash"]) == ExitCode.OK
    return path


def completed(script: Path, *words: str) -> list[str]:
    bash = shutil.which("bash")
    assert bash is not None
    done = subprocess.run(
        [bash, "-c", _ASK, "bash", str(script), "touchstone", *words],
        capture_output=True, text=True, check=True, timeout=20,
    )  # fmt: skip
    return done.stdout.split()


def test_commands_options_and_names_are_completed_in_bash(script: Path) -> None:
    assert completed(script, "eva") == ["evaluate"]
    assert completed(script, "data", "fe") == ["fetch"]
    assert completed(script, "submit", "--non") == ["--non-conservative"]
    assert completed(script, "evaluate", "--task", "eos-w") == ["eos-wien2k"]


def test_a_name_of_a_service_is_parsed_after_a_script_was_made(capsys: Capture) -> None:
    assert main(["completion", "zsh"]) == ExitCode.OK
    assert capsys.readouterr().out.startswith("#compdef touchstone")
    # What is offered is no choice: other names are taken, and complained of for what they are.
    assert main(["evaluate", "--task", "mine", "--calculator", "ase:emt"]) == ExitCode.USAGE
    assert "there is no task 'mine'" in capsys.readouterr().err


def test_names_are_those_that_the_service_told_last(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("TOUCHSTONE_URL", "https://service.example/")
    monkeypatch.setenv("TOUCHSTONE_CACHE", str(tmp_path / "a cache"))
    victim = tmp_path / "victim"
    told_names.remember("https://other.example", "task", ["of-another"])
    told_names.remember(
        "https://service.example",
        "task",
        ["copper-forces", f"$(touch${{IFS}}{victim})", f"`touch {victim}`", "two words", "-x", ""],
    )
    told_names.remember_one("https://service.example", "potential", "my-potential")
    assert main(["completion", "bash"]) == ExitCode.OK
    ours = tmp_path / "touchstone.bash"
    ours.write_text(capsys.readouterr().out)

    assert completed(ours, "evaluate", "--task", "") == ["copper-forces"]
    assert completed(ours, "potential", "edit", "my") == ["my-potential"]
    assert completed(ours, "submit", "--potential", "") == ["my-potential"]
    assert not victim.exists()
    file = tmp_path / "a cache" / "names" / "task.txt"
    assert file.stat().st_mode & 0o077 == 0  # private potentials have names, too
    file.write_text(f"nickel\n$(touch${{IFS}}{victim})\n`touch {victim}`\n\x1b[2Jx\n-x\n")
    assert completed(ours, "evaluate", "--task", "") == ["nickel"]
    assert not victim.exists()

    file.write_bytes(b"nickel\n\xff\xfe\n")
    told_names.remember_one("https://service.example", "task", "iron")
    assert file.read_text() == "iron\nnickel\n"

    # A command that has done its work does not fail for what another variable says.
    monkeypatch.setenv("TOUCHSTONE_URL", "no address")
    told_names.remember("https://service.example", "task", ["other"])
    assert completed(ours, "evaluate", "--task", "") == ["iron", "nickel"]

    told_names.forget()
    assert "eos-wien2k" in completed(ours, "evaluate", "--task", "eos")
    assert completed(ours, "potential", "edit", "") == []
