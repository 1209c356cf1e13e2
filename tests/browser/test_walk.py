"""A reader's way through the site: browse, sort, filter, reweigh, share, understand, choose."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.cache import cache

from tests.browser.audit import AT_A_DESK, ON_A_PHONE
from tests.browser.conftest import OpenPage
from tests.browser.world import World, build_world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
BOARD = "/benchmarks/simulation/1/"
ROWS = "#board .board tbody tr"


@pytest.fixture
def world() -> World:
    cache.clear()
    return build_world()


def test_a_board_is_browsed_narrowed_down_and_shared(open_page: OpenPage, world: World) -> None:
    for options, other in ((ON_A_PHONE, AT_A_DESK), (AT_A_DESK, ON_A_PHONE)):
        with open_page(BOARD, **options) as page:
            assert len(names(page)) == 7
            page.locator("#sort-forces").click()
            page.wait_for_selector("th[aria-sort=descending] #sort-forces")
            assert scores(page, 2) == sorted(scores(page, 2), reverse=True)
            page.locator("#sort-forces").click()
            page.wait_for_selector("th[aria-sort=ascending] #sort-forces")
            assert scores(page, 2) == sorted(scores(page, 2))
            narrow(page, elements="S, Li", licence="MIT", text="mace")
            assert names(page) == ["Swift", "Sound"]
            overall = scores(page, 1)
            reweigh(page, "Crystals", "0")
            assert page.locator("#panel-weights").get_attribute("open") is not None
            assert scores(page, 1) == [0.55, 0.85] != overall
            address, shown = page.url, page.locator("#board .board").inner_text()
        for part in ("sort=", "elements=S%2CLi", "licence=MIT", "text=mace", "weight.Crystals=0"):
            assert part in address
        # Another reader, on another device.
        with open_page(address, **other) as page:
            assert page.locator("#board .board").inner_text() == shown


@pytest.mark.slow
def test_a_reader_goes_from_a_board_to_a_structure_compares_and_chooses(
    open_page: OpenPage, world: World
) -> None:
    for options in (ON_A_PHONE, AT_A_DESK):
        with open_page("/", **options) as page:
            page.locator(".stacks a", has_text="Crystals").click()
            assert page.locator("h1").inner_text().startswith("Crystals")
            page.goto("/tasks/eos-wien2k/")
            assert page.locator("#ranking tbody th[scope=row]").count() == 7
            page.locator("[data-chart]").first.scroll_into_view_if_needed()
            page.wait_for_selector(".chart.is-live")
            page.locator(".chart-live .mark-symbol path").nth(3).click(force=True)
            page.wait_for_url("**/tasks/eos-wien2k/1/systems/*/")

            page.goto(world.system())
            assert page.locator(".structure circle").count() == 14  # fcc: 8 corners, 6 faces
            assert "123.25" in page.locator("#numbers ~ form").inner_text()
            page.locator("#numbers ~ form a", has_text="CHGNet").first.click()
            page.wait_for_url("**/potentials/chgnet/")
            assert page.locator(".periodic-frame svg text").filter(has_text="Cu").count() > 0

            page.goto("/compare/")
            page.locator("select[name=p]").nth(0).select_option("chgnet:0.3.0")
            page.locator("select[name=p]").nth(1).select_option("m3gnet:2021.2.8")
            page.locator("main button.primary").click()
            page.wait_for_url("**/compare/?p=chgnet%3A0.3.0&p=m3gnet%3A2021.2.8**")
            assert "worse" in page.locator("main").inner_text()
            page.locator("footer a", has_text="Do tasks agree?").click()
            assert page.locator(".ranks tbody tr").count() == 4

            page.locator(".site-name").click()
            answer = answered_in_two_clicks(page)
            address = page.url
        with open_page(address, **options) as page:
            assert page.locator("section.answer .podium").inner_text() == answer


def answered_in_two_clicks(page: Any) -> str:
    """10,000 atoms of Li-P-S at 600 K on one GPU, open licence: which potential?"""
    page.click("nav >> text=Choose")
    page.click("text=10 000 atoms of Li-P-S at 600 K on one GPU, open licence")
    answer = page.locator("section.answer")
    assert re.match(r"\d of \d+ potentials can be recommended", answer.inner_text())
    shown: str = answer.locator(".podium").inner_text()
    assert answer.locator(".podium h3").first.inner_text().startswith("Sound")
    answer.locator("summary", has_text="Out, and why").click()
    assert "Does not support S." in answer.inner_text()
    assert "Its licence, ASL, is not known to be open." in answer.inner_text()
    return shown


@pytest.mark.slow
def test_everything_can_be_read_and_asked_without_scripts(
    open_page: OpenPage, world: World
) -> None:
    with open_page(BOARD, java_script_enabled=False, **ON_A_PHONE) as page:
        assert scores(page, 1) == sorted(scores(page, 1), reverse=True)
        page.locator("#sort-name").click()
        assert names(page) == sorted(names(page), key=str.casefold)
        narrow(page, elements="S", licence="MIT", text="mace")
        reweigh(page, "Crystals", "0")
        assert (names(page), scores(page, 1)) == (["Sound", "Swift"], [0.85, 0.55])

        for name, listed in {
            "Tasks": "Off-equilibrium forces",
            "Potentials": "CHGNet",
            "Queue": "waiting",
            "How it works": "Quick start",
        }.items():
            page.click(f"nav >> text={name}")
            assert listed in page.locator("main").inner_text()

        page.goto("/tasks/forces-offequilibrium/")
        assert page.locator("#ranking tbody tr").count() == 6
        assert_drawn(page)
        page.goto("/tasks/eos-wien2k/")
        point = page.locator(".chart-static svg a").nth(5)
        page.goto(point.get_attribute("xlink:href"))
        assert re.search("/tasks/eos-wien2k/1/systems/[A-Z][a-z]?/$", page.url)
        assert page.locator("#numbers").is_visible()
        page.goto(world.dynamics.get_absolute_url())
        assert "ended well" not in page.locator("main").inner_text()
        assert page.locator("#systems ~ .table-frame tbody tr").count() == 2
        assert_drawn(page)
        page.goto(world.system())
        assert page.locator(".structure circle").count() == 14
        assert_drawn(page)
        page.goto("/potentials/sound/")
        assert page.locator(".periodic-frame svg").first.is_visible()
        assert_drawn(page)

        page.goto("/choose/")
        page.fill("[name=elements]", "Li,P,S")
        page.click("text=Find potentials")
        assert "can be recommended" in page.locator("#answer").inner_text()
        assert_drawn(page)
        page.click("text=on every task")
        assert page.locator("th[scope=row]", has_text="Forces").first.is_visible()
        page.goto("/correlation/")
        assert page.locator(".ranks tbody tr").count() == 4
        assert_drawn(page)


def names(page: Any) -> list[str]:
    """Of the board's rows, from the top."""
    return page.locator(f"{ROWS} .name > a:first-child").all_inner_texts()  # type: ignore[no-any-return]


