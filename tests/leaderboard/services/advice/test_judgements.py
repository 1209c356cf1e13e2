"""Strengths, weaknesses and grades follow from the numbers."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.test.utils import CaptureQueriesContext

from leaderboard import models
from leaderboard.services.advice.judgements import Judgement, judgement, median_of, trained_others
from leaderboard.services.boards.grades import grades, letters_by_name, letters_of, mark_of
from leaderboard.services.boards.reader import view_for
from leaderboard.services.boards.store import current_board
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db


def judged(own: float, *others: float, spread: float = 0.02, **fields: Any) -> Judgement:
    task = factories.task_version()
    benchmark = factories.benchmark_version((task, "a"))
    ours = factories.submission()
    for score, submission in ((own, ours), *((s, factories.submission()) for s in others)):
        replicates = [score - spread, score - spread / 2, score, score + spread / 2, score + spread]
        factories.evaluation(
            submission, task, score=score, score_low=score - spread, score_high=score + spread,
            replicates=40 * replicates, n_systems=20, **(fields if submission == ours else {}),
        )  # fmt: skip
    board = current_board(benchmark)
    rows = view_for(board, AnonymousUser()).rows
    row = next(row for row in rows if row.key == ours.pk)
    return judgement(board, row, ours.evaluations.prefetch_related("scores"))


def test_a_score_is_strong_where_its_interval_lies_above_the_median_of_the_others() -> None:
    found = judged(0.8, 0.5, 0.6, 0.7)
    assert [r.text.split(": ")[1] for r in found.strengths] == [
        "0.80 (0.78 to 0.82), where half of the others reach 0.60"
    ]
    assert found.weaknesses == []


def test_it_is_weak_where_it_lies_below_and_neither_where_it_holds_the_median() -> None:
    weak = judged(0.4, 0.5, 0.6, 0.7)
    assert (len(weak.strengths), len(weak.weaknesses)) == (0, 1)
    same = judged(0.61, 0.5, 0.6, 0.7)
    assert (same.strengths, same.weaknesses, same.n_compared) == ([], [], 1)


def test_another_of_many_versions_counts_once() -> None:
    """By its best: four of 0.1 do not lower what half of the others reach."""
    task = factories.task_version()
    benchmark = factories.benchmark_version((task, "a"))
    potentials = [factories.potential() for _ in range(4)]
    rows = [(p, "1", 0.6 - 0.1 * i) for i, p in enumerate(potentials)]
    rows += [(potentials[1], str(number), 0.1) for number in range(2, 6)]
    for of, version, score in rows:
        row = factories.submission(of, version=version)
        factories.evaluation(row, task, score=score)
    board = current_board(benchmark)
    hardware = board.matrix.hardware_keys[board.matrix.hardware[0, 0]]
    others = trained_others(board, potentials[0].slug)
    assert median_of(board, others, 0, hardware) == pytest.approx(0.4)


def test_two_others_say_nothing() -> None:
    found = judged(0.9, 0.1, 0.2)
    assert (found.strengths, found.weaknesses, found.n_compared) == ([], [], 0)


def test_many_failures_and_measured_forces_that_are_no_gradient_are_weak() -> None:
    found = judged(0.6, 0.5, 0.6, 0.7, n_failed=4, consistency={"is_conservative_measured": False})
    texts = [remark.text for remark in found.weaknesses]
    assert len(texts) == 2
    assert "4 of 20 systems failed" in texts[0]
    assert "Forces were not the energy’s gradient" in texts[1]
    assert judged(0.6, 0.5, 0.6, 0.7, n_failed=0).weaknesses == []


@pytest.mark.parametrize(
    ("value", "low", "high", "expected"),
    [(0.8, 0.75, 0.85, "too low"), (1.2, 1.1, 1.3, "too high"), (0.8, 0.6, 1.02, ""),
     (0.97, 0.96, 0.98, ""), (5e299, 1e299, 9e299, "5.00e+299 (1.00e+299 to 9.00e+299)")],
)  # fmt: skip
def test_a_ratio_is_weak_where_its_interval_leaves_one_out(
    value: float, low: float, high: float, expected: str
) -> None:
    evaluation = factories.evaluation(score=0.5)
    models.Score.objects.create(
        evaluation=evaluation, metric="softening_slope", value=value, low=low, high=high,
        score=0.5, n=10, n_failed=0,
    )  # fmt: skip
    texts = [remark.text for remark in judgement(None, None, [evaluation]).weaknesses]
    assert bool(texts) == bool(expected)
    assert all(expected in text for text in texts)


def test_grades_are_those_of_the_worst_error_and_missing_ones_have_none() -> None:
    clean = factories.evaluation(
        score=0.5,
        consistency={"rotation_force_error_eV_A_max": 1e-6, "repeat_force_error_eV_A_max": 0.0},
    )
    bad = factories.evaluation(score=0.5, consistency={"rotation_force_error_eV_A_max": 0.03})
    models.Score.objects.create(
        evaluation=bad, metric="nve_extrapolated_drift", value=-25.0, low=None, high=None,
        score=0.0, n=1, n_failed=0,
    )  # fmt: skip
    letters = {grade.name: grade.letter for grade in grades([clean])}
    assert letters == {"Consistency": "A", "Invariance": "A", "Conservation": "", "Smoothness": ""}
    found = {grade.name: grade for grade in grades([clean, bad])}
    assert (found["Invariance"].letter, found["Smoothness"].letter) == ("C", "D")
    (check,) = found["Invariance"].checks
    assert (check.value, check.address) == (0.03, bad.get_absolute_url())


@pytest.mark.parametrize(
    ("consistency", "n_failed", "letter"),
    [
        ({"phonon_roughness_percent_median": 0.03}, None, "A"),
        ({"phonon_roughness_percent_median": 2.0}, None, "B"),
        ({"phonon_roughness_percent_median": 10.0}, None, "C"),
        ({"phonon_roughness_percent_median": 30.0}, None, "D"),
        ({"nve_drift_meV_atom_ps_mean": 0.0}, 6, "A"),  # zero forces: all failed, none drifted
        ({"nve_drift_meV_atom_ps_mean": 25.0}, 6, "D"),
        ({}, 6, ""),  # an earlier evaluation that does not tell: the charge is no drift
        ({}, 0, "D"),
    ],
)
def test_smoothness_is_graded_by_what_was_measured(
    consistency: dict[str, float], n_failed: int | None, letter: str
) -> None:
    evaluation = factories.evaluation(score=0.5, consistency=consistency)
    if n_failed is not None:
        models.Score.objects.create(
            evaluation=evaluation, metric="nve_extrapolated_drift", value=20.0, low=None, high=None,
            score=0.0, n=6, n_failed=n_failed,
        )  # fmt: skip
    (smoothness,) = [grade for grade in grades([evaluation]) if grade.name == "Smoothness"]
    assert smoothness.letter == letter
    letters = letters_of(models.Evaluation.objects.all())
    assert letters[evaluation.submission_id][-1] == (letter or "-")


def test_letters_of_many_submissions_are_those_of_their_grades() -> None:
    consistencies: list[list[dict[str, Any]]] = [
        [{"rotation_force_error_eV_A_max": 0.03}, {"rotation_force_error_eV_A_max": None}],
        [{}],
        [{"force_gradient_error_eV_A_rms": -0.3, "repeat_energy_error_meV_atom_max": 1e-9}],
        [{"permutation_energy_error_meV_atom_max": 0.1}, {"stress_gradient_error_GPa_max": 0.4}],
    ]
    submissions = [factories.submission() for _ in consistencies]
    for submission, found in zip(submissions, consistencies, strict=True):
        for consistency in found:
            factories.evaluation(submission, score=0.5, consistency=consistency)
    drifting = submissions[1].evaluations.get()
    models.Score.objects.create(
        evaluation=drifting, metric="nve_extrapolated_drift", value=-0.5, low=None, high=None,
        score=0.0, n=1, n_failed=0,
    )  # fmt: skip
    with CaptureQueriesContext(connection) as captured:
        letters = letters_of(models.Evaluation.objects.all())
    assert len(captured) == 2
    assert letters == {
        s.pk: "".join(grade.letter or "-" for grade in grades(s.evaluations.all()))
        for s in submissions
    }
    assert [letters[s.pk] for s in submissions] == ["-C--", "---B", "A-D-", "-BB-"]


@pytest.mark.parametrize(
    ("letters", "passes_checks", "poor"),
    [
        ("ABB-", True, []),
        ("AAAA", True, []),
        ("AAAC", False, ["Smoothness C"]),
        ("A-B-", False, []),
        ("-AAA", False, []),
        ("ADC-", False, ["Invariance D", "Conservation C"]),
        ("----", False, []),
        ("", False, []),
    ],
)
def test_only_what_was_measured_and_found_good_passes_the_checks(
    letters: str, passes_checks: bool, poor: list[str]
) -> None:
    assert mark_of(letters)[:2] == (passes_checks, poor)


@pytest.mark.parametrize(("error", "is_told"), [(0.0147, False), (0.03, True)])
def test_forces_are_no_gradient_where_the_grade_says_so_too(error: float, is_told: bool) -> None:
    consistency = {
        "is_conservative_measured": False, "force_gradient_error_eV_A_rms": error,
    }  # fmt: skip
    found = judged(0.6, 0.5, 0.6, 0.7, consistency=consistency)
    assert any("energy’s gradient" in r.text for r in found.weaknesses) == is_told


def test_letters_are_told_by_name() -> None:
    assert letters_by_name("A-D-") == {"Consistency": "A", "Conservation": "D"}
    assert mark_of("A-D-").words == "Consistency A, Conservation D"
