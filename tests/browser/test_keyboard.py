"""A reader without a mouse: everything is reached, seen where it is, operated, and left again."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache

from tests.browser.conftest import OpenPage
from tests.browser.world import build_world
from tests.leaderboard.gallery import build_site

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
#: What has the focus, and what is wrong with how it is seen.
_FOCUS = """() => {
  const e = document.activeElement;
  if (!e || e === document.body) return null;
  const style = getComputedStyle(e), box = e.getBoundingClientRect();
  const isMarked = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  const inside = [0.1, 0.5, 0.9].flatMap((x) => [0.1, 0.5, 0.9].map((y) => [x, y]));
  const isSeen = inside.some(([x, y]) => {
    const top = document.elementFromPoint(box.left + x * box.width, box.top + y * box.height);
    return top && (e.contains(top) || top.contains(e));
  });
  window.stops ||= [];
  const at = window.stops.indexOf(e);
  window.stops.push(e);
  return {told: e.outerHTML.slice(0, 110), isMarked, isSeen, at};
}"""
#: Of the elements that are there to be operated, those that the focus never reached.
_MISSED = """() => {
  const operated = "a[href], button, input, select, textarea, summary, [tabindex='0']";
  return [...document.querySelectorAll(operated)]
    .filter((e) => e.type !== "hidden" && e.checkVisibility({visibilityProperty: true}))
    .filter((e) => !window.stops.includes(e))
    .map((e) => e.outerHTML.slice(0, 110));
}"""


@pytest.fixture(autouse=True)
def _own_cache() -> None:
    cache.clear()


@pytest.mark.slow
def test_the_tab_key_reaches_everything_in_sight_and_leaves_again(open_page: OpenPage) -> None:
    world = build_world()
    addresses = ("/", "/tasks/heating-copper/", world.system(), "/choose/", "/submissions/new/")
    for width in (390, 1280):
        viewport = {"width": width, "height": 700}
        with open_page("/", who="alice", viewport=viewport, reduced_motion="reduce") as page:
            for address in addresses:
                page.goto(address)
                problems = tabbed_through(page)
                assert not problems, "\n".join([address, *problems])
            say_what_is_wrong(page)


def say_what_is_wrong(page: Any) -> None:
    """A form that is sent by the Enter key tells its error at the field and to a screen reader."""
    page.goto("/potentials/sound/edit/")
    field = page.locator("[name=n_parameters]")
    field.fill("many")
    field.press("Enter")
    assert field.get_attribute("aria-invalid") == "true"
    assert page.locator(f"#{field.get_attribute('aria-describedby').split()[0]}").inner_text()
    assert page.locator("[role=alert]").first.is_visible()


def tabbed_through(page: Any) -> list[str]:
    """Until the focus leaves the page, or begins again at its first stop."""
    problems: list[str] = []
    while True:
        page.keyboard.press("Tab")
        focus = page.evaluate(_FOCUS)
        if focus is None or focus["at"] >= 0:
            break
        problems += [] if focus["isMarked"] else [f"not marked: {focus['told']}"]
        problems += [] if focus["isSeen"] else [f"covered: {focus['told']}"]
    if focus is not None and focus["at"] > 0:
        problems.append(f"comes back to: {focus['told']}")
    return problems + [f"never reached: {missed}" for missed in page.evaluate(_MISSED)]


def test_a_board_is_filtered_sorted_and_explained_by_keys(open_page: OpenPage) -> None:
    build_site()
    with open_page("/") as page:
        page.locator("#panel-filter summary").focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        page.keyboard.type("chgnet")
        page.wait_for_selector(".board-count:has-text('3 of 8 versions match')")
        assert page.evaluate("document.activeElement.name") == "text"
        page.locator("#sort-eos-wien2k").focus()
        page.keyboard.press("Enter")
        page.wait_for_selector("th[aria-sort=descending] #sort-eos-wien2k")
        assert page.evaluate("document.activeElement.id") == "sort-eos-wien2k"
        page.locator("#sort-rank").focus()
        tooltip_comes_and_goes(page)


def tooltip_comes_and_goes(page: Any) -> None:
    """With the focus or the pointer, which may come over it; Escape puts it away."""
    heading = page.locator("th.task", has_text="Equation of state")
    tip = heading.locator(".tip")
    for come, go in (
        (heading.locator("a").focus, page.locator("#sort-rank").focus),
        (heading.hover, page.locator("h1").hover),
    ):
        assert not tip.is_visible()
        come()
        assert "1 scores 1, 50 meV/atom scores 0" in tip.inner_text()
        page.keyboard.press("Escape")
        assert not tip.is_visible()
        go()
        come()
        tip.hover()
        assert tip.is_visible()
        page.mouse.move(0, 0)
        go()


def test_the_points_of_a_chart_are_walked_told_and_followed_by_keys(open_page: OpenPage) -> None:
    build_site()
    with open_page("/tasks/eos-wien2k/", viewport={"width": 390, "height": 500}) as page:
        # A link in the drawing keeps the focus; the live chart waits until it has gone.
        link = page.locator(".chart-static a").first
        link.focus()
        page.wait_for_selector(".chart-live svg", state="attached")
        assert link.evaluate("e => e === document.activeElement")
        assert page.locator(".chart.is-live").count() == 0
        page.locator("figure + form select").focus()
        page.wait_for_selector(".chart.is-live")

        points = page.locator(".chart-live [role=link]")
        assert points.count() > 100
        assert page.locator(".chart-live [tabindex='0']").count() == 1
        points.first.focus()
        for key in ("ArrowRight", "ArrowRight", "ArrowLeft"):
            page.keyboard.press(key)
        told = page.evaluate("document.activeElement.getAttribute('aria-label')")
        assert told == points.nth(1).get_attribute("aria-label")
        system = told.split("system: ")[1].split(";")[0]
        tooltip = page.locator("#vg-tooltip-element")
        assert system in tooltip.inner_text()
        page.keyboard.press("Escape")
        assert not tooltip.is_visible()
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/tasks/eos-wien2k/1/systems/{system}/")
