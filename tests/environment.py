"""The environment of all tests: a real PostgreSQL, started once and stopped at the end.

A pytest plugin, named in pyproject.toml, since it must act before Django reads its settings.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from pathlib import Path

import pytest

#: Whose files take minutes. They begin first, so that no process is left alone with one at the end.
_LONG = ("end_to_end", "browser")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.parent.name not in _LONG)


def _start_postgres() -> None:
    """Start a private PostgreSQL unless DATABASE_URL names one; must precede Django's set-up."""
    if "DATABASE_URL" in os.environ:
        return
    from leaderboard.local_postgres import start

    folder = Path(tempfile.mkdtemp(prefix="touchstone-test-postgres-"))
    os.environ["DATABASE_URL"] = start(folder / "data", delete_at_exit=True)


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    _start_postgres()

# The files that tests and subprocesses of tests write stay out of the checkout.
os.environ.setdefault("TOUCHSTONE_DATA_DIR", tempfile.mkdtemp(prefix="touchstone-test-data-"))
# Evaluations of tests wait for each other, not for those of others on this host.
os.environ.setdefault("TOUCHSTONE_LOCK_DIR", tempfile.mkdtemp(prefix="touchstone-test-locks-"))
# Where collectstatic would write; whitenoise warns when it is missing.
(Path(os.environ["TOUCHSTONE_DATA_DIR"]) / "static").mkdir(exist_ok=True)
