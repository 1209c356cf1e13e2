"""What is looked for in unpacked wheels, where the installer has not refused it before."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from evaluator.exceptions import InfrastructureError
from evaluator.runtimes.brought import check_tree, explain, merge, plain_words
from evaluator.runtimes.locks import Lock
from evaluator.runtimes.own_locks import LockRefused, OwnLimits

_PACKAGES = "lib/python3.11/site-packages"


def _tree(folder: Path, *paths: str) -> Path:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(path)
    return folder


def test_an_ordinary_tree_passes_and_may_be_read_by_all(tmp_path: Path) -> None:
    tree = _tree(tmp_path, f"{_PACKAGES}/a/__init__.py", "bin/tool", "share/doc/a.txt")
    (tree / "bin/tool").chmod(0o4700)
    (tree / f"{_PACKAGES}/a").chmod(0o700)

    check_tree(tree, OwnLimits())

    assert (tree / "bin/tool").stat().st_mode & 0o7777 == 0o755
    assert (tree / f"{_PACKAGES}/a").stat().st_mode & 0o7777 == 0o755


def test_links_and_pipes_are_refused(tmp_path: Path) -> None:
    for name, make in (("link", lambda p: p.symlink_to("/etc")), ("pipe", os.mkfifo)):
        tree = _tree(tmp_path / name, f"{_PACKAGES}/a.py")
        make(tree / "lib" / name)
        with pytest.raises(LockRefused, match=f"'lib/{name}' is no regular file"):
            check_tree(tree, OwnLimits())


@pytest.mark.parametrize("path", ["/etc/passwd", "../../../../precious", "a/../../../../../x"])
def test_a_record_that_leaves_the_environment_is_refused(tmp_path: Path, path: str) -> None:
    tree = _tree(tmp_path, f"{_PACKAGES}/a-1.dist-info/RECORD")
    (tree / f"{_PACKAGES}/a-1.dist-info/RECORD").write_text(f"a.py,,\n{path},,\n")

    with pytest.raises(LockRefused, match=r"a-1\.dist-info/RECORD names .* outside"):
        check_tree(tree, OwnLimits())


def test_a_record_may_name_programs(tmp_path: Path) -> None:
    tree = _tree(tmp_path, f"{_PACKAGES}/a-1.dist-info/RECORD")
    (tree / f"{_PACKAGES}/a-1.dist-info/RECORD").write_text("../../../bin/tool,,\n")

    check_tree(tree, OwnLimits())


def test_odd_names_and_places_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LockRefused, match="odd name"):
        check_tree(_tree(tmp_path / "a", f"{_PACKAGES}/a\x1b[2J.py"), OwnLimits())
    with pytest.raises(LockRefused, match="beside the folders"):
        check_tree(_tree(tmp_path / "b", "pyvenv.cfg"), OwnLimits())


def test_too_much_is_refused(tmp_path: Path) -> None:
    tree = _tree(tmp_path, f"{_PACKAGES}/a.py", f"{_PACKAGES}/b.py")

    with pytest.raises(LockRefused, match="more than 1 files"):
        check_tree(tree, OwnLimits(n_files=1))
    with pytest.raises(LockRefused, match="more than 0 MiB"):
        check_tree(tree, OwnLimits(size_MiB=0))


def test_merging_leaves_what_is_there_and_follows_no_link(tmp_path: Path) -> None:
    outside = _tree(tmp_path / "outside", "kept")
    target = _tree(tmp_path / "target", f"{_PACKAGES}/a.py", f"{_PACKAGES}/file")
    (target / "share").symlink_to(outside)
    source = _tree(
        tmp_path / "source", f"{_PACKAGES}/a.py", f"{_PACKAGES}/b.py", f"{_PACKAGES}/file/c.py"
    )
    _tree(source, "share/evil", "bin/tool")

    there = merge(source, target)

    assert there == [f"{_PACKAGES}/a.py"]
    assert (target / f"{_PACKAGES}/b.py").is_file()
    assert (target / f"{_PACKAGES}/file").read_text() == f"{_PACKAGES}/file"
    assert [path.name for path in outside.iterdir()] == ["kept"]


@pytest.mark.parametrize(
    "words",
    [
        "Failed to extract archive: a.whl\n  cause: Failed to download due to network timeout.",
        "Failed to install: a.whl\n  cause: No space left on device (os error 28)",
        "Failed to extract archive: a.whl\n  cause: Connection reset by peer (os error 104)",
    ],
)
def test_a_broken_network_and_a_full_disk_are_no_fault_of_the_lock(words: str) -> None:
    lock = Lock.parse(f"a==1 --hash=sha256:{'a' * 64}")

    with pytest.raises(InfrastructureError, match="could not be fetched"):
        explain(f"error: Failed to download `a==1`\n  cause: {words}", lock)


def test_a_list_of_files_without_end_is_not_read(tmp_path: Path) -> None:
    tree = _tree(tmp_path, f"{_PACKAGES}/a-1.dist-info/RECORD")
    os.truncate(tree / f"{_PACKAGES}/a-1.dist-info/RECORD", 65 << 20)

    with pytest.raises(LockRefused, match="longer than the list of any package"):
        check_tree(tree, OwnLimits())


def test_words_of_the_installer_are_cleaned_in_a_moment() -> None:
    assert plain_words("a+" * 100_000) == "a+" * 100_000


def test_words_of_the_installer_tell_no_address_and_no_path() -> None:
    words = "error: Failed to fetch `https://user:secret@example.org/simple/x` at /srv/cache/x.whl"

    assert plain_words(words) == "error: Failed to fetch `(an address) at x.whl"
