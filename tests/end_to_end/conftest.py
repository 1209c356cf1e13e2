"""The cast and the command line against a server that really listens."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache

from leaderboard import models
from tests.leaderboard import factories
from tests.leaderboard.stored_files import keep_files_in

Completed = subprocess.CompletedProcess[str]
Touchstone = Callable[..., Completed]


def token_of(name: str) -> str:
    _, text = models.ApiToken.create(factories.user(name), "for a test")
    return text


@pytest.fixture
def own_blobs(settings: Any, tmp_path: Path) -> None:
    """No test finds another's files, or counts another's requests."""
    cache.clear()
    keep_files_in(settings, tmp_path)


def environment(url: str, folder: Path, token: str = "") -> dict[str, str]:
    """Of a user with a configuration of his own, who is signed in where there is a token."""
    ours = ("TOUCHSTONE_", "DATABASE_URL", "CELERY_BROKER_URL", "DJANGO_SETTINGS_MODULE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    given = {"TOUCHSTONE_URL": url, "TOUCHSTONE_TOKEN": token}
    return {
        **kept,
        "TOUCHSTONE_CONFIG": str(folder / "config" / "config.toml"),
        "TOUCHSTONE_CACHE": str(folder / "cache"),
        **{name: value for name, value in given.items() if value},
    }


@pytest.fixture
def touchstone(tmp_path: Path, live_server: Any, own_blobs: None) -> Touchstone:
    """Run the command line as a process of its own: ``touchstone("status", token=...)``."""

    def run(*arguments: str, token: str = "", url: str | None = None, stdin: str = "") -> Completed:
        address = live_server.url if url is None else url
        return subprocess.run(
            [sys.executable, "-m", "evaluator.cli", *arguments],
            cwd=settings.BASE_DIR,
            env=environment(address, tmp_path, token),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run
