"""What belongs to the signed-in reader: submissions and API tokens."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from leaderboard.enums import EvaluationState
from leaderboard.exceptions import SubmissionError
from leaderboard.models import ApiToken, Submission
from leaderboard.models.account import default_scopes
from leaderboard.services.accounts.accounts import (
    DEFAULT_TOKEN_DAYS,
    create_token,
    revoke_token,
    valid_tokens,
)
from leaderboard.services.accounts.quotas import allowances
from leaderboard.services.accounts.teams import pending_invitations
from leaderboard.services.submissions.lists import submissions_of

#: What is offered: scope, what it allows, whether it is ticked at first.
SCOPES = [
    (scope, text, scope in default_scopes())
    for scope, text in (
        ("read", "read what you may see"),
        ("submit", "submit, cancel, repeat"),
        ("admin", "manage teams; staff rights, if you have them"),
    )
]
LIFETIMES = [(30, "30 days"), (90, "90 days"), (365, "a year"), (1095, "three years")]


@require_safe
@login_required
@never_cache
def account(request: HttpRequest) -> HttpResponse:
    return _account(request)


@require_safe
@never_cache
def welcome(request: HttpRequest) -> HttpResponse:
    """What somebody can do who has just confirmed his address."""
    max_mib = int(settings.MAX_ARTIFACT_BYTES // 2**20)
    return render(request, "account/welcome.html", {"max_mib": max_mib})


@require_POST
@login_required
@never_cache
def token_create(request: HttpRequest) -> HttpResponse:
    """Make a token and show its text in the answer, the only time that it can be read."""
    days = request.POST.get("expires_in_days", "")
    try:
        _, text = create_token(
            signed_in(request),
            request.POST.get("name", ""),
            expires_in_days=int(days) if days.isdecimal() and len(days) < 6 else DEFAULT_TOKEN_DAYS,
            scopes=request.POST.getlist("scopes") or None,
        )
    except SubmissionError as error:
        return _account(request, complaint=str(error), status=400)
    return _account(request, new_token=text, status=201)


@require_POST
@login_required
def token_revoke(request: HttpRequest, pk: int) -> HttpResponse:
    token = get_object_or_404(ApiToken, pk=pk, user=signed_in(request))
    revoke_token(signed_in(request), token)
    messages.success(request, f"The token {token.hint}… is revoked.")
    return redirect("account")


def signed_in(request: HttpRequest) -> User:
    """The signed-in user of a view behind ``login_required``."""
    if request.user.is_anonymous:
        raise PermissionDenied
    return request.user


def _outcome(submission: Submission) -> str:
    """How its evaluations ended, in a few words."""
    current = [e for e in submission.evaluations.all() if e.is_current]
    n_scored = sum(e.state == EvaluationState.SUCCEEDED for e in current)
    n_open = sum(not e.has_ended for e in current)
    counts = {
        "ended well": n_scored,
        "ended without a score": len(current) - n_scored - n_open,
        "to go": n_open,
    }
    return ", ".join(f"{n} {words}" for words, n in counts.items() if n) or "none"


def _account(
    request: HttpRequest, *, new_token: str = "", complaint: str = "", status: int = 200
) -> HttpResponse:
    user = signed_in(request)
    submissions = submissions_of(user).prefetch_related("evaluations")
    context = {
        "submissions": [(submission, _outcome(submission)) for submission in submissions],
        "tokens": valid_tokens(user),
        "scopes": SCOPES,
        "lifetimes": LIFETIMES,
        "default_lifetime": DEFAULT_TOKEN_DAYS,
        "memberships": user.memberships.select_related("team"),
        "invitations": pending_invitations(user),
        "allowances": [] if user.is_staff else allowances(user),
        "has_providers": bool(settings.SOCIALACCOUNT_PROVIDERS),
        "new_token": new_token,
        "complaint": complaint,
    }
    return render(request, "account.html", context, status=status)
