"""A whole site for a test: the test's database, a real broker, real workers as subprocesses."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connection

from evaluator.standard_tasks.read import standard_task
from leaderboard import models
from leaderboard.lib.local_broker import local_broker_url
from leaderboard.services.definitions import standard
from leaderboard.services.submissions import submissions
from tests.leaderboard import factories

LEASE_S = 6

_SLOW_EMT = """
import time
from ase.calculators.emt import EMT


class SlowEMT(EMT):
    elements = ("Al", "Cu", "Ag", "Au", "Ni", "Pd", "Pt")

    def calculate(self, *args, **kwargs):
        time.sleep({pause_s})
        super().calculate(*args, **kwargs)


def calculator(folder):
    return SlowEMT()
"""


def slow_emt(pause_s: float) -> bytes:
    """A package whose calculator is EMT with a pause in every call."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("potential.py", _SLOW_EMT.format(pause_s=pause_s))
    return buffer.getvalue()


class Site:
    """Starts processes that see the test's database; ``stop`` ends those that still run."""

    def __init__(self, folder: Path, broker_url: str) -> None:
        self.folder, self.broker_url = folder, broker_url
        #: Of what is started from now on, beside the usual.
        self.more_environment: dict[str, str] = {}
        self._processes: list[subprocess.Popen[bytes]] = []

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "leaderboard.settings",
            "DATABASE_URL": database_url(),
            "CELERY_BROKER_URL": self.broker_url,
            "TOUCHSTONE_DATA_DIR": str(settings.DATA_DIR),
            "TOUCHSTONE_HEARTBEAT_S": "1",
            "TOUCHSTONE_LEASE_S": str(LEASE_S),
            "TOUCHSTONE_REAPER_INTERVAL_S": "1",
            "TOUCHSTONE_RETRY_PAUSE_S": "1",
            **self.more_environment,
        }

    def start_worker(self, name: str, concurrency: int = 1) -> subprocess.Popen[bytes]:
        options = ["-Q", "evaluations", "-c", str(concurrency)]
        options += ["--without-gossip", "--without-mingle"]
        return self._start(
            name, "-m", "celery", "-A", "leaderboard", "worker", *options, "-n", f"{name}@%h"
        )

    def start_reaper(self) -> subprocess.Popen[bytes]:
        return self._start("reaper", "manage.py", "reap", "--loop")

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def stop(self) -> None:
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()

    def _start(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=settings.BASE_DIR,
                env=self.environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._processes.append(process)
        return process


@contextmanager
def running_site(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """With a broker of its own; what it started has ended afterwards."""
    from kombu.transport.sqlalchemy import Channel

    # Another broker than the embedded one, where the tests are to be run with it.
    url = os.environ.get("TOUCHSTONE_TEST_BROKER_URL") or broker_url()
    monkeypatch.setenv("CELERY_BROKER_URL", url)  # Celery reads it for every connection
    site = Site(folder, url)
    try:
        yield site
    finally:
        site.stop()
        for engine, _ in Channel._engines.values():
            engine.dispose()  # the test's database cannot be dropped while it is in use
        Channel._engines.clear()


def database_url() -> str:
    """The address of the test's own database."""
    parts = urlsplit(os.environ["DATABASE_URL"])
    return parts._replace(path="/" + str(connection.settings_dict["NAME"])).geturl()


def broker_url() -> str:
    return local_broker_url(database_url())


def load_equation_of_state() -> models.TaskVersion:
    """The standard task against WIEN2k, from ASE's own data, as the default benchmark."""
    task = standard_task("eos-wien2k")
    version = standard.ensure_task(task)
    factories.benchmark_version((version, task.category))
    return version


def submit(content: bytes, filename: str, calculator_kind: str) -> models.Evaluation:
    """Submit a new potential of alice; return its only evaluation."""
    potential = factories.potential()
    submission = submissions.submit(
        potential.owner,
        potential,
        version="1",
        upload=io.BytesIO(content),
        filename=filename,
        sha256=hashlib.sha256(content).hexdigest(),
        calculator_kind=calculator_kind,
    )
    return submission.evaluations.get()


def wait_until(
    evaluation: models.Evaluation, is_so: Callable[[models.Evaluation], bool], timeout_s: float
) -> models.Evaluation:
    """Poll the row; fails with its state when the time is over."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        evaluation.refresh_from_db()
        if is_so(evaluation):
            return evaluation
        time.sleep(0.1)
    raise AssertionError(
        f"still {evaluation.state} ({evaluation.phase} {evaluation.progress_done}/"
        f"{evaluation.progress_total}) after {timeout_s} s: {evaluation.message}"
    )


def descendants(pid: int) -> set[int]:
    """All processes below ``pid``."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").glob("*"):
        try:
            children = (task / "children").read_text()
        except FileNotFoundError:
            continue  # it has ended meanwhile
        for child in children.split():
            found |= {int(child)} | descendants(int(child))
    return found


def children(pid: int) -> set[int]:
    """Processes of the pool of a worker: forked, so that they have its command line."""
    own = _command_line(pid)
    below = (child for child in descendants(pid) if parent_of(child) == pid)
    return {child for child in below if _command_line(child) == own}


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def parent_of(pid: int) -> int | None:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return None
    return int(status.rsplit(")", 1)[1].split()[1])


def is_alive(pid: int) -> bool:
    """Whether it runs; a zombie, which only waits to be counted, does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rsplit(")", 1)[1].split()[0] not in ("Z", "X")
