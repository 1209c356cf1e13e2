"""Nothing moves while a page loads and its charts become live; scripts are few and small."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache

from tests.browser.audit import DESKTOP, PHONE, draw_charts
from tests.browser.conftest import OpenPage
from tests.browser.pages import QUESTION
from tests.browser.world import World, build_world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
MAX_SCRIPT_BYTES = 40_000
#: Of the charts; that it loads when one comes near is tested in test_swap.py.
BUNDLE = "/static/leaderboard/vendor/vega.js"
#: Google's measure of what moved on its own: shares of the window by shares of the way.
_SHIFT = """() => new Promise((resolve) => {
  const moved = [];
  new PerformanceObserver((list) => moved.push(...list.getEntries()))
    .observe({type: "layout-shift", buffered: true});
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => resolve(
    moved.filter((e) => !e.hadRecentInput).map((e) => ({
      value: e.value, what: e.sources.map((s) => (s.node?.outerHTML || "").slice(0, 100)),
    }))), 50)));
})"""
_SCRIPTS = """() => performance.getEntriesByType("resource")
  .filter((e) => e.initiatorType === "script" || /[.]js([?]|$)/.test(e.name))
  .map((e) => [new URL(e.name).pathname, e.decodedBodySize])"""


def addresses(world: World) -> list[str]:
    return [
        "/",
        "/benchmarks/core/1/",
        "/tasks/",
        "/tasks/eos-wien2k/",
        "/tasks/forces-offequilibrium/",
        world.dynamics.get_absolute_url(),
        "/potentials/sound/",
        world.system(),
        "/compare/?p=sound&p=swift",
        f"/choose/?{QUESTION}",
        "/correlation/",
        "/queue/",
        "/docs/",
    ]


@pytest.mark.slow
def test_nothing_moves_by_itself_and_scripts_are_small(open_page: OpenPage) -> None:
    cache.clear()
    world = build_world()
    for viewport in (PHONE, DESKTOP):
        with open_page("/tasks/", viewport=viewport) as page:
            # A script from a cache that the server confirms (304) would count as no bytes.
            network = page.context.new_cdp_session(page)
            network.send("Network.enable")
            network.send("Network.setCacheDisabled", {"cacheDisabled": True})
            for address in addresses(world):
                page.goto(address)
                has_charts = page.locator("[data-chart]").count() > 0
                draw_charts(page)
                loaded = scripts(page)
                assert (loaded.pop(BUNDLE, 0) > 0) == has_charts, address
                assert sum(loaded.values()) < MAX_SCRIPT_BYTES, (address, loaded)
                page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
                moved = page.evaluate(_SHIFT)
                assert total(moved) < 0.01, (address, moved)
            # That the measure sees it when something does move:
            page.evaluate("window.scrollTo(0, 0)")
            page.evaluate("document.querySelector('h1').prepend(document.createElement('hr'))")
            assert total(page.evaluate(_SHIFT)) > 0.01


def total(moved: list[dict[str, Any]]) -> float:
    return sum(shift["value"] for shift in moved)


def scripts(page: Any) -> dict[str, int]:
    """Bytes of each, unpacked: what is sent is less."""
    return dict(page.evaluate(_SCRIPTS))
