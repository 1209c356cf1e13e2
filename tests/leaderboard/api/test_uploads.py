from __future__ import annotations

import base64
import hashlib
import math
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from leaderboard import models
from leaderboard.models.upload import PART_BYTES
from leaderboard.services.housekeeping import reap
from leaderboard.services.submissions import uploads
from leaderboard.services.submissions.artifacts import artifact_path
from tests.leaderboard import factories
from tests.leaderboard.api.conftest import EMT

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/api/v1/uploads/"
#: Two whole parts and a bit.
LARGE = b"".join(bytes([i]) * 2**20 for i in range(16)) + b"tail"


def announce(client: APIClient, content: bytes = LARGE, **changed: Any) -> Any:
    body = {
        "filename": "my.model",
        "size_bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        **changed,
    }
    return client.post(URL, body)


def part_of(content: bytes, number: int) -> bytes:
    return content[(number - 1) * PART_BYTES : number * PART_BYTES]


def put(client: APIClient, url: str, number: int, part: bytes, **headers: str) -> Any:
    digest = headers or {"x-part-sha256": hashlib.sha256(part).hexdigest()}
    return client.put(
        f"{url}parts/{number}/", part, content_type="application/octet-stream", headers=digest
    )


def upload_whole(client: APIClient, content: bytes, **changed: Any) -> dict[str, Any]:
    url = announce(client, content, **changed).json()["url"]
    for number in range(1, math.ceil(len(content) / PART_BYTES) + 1):
        assert put(client, url, number, part_of(content, number)).status_code == 200
    response = client.post(url + "complete/")
    assert response.status_code == 200, response.content
    answer: dict[str, Any] = response.json()
    return answer


def files_below(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file())


@pytest.mark.slow
def test_parts_in_any_order_make_the_file(alice: APIClient, tmp_path: Path) -> None:
    response = announce(alice)
    assert response.status_code == 201
    row = models.Upload.objects.get()
    url = response.headers["Location"]
    assert url == f"http://testserver{URL}{row.pk}/"
    assert response.json() == {
        "id": str(row.pk),
        "url": url,
        "filename": "my.model",
        "size_bytes": len(LARGE),
        "sha256": hashlib.sha256(LARGE).hexdigest(),
        "part_size_bytes": 8388608,
        "n_parts": 3,
        "parts_url": url + "parts/{n}/",
        "is_complete": False,
        "created_at": row.created_at.isoformat().replace("+00:00", "Z"),
        "completed_at": None,
        "expires_at": row.expires_at.isoformat().replace("+00:00", "Z"),
        "parts": [],
    }

    for number in (3, 1):
        assert put(alice, url, number, part_of(LARGE, number)).status_code == 200
    assert [p["number"] for p in alice.get(url).json()["parts"]] == [1, 3]
    assert alice.post(url + "complete/").json()["detail"] == "1 of 3 are missing: 2."

    digest = base64.b64encode(hashlib.sha256(part_of(LARGE, 2)).digest()).decode()
    field = {"content-digest": f"md5=:x:, sha-256=:{digest}:"}
    assert put(alice, url, 2, part_of(LARGE, 2), **field).json() == {
        "number": 2,
        "size_bytes": 8388608,
        "sha256": hashlib.sha256(part_of(LARGE, 2)).hexdigest(),
    }
    first, again = alice.post(url + "complete/"), alice.post(url + "complete/")
    assert first.status_code == 200
    assert first.json() == again.json()
    assert first.json()["is_complete"]
    artifact = models.Artifact.objects.get()
    assert artifact_path(artifact).read_bytes() == LARGE
    assert files_below(tmp_path) == [artifact_path(artifact)], "the parts are gone"


@pytest.mark.slow
def test_the_same_part_twice_changes_nothing_and_other_bytes_replace_it(alice: APIClient) -> None:
    url = announce(alice).json()["url"]
    wrong = b"x" * PART_BYTES
    for content in (wrong, wrong, part_of(LARGE, 1)):
        assert put(alice, url, 1, content).status_code == 200
    for number in (2, 3):
        put(alice, url, number, part_of(LARGE, number))
    assert alice.post(url + "complete/").json()["is_complete"]


@pytest.mark.slow
def test_a_whole_that_does_not_match_keeps_its_parts_so_that_one_can_be_sent_again(
    alice: APIClient, tmp_path: Path
) -> None:
    url = announce(alice).json()["url"]
    put(alice, url, 1, b"x" * PART_BYTES)
    for number in (2, 3):
        put(alice, url, number, part_of(LARGE, number))
    refused = alice.post(url + "complete/")
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["pointer"] == "#/sha256"
    assert not models.Artifact.objects.exists()
    assert len(files_below(tmp_path)) == 3
    put(alice, url, 1, part_of(LARGE, 1))
    assert alice.post(url + "complete/").status_code == 200


BAD_PARTS: list[tuple[int, bytes, dict[str, str], int, str]] = [
    (1, b"short", {}, 400, "must have 8388608 bytes; 5 came"),
    (1, b"", {}, 411, "Content-Length"),
    (1, b"x" * (PART_BYTES + 1), {}, 413, "at most 8388608 bytes"),
    (3, b"tail!", {}, 400, "must have 4 bytes; more than 4 came"),
    (0, b"tail", {}, 400, "parts 1 to 3"),
    (4, b"tail", {}, 400, "parts 1 to 3"),
    (3, b"tail", {"x-part-sha256": "0" * 64}, 400, "Send it again"),
    (3, b"tail", {"x-part-sha256": "tail"}, 400, "64 hexadecimal digits"),
    (3, b"tail", {"content-digest": "sha-256=:AAAA:"}, 400, "32 bytes"),
    (3, b"tail", {"content-digest": "md5=:AAAA:"}, 400, "32 bytes"),
    (3, b"tail", {"x-other": ""}, 400, "X-Part-SHA256"),
]


