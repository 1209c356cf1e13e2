"""Filters and links of the board change a part of the page, without a reload; charts load late."""

from __future__ import annotations

from typing import Any

import pytest

from tests.leaderboard.gallery import build_site

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
ROWS = ".board tbody tr"
STAYED = "window.stayed === true"


def names(page: Any) -> list[str]:
    return page.locator(f"{ROWS} .name > a:first-child").all_inner_texts()


def test_the_board_follows_what_is_typed_and_keeps_the_cursor(open_page: Any) -> None:
    build_site()
    with open_page("/") as page:
        page.evaluate("window.stayed = true")
        page.locator("#panel-filter summary").click()
        page.locator("input[name=text]").press_sequentially("chgnet", delay=30)
        page.wait_for_url("**/?text=chgnet")
        page.wait_for_function(f"document.querySelectorAll('{ROWS}').length < 8")
        assert all("CHGNet" in name for name in names(page))
        page.keyboard.type(" 0.3")
        page.wait_for_url("**/?text=chgnet+0.3")
        assert page.input_value("input[name=text]") == "chgnet 0.3"
        assert "of 8 versions match" in page.locator("[data-swap-news]").inner_text()
        assert page.evaluate(STAYED)


def test_what_is_typed_while_an_answer_is_on_its_way_is_not_lost(open_page: Any) -> None:
    build_site()
    with open_page("/") as page:
        held: list[Any] = []
        page.route("**/*elements=Si*", lambda route: held.append(route))
        page.locator("#panel-filter summary").click()
        page.fill("#panel-filter [name=elements]", "Si")
        page.locator("#panel-filter [name=licence]").press_sequentially("MI")
        held[0].continue_()
        page.wait_for_url("**elements=Si**")
        page.keyboard.type("T")
        assert page.input_value("#panel-filter [name=licence]") == "MIT"
        page.unroute("**/*elements=Si*")
        page.keyboard.press("Tab")
        page.wait_for_url("**licence=MIT**")
        assert "elements=Si" in page.url


def test_sorting_and_going_back_need_no_reload(open_page: Any) -> None:
    build_site()
    with open_page("/") as page:
        page.evaluate("window.stayed = true")
        at_first = names(page)
        page.locator("#sort-name").focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/?sort=name")
        page.wait_for_selector("th[aria-sort=ascending] #sort-name")
        assert names(page) == sorted(at_first, key=str.casefold)
        assert page.evaluate("document.activeElement.id") == "sort-name"
        page.go_back()
        page.wait_for_selector("th[aria-sort=descending] #sort-rank")
        assert names(page) == at_first
        assert page.evaluate(STAYED)


def test_what_cannot_be_read_is_told_without_a_reload(open_page: Any) -> None:
    build_site()
    with open_page("/") as page:
        page.evaluate("window.stayed = true")
        page.locator("#panel-filter summary").click()
        page.fill("#board input[name=elements]", "Xx")
        page.keyboard.press("Enter")
        page.wait_for_selector("#board [role=alert]")
        assert "no chemical symbol" in page.locator("#board [role=alert]").inner_text()
        assert page.evaluate(STAYED)
        page.context.complaints.clear()  # the console tells of the answer's status, 400


def test_the_question_of_the_first_page_is_answered_by_one_click(open_page: Any) -> None:
    build_site()
    with open_page("/") as page:
        form = page.locator("form.ask")
        form.locator("[name=elements]").fill("Li-P-S")
        form.locator("[name=n_atoms]").fill("10000")
        form.locator("[name=temperature_K]").fill("600")
        form.locator("[name=hardware]").select_option("gpu")
        form.locator("[name=licence]").select_option("open")
        form.locator("button").click()
        page.wait_for_selector("#answer")
        assert "Li-P-S, 10 000 atoms" in page.inner_text("main").replace("\u202f", " ").replace(
            "\xa0", " "
        )


def test_the_chart_bundle_loads_when_a_chart_comes_near(open_page: Any) -> None:
    build_site()
    with open_page("/tasks/eos-wien2k/", viewport={"width": 390, "height": 500}) as page:
        scripts = "performance.getEntriesByType('resource').filter(e => /vega/.test(e.name)).length"
        figure = page.locator("[data-chart]").first
        assert figure.bounding_box()["y"] > 900
        assert page.evaluate(scripts) == 0
        before = figure.bounding_box()["height"]
        figure.scroll_into_view_if_needed()
        page.wait_for_selector(".chart.is-live")
        assert page.evaluate(scripts) == 1
        assert figure.bounding_box()["height"] == before
