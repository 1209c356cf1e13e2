"""How often anybody may ask to be judged on a hidden set."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from leaderboard import models
from leaderboard.enums import TeamRole
from leaderboard.exceptions import QuotaExceeded
from leaderboard.services.accounts import quotas, teams
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _two_a_month(settings: Any) -> None:
    settings.HIDDEN_EVALUATIONS_PER_MONTH = 2


@pytest.fixture
def version() -> models.TaskVersion:
    return factories.task_version(reference_set=factories.reference_set(is_public=False))


def ask(
    on: models.TaskVersion, of: models.Potential | None = None, by: str = "alice", **fields: Any
) -> None:
    potential = of or factories.potential(factories.user(by))
    row = factories.evaluation(factories.submission(potential), on, **fields)
    quotas.charge(factories.user(by), potential, [row])


def test_a_third_evaluation_on_a_hidden_set_is_refused_until_the_next_month(
    version: models.TaskVersion,
) -> None:
    for _ in range(2):
        ask(version, state="failed", verdict="load_error")
    with pytest.raises(QuotaExceeded, match=r"2 are used\. It starts anew at") as refused:
        ask(version)
    assert refused.value.limit == "hidden_per_month"
    ask(factories.task_version())  # an open one
    ask(version, by="bob")


def test_a_new_version_of_the_task_starts_anew_and_faults_of_ours_are_free(
    version: models.TaskVersion,
) -> None:
    for _ in range(3):
        ask(version, state="failed", verdict="infrastructure_error")
    for _ in range(2):
        ask(version)
    other = factories.reference_set(is_public=False)
    ask(factories.task_version(version.task, reference_set=other))


def test_teams_do_not_multiply_what_one_person_may_ask(version: models.TaskVersion) -> None:
    alice = factories.user("alice")
    for n in range(2):
        team = teams.create_team(alice, f"team-{n}", "A team")
        models.Membership.objects.filter(team=team).update(role=TeamRole.OWNER)
        ask(version, factories.potential(alice, team=team))
    with pytest.raises(QuotaExceeded):
        ask(version)


def test_who_asks_is_locked_before_the_team_that_pays(version: models.TaskVersion) -> None:
    alice = factories.user("alice")
    team = teams.create_team(alice, "team", "A team")
    with CaptureQueriesContext(connection) as captured:
        ask(version, factories.potential(alice, team=team))
    locks = [q["sql"] for q in captured if "FOR NO KEY UPDATE" in q["sql"]]
    tables = [re.search(r'FROM "(\w+)"', sql) for sql in locks]
    assert [table and table[1] for table in tables] == ["auth_user", "leaderboard_team"]


def test_the_staff_may_ask_as_often_as_they_like(version: models.TaskVersion) -> None:
    potential = factories.potential(factories.charlie())
    for _ in range(3):
        row = factories.evaluation(factories.submission(potential), version)
        quotas.charge(factories.charlie(), potential, [row])
