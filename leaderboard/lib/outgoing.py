"""Requests that the service makes to addresses which strangers chose.

The name is resolved once, every address it has is checked, and the connection goes to the address
that was checked: a name that changes its address in between (DNS rebinding) gains nothing. Private,
loopback, link-local and other special addresses are refused, IPv6 ones that carry an IPv4 address
included. Redirects are not followed, answers are not read beyond the status.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from urllib.parse import urlsplit

from django.conf import settings

#: Per step, and for the whole exchange: a receiver that drips bytes is cut.
_TIMEOUT_S = 10.0
_DEADLINE_S = 20.0
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressRefused(Exception):
    """This address is never asked; the message says why."""


class Failed(Exception):
    """It could not be reached or did not answer."""


def check_url(url: str) -> tuple[str, int, str, bool]:
    """Host, port, path and whether by TLS. Raises AddressRefused; the host is not looked up."""
    if len(url) > 500 or not url.isascii() or any(c.isspace() or not c.isprintable() for c in url):
        raise AddressRefused("Give an address of at most 500 plain ASCII characters.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise AddressRefused(f"This is no address: {error}.") from error
    schemes = ("https", "http") if settings.WEBHOOK_ALLOW_HTTP else ("https",)
    if parts.scheme not in schemes:
        raise AddressRefused(
            f"The address must begin with {' or '.join(s + '://' for s in schemes)}."
        )
    if not parts.hostname or parts.username is not None or parts.password is not None:
        raise AddressRefused("Give a host, and no user name or password.")
    is_tls = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.hostname, port or (443 if is_tls else 80), path, is_tls


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet, and what it may carry does, too."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address.teredo is not None:
            inner = address.teredo[1]
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast


def post(
    url: str, content: bytes, headers: Mapping[str, str], *, allowed_networks: Sequence[str] = ()
) -> int:
    """POST and return the status. Raises AddressRefused, Failed.

    ``allowed_networks`` may be asked although they are not public, "10.1.0.0/16" for instance.
    """
    host, port, path, is_tls = check_url(url)
    address = _resolve(host, port, allowed_networks)
    connection = _Connection(host, port, address, is_tls)
    watch = threading.Timer(_DEADLINE_S, connection.cut)
    watch.daemon = True
    watch.start()
    try:
        connection.request("POST", path, body=content, headers=dict(headers))
        return connection.getresponse().status
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = "It did not answer in time" if isinstance(error, TimeoutError) else str(error)
        raise Failed(f"{host} could not be told: {reason or type(error).__name__}.") from error
    finally:
        watch.cancel()
        connection.close()


def signature(secret: str, content: bytes, at: int | None = None) -> str:
    """``t=<seconds since 1970>,v1=<hex>``: HMAC-SHA256 of ``<t>.<body>`` with the secret.

    The time is signed with the body, so that a receiver can refuse old messages sent again.
    """
    t = int(time.time()) if at is None else at
    mac = hmac.new(secret.encode(), f"{t}.".encode() + content, hashlib.sha256)
    return f"t={t},v1={mac.hexdigest()}"


def _resolve(host: str, port: int, allowed_networks: Sequence[str]) -> str:
    """The first address of a host all of whose addresses may be asked."""
    try:
        resolved = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Failed(f"{host} has no address: {error}.") from error
    addresses = [str(entry[4][0]).split("%")[0] for entry in resolved]
    networks = [ipaddress.ip_network(network) for network in allowed_networks]
    for text in addresses:
        address = ipaddress.ip_address(text)
        if not is_public(address) and not any(address in network for network in networks):
            raise AddressRefused(f"{host} is not on the public internet.")
    return addresses[0]


class _Connection(http.client.HTTPConnection):
    """Connects to the given address; the name serves for TLS and the Host header alone."""

    def __init__(self, host: str, port: int, address: str, is_tls: bool) -> None:
        super().__init__(host, port, timeout=_TIMEOUT_S)
        self._address, self._is_tls = address, is_tls
        self.default_port = 443 if is_tls else 80

    def connect(self) -> None:
        self.sock = socket.create_connection((self._address, self.port), timeout=_TIMEOUT_S)
        if self._is_tls:
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(self.sock, server_hostname=self.host)

    def cut(self) -> None:
        """From another thread: whatever it waits for fails now."""
        if self.sock is not None:
            with suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)
