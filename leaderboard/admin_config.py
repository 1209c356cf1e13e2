"""Puts our own site in the place of Django's admin site. Loaded before there are models."""

from django.contrib.admin.apps import AdminConfig


class TouchstoneAdminConfig(AdminConfig):
    default = False
    default_site = "leaderboard.admin_site.AuditedSite"
