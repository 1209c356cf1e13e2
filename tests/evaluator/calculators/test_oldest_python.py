"""What runs inside a sandbox runs under the oldest Python that a runtime may have."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import evaluator

_ROOT = Path(evaluator.__file__).resolve().parent.parent
_WALL = (
    "evaluator/wire.py",
    "evaluator/json_artifacts.py",
    *(f"evaluator/calculators/{n}.py" for n in ("base", "leaving", "memory", "registry", "server")),
)


@pytest.mark.slow
def test_wall_of_the_sandbox_asks_nothing_that_is_newer_than_python_3_10() -> None:
    # The checker of types knows which names each version of Python has.
    command = [sys.executable, "-m", "mypy", "--python-version", "3.10", "--no-incremental"]
    checked = subprocess.run(
        [*command, "--follow-imports", "silent", *_WALL], cwd=_ROOT, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout
