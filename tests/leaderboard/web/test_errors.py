"""Pages for what went wrong: right status, a way on, nothing leaked, nothing broken behind them."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from leaderboard.web.boards import overall
from tests.leaderboard import factories
from tests.leaderboard.gallery import build_site
from tests.leaderboard.web.test_pages import SCRIPT, text_of

pytestmark = pytest.mark.django_db


def suggested(client: Client, address: str) -> list[str]:
    response = client.get(address)
    assert response.status_code == 404
    return [s.address for s in response.context["suggestions"]]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("address", "first"),
    [
        ("/potentials/chgnett/", "/potentials/chgnet/"),
        ("/potentials/CHGNet/", "/potentials/chgnet/"),
        ("/potentials/chgnet_r2scan/", "/potentials/chgnet-r2scan/"),
        ("/potentials/chgnet-0.3.0/", "/potentials/chgnet/"),
        ("/potentials/m3gent/", "/potentials/m3gnet/"),
        ("/potentials/chgnet/versions/", "/potentials/chgnet/"),
        ("/m3gnet/", "/potentials/m3gnet/"),
        ("/tasks/eos-wien2/", "/tasks/eos-wien2k/"),
        ("/tasks/off-equilibrium/", "/tasks/forces-offequilibrium/"),
        ("/tasks/eos-wien2k/99/", "/tasks/eos-wien2k/"),
        ("/benchmarks/cores/", "/benchmarks/core/"),
        ("/docs/verdict/", "/docs/verdicts/"),
        ("/docs/changelogs/", "/docs/changelog/"),
    ],
)
def test_a_mistyped_address_leads_to_the_nearest(client: Client, address: str, first: str) -> None:
    build_site()
    found = suggested(client, address)
    assert found[0] == first
    assert len(found) <= 5
    for there in found:
        assert client.get(there, follow=True).status_code == 200


@pytest.mark.parametrize("name", ["", "bob", "charlie"])
def test_only_what_everybody_may_see_is_suggested(client: Client, name: str) -> None:
    owner = factories.user("alice")
    factories.submission(factories.potential(owner, slug="zirconia-private"), visibility="private")
    factories.submission(
        factories.potential(owner, slug="zirconia-gone"), withdrawn_at=timezone.now()
    )
    factories.potential(owner, slug="zirconia-empty")
    factories.task_version(factories.models.Task.objects.create(
        slug="zirconia-draft", name="Zirconia", summary="x"), state="draft")  # fmt: skip
    factories.submission(factories.potential(owner, slug="zirconia-public"))
    if name:
        client.force_login(factories.charlie() if name == "charlie" else factories.user(name))
    for address in ("/potentials/zirconia/", "/tasks/zirconia/", "/zirconia/"):
        assert suggested(client, address) == ["/potentials/zirconia-public/"]
    page = client.get("/potentials/zirconia-private-x/").content.decode()
    assert "zirconia-private/" not in page


def test_what_resembles_nothing_gets_a_search_and_ways_on(client: Client) -> None:
    build_site()
    response = client.get("/qqqqqqqq/")
    assert response.context["suggestions"] == []
    page = response.content.decode()
    assert "Did you mean" not in page
    assert '<input type="search" name="text" maxlength="100" value="qqqqqqqq">' in page
    assert 'href="/login/?next=/qqqqqqqq/"' in page
    assert client.get("/", {"text": "qqqqqqqq"}).status_code == 200


@pytest.mark.parametrize(
    "address",
    [
        f"/potentials/{SCRIPT}/",
        f"/{SCRIPT}/",
        "/potentials/\u202e\u05d0/",
        "/potentials/" + "a" * 5000 + "/",
        "/potentials/%00/",
        "/tasks/..%2f..%2fetc/",
        "/docs/'%20or%201=1/",
    ],
)
def test_a_hostile_address_gets_a_whole_page(client: Client, address: str) -> None:
    build_site()
    response = client.get(address)
    assert response.status_code == 404
    page = response.content.decode()
    assert SCRIPT not in page
    assert page.rstrip().endswith("</html>")


def test_looking_for_similar_names_is_cheap_and_only_done_where_it_can_help(
    client: Client,
) -> None:
    counts = []
    for n in (1, 3):
        for _ in range(n):
            factories.submission(factories.potential())
            factories.task_version()
        found = {}
        for address in (
            "/potentials/x-y/",
            "/a/b/c/",
            "/account/nothing/",
            "/p%20q/",
            "/api/v1/x/",
        ):
            with CaptureQueriesContext(connection) as queries:
                assert client.get(address).status_code == 404
            found[address] = len(queries)
        counts.append(found)
    assert counts[0] == counts[1]
    assert list(counts[0].values()) == [4, 0, 0, 0, 0]


def test_the_api_answers_in_its_own_form(client: Client) -> None:
    response = client.get("/api/v1/potentialss/")
    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"


def test_who_may_not_is_told_who_may(client: Client) -> None:
    factories.submission(factories.potential(factories.user("alice"), slug="hers", name="Hers"))
    client.force_login(factories.user("bob"))
    response = client.get("/potentials/hers/edit/")
    assert response.status_code == 403
    shown = text_of(response)
    assert "Only the owner of Hers, or of its team, may do this." in shown
    assert "You are signed in as bob" in shown


def test_a_hostile_name_in_a_refusal_is_escaped(client: Client) -> None:
    factories.submission(factories.potential(factories.user("alice"), slug="evil", name=SCRIPT))
    client.force_login(factories.user("bob"))
    assert SCRIPT not in client.get("/potentials/evil/edit/").content.decode()


def test_a_form_without_its_token_says_what_to_do() -> None:
    client = Client(enforce_csrf_checks=True)
    response = client.post("/login/", {"login": "alice", "password": "x"})
    assert response.status_code == 403
    assert "Nothing was changed" in text_of(response)


def test_too_many_tries_are_told_when_to_come_again(client: Client, settings: Any) -> None:
    settings.THROTTLES = {**settings.THROTTLES, "login": "1/hour"}
    client.post("/login/", {"login": "alice", "password": "x"})
    response = client.post("/login/", {"login": "alice", "password": "x"})
    assert response.status_code == 429
    wait_s = int(response["Retry-After"])
    assert 0 < wait_s <= 3600
    expected = f"{wait_s / 60:.1f} min".replace(".0 ", " ") if wait_s >= 120 else f"{wait_s} s"
    assert f"In {expected} you can go on." in text_of(response)


def test_a_foreign_host_gets_a_page_that_needs_no_request() -> None:
    response = Client().get("/", headers={"host": "evil.example"})
    assert response.status_code == 400
    page = response.content.decode()
    assert "evil.example" not in page
    assert "Not understood" in page


def test_a_bug_gets_a_page_that_needs_neither_database_nor_context(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = Client(raise_request_exception=False)
    monkeypatch.setattr(overall, "board_version", lambda: 1 / 0)
    with CaptureQueriesContext(connection) as queries:
        response = client.get("/")
    assert (response.status_code, len(queries)) == (500, 0)
    page = response.content.decode()
    assert "division" not in page
    assert "{%" not in page
    assert "Nothing that you submitted is lost" in page
    for name in re.findall(r'(?:src|href)="/static/([^"]*)"', page):
        assert finders.find(name), name
    for address in re.findall(r'href="(/[^"]*)"', page):
        if not address.startswith("/static/") and address != "/":
            assert client.get(address).status_code == 200, address


@pytest.mark.slow
def test_every_way_on_leads_somewhere(client: Client) -> None:
    factories.submission(factories.potential(factories.user("alice"), slug="hers"))
    strict = Client(enforce_csrf_checks=True)
    bob = Client()
    bob.force_login(factories.user("bob"))
    pages = (
        client.get("/nothing/"),
        bob.get("/nothing/"),
        bob.get("/potentials/hers/edit/"),
        strict.post("/login/", {}),
        Client().get("/", headers={"host": "evil.example"}),
    )
    assert [p.status_code for p in pages] == [404, 404, 403, 403, 400]
    for page in pages:
        for link in set(re.findall(r'href="(/[^"]*)"', page.content.decode())):
            path, _, anchor = unescape(link).partition("#")
            if path.startswith("/static/"):
                continue
            response = bob.get(path)
            assert response.status_code in {200, 302}, path
            assert not anchor or f'id="{anchor}"' in response.content.decode(), link
