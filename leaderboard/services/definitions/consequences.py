"""What publishing or retiring a version would mean, in sentences for whoever is about to do it."""

from __future__ import annotations

from evaluator.standard_tasks.read import SMOKE_TASK
from leaderboard.enums import EvaluationState, VersionState
from leaderboard.models import BenchmarkVersion, Evaluation, TaskVersion
from leaderboard.services.definitions import backfill, dry_runs, version_changes

_WAITING = (EvaluationState.QUEUED, EvaluationState.RUNNING)


def uses_of_task_version(version: TaskVersion) -> list[str]:
    """Who relies on it: benchmarks, evaluations, the page of the task."""
    return [*_places(version), *_evaluations(version)]


def of_publishing_task(version: TaskVersion) -> list[str]:
    """What changes with the publication, and what does not."""
    current = version.task.current_version()
    address = version.task.get_absolute_url()
    if current is None:
        sentences = [f"{address} shows it from then on; so far the task has no current version."]
    elif current.number < version.number:
        sentences = [f"{address} shows it from then on, in the place of {current}."]
        sentences += [f"{text} It stays there." for text in _places(current)]
    else:
        sentences = [f"{address} goes on to show {current}, which is newer."]
    n_missing = backfill.lacking(version).count()
    sentences.append(
        f"No benchmark holds a draft: it stands in none until you put it there. {n_missing} "
        f"submission{'s' * (n_missing != 1)} can be evaluated on it, when you ask for that."
    )
    if version.task.slug == SMOKE_TASK:
        sentences.append("It is the smoke task: every new submission is tried on it first.")
    return sentences


def of_retiring_task(version: TaskVersion) -> list[str]:
    """What readers and submitters find afterwards."""
    address = version.task.get_absolute_url()
    others = version.task.versions.filter(state=VersionState.PUBLISHED).exclude(pk=version.pk)
    newest = others.order_by("-number").first()
    if newest is None:
        only = f"It is the only published version: {address} stays, says that the task is retired,"
        sentences = [f"{only} and shows this version. The list of tasks names it no more."]
        if version.task.slug == SMOKE_TASK:
            sentences.append(
                "It is the smoke task: without it new submissions are tried on everything at once."
            )
    elif newest.number < version.number:
        sentences = [f"{address} shows {newest} again, which is older."]
    else:
        sentences = [f"{address} shows {newest}, as it does now."]
    sentences.append("Its own page, its scores and its evaluations stay. It cannot be undone.")
    return sentences


def trials_of(version: TaskVersion) -> tuple[list[str], bool]:
    """Which dry runs there were, and whether one of this very draft has succeeded."""
    runs = list(dry_runs.of(version).select_related("submission__potential")[:20])
    if not runs:
        return ["It was never tried: a dry run shows scores, failures and time beforehand."], False
    present = [run for run in runs if dry_runs.tells_of_present(run)]
    if not present:
        return ["It was tried as an earlier draft alone; it has changed since."], False
    sentences = [_told(run) for run in present[:5]]
    return sentences, any(run.state == EvaluationState.SUCCEEDED for run in present)


def of_publishing_benchmark(version: BenchmarkVersion) -> list[str]:
    current = version.benchmark.current_version()
    versions = [
        entry.task_version for entry in version.entries.select_related("task_version__task")
    ]
    address = f"/benchmarks/{version.benchmark.slug}/"
    sentences = [
        f"{address} leads to it from then on"
        + (f", in the place of {current}, which keeps its own page." if current else ".")
    ]
    cost = backfill.estimate(versions)
    sentences.append(
        f"It holds {len(versions)} task{'s' * (len(versions) != 1)}. {cost.n_missing} "
        f"evaluation{'s are' if cost.n_missing != 1 else ' is'} missing, and queued when you ask "
        "for that; new submissions get its tasks by themselves, where it is the default benchmark."
    )
    retired = [v for v in versions if v.state == VersionState.RETIRED]
    if retired:
        names = ", ".join(map(str, retired))
        sentences.append(f"Retired since it was drafted: {names}.")
    return sentences


def of_retiring_benchmark(version: BenchmarkVersion) -> list[str]:
    others = version.benchmark.versions.filter(state=VersionState.PUBLISHED).exclude(pk=version.pk)
    newest = others.order_by("-number").first()
    address = f"/benchmarks/{version.benchmark.slug}/"
    sentences = [
        f"{address} leads to {newest} then."
        if newest
        else f"It is the only published version: {address} goes on to lead to it, marked as "
        "retired, and no list names the benchmark any more."
    ]
    sentences.append(
        f"It holds {version.entries.count()} task versions, which stay as they are. Its own page "
        "and its board stay. It cannot be undone."
    )
    return sentences


def what_is_asked_about(version: TaskVersion | BenchmarkVersion) -> object:
    """All of a version that its publication freezes: an answer holds for this alone."""
    if isinstance(version, TaskVersion):
        texts = [version.description, version.limitations, version.min_coverage]
        return [version.state, version.spec().to_json(), texts]
    entries = version_changes.entries_in_words(version)
    return [version.state, sorted(entries.items())]


def _places(version: TaskVersion) -> list[str]:
    rows = version.benchmark_entries.select_related("benchmark_version__benchmark")
    return [
        f"{version} stands in {row.benchmark_version} ({row.benchmark_version.state}), in "
        f"{row.category}."
        for row in rows.order_by("benchmark_version__benchmark__slug", "-benchmark_version__number")
    ]


def _evaluations(version: TaskVersion) -> list[str]:
    current = Evaluation.objects.filter(task_version=version, is_current=True)
    n_waiting = current.filter(state__in=_WAITING).count()
    n_all = current.count()
    if n_all == 0:
        return ["Nobody was evaluated on it."]
    sentence = f"{n_all} evaluation{'s' * (n_all != 1)} on it"
    waiting = f", {n_waiting} of them queued or running, which go on" if n_waiting else ""
    return [f"{sentence}{waiting}."]


def _told(run: Evaluation) -> str:
    if run.state in _WAITING:
        return f"A dry run of {run.submission} is under way."
    score = "" if run.score is None else f", score {run.score:.3f}"
    time = "" if run.wall_time_s is None else f", in {run.wall_time_s:.0f} s"
    verdict = run.get_verdict_display()
    failed = f", {run.n_failed} systems failed" if run.n_failed else ""
    return f"Tried as it is on {run.submission}: {verdict}{score}{failed}{time}."
