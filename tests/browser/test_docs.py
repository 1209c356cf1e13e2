"""The pages that explain, and texts of strangers, in a real browser."""

from __future__ import annotations

from typing import Any

import pytest

from leaderboard.web.docs.listing import PAGES
from tests.leaderboard import factories

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PHONE = {"viewport": {"width": 390, "height": 844}}
SCROLLS = "document.documentElement.scrollWidth > innerWidth"
HOSTILE = (
    "# \u202eTitle\n\n" + "w" * 3000 + "\n\n" + "|" + "c|" * 9 + "\n|" + "-|" * 9 + "\n|"
    + "a_long_word_in_a_cell|" * 9 + "\n\n```\n" + "x" * 3000 + "\n```\n\n"
    "[](https://a.example) ![](https://tracker.example/x.png) <script>document.title = 'x'</script>"
)  # fmt: skip


def test_every_page_of_the_documentation_fits_a_phone(open_page: Any) -> None:
    with open_page("/docs/", **PHONE) as page:
        for other in PAGES.values():
            page.goto(other.address)
            assert not page.evaluate(SCROLLS), other.address
            here = page.locator(".docs-nav [aria-current=page]")
            assert here.inner_text() == other.label
            assert page.locator("h1").is_visible()


def test_the_list_of_pages_stays_beside_the_text_on_a_wide_screen(open_page: Any) -> None:
    with open_page("/docs/api/", java_script_enabled=False) as page:
        page.click(".contents >> text=Errors")
        nav, heading = page.locator(".docs-nav"), page.locator("#errors")
        assert heading.is_visible()
        box = nav.bounding_box()
        assert 0 <= box["y"] < 100
        assert box["x"] + box["width"] < heading.bounding_box()["x"]
        page.click(".docs-nav >> text=How scores are made")
        assert page.locator("h1").inner_text() == "How scores are made"


@pytest.mark.parametrize("width", [390, 1280])
def test_a_hostile_description_leaves_the_page_in_shape(open_page: Any, width: int) -> None:
    potential = factories.potential(slug="evil", name="Evil", description=HOSTILE)
    factories.submission(potential)
    size = {"viewport": {"width": width, "height": 844}}
    with open_page("/potentials/evil/", **size) as page:
        assert not page.evaluate(SCROLLS)
        assert page.title().startswith("Evil")
        assert page.locator(".markdown h3").inner_text() == "Title"
        assert page.locator(".markdown img").count() == 0
        assert page.locator(".markdown a").inner_text() == "https://a.example"
