"""The audit log: read, never written here."""

from __future__ import annotations

import json

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString

from leaderboard.admin.base import ReadOnlyAdmin
from leaderboard.models import AuditEntry


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ("at", "actor", "action", "model", "label", "changed")
    list_filter = ("action", "model", "actor")
    search_fields = ("actor", "label", "object_id", "detail")
    date_hierarchy = "at"
    fields = ("at", "actor", "actor_id", "action", "model", "object_id", "label", "detail", "shown")
    readonly_fields = fields

    @admin.display(description="fields")
    def changed(self, entry: AuditEntry) -> str:
        return ", ".join(entry.changes)

    @admin.display(description="old and new values")
    def shown(self, entry: AuditEntry) -> SafeString:
        rows = [
            format_html(
                "<tr><th>{}</th><td>{}</td><td>{}</td></tr>",
                field,
                json.dumps(old, ensure_ascii=False),
                json.dumps(new, ensure_ascii=False),
            )
            for field, (old, new) in entry.changes.items()
        ]
        head = SafeString("<thead><tr><th>field</th><th>old</th><th>new</th></tr></thead>")
        return format_html("<table>{}<tbody>{}</tbody></table>", head, SafeString("".join(rows)))
