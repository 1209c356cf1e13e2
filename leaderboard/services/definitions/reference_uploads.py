"""Reference sets that administrators upload: checked, shown, and stored at their word.

The file is read by the evaluator in a process of its own, without the service's secrets and within
bounds of time and memory; what it answers is kept for a day, until somebody confirms it.
"""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import transaction
from django.utils import timezone

from leaderboard.exceptions import ConflictError, SubmissionError
from leaderboard.lib import blobs
from leaderboard.models import ReferenceSet, ReferenceUpload
from leaderboard.services.accounts import audit
from leaderboard.services.definitions.tasks import (
    ReferenceDescription,
    check_reference_description,
    store_reference_set,
)
from leaderboard.services.submissions.artifacts import Upload

logger = logging.getLogger(__name__)

KEPT = timedelta(days=1)
#: Of one administrator; with more, the oldest go.
_MOST_KEPT = 10
_SUFFIXES = (".extxyz", ".xyz", ".json")
_CHUNK_BYTES = 2**20
_WORDS = 300


@dataclass(frozen=True, kw_only=True)
class Convention:
    """How the file names its values, and their units; choices as in ``references.conventions``."""

    energy_name: str = "energy"
    forces_name: str = "forces"
    stress_name: str = "stress"
    energy_unit: str = "eV"
    force_unit: str = "eV/Å"
    stress_unit: str = "eV/Å³"
    stress_order: str = "unit"
    stress_sign: str = "unit"


#: The choices, the canonical one first; a test holds them to the evaluator's.
ENERGY_UNITS = ("eV", "eV/atom", "meV/atom", "Ha", "kcal/mol", "kJ/mol")
FORCE_UNITS = ("eV/Å", "meV/Å", "Ha/Bohr", "kcal/mol/Å")
STRESS_UNITS = ("eV/Å³", "GPa", "kbar", "kbar (VASP)", "virial in eV")
STRESS_ORDERS = ("unit", "voigt", "vasp", "lammps", "nine")
STRESS_SIGNS = ("unit", "tension", "compression")
_CHOICES = {
    "energy_unit": ENERGY_UNITS,
    "force_unit": FORCE_UNITS,
    "stress_unit": STRESS_UNITS,
    "stress_order": STRESS_ORDERS,
    "stress_sign": STRESS_SIGNS,
}
_NAME = re.compile(r"\w{1,64}")


