"""Who is recommended, in what order, and who is out."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser

from leaderboard import models
from leaderboard.exceptions import SubmissionError
from leaderboard.services.advice.question import elements_of, wishes_from_query
from leaderboard.services.advice.recommendation import (
    Candidate,
    Group,
    Recommendation,
    recommend,
)
from tests.leaderboard import factories
from tests.leaderboard.advice_world import Advice, add, build_board
from tests.leaderboard.timings import CPU, efficiency_task, material, timed

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> Advice:
    return build_board()


def ask(world: Advice, **query: Any) -> dict[str, Candidate]:
    wishes = wishes_from_query({name: str(value) for name, value in query.items()})
    found = recommend(wishes, world.benchmark, user=AnonymousUser())
    return {c.row.entrant.slug: c for c in found.candidates}


def test_the_best_score_stands_first_and_ties_with_it_are_told(world: Advice) -> None:
    add(world, "good", 0.70, seed=1, us_per_atom=400.0)
    add(world, "alike", 0.699, seed=2, us_per_atom=200.0)
    add(world, "worse", 0.5, seed=3, us_per_atom=300.0)
    found = ask(world, elements="Li")
    assert list(found) == ["good", "alike", "worse"]
    assert [c.is_tied_with_best for c in found.values()] == [None, True, False]
    # The worst is slower than the second and worse.
    assert [c.is_on_front for c in found.values()] == [True, True, False]


def test_what_matters_decides_the_order(world: Advice) -> None:
    add(world, "a", 0, scores=(0.9, 0.2, 0.5))
    add(world, "b", 0, scores=(0.2, 0.8, 0.5))
    assert next(iter(ask(world))) == "a"
    assert next(iter(ask(world, **{"weight.Forces": 0}))) == "b"


def test_estimates_come_from_the_hardware_that_is_asked_for(world: Advice) -> None:
    submission = add(world, "a", 0.5, us_per_atom=None)
    timed(submission, world.efficiency, material(us_per_atom=1000.0), hardware=CPU)
    wish = {"n_atoms": 1000, "duration": 3.6, "duration_unit": "ns"}
    on_cpu = ask(world, hardware="cpu", **wish)["a"]
    # A second a step, 3.6 million steps.
    assert on_cpu.estimate is not None
    assert on_cpu.estimate.hours == pytest.approx(1000)
    assert ask(world, hardware=CPU, **wish)["a"].group == Group.RECOMMENDED
    assert ask(world, hardware="gpu", **wish)["a"].group == Group.UNTIMED
    assert ask(world, hardware="an abacus", **wish)["a"].group == Group.UNTIMED


def test_of_two_timings_the_farther_reaching_counts(world: Advice) -> None:
    submission = add(world, "a", 0.5)
    far = timed(submission, efficiency_task("long"), material((8, 64, 100_000)))
    found = ask(world, n_atoms=50_000)["a"]
    assert found.timed_by == far.pk
    assert found.estimate is not None
    assert not found.estimate.is_extrapolated


def test_too_large_for_memory_or_time_is_out(world: Advice) -> None:
    add(world, "a", 0.5)  # 1 MiB an atom: 100 GiB for 102 300 atoms
    wish = {"elements": "Li", "n_atoms": 102_300, "duration": 1}
    assert ask(world, **wish)["a"].group == Group.RECOMMENDED
    small = ask(world, memory_GiB=80, **wish)["a"]
    assert (small.group, small.reason) == (
        Group.OUT,
        "Needs about 100 GiB of memory; there are 80 GiB.",
    )
    assert ask(world, n_atoms=200_000)["a"].reason.startswith("Needs about 195 GiB")
    assert ask(world, max_hours=1, **wish)["a"].reason.startswith("Takes about 2.84 hours")


def test_memory_that_ran_out_when_timed_is_believed(world: Advice) -> None:
    submission = add(world, "a", 0.5, us_per_atom=None)
    ended = {"first_failed_n_atoms": 4096, "first_failed_reason": "out_of_memory_gpu"}
    timed(submission, world.efficiency, material(MiB_per_atom=0.01, **ended))
    assert ask(world, n_atoms=4000)["a"].group == Group.RECOMMENDED
    assert ask(world, n_atoms=5000)["a"].reason == "Ran out of memory at 4096 atoms of Si."
    assert ask(world, n_atoms=5000, memory_GiB=200)["a"].group == Group.RECOMMENDED


def test_elements_that_a_checkpoint_told_are_known(world: Advice) -> None:
    submission = add(world, "a", 0.5, elements=None, us_per_atom=None)
    assert ask(world, elements="Li")["a"].group == Group.UNKNOWN
    told = {"calculator": {"elements": ["Li", "P"]}}
    timed(submission, world.efficiency, provenance_too=told)
    assert ask(world, elements="Li")["a"].group == Group.RECOMMENDED
    assert ask(world, elements="Li,S")["a"].reason == "Does not support S."


def of_world(world: Advice, **query: Any) -> Recommendation:
    return recommend(wishes_from_query(query), world.benchmark, user=AnonymousUser())


def test_everybody_is_judged_on_the_systems_of_the_asked_elements(world: Advice) -> None:
    """The best of the whole board is not the best for silicon here."""
    add(world, "general", 0.9, skills={"Li": 0.3, "P": 0.3, "Fe": 1.0, "Cu": 1.0})
    add(world, "special", 0.6, skills={"Li": 0.8, "P": 0.6, "Fe": 0.1, "Cu": 0.1})
    everything, lithium = of_world(world), of_world(world, elements="Li,P,S")

    assert [c.row.entrant.slug for c in everything.candidates] == ["general", "special"]
    assert (everything.chemistry, everything.judged_on) == (None, "")
    assert [c.row.entrant.slug for c in lithium.candidates] == ["special", "general"]
    assert [c.row.overall for c in lithium.candidates] == pytest.approx([0.7, 0.3])
    assert [c.row.rank for c in lithium.candidates] == [1, 2]
    assert lithium.judged_on == (
        "Ranked on the 2 systems made of Li, P, S alone, in 1 task. None of them holds S. "
        "So few are a hint, no measurement."
    )
    assert [c.is_tied_with_best for c in lithium.candidates] == [None, True]  # of two systems


def test_who_was_not_judged_on_the_elements_is_still_told_of(world: Advice) -> None:
    add(world, "judged", 0.5, skills={"Li": 0.5})
    late = add(world, "late", 0.9)
    late.evaluations.filter(task_version=world.forces).delete()
    found = {c.row.entrant.slug: c for c in of_world(world, elements="Li").candidates}
    assert (found["judged"].group, found["late"].group) == (Group.RECOMMENDED, Group.UNJUDGED)
    assert found["late"].reason == "Not judged on any system of Li alone."
    assert found["late"].row.overall is None


def test_where_no_system_is_made_of_the_elements_it_is_said(world: Advice) -> None:
    add(world, "a", 0.5, skills={"Li-Fe": 0.1, "Fe": 0.3})
    found = of_world(world, elements="Li,S")
    assert found.chemistry is None
    assert found.judged_on == (
        "No task that counts has a system made of Li, S alone: the ranks are those of the whole "
        "board, on systems of other elements too."
    )
    assert found.candidates[0].row.overall == pytest.approx(0.5)


def test_weights_of_categories_that_are_left_out_do_no_harm(world: Advice) -> None:
    add(world, "a", 0.5, skills={"Li": 0.1})
    query = {"elements": "Li", "weight.Stability": "3"}
    assert of_world(world, **query).candidates[0].row.overall == pytest.approx(0.1)
    alone = of_world(world, **{**query, "weight.Forces": "0"})
    assert alone.chemistry is None and alone.judged_on.startswith("No task that counts")


def test_a_hidden_set_is_no_board_for_elements(world: Advice) -> None:
    add(world, "a", 0.5, skills={"Li": 0.1})
    models.ReferenceSet.objects.update(is_public=False)
    assert of_world(world, elements="Li").chemistry is None


def test_an_owner_sees_where_his_private_one_stands_for_the_elements(world: Advice) -> None:
    owner = factories.user("owner")
    add(world, "shown", 0.5, skills={"Li": 0.2})
    add(world, "kept", 0.5, owner=owner, visibility="private", skills={"Li": 0.9})
    found = recommend(wishes_from_query({"elements": "Li"}), world.benchmark, user=owner)
    kept = next(c for c in found.candidates if c.row.entrant.slug.startswith("kept"))
    assert (kept.row.overall, kept.row.rank) == (pytest.approx(0.9), None)
    assert kept.reason.startswith("Private")


def test_what_lacks_a_rank_stands_apart_with_its_reason(world: Advice) -> None:
    submission = add(world, "a", 0.5)
    models.Evaluation.objects.filter(submission=submission, task_version=world.dynamics).update(
        is_current=False
    )
    found = ask(world)["a"]
    assert (found.group, found.reason) == (
        Group.UNJUDGED,
        "Not ranked overall without a score on Heating.",
    )


@pytest.mark.parametrize("text", ["Li,P,S", "S-P-Li", "Li P S", "Li3PS4", "Li, P ; S"])
def test_elements_are_read_as_people_write_them(text: str) -> None:
    assert elements_of(text) == ("Li", "P", "S")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("10000", 10_000),
        ("10,000", 10_000),
        ("10 000", 10_000),
        ("10\u202f000", 10_000),
        ("10k", 10_000),
        ("1.5 M", 1_500_000),
        ("1e4", 10_000),
    ],
)
def test_large_numbers_are_read_as_people_write_them(text: str, number: int) -> None:
    assert wishes_from_query({"n_atoms": text}).n_atoms == number


@pytest.mark.parametrize("text", ["10,00", "1_000", "k", "10kk", "1.2345k", "infk", "1,000,00"])
def test_what_is_no_number_of_atoms_is_told(text: str) -> None:
    with pytest.raises(SubmissionError) as caught:
        wishes_from_query({"n_atoms": text})
    assert "must be a" in caught.value.errors["n_atoms"]


def test_every_bad_field_is_told_at_once() -> None:
    with pytest.raises(SubmissionError) as refused:
        wishes_from_query({"elements": "Q", "n_atoms": "x", "weight.Forces": "-1"})
    assert set(refused.value.errors) == {"elements", "n_atoms", "weight.Forces"}
