"""The board's page for a chemistry: who is judged on what, and what the form may ask."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from leaderboard import models
from tests.leaderboard import factories
from tests.leaderboard.chemistry_world import SYSTEMS, benchmark_of_chemistries

pytestmark = pytest.mark.django_db


@pytest.fixture
def benchmark() -> models.BenchmarkVersion:
    return benchmark_of_chemistries()


def asked(client: Client, version: models.BenchmarkVersion, **query: Any) -> Any:
    return client.get(f"/benchmarks/{version.benchmark.slug}/1/", query)


def names(response: Any) -> list[str]:
    return [line.entrant.name for line in response.context["lines"]]


def words(response: Any) -> str:
    return " ".join(response.content.decode().split())


def test_the_page_says_what_is_judged(client: Client, benchmark: models.BenchmarkVersion) -> None:
    response = asked(client, benchmark, chemistry="Si,O")
    assert response.status_code == 200
    assert names(response) == ["sharp", "blunt"]
    assert "same <strong>2</strong> systems of <strong>O, Si alone</strong>, in 1 task;" in words(
        response
    )
    assert "2 systems (O, Si)" in words(response)
    assert "1 task left out" in words(response)
    assert "Scored by anchors over all of its systems" in words(response)
    assert names(asked(client, benchmark, chemistry="metals")) == ["blunt", "sharp"]
    assert "Everybody is judged on the same" not in words(asked(client, benchmark))


def test_downloads_and_links_keep_the_chemistry(
    client: Client, benchmark: models.BenchmarkVersion
) -> None:
    page = words(asked(client, benchmark, chemistry="Si,O"))
    assert "chemistry=Si%2CO&amp;format=csv" in page or "format=csv&amp;chemistry=Si%2CO" in page
    assert 'value="Si,O"' in page


def test_the_form_may_send_weights_of_what_is_left_out(
    client: Client, benchmark: models.BenchmarkVersion
) -> None:
    query = {"chemistry": "Si,O", "weight.EOS": "2", "weight.Old": "3"}
    response = asked(client, benchmark, **query)
    assert response.status_code == 200
    assert names(response) == ["sharp", "blunt"]


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ({"chemistry": "Qq"}, "Families are metals"),
        ({"chemistry": "Si", "category": "Old"}, "none of its tasks is judged here"),
        ({"chemistry": "Si", "weight.EOS": "0", "weight.Old": "1"}, "none has a weight"),
    ],
)
def test_what_cannot_be_is_told_each_time(
    client: Client, benchmark: models.BenchmarkVersion, query: dict[str, str], complaint: str
) -> None:
    for _ in range(2):  # the second is remembered
        response = asked(client, benchmark, **query)
        assert response.status_code == 400
        (told,) = response.context["query"].complaints
        assert complaint in told


def test_a_chemistry_of_nothing_leaves_the_form(
    client: Client, benchmark: models.BenchmarkVersion
) -> None:
    page = words(asked(client, benchmark, chemistry="U", sort="name", category="EOS"))
    assert "No task can be judged on systems of <strong>U alone</strong>" in page
    assert 'name="chemistry"' in page


def test_what_changed_is_told_of_the_same_systems(
    client: Client, benchmark: models.BenchmarkVersion
) -> None:
    query = {"chemistry": "Si,O", "since": "2020-01-01", "weight.EOS": "2"}
    response = asked(client, benchmark, **query)
    assert response.status_code == 200
    changes = response.context["changes"]
    assert [(c.entrant.name, c.kind, c.rank_after) for c in changes] == [
        ("sharp", "entered", 1),
        ("blunt", "entered", 2),
    ]


def test_an_owner_alone_sees_his_private_rows(
    client: Client, benchmark: models.BenchmarkVersion
) -> None:
    task = benchmark.entries.all()[0].task_version
    owner = factories.user("alice")
    secret = factories.submission(
        factories.potential(owner, name="secret"), version="1", visibility="private"
    )
    factories.evaluation_with_skills(secret, task, [1.0] * 3, SYSTEMS)
    client.force_login(owner)
    assert names(asked(client, benchmark, chemistry="Si,O")) == ["sharp", "blunt", "secret"]
    client.logout()
    assert names(asked(client, benchmark, chemistry="Si,O")) == ["sharp", "blunt"]


def test_pages_say_what_cannot_be_separated(
    client: Client, benchmark: models.BenchmarkVersion
) -> None:
    task = benchmark.entries.all()[0].task_version
    told = "tells 0 of 1 neighbour in the ranking apart."
    poor = "<strong>Most neighbours cannot be separated by it.</strong>"
    page = words(client.get(f"/tasks/{task.task.slug}/"))
    assert f"The task {told}" in page and poor in page
    part = words(asked(client, benchmark, chemistry="Si,O"))
    assert f"The board {told}" in part and poor in part
    # It is that of the board's own weights.
    own = {"chemistry": "Si,O", "category": "EOS"}
    assert "neighbour in the ranking" not in words(asked(client, benchmark, **own))
