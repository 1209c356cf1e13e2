"""What every request passes: how many, how large; and the headers that every answer carries."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject

from leaderboard.models.upload import PART_BYTES
from leaderboard.services.accounts import second_factor
from leaderboard.services.accounts.throttles import (
    RateStanding,
    address_of,
    hit_here,
    spend_here,
    standing_here,
)

logger = logging.getLogger(__name__)

#: What the fields and the frame of a form may take beside its file.
_MARGIN_BYTES = 2**20
#: Of a length in bytes. Python itself refuses to read a number of thousands of digits.
_MOST_DIGITS = 18

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",  # Vega sets style attributes on its SVG
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        # A sign-in at GitHub or ORCID begins with a form that leads there.
        " ".join(("form-action 'self'", *settings.SIGN_IN_ORIGINS)),
        "frame-ancestors 'none'",
    )
)


class SecurityHeaders:
    """Adds a Content-Security-Policy and, to who is known, that the answer is his alone.

    A view that needs another sets its own.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        response.headers.setdefault("Permissions-Policy", "interest-cohort=()")
        if "Authorization" in request.headers or settings.SESSION_COOKIE_NAME in request.COOKIES:
            # It may hold what this reader alone may see: no proxy keeps it for another one.
            response.headers.setdefault("Cache-Control", "private, no-cache")
        return response


class Throttle:
    """Bounds what one address may ask of this process: pages too, and what is answered 401.

    Counted in memory, before anything touches the database. Static files are served before. What
    requests took of the processor counts, too: a few kinds of page are a hundred times as dear as
    others, and whoever asks for those alone would have the process for himself.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        _tell_of_uncounted_proxy(request)
        address = address_of(request)
        for standing in (
            hit_here("any", address),
            standing_here("refused", address),
            standing_here("processor", address),
        ):
            if not standing.is_allowed:
                return _too_many(standing)
        began_s = time.thread_time()
        response = self.get_response(request)
        spend_here("processor", address, round(1000 * (time.thread_time() - began_s)))
        if response.status_code == 401:
            hit_here("refused", address)
        return response


class BoundedBodies:
    """Refuses a body that is longer than its address takes, before anything reads it.

    Files go to the few addresses that take them, and of people who are signed in; elsewhere Django
    would write whatever a form holds to the disk before it looks at who sent it. The views of the
    API, which read nothing before they know who asks, bound their files themselves.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self,
        request: HttpRequest,
        view: object,
        args: tuple[object, ...],
        kwargs: Mapping[str, Any],
    ) -> HttpResponse | None:
        text = str(request.META.get("CONTENT_LENGTH") or "")
        if request.META.get("HTTP_TRANSFER_ENCODING") and not text:
            return _refused(411, "Say the length of the body in the header Content-Length.")
        if text and not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
            return _refused(400, "The Content-Length header must be a whole number.")
        limit = _longest_body(request)
        if int(text or 0) > limit:
            return _refused(413, f"At most {limit / 2**20:g} MiB are taken at this address.")
        return None


_told_of_proxy = [False]


def _tell_of_uncounted_proxy(request: HttpRequest) -> None:
    """Once: behind a proxy that is not counted, all visitors share one address and its limits."""
    if settings.PROXIES or _told_of_proxy[0] or "HTTP_X_FORWARDED_FOR" not in request.META:
        return
    _told_of_proxy[0] = True
    logger.warning(
        "Requests come with X-Forwarded-For, and TOUCHSTONE_PROXIES is 0. If a proxy of yours "
        "stands in front, set it to the number of proxies: all visitors count as one address."
    )


def _longest_body(request: HttpRequest) -> int:
    usual: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    match = request.resolver_match
    name = match.view_name if match is not None else ""
    artifact_bytes = settings.MAX_ARTIFACT_BYTES + _MARGIN_BYTES
    by_api = {
        "api:submissions": artifact_bytes,
        "api:upload-part": PART_BYTES + _MARGIN_BYTES,  # which says more of it
        "api:bundle": artifact_bytes,
    }
    if name in by_api:
        return max(usual, by_api[name])
    if name == "submission-new" and request.user.is_authenticated:
        return max(usual, artifact_bytes)
    if name == "admin:leaderboard_referenceset_add" and _is_staff(request):
        return max(usual, settings.MAX_REFERENCE_BYTES + _MARGIN_BYTES)
    return usual


def _is_staff(request: HttpRequest) -> bool:
    return isinstance(request.user, User) and request.user.is_staff


def _refused(status: int, why: str) -> HttpResponse:
    response = HttpResponse(f"{why}\n", status=status, content_type="text/plain; charset=utf-8")
    response.detail = why  # type: ignore[attr-defined]  # for api/problems.py
    return response


def _too_many(standing: RateStanding) -> HttpResponse:
    response = _refused(429, f"Too many requests. Come again in {standing.reset_s} s.")
    for name, value in standing.headers().items():
        response.headers[name] = value
    return response


class StaffSecondFactor:
    """Makes an ordinary user of a member of the staff who has not shown the second factor.

    As late as somebody asks for the user, so that pages which do not ask stay the same for all.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.user = SimpleLazyObject(lambda: _user_of(request))  # type: ignore[assignment]
        return self.get_response(request)


def _user_of(request: HttpRequest) -> User | AnonymousUser:
    user = get_user(request)
    if isinstance(user, User):
        second_factor.withhold_in_session(user, request.session)
    return user
