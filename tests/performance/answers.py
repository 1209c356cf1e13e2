"""Writes what every page and table of a board answers, to compare two versions of the code.

``python -m tests.performance.answers FOLDER`` asks each address of ``pages.addresses`` in this
process, as a stranger and as the owner of the made-up board, of the database that the environment
names and ``make_gallery`` has filled. One process with the code before and one with the code after,
of the same database: ``diff -r`` of the two folders then tells whether a single byte has changed.
Tokens of forms and the present moment are left out; the queue's page (how long ago) and workbooks
(when they were made) differ between any two requests.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from urllib.parse import urlencode

from tests.performance.pages import Address, addresses

_BY_ITSELF = re.compile(
    rb'name="csrfmiddlewaretoken" value="[^"]*"|nonce="[^"]*"|"csrfToken": "[^"]*"'
    rb'|"until":"[^"]*"'
)


def more_addresses(slug: str, as_of: str) -> list[Address]:
    """Return what shows a board too, now and at a moment, and is not measured."""
    api = "/api/v1"
    timed = f"{api}/tasks/{slug}-task-29/leaderboard/"
    then = urlencode({"as_of": as_of})
    return [
        Address("board of a moment", f"/benchmarks/{slug}/1/?{then}"),
        Address("potential, another", f"/potentials/{slug}-11/"),
        Address("API, history", f"{api}/potentials/{slug}-7/history/"),
        Address("API, board, one category", f"{api}/leaderboards/{slug}/?category=Forces"),
        Address("API, task that times", timed),
        Address("API, task that times as CSV", f"{timed}?format=csv"),
        Address("API, board of a moment", f"{api}/leaderboards/{slug}/?{then}"),
        Address("API, task of a moment", f"{api}/tasks/{slug}-task-3/leaderboard/?{then}"),
    ]


def main() -> int:
    import django

    name = "python -m tests.performance.answers"
    parser = argparse.ArgumentParser(prog=name, description=__doc__)
    parser.add_argument("folder", type=Path, help="that the answers are written to")
    parser.add_argument("--slug", default="gallery", help="of the board (default: %(default)s)")
    chosen = parser.parse_args()
    django.setup()
    for reader in ("", f"{chosen.slug}-owner"):
        _write(chosen.folder / (reader or "stranger"), chosen.slug, reader)
    return 0


def _write(folder: Path, slug: str, reader: str) -> None:
    from django.contrib.auth.models import User
    from django.test import Client

    from leaderboard.models import Submission

    newest = Submission.objects.filter(published_at__isnull=False).latest("published_at")
    assert newest.published_at is not None
    as_of = newest.published_at.isoformat()
    folder.mkdir(parents=True, exist_ok=True)
    client = Client()
    if reader:
        client.force_login(User.objects.get(username=reader))
    for address in [*addresses(slug), *more_addresses(slug, as_of)]:
        response = client.get(address.path.format(n=1))
        body = b"".join(response) if response.streaming else response.content
        name = re.sub(r"\W+", "-", address.what)
        head = f"{response.status_code} {response.headers['Content-Type']}\n".encode()
        (folder / name).write_bytes(head + _BY_ITSELF.sub(b"", body))


if __name__ == "__main__":
    sys.exit(main())
