"""The board's page: what a reader may ask of it, and what it says to bad questions."""

from __future__ import annotations

import gzip
import io
import re
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from leaderboard import models
from leaderboard.lib import memory
from tests.leaderboard import factories
from tests.leaderboard.gallery import Site, build_site

pytestmark = pytest.mark.django_db
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def site() -> Site:
    return build_site()


def names(client: Client, **query: Any) -> list[str]:
    response = client.get("/", query)
    assert response.status_code == 200, response.context["query"].complaints
    return [line.entrant.title for line in response.context["lines"]]


def shown(client: Client, **query: Any) -> str:
    return str(client.get("/", query).content.decode())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"architecture": "mace"}, ["MACE small demo"]),
        ({"level_of_theory": "r2scan"}, ["CHGNet r2SCAN 1.0"]),
        ({"max_parameters": "300k"}, ["M3GNet 2021.2.8", "MACE small demo"]),
        ({"text": "tensor"}, ["TensorNet 2025.1"]),
        ({"text": "2021.2"}, ["M3GNet 2021.2.8"]),
        ({"hardware": "example cpu"}, ["TensorNet 2025.1"]),
        ({"text": "m3", "open_weights": "0"}, []),
        ({"text": "m3", "open_weights": "1"}, ["M3GNet 2021.2.8"]),
    ],
)
def test_rows_are_filtered(
    client: Client, site: Site, query: dict[str, str], expected: list[str]
) -> None:
    assert names(client, **query) == expected


def test_a_shared_address_shows_the_board_without_the_welcome(client: Client, site: Site) -> None:
    assert "Which potential for my simulation?" in shown(client)
    page = shown(client, text="chgnet")
    assert "Which potential for my simulation?" not in page
    assert page.count("<h1") == 1


def test_versions_that_pass_checks_are_marked_and_bad_grades_named(
    client: Client, site: Site
) -> None:
    good = dict.fromkeys(
        ("repeat_force_error_eV_A_max", "rotation_force_error_eV_A_max",
         "force_gradient_error_eV_A_rms"), 1e-6,
    )  # fmt: skip
    found = {"Sound": good, "Curled": {**good, "force_gradient_error_eV_A_rms": 0.3}}
    for name, consistency in found.items():
        submission = factories.submission(factories.potential(name=name), version="1")
        factories.evaluation(submission, site.eos, score=0.4, consistency=consistency)
    sound, curled = (re.findall(rf"<bdi>{name}</bdi>.*?</th>", shown(client))[0] for name in found)
    assert 'title="Checked in the tasks of this board: ' in sound
    assert "passes checks</span>" in sound
    assert "passes checks" not in curled
    assert "Conservation D</span>" in curled
    rows = client.get("/api/v1/leaderboards/core/").json()["rows"]
    by_name = {row["submission"]["potential"]["name"]: row["grades"] for row in rows}
    assert by_name["Curled"] == {"Consistency": "A", "Invariance": "A", "Conservation": "D"}


def test_elements_and_declared_curl_are_filtered(client: Client, site: Site) -> None:
    potential = factories.potential(name="Curled")
    submission = factories.submission(
        potential, version="1", supported_elements=["Si", "O"], declares_non_conservative=True
    )
    factories.evaluation(submission, site.eos, score=0.4)
    assert names(client, elements="O, Si") == ["Curled 1"]
    assert names(client, elements="O Li") == []
    assert names(client, elements="O", conservative="0") == ["Curled 1"]
    assert names(client, elements="O", conservative="1") == []


def test_filtered_rows_keep_their_ranks(client: Client, site: Site) -> None:
    response = client.get("/", {"text": "m3gnet"})
    assert [line.rank for line in response.context["lines"]] == [4]
    assert "<strong>1</strong> of 8 versions match" in response.content.decode()


@pytest.mark.parametrize(
    ("sort", "first", "last"),
    [
        ("name", "CHGNet 0.2.0", "TensorNet 2025.1"),
        ("-name", "TensorNet 2025.1", "CHGNet 0.2.0"),
        ("eos-wien2k", "EMT 1", "TensorNet 2025.1"),
        ("-eos-wien2k", "Mean energy, no force 1", "TensorNet 2025.1"),
        ("parameters", "MACE small demo", "TensorNet 2025.1"),
        ("-parameters", "CHGNet 0.3.0", "TensorNet 2025.1"),
        ("-rank", "TensorNet 2025.1", "CHGNet 0.3.0"),
    ],
)
def test_rows_are_sorted_with_missing_values_last(
    client: Client, site: Site, sort: str, first: str, last: str
) -> None:
    found = names(client, sort=sort)
    assert (found[0], found[-1]) == (first, last)


def test_columns_about_potentials_are_shown_and_hidden(client: Client, site: Site) -> None:
    usual = shown(client)
    assert "Licence</a>" in usual
    assert "Training sets</a>" not in usual
    chosen = shown(client, show=["training", "date", "none"])
    assert "Training sets</a>" in chosen
    assert "MPtrj" in chosen
    assert "Licence</a>" not in chosen
    assert "About</th>" not in shown(client, show="none")


