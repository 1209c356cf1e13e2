"""The shipped nginx.conf in front of gunicorn, on loopback: what slow and large bodies can hold."""

from __future__ import annotations

import grp
import os
import pwd
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from leaderboard.models import ApiToken
from tests.end_to_end.site import broker_url
from tests.end_to_end.web_server import WebSite
from tests.leaderboard import factories

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed"),
]
_MAX_REFUSED = 12
SHIPPED = Path(__file__).parents[2] / "deploy/nginx.conf"


def local_configuration(folder: Path, port: int, web: str) -> str:
    """The shipped server block, without TLS, before the test's own web server."""
    text = SHIPPED.read_text()
    text = text.replace("127.0.0.1:8430", web.removeprefix("http://"))
    text = re.sub(r"listen 443 ssl http2;", f"listen 127.0.0.1:{port};", text)
    text = re.sub(r"ssl_certificate.*;", "", text)
    text = text.replace("/var/cache/nginx/touchstone", f"{folder}/cache")
    text = text.split("server {\n    listen 80;")[0]
    temporary = "\n".join(
        f"{name}_temp_path {folder}/{name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    # Folders of tests are closed to others, and below them nginx keeps bodies: it works as we do.
    user, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
    return (
        f"user {user} {group}; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;\n"
        f"events {{ worker_connections 256; }}\nhttp {{ access_log off; {temporary}\n{text} }}\n"
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("nginx")


class StrictSite(WebSite):
    """Refuses an address after a few answers 401."""

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "TOUCHSTONE_REFUSED_RATE": f"{_MAX_REFUSED}/min"}


@pytest.fixture
def address(folder: Path, tmp_path: Path, own_blobs: None) -> Iterator[str]:
    site = StrictSite(tmp_path, broker_url())
    site.start_web()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    configuration = folder / "nginx.conf"
    configuration.write_text(local_configuration(folder, port, site.url))
    nginx = subprocess.Popen(["nginx", "-e", str(folder / "error.log"), "-c", str(configuration)])
    try:
        wait_for(port)
        yield f"http://localhost:{port}"
    finally:
        nginx.terminate()
        nginx.wait(20)
        site.stop()


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("nginx does not listen")


def begin(address: str, path: str, length: int, headers: str = "") -> socket.socket:
    """A request that says how long its body is and sends its first byte."""
    host, port = address.removeprefix("http://").split(":")
    connection = socket.create_connection(("127.0.0.1", int(port)), timeout=20)
    connection.sendall(
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n"
        f"Content-Type: multipart/form-data; boundary=x\r\n{headers}\r\n-".encode()
    )
    return connection


def status_of(connection: socket.socket) -> int:
    return int(connection.recv(4096).split()[1])


def test_slow_and_large_bodies_hold_nothing(address: str, folder: Path) -> None:
    _, token = ApiToken.create(factories.user(), "test")
    bearer = f"Authorization: Bearer {token}\r\n"
    with ExitStack() as stack:
        # Ten that drip, more than the web server has threads, two of them of a signed-in user.
        for path, headers in (("/login/", ""), ("/api/v1/submissions/", bearer)):
            for _ in range(8 if not headers else 2):
                stack.enter_context(begin(address, path, 1000, headers))
        begun = time.monotonic()
        assert requests.get(f"{address}/api/v1/", timeout=20).status_code == 200
        assert requests.get(f"{address}/login/", timeout=20).status_code == 200
        assert time.monotonic() - begun < 15

        refused = {
            ("/login/", 600 * 2**20, ""): 413,
            ("/submissions/new/", 500 * 2**20, ""): 401,
            ("/api/v1/submissions/", 500 * 2**20, ""): 401,
            ("/api/v1/submissions/", 600 * 2**20, bearer): 413,
        }
        for (path, length, headers), status in refused.items():
            connection = stack.enter_context(begin(address, path, length, headers))
            assert status_of(connection) == status, (path, (folder / "error.log").read_text())
    assert requests.get(f"{address}/api/v1/submissions/", timeout=20).status_code == 200
    assert requests.get(f"{address}/submissions/new/", timeout=20).url.startswith(
        f"{address}/login"
    )
    chunked = requests.post(f"{address}/api/v1/potentials/", data=iter([b"{}"]), timeout=20)
    assert chunked.status_code in {401, 411}


def test_small_forms_and_files_come_through(address: str) -> None:
    _, token = ApiToken.create(factories.user(), "test", scopes=["submit"])
    headers = {"Authorization": f"Bearer {token}"}
    made = requests.post(
        f"{address}/api/v1/potentials/",
        json={"slug": "p", "name": "P"},
        headers=headers,
        timeout=20,
    )
    assert made.status_code == 201
    sent = requests.post(
        f"{address}/api/v1/submissions/",
        data={"potential": "p"},
        files={"artifact": ("a.json", b"x" * 3 * 2**20)},
        headers=headers,
        timeout=20,
    )
    assert sent.status_code == 400, "the fields are incomplete; the body has come through"


def test_an_upload_too_many_is_told_so(address: str) -> None:
    bad = {"Authorization": "Bearer tst_guess"}
    upload = f"{address}/api/v1/submissions/"
    statuses = []
    while len(statuses) < 3 * _MAX_REFUSED and 429 not in statuses:  # a new minute may begin
        answer = requests.post(upload, data={"potential": "p"}, headers=bad, timeout=20)
        statuses.append(answer.status_code)
    assert statuses[:-1] == [401] * (len(statuses) - 1)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "60")
