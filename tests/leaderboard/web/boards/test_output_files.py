"""Output files and progress on the pages."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from evaluator.contract import FileRecord
from leaderboard import models
from leaderboard.services.evaluations import output_files
from leaderboard.templatetags.touchstone import time_left
from tests.leaderboard import factories
from tests.leaderboard.api.world import make_world

pytestmark = pytest.mark.django_db


def words_of(response: Any) -> str:
    content: str = response.content.decode()
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", content))


def add_files(row: models.Evaluation) -> str:
    """A kept and a left-out file of its first system; returns the address of the first."""
    system = row.systems.order_by("position")[0].system_id
    content = b"positions"
    kept = FileRecord(
        system_id=system,
        name="trajectory.extxyz.gz",
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        media_type="application/gzip",
    )
    large = FileRecord(
        system_id=system,
        name="large.json",
        sha256="0" * 64,
        size_bytes=2**30,
        media_type="application/json",
        left_out="Larger than allowed.",
    )
    output_files.write(kept, content)
    output_files.bind(row, [kept, large])
    return f"/api/v1/evaluations/{row.pk}/files/{system}/trajectory.extxyz.gz"


def test_the_page_of_an_evaluation_links_its_files(client: Client) -> None:
    row = make_world().public.ended
    address = add_files(row)

    page = client.get(f"/evaluations/{row.pk}/")

    assert f'<a href="{address}" download>trajectory.extxyz.gz</a>' in page.content.decode()
    assert "large.json was not kept" in words_of(page)
    assert "2 files to download" not in words_of(page), "only one can be downloaded"
    assert "1 file to download stands below" in words_of(page)
    download = client.get(address)
    assert b"".join(download.streaming_content) == b"positions"  # type: ignore[attr-defined]


def test_files_made_of_a_hidden_set_are_not_on_the_page(client: Client) -> None:
    row = make_world(hidden_reference=True).public.ended
    add_files(row)
    assert "trajectory.extxyz.gz" not in client.get(f"/evaluations/{row.pk}/").content.decode()


def test_a_running_evaluation_shows_calls_and_the_time_left(client: Client) -> None:
    row = factories.evaluation(
        state="running",
        phase="simulating",
        worker=factories.worker(),
        lease_expires_at=timezone.now() + timedelta(minutes=1),
        progress_done=12,
        progress_total=71,
        progress_calls=3450,
        expected_at=timezone.now() + timedelta(minutes=5, seconds=30),
    )
    for address in (row.get_absolute_url(), row.submission.get_absolute_url()):
        words = words_of(client.get(address)).replace("\xa0", " ")
        assert "simulating 12/71" in words
        assert "3,450 force calls" in words
        assert "about 5 minutes left" in words

    models.Evaluation.objects.update(expected_at=None)
    assert "left" not in words_of(client.get(row.get_absolute_url()))


@pytest.mark.parametrize("seconds", [-10, 0, 30])
def test_the_last_minute_is_not_counted_down(seconds: int) -> None:
    expected_at = timezone.now() + timedelta(seconds=seconds)
    assert time_left(expected_at) == "less than a minute left"
