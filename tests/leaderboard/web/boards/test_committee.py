from __future__ import annotations

import re

import numpy as np
import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from leaderboard import models
from leaderboard.lib import memory
from leaderboard.services.boards.committee import uncertainties_of
from tests.leaderboard import committee_world as world
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def version() -> models.TaskVersion:
    return world.task_version()


def page(version: models.TaskVersion) -> str:
    response = Client().get(f"/tasks/{version.task.slug}/")
    assert response.status_code == 200
    return re.sub(r"\s+", " ", response.content.decode())


def test_the_page_of_a_task_tells_how_well_the_others_know_each_ones_errors(
    version: models.TaskVersion,
) -> None:
    world.three(version)
    text = page(version)
    section = text[text.index('id="committee"') : text.index('id="measured"')]
    assert "the 3 members" in section
    for name in ("sharp", "middling", "blunt"):
        assert section.count(f"{name} 1") >= 1
    assert section.count("Forces / eV/Å") == 3
    assert section.count("Energies / meV/atom") == 3
    assert "<svg" in section
    assert "Error kept when the surest are kept" in section


def test_who_stands_alone_is_told_of_no_committee(version: models.TaskVersion) -> None:
    world.judged(version, "alone", world.errors_of(0))
    assert 'id="committee"' not in page(version)


def test_rows_that_do_not_judge_say_so(version: models.TaskVersion) -> None:
    world.three(version)
    dummy = factories.potential(name="dummy", slug="dummy", is_baseline=True)
    world.judged(version, "dummy", world.errors_of(11), score=0.1, of=dummy)
    assert page(version).count("no member") == 2  # forces and energies


def test_the_page_of_an_evaluation_tells_it_of_each_system(version: models.TaskVersion) -> None:
    row = world.three(version)[0]
    text = Client().get(f"/evaluations/{row.pk}/").content.decode()
    headings = re.findall(r'Disagreement,\s+(\w+) <span class="unit">(.*?)<', text)
    assert headings == [("forces", "eV/Å"), ("energies", "meV/atom")]
    cells = re.findall(r'<td class="number">([\d.]+)</td>', text)
    assert len([cell for cell in cells if re.fullmatch(r"\d+\.\d{3}", cell)]) >= world.N_FRAMES


def test_systems_can_be_sorted_by_what_the_others_say(version: models.TaskVersion) -> None:
    row = world.three(version)[0]
    told = np.array(uncertainties_of(row)["forces"])
    for sort, order in (("", np.argsort(told)), ("-", np.argsort(-told))):
        text = Client().get(f"/evaluations/{row.pk}/?sort={sort}uncertainty-forces").content
        places = [int(at) for at in re.findall(r'<tr id="system-(\d+)"', text.decode())]
        assert places == order.tolist()
    assert Client().get(f"/evaluations/{row.pk}/?sort=uncertainty-nothing").status_code == 200


def test_a_warm_page_computes_nothing(
    version: models.TaskVersion, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    """As many queries as a task without frames takes, whatever is remembered besides."""
    world.three(version)
    page(version)
    other = factories.task_version()
    factories.evaluation(on=other, score=0.5)
    page(version)
    page(other)
    with django_assert_max_num_queries(100) as bare:
        page(other)
    with django_assert_max_num_queries(len(bare.captured_queries)):
        page(version)
    memory.forget()
    # Two each of the skills (for the map) and of the committee: its stamp, and what is stored.
    with django_assert_max_num_queries(len(bare.captured_queries) + 7) as cold:
        page(version)
    assert not [q for q in cold.captured_queries if "frameerrortable" in q["sql"]]
