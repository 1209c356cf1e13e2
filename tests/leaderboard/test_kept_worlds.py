"""A copied world cannot be told from one that is built."""

from __future__ import annotations

import pytest
from django.db import transaction
from django.forms.models import model_to_dict

from leaderboard import models
from leaderboard.enums import EvaluationState
from tests.leaderboard import factories
from tests.leaderboard.kept_worlds import built_once

pytestmark = pytest.mark.django_db


def test_a_second_world_is_a_copy_with_all_its_rows() -> None:
    n_built = 0

    @built_once
    def build() -> models.Evaluation:
        nonlocal n_built
        n_built += 1
        return factories.evaluation(score=0.5, replicates=[0.4, 0.6])

    before = transaction.savepoint()
    first = build()
    rows = list(models.Evaluation.objects.values())
    transaction.savepoint_rollback(before)
    assert not models.Evaluation.objects.exists()
    second = build()

    assert n_built == 1
    assert second is not first
    assert model_to_dict(second) == model_to_dict(first)
    assert list(models.Evaluation.objects.values()) == rows
    assert models.Submission.objects.get() == second.submission
    another = factories.evaluation(second.submission)
    assert another.pk not in {first.pk, second.pk}
    assert another.state == EvaluationState.QUEUED


def test_a_world_is_built_anew_where_others_live_already() -> None:
    @built_once
    def build() -> models.Potential:
        return factories.potential(name="Kept")

    first = build()
    second = build()
    assert first.pk != second.pk
    assert models.Potential.objects.filter(name="Kept").count() == 2
