"""The form of a benchmark: a category's weight once, and what is wrong told when it is saved."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from leaderboard import models
from leaderboard.enums import VersionState
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db
ADD = "/admin/leaderboard/benchmarkversion/add/"


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("charlie", "charlie@example.org", "x"))
    return client


@pytest.fixture
def benchmark(db: None) -> models.Benchmark:
    return models.Benchmark.objects.create(slug="all", name="All", summary="All.")


def form(
    benchmark: models.Benchmark,
    rows: list[tuple[models.TaskVersion, str]],
    weights: list[tuple[str, str]] | None = None,
    of: models.BenchmarkVersion | None = None,
) -> dict[str, Any]:
    """What a browser sends; of a draft that is there, its rows are given in their order."""
    old = list(of.entries.all()) if of else []
    sent: dict[str, Any] = {
        "benchmark": benchmark.pk,
        "entries-TOTAL_FORMS": len(rows),
        "entries-INITIAL_FORMS": len(old),
    }
    for n, (version, category) in enumerate(rows):
        sent |= {
            f"entries-{n}-task_version": version.pk,
            f"entries-{n}-category": category,
            f"entries-{n}-weight": "1.0",
            f"entries-{n}-position": "0",
        }
        if n < len(old):
            sent |= {f"entries-{n}-id": old[n].pk, f"entries-{n}-benchmark_version": of.pk}  # type: ignore[union-attr]
    for n, (name, weight) in enumerate(weights or []):
        sent |= {f"categories-{n}-name": name, f"categories-{n}-weight": weight}
    return sent


def weights_of(version: models.BenchmarkVersion) -> dict[str, list[float]]:
    weights: dict[str, list[float]] = {}
    for entry in version.entries.all():
        weights.setdefault(entry.category, []).append(entry.category_weight)
    return weights


def complaints_of(response: Any) -> str:
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def test_a_category_is_weighed_once_for_all_its_tasks(
    admin: Client, benchmark: models.Benchmark
) -> None:
    a, b, c = (factories.task_version() for _ in range(3))
    rows = [(a, "Forces"), (b, "Forces"), (c, "Bulk")]
    assert admin.post(ADD, form(benchmark, rows, [("Forces", "3")])).status_code == 302
    draft = models.BenchmarkVersion.objects.get()
    assert weights_of(draft) == {"Forces": [3.0, 3.0], "Bulk": [1.0]}

    address = f"/admin/leaderboard/benchmarkversion/{draft.pk}/change/"
    page = admin.get(address).content.decode()
    assert 'value="Forces"' in page
    assert "category_weight" not in page
    heavier = form(benchmark, rows, [("Forces", "5"), ("Bulk", "0")], of=draft)
    assert admin.post(address, heavier).status_code == 302
    assert weights_of(draft) == {"Forces": [5.0, 5.0], "Bulk": [0.0]}
    entry = models.AuditEntry.objects.filter(model="benchmark task", action="changed").first()
    assert entry is not None
    assert "category_weight" in entry.changes


@pytest.mark.parametrize(
    ("weights", "complaint"),
    [
        ([("Forces", "much")], "Forces: the weight must be a number, 0 or more."),
        ([("Forces", "-1")], "Forces: the weight must be a number, 0 or more."),
        ([("Forces", "nan")], "Forces: the weight must be a number, 0 or more."),
        ([("Forces", "1"), ("Forces", "2")], "Forces stands here twice."),
        ([("", "2")], "Name the category that has this weight."),
        ([("Forcse", "2")], "No task stands in the category Forcse"),
        ([("Forces", "0")], "At least one weight must be positive."),
    ],
)
def test_weights_that_say_nothing_are_refused_when_it_is_saved(
    admin: Client, benchmark: models.Benchmark, weights: list[tuple[str, str]], complaint: str
) -> None:
    data = form(benchmark, [(factories.task_version(), "Forces")], weights)
    assert complaint in complaints_of(admin.post(ADD, data))
    assert not models.BenchmarkVersion.objects.exists()


def test_an_empty_benchmark_and_a_task_that_stands_twice_are_refused(
    admin: Client, benchmark: models.Benchmark
) -> None:
    page = complaints_of(admin.post(ADD, form(benchmark, [])))
    assert "It has no task. Put at least one published task version into it." in page
    old = factories.task_version()
    new = factories.task_version(old.task)
    page = complaints_of(admin.post(ADD, form(benchmark, [(old, "A"), (new, "B")])))
    assert page.count(f"{old.task.slug} stands here more than once: choose one.") == 2
    page = complaints_of(admin.post(ADD, form(benchmark, [(old, "A"), (old, "B")])))
    assert "A task stands here more than once: choose one row of it." in page
    assert "It stands in a row above already." in page
    assert "duplicate" not in page
    assert not models.BenchmarkVersion.objects.exists()


def test_a_task_version_that_was_retired_meanwhile_is_told(
    admin: Client, benchmark: models.Benchmark
) -> None:
    task = factories.task_version()
    draft = models.BenchmarkVersion.objects.create(benchmark=benchmark, number=1)
    models.BenchmarkTask.objects.create(benchmark_version=draft, task_version=task, category="A")
    models.TaskVersion.objects.filter(pk=task.pk).update(state=VersionState.RETIRED)
    page = admin.get(f"/admin/leaderboard/benchmarkversion/{draft.pk}/desk/").content.decode()
    assert f"{task} is retired: take another version, or leave the task out." in page


def test_the_preview_ranks_without_tasks_on_which_nobody_has_a_score(
    admin: Client, benchmark: models.Benchmark
) -> None:
    old, new = factories.task_version(), factories.task_version()
    low = factories.evaluation(on=old, score=0.25)
    high = factories.evaluation(on=old, score=0.75)
    admin.post(ADD, form(benchmark, [(old, "A"), (new, "B")]))
    draft = models.BenchmarkVersion.objects.get()
    desk = f"/admin/leaderboard/benchmarkversion/{draft.pk}/desk/"
    preview = admin.get(desk).context["preview"]
    assert [(row.rank, row.entrant.title) for row in preview.rows] == [
        (1, str(high.submission)),
        (2, str(low.submission)),
    ]
    assert [str(entry.task_version) for entry in preview.left_out] == [str(new)]
    page = " ".join(admin.get(desk).content.decode().split())
    assert f"Ranked without {new}: nobody has a score there yet." in page

    factories.evaluation(low.submission, new, score=0.9)
    preview = admin.get(desk).context["preview"]
    assert [(row.rank, row.entrant.title) for row in preview.rows] == [
        (1, str(low.submission)),
        (None, str(high.submission)),
    ]
    assert f"Not ranked overall without a score on {new.task.name}." in (
        admin.get(desk).content.decode()
    )


def test_a_published_version_shows_each_weight_and_cannot_be_changed(admin: Client) -> None:
    version = factories.benchmark_version((factories.task_version(), "A"))
    address = f"/admin/leaderboard/benchmarkversion/{version.pk}/change/"
    page = admin.get(address).content.decode()
    assert "Category weight" in page
    assert admin.post(address, {"benchmark": version.benchmark_id}).status_code == 403
