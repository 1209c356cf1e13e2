"""The list of potentials, searched and in pages."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from leaderboard import models
from leaderboard.web import paging
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert('n')</script>"


@pytest.fixture(autouse=True)
def listed() -> None:
    """Twenty potentials of two architectures, one of them private, one hostile."""
    alice = factories.user("alice")
    for n in range(20):
        potential = models.Potential.objects.create(
            slug=f"p{n:02}",
            name=HOSTILE if n == 7 else f"Potential {n:02}",
            owner=alice,
            authors="Ada" if n < 3 else "Grace",
            architecture="MACE" if n % 2 else "CHGNet",
            level_of_theory="PBE, PBE+U" if n < 5 else "r2SCAN",
            licence="MIT" if n < 10 else "ASL",
            training_sets=["MPtrj"],
        )
        visibility = "private" if n == 9 else "public"
        factories.submission(potential, visibility=visibility, version="1")


def names_of(response: Any) -> list[str]:
    return re.findall(r'pinned"><a [^>]*><bdi>(.*?)</bdi>', response.content.decode())


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("text=ada", [0, 1, 2]),
        ("text=mptrj&architecture=mace&licence=mit&level_of_theory=pbe", [1, 3]),
        ("level_of_theory=PBE%2BU&architecture=CHGNet", [0, 2, 4]),
        ("level_of_theory=PBE,%20PBE%2BU", []),
        ("text=Potential 09", []),
    ],
)
def test_texts_narrow_the_list(client: Client, query: str, numbers: list[int]) -> None:
    response = client.get(f"/potentials/?{query}")
    assert response.status_code == 200
    assert names_of(response) == [f"Potential {n:02}" for n in numbers]
    shown = re.sub(r"<[^>]*>", "", response.content.decode())
    assert f"{len(numbers)} of 19 potentials match" in shown


def test_the_owner_finds_what_is_private(client: Client) -> None:
    client.force_login(User.objects.get(username="alice"))
    assert names_of(client.get("/potentials/?text=potential 09")) == ["Potential 09"]


def test_names_are_escaped(client: Client) -> None:
    shown = client.get("/potentials/?text=alert(").content.decode()
    assert HOSTILE not in shown
    assert "&lt;script&gt;" in shown


@pytest.mark.parametrize("query", ["text=%00", "licence=" + 101 * "x", "page=none", "page=-1"])
def test_what_cannot_be_read_is_told_and_left_out(client: Client, query: str) -> None:
    response = client.get(f"/potentials/?{query}")
    assert response.status_code == 400
    assert len(names_of(response)) == 19
    assert f"{query.partition('=')[0]}=" in response.content.decode()


def test_a_short_list_has_no_form(client: Client) -> None:
    assert 'type="search" name="text"' in client.get("/potentials/").content.decode()
    models.Submission.objects.filter(potential__slug__gte="p05").delete()
    models.Potential.objects.filter(slug__gte="p05").delete()
    assert 'type="search" name="text"' not in client.get("/potentials/").content.decode()


def test_a_long_list_is_shown_in_pages(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "ROWS", 8)
    with CaptureQueriesContext(connection) as queries:
        first = client.get("/potentials/?licence=MIT&page=1")
    assert len(queries) == 1
    second = client.get("/potentials/?licence=MIT&page=2")
    assert len(names_of(first)) == 8
    assert len(names_of(second)) == 1
    assert "licence=MIT&amp;page=2" in first.content.decode()