@pytest.mark.parametrize(("number", "content", "headers", "status", "words"), BAD_PARTS)
def test_a_bad_part_is_told_and_nothing_is_stored(
    number: int,
    content: bytes,
    headers: dict[str, str],
    status: int,
    words: str,
    alice: APIClient,
    tmp_path: Path,
) -> None:
    url = announce(alice).json()["url"]
    response = put(alice, url, number, content, **headers)
    assert response.status_code == status, response.content
    assert response.headers["Content-Type"] == "application/problem+json"
    assert words in response.json()["detail"]
    assert alice.get(url).json()["parts"] == []
    assert files_below(tmp_path) == []


@pytest.mark.parametrize(
    ("changed", "status", "pointer"),
    [
        ({"size_bytes": 0}, 400, "#/size_bytes"),
        ({"size_bytes": -1}, 400, "#/size_bytes"),
        ({"size_bytes": 2**63}, 400, "#/size_bytes"),
        ({"size_bytes": 2**40}, 413, None),
        ({"size_bytes": "many"}, 400, "#/size_bytes"),
        ({"sha256": "x"}, 400, "#/sha256"),
        ({"filename": ""}, 400, "#/filename"),
        ({"filename": "a\x00b"}, 400, "#/filename"),
        ({"colour": "red"}, 400, "#/colour"),
    ],
)
def test_a_bad_announcement_is_told(
    changed: dict[str, Any], status: int, pointer: str | None, alice: APIClient
) -> None:
    response = announce(alice, **changed)
    assert response.status_code == status, response.content
    assert [e["pointer"] for e in response.json()["errors"]] == ([pointer] if pointer else [])
    assert not models.Upload.objects.exists()


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [("../../etc/passwd.pt", "passwd.pt"), ("ünï/cødé\u202e.pt", "c_d_.pt"), ("..", "artifact")],
)
def test_a_name_never_leaves_its_folder(name: str, cleaned: str, alice: APIClient) -> None:
    assert announce(alice, filename=name).json()["filename"] == cleaned


def test_only_a_stream_of_bytes_is_taken(alice: APIClient) -> None:
    url = announce(alice).json()["url"]
    response = alice.put(f"{url}parts/1/", {}, format="json", headers={"x-part-sha256": "0" * 64})
    assert response.status_code == 415


@pytest.mark.slow
def test_there_is_an_end_to_the_uploads_of_a_user(alice: APIClient, bob: APIClient) -> None:
    urls = [announce(alice).json()["url"] for _ in range(10)]
    assert announce(alice).status_code == 409
    assert announce(bob).status_code == 201
    assert alice.delete(urls[0]).status_code == 204
    assert announce(alice).status_code == 201


def test_an_upload_is_nobody_elses(alice: APIClient, bob: APIClient, charlie: APIClient) -> None:
    url = announce(alice, EMT).json()["url"]
    for other in (bob, charlie):
        assert other.get(url).status_code == 404
        assert put(other, url, 1, EMT).status_code == 404
        assert other.post(url + "complete/").status_code == 404
        assert other.delete(url).status_code == 404
        assert other.get(URL).json()["results"] == []
    assert [u["url"] for u in alice.get(URL).json()["results"]] == [url]


@pytest.mark.slow
def test_what_expires_is_swept_with_its_bytes_unless_something_was_made_of_it(
    alice: APIClient, tmp_path: Path
) -> None:
    unfinished = announce(alice).json()["url"]
    put(alice, unfinished, 3, b"tail")
    unused = upload_whole(alice, b"unused")
    used = upload_whole(alice, EMT)
    factories.submission(artifact=models.Artifact.objects.get(sha256=used["sha256"]))
    assert reap().n_uploads_removed == 0

    models.Upload.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    for url in (unfinished, unused["url"], used["url"]):
        assert alice.get(url).status_code == 404
    assert reap().n_uploads_removed == 3

    assert not models.Upload.objects.exists()
    artifact = models.Artifact.objects.get()
    assert artifact.sha256 == used["sha256"]
    assert files_below(tmp_path) == [artifact_path(artifact)]


def test_an_announcement_that_is_repeated_with_its_key_is_one_upload(alice: APIClient) -> None:
    body = {"filename": "a.pt", "size_bytes": 4, "sha256": "0" * 64}
    answers = [alice.post(URL, body, headers={"Idempotency-Key": "k"}).json() for _ in range(2)]
    assert answers[0] == answers[1]
    assert models.Upload.objects.count() == 1


def test_a_complete_upload_takes_no_more_parts(alice: APIClient) -> None:
    url = upload_whole(alice, EMT)["url"]
    assert put(alice, url, 1, EMT).status_code == 409


def test_the_same_bytes_are_stored_once(alice: APIClient, bob: APIClient) -> None:
    upload_whole(alice, EMT)
    upload_whole(bob, EMT)
    assert models.Artifact.objects.count() == 1
    uploads.delete_upload(models.Upload.objects.first())  # type: ignore[arg-type]
    assert artifact_path(models.Artifact.objects.get()).read_bytes() == EMT
