"""Two real processes, and the kernel between them."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from evaluator.exceptions import InfrastructureError
from evaluator.host.device_lock import LOCK_DIR_VARIABLE, device_lock

_HOLD = """
import sys
from evaluator.host.device_lock import device_lock
with device_lock(is_exclusive=sys.argv[1] == "alone", while_waiting=lambda: None):
    print("held", flush=True)
    sys.stdin.read()
"""


class GaveUp(Exception):
    pass


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(LOCK_DIR_VARIABLE, str(tmp_path / "locks"))
    return tmp_path / "locks"


@contextmanager
def held_elsewhere(how: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the device "alone" or in "common"."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def is_free(*, is_exclusive: bool) -> bool:
    """Whether the lock is had without waiting."""

    def give_up() -> None:
        raise GaveUp

    try:
        with device_lock(is_exclusive=is_exclusive, while_waiting=give_up):
            return True
    except GaveUp:
        return False


def test_one_that_times_excludes_all_others() -> None:
    with held_elsewhere("alone"):
        assert not is_free(is_exclusive=True)
        assert not is_free(is_exclusive=False)
    assert is_free(is_exclusive=True)


def test_ordinary_evaluations_share_the_device_and_keep_out_one_that_times() -> None:
    with held_elsewhere("common"):
        assert is_free(is_exclusive=False)
        assert not is_free(is_exclusive=True)


def test_the_lock_of_a_killed_process_is_free() -> None:
    with held_elsewhere("alone") as process:
        process.kill()
        process.wait()
        assert is_free(is_exclusive=True)


def test_those_who_come_later_do_not_starve_one_that_waits_to_time() -> None:
    has_device = threading.Event()
    is_waiting = threading.Event()
    may_end = threading.Event()

    def time_something() -> None:
        with device_lock(is_exclusive=True, while_waiting=is_waiting.set):
            has_device.set()
            may_end.wait(20)

    with held_elsewhere("common") as process:
        thread = threading.Thread(target=time_something)
        thread.start()
        assert is_waiting.wait(20)
        assert not is_free(is_exclusive=False)  # a newcomer stands behind it
        assert not has_device.is_set()
        process.kill()
        assert has_device.wait(20)
        assert not is_free(is_exclusive=False)
        may_end.set()
        thread.join()
    assert is_free(is_exclusive=False)


def test_the_time_that_was_waited_is_told_and_waiting_can_be_broken_off() -> None:
    with held_elsewhere("alone") as process:
        started = time.monotonic()

        def end_it_after_a_while() -> None:
            if time.monotonic() - started > 0.3:
                process.kill()

        with device_lock(is_exclusive=False, while_waiting=end_it_after_a_while) as waited_s:
            assert waited_s >= 0.3
    assert is_free(is_exclusive=True)


def test_a_folder_that_cannot_be_had_is_told_with_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(LOCK_DIR_VARIABLE, str(tmp_path / "file"))
    with (
        pytest.raises(InfrastructureError, match=LOCK_DIR_VARIABLE),
        device_lock(is_exclusive=True, while_waiting=lambda: None),
    ):
        pass
