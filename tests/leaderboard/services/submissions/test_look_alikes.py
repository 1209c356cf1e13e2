from __future__ import annotations

import io

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from leaderboard import models
from leaderboard.exceptions import SubmissionError
from leaderboard.services.accounts.accounts import create_token
from leaderboard.services.accounts.teams import create_team
from leaderboard.services.submissions.submissions import (
    create_potential,
    publish,
    update_potential,
)
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db
FAKE = "СHGNеt"  # the first and fifth letters are Cyrillic


@pytest.fixture
def chgnet() -> models.Potential:
    potential = factories.potential(factories.user("alice"), slug="chgnet", name="CHGNet")
    factories.submission(potential)
    return potential


@pytest.fixture
def mallory() -> User:
    return factories.user("mallory")


def test_a_name_that_looks_like_another_peoples_is_marked(
    chgnet: models.Potential, mallory: User
) -> None:
    fake = create_potential(mallory, slug="fake", name=FAKE)
    assert fake.resembles == "chgnet"
    by_slug = create_potential(mallory, slug="chgnet0", name="ChgNet")
    assert by_slug.resembles == "chgnet"
    renamed = create_potential(mallory, slug="plain", name="Plain")
    assert renamed.resembles == ""
    assert update_potential(mallory, renamed, name="CHGNET").resembles == "chgnet"
    assert update_potential(mallory, renamed, name="Plain").resembles == ""
    # The same people may call versions of a thing alike.
    assert create_potential(chgnet.owner, slug="chgnet-2", name="CHGNet").resembles == ""


def test_a_private_potential_is_told_to_nobody_by_a_mark(mallory: User) -> None:
    secret = factories.potential(factories.user("alice"), name="Secret")
    hidden = factories.submission(secret, visibility="private", published_at=None)
    squatter = create_potential(mallory, slug="squatter", name="Secret")
    assert squatter.resembles == ""
    factories.submission(squatter)
    publish(secret.owner, hidden)
    secret.refresh_from_db()
    assert secret.resembles == "squatter"


def test_boards_lists_and_pages_show_the_owner_and_the_mark(
    chgnet: models.Potential, mallory: User, client: Client
) -> None:
    fake = create_potential(mallory, slug="fake", name=FAKE)
    factories.submission(fake)
    for address in ("/potentials/", "/potentials/fake/"):
        page = client.get(address).content.decode()
        assert "<bdi>mallory</bdi>" in page
        assert "not chgnet</a>" in page
        assert "mixed letters" in page
    assert "mixed letters" not in client.get("/potentials/chgnet/").content.decode()
    assert "<bdi>alice</bdi>" in client.get("/potentials/chgnet/").content.decode()


def test_the_staff_finds_what_is_marked(
    chgnet: models.Potential, mallory: User, client: Client
) -> None:
    create_potential(mallory, slug="fake", name=FAKE)
    client.force_login(factories.user("root", is_staff=True, is_superuser=True))
    listed = client.get("/admin/leaderboard/potential/?resembles__isempty=0").content.decode()
    assert "mixed letters: С е" in listed
    assert ">CHGNet<" not in listed


@pytest.mark.parametrize("field", ["name", "architecture", "authors", "licence", "level_of_theory"])
def test_no_field_of_a_card_takes_what_cannot_be_seen(mallory: User, field: str) -> None:
    fields = {"slug": "fake", "name": "Fake", field: "CHG\u202eNet"}
    with pytest.raises(SubmissionError, match="right-to-left override") as refused:
        create_potential(mallory, **fields)
    assert list(refused.value.errors) == [field]
    with pytest.raises(SubmissionError, match="zero width space"):
        create_potential(mallory, slug="fake", name="Fake", training_sets=["MP\u200btrj"])


def test_names_are_kept_normal(mallory: User) -> None:
    potential = create_potential(mallory, slug="wide", name="Ｗide  ﬁt")
    potential.refresh_from_db()
    assert potential.name == "Wide fit"


def test_teams_and_tokens_are_named_by_the_same_rules(mallory: User) -> None:
    with pytest.raises(SubmissionError, match="zero width space"):
        create_team(mallory, "a-team", "A\u200bteam")
    with pytest.raises(SubmissionError, match="zero width space"):
        create_token(mallory, "lap\u200btop")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("аlice", "mixed"),  # Cyrillic а
        ("aIice", "could be taken for another"),
        ("alice\u0301\u0302\u0303", "mark"),
        ("ａlice", "plain letters: alice"),
        ("adrnin", "could be taken for another"),
        ("r00t", "could be taken for another"),
    ],
)
def test_nobody_signs_up_under_a_name_that_could_be_taken_for_anothers(
    client: Client, name: str, words: str
) -> None:
    factories.user("alice")
    form = {"username": name, "email": "m@example.org"}
    password = {"password1": "blue-heron-42-lake", "password2": "blue-heron-42-lake"}
    page = client.post("/signup/", {**form, **password})
    assert page.status_code == 200
    assert User.objects.count() == 1
    assert words in page.content.decode() or "valid username" in page.content.decode()


def test_names_that_are_there_already_are_told_by_a_command(chgnet: models.Potential) -> None:
    mallory = factories.user("mal\u200blory")
    factories.submission(factories.potential(mallory, slug="old", name="CHGNet\u200b"))
    factories.submission(factories.potential(mallory, slug="older", name=FAKE))
    out = io.StringIO()
    call_command("check_names", stdout=out)
    lines = out.getvalue().splitlines()
    assert any(line.startswith("potential old: U+200B") for line in lines)
    assert "potential older: Its name looks like that of chgnet." in lines
    assert any(line.startswith("user mal") and "U+200B" in line for line in lines)
    assert models.Potential.objects.get(slug="older").resembles == "chgnet"
    assert models.Potential.objects.get(slug="chgnet").resembles == ""