def scores(page: Any, column: int) -> list[float]:
    """Of the rows that have one: column 1 is the overall score, those of the tasks follow."""
    cells = page.locator(f"{ROWS} > :nth-child({column + 1}) .value").all_inner_texts()
    return [float(text) for text in cells]


def narrow(page: Any, **filters: str) -> None:
    """Type into the panel of filters; ``text`` last, which the board follows as one types."""
    if page.locator("#panel-filter").get_attribute("open") is None:
        page.locator("#panel-filter summary").click()
    for name, text in filters.items():
        page.fill(f"#panel-filter [name={name}]", text)
    page.locator("#panel-filter [name=text]").press("Enter")
    page.wait_for_selector("#board .board-count:has-text('versions match')")
    page.wait_for_url(f"**text={filters['text']}**")


def reweigh(page: Any, category: str, weight: str) -> None:
    if page.locator("#panel-weights").get_attribute("open") is None:
        page.locator("#panel-weights summary").click()
    field = page.locator(f"[name='weight.{category}']")
    field.fill(weight)
    field.press("Enter")
    page.wait_for_url(f"**weight.{category}={weight}**")
    page.wait_for_selector("th.task .unit:text-is('0 % of overall')")


def assert_drawn(page: Any) -> None:
    """Every chart shows the server's drawing."""
    drawings = page.locator("[data-chart] .chart-static svg")
    assert drawings.count() == page.locator("[data-chart]").count() > 0
    assert all(drawing.is_visible() for drawing in drawings.all())
