"""Ways to get at a hidden set that somebody tried: see tests/hostile/README.md, "Hidden sets"."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from evaluator.contract import Verdict
from leaderboard import models
from leaderboard.enums import TeamRole, TokenScope, VersionState
from leaderboard.services.accounts import teams
from leaderboard.services.boards.entrants import Entrants
from leaderboard.services.boards.packing import unpacked
from leaderboard.services.boards.ranking_moments import moments_of
from leaderboard.services.boards.replicates import of_evaluations
from leaderboard.services.boards.task_reader import past_task_board
from leaderboard.services.evaluations import failures
from tests.leaderboard import factories
from tests.leaderboard.api.conftest import client_of
from tests.leaderboard.hidden_world import MARK, HiddenWorld, make_hidden_world, open_the_sets
from tests.leaderboard.stored_files import keep_files_in
from tests.leaderboard.test_hidden_sets import asked, leaks, text_of

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture
def world(settings: Any, tmp_path: Any) -> HiddenWorld:
    cache.clear()
    keep_files_in(settings, tmp_path)
    settings.STREAM_S = 0
    return make_hidden_world()


def test_what_was_kept_while_a_set_was_open_is_not_shown_once_it_is_hidden(
    world: HiddenWorld,
) -> None:
    """Boards, charts, cards and errors by element are all remembered somewhere."""
    open_the_sets(world)
    answers = list(asked(world, "nobody"))
    assert leaks(world, answers), "nothing could be kept"
    for reference in world.sets:
        reference.is_public = False
        reference.save(update_fields=["is_public"])
    found = leaks(world, asked(world, "nobody"))
    assert not found, "\n".join(found[:40])


def test_answers_do_not_tell_whether_a_system_or_a_file_is_there(world: HiddenWorld) -> None:
    client, page = client_of(factories.user("alice")), Client()
    for there, not_there in ((f"{MARK}-energy_forces", "nothing-of-this-name"),):
        answers = []
        for name in (there, not_there):
            keys = {"pk": world.ended.pk, "system_id": name, "name": "trajectory.extxyz"}
            file = client.get(reverse("api:evaluation-file", kwargs=keys))
            task = {"slug": world.hidden[0].task.slug, "number": 1, "system_id": name}
            shown = page.get(reverse("system", kwargs=task))
            bytes_ = page.get(reverse("structure", kwargs=task))
            answers.append(
                (
                    file.status_code,
                    file.json()["detail"],
                    shown.status_code,
                    bytes_.status_code,
                    len(shown.content.decode().replace(name, "")),
                )
            )
        assert answers[0] == answers[1]
        assert answers[0][0] == 403


def test_neither_etag_nor_stream_moves_as_a_calculator_works(world: HiddenWorld) -> None:
    """A calculator that chooses when it answers would speak through its progress."""
    client = client_of(factories.user("alice"))
    address = reverse("api:evaluation", args=[world.running.pk])
    progress = reverse("submission-progress", args=[world.running.submission_id])
    stream = reverse("api:evaluation-events", args=[world.running.pk])
    page = Client()

    def seen() -> tuple[str, str, str]:
        events = text_of(client.get(stream, headers={"Accept": "text/event-stream"}))
        return (
            client.get(address)["ETag"],
            page.get(progress)["ETag"],
            events[events.index("retry") :],
        )

    before = seen()
    models.Evaluation.objects.filter(pk=world.running.pk).update(
        progress_done=1, progress_total=2, progress_calls=3, expected_at=None
    )
    assert seen() == before


def test_times_are_told_to_the_second(world: HiddenWorld) -> None:
    """How long it takes is the calculator's to choose: microseconds would be bits of the labels."""
    evaluation = models.Evaluation.objects.get(pk=world.running.pk)
    assert evaluation.started_at is not None
    addresses = [
        reverse("api:evaluation", args=[evaluation.pk]),
        reverse("api:evaluation", args=[world.ended.pk]),
        reverse("api:evaluation-events", args=[world.retried.pk]),
        reverse("api:submission", args=[evaluation.submission_id]),
    ]
    stream = {"Accept": "text/event-stream"}
    public, staff = client_of(factories.user("alice")), client_of(factories.charlie())
    fine = re.compile(r'(started_at|finished_at|ended_at|heartbeat_at|"at)"\s*:\s*"[^"]*\.\d')
    for address in addresses:
        assert not fine.search(text_of(public.get(address))), address
    assert not fine.search(text_of(public.get(addresses[2], headers=stream)))
    for address in (addresses[0], addresses[2]):
        assert fine.search(text_of(staff.get(address))), address
    assert fine.search(text_of(staff.get(addresses[2], headers=stream)))


