from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from evaluator import committee
from evaluator.committee import Calibration, Frames, calibration, disagreement, likeness, voices

N_FRAMES, N_COMPONENTS = 200, 12
NAMES = [f"material-{i % 50}" for i in range(N_FRAMES)]
SIZES = np.full(N_FRAMES, N_COMPONENTS)
#: How hard each frame is for everybody, eV/Å.
DIFFICULTY = np.exp(np.random.default_rng(7).normal(-2, 1, N_FRAMES))


def member(seed: int, difficulty: NDArray[np.float64] = DIFFICULTY) -> NDArray[np.float32]:
    """Errors that grow with a frame's difficulty, independent of those of other seeds."""
    rng = np.random.default_rng(seed)
    return (np.repeat(difficulty, N_COMPONENTS) * rng.normal(size=difficulty.size * 12)).astype(
        np.float32
    )


def frames_of(*errors: NDArray[np.float32]) -> Frames:
    return Frames(errors=np.array(errors), sizes=SIZES)


def judged(row: NDArray[np.float32], *others: NDArray[np.float32]) -> NDArray[np.float64]:
    """The row's uncertainty, by others alone."""
    judges = frames_of(*others)
    own = np.zeros((1, len(others)), bool)
    weights = voices(frames_of(row), judges, own, likeness(judges, judges))
    return disagreement(row, judges, weights[0])


def told(row: NDArray[np.float32], uncertainty: NDArray[np.float64]) -> Calibration:
    found = calibration(uncertainty, frames_of(row).rms(row), SIZES.astype(float), NAMES)
    assert found is not None
    return found


def test_independent_members_tell_which_frames_are_hard() -> None:
    found = told(member(1), judged(member(1), member(2), member(3)))
    assert found.spearman is not None
    assert found.auroc is not None
    assert found.spearman.value > 0.9
    assert found.auroc.value > 0.95
    assert found.rmse_half.value < 0.35 * found.rmse.value
    assert (found.n, found.n_clusters) == (200, 50)


def test_who_is_confidently_wrong_is_found_out_by_the_others() -> None:
    """Its answers are off by 1 eV/Å on every twentieth frame, and right elsewhere."""
    hard = np.where(np.arange(N_FRAMES) % 20 == 0, 1.0, 1e-3)
    wrong = member(1, hard)
    found = told(wrong, judged(wrong, member(2, np.full(N_FRAMES, 0.01)), member(3) * 0.05))
    assert found.auroc is not None
    assert found.auroc.value > 0.7
    assert found.rmse_half.value < 0.02 * found.rmse.value


def test_a_committee_that_shares_an_error_does_not_see_it() -> None:
    """What all have wrong alike is no disagreement: the page says so."""
    shared = member(9)
    rows = [shared + 0.01 * member(i, np.ones(N_FRAMES)) for i in range(3)]
    uncertainty = judged(rows[0], *rows[1:])
    assert np.isnan(uncertainty).all()  # they are one voice, and that is the row's own


def test_copies_have_one_voice_together() -> None:
    row, first, second = member(1), member(2), member(3)
    fair = judged(row, first, second)
    rng = np.random.default_rng(5)
    copies = [(second * rng.normal(1, 1e-3, second.size)).astype(np.float32) for _ in range(9)]
    np.testing.assert_allclose(judged(row, first, second, *copies), fair, rtol=0.05)


def test_copies_of_oneself_say_nothing_of_oneself() -> None:
    row, others = member(1), (member(2), member(3))
    copies = [row * np.float32(1 + 1e-4 * i) for i in range(1, 9)]
    np.testing.assert_allclose(judged(row, *others, *copies), judged(row, *others), rtol=1e-3)
    assert np.isnan(judged(row, *copies)).all()


def spoilt(row: NDArray[np.float32], place: int, by: float = 100.0) -> NDArray[np.float32]:
    """A copy that answers nonsense on a few frames, which hardly costs a score."""
    copy = row.reshape(N_FRAMES, N_COMPONENTS).copy()
    rng = np.random.default_rng(100 + place)
    copy[[place, place + 40, place + 80]] += (by * rng.normal(size=(3, N_COMPONENTS))).astype("f4")
    return copy.ravel()


