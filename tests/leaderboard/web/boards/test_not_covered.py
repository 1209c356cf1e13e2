"""What a potential does not cover is no failure, on no page."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from leaderboard import models
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def uncovered() -> models.Evaluation:
    """A submission without an element of one task, and with a score on another."""
    version, other = factories.task_version(), factories.task_version()
    factories.benchmark_version((version, "A"), (other, "A"))
    submission = factories.submission()
    factories.evaluation(submission, other, score=0.5)
    ended: dict[str, Any] = {"state": "failed", "verdict": "unsupported", "coverage": 0.0}
    return factories.evaluation(submission, version, **ended)


def test_boards_and_pages_say_not_covered_and_nothing_of_a_failure(
    client: Client, uncovered: models.Evaluation
) -> None:
    task, submission = uncovered.task_version.task, uncovered.submission
    for address in ("/", f"/tasks/{task.slug}/", submission.get_absolute_url(),
                    submission.potential.get_absolute_url()):  # fmt: skip
        page = client.get(address).content.decode()
        assert "not covered" in page, address
        assert "bad-text" not in page, address
    page = client.get(uncovered.get_absolute_url()).content.decode()
    assert "Not covered." in page
    assert "notice bad" not in page


def test_a_calculator_that_refuses_every_system_has_failed(
    client: Client, uncovered: models.Evaluation
) -> None:
    changed = {"coverage": 1.0, "n_failed": 2}
    refused = factories.evaluation(
        factories.submission(), uncovered.task_version,
        state="failed", verdict="unsupported", **changed,
    )  # fmt: skip
    page = client.get(refused.submission.get_absolute_url()).content.decode()
    assert '<span class="bad-text">unsupported</span>' in page