def test_boards_of_the_past_do_not_tell_the_times_more_finely(world: HiddenWorld) -> None:
    """By halves, boards of two moments would find when an evaluation ended, to the microsecond."""
    second = timezone.now().replace(microsecond=0) - timedelta(minutes=5)
    ended_at = second + timedelta(microseconds=400_000)
    long_ago = second - timedelta(days=1)
    submission = factories.submission(published_at=long_ago)
    for task in (*world.hidden, world.open_task):
        factories.evaluation(submission, task, score=0.5, finished_at=ended_at)
    for task in (world.hidden[0], world.open_task):
        shown = [
            [row.entrant.submission for row in past_task_board(task, moment).rows]
            for moment in (second, ended_at, second + timedelta(seconds=1))
        ]
        is_there = [str(submission.pk) in rows for rows in shown]
        assert is_there == [False, task == world.open_task, True]
    board = models.BenchmarkVersion.objects.create(benchmark=world.benchmark.benchmark, number=2)
    for task in (*world.hidden, world.open_task):
        models.BenchmarkTask.objects.create(
            benchmark_version=board, task_version=task, category=task.protocol
        )
    board.state, board.published_at = VersionState.PUBLISHED, long_ago
    board.save()
    starts = {whole.submission: whole.start for whole in moments_of(board).wholes}
    assert starts[submission.pk] == second + timedelta(seconds=1)


def test_a_token_without_the_scope_admin_sees_what_everybody_sees(world: HiddenWorld) -> None:
    _, text = models.ApiToken.create(factories.charlie(), "to read", scopes=[TokenScope.READ])
    reader = APIClient()
    reader.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    answer = reader.get(reverse("api:evaluation", args=[world.ended.pk]))
    assert not world.planted.leaks_of(answer.content.decode())
    assert reader.get(reverse("api:evaluation-logs", args=[world.ended.pk])).status_code == 403
    whole = client_of(factories.charlie()).get(reverse("api:evaluation", args=[world.ended.pk]))
    assert world.planted.leaks_of(whole.content.decode())


def test_members_of_a_team_see_no_more_than_the_public(world: HiddenWorld) -> None:
    alice = factories.user("alice")
    team = teams.create_team(alice, "the-team", "The team")
    for role in TeamRole:
        member = factories.user(f"a-{role}")
        models.Membership.objects.create(team=team, user=member, role=role)
        models.Potential.objects.filter(owner=alice).update(team=team)
        client = client_of(member)
        assert client.get(reverse("api:evaluation-logs", args=[world.ended.pk])).status_code == 403
        answer = client.get(reverse("api:evaluation", args=[world.failed.pk]))
        assert not world.planted.leaks_of(answer.content.decode())


def test_answers_to_acts_tell_no_more_than_reading_does(world: HiddenWorld) -> None:
    client = client_of(factories.user("alice"))
    again = reverse("api:evaluation-reevaluate", args=[world.ended.pk])
    stop = reverse("api:evaluation-cancel", args=[world.running.pk])
    headers = {"Idempotency-Key": "once"}
    for _ in range(2):
        answer = client.post(again, {"reason": "again"}, format="json", headers=headers)
        assert answer.status_code == 202
        assert not world.planted.leaks_of(answer.content.decode())
    for address in (again, stop):
        answer = client.post(address, {"reason": "once more"}, format="json")
        assert not world.planted.leaks_of(answer.content.decode())
        options = client.options(address)
        assert not world.planted.leaks_of(options.content.decode())
    for method in ("head", "options"):
        place = reverse("api:evaluation-systems", args=[world.ended.pk])
        assert not world.planted.leaks_of(text_of(getattr(client, method)(place)))


def test_the_words_of_a_hidden_smoke_task_do_not_reach_the_evaluations_that_it_held(
    world: HiddenWorld,
) -> None:
    gate = factories.evaluation(on=world.hidden[0])
    held = factories.evaluation(gate.submission, world.open_task, held_by=gate)
    with transaction.atomic():
        failures.end(gate, Verdict.RUNTIME_ERROR, f"ValueError: {MARK}")
    held.refresh_from_db()
    assert held.verdict == "cancelled"
    assert MARK not in held.message
    page = Client().get(held.get_absolute_url())
    assert MARK not in page.content.decode()


