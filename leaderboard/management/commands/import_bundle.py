"""Brings reference sets, tasks and benchmarks up to a YAML bundle. Safe to run again."""

from __future__ import annotations

from pathlib import Path

from django.core.management.base import BaseCommand, CommandError, CommandParser

from leaderboard.enums import VersionState
from leaderboard.exceptions import SubmissionError
from leaderboard.models import BenchmarkVersion, TaskVersion
from leaderboard.services.definitions import backfill
from leaderboard.services.definitions.bundles import Beside, Imported, import_bundle


class Command(BaseCommand):
    help = "Import BUNDLE (YAML); files that it names lie beside it. All of it or nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("bundle", type=Path)
        parser.add_argument(
            "--backfill",
            action="store_true",
            help="Then evaluate every submission on what was published, behind everything else.",
        )

    def handle(self, *, bundle: Path, backfill: bool, **options: object) -> None:
        try:
            text = bundle.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{bundle} cannot be read: {error}") from error
        try:
            done = import_bundle(
                text, Beside(folder=bundle.parent, downloads=True), "import_bundle"
            )
        except SubmissionError as error:
            lines = [f"{place}: {s}" if place else s for place, s in error.errors.items()]
            raise CommandError("\n".join(["Nothing was imported.", *lines])) from error
        for line in done.lines:
            self.stdout.write(line)
        if backfill:
            self.stdout.write(f"{_fill(done)} evaluations queued")


def _fill(done: Imported) -> int:
    versions = {v.pk: v for v in done.published if isinstance(v, TaskVersion)}
    for frozen in done.published:
        if isinstance(frozen, BenchmarkVersion):
            rows = frozen.entries.select_related("task_version__task")
            versions |= {e.task_version.pk: e.task_version for e in rows}
    standing = [v for v in versions.values() if v.state == VersionState.PUBLISHED]
    return len(backfill.start("import_bundle", standing))
