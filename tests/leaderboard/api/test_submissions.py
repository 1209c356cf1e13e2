from __future__ import annotations

import hashlib
import io
import json
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from leaderboard import models
from leaderboard.services.submissions import artifacts
from tests.leaderboard import factories
from tests.leaderboard.api.conftest import EMT, form

pytestmark = pytest.mark.django_db
URL = "/api/v1/submissions/"
EMT_SHA256 = hashlib.sha256(EMT).hexdigest()


def post(client: APIClient, **fields: Any) -> Any:
    return client.post(URL, form(**fields), format="multipart")


def test_a_submission_is_accepted_and_its_evaluations_are_queued(alice: APIClient) -> None:
    version = factories.task_version()
    factories.benchmark_version((version, "Mechanics"))
    factories.potential(slug="emt")

    response = post(alice, potential="emt", settings="{}", supported_elements="Cu, Al")

    assert response.status_code == 201, response.content
    row = models.Submission.objects.get()
    evaluation = models.Evaluation.objects.get()
    assert response.headers["Location"] == f"http://testserver/api/v1/submissions/{row.pk}/"
    assert type(response.headers["Location"]) is str  # WSGI allows no subclass
    assert response.json() == {
        "id": str(row.pk),
        "url": f"http://testserver/api/v1/submissions/{row.pk}/",
        "page": f"/submissions/{row.pk}/",
        "potential": {
            "slug": "emt",
            "name": row.potential.name,
            "url": "http://testserver/api/v1/potentials/emt/",
            "level_of_theory": "",
            "is_baseline": False,
        },
        "version": "1.0",
        "artifact": {
            "sha256": hashlib.sha256(EMT).hexdigest(),
            "size_bytes": 21,
            "filename": "emt.json",
        },
        "calculator_kind": "ase",
        "settings": {},
        "runtime": None,
        "supported_elements": ["Al", "Cu"],
        "declares_non_conservative": False,
        "visibility": "public",
        "submitted_by": "alice",
        "created_at": row.created_at.isoformat().replace("+00:00", "Z"),
        "published_at": row.published_at.isoformat().replace("+00:00", "Z"),
        "withdrawn_at": None,
        "evaluations": [
            {
                "id": str(evaluation.pk),
                "url": f"http://testserver/api/v1/evaluations/{evaluation.pk}/",
                "task": version.task.slug,
                "task_version": 1,
                "state": "queued",
                "phase": "",
                "progress": {"done": 0, "total": 0, "calls": 0, "expected_at": None},
                "verdict": "",
                "score": None,
                "score_low": None,
                "score_high": None,
                "coverage": None,
                "n_failed": 0,
            }
        ],
        "is_new": True,
        "queued": [str(evaluation.pk)],
    }
    read = alice.get(URL + f"{row.pk}/").json()
    made = {"is_new": True, "queued": [str(evaluation.pk)]}
    assert {**read, **made} == response.json()
    assert alice.get(URL).json() == {"next": None, "previous": None, "results": [read]}


