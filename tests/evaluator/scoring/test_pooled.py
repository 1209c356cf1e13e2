import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from evaluator.contract import ScoredMetric, ScoreRecord, SystemStatus, TaskScore, TaskSpec
from evaluator.protocols.base import Sample, Statistic
from evaluator.scoring import score
from evaluator.scoring.pooled import metric_score, resample

OK, FAILED, UNSUPPORTED = SystemStatus.OK, SystemStatus.FAILED, SystemStatus.UNSUPPORTED
MAE = ScoredMetric(key="force_mae", good=0.0, bad=1.0, worst=2.0)
RMSE = ScoredMetric(key="force_rmse", good=0.0, bad=1.0, worst=2.0)
COSINE = ScoredMetric(key="force_cosine_mean", good=1.0, bad=0.0, worst=-1.0)
SLOPE = ScoredMetric(key="softening_slope", good=1.0, bad=0.5, worst=0.0)
MEDIAN = ScoredMetric(key="bulk_modulus_ratio_median", good=1.0, bad=0.5, worst=0.0)


def task(*metrics: ScoredMetric, slug: str = "t", version: int = 1, seed: int = 0) -> TaskSpec:
    return TaskSpec(
        slug=slug, version=version, protocol="energy_forces", protocol_version=1, parameters={},
        metrics=metrics, seed=seed,
    )  # fmt: skip


def sample(
    values: Sequence[float],
    weights: Sequence[float] | None = None,
    missing: Sequence[bool] | None = None,
    statistic: Statistic = Statistic.MEAN,
) -> Sample:
    n = len(values)
    return Sample(
        values=np.array(values, dtype=float),
        weights=np.array(weights or [1.0] * n, dtype=float),
        missing=np.array(missing or [False] * n, dtype=bool),
        statistic=statistic,
    )


def score_one(
    metric: ScoredMetric, judged: Sample, statuses: Sequence[SystemStatus] | None = None
) -> tuple[ScoreRecord, TaskScore]:
    chosen = statuses or [OK] * len(judged.values)
    (record,), total = score(task(metric), chosen, {metric.key: judged})
    return record, total


def test_mean_is_weighted() -> None:
    record, total = score_one(MAE, sample([0.1, 0.4], weights=[3, 1]))
    assert record.value == pytest.approx(0.175)
    assert record.score == pytest.approx(0.825)
    assert total.value == pytest.approx(0.825)
    assert (record.n, record.n_failed) == (2, 0)


def test_rms_takes_the_root_of_mean_squares() -> None:
    record, _ = score_one(RMSE, sample([0.09, 0.25], statistic=Statistic.RMS))
    assert record.value == pytest.approx(np.sqrt(0.17))


def test_failed_system_is_charged_the_worst_value_in_the_metrics_unit() -> None:
    nan = float("nan")
    mean, _ = score_one(MAE, sample([0.1, nan]), [OK, FAILED])
    rms, _ = score_one(RMSE, sample([0.04, nan], statistic=Statistic.RMS), [OK, FAILED])
    median, _ = score_one(
        MEDIAN, sample([0.9, nan, nan], statistic=Statistic.MEDIAN), [OK, FAILED, FAILED]
    )
    assert mean.value == pytest.approx((0.1 + 2.0) / 2)
    assert rms.value == pytest.approx(np.sqrt((0.04 + 4.0) / 2))
    assert median.value == 0.0
    assert (mean.n, mean.n_failed, median.n_failed) == (2, 1, 2)


def test_adding_a_failed_system_raises_the_error_by_its_charge() -> None:
    before, _ = score_one(MAE, sample([0.1, 0.2, 0.3]))
    after, _ = score_one(MAE, sample([0.1, 0.2, 0.3, np.nan]), [OK, OK, OK, FAILED])
    assert before.value is not None and after.value is not None
    assert 4 * after.value - 3 * before.value == pytest.approx(MAE.worst)


def test_failing_never_pays() -> None:
    bad, _ = score_one(MAE, sample([0.1, 1e9]))
    failed, _ = score_one(MAE, sample([0.1, np.nan]), [OK, FAILED])
    assert bad.value == failed.value


