"""The administrator's desk as he finds it: it asks, keeps his file, and says where he looks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache

from leaderboard import models
from leaderboard.enums import VersionState
from tests.browser.audit import DESKTOP, PHONE, wide_problems
from tests.browser.conftest import OpenPage
from tests.leaderboard import factories
from tests.leaderboard.stored_files import keep_files_in

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]
QUEUE = "/admin/leaderboard/evaluation/desk/"
_FRAME = """2
Lattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3:forces:R:3 REF_energy={e} name=Pair-{n} pbc="T T T"
Cu 0 0 0 -0.1 0 0
Cu {x} 0 0 0.1 0 0
"""  # noqa: E501


@pytest.fixture(autouse=True)
def _staff() -> None:
    cache.clear()
    User.objects.create_superuser("root", "root@example.org", "x")


def fits(page: Any) -> None:
    """On a phone and on a desktop nothing makes the whole page scroll sideways."""
    for size in (PHONE, DESKTOP):
        page.set_viewport_size(size)
        assert wide_problems(page) == []


def test_publish_and_retire_ask_once_and_the_page_of_the_task_survives(open_page: OpenPage) -> None:
    old = factories.task_version()
    place = factories.benchmark_version((old, "Bulk"))
    draft = factories.task_version(
        old.task, state=VersionState.DRAFT, reference_set=old.reference_set, seed=5
    )
    desk = f"/admin/leaderboard/taskversion/{draft.pk}/desk/"
    with open_page(desk, who="root", viewport=DESKTOP) as page:
        page.click("button[value=publish]")
        asked = page.inner_text("#content")
        assert f"{old} stands in {place} (published), in Bulk." in asked
        assert "It was never tried" in asked
        assert "seed" in page.inner_text("[aria-label=Changes]")
        fits(page)
        page.click("text=No, take me back")
        assert models.TaskVersion.objects.get(pk=draft.pk).state == "draft"
        page.click("button[value=publish]")
        page.dblclick("text=Publish: frozen from then on")
        page.wait_for_selector(f"text={draft} is published")
        page.goto(desk)
        assert models.AuditEntry.objects.filter(action="published").count() == 1
        for version in (old, draft):
            page.goto(f"/admin/leaderboard/taskversion/{version.pk}/desk/")
            page.click("button[value=retire]")
            page.wait_for_selector("text=It cannot be undone.")
            page.click("#content button:text-is('Retire')")
            page.wait_for_selector("text=is retired: shown, but no longer current")
        page.goto(old.task.get_absolute_url())
        assert "This task is retired: no version of it is current" in page.inner_text("main")


def upload_form(page: Any, file: Path, **fields: str) -> None:
    page.set_input_files("input[name=file]", file)
    told = {"slug": "pairs", "title": "Pairs", "level_of_theory": "PBE", "citation": "Nobody"}
    for name, value in (told | fields).items():
        page.fill(f"[name={name}]", value)
    page.click("text=Check and preview")


def test_a_reference_file_is_chosen_once_read_anew_edited_and_known_again(
    open_page: OpenPage, settings: Any, tmp_path: Path
) -> None:
    keep_files_in(settings, tmp_path)
    file = tmp_path / "pairs.xyz"
    frames = (_FRAME.format(n=n, e=-7 - 0.01 * n, x=2 + 0.1 * n) for n in range(4))
    file.write_text("".join(frames))
    with open_page("/admin/leaderboard/referenceset/add/", who="root", viewport=DESKTOP) as page:
        upload_form(page, file)
        page.wait_for_selector("text=is here already, and need not be chosen again.")
        page.fill("[name=licence]", "CC0-1.0")
        page.click("text=Check and preview")
        page.wait_for_selector("text=Nothing is stored yet")
        assert "name is used as system_id." in page.inner_text("#content")
        page.click("button:has-text('REF_energy as the energy')")
        page.wait_for_selector("text=REF_energy is read as the energy.")
        fits(page)
        page.click("#content .submit-row >> text=Edit")
        assert page.input_value("[name=energy_name]") == "REF_energy"
        page.fill("[name=title]", "Pairs of copper")
        page.click("text=Check and preview")
        page.wait_for_selector("text=Nothing is stored yet")
        assert page.locator("[name=seen]").count() == 0
        page.click("text=Store this reference set")
        page.wait_for_selector(".messagelist li")
        assert page.text_content(".messagelist li") == "pairs 1 is stored."
        page.goto("/admin/leaderboard/referenceset/add/")
        upload_form(page, file, licence="CC0-1.0", energy_name="REF_energy")
        page.wait_for_selector("text=pairs 1 was there already")
    assert models.ReferenceSet.objects.get().title == "Pairs of copper"


def test_forms_of_tasks_and_benchmarks_tell_what_is_wrong_where_it_stands(
    open_page: OpenPage,
) -> None:
    draft = factories.task_version(state=VersionState.DRAFT)
    shown, new = factories.task_version(), factories.task_version()
    best = factories.evaluation(on=shown, score=0.75)
    benchmark = models.Benchmark.objects.create(slug="all", name="All", summary="All.")
    form = f"/admin/leaderboard/taskversion/{draft.pk}/change/"
    with open_page(form, who="root", viewport=DESKTOP) as page:
        page.fill("[name=description]", "")
        page.fill("[name=metrics-eos_delta_mean-good]", "")
        page.fill("[name=metrics-bulk_modulus_relative_error-good]", "70")
        page.click("[name=_save]")
        row = "tr.wrong:has(#use-{}) .complaint"
        assert page.inner_text(row.format("eos_delta_mean")) == "Good must be a finite number."
        assert page.inner_text(row.format("bulk_modulus_relative_error")) == (
            "Lower is better, so good must be below bad."
        )
        assert page.locator(".field-description .errorlist").count() == 1
        assert "Root-mean-square energy difference" in page.inner_text(".definition >> nth=0")
        fits(page)
        page.goto(f"/admin/leaderboard/taskversion/{draft.pk}/desk/")
        assert "it takes is unknown before a dry run" in page.inner_text("#content")

        page.goto("/admin/leaderboard/benchmarkversion/add/")
        page.select_option("[name=benchmark]", label="All")
        page.click("[name=_save]")
        page.wait_for_selector("text=It has no task.")
        for n, (version, category) in enumerate(((shown, "Bulk"), (new, "Bulk"))):
            page.select_option(f"[name=entries-{n}-task_version]", label=str(version))
            page.fill(f"[name=entries-{n}-category]", category)
        page.fill("[name=categories-0-name]", "Bulk")
        page.fill("[name=categories-0-weight]", "3")
        fits(page)
        frame = page.locator(".tabular").first
        assert frame.evaluate("e => e.scrollWidth <= e.clientWidth + 1")  # at 1280 px
        page.click("[name=_save]")
        page.wait_for_selector("text=The board as it would be now")
        first = page.inner_text("[aria-label=Board] tbody tr >> nth=0")
        assert first.split("\t")[:2] == ["1", str(best.submission)]
        assert "nobody has a score there yet." in page.inner_text("#content")
    version = models.BenchmarkVersion.objects.get(benchmark=benchmark)
    assert {entry.category_weight for entry in version.entries.all()} == {3.0}


def test_the_queue_desk_warns_asks_and_acts_on_what_is_ticked(open_page: OpenPage) -> None:
    waiting = [factories.evaluation() for _ in range(3)]
    with open_page("/admin/", who="root", viewport=DESKTOP) as page:
        titles = page.locator(".desk h2").all_inner_texts()
        assert titles == ["Tasks", "Reference sets", "Benchmarks", "Queue"]
        assert "Nobody online can take what waits" in page.inner_text(".desks")
        fits(page)
        page.click("text=Queue and workers")
        banner = page.inner_text(".messagelist .error")
        assert banner.startswith("Nobody online can take what waits (3 evaluations).")
        assert page.locator("[aria-label=Next] [value=requeue]").count() == 0
        for n in range(2):
            page.check(f"[aria-label=Next] tbody tr:nth-child({n + 1}) [name=pk]")
        assert page.is_visible("[data-paused]")
        page.click("[form=chosen][value=cancel]")
        page.wait_for_selector("text=Cancel 2 evaluations?")
        fits(page)
        page.dblclick("text=Cancel all 2")
        page.wait_for_selector("text=Queue and workers")
        page.goto("/admin/")
        recent = page.inner_text("#recent-actions-module")
        assert recent.count("root: cancelled") == 2
    states = [models.Evaluation.objects.get(pk=e.pk).state for e in waiting]
    assert sorted(states) == ["cancelled", "cancelled", "queued"]
