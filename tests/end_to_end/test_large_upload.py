"""An upload of 300 MB that breaks three times, to the web server as it is deployed."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from leaderboard import models
from leaderboard.services.submissions.artifacts import artifact_path
from tests.end_to_end.conftest import token_of
from tests.end_to_end.site import broker_url
from tests.end_to_end.web_server import WebSite

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

SIZE = 300_000_000
#: What a process may grow by; the file is almost five times as large.
MAX_GROWTH_MiB = 64


@pytest.fixture
def site(tmp_path: Path, own_blobs: None) -> Iterator[WebSite]:
    site = WebSite(tmp_path, broker_url())
    try:
        site.start_web()
        yield site
    finally:
        site.stop()


def part_of(number: int, length: int) -> bytes:
    """Bytes that differ from part to part."""
    return hashlib.sha256(str(number).encode()).digest() * (length // 32)


def break_off(url: str, token: str, part: bytes) -> None:
    """Send half of a part, then vanish."""
    address = urlsplit(url)
    head = (
        f"PUT {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\n"
        f"Authorization: Bearer {token}\r\nContent-Type: application/octet-stream\r\n"
        f"X-Part-SHA256: {hashlib.sha256(part).hexdigest()}\r\nContent-Length: {len(part)}\r\n\r\n"
    )
    with socket.create_connection((str(address.hostname), address.port or 80)) as connection:
        connection.sendall(head.encode() + part[: len(part) // 2])


def test_a_large_upload_that_breaks_three_times_completes_in_flat_memory(
    site: WebSite,
) -> None:
    token = token_of("alice")
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"
    n_parts = -(-SIZE // 2**23)
    parts = {
        n: part_of(n, 2**23)[: min(2**23, SIZE - (n - 1) * 2**23)] for n in range(1, n_parts + 1)
    }
    whole = hashlib.sha256()
    for part in parts.values():
        whole.update(part)
    body = {"filename": "large.model", "size_bytes": SIZE, "sha256": whole.hexdigest()}
    upload = session.post(f"{site.url}/api/v1/uploads/", json=body, timeout=30).json()
    before = site.peak_memory_mib()

    for pause_after in (9, 18, 27, n_parts):
        arrived = {p["number"] for p in session.get(upload["url"], timeout=30).json()["parts"]}
        assert arrived == set(range(1, len(arrived) + 1))
        for number in sorted(set(parts) - arrived)[: pause_after - len(arrived)]:
            url = upload["parts_url"].replace("{n}", str(number))
            headers = {
                "Content-Type": "application/octet-stream",
                "X-Part-SHA256": hashlib.sha256(parts[number]).hexdigest(),
            }
            answer = session.put(url, parts[number], headers=headers, timeout=60)
            assert answer.status_code == 200, answer.text
        if pause_after < n_parts:
            broken = pause_after + 1
            break_off(upload["parts_url"].replace("{n}", str(broken)), token, parts[broken])
    done = session.post(upload["url"] + "complete/", timeout=120)
    assert done.status_code == 200, done.text

    growth_MiB = site.peak_memory_mib() - before
    print(f"the web process grew by {growth_MiB:.1f} MiB over {before:.0f} MiB")
    assert growth_MiB < MAX_GROWTH_MiB
    stored = artifact_path(models.Artifact.objects.get())
    assert stored.stat().st_size == SIZE
    digest = hashlib.sha256()
    with stored.open("rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    assert digest.hexdigest() == whole.hexdigest()
