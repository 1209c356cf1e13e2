"""Requests that schemathesis makes up from the OpenAPI description, to the running service.

A few hundred here; ``TOUCHSTONE_FUZZ_EXAMPLES=50`` and ``TOUCHSTONE_FUZZ_SECONDS=1200`` make
thousands of them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from leaderboard import models
from tests.end_to_end.site import broker_url
from tests.end_to_end.web_server import WebSite
from tests.leaderboard import factories
from tests.leaderboard.api.world import World, make_world

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)


@pytest.fixture
def site(tmp_path: Path, own_blobs: None) -> Iterator[WebSite]:
    site = WebSite(tmp_path, broker_url())
    try:
        site.start_web(n_processes=2)
        yield site
    finally:
        site.stop()


def _known(world: World) -> str:
    """Names of what is there, so that not every made-up address leads nowhere."""
    names = {
        "/api/v1/potentials/{slug}/": ("slug", world.public.potential.slug),
        "/api/v1/submissions/{id}/": ("id", world.private.submission.pk),
        "/api/v1/submissions/{id}/publish/": ("id", world.private.submission.pk),
        "/api/v1/evaluations/{id}/": ("id", world.public.ended.pk),
        "/api/v1/evaluations/{id}/systems/": ("id", world.public.ended.pk),
        "/api/v1/evaluations/{id}/logs/": ("id", world.public.ended.pk),
        "/api/v1/evaluations/{id}/events/": ("id", world.public.ended.pk),
        "/api/v1/evaluations/{id}/cancel/": ("id", world.public.queued.pk),
        "/api/v1/evaluations/{id}/reevaluate/": ("id", world.private.ended.pk),
        "/api/v1/tasks/{slug}/": ("slug", world.task.task.slug),
        "/api/v1/tasks/{slug}/leaderboard/": ("slug", world.task.task.slug),
        "/api/v1/tasks/{slug}/leaderboard/diff/": ("slug", world.task.task.slug),
        "/api/v1/leaderboards/{slug}/": ("slug", world.benchmark.benchmark.slug),
        "/api/v1/leaderboards/{slug}/diff/": ("slug", world.benchmark.benchmark.slug),
        "/api/v1/{kind}/{slug}/badge.svg": ("slug", world.public.potential.slug),
        "/api/v1/{kind}/{slug}/feed.atom": ("slug", world.public.potential.slug),
        "/api/v1/webhooks/{id}/": ("id", factories.webhook().pk),
        "/api/v1/webhooks/{id}/deliveries/": ("id", factories.webhook().pk),
        "/api/v1/uploads/{id}/": ("id", factories.upload().pk),
        "/api/v1/uploads/{id}/parts/{number}/": ("id", factories.upload().pk),
        "/api/v1/uploads/{id}/complete/": ("id", factories.upload().pk),
    }
    return "".join(
        f'[[operations]]\ninclude-path = "{path}"\nparameters = {{ "path.{name}" = "{value}" }}\n'
        for path, (name, value) in names.items()
    )


def _store_files_of_references() -> None:
    """Store what the rows say is there: an address that schemathesis read in an answer is asked."""
    for row in models.ReferenceSet.objects.all():
        default_storage.save(row.storage_name, ContentFile(b"2 atoms in ten bytes"))


@pytest.mark.timeout(1800)
def test_no_made_up_request_is_answered_with_a_fault_or_against_the_schema(site: WebSite) -> None:
    (site.folder / "schemathesis.toml").write_text(_known(make_world()))
    _store_files_of_references()
    alice = factories.user("alice")
    _, token = models.ApiToken.create(alice, "for a test", scopes=["read", "submit", "admin"])
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{site.url}/api/v1/schema/"),
            *("--header", f"Authorization: Bearer {token}"),
            *("--checks", ",".join(CHECKS)),
            *("--phases", "examples,coverage,fuzzing"),
            *("--max-examples", os.environ.get("TOUCHSTONE_FUZZ_EXAMPLES", "3")),
            *("--max-time", os.environ.get("TOUCHSTONE_FUZZ_SECONDS", "60")),
            *("--seed", "1", "--continue-on-failure", "--no-color", "--request-timeout", "30"),
            # It would revoke its own token.
            *("--exclude-operation-id", "tokens_revoke"),
            "--suppress-health-check=all",
        ],
        cwd=site.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0, f"{done.stdout[-8000:]}{done.stderr}{site.log('web')[-3000:]}"
