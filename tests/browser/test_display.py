"""A reader's own way of seeing: colours of his own, and less motion."""

from __future__ import annotations

import re

import pytest
from django.core.cache import cache

from tests.browser.conftest import OpenPage
from tests.leaderboard.gallery import build_site

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
_COLOURS = """() => {
  const probe = document.createElement("p");
  probe.style.cssText = "color: CanvasText; background: Canvas; forced-color-adjust: none";
  document.body.append(probe);
  const {color, backgroundColor} = getComputedStyle(probe);
  const of = (what) => getComputedStyle(document.querySelector(what));
  return {
    ink: color, ground: backgroundColor, bar: of("td .bar path + path").stroke,
    cell: of("td[class*=heat-]").backgroundColor, legend: of(".legend li:has(.scale)").display,
  };
}"""


def test_with_forced_colours_heat_gives_way_to_numbers_and_bars(open_page: OpenPage) -> None:
    cache.clear()
    build_site()
    for scheme in ("light", "dark"):
        with open_page("/", forced_colors="active", color_scheme=scheme) as page:
            seen = page.evaluate(_COLOURS)
            assert seen["bar"] == seen["ink"]
            assert rgb(seen["cell"]) == rgb(seen["ground"]) != rgb(seen["ink"])
            assert seen["legend"] == "none"
            assert page.locator("td[class*=heat-] .value").first.is_visible()
            page.goto("/potentials/chgnet/")
            fill = page.locator(".periodic text").first.evaluate("e => getComputedStyle(e).fill")
            assert fill == seen["ink"]


def rgb(colour: str) -> list[str]:
    """Without how much of it covers the ground."""
    return re.findall(r"[0-9.]+", colour)[:3]


def test_nothing_glides_for_those_who_want_less_motion(open_page: OpenPage) -> None:
    behaviour = "getComputedStyle(document.documentElement).scrollBehavior"
    moves = "document.getAnimations().length"
    for wish, expected in (("reduce", "auto"), ("no-preference", "smooth")):
        with open_page("/tasks/", reduced_motion=wish) as page:
            assert page.evaluate(behaviour) == expected
            assert page.evaluate(moves) == 0
