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
