"""The main job: ``make demo`` brings the service up and ranks what it evaluated."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from evaluator.runtimes.store import RUNTIMES_VARIABLE

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.sandbox,
    pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed"),
]


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A folder that is not pytest's: whenever a session starts, pytest shuts the one above all of
    its folders to others, and the demo's PostgreSQL, which as root runs as another user, is lost.
    """
    folder = Path(tempfile.mkdtemp(prefix="touchstone-test-demo-"))
    yield folder / "var"
    shutil.rmtree(folder)


def said(done: subprocess.CompletedProcess[str], data_dir: Path) -> str:
    """All that a demo said, and the ends of its logs."""
    logs = sorted((data_dir / "logs").glob("*.log"))
    ends = (f"\n--- {log.name}\n{log.read_text(errors='replace')[-3000:]}" for log in logs)
    return done.stdout + done.stderr + "".join(ends)


def n_evaluations_begun(data_dir: Path) -> int:
    return (data_dir / "logs" / "worker.log").read_text(errors="replace").count(": Evaluating ")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def run_demo(data_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # The demo makes its own database and settings; those of the tests must not leak into it.
    ours = ("TOUCHSTONE_", "DATABASE_URL", "CELERY_BROKER_URL", "DJANGO_SETTINGS_MODULE")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    # Others may be at work beside us, and would be waited for.
    environment["TOUCHSTONE_IDLE_WAIT_S"] = "0"
    environment["TOUCHSTONE_LOCK_DIR"] = str(data_dir.parent / "locks")
    environment[RUNTIMES_VARIABLE] = os.environ[RUNTIMES_VARIABLE]  # built once for each machine
    return subprocess.run(
        [sys.executable, "-m", "deploy.demo", "--data-dir", str(data_dir), *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1100,
        check=False,
    )


@pytest.mark.timeout(2400)
def test_demo_ranks_the_baselines_and_a_second_one_starts_from_what_is_there(
    data_dir: Path,
) -> None:
    baselines = ("--only-baselines", "--only", "ase:lj,ase:emt")
    options = ("--until-done", *baselines, "--port", str(free_port()))

    first = run_demo(data_dir, *options)

    assert first.returncode == 0, said(first, data_dir)
    # Two baselines on the smoke task and the five tasks that need no download.
    assert "12 of 12 evaluations ended" in first.stdout or first.stdout.count("score ") >= 10
    assert first.stdout.count("    uploaded ") == 2
    boards = first.stdout[first.stdout.index("Core, small: overall score") :]
    for task in ("eos-wien2k", "md-compression-small", "nve-small", "phonons-measured-small",
                 "efficiency-small"):  # fmt: skip
        assert f"({task})" in boards
    assert re.search(r"1 .*Lennard-Jones from covalent radii", boards)
    assert re.search(r"– +EMT", boards), "a tenth of the elements is too little for a rank"

    n_begun = n_evaluations_begun(data_dir)
    second = run_demo(data_dir, *options)

    assert second.returncode == 0, said(second, data_dir)
    assert "Complete after " in second.stdout
    # Its log goes on, or begins anew; in either case nothing has been evaluated again.
    assert n_evaluations_begun(data_dir) in (0, n_begun)
    assert (
        second.stdout[second.stdout.index("Core, small: overall score") :].split("Complete")[0]
        == (boards.split("Complete")[0])
    )


def test_demo_names_the_potentials_that_are_at_hand(data_dir: Path) -> None:
    done = run_demo(data_dir, "--only", "ase:emt", "ase:magic")

    assert done.returncode == 2
    assert "There is no potential ase:magic here. At hand: " in done.stderr
    assert "ase:emt" in done.stderr
    assert not data_dir.exists()


def test_demo_says_what_to_do_when_its_port_is_taken(data_dir: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        done = run_demo(data_dir, "--port", str(port))

    assert done.returncode == 2
    assert f"Port {port} is taken" in done.stderr
    assert f"--port {port + 1}" in done.stderr
