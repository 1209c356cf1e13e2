"""Two-factor sign-in: allauth's flows with our forms, limits on tries, and encryption.

What follows from it for the staff: services/accounts/second_factor.py.
"""

from __future__ import annotations

from typing import Any

from allauth.account.internal.stagekit import unstash_login
from allauth.mfa.adapter import DefaultMFAAdapter, get_adapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.http import HttpRequest

from leaderboard.services.accounts import second_factor
from leaderboard.services.accounts.throttles import RateStanding, hit_code, hit_sign_in
from leaderboard.web.accounts.sign_in import counted


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


def _hit_try(request: HttpRequest) -> RateStanding:
    """Count a try by the account, then by the address and by the account at it."""
    user = _who(request)
    if user is not None and not (of_account := hit_code(user)).is_allowed:
        return of_account
    return hit_sign_in(request, user.get_username() if user else "")


def _who(request: HttpRequest) -> User | None:
    """Whoever is signed in, or has given a password and is asked for the code."""
    if isinstance(request.user, User):
        return request.user
    login = unstash_login(request, peek=True)
    return login.user if login is not None and isinstance(login.user, User) else None


#: For pages that ask for a code or a password again.
guarded = counted(_hit_try)
