from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from rest_framework.test import APIClient

from leaderboard.lib import memory
from tests.leaderboard import factories
from tests.leaderboard.api.world import World, ended_evaluation, make_world

pytestmark = pytest.mark.django_db
HOST = "http://testserver"


@pytest.fixture
def world(db: None) -> World:
    return make_world()


def table(response: Any) -> list[dict[str, str]]:
    assert response.status_code == 200, response.content
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(response.content.decode())))


def submission_link(world: World) -> dict[str, Any]:
    return {
        "id": str(world.public.submission.pk),
        "url": f"{HOST}/api/v1/submissions/{world.public.submission.pk}/",
        "version": "open-1",
        "potential": {
            "slug": "open-potential",
            "name": "open potential",
            "url": f"{HOST}/api/v1/potentials/open-potential/",
            "level_of_theory": "",
            "is_baseline": False,
        },
    }


def test_the_board_of_a_task(world: World, stranger: APIClient) -> None:
    slug = world.task.task.slug
    board = stranger.get(f"/api/v1/tasks/{slug}/leaderboard/").json()
    assert set(board) == {
        "as_of",
        "permanent_url",
        "task",
        "reference_set",
        "metrics",
        "resolution",
        "rows",
        "pending",
        "failed",
    }
    assert board["task"] == {
        "slug": slug,
        "name": world.task.task.name,
        "version": 1,
        "url": f"{HOST}/api/v1/tasks/{slug}/",
    }
    assert [(m["key"], m["unit"], m["good"], m["weight"]) for m in board["metrics"]] == [
        ("eos_delta_mean", "meV/atom", 1.0, 2.0),
        ("bulk_modulus_relative_error", "%", 2.0, 1.0),
    ]
    assert board["rows"] == [
        {
            "rank": 1,
            "rank_low": 1,
            "rank_high": 1,
            "tied_with_previous": False,
            "is_ranked": True,
            "why_not_ranked": "",
            "submission": submission_link(world),
            "evaluation": f"{HOST}/api/v1/evaluations/{world.public.ended.pk}/",
            "score": 0.5,
            "score_low": 0.4,
            "score_high": 0.6,
            "coverage": 1.0,
            "n_failed": 0,
            "theory_mismatch": False,
            "hardware": "",
            "metrics": {
                "eos_delta_mean": {
                    "value": 10.0,
                    "low": 9.0,
                    "high": 11.0,
                    "score": 0.8,
                    "n": 2,
                    "n_failed": 1,
                    "median_error": None,
                    "baseline_error": None,
                }
            },
        }
    ]
    assert (board["pending"], board["failed"]) == ([], [])
    second = stranger.get(f"/api/v1/tasks/{world.second_task.task.slug}/leaderboard/").json()
    assert [row["id"] for row in second["pending"]] == [str(world.public.queued.pk)]
    assert second["pending"][0]["task"] == world.second_task.task.slug


def test_the_board_of_a_task_as_a_table_with_units(world: World, stranger: APIClient) -> None:
    slug = world.task.task.slug
    (row,) = table(stranger.get(f"/api/v1/tasks/{slug}/leaderboard/?format=csv"))
    assert row == {
        "rank": "1",
        "rank_low": "1",
        "rank_high": "1",
        "is_ranked": "True",
        "why_not_ranked": "",
        "potential": "open-potential",
        "name": "open potential",
        "version": "open-1",
        "submission": str(world.public.submission.pk),
        "level_of_theory": "",
        "is_baseline": "False",
        "evaluation": str(world.public.ended.pk),
        "score": "0.5",
        "score_low": "0.4",
        "score_high": "0.6",
        "coverage": "1.0",
        "n_failed": "0",
        "theory_mismatch": "False",
        "hardware": "",
        "eos_delta_mean [meV/atom]": "10.0",
        "eos_delta_mean_low [meV/atom]": "9.0",
        "eos_delta_mean_high [meV/atom]": "11.0",
        "eos_delta_mean_score": "0.8",
        "eos_delta_mean_n": "2",
        "eos_delta_mean_n_failed": "1",
        "bulk_modulus_relative_error [%]": "",
        "bulk_modulus_relative_error_low [%]": "",
        "bulk_modulus_relative_error_high [%]": "",
        "bulk_modulus_relative_error_score": "",
        "bulk_modulus_relative_error_n": "",
        "bulk_modulus_relative_error_n_failed": "",
    }


def test_a_name_that_is_a_formula_is_disarmed_in_the_table(
    world: World, stranger: APIClient
) -> None:
    evil = factories.potential(name='=HYPERLINK("http://evil.example")', level_of_theory="@SUM(A1)")
    ended_evaluation(factories.submission(evil), world.task)
    rows = table(stranger.get(f"/api/v1/tasks/{world.task.task.slug}/leaderboard/?format=csv"))
    (row,) = [r for r in rows if "HYPERLINK" in r["name"]]
    assert row["name"] == '\'=HYPERLINK("http://evil.example")'
    assert row["level_of_theory"] == "'@SUM(A1)"


