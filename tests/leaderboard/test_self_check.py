"""What a process says of its settings, database, broker and data folder, with real ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.end_to_end.site import broker_url, database_url

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

KEY = "1f7c0b92e4d85a36c7e90f12ab34d56e8790c1b2"


@pytest.fixture
def settings_of(tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "TOUCHSTONE_SECRET_KEY": KEY,
        "TOUCHSTONE_HOSTS": "touchstone.example.org",
        "TOUCHSTONE_DATA_DIR": str(tmp_path),
        "DATABASE_URL": database_url(),
        "CELERY_BROKER_URL": broker_url(),
    }


def checked(
    settings: dict[str, str], before: tuple[str, ...] = (), **changes: str
) -> dict[str, dict[str, Any]]:
    """Run it as a process of its own; what it says, by part."""
    done = subprocess.run(
        [*before, sys.executable, "-W", "ignore", "-m", "leaderboard.self_check"],
        env=settings | changes,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert KEY not in done.stdout
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    parts = [line["part"] for line in lines if "part" in line]
    assert [line["trying"] for line in lines if "trying" in line] == [p["name"] for p in parts]
    return {part["name"]: part for part in parts}


def test_what_works_is_well_and_nothing_is_left_behind(
    settings_of: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "static").mkdir()
    (tmp_path / "static/staticfiles.json").write_text("{}")

    parts = checked(settings_of)

    assert [name for name, part in parts.items() if not part["is_well"]] == []
    assert parts["database"]["found"].startswith("PostgreSQL ")
    assert [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()] == []


def test_each_part_that_does_not_answer_has_its_line(
    settings_of: dict[str, str], tmp_path: Path
) -> None:
    parts = checked(
        settings_of,
        DATABASE_URL="postgresql://touchstone:hush@127.0.0.1:1/touchstone",
        CELERY_BROKER_URL="amqp://touchstone:hush@127.0.0.1:1//",
        TOUCHSTONE_DATA_DIR=str(tmp_path / "nowhere"),
    )

    assert parts["settings"]["is_well"]
    assert "127.0.0.1:1/touchstone cannot be reached" in parts["database"]["found"]
    assert "Connection refused; Is the server running" in parts["database"]["found"]
    assert "amqp://touchstone:**@127.0.0.1:1// does not work" in parts["broker"]["found"]
    assert "does not exist" in parts["data folder"]["found"]
    assert "collectstatic" in parts["static files"]["hint"]
    assert "hush" not in json.dumps(parts)
    assert not (tmp_path / "nowhere").exists()


def test_an_empty_database_and_an_unknown_kind_of_broker_are_faults(
    settings_of: dict[str, str],
) -> None:
    url = urlsplit(settings_of["DATABASE_URL"])._replace(path="/postgres").geturl()

    parts = checked(settings_of, DATABASE_URL=url, CELERY_BROKER_URL="rabbit://localhost//")

    assert "migrations are missing" in parts["database"]["found"]
    assert parts["database"]["hint"] == "run: manage.py migrate"
    assert "No such transport: rabbit" in parts["broker"]["found"]


@pytest.mark.sandbox
def test_what_can_be_read_and_not_written_is_a_fault(
    settings_of: dict[str, str], tmp_path: Path
) -> None:
    url = urlsplit(settings_of["DATABASE_URL"])
    read_only = "options=-c%20default_transaction_read_only%3Don"
    query = f"{url.query}&{read_only}" if url.query else read_only
    inside = ("bwrap", "--dev-bind", "/", "/", "--ro-bind", str(tmp_path), str(tmp_path))

    parts = checked(settings_of, inside, DATABASE_URL=url._replace(query=query).geturl())

    assert parts["database"]["found"] == "the database takes no writes"
    assert "Read-only file system" in parts["data folder"]["found"]
    assert "ReadWritePaths" in parts["data folder"]["hint"]
    assert not parts["data folder"]["is_well"]


def test_settings_that_are_refused_are_one_line(settings_of: dict[str, str]) -> None:
    parts = checked(settings_of, TOUCHSTONE_DEVICE="gpu0")
    assert set(parts) == {"settings"}
    assert "must be cpu, cuda or cuda:N" in parts["settings"]["hint"]
