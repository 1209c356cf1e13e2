"""The administrator's pages beyond Django's lists: uploads, desks, the audited site."""

from __future__ import annotations

from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from django.contrib import admin as django_admin
from django.contrib.auth.models import Group, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from evaluator.references import conventions
from leaderboard import models
from leaderboard.admin_site import Audited
from leaderboard.enums import VersionState
from leaderboard.exceptions import SubmissionError
from leaderboard.lib import blobs
from leaderboard.services.definitions import reference_uploads
from leaderboard.services.definitions.tasks import ReferenceDescription, store_reference_set
from tests.leaderboard import factories
from tests.leaderboard.admin.answers import answer
from tests.leaderboard.stored_files import keep_files_in

pytestmark = pytest.mark.django_db

ADD = "/admin/leaderboard/referenceset/add/"
QUEUE = "/admin/leaderboard/evaluation/desk/"
FRAME = """2
Lattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3:forces:R:3 system_id={name} energy={e} pbc="T T T"
Cu 0 0 0 -0.1 0 0
Cu {x} 0 0 0.1 0 0
"""  # noqa: E501


@pytest.fixture
def admin(client: Client, settings: Any, tmp_path: Path) -> Client:
    keep_files_in(settings, tmp_path)
    client.force_login(User.objects.create_superuser("charlie", "charlie@example.org", "x"))
    return client


def pairs() -> str:
    """Their energy goes down as they part, as the forces say."""
    return "".join(
        FRAME.format(name=f"pair-{i}", e=f"{-1 - 0.01 * i:g}", x=2 + 0.1 * i) for i in range(4)
    )


def form(text: str = "", name: str = "pairs.extxyz", **changes: str) -> dict[str, Any]:
    return {
        "file": SimpleUploadedFile(name, (text or pairs()).encode()),
        "slug": "pairs",
        "version": "1",
        "title": "Pairs",
        "level_of_theory": "PBE",
        "licence": "CC0-1.0",
        "citation": "Nobody, 2026",
        "is_public": "on",
        "energy_unit": "eV",
        "force_unit": "eV/Å",
        "stress_unit": "eV/Å³",
        **{f"{n}_name": n for n in ("energy", "forces", "stress")},
    } | changes


def stage(admin: Client, **changes: str) -> models.ReferenceUpload:
    assert admin.post(ADD, form(**changes)).status_code == 302
    return models.ReferenceUpload.objects.get()


def test_units_on_the_page_are_those_that_the_evaluator_knows() -> None:
    assert tuple(conventions.ENERGY_UNITS) == reference_uploads.ENERGY_UNITS
    assert tuple(conventions.FORCE_UNITS) == reference_uploads.FORCE_UNITS
    assert tuple(conventions.STRESS_UNITS) == reference_uploads.STRESS_UNITS
    assert conventions.STRESS_ORDERS == reference_uploads.STRESS_ORDERS
    assert conventions.STRESS_SIGNS == reference_uploads.STRESS_SIGNS
    ours, theirs = reference_uploads.Convention(), conventions.Convention()
    assert vars(ours) == vars(theirs)


@pytest.mark.slow
def test_an_upload_is_shown_before_it_is_stored(admin: Client) -> None:
    upload = stage(admin)
    assert not models.ReferenceSet.objects.exists()
    address = f"/admin/leaderboard/referenceset/upload/{upload.pk}/"
    page = admin.get(address)
    shown = page.content.decode()
    assert "4, the largest of 2 atoms; 8 atoms in all" in shown
    assert "No structure has stress: no task can judge it." in shown
    assert "Energy: energy, in eV of the whole structure." in shown
    # A note is no error: nothing is to be ticked.
    assert "I have seen what looks wrong" not in shown
    assert admin.post(address, {"confirm": "1", "stamp": page.context["stamp"]}).status_code == 302

    row = models.ReferenceSet.objects.get()
    assert (row.n_systems, row.elements, row.properties) == (4, ["Cu"], ["energy", "forces"])
    assert row.summary["dummy"]["force_mae"] == pytest.approx(0.0333, rel=1e-2)
    assert blobs.exists(row.storage_name)
    assert not blobs.exists(upload.storage_name)
    assert not blobs.exists(upload.original_name)
    assert not models.ReferenceUpload.objects.exists()
    entry = models.AuditEntry.objects.get(action="reference set uploaded")
    assert (entry.actor, entry.label) == ("charlie", "pairs 1")
    page = admin.get(f"/admin/leaderboard/referenceset/{row.pk}/change/").content.decode()
    assert "Structures with each element" in page


@pytest.mark.slow
def test_anchors_are_suggested_for_sets_that_came_otherwise_and_for_single_points_alone(
    admin: Client, tmp_path: Path
) -> None:
    (tmp_path / "pairs.extxyz").write_text(pairs())
    described = ReferenceDescription(
        slug="pairs",
        version="1",
        title="Pairs",
        level_of_theory="PBE",
        licence="CC0-1.0",
        citation="Nobody, 2026",
        n_systems=4,
        elements=["Cu"],
        properties=["energy", "forces"],
    )
    row = store_reference_set(tmp_path / "pairs.extxyz", described)
    form = f"/admin/leaderboard/taskversion/add/?reference_set={row.pk}&protocol="
    box = 'aria-label="bad of Force MAE" value="{}"'
    assert box.format("0.0333") in admin.get(form + "energy_forces").content.decode()
    assert 'value="0.0333"' not in admin.get(form + "rare_event_forces").content.decode()


