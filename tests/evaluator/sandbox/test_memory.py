"""The peak of a process that takes a known amount, by each way of counting."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from evaluator.sandbox import memory
from evaluator.sandbox.cgroups import find_cgroup_parent

_TAKE = """
import sys
hog = bytearray(int(sys.argv[1]) << 20)
print("taken", flush=True)
sys.stdin.readline()
del hog
print("freed", flush=True)
sys.stdin.read()
"""
_TAKEN_MIB = 100


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", _TAKE, str(_TAKEN_MIB)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as started:
        yield started
        started.kill()


def _say(process: subprocess.Popen[str], expected: str) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == f"{expected}\n"


def _free(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    _say(process, "freed")


def test_the_peak_of_a_process_stays_until_it_is_forgotten(
    process: subprocess.Popen[str],
) -> None:
    _say(process, "taken")
    _free(process)
    peak = memory.processes_peak([process.pid])
    assert peak is not None and peak >= _TAKEN_MIB << 20

    memory.forget_processes_peak([process.pid])
    after = memory.processes_peak([process.pid])
    assert after is not None and after <= peak


def test_a_process_that_has_ended_has_no_peak(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    assert memory.processes_peak([process.pid]) is None
    memory.forget_processes_peak([process.pid])  # and nothing to forget


_NAMED = """
import ctypes, sys
ctypes.CDLL(None).prctl(15, sys.argv[1].encode("latin-1"), 0, 0, 0)
print("named", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("name", ["\rVmHWM: 1 kB", "\rVmHWM:", "\r\xffVmHWM:"])
def test_a_process_tells_no_peak_by_its_own_name(name: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _NAMED, name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            _say(process, "named")
            assert (memory.processes_peak([process.pid]) or 0) > 1 << 20
        finally:
            process.kill()


@pytest.mark.sandbox
def test_the_peak_of_a_control_group_stays_until_it_is_forgotten(
    process: subprocess.Popen[str],
) -> None:
    parent = find_cgroup_parent()
    if parent is None:
        pytest.skip("no control group can be made here")
    group = parent.make(memory_MiB=512, n_processes=8)
    try:
        _say(process, "taken")
        assert (memory.group_peak(group) or 0) < _TAKEN_MIB << 20
        for entrance in group.entrances:
            entrance.write_text(str(process.pid))
        with subprocess.Popen(
            [
                "/bin/sh",
                "-c",
                f'read x; exec "{sys.executable}" -c "bytearray({_TAKEN_MIB} << 20)"',
            ],
            stdin=subprocess.PIPE,
            text=True,
        ) as hog:
            for entrance in group.entrances:
                entrance.write_text(str(hog.pid))
            hog.communicate("\n")
        peak = memory.group_peak(group)
        assert peak is not None and peak >= _TAKEN_MIB << 20
        memory.forget_group_peak(group)
        after = memory.group_peak(group)
        assert after is not None
        assert after < peak or group.version == 2
    finally:
        process.kill()
        process.wait()
        group.remove()