def convention_from(given: Mapping[str, str]) -> Convention:
    """Raises SubmissionError by field for what is no choice."""
    errors = {}
    for name, value in given.items():
        if name not in Convention.__dataclass_fields__:
            known = ", ".join(Convention.__dataclass_fields__)
            errors[name] = f"is unknown; known are {known}."
        elif name in _CHOICES and value not in _CHOICES[name]:
            errors[name] = f"must be one of {', '.join(_CHOICES[name])}, not {value!r}."
        elif name not in _CHOICES and not _NAME.fullmatch(value):
            errors[name] = f"must be a name of letters, digits and _, not {value!r}."
    if errors:
        raise SubmissionError(errors)
    return Convention(**given)


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What the evaluator answered; the canonical file is at ``path``."""

    path: Path
    summary: dict[str, Any]


def stage(
    user: User,
    file: Upload,
    filename: str,
    convention: Convention,
    description: Mapping[str, Any],
) -> ReferenceUpload:
    """Keep an uploaded file and check it. Raises SubmissionError by field, and keeps nothing then.

    ``description`` holds the fields of ``ReferenceDescription`` that the file itself does not tell.
    """
    upload = keep(user, file, filename)
    try:
        return check(upload, convention, description)
    except SubmissionError:
        discard(upload)
        raise


def keep(user: User, file: Upload, filename: str) -> ReferenceUpload:
    """Keep a file as it came, to be checked. Raises SubmissionError for one that is too large."""
    sweep()
    checked_suffix(filename)
    row = ReferenceUpload(
        user=user, filename=PurePosixPath(filename).name[-200:], description={}, summary={}
    )
    with tempfile.TemporaryDirectory(prefix="touchstone-reference-") as folder:
        raw = Path(folder, "uploaded")
        _write(file, raw)
        _store(raw, row.original_name)
    row.save()
    for old in ReferenceUpload.objects.filter(user=user)[_MOST_KEPT:]:  # the newest come first
        discard(old)
    return row


def check(
    upload: ReferenceUpload, convention: Convention, description: Mapping[str, Any]
) -> ReferenceUpload:
    """Read the file that was kept, and note what it holds. Raises SubmissionError by field.

    The upload stays as it was where it is refused.
    """
    with tempfile.TemporaryDirectory(prefix="touchstone-reference-") as folder:
        raw = Path(folder, "uploaded" + checked_suffix(upload.filename))
        raw.symlink_to(_original(upload))
        checked = check_file(raw, convention, Path(folder, "canonical.extxyz"))
        check_reference_description(_description(description, checked.summary), checked.summary)
        with transaction.atomic():
            row = ReferenceUpload.objects.select_for_update().filter(pk=upload.pk).first()
            if row is None:
                raise ConflictError(GONE)
            row.sha256 = checked.summary["sha256"]
            row.description, row.convention = dict(description), dict(vars(convention))
            row.summary = checked.summary
            # The bytes of the older reading go: what is confirmed is what the row tells of.
            blobs.remove(row.storage_name)
            _store(checked.path, row.storage_name)
            row.save()
    return row


#: Of an upload that is no longer there.
GONE = "It was stored, discarded or forgotten meanwhile. Upload the file again."


def _original(upload: ReferenceUpload) -> Path:
    if not blobs.exists(upload.original_name):
        raise SubmissionError({"file": "The file is not here any more. Choose it again."})
    return blobs.existing_path_of(upload.original_name)


def _store(source: Path, name: str) -> None:
    with source.open("rb") as file:
        blob = blobs.write(blobs.chunks_of(file), mode=0o400)
    blob.keep(name)


@dataclass(frozen=True, kw_only=True)
class Stored:
    reference: ReferenceSet
    #: False where the very set was there already: nothing was changed.
    is_new: bool


def confirm(user: User, upload: ReferenceUpload) -> Stored:
    """Make it a reference set. Raises ConflictError where slug and version have other bytes."""
    summary = upload.summary
    if not upload.is_checked:
        raise ConflictError("It was not checked yet.")
    given = upload.description
    is_new = not ReferenceSet.objects.filter(slug=given["slug"], version=given["version"]).exists()
    reference = store_reference_set(
        blobs.existing_path_of(upload.storage_name),
        _description(given, summary),
        expected_sha256=upload.sha256,
        summary=summary,
    )
    if is_new:
        audit.record(
            user,
            "reference set uploaded",
            reference,
            changes=audit.differences({}, audit.stored(reference)),
            detail=f"From {upload.filename}.",
        )
    discard(upload)
    return Stored(reference=reference, is_new=is_new)


def same_bytes(upload: ReferenceUpload) -> list[ReferenceSet]:
    """Sets that hold the very same structures and values, in the order of their names."""
    return list(ReferenceSet.objects.filter(sha256=upload.sha256)) if upload.is_checked else []


def discard(upload: ReferenceUpload) -> None:
    blobs.remove(upload.storage_name)
    blobs.remove(upload.original_name)
    upload.delete()


def sweep() -> int:
    """Forget what nobody has confirmed; return how many."""
    old = list(ReferenceUpload.objects.filter(created_at__lt=timezone.now() - KEPT))
    for upload in old:
        discard(upload)
    return len(old)


def dummy_of(reference: ReferenceSet) -> dict[str, float]:
    """Errors of a potential of mean energies and zero forces, by metric key; empty if unknown.

    Of a set that came another way than by an upload they are found when somebody asks.
    """
    dummy: dict[str, float] | None = reference.summary.get("dummy")
    if dummy is not None or "energy" not in reference.properties:
        return dummy or {}
    key = f"dummy-{reference.sha256}"
    dummy = cache.get(key)
    if dummy is None:
        dummy = _compute_dummy(reference)
        cache.set(key, dummy, int(KEPT.total_seconds()))
    return dummy


def _compute_dummy(reference: ReferenceSet) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="touchstone-reference-") as folder:
        # Without the suffix the evaluator would not know what it is.
        source = Path(folder, "stored.extxyz")
        source.symlink_to(blobs.existing_path_of(reference.storage_name))
        try:
            checked = check_file(source, Convention(), Path(folder, "canonical.extxyz"), time_s=20)
        except SubmissionError as error:
            logger.info("No anchors are suggested for %s: %s", reference, error)
            return {}
    dummy: dict[str, float] = checked.summary["dummy"]
    return dummy


def usable_properties(summary: Mapping[str, Any]) -> list[str]:
    """What a task can judge: energies and forces where every structure has them.

    Anything else where some have it: protocols leave out what does not apply to a structure.
    """
    return sorted(
        name
        for name, n in summary["properties"].items()
        if n == summary["n_systems"] or name not in ("energy", "forces")
    )


def checked_suffix(filename: str) -> str:
    """Return the suffix of a file that can be read. Raises SubmissionError."""
    suffix = PurePosixPath(filename).suffix.lower()
    if suffix not in _SUFFIXES:
        raise SubmissionError(
            {
                "file": f"Its name must end with {', '.join(_SUFFIXES)}: extended XYZ or JSON. "
                "What else ASE reads it converts: ase.io.write('set.extxyz', ase.io.read('FILE', "
                "index=':'), format='extxyz')."
            }
        )
    return suffix


def check_file(
    raw: Path, convention: Convention, out: Path, *, time_s: int | None = None
) -> Checked:
    """Have the evaluator read a file. Raises SubmissionError with what is wrong in it."""
    limit_s = time_s or settings.REFERENCE_CHECK_S
    command = [sys.executable, "-m", "evaluator.references.upload", str(raw), "--out", str(out)]
    for name, value in vars(convention).items():
        command += [f"--{name.replace('_', '-')}={value}"]
    command += [f"--memory-mib={settings.REFERENCE_CHECK_MIB}", f"--cpu-s={limit_s}"]
    try:
        answer = subprocess.run(
            command,
            capture_output=True,
            check=False,
            cwd=settings.BASE_DIR,
            env=_ENVIRONMENT | {"PATH": os.environ.get("PATH", "")},
            timeout=limit_s,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired as error:
        raise SubmissionError(
            {
                "file": f"It could not be read within {limit_s} s. Split it, or load it with "
                "manage.py import_bundle, which has more time."
            }
        ) from error
    return Checked(path=out, summary=_summary(answer))


#: Nothing of the service's own: no database, no keys.
_ENVIRONMENT = {"LANG": "C.UTF-8", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def _summary(answer: subprocess.CompletedProcess[bytes]) -> dict[str, Any]:
    words = answer.stderr.decode("utf-8", "replace").strip()[-_WORDS:]
    if answer.returncode < 0:  # the kernel ended it
        raise SubmissionError(
            {"file": "Reading it took more time or memory than is allowed. Split it."}
        )
    try:
        report = json.loads(answer.stdout)
    except ValueError as error:
        if "MemoryError" in words:
            raise SubmissionError({"file": "Reading it takes too much memory."}) from error
        # Whatever the file holds, its uploader is told so at the form; the cause is ours to mend.
        logger.error("The check of a reference set broke: %s", words)
        raise SubmissionError(
            {
                "file": "Something in this file broke the check, which is a fault of ours and was "
                "logged. Nothing was stored. Try a part of the file to find the structure."
            }
        ) from error
    if not report["ok"]:
        raise SubmissionError({"file": report["reason"]})
    summary: dict[str, Any] = report["summary"]
    return summary


def _description(given: Mapping[str, Any], summary: Mapping[str, Any]) -> ReferenceDescription:
    return replace(
        ReferenceDescription(n_systems=0, elements=(), properties=(), **given),
        n_systems=summary["n_systems"],
        elements=list(summary["elements"]),
        properties=usable_properties(summary),
    )


def _write(file: Upload, target: Path) -> None:
    size = 0
    with target.open("wb") as copy:
        while chunk := file.read(_CHUNK_BYTES):
            size += len(chunk)
            if size > settings.MAX_REFERENCE_BYTES:
                raise SubmissionError(
                    {
                        "file": f"It is larger than {settings.MAX_REFERENCE_BYTES >> 20} MiB. "
                        "Load it with manage.py import_bundle, or split it."
                    }
                )
            copy.write(chunk)
    if size == 0:
        raise SubmissionError({"file": "The file is empty."})
