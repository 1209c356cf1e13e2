"""Throttles of the API: "read" for safe methods, "submit" for the others, or a view's own scope."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth.models import User
from django.http import HttpRequest
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from leaderboard.services.accounts.throttles import (
    RateStanding,
    client_of,
    hit,
    hit_code,
    hit_sign_in,
)

if TYPE_CHECKING:  # which itself imports this module, by name, from the settings
    from rest_framework.views import APIView

SAFE = ("GET", "HEAD", "OPTIONS")


class ScopedThrottle(BaseThrottle):
    """Counts every request; a view's ``throttle_scope`` names another scope for what it changes."""

    standing: RateStanding

    def allow_request(self, request: Request, view: APIView) -> bool:
        scope = "read" if request.method in SAFE else getattr(view, "throttle_scope", "submit")
        self.standing = hit(scope, client_of(request.user, request._request))
        return note(request._request, self.standing)

    def wait(self) -> float:
        return self.standing.reset_s - 1  # the answer adds one


def note(request: HttpRequest, standing: RateStanding) -> bool:
    """Remember the standing for the answer's headers; returns whether the request may pass."""
    request.rate_limit = standing  # type: ignore[attr-defined]
    return standing.is_allowed


def check_code_tries(request: Request, user: User) -> None:
    """Raises Throttled when somebody who knows this user's password has tried many codes."""
    _require(request, hit_code(user))


def check_sign_in(request: Request, login: str) -> None:
    """Raises Throttled when the address, or somebody at this account, has tried too often."""
    _require(request, hit_sign_in(request._request, login))


def _require(request: Request, standing: RateStanding) -> None:
    if not note(request._request, standing):
        raise Throttled(wait=standing.reset_s - 1)
