"""Children of a worker that are killed or hang: no work is lost, and the worker is never deaf."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from leaderboard import models
from leaderboard.enums import TERMINAL_STATES
from tests.end_to_end.site import (
    Site,
    children,
    descendants,
    is_alive,
    load_equation_of_state,
    running_site,
    slow_emt,
    submit,
    wait_until,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.sandbox,
    pytest.mark.django_db(transaction=True),
    # kombu's tables are declared with an option that SQLAlchemy 2.1 deprecates.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
]

EMT = b'{"calculator": "emt"}'
N_KILLS = 44
#: Kills of either sort; the others are of whichever child comes.
N_OF_EACH = 12


@pytest.fixture
def site(transactional_db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with running_site(tmp_path, monkeypatch) as site:
        # Children are killed more often than an evaluation would be tried; repeated at once.
        site.more_environment = {
            "TOUCHSTONE_MAX_ATTEMPTS": "100",
            "TOUCHSTONE_RETRY_PAUSE_S": "0",
            "TOUCHSTONE_LEASE_S": "3",
            "TOUCHSTONE_DEAF_AFTER_S": "30",
        }
        yield site


def all_have_ended() -> bool:
    return not models.Evaluation.objects.exclude(state__in=TERMINAL_STATES).exists()


def is_ready() -> bool:
    """Whether the worker has said that it could take work: its children are there then."""
    return models.Worker.objects.filter(free_since__isnull=False).exists()


def wait(is_so: Callable[[], bool], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline, list(
            models.Evaluation.objects.values_list("state", "attempt", "message")
        )
        time.sleep(0.1)


def test_killed_idle_and_busy_children_cost_no_evaluation(site: Site) -> None:
    load_equation_of_state()
    site.start_reaper()
    worker = site.start_worker("worker", concurrency=2)
    wait(is_ready, 60)
    assert len(children(worker.pid)) == 2
    chance = random.Random(7)
    n_kills = {"idle": 0, "busy": 0}

    # Sandboxes are what a busy child has below it.
    def kill_one() -> None:
        child = chance.choice(sorted(children(worker.pid)) or [0])
        if child == 0:
            return
        sort = "busy" if descendants(child) else "idle"
        n_left = N_KILLS - sum(n_kills.values())
        other = "idle" if sort == "busy" else "busy"
        if N_OF_EACH - n_kills[other] >= n_left:
            return  # the last ones are kept for the sort that is lacking
        os.kill(child, signal.SIGKILL)
        n_kills[sort] += 1

    submit(EMT, "emt.json", "ase")
    deadline = time.monotonic() + 180
    while sum(n_kills.values()) < N_KILLS:
        assert time.monotonic() < deadline, (n_kills, worker.poll(), site.log("worker")[-4000:])
        if models.Evaluation.objects.exclude(state__in=TERMINAL_STATES).count() < 2:
            submit(EMT, "emt.json", "ase")
        kill_one()
        time.sleep(chance.uniform(0.1, 0.6))

    wait(all_have_ended, 60)
    assert min(n_kills.values()) >= N_OF_EACH
    assert worker.poll() is None
    log = site.log("worker")
    assert "is deaf" not in log
    assert "ERROR leaderboard.slot_pool: A CHILD PROCESS WAS LOST" in log
    assert "Nothing is due" not in log
    assert "The reaper lives: 1 rounds" in site.log("reaper")
    for evaluation in models.Evaluation.objects.all():
        assert (evaluation.state, evaluation.message) == ("succeeded", "")
        metrics = list(evaluation.scores.values_list("metric", flat=True))
        assert len(metrics) == len(set(metrics)) > 0
        assert evaluation.systems.count() == 71
        assert evaluation.events.filter(kind="succeeded").count() == 1
    assert models.Evaluation.objects.count() >= 2


def test_a_worker_whose_child_hangs_starts_anew_and_goes_on(site: Site) -> None:
    site.more_environment |= {"TOUCHSTONE_DEAF_AFTER_S": "3"}
    load_equation_of_state()
    worker = site.start_worker("worker")
    wait(is_ready, 60)
    (child,) = children(worker.pid)
    os.kill(child, signal.SIGSTOP)

    evaluation = submit(EMT, "emt.json", "ase")

    wait_until(evaluation, lambda e: e.has_ended, 60)
    assert (evaluation.state, evaluation.attempt) == ("succeeded", 1)
    assert "this worker is deaf. It starts anew." in site.log("worker")
    assert worker.poll() is None  # the process is the same to whoever watches it
    assert not is_alive(child)


def test_a_busy_child_that_is_told_to_end_alone_is_a_loss_that_counts(site: Site) -> None:
    """A guard of the host's memory asks first, and would ask for ever if that cost nothing."""
    load_equation_of_state()
    evaluation = submit(slow_emt(0.5), "slow.zip", "package")
    worker = site.start_worker("worker")
    wait(lambda: models.Evaluation.objects.filter(phase="simulating").exists(), 60)
    (child,) = children(worker.pid)

    os.kill(child, signal.SIGTERM)
    retried = evaluation.events.filter(kind="retried", data__verdict="infrastructure_lost")
    wait(retried.exists, 60)

    assert worker.poll() is None
    wait(lambda: not is_alive(child), 30)


def test_a_worker_that_is_told_to_end_waits_for_all_its_children(site: Site) -> None:
    load_equation_of_state()
    for _ in range(2):
        submit(slow_emt(0.5), "slow.zip", "package")
    worker = site.start_worker("worker", concurrency=2)
    simulating = models.Evaluation.objects.filter(phase="simulating")
    wait(lambda: simulating.count() == 2, 60)
    below = descendants(worker.pid)

    worker.send_signal(signal.SIGTERM)
    try:
        worker.wait(30)
    except subprocess.TimeoutExpired:
        pytest.fail(site.log("worker")[-2000:])

    assert set(models.Evaluation.objects.values_list("state", "attempt")) == {("queued", 0)}
    assert not [pid for pid in below if is_alive(pid)]
