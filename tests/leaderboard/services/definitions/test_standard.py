from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from evaluator.standard_tasks.read import standard_task
from leaderboard import models
from leaderboard.exceptions import InfrastructureError
from leaderboard.services.definitions import standard, tasks
from tests.leaderboard import factories

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

_build = standard._build


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: Any, settings: Any) -> None:
    """Every address is refused at once, and no mirror has the files."""
    settings.DATA_MIRROR = ""
    monkeypatch.delenv("TOUCHSTONE_DATA_MIRROR", raising=False)
    for name in ("http_proxy", "https_proxy", "HTTPS_PROXY", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")


def test_what_can_be_had_is_published_and_more_data_make_a_new_version(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    submission = factories.submission()

    first = standard.load_standard()

    assert ("eos-wien2k", standard_task("eos-wien2k").version) in first.task_versions
    assert "mlearn-forces" in first.skipped
    assert "cannot be downloaded" in first.skipped["mlearn-forces"]
    published = next(v for v in first.new_benchmark_versions if v.benchmark.slug == "core-small")
    assert (published.benchmark.slug, published.number) == ("core-small", 1)
    shipped = standard_task("eos-wien2k")
    stored = models.TaskVersion.objects.get(task__slug="eos-wien2k")
    assert stored.spec() == shipped.spec
    assert stored.reference_set is not None
    assert stored.reference_set.n_systems == 71
    # Tasks outside the benchmark are published too, and wait for somebody who asks for them.
    assert ("md-heating-small", standard_task("md-heating-small").version) in first.task_versions
    n_published = len(first.task_versions)
    n_tasks = published.entries.count()
    assert 0 < n_tasks < n_published
    # The smoke task comes first and holds the others.
    assert submission.evaluations.count() == n_tasks + 1
    assert submission.evaluations.get(task_version__task__slug="smoke").held_by is None

    again = standard.load_standard()

    assert again.new_benchmark_versions == []
    assert models.TaskVersion.objects.count() == n_published

    monkeypatch.setattr(standard, "_build", a_forces_set_for("mlearn-forces"))
    newer = next(
        v
        for v in standard.load_standard().new_benchmark_versions
        if v.benchmark.slug == "core-small"
    )
    assert newer.number == 2
    assert newer.entries.count() == n_tasks + 1
    assert submission.evaluations.count() == n_tasks + 2


def a_forces_set_for(slug: str) -> Any:
    """Stands for a mirror that came later: another set's bytes under this task's set's name."""
    name = standard_task(slug).reference_name

    def build(asked: Sequence[str]) -> Iterator[dict[str, Any]]:
        (other,) = _build(["eos-wien2k"])
        for found in _build(asked):
            properties = {"properties": ["energy", "forces", "stress"]}
            is_ours = found["name"] == name
            yield {**other, "name": name, "title": "Forces", **properties} if is_ours else found

    return build


def test_a_published_task_that_differs_stays_as_it_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shipped = standard_task("eos-wien2k")
    task = models.Task.objects.create(slug="eos-wien2k", name="Mine", summary="Mine.")
    mine = factories.task_version(task, number=shipped.version)

    assert standard.ensure_task(shipped) == mine
    assert "is published otherwise" in caplog.text


def test_a_draft_of_a_standard_task_is_completed() -> None:
    shipped = standard_task("eos-wien2k")
    task = models.Task.objects.create(slug="eos-wien2k", name="Mine", summary="Mine.")
    factories.task_version(task, number=shipped.version, state="draft", metrics=[])

    assert standard.ensure_task(shipped).spec() == shipped.spec


def test_a_fault_that_is_not_missing_data_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InfrastructureError, match="Reference sets nothing cannot be built"):
        list(standard._build(["nothing"]))

    def fail(report: Any) -> None:
        raise InfrastructureError("The disk is full.")

    monkeypatch.setattr("leaderboard.management.commands.load_standard.load_standard", fail)
    with pytest.raises(CommandError, match="The disk is full"):
        call_command("load_standard")


def test_the_command_tells_what_it_skipped(capsys: pytest.CaptureFixture[str]) -> None:
    assert "TOUCHSTONE_DATA_MIRROR" not in os.environ
    call_command("load_standard")
    out = capsys.readouterr().out
    assert "mlearn-forces is skipped" in out
    assert out.count("copy them into a folder, name it in TOUCHSTONE_DATA_MIRROR") == 1
    assert "Published core-small v1." in out
    assert tasks.reference_path(models.ReferenceSet.objects.get(slug="eos-wien2k")).is_file()
