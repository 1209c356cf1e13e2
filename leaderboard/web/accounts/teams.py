"""Teams for their members, and the answer to an invitation."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from leaderboard.enums import TeamRole
from leaderboard.exceptions import SubmissionError
from leaderboard.models import Team
from leaderboard.models.permissions import may_manage_team, may_see_team
from leaderboard.services.accounts import teams as service
from leaderboard.services.accounts.quotas import allowances
from leaderboard.web.accounts.accounts import signed_in


@require_safe
@login_required
@never_cache
def team(request: HttpRequest, slug: str) -> HttpResponse:
    return _page(request, _find(request, slug))


@require_POST
@login_required
def team_create(request: HttpRequest) -> HttpResponse:
    slug, name = request.POST.get("slug", ""), request.POST.get("name", "")
    try:
        return redirect(service.create_team(signed_in(request), slug, name))
    except SubmissionError as error:
        messages.error(request, str(error))
        return redirect("account")


@require_POST
@login_required
def team_invite(request: HttpRequest, slug: str) -> HttpResponse:
    """Invite by what was typed: an e-mail address has an @ within."""
    team, who = _find(request, slug), request.POST.get("who", "").strip()
    addressee = {"email": who} if "@" in who.strip("@") else {"username": who}
    site = request.build_absolute_uri("/").rstrip("/")

    def act() -> str:
        role = request.POST.get("role", "")
        service.invite(signed_in(request), team, role, **addressee, site=site)
        return f"{who} is invited."

    return _do(request, team, act)


@require_POST
@login_required
def team_uninvite(request: HttpRequest, slug: str, pk: UUID) -> HttpResponse:
    team = _find(request, slug)
    invitation = get_object_or_404(team.invitations, pk=pk)

    def act() -> str:
        service.revoke_invitation(signed_in(request), invitation)
        return "The invitation is revoked."

    return _do(request, team, act)


@require_POST
@login_required
def team_member(request: HttpRequest, slug: str, username: str) -> HttpResponse:
    """Change a member's role, or remove him where none is given."""
    team, user = _find(request, slug), signed_in(request)
    member = get_object_or_404(team.memberships, user__username=username)
    role = request.POST.get("role", "")

    def act() -> str:
        if role:
            service.change_role(user, member, role)
            return f"{username} is {role} now."
        service.remove_member(user, member)
        return f"{username} has left the team."

    return _do(request, team, act)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def invitation(request: HttpRequest, pk: UUID) -> HttpResponse:
    user = signed_in(request)
    found = service.find_invitation(user, pk)
    if request.method != "POST":
        return render(request, "invitation.html", {"invitation": found})
    if "decline" in request.POST:
        service.decline_invitation(user, found)
        messages.success(request, f"You declined to join {found.team}.")
        return redirect("account")
    service.accept_invitation(user, found)
    return redirect(found.team)


def _find(request: HttpRequest, slug: str) -> Team:
    team: Team = get_object_or_404(Team.objects.all().visible_to(request.user), slug=slug)
    return team


def _do(request: HttpRequest, team: Team, act: Callable[[], str]) -> HttpResponse:
    try:
        messages.success(request, act())
    except SubmissionError as error:
        return _page(request, team, complaint=str(error), status=400)
    return redirect(team) if may_see_team(request.user, team) else redirect("account")


def _page(
    request: HttpRequest, team: Team, *, complaint: str = "", status: int = 200
) -> HttpResponse:
    may_manage = may_manage_team(request.user, team)
    context = {
        "team": team,
        "members": team.memberships.select_related("user"),
        "invitations": team.invitations.pending().select_related("user") if may_manage else [],
        "potentials": team.potentials.all(),
        "allowances": allowances(team),
        "roles": TeamRole,
        "may_manage": may_manage,
        "complaint": complaint,
    }
    return render(request, "team.html", context, status=status)
