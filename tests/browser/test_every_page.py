"""Every page of the site: whole, readable and operable at both widths, light and dark."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import pytest
from django.core.cache import cache
from django.template.loader import render_to_string

from tests.browser.audit import PHONE, draw_charts, problems_of
from tests.browser.conftest import OpenPage
from tests.browser.pages import EMPTY, VISITS, Visit, names_without_a_visit, reach
from tests.browser.world import build_world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _own_cache() -> None:
    cache.clear()


def test_the_checks_find_what_is_wrong(open_page: OpenPage) -> None:
    wrong = """
      <h4 id="content">Deep</h4>
      <p class="a" style="color: #999">Pale in light</p>
      <p class="b" style="color: #444">Dull in the dark</p>
      <input><a href="/" style="font-size: 6px">a</a><a href="/" style="font-size: 6px">b</a>
      <table><tr><th>No scope</th></tr></table><div style="width: 350px; height: 9px"></div>
      <div class="table-frame" style="width: 9px"><table><tbody><tr><th scope="row" class="pinned">
      Broad</th></tr></tbody></table></div>"""
    with open_page("/tasks/", viewport=PHONE) as page:
        page.locator("main").evaluate("(e, html) => e.insertAdjacentHTML('beforeend', html)", wrong)
        found = "\n".join(problems_of(page))
    for what in (
        "level 1 is followed by", "the id content is there 2 times", "no scope", "leaves no room",
        "scrolls sideways at 320 px", "serious target-size", "critical label", "#999", "#444",
    ):  # fmt: skip
        assert what in found, what
    # Each is well enough in the other scheme.
    assert found.count("serious color-contrast") == 2


@pytest.mark.slow
@pytest.mark.parametrize("cast", [("",), ("alice", "bob", "charlie")], ids=["strangers", "members"])
def test_every_page_is_whole_and_accessible(open_page: OpenPage, cast: Sequence[str]) -> None:
    world = build_world()
    assert names_without_a_visit(world) == set()
    problems: list[str] = []
    for who in cast:
        titles: dict[str, list[str]] = defaultdict(list)
        with open_page("/tasks/", who=who, viewport=PHONE) as page:
            for visit in VISITS[who](world):
                found = reach(page, visit)
                if not visit.shares_title:
                    titles[page.title()].append(str(visit))
                draw_charts(page)
                problems += [f"{visit}: {problem}" for problem in found + problems_of(page)]
        problems += [f"{t} is the title of {v}" for t, v in titles.items() if len(v) > 1]
    assert not problems, "\n".join(problems)


def test_the_pages_of_a_young_site_are_whole_and_accessible(open_page: OpenPage) -> None:
    problems: list[str] = []
    with open_page("/tasks/", viewport=PHONE) as page:
        for visit in EMPTY:
            found = reach(page, visit) + problems_of(page)
            problems += [f"{visit}: {problem}" for problem in found]
    assert not problems, "\n".join(problems)


def test_the_pages_of_what_goes_wrong_are_whole_and_accessible(
    open_page: OpenPage, settings: Any
) -> None:
    settings.THROTTLES = {**settings.THROTTLES, "login": "1/hour"}
    settings.SIGN_UP_IS_OPEN = False
    problems: list[str] = []
    with open_page("/login/", viewport=PHONE) as page:
        # Nothing of ours breaks on demand, and this page has no variables.
        broken = {"status": 500, "body": render_to_string("500.html"), "content_type": "text/html"}
        page.route("**/?broken", lambda route: route.fulfill(**broken))
        for visit in (
            Visit("/?broken", 500),
            Visit("/signup/"),
            Visit("/login/", 403, act=sign_in_without_cookies),
            Visit("/login/", act=sign_in_in_vain),
            Visit("/login/", 429, act=sign_in_in_vain),
        ):
            found = reach(page, visit) + problems_of(page)
            problems += [f"{visit}: {problem}" for problem in found]
    assert not problems, "\n".join(problems)


def sign_in_without_cookies(page: Any) -> None:
    page.context.clear_cookies()
    sign_in_in_vain(page)


def sign_in_in_vain(page: Any) -> None:
    page.fill("[name=login]", "nobody")
    page.fill("[name=password]", "wrong")
    page.click("main button.primary")
