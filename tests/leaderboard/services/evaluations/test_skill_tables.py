from __future__ import annotations

import numpy as np
import pytest
from django.db import IntegrityError

from leaderboard.models import SkillTable
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


def test_what_is_packed_comes_back() -> None:
    rows = unpacked(packed([[0.25, None], [1.0, 0.0]]), 2)
    np.testing.assert_array_equal(rows, [[0.25, np.nan], [1.0, 0.0]])


def test_skills_are_never_edited() -> None:
    skilled.evaluation()
    with pytest.raises(IntegrityError, match="never edited"):
        SkillTable.objects.update(metrics=["force_mae"])
