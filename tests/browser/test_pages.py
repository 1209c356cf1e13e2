"""What only a browser can tell: the content policy, the charts, the live progress, the focus."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from leaderboard import models
from leaderboard.enums import EvaluationState
from tests.leaderboard import factories
from tests.leaderboard.gallery import build_site

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PHONE = {"viewport": {"width": 390, "height": 844}}
SCROLLS = "document.documentElement.scrollWidth > innerWidth"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_board_is_drawn_on_a_phone_without_complaint(open_page: Any, scheme: str) -> None:
    build_site()
    with open_page("/", color_scheme=scheme, **PHONE) as page:
        assert page.locator(".board tbody tr").count() == 8
        assert page.locator(".bar").first.is_visible()
        assert not page.evaluate(SCROLLS)
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (ground == "rgb(20, 23, 26)") == (scheme == "dark")


def test_the_first_column_and_the_heading_stay_in_sight(open_page: Any) -> None:
    build_site()
    with open_page("/", **PHONE) as page:
        first = page.locator(".board tbody tr").first.locator("th")
        before = first.bounding_box()["x"]
        page.locator(".table-frame").first.evaluate("frame => frame.scrollLeft = 300")
        assert first.bounding_box()["x"] == before


def test_the_chart_appears_with_tooltips_under_the_content_policy(open_page: Any) -> None:
    build_site()
    with open_page("/tasks/eos-wien2k/") as page:
        page.locator(".chart").first.scroll_into_view_if_needed()
        page.wait_for_selector(".chart.is-live .chart-live svg")
        marks = page.locator(".chart-live .mark-symbol.role-mark path")
        assert marks.count() > 100
        marks.nth(30).hover(force=True)
        page.wait_for_selector("#vg-tooltip-element.visible")
        assert "predicted / GPa" in page.locator("#vg-tooltip-element").inner_text()
        assert not page.locator(".chart-static").is_visible()


def test_the_chart_is_there_without_scripts_and_leads_to_its_system(open_page: Any) -> None:
    build_site()
    with open_page("/tasks/eos-wien2k/", java_script_enabled=False) as page:
        link = page.locator(".chart-static svg a").nth(5)
        address = link.get_attribute("xlink:href")
        assert address.startswith("/tasks/eos-wien2k/1/systems/")
        page.goto(address)
        assert page.locator("#numbers").is_visible()


def test_a_submission_is_followed_without_a_reload(open_page: Any) -> None:
    evaluation = factories.evaluation()
    with open_page(evaluation.submission.get_absolute_url()) as page:
        page.evaluate("window.stayed = true")
        assert "place 1 in the queue" in page.inner_text("main")
        models.Evaluation.objects.filter(pk=evaluation.pk).update(
            state=EvaluationState.SUCCEEDED, verdict="ok", score=0.734, finished_at=timezone.now()
        )
        page.wait_for_selector("[data-ended]", state="attached", timeout=8000)
        assert "0.734" in page.inner_text("main")
        assert page.evaluate("window.stayed")
        assert "evaluation ended" in page.locator("[data-live-news]").inner_text()


def test_the_queue_is_followed_without_a_reload(open_page: Any) -> None:
    with open_page("/queue/") as page:
        page.evaluate("window.stayed = true")
        assert "Nothing waits" in page.inner_text("main")
        evaluation = factories.evaluation()
        page.wait_for_selector("text=waiting, the oldest since", timeout=15000)
        assert page.locator(f"#e-{evaluation.pk}").is_visible()
        assert "1 waiting, 0 running" in page.locator("[data-live-news]").inner_text()
        assert page.evaluate("window.stayed")


def test_the_keyboards_focus_is_visible(open_page: Any) -> None:
    build_site()
    with open_page("/") as page:
        page.keyboard.press("Tab")
        skip = page.locator(".skip")
        assert skip.evaluate("e => e === document.activeElement")
        assert skip.bounding_box()["x"] >= 0
        page.keyboard.press("Tab")
        outline = "getComputedStyle(document.activeElement).outlineWidth"
        assert page.evaluate(outline) == "3px"
