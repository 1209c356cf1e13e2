"""The maps are true: what a README names as a file or folder is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("leaderboard", "evaluator")
MAPS = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    + [readme for room in ROOMS for readme in (ROOT / room).rglob("README.md")]
)
#: `folder/file.py` and `file.py`; addresses and names with <placeholders> are not meant.
PATH = re.compile(r"`((?:\w+/)*\w+\.py)`")
#: What is named behind a file: where to put a breakpoint.
NAMED_IN = re.compile(r"`((?:\w+/)+\w+\.py)`\s+\(`([\w.]+)`\)")
#: Files of other packages, and of a submitter's own.
FOREIGN = {"calcs.py", "contributions/chgnet_pretrained/make_pred.py", "mlearn_db_analyzer.py"}


def is_there(path: str, readme: Path) -> bool:
    """Whether a file is named from the root, from a half, from the README's folder, or uniquely."""
    folders = [readme.parent, ROOT, *(ROOT / room for room in ROOMS)]
    if any((folder / path).exists() for folder in folders):
        return True
    places = [*ROOMS, "tests", "deploy"]
    return "/" not in path and any(any((ROOT / place).rglob(path)) for place in places)


@pytest.mark.parametrize("readme", MAPS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_readme_names_is_there(readme: Path) -> None:
    named = set(PATH.findall(readme.read_text(encoding="utf-8"))) - FOREIGN
    assert [path for path in sorted(named) if not is_there(path, readme)] == []


def test_a_breakpoint_can_be_put_at_each_function_of_the_walk() -> None:
    walk = NAMED_IN.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    assert len(walk) >= 8
    for path, name in walk:
        *outer, function = name.split(".")
        source = (ROOT / path).read_text(encoding="utf-8")
        assert all(f"class {it}(" in source for it in outer), (path, name)
        assert re.search(rf"^ *def {function}\(", source, re.MULTILINE), (path, name)


def test_every_room_says_what_may_be_touched() -> None:
    rooms = [
        *(path for path in (ROOT / "leaderboard" / "services").iterdir() if path.is_dir()),
        *(path for path in (ROOT / "evaluator").iterdir() if path.is_dir()),
        ROOT / "leaderboard" / "lib",
        ROOT / "leaderboard" / "web",
    ]
    plain = {"__pycache__", "cli", "client", "metrics", "standard_tasks"}
    readmes = [room / "README.md" for room in rooms if room.name not in plain]
    assert [str(readme) for readme in readmes if not readme.exists()] == []
    assert [str(readme) for readme in readmes if "Never" not in readme.read_text("utf-8")] == []