def test_a_dry_run_on_a_hidden_set_is_seen_by_the_staff_alone(world: HiddenWorld) -> None:
    run = factories.evaluation(
        world.submissions[0], world.hidden[0], is_dry_run=True, is_current=False, score=0.987
    )
    for client in (Client(), client_of(factories.user("alice"))):
        for address in (run.get_absolute_url(), reverse("api:evaluation", args=[run.pk])):
            assert client.get(address).status_code == 404


def test_what_boards_and_comparisons_are_made_of_has_two_decimals(world: HiddenWorld) -> None:
    """A rank, a tie or an interval tells no more than what it follows from."""
    replicates = of_evaluations([world.ended.pk])[world.ended.pk].tolist()
    assert replicates == [round(value, 2) for value in replicates]
    rows = (
        APIClient()
        .get(reverse("api:task-leaderboard", args=[world.hidden[0].task.slug]))
        .json()["rows"]
    )
    assert rows
    for row in rows:
        scores = [row["score"], row["score_low"], row["score_high"], row["coverage"]]
        assert scores == [round(score, 2) for score in scores]
        assert row["n_failed"] is None
        for metric in row["metrics"].values():
            assert metric["score"] == round(metric["score"], 2)
            assert {metric[k] for k in ("value", "low", "high", "n", "n_failed")} == {None}


def test_what_is_stored_of_boards_has_two_decimals(world: HiddenWorld) -> None:
    """Pages, tables and the API are made of snapshots: what is not in them cannot get out."""
    ask_for_boards(world)
    assert secrets_in_snapshots(world) == []
    open_the_sets(world)
    ask_for_boards(world)
    assert secrets_in_snapshots(world), "nothing would have been noticed"


def ask_for_boards(world: HiddenWorld) -> None:
    tasks = [reverse("task", args=[version.task.slug]) for version in world.hidden]
    for address in ("/", *tasks, reverse("correlation"), f"{reverse('choose')}?elements=Al"):
        assert Client().get(address).status_code == 200
    assert models.Snapshot.objects.count() >= 2 + len(tasks)


def secrets_in_snapshots(world: HiddenWorld) -> list[str]:
    planted = world.planted
    secret = np.array([*planted.numbers, *planted.scores, *planted.counts])
    found = []
    for row in models.Snapshot.objects.all():
        value = unpacked(bytes(row.content))
        if isinstance(value, dict) and "entrants" in value:
            value["entrants"] = list(Entrants(value["entrants"]))
        stored = np.array(list(numbers_in(value)))
        is_secret = np.isclose(stored[:, None], secret, rtol=1e-7, atol=1e-7).any(axis=1)
        found += [f"{row.key}: {number}" for number in stored[is_secret]]
    return found


def numbers_in(value: object) -> Iterator[float]:
    if isinstance(value, np.ndarray):
        yield from numbers_in(value.ravel().tolist())
    elif isinstance(value, Mapping):
        yield from numbers_in(list(value.values()))
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for part in value:
            yield from numbers_in(part)
    elif isinstance(value, int | float):
        yield float(value)


def test_nobody_is_told_that_a_page_is_unchanged_when_a_set_was_hidden_or_opened(
    world: HiddenWorld,
) -> None:
    page = Client()
    hidden = page.get("/")
    assert page.get("/", headers={"If-None-Match": hidden["ETag"]}).status_code == 304
    open_the_sets(world)
    opened = page.get("/", headers={"If-None-Match": hidden["ETag"]})
    assert (opened.status_code, opened["ETag"] == hidden["ETag"]) == (200, False)
    for reference in world.sets:
        reference.is_public = False
        reference.save(update_fields=["is_public"])
    again = page.get("/", headers={"If-None-Match": opened["ETag"]})
    assert again.status_code == 200
    assert not world.planted.leaks_of(text_of(again))


def test_a_hidden_set_cannot_be_found_again_by_its_hash(world: HiddenWorld) -> None:
    for reader, is_told in ((APIClient(), False), (client_of(factories.charlie()), True)):
        rows = reader.get("/api/v1/reference-sets/").json()["results"]
        hidden = [row for row in rows if row["slug"].startswith("withheld")]
        assert len(hidden) == len(world.sets)
        assert all((row["sha256"] is not None) is is_told for row in hidden)
        assert all((row["size_bytes"] is not None) is is_told for row in hidden)