def test_unsupported_system_is_left_out() -> None:
    record, _ = score_one(MAE, sample([0.1, np.nan, 0.3]), [OK, UNSUPPORTED, OK])
    assert record.value == pytest.approx(0.2)
    assert (record.n, record.n_failed) == (2, 0)


def test_system_to_which_a_metric_does_not_apply_is_left_out_even_when_it_failed() -> None:
    judged = sample([0.1, np.nan, np.nan], missing=[False, True, True])
    record, _ = score_one(MAE, judged, [OK, FAILED, OK])
    assert record.value == pytest.approx(0.1)
    assert (record.n, record.n_failed) == (1, 0)


def test_property_that_the_potential_lacks_is_charged() -> None:
    record, _ = score_one(MAE, sample([np.nan, np.nan]), [OK, OK])
    assert record.value == MAE.worst
    assert record.score == 0.0
    assert record.n_failed == 2


def test_nothing_supported_gives_no_number() -> None:
    record, total = score_one(MAE, sample([np.nan, np.nan]), [UNSUPPORTED, UNSUPPORTED])
    assert record == ScoreRecord(
        metric="force_mae", value=None, low=None, high=None, score=None, n=0, n_failed=0
    )
    assert total == TaskScore(value=None, low=None, high=None, replicates=())


def test_empty_reference_set_gives_no_number() -> None:
    (record,), total = score(task(MAE), [], {"force_mae": sample([])})
    assert record.value is None
    assert total.value is None


@pytest.mark.parametrize(
    ("metric", "value", "expected"),
    [
        (MAE, 0.25, 0.75),
        (MAE, 7.0, 0.0),
        (MAE, -1.0, 1.0),
        (COSINE, 0.9, 0.9),
        (COSINE, -0.3, 0.0),
        (SLOPE, 1.0, 1.0),
        (SLOPE, 0.8, 0.6),
        (SLOPE, 1.2, 0.6),
        (SLOPE, 0.5, 0.0),
        (SLOPE, 3.0, 0.0),
        (SLOPE, -1.0, 0.0),
    ],
)
def test_metric_score_follows_the_anchors(
    metric: ScoredMetric, value: float, expected: float
) -> None:
    assert metric_score(metric, np.array([value]))[0] == pytest.approx(expected)


def test_task_score_is_the_weighted_mean_of_metric_scores_and_ignores_weight_zero() -> None:
    metrics = (replace(MAE, weight=2.0), replace(COSINE, weight=1.0), replace(SLOPE, weight=0.0))
    judged = {
        "force_mae": sample([0.4]),
        "force_cosine_mean": sample([0.9]),
        "softening_slope": sample([0.5]),
    }
    records, total = score(task(*metrics), [OK], judged)
    assert total.value == pytest.approx((2 * 0.6 + 0.9) / 3)
    assert [record.metric for record in records] == list(judged)


def test_replicates_are_rounded_and_as_many_as_asked() -> None:
    _, total = score_one(MAE, sample([0.1, 0.2, 0.35]))
    assert len(total.replicates) == 1000
    assert all(r == round(r, 6) for r in total.replicates)


def test_a_metrics_interval_is_that_of_its_replicates() -> None:
    rng = np.random.default_rng(3)
    record, total = score_one(MAE, sample(rng.uniform(0.1, 0.4, 40)))
    assert np.percentile(record.replicates, [2.5, 97.5]) == pytest.approx(
        [record.low, record.high], rel=1e-5
    )
    # In the metric's unit, one for one with those of the score.
    assert np.corrcoef(record.replicates, total.replicates)[0, 1] == pytest.approx(-1)


def test_scoring_twice_gives_the_same_numbers() -> None:
    judged = sample(np.random.default_rng(0).random(30).tolist())
    assert score_one(MAE, judged) == score_one(MAE, judged)


def test_replicates_draw_the_same_systems_for_every_submission() -> None:
    values = np.random.default_rng(0).random(20)
    _, first = score_one(MAE, sample(values.tolist()))
    _, better = score_one(MAE, sample((values - 0.1).tolist()))
    differences = np.array(better.replicates) - np.array(first.replicates)
    assert differences == pytest.approx(np.full(1000, 0.1), abs=2e-6)


