"""The system calls that a sandboxed calculator may not make, as a BPF program for the kernel.

Written out here rather than built by libseccomp: the filter is one linear list of a few dozen
comparisons, the two architectures that carry accelerators need a table of numbers each, and the
worker then depends on no further shared library. Everything else stays allowed, for what torch
and CUDA call changes with every release, and the namespaces and the uid do the confining; this
closes what they leave open. Numbers are those of the kernel's own headers; see seccomp(2), bpf(4).
"""

from __future__ import annotations

import errno
import platform
import socket
import struct
from dataclasses import dataclass

# Instructions (linux/bpf_common.h): load a word, jump if equal, if greater or equal, if any bit
# is set, return.
_LOAD, _JEQ, _JGE, _JSET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
# struct seccomp_data: int nr; u32 arch; u64 instruction_pointer; u64 args[6], little-endian.
_OFFSET_NR, _OFFSET_ARCH = 0, 4
_OFFSET_ARG0, _OFFSET_ARG1, _OFFSET_ARG2, _OFFSET_ARG3, _OFFSET_ARG5 = 16, 24, 32, 40, 56

_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_KILL_PROCESS = 0x80000000

# CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET} and CLONE_NEWTIME (which only clone3 and unshare
# take: in clone its bit belongs to the exit signal).
_NEW_NAMESPACE = 0x7E020000
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_X32_BIT = 0x40000000


@dataclass(frozen=True)
class _Machine:
    audit_arch: int
    column: int  # of _REFUSED


_MACHINES = {
    "x86_64": _Machine(audit_arch=0xC000003E, column=0),
    "aarch64": _Machine(audit_arch=0xC00000B7, column=1),
}

#: A call that a machine does not have.
_NONE = -1

#: Refused with EPERM: name -> number on x86_64, on aarch64. A library may try one of these and
#: go on without it.
_REFUSED: dict[str, tuple[int, int]] = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "open_tree_attr": (467, 467),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "fanotify_init": (300, 262),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "personality": (135, 92),
    "syslog": (103, 116),
    "acct": (163, 89),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "vhangup": (153, 58),
    "lookup_dcookie": (212, 18),
    "seccomp": (317, 277),
    # Between sandboxes. Watching a shared file tells what others run; ...
    "inotify_init": (253, _NONE),
    "inotify_init1": (294, 26),
    "inotify_add_watch": (254, 27),
    "inotify_rm_watch": (255, 28),
    "fanotify_mark": (301, 263),
    # ... what lies in the page cache tells what others have read, and can be made to tell more; ...
    "mincore": (27, 232),
    "cachestat": (451, 451),
    "readahead": (187, 213),
    "fadvise64": (221, 223),
    "io_setup": (206, 0),  # carries preadv2's flags in memory, where no filter sees them
    "io_submit": (209, 2),
    # ... these slow down everybody's disk; ...
    "sync": (162, 81),
    "syncfs": (306, 267),
    "sync_file_range": (277, 84),
    # ... pages taken out of the kernel's own map split it, and slow down the host for good; ...
    "memfd_secret": (447, 447),
    # ... and a process stays on the cores that it was given.
    "sched_setaffinity": (203, 122),
    # Relics, and what needs rights that no calculator has: less for the kernel to be wrong in.
    "iopl": (172, _NONE),
    "ioperm": (173, _NONE),
    "modify_ldt": (154, _NONE),
    "uselib": (134, _NONE),
    "ustat": (136, _NONE),
    "sysfs": (139, _NONE),
    "nfsservctl": (180, 42),
    "remap_file_pages": (216, 234),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "vmsplice": (278, 75),
    "statmount": (457, 457),
    "listmount": (458, 458),
}

#: Load, free memory and uptime of the host. glibc asks it how large an array it may sort in a copy,
#: and does well without; what a GPU's driver library makes of a refusal is not known.
_SYSINFO = (99, 179)

