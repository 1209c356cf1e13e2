"""Reference sets, tasks and benchmarks as a YAML bundle, so that they can be kept in git.

Importing is idempotent: what is there already in the same form is left alone, drafts are brought up
to date, a published version that reads otherwise is refused with what differs. Either the whole
bundle is taken or nothing of it. Nothing is deleted, and nothing is evaluated by an import.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import transaction

from evaluator.catalog import PROTOCOLS, ParameterError, check_parameters
from leaderboard.enums import VersionState
from leaderboard.exceptions import ConflictError, SubmissionError
from leaderboard.lib import blobs, outgoing
from leaderboard.models import (
    Benchmark,
    BenchmarkTask,
    BenchmarkVersion,
    ReferenceSet,
    Task,
    TaskVersion,
)
from leaderboard.services.accounts import audit
from leaderboard.services.definitions import backfill, dry_runs
from leaderboard.services.definitions.bundle_reader import (
    BenchmarkEntry,
    BenchmarkVersionEntry,
    Bundle,
    ReferenceEntry,
    TaskEntry,
    TaskVersionEntry,
    read_bundle,
)
from leaderboard.services.definitions.hidden_sets import check_may_be_opened
from leaderboard.services.definitions.reference_uploads import (
    Convention,
    check_file,
    checked_suffix,
    convention_from,
    usable_properties,
)
from leaderboard.services.definitions.task_checks import check_task_version
from leaderboard.services.definitions.tasks import (
    ReferenceDescription,
    publish_benchmark_version,
    publish_task_version,
    retire_version,
    store_reference_set,
)
from leaderboard.services.definitions.version_changes import FieldChange, task_changes

#: A file that is too large for the page is read here, with more patience.
FILE_TIME_S = 3600
_MAX_DOWNLOAD_BYTES = 2 * 2**30
_Named = TypeVar("_Named", Task, Benchmark)
_DESCRIPTIVE = ("title", "level_of_theory", "licence", "citation", "url", "is_public")


@dataclass(kw_only=True)
class Imported:
    """What an import did, in the order of the bundle: "created eos v2", "unchanged: ..."."""

    lines: list[str] = field(default_factory=list)
    n_changed: int = 0
    published: list[TaskVersion | BenchmarkVersion] = field(default_factory=list)
    #: Evaluations; of a trial, how many there would be.
    n_queued: int = 0
    #: Of the storage, that were not there before.
    new_files: list[str] = field(default_factory=list)

    def tell(self, what: str, row: object) -> None:
        self.lines.append(f"{what}: {row}")
        self.n_changed += what != "unchanged"


@dataclass(frozen=True, kw_only=True)
class Beside:
    """Where the files of a bundle are, and what may be spent on them."""

    folder: Path
    #: Whether what a bundle names by its address is fetched: only for who can log in to the host.
    downloads: bool = False
    time_s: int = FILE_TIME_S


def import_bundle(
    text: str,
    beside: Beside,
    actor: audit.Actor,
    *,
    is_trial: bool = False,
    fills: bool = False,
) -> Imported:
    """Bring the database up to a bundle; ``fills`` then queues everybody on what was published.

    A trial goes all the way and takes it back: it tells what would be done, and what is wrong.
    Raises SubmissionError (ConflictError among them) that maps each bad place to a sentence; then
    nothing has changed.
    """
    bundle, done = read_bundle(text), Imported()
    is_kept = False
    try:
        with transaction.atomic():
            _import_all(bundle, beside, actor, done)
            if is_trial:
                done.n_queued = sum(backfill.lacking(v).count() for v in _standing(done) if fills)
                transaction.set_rollback(True)
        is_kept = not is_trial
    finally:
        if not is_kept:
            _remove_unused(done.new_files)
    if fills and not is_trial:
        done.n_queued = len(backfill.start(actor, _standing(done)))
    return done


def _import_all(bundle: Bundle, beside: Beside, actor: audit.Actor, done: Imported) -> None:
    for reference in bundle.reference_sets:
        with _at(reference.place):
            _import_reference(reference, beside, actor, done)
    for task in bundle.tasks:
        with _at(task.place):
            row = _import_named(Task, task, actor, done)
        for version in task.versions:
            with _at(version.place):
                _import_task_version(row, version, actor, done)
    for benchmark in bundle.benchmarks:
        with _at(benchmark.place):
            named = _import_named(Benchmark, benchmark, actor, done)
        for frozen in benchmark.versions:
            with _at(frozen.place):
                _import_benchmark_version(named, frozen, actor, done)


def _standing(done: Imported) -> list[TaskVersion]:
    """The task versions that everybody is to be evaluated on after an import."""
    versions = {v.pk: v for v in done.published if isinstance(v, TaskVersion)}
    for frozen in done.published:
        if isinstance(frozen, BenchmarkVersion):
            rows = frozen.entries.select_related("task_version__task")
            versions |= {e.task_version.pk: e.task_version for e in rows}
    return [v for v in versions.values() if v.state == VersionState.PUBLISHED]


def _remove_unused(names: Iterable[str]) -> None:
    """Files of sets that were not imported after all, and that no other set has meanwhile."""
    for name in names:
        if not ReferenceSet.objects.filter(sha256=PurePosixPath(name).name).exists():
            blobs.remove(name)


@contextmanager
def _at(place: str) -> Iterator[None]:
    """Name the place of whatever is complained of inside."""
    try:
        yield
    except SubmissionError as error:
        where = {f"{place}.{name}" if name else place: s for name, s in error.errors.items()}
        raise type(error)(where) from error
    except ValidationError as error:
        complaints = {f"{place}.{n}": " ".join(s) for n, s in error.message_dict.items()}
        raise SubmissionError(complaints) from error


def _import_reference(
    entry: ReferenceEntry, beside: Beside, actor: audit.Actor, done: Imported
) -> None:
    stored = ReferenceSet.objects.filter(slug=entry.slug, version=entry.version).first()
    if stored is None:
        row = _store(entry, beside, done)
        audit.record(actor, "imported", row, changes=audit.differences({}, audit.stored(row)))
        done.tell("created", row)
        done.lines += [f"look at {row}: {problem}" for problem in row.summary.get("problems", ())]
        return
    if stored.sha256 != entry.sha256:
        raise ConflictError(
            {"sha256": f"{stored} is there with {stored.sha256}. New data is a new version."}
        )
    changed = {
        n: getattr(entry, n) for n in _DESCRIPTIVE if getattr(stored, n) != getattr(entry, n)
    }
    if not changed:
        done.tell("unchanged", stored)
        return
    frozen = stored.task_versions.exclude(state=VersionState.DRAFT).exists()
    if frozen and set(changed) != {"is_public"}:
        names = ", ".join(sorted(changed))
        raise ConflictError(f"{stored} is in use by a published task; {names} cannot change.")
    if changed.get("is_public"):
        check_may_be_opened(stored)
    with audit.recorded(actor, "imported", stored):
        for name, value in changed.items():
            setattr(stored, name, value)
        stored.full_clean(validate_unique=False)
        stored.save()
    done.tell("changed", stored)


def _store(entry: ReferenceEntry, beside: Beside, done: Imported) -> ReferenceSet:
    """Check the bytes as an upload's are. What has the right hash already is stored as it is."""
    convention = _convention(entry)
    with tempfile.TemporaryDirectory(prefix="touchstone-bundle-") as work:
        source = _bytes_of(entry, beside, Path(work))
        checked = check_file(
            source,
            convention,
            Path(work, "canonical.extxyz"),
            time_s=beside.time_s,
        )
        # What the service has written itself is stored byte for byte.
        is_canonical = entry.sha256 == _sha256_of(source)
        sha256 = entry.sha256 if is_canonical else checked.summary["sha256"]
        if entry.sha256 != sha256:
            raise SubmissionError({"sha256": f"The file comes out with {sha256}, not this one."})
        description = ReferenceDescription(
            slug=entry.slug,
            version=entry.version,
            n_systems=checked.summary["n_systems"],
            elements=list(checked.summary["elements"]),
            properties=usable_properties(checked.summary),
            **{name: getattr(entry, name) for name in _DESCRIPTIVE},
        )
        name = ReferenceSet(sha256=sha256).storage_name
        if not blobs.exists(name):
            done.new_files.append(name)
        return store_reference_set(
            source if is_canonical else checked.path,
            description,
            expected_sha256=sha256,
            summary=checked.summary,
        )


