"""Who may see and do what: every such decision of the service is made here.

API, pages and services ask these functions; none of them compares owners by itself.

| of a potential            | stranger | viewer | submitter | owner | staff |
|---|---|---|---|---|---|
| see what is public        | yes      | yes    | yes       | yes   | yes   |
| see what is private, logs |          | yes    | yes       | yes   | yes   |
| submit, cancel, repeat    |          |        | yes       | yes   | yes   |
| describe, publish, withdraw, hand over |  |   |           | yes   | yes   |

A potential belongs to its ``owner`` alone, or, when it has a ``team``, to that team's members by
their roles; the person who registered it for the team then has the rights of his role and no more.
A request that carries a token without the scope "admin" comes here with ``is_staff`` taken away.
"""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, Q

from leaderboard.enums import TeamRole
from leaderboard.models.potential import Potential, PotentialQuerySet
from leaderboard.models.submission import Submission
from leaderboard.models.team import ANY_ROLE, SUBMITTING_ROLES, Team, potentials_of

Person = User | AnonymousUser

_OWN = (TeamRole.OWNER,)


def potentials_visible_to(user: Person) -> Q:
    """Potentials that one may see: one's own, and those with a submission that one may see."""
    if user.is_staff:
        return Q()
    seen = Q(Exists(Submission.objects.all().visible_to(user).filter(potential=OuterRef("pk"))))
    return seen if user.is_anonymous else seen | potentials_of(user)


def visible_potentials(user: Person) -> PotentialQuerySet:
    return Potential.objects.all().filter(potentials_visible_to(user))


def may_read_private(user: Person, potential: Potential) -> bool:
    """Private submissions and their evaluations, and what a submission wrote."""
    return user.is_staff or _has_role(user, potential, ANY_ROLE)


def may_submit(user: Person, potential: Potential) -> bool:
    """New versions; cancel and repeat their evaluations."""
    return user.is_staff or _has_role(user, potential, SUBMITTING_ROLES)


def may_manage(user: Person, potential: Potential) -> bool:
    """Change what is said of it, publish and withdraw submissions, hand it to a team."""
    return user.is_staff or _has_role(user, potential, _OWN)


def may_manage_team(user: Person, team: Team) -> bool:
    """Invite, change roles, remove members, delete the team."""
    return user.is_staff or role_in(user, team) == TeamRole.OWNER


def may_see_team(user: Person, team: Team) -> bool:
    """Its members, its invitations, what it may use."""
    return Team.objects.all().visible_to(user).filter(pk=team.pk).exists()


def may_submit_for_team(user: Person, team: Team) -> bool:
    """Register potentials that belong to the team."""
    return user.is_staff or role_in(user, team) in SUBMITTING_ROLES


def role_in(user: Person, team: Team) -> TeamRole | None:
    if user.is_anonymous:
        return None
    row = team.memberships.filter(user=user).first()
    return None if row is None else TeamRole(row.role)


def check_may_submit(user: Person, potential: Potential) -> None:
    """Raises PermissionDenied, as the other checks do."""
    if not may_submit(user, potential):
        raise PermissionDenied(
            f"Only the owner of {potential}, or a submitter or owner of its team, may do this."
        )


def check_may_manage(user: Person, potential: Potential) -> None:
    if not may_manage(user, potential):
        raise PermissionDenied(f"Only the owner of {potential}, or of its team, may do this.")


def check_may_read_logs(user: Person, potential: Potential) -> None:
    if not may_read_private(user, potential):
        raise PermissionDenied(f"Only the owner or team of {potential} and the staff read logs.")


def check_may_manage_team(user: Person, team: Team) -> None:
    if not may_manage_team(user, team):
        raise PermissionDenied(f"Only an owner of the team {team} may do this.")


def check_may_submit_for_team(user: Person, team: Team) -> None:
    if not may_submit_for_team(user, team):
        raise PermissionDenied(f"Only a submitter or owner of the team {team} may do this.")


def _has_role(user: Person, potential: Potential, roles: tuple[TeamRole, ...]) -> bool:
    if user.is_anonymous:
        return False
    if potential.team_id is None:
        return bool(potential.owner_id == user.pk)
    return user.memberships.filter(team_id=potential.team_id, role__in=roles).exists()
