from __future__ import annotations

import hashlib
from typing import Any

import pytest
from rest_framework.test import APIClient

from leaderboard import models
from tests.leaderboard import factories
from tests.leaderboard.api.conftest import EMT, form

pytestmark = pytest.mark.django_db
URL = "/api/v1/submissions/"


def post(client: APIClient, **fields: Any) -> Any:
    return client.post(URL, form(**fields), format="multipart")


def test_a_submission_is_accepted_and_its_evaluations_are_queued(alice: APIClient) -> None:
    version = factories.task_version()
    factories.benchmark_version((version, "Mechanics"))
    factories.potential(slug="emt")

    response = post(alice, potential="emt", settings="{}", supported_elements="Cu, Al")

    assert response.status_code == 201, response.content
    row = models.Submission.objects.get()
    evaluation = models.Evaluation.objects.get()
    assert response.headers["Location"] == f"http://testserver/api/v1/submissions/{row.pk}/"
    assert response.json() == {
        "id": str(row.pk),
        "url": f"http://testserver/api/v1/submissions/{row.pk}/",
        "page": f"/submissions/{row.pk}/",
        "potential": {
            "slug": "emt",
            "name": row.potential.name,
            "url": "http://testserver/api/v1/potentials/emt/",
            "level_of_theory": "",
            "is_baseline": False,
        },
        "version": "1.0",
        "artifact": {
            "sha256": hashlib.sha256(EMT).hexdigest(),
            "size_bytes": 21,
            "filename": "emt.json",
        },
        "calculator_kind": "ase",
        "settings": {},
        "supported_elements": ["Al", "Cu"],
        "declares_non_conservative": False,
        "visibility": "public",
        "submitted_by": "alice",
        "created_at": row.created_at.isoformat().replace("+00:00", "Z"),
        "withdrawn_at": None,
        "evaluations": [
            {
                "id": str(evaluation.pk),
                "url": f"http://testserver/api/v1/evaluations/{evaluation.pk}/",
                "task": version.task.slug,
                "task_version": 1,
                "state": "queued",
                "phase": "",
                "progress": {"done": 0, "total": 0},
                "verdict": "",
                "score": None,
                "score_low": None,
                "score_high": None,
                "coverage": None,
                "n_failed": 0,
            }
        ],
    }
    assert alice.get(URL + f"{row.pk}/").json() == response.json()
    assert alice.get(URL).json() == {"next": None, "previous": None, "results": [response.json()]}
