"""Finding the groups of this machine, on trees written out as the kernel shows them.

That the bounds hold is tested on the real kernel, in tests/hostile.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluator.sandbox.cgroups import Cgroup, CgroupParent, find_cgroup_parent

MOUNT_2 = "30 20 0:26 {root} {point} rw,nosuid - cgroup2 cgroup rw\n"
MOUNT_1 = "31 20 0:27 {root} {point} rw,nosuid - cgroup cgroup rw,{controllers}\n"


def write_proc(folder: Path, groups: str, mounts: str) -> Path:
    proc = folder / "proc"
    proc.mkdir()
    (proc / "cgroup").write_text(groups)
    (proc / "mountinfo").write_text(mounts)
    return proc


def write_group_2(folder: Path, controllers: str, passed_on: str) -> None:
    folder.mkdir(parents=True)
    (folder / "cgroup.controllers").write_text(controllers)
    (folder / "cgroup.subtree_control").write_text(passed_on)
    (folder / "cgroup.procs").write_text("")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[CgroupParent]:
    """Parents in which a trial group was made; a plain folder cannot play the kernel's part."""
    parents: list[CgroupParent] = []

    def can_make(parent: CgroupParent) -> bool:
        parents.append(parent)
        return True

    monkeypatch.setattr("evaluator.sandbox.cgroups._can_make", can_make)
    return parents


def test_version_2_uses_the_nearest_group_that_passes_controllers_on(
    tmp_path: Path, made: list[CgroupParent]
) -> None:
    point = tmp_path / "cgroup"
    write_group_2(point / "worker.service", "cpu memory pids", "memory pids")
    write_group_2(point / "worker.service" / "main", "", "")
    proc = write_proc(tmp_path, "0::/worker.service/main\n", MOUNT_2.format(root="/", point=point))

    parent = find_cgroup_parent(proc)

    folder = point / "worker.service"
    assert parent == CgroupParent(version=2, folders={"memory": folder, "pids": folder})
    assert made == [parent]


def test_version_2_asks_its_group_to_pass_controllers_on(
    tmp_path: Path, made: list[CgroupParent]
) -> None:
    point = tmp_path / "cgroup"
    write_group_2(point / "worker", "cpu memory pids", "")
    proc = write_proc(tmp_path, "0::/worker\n", MOUNT_2.format(root="/", point=point))

    assert find_cgroup_parent(proc) is not None
    assert (point / "worker" / "cgroup.subtree_control").read_text() == "+memory +pids"


def test_version_2_without_the_memory_controller_is_not_taken(
    tmp_path: Path, made: list[CgroupParent]
) -> None:
    point = tmp_path / "cgroup"
    write_group_2(point / "worker", "hugetlb pids", "pids")
    proc = write_proc(tmp_path, "0::/worker\n", MOUNT_2.format(root="/", point=point))

    assert find_cgroup_parent(proc) is None


def test_version_1_finds_each_controller_below_its_own_mount(
    tmp_path: Path, made: list[CgroupParent]
) -> None:
    mounts = MOUNT_1.format(root="/docker/abc", point="/c/memory", controllers="memory")
    mounts += MOUNT_1.format(root="/", point="/c/pids", controllers="pids")
    proc = write_proc(tmp_path, "8:pids:/\n4:memory:/docker/abc/job\n0::/\n", mounts)

    parent = find_cgroup_parent(proc)

    folders = {"memory": Path("/c/memory/job"), "pids": Path("/c/pids")}
    assert parent == CgroupParent(version=1, folders=folders)


def test_version_1_needs_both_controllers(tmp_path: Path, made: list[CgroupParent]) -> None:
    mounts = MOUNT_1.format(root="/", point="/c/memory", controllers="memory")
    proc = write_proc(tmp_path, "4:memory:/\n", mounts)
    assert find_cgroup_parent(proc) is None


@pytest.mark.parametrize(
    ("version", "file", "text"),
    [
        (2, "memory.events", "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n"),
        (1, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"),
    ],
)
def test_kills_for_want_of_memory_are_counted(
    tmp_path: Path, version: int, file: str, text: str
) -> None:
    (tmp_path / file).write_text(text)
    group = Cgroup(version=version, folders={"memory": tmp_path, "pids": tmp_path})
    assert group.n_oom_kills() == 2
