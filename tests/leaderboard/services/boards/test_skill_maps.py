"""Maps say how good a potential is on an element or a family, and on how many systems."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from leaderboard import models
from leaderboard.enums import Visibility
from leaderboard.lib import memory
from leaderboard.services.boards.skill_maps import Paired, map_of, paired, skill_rows
from leaderboard.services.boards.task_maps import TaskMap, map_of_task
from leaderboard.services.boards.task_store import current_task_board
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db

ELEMENTS = ("O-Si", "O-Si", "Si", "Cu", "Au-Cu", "He")
CLUSTERS = ("a", "a", "b", "c", "d", "e")
SKILLS = [0.9, 0.7, 0.5, 0.2, 0.0, None]


@pytest.fixture(autouse=True)
def forgetful() -> None:
    memory.forget()


def by_skill(**fields: Any) -> models.TaskVersion:
    return factories.task_version(metrics=factories.SKILL_METRICS, **fields)


def judged(
    name: str,
    task: models.TaskVersion,
    skills: list[float | None],
    elements: tuple[str, ...] = ELEMENTS,
    *,
    is_baseline: bool = False,
    **fields: Any,
) -> models.Evaluation:
    potential = factories.potential(name=name, slug=name, is_baseline=is_baseline)
    submission = factories.submission(potential, version="1", **fields)
    clusters = CLUSTERS if len(elements) == len(CLUSTERS) else None
    return factories.evaluation_with_skills(submission, task, skills, elements, clusters)


def of_task(task: models.TaskVersion) -> TaskMap | None:
    return map_of_task(current_task_board(task))


def test_a_system_counts_for_each_of_its_elements() -> None:
    found = judged("one", by_skill(), SKILLS)
    skills = map_of(found.pk, skill_rows([found.pk])[found.pk], with_intervals=True)

    told = {p.part.name: (p.part.n_systems, p.part.n_clusters, p.skill) for p in skills.elements}
    assert told == {
        "O": (2, 1, pytest.approx(0.8)),
        "Si": (3, 2, pytest.approx(0.7)),
        "Cu": (2, 2, pytest.approx(0.1)),
        "Au": (1, 1, pytest.approx(0.0)),
    }  # helium tests nothing
    families = {p.part.name: (p.part.n_systems, p.skill) for p in skills.families}
    assert families == {
        "metals": (2, pytest.approx(0.1)),
        "oxides": (2, pytest.approx(0.8)),
    }
    assert [p.part.name for p in skills.weakest] == ["Au", "Cu", "Si", "O"]
    # One system: the interval says how little it tells.
    gold = next(p for p in skills.elements if p.part.name == "Au")
    assert gold.part.is_few
    assert gold.low is not None and gold.high is not None and gold.low < 0.01 and gold.high > 0.5


def test_what_is_hidden_or_scored_by_anchors_has_no_map() -> None:
    hidden = by_skill(reference_set=factories.reference_set(is_public=False))
    secret = judged("secret", hidden, SKILLS)
    anchored = factories.evaluation(on=factories.task_version(), score=0.5)
    assert skill_rows([secret.pk, anchored.pk]) == {}
    assert of_task(hidden) is None
    assert of_task(anchored.task_version) is None


def test_a_task_tells_the_median_and_the_best_of_those_that_are_no_baselines() -> None:
    task = by_skill()
    judged("low", task, [0.2] * 5 + [None])
    judged("high", task, [0.6] * 5 + [None])
    judged("dummy", task, [1.0] * 6, is_baseline=True)
    judged("own", task, [1.0] * 6, visibility=Visibility.PRIVATE)
    found = of_task(task)
    assert found is not None
    assert [row.entrant.name for row in found.rows] == ["dummy", "high", "low"]
    assert [part.name for part in found.parts] == ["O", "Si", "Cu", "Au", "metals", "oxides"]
    oxygen = found.standings[0]
    assert (oxygen.median, oxygen.best) == (pytest.approx(0.4), pytest.approx(0.6))
    assert oxygen.leader.entrant.name == "high"
    assert np.isfinite(found.skills).all()


def test_a_potential_of_many_versions_counts_once_in_the_median() -> None:
    task = by_skill()
    low = judged("low", task, [0.2] * 5 + [None])
    judged("high", task, [0.6] * 5 + [None])
    for version in ("2", "3", "4"):
        again = factories.submission(low.submission.potential, version=version)
        factories.evaluation_with_skills(again, task, [0.1] * 5 + [None], ELEMENTS, CLUSTERS)
    found = of_task(task)
    assert found is not None
    assert len(found.rows) == 5
    medians = [standing.median for standing in found.standings]
    assert medians == pytest.approx([0.4] * len(found.parts))


def test_two_are_paired_on_the_systems_that_test_both() -> None:
    task = by_skill()
    first, second = judged("a", task, SKILLS), judged("b", task, [0.5, 0.5, None, 0.9, 0.9, 0.0])
    rows = skill_rows([first.pk, second.pk])
    both = paired(list(rows.items()))
    assert isinstance(both, Paired)
    assert [(p.name, p.n_systems) for p in both.parts] == [
        ("O", 2), ("Si", 2), ("Cu", 2), ("Au", 1),
    ]  # fmt: skip
    place = list(rows).index(first.pk)
    assert both.skills[place].tolist() == pytest.approx([0.8, 0.8, 0.1, 0.0])
    assert both.drawn.shape == (2, 4, 1000)


def test_skills_of_other_systems_are_not_paired() -> None:
    task = by_skill()
    first, second = judged("a", task, SKILLS), judged("b", task, [0.5], ("Cu",))
    assert paired(list(skill_rows([first.pk, second.pk]).items())) is None
