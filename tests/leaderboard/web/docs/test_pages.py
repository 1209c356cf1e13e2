"""The pages that explain: whole, linked, and true to the catalog and the files of the source."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from evaluator.catalog import METRICS, PROTOCOLS
from leaderboard import models
from leaderboard.web.docs.listing import PAGES, linked
from tests.leaderboard import factories
from tests.leaderboard.gallery import build_site
from tests.leaderboard.web.test_pages import SCRIPT, text_of

pytestmark = pytest.mark.django_db
HOST = "http://testserver"
ADDRESSES = [page.address for page in PAGES.values()] + [
    f"/docs/protocols/{name}/" for name in PROTOCOLS
]


def test_every_page_is_there_under_its_own_title_and_description(client: Client) -> None:
    heads = set()
    for address in ADDRESSES:
        response = client.get(address)
        assert response.status_code == 200, address
        page = response.content.decode()
        assert page.count("<h1") == 1, address
        assert 'aria-current="page">' in page or "/protocols/" in address, address
        title = re.findall("<title>([^<]*)</title>", page)[0]
        about = re.findall(r'<meta name="description"\s+content="([^"]*)">', page)[0]
        assert 40 < len(about) < 300, address
        heads.add((title, about))
    assert len(heads) == len(ADDRESSES)


@pytest.mark.slow
def test_no_link_of_these_pages_is_broken(client: Client) -> None:
    build_site()
    pages: dict[str, tuple[int, set[str]]] = {}

    def target(address: str) -> tuple[int, set[str]]:
        if address not in pages:
            response = client.get(address)
            ids = re.findall(r'\bid="([^"]*)"', response.content.decode(errors="replace"))
            pages[address] = response.status_code, set(ids)
        return pages[address]

    broken, n_links = [], 0
    for address in ADDRESSES:
        page = client.get(address).content.decode()
        for link in set(re.findall(r'href="([^"]*)"', page)):
            whole = unescape(link).removeprefix(HOST)
            if not whole.startswith(("/", "#", "?")):
                assert whole.startswith(("https://", "http://")), whole
                continue
            path, anchor = urldefrag(address + whole if whole.startswith(("#", "?")) else whole)
            if path.startswith("/static/"):
                continue
            n_links += 1
            status, ids = target(path)
            # A page behind the sign-in leads there.
            if status not in {200, 302} or (anchor and anchor not in ids):
                broken.append(f"{address}: {whole}")
    assert not broken, "\n".join(broken)
    assert n_links > 20 * len(ADDRESSES)


@pytest.mark.parametrize(
    "address", ["/docs/#submit", "/docs/#scores", "/docs/#sandbox", "/docs/verdicts/#load_error"]
)
def test_old_anchors_stay(client: Client, address: str) -> None:
    path, anchor = urldefrag(address)
    assert f'id="{anchor}"' in client.get(path).content.decode()


def test_every_protocol_and_metric_of_the_catalog_is_told(client: Client) -> None:
    overview = client.get("/docs/protocols/").content.decode()
    measured = set()
    for protocol in PROTOCOLS.values():
        response = client.get(f"/docs/protocols/{protocol.name}/")
        page, shown = response.content.decode(), unescape(text_of(response))
        assert f"/docs/protocols/{protocol.name}/" in overview
        assert unescape(protocol.summary) in shown
        for parameter in protocol.parameters:
            assert f"<code>{parameter.name}</code>" in page
            assert " ".join(parameter.help.split()) in shown
        for key in protocol.metrics:
            measured.add(key)
            assert f'id="{key}"' in page
            assert f"/docs/protocols/{protocol.name}/#{key}" in overview
            assert METRICS[key].description in shown
            assert METRICS[key].label in shown
        for column in protocol.columns:
            assert f"<code>{column.name}</code>" in page
    assert measured == set(METRICS)


def test_every_metric_has_its_form_and_faults(client: Client) -> None:
    page = client.get("/docs/metrics/").content.decode()
    assert {key for key in METRICS if f"<code>{key}</code>" not in page} == set()


def test_bounds_and_defaults_of_parameters_are_readable(client: Client) -> None:
    shown = text_of(client.get("/docs/protocols/md_stability/"))
    assert "3 600 s 0.01 to 1 000 000" in shown
    assert "0 GPa \u221210 to 1 000" in shown
    assert "true true, false" in shown
    assert "nvt_ramp nvt_hold, nvt_ramp" in shown


def test_protocols_and_tasks_lead_to_each_other_and_drafts_are_not_told(client: Client) -> None:
    site = build_site()
    factories.task_version(
        models.Task.objects.create(slug="secret", name="Secret task", summary="x"), state="draft"
    )
    page = client.get("/docs/protocols/equation_of_state/").content.decode()
    assert f'href="{site.eos.task.get_absolute_url()}">Equation of state</a>' in page
    assert "Secret task" not in page
    assert 'href="/docs/protocols/equation_of_state/"' in client.get(
        site.eos.task.get_absolute_url()
    ).content.decode()  # fmt: skip


@pytest.mark.parametrize(
    "address", ["/docs/nothing/", "/docs/protocols/nothing/", "/docs/base/", "/docs/..%2fREADME/"]
)
def test_what_is_no_page_is_not_found(client: Client, address: str) -> None:
    assert client.get(address).status_code == 404


def test_examples_speak_to_this_site(client: Client) -> None:
    page = client.get("/docs/api/", headers={"host": "localhost"}).content.decode()
    assert "API=http://localhost/api/v1" in page
    assert "touchstone.example.org" not in page
    again = client.get("/docs/api/").content.decode()
    assert "API=http://testserver/api/v1" in again


def test_every_setting_is_on_the_page_for_those_who_run_it(client: Client) -> None:
    shown = unescape(text_of(client.get("/docs/worker/")))
    source = Path("leaderboard/settings.py").read_text()
    names = set(re.findall(r'"(TOUCHSTONE_[A-Z0-9_]+)"', source))
    # For development and tests, or told by another name.
    unlisted = {name for name in names if name not in shown}
    assert unlisted <= {"TOUCHSTONE_DEVELOPMENT", "TOUCHSTONE_DEBUG"}


def test_links_between_files_become_links_between_pages() -> None:
    assert linked("docs/cli.md", "api.md#errors") == "/docs/api/#errors"
    assert linked("docs/cli.md", "../deploy/README.md") == "/docs/worker/"
    assert linked("deploy/README.md", "environment.example") == "/docs/worker/#settings"
    assert linked("docs/cli.md", "testing.md") is None
    assert linked("docs/cli.md", "../leaderboard/settings.py") is None
    for kept in ("#here", "https://a.example/b.md", "mailto:a@b.example", "//a.example/x"):
        assert linked("docs/cli.md", kept) == kept


def test_an_installation_without_the_files_says_so(
    client: Client, settings: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings.BASE_DIR = tmp_path
    response = client.get("/docs/api/")
    assert response.status_code == 503
    assert "docs/api.md" in text_of(response)
    assert str(tmp_path) not in response.content.decode()
    assert f"docs/api.md is not below {tmp_path}" in caplog.text
    assert client.get("/docs/").status_code == 200


def test_a_file_that_changes_is_read_again(client: Client, settings: Any, tmp_path: Path) -> None:
    settings.BASE_DIR = tmp_path
    changelog = tmp_path / "CHANGELOG.md"
    for n, text in enumerate(("# Old\n\nfirst", f"# New\n\nsecond {SCRIPT}")):
        changelog.write_text(text)
        os.utime(changelog, (n, n))  # quicker than the clock of some file systems
        shown = client.get("/docs/changelog/").content.decode()
        assert text.split()[1] in shown
    assert SCRIPT not in shown


def board_of_last_month() -> models.BenchmarkVersion:
    """Its first version, published thirty days ago."""
    benchmark = models.Benchmark.objects.create(slug="core", name="Core board", summary="All.")
    version = models.BenchmarkVersion.objects.create(benchmark=benchmark, number=1)
    models.BenchmarkTask.objects.create(
        benchmark_version=version, task_version=factories.task_version(), category="bulk"
    )
    version.state, version.published_at = "published", timezone.now() - timedelta(days=30)
    version.save()
    return version


def test_a_board_is_cited_as_of_a_day_by_an_address_that_answers(client: Client) -> None:
    board_of_last_month()
    day = f"{timezone.now() - timedelta(days=2):%Y-%m-%d}"
    response = client.get("/docs/cite/", {"benchmark": "core", "as_of": day})
    board = response.context["board"]
    assert board.address == f"{HOST}/benchmarks/core/1/?as_of={day}"
    assert f"title = {{{{Core board, version 1, as of {day}}}}}," in board.bibtex
    assert f"url = {{{board.address}}}," in board.bibtex
    assert f'href="{board.address}"' in response.content.decode()
    assert client.get(board.address.removeprefix(HOST)).status_code == 200


def test_without_a_day_the_board_is_cited_as_of_now(client: Client) -> None:
    build_site()
    board = client.get("/docs/cite/").context["board"]
    assert re.fullmatch(rf"{HOST}/benchmarks/core/1/\?as_of=[\d-]+T[\d:]+Z", board.address)
    assert client.get(board.address.removeprefix(HOST)).status_code == 200


def test_the_version_is_the_one_of_that_day(client: Client) -> None:
    first, now = board_of_last_month(), timezone.now()
    newer = models.BenchmarkVersion.objects.create(
        benchmark=first.benchmark,
        number=2,
        state="published",
        published_at=now - timedelta(hours=1),
    )
    models.BenchmarkVersion.objects.create(benchmark=newer.benchmark, number=3)
    for days, number in ((0, 2), (3, 1)):
        asked = {"as_of": f"{now - timedelta(days=days):%Y-%m-%d}"} if days else {}
        board = client.get("/docs/cite/", {"benchmark": "core", **asked}).context["board"]
        assert f"/benchmarks/core/{number}/?as_of=" in board.address


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"as_of": "2999-01-01"}, "has not passed yet"),
        ({"as_of": "yesterday"}, "must be a date"),
        ({"as_of": SCRIPT}, "must be a date"),
        ({"as_of": "\x00"}, "must be a date"),
        ({"as_of": "2001-01-01"}, "was not published by then"),
        ({"benchmark": "nothing"}, "Choose one of the benchmarks"),
        ({"benchmark": "\x00"}, "Choose one of the benchmarks"),
        ({"benchmark": SCRIPT}, "Choose one of the benchmarks"),
    ],
)
def test_what_cannot_be_cited_is_said_and_nothing_hostile_gets_through(
    client: Client, asked: dict[str, str], words: str
) -> None:
    build_site()
    response = client.get("/docs/cite/", asked)
    assert response.status_code == 400
    assert words in text_of(response)
    assert SCRIPT not in response.content.decode()
    assert "The service" in text_of(response)


def test_a_young_site_can_be_cited_too(client: Client) -> None:
    response = client.get("/docs/cite/")
    assert response.status_code == 200
    assert "@misc{touchstone," in text_of(response)
    assert f"url = {{{HOST}/}}," in response.context["service"]
    assert "No board is published here yet" in text_of(response)


def test_reference_sets_are_cited_with_their_licences_once(client: Client) -> None:
    shared = factories.reference_set(
        title="Crystals {of} 100 %", licence="CC-BY-4.0", citation="A. Author & B., doi:10.1/x_y.",
        url="https://data.example/a_b?c=1&d={e}",
    )  # fmt: skip
    for _ in range(2):
        factories.task_version(reference_set=shared)
    factories.task_version(reference_set=factories.reference_set(title="Unused"), state="draft")
    response = client.get("/docs/cite/")
    ((row, bibtex),) = response.context["sets"]
    assert row == shared
    assert "title = {{Crystals of 100 \\%, version 1}}," in bibtex
    assert "url = {https://data.example/a_b?c=1&d=%7Be%7D}," in bibtex
    assert "note = {After A. Author \\& B., doi:10.1/x\\_y. SHA-256 " in bibtex
    assert bibtex.count("{") == bibtex.count("}")


def test_the_licence_of_the_scores_is_the_operators_to_name(client: Client, settings: Any) -> None:
    assert "has named no licence" in text_of(client.get("/docs/cite/"))
    settings.DATA_LICENCE = "CC-BY-4.0"
    shown = text_of(client.get("/docs/cite/"))
    assert "that this site computed: CC-BY-4.0." in shown
    assert "has named no licence" not in shown


@pytest.mark.slow
def test_they_take_a_constant_number_of_queries(client: Client) -> None:
    counts = []
    for n in (1, 3):
        tasks = [factories.task_version() for _ in range(n)]
        factories.benchmark_version(*((task, "bulk") for task in tasks))
        found = {}
        for address in ADDRESSES:
            with CaptureQueriesContext(connection) as queries:
                client.get(address)
            found[address] = len(queries)
        counts.append(found)
    assert counts[0] == counts[1]
    assert {address: n for address, n in counts[0].items() if n} == {
        "/docs/protocols/": 1,
        "/docs/cite/": 3,
        **{f"/docs/protocols/{name}/": 1 for name in PROTOCOLS},
    }
