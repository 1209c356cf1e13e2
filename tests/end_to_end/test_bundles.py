"""A benchmark kept in git: imported into a service and exported again from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import User

from evaluator.cli.exit_codes import ExitCode
from leaderboard import models
from tests.end_to_end.conftest import Touchstone, token_of
from tests.leaderboard.services.test_bundles import bundle, copper, write

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def test_a_bundle_goes_to_the_service_and_comes_back_the_same(
    touchstone: Touchstone, tmp_path: Path
) -> None:
    root = User.objects.create_superuser("root")
    _, token = models.ApiToken.create(root, "git", scopes=["read", "admin"])
    path = write(tmp_path, bundle(copper(tmp_path / "copper.extxyz")))

    done = touchstone("admin", "import", str(path), token=token)

    assert done.returncode == ExitCode.OK, done.stderr
    assert "published: metals v1" in done.stdout
    folder = tmp_path / "exported"
    done = touchstone("admin", "export", str(folder), "--benchmark", "metals", token=token)
    assert done.returncode == ExitCode.OK, done.stderr
    assert sorted(p.name for p in folder.iterdir()) == ["bundle.yaml", "copper-1.extxyz"]

    again = touchstone("admin", "import", str(folder / "bundle.yaml"), token=token)
    assert {line.split(":")[0] for line in again.stdout.splitlines()} == {"unchanged"}

    path.write_text(path.read_text().replace("good: 0.0", "good: 0.9"))
    refused = touchstone("admin", "import", str(path), token=token)
    assert refused.returncode == ExitCode.REFUSED
    assert "copper-forces v1 is published and never changes" in refused.stderr
    stranger = touchstone("admin", "export", str(folder), token=token_of("bob"))
    assert stranger.returncode == ExitCode.NOT_ALLOWED
