"""Reference sets, tasks and benchmarks as YAML: whole, idempotent, refused by field."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from django.core.management import CommandError, call_command

from evaluator.hashing import sha256_of
from evaluator.references.conventions import Convention
from evaluator.references.upload import check_upload
from leaderboard import models
from leaderboard.exceptions import ConflictError, SubmissionError
from leaderboard.lib import blobs
from leaderboard.services.definitions.bundle_export import export_bundle
from leaderboard.services.definitions.bundle_reader import read_bundle
from leaderboard.services.definitions.bundles import Beside, import_bundle
from leaderboard.services.definitions.tasks import reference_path
from tests.leaderboard import factories
from tests.leaderboard.stored_files import keep_files_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def own_blobs(settings: Any, tmp_path: Path) -> None:
    keep_files_in(settings, tmp_path / "data")


def copper(path: Path) -> str:
    """Write three rattled cells of copper with EMT's answers; returns the canonical hash."""
    import ase.io
    from ase.build import bulk
    from ase.calculators.emt import EMT

    frames, rng = [], np.random.default_rng(0)
    for i in range(3):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.05, rng=rng)
        atoms.calc = EMT()
        atoms.get_forces(), atoms.get_stress()
        atoms.info["system_id"] = f"cell-{i}"
        frames.append(atoms)
    ase.io.write(path, frames, format="extxyz")
    out = path.with_suffix(".canonical.extxyz")
    sha256: str = check_upload(path, out, Convention())["sha256"]
    out.unlink()
    return sha256


def bundle(sha256: str, **changes: Any) -> dict[str, Any]:
    version = {
        "number": 1,
        "state": "published",
        "protocol": "energy_forces",
        "protocol_version": 2,
        "reference_set": "copper 1",
        "metrics": [{"key": "force_mae", "good": 0.0, "bad": 0.4, "worst": 0.4}],
        "description": "Forces on rattled copper.\nBy EMT.",
        "limitations": "Three cells.",
    } | changes
    return {
        "touchstone": 1,
        "reference_sets": [
            {
                "slug": "copper",
                "version": "1",
                "sha256": sha256,
                "title": "Rattled copper",
                "level_of_theory": "EMT",
                "licence": "CC0-1.0",
                "citation": "Nobody, 2026",
                "file": "copper.extxyz",
            }
        ],
        "tasks": [
            {
                "slug": "copper-forces",
                "name": "Copper",
                "summary": "Forces on copper.",
                "versions": [version],
            }
        ],
        "benchmarks": [
            {
                "slug": "metals",
                "name": "Metals",
                "summary": "All metals.",
                "versions": [
                    {
                        "number": 1,
                        "state": "published",
                        "categories": {"Forces": 1.0},
                        "tasks": [{"task": "copper-forces", "version": 1, "category": "Forces"}],
                    }
                ],
            }
        ],
    }


def write(folder: Path, content: dict[str, Any]) -> Path:
    path = folder / "bundle.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


@pytest.mark.slow
def test_a_bundle_is_imported_once_exported_and_imported_again(
    own_blobs: None, tmp_path: Path
) -> None:
    path = write(tmp_path, bundle(copper(tmp_path / "copper.extxyz")))
    submission = factories.submission()

    call_command("import_bundle", path, backfill=True, verbosity=0)
    version = models.TaskVersion.objects.get()
    assert (version.state, str(version.reference_set)) == ("published", "copper 1")
    assert version.reference_set is not None
    assert sha256_of(reference_path(version.reference_set)) == version.reference_set.sha256
    assert version.reference_set.properties == ["energy", "forces", "stress"]
    assert models.BenchmarkVersion.objects.get().state == "published"
    assert models.Evaluation.objects.get().submission == submission
    assert models.Evaluation.objects.get().priority < 0

    n_entries = models.AuditEntry.objects.count()
    again = import_bundle(path.read_text(), Beside(folder=tmp_path), "import_bundle")
    assert again.n_changed == 0, again.lines
    assert models.AuditEntry.objects.count() == n_entries

    folder = tmp_path / "exported"
    call_command("export_bundle", folder, verbosity=0)
    assert sorted(p.name for p in folder.iterdir()) == ["bundle.yaml", "copper-1.extxyz"]
    exported = (folder / "bundle.yaml").read_text()
    assert import_bundle(exported, Beside(folder=folder), "import_bundle").n_changed == 0
    assert export_bundle().text == exported


