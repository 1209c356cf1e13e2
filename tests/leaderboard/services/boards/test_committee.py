from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from leaderboard import models
from leaderboard.lib import memory
from leaderboard.services.boards import committee
from leaderboard.services.boards.committee import Committee, committee_of, current_committee
from tests.leaderboard import committee_world as world
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def version() -> models.TaskVersion:
    return world.task_version()


@pytest.fixture
def queries() -> Iterator[CaptureQueriesContext]:
    with CaptureQueriesContext(connection) as context:
        yield context


def uncertainty(found: Committee, row: models.Evaluation) -> np.ndarray:
    return found.rows[row.pk]["forces"].uncertainty


def test_each_is_judged_by_the_others_in_energies_and_forces(version: models.TaskVersion) -> None:
    rows = world.three(version)
    found = current_committee(version)
    assert list(found.members) == [row.pk for row in rows]  # the best scored first
    assert set(found.rows) == {row.pk for row in rows}
    for row in rows:
        for name in ("forces", "energies"):
            judged = found.rows[row.pk][name]
            assert judged.calibration is not None
            assert judged.calibration.n == world.N_FRAMES
            assert 1.5 < judged.n_voices <= 2
    forces = found.rows[rows[0].pk]["forces"]
    assert forces.calibration is not None
    assert forces.calibration.spearman is not None
    assert forces.calibration.spearman.value > 0.8
    _, errors = world.errors_of(0)
    np.testing.assert_allclose(forces.error, np.sqrt((errors**2).mean(axis=(1, 2))), rtol=1e-5)


def test_scores_do_not_move_when_another_is_submitted(version: models.TaskVersion) -> None:
    rows = world.three(version)
    before = current_committee(version)
    scores = list(models.Evaluation.objects.order_by("pk").values_list("pk", "score"))
    world.judged(version, "newcomer", world.errors_of(9))
    after = current_committee(version)
    assert (uncertainty(before, rows[0]) != uncertainty(after, rows[0])).all()
    old = models.Evaluation.objects.filter(pk__in=[pk for pk, _ in scores])
    assert list(old.order_by("pk").values_list("pk", "score")) == scores


def test_baselines_and_whoever_is_no_better_are_judged_and_do_not_judge(
    version: models.TaskVersion,
) -> None:
    members = world.three(version)
    dummy = factories.potential(name="dummy", is_baseline=True)
    baseline = world.judged(version, "dummy", world.errors_of(11), score=0.3, of=dummy)
    worse = world.judged(version, "worse", world.errors_of(12), score=0.2)
    without = world.judged(version, "unscored", world.errors_of(13), score=None)
    found = current_committee(version)
    assert set(found.members) == {row.pk for row in members}
    assert {baseline.pk, worse.pk, without.pk} < set(found.rows)


def test_of_a_potential_the_newest_version_judges_others_and_never_its_own(
    version: models.TaskVersion,
) -> None:
    rows = world.three(version)
    before = current_committee(version)
    newer = world.judged(
        version, "", world.errors_of(9), of=rows[0].submission.potential, number="2", score=0.1
    )
    found = current_committee(version)
    assert set(found.members) == {newer.pk, rows[1].pk, rows[2].pk}
    np.testing.assert_array_equal(uncertainty(found, rows[0]), uncertainty(before, rows[0]))
    assert (uncertainty(found, rows[1]) != uncertainty(before, rows[1])).all()


def test_who_is_private_or_withdrawn_has_no_part(version: models.TaskVersion) -> None:
    rows = world.three(version)
    world.judged(version, "mine", world.errors_of(9), visibility="private")
    models.Submission.objects.filter(pk=rows[2].submission_id).update(
        withdrawn_at=rows[2].queued_at
    )
    found = current_committee(version)
    assert set(found.rows) == set(found.members) == {rows[0].pk, rows[1].pk}


def test_another_level_of_theory_is_judged_and_does_not_judge(version: models.TaskVersion) -> None:
    rows = world.three(version)
    other = factories.potential(name="meta", level_of_theory="r2SCAN")
    meta = world.judged(version, "meta", world.errors_of(9), of=other)
    found = current_committee(version)
    assert meta.pk not in found.members
    assert np.isfinite(uncertainty(found, meta)).all()
    assert len(found.members) == len(rows)


def test_identical_copies_count_once_and_say_nothing_of_each_other(
    version: models.TaskVersion,
) -> None:
    rows = world.three(version)
    before = current_committee(version)
    # The oldest is kept, though another has a better score by a hair: it is no other answer.
    copies = [world.judged(version, f"copy-{i}", world.errors_of(0), score=0.9) for i in range(5)]
    found = current_committee(version)
    assert list(found.members) == [row.pk for row in rows]
    for row in rows:
        np.testing.assert_allclose(uncertainty(found, row), uncertainty(before, row))
    np.testing.assert_allclose(
        uncertainty(found, copies[0]), uncertainty(found, rows[0]), rtol=1e-4
    )