@pytest.mark.slow
def test_an_upload_is_discarded_or_forgotten_after_a_day(admin: Client) -> None:
    upload = stage(admin)
    admin.post(f"/admin/leaderboard/referenceset/upload/{upload.pk}/", {"discard": "1"})
    assert not blobs.exists(upload.storage_name)
    upload = stage(admin)
    long_ago = timezone.now() - reference_uploads.KEPT
    models.ReferenceUpload.objects.update(created_at=long_ago)
    assert reference_uploads.sweep() == 1
    assert not blobs.exists(upload.storage_name)
    assert not models.ReferenceSet.objects.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "field", "complaint"),
    [
        ({"text": "nonsense"}, "file", "Frame 1, line 1: a number of atoms should"),
        ({"name": "pairs.pkl"}, "file", "Its name must end with"),
        (
            {"text": pairs().replace("energy=-1", "energy=nan", 1)},
            "file",
            "energy is 'nan', not a finite",
        ),
        ({"text": pairs().replace("pair-1", "pair-0", 1)}, "file", "Two structures are named"),
        ({"licence": ""}, "licence", "This field is required."),
        ({"citation": " "}, "citation", "This field is required."),
        ({"level_of_theory": ""}, "level_of_theory", "This field is required."),
        ({"slug": "No Slug"}, "slug", ""),
        ({"energy_name": "a b"}, "energy_name", "Enter a valid value."),
        ({"energy_unit": "J"}, "energy_unit", "Select a valid choice"),
        ({"stress_order": "yx"}, "stress_order", "Select a valid choice"),
        ({"forces_name": "DFT_forces"}, "file", "No structure has DFT_forces, which is named for"),
    ],
)
def test_bad_uploads_are_refused_at_their_field(
    admin: Client, changes: dict[str, str], field: str, complaint: str
) -> None:
    response = admin.post(ADD, form(**changes))
    assert response.status_code == 200
    errors = response.context["form"].errors
    assert set(errors) == {field}
    assert complaint in errors[field][0]
    assert not models.ReferenceUpload.objects.filter(sha256__gt="").exists()


@pytest.mark.slow
def test_other_bytes_under_the_same_version_are_refused_at_once(admin: Client) -> None:
    factories.reference_set(slug="pairs", version="1")
    response = admin.post(ADD, form())
    assert "Give the new data a new version." in response.context["form"].errors["version"][0]


def test_a_file_that_is_too_large_or_takes_too_long_is_refused(
    admin: Client, settings: Any
) -> None:
    settings.MAX_REFERENCE_BYTES = 100
    response = admin.post(ADD, form())
    assert "It is larger than" in response.context["form"].errors["file"][0]
    settings.MAX_REFERENCE_BYTES, settings.REFERENCE_CHECK_S = 10**6, 0.01
    response = admin.post(ADD, form())
    assert "could not be read within" in response.context["form"].errors["file"][0]


@pytest.mark.slow
def test_the_desk_of_a_task_version_tries_publishes_and_fills(admin: Client) -> None:
    version = factories.task_version(state=VersionState.DRAFT)
    submission = factories.submission()
    desk = f"/admin/leaderboard/taskversion/{version.pk}/desk/"

    def press(do: str, **more: object) -> list[str]:
        response = answer(admin, desk, {"do": do, **more})
        return [str(message) for message in response.context["messages"]]

    assert press("backfill") == [f"{version} is not published, so nothing is evaluated on it."]
    assert f"{submission} ({submission.potential.slug})" in admin.get(desk).content.decode()
    assert press("dry_run", submission="x") == ["Choose a submission for the dry run."]
    assert press("dry_run", submission=submission.pk) == [f"A dry run of {submission} is queued."]
    edit = admin.post(f"/admin/leaderboard/taskversion/{version.pk}/change/", {"seed": "1"})
    assert "A dry run of it is under way" in str(edit.context["adminform"].form.errors)
    assert press("stop") == ["Its dry runs are cancelled, or asked to stop."]
    assert press("publish") == [f"{version} is published: frozen from now on."]
    assert press("backfill") == ["1 evaluation queued, behind everything else."]
    assert press("new_version")[0].startswith(f"{version.task.slug} v2 is a draft")
    page = admin.get(f"/admin/leaderboard/taskversion/{version.pk + 1}/desk/").content.decode()
    assert f"What differs from {version}" in page
    assert press("retire") == [f"{version} is retired: shown, but no longer current."]
    actions = models.AuditEntry.objects.order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["dry run", "published", "back-fill", "added", "retired"]


