from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from xml.etree import ElementTree

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from leaderboard import models
from tests.leaderboard import factories
from tests.leaderboard.api.world import World, make_world

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def noon() -> datetime:
    return timezone.now() - 10 * DAY


def stand(
    task: models.TaskVersion, score: float, since: datetime, **fields: Any
) -> models.Submission:
    """A submission that came and was scored at one moment."""
    potential = factories.potential(**fields.pop("potential", {}))
    submission = factories.submission(potential, published_at=since, **fields)
    factories.evaluation(submission, task, score=score, finished_at=since)
    return submission


@pytest.fixture
def task(noon: datetime) -> models.TaskVersion:
    return factories.task_version(published_at=noon - DAY)


def board(client: APIClient, task: models.TaskVersion, **query: Any) -> Any:
    return client.get(f"/api/v1/tasks/{task.task.slug}/leaderboard/", query)


def standing(response: Any) -> list[tuple[str, int]]:
    assert response.status_code == 200, response.content
    return [(row["submission"]["id"], row["rank"]) for row in response.json()["rows"]]


def test_a_board_is_told_as_it_stood(
    stranger: APIClient, task: models.TaskVersion, noon: datetime
) -> None:
    first = stand(task, 0.5, noon)
    second = stand(task, 0.8, noon + 2 * DAY)
    withdrawn = stand(task, 0.9, noon, withdrawn_at=noon + 3 * DAY)
    hidden = stand(task, 0.95, noon, visibility="private")
    models.Submission.objects.filter(pk=hidden.pk).update(published_at=None)

    then = board(stranger, task, as_of=(noon + DAY).isoformat())
    assert standing(then) == [(str(withdrawn.pk), 1), (str(first.pk), 2)]
    later = board(stranger, task, as_of=(noon + 4 * DAY).date().isoformat())
    assert standing(later) == [(str(second.pk), 1), (str(first.pk), 2)]
    assert standing(board(stranger, task, as_of=(noon - DAY / 2).isoformat())) == []
    assert standing(board(stranger, task)) == standing(later)


def test_a_snapshot_has_an_address_that_never_changes(
    stranger: APIClient, task: models.TaskVersion, noon: datetime
) -> None:
    stand(task, 0.5, noon)
    told = board(stranger, task, as_of=(noon + DAY).date().isoformat()).json()
    assert board(stranger, task).json()["permanent_url"] is None
    address = told["permanent_url"]
    assert "version=1" in address
    before = stranger.get(address).json()
    stand(task, 0.9, timezone.now())
    factories.task_version(task.task)
    assert stranger.get(address).json() == before


def test_a_repeated_evaluation_counts_until_it_was_repeated(
    stranger: APIClient, task: models.TaskVersion, noon: datetime
) -> None:
    submission = stand(task, 0.5, noon)
    old = submission.evaluations.get()
    models.Evaluation.objects.filter(pk=old.pk).update(is_current=False)
    factories.evaluation(submission, task, score=0.7, finished_at=noon + 4 * DAY, supersedes=old)
    then = board(stranger, task, as_of=(noon + DAY).isoformat()).json()
    assert [row["score"] for row in then["rows"]] == [0.5]


@pytest.mark.parametrize(
    "moment", ["tomorrow", "2999-01-01", "2026-13-01", "", "0001-01-01T00:00:00+14:00"]
)
def test_a_moment_that_is_none_or_has_not_passed_is_refused(
    moment: str, stranger: APIClient, task: models.TaskVersion
) -> None:
    response = board(stranger, task, as_of=moment)
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == "#/as_of"


