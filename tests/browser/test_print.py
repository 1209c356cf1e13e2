"""Pages on paper: whole, dark on white whatever the screen's scheme, nothing to press."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.cache import cache

from tests.browser.conftest import OpenPage
from tests.browser.world import build_world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
DARK = {"color_scheme": "dark", "viewport": {"width": 1000, "height": 700}}

#: Boxes that would hide a part of what they hold, or stand over it.
_CLIPPED = """() => [...document.querySelectorAll("main *")]
  .filter((e) => e instanceof HTMLElement && e.checkVisibility() && !e.closest(".visually-hidden"))
  .filter((e) => {
    const style = getComputedStyle(e);
    const isLarger = e.scrollHeight > e.clientHeight + 1 || e.scrollWidth > e.clientWidth + 1;
    return (style.overflow !== "visible" && isLarger) || style.position === "sticky";
  })
  .map((e) => e.outerHTML.slice(0, 120))"""
_COLOUR = "([what, of]) => getComputedStyle(document.querySelector(what))[of].match(/[0-9.]+/g)"


@pytest.mark.slow
def test_pages_print_whole_in_dark_letters_on_white(open_page: OpenPage) -> None:
    cache.clear()
    world = build_world()
    addresses = ("/", "/tasks/eos-wien2k/", "/potentials/chgnet/", world.system(), "/docs/scores/")
    with open_page("/tasks/", **DARK) as page:
        for address in addresses:
            page.goto(address)
            page.emulate_media(media="print")
            assert page.evaluate(_CLIPPED) == [], address
            assert brightness(page, "body", "backgroundColor") > 240
            for what in ("h1", "main p", "main a"):
                assert brightness(page, what, "color") < 110, (address, what)
            for pressed in ("nav.site-nav", "footer", "main button", "main input"):
                assert not any(e.is_visible() for e in page.locator(pressed).all()), pressed
            for table in page.locator("main table").all():
                assert table.is_visible(), address
            for folded in page.locator("main :not(form) > details:not([open]) > p").all():
                assert folded.evaluate("e => e.checkVisibility()"), address
            # A board lies across the sheet.
            width, height = paper(page)
            assert (width > height) == (page.locator(".board").count() > 0)
            page.emulate_media(media="screen")


def paper(page: Any) -> tuple[float, float]:
    """Size of the first sheet of the PDF."""
    pdf = page.pdf(format="A4", prefer_css_page_size=True)
    found = re.search(rb"/MediaBox \[0 0 ([0-9.]+) ([0-9.]+)\]", pdf)
    assert found is not None
    return float(found[1]), float(found[2])


def brightness(page: Any, what: str, of: str) -> float:
    """From 0 to 255."""
    red, green, blue, *_ = map(float, page.evaluate(_COLOUR, [what, of]))
    return 0.299 * red + 0.587 * green + 0.114 * blue
