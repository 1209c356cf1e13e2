from __future__ import annotations

import hashlib
import hmac
import io
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
        ("https://example.org:22/", "Port 22 is not asked, only 443"),
        ("https://example.org:80/", "Port 80 is not asked"),
        ("https://example.org:0/", "Port 0 is not asked"),
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
    body = b""

    def do_GET(self) -> None:
        self.send_response(self.status)
        for name, value in self.headers_to_send.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

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
    settings.WEBHOOK_PORTS = [server.server_port]
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


@pytest.mark.slow
def test_a_name_that_is_never_found_is_given_up_at_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release = threading.Event()

    def wait(*_: Any, **__: Any) -> list[Any]:
        release.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", wait)
    monkeypatch.setattr(outgoing, "_TIMEOUT_S", 0.3)
    began = time.monotonic()
    with pytest.raises(outgoing.Failed, match="has no address: it was not found"):
        outgoing.post("https://slow.test/", b"", {})
    assert time.monotonic() - began < 3
    release.set()


def test_an_address_that_is_silent_is_followed_by_the_next(
    receiver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, url = receiver
    real = socket.getaddrinfo

    def two(host: str, port: int, *rest: Any, **options: Any) -> Any:
        return [e for a in ("127.0.0.9", "127.0.0.1") for e in real(a, port, *rest, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    assert outgoing.post(url, b"{}", {}, allowed_networks=LOOPBACK) == 200
    assert len(kind.heard) == 1


def test_one_private_address_among_public_ones_is_enough_to_refuse(
    receiver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, url = receiver
    real = socket.getaddrinfo

    def two(host: str, port: int, *rest: Any, **options: Any) -> Any:
        return [e for a in ("93.184.216.34", "127.0.0.1") for e in real(a, port, *rest, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    with pytest.raises(outgoing.AddressRefused, match="not on the public internet"):
        outgoing.post(url, b"{}", {})
    assert kind.heard == []


def test_a_download_judges_where_it_is_led(receiver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, url = receiver
    kind.status, kind.headers_to_send = 302, {"Location": "http://127.0.0.1:1/secret"}
    resolve(monkeypatch, "127.0.0.1")
    with pytest.raises(outgoing.AddressRefused, match="Port 1 is not asked"):
        outgoing.download(url, io.BytesIO(), 10, allowed_networks=LOOPBACK)
    kind.headers_to_send = {"Location": "file:///etc/passwd"}
    with pytest.raises(outgoing.AddressRefused, match="must begin with"):
        outgoing.download(url, io.BytesIO(), 10, allowed_networks=LOOPBACK)


def test_a_download_is_bounded_and_whole(receiver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, url = receiver
    resolve(monkeypatch, "127.0.0.1")
    kind.body = b"0123456789"
    file = io.BytesIO()
    outgoing.download(url, file, 10, allowed_networks=LOOPBACK)
    assert file.getvalue() == b"0123456789"
    with pytest.raises(outgoing.Failed, match="larger than"):
        outgoing.download(url, io.BytesIO(), 9, allowed_networks=LOOPBACK)
    kind.status = 404
    with pytest.raises(outgoing.Failed, match="status 404"):
        outgoing.download(url, io.BytesIO(), 10, allowed_networks=LOOPBACK)


def test_nobody_there_is_told(settings: Any) -> None:
    settings.WEBHOOK_ALLOW_HTTP = True
    settings.WEBHOOK_PORTS = [1]
    with pytest.raises(outgoing.Failed, match="could not be told"):
        outgoing.post("http://127.0.0.1:1/", b"", {}, allowed_networks=LOOPBACK)
    with pytest.raises(outgoing.Failed, match="has no address"):
        outgoing.post("http://receiver.invalid/", b"", {}, allowed_networks=LOOPBACK)


def test_the_signature_covers_time_and_body() -> None:
    mac = hmac.new(b"secret", b'1700000000.{"a": 1}', hashlib.sha256).hexdigest()
    assert outgoing.signature("secret", b'{"a": 1}', 1_700_000_000) == f"t=1700000000,v1={mac}"
