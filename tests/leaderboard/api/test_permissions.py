"""Who may do what: one row for each address and method, and no address without a row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from django.urls import reverse
from rest_framework.test import APIClient

from leaderboard.api.urls import urlpatterns
from tests.leaderboard import factories
from tests.leaderboard.api.conftest import client_of, form
from tests.leaderboard.api.world import SECRET, World, make_world

pytestmark = pytest.mark.django_db

OPEN = (200, 200, 200, 200)
#: Expected status for nobody, bob (has an account), alice (the owner), charlie (staff).
#: "public" and "private" name alice's potentials; "" needs none.
ROWS: list[tuple[str, str, str, tuple[int, int, int, int]]] = [
    ("index", "get", "", OPEN),
    ("schema", "get", "", OPEN),
    ("docs", "get", "", OPEN),
    ("nowhere", "get", "", (404, 404, 404, 404)),
    ("me", "get", "", (401, 200, 200, 200)),
    ("my-quota", "get", "", (401, 200, 200, 200)),
    ("tokens", "get", "", (401, 200, 200, 200)),
    # A token cannot make tokens; test_accounts.py makes them by password and session.
    ("tokens", "post", "", (401, 403, 403, 403)),
    ("token", "delete", "public", (401, 404, 204, 404)),
    ("potentials", "get", "", OPEN),
    ("potentials", "post", "", (401, 201, 201, 201)),
    ("potential", "get", "public", OPEN),
    ("potential", "get", "private", (404, 404, 200, 200)),
    ("potential", "patch", "public", (401, 403, 200, 200)),
    ("potential", "patch", "private", (401, 404, 200, 200)),
    ("uploads", "get", "", (401, 200, 200, 200)),
    ("uploads", "post", "", (401, 201, 201, 201)),
    # An upload is its maker's alone. Alice's has no part yet, and a part needs its hash.
    ("upload", "get", "public", (401, 404, 200, 404)),
    ("upload", "delete", "public", (401, 404, 204, 404)),
    ("upload-part", "put", "public", (401, 404, 400, 404)),
    ("upload-complete", "post", "public", (401, 404, 409, 404)),
    ("submissions", "get", "", OPEN),
    ("submissions", "post", "public", (401, 403, 201, 201)),
    ("submissions", "post", "private", (401, 404, 201, 201)),
    ("submission", "get", "public", OPEN),
    ("submission", "get", "private", (404, 404, 200, 200)),
    ("submission-publish", "post", "public", (401, 403, 200, 200)),
    ("submission-publish", "post", "private", (401, 404, 200, 200)),
    ("submission-withdraw", "post", "public", (401, 403, 200, 200)),
    ("submission-withdraw", "post", "private", (401, 404, 200, 200)),
    ("evaluations", "get", "", OPEN),
    ("evaluation", "get", "public", OPEN),
    ("evaluation", "get", "private", (404, 404, 200, 200)),
    ("evaluation-systems", "get", "public", OPEN),
    ("evaluation-systems", "get", "private", (404, 404, 200, 200)),
    ("evaluation-logs", "get", "public", (401, 403, 200, 200)),
    ("evaluation-logs", "get", "private", (401, 404, 200, 200)),
    ("evaluation-cancel", "post", "public", (401, 403, 202, 202)),
    ("evaluation-cancel", "post", "private", (401, 404, 202, 202)),
    ("evaluation-reevaluate", "post", "public", (401, 403, 202, 202)),
    ("evaluation-reevaluate", "post", "private", (401, 404, 202, 202)),
    ("tasks", "get", "", OPEN),
    ("task", "get", "", OPEN),
    ("task-leaderboard", "get", "", OPEN),
    ("protocols", "get", "", OPEN),
    ("calculators", "get", "", OPEN),
    ("reference-sets", "get", "", OPEN),
    ("benchmarks", "get", "", OPEN),
    ("leaderboard", "get", "", OPEN),
]


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


def body(name: str, which: str, world: World) -> dict[str, Any]:
    side = world.private if which == "private" else world.public
    bodies: dict[str, dict[str, Any]] = {
        "tokens": {"name": "for work"},
        "potentials": {"slug": "new", "name": "New"},
        "potential": {"name": "Other"},
        "uploads": {"filename": "a.model", "size_bytes": 5, "sha256": "0" * 64},
        "evaluation-reevaluate": {"reason": "better hardware"},
    }
    return form(side.potential.slug) if name == "submissions" else bodies.get(name, {})


@pytest.mark.parametrize(("name", "method", "which", "expected"), ROWS)
def test_each_of_the_cast_may_do_what_the_table_says(
    name: str,
    method: str,
    which: str,
    expected: tuple[int, ...],
    world: World,
    clients: list[APIClient],
) -> None:
    found = []
    for client in clients:
        kind = "multipart" if name == "submissions" and method == "post" else "json"
        data = None if method in {"get", "delete"} else body(name, which, world)
        with transaction.atomic():  # each finds the same world
            response = getattr(client, method)(address(name, which, world), data, format=kind)
            transaction.set_rollback(True)
        found.append(response.status_code)
    assert tuple(found) == expected


def test_every_address_and_method_has_a_row() -> None:
    rows = {(name, method) for name, method, _, _ in ROWS}
    assert set(operations()) - {("nowhere", "get")} <= rows
    assert {name for name, _ in rows} == {pattern.name for pattern in urlpatterns}


def operations() -> Iterator[tuple[str, str]]:
    for pattern in urlpatterns:
        for method in ("get", "post", "put", "patch", "delete"):
            if hasattr(pattern.callback.cls, method):
                yield pattern.name, method


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
