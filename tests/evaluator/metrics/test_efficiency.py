import numpy as np
import pytest

from evaluator.metrics.efficiency import (
    call_times,
    has_settled,
    nanoseconds_per_day,
    power_law,
    process_spread,
    ratio_in_turns,
)


def test_call_times_are_the_median_and_the_quartiles() -> None:
    # 1, 2, 3, 4, 100: the outlier moves neither the median 3 nor the quartiles 2 and 4.
    times = call_times([3.0, 1.0, 100.0, 4.0, 2.0])
    assert (times.n_calls, times.median_s, times.q1_s, times.q3_s) == (5, 3.0, 2.0, 4.0)
    with pytest.raises(ValueError, match="no call"):
        call_times([])


def test_a_warm_up_ends_when_three_medians_of_three_calls_agree() -> None:
    assert not has_settled([1.0] * 8)
    assert has_settled([1.0] * 9)
    assert has_settled([9.0, 5.0, *[1.0, 1.01, 50.0] * 3])  # an outlier in each block is no matter
    assert not has_settled([1.0] * 6 + [1.03] * 3)
    assert has_settled([1.0] * 6 + [1.019] * 3)


def test_a_call_of_a_millisecond_makes_86_nanoseconds_a_day() -> None:
    # 86400 s/day / 1e-3 s = 8.64e7 steps of 1 fs = 86.4 ns.
    assert nanoseconds_per_day(1e-3) == pytest.approx(86.4)
    assert nanoseconds_per_day(1e-3, timestep_fs=0.5) == pytest.approx(43.2)


def test_spread_of_processes_is_half_their_range_over_the_median() -> None:
    assert process_spread([0.9, 1.0, 1.3]) == pytest.approx(0.2)
    assert process_spread([1.0]) is None


@pytest.mark.parametrize("exponent", [0.3, 1.0, 2.5])
def test_the_exponent_of_an_exact_power_law_is_found(exponent: float) -> None:
    sizes = [512, 1000, 4096, 10648]
    law = power_law(sizes, [2e-3 * n**exponent for n in sizes])
    assert law is not None
    assert law.exponent == pytest.approx(exponent, abs=1e-9)
    assert law.prefactor_s == pytest.approx(2e-3)
    assert law.low == pytest.approx(exponent, abs=1e-6)
    assert (law.n_sizes, law.smallest_n_atoms, law.largest_n_atoms) == (4, 512, 10648)


def test_small_sizes_enter_the_law_only_where_large_ones_are_lacking() -> None:
    def seconds(n: int) -> float:
        return max(1.0, n / 512)  # flat below 512 atoms, linear above

    large = power_law([8, 64, 512, 1024, 4096], [seconds(n) for n in (8, 64, 512, 1024, 4096)])
    assert large is not None and large.exponent == pytest.approx(1.0)
    assert large.smallest_n_atoms == 512

    mixed = power_law([8, 64, 512, 1024], [seconds(n) for n in (8, 64, 512, 1024)])
    assert mixed is not None and mixed.exponent < 0.5
    assert mixed.smallest_n_atoms == 8


@pytest.mark.slow
def test_the_interval_of_the_exponent_covers_it_nineteen_times_in_twenty() -> None:
    sizes = np.array([512, 1000, 4096, 10648, 32768])
    n_covered = 0
    for seed in range(400):
        noise = np.random.default_rng(seed).normal(0.0, 0.1, len(sizes))
        law = power_law(sizes.tolist(), np.exp(noise + 1.2 * np.log(sizes)).tolist())
        assert law is not None and law.low is not None and law.high is not None
        n_covered += law.low <= 1.2 <= law.high
    assert 365 <= n_covered <= 395  # 380 expected, standard deviation 4.4


def test_two_sizes_have_a_slope_without_interval_and_one_has_none() -> None:
    law = power_law([512, 1024], [1.0, 2.0])
    assert law is not None and (law.low, law.high) == (None, None)
    assert law.exponent == pytest.approx(1.0)
    assert power_law([512], [1.0]) is None
    assert power_law([512, 512], [1.0, 1.1]) is None
    with pytest.raises(ValueError, match="positive"):
        power_law([512, 1024], [1.0, 0.0])


def test_ratio_in_turns_is_that_of_neighbours_whatever_the_device_does() -> None:
    # The device is ten times as slow for the last pair: ratios 2, 2, 2; of the whole medians 2 / 1.
    submission = [[2.0, 2.0, 9.0], [2.0, 2.0, 2.0], [20.0, 20.0, 20.0]]
    reference = [[1.0, 1.0, 1.0], [1.0, 1.0, 50.0], [10.0, 10.0, 10.0]]
    assert ratio_in_turns(submission, reference) == 2.0
    for bad in ([], reference[:2]):
        with pytest.raises(ValueError, match="not pairs"):
            ratio_in_turns(submission, bad)
