"""Maps of skill over REST: of a task's public potentials, and of one evaluation."""

from __future__ import annotations

import csv
import io

import pytest
from rest_framework.test import APIClient

from leaderboard import models
from tests.leaderboard import factories
from tests.leaderboard.api.conftest import client_of
from tests.leaderboard.chemistry_world import SYSTEMS, benchmark_of_chemistries

pytestmark = pytest.mark.django_db


@pytest.fixture
def task() -> models.TaskVersion:
    return benchmark_of_chemistries().entries.all()[0].task_version


def lines(client: APIClient, address: str) -> list[dict[str, str]]:
    answer = client.get(address, {"format": "csv"})
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(answer.content.decode())))


def test_a_task_tells_every_potential_on_every_part(
    task: models.TaskVersion, stranger: APIClient
) -> None:
    address = f"/api/v1/tasks/{task.task.slug}/map/"
    body = stranger.get(address).json()
    assert [(p["kind"], p["name"], p["n_systems"], p["n_clusters"]) for p in body["parts"]] == [
        ("element", "O", 1, 1), ("element", "Si", 2, 2), ("element", "Cu", 1, 1),
        ("family", "metals", 1, 1), ("family", "oxides", 1, 1),
    ]  # fmt: skip
    skills = {row["submission"]["potential"]["slug"]: row["skills"] for row in body["rows"]}
    assert skills["sharp"] == pytest.approx([0.9, 0.8, 0.1, 0.1, 0.9])
    copper = next(s for s in body["standings"] if s["name"] == "Cu")
    assert (copper["median"], copper["best"]) == (pytest.approx(0.5), pytest.approx(0.9))
    assert stranger.get(copper["best_evaluation"]).status_code == 200

    table = lines(stranger, address)
    assert len(table) == 2 * 5
    row = next(r for r in table if r["potential"] == "blunt" and r["part"] == "Si")
    assert (row["n_systems"], float(row["skill"])) == ("2", pytest.approx(0.3))


def test_an_evaluation_tells_its_parts_with_intervals(
    task: models.TaskVersion, stranger: APIClient
) -> None:
    evaluation = task.evaluations.get(submission__potential__slug="sharp")
    address = f"/api/v1/evaluations/{evaluation.pk}/map/"
    silicon = next(p for p in stranger.get(address).json()["parts"] if p["name"] == "Si")
    assert silicon["skill"] == pytest.approx(0.8)
    assert silicon["low"] < 0.7 < 0.8 < silicon["high"] < 1
    assert [row["part"] for row in lines(stranger, address)] == [
        "O", "Si", "Cu", "metals", "oxides",
    ]  # fmt: skip


def test_a_private_evaluation_has_its_map_for_its_owner_alone(
    task: models.TaskVersion, stranger: APIClient
) -> None:
    owner = factories.user("alice")
    secret = factories.submission(factories.potential(owner), visibility="private")
    evaluation = factories.evaluation_with_skills(secret, task, [1.0] * 3, SYSTEMS)
    address = f"/api/v1/evaluations/{evaluation.pk}/map/"
    assert stranger.get(address).status_code == 404
    assert client_of(owner).get(address).json()["parts"]
    rows = stranger.get(f"/api/v1/tasks/{task.task.slug}/map/").json()["rows"]
    assert len(rows) == 2


def test_there_is_no_map_by_anchors_nor_of_a_hidden_set(
    task: models.TaskVersion, stranger: APIClient
) -> None:
    anchored = models.TaskVersion.objects.exclude(pk=task.pk).get()
    assert stranger.get(f"/api/v1/tasks/{anchored.task.slug}/map/").json()["parts"] == []
    models.ReferenceSet.objects.update(is_public=False)
    body = stranger.get(f"/api/v1/tasks/{task.task.slug}/map/").json()
    assert (body["parts"], body["standings"], body["rows"]) == ([], [], [])
    evaluation = task.evaluations.all()[0]
    assert stranger.get(f"/api/v1/evaluations/{evaluation.pk}/map/").status_code == 403
