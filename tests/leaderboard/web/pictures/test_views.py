"""The pictures beside shared links: what they say, to whom, and what they cost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from leaderboard import models
from leaderboard.charts.cards import Card
from leaderboard.enums import VersionState
from leaderboard.lib import memory
from leaderboard.web.pictures.facts import board_card, potential_card, task_card
from tests.leaderboard import factories
from tests.leaderboard.gallery import Site, build_site

pytestmark = pytest.mark.django_db
CHGNET = "/potentials/chgnet/card.png"
ADDRESSES = [
    "/card.png",
    CHGNET,
    "/potentials/tensornet/card.png",
    "/tasks/eos-wien2k/card.png",
    "/tasks/eos-wien2k/1/card.png",
    "/benchmarks/core/1/card.png",
]


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Iterator[Path]:
    """A new host: no card was drawn on it, no board is known to its process."""
    settings.DATA_DIR = tmp_path
    memory.forget()
    cache.clear()
    yield tmp_path
    memory.forget()


@pytest.fixture
def site() -> Site:
    return build_site()


def drawings(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.rglob("cards/**/*.png")}


@pytest.mark.slow
@pytest.mark.parametrize("address", ADDRESSES)
def test_a_card_is_drawn_once_and_answered_with_304_to_who_has_it(
    client: Client, site: Site, folder: Path, address: str
) -> None:
    first = client.get(address)
    assert (first.status_code, first["Content-Type"]) == (200, "image/png")
    assert first["Cache-Control"] == "public, max-age=300"
    assert "Cookie" not in first.get("Vary", "")
    drawn = drawings(folder)
    assert len(drawn) == 1

    memory.forget()  # as another process is
    again = client.get(address)
    assert again.content == first.content
    known = client.get(address, headers={"If-None-Match": first["ETag"]})
    assert (known.status_code, known.content) == (304, b"")
    assert known["Cache-Control"] == "public, max-age=300"
    assert client.head(address).status_code == 200
    assert drawings(folder) == drawn


def test_a_page_has_one_drawing_however_its_number_is_written(
    client: Client, site: Site, folder: Path
) -> None:
    for number in ("1", "01", "0000000001"):
        assert client.get(f"/tasks/eos-wien2k/{number}/card.png").status_code == 200
        assert client.get(f"/benchmarks/core/{number}/card.png").status_code == 200
    assert len(drawings(folder)) == 2
    assert client.get(f"/tasks/eos-wien2k/{10**30}/card.png").status_code == 404


@pytest.mark.slow
def test_a_card_is_drawn_anew_when_what_it_shows_has_changed(
    client: Client, site: Site, folder: Path
) -> None:
    before = client.get(CHGNET)
    models.Potential.objects.filter(slug="chgnet").update(name="CHGNet renamed")
    after = client.get(CHGNET, headers={"If-None-Match": before["ETag"]})
    assert after.status_code == 200
    assert after["ETag"] != before["ETag"]
    assert len(drawings(folder)) == 1  # the old one has gone


def test_nothing_is_drawn_for_what_does_not_concern_a_card(
    client: Client, site: Site, folder: Path
) -> None:
    tag = client.get(CHGNET)["ETag"]
    factories.evaluation(factories.submission(), site.eos)
    assert client.get(CHGNET, headers={"If-None-Match": tag}).status_code == 304


def test_who_has_too_many_drawn_waits_and_still_gets_what_is_drawn(
    client: Client, site: Site, settings: Any
) -> None:
    settings.THROTTLES = {**settings.THROTTLES, "card": "1/min"}
    assert client.get(CHGNET).status_code == 200
    refused = client.get("/tasks/eos-wien2k/card.png")
    assert refused.status_code == 429
    assert int(refused["Retry-After"]) <= 60
    assert "public" not in refused.get("Cache-Control", "")
    assert client.get(CHGNET).status_code == 200
    assert client.get("/potentials/nobody/card.png").status_code == 404


def test_a_potential_is_told_as_on_its_page(client: Client, site: Site) -> None:
    page = client.get("/potentials/chgnet/").context
    row, card = page["card"].row, potential_card("chgnet")
    assert card.kind == f"Potential, version {row.entrant.version}"
    assert card.line == "CHGNet · PBE · MPtrj · BSD-3-Clause"
    place = card.place
    assert place is not None
    assert (place.rank, place.rank_low, place.rank_high) == (
        row.rank, row.rank_low, row.rank_high,
    )  # fmt: skip
    assert (place.overall, place.low, place.high) == pytest.approx((row.overall, row.low, row.high))
    assert place.n_ranked == page["n_ranked"]
    cells = [row.cells_by_task[site.eos.pk], row.cells_by_task[site.forces.pk]]
    assert [(b.score, b.low, b.high) for b in card.bars] == [
        (cell.score, cell.low, cell.high) for cell in cells
    ]
    # Of CHGNet r2SCAN 0.61, M3GNet 0.58 and MACE 0.41; on forces there are only two others.
    assert [bar.median for bar in card.bars] == [0.58, None]


def test_a_task_and_a_board_are_told_by_their_first(site: Site) -> None:
    task, board = task_card("eos-wien2k"), board_card("core", 1)
    assert [(b.rank, b.label, b.score) for b in task.bars][:2] == [
        (1, "CHGNet 0.3.0", 0.72), (2, "CHGNet 0.2.0", 0.70),
    ]  # fmt: skip
    assert [bar.label for bar in board.bars] == [
        "CHGNet 0.3.0", "CHGNet 0.2.0", "CHGNet r2SCAN 1.0", "M3GNet 2021.2.8",
        "Mean energy, no force 1",
    ]  # fmt: skip
    assert task.remark == "6 ranked"  # EMT supports too few systems
    assert board.remark == "5 ranked on 2 tasks"


@pytest.mark.slow
def test_who_is_not_ranked_and_what_is_not_evaluated_is_said(site: Site) -> None:
    emt, late = potential_card("emt"), potential_card("tensornet")
    assert emt.place is not None
    assert emt.place.rank is None
    assert emt.place.why_not.startswith("Supports 11%")
    assert late.place is not None
    assert late.remark == "No task has a score yet."
    fresh = factories.submission(factories.potential(slug="fresh"))
    place = potential_card(fresh.potential.slug).place
    assert place is not None
    assert place.why_not == "Not evaluated on any of its tasks."
    assert task_card(factories.task_version().task.slug).remark.startswith("No potential")
    empty = factories.benchmark_version((factories.task_version(), "Empty"))
    assert board_card(empty.benchmark.slug, 1).remark.startswith("Nobody is ranked yet")


def test_a_site_without_a_board_has_cards_too(client: Client) -> None:
    factories.submission(factories.potential(slug="alone"))
    assert potential_card("alone").remark == "No leaderboard is published."
    assert client.get("/potentials/alone/card.png").status_code == 200


def test_a_retired_version_says_so_and_a_draft_has_no_card(client: Client, site: Site) -> None:
    models.TaskVersion.objects.filter(pk=site.eos.pk).update(state=VersionState.RETIRED)
    models.BenchmarkVersion.objects.update(state=VersionState.RETIRED)
    assert task_card("eos-wien2k", 1).mark == "retired"
    assert board_card("core", 1).mark == "retired"
    # Its page keeps its address, and shows this card.
    assert client.get("/tasks/eos-wien2k/card.png").status_code == 200
    draft = factories.task_version(site.eos.task, state="draft")
    client.force_login(factories.charlie())
    for address in (f"/tasks/eos-wien2k/{draft.number}/card.png", "/benchmarks/core/9/card.png"):
        assert client.get(address).status_code == 404


def test_timed_rows_of_other_hardware_are_not_mixed_in() -> None:
    task = factories.task_version()
    for score, key in ((0.9, "GPU"), (0.5, "CPU"), (0.4, "CPU")):
        factories.evaluation(on=task, score=score, hardware_key=key)
    card = task_card(task.task.slug)
    assert [bar.score for bar in card.bars] == [0.5, 0.4]
    assert card.remark == "2 ranked, on CPU"


@pytest.mark.slow
def test_a_private_version_changes_no_card(client: Client, site: Site) -> None:
    before = [potential_card("chgnet"), task_card("eos-wien2k"), board_card("core", 1)]
    chgnet = models.Potential.objects.get(slug="chgnet")
    secret = factories.submission(chgnet, version="secret", visibility="private")
    for task in (site.eos, site.forces):
        factories.evaluation(secret, task, score=0.99, replicates=[0.98, 1.0])
    client.force_login(chgnet.owner)
    assert client.get(CHGNET).status_code == 200
    after = [potential_card("chgnet"), task_card("eos-wien2k"), board_card("core", 1)]
    assert after == before


@pytest.mark.slow
def test_withdrawn_and_private_potentials_have_no_card_for_anybody(
    client: Client, site: Site
) -> None:
    assert client.get("/potentials/emt/card.png").status_code == 200
    models.Submission.objects.filter(potential__slug="emt").update(withdrawn_at=timezone.now())
    owner = factories.user()
    secret = factories.submission(factories.potential(owner, slug="secret"), visibility="private")
    nothing = factories.potential(owner, slug="nothing-submitted")
    for user in (None, owner, factories.charlie()):
        if user:
            client.force_login(user)
        for slug in ("emt", secret.potential.slug, nothing.slug, "unknown"):
            assert client.get(f"/potentials/{slug}/card.png").status_code == 404
    page = client.get("/potentials/secret/").content.decode()
    assert 'property="og:image" content="http://testserver/card.png"' in page


def test_scores_on_a_hidden_set_are_told_as_on_the_page(site: Site) -> None:
    before = task_card("eos-wien2k")
    models.ReferenceSet.objects.update(is_public=False)
    after = task_card("eos-wien2k")
    assert [(bar.label, bar.rank) for bar in after.bars] == [
        (bar.label, bar.rank) for bar in before.bars
    ]
    assert after.bars != before.bars, "nothing could be rounded"
    for bar in after.bars:
        numbers = [number for number in (bar.score, bar.low, bar.high) if number is not None]
        assert numbers == [round(number, 2) for number in numbers]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "picture"),
    [
        ("/", "/benchmarks/core/1/card.png"),
        ("/benchmarks/core/1/", "/benchmarks/core/1/card.png"),
        ("/tasks/eos-wien2k/", "/tasks/eos-wien2k/1/card.png"),
        ("/potentials/chgnet/", CHGNET),
        ("/queue/", "/card.png"),
        ("/tasks/eos-wien2k/1/systems/Al/", "/card.png"),
        ("/nowhere/", "/card.png"),
    ],
)
def test_pages_name_a_picture_that_is_there(
    client: Client, site: Site, page: str, picture: str
) -> None:
    text = client.get(page).content.decode()
    told = dict(re.findall(r'<meta (?:property|name)="([\w:]+)" content="([^"]*)">', text))
    assert told["og:image"] == f"http://testserver{picture}"
    assert (told["og:image:width"], told["og:image:height"]) == ("1200", "630")
    assert len(told["og:image:alt"]) > 20
    assert told["twitter:card"] == "summary_large_image"
    assert client.get(picture).status_code == 200


@pytest.mark.slow
def test_a_hostile_name_is_drawn_and_does_not_leave_the_head(client: Client, site: Site) -> None:
    name = '"><script>alert(1)</script>' + "\u202e" + "x" * 60
    models.Potential.objects.filter(slug="chgnet").update(name=name, licence="漢" * 90)
    assert client.get(CHGNET).status_code == 200
    assert "<script>alert" not in client.get("/potentials/chgnet/").content.decode()
    assert client.get("/benchmarks/core/1/card.png").status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize("address", ADDRESSES[1:])
def test_a_card_takes_as_many_queries_for_many_rows(
    client: Client, site: Site, address: str
) -> None:
    counts = []
    client.get(address)  # the board is stored for the first time
    for n in (1, 3):
        for _ in range(n):
            extra = factories.submission(models.Potential.objects.get(slug="chgnet"))
            factories.evaluation(extra, site.eos, score=0.5)
        memory.forget()
        with CaptureQueriesContext(connection) as queries:
            assert client.get(address).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]
    with CaptureQueriesContext(connection) as queries:
        client.get(address)
    assert len(queries) <= 8


def test_two_cards_are_never_taken_for_one_another(site: Site) -> None:
    cards: list[Card] = [potential_card(s.potential.slug) for s in site.submissions.values()]
    assert len({card.digest for card in cards}) == len({card.slug for card in cards})
