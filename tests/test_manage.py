"""manage.py tells what its user can mend in a line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = {
    "TOUCHSTONE_DEVELOPMENT": "1",
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "CELERY_BROKER_URL": "amqp://localhost//",
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "Set the environment variable TOUCHSTONE_SECRET_KEY"),
        (SETTINGS, "the database cannot be reached"),
    ],
    ids=["no settings", "no database"],
)
def test_what_is_missing_is_one_line(settings: dict[str, str], words: str) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "reap"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (30, "")
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
