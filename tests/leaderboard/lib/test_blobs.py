"""A storage without paths, as S3 is one: Django's own in memory."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage

from leaderboard import models
from leaderboard.exceptions import InfrastructureError
from leaderboard.lib import blobs
from leaderboard.models.upload import PART_BYTES
from leaderboard.services.submissions import artifacts, uploads
from tests.leaderboard import factories

CONTENT = b"weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def _remote(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    memory = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    settings.STORAGES = {**settings.STORAGES, "default": memory}


@pytest.mark.django_db
def test_an_artifact_is_handed_over_and_fetched_where_a_path_is_needed(tmp_path: Path) -> None:
    for _ in range(2):
        artifact = artifacts.store_artifact(io.BytesIO(CONTENT), expected_sha256=SHA256)
    assert default_storage.exists(artifact.storage_name)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()], "nothing is left here"

    path = artifacts.artifact_path(artifact)
    assert path.read_bytes() == CONTENT
    assert path.stat().st_mode & 0o777 == 0o444
    assert artifacts.artifact_path(artifact) == path

    assert artifacts.remove_unused(artifact)
    assert not default_storage.exists(artifact.storage_name)
    assert not path.exists()
    with pytest.raises(InfrastructureError, match="missing from the storage"):
        artifacts.artifact_path(artifact)


@pytest.mark.django_db(transaction=True)
def test_an_upload_in_parts_goes_through_a_remote_storage() -> None:
    content = b"x" * PART_BYTES + b"tail"
    sha256 = hashlib.sha256(content).hexdigest()
    upload = uploads.announce_upload(
        factories.user(), filename="a.pt", size_bytes=len(content), sha256=sha256
    )
    for number, part in ((2, b"tail"), (1, b"x" * PART_BYTES)):
        uploads.store_part(upload, number, [part], expected_sha256=hashlib.sha256(part).hexdigest())
    done = uploads.complete_upload(upload)
    assert done.artifact is not None
    assert artifacts.artifact_path(done.artifact).read_bytes() == content
    assert not models.UploadPart.objects.exists()
    assert default_storage.listdir(f"uploads/{upload.pk}")[1] == []


def test_a_hidden_reference_is_cached_for_its_owner_and_group_alone() -> None:
    blob = blobs.write([CONTENT])
    blob.keep("references/ab/abc")
    assert blobs.existing_path_of("references/ab/abc").stat().st_mode & 0o777 == 0o440