@pytest.mark.slow
def test_the_desk_of_a_benchmark_version_shows_its_board_before_it_is_published(
    admin: Client,
) -> None:
    task = factories.task_version()
    ranked = factories.evaluation(on=task, score=0.8125)
    old = factories.benchmark_version((task, "A"))
    desk = f"/admin/leaderboard/benchmarkversion/{old.pk}/desk/"
    admin.post(desk, {"do": "new_version"})
    new = models.BenchmarkVersion.objects.get(number=2)
    page = admin.get(f"/admin/leaderboard/benchmarkversion/{new.pk}/desk/").content.decode()
    assert str(ranked.submission) in page
    assert "0.812" in page
    desk = f"/admin/leaderboard/benchmarkversion/{new.pk}/desk/"
    answered = answer(admin, desk, {"do": "publish"})
    assert "is published: frozen from now on" in answered.content.decode()
    factories.submission()
    filled = admin.post(desk, {"do": "backfill"}, follow=True)
    assert "1 evaluation queued" in filled.content.decode()
    public = Client().get(f"/benchmarks/{new.benchmark.slug}/2/").content.decode()
    assert "still being filled: 1 evaluation to go" in public
    assert f'href="/benchmarks/{new.benchmark.slug}/1/"' in public


@pytest.mark.slow
def test_the_queue_desk_acts_on_evaluations_and_workers(admin: Client) -> None:
    worker = factories.worker(name="host-1")

    def press(do: str, pk: object) -> list[str]:
        response = answer(admin, QUEUE, {"do": do, "pk": pk})
        return [str(message) for message in response.context["messages"]]

    assert press("drain", worker.pk) == ["host-1 claims nothing more; what it runs may end."]
    assert press("enable", worker.pk) == ["host-1 may claim work."]
    assert press("drain", "nonsense") == ["It is gone."]
    assert press("explode", worker.pk) == ["There is no such button."]


def test_the_desks_are_closed_to_strangers_and_to_staff_without_rights(client: Client) -> None:
    version = factories.task_version()
    benchmark = factories.benchmark_version((version, "A"))
    upload = models.ReferenceUpload.objects.create(
        user=factories.charlie(), filename="a", sha256="0" * 64, description={}, summary={}
    )
    addresses = [
        f"/admin/leaderboard/taskversion/{version.pk}/desk/",
        f"/admin/leaderboard/benchmarkversion/{benchmark.pk}/desk/",
        f"/admin/leaderboard/referenceset/upload/{upload.pk}/",
        ADD,
        QUEUE,
    ]
    for user, status in ((None, 302), ("bob", 302), ("charlie", 403)):
        if user:
            client.force_login(factories.charlie() if user == "charlie" else factories.user(user))
        for address in addresses:
            assert client.get(address).status_code == status, (user, address)
            assert client.post(address, {"do": "publish"}).status_code == status, (user, address)


def test_everything_that_is_registered_is_audited_whoever_registered_it(admin: Client) -> None:
    for model, found in django_admin.site._registry.items():
        assert isinstance(found, Audited), model
    admin.post("/admin/auth/group/add/", {"name": "judges"})
    group = Group.objects.get()
    admin.post(f"/admin/auth/group/{group.pk}/change/", {"name": "referees"})
    admin.post(f"/admin/auth/group/{group.pk}/delete/", {"post": "yes"})
    entries = models.AuditEntry.objects.order_by("pk")
    assert [(e.actor, e.action, e.label) for e in entries] == [
        ("charlie", "added", "judges"),
        ("charlie", "changed", "referees"),
        ("charlie", "deleted", "referees"),
    ]
    assert entries[1].changes == {"name": ["judges", "referees"]}
    assert entries[2].changes["name"] == ["referees", None]


def test_rows_that_a_form_holds_and_passwords_are_audited_too(admin: Client) -> None:
    benchmark = models.Benchmark.objects.create(slug="all", name="All", summary="All.")
    task = factories.task_version()
    frame = {"entries-TOTAL_FORMS": "1", "entries-INITIAL_FORMS": "0"}
    admin.post(
        "/admin/leaderboard/benchmarkversion/add/",
        {
            "benchmark": benchmark.pk,
            **frame,
            "entries-0-task_version": task.pk,
            "entries-0-category": "A",
            "entries-0-weight": "1",
            "entries-0-position": "0",
        },
    )
    kinds = models.AuditEntry.objects.order_by("pk").values_list("model", flat=True)
    assert list(kinds) == ["benchmark version", "benchmark task"]

    bob = factories.user("bob")
    passwords = {"password1": "another good one", "password2": "another good one"}
    admin.post(f"/admin/auth/user/{bob.pk}/password/", {**passwords, "usable_password": "true"})
    entry = models.AuditEntry.objects.first()
    assert entry is not None
    assert (entry.action, entry.label) == ("changed", "bob")
    assert "another good one" not in entry.detail


def test_a_check_that_breaks_is_told_at_the_file_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken = CompletedProcess(["check"], 1, stdout=b"", stderr=b"KeyError: 'odd'")
    with pytest.raises(SubmissionError, match="broke the check"):
        reference_uploads._summary(broken)
    assert "KeyError: 'odd'" in caplog.text
