"""Names on the command line: short ids, the latest, the default, and what may have been meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from evaluator.cli.exit_codes import ExitCode
from leaderboard import models
from tests.end_to_end.conftest import Touchstone, token_of
from tests.leaderboard import factories
from tests.leaderboard.api.world import make_world

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def test_ids_may_be_short_and_logs_and_cancel_take_the_latest(touchstone: Touchstone) -> None:
    world = make_world()
    token = token_of("alice")
    ended, queued = world.private.ended, world.private.queued

    status = touchstone("status", str(ended.pk)[:8], token=token)
    assert status.returncode == ExitCode.OK, status.stderr
    assert "secret potential secret-1 on" in status.stdout
    assert touchstone("status", str(ended.pk)[:8]).returncode == ExitCode.USAGE, "signed in?"
    nothing = touchstone("status", "00000000", token=token_of("bob"))
    assert nothing.returncode == ExitCode.USAGE
    assert "no submission or evaluation of yours begins with 00000000" in nothing.stderr

    listed = touchstone("status", token=token).stdout.splitlines()
    latest = next(line for line in listed if "secret-1" in line or "open-1" in line)
    logs = touchstone("logs", token=token)
    assert logs.returncode == ExitCode.OK, logs.stderr
    assert latest[:8] in logs.stderr.splitlines()[0]
    cancelled = touchstone("cancel", token=token)
    assert cancelled.returncode == ExitCode.OK, cancelled.stderr
    assert "your latest" in cancelled.stderr
    states = {world.private.queued.pk: "", world.public.queued.pk: ""}
    for row in models.Evaluation.objects.filter(pk__in=states):
        states[row.pk] = row.state
    assert "cancelled" in states.values()
    assert queued.pk in states


def test_a_mistyped_name_is_answered_with_what_may_be_meant(
    touchstone: Touchstone, tmp_path: Path
) -> None:
    first = factories.benchmark_version((factories.task_version(), "A"))
    task = models.Task.objects.get()
    artifact = tmp_path / "emt.json"
    artifact.write_text('{"calculator": "emt"}')
    submit = ("submit", str(artifact), "--potential", "new", "--version", "1", "--name", "New")

    for command, meant in (
        (("leaderboard", first.benchmark.slug[:-2]), first.benchmark.slug),
        (("leaderboard", "--task", task.slug.upper()), task.slug),
        ((*submit, "--task", f"{task.slug}x"), task.slug),
        ((*submit, "--benchmark", f"{first.benchmark.slug}x"), first.benchmark.slug),
    ):
        done = touchstone(*command, token=token_of("alice"))
        assert done.returncode in (ExitCode.NOT_FOUND, ExitCode.REFUSED), done.stderr
        assert f"id you mean {meant}?" in done.stderr
    assert not models.Potential.objects.exists()


def test_the_default_benchmark_is_shown_and_its_kind_is_told_by_the_content(
    touchstone: Touchstone, tmp_path: Path, settings: Any
) -> None:
    other, default = (factories.benchmark_version((factories.task_version(), "A")) for _ in "12")
    assert touchstone("leaderboard").returncode == ExitCode.USAGE
    settings.DEFAULT_BENCHMARK = default.benchmark.slug  # of the server in this process
    shown = touchstone("leaderboard")
    assert default.benchmark.name in shown.stdout
    assert other.benchmark.name not in shown.stdout
    artifact = tmp_path / "emt.json"
    artifact.write_text('{"calculator": "emt"}')
    card = ("--potential", "new", "--version", "1", "--name", "New")
    done = touchstone("submit", str(artifact), *card, token=token_of("alice"))
    assert done.returncode == ExitCode.OK, done.stderr
    assert models.Submission.objects.get().calculator_kind == "ase"


def test_words_of_the_api_do_not_appear(touchstone: Touchstone, tmp_path: Path) -> None:
    expired, text = models.ApiToken.create(factories.user("alice"), "old")
    models.ApiToken.objects.filter(pk=expired.pk).update(expires_at="2020-01-01T00:00:00Z")
    root = User.objects.create_superuser("root")
    _, weak = models.ApiToken.create(root, "weak", scopes=["read", "submit"])

    old = touchstone("whoami", token=text)
    lacking = touchstone("admin", "export", str(tmp_path / "out"), token=weak)

    assert "has expired" in old.stderr
    assert "Sign in again: touchstone login" in old.stderr
    assert "touchstone login --scope read --scope admin" in lacking.stderr
    for words in ("/api/", "POST", "GET"):
        assert words not in old.stderr + lacking.stderr


def test_a_token_that_could_not_say_who_one_is_is_not_made(touchstone: Touchstone) -> None:
    for options, complaint in (
        (("--scope", "admin"), "a token needs the scope read as well"),
        (("--token-stdin", "--scope", "read"), "--scope: of a new token"),
    ):
        done = touchstone("login", *options, stdin="tst_x\n")
        assert done.returncode == ExitCode.USAGE
        assert complaint in done.stderr
    assert not models.ApiToken.objects.exists()
