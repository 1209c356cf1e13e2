"""What ``pytest --changed`` takes, by the files of this checkout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.changed import Chosen, choose
from tests.reach import Sources

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[1]
#: Run by people alone.
REACHED_BY_NONE = {
    "deploy/screenshots.py",
    # They stand inside sandboxes in place of other modules; slow tests look at them there.
    "evaluator/sandbox/withheld/collection.py",
    "evaluator/sandbox/withheld/module.py",
}


@pytest.fixture(scope="module")
def sources() -> Sources:
    return Sources(ROOT)


def files_of(chosen: Chosen) -> frozenset[str]:
    return chosen.whole | chosen.quick


@pytest.mark.parametrize(
    ("edited", "near", "far"),
    [
        (
            "leaderboard/web/boards/overall.py",
            ["leaderboard/web/boards/test_overall.py", "leaderboard/web/test_pages.py"],
            ["leaderboard/api/test_uploads.py", "evaluator/metrics/test_forces.py"],
        ),
        (
            "leaderboard/api/views/uploads.py",
            ["leaderboard/api/test_uploads.py", "leaderboard/test_permission_matrix.py"],
            ["leaderboard/web/boards/test_overall.py"],
        ),
        (
            "leaderboard/services/boards/matrix.py",
            ["leaderboard/services/boards/test_store.py", "leaderboard/web/boards/test_overall.py"],
            ["evaluator/pool/test_pool.py"],
        ),
        (
            "templates/task.html",
            ["leaderboard/web/boards/test_tasks.py"],
            ["evaluator/test_wire.py"],
        ),
        (
            "evaluator/calculators/mace.py",
            ["evaluator/calculators/test_mace.py"],
            ["leaderboard/web/test_pages.py"],
        ),
        (
            "leaderboard/middleware.py",
            ["leaderboard/web/test_pages.py"],
            ["evaluator/test_wire.py"],
        ),
        (
            "leaderboard/management/commands/load_standard.py",
            ["leaderboard/services/definitions/test_standard.py"],
            ["evaluator/test_wire.py"],
        ),
    ],
)
def test_an_edit_takes_the_tests_that_import_or_ask_for_it(
    sources: Sources, edited: str, near: list[str], far: list[str]
) -> None:
    chosen = files_of(choose(sources, [edited]))
    assert {f"tests/{name}" for name in near} <= chosen
    assert not {f"tests/{name}" for name in far} & chosen


def test_edited_and_mirroring_tests_run_with_their_slow_ones(sources: Sources) -> None:
    chosen = choose(sources, ["leaderboard/web/boards/overall.py", "tests/evaluator/test_wire.py"])
    assert chosen.whole == {
        "tests/leaderboard/web/boards/test_overall.py",
        "tests/evaluator/test_wire.py",
    }


def test_every_source_is_near_to_a_test(sources: Sources) -> None:
    ours = [path for path in sources.texts if not path.startswith("tests/")]
    lost = {
        path
        for path in ours
        if "/migrations/" not in path
        and sources.texts[path].strip()
        and not path.endswith("__init__.py")
        and not files_of(choose(sources, [path]))
    }
    assert lost == REACHED_BY_NONE


def test_an_edit_that_no_test_is_near_to_is_named_unless_it_is_prose(sources: Sources) -> None:
    chosen = choose(sources, ["docs/testing.md", "deploy/screenshots.py"])
    assert files_of(chosen) == frozenset()
    assert chosen.unplaced == {"deploy/screenshots.py"}


@pytest.mark.parametrize("damage", ["", "{", "{}"])
def test_files_are_read_once_and_anew_where_they_or_what_is_kept_changed(
    tmp_path: Path, damage: str
) -> None:
    for name in ("leaderboard/a.py", "leaderboard/b.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("import json\n")
    first = Sources(tmp_path).facts
    kept = tmp_path / ".pytest_cache" / "touchstone-facts.json"
    assert len(json.loads(kept.read_text())) == 1  # both say the same
    if damage:
        kept.write_text(damage)
    assert Sources(tmp_path).facts == first

    (tmp_path / "leaderboard/a.py").write_text("import gzip\n")

    assert Sources(tmp_path).facts["leaderboard/a.py"].imported == {"gzip"}
    assert Sources(tmp_path).facts["leaderboard/b.py"] == first["leaderboard/b.py"]
