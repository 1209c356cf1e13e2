from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from django.db import IntegrityError

from leaderboard.models import SkillTable, TestedSystems
from leaderboard.services.evaluations.skill_tables import packed, unpacked
from tests.leaderboard import skilled

pytestmark = pytest.mark.django_db


def test_skills_are_kept_for_each_system_over_all_metrics_and_by_each() -> None:
    evaluation = skilled.evaluation()
    table = SkillTable.objects.get(evaluation=evaluation)
    assert table.metrics == ["eos_delta_mean"]  # the other is shown without a score
    assert table.elements == ["Al", "Cu", "Al-Cu", "He"]
    assert table.clusters == ["Al", "Cu", "AlCu", "He"]
    rows = unpacked(table.packed, len(table.elements))
    np.testing.assert_allclose(rows, [[0.9, 0.4, 0.0, np.nan]] * 2, atol=1e-7)
    assert evaluation.score == pytest.approx(1.3 / 3)


def test_a_score_keeps_the_median_errors() -> None:
    score = skilled.evaluation().scores.get(metric="eos_delta_mean")
    assert (score.median_error, score.baseline_error, score.n_tested) == (2.5, 7.1, 3)


def test_the_first_evaluation_of_a_published_version_tells_what_is_tested() -> None:
    told = skilled.report()
    assert told.task_score is not None
    tested = replace(told, task_score=replace(told.task_score, tested=(True, True, True, False)))
    version, draft = skilled.task_version(), skilled.task_version(state="draft", published_at=None)
    for on in (version, draft):
        skilled.evaluation(version=on, ended=tested)
    skilled.evaluation(version=version, ended=told)  # of a worker that says nothing
    systems = TestedSystems.objects.get()
    assert systems.task_version == version
    assert systems.elements == ["Al", "Cu", "Al-Cu", "He"]
    assert systems.is_tested == [True, True, True, False]
    with pytest.raises(IntegrityError, match="never edited"):
        TestedSystems.objects.update(is_tested=[])


def test_what_is_packed_comes_back() -> None:
    rows = unpacked(packed([[0.25, None], [1.0, 0.0]]), 2)
    np.testing.assert_array_equal(rows, [[0.25, np.nan], [1.0, 0.0]])


def test_skills_are_never_edited() -> None:
    skilled.evaluation()
    with pytest.raises(IntegrityError, match="never edited"):
        SkillTable.objects.update(metrics=["force_mae"])
