"""The page of one system: structure, numbers of all potentials, nothing hidden."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ase.io
import pytest
from ase.build import bulk
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from leaderboard import models
from leaderboard.lib import blobs
from leaderboard.web.boards.systems import address_of_system
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db
NAMES = ["cu", "al/fcc 100%"]


@pytest.fixture(autouse=True)
def data_dir(settings: Any, tmp_path: Path) -> Iterator[None]:
    settings.DATA_DIR = tmp_path
    yield


def stored_set(**fields: Any) -> models.ReferenceSet:
    structures = [bulk("Cu", cubic=True), bulk("Al")]
    for atoms, name in zip(structures, NAMES, strict=True):
        atoms.info.update(system_id=name, bulk_modulus_GPa=141.0)
    text = io.StringIO()
    ase.io.write(text, structures, format="extxyz")
    content = text.getvalue().encode()
    found = factories.reference_set(
        sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content), **fields
    )
    blobs.write([content]).keep(found.storage_name)
    return found


def task(**fields: Any) -> models.TaskVersion:
    return factories.task_version(reference_set=stored_set(**fields))


def answered(version: models.TaskVersion, **fields: Any) -> models.Evaluation:
    evaluation = factories.evaluation(fields.pop("of", None), version, score=0.5)
    models.SystemResult.objects.bulk_create(
        models.SystemResult(
            **{
                "evaluation": evaluation, "position": n, "system_id": name, "status": "ok",
                "values": {"element": "Cu", "bulk_modulus_GPa": 123.25, "delta_meV": 1.5,
                           "curve_volumes_A3": [11.0, 12.0, 13.0],
                           "curve_energies_meV": [9.0, 0.0, 8.0]},
                "reference": {"bulk_modulus_GPa": 141.5}, **fields,
            }
        )
        for n, name in enumerate(NAMES)
    )  # fmt: skip
    return evaluation


def test_a_system_shows_its_structure_all_numbers_and_its_neighbour(client: Client) -> None:
    version = task()
    evaluation = answered(version)
    failing = answered(version, status="failed", message="No minimum was found.", values={})
    page = client.get(address_of_system(version, "cu")).content.decode()
    for part in ("Cu4, 4 atoms", "123.25", "141.50", "No minimum was found.", "<circle",
                 "Equation of state of cu", "al/fcc 100%", evaluation.get_absolute_url(),
                 failing.get_absolute_url()):  # fmt: skip
        assert part in page, part
    # What nobody has a number in is left out.
    assert "B₀′" not in page


def test_names_with_slashes_and_percents_have_a_page_and_a_download(client: Client) -> None:
    version = task()
    answered(version)
    address = address_of_system(version, "al/fcc 100%")
    page = client.get(address)
    assert page.status_code == 200
    link = f"/tasks/{version.task.slug}/1/structures/al/fcc%20100%25.xyz"
    assert link in page.content.decode()
    download = client.get(link)
    assert download["Content-Disposition"] == 'attachment; filename="al_fcc_100_.xyz"'
    atoms = ase.io.read(io.StringIO(download.content.decode()), format="extxyz")
    assert (atoms.get_chemical_formula(), atoms.info["bulk_modulus_GPa"]) == ("Al", 141.0)


def test_without_a_version_an_address_leads_to_the_newest_published_one(client: Client) -> None:
    version = task()
    newest = factories.task_version(version.task, number=2, reference_set=version.reference_set)
    factories.task_version(version.task, number=3, state="draft")
    found = client.get(f"/tasks/{version.task.slug}/systems/al/fcc%20100%25/?show=a")
    assert (found.status_code, found["Location"]) == (
        302, f"/tasks/{version.task.slug}/{newest.number}/systems/al/fcc%20100%25/?show=a",
    )  # fmt: skip
    assert client.get(found["Location"].partition("?")[0]).status_code == 200
    assert client.get("/tasks/nothing/systems/cu/").status_code == 404


@pytest.mark.parametrize("name", ["", "charlie"])
def test_nothing_of_a_hidden_set_is_shown(client: Client, name: str) -> None:
    version = task(is_public=False)
    answered(version)
    if name:
        client.force_login(factories.charlie())
    assert client.get(address_of_system(version, "cu")).status_code == 404
    assert client.get(f"/tasks/{version.task.slug}/1/structures/cu.xyz").status_code == 404


def test_what_is_not_in_the_set_is_not_found(client: Client) -> None:
    version = task()
    answered(version)
    for address in (
        address_of_system(version, "nothing"),
        f"/tasks/{version.task.slug}/2/systems/cu/",
        f"/tasks/{version.task.slug}/1/systems/%00/",
        f"/tasks/{version.task.slug}/1/structures/nothing.xyz",
    ):
        assert client.get(address).status_code == 404, address


@pytest.mark.slow
def test_a_private_potential_is_shown_to_its_owner_alone(client: Client) -> None:
    version = task()
    answered(version)
    secret = factories.submission(
        factories.potential(factories.user("alice"), name="SecretName"), visibility="private"
    )
    answered(version, of=secret)
    address = address_of_system(version, "cu")
    client.force_login(factories.user("bob"))
    assert "SecretName" not in client.get(address).content.decode()
    client.force_login(factories.user("alice"))
    assert "SecretName" in client.get(address).content.decode()


def test_a_lost_file_of_the_set_costs_the_structure_alone(client: Client) -> None:
    version = factories.task_version()
    answered(version)
    page = client.get(address_of_system(version, "cu"))
    assert (page.status_code, b"123.25" in page.content) == (200, True)
    assert b"cannot be read just now" in page.content


def test_a_draft_is_seen_by_the_staff_alone(client: Client) -> None:
    version = factories.task_version(reference_set=stored_set(), state="draft")
    address = address_of_system(version, "cu")
    assert client.get(address).status_code == 404
    client.force_login(factories.charlie())
    assert client.get(address).status_code == 200


@pytest.mark.slow
def test_the_number_of_queries_does_not_grow_with_the_potentials(client: Client) -> None:
    version = task()
    address = address_of_system(version, "cu")
    counts = []
    for n in (1, 3):
        for _ in range(n):
            answered(version)
        client.get(address)
        with CaptureQueriesContext(connection) as queries:
            assert client.get(address).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_an_evaluation_names_each_system_unless_the_set_is_hidden(
    client: Client,
) -> None:
    version = task()
    evaluation = answered(version)
    address = address_of_system(version, "al/fcc 100%")
    assert address in client.get(evaluation.get_absolute_url()).content.decode()
    models.ReferenceSet.objects.update(is_public=False)
    page = client.get(evaluation.get_absolute_url()).content.decode()
    assert "al/fcc 100%" not in page
    assert "/systems/al" not in page


def test_columns_without_a_number_are_left_out_and_secondary_ones_are_a_link_away(
    client: Client,
) -> None:
    version = factories.task_version(protocol="phonons", metrics=[], reference_set=stored_set())
    evaluation = answered(
        version, values={"omega_max_THz": 5.5, "entropy_J_K_mol": 43.21}, reference={}
    )
    few = client.get(evaluation.get_absolute_url()).content.decode()
    assert ("5.500" in few, "43.21" in few, "1 more column" in few) == (True, False, True)
    assert "DOS distance" not in few
    everything = client.get(f"{evaluation.get_absolute_url()}?columns=all").content.decode()
    assert "43.21" in everything


@pytest.mark.slow
def test_points_of_the_task_lead_to_their_systems(client: Client) -> None:
    version = task()
    answered(version)
    page = client.get(version.task.get_absolute_url()).content.decode()
    assert address_of_system(version, "al/fcc 100%") in page
