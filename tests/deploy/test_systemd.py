"""The units: systemd accepts them, and what they start exists and is checked before."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from evaluator.cli import build_parser
from evaluator.cli.service_parts import NEEDS

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "deploy/systemd").glob("*.service"))
CHECKS = {
    "touchstone-reaper.service": ["check", "--part", "reaper"],
    "touchstone-web.service": ["check", "--part", "web"],
    "touchstone-worker.service": ["worker", "--check"],
    "touchstone-worker@.service": ["worker", "--check"],
}


def commands(unit: Path, directive: str) -> list[list[str]]:
    lines = re.findall(rf"^{directive}=(.+)$", unit.read_text(), re.MULTILINE)
    return [shlex.split(line) for line in lines]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: str(unit.name))
def test_a_unit_checks_what_it_needs_before_it_starts(unit: Path) -> None:
    (before,) = commands(unit, "ExecStartPre")
    place = before.index("/srv/touchstone/app/.venv/bin/touchstone")
    asked = before[place + 1 :]

    assert asked == CHECKS[unit.name]
    assert build_parser(asked[0]).parse_args(asked).run
    assert set(NEEDS) == {"worker", "web", "reaper"}
    # What is checked is the device that is then used.
    (start,) = commands(unit, "ExecStart")
    assert start[:place] == before[:place]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    programs = Path(sys.executable).parent
    for unit in UNITS:
        text = unit.read_text().replace("/srv/touchstone/app/.venv/bin", str(programs))
        text = text.replace("/srv/touchstone/app", str(ROOT)).replace("User=touchstone\n", "")
        (tmp_path / unit.name.replace("@.", "@0.")).write_text(text)

    done = subprocess.run(
        ["systemd-analyze", "verify", *map(str, sorted(tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_web_server_writes_nothing_where_its_user_may_not() -> None:
    """gunicorn's control socket would lie in the user's home, which belongs to root."""
    (unit,) = (unit for unit in UNITS if unit.name == "touchstone-web.service")
    (start,) = commands(unit, "ExecStart")
    assert "--no-control-socket" in start
