"""Tells which names that are there already the rules of today would refuse or mark."""

from __future__ import annotations

from django.core.management.base import BaseCommand
from django.db import models

from leaderboard.lib.names import NameField, fault_of, normal
from leaderboard.models import Benchmark, Potential, ReferenceSet, Task, Team
from leaderboard.services.accounts.user_names import users_with_faults
from leaderboard.services.submissions import look_alikes

_MODELS: tuple[type[models.Model], ...] = (Team, Task, Benchmark, ReferenceSet, Potential)


class Command(BaseCommand):
    help = "Mark look-alikes among potentials anew, and list every name that would be refused."

    def handle(self, **options: object) -> None:
        look_alikes.mark_all()
        lines = [f"potential {row.slug}: {why}" for row, why in look_alikes.faults()]
        lines += [f"user {name}: {why}" for name, why in users_with_faults()]
        for model in _MODELS:
            lines += _faults_of(model)
        for line in lines:
            self.stdout.write(line)
        self.stdout.write(f"{len(lines)} names to look at.")


def _faults_of(model: type[models.Model]) -> list[str]:
    """Of the other fields too; a potential's name is told above."""
    fields = [f.name for f in model._meta.fields if isinstance(f, NameField)]
    lines = []
    for row in model._default_manager.all():
        for field in fields:
            if model is Potential and field == "name":
                continue
            text = getattr(row, field)
            fault = fault_of(text) or ("" if text == normal(text) else "It is not in form NFKC.")
            if fault:
                lines.append(f"{model._meta.verbose_name} {row.pk}, {field}: {fault}")
    return lines
