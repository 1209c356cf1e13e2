from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from evaluator.catalog import CALCULATOR_KINDS, METRICS, PROTOCOLS
from leaderboard import models
from leaderboard.enums import VersionState
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db
HOST = "http://testserver"


def test_a_task_tells_all_that_decides_its_numbers(stranger: APIClient) -> None:
    version = factories.task_version(parameters={"n_volumes": 9}, limits={"wall_time_s": 60.0})
    slug, reference = version.task.slug, version.reference_set
    assert reference is not None
    task = stranger.get(f"/api/v1/tasks/{slug}/").json()
    protocol = task.pop("protocol")
    parameters = {p["name"]: (p["value"], p["unit"]) for p in task.pop("parameters")}
    metrics = task.pop("metrics")
    published = version.published_at.isoformat().replace("+00:00", "Z")  # type: ignore[union-attr]
    assert task == {
        "slug": slug,
        "name": version.task.name,
        "summary": "EOS",
        "url": f"{HOST}/api/v1/tasks/{slug}/",
        "page": f"/tasks/{slug}/",
        "leaderboard": f"{HOST}/api/v1/tasks/{slug}/leaderboard/",
        "version": 1,
        "state": "published",
        "published_at": published,
        "description": "What and why.",
        "limitations": "Fixed shapes.",
        "protocol_version": 2,
        "reference_set": {
            "slug": reference.slug,
            "version": "1",
            "level_of_theory": "PBE",
            "title": "Crystals",
            "sha256": reference.sha256,
            "size_bytes": 10,
            "n_systems": 2,
            "elements": ["Al", "Cu"],
            "properties": ["volume_per_atom_A3", "bulk_modulus_GPa", "bulk_modulus_derivative"],
            "licence": "CC-BY-4.0",
            "citation": "Nobody, 2026",
            "source_url": "",
            "is_public": True,
        },
        "limits": {"wall_time_s": 60.0, "call_timeout_s": 300.0, "memory_MiB": 8192},
        "min_coverage": 0.5,
        "seed": 0,
        "disguise_secret": None,
        "versions": [{"version": 1, "state": "published", "published_at": published}],
    }
    assert protocol["name"] == "equation_of_state"
    assert parameters["n_volumes"] == (9, "")
    assert parameters["volume_range_percent"] == (6.0, "%")
    assert metrics[0] == {
        "key": "eos_delta_mean",
        "label": "Δ",
        "unit": "meV/atom",
        "direction": "lower",
        "description": METRICS["eos_delta_mean"].description,
        "source": METRICS["eos_delta_mean"].source,
        "good": 1.0,
        "bad": 50.0,
        "worst": 100.0,
        "noise": None,
        "weight": 2.0,
        "scale": "linear",
    }


def test_the_current_version_is_shown_unless_another_is_asked_for(stranger: APIClient) -> None:
    first = factories.task_version()
    second = factories.task_version(first.task)
    factories.task_version(first.task, state=VersionState.DRAFT)
    models.TaskVersion.objects.filter(pk=first.pk).update(state=VersionState.RETIRED)
    address = f"/api/v1/tasks/{first.task.slug}/"
    assert stranger.get(address).json()["version"] == second.number == 2
    assert stranger.get(address + "?version=1").json()["state"] == "retired"
    assert [v["version"] for v in stranger.get(address).json()["versions"]] == [1, 2]
    assert [t["version"] for t in stranger.get("/api/v1/tasks/").json()["results"]] == [2]


def test_a_draft_is_nowhere(stranger: APIClient, charlie: APIClient) -> None:
    draft = factories.task_version(state=VersionState.DRAFT)
    slug = draft.task.slug
    for client in (stranger, charlie):
        assert client.get("/api/v1/tasks/").json()["results"] == []
        for suffix in ("", "?version=1", "leaderboard/", "leaderboard/?version=1"):
            assert client.get(f"/api/v1/tasks/{slug}/{suffix}").status_code == 404
    # Nor is the reference set of a task that has not been published.
    assert stranger.get("/api/v1/reference-sets/").json()["results"] == []
    assert len(charlie.get("/api/v1/reference-sets/").json()["results"]) == 1


def test_every_protocol_and_calculator_of_the_catalog_is_told(stranger: APIClient) -> None:
    protocols = stranger.get("/api/v1/protocols/").json()["results"]
    assert {p["name"]: [m["key"] for m in p["metrics"]] for p in protocols} == {
        p.name: list(p.metrics) for p in PROTOCOLS.values()
    }
    kinds = stranger.get("/api/v1/calculators/").json()["results"]
    assert [k["name"] for k in kinds] == list(CALCULATOR_KINDS)
    (dtype,) = next(k["settings"] for k in kinds if k["name"] == "chgnet")
    assert dtype == {
        "name": "dtype",
        "kind": "str",
        "default": "float32",
        "unit": "",
        "help": CALCULATOR_KINDS["chgnet"].settings[0].help,
        "minimum": None,
        "maximum": None,
        "choices": ["float32", "float64"],
    }


