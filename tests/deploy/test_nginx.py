"""nginx, set up as for production, shares pages of boards among strangers alone."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from django.test import Client

from leaderboard import models
from tests.leaderboard import factories
from tests.leaderboard.gallery import Site, build_site
from tests.performance.site import nginx, servers_of_service

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed"),
]

#: nginx counts two seconds in whole ones.
_MOMENT_S = 3.1


@pytest.fixture
def site() -> Site:
    return build_site()


@pytest.fixture
def front(live_server: Any) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="touchstone-nginx-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # started by root, nginx works as another user
        with nginx(folder, servers_of_service(folder, live_server.url.split("/")[2])) as address:
            yield address


def cookies_of(user: Any) -> dict[str, str]:
    client = Client()
    client.force_login(user)
    return {"sessionid": client.cookies["sessionid"].value}


def test_strangers_share_a_page_and_readers_who_have_signed_in_do_not(
    front: str, site: Site
) -> None:
    alice = factories.user("alice")
    secret = factories.submission(factories.potential(alice, name="Hush"), visibility="private")
    factories.evaluation(secret, site.eos, score=0.99, replicates=[0.98, 1.0])
    hers = cookies_of(alice)
    for _ in range(
        2
    ):  # first and last: nothing of hers is left to strangers, nothing of theirs to her
        own = requests.get(front, cookies=hers, timeout=30)
        assert ("Hush" in own.text, own.headers["X-Cache"]) == (True, "BYPASS")
        first, second = (requests.get(front, timeout=30) for _ in range(2))
        assert second.headers["X-Cache"] == "HIT"
        assert first.text == second.text
        assert "Hush" not in second.text
    tag = second.headers["ETag"]
    again = requests.get(front, headers={"If-None-Match": tag}, timeout=30)
    assert (again.status_code, again.text) == (304, "")
    told = requests.get(front, cookies={"messages": "whatever"}, timeout=30)
    assert told.headers["X-Cache"] == "BYPASS"
    signed = requests.get(front, headers={"Authorization": "Bearer x"}, timeout=30)
    assert signed.headers["X-Cache"] == "BYPASS"


def test_other_questions_other_hosts_and_other_pages_are_not_mixed_up(
    front: str, site: Site
) -> None:
    requests.get(front, timeout=30)
    asked = requests.get(front, {"text": "mace"}, timeout=30)
    assert asked.headers["X-Cache"] == "MISS"
    elsewhere = requests.get(front, headers={"Host": "localhost"}, timeout=30)
    assert elsewhere.headers["X-Cache"] == "MISS"
    assert 'href="http://localhost/"' in elsewhere.text
    bad = [requests.get(front, {"page": "none"}, timeout=30) for _ in range(2)]
    assert [answer.headers["X-Cache"] for answer in bad] == ["MISS", "MISS"]
    assert "X-Cache" not in requests.get(f"{front}queue/", timeout=30).headers


def test_a_page_is_asked_for_anew_when_its_moment_is_over(front: str, site: Site) -> None:
    requests.get(front, timeout=30)
    models.Potential.objects.filter(slug="chgnet").update(name="Renamed")
    time.sleep(_MOMENT_S)
    assert "Renamed" in requests.get(front, timeout=30).text
    time.sleep(_MOMENT_S)
    assert requests.get(front, timeout=30).headers["X-Cache"] == "REVALIDATED"


def test_the_committed_file_is_well_formed(tmp_path: Path) -> None:
    subject = ["-subj", "/CN=touchstone.example.org", "-days", "1", "-nodes"]
    files = ["-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "chain.pem")]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", *subject, *files],
        check=True, capture_output=True,
    )  # fmt: skip
    text = (Path(__file__).parents[2] / "deploy" / "nginx.conf").read_text(encoding="utf-8")
    for old, new in (
        ("/etc/letsencrypt/live/touchstone.example.org/fullchain.pem", tmp_path / "chain.pem"),
        ("/etc/letsencrypt/live/touchstone.example.org/privkey.pem", tmp_path / "key.pem"),
        ("/var/cache/nginx/touchstone", tmp_path / "cache"),
        ("listen 443 ssl", "listen 127.0.0.1:18443 ssl"),
        ("listen 80;", "listen 127.0.0.1:18080;"),
    ):
        assert old in text
        text = text.replace(old, str(new))
    config = tmp_path / "nginx.conf"
    head = (
        f"pid {tmp_path}/pid; error_log {tmp_path}/error.log; events {{}} http {{ access_log off;"
    )
    config.write_text(f"{head}\n{text}\n}}", encoding="utf-8")
    tested = subprocess.run(
        ["nginx", "-t", "-c", str(config)], capture_output=True, text=True, check=False
    )
    assert tested.returncode == 0, tested.stderr
    assert "warn" not in tested.stderr