@pytest.mark.slow
def test_what_was_exported_makes_the_same_site_elsewhere(own_blobs: None, tmp_path: Path) -> None:
    path = write(tmp_path, bundle(copper(tmp_path / "copper.extxyz")))
    call_command("import_bundle", path, verbosity=0)
    folder = tmp_path / "exported"
    with pytest.raises(CommandError, match=r"There is no metal\. Did you mean metals\?"):
        call_command("export_bundle", folder, benchmark=["metal"], verbosity=0)
    call_command("export_bundle", folder, benchmark=["metals"], verbosity=0)
    text = (folder / "bundle.yaml").read_text()
    for kind, slug in (("reference_sets", "copper"), ("tasks", "copper-forces")):
        text = text.replace(f"slug: {slug}\n", f"slug: other-{kind.replace('_', '-')}\n")
    text = text.replace("reference_set: copper 1", "reference_set: other-reference-sets 1")
    text = text.replace("task: copper-forces", "task: other-tasks").replace("metals", "others")

    assert import_bundle(text, Beside(folder=folder), "import_bundle").n_changed > 0
    first, second = models.ReferenceSet.objects.order_by("slug")
    assert first.sha256 == second.sha256
    versions = [v.spec().metrics for v in models.TaskVersion.objects.all()]
    assert versions[0] == versions[1]


@pytest.mark.slow
def test_a_draft_is_brought_up_to_the_bundle_and_a_published_version_never(
    own_blobs: None, tmp_path: Path
) -> None:
    content = bundle(copper(tmp_path / "copper.extxyz"), state="draft")
    del content["benchmarks"]
    import_bundle(yaml.safe_dump(content), Beside(folder=tmp_path), "charlie")
    content["tasks"][0]["versions"][0]["limitations"] = "Three cells of copper."
    done = import_bundle(yaml.safe_dump(content), Beside(folder=tmp_path), "charlie")
    assert [line for line in done.lines if "unchanged" not in line] == ["changed: copper-forces v1"]
    entry = models.AuditEntry.objects.first()
    assert entry is not None
    assert entry.changes == {"limitations": ["Three cells.", "Three cells of copper."]}

    content["tasks"][0]["versions"][0]["state"] = "published"
    import_bundle(yaml.safe_dump(content), Beside(folder=tmp_path), "charlie")
    content["tasks"][0]["versions"][0]["metrics"][0]["bad"] = 0.5
    with pytest.raises(ConflictError, match=r"metrics\.force_mae\.bad: 0\.4, not 0\.5") as caught:
        import_bundle(yaml.safe_dump(content), Beside(folder=tmp_path), "charlie")
    assert set(caught.value.errors) == {"tasks[0].versions[0]"}


@pytest.mark.parametrize(
    ("place", "value", "complaint"),
    [
        ("metrics", [{"key": "force_mae"}], "tasks[0].versions[0].metrics: .*lacks good"),
        ("parameters", {"speed": 1}, "tasks[0].versions[0].parameters.speed: is unknown"),
        ("protocol", "magic", "tasks[0].versions[0].protocol: is unknown; known are"),
        ("number", "one", "tasks[0].versions[0].number: must be a whole number, not 'one'."),
        ("limitations", "", "tasks[0].versions[0].limitations: Write at least a sentence"),
        ("limits", {"memory_MiB": -1}, "tasks[0].versions[0].limits: memory_MiB must be"),
        ("reference_set", "gold 1", "tasks[0].versions[0].reference_set: There is no 'gold 1'"),
        ("colour", "red", "tasks[0].versions[0].colour: is unknown."),
        ("state", "shiny", "tasks[0].versions[0].state: must be one of draft"),
        ("seed", True, "tasks[0].versions[0].seed: must be a whole number"),
    ],
)
def test_each_complaint_names_its_place_and_nothing_is_imported(
    tmp_path: Path, place: str, value: Any, complaint: str
) -> None:
    stored = factories.reference_set(
        slug="copper", properties=["energy", "forces"], title="Not what the bundle says"
    )
    path = write(tmp_path, bundle(stored.sha256, **{place: value}))
    pattern = complaint.replace("[", r"\[").replace("]", r"\]")
    with pytest.raises(CommandError, match=pattern):
        call_command("import_bundle", path, verbosity=0)
    for model in (models.Task, models.Benchmark, models.AuditEntry):
        assert not model.objects.exists()
    assert models.ReferenceSet.objects.get().title == "Not what the bundle says"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("touchstone: 1\ntasks: &a [*a]\n", "aliases are not read"),
        ("touchstone: 1\ntasks: []\ntasks: []\n", "'tasks' stands twice"),
        ("touchstone: !!python/object/apply:os.system ['ls']\n", "could not determine"),
        ("touchstone: 2\n", "must be 1, the format"),
        ("- 1\n", "must be a mapping"),
        ("touchstone: 1\nreference_sets: {a: 1}\n", "must be a list"),
        ("{" * 3000, "cannot be read as YAML"),
        ("touchstone: 1\nusers: []\n", "is unknown"),
    ],
)
def test_what_is_no_bundle_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(SubmissionError, match=complaint):
        read_bundle(text)


