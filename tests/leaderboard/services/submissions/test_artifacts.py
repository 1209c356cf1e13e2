from __future__ import annotations

import hashlib
import io
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from leaderboard.exceptions import InfrastructureError, SubmissionError
from leaderboard.lib import blobs
from leaderboard.models import Artifact
from leaderboard.services.submissions.artifacts import artifact_path, clean_filename, store_artifact
from tests.leaderboard import factories

CONTENT = b"weights of a potential"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def storage(tmp_path: Path, settings: Any) -> Path:
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": tmp_path},
        },
    }
    return tmp_path


def files_below(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


@pytest.mark.django_db
def test_bytes_are_stored_under_their_hash_and_nothing_else_is_left(storage: Path) -> None:
    artifact = store_artifact(io.BytesIO(CONTENT), expected_sha256=SHA256.upper())

    assert (artifact.sha256, artifact.size_bytes) == (SHA256, len(CONTENT))
    assert artifact_path(artifact).read_bytes() == CONTENT
    assert files_below(storage) == {f"artifacts/{SHA256[:2]}/{SHA256}"}
    assert artifact_path(artifact).stat().st_mode & 0o777 == 0o444


@pytest.mark.django_db
def test_the_same_bytes_are_stored_once(storage: Path) -> None:
    first = store_artifact(io.BytesIO(CONTENT), expected_sha256=SHA256)
    second = store_artifact(io.BytesIO(CONTENT), expected_sha256=SHA256)

    assert first == second
    assert Artifact.objects.count() == 1
    assert len(files_below(storage)) == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("content", "sha256", "field", "sentence"),
    [
        (b"", hashlib.sha256(b"").hexdigest(), "artifact", "The file is empty"),
        (CONTENT, "0" * 64, "sha256", f"has the SHA-256 {SHA256}, not 000"),
        (CONTENT, "abc", "sha256", "64 hexadecimal digits"),
        (CONTENT, "", "sha256", "64 hexadecimal digits"),
        (CONTENT, "g" * 64, "sha256", "64 hexadecimal digits"),
        (b"x" * 2_000_000, SHA256, "artifact", "too large: at most 1 MiB"),
    ],
)
def test_what_is_refused_leaves_nothing_behind(
    storage: Path,
    settings: Any,
    content: bytes,
    sha256: str,
    field: str,
    sentence: str,
) -> None:
    settings.MAX_ARTIFACT_BYTES = 2**20

    with pytest.raises(SubmissionError, match=sentence) as refused:
        store_artifact(io.BytesIO(content), expected_sha256=sha256)

    assert set(refused.value.errors) == {field}
    assert Artifact.objects.count() == 0
    assert files_below(storage) == set()


@pytest.mark.django_db
def test_an_upload_that_breaks_off_leaves_nothing_behind(storage: Path) -> None:
    class BreaksOff(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError("connection reset")

    with pytest.raises(OSError, match="connection reset"):
        store_artifact(BreaksOff(), expected_sha256=SHA256)

    assert files_below(storage) == set()


@pytest.mark.django_db(transaction=True)
def test_simultaneous_uploads_of_the_same_bytes_end_in_one_artifact(storage: Path) -> None:
    content = b"x" * 3_000_000
    sha256 = hashlib.sha256(content).hexdigest()
    together, found = threading.Barrier(6), []

    def upload() -> None:
        together.wait()
        try:
            found.append(store_artifact(io.BytesIO(content), expected_sha256=sha256).pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=upload) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 6
    assert len(set(found)) == 1
    assert files_below(storage) == {f"artifacts/{sha256[:2]}/{sha256}"}
    assert artifact_path(Artifact.objects.get()).read_bytes() == content


@pytest.mark.django_db
def test_lost_bytes_are_our_fault() -> None:
    with pytest.raises(InfrastructureError, match="is missing from the storage"):
        artifact_path(factories.artifact())


def test_only_old_temporary_files_are_removed(storage: Path) -> None:
    folder = storage / "temporary"
    folder.mkdir()
    young, old = folder / "young", folder / "old"
    young.touch()
    old.touch()
    os.utime(old, (time.time() - 90_000,) * 2)

    assert blobs.remove_abandoned() == 1
    assert files_below(storage) == {"temporary/young"}


@pytest.mark.parametrize(
    ("given", "cleaned"),
    [
        ("model.pth.tar", "model.pth.tar"),
        ("../../etc/passwd", "passwd"),
        ("C:\\models\\my model.pt", "my_model.pt"),
        ("..", "artifact"),
        ("", "artifact"),
        (".hidden.json", "hidden.json"),
        ("-rf.json", "rf.json"),
        ("a\x00b\n.json", "ab.json"),
        ("cod\u202etxt.exe", "codtxt.exe"),
        ("ünï.pt", "_n_.pt"),
        ("a;rm -rf $(x).zip", "a_rm_-rf_x_.zip"),
    ],
)
def test_filenames_are_cleaned(given: str, cleaned: str) -> None:
    assert clean_filename(given) == cleaned


def test_a_long_filename_keeps_its_suffix() -> None:
    cleaned = clean_filename("x" * 5000 + ".pth.tar")
    assert len(cleaned) == 200
    assert cleaned.endswith("x.pth.tar")
