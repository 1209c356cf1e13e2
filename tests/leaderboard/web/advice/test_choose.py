"""The advisor's page: what it answers, to whom, and what it does with bad input."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.leaderboard import factories
from tests.leaderboard.advice_world import Advice, add, build_board
from tests.leaderboard.timings import CPU, GPU, timed

pytestmark = pytest.mark.django_db
QUESTION = (
    "elements=Li-P-S&n_atoms=10000&duration=1&duration_unit=ns&temperature_K=600"
    "&hardware=gpu&licence=open"
)
N_QUERIES = 8


@pytest.fixture
def world() -> Advice:
    return build_board()


def text_of(response: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", response.content.decode()))


def test_a_young_site_recommends_nothing_and_says_so(client: Client) -> None:
    response = client.get("/choose/")
    assert response.status_code == 200
    assert "No benchmark has been published yet" in text_of(response)


def test_the_home_page_leads_to_the_form_and_its_example_to_an_answer(
    client: Client, world: Advice
) -> None:
    add(world, "good", 0.8)
    assert 'href="/choose/"' in client.get("/").content.decode()
    links = re.findall(r'href="(/choose/\?[^"]*)"', client.get("/choose/").content.decode())
    response = client.get(links[0].replace("&amp;", "&"))
    shown = text_of(response)
    assert "1 of 1 potential can be recommended" in shown
    # 10 000 atoms of 100 µs each: 1 s a step, and a million steps: 278 h.
    assert "12 d" in shown
    assert "extrapolated beyond 1 000 atoms" in shown
    assert "Stability at 600 K is judged by Heating (to 3000 K)." in shown


def test_everything_that_is_out_says_why(client: Client, world: Advice) -> None:
    add(world, "good", 0.8, skills={"Li": 0.7, "S": 0.3})
    add(world, "narrow", 0.9, elements=["Li", "P"])
    add(world, "closed", 0.9, licence="ASL")
    add(world, "bare", 0.9, licence="")
    add(world, "slow", 0.9, us_per_atom=None)
    add(world, "silent", 0.9, elements=None)
    add(world, "dummy", 0.1, calculator_kind="dummy")
    shown = text_of(client.get(f"/choose/?{QUESTION}"))
    for words in (
        "1 of 7 potentials can be recommended",
        "Does not support S.",
        "Its licence, ASL, is not known to be open.",
        "Names no licence.",
        f"Not timed on {GPU}.",
        "Nobody tells which elements it can do.",
        "A dummy for comparison",
        "Ranked on the 2 systems made of Li, P, S alone, in 1 task. None of them holds P.",
        "Score 0.500",
    ):
        assert words in shown, words


def test_hardware_that_was_never_timed_is_told(client: Client, world: Advice) -> None:
    submission = add(world, "good", 0.8, us_per_atom=None)
    timed(submission, world.efficiency, hardware=CPU)
    shown = text_of(client.get(f"/choose/?{QUESTION}"))
    assert "1 of 1 potential can do it; how fast is not known" in shown
    assert "Nothing was timed on a GPU yet" in shown
    assert "Ranked by their scores alone" in shown
    assert "Not timed on a GPU." in shown
    assert CPU in shown


def test_an_answer_without_hours_leads_to_where_some_are_known(
    client: Client, world: Advice
) -> None:
    submission = add(world, "good", 0.8, us_per_atom=None)
    add(world, "better", 0.9, us_per_atom=None)
    timed(submission, world.efficiency, hardware=CPU)
    response = client.get(f"/choose/?{QUESTION}")
    names = [c.row.entrant.slug for c in response.context["best"]]
    assert names == ["better", "good"]
    (address,) = re.findall(r'href="([^"]*)">The hours on', response.content.decode())
    shown = text_of(client.get(f"/choose/{address.replace('&amp;', '&')}"))
    assert "1 of 2 potentials can be recommended" in shown
    assert f"on {CPU}" in shown


def test_nobody_who_can_do_it_is_said_so(client: Client, world: Advice) -> None:
    add(world, "narrow", 0.9, elements=["Li"])
    shown = text_of(client.get(f"/choose/?{QUESTION}"))
    assert "0 of 1 potential can be recommended" in shown
    assert "None is ranked, fits all that you asked for" in shown


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("elements=Xx", "There is no element Xx."),
        ("elements=<script>", "is not clear"),
        ("n_atoms=-1", "must be a number from 1"),
        ("n_atoms=2.5", "must be a whole number of atoms"),
        ("n_atoms=nan", "must be a number from 1"),
        ("duration=0", "must be a number above 0"),
        ("duration_unit=days", "is none of ps, ns"),
        ("timestep_fs=0", "must be a number from 0.01"),
        ("licence=free", "is none of any, open"),
        ("hardware=%00", "plain characters"),
        ("weight.Forces=-1", "must be a number from 0 to 1000"),
        ("weight.Nothing=1", "There is no category"),
        ("weight.Forces=0&weight.Stability=0&weight.Crystals=0", "above zero"),
        ("max_hours=" + "9" * 300, "At most 200"),
    ],
)
def test_bad_input_is_explained_on_a_whole_page(
    client: Client, world: Advice, query: str, sentence: str
) -> None:
    response = client.get(f"/choose/?{query}")
    assert response.status_code == 400
    assert sentence in text_of(response).replace("&#x27;", "'")
    assert "Find potentials" in text_of(response)
    assert "<script>" not in response.content.decode().partition("<main")[2].partition("</main>")[0]


def test_many_unknown_fields_do_no_harm(client: Client, world: Advice) -> None:
    query = "&".join(f"a{n}=1" for n in range(900))
    assert client.get(f"/choose/?{query}").status_code == 200


@pytest.mark.slow
def test_private_and_withdrawn_potentials_are_not_betrayed(client: Client, world: Advice) -> None:
    alice = factories.user("alice")
    add(world, "good", 0.8)
    add(world, "secretly", 0.9, visibility="private", owner=alice)
    add(world, "goneaway", 0.9, withdrawn_at=timezone.now())
    for name in ("", "bob"):
        if name:
            client.force_login(factories.user(name))
        for address in (f"/choose/?{QUESTION}", f"/api/v1/recommend/?{QUESTION}"):
            shown = client.get(address).content.decode().casefold()
            assert "secretly" not in shown
            assert "goneaway" not in shown
    client.force_login(alice)
    shown = text_of(client.get(f"/choose/?{QUESTION}"))
    assert "Secretly" in shown
    assert "seen by its owner alone" in shown
    assert "Goneaway" not in shown


@pytest.mark.slow
def test_more_potentials_take_no_more_queries(client: Client, world: Advice) -> None:
    counts = []
    for n in range(1, 4):
        add(world, f"x{n}", 0.5 + n / 10, skills={"Li": 0.1})
        add(world, f"silent{n}", 0.5, elements=None)
        client.get(f"/choose/?{QUESTION}")
        with CaptureQueriesContext(connection) as queries:
            client.get(f"/choose/?{QUESTION}")
        counts.append(len(queries))
    assert counts == [N_QUERIES] * 3
