from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone

from leaderboard.enums import VersionState
from leaderboard.models import Benchmark, BenchmarkVersion, Task, TaskVersion
from leaderboard.services.definitions import published
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db


def test_drafts_are_listed_nowhere() -> None:
    draft = factories.task_version(state=VersionState.DRAFT)
    task = factories.task_version()
    board = factories.benchmark_version((task, "all"))
    empty = Benchmark.objects.create(slug="empty", name="Empty", summary="None.")
    BenchmarkVersion.objects.create(benchmark=empty, number=1)

    assert list(published.published_tasks()) == [task.task]
    assert list(published.newest_versions()) == [task]
    assert list(published.reference_sets_in_use()) == [task.reference_set]
    assert list(published.published_benchmarks()) == [board.benchmark]
    assert list(published.published_addresses()) == [(board.benchmark.slug, 1)]
    assert published.shown_benchmark_versions() == [board]
    assert published.benchmarks_with([task, draft]) == {task.pk: [board]}
    assert published.current_version_of(board.benchmark.slug) == board
    assert published.current_version_of("empty") is None
    assert published.current_version_of("nowhere") is None


def test_of_a_task_with_many_versions_the_newest_published_one_is_current() -> None:
    task = Task.objects.create(slug="eos", name="EOS", summary="EOS")
    retired = factories.task_version(task, state=VersionState.RETIRED)
    factories.task_version(task)
    current = factories.task_version(task)
    draft = factories.task_version(task, state=VersionState.DRAFT)
    versions = published.versions_of("eos")

    assert list(published.newest_versions_by("equation_of_state")) == [current]
    assert list(published.newest_versions_by("phonons")) == []
    assert list(versions.current_or_last()) == [current]
    TaskVersion.objects.filter(state=VersionState.PUBLISHED).update(state=VersionState.RETIRED)
    assert list(versions.current_or_last()) == [current]  # the last of the retired ones
    for reader, is_shown in ((AnonymousUser(), False), (factories.charlie(), True)):
        assert (draft in versions.visible_to(reader)) is is_shown
        assert retired in versions.visible_to(reader)


def test_a_benchmark_knows_which_version_was_current_at_a_moment() -> None:
    first = factories.benchmark_version()
    benchmark = first.benchmark
    later = timezone.now() + timedelta(days=2)
    second = BenchmarkVersion.objects.create(
        benchmark=benchmark, number=2, state=VersionState.PUBLISHED, published_at=later
    )
    BenchmarkVersion.objects.create(benchmark=benchmark, number=3)

    assert benchmark.version_at(timezone.now() - timedelta(days=1)) is None
    assert benchmark.version_at(later - timedelta(days=1)) == first
    assert benchmark.version_at(later + timedelta(days=9)) == second