def test_links_of_the_page_keep_what_was_asked(client: Client, site: Site) -> None:
    page = shown(client, **{"weight.Forces": "2", "text": "chg", "show": ["date"], "sort": "name"})
    memory = "weight.Forces=2"
    links = re.findall(r'<a id="sort-[^"]*"\s+href="([^"]*)"', page)
    assert len(links) == 5
    for part in links:
        assert memory in part
        assert "show=date" in part
        assert "text=chg" in part
    download = re.search(r'href="(/api/v1/leaderboards/[^"]*format=xlsx[^"]*)"', page)
    assert download is not None
    address = download.group(1).replace("&amp;", "&")
    assert "text=chg" in address
    assert memory in address
    assert "sort" not in address
    assert client.get(address).status_code == 200


def test_one_category_alone_is_ranked_by_its_tasks(client: Client, site: Site) -> None:
    response = client.get("/", {"category": "Elasticity"})
    page = response.content.decode()
    assert "Ranked by the tasks of <strong>Elasticity</strong> alone" in page
    assert len(response.context["columns"]) == 1
    ranks = {line.entrant.title: line.rank for line in response.context["lines"]}
    assert ranks["MACE small demo"] == 5


def test_anchors_and_mismatch_are_told_in_the_page(client: Client, site: Site) -> None:
    page = shown(client)
    assert 'role="tooltip"' in page
    assert "scores 1, 50 meV/atom scores 0" in page
    assert "other level of theory than the reference" in page
    assert 'title="r2SCAN potential, PBE reference"' in page


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ({"weight.Forces": "-1"}, "must be a number from 0 to 1000"),
        ({"weight.Magic": "1"}, "There is no category &#x27;Magic&#x27;"),
        ({"weight.Forces": "0", "weight.Elasticity": "0"}, "At least one category"),
        ({"elements": "Xx"}, "&#x27;Xx&#x27; is no chemical symbol"),
        ({"max_parameters": "lots"}, "must be a number like 250000, 250k or 5M"),
        ({"max_parameters": "9" * 400}, "must be a number like"),
        ({"open_weights": "maybe"}, "must be 1 or 0"),
        ({"sort": "nonsense"}, "there is no such thing on this board"),
        ({"category": "Magic"}, "there is no such thing on this board"),
        ({"show": "everything"}, "must be one of architecture"),
        ({"text": "x" * 101}, "must not be longer than 100 characters"),
        ({"text": "a\0b"}, "must not hold the character of code zero"),
        ({"as_of": "yesterday"}, "must be a date or a time"),
        ({"as_of": "2999-01-01"}, "has not passed yet"),
        ({"page": "-3"}, "must be a whole number from 1"),
        ({"page": "²"}, "must be a whole number from 1"),
    ],
)
def test_bad_questions_are_told_and_the_page_is_whole(
    client: Client, site: Site, query: dict[str, str], complaint: str
) -> None:
    response = client.get("/", query)
    assert response.status_code == 400
    page = response.content.decode()
    assert complaint in page
    assert len(response.context["lines"]) == 8
    assert page.rstrip().endswith("</html>")


def test_hostile_questions_are_escaped_and_many_are_bounded(client: Client, site: Site) -> None:
    for name in ("text", "elements", "sort", "as_of", "weight." + SCRIPT):
        assert SCRIPT not in shown(client, **{name: SCRIPT})
    many = client.get("/", {f"weight.{n}": "x" for n in range(900)})
    assert many.status_code == 400
    assert len(many.context["query"].complaints) == 6
    assert "And 895 more." in many.content.decode()
    thousands = client.get("/", {f"weight.{n}": "1" for n in range(3000)})
    assert thousands.status_code == 400
    assert "</html>" in thousands.content.decode()


def test_other_peoples_parameters_are_none_of_our_business(client: Client, site: Site) -> None:
    assert len(names(client, utm_source="news")) == 8


def test_the_board_as_it_stood_and_what_changed_since(client: Client, site: Site) -> None:
    then = timezone.now().isoformat()
    gone = site.submissions["chgnet:0.3.0"]
    gone.withdrawn_at = timezone.now()
    gone.save()
    assert "CHGNet 0.3.0" not in names(client)
    assert names(client, as_of=then)[0] == "CHGNet 0.3.0"
    page = client.get("/", {"since": then})
    found = {change.entrant.title: change for change in page.context["changes"]}
    assert found["CHGNet 0.3.0"].kind == "left"
    assert (found["CHGNet 0.2.0"].rank_before, found["CHGNet 0.2.0"].rank_after) == (2, 1)
    assert "What changed since" in page.content.decode()
    backwards = client.get("/", {"since": then, "as_of": "2026-01-01"})
    assert backwards.status_code == 400
    assert "must not be later than as_of" in backwards.content.decode()


