"""Scores by skill, and that no way of climbing without physics pays."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest

from evaluator.arrays import FloatArray
from evaluator.contract import ScoredMetric, ScoreRecord, SystemStatus, TaskScore, TaskSpec
from evaluator.protocols.base import Sample, Statistic
from evaluator.resampling import cluster_weights, drawn_means, interval
from evaluator.scoring import score
from evaluator.scoring.skills import skills_of

OK, FAILED, UNSUPPORTED = SystemStatus.OK, SystemStatus.FAILED, SystemStatus.UNSUPPORTED
FORCE = ScoredMetric(key="force_mae", good=0.0, bad=2.0, worst=2.0, noise=0.01)
SLOPE = ScoredMetric(key="softening_slope", good=1.0, bad=0.5, worst=0.0, noise=0.02)
STABLE = ScoredMetric(key="stability_score", good=1.0, bad=0.0, worst=0.0, noise=0.01)


def task(*metrics: ScoredMetric) -> TaskSpec:
    return TaskSpec(
        slug="t", version=2, protocol="energy_forces", protocol_version=1, parameters={},
        metrics=metrics,
    )  # fmt: skip


def sample(values: Sequence[float], statistic: Statistic = Statistic.MEAN) -> Sample:
    n = len(values)
    return Sample(
        values=np.array(values, float),
        weights=np.ones(n),
        missing=np.zeros(n, bool),
        statistic=statistic,
    )


def score_one(
    metric: ScoredMetric,
    values: Sequence[float],
    statuses: Sequence[SystemStatus] | None = None,
    uninformed: Sequence[float] | None = None,
    **more: object,
) -> tuple[ScoreRecord, TaskScore]:
    (record,), total = score(
        task(metric),
        statuses or [OK] * len(values),
        {metric.key: sample(values)},
        uninformed={} if uninformed is None else {metric.key: np.array(uninformed, float)},
        **more,  # type: ignore[arg-type]
    )
    return record, total


def skill(metric: ScoredMetric, error: float, baseline: float = np.nan) -> float:
    judged = np.array([True])
    return float(skills_of(metric, np.array([error]), np.array([baseline]), is_judged=judged)[0])


@pytest.mark.parametrize(
    ("error", "expected"), [(0.0, 1.0), (0.01, 1.0), (0.505, 0.5), (1.0, 0.0), (5.0, 0.0)]
)
def test_skill_falls_from_the_noise_to_the_baseline(error: float, expected: float) -> None:
    assert skill(FORCE, error, baseline=1.0) == pytest.approx(expected)


def test_on_a_logarithmic_scale_each_factor_counts_the_same() -> None:
    metric = ScoredMetric(key="force_mae", good=0.0, bad=9.0, worst=9.0, noise=0.01, scale="log")
    assert skill(metric, 0.1, baseline=1.0) == pytest.approx(0.5)
    assert skill(metric, 0.0, baseline=1.0) == 1.0


def test_beyond_the_anchor_bad_nobody_has_skill_however_weak_the_baseline() -> None:
    assert skill(FORCE, 2.0, baseline=100.0) == 0.0


def test_where_there_is_no_baseline_the_anchor_bad_is_what_no_skill_means() -> None:
    assert skill(FORCE, 1.005) == pytest.approx(0.5)


@pytest.mark.parametrize("baseline", [0.005, 0.019])
def test_where_the_baseline_is_within_twice_the_noise_nothing_is_tested(baseline: float) -> None:
    assert np.isnan(skill(FORCE, 0.0, baseline=baseline))
    assert np.isnan(skill(FORCE, baseline, baseline=baseline))
    assert skill(FORCE, 0.02, baseline=baseline) == 0.0


def test_who_fails_where_nothing_is_tested_has_no_skill_there() -> None:
    assert skill(FORCE, 0.5, baseline=0.005) == 0.0
    assert skill(FORCE, np.nan, baseline=0.005) == 0.0


def test_what_is_tested_follows_from_the_guess_and_not_from_who_is_judged() -> None:
    samples = {"force_mae": sample([0.5, 0.5, np.nan])}
    guess = {"force_mae": np.array([1.0, 0.005, 0.005])}
    _, wrong = score(task(FORCE), [OK, OK, FAILED], samples, uninformed=guess)
    assert wrong.skills[1:] == (0.0, 0.0)
    assert wrong.tested == (True, False, False)


def test_a_metric_without_noise_is_shown_and_makes_no_score() -> None:
    shown = ScoredMetric(key="force_rmse", good=0.0, bad=1.0, worst=2.0, weight=0.0)
    values = {"force_mae": sample([0.505]), "force_rmse": sample([0.25], Statistic.RMS)}
    records, total = score(
        task(FORCE, shown), [OK], values, uninformed={"force_mae": np.array([1.0])}
    )
    assert records[1].value == pytest.approx(0.5)
    assert records[1].score is None
    assert total.value == pytest.approx(0.5)


@pytest.mark.parametrize("noise", [0.0, 1.1])
def test_a_noise_that_leaves_no_room_for_skill_is_refused(noise: float) -> None:
    metric = ScoredMetric(key="force_mae", good=0.0, bad=2.0, worst=2.0, noise=noise)
    with pytest.raises(ValueError, match="noise"):
        skill(metric, 1.0)


def test_a_tasks_score_is_the_mean_over_systems_of_the_weighted_mean_of_skills() -> None:
    slope = ScoredMetric(
        key="softening_slope", good=1.0, bad=0.5, worst=0.0, noise=0.02, weight=3.0
    )
    samples = {"force_mae": sample([0.01, 1.0]), "softening_slope": sample([1.0, 0.5])}
    records, total = score(
        task(FORCE, slope), [OK, OK], samples, uninformed={"force_mae": np.array([1.0, 1.0])}
    )
    assert total.skills == (1.0, 0.0)
    assert total.value == 0.5
    assert [record.skills for record in records] == [(1.0, 0.0), (1.0, 0.0)]


def test_a_metric_that_tests_nothing_on_a_system_leaves_it_to_the_others() -> None:
    samples = {"force_mae": sample([0.0, 0.505]), "stability_score": sample([1.0, 1.0])}
    _, total = score(
        task(FORCE, STABLE),
        [OK, OK],
        samples,
        uninformed={"force_mae": np.array([1.0, 1.0]), "stability_score": np.array([0.0, 0.0])},
    )
    assert total.skills == (1.0, pytest.approx(0.5))


# ------------------------------------------------------------------------- what the metric shows


def test_zero_forces_show_the_error_that_they_have_and_no_cap() -> None:
    record, total = score_one(FORCE, [0.3, 19.7], uninformed=[0.3, 19.7])
    assert record.value == pytest.approx(10.0)
    assert record.median_error == pytest.approx(10.0)
    assert total.value == 0.0


def test_failed_systems_are_counted_and_not_put_into_the_metric() -> None:
    record, total = score_one(FORCE, [0.1, np.nan], [OK, FAILED], uninformed=[1.0, 1.0])
    assert (record.value, record.n, record.n_failed) == (pytest.approx(0.1), 2, 1)
    assert total.skills[1] == 0.0


def test_nothing_answered_gives_no_metric_and_the_score_zero() -> None:
    record, total = score_one(FORCE, [np.nan, np.nan], [FAILED, FAILED], uninformed=[1.0, 1.0])
    assert record.value is None
    assert total.value == 0.0


def test_absurd_answers_leave_a_score_that_can_be_written_down() -> None:
    """Two forces that are finite, and whose mean is not."""
    record, total = score_one(FORCE, [1.7e308, 1.7e308, 0.01], uninformed=[1.0, 1.0, 1.0])
    assert (record.value, record.low, record.replicates) == (None, None, ())
    assert total.value == pytest.approx(1 / 3)
    json.dumps([record.to_json(), total.to_json()], allow_nan=False)


def test_a_value_of_one_cluster_has_no_interval() -> None:
    """Who fails on all clusters but one has no sure value for it."""
    statuses, errors = [OK, OK, FAILED], [0.02, 0.4, np.nan]
    record, total = score_one(FORCE, errors, statuses, clusters=["Si", "Si", "Cu"])
    assert record.value == pytest.approx(0.21)
    assert (record.low, record.high, record.replicates) == (None, None, ())
    assert total.low is not None


def test_skills_are_numbers_however_far_apart_the_noise_and_the_anchor_are() -> None:
    metric = ScoredMetric(
        key="force_mae", good=0.0, bad=1e300, worst=1e300, noise=1e-300, scale="log"
    )
    assert [skill(metric, error) for error in (1e-300, 1.0, 1e301)] == pytest.approx([1, 0.5, 0])


# -------------------------------------------------------------------------- climbing does not pay

#: As CHGNet 0.3.0 on equations of state: some crystals well, some badly.
ERRORS = np.array([0.02, 0.05, 0.1, 0.3, 0.6, 0.9])
BASELINE = np.full(6, 1.0)


def total_of(errors: FloatArray, statuses: Sequence[SystemStatus]) -> float:
    _, total = score_one(FORCE, errors.tolist(), statuses, BASELINE.tolist())
    assert total.value is not None
    return total.value


def test_dropping_elements_never_raises_a_score() -> None:
    """By anchors, CHGNet rose from 0.796 to 0.954 by declaring half of its elements only."""
    honest = total_of(ERRORS, [OK] * 6)
    for dropped in range(6):
        statuses = [UNSUPPORTED if i == dropped else OK for i in range(6)]
        assert total_of(ERRORS, statuses) <= honest


def test_failing_on_purpose_never_raises_a_score() -> None:
    honest = total_of(ERRORS, [OK] * 6)
    for chosen in range(6):
        statuses = [FAILED if i == chosen else OK for i in range(6)]
        assert total_of(ERRORS, statuses) <= honest


def test_failing_on_purpose_does_not_pay_where_a_metric_is_best_at_one() -> None:
    """By anchors four systems of slope 1.5 gave 0.0, and 0.63 where one of them failed."""
    _, all_wrong = score_one(SLOPE, [1.5] * 4)
    _, one_failed = score_one(SLOPE, [1.5, 1.5, 1.5, np.nan], [OK, OK, OK, FAILED])
    assert all_wrong.value == one_failed.value == 0.0


def test_errors_that_cancel_do_not_pay_where_a_metric_is_best_at_one() -> None:
    _, total = score_one(SLOPE, [0.5, 1.5])
    assert total.value == 0.0


def test_a_baseline_has_no_skill_on_what_it_is_the_baseline_of() -> None:
    """Zero forces scored 1.000 on the stability of stable crystals."""
    _, total = score_one(STABLE, [1.0, 1.0, 1.0], uninformed=[0.0, 0.0, 0.0])
    assert total.value is None


def test_a_few_systems_with_huge_errors_do_not_decide() -> None:
    errors = np.array([0.01] * 9 + [1e6])
    _, total = score_one(FORCE, errors.tolist(), uninformed=[1.0] * 10)
    assert total.value == pytest.approx(0.9)


def test_another_submission_never_moves_a_score() -> None:
    first = score_one(FORCE, ERRORS.tolist(), submission="a")[1]
    second = score_one(FORCE, ERRORS.tolist(), submission="b")[1]
    assert first.value == second.value
    assert first.skills == second.skills


# ---------------------------------------------------------------------------------------- intervals


def test_no_failure_among_six_leaves_room_for_one() -> None:
    """Jeffreys' interval of six of six begins at 0.67; drawn systems alone say [1, 1]."""
    _, total = score_one(FORCE, [0.0] * 6, uninformed=[1.0] * 6)
    assert total.low == pytest.approx(0.67, abs=0.04)
    assert total.high is not None
    assert total.high > 0.999


