"""Blobs on a file system: whose they are, and who may read them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from leaderboard.lib import blobs
from leaderboard.services import housekeeping


@pytest.fixture
def root(settings: Any, tmp_path: Path) -> Path:
    local = {**settings.STORAGES["default"], "OPTIONS": {"location": tmp_path / "blobs"}}
    settings.STORAGES = {**settings.STORAGES, "default": local}
    return tmp_path / "blobs"


def store(name: str) -> Path:
    blobs.write([b"private weights"]).keep(name)
    return blobs.path_of(name)


def test_every_folder_of_blobs_is_closed_to_other_users(root: Path) -> None:
    store("artifacts/ab/abcd")
    folders = [path for path in (root, *root.rglob("*")) if path.is_dir()]
    assert {folder.stat().st_mode & 0o777 for folder in folders} == {0o700}
    assert len(folders) == 4


def test_a_folder_of_an_older_release_is_closed_once(root: Path) -> None:
    store("artifacts/ab/abcd")
    root.chmod(0o755)
    assert blobs.close_to_others() is True
    assert root.stat().st_mode & 0o777 == 0o700
    assert blobs.close_to_others() is False


@pytest.mark.django_db
def test_the_hourly_sweep_closes_it_too(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    store("artifacts/ab/abcd")
    root.chmod(0o755)
    housekeeping.sweep()
    assert root.stat().st_mode & 0o777 == 0o700
    assert "could be read by every user" in caplog.text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_writes_belongs_to_whom_the_folder_belongs_to(root: Path) -> None:
    root.mkdir()
    os.chown(root, 4321, 4321)
    path = store("outputs/cd/cdef")
    owners = {(p.stat().st_uid, p.stat().st_gid) for p in (path, path.parent, path.parent.parent)}
    assert owners == {(4321, 4321)}
