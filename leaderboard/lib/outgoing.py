"""Requests that the service makes to addresses which strangers chose: all of them, by this module.

The name is resolved once, every address it has is checked (``addresses.py``), and the connection
goes to an address that was checked: a name that changes its address in between (DNS rebinding)
gains nothing. Only the ports of the web are asked, and those that the settings add. One deadline
holds for everything, the look-up of the name included. A webhook follows no redirect and reads no
answer beyond the status; a download judges each redirect as it judged the first address.
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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import BinaryIO
from urllib.parse import urljoin, urlsplit

from django.conf import settings

from leaderboard.lib.addresses import is_public

#: Per step, and for the whole exchange: a receiver that drips bytes is cut.
_TIMEOUT_S = 10.0
_DEADLINE_S = 20.0
_DOWNLOAD_S = 1800.0
_MAX_REDIRECTS = 5
#: Addresses of one name that are tried.
_MAX_TRIED = 4
#: The system's look-up cannot be stopped: so many may be under way, given up or not.
_LOOKUPS = threading.BoundedSemaphore(32)


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
    usual = {"https": 443, "http": 80} if settings.WEBHOOK_ALLOW_HTTP else {"https": 443}
    if parts.scheme not in usual:
        raise AddressRefused(
            f"The address must begin with {' or '.join(s + '://' for s in usual)}."
        )
    if not parts.hostname or parts.username is not None or parts.password is not None:
        raise AddressRefused("Give a host, and no user name or password.")
    port = usual[parts.scheme] if port is None else port
    if port not in (allowed := {usual[parts.scheme], *settings.WEBHOOK_PORTS}):
        listed = ", ".join(str(p) for p in sorted(allowed))
        raise AddressRefused(f"Port {port} is not asked, only {listed}.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.hostname, port, path, parts.scheme == "https"


def post(
    url: str, content: bytes, headers: Mapping[str, str], *, allowed_networks: Sequence[str] = ()
) -> int:
    """POST and return the status. Raises AddressRefused, Failed.

    ``allowed_networks`` may be asked although they are not public, "10.1.0.0/16" for instance.
    """
    with _connected(url, _DEADLINE_S, allowed_networks) as (connection, path):
        connection.request("POST", path, body=content, headers=dict(headers))
        return connection.getresponse().status


def download(
    url: str, file: BinaryIO, max_bytes: int, *, allowed_networks: Sequence[str] = ()
) -> None:
    """GET what is there into a file, by redirects too. Raises AddressRefused, Failed."""
    until = time.monotonic() + _DOWNLOAD_S
    for _ in range(_MAX_REDIRECTS + 1):
        with _connected(url, until - time.monotonic(), allowed_networks) as (connection, path):
            connection.request("GET", path, headers={"User-Agent": "touchstone/1"})
            answer = connection.getresponse()
            if answer.status not in {301, 302, 303, 307, 308}:
                _copy(answer, file, max_bytes)
                return
            url = urljoin(url, answer.headers.get("Location", ""))
    raise Failed(f"It leads on more than {_MAX_REDIRECTS} times.")


def signature(secret: str, content: bytes, at: int | None = None) -> str:
    """``t=<seconds since 1970>,v1=<hex>``: HMAC-SHA256 of ``<t>.<body>`` with the secret.

    The time is signed with the body, so that a receiver can refuse old messages sent again.
    """
    t = int(time.time()) if at is None else at
    mac = hmac.new(secret.encode(), f"{t}.".encode() + content, hashlib.sha256)
    return f"t={t},v1={mac.hexdigest()}"


def _copy(answer: http.client.HTTPResponse, file: BinaryIO, max_bytes: int) -> None:
    if answer.status != 200:
        raise Failed(f"It answered with status {answer.status}.")
    n_bytes = 0
    while chunk := answer.read(2**20):
        n_bytes += len(chunk)
        if n_bytes > max_bytes:
            raise Failed(f"It is larger than {max_bytes // 2**20} MiB.")
        file.write(chunk)
    if answer.length:
        raise Failed("It ended before it was whole.")


@contextmanager
def _connected(
    url: str, deadline_s: float, allowed_networks: Sequence[str]
) -> Iterator[tuple[_Connection, str]]:
    """A connection to a checked address of this host, cut when its time is over; and the path."""
    host, port, path, is_tls = check_url(url)
    until = time.monotonic() + deadline_s
    addresses = _resolve(host, port, min(deadline_s, _TIMEOUT_S), allowed_networks)
    connection = _Connection(host, port, addresses, is_tls, until)
    watch = threading.Timer(max(0.0, until - time.monotonic()), connection.cut)
    watch.daemon = True
    watch.start()
    try:
        yield connection, path
    except (OSError, http.client.HTTPException, ValueError) as error:
        is_late = isinstance(error, TimeoutError) or time.monotonic() >= until
        reason = "It did not answer in time" if is_late else str(error)
        raise Failed(f"{host} could not be told: {reason or type(error).__name__}.") from error
    finally:
        watch.cancel()
        connection.close()


def _resolve(host: str, port: int, timeout_s: float, allowed_networks: Sequence[str]) -> list[str]:
    """The addresses of a host all of whose addresses may be asked."""
    addresses = [address.split("%")[0] for address in _look_up(host, port, timeout_s)]
    networks = [ipaddress.ip_network(network) for network in allowed_networks]
    for text in addresses:
        address = ipaddress.ip_address(text)
        if not is_public(address) and not any(address in network for network in networks):
            raise AddressRefused(f"{host} is not on the public internet.")
    return addresses[:_MAX_TRIED]


def _look_up(host: str, port: int, timeout_s: float) -> list[str]:
    """Ask the system for a host's addresses, in a thread that is left behind when it takes long."""
    if not _LOOKUPS.acquire(blocking=False):
        raise Failed(f"{host} was not looked up: too many other names are slow to be found.")
    answers: list[str] = []
    errors: list[Exception] = []

    def ask() -> None:
        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.extend(dict.fromkeys(str(entry[4][0]) for entry in entries))
        except (OSError, UnicodeError) as error:
            errors.append(error)
        finally:
            _LOOKUPS.release()

    thread = threading.Thread(target=ask, daemon=True, name="look-up")
    thread.start()
    thread.join(timeout_s)
    if errors:
        raise Failed(f"{host} has no address: {errors[0]}.") from errors[0]
    if thread.is_alive() or not answers:
        raise Failed(f"{host} has no address: it was not found in {timeout_s:.0f} s.")
    return answers


class _Connection(http.client.HTTPConnection):
    """Connects to one of the given addresses; the name serves for TLS and the Host header alone."""

    def __init__(
        self, host: str, port: int, addresses: Sequence[str], is_tls: bool, until: float
    ) -> None:
        super().__init__(host, port, timeout=_TIMEOUT_S)
        self._addresses, self._is_tls, self._until = addresses, is_tls, until
        self.default_port = 443 if is_tls else 80

    def connect(self) -> None:
        self.sock = self._first_that_answers()
        self.sock.settimeout(_TIMEOUT_S)
        if self._is_tls:
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(self.sock, server_hostname=self.host)

    def _first_that_answers(self) -> socket.socket:
        for address in self._addresses:
            left_s = self._until - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            try:
                return socket.create_connection((address, self.port), min(left_s, _TIMEOUT_S))
            except OSError as error:
                last = error
        raise last

    def cut(self) -> None:
        """From another thread: whatever it waits for fails now."""
        if self.sock is not None:
            with suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)
