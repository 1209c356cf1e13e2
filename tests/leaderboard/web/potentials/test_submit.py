"""The form submits as REST does, says what is wrong beside the field, and is nobody else's."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from leaderboard import models
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db
EMT = b'{"calculator": "emt"}'
NEW = "/submissions/new/"


@pytest.fixture(autouse=True)
def folders(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    default = {**settings.STORAGES["default"], "OPTIONS": {"location": tmp_path / "blobs"}}
    settings.STORAGES = {**settings.STORAGES, "default": default}


@pytest.fixture
def alice(client: Client) -> Client:
    client.force_login(factories.user("alice"))
    return client


def filled(**fields: Any) -> dict[str, Any]:
    given = {
        "artifact": SimpleUploadedFile("emt.json", EMT),
        "version": "1.0", "kind": "ase", "visibility": "public",
        "name": "My EMT", "slug": "my-emt", "architecture": "EMT",
    }  # fmt: skip
    return {**given, **fields}


def test_a_new_potential_and_its_first_version_are_submitted_at_once(alice: Client) -> None:
    task = factories.task_version()
    factories.benchmark_version((task, "bulk"))
    response = alice.post(NEW, filled(supported_elements="Al, Cu Ni"))
    submission = models.Submission.objects.get()
    assert (response.status_code, response["Location"]) == (302, submission.get_absolute_url())
    assert submission.artifact.sha256 == hashlib.sha256(EMT).hexdigest()
    assert submission.supported_elements == ["Al", "Ni", "Cu"]
    assert str(submission.potential.owner) == "alice"
    assert [e.task_version for e in submission.evaluations.all()] == [task]


def test_a_lock_is_refused_beside_its_field_and_a_good_one_is_kept(alice: Client) -> None:
    sha256 = "a" * 64
    names = ("ase==3.29.0", "msgpack==1.2.4", "numpy==2.4.6")
    good = "".join(f"{name} --hash=sha256:{sha256}\n" for name in names)
    package = filled(kind="package", artifact=SimpleUploadedFile("p.zip", b"a zip, never opened"))

    def lock(text: str) -> SimpleUploadedFile:
        return SimpleUploadedFile("requirements.txt", text.encode())

    refused = alice.post(NEW, {**package, "lock": lock(good + "rare==1.0\n")})
    assert refused.status_code == 400
    assert "Line 4: rare has no hash" in refused.content.decode()

    package["artifact"].seek(0)
    alice.post(NEW, {**package, "lock": lock(good)})
    submission = models.Submission.objects.get()
    assert submission.runtime_lock is not None
    assert submission.runtime_lock.n_packages == 3
    page = alice.get(submission.get_absolute_url()).content.decode()
    assert "Its runtime is built when its first evaluation begins." in page


def test_only_a_package_brings_a_lock_and_only_where_the_site_builds_it(
    alice: Client, settings: Any
) -> None:
    lock = SimpleUploadedFile("requirements.txt", b"ase==3.29.0")
    assert b"bring a lock; ase has its runtime" in alice.post(NEW, filled(lock=lock)).content

    settings.CLOSED_RUNTIMES = ["classical"]
    refused = alice.post(NEW, filled())
    assert b"takes no new submissions for the runtime classical" in refused.content
    assert not models.Submission.objects.exists()


def test_the_card_of_a_new_potential_is_told_at_once(alice: Client) -> None:
    alice.post(NEW, filled(
        training_sets="MPtrj, OMat24,\r\nsAlex ,", n_parameters="4690000", licence="MIT",
        code_url="https://code.example/x", description="**Good**\r\n\r\nat oxides",
    ))  # fmt: skip
    potential = models.Potential.objects.get()
    assert potential.training_sets == ["MPtrj", "OMat24", "sAlex"]
    assert (potential.n_parameters, potential.code_url) == (4690000, "https://code.example/x")
    assert potential.description == "**Good**\n\nat oxides"


def test_settings_are_those_of_the_chosen_kind(alice: Client) -> None:
    file = SimpleUploadedFile("my.model", b"weights")
    alice.post(NEW, filled(artifact=file, kind="mace", **{
        "mace.dtype": "float32", "chgnet.dtype": "float16"
    }))  # fmt: skip
    assert models.Submission.objects.get().settings == {"dtype": "float32", "head": ""}


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"version": "../.."}, "version", "Give 1 to 64 letters"),
        ({"sha256": "0" * 64}, "sha256", "it was damaged on the way"),
        ({"artifact": ""}, "artifact", "Choose the file"),
        ({"kind": "nothing"}, "calculator_kind", "Choose what loads the file"),
        ({"supported_elements": "Xx"}, "supported_elements", "no such chemical symbol"),
        ({"slug": "Not a slug"}, "slug", "small letters"),
        ({"code_url": "javascript:alert(1)"}, "code_url", "valid URL"),
        ({"n_parameters": "many"}, "n_parameters", "must be an integer"),
        ({"description": "x" * 10_001}, "description", "at most 10000 characters"),
        ({"training_sets": "a," * 60}, "training_sets", "no more than 50"),
        ({"name": "a\x00b"}, "name", "cannot be stored"),
        ({"potential": "a\x00b"}, "potential", "cannot be stored"),
        ({"benchmark": "none"}, "benchmark", "There is no benchmark"),
        ({"potential": "somebodys"}, "potential", "Choose one of your potentials"),
        ({"kind": "mace", "mace.dtype": "float16"}, "settings.dtype", "must be one of"),
    ],
)
def test_what_is_refused_is_said_beside_its_field(
    alice: Client, fields: dict[str, Any], field: str, words: str
) -> None:
    factories.potential(factories.user("bob"), slug="somebodys")
    response = alice.post(NEW, filled(**fields))
    assert response.status_code == 400
    assert words in response.context["errors"][field]
    page = response.content.decode()
    assert f'id="error-{field.replace(".", "")}"' in page
    assert models.Submission.objects.count() == 0
    # What was typed is there still, whatever it was.
    for name in ("version", "slug"):
        assert f'name="{name}"' in page
        assert f'value="{fields.get(name, filled()[name])}"' in page


def test_a_refused_first_version_registers_nothing_and_can_be_sent_again(alice: Client) -> None:
    assert alice.post(NEW, filled(version="no good")).status_code == 400
    assert not models.Potential.objects.exists()
    assert alice.post(NEW, filled(licence="MIT")).status_code == 302
    assert models.Potential.objects.get().licence == "MIT"


def chosen(**fields: Any) -> dict[str, Any]:
    """The form again, with the potential chosen and nothing typed of its card."""
    return filled(**{"potential": "my-emt", "name": "", "slug": "", "architecture": "", **fields})


def test_a_version_that_is_there_is_a_conflict_and_the_same_is_found(alice: Client) -> None:
    assert alice.post(NEW, filled()).status_code == 302
    again = alice.post(NEW, chosen(), follow=True)
    assert again.redirect_chain == [(models.Submission.objects.get().get_absolute_url(), 302)]
    assert "This file is version 1.0 already; nothing new was submitted." in again.content.decode()
    other = SimpleUploadedFile("emt.json", b'{"calculator": "tersoff", "element": "Si"}')
    refused = alice.post(NEW, chosen(artifact=other))
    assert refused.status_code == 409
    assert "is there already" in refused.context["errors"]["version"]


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"version": "2.0"}, "version", "This file is version 1.0 of My EMT already"),
        ({"visibility": "private"}, "visibility", "cannot be made private"),
        ({"supported_elements": "Cu"}, "version", "left to the checkpoint there, Cu here"),
        ({"licence": "MIT"}, "licence", "It is empty on the card of my-emt, not &#x27;MIT&#x27;"),
        ({"slug": "another"}, "slug", "my-emt is chosen above"),
        ({"potential": "", "slug": "my-emt"}, "slug", "Choose it above"),
    ],
)
def test_nothing_that_differs_from_what_is_there_is_dropped(
    alice: Client, fields: dict[str, Any], field: str, words: str
) -> None:
    alice.post(NEW, filled())
    refused = alice.post(NEW, chosen(**fields))
    assert refused.status_code == 409
    page = refused.content.decode()
    assert words in page[page.index(f'id="error-{field}"') :]
    assert models.Submission.objects.count() == 1


def test_further_tasks_of_a_version_that_is_there_are_told(alice: Client) -> None:
    alice.post(NEW, filled())
    more = factories.benchmark_version((factories.task_version(), "A"))
    answer = alice.post(NEW, chosen(benchmark=more.benchmark.slug), follow=True)
    assert "version 1.0 already; 1 more evaluation was queued" in answer.content.decode()


def test_somebody_elses_public_slug_is_a_conflict(alice: Client) -> None:
    factories.submission(factories.potential(factories.user("bob"), slug="my-emt"))
    assert alice.post(NEW, filled()).status_code == 409


def test_a_slug_that_became_somebody_elses_is_told_with_the_way_out(alice: Client) -> None:
    """A private potential of hers stays hers under its address, and takes another slug."""
    alice.post(NEW, filled(visibility="private"))
    mine = models.Potential.objects.get()
    other = factories.submission(factories.potential(factories.user("bob"), slug="my-emt"))
    fields = {"potential": mine.address, "version": "2"}
    fields |= dict.fromkeys(("name", "slug", "architecture"), "")
    lj = b'{"calculator": "tersoff", "element": "Si"}'
    public = filled(**fields, artifact=SimpleUploadedFile("lj.json", lj))
    refused = alice.post(NEW, public)
    assert refused.status_code == 409
    assert mine.address in refused.context["errors"]["potential"]
    assert alice.get(mine.get_absolute_url()).context["potential"] == mine
    edit = f"{mine.get_absolute_url()}edit/"
    assert alice.post(edit, {"name": "My EMT", "slug": "my-emt"}).status_code == 302
    assert alice.post(edit, {"name": "My EMT", "slug": "my-emt.2"}).status_code == 302
    mine.refresh_from_db()
    fields["potential"] = mine.address
    public = filled(**fields, artifact=SimpleUploadedFile("lj.json", lj))
    assert alice.post(NEW, public).status_code == 302
    assert alice.get("/potentials/my-emt.2/").status_code == 200
    assert alice.get("/potentials/my-emt/").context["potential"] == other.potential


def test_too_large_a_file_and_too_many_tries_are_refused(alice: Client, settings: Any) -> None:
    settings.MAX_ARTIFACT_BYTES = 4
    assert alice.post(NEW, filled()).status_code == 400
    settings.THROTTLES = {**settings.THROTTLES, "submit": "1/hour"}
    assert alice.post(NEW, filled()).status_code == 429


def test_a_quota_is_told(alice: Client, settings: Any) -> None:
    factories.benchmark_version((factories.task_version(), "bulk"))
    settings.QUOTAS = {**settings.QUOTAS, "per_day": 0}
    response = alice.post(NEW, filled())
    assert response.status_code == 429
    assert "Nothing was submitted." in response.content.decode()


def test_a_form_without_its_token_is_refused() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(factories.user("alice"))
    assert client.post(NEW, filled()).status_code == 403
    assert models.Submission.objects.count() == 0


def test_strangers_sign_in_first(client: Client) -> None:
    for address in (NEW, "/submissions/"):
        assert client.get(address)["Location"] == f"/login/?next={address}"
    assert client.post(NEW, filled()).status_code == 302
    assert models.Submission.objects.count() == 0


def test_only_potentials_that_one_may_submit_to_are_offered(alice: Client) -> None:
    mine = factories.potential(factories.user("alice"), slug="mine", name="Mine")
    factories.potential(factories.user("bob"), slug="theirs", name="Theirs")
    page = alice.get(NEW).content.decode()
    assert f'value="{mine.address}"' in page
    assert "theirs" not in page


def test_mine_are_listed_with_their_results_in_a_constant_number_of_queries(alice: Client) -> None:
    user, task = factories.user("alice"), factories.task_version()
    factories.submission(factories.potential(factories.user("bob"), name="BobsOwn"))
    counts = []
    for n in (1, 3):
        for _ in range(n):
            own = factories.submission(factories.potential(user), visibility="private")
            factories.evaluation(own, task, score=0.625)
        with CaptureQueriesContext(connection) as queries:
            page = alice.get("/submissions/").content.decode()
        counts.append(len(queries))
        assert "0.625" in page
        assert "BobsOwn" not in page
    assert counts[0] == counts[1]
