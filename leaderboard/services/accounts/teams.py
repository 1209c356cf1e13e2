"""Teams: making them, inviting people, changing roles, leaving, deleting.

Who may do this is decided in ``models/permissions.py``; that a team keeps an owner is seen to by
the lock on its row here, and by a trigger in the database whatever code asks.
"""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import Http404
from django.utils import timezone

from leaderboard.enums import TeamRole
from leaderboard.exceptions import ConflictError, SubmissionError
from leaderboard.models import Invitation, Membership, Team
from leaderboard.models.permissions import check_may_manage_team
from leaderboard.services.accounts.letters import send_letter
from leaderboard.services.accounts.throttles import hit_letter

_MAX_PENDING = 50


def create_team(user: User, slug: str, name: str) -> Team:
    """Make a team that this user owns. Raises SubmissionError, ConflictError for a taken slug."""
    team = Team(slug=slug, name=name.strip(), created_by=user)
    _check_fields(team)
    with transaction.atomic():
        # The lock makes two requests at the same time count each other.
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        if not user.is_staff and user.teams_created.count() >= settings.MAX_TEAMS:
            raise SubmissionError(f"You have made {settings.MAX_TEAMS} teams, the most one may.")
        if Team.objects.filter(slug=slug).exists():
            raise ConflictError({"slug": f"A team {slug} is there already. Choose another slug."})
        try:
            with transaction.atomic():
                team.save(force_insert=True)
        except IntegrityError as error:
            raise ConflictError({"slug": f"A team {slug} is there already."}) from error
        Membership.objects.create(team=team, user=user, role=TeamRole.OWNER)
    return team


def rename_team(user: User, team: Team, name: str) -> Team:
    check_may_manage_team(user, team)
    team.name = name.strip()
    _check_fields(team)
    team.save(update_fields=["name"])
    return team


def delete_team(user: User, team: Team) -> None:
    """Raises ConflictError while the team owns potentials: results stay in the record."""
    check_may_manage_team(user, team)
    with transaction.atomic():
        team = Team.objects.select_for_update().get(pk=team.pk)
        if team.potentials.exists():
            raise ConflictError("The team owns potentials. Hand them over to somebody first.")
        team.delete()


def invite(
    user: User, team: Team, role: str, *, username: str = "", email: str = "", site: str = ""
) -> Invitation:
    """Invite a person by user name or by e-mail; one letter is sent where an address is known.

    ``site`` is the address of the site, for the link. Raises SubmissionError, ConflictError.
    """
    check_may_manage_team(user, team)
    _check_role(role)
    if bool(username) == bool(email):
        raise SubmissionError("Give either a user name or an e-mail address.")
    if team.invitations.pending().count() >= _MAX_PENDING:
        raise SubmissionError(f"{_MAX_PENDING} invitations are open. Revoke some first.")
    invitation = Invitation(team=team, role=role, invited_by=user)
    if username:
        invitation.user = _invitable(team, username)
    else:
        invitation.email = _clean_email(email)
    _check_letters(user, username or invitation.email)
    # A new invitation to the same person takes the place of the old one.
    same = team.invitations.filter(answered_at__isnull=True)
    with transaction.atomic():
        Team.objects.select_for_update(no_key=True).get(pk=team.pk)
        same.filter(user=invitation.user, email=invitation.email).update(answered_at=timezone.now())
        invitation.save(force_insert=True)
        transaction.on_commit(lambda: _tell(invitation, site))
    return invitation


def _check_letters(user: User, recipient: str) -> None:
    """Raises SubmissionError where somebody would be flooded with letters of ours."""
    standing = hit_letter(recipient, f"user {user.pk}")
    if not standing.is_allowed:
        raise SubmissionError(
            f"Too many invitations were sent. Try again in {-(-standing.reset_s // 60)} minutes."
        )


def revoke_invitation(user: User, invitation: Invitation) -> None:
    check_may_manage_team(user, invitation.team)
    _close(invitation.pk)


def find_invitation(user: User, pk: UUID) -> Invitation:
    """An open invitation that this user may answer; Http404 otherwise, whatever the reason."""
    addressed = (
        Invitation.objects.pending().filter(pk=pk).select_related("team", "invited_by").first()
    )
    if addressed is None or (addressed.user_id is not None and addressed.user_id != user.pk):
        raise Http404(
            "There is no open invitation here. It may have been answered or have expired."
        )
    invitation: Invitation = addressed
    return invitation


