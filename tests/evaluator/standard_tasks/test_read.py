import subprocess
import sys
from typing import Any

import pytest

from evaluator.catalog import METRICS, PROTOCOLS, Direction
from evaluator.contract import TaskSpec
from evaluator.references.sets import known_references
from evaluator.standard_tasks import read
from evaluator.standard_tasks.read import StandardTask, standard_benchmarks, standard_tasks

TASKS = {task.slug: task for task in standard_tasks()}
each_task = pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))


def test_the_standard_tasks_are_these() -> None:
    assert sorted(TASKS) == [
        "efficiency",
        "efficiency-small",
        "elastic",
        "elastic-small",
        "eos-experiment",
        "eos-oxides",
        "eos-unaries",
        "eos-wien2k",
        "far-from-equilibrium",
        "heat-capacity",
        "heat-capacity-small",
        "interaction-energies",
        "interaction-energies-stretched",
        "md-compression",
        "md-compression-small",
        "md-density",
        "md-heating",
        "md-heating-small",
        "md-structure-mlearn",
        "md-structure-small",
        "mixing-energies",
        "mlearn-forces",
        "nve",
        "nve-300",
        "nve-small",
        "phonons",
        "phonons-measured-small",
        "phonons-small",
        "rare-event-forces-si",
        "smoke",
        "surface-energies",
        "surface-energies-relaxed",
        "vacancies",
    ]


@each_task
def test_task_names_a_reference_set_that_can_be_built(task: StandardTask) -> None:
    known = known_references()[task.reference_name]
    assert task.spec.reference is not None
    assert task.spec.reference.sha256 == known.sha256
    assert task.spec.reference.level_of_theory == known.level_of_theory


@each_task
def test_anchors_lie_in_the_direction_of_their_metric(task: StandardTask) -> None:
    for metric in task.spec.metrics:
        direction = METRICS[metric.key].direction
        if direction is Direction.LOWER:
            assert metric.good < metric.bad <= metric.worst
        elif direction is Direction.HIGHER:
            assert metric.good > metric.bad >= metric.worst
        else:
            assert metric.good == 1.0
            assert abs(metric.worst - 1) >= abs(metric.bad - 1) > 0


@each_task
def test_task_scores_something_and_states_its_limitations(task: StandardTask) -> None:
    assert sum(metric.weight for metric in task.spec.metrics) > 0
    assert len(task.limitations) >= 3
    assert all(text.endswith(".") and "\n" not in text for text in task.limitations)
    # By skill what is not supported has the skill 0: coverage is part of the score.
    assert (task.min_coverage == 0) == task.spec.is_scored_by_skill
    assert task.min_coverage <= 1
    assert task.spec.protocol_version == PROTOCOLS[task.spec.protocol].version


@each_task
def test_task_survives_json(task: StandardTask) -> None:
    assert TaskSpec.from_json(task.spec.to_json()) == task.spec


def test_core_has_three_profiles_and_what_the_small_one_asks_all_ask() -> None:
    profiles = {benchmark.slug: benchmark for benchmark in standard_benchmarks()}
    assert list(profiles) == ["core-full", "core-medium", "core-small"]
    small = {
        "Equation of state": 1,
        "Energies and forces": 1,
        "Molecular dynamics": 1,
        "Phonons": 1,
        "Efficiency": 0,
    }
    more_of_others = {"Alloys": 1, "Surfaces and defects": 1, "Molecules": 1, "Elasticity": 1}
    for benchmark in profiles.values():
        assert all(entry.category == TASKS[entry.slug].category for entry in benchmark.tasks)
        more = {} if benchmark.slug == "core-small" else more_of_others
        assert benchmark.categories == small | more
        assert {entry.category for entry in benchmark.tasks} == set(benchmark.categories)


def test_every_standard_task_but_the_smoke_test_stands_in_a_profile() -> None:
    used = {entry.slug for benchmark in standard_benchmarks() for entry in benchmark.tasks}
    assert used == set(TASKS) - {"smoke"}


def test_the_web_service_may_import_it() -> None:
    code = (
        "import sys, evaluator.standard_tasks.read as s; s.standard_benchmarks(); "
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'ase', 'numpy', 'torch', 'scipy'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"metrics": [{"key": "force_mae", "good": 0, "bad": 1, "worst": 1}]}, "has no metric"),
        ({"limitations": []}, "must state its limitations"),
        ({"parameters": {"n_volumes": 2}}, "n_volumes must be at least 5"),
    ],
)
def test_task_that_contradicts_the_catalog_is_refused(
    change: dict[str, Any], complaint: str
) -> None:
    content = next(c for name, c in read._files() if name == "eos-wien2k.toml") | change
    references = {e["name"]: e for e in read._read(read._REFERENCES)["set"]}
    with pytest.raises(ValueError, match=complaint):
        read._task("eos-wien2k", content, references)