BAD: list[tuple[dict[str, Any], int, str, str]] = [
    ({"sha256": None}, 400, "#/sha256", "required"),
    ({"sha256": ""}, 400, "#/sha256", "required"),
    ({"sha256": "12"}, 400, "#/sha256", "64 hexadecimal digits"),
    ({"sha256": "0" * 64}, 400, "#/sha256", "damaged on the way"),
    ({"content": b""}, 400, "#/artifact", "empty"),
    ({"content": b'{"calculator": "emt", "x": 1}'}, 400, "#/artifact", "no parameter x"),
    ({"artifact": None}, 400, "#/artifact", "form field 'artifact'"),
    ({"artifact": "text"}, 400, "#/artifact", "not a file"),
    ({"name": "emt.exe"}, 400, "#/artifact", "must end in .json"),
    ({"calculator_kind": None}, 400, "#/calculator_kind", "required"),
    ({"calculator_kind": "vasp"}, 400, "#/calculator_kind", "known are chgnet, mace"),
    ({"supported_elements": "Si,Xx"}, 400, "#/supported_elements", "Xx: no such"),
    ({"supported_elements": "[]"}, 400, "#/supported_elements", "at least one"),
    ({"supported_elements": "[1]"}, 400, "#/supported_elements", "list of texts"),
    ({"supported_elements": '["Si"'}, 400, "#/supported_elements", "is no JSON"),
    ({"supported_elements": "\x00"}, 400, "#/supported_elements", "Null"),
    ({"settings": '{"dtype": "float32"}'}, 400, "#/settings/dtype", "is unknown"),
    ({"settings": "{"}, 400, "#/settings", "is no JSON"),
    ({"settings": "[]"}, 400, "#/settings", "must be a JSON object"),
    ({"settings": '{"a": NaN}'}, 400, "#/settings", "NaN is no number"),
    ({"settings": '{"a": "\\u0000"}'}, 400, "#/settings", "cannot be stored"),
    ({"settings": '{"a": "\\ud800"}'}, 400, "#/settings", "cannot be stored"),
    ({"settings": '{"a":' * 2000 + "1" + "}" * 2000}, 400, "#/settings", "longer than"),
    ({"settings": "[" * 9999}, 400, "#/settings", "nested too deeply"),
    ({"version": None}, 400, "#/version", "required"),
    ({"version": "a b"}, 400, "#/version", "letters, digits"),
    ({"version": "1\x00"}, 400, "#/version", "Null"),
    ({"visibility": "secret"}, 400, "#/visibility", "not a valid choice"),
    ({"declares_non_conservative": "maybe"}, 400, "#/declares_non_conservative", "boolean"),
    ({"colour": "red"}, 400, "#/colour", "is unknown"),
    ({"potential": "nowhere"}, 404, "", "no potential 'nowhere'"),
    ({"potential": "a\x00b"}, 400, "#/potential", "Null"),
]


@pytest.mark.parametrize(("changed", "status", "pointer", "words"), BAD)
def test_bad_input_is_told_and_nothing_is_stored(
    changed: dict[str, Any], status: int, pointer: str, words: str, alice: APIClient
) -> None:
    factories.potential(slug="emt")
    response = post(alice, **{"potential": "emt", **changed})
    problem = response.json()
    assert (response.status_code, problem["status"]) == (status, status), problem
    assert words in problem["detail"]
    if pointer:
        assert pointer in {e["pointer"] for e in problem["errors"]}
    assert not models.Submission.objects.exists()
    assert not models.Evaluation.objects.exists()


def test_every_bad_field_is_told_at_once(alice: APIClient) -> None:
    factories.potential(slug="emt")
    response = post(alice, potential="emt", version="?", calculator_kind="vasp", sha256="x")
    assert ".;" not in response.json()["detail"]
    assert "or digit. 'vasp' is unknown" in response.json()["detail"]
    missing = post(alice, potential="emt", version=None, calculator_kind=None, colour="red")
    assert ".;" not in missing.json()["detail"]
    assert "required. calculator_kind: " in missing.json()["detail"]
    assert {e["pointer"] for e in response.json()["errors"]} == {
        "#/version",
        "#/calculator_kind",
        "#/sha256",
    }


def test_a_file_beyond_the_limit_is_refused_before_or_after_it_is_read(
    alice: APIClient, settings: Any
) -> None:
    factories.potential(slug="emt")
    settings.MAX_ARTIFACT_BYTES = 1000
    for size in (1001, 3 * 2**20):
        response = post(alice, potential="emt", content=b"x" * size)
        assert response.status_code == 413
        assert response.json()["type"] == "urn:touchstone:problem:too_large"
    assert not models.Artifact.objects.exists()