def _convention(entry: ReferenceEntry) -> Convention:
    try:
        return convention_from(entry.convention)
    except SubmissionError as error:
        raise SubmissionError({f"convention.{n}": s for n, s in error.errors.items()}) from error


def _bytes_of(entry: ReferenceEntry, beside: Beside, work: Path) -> Path:
    """A copy in ``work``, so that nobody changes it meanwhile."""
    name = entry.file or PurePosixPath(entry.download).name
    target = work / f"source{checked_suffix(name)}"
    if entry.file:
        if PurePosixPath(entry.file).name != entry.file:
            raise SubmissionError({"file": "must be the name of a file beside the bundle."})
        source = beside.folder / entry.file
        if not source.is_file() or source.is_symlink():
            raise SubmissionError({"file": f"There is no file {entry.file} beside the bundle."})
        shutil.copyfile(source, target)
        return target
    if not entry.download.startswith("https://"):
        raise SubmissionError({"file": "Name a file beside the bundle, or an https:// download."})
    if not beside.downloads:
        raise SubmissionError({"download": "Is fetched by manage.py import_bundle alone."})
    try:
        with target.open("wb") as file:
            outgoing.download(entry.download, file, _MAX_DOWNLOAD_BYTES)
    except (outgoing.AddressRefused, outgoing.Failed) as error:
        raise SubmissionError({"download": f"It cannot be had: {error}"}) from error
    return target


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _import_named(
    model: type[_Named], entry: TaskEntry | BenchmarkEntry, actor: audit.Actor, done: Imported
) -> _Named:
    """A task or a benchmark: the name and the summary may change at any time."""
    row = model._default_manager.filter(slug=entry.slug).first() or model(slug=entry.slug)
    if row.pk is not None and (row.name, row.summary) == (entry.name, entry.summary):
        done.tell("unchanged", row.slug)
        return row
    is_new = row.pk is None
    before = audit.stored(row)
    row.name, row.summary = entry.name, entry.summary
    row.full_clean(validate_unique=False)
    row.save()
    audit.record(actor, "imported", row, changes=audit.differences(before, audit.stored(row)))
    done.tell("created" if is_new else "changed", row.slug)
    return row


