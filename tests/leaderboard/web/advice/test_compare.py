"""The page that sets potentials side by side."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from leaderboard import models
from leaderboard.services.evaluations.metric_replicates import packed
from tests.leaderboard import factories
from tests.leaderboard.advice_world import Advice, add, build_board

pytestmark = pytest.mark.django_db
N_QUERIES = 13


@pytest.fixture
def world() -> Advice:
    return build_board()


def text_of(response: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", response.content.decode()))


def rich(world: Advice, slug: str, score: float, **fields: Any) -> models.Submission:
    """With a time for each atom and skills by element."""
    submission = add(
        world, slug, score, skills={"-".join(["Li", *["P"] * n]): score for n in range(50)},
        deltas={"Li": 2.0 + score, "P": 3.0, "S": 4.0}, **fields,
    )  # fmt: skip
    models.Score.objects.create(
        evaluation=submission.evaluations.get(task_version=world.efficiency),
        metric="atom_time_median", value=100.0 * score, low=None, high=None, score=0.5,
        n=1, n_failed=0,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    submission.evaluations.get(task_version=world.forces).scores.create(
        metric="force_mae", value=1e-5 * score, low=1e-6, high=1e-4, score=0.5, n=9, n_failed=0,
        replicates=packed((1e-5 * score * rng.normal(1, 0.02, 200)).tolist()),
    )  # fmt: skip
    return submission


def test_without_names_there_is_a_form(client: Client, world: Advice) -> None:
    rich(world, "alpha", 0.5)
    response = client.get("/compare/")
    assert response.status_code == 200
    assert "Alpha 1" in text_of(response)
    assert "Choose at least one more" in text_of(client.get("/compare/?p=alpha"))


@pytest.mark.slow
def test_two_potentials_stand_side_by_side(client: Client, world: Advice) -> None:
    rich(world, "alpha", 0.5)
    rich(world, "beta", 0.8, seed=1)
    response = client.get("/compare/?p=alpha&p=beta:1")
    shown = text_of(response)
    assert response.status_code == 200
    for words in ("+0.300", "better", "Overall", "Forces", "Elements where each wins", "Li 0.80"):
        assert words in shown, words
    assert response.context["pareto"].title.startswith("Accuracy against time on NVIDIA H200")
    assert response.context["residuals"].title == "Error of B₀ over its reference"
    assert response.content.decode().count("<svg") >= 2
    # 0.8e-5 less 0.5e-5 eV/Å, and an error.
    (row,) = re.findall(r"<tr>.*Force MAE.*</tr>", response.content.decode())
    assert re.search(r"\+3\.00e-06 .*\+2\.\d\de-06 to \+3\.\d\de-06.*▼.*worse", row), row


@pytest.mark.slow
@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("p=alpha&p=nothing", 404),
        ("p=alpha&p=secret", 404),
        ("p=alpha&p=%00", 404),
        ("&".join(f"p=x{n}" for n in range(7)), 400),
        ("&".join(f"p=x{n}" for n in range(900)), 400),
        ("p=alpha&p=beta&task=nothing", 200),
        ("p=alpha&p=alpha", 200),
    ],
)
def test_bad_names_get_the_right_status_on_a_whole_page(
    client: Client, world: Advice, query: str, status: int
) -> None:
    rich(world, "alpha", 0.5)
    rich(world, "beta", 0.5)
    add(world, "secret", 0.5, visibility="private", name="Whispered")
    response = client.get(f"/compare/?{query}")
    assert response.status_code == status
    assert "Compare potentials" in text_of(response)
    assert "Whispered" not in text_of(response)


def test_what_is_private_is_offered_to_its_owner_alone(client: Client, world: Advice) -> None:
    alice = factories.user("alice")
    add(world, "secret", 0.5, visibility="private", name="Whispered", owner=alice)
    client.force_login(factories.user("bob"))
    assert "Whispered" not in text_of(client.get("/compare/"))
    client.force_login(alice)
    assert "Whispered" in text_of(client.get("/compare/"))


@pytest.mark.slow
def test_hostile_names_stay_text(client: Client, world: Advice) -> None:
    rich(world, "alpha", 0.5, name="<script>alert(1)</script>")
    rich(world, "beta", 0.5, name="\u202eback" + "x" * 80)
    content = client.get("/compare/?p=alpha&p=beta").content.decode()
    assert "<script>alert" not in content


@pytest.mark.slow
def test_more_potentials_take_no_more_queries(client: Client, world: Advice) -> None:
    for n in range(6):
        rich(world, f"x{n}", 0.3 + n / 10, seed=n)
    counts = []
    for n in (2, 6):
        address = "/compare/?" + "&".join(f"p=x{i}" for i in range(n))
        client.get(address)
        with CaptureQueriesContext(connection) as queries:
            client.get(address)
        counts.append(len(queries))
    assert counts == [N_QUERIES] * 2
