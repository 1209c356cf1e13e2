"""Which cores are taken: free ones first, all where that is less than was wanted."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest

from evaluator.sandbox import cores
from evaluator.sandbox.lock_folder import lock_folder


@pytest.fixture(autouse=True)
def _own_locks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    name = f"touchstone-test-{uuid.uuid4().hex}"
    monkeypatch.setattr(cores, "_LOCK_FOLDER", name)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {2, 3, 5, 7})
    yield
    folder = lock_folder(name)
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


def test_those_at_work_at_once_have_different_cores() -> None:
    first, second = cores.take_cores(2), cores.take_cores(2)
    assert (first.numbers, second.numbers) == ((2, 3), (5, 7))

    first.release()
    third = cores.take_cores(1)
    assert third.numbers == (2,)
    for taken in (second, third):
        taken.release()


def test_where_too_few_are_free_others_are_shared() -> None:
    first, second = cores.take_cores(3), cores.take_cores(2)
    assert first.numbers == (2, 3, 5)
    assert len(set(second.numbers)) == 2
    assert 7 in second.numbers
    for taken in (first, second):
        taken.release()


def test_who_wants_all_or_shares_takes_none_from_others() -> None:
    assert cores.take_cores(9).numbers == (2, 3, 5, 7)
    assert len(cores.take_cores(3, is_shared=True).numbers) == 3
    taken = cores.take_cores(1)
    assert taken.numbers == (2,)
    taken.release()


def test_those_that_share_one_after_the_other_share_with_different_ones() -> None:
    first, second = (cores.take_cores(2, is_shared=True).numbers for _ in range(2))
    assert sorted(first + second) == [2, 3, 5, 7]
