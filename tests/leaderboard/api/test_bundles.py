"""Bundles over the API: for administrators with a token of scope admin, all or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from evaluator.standard_tasks.read import shipped_references
from leaderboard import models
from tests.leaderboard import factories
from tests.leaderboard.services.definitions.test_bundles import bundle, copper, own_blobs

__all__ = ["own_blobs"]

pytestmark = pytest.mark.django_db
BUNDLE = "/api/v1/bundle/"


def client_with(*scopes: str) -> APIClient:
    user = User.objects.filter(username="root").first() or User.objects.create_superuser("root")
    _, text = models.ApiToken.create(user, "for a test", scopes=scopes)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    return client


def send(client: APIClient, content: dict[str, Any], *files: Path) -> Any:
    sent = [SimpleUploadedFile(path.name, path.read_bytes()) for path in files]
    body = {"bundle": yaml.safe_dump(content), "file": sent}
    return client.post(BUNDLE, body, format="multipart")


@pytest.mark.slow
def test_a_bundle_is_imported_exported_and_its_files_are_had(
    own_blobs: None, tmp_path: Path
) -> None:
    path = tmp_path / "copper.extxyz"
    content, client = bundle(copper(path)), client_with("read", "submit", "admin")

    first, second = send(client, content, path), send(client, content)

    assert first.status_code == second.status_code == 200, first.content
    assert "published: copper-forces v1" in first.json()["lines"]
    assert second.json()["n_changed"] == 0
    assert models.AuditEntry.objects.filter(actor="root", action="published").count() == 2
    exported = client.get(BUNDLE, {"benchmarks": "metals"}).json()
    (file,) = exported["files"]
    assert file["name"] == "copper-1.extxyz"
    answer = client.get(f"{BUNDLE}files/{file['sha256']}/")
    assert len(b"".join(answer.streaming_content)) == file["size_bytes"]
    assert "slug: metals" in exported["bundle"]


@pytest.mark.slow
def test_a_bad_bundle_is_a_problem_with_its_places(own_blobs: None, tmp_path: Path) -> None:
    client = client_with("read", "admin")
    path = tmp_path / "copper.extxyz"
    content = bundle(copper(path), protocol="magic")
    answer = send(client, content, path)
    assert answer.status_code == 400
    assert [e["pointer"] for e in answer.json()["errors"]] == ["#/tasks[0]/versions[0]/protocol"]
    content["reference_sets"][0] |= {"file": "", "download": "https://example.org/a.extxyz"}
    answer = send(client, content)
    assert answer.status_code == 400
    assert "import_bundle alone" in answer.json()["detail"]
    for body, status in (({"bundle": "- 1"}, 400), ({}, 400), ({"bundle": "", "x": "y"}, 400)):
        assert client.post(BUNDLE, body, format="multipart").status_code == status
    assert client.get(BUNDLE, {"tasks": "nothing"}).status_code == 400
    assert client.get(f"{BUNDLE}files/{'0' * 64}/").status_code == 404
    assert not models.ReferenceSet.objects.exists()


def test_a_token_without_the_scope_admin_and_staff_without_rights_are_refused() -> None:
    weak = client_with("read", "submit")
    assert weak.get(BUNDLE).status_code == 403
    assert weak.post(BUNDLE, {"bundle": "touchstone: 1"}, format="multipart").status_code == 403
    _, text = models.ApiToken.create(factories.charlie(), "all", scopes=["read", "submit", "admin"])
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    assert client.get(BUNDLE).status_code == 403


@pytest.mark.slow
def test_anybody_fetches_a_public_task_as_a_bundle_and_its_set_by_sha256(
    own_blobs: None, tmp_path: Path
) -> None:
    path = tmp_path / "copper.extxyz"
    assert send(client_with("read", "admin"), bundle(copper(path)), path).status_code == 200
    stranger = APIClient()

    answer = stranger.get("/api/v1/tasks/copper-forces/bundle/")

    assert answer.status_code == 200
    content = yaml.safe_load(answer.json()["bundle"])
    (task,), (reference,) = content["tasks"], content["reference_sets"]
    assert [(task["slug"], v["number"]) for v in task["versions"]] == [("copper-forces", 1)]
    (file,) = answer.json()["files"]
    assert file["sha256"] == reference["sha256"]
    address = f"/api/v1/reference-sets/files/{file['sha256']}/"
    had = stranger.get(address)
    assert len(b"".join(had.streaming_content)) == file["size_bytes"]
    assert stranger.get(address, headers={"If-None-Match": had["ETag"]}).status_code == 304

    models.ReferenceSet.objects.update(is_public=False)
    root = client_with("read", "submit", "admin")
    for reader in (stranger, root):
        refused = reader.get("/api/v1/tasks/copper-forces/bundle/")
        assert refused.status_code == 403
        assert "hidden: this service alone can run it" in refused.json()["detail"]
        assert file["sha256"] not in refused.content.decode()
        assert reader.get(address).status_code == 404
    kept: Any = root.get(f"{BUNDLE}files/{file['sha256']}/")
    assert len(b"".join(kept.streaming_content)) == file["size_bytes"]


def test_a_set_that_ships_is_fetched_from_its_authors_and_not_passed_on() -> None:
    (sha256, *_) = sorted(shipped_references())
    reference = factories.reference_set(slug="registered", sha256=sha256)
    factories.task_version(reference_set=reference)
    answer = APIClient().get(f"/api/v1/reference-sets/files/{sha256}/")
    assert answer.status_code == 403
    assert "touchstone data fetch registered" in answer.json()["detail"]
