"""The page of a potential: its parts, to whom, with how many queries."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from leaderboard import models
from leaderboard.web.potentials.words import bibtex, loading
from tests.leaderboard import factories
from tests.leaderboard.gallery import build_site
from tests.leaderboard.web.test_pages import text_of

pytestmark = pytest.mark.django_db


def test_it_tells_standing_elements_verification_failures_and_how_to_use_it(
    client: Client,
) -> None:
    build_site()
    response = client.get("/potentials/chgnet/")
    shown = text_of(response)
    for words in ("Standing of version", "95 % interval of the rank", "Strengths and weaknesses",
                  "Where it is good", "weakest:",
                  "Consistency", "not measured", "No minimum of the energy",
                  "CHGNetCalculator(CHGNet.from_file(", "@misc{chgnet,",
                  "doi = {10.1038/s42256-023-00716-3}", "badge.svg"):  # fmt: skip
        assert words in shown, words
    page = response.content.decode()
    assert page.count('class="periodic" viewBox') == 1
    assert 'type="application/atom+xml"' in page


def test_a_description_is_markdown_and_leaves_the_page_whole(client: Client) -> None:
    hostile = (
        "# Mine\n\n**Good** at [oxides](https://a.example) \u202e<script>alert(1)</script> "
        "![x](https://tracker.example/x.png)\n\n" + "w" * 3000
    )
    potential = factories.potential(slug="told", description=hostile)
    factories.submission(potential)
    page = client.get("/potentials/told/").content.decode()
    assert "<h3>Mine</h3>" in page
    assert (
        '<strong>Good</strong> at <a href="https://a.example" rel="nofollow noopener ugc">' in page
    )
    for bad in ("<script>alert", "\u202e", "tracker.example"):
        assert bad not in page
    levels = [int(n) for n in re.findall(r"<h(\d)", page)]
    assert levels[:3] == [1, 2, 3]


def test_versions_are_compared_task_by_task(client: Client) -> None:
    build_site()
    page = client.get("/potentials/chgnet/").content.decode()
    compared = page[page.index("Versions compared") :]
    assert compared.index("0.2.0") < compared.index("0.3.0")  # the newest first


@pytest.mark.slow
def test_another_version_is_shown_in_full_when_asked_for(client: Client) -> None:
    build_site()
    newest, older = (
        client.get("/potentials/chgnet/", {"version": version}).context["card"].submission.version
        for version in ("", "0.3.0")
    )
    assert (newest, older) == ("0.2.0", "0.3.0")
    page = client.get("/potentials/chgnet/?version=0.3.0").content.decode()
    assert 'aria-current="true"><bdi>0.3.0</bdi>' in page
    for address in re.findall(r'href="(\?version=[^"]*)"', page):
        assert client.get(f"/potentials/chgnet/{address}").status_code == 200
    assert 'rel="canonical" href="http://testserver/potentials/chgnet/"' in page


@pytest.mark.parametrize("version", ["9.9", "\0", "<b>", "hidden"])
def test_a_version_that_is_not_shown_is_not_found(client: Client, version: str) -> None:
    potential = factories.potential(slug="told")
    factories.submission(potential, version="1")
    factories.submission(potential, version="hidden", visibility="private")
    response = client.get("/potentials/told/", {"version": version})
    assert response.status_code == 404
    assert "<b>" not in response.content.decode()


def test_tasks_stand_as_on_the_board_and_the_smoke_test_last(client: Client) -> None:
    site = build_site()
    for slug in ("smoke", "another"):
        task = models.Task.objects.create(slug=slug, name=f"A {slug}")
        version = factories.task_version(task, reference_set=factories.reference_set())
        factories.evaluation(site.submissions["chgnet:0.3.0"], version, score=0.5, n_systems=1)
    context = client.get("/potentials/chgnet/?version=0.3.0").context
    shown = [e.task_version.task.slug for e in context["card"].evaluations]
    on_board = [e.task_version.task.slug for e in context["board"].entries]
    assert shown == [slug for slug in on_board if slug in shown] + ["another", "smoke"]


def test_a_withdrawn_version_is_not_the_one_that_is_told_of(client: Client) -> None:
    site = build_site()
    newest = site.submissions["chgnet:0.2.0"]
    newest.withdrawn_at = newest.created_at
    newest.save()
    client.force_login(factories.charlie())
    assert client.get("/potentials/chgnet/").context["card"].submission.version == "0.3.0"


def test_a_private_potential_has_no_feed_and_no_badge(client: Client) -> None:
    owner = factories.user()
    secret = factories.submission(factories.potential(owner, slug="secret"), visibility="private")
    assert client.get(secret.potential.get_absolute_url()).status_code == 404
    client.force_login(owner)
    page = client.get(secret.potential.get_absolute_url()).content.decode()
    assert "feed.atom" not in page
    assert "badge.svg" not in page
    assert '<meta name="robots" content="noindex">' in page


def test_skill_on_a_hidden_set_is_not_told_by_element(client: Client) -> None:
    site = build_site()
    models.ReferenceSet.objects.update(is_public=False)
    page = client.get("/potentials/chgnet/").content.decode()
    assert "periodic" not in page
    assert site.eos.task.name in page


@pytest.mark.slow
def test_the_number_of_queries_does_not_grow_with_the_versions(client: Client) -> None:
    site = build_site()
    counts = []
    for n in (1, 3):
        for _ in range(n):
            extra = factories.submission(models.Potential.objects.get(slug="chgnet"))
            factories.evaluation(extra, site.eos, score=0.5, n_systems=3)
        client.get("/potentials/chgnet/")
        with CaptureQueriesContext(connection) as queries:
            assert client.get("/potentials/chgnet/").status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_a_citation_cannot_break_out_of_its_braces() -> None:
    potential = factories.potential(
        slug="x", name="A} \\input{x} % $&", authors="J. Doe, Núñez & Co",
        paper_url="https://doi.org/10.1/a_b", training_sets=["MPtrj"],
    )  # fmt: skip
    found = bibtex(potential)
    assert "title = {{A inputx \\% \\$\\&}}," in found
    assert "author = {J. Doe and Núñez \\& Co}," in found
    assert "doi = {10.1/a\\_b}," in found
    assert found.count("{") == found.count("}")


@pytest.mark.parametrize(
    ("authors", "written"),
    [
        ("J. Doe, R. Roe and A. Sand", "J. Doe and R. Roe and A. Sand"),
        ("Doe, J.; Roe, R.", "Doe, J. and Roe, R."),
        ("J. Doe et al.", "J. Doe and others"),
        ("Alexander Sandford, et al", "Alexander Sandford and others"),
        ("", ""),
    ],
)
def test_authors_are_parted_as_bibtex_wants_them(authors: str, written: str) -> None:
    found = bibtex(factories.potential(slug="x", authors=authors))
    assert (f"author = {{{written}}}," in found) is bool(written)
    assert "year" not in found  # of the paper, it is not known


@pytest.mark.parametrize("kind", ["chgnet", "mace", "matgl", "package"])
def test_loading_takes_three_lines_that_are_python(kind: str) -> None:
    submission = factories.submission(
        calculator_kind=kind, artifact_filename="it's.pt",
        settings={"dtype": "float32", "entry_point": "a b; import os:c"},
    )  # fmt: skip
    lines = loading(submission)
    assert len(lines.splitlines()) == 3
    compile(lines, "page", "exec")
    assert "import os" not in lines


def test_a_file_of_numbers_is_not_loaded_by_python() -> None:
    assert loading(factories.submission(calculator_kind="dummy")) == ""