def test_the_same_again_is_answered_with_what_is_there(alice: APIClient) -> None:
    factories.potential(slug="emt")
    first = post(alice, potential="emt")
    for fields in ({}, {"visibility": "public"}, {"declares_non_conservative": "false"}):
        again = post(alice, potential="emt", **fields)
        assert again.status_code == 200
        assert again.headers["Location"] == first.headers["Location"]
        assert again.json() == {**first.json(), "is_new": False}
    assert models.Submission.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "pointer", "words"),
    [
        ({"version": "2.0", "visibility": "private"}, "#/version", "This file is version 1.0 of"),
        ({"visibility": "private"}, "#/visibility", "cannot be made private"),
        ({"card": '{"licence": "GPL"}'}, "#/card/licence", "It is 'MIT' on the card of emt, not"),
        ({"card": '{"team": "x"}'}, "#/card/team", "It is empty on the card"),
        ({"card": '{"training_sets": ["A"]}'}, "#/card/training_sets", "It is MPtrj, B on the"),
    ],
)
def test_what_differs_from_what_is_there_is_a_conflict(
    fields: dict[str, str], pointer: str, words: str, alice: APIClient
) -> None:
    factories.potential(slug="emt", licence="MIT", training_sets=["MPtrj", "B"])
    task = factories.task_version()
    first = post(alice, potential="emt", tasks=task.task.slug).json()
    other = factories.task_version().task.slug

    response = post(alice, potential="emt", tasks=other, **fields)

    assert response.status_code == 409
    assert [e["pointer"] for e in response.json()["errors"]] == [pointer]
    assert words in response.json()["detail"]
    if not pointer.startswith("#/card"):
        assert response.json()["existing"] == first["url"]
    assert models.Submission.objects.get().visibility == "public"
    assert models.Evaluation.objects.count() == 1
    assert models.Potential.objects.get().licence == "MIT"


def test_a_card_that_says_what_is_there_changes_nothing(alice: APIClient) -> None:
    factories.potential(slug="emt", name="EMT", n_parameters=7, training_sets=["MPtrj"])
    card = {"name": " EMT ", "n_parameters": 7, "training_sets": ["MPtrj"], "licence": ""}
    assert post(alice, potential="emt", card=json.dumps(card)).status_code == 201


def test_a_card_registers_a_new_potential_with_its_first_version(alice: APIClient) -> None:
    card = json.dumps({"name": "EMT", "licence": "MIT", "training_sets": ["MPtrj"]})

    refused = post(alice, potential="emt", card=card, content=b"")
    assert refused.status_code == 400
    assert not models.Potential.objects.exists()

    accepted = post(alice, potential="emt", card=card)
    assert accepted.status_code == 201, accepted.content
    row = models.Potential.objects.get()
    assert (row.slug, row.name, row.licence, str(row.owner)) == ("emt", "EMT", "MIT", "alice")


@pytest.mark.parametrize(("slug", "status"), [("emt", 201), ("other", 400)])
def test_a_card_names_no_other_slug_than_the_request(
    alice: APIClient, slug: str, status: int
) -> None:
    card = json.dumps({"name": "EMT", "slug": slug})
    response = post(alice, potential="emt", card=card)
    assert response.status_code == status, response.content
    if status == 400:
        assert [e["pointer"] for e in response.json()["errors"]] == ["#/card/slug"]


def test_the_staff_s_new_potential_is_not_somebody_s_private_one_of_the_same_slug(
    alice: APIClient, charlie: APIClient
) -> None:
    card = json.dumps({"name": "EMT"})
    theirs = post(alice, potential="emt", card=card, visibility="private").json()["potential"]

    own = post(charlie, potential="emt", card=card)

    assert own.status_code == 201, own.content
    assert own.json()["potential"]["url"].endswith("/potentials/emt/")
    owners = models.Potential.objects.values_list("owner__username", "holds_slug")
    assert set(owners) == {("alice", False), ("charlie", True)}
    address = theirs["url"].rstrip("/").rpartition("/")[2]
    other = b'{"calculator": "emt" }'
    meant = post(charlie, potential=address, version="2", visibility="private", content=other)
    assert meant.json()["potential"]["url"] == theirs["url"]


