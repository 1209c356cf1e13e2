"""The demo's trained potentials, submitted to a server that listens; nothing is evaluated."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from deploy.demo.potentials import Uploads, left_out, to_submit
from deploy.demo.stack import DemoError
from evaluator.client import Client
from leaderboard import models
from tests.end_to_end.conftest import token_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.trained,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("own_blobs"),
]
VERSIONS = ("chgnet:0.2.0", "chgnet:0.3.0")


def test_versions_of_one_potential_are_submitted_whatever_differs_between_their_cards(
    live_server: Any, tmp_path: Path
) -> None:
    with Client(live_server.url, token_of("alice")) as client:
        for _ in range(2):  # a second demo leaves all as it is
            chosen = to_submit(VERSIONS, is_all=False, only_baselines=False)
            uploads = Uploads(tmp_path, chosen)
            uploads.start()
            deadline = time.monotonic() + 300
            while uploads.is_pending and time.monotonic() < deadline:
                uploads.submit_ready(client, client)
                time.sleep(0.05)
            assert not uploads.is_pending
            assert not uploads.failed

    submissions = models.Submission.objects.filter(potential__slug="chgnet")
    assert sorted(submissions.values_list("version", flat=True)) == ["0.2.0", "0.3.0"]


def test_the_demo_begins_with_what_is_quick_and_says_what_it_leaves_out() -> None:
    plain = to_submit((), is_all=False, only_baselines=False)
    whole = to_submit((), is_all=True, only_baselines=False)
    baselines = to_submit((), is_all=False, only_baselines=True)

    assert [p.reference for p in plain[len(baselines) :]] == ["chgnet:0.3.0", "sevennet:7net-0"]
    assert plain[: len(baselines)] == baselines
    assert {p.reference for p in whole} >= {"sevennet:7net-l3i5", "diep:diep_fold1", "xtb:gfn2"}
    assert len(left_out(plain)) == len(whole) - len(plain)
    with pytest.raises(DemoError, match="no potential ase:magic here"):
        to_submit(["ase:magic"], is_all=False, only_baselines=False)
