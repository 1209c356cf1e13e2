"""The rank over time in a browser: drawn again by Vega, and there without scripts."""

from __future__ import annotations

from typing import Any

import pytest

from leaderboard.services.boards.history import record
from tests.browser.audit import problems_of
from tests.leaderboard import factories
from tests.leaderboard.past_world import make_past

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PHONE = {"viewport": {"width": 390, "height": 844}}


@pytest.fixture(autouse=True)
def steps(settings: Any, tmp_path: Any) -> None:
    settings.DATA_DIR = tmp_path
    past = make_past()
    past.enters(0.5, factories.potential(slug="steps"), version="1.0")
    past.enters(0.8)
    record(past.board)


def test_steps_are_drawn_without_complaint_on_a_phone(open_page: Any) -> None:
    with open_page("/potentials/steps/", **PHONE) as page:
        page.locator("#history").scroll_into_view_if_needed()
        page.wait_for_selector(".chart.is-live .chart-live svg")
        assert page.locator(".chart-live .mark-symbol.role-mark path").count() == 2
        assert problems_of(page) == []


def test_they_are_there_without_scripts(open_page: Any) -> None:
    with open_page("/potentials/steps/", java_script_enabled=False) as page:
        assert page.locator(".chart-static svg .mark-symbol path").count() >= 2
        assert "1 other came above it" in page.locator("#history ~ .columns").first.inner_text()
