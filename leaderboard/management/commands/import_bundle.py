"""Brings reference sets, tasks and benchmarks up to a YAML bundle. Safe to run again."""

from __future__ import annotations

from pathlib import Path

from django.core.management.base import BaseCommand, CommandError, CommandParser

from leaderboard.exceptions import SubmissionError
from leaderboard.services.definitions.bundles import Beside, import_bundle


class Command(BaseCommand):
    help = "Import BUNDLE (YAML); files that it names lie beside it. All of it or nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("bundle", type=Path)
        parser.add_argument(
            "--backfill",
            action="store_true",
            help="Then evaluate every submission on what was published, behind everything else.",
        )

        parser.add_argument(
            "--dry-run", action="store_true", help="Say what would be done, and change nothing."
        )

    def handle(self, *, bundle: Path, backfill: bool, dry_run: bool, **options: object) -> None:
        try:
            text = bundle.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{bundle} cannot be read: {error}") from error
        beside = Beside(folder=bundle.parent, downloads=True)
        try:
            done = import_bundle(text, beside, "import_bundle", is_trial=dry_run, fills=backfill)
        except SubmissionError as error:
            lines = [f"{place}: {s}" if place else s for place, s in error.errors.items()]
            raise CommandError("\n".join(["Nothing was imported.", *lines])) from error
        for line in done.lines:
            self.stdout.write(line)
        if backfill:
            would = "would be " if dry_run else ""
            self.stdout.write(f"{done.n_queued} evaluations {would}queued")
        if dry_run:
            self.stdout.write("This was a trial: nothing was changed.")
