"""A real browser on a real server. Skipped with a reason where chromium is absent."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.management import call_command
from django.db import connections
from django.test import Client

from tests.end_to_end.site import Site, running_site
from tests.leaderboard.stored_files import keep_files_in

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
OpenPage = Callable[..., AbstractContextManager[Any]]


@pytest.fixture(scope="session")
def chromium() -> Iterator[tuple[Any, asyncio.AbstractEventLoop]]:
    """One program for all tests, and the event loop that Playwright leaves running in this thread.

    Between tests the loop is put away: it would stand in the way of every other test.
    """
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("needs chromium: apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    call_command("build_static", verbosity=0)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        loop = asyncio.get_running_loop()
        asyncio._set_running_loop(None)
        yield browser, loop
        asyncio._set_running_loop(loop)
        browser.close()


@pytest.fixture
def browser(live_server: Any, chromium: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    browser, loop = chromium
    # While the loop is there, Django takes this thread for asynchronous code.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    asyncio._set_running_loop(loop)
    yield browser
    for context in browser.contexts:  # of a test that failed
        context.close()
    # Those opened under the loop are others than the thread's own; nobody else closes them.
    connections.close_all()
    asyncio._set_running_loop(None)


@pytest.fixture
def open_page(browser: Any, live_server: Any) -> OpenPage:
    """Open an address; when it is closed, nothing may have been complained of on the console.

    ``who`` is signed in. Nothing may be asked of another host, on this page or a later one. That a
    page's own status is an error is no complaint: tests of such pages say which one they expect.
    """

    @contextmanager
    def opened(address: str, *, who: str = "", **options: Any) -> Iterator[Any]:
        context = browser.new_context(base_url=live_server.url, **options)
        if who:
            context.add_cookies([session_of(who, live_server.url)])
        page = context.new_page()
        complaints: list[str] = []
        context.complaints = complaints  # for a test that expects some
        pages: set[str] = set()

        def hear(message: Any) -> None:
            is_status = message.text.startswith("Failed to load resource: the server responded")
            if not (is_status and message.location["url"] in pages):
                complaints.append(f"{page.url}: {message.text}")

        def see(request: Any) -> None:
            if request.is_navigation_request():
                pages.add(request.url)
            if not request.url.startswith((live_server.url, "data:")):
                complaints.append(f"{page.url} asked elsewhere: {request.url}")

        page.on("console", hear)
        page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
        page.on("request", see)
        page.goto(address)
        yield page
        context.close()
        assert complaints == []

    return opened


@pytest.fixture
def site(
    transactional_db: None, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    """With a folder and a broker of its own."""
    cache.clear()
    keep_files_in(settings, tmp_path)
    with running_site(tmp_path, monkeypatch) as site:
        yield site


def session_of(name: str, url: str) -> Any:
    """The cookie of somebody who is signed in."""
    client = Client()
    client.force_login(User.objects.get(username=name))
    return {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": url}
