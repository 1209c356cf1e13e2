"""The page of correlations between tasks."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from leaderboard.lib import memory
from tests.leaderboard import factories
from tests.leaderboard.advice_world import add, build_board

pytestmark = pytest.mark.django_db
N_QUERIES = 7


def text_of(response: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", response.content.decode()))


def test_a_young_site_has_none(client: Client) -> None:
    assert "No benchmark has been published" in text_of(client.get("/correlation/"))
    build_board()
    shown = text_of(client.get("/correlation/"))
    assert "too little is known: 0 potentials with a score on both, at least 4" in shown


@pytest.mark.slow
def test_forces_and_dynamics_are_answered_first(client: Client) -> None:
    world = build_board()
    for n in range(12):
        add(world, f"x{n}", 0, scores=(n / 20, n / 20, 0.9 - n / 20))
    add(world, "secret", 0.9, visibility="private", name="Whispered")
    for name in ("", "alice"):
        if name:
            client.force_login(factories.user(name))
        response = client.get("/correlation/")
        shown = text_of(response)
        assert "rank correlation +1.00 (95 % interval +1.00 to +1.00, 12 potentials)" in shown
        assert "Good forces foretell stable dynamics." in shown
        assert "\u22121.00" in shown
        assert "Whispered" not in shown
        assert response.context["chart"].title == "Heating over Forces"


@pytest.mark.slow
@pytest.mark.parametrize("query", ["x=nothing&y=forces", "x=forces&y=forces", "x=%00&y=<b>", "x="])
def test_unknown_pairs_draw_the_usual_one(client: Client, query: str) -> None:
    world = build_board()
    for n in range(4):
        add(world, f"x{n}", n / 10)
    response = client.get(f"/correlation/?{query}")
    assert response.status_code == 200
    assert response.context["chart"].title == "Heating over Forces"
    assert client.get("/correlation/?x=crystals&y=heating").context["chart"].title == (
        "Heating over Crystals"
    )


@pytest.mark.slow
def test_more_potentials_take_no_more_queries(client: Client) -> None:
    world = build_board()
    counts = []
    for n in range(1, 4):
        add(world, f"x{n}", n / 10)
        client.get("/correlation/")
        memory.forget()
        with CaptureQueriesContext(connection) as queries:
            client.get("/correlation/")
        counts.append(len(queries))
    assert counts == [N_QUERIES] * 3