@pytest.mark.slow
def test_owners_see_their_private_rows_and_nobody_else_does(client: Client, site: Site) -> None:
    alice, bob = factories.user("alice"), factories.user("bob")
    secret = factories.submission(factories.potential(alice, name="Hush"), visibility="private")
    factories.evaluation(secret, site.eos, score=0.99, replicates=[0.98, 1.0])
    for reader, is_shown in ((None, False), (bob, False), (alice, True)):
        client.logout()
        if reader:
            client.force_login(reader)
        assert any(name.startswith("Hush") for name in names(client)) == is_shown
        assert ("Hush" in shown(client, text="hush")) == is_shown


def test_a_waiting_evaluation_is_told_as_it_is_now(client: Client, site: Site) -> None:
    assert "simulating 31/71" in shown(client)
    models.Evaluation.objects.filter(state="running").update(progress_done=44)
    assert "simulating 44/71" in shown(client)


def test_a_stranger_who_has_the_page_is_not_sent_it_again(client: Client, site: Site) -> None:
    page = client.get("/")
    assert page.headers["Cache-Control"] == "public, max-age=0, s-maxage=2"
    again = client.get("/", headers={"If-None-Match": page.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    for name in ("ETag", "Cache-Control", "Vary"):
        assert again.headers[name] == page.headers[name]


@pytest.mark.parametrize("change", ["progress", "score", "name", "version", "question", "release"])
def test_another_page_has_another_tag(
    client: Client, site: Site, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, query = client.get("/"), {}
    match change:
        case "progress":  # which is not part of the stored board
            models.Evaluation.objects.filter(state="running").update(progress_done=44)
        case "score":
            factories.evaluation(factories.submission(), site.eos, score=0.5)
        case "name":
            models.Benchmark.objects.update(name="Renamed")
        case "version":
            factories.benchmark_version()
        case "question":
            query = {"text": "mace"}
        case "release":
            monkeypatch.setattr("leaderboard.web.shared._release", lambda: "another")
    other = client.get("/", query, headers={"If-None-Match": page.headers["ETag"]})
    assert other.status_code == 200
    assert other.headers["ETag"] != page.headers["ETag"]


def test_a_page_with_complaints_is_not_kept(client: Client, site: Site) -> None:
    page = client.get("/", {"page": "none"})
    assert page.status_code == 400
    assert not {"ETag", "Cache-Control"} & set(page.headers)


def test_a_page_for_one_reader_is_shared_with_nobody(client: Client, site: Site) -> None:
    tag = client.get("/").headers["ETag"]
    known = client.get("/", headers={"If-None-Match": tag, "Authorization": "Bearer x"})
    assert (known.status_code, known.headers["Cache-Control"]) == (200, "private, max-age=0")
    client.force_login(factories.user("alice"))
    own = client.get("/", headers={"If-None-Match": tag})
    assert (own.status_code, own.headers["Cache-Control"]) == (200, "private, max-age=0")
    assert "ETag" not in own.headers
    client.post("/logout/")  # with a message to who was signed in
    after = client.get("/", headers={"If-None-Match": tag})
    assert after.status_code == 200


@pytest.mark.slow
def test_speed_and_memory_come_from_the_task_that_times(client: Client, site: Site) -> None:
    evaluation = site.submissions["m3gnet:2021.2.8"].evaluations.get(task_version=site.eos)
    timed = factories.submission(evaluation.submission.potential, version="fast")
    found = factories.evaluation(timed, site.eos, score=0.5, hardware_key="Example GPU")
    for metric, value in (("atom_time_median", 12.34), ("memory_peak", 2048.0)):
        models.Score.objects.create(evaluation=found, metric=metric, value=value, n=1, n_failed=0)
    page = shown(client, show=["speed", "memory"])
    assert "12.3</td>" in page
    assert "2048</td>" in page
    assert names(client, sort="speed")[0] == "M3GNet fast"


@pytest.fixture
def large() -> str:
    """120 potentials on nine tasks."""
    out = io.StringIO()
    call_command("make_gallery", potentials=120, tasks=9, metrics=2, replicates=20, stdout=out,
                 stderr=io.StringIO())  # fmt: skip
    return out.getvalue().strip()


@pytest.mark.slow
def test_a_large_board_comes_in_pages(client: Client, large: str) -> None:
    first = client.get(large)
    assert len(first.context["lines"]) == 50
    assert "Page 1 of 3" in first.content.decode()
    assert 'rel="next" href="?page=2"' in first.content.decode()
    assert 'class="board dense"' in first.content.decode()
    last = client.get(large, {"page": 3})
    assert len(last.context["lines"]) == 20
    assert len(client.get(large, {"page": "all"}).context["lines"]) == 120
    assert client.get(large, {"page": 99}).context["page"] == 3


@pytest.mark.slow
def test_a_large_page_is_small_and_takes_few_queries(client: Client, large: str) -> None:
    client.get(large)
    memory.forget()
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as captured:
            page = client.get(large).content
        counts.append(len(captured))
    # Of a process that begins (also the board as stored), and of one that knows it.
    assert counts == [5, 3]
    assert len(gzip.compress(page)) < 60_000


def test_made_up_boards_are_for_development_alone(settings: Any) -> None:
    settings.DEVELOPMENT = False
    with pytest.raises(Exception, match="for development mode"):
        call_command("make_gallery")
    assert not models.Benchmark.objects.exists()
