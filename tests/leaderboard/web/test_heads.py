"""What pages say to search engines and to those who share a link."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from django.test import Client

from tests.leaderboard import factories
from tests.leaderboard.gallery import build_site

pytestmark = pytest.mark.django_db
LOCATION = "{http://www.sitemaps.org/schemas/sitemap/0.9}loc"


@pytest.mark.slow
def test_the_sitemap_names_public_pages_that_are_there(client: Client) -> None:
    site = build_site()
    factories.submission(factories.potential(slug="secret"), visibility="private")
    factories.task_version(state="draft")
    response = client.get("/sitemap.xml")
    tree = ElementTree.fromstring(response.content)
    found = {(node.text or "").removeprefix("http://testserver") for node in tree.iter(LOCATION)}
    potentials = {f"/potentials/{s.potential.slug}/" for s in site.submissions.values()}
    tasks = {"/tasks/eos-wien2k/", "/tasks/forces-offequilibrium/"}
    assert {a for a in found if a.startswith("/potentials/")} == {"/potentials/", *potentials}
    assert {a for a in found if a.startswith("/tasks/")} == {"/tasks/", *tasks}
    for address in found:
        assert client.get(address).status_code == 200, address


def test_robots_are_told_of_the_sitemap(client: Client) -> None:
    text = client.get("/robots.txt").content.decode()
    assert "Sitemap: http://testserver/sitemap.xml" in text
    assert "Disallow: /account/" in text


@pytest.mark.slow
def test_a_page_has_one_address_whatever_the_query_says(client: Client) -> None:
    build_site()
    page = client.get("/tasks/eos-wien2k/?plot=delta_meV&show=chgnet:0.3.0").content.decode()
    assert '<link rel="canonical" href="http://testserver/tasks/eos-wien2k/">' in page


@pytest.mark.slow
@pytest.mark.parametrize("address", ["/tasks/eos-wien2k/", "/potentials/chgnet/"])
def test_a_shared_link_has_title_and_description_and_a_feed_that_answers(
    client: Client, address: str
) -> None:
    build_site()
    page = client.get(address).content.decode()
    told = dict(re.findall(r'<meta property="og:(\w+)"\s+content="([^"]*)">', page))
    assert told["url"] == f"http://testserver{address}"
    assert len(told["title"]) > 10
    assert len(told["description"]) > 10
    (feed,) = re.findall(r'type="application/atom\+xml"[^>]*href="([^"]*)"', page)
    assert client.get(feed).status_code == 200


def test_a_hostile_name_does_not_leave_the_head(client: Client) -> None:
    potential = factories.potential(slug="evil", name='"><script>alert(1)</script>')
    factories.submission(potential)
    page = client.get("/potentials/evil/").content.decode()
    assert "<script>alert" not in page


def test_metrics_without_a_score_are_shown_on_demand(client: Client) -> None:
    site = build_site()
    evaluation = site.eos.evaluations.filter(state="succeeded")[0]
    evaluation.scores.create(
        metric="bulk_modulus_mae", value=87654.25, low=None, high=None, score=None, n=3, n_failed=0
    )
    few = client.get("/tasks/eos-wien2k/").content.decode()
    all_of_them = client.get("/tasks/eos-wien2k/?columns=all").content.decode()
    assert ("1 more metric</a>" in few, "87654.25" in few) == (True, False)
    assert "87654.25" in all_of_them
