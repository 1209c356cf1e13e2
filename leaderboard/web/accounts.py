"""What belongs to the signed-in reader: submissions and API tokens."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from leaderboard.exceptions import SubmissionError
from leaderboard.models import ApiToken, Submission
from leaderboard.services.accounts import create_token, revoke_token


@require_safe
@login_required
@never_cache
def account(request: HttpRequest) -> HttpResponse:
    return _account(request)


@require_POST
@login_required
@never_cache
def token_create(request: HttpRequest) -> HttpResponse:
    """Make a token and show its text in the answer, the only time that it can be read."""
    try:
        _, text = create_token(_user(request), request.POST.get("name", ""))
    except SubmissionError as error:
        return _account(request, complaint=str(error), status=400)
    return _account(request, new_token=text, status=201)


@require_POST
@login_required
def token_revoke(request: HttpRequest, pk: int) -> HttpResponse:
    token = get_object_or_404(ApiToken, pk=pk, user=_user(request))
    revoke_token(_user(request), token)
    messages.success(request, f"The token {token.hint}… is revoked.")
    return redirect("account")


def _user(request: HttpRequest) -> User:
    """The signed-in user of a view behind ``login_required``."""
    if request.user.is_anonymous:
        raise PermissionDenied
    return request.user


def _account(
    request: HttpRequest, *, new_token: str = "", complaint: str = "", status: int = 200
) -> HttpResponse:
    submissions = (
        Submission.objects.filter(potential__owner=_user(request))
        .select_related("potential")
        .prefetch_related("evaluations")
    )
    context = {
        "submissions": submissions,
        "tokens": ApiToken.objects.valid().filter(user=_user(request)),
        "new_token": new_token,
        "complaint": complaint,
    }
    return render(request, "account.html", context, status=status)
