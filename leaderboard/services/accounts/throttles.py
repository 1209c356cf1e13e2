"""How often one client may ask, counted in PostgreSQL, so that all web processes share the count.

A client's requests are counted in fixed windows by one atomic statement, with the database's
clock. Around the border of two windows up to twice the rate can pass. What must cost the database
nothing, however often it comes, is counted by each process for itself (``hit_here``).
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
import re
import threading
import time
from dataclasses import dataclass, replace
from datetime import timedelta

from cachetools import LRUCache
from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.db import connection
from django.http import HttpRequest
from django.utils import timezone

from leaderboard.models import RequestCount

#: (scope, client): (window, count). The oldest are dropped: a flood must not fill the memory.
_here: LRUCache[tuple[str, str], tuple[int, int]] = LRUCache(20_000)
_here_lock = threading.Lock()
#: Tries that an address has at an account that is guessed at from many addresses.
_TRIES_UNDER_SIEGE = 2
_SECONDS = {"s": 1, "sec": 1, "min": 60, "hour": 3600, "day": 86_400}
# A statement that began in an older window but waited for the lock counts in the newer one.
_HIT = """
INSERT INTO leaderboard_requestcount AS old (key, window_start, n)
VALUES (%(key)s, floor(extract(epoch FROM clock_timestamp()) / %(w)s)::bigint * %(w)s, 1)
ON CONFLICT (key) DO UPDATE SET
    n = CASE WHEN old.window_start >= EXCLUDED.window_start THEN old.n + 1 ELSE 1 END,
    window_start = GREATEST(old.window_start, EXCLUDED.window_start)
RETURNING n, window_start + %(w)s - extract(epoch FROM clock_timestamp())
"""


@dataclass(frozen=True)
class Rate:
    n: int
    window_s: int

    @classmethod
    def parse(cls, text: str) -> Rate:
        """
        >>> Rate.parse("20/min")
        Rate(n=20, window_s=60)
        """
        match = re.fullmatch(r"(\d+)/(\d*)([a-z]+)", text)  # settings.py has checked it
        assert match is not None, text  # noqa: S101
        n, times, unit = match.groups()
        return cls(int(n), int(times or 1) * _SECONDS[unit])


@dataclass(frozen=True, kw_only=True)
class RateStanding:
    """Where a client stands in a scope, the present request counted."""

    scope: str
    rate: Rate
    n: int
    reset_s: int

    @property
    def is_allowed(self) -> bool:
        return self.n <= self.rate.n

    def headers(self) -> dict[str, str]:
        """RateLimit and RateLimit-Policy, as draft-ietf-httpapi-ratelimit-headers-10 has them."""
        remaining = max(0, self.rate.n - self.n)
        headers = {
            "RateLimit-Policy": f'"{self.scope}";q={self.rate.n};w={self.rate.window_s}',
            "RateLimit": f'"{self.scope}";r={remaining};t={self.reset_s}',
        }
        return headers if self.is_allowed else {**headers, "Retry-After": str(self.reset_s)}


def hit(scope: str, client: str) -> RateStanding:
    """Count one request of a client in a scope of settings.THROTTLES."""
    rate = Rate.parse(settings.THROTTLES[scope])
    with connection.cursor() as cursor:
        cursor.execute(_HIT, {"key": f"{scope} {client}", "w": rate.window_s})
        n, left_s = cursor.fetchone()
    # An hour's window that the clock has just left still has a moment to go.
    return RateStanding(scope=scope, rate=rate, n=n, reset_s=max(1, math.ceil(left_s)))


def hit_here(scope: str, client: str) -> RateStanding:
    """Count one request in this process alone."""
    return _count_here(scope, client, 1)


def spend_here(scope: str, client: str, amount: int) -> None:
    """Count so much at once in this process: requests are not equally dear."""
    _count_here(scope, client, amount)


def standing_here(scope: str, client: str) -> RateStanding:
    """Where a client would stand in this process with one more; nothing is counted."""
    return _count_here(scope, client, 0)


def _count_here(scope: str, client: str, step: int) -> RateStanding:
    rate = Rate.parse(settings.THROTTLES[scope])
    now = time.time()
    window = int(now // rate.window_s)
    with _here_lock:
        began, n = _here.get((scope, client), (window, 0))
        n = n if began == window else 0
        if step:
            _here[scope, client] = (window, n + step)
    left_s = (window + 1) * rate.window_s - now
    return RateStanding(scope=scope, rate=rate, n=n + 1, reset_s=max(1, math.ceil(left_s)))


def forget_here() -> None:
    """Begin as a new process does."""
    with _here_lock:
        _here.clear()


def client_of(user: User | AnonymousUser, request: HttpRequest) -> str:
    """Return by whom requests are counted: the account, else the address."""
    return address_of(request) if user.is_anonymous else f"user {user.pk}"


def address_of(request: HttpRequest) -> str:
    """The client's address: what the outermost of our settings.PROXIES proxies saw.

    Whatever stands further left in X-Forwarded-For was written by the client. Addresses of one
    IPv6 network of 64 bits are one client: a household has as many as it likes.
    """
    peer = str(request.META.get("REMOTE_ADDR") or "")
    seen = str(request.META.get("HTTP_X_FORWARDED_FOR") or "").split(",")
    if settings.PROXIES > 0 and seen != [""]:
        peer = seen[-min(settings.PROXIES, len(seen))].strip()
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return "address unknown"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return f"address {ipaddress.ip_network((address, 64), strict=False)}"
        address = address.ipv4_mapped
    return f"address {address}"


def hit_sign_in(request: HttpRequest, login: str) -> RateStanding:
    """Count a try of a password, by address and by account at this address; the strictest standing.

    Whoever guesses at somebody's account shuts out his own address; the owner signs in from
    another. Where an account is guessed at from many addresses, each has only few tries, a new one
    too: that slows them down and still lets the owner in. The account is counted by a hash of
    what was typed, whether there is such an account or not.
    """
    address = address_of(request)
    by_address = hit("login", address)
    if not by_address.is_allowed or not login.strip():
        return by_address  # no name is nobody's account: visitors would share its tries
    name = _hashed(login)
    here = hit("login-account", f"{name} {address}")
    if not here.is_allowed:
        return here  # and is not counted as one of many
    if not hit("login-everywhere", name).is_allowed:
        few = Rate(min(_TRIES_UNDER_SIEGE, here.rate.n), here.rate.window_s)
        here = replace(here, rate=few)
    return by_address if here.is_allowed else here


def hit_code(user: User) -> RateStanding:
    """Count a try of a second factor's code, by who knows the account's password."""
    return hit("second-factor", f"user {user.pk}")


def hit_letter(recipient: str, sender: str) -> RateStanding:
    """Count a letter that somebody has us write; the stricter standing of who gets and who asks."""
    by_sender = hit("letter-sender", sender)
    if not by_sender.is_allowed:
        return by_sender
    return hit("letter", _hashed(recipient))


def _hashed(name: str) -> str:
    return hashlib.sha256(name.strip().casefold().encode()).hexdigest()[:32]


def forget_old_counts() -> int:
    """Remove the counts of windows that ended long ago; returns how many."""
    long_ago = (timezone.now() - timedelta(days=2)).timestamp()
    return RequestCount.objects.filter(window_start__lt=long_ago).delete()[0]