def test_structures_of_one_cluster_count_as_one() -> None:
    """Forces of one element are alike: drawn as independent, an interval is too narrow."""
    rng = np.random.default_rng(1)
    centres = rng.uniform(0.1, 0.9, 6).repeat(30)
    clusters = [f"element {i}" for i in range(6) for _ in range(30)]
    alone = score_one(FORCE, centres.tolist(), uninformed=[1.0] * 180)[1]
    together = score_one(FORCE, centres.tolist(), uninformed=[1.0] * 180, clusters=clusters)[1]
    assert together.value == alone.value
    assert _width(together) > 3 * _width(alone)


def test_tasks_that_share_systems_are_drawn_together() -> None:
    names = ["Si", "Cu", "Mo"]
    first = score_one(FORCE, [0.0, 1.0, 1.0], uninformed=[1.0] * 3, clusters=names)[1]
    second = score_one(FORCE, [1.0, 0.0, 1.0], uninformed=[1.0] * 3, clusters=["Mo", "Si", "Cu"])[1]
    correlation = np.corrcoef(first.replicates, second.replicates)[0, 1]
    assert correlation > 0.5


def test_equal_answers_are_tied_and_better_ones_are_not() -> None:
    rng = np.random.default_rng(2)
    errors = rng.uniform(0.1, 0.6, 40)
    reference = score_one(FORCE, errors.tolist(), uninformed=[1.0] * 40, submission="a")[1]
    same = score_one(FORCE, errors.tolist(), uninformed=[1.0] * 40, submission="b")[1]
    worse = score_one(FORCE, (errors + 0.2).tolist(), uninformed=[1.0] * 40, submission="c")[1]
    assert _difference(reference, same)[0] < 0 < _difference(reference, same)[1]
    assert _difference(reference, worse)[0] > 0


