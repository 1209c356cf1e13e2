"""Sets that are hidden, and opened by an explicit act once there is a newer version."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from leaderboard import models
from leaderboard.exceptions import SubmissionError
from leaderboard.lib import blobs
from leaderboard.services.definitions.hidden_sets import hide_set, open_set
from tests.leaderboard import factories
from tests.leaderboard.stored_files import keep_files_in

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_files(settings: Any, tmp_path: Path) -> None:
    keep_files_in(settings, tmp_path)


def hidden(version: str, *edges_A: float, energy: float = 1.0) -> models.ReferenceSet:
    """Cubic cells with one atom of aluminium."""
    content = "".join(
        f'1\nLattice="{a} 0 0 0 {a} 0 0 0 {a}" Properties=species:S:1:pos:R:3 pbc="T T T" '
        f"system_id=s{n} energy={energy}\nAl 0.0 0.0 0.0\n"
        for n, a in enumerate(edges_A)
    ).encode()
    sha256 = hashlib.sha256(content).hexdigest()
    row = factories.reference_set(
        slug="withheld", version=version, sha256=sha256, size_bytes=len(content), is_public=False
    )
    blobs.write([content]).keep(row.storage_name)
    return row


def test_an_older_version_is_opened_while_the_newer_one_stays_hidden() -> None:
    old, new = hidden("1", 4.0, 4.1), hidden("2", 4.2, 4.3)
    open_set(old)
    rows = models.ReferenceSet.objects.order_by("version").values_list("pk", "is_public")
    assert list(rows) == [(old.pk, True), (new.pk, False)]
    hide_set(old)
    assert not models.ReferenceSet.objects.get(pk=old.pk).is_public


def test_a_set_is_not_opened_while_a_structure_of_it_stands_in_a_hidden_one() -> None:
    old = hidden("1", 4.0, 4.1)
    hidden("2", 4.1, 4.3, energy=2.0)
    with pytest.raises(SubmissionError, match="1 structures of withheld 1 stand in withheld 2"):
        open_set(old)
    assert not models.ReferenceSet.objects.get(pk=old.pk).is_public


def test_the_task_says_how_many_were_judged_on_which_version(client: Any) -> None:
    task = models.Task.objects.create(slug="rotating", name="Rotating", summary="EOS")
    first = factories.task_version(task, reference_set=hidden("1", 4.0))
    second = factories.task_version(task, reference_set=hidden("2", 4.2))
    for on in (first, first, second):
        factories.evaluation(on=on, score=0.5)
    text = " ".join(client.get("/tasks/rotating/").content.decode().split())
    assert "2 potentials judged on withheld 1, hidden" in text
    assert "1 potential judged on withheld 2, hidden" in text
    open_set(first.reference_set)
    text = " ".join(client.get("/tasks/rotating/").content.decode().split())
    assert "2 potentials judged on withheld 1 </li>" in text