def test_benchmarks_tell_their_tasks(stranger: APIClient) -> None:
    version = factories.task_version()
    benchmark = factories.benchmark_version((version, "Mechanics"))
    slug = benchmark.benchmark.slug
    (row,) = stranger.get("/api/v1/benchmarks/").json()["results"]
    row.pop("published_at")
    assert row == {
        "slug": slug,
        "name": benchmark.benchmark.name,
        "summary": "All.",
        "version": 1,
        "leaderboard": f"{HOST}/api/v1/leaderboards/{slug}/",
        "is_default": True,
        "tasks": [
            {
                "task": {
                    "slug": version.task.slug,
                    "name": version.task.name,
                    "version": 1,
                    "url": f"{HOST}/api/v1/tasks/{version.task.slug}/",
                },
                "category": "Mechanics",
                "weight": 1.0,
                "category_weight": 1.0,
            }
        ],
    }


def test_of_several_benchmarks_the_one_of_the_settings_is_the_default(
    stranger: APIClient, settings: Any
) -> None:
    first, second = (factories.benchmark_version((factories.task_version(), "A")) for _ in "12")
    rows = stranger.get("/api/v1/benchmarks/").json()["results"]
    assert [row["is_default"] for row in rows] == [False, False]
    settings.DEFAULT_BENCHMARK = second.benchmark.slug
    rows = stranger.get("/api/v1/benchmarks/").json()["results"]
    assert {row["slug"]: row["is_default"] for row in rows} == {
        first.benchmark.slug: False,
        second.benchmark.slug: True,
    }


@pytest.mark.parametrize("n", [1, 3])
def test_lists_take_a_constant_number_of_queries(
    n: int, stranger: APIClient, django_assert_num_queries: Any
) -> None:
    for _ in range(n):
        factories.benchmark_version((factories.task_version(), "A"))
    with django_assert_num_queries(2):  # the throttle, the rows
        assert len(stranger.get("/api/v1/tasks/").json()["results"]) == n
    with django_assert_num_queries(2):  # the throttle, the rows
        assert len(stranger.get("/api/v1/reference-sets/").json()["results"]) == n
    with django_assert_num_queries(4):  # the throttle, the default, versions, their entries
        assert len(stranger.get("/api/v1/benchmarks/").json()["results"]) == n


def test_reference_sets_of_one_name_are_paged_by_version(stranger: APIClient) -> None:
    for number in "123":
        reference = factories.reference_set(slug="crystals", version=number, sha256=number * 64)
        factories.task_version(reference_set=reference)
    seen, address = [], "/api/v1/reference-sets/?page_size=1"
    while address:
        page = stranger.get(address).json()
        seen += [row["version"] for row in page["results"]]
        address = page["next"]
    assert seen == ["1", "2", "3"]


def test_the_secret_of_disguises_is_told_once_the_version_is_retired(stranger: APIClient) -> None:
    first, other = factories.task_version(), factories.task_version()
    address = f"/api/v1/tasks/{first.task.slug}/"
    assert first.disguise_secret != other.disguise_secret
    assert first.spec().disguise_secret == ""
    assert first.secret_spec().disguise_secret == first.disguise_secret.hex
    assert first.disguise_secret.hex not in stranger.get(address).content.decode()

    models.TaskVersion.objects.filter(pk=first.pk).update(state=VersionState.RETIRED)

    told = stranger.get(address, {"version": first.number}).json()
    assert told["disguise_secret"] == first.disguise_secret.hex


@pytest.mark.slow
@pytest.mark.parametrize("state", ["queued", "running"])
def test_the_secret_is_kept_while_something_is_evaluated_on_the_retired_version(
    stranger: APIClient, state: str
) -> None:
    version = factories.task_version(state=VersionState.RETIRED)
    factories.evaluation(on=version, score=0.5)
    late = factories.evaluation(
        on=version, state=state, worker=factories.worker(), lease_expires_at=timezone.now()
    )
    api, page = f"/api/v1/tasks/{version.task.slug}/", f"/tasks/{version.task.slug}/1/"
    asked = {"version": version.number}
    assert stranger.get(api, asked).json()["disguise_secret"] is None
    assert version.disguise_secret.hex not in stranger.get(page).content.decode()

    late.state, late.verdict, late.finished_at = "failed", "nonfinite", timezone.now()
    late.save()
    assert stranger.get(api, asked).json()["disguise_secret"] == version.disguise_secret.hex
    assert version.disguise_secret.hex in stranger.get(page).content.decode()
