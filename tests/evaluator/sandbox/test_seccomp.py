"""The filter is run here by a small interpreter; tests/hostile tries it on the real kernel."""

from __future__ import annotations

import errno
import socket
import struct

import pytest

from evaluator.sandbox import seccomp

ALLOW, KILL = 0x7FFF0000, 0x80000000
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def refusal(number: int) -> int:
    return 0x00050000 | number


def run_filter(machine: str, nr: int, *arguments: int, arch: int | None = None) -> int:
    """What the kernel does with a call, from the classic BPF semantics of bpf(4)."""
    padded = (*arguments, *(0,) * (6 - len(arguments)))
    data = struct.pack("<IIQ6Q", nr, arch or ARCHITECTURES[machine], 0, *padded)
    program = list(struct.iter_unpack("<HBBI", seccomp.seccomp_filter(machine)))
    accumulator = position = 0
    while True:
        code, if_true, if_false, value = program[position]
        position += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, value)
            continue
        if code == 0x06:
            return int(value)
        holds = {
            0x15: accumulator == value,
            0x35: accumulator >= value,
            0x45: accumulator & value != 0,
        }[code]
        position += if_true if holds else if_false


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_every_named_call_has_its_answer(machine: str) -> None:
    column = list(ARCHITECTURES).index(machine)
    for numbers in seccomp._REFUSED.values():
        if numbers[column] == seccomp._NONE:
            continue
        assert run_filter(machine, numbers[column]) == refusal(errno.EPERM)
    for numbers in seccomp._FATAL.values():
        assert run_filter(machine, numbers[column]) == KILL


@pytest.mark.parametrize(
    ("machine", "socket_nr", "pair_nr", "clone_nr"),
    [("x86_64", 41, 53, 56), ("aarch64", 198, 199, 220)],
)
def test_calls_are_judged_by_their_arguments(
    machine: str, socket_nr: int, pair_nr: int, clone_nr: int
) -> None:
    for nr in (socket_nr, pair_nr):
        assert run_filter(machine, nr, socket.AF_UNIX, 1) == ALLOW
        for family in (0, 2, 10, 16, 38, 40, 2**31):
            assert run_filter(machine, nr, family, 1) == refusal(errno.EAFNOSUPPORT)
    a_thread = 0x003D0F00
    assert run_filter(machine, clone_nr, a_thread) == ALLOW
    for bit in (17, 25, 26, 27, 28, 29, 30):
        assert run_filter(machine, clone_nr, a_thread | 1 << bit) == refusal(errno.EPERM)
    assert run_filter(machine, 435) == refusal(errno.ENOSYS)


@pytest.mark.parametrize(
    ("machine", "flock", "fcntl", "madvise", "preadv2"),
    [("x86_64", 73, 72, 28, 327), ("aarch64", 32, 25, 233, 286)],
)
def test_what_carries_words_through_a_shared_file_is_refused_and_the_rest_stays(
    machine: str, flock: int, fcntl: int, madvise: int, preadv2: int
) -> None:
    no_locks, not_permitted = refusal(errno.ENOLCK), refusal(errno.EPERM)
    assert run_filter(machine, flock, 3, 2) == no_locks
    for lock in (5, 6, 7, 36, 37, 38):
        assert run_filter(machine, fcntl, 3, lock) == no_locks
    for lease in (1024, 1025, 1026, 1035, 1036, 1037, 1038):
        assert run_filter(machine, fcntl, 3, lease) == not_permitted
    # F_DUPFD, F_SETFD, F_SETFL, F_DUPFD_CLOEXEC, F_SETPIPE_SZ, F_ADD_SEALS
    for command in (0, 2, 4, 1030, 1031, 1033):
        assert run_filter(machine, fcntl, 3, command) == ALLOW
    for advice in (20, 21):
        assert run_filter(machine, madvise, 0, 4096, advice) == not_permitted
    for advice in (4, 8, 14, 18):
        assert run_filter(machine, madvise, 0, 4096, advice) == ALLOW
    assert run_filter(machine, preadv2, 3, 0, 1, 0, 0, 8 | 1) == refusal(errno.EOPNOTSUPP)
    assert run_filter(machine, preadv2, 3, 0, 1, 0, 0, 1) == ALLOW
    assert run_filter(machine, 437) == refusal(errno.ENOSYS)


@pytest.mark.parametrize(
    ("machine", "ordinary"),
    [("x86_64", (0, 1, 9, 57, 59, 231, 319)), ("aarch64", (63, 64, 222, 221, 94, 279))],
)
def test_ordinary_calls_pass(machine: str, ordinary: tuple[int, ...]) -> None:
    assert {run_filter(machine, nr) for nr in ordinary} == {ALLOW}


def test_calls_of_another_architecture_kill() -> None:
    assert run_filter("x86_64", 20, arch=0x40000003) == KILL
    assert run_filter("x86_64", 0x40000000 | 41, socket.AF_INET) == KILL
    assert run_filter("aarch64", 20, arch=0x40000028) == KILL


def test_a_machine_without_a_table_is_refused() -> None:
    with pytest.raises(ValueError, match="riscv64"):
        seccomp.seccomp_filter("riscv64")
