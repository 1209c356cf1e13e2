"""How fast the leaderboard's page is, beside the same bytes served as a static file.

A database of its own is filled with made-up rows; gunicorn serves the page, alone and behind nginx
as ``deploy/nginx.conf`` sets it up, nginx the file, and wrk asks for all of them on loopback.
Without nginx or wrk the section says so and measures nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

_SECONDS = 8
_NEEDED = ("nginx", "wrk")
_NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off; default_type text/html;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  {servers}
}}
"""
_FILES = "server {{ listen 127.0.0.1:{port}; root {folder}/www; }}"


_PAGES = """### Every page and table

Processor time of the web process and of the database's; *cold* is a process that has forgotten
every board, and a shared cache that is empty. Addresses of the API answer with the whole table."""


def section(n_potentials: int, n_tasks: int) -> str:
    """The part of the results page."""
    missing = [name for name in _NEEDED if shutil.which(name) is None]
    if missing:
        return f"## Site\n\nNot measured: {' and '.join(missing)} not installed (apt-get install)."
    with tempfile.TemporaryDirectory(prefix="touchstone-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the database's own user reaches its data below
        with _service(folder, n_potentials, n_tasks) as (address, environment):
            page = urllib.request.urlopen(address, timeout=60).read()
            (folder / "www").mkdir()
            (folder / "www" / "index.html").write_bytes(page)
            dynamic = _ask(address)
            with nginx(folder, _FILES) as static_address:
                static = _ask(static_address)
            with nginx(folder, servers_of_service(folder, urlsplit(address).netloc)) as front:
                kept = _ask(front + urlsplit(address).path[1:])
            command = [sys.executable, "-m", "tests.performance.pages"]
            pages = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    compared = _page(dynamic, kept, static, len(page), n_potentials, n_tasks)
    return f"{compared}\n\n{_PAGES}\n\n{pages.stdout.decode().strip()}"


def _page(
    dynamic: tuple[float, str],
    kept: tuple[float, str],
    static: tuple[float, str],
    n_bytes: int,
    potentials: int,
    tasks: int,
) -> str:
    return f"""## Site

The leaderboard's page of {potentials} potentials and {tasks} tasks ({n_bytes / 1024:.0f} KiB, not
compressed), asked for by wrk over one connection for {_SECONDS} s, all processes warm.

| | requests/s | 99 % within |
|---|---:|---:|
| gunicorn, one process | {dynamic[0]:.1f} | {dynamic[1]} |
| the same behind nginx, as in deploy/nginx.conf | {kept[0]:.1f} | {kept[1]} |
| nginx, the same bytes as a file | {static[0]:.1f} | {static[1]} |

The file is served {static[0] / dynamic[0]:.0f} times as often as the page of gunicorn alone, and
{static[0] / kept[0]:.1f} times as often as behind nginx, which keeps a page for two seconds."""


def _ask(address: str) -> tuple[float, str]:
    """Requests in a second, and the time within which 99 of 100 were answered."""
    command = ["wrk", "-t1", "-c1", f"-d{_SECONDS}s", "--latency", address]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in told:
        raise RuntimeError(f"the server complained: {told}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", told)
    late = re.search(r"99%\s+(\S+)", told)
    if rate is None or late is None:
        raise RuntimeError(f"wrk told something else: {told}")
    return float(rate.group(1)), late.group(1)


@contextmanager
def _service(folder: Path, n_potentials: int, n_tasks: int) -> Iterator[tuple[str, dict[str, str]]]:
    """Address of the board, and the environment of the service."""
    from leaderboard.lib.local_postgres import start

    (folder / "data" / "static").mkdir(parents=True)
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "leaderboard.settings",
        "TOUCHSTONE_DEVELOPMENT": "1",
        "TOUCHSTONE_DATA_DIR": str(folder / "data"),
        "CELERY_BROKER_URL": "memory://",
        "TOUCHSTONE_ANY_RATE": "1000000/s",  # one address asks for all
        "TOUCHSTONE_PROCESSOR_RATE": "9999999/min",
        "DATABASE_URL": start(folder / "postgres", delete_at_exit=True),
    }
    manage = [sys.executable, "manage.py"]
    subprocess.run([*manage, "migrate", "-v0"], env=environment, check=True)
    sizes = [f"--potentials={n_potentials}", f"--tasks={n_tasks}"]
    subprocess.run([*manage, "make_gallery", *sizes], env=environment, check=True)
    port = _free_port()
    bind = ["-b", f"127.0.0.1:{port}", "-w1", "--log-level=warning"]
    command = [sys.executable, "-m", "gunicorn", "leaderboard.wsgi", *bind]
    with _running(command, port, environment):
        yield f"http://127.0.0.1:{port}/benchmarks/gallery/1/", environment


def servers_of_service(folder: Path, service: str) -> str:
    """``deploy/nginx.conf`` for a service on this machine, without TLS, a port, or bounds."""
    text = (Path(__file__).parents[2] / "deploy" / "nginx.conf").read_text(encoding="utf-8")
    text = text[: text.rindex("server {")]  # the last one redirects to TLS
    text = re.sub(r"^ *(ssl|limit)_.*$", "", text, flags=re.MULTILINE)
    text = text.replace("{", "{{").replace("}", "}}").replace("127.0.0.1:8430", service)
    text = text.replace("listen 443 ssl http2;", "listen 127.0.0.1:{port};")
    return text.replace("/var/cache/nginx", str(folder / "cache"))


@contextmanager
def nginx(folder: Path, servers: str) -> Iterator[str]:
    """Serve with these server blocks; the address ends with a slash."""
    port = _free_port()
    config = folder / "nginx.conf"
    servers = servers.format(folder=folder, port=port)
    (folder / "cache").mkdir(exist_ok=True)
    config.write_text(_NGINX.format(folder=folder, servers=servers), encoding="utf-8")
    with _running(["nginx", "-c", str(config)], port, dict(os.environ)):
        yield f"http://127.0.0.1:{port}/"


@contextmanager
def _running(command: list[str], port: int, environment: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(command, env=environment)
    try:
        _wait_for(port, process)
        yield
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(f"{process.args!r} does not listen on {port}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
