"""Maps of skill on the pages of a task and of an evaluation."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from leaderboard import models
from tests.leaderboard.chemistry_world import benchmark_of_chemistries

pytestmark = pytest.mark.django_db


def words(client: Client, address: str) -> str:
    page = client.get(address).content.decode()
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))


def test_the_task_and_the_evaluation_show_where_potentials_are_good(client: Client) -> None:
    task = benchmark_of_chemistries().entries.all()[0].task_version
    address = task.task.get_absolute_url()
    page = client.get(address).content.decode()
    assert "Si: 0.55 on 2 systems; best 0.80, by sharp 1" in page
    assert page.count('class="bar filled"') == 2  # metals and oxides
    assert "each rests on fewer than 5 clusters" in words(client, address)

    evaluation = task.evaluations.get(submission__potential__slug="sharp")
    shown = words(client, evaluation.get_absolute_url())
    assert "Where it is good" in shown
    assert re.search(r"Si 0\.80 \(0\.\d\d to 0\.\d\d\) on 2", shown)


def test_no_page_shows_a_map_of_a_hidden_set(client: Client) -> None:
    task = benchmark_of_chemistries().entries.all()[0].task_version
    models.ReferenceSet.objects.update(is_public=False)
    for address in (task.task.get_absolute_url(), task.evaluations.all()[0].get_absolute_url()):
        page = client.get(address).content.decode()
        assert "periodic" not in page and 'id="map"' not in page
