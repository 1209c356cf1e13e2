from __future__ import annotations

import hashlib
import io
import threading
from typing import Any
from unittest import mock

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection

from leaderboard import models
from leaderboard.enums import EvaluationState, VersionState
from leaderboard.exceptions import ConflictError, SubmissionError
from leaderboard.services import artifacts, submissions
from tests.leaderboard import factories

EMT = b'{"calculator": "emt"}'
SHA256 = hashlib.sha256(EMT).hexdigest()


def submit_emt(potential: models.Potential, **changes: Any) -> models.Submission:
    """A good submission, but for ``changes``."""
    content = changes.pop("content", EMT)
    arguments: dict[str, Any] = {
        "version": "1",
        "upload": io.BytesIO(content),
        "filename": "emt.json",
        "sha256": hashlib.sha256(content).hexdigest(),
        "calculator_kind": "ase",
        "settings": {},
    }
    user = changes.pop("user", potential.owner)
    return submissions.submit(user, potential, **{**arguments, **changes})


@pytest.mark.django_db
def test_a_submission_is_stored_with_its_bytes_and_one_evaluation_for_each_task() -> None:
    first, second = factories.task_version(), factories.task_version()
    factories.benchmark_version((first, "A"), (second, "B"))

    submission = submit_emt(factories.potential(), supported_elements=["Cu", "Al", "Cu"])

    submission.refresh_from_db()
    assert artifacts.artifact_path(submission.artifact).read_bytes() == EMT
    assert submission.artifact.sha256 == SHA256
    assert submission.supported_elements == ["Al", "Cu"]
    assert {e.task_version for e in submission.evaluations.all()} == {first, second}
    assert {e.state for e in submission.evaluations.all()} == {EvaluationState.QUEUED}
    kinds = models.Event.objects.values_list("kind", flat=True)
    assert list(kinds) == ["queued", "queued"]
