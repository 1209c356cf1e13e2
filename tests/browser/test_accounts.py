"""Somebody comes, gets an account, a token, a team, and goes; and submits, and sees it judged."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core import mail
from django.core.cache import cache

from leaderboard import models
from tests.browser.audit import AT_A_DESK, ON_A_PHONE
from tests.browser.conftest import OpenPage
from tests.end_to_end.site import Site, load_equation_of_state
from tests.leaderboard import factories

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PASSWORD = "blue-heron-42-lake"


def test_one_signs_up_makes_a_token_and_a_team_and_signs_out(open_page: OpenPage) -> None:
    cache.clear()
    factories.user("bob")
    with open_page("/", **ON_A_PHONE) as page:
        sign_up(page, "dora")
        page.wait_for_url("**/account/welcome/")
        page.click("main a >> text=sign in")
        sign_in(page, "dora", PASSWORD)
        page.wait_for_url("**/account/welcome/")
        page.click("main a >> text=make a token")
        page.wait_for_url("**/account/#tokens")

        page.fill("form[action$='tokens/'] [name=name]", "laptop")
        page.click("text=Make a token")
        token = page.locator("[role=status] code").inner_text()
        assert models.ApiToken.objects.valid().get().hint == token[:10]
        page.goto("/account/")
        assert token not in page.content()
        page.click("[aria-label='Revoke laptop']")
        assert "is revoked" in page.locator("main [role=status]").inner_text()
        assert not models.ApiToken.objects.valid().exists()

        page.click("summary >> text=Make a team")
        page.fill("form[action='/teams/'] [name=name]", "The lake")
        page.fill("form[action='/teams/'] [name=slug]", "lake")
        page.click("text=Make it")
        page.wait_for_url("**/teams/lake/")
        page.fill("[name=who]", "bob")
        page.locator("form[action$='invite/'] select").select_option("submitter")
        page.click("main >> text=Invite")
        assert "bob is invited" in page.locator("main [role=status]").inner_text()

        sign_out(page)

    with open_page("/account/", who="bob", **AT_A_DESK) as page:
        page.click("text=Answer")
        page.click("main button.primary")
        page.wait_for_url("**/teams/lake/")
        assert models.Membership.objects.get(user__username="bob").role == "submitter"


# kombu's tables are declared with an option that SQLAlchemy 2.1 deprecates.
@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")
@pytest.mark.slow
@pytest.mark.sandbox
def test_a_potential_is_submitted_by_form_and_seen_to_finish_without_a_reload(
    open_page: OpenPage, site: Site
) -> None:
    load_equation_of_state()
    factories.user("alice")
    site.start_worker("worker")
    with open_page("/submissions/new/", **AT_A_DESK) as page:
        sign_in(page, "alice", "a good password")
        page.wait_for_url("**/submissions/new/")
        page.fill("#name", "My EMT")
        page.fill("#slug", "my-emt")
        page.fill("#version", "1.0")
        page.select_option("#kind", "ase")
        file = {"mimeType": "application/json", "buffer": b'{"calculator":"emt"}'}
        page.set_input_files("#artifact", {"name": "emt.json", **file})
        page.click("text=Submit and evaluate")
        page.wait_for_url(re.compile("/submissions/[0-9a-f-]{36}/$"))
        page.evaluate("window.stayed = true")
        page.wait_for_selector("[data-ended]", state="attached", timeout=90_000)
        assert page.evaluate("window.stayed")
        evaluation = models.Evaluation.objects.get()
        assert (evaluation.state, evaluation.message) == ("succeeded", "")
        shown = page.locator("main").inner_text()
        assert f"{evaluation.score:.3f}" in shown
        assert "All 1 evaluation ended." in shown
        assert "1 evaluation ended" in page.locator("[data-live-news]").inner_text()
        page.locator(f"#e-{evaluation.pk}").click()
        assert "Provenance" in page.locator("main").inner_text()
        page.goto("/")
        assert page.locator(".board .name", has_text="My EMT").is_visible()
        sign_out(page)


def sign_up(page: Any, name: str) -> None:
    """With the link of the letter."""
    page.click("nav >> text=Sign up")
    texts = {"username": name, "email": f"{name}@example.org", "password1": PASSWORD}
    for field, text in {**texts, "password2": PASSWORD}.items():
        page.fill(f"main [name={field}]", text)
    page.click("main button.primary")
    page.wait_for_url("**/account/confirm/")
    link = re.search(r"https?://\S+", mail.outbox[-1].body)
    assert link is not None
    page.goto(link[0])
    page.click("main button.primary")


def sign_in(page: Any, name: str, password: str) -> None:
    if "/login/" not in page.url:
        page.click("nav >> text=Sign in")
    page.fill("main [name=login]", name)
    page.fill("main [name=password]", password)
    page.click("main button.primary")
    page.wait_for_selector("nav >> text=Sign out")


def sign_out(page: Any) -> None:
    page.click("nav >> text=Sign out")
    page.wait_for_selector("nav >> text=Sign in")
    page.goto("/account/")
    assert "/login/" in page.url