def test_nobody_takes_a_potential_of_another_by_a_card(alice: APIClient, bob: APIClient) -> None:
    factories.submission(factories.potential(slug="emt", name="EMT"))
    factories.potential(slug="unseen")
    for slug, card, status in (
        ("emt", {"name": "EMT"}, 409),
        ("emt", {"licence": "MIT"}, 403),
        ("unseen", {}, 400),
    ):
        response = post(bob, potential=slug, card=json.dumps(card))
        assert response.status_code == status, response.content
    assert models.Submission.objects.count() == 1


def check(client: APIClient, **fields: Any) -> Any:
    whole = {
        "potential": "emt",
        "version": "1.0",
        "calculator_kind": "ase",
        "filename": "emt.json",
        "size_bytes": len(EMT),
        "sha256": EMT_SHA256,
        "card": {"name": "EMT"},
        **fields,
    }
    return client.post(
        URL + "check/", {k: v for k, v in whole.items() if v is not None}, format="json"
    )


def test_a_check_says_what_would_become_of_it_and_changes_nothing(alice: APIClient) -> None:
    first, second = factories.task_version(), factories.task_version()
    factories.benchmark_version((first, "A"), (second, "A"))
    response = check(alice)
    assert response.status_code == 200, response.content
    assert response.json() == {
        "existing": None,
        "registers_potential": True,
        "tasks": sorted([first.task.slug, second.task.slug]),
    }
    assert not models.Potential.objects.exists()
    assert not models.Submission.objects.exists()

    factories.potential(slug="emt", name="EMT")
    url = post(alice, potential="emt", tasks=first.task.slug).json()["url"]
    there = {"existing": url, "registers_potential": False}
    assert check(alice).json() == {**there, "tasks": []}
    further = check(alice, tasks=[first.task.slug, second.task.slug])
    assert further.json() == {**there, "tasks": [second.task.slug]}
    conflict = check(alice, version="2.0")
    assert (conflict.status_code, conflict.json()["existing"]) == (409, url)


def test_a_check_says_all_that_is_wrong_at_once(alice: APIClient) -> None:
    response = check(
        alice,
        version=None,
        calculator_kind="vasp",
        size_bytes=0,
        sha256="x",
        tasks=["nowhere"],
        benchmark="nowhere",
        card={"licence": "MIT", "paper_url": "no address", "foo": "bar"},
        visibility="secret",
        colour="red",
    )
    assert response.status_code == 400
    assert "version is required." in response.json()["detail"]
    assert {e["pointer"] for e in response.json()["errors"]} == {
        "#/version",
        "#/calculator_kind",
        "#/artifact",
        "#/sha256",
        "#/tasks",
        "#/benchmark",
        "#/card/paper_url",
        "#/card/foo",
        "#/card/name",
        "#/visibility",
        "#/colour",
    }


TYPO = b'{"calculator": "lj", "sigma_A": {"Ar": 3.4}, "epsilon_eV": 0.01, "cutof": 9}'
TYPO_TOLD = {
    "pointer": "#/artifact",
    "detail": "emt.json: lj has no parameter cutof; known are sigma_A, epsilon_eV, cutoff_A, "
    "smooth.",
}


def test_what_a_json_file_says_wrongly_is_refused_before_anything_is_registered(
    alice: APIClient,
) -> None:
    factories.benchmark_version((factories.task_version(), "A"))
    asked = check(alice, content=TYPO.decode(), version="?")
    assert {e["pointer"] for e in asked.json()["errors"]} == {"#/artifact", "#/version"}
    sent = post(alice, potential="emt", card='{"name": "EMT"}', content=TYPO)
    for response in (check(alice, content=TYPO.decode()), sent):
        assert response.status_code == 400
        assert response.json()["errors"] == [TYPO_TOLD]
    assert check(alice, content=EMT.decode()).status_code == 200
    assert not models.Potential.objects.exists()
    assert not models.Artifact.objects.exists()


