"""Django's admin site: everything is listed, and only what may change can be changed."""

from django.contrib import admin

from leaderboard.admin import accounts, benchmarks, evaluations, potentials, tasks, teams, workers

__all__ = ["accounts", "benchmarks", "evaluations", "potentials", "tasks", "teams", "workers"]

admin.site.site_header = "Touchstone administration"
admin.site.site_title = "Touchstone"
admin.site.index_title = "What there is"
# Rows are deleted one by one where that is allowed at all; the database guards the rest.
admin.site.disable_action("delete_selected")