def test_a_copy_with_a_few_answers_of_nonsense_is_a_copy() -> None:
    row, first, second = member(1), member(2), member(3)
    fair = judged(row, first, second)
    of_another = judged(row, first, second, *(spoilt(second, i) for i in range(9)))
    assert np.median(np.abs(of_another / fair - 1)) < 0.1
    of_oneself = judged(row, first, second, *(spoilt(row, i) for i in range(9)))
    assert 0.8 < np.median(of_oneself / fair) < 1.2


def test_copies_with_a_few_answers_of_nonsense_push_nobody_out() -> None:
    first, second = member(1), member(2)
    copies = [spoilt(first, i) for i in range(9)]
    assert committee.choose_judges(frames_of(first, *copies, second), 3, range(11, 0, -1)) == [
        0,
        10,
    ]


def test_an_answer_out_of_all_bounds_breaks_nothing() -> None:
    huge = member(1)
    huge[: 2 * N_COMPONENTS] = 3.3e38
    others = (spoilt(member(2), 0, by=1e37), member(3), -huge)
    assert np.isfinite(judged(member(4), *others, huge)).all()
    assert np.isfinite(judged(huge, *others)[2:]).all()


def test_few_that_answer_nonsense_move_it_little() -> None:
    row, others = member(1), [member(i) for i in range(2, 10)]
    nonsense = [100 * member(50 + i, np.ones(N_FRAMES)) for i in range(2)]
    ratio = judged(row, *others, *nonsense) / judged(row, *others)
    assert np.median(ratio) < 1.3
    assert ratio.max() < 3


def test_one_judge_is_agreed_with_itself_and_two_on_their_mean() -> None:
    row, first, second = member(1), member(2), member(3)
    judges = frames_of(first, second)
    alone = disagreement(row, judges, np.array([1.0, 0]))
    np.testing.assert_allclose(alone, judges.rms(row - first), rtol=1e-5)
    both = disagreement(row, judges, np.ones(2))
    np.testing.assert_allclose(both, judges.rms(row - (first + second) / 2), rtol=1e-5)


def test_the_middle_half_of_the_voices_counts() -> None:
    values = np.array([[1.0], [10.0], [2.0]])
    # Of thirds, 1/12 of the first, all of the second nearest and 1/12 of the last lie inside.
    thirds = committee.middle_half(values, np.ones((3, 1)))[:, 0]
    np.testing.assert_allclose(thirds, [1 / 6, 1 / 6, 2 / 3])
    heavy = committee.middle_half(values, np.array([[1.0], [1], [8]]))[:, 0]
    np.testing.assert_allclose(heavy, [0, 0, 1])


def test_turning_all_answers_changes_nothing() -> None:
    errors = [member(i) for i in range(1, 6)]
    turn = np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))[0]
    turned = [(e.reshape(-1, 3) @ turn).ravel().astype(np.float32) for e in errors]
    np.testing.assert_allclose(judged(*turned), judged(*errors), rtol=1e-4)


def test_a_voice_that_is_split_says_the_same() -> None:
    judges = frames_of(member(2), member(3), member(4))
    split = frames_of(member(2), member(3), member(3), member(3), member(4))
    whole = disagreement(member(1), judges, np.ones(3))
    parts = disagreement(member(1), split, np.array([1, 1 / 3, 1 / 3, 1 / 3, 1]))
    np.testing.assert_allclose(parts, whole)


def test_where_some_have_failed_the_others_judge() -> None:
    row, first, second = member(1), member(2), member(3)
    first[:N_COMPONENTS] = np.nan
    row[-N_COMPONENTS:] = np.nan
    uncertainty = judged(row, first, second)
    apart = frames_of(second).rms(second - row)
    assert uncertainty[0] == pytest.approx(apart[0])
    assert np.isnan(uncertainty[-1])
    assert np.isfinite(uncertainty[:-1]).all()
    assert told(row, uncertainty).n == N_FRAMES - 1


def test_frames_of_which_nothing_is_kept_are_unknown() -> None:
    frames = Frames(errors=np.ones((1, 3), np.float32), sizes=np.array([0, 3, 0]))
    np.testing.assert_array_equal(frames.rms(frames.errors[0]), [np.nan, 1.0, np.nan])


