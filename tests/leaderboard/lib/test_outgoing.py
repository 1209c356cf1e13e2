from __future__ import annotations

import hashlib
import hmac
import ipaddress
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from leaderboard.lib import outgoing

LOOPBACK = ["127.0.0.0/8"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),  # where clouds tell secrets
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:93.184.216.34", True),
        ("64:ff9b::7f00:1", False),  # NAT64 of 127.0.0.1
        ("64:ff9b::5db8:d822", True),
        ("2002:7f00:1::", False),  # 6to4 of 127.0.0.1
        ("2001:0:4136:e378:8000:63bf:80ff:fffe", False),  # Teredo of 127.0.0.1
    ],
)
def test_only_the_public_internet_is_public(text: str, expected: bool) -> None:
    assert outgoing.is_public(ipaddress.ip_address(text)) is expected


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://example.org/", "must begin with https://"),
        ("ftp://example.org/", "must begin with https://"),
        ("https://", "Give a host"),
        ("https://user:pw@example.org/", "no user name"),
        ("https://example.org:99999/", "no address"),
        ("https://exa mple.org/", "plain ASCII"),
        ("https://example.org/\r\nX: y", "plain ASCII"),
        ("https://[::1/", "no address"),
        ("https://example.org/" + "x" * 500, "at most 500"),
    ],
)
def test_a_bad_address_is_refused(url: str, words: str) -> None:
    with pytest.raises(outgoing.AddressRefused, match=words):
        outgoing.check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://localhost/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://2130706433/",  # 127.0.0.1 as one number
        "https://0x7f.1/",
    ],
)
def test_loopback_is_never_asked_however_it_is_written(url: str) -> None:
    with pytest.raises((outgoing.AddressRefused, outgoing.Failed)) as refused:
        outgoing.post(url, b"", {})
    assert "public" in str(refused.value) or "no address" in str(refused.value)


class Receiver(BaseHTTPRequestHandler):
    heard: list[tuple[str, dict[str, str], bytes]]
    status = 200
    headers_to_send: dict[str, str]
    drip = False

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).heard.append((self.path, dict(self.headers), body))
        if self.drip:
            for _ in range(100):
                self.wfile.write(b"H")
                time.sleep(0.1)
            return
        self.send_response(self.status)
        for name, value in self.headers_to_send.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def receiver(settings: Any) -> Iterator[tuple[type[Receiver], str]]:
    settings.WEBHOOK_ALLOW_HTTP = True
    kind = type("OneReceiver", (Receiver,), {"heard": [], "headers_to_send": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield kind, f"http://receiver.test:{server.server_port}/hook?x=1"
    server.shutdown()
    server.server_close()
    thread.join()


def resolve(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[str]:
    """Let names lead to these addresses, one lookup after the other; returns the lookups."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def lookup(host: str, port: int, *rest: Any, **options: Any) -> Any:
        if not host.endswith(".test"):
            return real(host, port, *rest, **options)
        asked.append(host)
        return real(answers[min(len(asked), len(answers)) - 1], port, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    return asked


def test_the_body_arrives_at_the_address_that_was_checked(
    receiver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, url = receiver
    # A second lookup would lead elsewhere.
    asked = resolve(monkeypatch, "127.0.0.1", "127.0.0.2")
    assert outgoing.post(url, b"{}", {"X": "y"}, allowed_networks=["127.0.0.1/32"]) == 200
    assert asked == ["receiver.test"]
    ((path, headers, body),) = kind.heard
    assert (path, headers["X"], body) == ("/hook?x=1", "y", b"{}")
    assert headers["Host"].startswith("receiver.test:")


def test_a_name_that_leads_to_a_private_address_is_refused(
    receiver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, url = receiver
    resolve(monkeypatch, "127.0.0.1")
    with pytest.raises(outgoing.AddressRefused, match="not on the public internet"):
        outgoing.post(url, b"{}", {})
    assert kind.heard == []


def test_a_redirect_is_not_followed(receiver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, url = receiver
    kind.status, kind.headers_to_send = 302, {"Location": "http://127.0.0.1:1/"}
    resolve(monkeypatch, "127.0.0.1")
    assert outgoing.post(url, b"{}", {}, allowed_networks=LOOPBACK) == 302
    assert len(kind.heard) == 1


@pytest.mark.slow
def test_a_receiver_that_drips_is_cut_off(receiver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, url = receiver
    kind.drip = True
    monkeypatch.setattr(outgoing, "_DEADLINE_S", 0.5)
    resolve(monkeypatch, "127.0.0.1")
    began = time.monotonic()
    with pytest.raises(outgoing.Failed):
        outgoing.post(url, b"{}", {}, allowed_networks=LOOPBACK)
    assert time.monotonic() - began < 3


def test_nobody_there_is_told(settings: Any) -> None:
    settings.WEBHOOK_ALLOW_HTTP = True
    with pytest.raises(outgoing.Failed, match="could not be told"):
        outgoing.post("http://127.0.0.1:1/", b"", {}, allowed_networks=LOOPBACK)
    with pytest.raises(outgoing.Failed, match="has no address"):
        outgoing.post("http://receiver.invalid/", b"", {}, allowed_networks=LOOPBACK)


def test_the_signature_covers_time_and_body() -> None:
    mac = hmac.new(b"secret", b'1700000000.{"a": 1}', hashlib.sha256).hexdigest()
    assert outgoing.signature("secret", b'{"a": 1}', 1_700_000_000) == f"t=1700000000,v1={mac}"
