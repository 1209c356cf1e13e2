"""Django's admin site: everything is listed, and only what may change can be changed."""

from django.contrib import admin

from leaderboard.admin import (
    accounts,
    audit,
    benchmarks,
    evaluations,
    potentials,
    references,
    runtimes,
    tasks,
    teams,
    workers,
)

__all__ = [
    "accounts",
    "audit",
    "benchmarks",
    "evaluations",
    "potentials",
    "references",
    "runtimes",
    "tasks",
    "teams",
    "workers",
]

# Rows are deleted one by one where that is allowed at all; the database guards the rest.
admin.site.disable_action("delete_selected")
