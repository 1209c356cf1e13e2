"""What is private or withdrawn leaks nowhere. Who may do what: permission_rows.py above."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from tests.leaderboard import factories
from tests.leaderboard.api.conftest import client_of
from tests.leaderboard.api.world import SECRET, World, make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(db: None) -> World:
    return make_world()


@pytest.fixture
def clients(db: None) -> list[APIClient]:
    owners = [factories.user("bob"), factories.user("alice"), factories.charlie()]
    return [APIClient(), *(client_of(user) for user in owners)]


def address(name: str, which: str, world: World) -> str:
    side = world.private if which == "private" else world.public
    evaluation = side.queued if name == "evaluation-cancel" else side.ended
    keys: dict[str, dict[str, Any]] = {
        "potential": {"slug": side.potential.slug},
        "submission": {"pk": side.submission.pk},
        "evaluation": {"pk": evaluation.pk},
        "task": {"slug": world.task.task.slug},
        "leaderboard": {"slug": world.benchmark.benchmark.slug},
        "token": {"hint": factories.user("alice").api_tokens.get().hint},
    }
    if name == "nowhere":
        return "/api/v1/nowhere/"
    if name.split("-")[0] == "upload":
        keys["upload"] = {"pk": factories.upload().pk}
        if name == "upload-part":
            keys["upload"] |= {"number": 1}
    return reverse(f"api:{name}", kwargs=keys.get(name.split("-")[0]))


@pytest.mark.slow
def test_what_is_private_is_in_no_list_of_a_stranger(
    world: World, clients: list[APIClient]
) -> None:
    nobody, bob, alice, charlie = clients
    lists = [
        *(address(n, "", world) for n in ("potentials", "submissions", "evaluations")),
        address("task-leaderboard", "", world),
        address("leaderboard", "", world),
        f"/api/v1/evaluations/?submission={world.private.submission.pk}",
        f"/api/v1/submissions/?potential={world.private.potential.slug}",
        address("task-leaderboard", "", world) + "?format=csv",
        address("leaderboard", "", world) + "?format=csv",
    ]
    for path in lists:
        assert SECRET in alice.get(path).content.decode(), f"{path} cannot leak: the test is blind"
        for stranger in (nobody, bob):
            text = stranger.get(path).content.decode()
            assert SECRET not in text, path
            assert str(world.private.submission.pk) not in text, path
    for path in lists[:3]:
        assert SECRET in charlie.get(path).content.decode(), path


@pytest.mark.slow
def test_a_withdrawn_submission_is_gone_for_strangers_and_stays_for_its_owner(
    world: World, clients: list[APIClient]
) -> None:
    nobody, bob, alice, _ = clients
    submission = address("submission", "public", world)
    assert alice.post(submission + "withdraw/").json()["withdrawn_at"] is not None
    for stranger in (nobody, bob):
        assert stranger.get(submission).status_code == 404
        assert stranger.get(address("evaluation", "public", world)).status_code == 404
        assert stranger.get(address("task-leaderboard", "", world)).json()["rows"] == []
    assert alice.get(submission).status_code == 200
    assert {e["state"] for e in alice.get(submission).json()["evaluations"]} == {
        "succeeded",
        "cancelled",
    }
