"""Writes reference sets, tasks and benchmarks into a folder, as a YAML bundle for git."""

from __future__ import annotations

import shutil
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError, CommandParser

from leaderboard.exceptions import SubmissionError
from leaderboard.services.definitions.bundle_export import export_bundle
from leaderboard.services.definitions.tasks import reference_path


class Command(BaseCommand):
    help = "Write FOLDER/bundle.yaml, with the reference sets' files beside it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path)
        parser.add_argument("--task", action="append", default=[], metavar="SLUG")
        parser.add_argument("--benchmark", action="append", default=[], metavar="SLUG")
        parser.add_argument("--drafts", action="store_true", help="Drafts as well.")
        parser.add_argument("--hidden", action="store_true", help="Hidden sets' files as well.")
        parser.add_argument("--no-files", action="store_true", help="The YAML alone.")

    def handle(
        self,
        *,
        folder: Path,
        task: list[str],
        benchmark: list[str],
        drafts: bool,
        hidden: bool,
        no_files: bool,
        **options: object,
    ) -> None:
        try:
            exported = export_bundle(tasks=task, benchmarks=benchmark, drafts=drafts)
        except SubmissionError as error:
            raise CommandError(str(error)) from error
        folder.mkdir(parents=True, exist_ok=True)
        for name, reference in exported.files.items():
            if no_files or not (reference.is_public or hidden):
                self.stdout.write(f"left out: {name}")
                continue
            shutil.copyfile(reference_path(reference), folder / name)
            self.stdout.write(f"wrote {folder / name}")
        (folder / "bundle.yaml").write_text(exported.text, encoding="utf-8")
        self.stdout.write(f"wrote {folder / 'bundle.yaml'}")