def test_unsupported_systems_do_not_change_which_systems_a_replicate_draws() -> None:
    values = np.random.default_rng(0).random(20)
    counts = resample(task(MAE), 20)
    statuses = [UNSUPPORTED, *[OK] * 19]
    _, total = score_one(MAE, sample(values.tolist()), statuses)
    expected = 1 - counts[:, 1:] @ values[1:] / counts[:, 1:].sum(axis=1)
    assert total.replicates == pytest.approx(expected, abs=1e-6)


def test_replicates_depend_on_task_version_seed_and_size_alone() -> None:
    counts = resample(task(MAE), 10)
    assert (counts.sum(axis=1) == 10).all()
    assert (resample(task(COSINE), 10) == counts).all()
    for other in (task(MAE, slug="u"), task(MAE, version=2), task(MAE, seed=1)):
        assert (resample(other, 10) != counts).any()


def test_interval_holds_the_point_and_is_a_point_for_equal_systems() -> None:
    wide, _ = score_one(MAE, sample([0.1, 0.2, 0.9, 0.4]))
    narrow, _ = score_one(MAE, sample([0.25] * 4))
    assert wide.low is not None and wide.value is not None and wide.high is not None
    assert wide.low < wide.value < wide.high
    assert narrow.low == narrow.value == narrow.high == 0.25


def test_replicates_that_draw_no_supported_system_repeat_the_value() -> None:
    statuses = [OK, *[UNSUPPORTED] * 9]
    _, total = score_one(MAE, sample([0.3] + [np.nan] * 9), statuses)
    assert set(total.replicates) == {0.7}


@pytest.mark.slow
def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    n_covered = 0
    for i in range(400):
        values = rng.normal(0.5, 0.1, size=60)
        (record,), _ = score(
            task(MAE, seed=i), [OK] * 60, {"force_mae": sample(values.tolist())}, n_replicates=400
        )
        assert record.low is not None and record.high is not None
        n_covered += record.low <= 0.5 <= record.high
    assert 0.91 <= n_covered / 400 <= 0.98


def test_median_of_replicates_agrees_with_numpy() -> None:
    values = np.random.default_rng(3).random(11)
    record, total = score_one(MEDIAN, sample(values.tolist(), statistic=Statistic.MEDIAN))
    counts = resample(task(MEDIAN), 11)
    medians = np.array([np.median(np.repeat(values, row)) for row in counts])
    assert record.value == np.median(values)
    assert total.replicates == pytest.approx(metric_score(MEDIAN, medians), abs=1e-6)


def test_permuting_the_systems_leaves_the_values() -> None:
    values = np.random.default_rng(4).random(15)
    forward, _ = score_one(MAE, sample(values.tolist()))
    backward, _ = score_one(MAE, sample(values[::-1].tolist()))
    assert backward.value == pytest.approx(forward.value)


def test_a_thousand_structures_are_scored_in_less_than_a_second() -> None:
    values: NDArray[np.float64] = np.random.default_rng(5).random(1000)
    metrics = (MAE, RMSE, COSINE, SLOPE, MEDIAN)
    judged = {
        m.key: sample(
            values.tolist(), statistic=Statistic.MEDIAN if m is MEDIAN else Statistic.MEAN
        )
        for m in metrics
    }
    start = time.process_time()
    score(task(*metrics), [OK] * 1000, judged)
    assert time.process_time() - start < 1.0


def test_metric_without_a_sample_is_a_bug_that_is_told() -> None:
    with pytest.raises(ValueError, match="no sample of force_mae"):
        score(task(MAE), [OK], {})


def test_sample_of_another_length_is_a_bug_that_is_told() -> None:
    with pytest.raises(ValueError, match="force_mae is not one value for each system"):
        score(task(MAE), [OK, OK], {"force_mae": sample([1.0])})


def test_a_single_system_has_a_value_but_no_interval() -> None:
    assert score_one(MAE, sample([0.1]))[0].replicates == ()
    record, total = score_one(MAE, sample([0.4, 0.1]), [OK, UNSUPPORTED])

    assert record.value == 0.4
    assert total.value == pytest.approx(0.6)
    assert (record.low, record.high, total.low, total.high) == (None, None, None, None)


