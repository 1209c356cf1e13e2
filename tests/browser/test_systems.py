"""The structure turns, its keys and the form work, under the content policy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from leaderboard import models
from leaderboard.web.boards.systems import address_of_system
from tests.leaderboard import factories
from tests.leaderboard.web.boards.test_systems import answered, stored_set

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SCROLLS = "document.documentElement.scrollWidth > innerWidth"
PHONE = {"viewport": {"width": 390, "height": 844}}


@pytest.fixture(autouse=True)
def data_dir(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_structure_is_turned_by_keys_and_by_dragging(open_page: Any, scheme: str) -> None:
    version = factories.task_version(reference_set=stored_set())
    answered(version)
    with open_page(address_of_system(version, "cu"), color_scheme=scheme, **PHONE) as page:
        first = page.locator(".structure circle").first
        start = first.get_attribute("cx")
        page.locator(".structure-frame").focus()
        page.keyboard.press("ArrowLeft")
        turned = first.get_attribute("cx")
        assert turned != start
        box = page.locator(".structure").bounding_box()
        page.mouse.move(box["x"] + 100, box["y"] + 100)
        page.mouse.down()
        page.mouse.move(box["x"] + 160, box["y"] + 100)
        page.mouse.up()
        assert first.get_attribute("cx") != turned
        page.locator(".chart").first.scroll_into_view_if_needed()
        page.wait_for_selector(".chart.is-live")
        assert not page.evaluate(SCROLLS)


def test_a_version_is_submitted_by_form_and_followed(open_page: Any) -> None:
    factories.user("alice")
    with open_page("/submissions/new/", who="alice", **PHONE) as page:
        assert not page.evaluate(SCROLLS)
        page.fill("#name", "My EMT")
        page.fill("#slug", "my-emt")
        page.fill("#version", "1.0")
        page.select_option("#kind", "ase")
        file = {
            "name": "emt.json",
            "mimeType": "application/json",
            "buffer": b'{"calculator":"emt"}',
        }
        page.set_input_files("#artifact", file)
        page.click("text=Submit and evaluate")
        page.wait_for_url("**/submissions/*-*/")
        assert page.url.endswith(models.Submission.objects.get().get_absolute_url())
