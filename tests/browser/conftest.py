"""A real browser on a real server. Skipped with a reason where chromium is absent."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture
def browser(live_server: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Started for each test: its event loop would stand in the way of every other test."""
    # While it runs, Django would take this thread for asynchronous code.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("needs chromium: apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    call_command("build_static", verbosity=0)
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield chromium
        chromium.close()
        # Those opened under its loop are others than the thread's own; nobody else closes them.
        connections.close_all()


@pytest.fixture
def open_page(browser: Any, live_server: Any) -> Callable[..., AbstractContextManager[Any]]:
    """Open an address; when it is closed, nothing may have been complained of on the console."""

    @contextmanager
    def opened(address: str, **options: Any) -> Iterator[Any]:
        context = browser.new_context(base_url=live_server.url, **options)
        page = context.new_page()
        complaints: list[str] = []
        context.complaints = complaints  # for a test that expects some
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((live_server.url, "data:"))
                else complaints.append(f"asked elsewhere: {request.url}")
            ),
        )
        page.goto(address)
        yield page
        context.close()
        assert complaints == []

    return opened