def test_replicas_of_a_structure_are_drawn_together() -> None:
    values = [0.1, 0.5, 0.3, 0.9, 0.2, 0.7]
    alone, alone_total = score_one(MAE, sample(values))
    one_by_one = score(task(MAE), [OK] * 6, {"force_mae": sample(values)}, clusters=list("abcdef"))
    assert one_by_one == ((alone,), alone_total)
    # Threefold replicas that are all alike tell no more than one of each.
    judged = {"force_mae": sample(list(np.repeat(values, 3)))}
    together, total = score(
        task(MAE), [OK] * 18, judged, clusters=[c for c in "abcdef" for _ in range(3)]
    )
    assert (together[0].low, together[0].high) == pytest.approx((alone.low, alone.high))
    assert total.replicates == pytest.approx(alone_total.replicates)
    (apart,), _ = score(task(MAE), [OK] * 18, judged)
    assert apart.value == pytest.approx(alone.value)
    widths = [record.high - record.low for record in (apart, together[0])]  # type: ignore[operator]
    assert widths[0] < 0.75 * widths[1]


def test_replicas_of_one_structure_alone_have_no_interval() -> None:
    judged = {"force_mae": sample([0.1, 0.3, 0.4])}
    (record,), total = score(task(MAE), [OK] * 3, judged, clusters=["a", "a", "a"])
    assert (record.n, record.low, record.high) == (3, None, None)
    assert (total.low, total.high) == (None, None)
    with pytest.raises(ValueError, match="2 names of clusters for 3 systems"):
        score(task(MAE), [OK] * 3, judged, clusters=["a", "b"])


TIME = ScoredMetric(key="call_time_median", good=1.0, bad=1000.0, worst=10000.0, scale="log")
RATE = ScoredMetric(key="throughput_max", good=1e6, bad=1e2, worst=1e1, scale="log")


@pytest.mark.parametrize(
    ("metric", "value", "expected"),
    [
        (TIME, 1.0, 1.0),
        (TIME, 10.0, 2 / 3),  # a third of the way from 10^0 to 10^3
        (TIME, 1000.0, 0.0),
        (TIME, 1e-3, 1.0),
        (TIME, 1e9, 0.0),
        (TIME, 0.0, 1.0),
        (RATE, 1e4, 0.5),  # half the way from 10^2 to 10^6
        (RATE, 1e7, 1.0),
        (RATE, 1.0, 0.0),
    ],
)
def test_a_logarithmic_scale_counts_powers_of_ten(
    metric: ScoredMetric, value: float, expected: float
) -> None:
    assert metric_score(metric, np.array([value]))[0] == pytest.approx(expected)


def test_a_value_that_is_not_known_has_no_score_on_a_logarithmic_scale() -> None:
    assert np.isnan(metric_score(TIME, np.array([np.nan]))).all()


def test_the_geometric_mean_is_that_of_the_logarithms() -> None:
    record, _ = score_one(TIME, sample([1.0, 100.0], statistic=Statistic.GEOMETRIC_MEAN))
    assert record.value == pytest.approx(10.0)
    assert record.score == pytest.approx(2 / 3)
    weighted = sample([1.0, 10000.0], weights=[3, 1], statistic=Statistic.GEOMETRIC_MEAN)
    assert score_one(TIME, weighted)[0].value == pytest.approx(10.0)


def test_failing_never_pays_where_more_is_better_on_a_logarithmic_scale() -> None:
    slow = sample([1.0, 1e4], statistic=Statistic.GEOMETRIC_MEAN)
    failed = sample([np.nan, 1e4], statistic=Statistic.GEOMETRIC_MEAN)
    # One atom-step a second is worse than the charge of ten, and counts as ten.
    assert score_one(RATE, slow)[0].value == pytest.approx(np.sqrt(1e5))
    charged, _ = score_one(RATE, failed, [FAILED, OK])
    assert charged.value == pytest.approx(np.sqrt(1e5))
