"""``manage.py load_standard``: the tasks and benchmarks that ship with the project."""

from __future__ import annotations

from django.core.management.base import BaseCommand, CommandError

from leaderboard.exceptions import InfrastructureError, SubmissionError
from leaderboard.services.definitions.standard import load_standard


class Command(BaseCommand):
    help = "Load the standard reference sets, tasks and benchmarks; safe to run again."

    def handle(self, *args: object, **options: object) -> None:
        try:
            loaded = load_standard(self.stdout.write)
        except (InfrastructureError, SubmissionError) as error:
            raise CommandError(str(error)) from error
        n_ready, n_skipped = len(loaded.task_versions), len(loaded.skipped)
        self.stdout.write(f"{n_ready} tasks are ready, {n_skipped} skipped.")
        if n_skipped:
            self.stdout.write(
                "Those that were skipped need files that cannot be downloaded here: copy them into "
                "a folder, name it in TOUCHSTONE_DATA_MIRROR, and run this again."
            )
