from __future__ import annotations

import hashlib
from typing import Any

import pytest
from rest_framework.test import APIClient

from evaluator.contract import FileRecord
from leaderboard import models
from leaderboard.services.evaluations import output_files
from tests.leaderboard.api.world import World, make_world

pytestmark = pytest.mark.django_db
URL = "/api/v1/evaluations/"
HOST = "http://testserver"
CONTENT = b"\x1f\x8ba trajectory"
SYSTEM = "Si/diamond ü"


@pytest.fixture
def world(db: None) -> World:
    return make_world()


def add_file(row: models.Evaluation, content: bytes = CONTENT, **more: Any) -> FileRecord:
    described: dict[str, Any] = {
        "system_id": SYSTEM,
        "name": "trajectory.extxyz.gz",
        "sha256": hashlib.sha256(content).hexdigest(),
        "size_bytes": len(content),
        "media_type": "application/gzip",
    }
    record = FileRecord(**{**described, **more})
    if not record.left_out:
        output_files.write(record, content)
    output_files.bind(row, [record])
    return record


def status_of(client: APIClient, address: str) -> int:
    response = client.get(address)
    if response.streaming:
        b"".join(response.streaming_content)  # type: ignore[attr-defined]  # closes the file
    return response.status_code


def test_output_files_are_listed_with_their_addresses(world: World, stranger: APIClient) -> None:
    row = world.public.ended
    record = add_file(row)

    page = stranger.get(f"{URL}{row.pk}/files/").json()

    assert page["results"] == [
        {
            "system_id": SYSTEM,
            "name": "trajectory.extxyz.gz",
            "media_type": "application/gzip",
            "size_bytes": len(CONTENT),
            "sha256": record.sha256,
            "left_out": "",
            "url": f"{HOST}{URL}{row.pk}/files/Si/diamond%20%C3%BC/trajectory.extxyz.gz",
        }
    ]


def test_a_file_is_downloaded_as_it_was_stored(world: World, stranger: APIClient) -> None:
    row = world.public.ended
    record = add_file(row)
    address = stranger.get(f"{URL}{row.pk}/files/").json()["results"][0]["url"]

    response = stranger.get(address, headers={"Accept": "application/gzip"})

    assert b"".join(response.streaming_content) == CONTENT  # type: ignore[attr-defined]
    assert response.headers["Content-Type"] == "application/gzip"
    assert response.headers["Content-Length"] == str(len(CONTENT))
    assert response.headers["Content-Disposition"] == 'attachment; filename="trajectory.extxyz.gz"'
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["ETag"] == f'"{record.sha256}"'
    assert "Content-Encoding" not in response.headers
    again = stranger.get(address, headers={"If-None-Match": f'"{record.sha256}"'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == f'"{record.sha256}"'


def test_a_file_that_was_left_out_says_why(world: World, stranger: APIClient) -> None:
    row = world.public.ended
    add_file(row, system_id="Si", name="large.json", left_out="Larger than allowed.")

    assert stranger.get(f"{URL}{row.pk}/files/").json()["results"][0]["url"] is None
    response = stranger.get(f"{URL}{row.pk}/files/Si/large.json")

    assert response.status_code == 404
    assert "was not kept. Larger than allowed." in response.json()["detail"]


def test_files_of_a_private_submission_are_its_owners(
    world: World, alice: APIClient, bob: APIClient, charlie: APIClient, stranger: APIClient
) -> None:
    row = world.private.ended
    add_file(row, system_id="Si")
    for address in (f"{URL}{row.pk}/files/", f"{URL}{row.pk}/files/Si/trajectory.extxyz.gz"):
        statuses = [status_of(client, address) for client in (alice, charlie, bob, stranger)]
        assert statuses == [200, 200, 404, 404]


def test_files_made_of_a_hidden_set_are_for_the_staff(
    alice: APIClient, bob: APIClient, charlie: APIClient
) -> None:
    row = make_world(hidden_reference=True).public.ended
    add_file(row, system_id="Si")
    for address in (f"{URL}{row.pk}/files/", f"{URL}{row.pk}/files/Si/trajectory.extxyz.gz"):
        statuses = [status_of(client, address) for client in (charlie, alice, bob)]
        assert statuses == [200, 403, 403]
    assert "hidden" in alice.get(f"{URL}{row.pk}/files/").json()["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "Si/none.json",
        "Cu/trajectory.extxyz.gz",
        "Si/..%2f..%2fetc%2fpasswd",
        "Si/.hidden",
        "Si%00/trajectory.extxyz.gz",
        "trajectory.extxyz.gz",
        "Si/trajectory.extxyz.gz/",
    ],
)
def test_what_is_no_file_is_not_found(world: World, stranger: APIClient, path: str) -> None:
    row = world.public.ended
    add_file(row, system_id="Si")
    response = stranger.get(f"{URL}{row.pk}/files/{path}")
    assert response.status_code == 404
    assert response.headers["Content-Type"] == "application/problem+json"


def test_an_unknown_filter_of_files_is_refused(world: World, stranger: APIClient) -> None:
    assert stranger.get(f"{URL}{world.public.ended.pk}/files/?sort=name").status_code == 400
