import pytest

from leaderboard.web.tasks import _parity_columns
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
