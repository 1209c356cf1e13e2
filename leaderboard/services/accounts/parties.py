"""Who shares the workers with whom: accounts, teams, and the staff's own re-runs.

An evaluation comes out of the shares of one or two parties: of the account that owns the potential,
or of the team that does and, beside it, of the member who asked. The second keeps one person with
several teams from having several shares. Several accounts of one person cannot be told apart.

The first party pays (``quotas.py``). Rows that name no parties get them from a trigger, by the same
rule, with the submission's author as the one who asked.
"""

from __future__ import annotations

from django.contrib.auth.models import User

from leaderboard.models import Potential, Team
from leaderboard.models.evaluation import STAFF_PARTY


def party_of(payer: User | Team) -> str:
    return f"{'team' if isinstance(payer, Team) else 'user'} {payer.pk}"


def parties_of(asker: User, potential: Potential) -> list[str]:
    """Whose shares an evaluation comes out of; the first pays for it."""
    if potential.team_id is not None:
        return [f"team {potential.team_id}", party_of(asker)]
    return [f"user {potential.owner_id}"]


def parties_of_repeat(asker: User, potential: Potential) -> list[str]:
    """As above; what the staff repeats for others comes out of nobody's share but the staff's."""
    if asker.is_staff and not _is_concerned(asker, potential):
        return [STAFF_PARTY]
    return parties_of(asker, potential)


def _is_concerned(user: User, potential: Potential) -> bool:
    if potential.team_id is None:
        return bool(potential.owner_id == user.pk)
    return bool(user.memberships.filter(team_id=potential.team_id).exists())