def _import_task_version(
    task: Task, entry: TaskVersionEntry, actor: audit.Actor, done: Imported
) -> None:
    stored = TaskVersion.objects.filter(task=task, number=entry.number).first()
    is_frozen = stored is not None and stored.state != VersionState.DRAFT
    wanted = _as_stored(task, entry, stored) if stored and is_frozen else _wanted(task, entry)
    if stored is not None and is_frozen:
        _check_same(task_changes(stored, wanted), stored)
        _settle(stored, entry.state, actor, done)
        return
    if stored is not None and not task_changes(stored, wanted) and entry.state == stored.state:
        done.tell("unchanged", stored)
        return
    if stored is not None and dry_runs.under_way(stored).exists():
        raise ConflictError(f"A dry run of {stored} is under way.")
    errors = check_task_version(wanted)
    if errors:
        raise SubmissionError(errors)
    before = audit.stored(stored) if stored is not None else {}
    wanted.pk = stored.pk if stored is not None else None
    if stored is not None:
        wanted.created_at, wanted.disguise_secret = stored.created_at, stored.disguise_secret
    wanted.save()
    audit.record(actor, "imported", wanted, changes=audit.differences(before, audit.stored(wanted)))
    done.tell("created" if stored is None else "changed", wanted)
    _settle(wanted, entry.state, actor, done)


def _wanted(task: Task, entry: TaskVersionEntry) -> TaskVersion:
    """The version as the bundle has it, complete with defaults, not yet stored."""
    if entry.protocol not in PROTOCOLS:
        raise SubmissionError({"protocol": f"is unknown; known are {', '.join(PROTOCOLS)}."})
    parameters = PROTOCOLS[entry.protocol].parameters
    try:
        complete: Mapping[str, Any] = check_parameters(parameters, entry.parameters)
    except ParameterError as error:
        raise SubmissionError(
            {f"parameters.{name}": f"{sentence}." for name, sentence in error.errors.items()}
        ) from error
    version = _version(task, entry, dict(complete))
    wrong = {
        name: sentence
        for name, sentence in check_task_version(version).items()
        if name in ("metrics", "limits")  # these would not even be read
    }
    if wrong:
        raise SubmissionError(wrong)
    return version


def _as_stored(task: Task, entry: TaskVersionEntry, stored: TaskVersion) -> TaskVersion:
    """Values to compare with what is frozen, perhaps by an older catalog.

    What is left out agrees.
    """
    version = _version(task, entry, stored.parameters | dict(entry.parameters))
    try:
        version.scored_metrics()
        version.limits = stored.limits | version.limits
        version.spec()
    except (TypeError, ValueError) as error:
        raise SubmissionError({"metrics": f"They, or the limits, cannot be read: {error}"}) from (
            error
        )
    return version


