"""Families whose packages cannot live in one environment, evaluated by one worker."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from evaluator import tasks
from evaluator.contract import Verdict
from evaluator.runtimes.definitions import definition_of
from leaderboard import models
from leaderboard.lib import blobs
from tests.evaluator.calculators.adapters import quartz_like
from tests.evaluator.calculators.families.asking import own_answers, runtime_of, weights
from tests.evaluator.small_tasks import FORCE_MAE, write_forces
from tests.leaderboard import factories

pytestmark = [
    pytest.mark.slow,
    pytest.mark.trained,
    pytest.mark.sandbox,
    pytest.mark.django_db(transaction=True),
]


def _structures() -> list[Atoms]:
    first, second = quartz_like(), quartz_like()
    second.rattle(0.05, seed=1)
    return [first, second]


@pytest.fixture
def task(tmp_path: Path) -> models.TaskVersion:
    """Forces of zero: the mean error is the mean force that a potential gives."""
    content = write_forces(tmp_path / "forces.xyz", _structures()).read_bytes()
    blob = blobs.write([content])
    reference = factories.reference_set(sha256=blob.sha256, size_bytes=len(content))
    blob.keep(reference.storage_name)
    return factories.task_version(
        protocol="energy_forces", reference_set=reference, metrics=[FORCE_MAE.to_json()]
    )


def _submit(kind: str, artifact: Path, task: models.TaskVersion) -> None:
    client = APIClient()
    client.force_authenticate(factories.user("alice"))
    content = artifact.read_bytes()
    form = {
        "potential": f"some-{kind}",
        "card": f'{{"name": "Some {kind}"}}',
        "version": "1",
        "calculator_kind": kind,
        "sha256": hashlib.sha256(content).hexdigest(),
        "artifact": SimpleUploadedFile(artifact.name, content),
        "tasks": task.task.slug,
    }
    response = client.post("/api/v1/submissions/", form, format="multipart")
    assert response.status_code == 201, response.content


def _mean_force(kind: str, artifact: Path) -> float:
    """By the package's own calculator, in eV/Å."""
    answers = own_answers(kind, artifact, _structures())
    return float(np.mean(np.abs([answer["forces"] for answer in answers])))


def test_mace_and_sevennet_are_evaluated_by_one_worker_with_their_own_numbers(
    own_blobs: None, task: models.TaskVersion
) -> None:
    artifacts = {
        "mace": definition_of("mace").folder / "small.model",
        "sevennet": weights(
            "sevennet",
            "sevenn/pretrained_potentials/SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth",
        ),
    }
    for kind, artifact in artifacts.items():
        runtime_of(kind)  # or skipped, where it is not built
        _submit(kind, artifact, task)

    tasks.this_host.cache_clear()
    tasks.evaluate.push_request(hostname="worker@host")
    try:
        for pk in models.Evaluation.objects.values_list("pk", flat=True):
            tasks.evaluate.run(str(pk))
    finally:
        tasks.evaluate.pop_request()
        tasks.this_host.cache_clear()

    e3nn = {}
    for kind, artifact in artifacts.items():
        evaluation = models.Evaluation.objects.get(submission__calculator_kind=kind)
        assert (evaluation.verdict, evaluation.message) == (Verdict.OK, "")
        value = evaluation.scores.get(metric="force_mae").value
        assert value == pytest.approx(_mean_force(kind, artifact), abs=2e-5)
        e3nn[kind] = evaluation.provenance["runtime"]["packages"]["e3nn"]
    assert e3nn["mace"] == "0.4.4"
    assert int(e3nn["sevennet"].split(".")[1]) >= 5
