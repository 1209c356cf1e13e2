"""Two-factor sign-in: allauth's flows with our forms, limits on tries, and encryption.

What follows from it for the staff: services/accounts/second_factor.py.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account.internal.stagekit import unstash_login
from allauth.mfa.adapter import DefaultMFAAdapter, get_adapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from leaderboard.services.accounts import second_factor
from leaderboard.services.accounts.throttles import hit, hit_sign_in
from leaderboard.web.errors import too_many

Page = Callable[..., HttpResponseBase]


class FactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    def get_totp_label(self, user: User) -> str:
        return user.get_username()

    def get_totp_issuer(self) -> str:
        return f"Touchstone {self._get_site_name()}"

    def encrypt(self, text: str) -> str:
        return second_factor.encrypted(text)

    def decrypt(self, encrypted_text: str) -> str:
        return second_factor.decrypted(encrypted_text)


class _OneUse:
    """A code of a form is used up by looking at it, for all processes."""

    user: User
    cleaned_data: dict[str, Any]
    authenticator: Authenticator

    def clean_code(self) -> str:
        code: str = self.cleaned_data["code"]
        factor = second_factor.spent_by(self.user, code)
        if factor is None:
            raise get_adapter().validation_error("incorrect_code")
        factor.user = self.user
        self.authenticator = factor
        return code


class CodeForm(_OneUse, AuthenticateForm):  # type: ignore[misc]
    """Asked for at sign-in, after the password."""


class CodeAgainForm(_OneUse, ReauthenticateForm):  # type: ignore[misc]
    """Asked for before something of weight is changed."""


def guarded(page: Page) -> Page:
    """Count what is posted to a page that asks for a code or a password again; 429 beyond."""

    @wraps(page)
    def counted(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        if request.method != "POST":
            return page(request, *args, **kwargs)
        user = _who(request)
        if user is not None:
            of_account = hit("second-factor", f"user {user.pk}")
            if not of_account.is_allowed:
                return too_many(request, of_account)
        of_address = hit_sign_in(request, user.get_username() if user else "")
        if not of_address.is_allowed:
            return too_many(request, of_address)
        return page(request, *args, **kwargs)

    return counted


def _who(request: HttpRequest) -> User | None:
    """Whoever is signed in, or has given a password and is asked for the code."""
    if isinstance(request.user, User):
        return request.user
    login = unstash_login(request, peek=True)
    return login.user if login is not None and isinstance(login.user, User) else None
