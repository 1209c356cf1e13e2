from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from evaluator.cli import main
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
