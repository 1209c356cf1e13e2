from __future__ import annotations

from typing import Any
from uuid import uuid4

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
    address = f"mace-mp-0~{row.tail}"
    assert response.headers["Location"] == f"http://testserver/api/v1/potentials/{address}/"
    assert response.json() == {
        **sent,
        "address": address,
        "url": f"http://testserver/api/v1/potentials/{address}/",
        "page": f"/potentials/{address}/",
        "owner": "alice",
        "team": None,
        "description": "",
        "code_url": "",
        "is_baseline": False,
        "created_at": row.created_at.isoformat().replace("+00:00", "Z"),
    }
    assert alice.get(URL + "mace-mp-0/").json() == response.json()
    assert alice.get(URL + f"{address}/").json() == response.json()


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
    factories.submission(factories.potential(slug="taken"))
    response = bob.post(URL, {"slug": "taken", "name": "Mine"})
    assert response.status_code == 409
    assert response.json()["errors"][0]["pointer"] == "#/slug"


def test_a_slug_of_somebody_elses_private_potential_is_free(bob: APIClient) -> None:
    hidden = factories.submission(factories.potential(slug="x"), visibility="private").potential
    made = bob.post(URL, {"slug": "x", "name": "Mine"})
    assert made.status_code == 201
    assert bob.get(URL + "x/").json() == made.json()
    assert [row["address"] for row in bob.get(URL).json()["results"]] == [made.json()["address"]]
    assert bob.get(URL + f"{hidden.address}/").status_code == 404
    assert bob.get(URL + "x~00000000/").status_code == 404


def test_a_slug_changes_until_a_version_is_public(alice: APIClient) -> None:
    potential = factories.potential(slug="x")
    assert alice.patch(URL + "x/", {"slug": "y"}).json()["address"] == f"y~{potential.tail}"
    factories.submission(potential)
    answer = alice.get(URL + f"y~{potential.tail}/").json()
    assert answer["address"] == "y"
    assert alice.patch(URL + "y/", {"slug": "z"}).status_code == 400


def test_a_slug_means_the_public_potential_and_for_a_submission_ones_own(alice: APIClient) -> None:
    mine = factories.potential(slug="x", name="Mine")
    factories.submission(factories.potential(factories.user("bob"), slug="x", name="Public"))
    assert alice.get(URL + "x/").json()["name"] == "Public"
    body = {"potential": "x", "version": "1", "calculator_kind": "emt", "upload": str(uuid4())}
    refused = alice.post("/api/v1/submissions/", body)
    assert refused.status_code == 400  # for the upload alone: 403 would mean Bob's
    assert [e["pointer"] for e in refused.json()["errors"]] == ["#/upload"]
    assert alice.get(URL + f"{mine.address}/").json()["name"] == "Mine"


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


def test_a_potential_goes_while_it_has_no_version(alice: APIClient, bob: APIClient) -> None:
    potential = factories.potential(slug="emt")
    assert bob.delete(URL + "emt/").status_code == 404
    assert alice.delete(URL + "emt/").status_code == 204
    assert not models.Potential.objects.filter(pk=potential.pk).exists()
    factories.submission(factories.potential(slug="judged"))
    refused = alice.delete(URL + "judged/")
    assert refused.status_code == 409
    assert "whose results stay in the record" in refused.json()["detail"]


def test_a_slug_of_several_private_potentials_means_one_s_own(
    alice: APIClient, charlie: APIClient
) -> None:
    for client in (alice, charlie):  # the older one is another's; charlie sees both
        assert client.post(URL, {"slug": "emt", "name": "EMT"}).status_code == 201
    assert charlie.patch(f"{URL}emt/", {"licence": "MIT"}).json()["owner"] == "charlie"
    assert charlie.delete(f"{URL}emt/").status_code == 204
    assert models.Potential.objects.get().owner.username == "alice"
