"""The advisor as JSON."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from tests.leaderboard.advice_world import add, build_board
from tests.leaderboard.timings import GPU

pytestmark = pytest.mark.django_db
QUERY = {"elements": "Li,P,S", "n_atoms": "1000", "hardware": "gpu", "licence": "open"}


def test_the_answer_is_that_of_the_page() -> None:
    world = build_board()
    good = add(world, "good", 0.8, skills={"Li": 0.7, "Fe": 0.1})
    add(world, "narrow", 0.9, elements=["Li"])
    answer = APIClient().get("/api/v1/recommend/", QUERY)
    assert answer.status_code == 200
    body = answer.json()
    assert body["asked"]["elements"] == ["Li", "P", "S"]
    assert body["asked"]["n_steps"] == 100_000
    assert body["hardware"] == GPU
    first, second = body["candidates"]
    assert first["submission"]["id"] == str(good.pk)
    assert first["group"] == "recommended"
    # 0.1 s a step, 100 000 steps.
    assert first["estimate"]["hours"] == pytest.approx(1e4 / 3600)
    assert first["estimate"]["is_extrapolated"] is False
    assert (first["rank"], first["overall"]) == (1, pytest.approx(0.7))
    assert body["judged_on"].startswith("Ranked on the 1 system made of Li, P, S alone, in 1 task.")
    (judged,) = body["chemistry"]["tasks"]
    assert (judged["n_systems"], judged["elements"]) == (1, ["Li"])
    assert len(body["chemistry"]["left_out"]) == 3
    assert (second["group"], second["reason"]) == ("out", "Does not support P, S.")


def test_bad_input_is_a_problem_that_names_the_field() -> None:
    build_board()
    answer = APIClient().get("/api/v1/recommend/", {"n_atoms": "-1", "elements": "Xx"})
    assert answer.status_code == 400
    assert {e["pointer"] for e in answer.json()["errors"]} == {"#/n_atoms", "#/elements"}
    unknown = APIClient().get("/api/v1/recommend/", {"atoms": "1"})
    assert unknown.status_code == 400
    assert unknown.json()["errors"][0]["pointer"] == "#/atoms"


def test_without_a_benchmark_there_is_nothing() -> None:
    assert APIClient().get("/api/v1/recommend/").status_code == 404