def pending_invitations(user: User) -> QuerySet[Invitation]:
    """By user name, not answered and not void, with their teams."""
    return Invitation.objects.pending().filter(user=user).select_related("team")


def accept_invitation(user: User, invitation: Invitation) -> Membership:
    """Join the team; who is in it already keeps the higher of the two roles."""
    if invitation.user_id not in {None, user.pk}:
        raise PermissionDenied("The invitation is for somebody else.")
    with transaction.atomic():
        if not _close(invitation.pk):
            raise ConflictError("The invitation has been answered already, or has expired.")
        row, _ = Membership.objects.get_or_create(
            team_id=invitation.team_id, user=user, defaults={"role": invitation.role}
        )
        order = list(TeamRole)
        if order.index(TeamRole(invitation.role)) > order.index(TeamRole(row.role)):
            row.role = invitation.role
            row.save(update_fields=["role"])
    return row


def decline_invitation(user: User, invitation: Invitation) -> None:
    if invitation.user_id not in {None, user.pk}:
        raise PermissionDenied("The invitation is for somebody else.")
    _close(invitation.pk)


def change_role(user: User, member: Membership, role: str) -> Membership:
    """Raises ConflictError where the team would be left without an owner."""
    check_may_manage_team(user, member.team)
    _check_role(role)
    with transaction.atomic():
        member = _locked(member)
        if role != TeamRole.OWNER:
            _check_other_owner(member)
        member.role = role
        member.save(update_fields=["role"])
    return member


def remove_member(user: User, member: Membership) -> None:
    """Remove somebody, or leave. Raises ConflictError for the last owner."""
    if member.user_id != user.pk:
        check_may_manage_team(user, member.team)
    with transaction.atomic():
        member = _locked(member)
        _check_other_owner(member)
        member.delete()


def named_team(user: User | AnonymousUser, slug: str | None) -> Team | None:
    """The team of a request's field; SubmissionError for one of which the user is no member."""
    if slug is None:
        return None
    team = Team.objects.all().visible_to(user).filter(slug=slug).first()
    if team is None:
        raise SubmissionError({"team": f"You are in no team {slug!r}."})
    return team


def _locked(member: Membership) -> Membership:
    """The row anew, with its team locked: changes of one team happen one after the other."""
    Team.objects.select_for_update(no_key=True).get(pk=member.team_id)
    membership = Membership.objects.filter(pk=member.pk).select_related("team", "user").first()
    if membership is None:
        raise ConflictError("This person has left the team already.")
    return membership


def _check_other_owner(member: Membership) -> None:
    others = member.team.memberships.exclude(pk=member.pk)
    if member.role == TeamRole.OWNER and not others.filter(role=TeamRole.OWNER).exists():
        raise ConflictError("A team needs an owner. Make another member an owner first.")


def _close(pk: UUID) -> bool:
    open_ones = Invitation.objects.pending()
    return bool(open_ones.filter(pk=pk).update(answered_at=timezone.now()))


def _check_role(role: str) -> None:
    if role not in TeamRole.values:
        raise SubmissionError({"role": f"must be one of {', '.join(TeamRole.values)}."})


def _invitable(team: Team, username: str) -> User:
    invited = User.objects.filter(username=username, is_active=True).first()
    if invited is None:
        raise SubmissionError({"username": f"There is no account {username!r}. Try an e-mail."})
    if team.memberships.filter(user=invited).exists():
        raise ConflictError({"username": f"{username} is in the team already."})
    return invited


def _clean_email(email: str) -> str:
    email = email.strip()
    try:
        validate_email(email)
    except ValidationError as error:
        raise SubmissionError({"email": "This is no e-mail address."}) from error
    return email


def _check_fields(team: Team) -> None:
    try:
        team.full_clean(validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        messages = {name: " ".join(complaints) for name, complaints in error.message_dict.items()}
        raise SubmissionError(messages) from error


def _tell(invitation: Invitation, site: str) -> None:
    to = invitation.email or (invitation.user.email if invitation.user else "")
    if to:
        send_letter("invitation", to, {"invitation": invitation, "site": site})
