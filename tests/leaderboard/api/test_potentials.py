from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from leaderboard import models
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db
URL = "/api/v1/potentials/"


def test_a_potential_is_registered_and_read(alice: APIClient) -> None:
    sent = {
        "slug": "mace-mp-0",
        "name": "MACE-MP-0",
        "architecture": "MACE",
        "authors": "I. Batatia et al.",
        "paper_url": "https://arxiv.org/abs/2401.00096",
        "licence": "MIT",
        "training_sets": ["MPtrj"],
        "level_of_theory": "PBE",
        "n_parameters": 4_688_656,
    }
    response = alice.post(URL, sent)
    assert response.status_code == 201, response.content
    row = models.Potential.objects.get()
    assert response.headers["Location"] == "http://testserver/api/v1/potentials/mace-mp-0/"
    assert response.json() == {
        **sent,
        "url": "http://testserver/api/v1/potentials/mace-mp-0/",
        "page": "/potentials/mace-mp-0/",
        "owner": "alice",
        "team": None,
        "description": "",
        "code_url": "",
        "is_baseline": False,
        "created_at": row.created_at.isoformat().replace("+00:00", "Z"),
    }
    assert alice.get(URL + "mace-mp-0/").json() == response.json()


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"slug": None}, "#/slug", "null"),
    ({"slug": "MACE"}, "#/slug", "small letters"),
    ({"slug": "a/b"}, "#/slug", "small letters"),
    ({"slug": "x" * 65}, "#/slug", "64"),
    ({"name": ""}, "#/name", "blank"),
    ({"name": ["a"]}, "#/name", "string"),
    ({"name": "a\x00"}, "#/name", "Null"),
    ({"paper_url": "javascript:alert(1)"}, "#/paper_url", "URL"),
    ({"n_parameters": -1}, "#/n_parameters", "greater than or equal"),
    ({"n_parameters": 10**30}, "#/n_parameters", "less than or equal"),
    ({"training_sets": "MPtrj"}, "#/training_sets", "list"),
    ({"training_sets": [{}]}, "#/training_sets/0", "string"),
    ({"owner": "bob"}, "#/owner", "unknown"),
    ({"is_baseline": True}, "#/is_baseline", "cannot be set"),
]


@pytest.mark.parametrize(("changed", "pointer", "words"), BAD)
def test_a_bad_potential_is_told_and_not_stored(
    changed: dict[str, Any], pointer: str, words: str, alice: APIClient
) -> None:
    response = alice.post(URL, {"slug": "new", "name": "New", **changed})
    assert response.status_code == 400
    assert pointer in {e["pointer"] for e in response.json()["errors"]}
    assert words in response.json()["detail"]
    assert not models.Potential.objects.exists()


def test_half_of_a_surrogate_pair_is_refused(alice: APIClient) -> None:
    body = b'{"slug": "new", "name": "\\ud800"}'
    response = alice.post(URL, body, content_type="application/json")
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == "#/name"


def test_a_slug_that_is_taken_is_a_conflict(bob: APIClient) -> None:
    factories.potential(slug="taken")
    response = bob.post(URL, {"slug": "taken", "name": "Mine"})
    assert response.status_code == 409
    assert response.json()["errors"][0]["pointer"] == "#/slug"


def test_only_the_staff_marks_a_baseline(charlie: APIClient) -> None:
    response = charlie.post(URL, {"slug": "emt", "name": "EMT", "is_baseline": True})
    assert (response.status_code, response.json()["is_baseline"]) == (201, True)


def test_a_change_touches_only_what_it_names(alice: APIClient) -> None:
    factories.potential(slug="emt", name="EMT", licence="MIT", is_baseline=True)
    response = alice.patch(URL + "emt/", {"name": "Effective medium"})
    changed = response.json()
    assert response.status_code == 200
    assert (changed["name"], changed["licence"]) == ("Effective medium", "MIT")
    assert changed["is_baseline"] is True
    assert alice.patch(URL + "emt/", {"slug": "other"}).status_code == 400
    assert models.Potential.objects.get().slug == "emt"


@pytest.mark.parametrize("n", [1, 3])
def test_a_list_takes_one_query_beside_the_throttle(
    n: int, stranger: APIClient, django_assert_num_queries: Any
) -> None:
    for _ in range(n):
        factories.submission()
    with django_assert_num_queries(2):  # the throttle, the rows
        assert len(stranger.get(URL).json()["results"]) == n


def test_a_potential_without_a_public_submission_is_seen_by_its_owner_alone(
    alice: APIClient, bob: APIClient
) -> None:
    factories.potential(slug="emt")
    assert [p["slug"] for p in alice.get(URL).json()["results"]] == ["emt"]
    assert bob.get(URL).json()["results"] == []
    assert bob.get(URL + "emt/").status_code == 404
