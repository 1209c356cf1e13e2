"""A benchmark kept in git: imported into a service and exported again from the command line."""

from __future__ import annotations

import html
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from django.contrib.auth.models import AnonymousUser, User
from django.core.management import call_command

from evaluator.cli.exit_codes import ExitCode
from leaderboard import models
from leaderboard.services.boards.reader import view_for
from leaderboard.services.boards.store import current_board
from leaderboard.services.submissions.artifacts import artifact_path
from tests.end_to_end.conftest import Touchstone, token_of
from tests.end_to_end.site import Site, running_site, wait_until
from tests.leaderboard import factories
from tests.leaderboard.services.definitions.test_bundles import bundle, copper, write
from tests.leaderboard.services.submissions.test_submissions import submit_emt

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    # kombu's tables are declared with an option that SQLAlchemy 2.1 deprecates.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
]


@pytest.fixture
def site(
    transactional_db: None, own_blobs: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    with running_site(tmp_path, monkeypatch) as site:
        yield site


@pytest.mark.sandbox
def test_a_task_of_a_bundle_is_published_filled_scored_and_run_elsewhere_with_the_same_numbers(
    site: Site, touchstone: Touchstone, live_server: Any, tmp_path: Path
) -> None:
    submission = submit_emt(factories.potential())
    site.start_worker("worker")
    path = write(tmp_path, bundle(copper(tmp_path / "copper.extxyz")))

    call_command("import_bundle", path, backfill=True, verbosity=0)

    filled = models.Evaluation.objects.get()
    wait_until(filled, lambda e: e.has_ended, timeout_s=60)
    assert (filled.state, filled.message) == ("succeeded", "")
    assert filled.score == pytest.approx(1.0, abs=1e-3)
    version = models.BenchmarkVersion.objects.get()
    (row,) = view_for(current_board(version), AnonymousUser()).rows
    assert (row.rank, row.key) == (1, filled.submission_id)

    page = requests.get(f"{live_server.url}/potentials/{submission.potential.slug}/", timeout=30)
    (command,) = re.findall(r"<pre[^>]*><code>(touchstone evaluate.*?)</code>", page.text)
    words = shlex.split(html.unescape(command))
    artifact = tmp_path / submission.artifact_filename
    artifact.write_bytes(artifact_path(submission.artifact).read_bytes())
    out = tmp_path / "out.json"
    words[words.index("out.json")] = str(out)
    at = words.index("--calculator") + 1
    words[at] = words[at].replace(artifact.name, str(artifact))

    done = touchstone(*words[1:], url="")

    assert done.returncode == ExitCode.OK, done.stderr
    ours = json.loads(out.read_text())
    theirs = {score.metric: score.value for score in filled.scores.all()}
    assert {s["metric"]: s["value"] for s in ours["scores"]} == pytest.approx(theirs, rel=1e-6)
    assert ours["task_score"]["value"] == pytest.approx(filled.score, rel=1e-6)
    assert "copper-forces (version 1)" in touchstone("tasks").stdout
    fetched = touchstone("data", "fetch", "copper")
    assert filled.task_version.reference_set is not None
    assert filled.task_version.reference_set.sha256 in fetched.stdout

    models.ReferenceSet.objects.update(is_public=False)
    hidden = touchstone(*words[1:], url="")
    assert hidden.returncode == ExitCode.NOT_ALLOWED
    assert "this service alone can run it" in hidden.stderr
    assert "hidden: the service alone runs it" in touchstone("tasks").stdout
    assert touchstone("data", "fetch", "copper").returncode == ExitCode.USAGE
    page = requests.get(f"{live_server.url}/tasks/copper-forces/", timeout=30)
    assert "touchstone evaluate" not in page.text
    assert "this service alone can run it" in page.text


def test_a_bundle_goes_to_the_service_and_comes_back_the_same(
    touchstone: Touchstone, tmp_path: Path
) -> None:
    root = User.objects.create_superuser("root")
    _, token = models.ApiToken.create(root, "git", scopes=["read", "admin"])
    path = write(tmp_path, bundle(copper(tmp_path / "copper.extxyz")))

    tried = touchstone("admin", "import", str(path), "--dry-run", "--backfill", token=token)
    assert "published: metals v1" in tried.stdout
    assert tried.stdout.endswith(
        "0 evaluations would be queued\nThis was a trial: nothing was changed.\n"
    )
    assert not models.Task.objects.exists()

    done = touchstone("admin", "import", str(path), token=token)

    assert done.returncode == ExitCode.OK, done.stderr
    assert "published: metals v1" in done.stdout
    folder = tmp_path / "exported"
    done = touchstone("admin", "export", str(folder), "--benchmark", "metals", token=token)
    assert done.returncode == ExitCode.OK, done.stderr
    assert sorted(p.name for p in folder.iterdir()) == ["bundle.yaml", "copper-1.extxyz"]

    export = ("admin", "export", str(folder), "--benchmark", "metals")
    assert touchstone(*export, token=token).returncode == ExitCode.OK  # nothing would change
    (folder / "bundle.yaml").write_text("mine")
    kept = touchstone(*export, token=token)
    assert kept.returncode == ExitCode.USAGE
    assert f"{folder / 'bundle.yaml'} would be overwritten: say --force" in kept.stderr
    assert (folder / "bundle.yaml").read_text() == "mine"
    assert touchstone(*export, "--yes", token=token).returncode == ExitCode.OK

    again = touchstone("admin", "import", str(folder / "bundle.yaml"), token=token)
    assert {line.split(":")[0] for line in again.stdout.splitlines()} == {"unchanged"}

    path.write_text(path.read_text().replace("good: 0.0", "good: 0.9"))
    refused = touchstone("admin", "import", str(path), token=token)
    assert refused.returncode == ExitCode.REFUSED
    assert "copper-forces v1 is published and never changes" in refused.stderr
    stranger = touchstone("admin", "export", str(folder), token=token_of("bob"))
    assert stranger.returncode == ExitCode.NOT_ALLOWED