def test_near_copies_neither_shrink_nor_grow_an_uncertainty(version: models.TaskVersion) -> None:
    """Eight of one's own answer with noise of 5 %, and eight of another's."""
    rows = world.three(version)
    before = current_committee(version)
    rng = np.random.default_rng(1)
    for seed in (0, 2):
        energies, forces = world.errors_of(seed)
        for i in range(8):
            noisy = (
                energies * rng.normal(1, 0.05, energies.shape),
                forces * rng.normal(1, 0.05, forces.shape),
            )
            world.judged(version, f"copy-{seed}-{i}", noisy, score=0.95)
    found = current_committee(version)
    for row in rows:
        ratio = uncertainty(found, row) / uncertainty(before, row)
        assert 0.8 < np.median(ratio) < 1.25


def test_a_submission_that_is_wrong_on_purpose_moves_little(version: models.TaskVersion) -> None:
    """It copies the best but for some frames, on which it is a thousand times off."""
    for seed in range(5):
        world.judged(version, f"honest-{seed}", world.errors_of(seed), score=0.5 + 0.01 * seed)
    before = current_committee(version)
    energies, forces = (values.copy() for values in world.errors_of(4))
    forces[:4] *= 1000
    world.judged(version, "hostile", (energies, forces), score=0.9)
    found = current_committee(version)
    victims = [row for row in before.rows if row in before.members]
    for pk in victims:
        ratio = found.rows[pk]["forces"].uncertainty / before.rows[pk]["forces"].uncertainty
        assert ratio[:4].max() < 2
        np.testing.assert_allclose(ratio[4:], 1, atol=0.4)


def test_a_single_member_is_no_committee(version: models.TaskVersion) -> None:
    """The page shows none then, so neither do the API and the table of systems."""
    world.judged(version, "only", world.errors_of(0), score=0.9)
    dummy = factories.potential(name="dummy", is_baseline=True)
    world.judged(version, "dummy", world.errors_of(11), score=0.3, of=dummy)
    row = world.judged(version, "worse", world.errors_of(12), score=0.2)
    found = current_committee(version)
    assert not found.is_quorate
    assert found.rows[row.pk]["forces"].n_voices == 0
    assert committee.uncertainties_of(row) == {}


def test_nan_is_judged_by_nobody_and_judges_nobody(version: models.TaskVersion) -> None:
    rows = world.three(version)
    energies, forces = (values.copy() for values in world.errors_of(9))
    energies[3], forces[3] = np.nan, np.nan
    failing = world.judged(version, "failing", (energies, forces), score=0.8)
    found = current_committee(version)
    assert np.isnan(uncertainty(found, failing)[3])
    assert np.isnan(found.rows[failing.pk]["forces"].error[3])
    assert np.isfinite(uncertainty(found, rows[0])).all()
    calibration = found.rows[failing.pk]["forces"].calibration
    assert calibration is not None
    assert calibration.n == world.N_FRAMES - 1


def test_one_alone_has_no_uncertainty(version: models.TaskVersion) -> None:
    row = world.judged(version, "alone", world.errors_of(0))
    found = current_committee(version)
    assert not found.is_quorate
    assert np.isnan(uncertainty(found, row)).all()
    assert found.rows[row.pk]["forces"].calibration is None


def test_a_hidden_set_has_none_until_it_is_opened() -> None:
    hidden = factories.reference_set(is_public=False, level_of_theory="PBE")
    version = world.task_version(reference_set=hidden)
    world.three(version)
    assert current_committee(version) is committee.NOBODY
    assert committee_of(version).rows == {}  # asked all the same, it finds nothing to read
    hidden.is_public = True
    hidden.save()
    assert len(current_committee(version).rows) == 3


def test_it_is_computed_once_for_all_processes(
    version: models.TaskVersion, queries: CaptureQueriesContext
) -> None:
    rows = world.three(version)
    first = current_committee(version)
    n_before = len(queries)
    assert current_committee(version) is first
    assert len(queries) - n_before == 1  # the stamp
    memory.forget()
    n_before = len(queries)
    again = current_committee(version)
    assert len(queries) - n_before == 2  # and what is stored
    assert list(again.members) == list(first.members)
    for row in rows:
        for name, judged in first.rows[row.pk].items():
            np.testing.assert_array_equal(again.rows[row.pk][name].uncertainty, judged.uncertainty)
            assert again.rows[row.pk][name].calibration == judged.calibration


def test_rows_that_the_same_members_have_judged_are_not_judged_again(
    version: models.TaskVersion,
) -> None:
    world.three(version)
    before = current_committee(version)
    new = world.judged(version, "weak", world.errors_of(5), score=-0.1)
    found = current_committee(version)
    assert list(found.members) == list(before.members)
    assert set(found.rows) - set(before.rows) == {new.pk}
    np.testing.assert_array_equal(
        *(f.rows[before.members[0]]["forces"].uncertainty for f in (before, found))
    )
    assert committee_of(version, before).rows[before.members[0]] is before.rows[before.members[0]]