def test_what_a_json_file_says_wrongly_is_refused_of_an_upload_in_parts(alice: APIClient) -> None:
    sha256 = hashlib.sha256(TYPO).hexdigest()
    artifact = artifacts.store_artifact(io.BytesIO(TYPO), expected_sha256=sha256)
    upload = complete_upload(artifact=artifact, sha256=sha256, size_bytes=len(TYPO))
    body = {"potential": "emt", "version": "1", "calculator_kind": "ase", "upload": str(upload.pk)}
    response = alice.post(URL, {**body, "card": {"name": "EMT"}}, format="json")
    assert (response.status_code, response.json()["errors"]) == (400, [TYPO_TOLD])
    assert not models.Potential.objects.exists()


def test_one_bad_field_of_a_card_hides_no_good_one(alice: APIClient) -> None:
    response = check(alice, card={"name": "EMT", "n_parameters": "many"})
    assert [e["pointer"] for e in response.json()["errors"]] == ["#/card/n_parameters"]


@pytest.mark.parametrize("body", ["[]", "null", "{}", '{"card": []}', '{"potential": "a\\u0000"}'])
def test_a_check_of_nonsense_is_told(body: str, alice: APIClient) -> None:
    response = alice.post(URL + "check/", body, content_type="application/json")
    assert response.status_code == 400
    assert response.json()["errors"]


def test_the_same_version_of_another_file_is_a_conflict_that_names_what_is_there(
    alice: APIClient,
) -> None:
    factories.potential(slug="emt")
    first = post(alice, potential="emt").json()["url"]
    for fields in ({"content": b'{"calculator": "emt"} '}, {"supported_elements": "Cu"}):
        response = post(alice, potential="emt", **fields)
        assert response.status_code == 409
        assert response.json()["existing"] == first
    assert models.Submission.objects.count() == 1


def test_the_same_file_may_be_another_potential(alice: APIClient) -> None:
    for slug in ("emt", "emt-2"):
        factories.potential(slug=slug)
        assert post(alice, potential=slug).status_code == 201
    assert models.Artifact.objects.count() == 1


def test_a_file_needs_a_form_and_json_an_upload(alice: APIClient) -> None:
    response = alice.post(URL, {"potential": "emt"}, format="json")
    assert response.status_code == 400
    assert "#/upload" in {e["pointer"] for e in response.json()["errors"]}
    response = alice.post(URL, b"x", content_type="text/plain")
    assert response.status_code == 415
    assert response.headers["Content-Type"] == "application/problem+json"


def complete_upload(**fields: Any) -> models.Upload:
    """Of alice, with the bytes of EMT."""
    artifact = artifacts.store_artifact(io.BytesIO(EMT), expected_sha256=EMT_SHA256)
    return factories.upload(
        **{
            "filename": "emt.json",
            "size_bytes": len(EMT),
            "sha256": EMT_SHA256,
            "artifact": artifact,
            "completed_at": timezone.now(),
            **fields,
        }
    )


@pytest.mark.parametrize("kind", ["json", "multipart"])
def test_an_upload_stands_for_the_file(kind: str, alice: APIClient) -> None:
    task = factories.task_version()
    factories.potential(slug="emt")
    tasks, settings = [task.task.slug], {}
    response = alice.post(
        URL,
        {
            "potential": "emt",
            "version": "1.0",
            "calculator_kind": "ase",
            "upload": str(complete_upload().pk),
            "tasks": tasks if kind == "json" else json.dumps(tasks),
            "settings": settings if kind == "json" else json.dumps(settings),
        },
        format=kind,
    )
    assert response.status_code == 201, response.content
    assert response.json()["artifact"]["sha256"] == EMT_SHA256
    assert [e["task"] for e in response.json()["evaluations"]] == tasks


