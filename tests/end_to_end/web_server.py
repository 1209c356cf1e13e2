"""The web server as it is deployed, gunicorn with threads, on the test's own database."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path

import requests

from tests.end_to_end.site import Site, descendants

#: No test is about rates here; tests/leaderboard/api has those.
_ENVIRONMENT = {
    "TOUCHSTONE_READ_RATE": "100000/min",
    "TOUCHSTONE_SUBMIT_RATE": "100000/min",
    "TOUCHSTONE_UPLOAD_RATE": "100000/min",
    "TOUCHSTONE_SIGN_IN_RATE": "100000/min",
    "TOUCHSTONE_STREAM_S": "1",
    "TOUCHSTONE_DEVELOPMENT": "1",
}


class WebSite(Site):
    """A site with a web server: ``url`` is its address once ``start_web`` has returned."""

    url = ""
    _web: subprocess.Popen[bytes]

    def environment(self) -> dict[str, str]:
        return {**super().environment(), **_ENVIRONMENT}

    def start_web(self, n_processes: int = 1) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        # What gunicorn itself refuses (too long a line) is no answer of ours.
        options = [
            "--limit-request-line",
            "0",
            "--bind",
            f"127.0.0.1:{port}",
            "--workers",
            str(n_processes),
            "--threads",
            "4",
        ]
        self._web = self._start("web", "-m", "gunicorn", "leaderboard.wsgi", *options)
        self.url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                requests.get(f"{self.url}/api/v1/", timeout=30).raise_for_status()
            except requests.ConnectionError:
                time.sleep(0.2)
            else:
                return
        raise AssertionError(f"The web server does not answer: {self.log('web')}")

    def peak_memory_mib(self) -> float:
        """The largest resident size that a web process has had."""
        peaks = []
        for pid in descendants(self._web.pid):
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    peaks.append(int(line.split()[1]) / 1024)
        return max(peaks)
