"""Copies of a remote storage: bounded, and none removed that somebody uses."""

from __future__ import annotations

import multiprocessing
import os
import time
from pathlib import Path
from typing import Any

import pytest

from leaderboard.lib import blob_cache, blobs

LONG_AGO_S = 10 * blob_cache.JUST_USED_S


@pytest.fixture
def cache(settings: Any, tmp_path: Path) -> Path:
    """Of a storage that is no file system, with room for two blobs."""
    remote = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    settings.STORAGES = {**settings.STORAGES, "default": remote}
    settings.DATA_DIR = tmp_path
    settings.BLOB_CACHE_BYTES = 200
    return tmp_path / "blob-cache"


def stored(letter: str) -> str:
    name = f"artifacts/{letter}/{letter}"
    blobs.write([letter.encode() * 100]).keep(name)
    return name


def fetched_before(name: str, *, by_s: float) -> Path:
    path = blobs.existing_path_of(name)
    used_at = time.time() - LONG_AGO_S - by_s
    os.utime(path, (used_at, used_at))
    return path


def test_what_was_used_least_recently_goes_first_and_is_fetched_anew(cache: Path) -> None:
    a, b = (fetched_before(stored(letter), by_s=by_s) for letter, by_s in (("a", 1), ("b", 2)))
    c = blobs.existing_path_of(stored("c"))
    assert [path.exists() for path in (a, b, c)] == [True, False, True]
    assert blobs.existing_path_of("artifacts/b/b").read_bytes() == b"b" * 100


def test_a_copy_that_is_asked_for_is_used_by_that(cache: Path) -> None:
    a, b = (fetched_before(stored(letter), by_s=by_s) for letter, by_s in (("a", 2), ("b", 1)))
    blobs.existing_path_of("artifacts/a/a")
    blobs.existing_path_of(stored("c"))
    assert (a.exists(), b.exists()) == (True, False)


def test_what_is_held_stays_whoever_needs_room(cache: Path) -> None:
    path = fetched_before(stored("a"), by_s=9)
    with blobs.held("artifacts/a/a") as held:
        assert held == path
        os.utime(path, (0, 0))
        assert blob_cache.bound(cache, 0) == 0
        # From another process, too.
        with multiprocessing.get_context("fork").Pool(1) as pool:
            assert pool.apply(blob_cache.bound, (cache, 0)) == 0
    assert blob_cache.bound(cache, 0) == 1
    assert not path.exists()


def test_what_was_just_used_stays_although_the_room_is_used_up(cache: Path) -> None:
    paths = [blobs.existing_path_of(stored(letter)) for letter in "abcd"]
    assert all(path.exists() for path in paths)


def test_a_copy_that_went_before_it_was_held_is_noticed(cache: Path) -> None:
    path = blobs.existing_path_of(stored("a"))
    with blob_cache.lock(path) as is_there:
        assert is_there
    path.unlink()
    with blob_cache.lock(path) as is_there:
        assert not is_there
    with blobs.held("artifacts/a/a") as held:
        assert held.read_bytes() == b"a" * 100


def test_what_is_being_fetched_is_no_copy_yet(cache: Path) -> None:
    blob = blobs.write([b"arriving"])
    os.utime(blob.temporary, (0, 0))
    assert blob_cache.bound(cache, 0) == 0
    assert blob.temporary.exists()


def test_a_local_storage_is_no_cache(settings: Any, tmp_path: Path) -> None:
    local = {**settings.STORAGES["default"], "OPTIONS": {"location": tmp_path / "blobs"}}
    settings.STORAGES = {**settings.STORAGES, "default": local}
    settings.BLOB_CACHE_BYTES = 0
    name = stored("a")
    os.utime(blobs.path_of(name), (0, 0))
    stored("b")
    with blobs.held(name) as path:
        assert path.stat().st_mtime == 0
