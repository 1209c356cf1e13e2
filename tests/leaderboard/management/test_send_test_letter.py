"""The operator's letter, to a mail server that really listens."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.mail import get_connection
from django.core.management import CommandError, call_command


class Conversation(socketserver.StreamRequestHandler):
    """Just enough SMTP to take one letter, or to refuse its recipient."""

    server: MailServer

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        is_letter = False
        for line in self.rfile:
            if is_letter:
                self.server.lines.append(line.decode().rstrip())
                if line != b".\r\n":
                    continue
                is_letter = False
            verb = line[:4].upper()
            is_letter = verb == b"DATA"
            refused = verb == b"RCPT" and self.server.refuses
            reply = b"554 no" if refused else b"354 go on" if is_letter else b"250 well"
            self.wfile.write((b"221 bye" if verb == b"QUIT" else reply) + b"\r\n")
            if verb == b"QUIT":
                return


class MailServer(socketserver.TCPServer):
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.lines: list[str] = []
        self.refuses = False


@pytest.fixture
def server(settings: Any) -> Iterator[MailServer]:
    with MailServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = server.server_address
        settings.EMAIL_USE_TLS = False
        assert get_connection().port == settings.EMAIL_PORT  # type: ignore[attr-defined]
        yield server
        server.shutdown()
        thread.join()


def test_the_letter_arrives(server: MailServer, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("send_test_letter", "operator@example.org")
    assert "Subject: Touchstone: a test letter" in server.lines
    assert "To: operator@example.org" in server.lines
    assert "took a letter from" in capsys.readouterr().out


def test_a_refusal_and_a_dead_server_are_told_in_a_sentence(
    server: MailServer, settings: Any
) -> None:
    server.refuses = True
    with pytest.raises(CommandError, match="did not take it: SMTPRecipientsRefused"):
        call_command("send_test_letter", "operator@example.org")
    assert server.lines == []

    settings.EMAIL_PORT = 1
    with pytest.raises(CommandError, match=r"127\.0\.0\.1:1 did not take it: Connection"):
        call_command("send_test_letter", "operator@example.org")


def test_without_a_server_or_an_address_nothing_is_claimed(settings: Any) -> None:
    settings.EMAIL_HOST = ""
    with pytest.raises(CommandError, match="no letter is sent"):
        call_command("send_test_letter", "operator@example.org")
    with pytest.raises(CommandError, match="is no e-mail address"):
        call_command("send_test_letter", "operator")
