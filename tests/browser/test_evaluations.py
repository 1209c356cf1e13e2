"""The page of an evaluation, for who may submit: it is stopped and asked for again there."""

from __future__ import annotations

import pytest
from django.core.cache import cache

from tests.browser.audit import DESKTOP, PHONE, wide_problems
from tests.browser.conftest import OpenPage
from tests.leaderboard import factories

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def test_its_owner_stops_an_evaluation_and_has_it_evaluated_again(open_page: OpenPage) -> None:
    cache.clear()
    evaluation = factories.evaluation()
    owner = evaluation.submission.potential.owner
    with open_page(evaluation.get_absolute_url(), who=owner.username, viewport=PHONE) as page:
        page.click("text=Cancel this evaluation")
        assert wide_problems(page) == []
        page.click("button:has-text('Cancel it')")
        page.wait_for_selector("text=It is stopped.")
        page.set_viewport_size(DESKTOP)
        page.click("summary:has-text('Evaluate again')")
        assert wide_problems(page) == []
        page.click("button:has-text('Evaluate again')")  # the browser asks for the reason first
        page.fill("[name=reason]", "stopped by mistake")
        page.click("button:has-text('Evaluate again')")
        page.wait_for_selector("text=Repeated because: stopped by mistake")
        assert page.locator("text=Evaluate again").count() == 0
    new = evaluation.submission.evaluations.get(is_current=True)
    assert new.get_absolute_url() != evaluation.get_absolute_url()
    assert new.reason == "stopped by mistake"