def test_the_difference_of_two_moments_names_who_came_went_and_moved(
    stranger: APIClient, task: models.TaskVersion, noon: datetime
) -> None:
    stays = stand(task, 0.9, noon)
    moves = stand(task, 0.5, noon)
    leaves = stand(task, 0.4, noon, withdrawn_at=noon + 3 * DAY)
    enters = stand(task, 0.8, noon + 2 * DAY)
    benchmark = factories.benchmark_version((task, "A"))
    for address in (
        f"/api/v1/tasks/{task.task.slug}/leaderboard/diff/",
        f"/api/v1/leaderboards/{benchmark.benchmark.slug}/diff/",
    ):
        since, until = noon + DAY, noon + 4 * DAY
        query = {"version": 1, "since": since.isoformat(), "until": until.isoformat()}
        found = stranger.get(address, query).json()["changes"]
        assert {
            c["submission"]["id"]: (c["kind"], c["rank_before"], c["rank_after"]) for c in found
        } == {
            str(enters.pk): ("entered", None, 2),
            str(moves.pk): ("moved", 2, 3),
            str(leaves.pk): ("left", 3, None),
        }, stays
        swapped = {"version": 1, "since": query["until"], "until": query["since"]}
        assert stranger.get(address, swapped).status_code == 400
        assert stranger.get(address).status_code == 400


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, {"a", "b"}),
        ({"elements": "Si,O"}, {"a"}),
        ({"level_of_theory": "pbe+u"}, {"a"}),
        ({"training_set": "MPtrj"}, {"a"}),
        ({"licence": "mit"}, {"b"}),
        ({"architecture": "MACE"}, {"b"}),
        ({"min_parameters": 500}, {"b"}),
        ({"max_parameters": 500}, {"a"}),
        ({"team": "t"}, {"b"}),
        ({"hardware": "h200"}, {"a"}),
        ({"hardware": "cpu"}, {"b"}),
        ({"licence": "none"}, set()),
    ],
)
def test_rows_are_filtered_and_keep_their_ranks(
    query: dict[str, Any], names: set[str], stranger: APIClient, task: models.TaskVersion
) -> None:
    team = models.Team.objects.create(slug="t", name="T", created_by=factories.user())
    described: dict[str, dict[str, Any]] = {
        "a": {"level_of_theory": "PBE, PBE+U", "training_sets": ["mptrj"], "n_parameters": 400},
        "b": {"licence": "MIT", "architecture": "mace", "n_parameters": 600, "team": team},
    }
    for name, score, worker in (
        ("a", 0.5, factories.worker(device="cuda", hardware={"gpu": "H200"})),
        ("b", 0.9, factories.worker(hardware={"processor": "Xeon"})),
    ):
        submission = factories.submission(
            factories.potential(slug=name, **described[name]),
            supported_elements=["Si", "O", "Al"] if name == "a" else None,
        )
        factories.evaluation(submission, task, score=score, worker=worker)
    benchmark = factories.benchmark_version((task, "A"))
    for address in (
        f"/api/v1/tasks/{task.task.slug}/leaderboard/",
        f"/api/v1/leaderboards/{benchmark.benchmark.slug}/",
    ):
        rows = stranger.get(address, query).json()["rows"]
        found = {row["submission"]["potential"]["slug"]: row["rank"] for row in rows}
        assert set(found) == names
        assert all(found[name] == {"a": 2, "b": 1}[name] for name in names)


def test_a_category_is_ranked_by_itself(stranger: APIClient, task: models.TaskVersion) -> None:
    other = factories.task_version()
    submission = factories.submission()
    factories.evaluation(submission, task, score=0.4)
    benchmark = factories.benchmark_version((task, "A"), (other, "B"))
    address = f"/api/v1/leaderboards/{benchmark.benchmark.slug}/"
    (row,) = stranger.get(address).json()["rows"]
    assert row["rank"] is None
    (row,) = stranger.get(address, {"category": "A"}).json()["rows"]
    assert (row["rank"], row["overall"]) == (1, 0.4)
    assert stranger.get(address, {"category": "C"}).status_code == 400


def test_what_has_not_changed_is_not_sent_again(stranger: APIClient) -> None:
    world = make_world()
    for address in (
        "/api/v1/tasks/",
        "/api/v1/submissions/",
        f"/api/v1/leaderboards/{world.benchmark.benchmark.slug}/",
        f"/api/v1/leaderboards/{world.benchmark.benchmark.slug}/?format=csv",
    ):
        first = stranger.get(address)
        again = stranger.get(address, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b""), address


@pytest.fixture
def world(db: None) -> World:
    return make_world()


def test_badges_and_feeds_tell_what_is_public(world: World, stranger: APIClient) -> None:
    slugs = {
        "potentials": world.public.potential.slug,
        "tasks": world.task.task.slug,
        "leaderboards": world.benchmark.benchmark.slug,
    }
    for kind, slug in slugs.items():
        badge = stranger.get(f"/api/v1/{kind}/{slug}/badge.svg")
        assert badge.headers["Content-Type"] == "image/svg+xml"
        ElementTree.fromstring(badge.content)
        feed = stranger.get(f"/api/v1/{kind}/{slug}/feed.atom")
        titles = ElementTree.fromstring(feed.content).iter("{http://www.w3.org/2005/Atom}title")
        assert [t.text for t in titles][1:] == [
            f"{world.public.submission} on {world.task.task.name}: 0.500"
        ]
        for response in (badge, feed):
            assert "secret" not in response.content.decode()
    for kind in slugs:
        assert stranger.get(f"/api/v1/{kind}/nowhere/badge.svg").status_code == 404


def test_a_badge_tells_the_rank_and_escapes_what_it_holds(stranger: APIClient) -> None:
    task = factories.task_version()
    factories.benchmark_version((task, "A"))
    potential = factories.potential(slug="p", name='<script>"&')
    factories.evaluation(factories.submission(potential), task, score=0.5)
    text = stranger.get("/api/v1/potentials/p/badge.svg").content.decode()
    assert "rank 1 of 1" in text
    assert "pending" not in text
    assert "<script>" not in text
    for _ in range(2):
        factories.evaluation(factories.submission(), task)
    text = stranger.get("/api/v1/potentials/p/badge.svg").content.decode()
    assert "rank 1 of 1, 2 pending" in text
    ElementTree.fromstring(text)


def test_the_redoc_page_takes_nothing_from_elsewhere(stranger: APIClient) -> None:
    page = stranger.get("/api/v1/redoc/")
    text = page.content.decode()
    assert "//" not in text.replace("<!DOCTYPE", "")
    assert "<script>" not in text
