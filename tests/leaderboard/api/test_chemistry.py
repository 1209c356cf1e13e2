"""A board for a chemistry over REST."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from rest_framework.test import APIClient

from leaderboard import models
from tests.leaderboard import factories
from tests.leaderboard.api.conftest import client_of
from tests.leaderboard.chemistry_world import benchmark_of_chemistries

pytestmark = pytest.mark.django_db


@pytest.fixture
def benchmark() -> models.BenchmarkVersion:
    return benchmark_of_chemistries()


def address(version: models.BenchmarkVersion, query: str = "") -> str:
    return f"/api/v1/leaderboards/{version.benchmark.slug}/{query}"


def ranks(board: dict[str, Any]) -> dict[str, Any]:
    return {r["submission"]["potential"]["slug"]: (r["rank"], r["overall"]) for r in board["rows"]}


def test_everybody_is_judged_on_the_systems_of_a_chemistry(
    benchmark: models.BenchmarkVersion, stranger: APIClient
) -> None:
    board = stranger.get(address(benchmark, "?chemistry=Si,O")).json()

    assert ranks(board) == {"sharp": (1, 0.8), "blunt": (2, 0.3)}
    (judged,) = board["chemistry"].pop("tasks")
    (left_out,) = board["chemistry"].pop("left_out")
    assert board["chemistry"] == {
        "name": "O,Si", "words": "O, Si alone", "n_systems": 2, "elements": ["O", "Si"],
    }  # fmt: skip
    first, second = (entry.task_version.task.slug for entry in benchmark.entries.all())
    assert (judged["task"]["slug"], judged["n_systems"], judged["n_clusters"]) == (first, 2, 2)
    assert (left_out["task"]["slug"], left_out["why"][:17]) == (second, "Scored by anchors")
    assert [task["task"]["slug"] for task in board["tasks"]] == [first]
    assert ranks(stranger.get(address(benchmark, "?chemistry=metals")).json())["blunt"][0] == 1
    assert stranger.get(address(benchmark)).json()["chemistry"] is None


def test_tables_tell_on_how_many_systems(
    benchmark: models.BenchmarkVersion, stranger: APIClient
) -> None:
    response = stranger.get(address(benchmark, "?chemistry=Si,O&format=csv"))
    rows = list(csv.DictReader(io.StringIO(response.content.decode())))
    slug = benchmark.entries.all()[0].task_version.task.slug
    assert [(row["potential"], row["rank"], row["overall"]) for row in rows] == [
        ("sharp", "1", "0.8"), ("blunt", "2", "0.3"),
    ]  # fmt: skip
    assert (rows[0][f"{slug}_n_systems"], rows[0][f"{slug}_n_clusters"]) == ("2", "2")
    assert f"{slug}_coverage" not in rows[0]
    assert "-O-Si.csv" in response.headers["Content-Disposition"]
    assert stranger.get(address(benchmark, "?chemistry=Si&format=tex")).status_code == 200


def test_a_chemistry_of_nothing_is_an_empty_board(
    benchmark: models.BenchmarkVersion, stranger: APIClient
) -> None:
    board = stranger.get(address(benchmark, "?chemistry=U")).json()
    assert (board["rows"], board["tasks"], board["chemistry"]["n_systems"]) == ([], [], 0)
    assert len(board["chemistry"]["left_out"]) == 2
    assert stranger.get(address(benchmark, "?chemistry=U&format=csv")).status_code == 200


@pytest.mark.parametrize(
    ("query", "name", "words"),
    [
        ("?chemistry=Qq", "chemistry", "Families are metals"),
        ("?chemistry=,", "chemistry", "must name elements"),
        ("?chemistry=Si&category=Old", "category", "no category 'Old'"),
        ("?chemistry=Si&weight.Old=2", "weight/Old", "no category 'Old'"),
    ],
)
def test_what_cannot_be_is_told(
    benchmark: models.BenchmarkVersion, stranger: APIClient, query: str, name: str, words: str
) -> None:
    response = stranger.get(address(benchmark, query))
    assert response.status_code == 400
    assert words in str(response.json()) and name in str(response.json())


def test_it_goes_with_filters_weights_and_categories(
    benchmark: models.BenchmarkVersion, stranger: APIClient
) -> None:
    query = "?chemistry=Si,O&category=EOS&weight.EOS=3&text=blunt"
    assert ranks(stranger.get(address(benchmark, query)).json()) == {"blunt": (2, 0.3)}


def test_an_owner_alone_finds_his_private_rows_unranked(
    benchmark: models.BenchmarkVersion, stranger: APIClient
) -> None:
    task = benchmark.entries.all()[0].task_version
    owner = factories.user("alice")
    secret = factories.submission(
        factories.potential(owner, slug="secret"), version="1", visibility="private"
    )
    factories.evaluation_with_skills(secret, task, [1.0, 1.0, 1.0], ["O-Si", "Si", "Cu"])
    query = "?chemistry=Si,O&category=EOS"
    board = client_of(owner).get(address(benchmark, query)).json()
    own = next(r for r in board["rows"] if r["submission"]["id"] == str(secret.pk))
    assert (own["rank"], own["overall"]) == (None, pytest.approx(1.0))
    assert own["why_not_ranked"].startswith("Private")
    assert own["tasks"][0]["rank"] is None
    assert set(ranks(stranger.get(address(benchmark, query)).json())) == {"sharp", "blunt"}


def test_boards_and_tasks_tell_their_resolution(
    benchmark: models.BenchmarkVersion, stranger: APIClient
) -> None:
    first, anchored = (entry.task_version.task.slug for entry in benchmark.entries.all())
    expected = {
        "n_pairs": 1, "n_told_apart": 0, "stays_first": None, "n_halved": 0, "n_tasks": 1,
        "tells_neighbours_apart": False, "tells_the_first": None,
    }  # fmt: skip
    assert stranger.get(f"/api/v1/tasks/{first}/leaderboard/").json()["resolution"] == expected
    assert stranger.get(f"/api/v1/tasks/{anchored}/leaderboard/").json()["resolution"] is None
    part = stranger.get(address(benchmark, "?chemistry=Si,O")).json()["resolution"]
    assert part == expected
    own_weights = stranger.get(address(benchmark, "?chemistry=Si,O&weight.EOS=3")).json()
    assert own_weights["resolution"] is None
