import numpy as np
import pytest

from evaluator.metrics.survival import (
    kaplan_meier,
    pseudo_restricted_means,
    pseudo_survivals,
    restricted_mean_survival,
    survival_at,
)

#: Six trajectories, two of them censored: failures at 1, 3, 3 and 6, left at 2 and 8.
TIMES = np.array([1.0, 2.0, 3.0, 3.0, 6.0, 8.0])
FAILED = np.array([True, False, True, True, True, False])


def test_kaplan_meier_is_the_product_by_hand() -> None:
    curve = kaplan_meier(TIMES, FAILED)
    assert curve.times.tolist() == [0, 1, 3, 6]
    assert curve.n_at_risk.tolist() == [6, 6, 4, 2]
    # 5/6, then times 2/4, then times 1/2
    np.testing.assert_allclose(curve.survival, [1, 5 / 6, 5 / 12, 5 / 24])


def test_band_is_greenwoods_on_the_log_log_scale() -> None:
    curve = kaplan_meier(TIMES, FAILED)
    # At t = 3: sum of d / (n (n - d)) is 1/30 + 2/8.
    survival, variance = 5 / 12, 1 / 30 + 2 / 8
    spread = np.exp(1.959963984540054 * np.sqrt(variance) / abs(np.log(survival)))
    assert curve.low[2] == pytest.approx(survival**spread)
    assert curve.high[2] == pytest.approx(survival ** (1 / spread))
    assert (curve.low <= curve.survival).all() and (curve.survival <= curve.high).all()
    assert (curve.low >= 0).all() and (curve.high <= 1).all()


@pytest.mark.parametrize("seed", range(5))
def test_estimate_and_band_are_those_of_scipy(seed: int) -> None:
    # Times rounded to tenths, so that some tie, failures with censored ones among them.
    rng = np.random.default_rng(seed)
    times = np.ceil(10 * rng.exponential(size=60)) / 10
    # Where all have failed, or nobody yet, the band is undefined.
    failed = (rng.random(60) < 0.6) & (times < times.max()) | (times == times.min())
    curve = kaplan_meier(times, failed)

    from scipy import stats  # each process of a session would load it

    data = stats.CensoredData(uncensored=times[failed], right=times[~failed])
    theirs = stats.ecdf(data).sf
    np.testing.assert_allclose(curve.survival, theirs.evaluate(curve.times), atol=1e-12)

    inside = (curve.survival > 0) & (curve.survival < 1)
    assert inside.sum() > 5
    band = theirs.confidence_interval(0.95, method="log-log")
    np.testing.assert_allclose(curve.low[inside], band.low.evaluate(curve.times[inside]))
    np.testing.assert_allclose(curve.high[inside], band.high.evaluate(curve.times[inside]))


def test_restricted_mean_is_the_area_by_hand() -> None:
    curve = kaplan_meier(TIMES, FAILED)
    area = 1 * 1 + 2 * 5 / 6 + 3 * 5 / 12 + 1 * 5 / 24
    assert restricted_mean_survival(curve, 7.0) == pytest.approx(area)
    assert restricted_mean_survival(curve, 2.0) == pytest.approx(1 + 5 / 6)
    assert survival_at(curve, 3.0) == pytest.approx(5 / 12)
    assert survival_at(curve, 2.9) == pytest.approx(5 / 6)


def test_nothing_is_said_beyond_the_last_trajectory_unless_all_failed() -> None:
    open_end = kaplan_meier(TIMES, FAILED)
    assert np.isnan(restricted_mean_survival(open_end, 9.0)) and np.isnan(survival_at(open_end, 9))
    all_failed = kaplan_meier(np.array([1.0, 3.0]), np.array([True, True]))
    assert restricted_mean_survival(all_failed, 9.0) == pytest.approx(2.0)
    assert survival_at(all_failed, 9.0) == 0
    assert np.isnan(all_failed.low[-1]) and np.isnan(all_failed.high[-1])


def test_pseudo_observations_are_the_times_where_nothing_is_censored() -> None:
    times = np.array([0.5, 1.0, 2.0, 2.0])
    failed = np.array([True, True, False, False])
    np.testing.assert_allclose(pseudo_restricted_means(times, failed, 2.0), times)
    np.testing.assert_allclose(pseudo_survivals(times, failed, 2.0), [0, 0, 1, 1], atol=1e-12)


@pytest.mark.slow
def test_pseudo_observations_average_to_the_estimate_with_censoring() -> None:
    rng = np.random.default_rng(5)
    life, left = rng.exponential(1.0, 400), rng.exponential(2.0, 400)
    times = np.minimum(np.minimum(life, left), 1.0)
    failed = (life < left) & (life < 1.0)
    curve = kaplan_meier(times, failed)
    pseudo = pseudo_restricted_means(times, failed, 1.0)
    assert pseudo.mean() == pytest.approx(restricted_mean_survival(curve, 1.0), abs=1e-3)
    # The true mean of min(life, 1) is 1 - 1/e; a mean that drops the censored ones is too low.
    assert restricted_mean_survival(curve, 1.0) == pytest.approx(1 - np.exp(-1), abs=0.05)
    assert times.mean() < restricted_mean_survival(curve, 1.0) - 0.05


def test_all_censored_early_is_undetermined() -> None:
    times, failed = np.array([0.1, 0.2]), np.array([False, False])
    assert np.isnan(pseudo_restricted_means(times, failed, 1.0)).all()
    assert np.isnan(pseudo_survivals(times, failed, 1.0)).all()


def test_one_completed_trajectory_among_censored_ones_decides() -> None:
    times, failed = np.array([0.1, 1.0, 0.2]), np.array([False, False, False])
    np.testing.assert_allclose(pseudo_restricted_means(times, failed, 1.0), 1.0)


@pytest.mark.parametrize("times", [[], [-1.0], [np.nan], [1.0, 2.0]])
def test_bad_times_are_refused(times: list[float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        kaplan_meier(np.array(times), np.array([True]))


def test_band_of_replicas_that_are_all_alike_is_that_of_one_of_each() -> None:
    alone = kaplan_meier(TIMES, FAILED)
    numbers = np.repeat(np.arange(6), 4)
    together = kaplan_meier(np.repeat(TIMES, 4), np.repeat(FAILED, 4), numbers)
    np.testing.assert_allclose(together.survival, alone.survival)
    np.testing.assert_allclose(together.low, alone.low)
    np.testing.assert_allclose(together.high, alone.high)
    apart = kaplan_meier(np.repeat(TIMES, 4), np.repeat(FAILED, 4))
    inside = alone.survival < 1
    assert (apart.low[inside] > alone.low[inside]).all()


@pytest.mark.slow
def test_band_covers_the_truth_where_replicas_are_alike() -> None:
    # Structures fail at exponential times, their three replicas together: S(1) = 1/e.
    covered = {True: 0, False: 0}
    for seed in range(200):
        rng = np.random.default_rng(seed)
        times = np.repeat(rng.exponential(size=40), 3)
        for knows in covered:
            clusters = np.repeat(np.arange(40), 3) if knows else None
            curve = kaplan_meier(times, np.ones(120, dtype=bool), clusters)
            k = np.searchsorted(curve.times, 1.0) - 1
            covered[knows] += bool(curve.low[k] <= np.exp(-1) <= curve.high[k])
    assert 180 <= covered[True] <= 199
    assert covered[False] < 165
