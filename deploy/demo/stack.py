"""Starts and stops the parts of the service as child processes; their logs go to files."""

from __future__ import annotations

import ctypes
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import requests

from leaderboard.lib import local_broker, local_postgres

ROOT = Path(__file__).resolve().parents[2]


class DemoError(Exception):
    """The demo cannot go on; the message tells its user why and what to do."""


def require_free_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise DemoError(
                f"Port {port} is taken ({error.strerror}). "
                f'Choose another: make demo ARGS="--port {port + 1}"'
            ) from error


def _end_with_parent() -> None:
    """Ask the kernel to end this child when the demo dies without having stopped it."""
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _secret_key(folder: Path) -> str:
    """A key that survives restarts, so that a second demo leaves its users signed in."""
    path = folder / "secret-key"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(50))
    return path.read_text()


@dataclass
class Stack:
    """The service's processes. ``environment`` is what each of them is given."""

    data_dir: Path
    port: int
    environment: dict[str, str] = field(default_factory=dict)
    _children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def log_path(self, name: str) -> Path:
        return self.data_dir / "logs" / f"{name}.log"

    def start_database(self) -> None:
        for folder in ("logs", "static"):
            (self.data_dir / folder).mkdir(parents=True, exist_ok=True)
        database_url = local_postgres.start(self.data_dir / "postgres")
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "leaderboard.settings",
            "TOUCHSTONE_DEVELOPMENT": "1",
            "TOUCHSTONE_SECRET_KEY": _secret_key(self.data_dir),
            "TOUCHSTONE_DATA_DIR": str(self.data_dir),
            "DATABASE_URL": database_url,
            "CELERY_BROKER_URL": local_broker.local_broker_url(database_url),
            "TOUCHSTONE_REAPER_INTERVAL_S": "5",
            "TOUCHSTONE_HEARTBEAT_S": "3",
            "TOUCHSTONE_LEASE_S": "30",
            "TOUCHSTONE_DEAF_AFTER_S": "20",
            "TOUCHSTONE_QUOTA_PER_DAY": "100000",
            "TOUCHSTONE_QUOTA_PER_MONTH": "100000",
            "TOUCHSTONE_QUOTA_CONCURRENT": "10000",
            "PYTHONUNBUFFERED": "1",
        }

    def manage(self, *arguments: str, log: str = "setup") -> str:
        """Run a management command to its end; return what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        with self.log_path(log).open("a") as file:
            file.write(f"$ manage.py {' '.join(arguments)}\n{done.stdout}{done.stderr}\n")
        if done.returncode:
            tail = "\n".join((done.stdout + done.stderr).splitlines()[-8:])
            raise DemoError(f"'manage.py {arguments[0]}' failed; see {self.log_path(log)}\n{tail}")
        return done.stdout

    def start(self, name: str, *command: str) -> None:
        with self.log_path(name).open("ab") as log:
            self._children[name] = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for the demo alone, which then stops its children in order.
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )

    def start_worker(self) -> None:
        self.start(
            "worker",
            *("-m", "celery", "--app", "leaderboard", "worker", "--queues", "evaluations"),
            *("--concurrency", "1", "--without-gossip", "--without-mingle"),
            *("--hostname", "demo@%h", "--loglevel", "INFO"),
        )
        self.start("reaper", "manage.py", "reap", "--loop")

    def start_web(self) -> None:
        self.start(
            "web",
            *("-m", "gunicorn", "leaderboard.wsgi", "--bind", f"127.0.0.1:{self.port}"),
            *("--workers", "2", "--threads", "4", "--timeout", "120"),
            "--no-control-socket",
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            self.check_alive()
            try:
                if requests.get(f"{self.url}/api/v1/", timeout=5).ok:
                    return
            except (requests.ConnectionError, requests.Timeout):
                time.sleep(0.2)
        raise DemoError(f"The web server did not answer within 60 s; see {self.log_path('web')}")

    def check_alive(self) -> None:
        for name, child in self._children.items():
            if child.poll() is not None:
                tail = "\n".join(self.log_path(name).read_text().splitlines()[-8:])
                raise DemoError(
                    f"The {name} process ended with status {child.returncode}; "
                    f"see {self.log_path(name)}\n{tail}"
                )

    def stop(self) -> None:
        """Stop all children, the worker first, so that it gives back what it runs."""
        for child in self._children.values():
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 20
        for child in self._children.values():
            try:
                child.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        self._children.clear()