def test_of_those_that_are_the_same_the_oldest_is_chosen() -> None:
    first, second = member(1), member(2)
    candidates = frames_of(first, first * np.float32(1 + 1e-6), second, member(3))
    assert committee.choose_judges(candidates, 3, [9, 8, 7, 6]) == [0, 2, 3]
    assert committee.choose_judges(candidates, 2, [9, 8, 7, 6]) == [0, 2]


def test_a_copy_that_scores_better_does_not_take_the_place_of_what_it_copied() -> None:
    first, second = member(1), member(2)
    candidates = frames_of(spoilt(first, 1), second, first)
    assert committee.choose_judges(candidates, 2, [1, 5, 9]) == [2, 1]


def test_an_uncertainty_that_knows_the_errors_is_perfect() -> None:
    row = member(1)
    error = frames_of(row).rms(row)
    found = told(row, 3 * error)
    assert found.spearman is not None
    assert found.auroc is not None
    assert (found.spearman.value, found.auroc.value) == (pytest.approx(1), pytest.approx(1))
    assert found.auroc.low is not None
    assert found.auroc.high is not None
    assert 0.7 < found.auroc.low < 0.95 < found.auroc.high <= 1  # never [1, 1]
    assert found.rmse_half.value == pytest.approx(np.sqrt(np.mean(np.sort(error)[:100] ** 2)))
    assert found.risk[-1] == pytest.approx(found.rmse.value)
    assert found.risk[4] == pytest.approx(found.rmse_half.value)
    assert list(found.risk) == sorted(found.risk)


def test_ranks_are_those_of_scipy_and_ties_count_half() -> None:
    rng = np.random.default_rng(3)
    uncertainty, error = rng.integers(0, 9, 60).astype(float), rng.integers(0, 9, 60).astype(float)
    names = [str(i) for i in range(60)]
    found = calibration(uncertainty, error, np.ones(60), names)
    assert found is not None
    assert found.spearman is not None
    assert found.auroc is not None
    assert found.spearman.value == pytest.approx(stats.spearmanr(uncertainty, error).statistic)
    worst = committee._is_worst(error)
    u = stats.mannwhitneyu(uncertainty[worst], uncertainty[~worst]).statistic
    assert found.auroc.value == pytest.approx(u / (6 * 54))


def test_an_uncertainty_that_is_the_same_everywhere_has_no_rank() -> None:
    found = told(member(1), np.ones(N_FRAMES))
    assert found.spearman is None
    assert found.auroc is not None
    assert found.auroc.value == pytest.approx(0.5)


@pytest.mark.parametrize("n", [0, 19])
def test_few_frames_are_not_judged(n: int) -> None:
    values = np.where(np.arange(N_FRAMES) < n, 1.0, np.nan)
    assert calibration(values, np.ones(N_FRAMES), SIZES.astype(float), NAMES) is None


def test_few_clusters_have_no_interval() -> None:
    row = member(1)
    error = frames_of(row).rms(row)
    found = calibration(error, error, np.ones(N_FRAMES), ["one", "two"] * 100)
    assert found is not None
    assert (found.n_clusters, found.rmse.low, found.rmse.high) == (2, None, None)


@pytest.mark.slow
def test_intervals_hold_the_rank_correlation_that_many_frames_have() -> None:
    """Of 200 sets of 100 frames, 90 to 99 % have an interval that holds it."""
    rng = np.random.default_rng(11)
    true = 6 / np.pi * np.arcsin(0.8 / 2)  # of two normal numbers correlated by 0.8
    n_held = 0
    for _ in range(200):
        x = rng.normal(size=100)
        y = 0.8 * x + 0.6 * rng.normal(size=100)
        names = [f"{rng.random()}" for _ in range(100)]
        found = calibration(np.exp(x), np.exp(y), np.ones(100), names)
        assert found is not None
        assert found.spearman is not None
        assert found.spearman.low is not None
        assert found.spearman.high is not None
        n_held += found.spearman.low <= true <= found.spearman.high
    assert 180 <= n_held <= 198
