"""The card of a potential is edited by those who own it, and says what is wrong beside a field."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from leaderboard import models
from leaderboard.enums import TeamRole
from leaderboard.services.accounts.teams import create_team
from leaderboard.services.submissions.submissions import POTENTIAL_FIELDS
from leaderboard.web.potentials.cards import CARD_FIELDS
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db
EDIT = "/potentials/mine/edit/"
CARD: dict[str, Any] = {
    "name": "Mine", "architecture": "MACE", "level_of_theory": "PBE", "licence": "MIT",
    "training_sets": ["MPtrj", "OMat24"], "n_parameters": 4690000, "authors": "A. Author",
    "paper_url": "https://doi.org/10.1/x", "code_url": "https://code.example/x",
    "description": "First & <b>line</b>\n\n</textarea>\n* one",
}  # fmt: skip


@pytest.fixture
def mine() -> models.Potential:
    potential = factories.potential(factories.user("alice"), slug="mine", **CARD)
    factories.submission(potential)
    return potential


@pytest.fixture
def alice(client: Client) -> Client:
    client.force_login(factories.user("alice"))
    return client


def shown(client: Client) -> dict[str, str]:
    """What the form holds, as a browser would send it again."""
    page = client.get(EDIT).content.decode()
    fields = dict(re.findall(r'<input id="\w+" name="(\w+)" value="([^"]*)"', page))
    fields |= dict(re.findall(r'<textarea [^>]*name="(\w+)"[^>]*>\n(.*?)</textarea>', page, re.S))
    return {name: unescape(value) for name, value in fields.items()}


def test_the_form_has_every_field_of_the_api() -> None:
    assert {field.name for field in CARD_FIELDS} == set(POTENTIAL_FIELDS)


def test_what_is_shown_and_sent_again_changes_nothing(
    alice: Client, mine: models.Potential
) -> None:
    given = shown(alice)
    assert given["training_sets"] == "MPtrj, OMat24"
    response = alice.post(EDIT, given)
    assert (response.status_code, response["Location"]) == (302, "/potentials/mine/")
    mine.refresh_from_db()
    assert {name: getattr(mine, name) for name in CARD} == CARD


def test_its_owner_changes_the_card_and_it_is_told_on_the_page(
    alice: Client, mine: models.Potential
) -> None:
    changed = {"description": "## Now\r\n\r\n*better*", "n_parameters": "", "training_sets": "x"}
    page = alice.post(EDIT, shown(alice) | changed, follow=True).content.decode()
    assert "The card is changed." in page
    assert "<em>better</em>" in page
    mine.refresh_from_db()
    assert (mine.description, mine.n_parameters) == ("## Now\n\n*better*", None)
    assert (mine.training_sets, mine.slug, mine.authors) == (["x"], "mine", "A. Author")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", " ", "cannot be blank"),
        ("name", "x" * 101, "at most 100 characters"),
        ("name", "a\x00b", "cannot be stored"),
        ("paper_url", "javascript:alert(1)", "valid URL"),
        ("code_url", "not an address", "valid URL"),
        ("n_parameters", "4.7 M", "must be an integer"),
        ("n_parameters", "-1", "greater than or equal to 0"),
        ("n_parameters", "9" * 30, "less than or equal to"),
        ("description", "x" * 10_001, "at most 10000 characters"),
        ("training_sets", ",".join("x" * 51), "no more than 50"),
        ("training_sets", "x" * 101, "at most 100 characters"),
    ],
)
def test_what_is_refused_is_said_beside_its_field_and_nothing_changes(
    alice: Client, mine: models.Potential, field: str, value: str, words: str
) -> None:
    response = alice.post(EDIT, shown(alice) | {field: value, "architecture": "Other"})
    assert response.status_code == 400
    assert set(response.context["errors"]) == {field}
    assert words in response.context["errors"][field]
    page = response.content.decode()
    assert f'aria-describedby="error-{field}' in page
    assert f'id="error-{field}"' in page
    assert 'value="Other"' in page  # what was typed is there still
    mine.refresh_from_db()
    assert {name: getattr(mine, name) for name in CARD} == CARD


@pytest.mark.slow
def test_the_page_leads_only_those_to_the_form_who_may_use_it(
    client: Client, mine: models.Potential
) -> None:
    alice, team = factories.user("alice"), None
    for name, role in (("vera", TeamRole.VIEWER), ("sam", TeamRole.SUBMITTER)):
        team = team or create_team(alice, "the-team", "The team")
        models.Membership.objects.create(team=team, user=factories.user(name), role=role)
    models.Potential.objects.update(team=team)
    allowed = {}
    for name in ("", "bob", "vera", "sam", "alice", "charlie"):
        if name:
            client.force_login(factories.charlie() if name == "charlie" else factories.user(name))
        allowed[name] = f'href="{EDIT}"' in client.get("/potentials/mine/").content.decode()
        if name:
            assert client.get(EDIT).status_code == (200 if allowed[name] else 403)
            assert client.post(EDIT, {"name": ""}).status_code == (400 if allowed[name] else 403)
    assert [name for name, may in allowed.items() if may] == ["alice", "charlie"]


def test_a_strangers_private_potential_is_not_there(client: Client, mine: models.Potential) -> None:
    models.Submission.objects.update(visibility="private")
    assert client.get(EDIT)["Location"] == f"/login/?next={EDIT}"
    client.force_login(factories.user("bob"))
    assert client.get(EDIT).status_code == 404
    assert client.post(EDIT, {"name": "Stolen"}).status_code == 404
    mine.refresh_from_db()
    assert mine.name == "Mine"


def test_only_the_staff_marks_a_baseline(client: Client, mine: models.Potential) -> None:
    client.force_login(factories.user("alice"))
    assert "is_baseline" not in client.get(EDIT).content.decode()
    client.post(EDIT, shown(client) | {"is_baseline": "on"})
    mine.refresh_from_db()
    assert not mine.is_baseline
    client.force_login(factories.charlie())
    for given, expected in (({"is_baseline": "on"}, True), ({}, False)):
        client.post(EDIT, shown(client) | given)
        mine.refresh_from_db()
        assert mine.is_baseline is expected


def test_neither_owner_nor_team_can_be_sent_along(alice: Client, mine: models.Potential) -> None:
    bob = factories.user("bob")
    alice.post(EDIT, shown(alice) | {"owner": str(bob.pk), "slug": "other", "team": "x"})
    mine.refresh_from_db()
    assert (str(mine.owner), mine.slug, mine.team) == ("alice", "mine", None)


def test_a_form_without_its_token_and_too_many_of_them_are_refused(
    alice: Client, mine: models.Potential, settings: Any
) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(factories.user("alice"))
    assert strict.post(EDIT, CARD | {"training_sets": ""}).status_code == 403
    settings.THROTTLES = {**settings.THROTTLES, "submit": "1/hour"}
    given = shown(alice)
    assert alice.post(EDIT, given).status_code == 302
    refused = alice.post(EDIT, given)
    assert refused.status_code == 429
    assert int(refused["Retry-After"]) > 0


def test_it_takes_few_queries_however_many_versions_there_are(
    alice: Client, mine: models.Potential
) -> None:
    counts = []
    for n in (1, 3):
        for _ in range(n):
            factories.submission(mine)
        with CaptureQueriesContext(connection) as queries:
            alice.get(EDIT)
        counts.append(len(queries))
    assert counts == [3, 3]