def test_a_reference_set_without_its_sha256_is_told_where_to_find_it() -> None:
    with pytest.raises(SubmissionError) as caught:
        read_bundle("touchstone: 1\nreference_sets: [{slug: copper}]\n")
    complaint = str(caught.value.errors["reference_sets[0].sha256"])
    assert complaint.startswith("is missing. ")
    assert "touchstone data check FILE" in complaint


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"sha256": "0" * 64}, "sha256: The file comes out with"),
        ({"file": "../copper.extxyz"}, "file: must be the name of a file beside"),
        ({"file": "gold.extxyz"}, "file: There is no file gold.extxyz"),
        ({"file": "", "download": "http://127.0.0.1/a.xyz"}, "an https:// download"),
        ({"convention": {"colour": "red"}}, "convention.colour: is unknown"),
        ({"licence": ""}, "licence"),
    ],
)
def test_reference_sets_are_checked_as_uploads_are(
    own_blobs: None, tmp_path: Path, changes: dict[str, Any], complaint: str
) -> None:
    content = bundle(copper(tmp_path / "copper.extxyz"))
    content["reference_sets"][0] |= changes
    with pytest.raises(CommandError, match=complaint):
        call_command("import_bundle", write(tmp_path, content), verbosity=0)
    assert not models.ReferenceSet.objects.exists()


def test_a_convention_of_a_bundle_is_checked_by_field_before_anything_is_read(
    tmp_path: Path,
) -> None:
    content = bundle("0" * 64)
    content["reference_sets"][0]["convention"] = {
        "stress_unit": "psi",
        "stress_order": "yx",
        "energy_name": "a b",
        "colour": "red",
    }
    with pytest.raises(SubmissionError) as caught:
        import_bundle(yaml.safe_dump(content), Beside(folder=tmp_path), "charlie")
    place = "reference_sets[0].convention"
    assert set(caught.value.errors) == {
        f"{place}.{name}" for name in ("stress_unit", "stress_order", "energy_name", "colour")
    }
    assert "must be one of eV/Å³, GPa, kbar, kbar (VASP), vi" in str(
        caught.value.errors[f"{place}.stress_unit"]
    )


@pytest.mark.slow
def test_a_bundle_s_set_is_read_by_its_convention_and_its_problems_are_told(
    own_blobs: None, tmp_path: Path
) -> None:
    path = tmp_path / "copper.extxyz"
    copper(path)
    path.write_text(path.read_text().replace(" energy=", " DFT_energy=1.0 REF_energy="))
    convention = asdict(Convention(energy_name="REF_energy", stress_order="nine"))
    out = tmp_path / "out.extxyz"
    content = bundle(check_upload(path, out, Convention(**convention))["sha256"])
    content["reference_sets"][0]["convention"] = convention
    del content["tasks"], content["benchmarks"]
    done = import_bundle(yaml.safe_dump(content), Beside(folder=tmp_path), "charlie")
    assert done.lines[0] == "created: copper 1"
    assert any(
        line.startswith("look at copper 1: REF_energy is used; DFT_energy (every structure)")
        for line in done.lines
    )
    properties = models.ReferenceSet.objects.get().properties
    assert properties == ["DFT_energy", "energy", "forces", "stress"]


@pytest.mark.slow
def test_a_trial_tells_what_an_import_would_do_and_leaves_nothing(
    own_blobs: None, tmp_path: Path
) -> None:
    submission = factories.submission()
    text = yaml.safe_dump(bundle(copper(tmp_path / "copper.extxyz")))
    beside = Beside(folder=tmp_path)

    tried = import_bundle(text, beside, "a test", is_trial=True, fills=True)

    assert tried.n_queued == 1
    assert not models.Task.objects.filter(slug="copper-forces").exists()
    assert not models.ReferenceSet.objects.exists()
    assert not models.AuditEntry.objects.exists()
    assert not any(blobs.exists(name) for name in tried.new_files)
    assert not submission.evaluations.exists()

    done = import_bundle(text, beside, "a test", fills=True)

    assert (done.lines, done.n_changed, done.n_queued) == (tried.lines, tried.n_changed, 1)
    assert [blobs.exists(name) for name in done.new_files] == [True]
    assert submission.evaluations.get().task_version.task.slug == "copper-forces"
    # A set that was there before stays where it is.
    again = import_bundle(text, beside, "a test", is_trial=True)
    assert (again.n_changed, again.new_files) == (0, [])
    assert blobs.exists(done.new_files[0])


@pytest.mark.slow
def test_what_is_refused_leaves_no_file_of_its_sets(own_blobs: None, tmp_path: Path) -> None:
    text = yaml.safe_dump(bundle(copper(tmp_path / "copper.extxyz"), protocol="magic"))
    with pytest.raises(SubmissionError, match="is unknown"):
        import_bundle(text, Beside(folder=tmp_path), "a test")
    assert not any((tmp_path / "data").rglob("references/*/*"))
