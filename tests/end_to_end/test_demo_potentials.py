"""The demo's trained potentials, submitted to a server that listens; nothing is evaluated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deploy.demo.potentials import submit_potentials
from evaluator.client import Client
from leaderboard import models
from tests.end_to_end.conftest import token_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.trained,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("own_blobs"),
]
VERSIONS = ("chgnet:0.2.0", "chgnet:0.3.0")


def test_versions_of_one_potential_are_submitted_whatever_differs_between_their_cards(
    live_server: Any, tmp_path: Path
) -> None:
    with Client(live_server.url, token_of("alice")) as client:
        for _ in range(2):  # a second demo leaves all as it is
            submit_potentials(client, tmp_path, is_baseline=False, only=VERSIONS)

    submissions = models.Submission.objects.filter(potential__slug="chgnet")
    assert sorted(submissions.values_list("version", flat=True)) == ["0.2.0", "0.3.0"]