#: No calculator has an innocent use for these: the process is killed by SIGSYS.
_FATAL: dict[str, tuple[int, int]] = {
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
}

_SOCKET = (41, 198)
_SOCKETPAIR = (53, 199)
_CLONE = (56, 220)
_CLONE3 = (435, 435)
_IOCTL = (16, 29)
_FLOCK = (73, 32)
_FCNTL = (72, 25)
_MADVISE = (28, 233)
_PREADV2 = (327, 286)
_OPENAT2 = (437, 437)

#: fcntl's locks of either kind, also their reading, and leases, notices and hints of lifetime: all
#: belong to the file, which others have too. F_GETLK, F_SETLK, F_SETLKW; F_OFD_GETLK, _SETLK,
#: _SETLKW; F_SETLEASE, F_GETLEASE, F_NOTIFY; F_GET_RW_HINT, F_SET_RW_HINT and a descriptor's.
_LOCKS = (5, 6, 7, 36, 37, 38)
_OF_THE_FILE = (1024, 1025, 1026, 1035, 1036, 1037, 1038)
#: MADV_COLD and MADV_PAGEOUT push a file out of the page cache; MADV_MERGEABLE shares pages that
#: are equal, and the time of a write tells that another sandbox had the same.
_ADVICE = (12, 20, 21)
_RWF_NOWAIT = 0x8
_PRCTL = (157, 167)
#: PR_SCHED_CORE keeps others off the twin of a core, PR_SET_MEMORY_MERGE is as MADV_MERGEABLE.
_MANNERS = (62, 67)
#: MEMBARRIER_CMD_GLOBAL, _GLOBAL_EXPEDITED and its registration interrupt the host's other cores.
_MEMBARRIER, _OF_ALL_PROCESSES = (324, 283), (1, 2, 4)
#: Reserved huge pages belong to the host and are in no control group: MFD_HUGETLB, MAP_HUGETLB,
#: SHM_HUGETLB.
_MEMFD_CREATE, _MMAP, _SHMGET = (319, 279), (9, 222), (29, 194)
_MFD_HUGETLB, _MAP_HUGETLB, _SHM_HUGETLB = 0x4, 0x40000, 0x800
#: A limit of one byte alone keeps a crash from the host's own collector of core dumps, which runs
#: as root on what crashed; zero would let it in (core(5)).
_SETRLIMIT, _PRLIMIT64, _RLIMIT_CORE = (160, 164), (302, 261), 4
#: Keys of a file system's encryption, which all who have a file of it can see: to add, remove
#: (twice), look at.
_KEYS_OF_A_FILE_SYSTEM = (0xC0506617, 0xC0406618, 0xC0406619, 0xC080661A)


