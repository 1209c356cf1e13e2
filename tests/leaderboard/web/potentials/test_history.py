"""A potential's page tells how its rank went over time, from rows alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from leaderboard import models
from leaderboard.services.boards.history import record, record_all
from tests.leaderboard import factories
from tests.leaderboard.past_world import Past, board_of, make_past
from tests.leaderboard.web.test_pages import text_of

pytestmark = pytest.mark.django_db
PAGE = "/potentials/steps/"


@pytest.fixture
def past(settings: Any, tmp_path: Any) -> Past:
    settings.DATA_DIR = tmp_path
    return make_past()


@pytest.fixture
def steps(past: Past) -> models.Potential:
    """Its version 1 fell from rank 1 to 3 and is at 2, its version 2 came and leads."""
    potential = factories.potential(slug="steps", name="Steps")
    past.enters(0.5, potential, version="1.0")
    past.enters(0.8)
    past.later(days=2)
    past.enters(0.9, potential, version="2.0")
    record(past.board)
    return potential


@pytest.mark.slow
def test_it_shows_steps_and_says_why(client: Client, steps: models.Potential) -> None:
    response = client.get(PAGE)
    shown = text_of(response)
    history = response.context["history"]
    assert [(line.row.submission.version, line.row.rank, line.why) for line in history.lines] == [
        ("2.0", 1, "entered as a new version"),
        ("1.0", 3, "1 other came above it"),
        ("1.0", 2, "1 other came above it"),
        ("1.0", 1, "entered"),
    ]
    for words in ("Rank over time", "rank 3 of 3 (3–3), score 0.500", "Entered as a new version",
                  "Last stood version 1.0 at rank 3 of 3, version 2.0 at rank 1"):  # fmt: skip
        assert words in shown, words
    assert "board version" not in shown
    page = response.content.decode()
    assert 'data-chart="chart-rank-over-time"' in page
    assert page.count("<svg") > 0
    assert "vega.js" in page


@pytest.mark.slow
def test_the_drawing_is_made_once_a_week_at_most(
    client: Client, steps: models.Potential, past: Past
) -> None:
    def spec(days: float) -> dict[str, Any]:
        monday = past.now + timedelta(days=14 - past.now.weekday())
        models.BoardHistory.objects.update(through=monday + timedelta(days=days))
        found: dict[str, Any] = client.get(PAGE).context["history"].chart.spec
        return found

    assert spec(0.5) == spec(5)
    assert spec(0.5) != spec(9)


def test_where_one_moment_is_known_a_sentence_stands_for_it(client: Client, past: Past) -> None:
    past.enters(0.5, factories.potential(slug="steps"), version="1.0")
    record(past.board)
    shown = text_of(client.get(PAGE))
    assert "Version 1.0 has stood at rank 1 (1–1) since" in shown
    assert "chart-rank-over-time" not in client.get(PAGE).content.decode()


def test_before_anything_is_written_nothing_is_said(client: Client, past: Past) -> None:
    past.enters(0.5, factories.potential(slug="steps"))
    assert "Rank over time" not in text_of(client.get(PAGE))


def test_what_is_still_to_be_written_is_said(client: Client, past: Past) -> None:
    past.enters(0.5, factories.potential(slug="steps"))
    past.enters(0.8)
    record(past.board, at_most=2)
    shown = text_of(client.get(PAGE))
    assert "1 later moment will follow." in shown


@pytest.mark.slow
def test_a_new_version_of_the_board_is_marked(
    client: Client, past: Past, steps: models.Potential
) -> None:
    past.later(days=1)
    board_of("board", 2, past.tasks[:1], past.now)
    record_all()
    response = client.get(PAGE)
    shown = text_of(response)
    assert "On version 2 of the board when it was published." in shown
    assert "Entered (version 1 of the board)" in shown
    assert "ranks begin anew with it" in shown
    spec = str(response.context["history"].chart.spec)
    assert "board version 2" in spec


@pytest.mark.slow
def test_strangers_see_nothing_of_withdrawn_and_private_versions(
    client: Client, past: Past, steps: models.Potential
) -> None:
    past.withdraw(steps.submissions.get(version="2.0"))
    past.enters(0.99, steps, version="secret", visibility="private", published_at=None)
    record(past.board)
    shown = text_of(client.get(PAGE))
    assert "1 other above it left" in shown
    assert "2.0" not in shown
    assert "secret" not in shown
    client.force_login(steps.owner)
    own = client.get(PAGE).context["history"]
    assert {line.row.submission.version for line in own.lines} == {"1.0", "2.0"}


@pytest.mark.slow
def test_a_hostile_version_is_only_text(client: Client, past: Past) -> None:
    potential = factories.potential(slug="steps", name="</script><script>alert(1)</script>")
    past.enters(0.5, potential, version='"><svg onload=alert(1)>')
    past.enters(0.6, potential, version="x" * 64)
    record(past.board)
    page = client.get(PAGE).content.decode()
    assert "<svg onload" not in page
    assert "<script>alert" not in page


@pytest.mark.slow
def test_a_long_past_is_cut_and_the_rest_is_in_the_api(
    client: Client, past: Past, steps: models.Potential
) -> None:
    for n in range(12):
        past.enters(0.6 + 0.01 * n)
    record(past.board)
    response = client.get(PAGE)
    assert len(response.context["history"].lines) == 12
    assert "/api/v1/potentials/steps/history/" in response.content.decode()
    assert "the earlier ones too" in text_of(response)


@pytest.mark.slow
def test_the_history_takes_as_many_queries_for_many_rows(
    client: Client, past: Past, steps: models.Potential
) -> None:
    def count() -> int:
        client.get(PAGE)
        with CaptureQueriesContext(connection) as queries:
            client.get(PAGE)
        return len(queries)

    before = count()
    for score in (0.85, 0.86, 0.87):
        past.enters(score)
    past.enters(0.7, steps, version="3.0")
    record(past.board)
    assert count() == before