@pytest.mark.parametrize("n_clusters", [5, 20, 200])
def test_intervals_cover_the_truth_as_often_as_they_say(n_clusters: int) -> None:
    """1,000 boards: skills that fail, that reach the noise, and that lie between."""
    rng = np.random.default_rng(n_clusters)
    names = [f"system {i}" for i in range(n_clusters)]
    weights = cluster_weights(names, 1000)
    n_covered = 0
    for board in range(1000):
        alpha, beta = np.exp(rng.uniform(np.log(0.3), np.log(4.0), 2))
        failing, perfect = rng.uniform(0.0, 0.3, 2)
        values = rng.beta(alpha, beta, n_clusters)
        kind = rng.random(n_clusters)
        values[kind < failing] = 0.0
        values[kind > 1 - perfect] = 1.0
        truth = perfect + (1 - failing - perfect) * alpha / (alpha + beta)
        low, high = interval(drawn_means(values, weights, names, str(board)))
        n_covered += low <= truth <= high
    assert 0.93 <= n_covered / 1000 <= 0.975


def _width(total: TaskScore) -> float:
    assert total.low is not None
    assert total.high is not None
    return total.high - total.low


def _difference(first: TaskScore, second: TaskScore) -> tuple[float, float]:
    low, high = np.percentile(np.subtract(first.replicates, second.replicates), (2.5, 97.5))
    return float(low), float(high)
