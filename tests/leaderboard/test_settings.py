"""The service refuses to start when its settings are unsafe, and says which one."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SAFE = {
    "TOUCHSTONE_SECRET_KEY": "1f7c0b92e4d85a36c7e90f12ab34d56e8790c1b2",
    "TOUCHSTONE_HOSTS": "touchstone.example.org",
    "DATABASE_URL": "postgresql://touchstone@localhost/touchstone",
    "CELERY_BROKER_URL": "amqp://localhost//",
}
SHOW = (
    "from leaderboard import settings as s;"
    "print(s.DEBUG, s.SESSION_COOKIE_SECURE, s.REQUIRE_CGROUP, s.ALLOWED_HOSTS)"
)


def start(**changes: str | None) -> subprocess.CompletedProcess[str]:
    """Read the settings in a process of its own, with the safe ones changed (None: left out)."""
    variables = {name: value for name, value in {**SAFE, **changes}.items() if value is not None}
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SHOW],
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_production_is_the_default_and_is_strict() -> None:
    done = start()
    assert done.stdout == "False True True ['touchstone.example.org']\n", done.stderr


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"TOUCHSTONE_SECRET_KEY": None}, "TOUCHSTONE_SECRET_KEY"),
        ({"TOUCHSTONE_SECRET_KEY": "x"}, "can be guessed: it has 1 characters"),
        ({"TOUCHSTONE_HOSTS": None}, "TOUCHSTONE_HOSTS"),
        ({"TOUCHSTONE_HOSTS": "*"}, "stands for every name"),
        (
            {"TOUCHSTONE_DEVELOPMENT": "1", "TOUCHSTONE_DEBUG": "1"},
            "TOUCHSTONE_DEVELOPMENT is for one machine alone",
        ),
        ({"DATABASE_URL": None}, "DATABASE_URL"),
        ({"DATABASE_URL": "sqlite:///x.db"}, "must name a PostgreSQL database"),
        ({"DATABASE_URL": "postgresql://u:a/b@h:x/y"}, "DATABASE_URL must read like"),
        ({"DATABASE_URL": "localhost/x"}, "DATABASE_URL must read like"),
        ({"CELERY_BROKER_URL": None}, "CELERY_BROKER_URL"),
        ({"TOUCHSTONE_DEVICE": "gpu0"}, "must be cpu, cuda or cuda:N"),
        ({"TOUCHSTONE_DEBUG": "1"}, "never in production"),
        ({"TOUCHSTONE_DEBUG": "perhaps"}, "must be 1 or 0"),
        ({"TOUCHSTONE_LEASE_S": "20"}, "at least three heartbeats"),
        ({"TOUCHSTONE_LEASE_S": "long"}, "must be a whole number"),
    ],
)
def test_unsafe_settings_are_refused_by_name(
    changes: dict[str, str | None], complaint: str
) -> None:
    done = start(**changes)
    assert done.returncode == 1
    assert "ImproperlyConfigured" in done.stderr
    assert complaint in done.stderr