def _version(task: Task, entry: TaskVersionEntry, parameters: dict[str, Any]) -> TaskVersion:
    return TaskVersion(
        task=task,
        number=entry.number,
        protocol=entry.protocol,
        protocol_version=entry.protocol_version,
        parameters=parameters,
        reference_set=_reference_named(entry.reference_set),
        metrics=entry.metrics,
        limits=dict(entry.limits),
        min_coverage=entry.min_coverage,
        seed=entry.seed,
        description=entry.description,
        limitations=entry.limitations,
    )


def _reference_named(name: str) -> ReferenceSet | None:
    if not name:
        return None
    slug, _, version = name.partition(" ")
    row = ReferenceSet.objects.filter(slug=slug, version=version).first()
    if row is None:
        raise SubmissionError(
            {"reference_set": f'There is no {name!r}; write "slug version", as in "mlearn-cu 1".'}
        )
    return row


def _import_benchmark_version(
    benchmark: Benchmark, entry: BenchmarkVersionEntry, actor: audit.Actor, done: Imported
) -> None:
    rows = _rows(entry)
    stored = benchmark.versions.filter(number=entry.number).first()
    if stored is not None and stored.state != VersionState.DRAFT:
        if _content(stored.entries.all()) != _content(rows):
            raise ConflictError(f"{stored} is {stored.state} otherwise; give it another number.")
        _settle(stored, entry.state, actor, done)
        return
    is_same = stored is not None and _content(stored.entries.all()) == _content(rows)
    if stored is not None and is_same and entry.state == stored.state:
        done.tell("unchanged", stored)
        return
    is_new = stored is None
    version = stored or BenchmarkVersion.objects.create(benchmark=benchmark, number=entry.number)
    version.entries.all().delete()
    for row in rows:
        row.benchmark_version = version
        row.save()
    detail = ", ".join(str(row.task_version) for row in rows)
    audit.record(actor, "imported", version, detail=detail)
    done.tell("created" if is_new else "changed", version)
    _settle(version, entry.state, actor, done)


def _rows(entry: BenchmarkVersionEntry) -> list[BenchmarkTask]:
    rows, errors = [], {}
    for position, row in enumerate(entry.tasks):
        place = f"tasks[{position}]"
        version = TaskVersion.objects.filter(task__slug=row.task, number=row.version).first()
        if version is None:
            errors[f"{place}.task"] = f"There is no version {row.version} of {row.task!r}."
        if row.category not in entry.categories:
            errors[f"{place}.category"] = f"{row.category!r} has no weight in categories."
        if row.weight < 0:
            errors[f"{place}.weight"] = "must not be negative."
        if version is not None and row.category in entry.categories:
            rows.append(
                BenchmarkTask(
                    task_version=version,
                    category=row.category,
                    weight=row.weight,
                    category_weight=entry.categories[row.category],
                    position=position,
                )
            )
    if len({row.task_version.pk for row in rows}) < len(rows):
        errors["tasks"] = "A task version stands twice."
    if errors:
        raise SubmissionError(errors)
    return rows


def _content(rows: Any) -> list[tuple[int, str, float, float]]:  # noqa: ANN401  (rows)
    return [(r.task_version.pk, r.category, r.weight, r.category_weight) for r in rows]


def _settle(
    version: TaskVersion | BenchmarkVersion, state: str, actor: audit.Actor, done: Imported
) -> None:
    """Publish or retire what the bundle says is published or retired."""
    if version.state == state:
        if state != VersionState.DRAFT:
            done.tell("unchanged", version)
        return
    if state == VersionState.DRAFT or version.state == VersionState.RETIRED:
        raise ConflictError({"state": f"{version} is {version.state} and stays so."})
    if version.state == VersionState.DRAFT:
        with audit.recorded(actor, "published", version):
            if isinstance(version, TaskVersion):
                publish_task_version(version)
            else:
                publish_benchmark_version(version)
        version.refresh_from_db()
        done.tell("published", version)
        done.published.append(version)
    if state == VersionState.RETIRED:
        with audit.recorded(actor, "retired", version):
            retire_version(version)
        done.tell("retired", version)


def _check_same(changes: list[FieldChange], stored: TaskVersion) -> None:
    if changes:
        changed = "; ".join(f"{c.field}: {c.old!r}, not {c.new!r}" for c in changes[:5])
        raise ConflictError(
            f"{stored} is {stored.state} and never changes, but has {changed}. Give what is new "
            "another number."
        )