@pytest.mark.parametrize(
    ("changed", "status", "pointer"),
    [
        ({"upload": "0" * 32}, 400, "#/upload"),
        ({"upload": 7}, 400, "#/upload"),
        ({"upload": "bob's"}, 400, "#/upload"),
        ({"upload": "incomplete"}, 409, "#/upload"),
        ({"upload": "expired"}, 400, "#/upload"),
        ({"tasks": ["nowhere"]}, 400, "#/tasks"),
        ({"tasks": []}, 400, "#/tasks"),
        ({"tasks": "eos"}, 400, "#/tasks"),
        ({"tasks": ["a\x00"]}, 400, "#/tasks/0"),
        ({"benchmark": "nowhere"}, 400, "#/benchmark"),
        ({"benchmark": "a", "tasks": ["b"]}, 400, "#/tasks"),
        ({"settings": "{}"}, 400, "#/settings"),
        ({"settings": {"a": "\ud800"}}, 400, "#/settings"),
        ({"settings": {"a": 1}}, 400, "#/settings/a"),
        ({"supported_elements": ["Xx"]}, 400, "#/supported_elements"),
    ],
)
def test_bad_json_is_told(
    changed: dict[str, Any], status: int, pointer: str, alice: APIClient, bob: APIClient
) -> None:
    factories.potential(slug="emt")
    uploads = {
        "bob's": complete_upload(owner=factories.user("bob")),
        "incomplete": factories.upload(),
        "expired": complete_upload(expires_at=timezone.now()),
        "good": complete_upload(),
    }
    body = {"potential": "emt", "version": "1.0", "calculator_kind": "ase", "upload": "good"}
    body |= changed
    if body["upload"] in uploads:
        body["upload"] = str(uploads[body["upload"]].pk)
    response = alice.post(URL, json.dumps(body), content_type="application/json")
    assert response.status_code == status, response.content
    assert pointer in {e["pointer"] for e in response.json()["errors"]}
    assert not models.Submission.objects.exists()


def test_json_nested_a_thousand_deep_is_refused(alice: APIClient) -> None:
    for depth in (1000, 100_000):
        body = '{"settings": ' + "[" * depth + "]" * depth + "}"
        response = alice.post(URL, body, content_type="application/json")
        assert response.status_code == 400
        assert response.headers["Content-Type"] == "application/problem+json"


def post_once(client: APIClient, key: str, **fields: Any) -> Any:
    return client.post(URL, form(**fields), format="multipart", headers={"Idempotency-Key": key})


def test_a_repeated_request_is_answered_the_same_and_done_once(
    alice: APIClient, bob: APIClient
) -> None:
    factories.potential(slug="emt")
    first = post_once(alice, "k", potential="emt", content=EMT)
    again = post_once(alice, "k", potential="emt", content=EMT)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert again.headers["Location"] == first.headers["Location"]
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert post_once(bob, "k", potential="emt").status_code == 403, "a key is its user's own"


def test_a_key_does_not_serve_another_request(alice: APIClient) -> None:
    factories.potential(slug="emt")
    post_once(alice, "k", potential="emt")
    refused = post_once(alice, "k", potential="emt", version="2.0")
    assert refused.status_code == 422
    assert refused.json()["type"] == "urn:touchstone:problem:unprocessable"
    assert post_once(alice, "é", potential="emt").status_code == 400
    assert post_once(alice, "x" * 256, potential="emt").status_code == 400


def test_a_request_that_was_refused_leaves_its_key_free(alice: APIClient) -> None:
    factories.potential(slug="emt")
    assert post_once(alice, "k", potential="emt", version="?").status_code == 400
    assert post_once(alice, "k", potential="emt").status_code == 201


def test_a_private_submission_is_published_by_its_owner(
    alice: APIClient, stranger: APIClient
) -> None:
    factories.potential(slug="emt")
    url = post(alice, potential="emt", visibility="private").json()["url"]
    assert stranger.get(url).status_code == 404
    published = alice.post(url + "publish/")
    assert published.status_code == 200
    assert published.json()["visibility"] == "public"
    assert stranger.get(url).status_code == 200


def test_a_name_that_would_leave_its_folder_is_cleaned(alice: APIClient) -> None:
    factories.potential(slug="emt")
    response = post(alice, potential="emt", name="..%2f..\\evil\u202e.json")
    assert response.status_code == 201
    assert "/" not in response.json()["artifact"]["filename"]
    assert "\u202e" not in response.json()["artifact"]["filename"]