def test_the_board_of_a_benchmark(world: World, stranger: APIClient) -> None:
    ended_evaluation(factories.submission(), world.task)
    slug = world.benchmark.benchmark.slug
    board = stranger.get(f"/api/v1/leaderboards/{slug}/").json()
    assert set(board) == {
        "as_of",
        "permanent_url",
        "benchmark",
        "categories",
        "tasks",
        "chemistry",
        "resolution",
        "hardware",
        "rows",
    }
    assert board["benchmark"]["slug"] == slug
    assert board["benchmark"]["version"] == 1
    assert board["categories"] == [
        {"name": "Mechanics", "weight": 1.0},
        {"name": "Forces", "weight": 1.0},
    ]
    assert [(t["task"]["slug"], t["category"], t["share"]) for t in board["tasks"]] == [
        (world.task.task.slug, "Mechanics", 0.5),
        (world.second_task.task.slug, "Forces", 0.5),
    ]
    row = next(r for r in board["rows"] if r["submission"] == submission_link(world))
    assert (row["rank"], row["overall"], row["is_ranked"]) == (None, None, False)
    assert world.second_task.task.name in row["why_not_ranked"]
    assert row["tasks"] == [
        {
            "task": world.task.task.slug,
            "version": 1,
            "state": "succeeded",
            "score": 0.5,
            "score_low": 0.4,
            "score_high": 0.6,
            "rank": 1,
            "coverage": 1.0,
            "theory_mismatch": False,
            "why_not_ranked": "",
            "hardware": "",
            "evaluation": f"{HOST}/api/v1/evaluations/{world.public.ended.pk}/",
        },
        {
            "task": world.second_task.task.slug,
            "version": 1,
            "state": "queued",
            "score": None,
            "score_low": None,
            "score_high": None,
            "rank": None,
            "coverage": None,
            "theory_mismatch": False,
            "why_not_ranked": "",
            "hardware": "",
            "evaluation": f"{HOST}/api/v1/evaluations/{world.public.queued.pk}/",
        },
    ]
    other = next(r for r in board["rows"] if r is not row)
    assert (other["tasks"][1]["state"], other["tasks"][1]["evaluation"]) == ("missing", None)


def test_a_readers_weights_change_the_order_of_the_board(world: World, stranger: APIClient) -> None:
    slug = world.benchmark.benchmark.slug
    address = f"/api/v1/leaderboards/{slug}/?weight.Mechanics=1&weight.Forces=0"
    (row,) = stranger.get(address).json()["rows"]
    assert (row["rank"], row["overall"], row["overall_low"]) == (1, 0.5, pytest.approx(0.405))
    (line,) = table(stranger.get(address + "&format=csv"))
    assert (line["rank"], line["overall"]) == ("1", "0.5")
    assert line[f"{world.second_task.task.slug}_state"] == "queued"
    assert line[f"{world.task.task.slug}_score_high"] == "0.6"


@pytest.mark.parametrize(
    "query", ["weight.Nothing=1", "weight.Forces=-1", "weight.Forces=nan", "version=x", "x=1"]
)
def test_a_bad_query_of_a_board_is_told(query: str, world: World, stranger: APIClient) -> None:
    slug = world.benchmark.benchmark.slug
    for suffix in ("", "&format=csv"):
        response = stranger.get(f"/api/v1/leaderboards/{slug}/?{query}{suffix}")
        assert response.status_code == 400
        assert response.headers["Content-Type"] == "application/problem+json"


def test_a_version_that_is_not_there_is_not_found(world: World, stranger: APIClient) -> None:
    for address in (
        f"/api/v1/leaderboards/{world.benchmark.benchmark.slug}/?version=2",
        f"/api/v1/tasks/{world.task.task.slug}/leaderboard/?version=2",
        "/api/v1/leaderboards/nothing/",
    ):
        assert stranger.get(address).status_code == 404


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 3])
def test_boards_take_a_constant_number_of_queries(
    n: int, stranger: APIClient, django_assert_num_queries: Any
) -> None:
    first, second = factories.task_version(), factories.task_version()
    benchmark = factories.benchmark_version((first, "A"), (second, "B"))
    for _ in range(n):
        submission = factories.submission()
        ended_evaluation(submission, first)
        factories.evaluation(submission, second)
    addresses = (
        f"/api/v1/tasks/{first.task.slug}/leaderboard/",
        f"/api/v1/leaderboards/{benchmark.benchmark.slug}/",
    )
    for address in addresses:
        stranger.get(address)
    with django_assert_num_queries(4):  # the throttle, the task, the stamp, what is not done
        stranger.get(addresses[0])
    with django_assert_num_queries(4):  # the throttle, the version, the stamp, what is running
        stranger.get(addresses[1])
    memory.forget()
    with django_assert_num_queries(5):
        stranger.get(addresses[0])
    with django_assert_num_queries(6):  # also the tasks and the stored board, with its resolution
        stranger.get(addresses[1])
