"""What only a browser can tell: the content policy, the charts, the live progress, the focus."""

from __future__ import annotations

import pytest
from django.utils import timezone

from leaderboard import models
from leaderboard.enums import EvaluationState
from tests.browser.audit import PHONE
from tests.browser.conftest import OpenPage
from tests.leaderboard import factories
from tests.leaderboard.gallery import build_site

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_the_board_has_a_ground_for_each_scheme_and_keeps_its_first_column_in_sight(
    open_page: OpenPage,
) -> None:
    build_site()
    for scheme in ("light", "dark"):
        with open_page("/", color_scheme=scheme, viewport=PHONE) as page:
            ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert (ground == "rgb(20, 23, 26)") == (scheme == "dark")
            assert page.locator(".bar").first.is_visible()
            first = page.locator(".board tbody tr").first.locator("th")
            before = first.bounding_box()["x"]
            page.locator(".table-frame").first.evaluate("frame => frame.scrollLeft = 300")
            assert first.bounding_box()["x"] == before


def test_the_chart_appears_with_tooltips_under_the_content_policy(open_page: OpenPage) -> None:
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


def test_a_submission_is_followed_without_a_reload(open_page: OpenPage) -> None:
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


def test_the_queue_is_followed_without_a_reload(open_page: OpenPage) -> None:
    with open_page("/queue/") as page:
        page.evaluate("window.stayed = true")
        assert "Nothing waits" in page.inner_text("main")
        evaluation = factories.evaluation()
        page.wait_for_selector("text=waiting, the oldest since", timeout=15000)
        assert page.locator(f"#e-{evaluation.pk}").is_visible()
        assert "1 waiting, 0 running" in page.locator("[data-live-news]").inner_text()
        assert page.evaluate("window.stayed")


def test_the_keyboards_focus_is_visible(open_page: OpenPage) -> None:
    build_site()
    with open_page("/") as page:
        page.keyboard.press("Tab")
        skip = page.locator(".skip")
        assert skip.evaluate("e => e === document.activeElement")
        assert skip.bounding_box()["x"] >= 0
        page.keyboard.press("Tab")
        outline = "getComputedStyle(document.activeElement).outlineWidth"
        assert page.evaluate(outline) == "3px"
