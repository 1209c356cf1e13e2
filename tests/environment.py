"""The environment of all tests: a real PostgreSQL, started once and stopped at the end.

A pytest plugin, named in pyproject.toml, since it must act before Django reads its settings.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import warnings
from pathlib import Path


def pytest_collection_finish() -> None:
    """Leave what is there before the first test out of all searches for garbage."""
    gc.collect()
    gc.freeze()


def _start_postgres() -> None:
    """Start a private PostgreSQL unless DATABASE_URL names one; must precede Django's set-up."""
    if "DATABASE_URL" in os.environ:
        return
    from leaderboard.lib.local_postgres import start
    from tests.kept_schema import make_template

    folder = Path(tempfile.mkdtemp(prefix="touchstone-test-postgres-"))
    url = start(folder / "data", delete_at_exit=True)
    _write_lazily(url)
    make_template(url)
    os.environ["DATABASE_URL"] = url


def _write_lazily(url: str) -> None:
    """Let the server never wait for the disk: what the tests write need not survive a power cut."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {name} = off")
        connection.execute("SELECT pg_reload_conf()")


# Compiled code is kept, also where the environment forbids it: some hundreds of processes are
# started, and each of them would compile all of ours anew.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# The cores are shared by the processes of the session; threads of one library for matrices, which
# wait for each other by going round in circles, cost three times as much as they help.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    _start_postgres()

# The files that tests and subprocesses of tests write stay out of the checkout.
os.environ.setdefault("TOUCHSTONE_DATA_DIR", tempfile.mkdtemp(prefix="touchstone-test-data-"))
# Runtimes are built once for each machine, not for each session of tests.
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
os.environ.setdefault("TOUCHSTONE_RUNTIMES_DIR", str(_CACHE / "touchstone" / "runtimes"))
# Evaluations of a test wait for each other, not for those of others on this host, nor for those of
# other processes of the session: what is timed in tests may be disturbed.
os.environ["TOUCHSTONE_LOCK_DIR"] = tempfile.mkdtemp(prefix="touchstone-test-locks-")
Path(os.environ["TOUCHSTONE_LOCK_DIR"]).mkdir(parents=True, exist_ok=True)
# Where collectstatic would write; whitenoise warns when it is missing.
(Path(os.environ["TOUCHSTONE_DATA_DIR"]) / "static").mkdir(exist_ok=True)
