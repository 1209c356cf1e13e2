"""The client against the real service: a server that listens, with the test's database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evaluator.client import Client, Conflict, NotFound
from evaluator.client.transport import Transport
from evaluator.client.uploads import sha256_of_file, upload_in_parts
from leaderboard import models
from tests.end_to_end.conftest import token_of
from tests.leaderboard import factories
from tests.leaderboard.api.world import make_world

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_blobs")]

PART = 8 * 2**20


@pytest.fixture
def transport(live_server: Any) -> Iterator[Transport]:
    found = Transport(live_server.url, token_of("alice"))
    yield found
    found.close()


@pytest.fixture
def client(live_server: Any) -> Iterator[Client]:
    with Client(live_server.url, token_of("alice")) as found:
        yield found


class Broken(Exception):
    pass


class BreaksAfter:
    """Breaks the upload off once so many bytes have arrived."""

    def __init__(self, n_bytes: int) -> None:
        self.n_bytes = n_bytes
        self.seen: list[int] = []

    def __call__(self, done: int, total: int) -> None:
        self.seen.append(done)
        if done >= self.n_bytes:
            raise Broken


def test_a_broken_upload_goes_on_with_the_parts_that_are_missing(
    transport: Transport, tmp_path: Path
) -> None:
    path = tmp_path / "my.model"
    content = bytes(range(256)) * (3 * PART // 256) + b"the last part is short"
    path.write_bytes(content)
    digest = sha256_of_file(path)

    first = BreaksAfter(PART)
    with pytest.raises(Broken):
        upload_in_parts(transport, path, sha256=digest, progress=first)
    assert first.seen == [0, PART]
    second = BreaksAfter(3 * PART)
    with pytest.raises(Broken):
        upload_in_parts(transport, path, sha256=digest, progress=second)
    assert second.seen == [PART, 2 * PART, 3 * PART]

    seen: list[int] = []
    upload = upload_in_parts(
        transport, path, sha256=digest, progress=lambda done, total: seen.append(done)
    )

    assert seen == [3 * PART, len(content)]
    assert upload.is_complete
    (row,) = models.Upload.objects.all()
    assert row.artifact is not None
    assert (row.artifact.sha256, row.artifact.size_bytes) == (digest, len(content))
    again = upload_in_parts(transport, path, sha256=digest)
    assert again.id == upload.id, "what is complete is not sent again"


def test_boards_evaluations_and_lists_are_read_as_records(client: Client) -> None:
    world = make_world()
    slug = world.benchmark.benchmark.slug

    board = client.leaderboard(slug)
    task_board = client.task_leaderboard(world.task.task.slug)

    assert [b.slug for b in client.benchmarks()] == [slug]
    names = {row.submission.name for row in board.rows}
    assert names == {"open potential open-1", "secret potential secret-1"}, "alice sees her own"
    assert {cell.task for row in board.rows for cell in row.tasks} == {
        world.task.task.slug,
        world.second_task.task.slug,
    }
    (row,) = (row for row in task_board.rows if row.submission.version == "open-1")
    assert (row.score, row.score_low, row.score_high) == (0.5, 0.4, 0.6)
    evaluation = client.evaluation(str(world.public.ended.pk))
    assert evaluation.scores[0].metric == "eos_delta_mean"
    assert evaluation.finished_at is not None
    assert {e.id for e in client.evaluations()} == {
        str(side_evaluation.pk)
        for side in (world.public, world.private)
        for side_evaluation in (side.ended, side.queued)
    }
    assert [s["system_id"] for s in client.systems(evaluation.id)] == ["Al", "=Cu"]
    assert client.logs(str(world.private.ended.pk)).stdout == "secret out"
    assert client.me().username == "alice"
    assert {limit.name for limit in client.quota().limits} == {
        "per_day",
        "per_month",
        "concurrent",
        "worker_seconds_per_day",
        "worker_seconds_per_week",
        "potentials",
        "stored_MiB",
        "open_uploads",
    }


def test_lists_longer_than_a_page_are_whole(client: Client) -> None:
    alice = factories.user("alice")
    slugs = {f"p-{i:02d}" for i in range(60)}
    for slug in slugs:
        factories.potential(alice, slug=slug)
    assert {potential.slug for potential in client.potentials()} == slugs


def test_following_yields_each_change_and_ends_with_the_evaluation(live_server: Any) -> None:
    world = make_world()
    evaluation = world.public.queued
    waits: list[float] = []

    def work(wait_s: float) -> None:
        """Stands for the time that passes between two questions."""
        waits.append(wait_s)
        if len(waits) == 2:
            models.Evaluation.objects.filter(pk=evaluation.pk).update(
                state="cancelled", verdict="cancelled", finished_at=evaluation.queued_at
            )

    client = Client(live_server.url, token_of("alice"), sleep=work)

    seen = list(client.follow(str(evaluation.pk)))

    assert [e.state for e in seen] == ["queued", "cancelled"], "the unchanged one is not repeated"
    assert waits == [5.0, 5.0], "as long as the service says of a queued one"


def test_cancelling_what_has_ended_is_a_conflict(client: Client) -> None:
    world = make_world()
    client.cancel(str(world.public.queued.pk))
    world.public.queued.refresh_from_db()
    assert world.public.queued.state == "cancelled"
    with pytest.raises(Conflict):
        client.cancel(str(world.public.queued.pk))


def test_what_is_private_is_not_there_for_a_stranger(live_server: Any) -> None:
    world = make_world()
    bob = Client(live_server.url, token_of("bob"))
    assert bob.submission(str(world.public.submission.pk)).version == "open-1"
    for read, row in (
        (bob.submission, world.private.submission),
        (bob.evaluation, world.private.ended),
        (bob.logs, world.private.ended),
        (bob.cancel, world.private.queued),
    ):
        with pytest.raises(NotFound):
            read(str(row.pk))
