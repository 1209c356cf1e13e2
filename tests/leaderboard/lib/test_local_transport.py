from __future__ import annotations

import threading
from collections.abc import Iterator
from queue import Empty

import pytest
from django.db import connection as database
from kombu import Connection
from kombu.transport import get_transport_cls

from leaderboard.lib import local_transport
from leaderboard.lib.local_transport import Channel
from tests.end_to_end.site import broker_url

N_MESSAGES = 40


@pytest.fixture
def url(transactional_db: None) -> Iterator[str]:
    # A schema of its own: the real queue of other tests is left alone.
    with database.cursor() as cursor:
        cursor.execute("CREATE SCHEMA threads")
        try:
            yield f"{broker_url()}&options=-csearch_path%3Dthreads"
        finally:
            for address in [url for url in Channel._engines if "Dthreads" in url]:
                engine, _ = Channel._engines.pop(address)
                engine.dispose()
            cursor.execute("DROP SCHEMA threads CASCADE")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")
def test_one_channel_serves_the_main_thread_and_those_of_slots(url: str) -> None:
    with Connection(url) as connection:
        channel = connection.channel()
        channel._new_queue("evaluations")
        faults: list[Exception] = []

        # What Celery does at a rejected message, in the thread of the slot whose child died.
        def give_back() -> None:
            try:
                for _ in range(N_MESSAGES // 2):
                    channel._put("evaluations", {"body": "x"})
            except Exception as fault:  # noqa: BLE001  (of whatever kind)
                faults.append(fault)

        slots = [threading.Thread(target=give_back) for _ in range(2)]
        for slot in slots:
            slot.start()
        n_messages = 0
        while n_messages < N_MESSAGES and not faults:
            try:
                channel._get("evaluations")
            except Empty:
                if not any(slot.is_alive() for slot in slots) and not channel._size("evaluations"):
                    break
            else:
                n_messages += 1
        for slot in slots:
            slot.join()

        assert faults == []
        assert n_messages == N_MESSAGES
        channel.close()


@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")
def test_a_statement_that_failed_does_not_spoil_the_next(url: str) -> None:
    with Connection(url) as connection:
        channel = connection.channel()
        channel._new_queue("evaluations")
        with pytest.raises(TypeError):
            channel._put("evaluations", {"body": object()})

        channel._put("evaluations", {"body": "x"})

        assert channel._get("evaluations") == {"body": "x"}


def test_our_workers_use_it() -> None:
    assert get_transport_cls("sqla") is local_transport.Transport
