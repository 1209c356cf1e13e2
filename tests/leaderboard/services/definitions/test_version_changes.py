"""New versions from old ones, and what differs."""

from __future__ import annotations

import pytest

from leaderboard import models
from leaderboard.enums import VersionState
from leaderboard.services.definitions import version_changes
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db


def test_a_new_version_is_a_draft_like_the_old_one() -> None:
    old = factories.task_version()
    new = version_changes.new_task_version(old)
    assert (new.number, new.state, new.published_at) == (2, VersionState.DRAFT, None)
    assert version_changes.task_changes(old, new) == []
    assert version_changes.previous(new) == old


def test_what_differs_is_told_by_field_and_texts_by_line() -> None:
    old = factories.task_version(parameters={"n_volumes": 7})
    new = version_changes.new_task_version(old)
    new.parameters = {"n_volumes": 9}
    new.metrics = [{**factories.METRICS[0], "bad": 60.0}]
    new.limits = {"memory_MiB": 4096}
    new.limitations = "Fixed shapes.\nOne phase."

    found = {c.field: (c.old, c.new) for c in version_changes.task_changes(old, new)}

    gone = {f for f in found if f.startswith("metrics.bulk_modulus_relative_error")}
    assert {f: v for f, v in found.items() if f not in gone} == {
        "parameters.n_volumes": (7, 9),
        "metrics.eos_delta_mean.bad": (50.0, 60.0),
        "limits.memory_MiB": (8192, 4096),
        "limitations": ("Fixed shapes.", "Fixed shapes.\nOne phase."),
    }
    assert all(found[f][1] is None for f in gone)
    assert gone
    text = version_changes.task_changes(old, new)[-1]
    assert text.lines == ("  Fixed shapes.", "+ One phase.")


def test_a_new_benchmark_version_takes_the_newest_version_of_each_task() -> None:
    old = factories.task_version()
    first = factories.benchmark_version((old, "A"), (factories.task_version(), "B"))
    newer = factories.task_version(old.task)

    second = version_changes.new_benchmark_version(first)

    assert (second.number, second.state) == (2, VersionState.DRAFT)
    assert newer in [e.task_version for e in second.entries.all()]
    (change,) = version_changes.benchmark_changes(first, second)
    assert change.field == old.task.slug
    assert change.old.startswith("version 1 in A")
    assert change.new.startswith("version 2 in A")
    assert models.BenchmarkVersion.objects.count() == 2