def seccomp_filter(machine: str | None = None, *, sees_load: bool = False) -> bytes:
    """The filter as an array of ``struct sock_filter``, as ``bwrap --seccomp`` reads it.

    Raises ValueError on a machine whose system call numbers are not known here.
    """
    machine = machine or platform.machine()
    if machine not in _MACHINES:
        raise ValueError(f"no system call filter is written for {machine}")
    which = _MACHINES[machine]
    column = which.column

    program = [
        _load(_OFFSET_ARCH),
        _jump(_JEQ, which.audit_arch, if_true=1),
        _return(_KILL_PROCESS),
        _load(_OFFSET_NR),
    ]
    if machine == "x86_64":
        program += [_jump(_JGE, _X32_BIT, if_false=1), _return(_KILL_PROCESS)]
    for numbers in _FATAL.values():
        program += _when(numbers[column], _KILL_PROCESS)
    for numbers in _REFUSED.values():
        if numbers[column] != _NONE:
            program += _when(numbers[column], _ERRNO | errno.EPERM)
    if not sees_load:
        program += _when(_SYSINFO[column], _ERRNO | errno.EPERM)
    # glibc falls back to clone, whose flags can be seen, when there is no clone3. The flags of
    # openat2 cannot be seen either, and one of them tells what others have opened.
    for call in (_CLONE3, _OPENAT2):
        program += _when(call[column], _ERRNO | errno.ENOSYS)
    # Locks of a file that two sandboxes have carry words from one to the other. "No locks" is an
    # answer that programs know from network file systems.
    program += _when(_FLOCK[column], _ERRNO | errno.ENOLCK)
    program += _when_argument(
        _FCNTL[column], _OFFSET_ARG1, [(_JEQ, command) for command in _LOCKS], errno.ENOLCK
    )
    program += _when_argument(
        _FCNTL[column], _OFFSET_ARG1, [(_JEQ, command) for command in _OF_THE_FILE]
    )
    program += _when_argument(
        _MADVISE[column], _OFFSET_ARG2, [(_JEQ, advice) for advice in _ADVICE]
    )
    program += _when_argument(_PRCTL[column], _OFFSET_ARG0, [(_JEQ, option) for option in _MANNERS])
    program += _when_argument(
        _MEMBARRIER[column], _OFFSET_ARG0, [(_JEQ, command) for command in _OF_ALL_PROCESSES]
    )
    for call, offset, flag in (
        (_MEMFD_CREATE, _OFFSET_ARG1, _MFD_HUGETLB),
        (_MMAP, _OFFSET_ARG3, _MAP_HUGETLB),
        (_SHMGET, _OFFSET_ARG2, _SHM_HUGETLB),
    ):
        program += _when_argument(call[column], offset, [(_JSET, flag)], errno.ENOMEM)
    for call, offset in ((_SETRLIMIT, _OFFSET_ARG0), (_PRLIMIT64, _OFFSET_ARG1)):
        program += _when_argument(call[column], offset, [(_JEQ, _RLIMIT_CORE)])
    program += _when_argument(
        _PREADV2[column], _OFFSET_ARG5, [(_JSET, _RWF_NOWAIT)], errno.EOPNOTSUPP
    )
    program += _unless_unix(_SOCKET[column]) + _unless_unix(_SOCKETPAIR[column])
    program += _when_argument(_CLONE[column], _OFFSET_ARG0, [(_JSET, _NEW_NAMESPACE)])
    requests = (_TIOCSTI, _TIOCLINUX, *_KEYS_OF_A_FILE_SYSTEM)
    program += _when_argument(_IOCTL[column], _OFFSET_ARG1, [(_JEQ, value) for value in requests])
    program.append(_return(_ALLOW))
    return b"".join(program)


def _instruction(code: int, if_true: int, if_false: int, value: int) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)


def _load(offset: int) -> bytes:
    return _instruction(_LOAD, 0, 0, offset)


def _jump(code: int, value: int, *, if_true: int = 0, if_false: int = 0) -> bytes:
    """Skip so many instructions when the comparison holds, so many when it does not."""
    return _instruction(code, if_true, if_false, value)


def _return(action: int) -> bytes:
    return _instruction(_RETURN, 0, 0, action)


def _when(number: int, action: int) -> list[bytes]:
    return [_jump(_JEQ, number, if_false=1), _return(action)]


def _unless_unix(number: int) -> list[bytes]:
    """Refuse every address family but AF_UNIX: internet, netlink, packet, vsock, alg, ..."""
    return [
        _jump(_JEQ, number, if_false=4),
        _load(_OFFSET_ARG0),
        _jump(_JEQ, socket.AF_UNIX, if_true=1),
        _return(_ERRNO | errno.EAFNOSUPPORT),
        _return(_ALLOW),
    ]


def _when_argument(
    number: int, offset: int, refused: list[tuple[int, int]], error: int = errno.EPERM
) -> list[bytes]:
    """Refuse when a comparison with the argument's low word holds; go on with the number else."""
    checks: list[bytes] = []
    for code, value in refused:
        checks += [_jump(code, value, if_false=1), _return(_ERRNO | error)]
    body = [_load(offset), *checks, _load(_OFFSET_NR)]
    return [_jump(_JEQ, number, if_false=len(body)), *body]
