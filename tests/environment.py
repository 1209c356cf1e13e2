"""The environment of all tests: a real PostgreSQL, started once and stopped at the end.

A pytest plugin, named in pyproject.toml, since it must act before Django reads its settings.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
import warnings
from collections.abc import Generator
from pathlib import Path

import pytest

#: Marks and fixtures of what starts other programs or loads large files.
_SLOW_MARKS = ("browser", "gpu", "mirror", "sandbox", "trained")
_SLOW_FIXTURES = {"browser", "live_server", "sandbox"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what needs a browser, a server, a sandbox, trained potentials or real data."""
    for item in items:
        is_marked = any(item.get_closest_marker(mark) for mark in _SLOW_MARKS)
        if is_marked or _SLOW_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """What is marked ``alone`` runs while the other processes of the session run nothing."""
    folder = Path(os.environ["TOUCHSTONE_LOCK_DIR"])
    is_alone = item.get_closest_marker("alone") is not None
    with (folder / "tests-running").open("w") as running:
        with (folder / "tests-turn").open("w") as turn:  # nobody overtakes one that waits
            fcntl.flock(turn, fcntl.LOCK_EX)
            fcntl.flock(running, fcntl.LOCK_EX if is_alone else fcntl.LOCK_SH)
        try:
            return (yield)
        finally:
            fcntl.flock(running, fcntl.LOCK_UN)  # also where a test has left a child that holds it


def _start_postgres() -> None:
    """Start a private PostgreSQL unless DATABASE_URL names one; must precede Django's set-up."""
    if "DATABASE_URL" in os.environ:
        return
    from leaderboard.lib.local_postgres import start

    folder = Path(tempfile.mkdtemp(prefix="touchstone-test-postgres-"))
    url = start(folder / "data", delete_at_exit=True)
    _write_lazily(url)
    os.environ["DATABASE_URL"] = url


def _write_lazily(url: str) -> None:
    """Let the server never wait for the disk: what the tests write need not survive a power cut."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {name} = off")
        connection.execute("SELECT pg_reload_conf()")


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    _start_postgres()

# The files that tests and subprocesses of tests write stay out of the checkout.
os.environ.setdefault("TOUCHSTONE_DATA_DIR", tempfile.mkdtemp(prefix="touchstone-test-data-"))
# Evaluations of tests wait for each other, not for those of others on this host.
os.environ.setdefault("TOUCHSTONE_LOCK_DIR", tempfile.mkdtemp(prefix="touchstone-test-locks-"))
Path(os.environ["TOUCHSTONE_LOCK_DIR"]).mkdir(parents=True, exist_ok=True)
# Where collectstatic would write; whitenoise warns when it is missing.
(Path(os.environ["TOUCHSTONE_DATA_DIR"]) / "static").mkdir(exist_ok=True)
