"""How people get in: django-allauth's flows under the site's addresses and rules.

allauth signs up, confirms addresses by mail, resets passwords and talks to GitHub and ORCID. Ours
are the addresses (urls.py), the pages (templates/account/), and the counting of tries, which is
shared by all web processes (services/accounts/throttles.py; allauth's own is kept in one process).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress, Login
from allauth.account.stages import EmailVerificationStage
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode

from leaderboard.exceptions import SubmissionError
from leaderboard.services.accounts import second_factor
from leaderboard.services.accounts.accounts import is_confirmed, valid_tokens
from leaderboard.services.accounts.throttles import (
    RateStanding,
    client_of,
    hit_letter,
    hit_sign_in,
)
from leaderboard.services.accounts.user_names import check_user_name
from leaderboard.services.submissions.lists import submissions_of
from leaderboard.web.errors import too_many

Page = Callable[..., HttpResponseBase]


class ConfirmationStage(EmailVerificationStage):  # type: ignore[misc]
    """Lets in whom an administrator made; whoever signed up must have confirmed his address."""

    login: Login

    def handle(self) -> tuple[HttpResponse | None, bool]:
        # No user: allauth pretends one signs up, so that a known address is not told.
        if self.login.user is not None and is_confirmed(self.login.user):
            return None, True
        handled: tuple[HttpResponse | None, bool] = super().handle()
        return handled


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return bool(settings.SIGN_UP_IS_OPEN)

    def authenticate(self, request: HttpRequest, **credentials: str) -> User | None:
        """What was typed is tried once, though it may be a name or an address.

        Tried as both, a known address costs two hashes and an unknown one only one: time tells.
        """
        if credentials.get("username") == credentials.get("email"):
            credentials.pop("email", None)
        user: User | None = super().authenticate(request, **credentials)
        return user

    def clean_username(self, username: str, shallow: bool = False) -> str:
        name: str = super().clean_username(username, shallow=shallow)
        try:
            check_user_name(name)
        except SubmissionError as error:
            raise ValidationError(list(error.errors.values())) from error
        return name

    def get_email_verification_redirect_url(self, email_address: EmailAddress) -> str:
        """To the next steps; whoever has taken them already has changed his address."""
        user = email_address.user
        if self.request.user == user and (valid_tokens(user) or submissions_of(user).exists()):
            return reverse("account_email")
        return reverse("welcome")

    def get_login_stages(self) -> list[str]:
        theirs = "allauth.account.stages.EmailVerificationStage"
        ours = "leaderboard.web.accounts.sign_in.ConfirmationStage"
        return [ours if stage == theirs else stage for stage in super().get_login_stages()]

    def format_email_subject(self, subject: str) -> str:
        return f"Touchstone: {subject}"


def counted(hit: Callable[[HttpRequest], RateStanding]) -> Callable[[Page], Page]:
    """Make a decorator that counts by ``hit`` what is posted to a page; 429 beyond."""

    def decorated(page: Page) -> Page:
        @wraps(page)
        def bounded(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
            if request.method == "POST" and not (standing := hit(request)).is_allowed:
                return too_many(request, standing)
            return page(request, *args, **kwargs)

        return bounded

    return decorated


def _hit_login(request: HttpRequest) -> RateStanding:
    return hit_sign_in(request, request.POST.get("login") or request.POST.get("email") or "")


def _hit_recipient(request: HttpRequest) -> RateStanding:
    sender = client_of(request.user, request)
    return hit_letter(request.POST.get("email") or f"of {sender}", sender)


#: For pages of the sign-in: by address and by account.
throttled = counted(_hit_login)
#: For what makes us write to an address that a stranger may have typed.
writes_letters = counted(_hit_recipient)


def admin_login(request: HttpRequest) -> HttpResponse:
    """The admin has no door of its own: whoever enters has passed the sign-in above."""
    if second_factor.is_withheld(request.user):
        return _to_the_factor(request)
    if request.user.is_authenticated and not request.user.is_staff:
        raise PermissionDenied("This part is for the staff.")
    wanted = request.GET.get("next", "/admin/")
    return redirect(f"{settings.LOGIN_URL}?{urlencode({'next': wanted})}")


def _to_the_factor(request: HttpRequest) -> HttpResponse:
    """Lead a member of the staff to setting up the second factor, or to showing it."""
    messages.warning(request, "The staff's pages need two-factor sign-in.")
    if second_factor.factor_of(request.user) is None:
        return redirect("mfa_activate_totp")
    again = urlencode({"next": request.GET.get("next", "/admin/")})
    return redirect(f"{reverse('mfa_reauthenticate')}?{again}")
