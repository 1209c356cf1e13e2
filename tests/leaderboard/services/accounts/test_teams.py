from __future__ import annotations

import threading

import pytest
from django.core import mail
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, connection, transaction
from django.http import Http404
from django.utils import timezone

from leaderboard.enums import TeamRole
from leaderboard.exceptions import ConflictError, SubmissionError
from leaderboard.models import Evaluation, Invitation, Membership, Submission, Team
from leaderboard.models.permissions import may_manage, may_read_private, may_submit
from leaderboard.services.accounts import teams
from leaderboard.services.submissions.submissions import update_potential
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db


def a_team(**members: str) -> Team:
    """Of alice, with others by their roles."""
    team = teams.create_team(factories.user("alice"), "the-team", "The team")
    for name, role in members.items():
        Membership.objects.create(team=team, user=factories.user(name), role=role)
    return team


def member(team: Team, name: str) -> Membership:
    return team.memberships.get(user__username=name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bob", (False, False, False)),
        ("vera", (True, False, False)),
        ("sam", (True, True, False)),
        ("alice", (True, True, True)),
    ],
)
def test_roles_decide_what_a_member_may_do_with_the_teams_potentials(
    name: str, expected: tuple[bool, ...]
) -> None:
    team = a_team(vera="viewer", sam="submitter")
    potential = factories.potential(factories.user("alice"), team=team)
    private = factories.submission(potential, visibility="private")
    evaluation = factories.evaluation(private)
    user = factories.user(name)
    rights = (
        may_read_private(user, potential),
        may_submit(user, potential),
        may_manage(user, potential),
    )
    assert rights == expected
    assert Submission.objects.all().visible_to(user).filter(pk=private.pk).exists() == rights[0]
    assert Evaluation.objects.all().visible_to(user).filter(pk=evaluation.pk).exists() == rights[0]


def test_whoever_left_the_team_has_no_right_to_what_he_registered_for_it() -> None:
    team = a_team(sam="submitter")
    potential = factories.potential(factories.user("sam"), team=team)
    teams.remove_member(factories.user("sam"), member(team, "sam"))
    assert not may_read_private(factories.user("sam"), potential)


def test_a_public_submission_of_a_big_team_is_listed_once() -> None:
    team = a_team(vera="viewer", sam="submitter")
    factories.submission(factories.potential(factories.user("alice"), team=team))
    assert Submission.objects.all().visible_to(factories.user("vera")).count() == 1


def test_a_potential_is_handed_to_a_team_and_back() -> None:
    team, alice = a_team(sam="submitter"), factories.user("alice")
    potential = factories.potential(alice)
    update_potential(alice, potential, team=team)
    assert may_submit(factories.user("sam"), potential)
    with pytest.raises(PermissionDenied):
        update_potential(factories.user("sam"), potential, team=None)
    update_potential(alice, potential, team=None)
    assert not may_submit(factories.user("sam"), potential)
    with pytest.raises(PermissionDenied, match="submitter or owner of the team"):
        update_potential(
            factories.user("bob"), factories.potential(factories.user("bob")), team=team
        )


def test_a_team_keeps_an_owner() -> None:
    team, alice = a_team(sam="submitter"), factories.user("alice")
    with pytest.raises(ConflictError, match="needs an owner"):
        teams.remove_member(alice, member(team, "alice"))
    with pytest.raises(ConflictError, match="needs an owner"):
        teams.change_role(alice, member(team, "alice"), TeamRole.VIEWER)
    teams.change_role(alice, member(team, "sam"), TeamRole.OWNER)
    teams.remove_member(alice, member(team, "alice"))
    assert [m.user.username for m in team.memberships.all()] == ["sam"]


def test_the_database_refuses_a_team_without_an_owner() -> None:
    team = a_team(sam="submitter")
    with pytest.raises(IntegrityError, match="would have no owner"), transaction.atomic():
        member(team, "alice").delete()
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


@pytest.mark.django_db(transaction=True)
def test_two_owners_who_leave_at_the_same_time_do_not_leave_the_team_alone() -> None:
    team = a_team(sam="owner")
    together, refusals = threading.Barrier(2), []

    def leave(name: str) -> None:
        try:
            together.wait()
            teams.remove_member(factories.user(name), member(team, name))
        except ConflictError as error:
            refusals.append(str(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=leave, args=(name,)) for name in ("alice", "sam")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refusals) == 1
    assert team.memberships.count() == 1


def test_one_who_is_invited_by_name_gets_a_letter_and_joins(
    django_capture_on_commit_callbacks: object,
) -> None:
    team, alice, bob = a_team(), factories.user("alice"), factories.user("bob")
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        made = teams.invite(alice, team, "viewer", username="bob", site="https://x.example")
    assert mail.outbox[0].to == ["bob@example.org"]
    assert f"https://x.example/invitations/{made.pk}/" in mail.outbox[0].body
    with pytest.raises(Http404):
        teams.find_invitation(factories.user("carol"), made.pk)
    teams.accept_invitation(bob, teams.find_invitation(bob, made.pk))
    assert member(team, "bob").role == "viewer"
    with pytest.raises(Http404):
        teams.find_invitation(bob, made.pk)


def test_an_invitation_by_mail_is_for_who_has_the_link_and_only_once() -> None:
    team, bob, carol = a_team(), factories.user("bob"), factories.user("carol")
    made = teams.invite(factories.user("alice"), team, "submitter", email="eve@example.org")
    teams.accept_invitation(bob, teams.find_invitation(bob, made.pk))
    with pytest.raises(ConflictError, match="answered already"):
        teams.accept_invitation(carol, made)


def test_an_invitation_that_expired_or_was_declined_or_revoked_is_void() -> None:
    team, alice, bob = a_team(), factories.user("alice"), factories.user("bob")
    first = teams.invite(alice, team, "viewer", username="bob")
    Invitation.objects.filter(pk=first.pk).update(expires_at=timezone.now())
    second = teams.invite(alice, team, "viewer", username="bob")
    teams.decline_invitation(bob, second)
    third = teams.invite(alice, team, "viewer", username="bob")
    teams.revoke_invitation(alice, third)
    for made in (first, second, third):
        with pytest.raises(ConflictError):
            teams.accept_invitation(bob, made)
    assert not team.memberships.filter(user=bob).exists()


def test_only_owners_invite_and_change_roles() -> None:
    team = a_team(sam="submitter", vera="viewer")
    for name in ("sam", "vera", "bob"):
        user = factories.user(name)
        with pytest.raises(PermissionDenied):
            teams.invite(user, team, "owner", email="x@example.org")
        with pytest.raises(PermissionDenied):
            teams.change_role(user, member(team, "sam"), "owner")
        with pytest.raises(PermissionDenied):
            teams.remove_member(user, member(team, "alice"))
        with pytest.raises(PermissionDenied):
            teams.delete_team(user, team)


def test_one_may_make_only_so_many_teams(settings: object) -> None:
    settings.MAX_TEAMS = 1  # type: ignore[attr-defined]
    a_team()
    with pytest.raises(SubmissionError, match="You have made 1 teams"):
        teams.create_team(factories.user("alice"), "second", "Second")


def test_a_team_that_owns_potentials_is_not_deleted() -> None:
    team, alice = a_team(), factories.user("alice")
    potential = factories.potential(alice, team=team)
    with pytest.raises(ConflictError, match="owns potentials"):
        teams.delete_team(alice, team)
    update_potential(alice, potential, team=None)
    teams.delete_team(alice, team)
    assert not Team.objects.exists()
