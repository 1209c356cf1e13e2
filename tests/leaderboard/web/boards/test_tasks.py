import re

import pytest
from django.test import Client

from leaderboard.enums import VersionState, Visibility
from leaderboard.web.boards.tasks import _parity_columns
from tests.leaderboard import factories
from tests.leaderboard.factories import reference_set, task_version

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("properties", "plotted"),
    [
        (["gamma_max_THz", "temperature_K"], ["gamma_max_THz"]),
        (["heat_capacity_J_K_mol", "omega_max_THz"], ["omega_max_THz", "heat_capacity_J_K_mol"]),
        # Where numbers are told otherwise than by the columns' names, all are offered.
        (
            ["energy"],
            ["omega_max_THz", "gamma_max_THz", "omega_mean_THz", "heat_capacity_J_K_mol"],
        ),
    ],
)
def test_only_what_the_reference_holds_is_plotted(
    properties: list[str], plotted: list[str]
) -> None:
    version = task_version(protocol="phonons", reference_set=reference_set(properties=properties))
    assert [column.name for column in _parity_columns(version)] == plotted


def test_nothing_of_a_hidden_reference_is_plotted() -> None:
    hidden = reference_set(properties=["gamma_max_THz"], is_public=False)
    assert _parity_columns(task_version(protocol="phonons", reference_set=hidden)) == []


def test_tasks_stand_by_protocol_with_their_boards_and_how_many_were_judged(client: Client) -> None:
    eos, forces = task_version(), task_version(protocol="energy_forces")
    task_version(protocol="phonons", state=VersionState.DRAFT)
    board = factories.benchmark_version((eos, "Bulk"))
    potential = factories.potential()
    for version in ("1", "2"):
        factories.evaluation(factories.submission(potential, version=version), eos, score=0.5)
    private = factories.submission(visibility=Visibility.PRIVATE)
    factories.evaluation(private, eos, score=0.9)

    page = client.get("/tasks/").content.decode()

    headings = re.findall(r'<h2 id="([a-z_]+)">', page)
    assert headings == ["equation_of_state", "energy_forces"]
    cards = dict(re.findall(r'<a href="/tasks/([^/]+)/">.*?</h3>(.*?)</li>', page, re.DOTALL))
    assert "1 potential judged" in cards[eos.task.slug]
    assert f"/benchmarks/{board.benchmark.slug}/1/" in cards[eos.task.slug]
    assert "0 potentials judged" in cards[forces.task.slug]
    assert "/benchmarks/" not in cards[forces.task.slug]
